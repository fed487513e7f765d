/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/config.h"
#include "control/config_keys.h"
#include "control/terms_keys.h"

#define DEVICE "\"devices\": [{\"name\": \"d\", \"vdev\": \"net_null0\"}]"

static struct hm_config *parse(const char *text, struct hm_mistakes *m)
{
	return hm_config_parse(text, strlen(text), "etc/h.json", m);
}

static bool told(const struct hm_mistakes *m, const char *part)
{
	for (size_t i = 0; i < m->lines.n; i++)
		if (strstr(m->lines.at[i], part))
			return true;
	return false;
}

/* The text is refused, with just this one mistake. */
static void refused(const char *text, const char *line)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = parse(text, &m);
	assert_null(c);
	if (m.lines.n != 1 || strcmp(m.lines.at[0], line) != 0) {
		hm_mistakes_print(&m, stderr);
		fail_msg("expected: %s", line);
	}
	hm_mistakes_free(&m);
}

static void test_config_minimal_fills_defaults(void **state)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = parse("{" DEVICE "}", &m);
	assert_non_null(c);
	assert_string_equal(c->file, "etc/h.json");
	assert_string_equal(c->eal.lcores, "0-1");
	assert_int_equal(c->eal.memory_mb, 1024);
	assert_int_equal(c->eal.hugepages, HM_HUGE_AUTO);
	assert_string_equal(c->control.socket, "/run/homard/control.sock");
	assert_int_equal(c->control.mode, 0660);
	assert_int_equal(c->control.max_line_bytes, 1 << 20);
	assert_int_equal(c->n_devices, 1);
	assert_int_equal(c->devices[0].source, HM_SOURCE_VDEV);
	assert_string_equal(c->devices[0].where, "net_null0");
	assert_int_equal(c->devices[0].queues, 1);
	assert_int_equal(c->devices[0].burst, 64);
	assert_int_equal(c->devices[0].snaplen, 9216);
	assert_int_equal(c->devices[0].idle, HM_IDLE_DEFAULT);
	assert_int_equal(c->devices[0].loop, 1);
	assert_int_equal(c->n_flows, 0);
	hm_config_free(c);
}

static void test_config_everything_set_is_kept(void **state)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = parse(
		"{\"description\": \"x\","
		"\"eal\": {\"lcores\": \"0@0,(1-4)@1\", \"memory_mb\": 64, \"hugepages\": \"off\","
		"          \"args\": [\"--no-pci\", \"-v\"]},"
		"\"control\": {\"socket\": \"/tmp/s\", \"mode\": \"600\", \"readers\": "
		"[\"@staff\"],"
		"              \"administrators\": [\"ann\", \"7\"], \"max_clients\": 5},"
		"\"devices\": [{\"name\": \"t\", \"trace\": \"a/b.pcap\", \"pace\": \"x2.5\","
		"               \"loop\": 0, \"idle\": \"poll\", \"tunnels\": [\"gre\", \"ipip\"],"
		"               \"queues\": 4, \"burst\": 1, \"snaplen\": 65535, \"buffers\": 7},"
		"              {\"name\": \"/dev/n\", \"pci\": \"0000:3b:00.0\"},"
		"              {\"name\": \"r\", \"trace\": \"/abs.erf\", \"pace\": \"realtime\"}],"
		"\"flows\": [{\"name\": \"f\", \"device\": \"t\","
		"             \"functions\": [[\"STR_SEARCH\", \"x\", 1, 2], [\"PKT_COUNTER\"]]}],"
		"\"netflow\": [{\"device\": \"t\", \"active_timeout_s\": 60,"
		"               \"exporters\": [{\"host\": \"::1\", \"port\": 9}]}]}",
		&m);
	hm_mistakes_print(&m, stderr);
	assert_non_null(c);
	assert_int_equal(c->eal.hugepages, HM_HUGE_OFF);
	assert_int_equal(c->eal.args.n, 2);
	assert_string_equal(c->eal.args.at[1], "-v");
	assert_int_equal(c->control.mode, 0600);
	assert_int_equal(c->control.administrators.n, 2);
	assert_string_equal(c->control.readers.at[0], "@staff");
	assert_int_equal(c->control.max_clients, 5);
	assert_string_equal(c->devices[0].where, "etc/a/b.pcap");
	assert_true(c->devices[0].pace == 2.5);
	assert_int_equal(c->devices[0].loop, 0);
	assert_int_equal(c->devices[0].idle, HM_IDLE_POLL);
	assert_int_equal(c->devices[0].tunnels, 1 | 1 << 5);
	assert_int_equal(c->devices[1].source, HM_SOURCE_PCI);
	assert_string_equal(c->devices[2].where, "/abs.erf");
	assert_true(c->devices[2].pace == 1);
	assert_int_equal(c->n_flows, 2);
	assert_string_equal(c->flows[0].path, "flows[0]");
	assert_int_equal(json_array_size(c->flows[0].functions), 2);
	hm_config_free(c);
}

