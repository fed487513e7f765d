/* SPDX-License-Identifier: BSD-3-Clause */
/* top: TOP, whose result is a number and so many structures right behind it. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/topx.h"
#else
#include <mapi/topx.h>
#endif
#include <arpa/inet.h>

static int ports(int fd)
{
	return mapi_apply_function(fd, "TOP", 3, TOPX_TCP, TOPX_TCP_DSTPORT);
}

static int addresses_by_bytes(int fd)
{
#if DIALECT == MAPI2
	mapi_apply_function(fd, "BPF_FILTER", "ip");
	return mapi_apply_function(fd, "TOP", 4, TOPX_IP, TOPX_IP_SRCIP, SORT_BY_BYTES, 0);
#else
	mapi_apply_function(fd, "BPF_FILTER", "ip");
	return mapi_apply_function(fd, "TOP", 4, TOPX_IP, TOPX_IP_SRCIP);
#endif
}

static int addresses_of_ipv6(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "ip6");
	return mapi_apply_function(fd, "TOP", 4, TOPX_IP, TOPX_IP_DSTIP);
}

static void print_top(int fd, int fid)
{
	const char *r = (const char *)result(fd, fid);
	struct topx_result top;
	char text[INET6_ADDRSTRLEN];
	unsigned n;

	if (!r)
		fail("mapi_read_results");
	memcpy(&n, r, sizeof(n));
	for (unsigned i = 0; i < n; i++) {
		memcpy(&top, r + sizeof(n) + i * sizeof(top), sizeof(top));
		if (top.family == AF_INET)
			printf("%s", inet_ntop(AF_INET, &top.value, text, sizeof(text)));
		else if (top.family == AF_INET6)
			printf("%s", inet_ntop(AF_INET6, &top.addr6, text, sizeof(text)));
		else
			printf("%u", top.value);
		printf(" %u %llu ", top.count, top.bytecount);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"ports", ports, print_top},
		{"addresses_by_bytes", addresses_by_bytes, print_top},
		{"addresses_of_ipv6", addresses_of_ipv6, print_top},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
