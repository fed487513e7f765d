/* SPDX-License-Identifier: BSD-3-Clause */
/* timespan: the time strings that MAPI's functions take: "1.5s", "+10ms", "250us", "2m", or a plain number.
 * Read exactly, without floating point: "1000ms" is "1s".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hm_timespan {
	uint64_t ns;
	uint64_t
		plain; // the number, where there is no unit; ns is then the time of so many 2^-32 s
	bool has_unit;
	bool plus; // "+" was in front
};

/* Reads the whole of `text`: an optional "+", digits with an optional fraction, and an optional unit: ns,
 * us, ms, s, m (minutes). False: it is not one, or longer than 2^63 ns. A plain number has no fraction. */
bool hm_timespan_parse(const char *text, struct hm_timespan *t);

#ifdef __cplusplus
}
#endif