static void test_config_netflow_becomes_flow_report(void **state)
{
	struct hm_mistakes m = {0};
	struct hm_config *c =
		parse("{" DEVICE ", \"netflow\": [{\"device\": \"d\","
		      "\"cache_entries\": 4096, \"exporters\": [{\"host\": \"h\"}]}]}",
		      &m);
	assert_non_null(c);
	assert_string_equal(c->flows[0].name, "netflow0");
	assert_string_equal(c->flows[0].device, "d");
	assert_string_equal(c->flows[0].path, "netflow[0]");
	char *functions = json_dumps(c->flows[0].functions, JSON_COMPACT);
	assert_string_equal(functions, "[[\"FLOW_REPORT\",{\"cache_entries\":4096,"
				       "\"exporters\":[{\"host\":\"h\"}]}]]");
	free(functions);
	hm_config_free(c);
}

static void test_config_syntax_error_names_line_and_column(void **state)
{
	refused("{\n  \"eal\": {,}\n}",
		"etc/h.json: line 2 column 11: string or '}' expected near ','");
	refused("", "etc/h.json: line 1 column 0: '[' or '{' expected near end of file");
	struct hm_mistakes m = {0};
	assert_null(parse("{\"eal\": {}, \"eal\": {}}", &m));
	assert_true(told(&m, "duplicate"));
	hm_mistakes_free(&m);
}

static void test_config_deep_nesting_is_refused_before_parsing(void **state)
{
	static char text[200001];
	memset(text, '[', sizeof(text) - 1);
	refused(text, "etc/h.json: line 1 column 33: nested deeper than 32 levels");
}

static void test_config_all_mistakes_are_told_at_once(void **state)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = parse(
		"{\"eal\": {\"lcores\": 3, \"memory_mb\": 63, \"hugepages\": \"maybe\"},"
		"\"devises\": 1,"
		"\"devices\": [{\"name\": \"a\", \"vdev\": \"v\", \"pci\": \"0000:01:00.0\"},"
		"              {\"name\": \"a\", \"trace\": \"t\", \"burst\": 65, \"brust\": 1}],"
		"\"flows\": [{\"name\": \"f\", \"device\": \"b\", \"functions\": [[], [1], [\"A\", "
		"1.5]]}]}",
		&m);
	assert_null(c);
	assert_true(told(&m, "eal.lcores: is 3; must be"));
	assert_true(told(&m, "eal.memory_mb: is 63; must be an integer from 64 to 1048576"));
	assert_true(
		told(&m, "eal.hugepages: is \"maybe\"; must be one of \"auto\", \"on\", \"off\""));
	assert_true(told(&m, "devises: unknown key; did you mean \"devices\"?"));
	assert_true(told(&m, "devices[0]: has 2 of the keys vdev, pci and trace"));
	assert_true(told(&m, "devices[1].name: \"a\" is the name of devices[0] already"));
	assert_true(told(&m, "devices[1].burst: is 65; must be an integer from 1 to 64"));
	assert_true(told(&m, "devices[1].brust: unknown key; did you mean \"burst\"?"));
	assert_true(told(&m, "flows[0].device: there is no device \"b\"; the devices are: a, a"));
	assert_true(told(&m, "flows[0].functions[0]: must be an array whose first element"));
	assert_true(told(&m, "flows[0].functions[1]: must be an array whose first element"));
	assert_true(told(&m, "flows[0].functions[2][1]: is 1.5"));
	assert_int_equal(m.lines.n, 12);
	hm_mistakes_free(&m);
}

