/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t folded(uint8_t c, bool any_case)
{
	return any_case && c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_at(const struct hm_signature *s, bool any_case, const uint8_t *at)
{
	for (unsigned i = 0; i < s->n; i++)
		if (folded(at[i], any_case) != folded((uint8_t)s->bytes[i], any_case))
			return false;
	return true;
}

bool hm_signature_match(const struct hm_signature *signatures, bool any_case,
			const uint8_t *payload, size_t n)
{
	for (const struct hm_signature *s = signatures; s->bytes; s++) {
		size_t end = s->depth != 0 && s->depth < n ? s->depth : n;

		for (size_t at = 0; at + s->n <= end; at++)
			if (is_at(s, any_case, payload + at))
				return true;
	}
	return false;
}

char *hm_signature_regexp(const struct hm_signature *signatures, bool any_case)
{
	size_t room = sizeof("(?i)");
	char *text, *to;

	for (const struct hm_signature *s = signatures; s->bytes; s++)
		room += 1 + (size_t)s->n * 4; // | and \xHH
	text = malloc(room);
	if (!text)
		return NULL;
	to = text + sprintf(text, "%s", any_case ? "(?i)" : "");
	for (const struct hm_signature *s = signatures; s->bytes; s++) {
		if (s != signatures)
			*to++ = '|';
		for (unsigned i = 0; i < s->n; i++)
			to += sprintf(to, "\\x%02x", (uint8_t)s->bytes[i]);
	}
	return text;
}
