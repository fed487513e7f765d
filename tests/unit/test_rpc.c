/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc_bench.h"

static int setup(void **state)
{
	struct rpc_bench *b = malloc(sizeof(*b));
	bench_open(b, false);
	*state = b;
	return 0;
}

static int setup_administrator(void **state)
{
	setup(state);
	((struct rpc_bench *)*state)->peer.owner.administrator = true;
	return 0;
}

static int teardown(void **state)
{
	bench_done(*state);
	free(*state);
	return 0;
}

#define CALL(id, method, params) \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"
#define RESULT(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}\n"
#define ERROR(id, code)    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ","

static void starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("is %s, should start with %s", text, with);
}

static void test_rpc_request_is_answered_with_its_id(void **state)
{
	struct rpc_bench *b = *state;
	assert_string_equal(bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\"}")),
			    RESULT("1", "{\"flow\":1}"));
	assert_string_equal(bench_line(b, CALL("\"x\"", "flow.create", "{\"device\":2}")),
			    RESULT("\"x\"", "{\"flow\":2}"));
	assert_string_equal(bench_line(b, CALL("null", "flow.create", "[\"dag0\",\"web\"]")),
			    RESULT("null", "{\"flow\":3}"));
}

static void test_rpc_notification_is_served_without_answer(void **state)
{
	struct rpc_bench *b = *state;
	assert_string_equal(bench_line(b, "{\"jsonrpc\":\"2.0\",\"method\":\"flow.create\","
					  "\"params\":{\"device\":\"dag0\"}}"),
			    "");
	assert_string_equal(bench_line(b, "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}"), "");
	starts(bench_line(b, CALL("1", "flow.info", "{\"flow\":1}")),
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":");
}

static void test_rpc_bad_json_is_a_parse_error(void **state)
{
	struct rpc_bench *b = *state;
	starts(bench_line(b, "{\"jsonrpc\":"), ERROR("null", "-32700"));
	starts(bench_line(b, "\xff\xfe"), ERROR("null", "-32700"));
	starts(bench_line(b, "{\"a\":1,\"a\":2}"), ERROR("null", "-32700"));
	starts(bench_line(b, "{\"a\":99999999999999999999}"), ERROR("null", "-32700"));
	assert_false(b->closed);
}

static void test_rpc_bad_frames_are_invalid_requests(void **state)
{
	struct rpc_bench *b = *state;
	starts(bench_line(b, "{}"), ERROR("null", "-32600"));
	starts(bench_line(b, "{\"id\":4,\"method\":\"version\"}"), ERROR("4", "-32600"));
	starts(bench_line(b, "{\"jsonrpc\":\"1.0\",\"id\":4,\"method\":\"version\"}"),
	       ERROR("4", "-32600"));
	starts(bench_line(b, "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"version\"}"),
	       ERROR("null", "-32600"));
	starts(bench_line(b, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":7}"), ERROR("4", "-32600"));
	starts(bench_line(b, CALL("4", "version", "3")), ERROR("4", "-32600"));
	starts(bench_line(b, CALL("4", "version", "[1]")), ERROR("4", "-32602"));
	starts(bench_line(b, CALL("4", "versions", "{}")), ERROR("4", "-32601"));
}

static void test_rpc_bad_params_are_told_all_at_once(void **state)
{
	struct rpc_bench *b = *state;
	const char *answer = bench_line(
		b, CALL("1", "flow.create", "{\"devise\":1,\"name\":\"1 2\",\"persistent\":3}"));
	starts(answer, ERROR("1", "-32602"));
	assert_non_null(strstr(answer, "params.devise: unknown key; did you mean \\\"device\\\"?"));
	assert_non_null(strstr(answer, "params.device: is missing"));
	assert_non_null(strstr(answer, "params.name: is"));
	assert_non_null(strstr(answer, "params.persistent: is 3; must be true or false"));
}