static void test_config_single_mistakes_are_refused(void **state)
{
	refused("{}", "etc/h.json: devices: is missing; it is where packets come from");
	refused("[]", "etc/h.json: is an array; must be an object, { ... }");
	refused("{\"devices\": []}",
		"etc/h.json: devices: has 0 elements; must be an array of 1 to 32 objects");
	refused("{\"devices\": [{\"name\": \"7\", \"vdev\": \"v\"}]}",
		"etc/h.json: devices[0].name: is \"7\"; must be " HM_NAME_SHAPE);
	refused("{\"devices\": [{\"name\": \"d\"}]}", "etc/h.json: devices[0]: has 0 of the keys "
						      "vdev, pci and trace; must have just one");
	refused("{\"devices\": [{\"name\": \"d\", \"vdev\": \"v\", \"loop\": 2}]}",
		"etc/h.json: devices[0].loop: is for traces only; remove it, or use \"trace\"");
	refused("{\"devices\": [{\"name\": \"d\", \"trace\": \"t\", \"pace\": \"x0\"}]}",
		"etc/h.json: devices[0].pace: is \"x0\"; must be \"max\", \"realtime\" or \"xN\", "
		"like \"x10\" or \"x0.5\"");
	refused("{" DEVICE ", \"control\": {\"mode\": \"0999\"}}",
		"etc/h.json: control.mode: is \"0999\"; must be octal access rights in quotes, "
		"like "
		"\"0660\"");
	refused("{" DEVICE ", \"netflow\": [{\"device\": \"d\"}]}",
		"etc/h.json: netflow[0].exporters: is missing; it is the collectors");
	refused("{" DEVICE ", \"control\": {\"\\u0007\\u001b[2J\": 1}}",
		"etc/h.json: control.??[2J: unknown key; known here: socket, mode, administrators, "
		"readers, max_clients, max_flows_per_client, max_memory_mb_per_client, "
		"max_memory_mb, max_devices_per_client, "
		"max_calls_per_client, max_line_bytes");
}

static void test_config_terms_of_flows_and_of_all(void **state)
{
	struct hm_mistakes m = {0};
	struct hm_config *c =
		parse("{" DEVICE ", \"admission\": {\"cycles_per_packet\": 900, \"over_budget\": "
		      "\"suspend\"},"
		      "\"flows\": [{\"name\": \"a\", \"device\": \"d\", \"functions\": "
		      "[[\"PKT_COUNTER\"]], \"budget\": {\"worker_share\": 0.05}, \"priority\": 7},"
		      "{\"name\": \"b\", \"device\": \"d\", \"functions\": [[\"PKT_COUNTER\"]]}]}",
		      &m);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->admission.budget.cycles_per_packet, 900);
	assert_int_equal(c->admission.over_budget, HM_OVER_SUSPEND);
	assert_true(c->flows[0].terms.budget.worker_share == 0.05);
	assert_int_equal(c->flows[0].terms.priority, 7);
	assert_int_equal(c->flows[0].terms.over_budget, HM_OVER_SAMPLE);
	assert_int_equal(c->flows[1].terms.priority, HM_PRIORITY_DEFAULT);
	assert_true(c->flows[1].terms.budget.worker_share == 0);
	hm_config_free(c);
	refused("{" DEVICE ", \"admission\": {\"worker_share\": 1.5}}",
		"etc/h.json: admission.worker_share: is 1.5; must be a number above 0, at most 1");
	refused("{" DEVICE ", \"admission\": {\"worker_share\": 0}}",
		"etc/h.json: admission.worker_share: is 0; must be a number above 0, at most 1");
	refused("{" DEVICE ", \"admission\": {\"worker_share\": 0.5, \"cycles_per_packet\": 3}}",
		"etc/h.json: admission: has both cycles_per_packet and worker_share; must have at "
		"most one");
	refused("{" DEVICE ", \"flows\": [{\"name\": \"a\", \"device\": \"d\", \"functions\": "
		"[[\"X\"]], \"budget\": {\"worker_share\": 0.5, \"cycles_per_packet\": 3}}]}",
		"etc/h.json: flows[0].budget: has 2 keys; must have at most 1");
	refused("{" DEVICE ", \"flows\": [{\"name\": \"a\", \"device\": \"d\", \"functions\": "
		"[[\"X\"]], \"priority\": 101}]}",
		"etc/h.json: flows[0].priority: is 101; must be an integer from 0 to 100");
}

static void test_config_names_of_flows_and_netflow_are_one_space(void **state)
{
	refused("{" DEVICE ", \"flows\": [{\"name\": \"netflow0\", \"device\": \"d\","
		"\"functions\": [[\"PKT_COUNTER\"]]}], \"netflow\": [{\"device\": \"d\","
		"\"exporters\": [{\"host\": \"h\"}]}]}",
		"etc/h.json: netflow[0].name: \"netflow0\" is the name of flows[0] already; each "
		"name must be used once");
}

