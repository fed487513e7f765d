/* SPDX-License-Identifier: BSD-3-Clause */
/* records: functions of which each read takes out a record. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/expiredflowshash.h"
#include "stdlib/hashsamp.h"
#else
#include <mapi/expiredflowshash.h>
#include <mapi/hashsamp.h>
#endif

/* Reads as many samples as packets pass. */
static int hashsamp(int fd)
{
	mapi_apply_function(fd, "HASHSAMP", 512, 1);
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static void print_samples(int fd, int fid)
{
	unsigned long long n = ull(fd, fid);
	unsigned ports = 0, sequences = 0, flags = 0, tcp = 0;
	const struct sample *s = NULL;

	for (unsigned long long i = 0; i < n; i++) {
		s = (const struct sample *)result(fd, fid - 1);
		if (!s)
			fail("mapi_read_results");
		ports += s->sourceport + s->destport;
		sequences += s->sequence;
		flags += s->tcp_flags;
		tcp += s->protocol == 6;
	}
	printf("%llu %u %u %u %u %llu\n", n, tcp, ports, sequences, flags, s ? s->timestamp : 0);
}

/* Without keeping samples it is a filter like others. */
static int hashsamp_as_filter(int fd)
{
	mapi_apply_function(fd, "HASHSAMP", 512, 0);
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static int expired_flows(int fd)
{
	return mapi_apply_function(fd, "EXPIRED_FLOWS", 1000, 1000, 0);
}

static void print_begun(int fd, int fid)
{
	const flows_stat *s = (const flows_stat *)result(fd, fid);

	if (!s)
		fail("mapi_read_results");
	printf("%u %u\n", s->received, s->packets.received);
}

/* Flows that are over: all, at the end of a trace, but none yet on a device. */
static void print_expired(int fd, int fid)
{
	const flows_stat *s = (const flows_stat *)result(fd, fid);
	unsigned long long packets = 0, bytes = 0, ports = 0;

	if (!s)
		fail("mapi_read_results");
	for (unsigned i = 0; i < s->sent; i++) {
		const flow_data *f = (const flow_data *)(const void *)(s + 1) + i;
		packets += f->packets_count;
		bytes += f->bytes_count;
		ports += f->sport + f->dport;
	}
	printf("%u %u %llu %llu %llu\n", s->expired, s->sent, packets, bytes, ports);
}

/* It has no result for programs, which see packets by TO_BUFFER. */
static int print_packet(int fd)
{
	mapi_apply_function(fd, "PRINT_PACKET");
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static void print_no_result(int fd, int fid)
{
	int number = 0;

	if (result(fd, fid - 1))
		printf("something ");
	mapi_read_error(&number, NULL);
	printf("%d %llu\n", number, ull(fd, fid));
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"hashsamp", hashsamp, print_samples},
		{"hashsamp_as_filter", hashsamp_as_filter, print_ull},
		{"begun", expired_flows, print_begun},
		{"expired", expired_flows, print_expired},
		{"print_packet", print_packet, print_no_result},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
