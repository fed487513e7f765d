/* SPDX-License-Identifier: BSD-3-Clause */
/* netflow: flow records as homardctl shows them: each FLOW_REPORT with its cache and its exporters, and the
 * largest records that are open. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/print.h"
#include "client/repeat.h"

#define EXPORTER_TITLES \
	"COLLECTOR|PROTOCOL|STATE|>RECORDS/S|>EXPORTED|>QUEUED|>SPOOLED|>LOST|LAST ERROR"

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *found = json_string_value(json_object_get(object, key));
	return found ? found : "";
}

static json_int_t total(const json_t *causes)
{
	const char *cause;
	json_t *v;
	json_int_t sum = 0;
	json_object_foreach ((json_t *)causes, cause, v)
		sum += json_integer_value(v);
	return sum;
}

static void clear_screen(bool watch)
{
	if (watch && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
}

/* The open records of a FLOW_REPORT's cache; NULL with err. */
static json_t *cache_of(struct hm_ctl *ctl, const json_t *report, json_int_t top, const char *by,
			struct hm_error *err)
{
	json_t *params =
		json_pack("{s:O, s:O, s:I, s:s}", "flow", json_object_get(report, "flow"),
			  "function", json_object_get(report, "function"), "top", top, "by", by);
	return params ? hm_client_call(ctl->client, "netflow.cache", params, err) : NULL;
}

static void print_title(const json_t *report)
{
	printf("flow %" JSON_INTEGER_FORMAT " %s, function %" JSON_INTEGER_FORMAT "\n",
	       number(report, "flow"), text(report, "name"), number(report, "function"));
}

/* --- netflow --- */

struct view {
	struct hm_ctl *ctl;
	bool watch;
	json_t *before; // the last reading
};

/* How much a counter has grown, in "1.23 M"; "-" if that is not known. */
static const char *rate(char to[32], const json_t *now, const json_t *before, const char *key,
			double seconds)
{
	json_int_t more = number(now, key) - number(before, key);
	if (!before || seconds <= 0 || more < 0)
		return "-";
	return hm_print_rate(to, (double)more / seconds);
}

static void print_rates(const json_t *now, const json_t *before, double seconds)
{
	const json_t *cache = json_object_get(now, "cache");
	json_int_t used = number(now, "entries"), room = number(cache, "capacity");
	char packets[32], bits[32], records[32];
	double bytes = (double)(number(now, "bytes") - number(before, "bytes"));
	printf("%spackets/s, %sbit/s, %srecords/s; cache %" JSON_INTEGER_FORMAT
	       " of %" JSON_INTEGER_FORMAT " records (%.1f %%), %" JSON_INTEGER_FORMAT " MB\n",
	       rate(packets, now, before, "packets", seconds),
	       before && seconds > 0 && bytes >= 0 ? hm_print_rate(bits, 8 * bytes / seconds)
						   : "- ",
	       rate(records, now, before, "records", seconds), used, room,
	       room ? 100.0 * (double)used / (double)room : 0.0,
	       number(cache, "memory_bytes") / 1000000);
}

/* "2 h": the upper edge of an age. */
static const char *duration(char to[32], json_int_t seconds)
{
	if (seconds < 120)
		snprintf(to, 32, "%d s", (int)seconds);
	else if (seconds < 7200)
		snprintf(to, 32, "%d min", (int)(seconds / 60));
	else
		snprintf(to, 32, "%d h", (int)(seconds / 3600));
	return to;
}

/* Ages without records at the end are left out. */
static void print_ages(const json_t *cache)
{
	const json_t *edges = json_object_get(cache, "below_s");
	const json_t *ages = json_object_get(cache, "ages"), *idle = json_object_get(cache, "idle");
	size_t n = json_array_size(ages);
	struct hm_table t;
	while (n > 0 && json_integer_value(json_array_get(ages, n - 1)) == 0)
		n--;
	if (n == 0)
		return;
	hm_table_start(&t, ">YOUNGER THAN|>RECORDS|>IDLE FOR LESS");
	for (size_t i = 0; i < n; i++) {
		char edge[32];
		if (i < json_array_size(edges))
			hm_table_cell(&t, "%s",
				      duration(edge, json_integer_value(json_array_get(edges, i))));
		else
			hm_table_cell(&t, "older");
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT,
			      json_integer_value(json_array_get(ages, i)));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT,
			      json_integer_value(json_array_get(idle, i)));
	}
	hm_table_print(&t);
}

static void print_exporters(const json_t *now, const json_t *before, double seconds)
{
	struct hm_table t;
	json_t *x;
	size_t i;
	hm_table_start(&t, EXPORTER_TITLES);
	json_array_foreach (json_object_get(now, "exporters"), i, x) {
		const json_t *old = json_array_get(json_object_get(before, "exporters"), i);
		const json_t *records = json_object_get(x, "records");
		char per_s[32];
		hm_table_cell(&t, "%s %s:%" JSON_INTEGER_FORMAT, text(x, "transport"),
			      text(x, "host"), number(x, "port"));
		hm_table_cell(&t, "%s", text(x, "protocol"));
		hm_table_cell(&t, "%s", text(x, "state"));
		hm_table_cell(
			&t, "%s",
			rate(per_s, records, json_object_get(old, "records"), "exported", seconds));
		for (const char *const *key =
			     (const char *const[]){"exported", "queued", "spooled", NULL};
		     *key; key++)
			hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, number(records, *key));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, total(json_object_get(records, "lost")));
		hm_table_cell(&t, "%s", text(x, "last_error"));
	}
	hm_table_print(&t);
}

