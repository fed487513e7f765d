/* SPDX-License-Identifier: BSD-3-Clause */
/* errors: every way in which a call of MAPI fails, and its number. usage: errors TRACE */
#include <string.h>

#include "expect.h"

/* Nothing has been created in this process yet. */
static void before_everything(void)
{
	struct mapi_stat stat;
	mapi_flow_info_t flow;
	mapi_function_info_t function;
	char name[] = "trace@1";

	EXPECT(6141, "mapi_apply_function", "nothing has been created",
	       mapi_apply_function(1, "PKT_COUNTER"));
	EXPECT(6141, "mapi_connect", "nothing has been created", mapi_connect(-1));
	EXPECT(6141, "mapi_close_flow", "nothing has been created", mapi_close_flow(1));
	EXPECT_NULL(6141, "mapi_read_results", "nothing has been created", mapi_read_results(1, 1));
	EXPECT_NULL(6141, "mapi_get_next_pkt", "nothing has been created", mapi_get_next_pkt(1, 1));
	EXPECT(6141, "mapi_loop", "nothing has been created", mapi_loop(1, 1, 1, NULL));
	EXPECT(6141, "mapi_start_offline_device", "nothing has been created",
	       mapi_start_offline_device(name));
	EXPECT(6141, "mapi_delete_offline_device", "nothing has been created",
	       mapi_delete_offline_device(name));
	EXPECT(6141, "mapi_get_flow_info", "nothing has been created",
	       mapi_get_flow_info(1, &flow));
	EXPECT(6141, "mapi_get_function_info", "nothing has been created",
	       mapi_get_function_info(1, 1, &function));
	EXPECT(6141, "mapi_stats", "nothing has been created", mapi_stats("idle", &stat));
}

static void creating(const char *trace)
{
	char nothing[] = "trace@77";

	EXPECT(6157, "mapi_create_flow", "no name", mapi_create_flow(NULL));
	EXPECT(3200, "mapi_create_flow", "no device of that name", mapi_create_flow("eth7"));
	EXPECT_NULL(6155, "mapi_create_offline_device", "the file cannot be opened",
		    mapi_create_offline_device("/nowhere", MFF_PCAP));
	EXPECT_NULL(6155, "mapi_create_offline_device", "the file is no trace",
		    mapi_create_offline_device("/proc/self/exe", MFF_PCAP));
	EXPECT_NULL(3200, "mapi_create_offline_device", "no such format",
		    mapi_create_offline_device(trace, 77));
	EXPECT_NULL(7001, "mapi_create_offline_device", "no path",
		    mapi_create_offline_device(NULL, MFF_PCAP));
	EXPECT(6155, "mapi_create_offline_flow", "the file cannot be opened",
	       mapi_create_offline_flow("/nowhere", MFF_PCAP));
	EXPECT(3200, "mapi_create_offline_flow", "no such format",
	       mapi_create_offline_flow(trace, 77));
	EXPECT(7001, "mapi_create_offline_flow", "no path",
	       mapi_create_offline_flow(NULL, MFF_PCAP));
	EXPECT(3202, "mapi_start_offline_device", "no such device",
	       mapi_start_offline_device(nothing));
	EXPECT(3202, "mapi_start_offline_device", "no name", mapi_start_offline_device(NULL));
	EXPECT(3202, "mapi_delete_offline_device", "no such device",
	       mapi_delete_offline_device(nothing));
	EXPECT(3202, "mapi_delete_offline_device", "no name", mapi_delete_offline_device(NULL));
}

/* As many as a client may have, and one more. */
static void too_many(const char *trace)
{
	char *devices[9];
	int n = 0;

	while (n < 9 && (devices[n] = mapi_create_offline_device(trace, MFF_PCAP)) != NULL)
		n++;
	told("mapi_create_offline_device", "more than control.max_devices_per_client", 1026,
	     n == 8);
	while (n > 0) {
		mapi_delete_offline_device(devices[--n]);
		free(devices[n]);
	}
}

