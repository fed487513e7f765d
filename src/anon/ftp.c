/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/ftp.h"

#include <string.h>
#include <strings.h>

#define DIGITS 3

struct line {
	const uint8_t *text;
	uint32_t begin, end, next; // end: without the line's end
};

static void add(struct hm_spans *spans, const struct line *l, uint32_t value, uint32_t value_end)
{
	hm_spans_add(spans, l->begin, value, value_end, l->next);
}

static const char *verb_of(enum hm_anon_word field)
{
	const char *name = hm_anon_name(field);

	return strcmp(name, "FTP_TYPE") == 0 ? "TYPE" : name;
}

/* "XCWD" and the like are older names of the same commands (RFC 775). */
static bool is_verb(const char *wanted, const uint8_t *verb, uint32_t n)
{
	const uint32_t length = (uint32_t)strlen(wanted);

	if (n == length + 1 && length == 3 && (verb[0] == 'X' || verb[0] == 'x')) {
		verb++;
		n--;
	}
	return n == length && strncasecmp((const char *)verb, wanted, n) == 0;
}

static void command(struct hm_spans *spans, const struct line *l, enum hm_anon_word field)
{
	uint32_t verb = l->begin, verb_end, value;

	while (verb < l->end && l->text[verb] == ' ')
		verb++;
	verb_end = verb;
	while (verb_end < l->end && l->text[verb_end] != ' ')
		verb_end++;
	value = verb_end;
	while (value < l->end && l->text[value] == ' ')
		value++;
	if (!is_verb(verb_of(field), l->text + verb, verb_end - verb))
		return;
	if (value < l->end)
		add(spans, l, value, l->end);
	else
		add(spans, l, verb, verb_end);
}

static bool has_number(const struct line *l)
{
	if (l->end - l->begin < DIGITS)
		return false;
	for (uint32_t i = l->begin; i < l->begin + DIGITS; i++)
		if (l->text[i] < '0' || l->text[i] > '9')
			return false;
	return l->end - l->begin == DIGITS || l->text[l->begin + DIGITS] == ' ' ||
	       l->text[l->begin + DIGITS] == '-';
}

static void reply(struct hm_spans *spans, const struct line *l, enum hm_anon_word field)
{
	const uint32_t number_end = has_number(l) ? l->begin + DIGITS : l->begin;
	const uint32_t text =
		number_end > l->begin && number_end < l->end ? number_end + 1 : number_end;

	if (field == HM_ANON_FTP_RESPONSE_CODE && number_end > l->begin)
		add(spans, l, l->begin, number_end);
	if (field == HM_ANON_FTP_RESPONSE_ARG && text < l->end)
		add(spans, l, text, l->end);
}

void hm_ftp_find(const uint8_t *payload, uint32_t n, bool to_server, enum hm_anon_word field,
		 struct hm_spans *spans)
{
	const bool of_reply =
		field == HM_ANON_FTP_RESPONSE_CODE || field == HM_ANON_FTP_RESPONSE_ARG;

	spans->n = 0;
	for (uint32_t at = 0; at < n && to_server != of_reply;) {
		const uint8_t *newline = memchr(payload + at, '\n', n - at);
		struct line l = {payload, at, n, n};

		if (newline) {
			l.end = (uint32_t)(newline - payload);
			l.next = l.end + 1;
		}
		if (l.end > at && payload[l.end - 1] == '\r')
			l.end--;
		if (of_reply)
			reply(spans, &l, field);
		else
			command(spans, &l, field);
		at = l.next;
	}
}