static const json_t *same_report(const json_t *list, const json_t *report)
{
	json_t *r;
	size_t i;
	json_array_foreach ((json_t *)list, i, r)
		if (number(r, "flow") == number(report, "flow") &&
		    number(r, "function") == number(report, "function"))
			return r;
	return NULL;
}

/* The ages are for the flow's owner; others see the rest. */
static void print_report(struct view *v, const json_t *now, double seconds)
{
	const json_t *before = same_report(v->before, now);
	json_t *cache = cache_of(v->ctl, now, 0, "bytes", NULL);
	print_title(now);
	print_rates(now, before, seconds);
	if (cache)
		print_ages(cache);
	print_exporters(now, before, seconds);
	json_decref(cache);
}

static int show_reports(void *arg, double seconds)
{
	struct view *v = arg;
	struct hm_error err = {0};
	json_t *now = hm_client_call(v->ctl->client, "netflow.stats", NULL, &err), *report;
	size_t i;
	if (!now)
		return hm_ctl_failed(v->ctl, &err);
	if (v->ctl->json) {
		hm_ctl_print_json(now);
	} else if (v->before) {
		clear_screen(v->watch);
		json_array_foreach (now, i, report) {
			fputs(i > 0 ? "\n" : "", stdout);
			print_report(v, report, seconds);
		}
		if (json_array_size(now) == 0)
			puts("no FLOW_REPORT runs");
		fflush(stdout);
	}
	json_decref(v->before);
	v->before = now;
	return ferror(stdout) ? HM_EXIT_ERROR : HM_EXIT_OK;
}

static int netflow(struct hm_ctl *ctl, int argc, char **argv)
{
	struct view v = {.ctl = ctl};
	struct hm_repeat repeat = {.interval_s = 1};
	for (int i = 0, n; i < argc; i += n) {
		n = hm_repeat_option(&repeat, ctl, argc, argv, i);
		if (n == 0 && strcmp(argv[i], "--watch") == 0)
			n = v.watch = true;
		if (n == 0)
			return hm_ctl_usage(ctl, "unknown option %s", argv[i]);
		if (n < 0)
			return HM_EXIT_USAGE;
	}
	if (!v.watch && repeat.count == 0)
		repeat.count = 1;
	int code = hm_repeat(&repeat, ctl->json ? 0 : 1, show_reports, &v);
	json_decref(v.before);
	return code;
}

/* --- flows top --- */

struct top {
	struct hm_ctl *ctl;
	json_t *flow; // NULL: all
	const char *by;
	unsigned long n;
	bool watch;
};

static double seconds_of(const json_t *record)
{
	return ((double)strtoull(text(record, "last_ns"), NULL, 10) -
		(double)strtoull(text(record, "first_ns"), NULL, 10)) /
	       1e9;
}

static json_int_t both(const json_t *record, const char *key)
{
	const json_t *v = json_object_get(record, key);
	return json_integer_value(json_array_get(v, 0)) + json_integer_value(json_array_get(v, 1));
}

static void print_records(const json_t *records)
{
	struct hm_table t;
	json_t *r;
	size_t i;
	hm_table_start(&t, "SOURCE|>PORT|DESTINATION|>PORT|>PROTO|>PACKETS|>BYTES|>RATE|>SECONDS");
	json_array_foreach ((json_t *)records, i, r) {
		double seconds = seconds_of(r);
		char bits[32];
		hm_table_cell(&t, "%s", text(r, "source"));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, number(r, "source_port"));
		hm_table_cell(&t, "%s", text(r, "destination"));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, number(r, "destination_port"));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, number(r, "protocol"));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, both(r, "packets"));
		hm_table_cell(&t, "%" JSON_INTEGER_FORMAT, both(r, "bytes"));
		if (seconds > 0)
			hm_table_cell(&t, "%sbit/s",
				      hm_print_rate(bits, 8 * (double)both(r, "bytes") / seconds));
		else
			hm_table_cell(&t, "-");
		hm_table_cell(&t, "%.3f", seconds);
	}
	hm_table_print(&t);
}

/* The records of one report; 0, or an exit code. */
static int show_one(struct top *top, json_t *report, json_t *all)
{
	struct hm_error err = {0};
	json_t *cache = cache_of(top->ctl, report, (json_int_t)top->n, top->by, &err);
	if (!cache)
		return hm_ctl_failed(top->ctl, &err);
	if (top->ctl->json) {
		json_object_set(cache, "flow", json_object_get(report, "flow"));
		json_object_set(cache, "function", json_object_get(report, "function"));
		json_array_append(all, cache);
	} else {
		print_title(report);
		print_records(json_object_get(cache, "top"));
	}
	json_decref(cache);
	return HM_EXIT_OK;
}

