/* SPDX-License-Identifier: BSD-3-Clause */
/* ledger: homardctl's ledger: every line of it as a sum, checked here and not just believed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/print.h"

#define LABEL 200

/* One line: left = a + b + c. */
struct sum {
	struct hm_table *table;
	char *text; // the right side, as it is told
	size_t n;
	FILE *out;
	json_int_t left, right;
	bool *balanced; // of the whole ledger
};

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void begin(struct sum *s, const char *what, json_int_t left)
{
	hm_table_cell(s->table, "%s", what);
	hm_table_cell(s->table, "%" JSON_INTEGER_FORMAT, left);
	s->left = left;
	s->right = 0;
	s->out = open_memstream(&s->text, &s->n);
	if (!s->out)
		abort();
}

static void add(struct sum *s, const char *name, json_int_t value)
{
	fprintf(s->out, "%s%s %" JSON_INTEGER_FORMAT, ftell(s->out) > 0 ? " + " : "= ", name,
		value);
	s->right += value;
}

/* Drops by cause: {"no_buffer": 2}; causes that did not happen are left out. */
static void add_causes(struct sum *s, const char *what, const json_t *causes)
{
	const char *cause;
	json_t *v;
	json_object_foreach ((json_t *)causes, cause, v) {
		char name[96];
		snprintf(name, sizeof(name), "%s:%s", what, cause);
		if (json_integer_value(v) != 0)
			add(s, name, json_integer_value(v));
	}
}

static void end(struct sum *s)
{
	json_int_t difference = s->left - s->right;
	fclose(s->out);
	hm_table_cell(s->table, "%s", s->text);
	free(s->text);
	if (difference == 0) {
		hm_table_cell(s->table, "balanced");
	} else {
		hm_table_cell(s->table, "NOT BALANCED by %" JSON_INTEGER_FORMAT, difference);
		*s->balanced = false;
	}
}

static const char *label(char to[LABEL], const json_t *entry, const char *what)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *function = json_string_value(json_object_get(entry, "function_name"));
	json_int_t flow = number(entry, "flow");
	if (json_object_get(entry, "flow"))
		snprintf(to, LABEL,
			 "flow %" JSON_INTEGER_FORMAT " %s, function %" JSON_INTEGER_FORMAT
			 " %s: %s",
			 flow, name ? name : "", number(entry, "function"),
			 function ? function : "", what);
	else
		snprintf(to, LABEL, "device %s: %s", name ? name : "?", what);
	return to;
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

/* On the wire = received + drops of the device. While traffic flows the device is ahead of the
 * workers by what it has handed over and they have not counted yet. */
static void add_wire(struct sum *s, const json_t *d)
{
	const json_t *wire = json_object_get(d, "wire"), *drops = json_object_get(wire, "dropped");
	json_int_t handed = number(wire, "received"), counted = number(d, "received");
	char text[LABEL];
	if (json_is_false(json_object_get(wire, "known"))) {
		hm_table_cell(s->table, "%s", label(text, d, "on the wire"));
		hm_table_cell(s->table, "-");
		hm_table_cell(s->table, "the device cannot know");
		hm_table_cell(s->table, "-");
		return;
	}
	begin(s, label(text, d, "on the wire"), handed + total(drops));
	add(s, "received", counted);
	if (json_is_false(json_object_get(d, "at_rest")) && handed > counted)
		add(s, "arriving", handed - counted);
	add_causes(s, "dropped", drops);
	end(s);
}

static void add_device(struct sum *s, const json_t *d)
{
	char text[LABEL];
	add_wire(s, d);
	begin(s, label(text, d, "received"), number(d, "received"));
	add(s, "parsed", number(d, "parsed"));
	add_causes(s, "rejected", json_object_get(d, "rejected"));
	add(s, "in_flight", number(d, "in_flight"));
	end(s);
}

static void add_entry(struct sum *s, const json_t *e)
{
	char text[LABEL];
	const json_int_t made = number(e, "made");

	begin(s, label(text, e, made ? "in, and made here" : "in"), number(e, "in") + made);
	add(s, "out", number(e, "out"));
	add(s, "filtered", number(e, "filtered"));
	add_causes(s, "dropped", json_object_get(e, "dropped"));
	end(s);
}

