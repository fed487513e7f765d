/* SPDX-License-Identifier: BSD-3-Clause */
/* statistics: functions that read what another one says of each packet. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/burst.h"
#include "stdlib/dist.h"
#include "stdlib/stats.h"
#else
#include <mapi/burst.h>
#include <mapi/dist.h>
#include <mapi/stats.h>
#endif

static int stats_of_gaps(int fd)
{
	int gap = mapi_apply_function(fd, "GAP");

#if DIALECT == TUTORIAL
	return mapi_apply_function(fd, "STAT", fd, gap, 1);
#elif DIALECT == MAPI1
	return mapi_apply_function(fd, "STATS", fd, gap, 1);
#else
	return mapi_apply_function(fd, "STATS", fd, gap, "1");
#endif
}

static int stats_of_sizes(int fd)
{
	int size = mapi_apply_function(fd, "PKTINFO", 1);

#if DIALECT == TUTORIAL
	return mapi_apply_function(fd, "STAT", fd, size, 0);
#else
	return mapi_apply_function(fd, "STATS", fd, size, "0");
#endif
}

static int stats_by_interval(int fd)
{
	int bytes = mapi_apply_function(fd, "BYTE_COUNTER");

	return mapi_apply_function(fd, "STATS", fd, bytes, "20ms");
}

static void print_stats(int fd, int fid)
{
	const stats_t *s = (const stats_t *)result(fd, fid);

	if (!s)
		fail("mapi_read_results");
	printf("%llu %.0Lf %.0Lf %.0f %.0f\n", s->count, s->sum, s->sum2, s->min, s->max);
}

static int dist_of_sizes(int fd)
{
	int size = mapi_apply_function(fd, "PKTINFO", 1);

	return mapi_apply_function(fd, "DIST", fd, size, "0", "1500", "100");
}

static int dist_of_gaps(int fd)
{
	int gap = mapi_apply_function(fd, "GAP");

	return mapi_apply_function(fd, "DIST", fd, gap, "1us", "2ms", "250us");
}

static void print_dist(int fd, int fid)
{
	const dist_t *d = (const dist_t *)result(fd, fid);

	if (!d)
		fail("mapi_read_results");
	printf("%llu %llu %llu", d->min, d->max, d->intervals);
	for (unsigned long long i = 0; i <= d->intervals; i++)
		printf(" %llu", d->data[i]);
	printf("\n");
}

static int burst(int fd)
{
	return mapi_apply_function(fd, "BURST", 0, 6000, 2000, 96, 3000, 3000, 1000);
}

static void print_burst(int fd, int fid)
{
	const burst_category_t *c = (const burst_category_t *)result(fd, fid);

	if (!c)
		fail("mapi_read_results");
	for (int i = 0; i < 5; i++)
		printf("%lu %lu %lu %lu %lu ", c[i].bytes, c[i].packets, c[i].bursts,
		       c[i].gap_bytes, c[i].gaps);
	printf("\n");
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"stats_of_gaps", stats_of_gaps, print_stats},
		{"stats_of_sizes", stats_of_sizes, print_stats},
		{"stats_by_interval", stats_by_interval, print_stats},
		{"dist_of_sizes", dist_of_sizes, print_dist},
		{"dist_of_gaps", dist_of_gaps, print_dist},
		{"burst", burst, print_burst},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