static void test_config_thousands_of_mistakes_are_cut_and_counted(void **state)
{
	json_t *top = json_pack("{s:[]}", "devices");
	struct hm_mistakes m = {0};
	for (int i = 0; i < 3000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "key%d", i);
		json_object_set_new(top, key, json_integer(i));
	}
	char *text = json_dumps(top, 0);
	assert_null(parse(text, &m));
	assert_int_equal(m.lines.n, HM_MISTAKES_MAX);
	assert_int_equal(m.lines.n + m.more, 3001);
	hm_mistakes_free(&m);
	free(text);
	json_decref(top);
}

/* Each row of each table must refuse a wrong type and what lies just outside its range. */
static void check_row(const struct hm_key *k)
{
	struct hm_mistakes m = {0};
	json_t *bad[3] = {json_null(), NULL, NULL};
	struct hm_key row[2] = {*k, {0}};
	if (k->type == HM_KEY_INT) {
		bad[1] = json_integer(k->min - 1);
		bad[2] = json_integer(k->max + 1);
	} else if (k->type == HM_KEY_STRING) {
		char *text = malloc((size_t)k->max + 2);
		memset(text, '1', (size_t)k->max + 1);
		bad[1] = json_stringn(text, (size_t)k->max + 1);
		bad[2] = json_integer(3);
		free(text);
	} else {
		bad[1] = json_integer(77);
		bad[2] = json_string("\x01");
	}
	for (size_t i = 0; i < 3; i++) {
		json_t *object = json_pack("{s:o}", k->name, bad[i]);
		hm_keys_check(row, object, "", &m);
		assert_int_equal(m.lines.n, i + 1);
		json_decref(object);
	}
	hm_mistakes_free(&m);
	assert_true(k->help && k->help[0]);
}

static void test_config_every_key_refuses_what_it_must(void **state)
{
	const struct hm_key *const tables[] = {hm_config_keys,   hm_eal_keys,       hm_control_keys,
					       hm_device_keys,   hm_flow_keys,      hm_netflow_keys,
					       hm_exporter_keys, hm_admission_keys, hm_budget_keys};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct hm_key *k = tables[i]; k->name; k++)
			check_row(k);
}

static void test_config_every_default_passes_its_own_check(void **state)
{
	const struct hm_key *const tables[] = {hm_config_keys,   hm_eal_keys,       hm_control_keys,
					       hm_device_keys,   hm_flow_keys,      hm_netflow_keys,
					       hm_exporter_keys, hm_admission_keys, hm_budget_keys};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct hm_key *k = tables[i]; k->name; k++) {
			struct hm_mistakes m = {0};
			struct hm_key row[2] = {*k, {0}};
			json_t *v =
				k->fallback ? json_loads(k->fallback, JSON_DECODE_ANY, NULL) : NULL;
			assert_true(!k->fallback || v);
			row[0].required = false;
			json_t *object = v ? json_pack("{s:o}", k->name, v) : json_object();
			hm_keys_check(row, object, "", &m);
			assert_int_equal(m.lines.n, 0);
			json_decref(object);
		}
}

static void test_config_missing_file_is_told(void **state)
{
	struct hm_mistakes m = {0};
	assert_null(hm_config_load("/nowhere/h.json", &m));
	assert_string_equal(m.lines.at[0],
			    "/nowhere/h.json: cannot be read: No such file or directory");
	hm_mistakes_free(&m);
}

static void test_config_huge_file_is_refused(void **state)
{
	char path[] = "/tmp/homard-config-XXXXXX";
	struct hm_mistakes m = {0};
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	fseek(f, HM_CONFIG_BYTES_MAX, SEEK_SET);
	fputc(' ', f);
	fclose(f);
	assert_null(hm_config_load(path, &m));
	assert_true(told(&m, "is longer than 16 MiB"));
	hm_mistakes_free(&m);
	remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_minimal_fills_defaults),
		cmocka_unit_test(test_config_everything_set_is_kept),
		cmocka_unit_test(test_config_netflow_becomes_flow_report),
		cmocka_unit_test(test_config_syntax_error_names_line_and_column),
		cmocka_unit_test(test_config_deep_nesting_is_refused_before_parsing),
		cmocka_unit_test(test_config_all_mistakes_are_told_at_once),
		cmocka_unit_test(test_config_single_mistakes_are_refused),
		cmocka_unit_test(test_config_terms_of_flows_and_of_all),
		cmocka_unit_test(test_config_names_of_flows_and_netflow_are_one_space),
		cmocka_unit_test(test_config_thousands_of_mistakes_are_cut_and_counted),
		cmocka_unit_test(test_config_every_key_refuses_what_it_must),
		cmocka_unit_test(test_config_every_default_passes_its_own_check),
		cmocka_unit_test(test_config_missing_file_is_told),
		cmocka_unit_test(test_config_huge_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
