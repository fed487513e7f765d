/* SPDX-License-Identifier: BSD-3-Clause */
/* fields: what functions tell of the last packet. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/pktinfo.h"
#include "stdlib/protinfo.h"
#define PKTINFO "PKT_INFO"
#else
#include <mapi/pktinfo.h>
#include <mapi/protinfo.h>
#define PKTINFO "PKTINFO"
#endif

static int timestamp(int fd)
{
	return mapi_apply_function(fd, PKTINFO, PKT_TS);
}

static int size(int fd)
{
	return mapi_apply_function(fd, PKTINFO, PKT_SIZE);
}

static int gap(int fd)
{
	return mapi_apply_function(fd, "GAP");
}

static int tcp_sequence(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "tcp");
	return mapi_apply_function(fd, "PROTINFO", PI_TCPSEQ);
}

static int tcp_acknowledgement(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "tcp");
	return mapi_apply_function(fd, "PROTINFO", PI_TCPACK);
}

static int time_to_live(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "ip");
	return mapi_apply_function(fd, "PROTINFO", PI_IP_TTL);
}

static int hash(int fd)
{
#if DIALECT == TUTORIAL
	return mapi_apply_function(fd, "HASH");
#else
	return mapi_apply_function(fd, "HASH", 0);
#endif
}

static int hash_of_payload(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "udp and not vlan");
	return mapi_apply_function(fd, "HASH", 3);
}

static int lost(int fd)
{
	return mapi_apply_function(fd, "PKTLOSS");
}

static void print_uint(int fd, int fid)
{
	const void *r = result(fd, fid);

	if (!r)
		fail("mapi_read_results");
	printf("%u\n", *(const unsigned *)r);
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"timestamp", timestamp, print_ull},
		{"size", size, print_ull},
		{"gap", gap, print_ull},
		{"tcp_sequence", tcp_sequence, print_ull},
		{"tcp_acknowledgement", tcp_acknowledgement, print_ull},
		{"time_to_live", time_to_live, print_ull},
		{"lost", lost, print_ull},
		{"hash", hash, print_uint},
		{"hash_of_payload", hash_of_payload, print_uint},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
