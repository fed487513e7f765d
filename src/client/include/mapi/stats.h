/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of STATS. */
#ifndef MAPI_STATS_H
#define MAPI_STATS_H

typedef struct stats {
	unsigned long long count;
	long double sum;
	long double sum2; /* of squares */
	double max;
	double min;
} stats_t;

#endif