static void applying(int fresh, int connected)
{
	char text[] = "port 80", *args[] = {text, text, text};
	char *longest = (char *)calloc(1, 1 << 21);

	EXPECT(6147, "mapi_apply_function", "the flow is 0 or negative",
	       mapi_apply_function(-1, "PKT_COUNTER"));
	EXPECT(6145, "mapi_apply_function", "no such flow",
	       mapi_apply_function(7777, "PKT_COUNTER"));
	EXPECT(7006, "mapi_apply_function", "no name of a function",
	       mapi_apply_function(fresh, NULL));
	EXPECT(6144, "mapi_apply_function", "no such function",
	       mapi_apply_function(fresh, "NO_SUCH"));
	EXPECT(7006, "mapi_apply_function", "the flow is connected",
	       mapi_apply_function(connected, "PKT_COUNTER"));
	EXPECT(7001, "mapi_apply_function", "argument 1 is missing",
	       mapi_apply_function(fresh, "BPF_FILTER"));
	EXPECT(7003, "mapi_apply_function", "argument 3 is missing",
	       mapi_apply_function(fresh, "STR_SEARCH", "x", 0));
	EXPECT(7000, "mapi_apply_function", "more than control.max_line_bytes",
	       mapi_apply_function(fresh, "BPF_FILTER",
				   (char *)memset(longest, 'x', (1 << 21) - 1)));
	free(longest);
	EXPECT(6144, "mapi_apply_function_array", "no such function",
	       mapi_apply_function_array(fresh, "NO_SUCH", args, 1));
	EXPECT(7001, "mapi_apply_function_array", "argument 1 is missing",
	       mapi_apply_function_array(fresh, "BPF_FILTER", args, 0));
	EXPECT(7002, "mapi_apply_function_array", "a number is none",
	       mapi_apply_function_array(fresh, "STR_SEARCH", args, 3));
}

static void connecting(int connected)
{
	int failed = mapi_create_flow("idle");

	mapi_apply_function(failed, "STR_SEARCH", "|61 62", 0, 0);
	EXPECT(3503, "mapi_connect", "a function says so, with its own number",
	       mapi_connect(failed));
	EXPECT(6145, "mapi_connect", "the flow is 0 or negative", mapi_connect(0));
	EXPECT(6145, "mapi_connect", "no such flow", mapi_connect(7777));
	EXPECT(3081, "mapi_connect", "the flow is connected", mapi_connect(connected));
	EXPECT(3081, "mapi_connect", "an earlier connect failed", mapi_connect(failed));
	EXPECT(7006, "mapi_apply_function", "the flow's connect failed",
	       mapi_apply_function(failed, "PKT_COUNTER"));
	EXPECT_NULL(6143, "mapi_read_results", "the flow's connect failed",
		    mapi_read_results(failed, 1));
	mapi_close_flow(failed);
	EXPECT(6145, "mapi_close_flow", "the flow is 0 or negative", mapi_close_flow(-1));
	EXPECT(6145, "mapi_close_flow", "no such flow, or closed already", mapi_close_flow(7777));
}

static void ignore(const struct mapipkt *p)
{
	(void)p;
}

static void reading(int fresh, int connected, int filter, int counter)
{
	EXPECT_NULL(6145, "mapi_read_results", "flow or function is 0 or negative",
		    mapi_read_results(connected, 0));
	EXPECT_NULL(6145, "mapi_read_results", "no such flow", mapi_read_results(7777, 1));
	EXPECT_NULL(6143, "mapi_read_results", "the flow is not connected",
		    mapi_read_results(fresh, 1));
	EXPECT_NULL(6147, "mapi_read_results", "no such function",
		    mapi_read_results(connected, 7777));
	EXPECT_NULL(6146, "mapi_read_results", "the function has no result",
		    mapi_read_results(connected, filter));
	EXPECT_NULL(6147, "mapi_get_next_pkt", "flow or function is 0 or negative",
		    mapi_get_next_pkt(0, 1));
	EXPECT_NULL(6145, "mapi_get_next_pkt", "no such flow", mapi_get_next_pkt(7777, 1));
	EXPECT_NULL(6143, "mapi_get_next_pkt", "the flow is not connected",
		    mapi_get_next_pkt(fresh, 7777));
	EXPECT_NULL(6147, "mapi_get_next_pkt", "no such function",
		    mapi_get_next_pkt(connected, 7777));
	EXPECT_NULL(6147, "mapi_get_next_pkt", "the function is no TO_BUFFER",
		    mapi_get_next_pkt(connected, counter));
	EXPECT(6147, "mapi_loop", "flow or function is 0 or negative",
	       mapi_loop(connected, -1, 1, ignore));
	EXPECT(6145, "mapi_loop", "no such flow", mapi_loop(7777, 1, 1, ignore));
	EXPECT(6143, "mapi_loop", "the flow is not connected", mapi_loop(fresh, 1, 1, ignore));
	EXPECT(7004, "mapi_loop", "no function to call", mapi_loop(connected, counter, 1, NULL));
	EXPECT(6147, "mapi_loop", "the function is no TO_BUFFER",
	       mapi_loop(connected, counter, 1, ignore));
}