static void test_rpc_deep_nesting_is_refused_and_closes(void **state)
{
	struct rpc_bench *b = *state;
	char line[4096];
	memset(line, '[', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	starts(bench_line(b, line), ERROR("null", "-32700"));
	assert_true(b->closed);
}

static void test_rpc_engine_errors_carry_mapi_numbers(void **state)
{
	struct rpc_bench *b = *state;
	assert_non_null(strstr(bench_line(b, CALL("1", "flow.create", "{\"device\":\"no\"}")),
			       "\"data\":{\"mapi_errno\":3200}"));
	assert_non_null(strstr(bench_line(b, CALL("1", "flow.info", "{\"flow\":9}")),
			       "\"data\":{\"mapi_errno\":6145}"));
	assert_non_null(strstr(bench_line(b, CALL("1", "function.info", "{\"function\":\"NO\"}")),
			       "\"data\":{\"mapi_errno\":6144}"));
}

static void test_rpc_connect_answers_later_and_others_meanwhile(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"a\"}"));
	assert_string_equal(bench_line(b, CALL("2", "flow.connect", "{\"flow\":\"a\"}")), "");
	starts(bench_line(b, CALL("3", "flow.list", "{}")),
	       "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":");
	free(b->sent);
	b->sent = NULL;
	b->used = 0;
	hm_engine_poll(b->control.engine);
	assert_string_equal(b->sent, RESULT("2", "{\"status\":\"active\"}"));
}

static void test_rpc_connect_of_a_closed_flow_fails(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"never\"}"));
	bench_line(b, CALL("2", "flow.connect", "{\"flow\":\"never\"}"));
	const char *answers = bench_line(b, CALL("3", "flow.close", "{\"flow\":\"never\"}"));
	starts(answers, ERROR("2", "-32000"));
	assert_non_null(strstr(answers, RESULT("3", "{}")));
	assert_int_equal(b->peer.n_calls, 0);
}

#define WHOLE(id, name, functions)                   \
	CALL(id, "flow.create",                      \
	     "{\"device\":\"dag0\",\"name\":\"" name \
	     "\",\"connect\":true,\"functions\":[[\"PKT_COUNTER\"]" functions "]}")

static void test_rpc_whole_flow_is_made_and_connected_by_one_call(void **state)
{
	struct rpc_bench *b = *state;
	assert_string_equal(bench_line(b, WHOLE("1", "a", ",[\"BPF_FILTER\",\"tcp\"]")), "");
	hm_engine_poll(b->control.engine);
	assert_string_equal(b->sent, RESULT("1", "{\"flow\":1,\"status\":\"active\"}"));
	assert_non_null(strstr(bench_line(b, CALL("2", "flow.info", "{\"flow\":\"a\"}")),
			       "\"number\":2,\"name\":\"BPF_FILTER\""));
}

static void test_rpc_whole_flow_that_is_refused_leaves_nothing(void **state)
{
	struct rpc_bench *b = *state;
	for (int i = 0; i < 5; i++) { // more often than flows are allowed
		const char *answer = bench_line(b, WHOLE("1", "a", ",[\"NO_SUCH\"]"));
		starts(answer, ERROR("1", "-32000"));
		assert_non_null(strstr(answer, "params.functions[1]"));
		assert_non_null(strstr(answer, "6144"));
	}
	starts(bench_line(b, WHOLE("1", "a", ",[7]")), ERROR("1", "-32602"));
	starts(bench_line(b, CALL("2", "flow.info", "{\"flow\":\"a\"}")), ERROR("2", "-32000"));
	assert_int_equal(b->peer.n_flows, 0);
}

static void test_rpc_whole_flow_that_cannot_connect_is_closed(void **state)
{
	struct rpc_bench *b = *state;
	assert_string_equal(bench_line(b, WHOLE("1", "never", "")), "");
	assert_int_equal(b->peer.n_flows, 1);
	const char *answers = bench_line(b, CALL("2", "flow.close", "{\"flow\":\"never\"}"));
	starts(answers, ERROR("1", "-32000"));
	assert_non_null(strstr(answers, RESULT("2", "{}")));
	assert_int_equal(b->peer.n_flows, 0);
	assert_string_equal(bench_line(b, WHOLE("3", "never", "")), "");
	hm_control_stop(&b->control); // answers what waits
	starts(b->sent, ERROR("3", "-32000"));
	assert_int_equal(b->peer.n_flows, 0);
}

