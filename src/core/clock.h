/* SPDX-License-Identifier: BSD-3-Clause */
/* clock: nanoseconds since 1970 from the CPU's time stamp counter, for devices without a clock.
 *
 * The control core adjusts it against CLOCK_REALTIME once a second; workers only read. A reader retries
 * while the control core writes (sequence count), which takes a few nanoseconds.
 */
#pragma once

#include <stdint.h>

void hm_clock_init(void);       // once, before workers start
void hm_clock_adjust(void);     // control core, about once a second
uint64_t hm_clock_now_ns(void); // any thread, no system call
