/* SPDX-License-Identifier: BSD-3-Clause */
/* counters: PKT_COUNTER and BYTE_COUNTER, before and behind a filter. */
#include "scaffold.h"

static int packets(int fd)
{
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static int bytes(int fd)
{
	return mapi_apply_function(fd, "BYTE_COUNTER");
}

/* The tutorial has this name, too. */
static int packets_by_another_name(int fd)
{
	return mapi_apply_function(fd, "PKT_COUNT");
}

static int before_a_filter(int fd)
{
	int counter = mapi_apply_function(fd, "PKT_COUNTER");

	mapi_apply_function(fd, "BPF_FILTER", "udp");
	mapi_apply_function(fd, "PKT_COUNTER");
	return counter;
}

static int behind_a_filter(int fd)
{
	mapi_apply_function(fd, "PKT_COUNTER");
	mapi_apply_function(fd, "BPF_FILTER", "udp");
	return mapi_apply_function(fd, "PKT_COUNTER");
}

/* Arguments as text, as generic programs have them. */
static int by_an_array(int fd)
{
	char expression[] = "udp", *args[] = {expression};

	mapi_apply_function_array(fd, "BPF_FILTER", args, 1);
	return mapi_apply_function_array(fd, "BYTE_COUNTER", NULL, 0);
}

/* Library and device type are part of the name in 2.0. */
static int by_a_full_name(int fd)
{
	mapi_apply_function(fd, "stdflib:BPF_FILTER!1", "udp");
	return mapi_apply_function(fd, "stdflib:PKT_COUNTER");
}

/* Programs that keep calls in tables take their addresses. */
static int by_an_address(int fd)
{
	int (*apply)(int, const char *, ...) = mapi_apply_function;

	apply(fd, "STR_SEARCH", "pattern", 100, 300);
	return apply(fd, "PKT_COUNTER");
}

static void print_by_an_address(int fd, int fid)
{
	mapi_results_t *(*read)(int, int) = mapi_read_results;
	const mapi_results_t *r = read(fd, fid);

	printf("%llu %d\n", r ? *(unsigned long long *)r->res : 0, r ? r->size : 0);
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"packets", packets, print_ull},
		{"bytes", bytes, print_ull},
		{"packets_by_another_name", packets_by_another_name, print_ull},
		{"before_a_filter", before_a_filter, print_ull},
		{"behind_a_filter", behind_a_filter, print_ull},
		{"by_an_array", by_an_array, print_ull},
		{"by_a_full_name", by_a_full_name, print_ull},
		{"by_an_address", by_an_address, print_by_an_address},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