static void asking_of_flows(int connected, int last)
{
	mapi_flow_info_t flow;
	mapi_function_info_t function;

	EXPECT(6145, "mapi_get_flow_info", "the flow is 0 or negative",
	       mapi_get_flow_info(-1, &flow));
	EXPECT(6145, "mapi_get_flow_info", "no such flow", mapi_get_flow_info(7777, &flow));
	EXPECT(7002, "mapi_get_flow_info", "nowhere to put it",
	       mapi_get_flow_info(connected, NULL));
	EXPECT(6149, "mapi_get_next_flow_info", "there is no later flow",
	       mapi_get_next_flow_info(7777, &flow));
	EXPECT(7002, "mapi_get_next_flow_info", "nowhere to put it",
	       mapi_get_next_flow_info(0, NULL));
	EXPECT(6147, "mapi_get_function_info", "flow or function is 0 or negative",
	       mapi_get_function_info(connected, 0, &function));
	EXPECT(7003, "mapi_get_function_info", "nowhere to put it",
	       mapi_get_function_info(connected, 1, NULL));
	EXPECT(6141, "mapi_get_function_info", "no such flow",
	       mapi_get_function_info(7777, 1, &function));
	EXPECT(6150, "mapi_get_function_info", "no such function",
	       mapi_get_function_info(connected, 7777, &function));
	EXPECT(6147, "mapi_get_next_function_info",
	       "the flow is 0 or negative, or the function negative",
	       mapi_get_next_function_info(-1, 0, &function));
	EXPECT(7003, "mapi_get_next_function_info", "nowhere to put it",
	       mapi_get_next_function_info(connected, 0, NULL));
	EXPECT(6150, "mapi_get_next_function_info", "no such flow",
	       mapi_get_next_function_info(7777, 0, &function));
	EXPECT(6150, "mapi_get_next_function_info", "there is no later function",
	       mapi_get_next_function_info(connected, last, &function));
	EXPECT(6145, "mapi_get_scope_size", "no such flow", mapi_get_scope_size(7777));
	EXPECT(6145, "mapi_is_remote", "no such flow", mapi_is_remote(7777));
}

static void asking_of_the_daemon(void)
{
	mapi_device_info_t device;
	mapi_lib_info_t library;
	mapi_libfunct_info_t function;
	struct mapi_stat stat;

	EXPECT(6157, "mapi_get_device_info", "no such device", mapi_get_device_info(7777, &device));
	EXPECT(7002, "mapi_get_device_info", "nowhere to put it", mapi_get_device_info(1, NULL));
	EXPECT(6157, "mapi_get_next_device_info", "there is no later device",
	       mapi_get_next_device_info(7777, &device));
	EXPECT(7002, "mapi_get_next_device_info", "nowhere to put it",
	       mapi_get_next_device_info(0, NULL));
	EXPECT(6151, "mapi_get_library_info", "no such library",
	       mapi_get_library_info(77, &library));
	EXPECT(7002, "mapi_get_library_info", "nowhere to put it", mapi_get_library_info(0, NULL));
	EXPECT(6151, "mapi_get_next_library_info", "there is no later library",
	       mapi_get_next_library_info(77, &library));
	EXPECT(7002, "mapi_get_next_library_info", "nowhere to put it",
	       mapi_get_next_library_info(-1, NULL));
	EXPECT(6151, "mapi_get_libfunct_info", "no such library",
	       mapi_get_libfunct_info(77, 0, &function));
	EXPECT(6151, "mapi_get_libfunct_info", "no such function",
	       mapi_get_libfunct_info(0, 777, &function));
	EXPECT(7003, "mapi_get_libfunct_info", "nowhere to put it",
	       mapi_get_libfunct_info(0, 0, NULL));
	EXPECT(6151, "mapi_get_next_libfunct_info", "there is no later function",
	       mapi_get_next_libfunct_info(0, 777, &function));
	EXPECT(7003, "mapi_get_next_libfunct_info", "nowhere to put it",
	       mapi_get_next_libfunct_info(0, -1, NULL));
	EXPECT(6157, "mapi_stats", "no name", mapi_stats(NULL, &stat));
	EXPECT(7002, "mapi_stats", "nowhere to put it", mapi_stats("idle", NULL));
	EXPECT(8004, "mapi_stats", "no such device", mapi_stats("eth7", &stat));
}

int main(int argc, char **argv)
{
	int fresh, connected, filter, counter;

	if (argc != 2)
		return 2;
	before_everything();
	fresh = mapi_create_flow("idle");
	connected = mapi_create_flow("idle");
	filter = mapi_apply_function(connected, "BPF_FILTER", "udp");
	counter = mapi_apply_function(connected, "PKT_COUNTER");
	if (fresh < 0 || counter < 0 || mapi_connect(connected) < 0)
		return 1;
	creating(argv[1]);
	too_many(argv[1]);
	applying(fresh, connected);
	connecting(connected);
	reading(fresh, connected, filter, counter);
	asking_of_flows(connected, counter);
	asking_of_the_daemon();
	return 0;
}
