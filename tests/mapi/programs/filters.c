/* SPDX-License-Identifier: BSD-3-Clause */
/* filters: each function that takes packets away, and how many it leaves. */
#include "scaffold.h"
#if DIALECT != TUTORIAL
#include <mapi/sample.h>
#else
#include "stdlib/sample.h"
#endif

static int counted(int fd)
{
	return mapi_apply_function(fd, "PKT_COUNTER");
}

static int bpf_filter(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "tcp and src port 1234");
	return counted(fd);
}

static int interface(int fd)
{
	mapi_apply_function(fd, "INTERFACE", 0);
	return counted(fd);
}

static int regexp(int fd)
{
	mapi_apply_function(fd, "REGEXP", "p[aA]t+e(r)n");
	return counted(fd);
}

static int str_search(int fd)
{
	mapi_apply_function(fd, "STR_SEARCH", "pat|74 65|rn", 0, 1500);
	return counted(fd);
}

static int str_search_in_a_window(int fd)
{
	mapi_apply_function(fd, "STR_SEARCH", "pattern", 100, 300);
	return counted(fd);
}

static int sample_periodic(int fd)
{
#if DIALECT == TUTORIAL
	mapi_apply_function(fd, "SAMPLE", 7, DETERMINISTIC);
#else
	mapi_apply_function(fd, "SAMPLE", 7, PERIODIC);
#endif
	return counted(fd);
}

static int sample_probabilistic(int fd)
{
	mapi_apply_function(fd, "SAMPLE", 30, PROBABILISTIC);
	return counted(fd);
}

static int startstop(int fd)
{
#if DIALECT == MAPI2
	mapi_apply_function(fd, "STARTSTOP", "+20ms", "+100ms");
#else
	mapi_apply_function(fd, "STARTSTOP", "20ms", "100ms");
#endif
	return counted(fd);
}

static int startstop_without_end(int fd)
{
#if DIALECT == MAPI2
	mapi_apply_function(fd, "STARTSTOP", "+20ms", "+0");
#else
	mapi_apply_function(fd, "STARTSTOP", "20ms", "0");
#endif
	return counted(fd);
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"bpf_filter", bpf_filter, print_ull},
		{"interface", interface, print_ull},
		{"regexp", regexp, print_ull},
		{"str_search", str_search, print_ull},
		{"str_search_in_a_window", str_search_in_a_window, print_ull},
		{"sample_periodic", sample_periodic, print_ull},
		{"sample_probabilistic", sample_probabilistic, print_ull},
		{"startstop", startstop, print_ull},
		{"startstop_without_end", startstop_without_end, print_ull},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
