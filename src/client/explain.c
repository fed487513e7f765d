/* SPDX-License-Identifier: BSD-3-Clause */
/* "explain": what the running programs do, as a tree of entries for each device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/print.h"

#define NAMES_SHOWN 3

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/* Cycles, or "-" where nothing was timed. */
static void cycles_cell(struct hm_table *t, const json_t *value)
{
	if (json_is_number(value))
		hm_table_cell(t, "%.1f", json_number_value(value));
	else
		hm_table_cell(t, "-");
}

static void print_limit(const json_t *a)
{
	const json_t *limit = json_object_get(a, "limit");

	if (json_is_number(limit))
		printf("all flows: %.1f cycles a packet, may have %.1f\n", number(a, "cycles"),
		       json_number_value(limit));
	if (a)
		printf("admission: %s\n", text(a, "enforced"));
}

static void print_head(const json_t *d, const json_t *sample_batches)
{
	char *lcores = hm_print_value(json_object_get(d, "lcores"));
	char rate[32];

	printf("%s: lcores %s, %s packets/s, %.0f flows, %.0f filters, %.0f patterns\n",
	       text(d, "device"), lcores, hm_print_rate(rate, number(d, "packets_per_s")),
	       number(d, "n_flows"), number(d, "filters"), number(d, "patterns"));
	free(lcores);
	if (json_integer_value(sample_batches))
		printf("timed: %.0f packets in %.0f batches, one batch of %.0f\n",
		       number(d, "timed_packets"), number(d, "timed_batches"),
		       json_number_value(sample_batches));
	else
		printf("timed: %.0f packets in %.0f batches; timing is off\n",
		       number(d, "timed_packets"), number(d, "timed_batches"));
	print_limit(json_object_get(d, "admission"));
	if (number(d, "pcre2_limit_hits") > 0)
		printf("packets given up because PCRE2 hit its limit: %.0f\n",
		       number(d, "pcre2_limit_hits"));
}

static void print_stages(const json_t *d)
{
	struct hm_table t;
	json_t *stage;
	size_t i;

	puts("");
	hm_table_start(&t, "STAGE|>CYCLES A PACKET|>A PACKET THERE");
	json_array_foreach (json_object_get(d, "stages"), i, stage) {
		hm_table_cell(&t, "%s", text(stage, "stage"));
		cycles_cell(&t, json_object_get(stage, "cycles"));
		cycles_cell(&t, json_object_get(stage, "cycles_here"));
	}
	hm_table_print(&t);
}

/* Entries come parents first: the depth of one is its parent's plus one. */
static unsigned *find_depths(const json_t *entries)
{
	unsigned *depths, *of_number;
	json_int_t last = 0;
	json_t *e;
	size_t i;

	json_array_foreach (entries, i, e)
		if (json_integer_value(json_object_get(e, "entry")) > last)
			last = json_integer_value(json_object_get(e, "entry"));
	depths = calloc(json_array_size(entries) + 1, sizeof(*depths));
	of_number = calloc((size_t)last + 1, sizeof(*of_number));
	json_array_foreach (entries, i, e) {
		json_int_t at = json_integer_value(json_object_get(e, "entry"));
		json_int_t parent = json_integer_value(json_object_get(e, "parent"));

		if (!depths || !of_number || at < 1 || parent < 0 || parent > last)
			continue;
		depths[i] = parent ? of_number[parent] + 1 : 0;
		of_number[at] = depths[i];
	}
	free(of_number);
	return depths;
}

static void flows_cell(struct hm_table *t, const json_t *e)
{
	char line[200] = "";
	size_t used = 0, i;
	json_int_t n = json_integer_value(json_object_get(e, "n_flows"));
	json_t *f;

	json_array_foreach (json_object_get(e, "flows"), i, f) {
		if (i == NAMES_SHOWN || used > 120)
			break;
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s", i ? ", " : "");
		if (json_object_get(f, "name"))
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%.40s",
						 text(f, "name"));
		else
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%.0f",
						 number(f, "flow"));
	}
	if ((size_t)n > i)
		hm_table_cell(t, "%s and %lld more", line, (long long)n - (long long)i);
	else
		hm_table_cell(t, "%s", line);
}

static void function_cell(struct hm_table *t, const json_t *e, unsigned depth)
{
	json_t *args = json_object_get(e, "args"), *arg;
	char line[240];
	size_t used, i;

	used = (size_t)snprintf(line, sizeof(line), "%*s%.40s",
				(int)(2 * (depth < 20 ? depth : 20)), "", text(e, "function"));
	json_array_foreach (args, i, arg) {
		char *value = json_dumps(arg, JSON_COMPACT | JSON_ENCODE_ANY);

		if (value && used < sizeof(line) - 1)
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %.100s",
						 value);
		free(value);
	}
	hm_table_cell(t, "%s", line);
}

