/* SPDX-License-Identifier: BSD-3-Clause */
/* refusals: what each function does not take, and the number that says so. */
#include <mapi/binop.h>
#include <mapi/pktinfo.h>
#include <mapi/res2file.h>
#include <mapi/sample.h>
#include <mapi/threshold.h>
#include <mapi/topx.h>

#include "expect.h"

static void filters(void)
{
	REFUSED(7001, "BPF_FILTER", "no expression", NULL);
	REFUSED(7001, "BPF_FILTER", "an empty expression", "");
	REFUSED(1025, "BPF_FILTER", "an expression that is wrong", "port or");
	REFUSED(7000, "REGEXP", "no pattern", NULL);
	REFUSED(7000, "REGEXP", "a pattern that is wrong", "a(b");
	REFUSED(7001, "STR_SEARCH", "no pattern", NULL, 0, 0);
	REFUSED(7001, "STR_SEARCH", "an empty pattern", "", 0, 0);
	REFUSED(7002, "STR_SEARCH", "a negative offset", "x", -1, 0);
	REFUSED(7003, "STR_SEARCH", "a negative depth", "x", 0, -1);
	REFUSED_AT_CONNECT(3503, "STR_SEARCH", "a hex part without end", "|61 62", 0, 0);
	REFUSED_AT_CONNECT(3504, "STR_SEARCH", "a depth less than the pattern", "pattern", 0, 3);
	REFUSED_AT_CONNECT(3505, "STR_SEARCH", "nothing to search", "||", 0, 0);
	REFUSED(7002, "SAMPLE", "a mode that there is not", 10, 7);
	REFUSED(7000, "STARTSTOP", "a start that is no time", "soon", "+1s");
	REFUSED(7000, "STARTSTOP", "a relative start and an absolute stop", "+1s",
		"2026-01-01 00:00:00");
	REFUSED(7000, "INTERFACE", "a negative number", -1);
	REFUSED(7002, "SYNC", "no such flow", "7777");
	REFUSED(7002, "SYNC", "an empty list", "");
	REFUSED(7006, "TO_FILE", "a format that there is not", 77, "x", 0ULL);
	REFUSED(6155, "TO_FILE", "no file", MFF_PCAP, NULL, 0ULL);
	REFUSED(6155, "TO_FILE", "a file that cannot be created", MFF_PCAP, "/nowhere/x", 0ULL);
	REFUSED(7001, "HASHSAMP", "a range of 0", 0, 0);
	REFUSED(7001, "HASHSAMP", "a range above 1024", 1025, 0);
}

static void values(void)
{
	REFUSED(7001, "PKTINFO", "a number that there is not", 2);
	REFUSED(7001, "PROTINFO", "a number that there is not", 7777);
	REFUSED(7001, "HASH", "a layer that there is not", 4);
	REFUSED(7001, "TO_BUFFER", "neither WAIT nor NOWAIT", 2);
	REFUSED(7001, "INJECT", "no such device", "eth7");
	REFUSED(7001, "INJECT", "the flow's own device", "idle");
	REFUSED(7001, "BURST", "a negative size", -1, 10, 1, 0, 0, 0, 1000);
	REFUSED(7003, "BURST", "a step of 0", 0, 10, 0, 0, 0, 0, 1000);
	REFUSED(7000, "BURST", "a link without speed", 0, 10, 1, 0, 0, 0, 0);
	REFUSED(7001, "TOP", "more than 1000 values", 1001, TOPX_TCP, TOPX_TCP_DSTPORT);
	REFUSED(7002, "TOP", "a protocol that it does not have", 5, TOPX_ICMP, 1);
	REFUSED(7003, "TOP", "a field of another protocol", 5, TOPX_TCP, TOPX_UDP_DSTPORT);
	REFUSED(7000, "FLOW_REPORT", "a record type that there is not", "NETFLOW_V7", "127.0.0.1:9",
		"", "");
	REFUSED(7002, "FLOW_REPORT", "an address that is none", "IPFIX", "collector", "", "");
	REFUSED(7004, "FLOW_REPORT", "an element that there is not", "IPFIX", "127.0.0.1:9", "",
		"%COLOUR");
}

