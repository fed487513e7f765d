/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_conf_read: cuts a mapi.conf into sections, keys and values (see mapi_conf_read.h). */
#include "control/mapi_conf_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void hm_mapi_mistake(struct hm_mistakes *m, unsigned line, const char *format, ...)
{
	char at[24], text[512];
	va_list ap;

	snprintf(at, sizeof(at), "line %u", line);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	hm_mistake(m, at, "%s", text);
}

const struct hm_mapi_entry *hm_mapi_entry(const struct hm_mapi_section *s, const char *key)
{
	for (size_t i = 0; i < s->n_entries; i++)
		if (!strcmp(s->entries[i].key, key))
			return &s->entries[i];
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Without the blanks around it; cuts the text. */
static char *trimmed(char *text)
{
	size_t n;

	while (is_blank(*text))
		text++;
	n = strlen(text);
	while (n > 0 && is_blank(text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

static bool is_text(const char *line, size_t n, unsigned number, struct hm_mistakes *m)
{
	json_t *utf8 = json_stringn(line, n);

	json_decref(utf8);
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127) {
			hm_mapi_mistake(m, number, "has a control character (byte %zu, value %u)",
					i + 1, (unsigned char)line[i]);
			return false;
		}
	if (!utf8)
		hm_mapi_mistake(
			m, number,
			"is not UTF-8; `iconv -f latin1 -t utf8` may be what the file needs");
	return utf8 != NULL;
}

static int add_section(struct hm_mapi_lines *l, unsigned line, const char *name)
{
	struct hm_mapi_section *more =
		reallocarray(l->sections, l->n_sections + 1, sizeof(*l->sections));

	if (!more)
		return -ENOMEM;
	l->sections = more;
	l->sections[l->n_sections++] = (struct hm_mapi_section){.line = line, .name = name};
	return 0;
}

static int read_section(struct hm_mapi_lines *l, unsigned line, char *text, struct hm_mistakes *m)
{
	char *end = strchr(text, ']');

	if (!end || end[1] != '\0') {
		hm_mapi_mistake(m, line, "begins with \"[\" and must end with \"]\", as [driver]");
		return 0;
	}
	*end = '\0';
	text = trimmed(text + 1);
	if (!*text || strlen(text) > HM_MAPI_CONF_NAME_MAX) {
		hm_mapi_mistake(m, line, "a section's name has %zu bytes; must have 1 to %u",
				strlen(text), HM_MAPI_CONF_NAME_MAX);
		return 0;
	}
	return add_section(l, line, text);
}

static int read_entry(struct hm_mapi_lines *l, unsigned line, char *text, struct hm_mistakes *m)
{
	struct hm_mapi_section *s = &l->sections[l->n_sections - 1];
	char *equals = strchr(text, '='), *key;
	struct hm_mapi_entry *more;

	if (!equals) {
		hm_mapi_mistake(m, line, "is neither key=value, nor [section], nor a comment");
		return 0;
	}
	*equals = '\0';
	key = trimmed(text);
	if (!*key || strlen(key) > HM_MAPI_CONF_NAME_MAX) {
		hm_mapi_mistake(m, line, "a key has %zu bytes; must have 1 to %u", strlen(key),
				HM_MAPI_CONF_NAME_MAX);
		return 0;
	}
	if (hm_mapi_entry(s, key)) {
		hm_mapi_mistake(m, line, "%s: stands in line %u of this section already", key,
				hm_mapi_entry(s, key)->line);
		return 0;
	}
	if (s->n_entries == HM_MAPI_CONF_KEYS_MAX) {
		hm_mapi_mistake(m, line, "%s: is more than %u keys in one section", key,
				HM_MAPI_CONF_KEYS_MAX);
		return 0;
	}
	more = reallocarray(s->entries, s->n_entries + 1, sizeof(*s->entries));
	if (!more)
		return -ENOMEM;
	s->entries = more;
	s->entries[s->n_entries++] =
		(struct hm_mapi_entry){.line = line, .key = key, .value = trimmed(equals + 1)};
	return 0;
}

/* `text` is cut: it ends with NUL at `n`. */
static int read_line(struct hm_mapi_lines *l, unsigned line, char *text, size_t n,
		     struct hm_mistakes *m)
{
	if (n > 0 && text[n - 1] == '\r')
		text[--n] = '\0';
	if (n > HM_MAPI_CONF_LINE_MAX) {
		hm_mapi_mistake(m, line, "has %zu bytes; must have at most %u", n,
				HM_MAPI_CONF_LINE_MAX);
		return 0;
	}
	while (is_blank(*text)) {
		text++;
		n--;
	}
	if (n == 0 || *text == ';' || *text == '#' || !is_text(text, n, line, m))
		return 0;
	text = trimmed(text);
	return *text == '[' ? read_section(l, line, text, m) : read_entry(l, line, text, m);
}

int hm_mapi_lines_read(struct hm_mapi_lines *l, const char *text, size_t n, struct hm_mistakes *m)
{
	unsigned line = 0;

	*l = (struct hm_mapi_lines){0};
	if (n > HM_MAPI_CONF_BYTES_MAX) {
		hm_mistake(m, "", "has %zu bytes; a mapi.conf has at most %u", n,
			   HM_MAPI_CONF_BYTES_MAX);
		return -EINVAL;
	}
	l->text = malloc(n + 1);
	if (!l->text || add_section(l, 0, "") < 0)
		return -ENOMEM;
	memcpy(l->text, text, n);
	l->text[n] = '\0';
	for (size_t at = 0, end; at < n; at = end + 1) {
		char *newline = memchr(l->text + at, '\n', n - at);
		end = newline ? (size_t)(newline - l->text) : n;
		l->text[end] = '\0';
		if (read_line(l, ++line, l->text + at, end - at, m) < 0)
			return -ENOMEM;
	}
	return m->lines.n + m->more > 0 ? -EINVAL : 0;
}

void hm_mapi_lines_free(struct hm_mapi_lines *l)
{
	for (size_t i = 0; i < l->n_sections; i++)
		free(l->sections[i].entries);
	free(l->sections);
	free(l->text);
}
