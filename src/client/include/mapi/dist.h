/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of DIST. */
#ifndef MAPI_DIST_H
#define MAPI_DIST_H

typedef struct dist {
	unsigned long long min;
	unsigned long long max;
	unsigned long long intervals;
	unsigned long long data[1]; /* intervals + 1 of them */
} dist_t;

#endif