static void runs_cell(struct hm_table *t, const json_t *e)
{
	const json_t *lcores = json_object_get(e, "ordered_on_lcores");

	if (json_array_size(lcores) == 1)
		hm_table_cell(t, "%s, in order on lcore %" JSON_INTEGER_FORMAT, text(e, "runs"),
			      json_integer_value(json_array_get(lcores, 0)));
	else if (lcores)
		hm_table_cell(t, "%s, in order of each pair of addresses on %zu lcores",
			      text(e, "runs"), json_array_size(lcores));
	else
		hm_table_cell(t, "%s", text(e, "runs"));
}

static void print_entries(const json_t *d)
{
	const json_t *entries = json_object_get(d, "entries");
	unsigned *depths = find_depths(entries);
	struct hm_table t;
	json_t *e;
	size_t i;

	puts("");
	hm_table_start(&t, "ENTRY|RUNS|>IN|>OUT|>CYCLES|>PREDICTED|>A PACKET THERE|FLOWS");
	json_array_foreach (entries, i, e) {
		const json_t *measured = json_object_get(e, "measured");

		function_cell(&t, e, depths ? depths[i] : 0);
		runs_cell(&t, e);
		hm_table_cell(&t, "%.0f", number(e, "in"));
		hm_table_cell(&t, "%.0f", number(e, "out"));
		cycles_cell(&t, json_object_get(measured, "cycles"));
		cycles_cell(&t, json_object_get(e, "predicted"));
		cycles_cell(&t, json_object_get(measured, "cycles_here"));
		flows_cell(&t, e);
	}
	hm_table_print(&t);
	free(depths);
}

/* "open", "one batch in 8 (budget): 312.0 cycles, may have 40.0". */
static void admission_cells(struct hm_table *t, const json_t *a)
{
	const json_t *one_in = json_object_get(a, "one_in");
	const json_t *limit = json_object_get(a, "limit");
	char state[64], limits[96] = "";

	hm_table_cell(t, "%.0f", number(a, "priority"));
	if (json_is_number(limit))
		snprintf(limits, sizeof(limits), ": %.1f cycles, may have %.1f",
			 number(a, "cycles"), json_number_value(limit));
	if (one_in)
		snprintf(state, sizeof(state), "one batch in %.0f", json_number_value(one_in));
	else
		snprintf(state, sizeof(state), "%.40s", text(a, "state"));
	if (json_object_get(a, "because"))
		hm_table_cell(t, "%s (%s)%s", state, text(a, "because"), limits);
	else
		hm_table_cell(t, "%s%s", state, limits);
}

static void print_flows(const json_t *d)
{
	struct hm_table t;
	json_t *f;
	size_t i;

	puts("");
	hm_table_start(
		&t, "FLOW|NAME|>CYCLES A PACKET|>OWN|>SHARED|>% OF A WORKER|>ADDS|>PRIORITY|STATE");
	json_array_foreach (json_object_get(d, "flows"), i, f) {
		const json_t *measured = json_object_get(f, "measured");

		hm_table_cell(&t, "%.0f", number(f, "flow"));
		hm_table_cell(&t, "%s", text(f, "name"));
		cycles_cell(&t, json_object_get(measured, "cycles"));
		cycles_cell(&t, json_object_get(measured, "own"));
		cycles_cell(&t, json_object_get(measured, "shared"));
		cycles_cell(&t, json_object_get(measured, "worker_percent"));
		cycles_cell(&t, json_object_get(json_object_get(f, "adds"), "cycles"));
		admission_cells(&t, json_object_get(f, "admission"));
	}
	hm_table_print(&t);
}

static void print_memory(const json_t *d)
{
	char *memory = hm_print_value(json_object_get(d, "memory"));

	printf("\nmemory in bytes: %s\n", memory);
	free(memory);
}

static void print_explain(const json_t *result)
{
	json_t *d;
	size_t i;

	json_array_foreach (json_object_get(result, "devices"), i, d) {
		if (i)
			puts("");
		print_head(d, json_object_get(result, "sample_batches"));
		print_stages(d);
		print_entries(d);
		print_flows(d);
		print_memory(d);
	}
}

int hm_ctl_explain(struct hm_ctl *ctl, int argc, char **argv)
{
	json_t *params = argc ? json_pack("{s:o}", "flow", hm_ctl_which(argv[0])) : NULL;

	return hm_ctl_call(ctl, "explain", params, print_explain);
}

int hm_ctl_explain_sample(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "explain.sample",
			   json_pack("{s:o}", "batches", hm_ctl_which(argv[0])), NULL);
}
