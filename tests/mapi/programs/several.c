/* SPDX-License-Identifier: BSD-3-Clause */
/* several: functions that look at more than one flow. Flows over one trace need one device: in the older dialects, where
 * each offline flow has a trace of its own, these run on a network device only. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/binop.h"
#else
#include <mapi/binop.h>
#endif

static int filtered(const char *expression, int *counter)
{
	int fd = create_flow();

	mapi_apply_function(fd, "BPF_FILTER", expression);
	*counter = mapi_apply_function(fd, "PKT_COUNTER");
	return fd;
}

/* At each packet of all: packets over UDP and TCP up to it. */
static int sum(int fd)
{
	int udps, tcps, udp = filtered("udp", &udps), tcp = filtered("tcp", &tcps);

	return mapi_apply_function(fd, "BINOP", BINOP_ADD, udp, udps, tcp, tcps);
}

static int difference(int fd)
{
	int packets = mapi_apply_function(fd, "PKT_COUNTER"), udps, udp = filtered("udp", &udps);

	return mapi_apply_function(fd, "BINOP", BINOP_SUB, fd, packets, udp, udps);
}

/* The tutorial's page of BINOP has the type at the end; flows tell what is meant. */
static int difference_with_the_type_last(int fd)
{
	int packets = mapi_apply_function(fd, "PKT_COUNTER"), udps, udp = filtered("udp", &udps);

	return mapi_apply_function(fd, "BINOP", fd, packets, udp, udps, BINOP_SUB);
}

/* Both begin with the same packet, whichever is connected first. */
static int sync_two(int fd)
{
	int other = create_flow(), packets;
	char list[32];

	snprintf(list, sizeof(list), "%d,%d", fd, other);
	mapi_apply_function(fd, "SYNC", list);
	mapi_apply_function(other, "SYNC", list);
	packets = mapi_apply_function(other, "PKT_COUNTER");
	return mapi_apply_function(fd, "BINOP", BINOP_ADD, fd,
				   mapi_apply_function(fd, "PKT_COUNTER"), other, packets);
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"sum", sum, print_ull},
		{"difference", difference, print_ull},
		{"difference_with_the_type_last", difference_with_the_type_last, print_ull},
		{"sync", sync_two, print_ull},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
