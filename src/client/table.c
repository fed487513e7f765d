/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *hm_must_have(void *p)
{
	if (!p) {
		fputs("homardctl: out of memory\n", stderr);
		abort();
	}
	return p;
}

void hm_table_text(struct hm_table *t, char *text)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = hm_must_have(realloc(t->cells, t->room * sizeof(*t->cells)));
	}
	for (char *c = hm_must_have(text); *c; c++)
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
		hm_table_text(t, strndup(titles + right, n - right));
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
	hm_table_text(t, text);
}

int hm_text_width(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void hm_table_print(struct hm_table *t)
{
	int wide[HM_TABLE_COLUMNS] = {0};
	for (size_t i = 0; i < t->n; i++)
		if (hm_text_width(t->cells[i]) > wide[i % t->columns])
			wide[i % t->columns] = hm_text_width(t->cells[i]);
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;
		int pad = wide[column] - hm_text_width(t->cells[i]);
		bool last = column == t->columns - 1;
		printf("%*s", column == 0 ? t->indent : 0, "");
		if (t->right >> column & 1)
			printf("%*s%s", pad, "", t->cells[i]);
		else
			printf("%s%*s", t->cells[i], last ? 0 : pad, "");
		fputs(last ? "\n" : "  ", stdout);
		free(t->cells[i]);
	}
	free(t->cells);
	t->cells = NULL;
	t->n = t->room = 0;
}
