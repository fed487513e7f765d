/* SPDX-License-Identifier: BSD-3-Clause */
/* events: functions of which a read waits for the next value, or for what they signal. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/bucket.h"
#include "stdlib/threshold.h"
#else
#include <mapi/bucket.h>
#include <mapi/threshold.h>
#endif

/* An entry for every packet, of which the counter tells how many there are. */
static int bucket_at_every_packet(int fd)
{
	int packets = mapi_apply_function(fd, "PKT_COUNTER");

#if DIALECT == MAPI2
	mapi_apply_function(fd, "BUCKET", fd, packets, "0", 0);
#else
	mapi_apply_function(fd, "BUCKET", fd, packets, "0");
#endif
	return packets;
}

static void print_buckets(int fd, int fid)
{
	unsigned long long n = ull(fd, fid), sum = 0;
	const struct bucket_data *b = NULL;

	for (unsigned long long i = 0; i < n; i++) {
		b = (const struct bucket_data *)result(fd, fid + 1);
		if (!b)
			fail("mapi_read_results");
		sum += b->data;
	}
	printf("%llu %llu %llu\n", n, sum, b ? b->timestamp : 0);
}

/* 5 events are generated, then no packet passes any more. */
static int threshold(int fd)
{
	int packets = mapi_apply_function(fd, "PKT_COUNTER");

#if DIALECT == TUTORIAL
	mapi_apply_function(fd, "THRESHOLD", ULL, fd, packets, GT, 100ULL, 0, 0, 5);
#else
	mapi_apply_function(fd, "THRESHOLD", TYPE_UNSIGNED_LONG_LONG, fd, packets, GT_BOUND, 100ULL,
			    0, 0, 5);
#endif
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static void print_threshold(int fd, int fid)
{
	mapi_flow_info_t info;
	int events;

	// no data comes with an event, but a read waits for it
	for (events = 0; events < 5; events++) {
		result(fd, fid - 1);
		mapi_read_error(NULL, NULL);
	}
	mapi_get_flow_info(fd, &info);
	printf("%d %u %llu\n", events, info.num_functions, ull(fd, fid));
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"bucket_at_every_packet", bucket_at_every_packet, print_buckets},
		{"threshold", threshold, print_threshold},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