static bool is_wanted(const struct top *top, const json_t *report)
{
	return !top->flow || json_equal(top->flow, json_object_get(report, "flow")) ||
	       json_equal(top->flow, json_object_get(report, "name"));
}

static int show_top(void *arg, double seconds)
{
	struct top *top = arg;
	struct hm_error err = {0};
	json_t *reports = hm_client_call(top->ctl->client, "netflow.stats", NULL, &err), *report;
	json_t *all = json_array();
	int code = HM_EXIT_OK, shown = 0;
	size_t i;
	if (!reports)
		code = hm_ctl_failed(top->ctl, &err);
	clear_screen(top->watch && !top->ctl->json);
	json_array_foreach (reports, i, report)
		if (code == HM_EXIT_OK && is_wanted(top, report)) {
			fputs(shown++ > 0 && !top->ctl->json ? "\n" : "", stdout);
			code = show_one(top, report, all);
		}
	if (code == HM_EXIT_OK && shown == 0) {
		hm_error_set(&err, -ENOENT, 0, "no such flow has a FLOW_REPORT");
		code = hm_ctl_failed(top->ctl, &err);
	} else if (code == HM_EXIT_OK && top->ctl->json) {
		hm_ctl_print_json(all);
	}
	fflush(stdout);
	json_decref(all);
	json_decref(reports);
	return ferror(stdout) ? HM_EXIT_ERROR : code;
}

/* An option at argv[i]: how many words it is, -1: wrong, and told. */
static int top_option(struct top *top, struct hm_repeat *repeat, int argc, char **argv, int i)
{
	struct hm_ctl *ctl = top->ctl;
	bool more = i + 1 < argc;
	char *end;
	int n = hm_repeat_option(repeat, ctl, argc, argv, i);
	if (n != 0)
		return n;
	if (strcmp(argv[i], "--watch") == 0)
		return top->watch = true;
	if (strcmp(argv[i], "--by") == 0 && more &&
	    (strcmp(argv[i + 1], "bytes") == 0 || strcmp(argv[i + 1], "packets") == 0)) {
		top->by = argv[i + 1];
		return 2;
	}
	if (strcmp(argv[i], "--top") == 0 && more) {
		top->n = strtoul(argv[i + 1], &end, 10);
		if (end != argv[i + 1] && !*end && top->n >= 1 && top->n <= 1000)
			return 2;
	}
	if (argv[i][0] != '-' && !top->flow) {
		top->flow = hm_ctl_which(argv[i]);
		return 1;
	}
	hm_ctl_usage(ctl, "%s is not understood; --by is bytes or packets, --top 1 to 1000",
		     argv[i]);
	return -1;
}

static int flows_top(struct hm_ctl *ctl, int argc, char **argv)
{
	struct top top = {.ctl = ctl, .by = "bytes", .n = 10};
	struct hm_repeat repeat = {.interval_s = 1};
	int code = HM_EXIT_OK;
	for (int i = 0, n; i < argc && code == HM_EXIT_OK; i += n) {
		n = top_option(&top, &repeat, argc, argv, i);
		code = n < 0 ? HM_EXIT_USAGE : HM_EXIT_OK;
	}
	if (!top.watch && repeat.count == 0)
		repeat.count = 1;
	if (code == HM_EXIT_OK)
		code = hm_repeat(&repeat, 0, show_top, &top);
	json_decref(top.flow);
	return code;
}

/* --- netflow set --- */

static int netflow_set(struct hm_ctl *ctl, int argc, char **argv)
{
	json_error_t where;
	json_t *params = json_loads(argv[1], 0, &where);
	if (!json_is_object(params)) {
		json_decref(params);
		return hm_ctl_usage(ctl, "the changes are no JSON object: %s", where.text);
	}
	json_object_set_new(params, "flow", hm_ctl_which(argv[0]));
	return hm_ctl_call(ctl, "netflow.set", params, NULL);
}

const struct hm_command hm_commands_netflow[] = {
	{"netflow set", "FLOW CHANGES", 2, 2, netflow_set,
	 "changes timeouts and exporters while flow records come\n"
	 "CHANGES is JSON; \"exporters\" are all that there are from now on:\n\n"
	 "  homardctl netflow set netflow0 '{\"active_timeout_s\": 60}'\n"},
	{"netflow", "[--watch] " HM_REPEAT_USAGE, 0, -1, netflow,
	 "flow records: rates, the flow cache and its ages, and the collectors\n"
	 "Rates are those of a second, or of S seconds; with --watch again and again, with\n"
	 "--count N times. As JSON: what netflow.stats answers.\n"},
	{"flows top", "[FLOW] [--by bytes|packets] [--top N] [--watch] " HM_REPEAT_USAGE, 0, -1,
	 flows_top,
	 "the largest flow records that are open now\n"
	 "Of all FLOW_REPORTs, or of one flow's: N of them (10, at most 1000), by bytes or by\n"
	 "packets of both directions. Only for those who may read the flow.\n"},
	{0},
};