static void test_rpc_whole_flow_of_a_peer_that_goes_is_closed(void **state)
{
	struct rpc_bench *b = *state;
	struct hm_peer other = b->peer;
	other.owner.client = 2;
	other.calls = NULL;
	other.n_calls = 0;
	hm_peer_open(&other, &b->control);
	const char *line = WHOLE("1", "never", "");
	hm_peer_line(&other, line, strlen(line));
	assert_int_equal(other.n_calls, 1);
	hm_peer_gone(&other);
	assert_null(strstr(bench_line(b, CALL("2", "flow.list", "{}")), "never"));
}

static void test_rpc_batch_is_answered_as_one_array(void **state)
{
	struct rpc_bench *b = *state;
	assert_string_equal(
		bench_line(b, "[" CALL("1", "flow.create",
				       "{\"device\":\"dag0\"}") ","
								"{\"jsonrpc\":\"2.0\",\"method\":"
								"\"version\"}," CALL(
									"2", "flow.close",
									"{\"flow\":1}") "]"),
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"flow\":1}},"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]\n");
	starts(bench_line(b, "[]"), ERROR("null", "-32600"));
	starts(bench_line(b, "[1]"), "[" ERROR("null", "-32600"));
	assert_string_equal(bench_line(b, "[{\"jsonrpc\":\"2.0\",\"method\":\"version\"}]"), "");
}

static void test_rpc_batch_with_connect_waits_for_it(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"a\"}"));
	assert_string_equal(
		bench_line(b, "[" CALL("2", "flow.connect", "{\"flow\":\"a\"}") "," CALL(
				      "3", "flow.info", "{\"flow\":\"b\"}") "]"),
		"");
	hm_engine_poll(b->control.engine);
	assert_non_null(strstr(b->sent, "\"status\":\"active\""));
	starts(b->sent, "[");
}

static void test_rpc_too_many_waiting_calls_close(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"never\"}"));
	bench_line(b, CALL("2", "flow.connect", "{\"flow\":\"never\"}"));
	b->peer.n_calls = b->config->control.max_calls_per_client; // as if so many waited
	starts(bench_line(b, CALL("3", "version", "{}")), ERROR("null", "-32001"));
	assert_true(b->closed);
	b->peer.n_calls = 1;
}

static void test_rpc_flows_are_limited(void **state)
{
	struct rpc_bench *b = *state;
	for (int i = 0; i < 3; i++)
		starts(bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\"}")),
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"");
	starts(bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\"}")),
	       ERROR("1", "-32001"));
	bench_line(b, CALL("1", "flow.close", "{\"flow\":2}"));
	starts(bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\"}")),
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"");
	for (int i = 0; i < 3; i++) // persistent ones have a limit of their own
		starts(bench_line(b,
				  CALL("1", "flow.create", "{\"device\":1,\"persistent\":true}")),
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"");
	starts(bench_line(b, CALL("1", "flow.create", "{\"device\":1,\"persistent\":true}")),
	       ERROR("1", "-32001"));
}

static void test_rpc_reader_is_refused_what_administrators_do(void **state)
{
	static const char *const methods[] = {"config.reload", "log.level", "shutdown"};
	struct rpc_bench *b = *state;
	for (size_t i = 0; i < 3; i++) {
		char line[256];
		snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}",
			 methods[i]);
		starts(bench_line(b, line), ERROR("1", "-32002"));
	}
	starts(bench_line(b, CALL("1", "device.start", "{\"device\":\"dag0\"}")),
	       ERROR("1", "-32002"));
	starts(bench_line(b, CALL("1", "device.stop", "{\"device\":\"dag0\"}")),
	       ERROR("1", "-32002"));
}

static void test_rpc_flow_of_another_user_is_only_seen(void **state)
{
	static const char *const methods[] = {"flow.connect", "flow.read", "flow.close"};
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"mine\"}"));
	b->peer.owner.uid = 1001;
	starts(bench_line(b, CALL("1", "flow.info", "{\"flow\":\"mine\"}")),
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"");
	for (size_t i = 0; i < 3; i++) {
		char line[256];
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\","
			 "\"params\":{\"flow\":\"mine\"}}",
			 methods[i]);
		starts(bench_line(b, line), ERROR("1", "-32002"));
	}
	b->peer.owner.administrator = true;
	starts(bench_line(b, CALL("1", "flow.close", "{\"flow\":\"mine\"}")),
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"");
}

