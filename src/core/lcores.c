/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/lcores.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LCORES 128

static int fail(const char *list, const char *at, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, 0,
			    "\"%s\" is no list of lcores (at \"%s\"): write \"0-3\", \"0,2\", or "
			    "\"0@0,(1-4)@1\" for lcores 1 to 4 on CPU 1; numbers are 0 to %d",
			    list, at, LCORES - 1);
}

/* A number 0..127; NULL if there is none. */
static const char *read_number(const char *s, unsigned *n)
{
	char *end;
	unsigned long v;

	if (!isdigit((unsigned char)*s))
		return NULL;
	v = strtoul(s, &end, 10);
	*n = (unsigned)v;
	return v < LCORES ? end : NULL;
}

/* "n" or "n-m", put into set. */
static const char *read_range(const char *s, uint64_t set[2])
{
	unsigned first, last;

	s = read_number(s, &first);
	if (!s)
		return NULL;
	last = first;
	if (*s == '-' && !(s = read_number(s + 1, &last)))
		return NULL;
	if (last < first)
		return NULL;
	for (unsigned i = first; i <= last; i++)
		set[i / 64] |= UINT64_C(1) << (i % 64);
	return s;
}

/* "range" or "(range,range...)" */
static const char *read_group(const char *s, uint64_t set[2])
{
	if (*s != '(')
		return read_range(s, set);
	do {
		s = read_range(s + 1, set);
	} while (s && *s == ',');
	return s && *s == ')' ? s + 1 : NULL;
}

int hm_lcores_parse(const char *list, uint64_t set[2], struct hm_error *err)
{
	const char *s = list;

	set[0] = set[1] = 0;
	for (;;) {
		uint64_t cpus[2] = {0};
		const char *at = s;

		s = read_group(s, set);
		if (s && *s == '@')
			s = read_group(s + 1, cpus);
		if (!s || (*s && *s != ','))
			return fail(list, at, err);
		if (!*s)
			break;
		s++;
	}
	return __builtin_popcountll(set[0]) + __builtin_popcountll(set[1]);
}
