/* SPDX-License-Identifier: BSD-3-Clause */
/* print: see print.h. */
#include "client/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- tables --- */

static char *checked(char *p)
{
	if (!p) {
		fputs("homardctl: out of memory\n", stderr);
		abort();
	}
	return p;
}

static void add_cell(struct hm_table *t, char *text)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = realloc(t->cells, t->room * sizeof(*t->cells));
		checked((char *)t->cells);
	}
	for (char *c = checked(text); *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	t->cells[t->n++] = text;
}

void hm_table_start(struct hm_table *t, const char *titles)
{
	*t = (struct hm_table){0};
	for (;;) {
		size_t n = strcspn(titles, "|");
		bool right = titles[0] == '>';
		t->right |= (uint64_t)right << t->columns++;
		add_cell(t, strndup(titles + right, n - right));
		if (!titles[n])
			return;
		titles += n + 1;
	}
}

void hm_table_cell(struct hm_table *t, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	add_cell(t, text);
}

/* Letters, not bytes, of UTF-8 text. */
static int width(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void hm_table_print(struct hm_table *t)
{
	int wide[64] = {0};
	for (size_t i = 0; i < t->n; i++)
		if (width(t->cells[i]) > wide[i % t->columns])
			wide[i % t->columns] = width(t->cells[i]);
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;
		int pad = wide[column] - width(t->cells[i]);
		bool last = column == t->columns - 1;
		if (t->right >> column & 1)
			printf("%*s%s", pad, "", t->cells[i]);
		else
			printf("%s%*s", t->cells[i], last ? 0 : pad, "");
		fputs(last ? "\n" : "  ", stdout);
		free(t->cells[i]);
	}
	free(t->cells);
}

/* --- JSON --- */

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
	FILE *f = open_memstream(&text, &n);
	checked((char *)f);
	if (v)
		write_value(f, v, false);
	else
		fputs("-", f);
	fclose(f);
	return checked(text);
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

static void print_list(const json_t *list)
{
	struct hm_table t = {0};
	json_t *columns = json_object(), *e;
	const char *key;
	size_t i;
	json_array_foreach ((json_t *)list, i, e)
		json_object_update_missing(columns, e);
	json_object_foreach (columns, key, e) {
		if (t.columns == 64)
			break;
		t.right |= (uint64_t)json_is_number(e) << t.columns++;
		add_cell(&t, strdup(key));
		for (char *c = t.cells[t.n - 1]; *c; c++)
			*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
	}
	for (i = 0; i < json_array_size(list); i++) {
		size_t column = 0;
		json_object_foreach (columns, key, e) {
			if (column++ < t.columns)
				add_cell(&t, hm_print_value(json_object_get(json_array_get(list, i),
									    key)));
		}
	}
	json_decref(columns);
	hm_table_print(&t);
}

static void print_object(const json_t *object)
{
	const char *key;
	json_t *e;
	struct hm_table t = {.columns = 2};
	json_object_foreach ((json_t *)object, key, e) {
		if (all_objects(e))
			continue;
		hm_table_cell(&t, "%s", key);
		add_cell(&t, hm_print_value(e));
	}
	hm_table_print(&t);
	json_object_foreach ((json_t *)object, key, e) {
		if (!all_objects(e))
			continue;
		printf("\n%s:\n", key);
		print_list(e);
	}
}

void hm_print(const json_t *v)
{
	if (all_objects(v)) {
		print_list(v);
	} else if (json_is_object(v)) {
		print_object(v);
	} else if (json_is_array(v) && json_array_size(v) == 0) {
		puts("none");
	} else {
		struct hm_table t = {.columns = 1};
		add_cell(&t, hm_print_value(v));
		hm_table_print(&t);
	}
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
