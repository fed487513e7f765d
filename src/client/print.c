/* SPDX-License-Identifier: BSD-3-Clause */
/* print: see print.h. What fits is on one line. A list of objects is a table; where a cell would make a column too
 * wide, what it has is printed below the table. */
#include "client/print.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX         48 // letters of a cell in the middle of a table
#define LINE_MAX_LETTERS 96
#define STEP             4 // to the right

static void write_value(FILE *f, const json_t *v, bool inside)
{
	const char *key;
	json_t *e;
	size_t i;
	switch (json_typeof(v)) {
	case JSON_STRING:
		fprintf(f, inside ? "\"%s\"" : "%s", json_string_value(v));
		break;
	case JSON_INTEGER:
		fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		fprintf(f, "%.6g", json_real_value(v));
		break;
	case JSON_TRUE:
		fputs("yes", f);
		break;
	case JSON_FALSE:
		fputs("no", f);
		break;
	case JSON_NULL:
		fputs("-", f);
		break;
	case JSON_ARRAY:
		json_array_foreach ((json_t *)v, i, e) {
			fputs(i ? " " : "", f);
			write_value(f, e, true);
		}
		break;
	case JSON_OBJECT:
		json_object_foreach ((json_t *)v, key, e) {
			fprintf(f, "%s%s=",
				key == json_object_iter_key(json_object_iter((json_t *)v)) ? ""
											   : " ",
				key);
			write_value(f, e, true);
		}
		break;
	}
}

char *hm_print_value(const json_t *v)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = hm_must_have(open_memstream(&text, &n));
	if (v)
		write_value(f, v, false);
	else
		fputs("-", f);
	fclose(f);
	return hm_must_have(text);
}

static bool all_objects(const json_t *list)
{
	size_t i;
	json_t *e;
	json_array_foreach ((json_t *)list, i, e)
		if (!json_is_object(e))
			return false;
	return json_array_size(list) > 0;
}

/* Whether the value is better seen as lines of its own. */
static bool is_large(const json_t *v)
{
	char *text;
	bool large;
	if (all_objects(v))
		return true;
	if (!json_is_object(v) && !json_is_array(v))
		return false;
	text = hm_print_value(v);
	large = hm_text_width(text) > LINE_MAX_LETTERS;
	free(text);
	return large;
}

/* Words on lines of at most LINE_MAX_LETTERS. */
static void print_wrapped(char *text, int indent)
{
	int used = 0;
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		int n = hm_text_width(word);
		if (used > 0 && used + 1 + n > LINE_MAX_LETTERS) {
			putchar('\n');
			used = 0;
		}
		for (char *c = word; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 127)
				*c = '?';
		printf("%*s%s", used > 0 ? 1 : indent, "", word);
		used += n + (used > 0);
	}
	putchar('\n');
}

static void print_heading(char *name, const char *key, int indent)
{
	printf("\n%*s", indent, "");
	for (char *c = name; *c; c++)
		putchar((unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
	printf(", %s:\n", key);
}

/* --- a list of objects --- */

struct column {
	const char *key;
	bool number;
	int width;   // of the widest cell
	bool nested; // some cell is large
};

struct list {
	const json_t *rows;
	size_t n;
	struct column column[HM_TABLE_COLUMNS];
	int last; // the one wide column that stays in the table, behind the others; -1: none
};

static void measure(struct column *c, const json_t *cell)
{
	char *text = hm_print_value(cell);
	int width = hm_text_width(text);
	if (width > c->width)
		c->width = width;
	c->nested = c->nested || (cell && is_large(cell));
	free(text);
}

/* The columns of a list: all keys of all rows, in the order in which they come. */
static void find_columns(struct list *l, json_t *keys)
{
	const char *key;
	json_t *e;
	size_t i;
	json_array_foreach ((json_t *)l->rows, i, e)
		json_object_update_missing(keys, e);
	json_object_foreach (keys, key, e) {
		struct column *c = &l->column[l->n];
		if (l->n == HM_TABLE_COLUMNS)
			break;
		*c = (struct column){.key = key, .number = json_is_number(e)};
		for (i = 0; i < json_array_size(l->rows); i++)
			measure(c, json_object_get(json_array_get(l->rows, i), key));
		l->n++;
	}
}

static bool is_wide(const struct column *c)
{
	return c->width > CELL_MAX || c->nested;
}

static int last_column(const struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_wide(&l->column[i]) && l->column[i].width <= LINE_MAX_LETTERS &&
		    !l->column[i].nested)
			return (int)i;
	return -1;
}

/* Numbers of the columns of the table, in its order. */
static size_t table_columns(const struct list *l, size_t columns[HM_TABLE_COLUMNS])
{
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++)
		if (!is_wide(&l->column[i]))
			columns[n++] = i;
	if (l->last >= 0)
		columns[n++] = (size_t)l->last;
	return n;
}

