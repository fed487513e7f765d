/* SPDX-License-Identifier: BSD-3-Clause */
/* output_name: names of files that are made one after the other in a folder.
 *
 * A name is a path below the folder, "web.pcap" or "monday/web-%Y%m%d-%H%M%S-%n.pcap":
 *
 *	%Y %m %d %H %M %S	a time, in UTC
 *	%n			the number of the file, from 1, with at least six digits
 *	%%			a percent sign
 *
 * A file that is there already is never written over: "-1", "-2" ... is put before the last dot of its name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define HM_OUTPUT_NAME_MAX 1024 // with its zero; also of a name that was made

/* 0, or -EINVAL with err (6155): it is empty, leads out of the folder, has control characters or an unknown %. */
int hm_output_name_check(const char *name, struct hm_error *err);
/* Whether it says when the file begins. */
bool hm_output_name_has_time(const char *name);
/* The name for one file; `again`: how many of that name are there, 0: none. False: longer than `size`. */
bool hm_output_name_make(const char *name, uint64_t time_ns, uint64_t number, unsigned again,
			 char *made, size_t size);
/* Whether `made` may have been made from `name`; both without folders. */
bool hm_output_name_matches(const char *name, const char *made);
