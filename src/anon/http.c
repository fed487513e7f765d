/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/http.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define HEADERS_FIRST 60 // HM_ANON_USER_AGENT
#define HEADERS_LAST  117
#define METHOD_MAX    24 // letters

/* The header field's name, of those between HEADERS_FIRST and HEADERS_LAST; NULL: it is none. */
static const char *header_of(enum hm_anon_word field)
{
	switch ((unsigned)field) {
	case 70:
		return "Connection";
	case 88:
		return "Max-Forwards";
	case 93:
		return "Referer";
	case HM_ANON_RESPONSE_CODE:
	case HM_ANON_RESP_CODE_DESCR:
		return NULL;
	default: // the others are MAPI's words with '-' for '_'
		return field >= HEADERS_FIRST && field <= HEADERS_LAST ? hm_anon_name(field) : NULL;
	}
}

/* What is looked for, and what has been found. */
struct finder {
	const uint8_t *text;
	uint32_t n;
	enum hm_anon_word field;
	const char *header;
	struct hm_spans *spans;
};

static void add(const struct finder *f, uint32_t line, uint32_t value, uint32_t value_end,
		uint32_t line_end)
{
	hm_spans_add(f->spans, line, value, value_end, line_end);
}

static bool is_named(const uint8_t *name, uint32_t n, const char *header)
{
	if (strlen(header) != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (tolower(name[i]) != (header[i] == '_' ? '-' : tolower(header[i])))
			return false;
	}
	return true;
}

/* Behind the line that begins at `at`, with its end. */
static uint32_t line_end(const struct finder *f, uint32_t at)
{
	const uint8_t *end = memchr(f->text + at, '\n', f->n - at);

	return end ? (uint32_t)(end - f->text) + 1 : f->n;
}

/* Without the line's end, and blanks before it. */
static uint32_t trimmed(const struct finder *f, uint32_t from, uint32_t end)
{
	while (end > from && strchr("\r\n \t", f->text[end - 1]) && f->text[end - 1])
		end--;
	return end;
}

static uint32_t skip_blanks(const struct finder *f, uint32_t at, uint32_t end)
{
	while (at < end && (f->text[at] == ' ' || f->text[at] == '\t'))
		at++;
	return at;
}

static uint32_t word_end(const struct finder *f, uint32_t at, uint32_t end)
{
	while (at < end && f->text[at] != ' ' && f->text[at] != '\t')
		at++;
	return at;
}

static bool begins_response(const struct finder *f, uint32_t at)
{
	return f->n - at >= 5 && memcmp(f->text + at, "HTTP/", 5) == 0;
}

/* A word of capital letters and a blank. */
static bool begins_request(const struct finder *f, uint32_t at)
{
	uint32_t n = 0;

	while (at + n < f->n && n < METHOD_MAX && f->text[at + n] >= 'A' && f->text[at + n] <= 'Z')
		n++;
	return n >= 3 && at + n < f->n && f->text[at + n] == ' ';
}

/* Three words, of which the last one may have blanks. */
static void first_line(const struct finder *f, uint32_t at, uint32_t next)
{
	const bool response = begins_response(f, at);
	const uint32_t end = trimmed(f, at, next);
	const uint32_t first = word_end(f, at, end), second = skip_blanks(f, first, end);
	const uint32_t second_end = word_end(f, second, end),
		       third = skip_blanks(f, second_end, end);

	if (f->field == (response ? HM_ANON_HTTP_VERSION : HM_ANON_METHOD))
		add(f, at, at, first, first);
	else if (f->field == (response ? HM_ANON_RESPONSE_CODE : HM_ANON_URI))
		add(f, second, second, second_end, second_end);
	else if (f->field == (response ? HM_ANON_RESP_CODE_DESCR : HM_ANON_HTTP_VERSION))
		add(f, third, third, end, end);
}

/* Digits; anything else, or too much, counts as without end. */
static uint32_t content_length(const struct finder *f, uint32_t at, uint32_t end)
{
	uint32_t length = 0;

	if (at == end)
		return UINT32_MAX;
	for (; at < end; at++) {
		if (f->text[at] < '0' || f->text[at] > '9' || length > UINT16_MAX)
			return UINT32_MAX;
		length = length * 10 + (uint32_t)(f->text[at] - '0');
	}
	return length;
}

/* One header field, with the lines that go on with it (they begin with a blank). Returns where the next begins. */
static uint32_t header(const struct finder *f, uint32_t at, uint32_t *length)
{
	uint32_t next = line_end(f, at), value, end;
	const uint8_t *colon = memchr(f->text + at, ':', next - at);

	while (next < f->n && (f->text[next] == ' ' || f->text[next] == '\t'))
		next = line_end(f, next);
	if (!colon)
		return next;
	value = (uint32_t)(colon - f->text) + 1;
	value = skip_blanks(f, value, next);
	end = trimmed(f, value, next);
	const uint32_t name = trimmed(f, at, (uint32_t)(colon - f->text)) - at;

	if (f->header && is_named(f->text + at, name, f->header))
		add(f, at, value, end, next);
	if (is_named(f->text + at, name, "Content-Length"))
		*length = content_length(f, value, end);
	return next;
}

static bool is_blank_line(const struct finder *f, uint32_t at)
{
	return f->text[at] == '\n' ||
	       (f->text[at] == '\r' && (at + 1 == f->n || f->text[at + 1] == '\n'));
}

/* Returns where the message ends. */
static uint32_t message(const struct finder *f, uint32_t at)
{
	const bool request = begins_request(f, at);
	uint32_t next = line_end(f, at), length = request ? 0 : UINT32_MAX;

	first_line(f, at, next);
	while (next < f->n && !is_blank_line(f, next))
		next = header(f, next, &length);
	if (next < f->n)
		next = line_end(f, next);
	length = length < f->n - next ? length : f->n - next;
	if (f->field == HM_ANON_HTTP_PAYLOAD && length)
		add(f, next, next, next + length, next + length);
	return next + length;
}

void hm_http_find(const uint8_t *payload, uint32_t n, enum hm_anon_word field,
		  struct hm_spans *spans)
{
	const struct finder f = {payload, n, field, header_of(field), spans};
	uint32_t at = 0;

	spans->n = 0;
	while (at < n && (begins_request(&f, at) || begins_response(&f, at)))
		at = message(&f, at);
	if (at < n && field == HM_ANON_HTTP_PAYLOAD)
		add(&f, at, at, n, n);
}