static void add_reader(struct sum *s, const json_t *r)
{
	char text[LABEL];
	begin(s, label(text, r, "offered"), number(r, "offered"));
	add(s, "delivered", number(r, "delivered"));
	add(s, "overwritten", number(r, "overwritten"));
	add(s, "dropped", number(r, "dropped"));
	add(s, "queued", number(r, "queued"));
	end(s);
}

static void add_netflow(struct sum *s, const json_t *r)
{
	char text[LABEL];
	begin(s, label(text, r, "flow records made"), number(r, "made"));
	add(s, "exported", number(r, "exported"));
	if (number(r, "filtered") != 0)
		add(s, "filtered", number(r, "filtered"));
	add(s, "spooled", number(r, "spooled"));
	add(s, "queued", number(r, "queued"));
	add_causes(s, "lost", json_object_get(r, "lost"));
	end(s);
}

static void add_order(struct sum *s, const json_t *o)
{
	char text[LABEL];
	begin(s, label(text, o, "to be put in order"), number(o, "offered"));
	add(s, "run", number(o, "run"));
	add(s, "queued", number(o, "queued"));
	add_causes(s, "dropped", json_object_get(o, "dropped"));
	end(s);
}

static void add_file(struct sum *s, const json_t *f)
{
	char text[LABEL];
	begin(s, label(text, f, "to be written"), number(f, "offered"));
	add(s, "written", number(f, "written"));
	add(s, "queued", number(f, "queued"));
	add_causes(s, "dropped", json_object_get(f, "dropped"));
	end(s);
}

static void add_inject(struct sum *s, const json_t *i)
{
	char text[LABEL];
	begin(s, label(text, i, "to be sent"), number(i, "offered"));
	add(s, "sent", number(i, "sent"));
	add(s, "queued", number(i, "queued"));
	add_causes(s, "dropped", json_object_get(i, "dropped"));
	end(s);
}

static void add_held(struct sum *s, const json_t *h)
{
	char text[LABEL];
	begin(s, label(text, h, "to be put together"), number(h, "in"));
	add(s, "passed", number(h, "passed"));
	add(s, "joined", number(h, "joined"));
	add(s, "held", number(h, "held"));
	add_causes(s, "dropped", json_object_get(h, "dropped"));
	end(s);
}

static void add_all(struct sum *s, const json_t *list, void (*line)(struct sum *, const json_t *))
{
	json_t *e;
	size_t i;
	json_array_foreach ((json_t *)list, i, e)
		line(s, e);
}

int hm_ctl_ledger(struct hm_ctl *ctl, int argc, char **argv)
{
	struct hm_error err = {0};
	json_t *ledger = hm_client_call(ctl->client, "ledger", NULL, &err);
	if (!ledger)
		return hm_ctl_failed(ctl, &err);
	bool balanced = json_is_true(json_object_get(ledger, "balanced"));
	bool believed = balanced;
	if (ctl->json) {
		hm_ctl_print_json(ledger);
	} else {
		struct hm_table table;
		struct sum s = {.table = &table, .balanced = &balanced};
		hm_table_start(&table, "LINE|>SUM|OF|");
		add_all(&s, json_object_get(ledger, "devices"), add_device);
		add_all(&s, json_object_get(ledger, "entries"), add_entry);
		add_all(&s, json_object_get(ledger, "readers"), add_reader);
		add_all(&s, json_object_get(ledger, "netflow"), add_netflow);
		add_all(&s, json_object_get(ledger, "order"), add_order);
		add_all(&s, json_object_get(ledger, "files"), add_file);
		add_all(&s, json_object_get(ledger, "inject"), add_inject);
		add_all(&s, json_object_get(ledger, "held"), add_held);
		hm_table_print(&table);
		printf("\n%s%s\n", balanced ? "balanced" : "NOT BALANCED",
		       !balanced && !believed ? " (says the daemon)" : "");
	}
	json_decref(ledger);
	return balanced ? HM_EXIT_OK : HM_EXIT_ERROR;
}