static void add_title(struct hm_table *t, const struct column *c)
{
	char *title = hm_must_have(strdup(c->key));
	for (char *p = title; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	t->right |= (uint64_t)c->number << t->columns++;
	hm_table_text(t, title);
}

static void print_table(const struct list *l, int indent)
{
	struct hm_table t = {.indent = indent};
	size_t columns[HM_TABLE_COLUMNS], n = table_columns(l, columns), i;
	json_t *row;
	if (n == 0)
		return;
	for (i = 0; i < n; i++)
		add_title(&t, &l->column[columns[i]]);
	json_array_foreach ((json_t *)l->rows, i, row)
		for (size_t k = 0; k < n; k++)
			hm_table_text(&t, hm_print_value(
						  json_object_get(row, l->column[columns[k]].key)));
	hm_table_print(&t);
}

/* What had no place in the table, under what the first column calls its row. */
static void print_below(const struct list *l, int indent)
{
	json_t *row;
	size_t i;
	json_array_foreach ((json_t *)l->rows, i, row) {
		char *name = hm_print_value(json_object_get(row, l->column[0].key));
		for (size_t k = 0; k < l->n; k++) {
			const json_t *v = json_object_get(row, l->column[k].key);
			if (!is_wide(&l->column[k]) || (int)k == l->last || !v || json_is_null(v))
				continue;
			print_heading(name, l->column[k].key, indent);
			hm_print_indented(v, indent + STEP);
		}
		free(name);
	}
}

static void print_list(const json_t *rows, int indent)
{
	struct list l = {.rows = rows};
	json_t *keys = json_object();
	find_columns(&l, keys);
	l.last = last_column(&l);
	print_table(&l, indent);
	print_below(&l, indent);
	json_decref(keys);
}

/* --- an object --- */

static void print_object(const json_t *object, int indent)
{
	const char *key;
	json_t *e;
	struct hm_table t = {.columns = 2, .indent = indent};
	json_object_foreach ((json_t *)object, key, e) {
		if (is_large(e))
			continue;
		hm_table_cell(&t, "%s", key);
		hm_table_text(&t, hm_print_value(e));
	}
	hm_table_print(&t);
	json_object_foreach ((json_t *)object, key, e) {
		if (!is_large(e))
			continue;
		printf("\n%*s%s:\n", indent, "", key);
		hm_print_indented(e, indent + (all_objects(e) ? 0 : STEP));
	}
}

void hm_print_indented(const json_t *v, int indent)
{
	if (all_objects(v)) {
		print_list(v, indent);
	} else if (json_is_object(v)) {
		print_object(v, indent);
	} else if (json_is_array(v) && json_array_size(v) == 0) {
		printf("%*snone\n", indent, "");
	} else {
		char *text = hm_print_value(v);
		print_wrapped(text, indent);
		free(text);
	}
}

void hm_print(const json_t *v)
{
	hm_print_indented(v, 0);
}

const char *hm_print_rate(char *to, double value)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	size_t i = 0;
	while (value >= 1000 && i < 4) {
		value /= 1000;
		i++;
	}
	snprintf(to, 32, "%.*f %s",
		 value < 10 && i    ? 2
		 : value < 100 && i ? 1
				    : 0,
		 value, units[i]);
	return to;
}