/* Functions that read another one's value. */
static void readers(void)
{
	int fd = mapi_create_flow("idle");
	int filter = mapi_apply_function(fd, "BPF_FILTER", "udp");
	int counter = mapi_apply_function(fd, "PKT_COUNTER");
	char list[32];

	EXPECT(7001, "BINOP", "neither BINOP_ADD nor BINOP_SUB",
	       mapi_apply_function(fd, "BINOP", 2, fd, counter, fd, counter));
	EXPECT(7002, "BINOP", "no such left function",
	       mapi_apply_function(fd, "BINOP", BINOP_ADD, fd, 7777, fd, counter));
	EXPECT(7004, "BINOP", "no such right function",
	       mapi_apply_function(fd, "BINOP", BINOP_ADD, fd, counter, 7777, counter));
	EXPECT(7001, "STATS", "no such flow", mapi_apply_function(fd, "STATS", 7777, counter, "0"));
	EXPECT(7001, "STATS", "no such function", mapi_apply_function(fd, "STATS", fd, 7777, "0"));
	EXPECT(7001, "STATS", "a function without a value",
	       mapi_apply_function(fd, "STATS", fd, filter, "0"));
	EXPECT(7003, "STATS", "ticks that are no time",
	       mapi_apply_function(fd, "STATS", fd, counter, "often"));
	EXPECT(7001, "DIST", "no such function",
	       mapi_apply_function(fd, "DIST", fd, 7777, "0", "9", "1"));
	EXPECT(7000, "DIST", "min above max",
	       mapi_apply_function(fd, "DIST", fd, counter, "9", "0", "1"));
	EXPECT(7003, "DIST", "no min",
	       mapi_apply_function(fd, "DIST", fd, counter, NULL, "9", "1"));
	EXPECT(7004, "DIST", "no max",
	       mapi_apply_function(fd, "DIST", fd, counter, "0", NULL, "1"));
	EXPECT(7004, "DIST", "an interval above max - min",
	       mapi_apply_function(fd, "DIST", fd, counter, "0", "9", "10"));
	EXPECT(7005, "DIST", "no interval",
	       mapi_apply_function(fd, "DIST", fd, counter, "0", "9", NULL));
	EXPECT(7005, "DIST", "an interval of 0",
	       mapi_apply_function(fd, "DIST", fd, counter, "0", "9", "0"));
	EXPECT(7000, "BUCKET", "no such function",
	       mapi_apply_function(fd, "BUCKET", fd, 7777, "1s", 0));
	EXPECT(7003, "BUCKET", "no interval",
	       mapi_apply_function(fd, "BUCKET", fd, counter, NULL, 0));
	EXPECT(7003, "BUCKET", "an interval of 0s",
	       mapi_apply_function(fd, "BUCKET", fd, counter, "0s", 0));
	EXPECT(7000, "BUCKET", "a reset that is neither 0 nor 1",
	       mapi_apply_function(fd, "BUCKET", fd, counter, "1s", 2));
	EXPECT(7001, "THRESHOLD", "a type that there is not",
	       mapi_apply_function(fd, "THRESHOLD", 7, fd, counter, GT, 1ULL, 0, 0, 0));
	EXPECT(7002, "THRESHOLD", "no such function",
	       mapi_apply_function(fd, "THRESHOLD", ULL, fd, 7777, GT, 1ULL, 0, 0, 0));
	EXPECT(7005, "THRESHOLD", "a boundary that there is not",
	       mapi_apply_function(fd, "THRESHOLD", ULL, fd, counter, 3, 1ULL, 0, 0, 0));
	snprintf(list, sizeof(list), "%d@%d", counter, fd);
	EXPECT(7001, "RES2FILE", "no types",
	       mapi_apply_function(fd, "RES2FILE", NULL, list, "h", "/dev/null", "1s", 0));
	EXPECT(7001, "RES2FILE", "more types than functions",
	       mapi_apply_function(fd, "RES2FILE", "1,1", list, "h", "/dev/null", "1s", 0));
	EXPECT(7002, "RES2FILE", "no list of functions",
	       mapi_apply_function(fd, "RES2FILE", "1", NULL, "h", "/dev/null", "1s", 0));
	EXPECT(7002, "RES2FILE", "no such function",
	       mapi_apply_function(fd, "RES2FILE", "1", "7777@7777", "h", "/dev/null", "1s", 0));
	EXPECT(7002, "RES2FILE", "a type that there is not",
	       mapi_apply_function(fd, "RES2FILE", "9", list, "h", "/dev/null", "1s", 0));
	EXPECT(7003, "RES2FILE", "no header",
	       mapi_apply_function(fd, "RES2FILE", "1", list, NULL, "/dev/null", "1s", 0));
	EXPECT(6155, "RES2FILE", "no file",
	       mapi_apply_function(fd, "RES2FILE", "1", list, "h", NULL, "1s", 0));
	EXPECT(6155, "RES2FILE", "a file that cannot be created",
	       mapi_apply_function(fd, "RES2FILE", "1", list, "h", "/nowhere/x", "1s", 0));
	EXPECT(7005, "RES2FILE", "no interval",
	       mapi_apply_function(fd, "RES2FILE", "1", list, "h", "/dev/null", NULL, 0));
	EXPECT(7005, "RES2FILE", "an interval of 0s",
	       mapi_apply_function(fd, "RES2FILE", "1", list, "h", "/dev/null", "0s", 0));
	EXPECT(7011, "RES2FILE", "a reset that is neither 0 nor 1",
	       mapi_apply_function(fd, "RES2FILE", "1", list, "h", "/dev/null", "1s", 2));
	mapi_close_flow(fd);
}

int main(void)
{
	filters();
	values();
	readers();
	return 0;
}
