/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_dag: a libdag with one receive stream that holds just the bytes a test puts into it.
 * For what no intact trace contains; the driver cannot tell it from the real one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

/* Empties the card. The ring has this many bytes (whole pages) and is mirrored. */
void fake_dag_reset(uint64_t size);
/* What arrives next; must fit behind what has not been released. */
void fake_dag_put(const void *bytes, size_t n);
/* From now on advance fails with this errno; 0: plugged in again. */
void fake_dag_unplug(int error);
/* The stream's drop attribute, of code FAKE_DAG_DROP_ATTR. */
#define FAKE_DAG_DROP_ATTR 217
void fake_dag_set_drops(uint64_t drops);
uint64_t fake_dag_released(void);
unsigned fake_dag_violations(void); // calls that a correct reader never makes

#pragma GCC visibility pop
