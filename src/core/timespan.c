/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/timespan.h"

#include <ctype.h>
#include <string.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_SECOND}, {"m", 60 * NS_PER_SECOND},
};

/* Appends the digits at `text` to *n; returns what is behind them, NULL if the number gets too large. */
static const char *take_digits(const char *text, uint64_t *n)
{
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(*n, 10, n) ||
		    __builtin_add_overflow(*n, (uint64_t)(*text - '0'), n))
			return NULL;
	return text;
}

static bool scale(struct hm_timespan *t, uint64_t number, unsigned fraction, const char *unit)
{
	unsigned __int128 ns = number;
	uint64_t factor = 0;

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].name))
			factor = units[i].ns;
	t->has_unit = factor != 0;
	if (t->has_unit) {
		ns *= factor;
		for (unsigned i = 0; i < fraction; i++)
			ns /= 10;
	} else {
		if (*unit != '\0' || fraction > 0)
			return false;
		t->plain = number;
		ns = (ns * NS_PER_SECOND) >> 32;
	}
	t->ns = (uint64_t)ns;
	return ns <= INT64_MAX;
}

bool hm_timespan_parse(const char *text, struct hm_timespan *t)
{
	const char *start, *end;
	uint64_t number = 0;
	unsigned fraction = 0;

	*t = (struct hm_timespan){.plus = *text == '+'};
	start = text + t->plus;
	end = take_digits(start, &number);
	if (!end || end == start)
		return false;
	if (*end == '.') {
		start = end + 1;
		end = take_digits(start, &number);
		if (!end || end == start)
			return false;
		fraction = (unsigned)(end - start);
	}
	return scale(t, number, fraction, end);
}