static void test_rpc_buffer_comes_with_a_descriptor(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"a\"}"));
	bench_line(b, CALL("1", "flow.apply", "{\"flow\":\"a\",\"function\":\"TO_BUFFER\"}"));
	starts(bench_line(b, "[" CALL("1", "flow.buffer", "{\"flow\":\"a\",\"function\":1}") "]"),
	       "[" ERROR("1", "-32000"));
	assert_int_equal(b->n_fds, 0);
	assert_string_equal(
		bench_line(b, CALL("1", "flow.buffer", "{\"flow\":\"a\",\"function\":1}")),
		RESULT("1", "{\"fd\":true}"));
	assert_int_equal(b->n_fds, 1);
}

static void test_rpc_peer_that_goes_takes_its_flows(void **state)
{
	struct rpc_bench *b = *state;
	bench_line(b, CALL("1", "flow.create", "{\"device\":\"dag0\",\"name\":\"never\"}"));
	bench_line(b, CALL("2", "flow.connect", "{\"flow\":\"never\"}"));
	bench_line(b, "[" CALL("3", "flow.create", "{\"device\":1,\"persistent\":true}") "]");
	hm_peer_gone(&b->peer); // the connect that waits must be answered into nothing
	json_t *flows = hm_flow_list(b->control.engine);
	assert_int_equal(json_array_size(flows), 1);
	json_decref(flows);
	hm_peer_open(&b->peer, &b->control);
}

static void test_rpc_foreign_bytes_do_not_cost_the_answer(void **state)
{
	struct rpc_bench *b = *state;
	char line[512] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"";
	for (int i = 0; i < 63; i++) // cut after 64 bytes, in the middle of a letter
		strcat(line, "a");
	strcat(line, "\xc3\xa9\xc3\xa9\"}");
	starts(bench_line(b, line), ERROR("1", "-32601"));
}

static void test_rpc_every_method_is_documented_and_unique(void **state)
{
	for (const struct hm_method *m = hm_method_next(NULL); m; m = hm_method_next(m)) {
		assert_ptr_equal(hm_method_find(m->name), m);
		assert_true(m->help && m->help[0] && m->handler && m->params);
	}
	assert_null(hm_method_find(""));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_rpc_request_is_answered_with_its_id),
		CASE(test_rpc_notification_is_served_without_answer),
		CASE(test_rpc_bad_json_is_a_parse_error),
		CASE(test_rpc_bad_frames_are_invalid_requests),
		CASE(test_rpc_bad_params_are_told_all_at_once),
		CASE(test_rpc_deep_nesting_is_refused_and_closes),
		CASE(test_rpc_engine_errors_carry_mapi_numbers),
		CASE(test_rpc_connect_answers_later_and_others_meanwhile),
		CASE(test_rpc_connect_of_a_closed_flow_fails),
		CASE(test_rpc_whole_flow_is_made_and_connected_by_one_call),
		CASE(test_rpc_whole_flow_that_is_refused_leaves_nothing),
		CASE(test_rpc_whole_flow_that_cannot_connect_is_closed),
		CASE(test_rpc_whole_flow_of_a_peer_that_goes_is_closed),
		CASE(test_rpc_batch_is_answered_as_one_array),
		CASE(test_rpc_batch_with_connect_waits_for_it),
		CASE(test_rpc_too_many_waiting_calls_close),
		CASE(test_rpc_flows_are_limited),
		CASE(test_rpc_reader_is_refused_what_administrators_do),
		CASE(test_rpc_flow_of_another_user_is_only_seen),
		CASE(test_rpc_buffer_comes_with_a_descriptor),
		CASE(test_rpc_peer_that_goes_takes_its_flows),
		CASE(test_rpc_foreign_bytes_do_not_cost_the_answer),
		cmocka_unit_test_setup_teardown(test_rpc_every_method_is_documented_and_unique,
						setup_administrator, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
