/* SPDX-License-Identifier: BSD-3-Clause */
/* watch: a flow's counters and their rates, again and again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/print.h"
#include "client/repeat.h"

struct watch {
	struct hm_ctl *ctl;
	json_t *flow;
	json_t *units;  // of each function's result: {"PKT_COUNTER": "packets"}
	json_t *before; // the last reading
};

/* The unit of a function's (first) result; asked once. */
static const char *unit_of(struct watch *w, const char *function)
{
	const char *known = json_string_value(json_object_get(w->units, function));
	if (known)
		return known;
	json_t *info = hm_client_call(w->ctl->client, "function.info",
				      json_pack("{s:s}", "function", function), NULL);
	const char *unit = json_string_value(
		json_object_get(json_array_get(json_object_get(info, "result"), 0), "unit"));
	json_object_set_new(w->units, function, json_string(unit ? unit : ""));
	json_decref(info);
	return json_string_value(json_object_get(w->units, function));
}

static void print_rate(struct watch *w, struct hm_table *t, const json_t *now, size_t i,
		       double seconds)
{
	const json_t *value = json_object_get(now, "value");
	const json_t *old = json_object_get(
		json_array_get(json_object_get(w->before, "functions"), i), "value");
	const char *name = json_string_value(json_object_get(now, "name"));
	const char *unit = unit_of(w, name ? name : "");
	char rate[32];
	if (!json_is_integer(value) || !json_is_integer(old) || seconds <= 0) {
		hm_table_cell(t, "-");
		return;
	}
	double per_s = (double)(json_integer_value(value) - json_integer_value(old)) / seconds;
	if (per_s < 0) // reset meanwhile
		hm_table_cell(t, "-");
	else if (strcmp(unit, "bytes") == 0)
		hm_table_cell(t, "%sbit/s", hm_print_rate(rate, 8 * per_s));
	else
		hm_table_cell(t, "%s%s/s", hm_print_rate(rate, per_s), unit);
}

static void print_reading(struct watch *w, const json_t *now, double seconds)
{
	struct hm_table t;
	json_t *f;
	size_t i;
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	hm_table_start(&t, ">FUNCTION|NAME|>VALUE|>RATE");
	json_array_foreach (json_object_get(now, "functions"), i, f) {
		char *number = hm_print_value(json_object_get(f, "function"));
		char *name = hm_print_value(json_object_get(f, "name"));
		char *value = hm_print_value(json_object_get(f, "value"));
		hm_table_cell(&t, "%s", number);
		hm_table_cell(&t, "%s", name);
		hm_table_cell(&t, "%s", value);
		print_rate(w, &t, f, i, seconds);
		free(number);
		free(name);
		free(value);
	}
	hm_table_print(&t);
	fflush(stdout);
}

/* One reading; the first of all is only remembered, since a rate needs two. */
static int read_once(void *arg, double seconds)
{
	struct watch *w = arg;
	struct hm_error err = {0};
	json_t *now = hm_client_call(w->ctl->client, "flow.read",
				     json_pack("{s:O}", "flow", w->flow), &err);
	if (!now)
		return hm_ctl_failed(w->ctl, &err);
	if (w->ctl->json)
		hm_ctl_print_json(now);
	else if (w->before)
		print_reading(w, now, seconds);
	json_decref(w->before);
	w->before = now;
	return ferror(stdout) ? HM_EXIT_ERROR : HM_EXIT_OK;
}

int hm_ctl_watch(struct hm_ctl *ctl, int argc, char **argv)
{
	struct watch w = {.ctl = ctl};
	struct hm_repeat repeat = {.interval_s = 1};
	for (int i = 1, n; i < argc; i += n) {
		n = hm_repeat_option(&repeat, ctl, argc, argv, i);
		if (n == 0)
			return hm_ctl_usage(ctl, "unknown option %s", argv[i]);
		if (n < 0)
			return HM_EXIT_USAGE;
	}
	w.flow = hm_ctl_which(argv[0]);
	w.units = json_object();
	int code = hm_repeat(&repeat, ctl->json ? 0 : 1, read_once, &w);
	json_decref(w.flow);
	json_decref(w.units);
	json_decref(w.before);
	return code;
}
