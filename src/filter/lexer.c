/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter/lexer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "filter/keywords.h"

/* `groups` groups of `least` to `most` hexadecimal digits with a separator between them. */
static bool is_hex_groups(const struct hm_token *t, char separator, unsigned groups, unsigned least,
			  unsigned most)
{
	unsigned n = 0, run = 0;

	for (size_t i = 0; i <= t->length; i++) {
		if (i < t->length && isxdigit((unsigned char)t->at[i])) {
			run++;
		} else if (i == t->length || t->at[i] == separator) {
			if (run < least || run > most)
				return false;
			n++;
			run = 0;
		} else {
			return false;
		}
	}
	return n == groups;
}

static bool is_mac(const struct hm_token *t)
{
	return is_hex_groups(t, ':', 6, 1, 2) || is_hex_groups(t, '-', 6, 1, 2) ||
	       is_hex_groups(t, '.', 6, 1, 2) || is_hex_groups(t, '.', 3, 4, 4) ||
	       is_hex_groups(t, '.', 1, 12, 12);
}

/* How many numbers with dots between them it is; 0: it is something else. */
static unsigned count_numbers(const struct hm_token *t)
{
	const char *p = t->at, *end = t->at + t->length;
	unsigned parts = 0;

	while (p < end) {
		const char *start = p;
		bool hex = end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');

		if (hex)
			start = p += 2;
		while (p < end && (hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p)))
			p++;
		if (p == start)
			return 0;
		parts++;
		if (p == end)
			return parts;
		if (*p++ != '.')
			return 0;
	}
	return 0; // ends in a dot
}

bool hm_token_ipv6(const struct hm_token *t, uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];

	if (t->length >= sizeof(text))
		return false;
	memcpy(text, t->at, t->length);
	text[t->length] = '\0';
	return inet_pton(AF_INET6, text, address) == 1;
}

/* Decimal, hexadecimal with 0x, octal with 0; false: no such number, or above 32 bits. */
static bool read_number(const struct hm_token *t, uint32_t *number)
{
	const char *p = t->at, *end = t->at + t->length;
	unsigned base = 10;
	uint64_t n = 0;

	if (*p == '0' && t->length > 1) {
		base = p[1] == 'x' || p[1] == 'X' ? 16 : 8;
		p += base == 16 ? 2 : 1;
	}
	for (; p < end; p++) {
		unsigned digit = (unsigned char)*p <= '9' ? (unsigned)(*p - '0')
							  : (unsigned)(*p | 32) - 'a' + 10;

		n = n * base + digit;
		if (digit >= base || n > UINT32_MAX)
			return false;
	}
	*number = (uint32_t)n;
	return true;
}

unsigned hm_token_ipv4(const struct hm_token *t, uint32_t *address)
{
	uint32_t value = 0, part = 0;
	unsigned bits = 0;

	for (size_t i = 0; i <= t->length; i++) {
		if (i < t->length && t->at[i] != '.') {
			if (!isdigit((unsigned char)t->at[i]) || part > 25)
				return 0;
			part = part * 10 + (uint32_t)(t->at[i] - '0');
			continue;
		}
		if (part > 255)
			return 0;
		value = value << 8 | part;
		bits += 8;
		part = 0;
	}
	*address = value << (32 - bits);
	return bits;
}

void hm_token_mac(const struct hm_token *t, uint8_t address[6])
{
	// no separators between bytes?
	bool whole = is_hex_groups(t, '.', 3, 4, 4) || is_hex_groups(t, '.', 1, 12, 12);
	unsigned n = 0, digits = 0, value = 0;

	for (size_t i = 0; i < t->length; i++) {
		char c = t->at[i];

		if (isxdigit((unsigned char)c)) {
			value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
			digits++;
		}
		if (i + 1 == t->length || (whole ? digits == 2 : !isxdigit((unsigned char)c))) {
			if (digits > 0 && n < 6)
				address[n++] = (uint8_t)value;
			digits = value = 0;
		}
	}
}

static bool is_word_character(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == ':';
}

/* The scanner takes the longest match: an address may have colons in it, other words have not. */
static void take_word(struct hm_token *t)
{
	const struct hm_keyword *keyword;
	uint8_t ignored[16];
	unsigned numbers;

	while (is_word_character(t->at[t->length]))
		t->length++;
	while (t->length > 0 && (t->at[t->length - 1] == '-' || t->at[t->length - 1] == '_'))
		t->length--;
	t->kind = hm_token_ipv6(t, ignored) ? TOKEN_IPV6 : is_mac(t) ? TOKEN_MAC : TOKEN_NAME;
	if (t->kind != TOKEN_NAME)
		return;
	for (const char *colon; (colon = memchr(t->at, ':', t->length));)
		t->length = (size_t)(colon - t->at);
	while (t->length > 0 && (t->at[t->length - 1] == '-' || t->at[t->length - 1] == '_'))
		t->length--;
	if (t->length == 0) { // colons that begin no address
		t->kind = ':';
		t->length = 1;
		return;
	}
	numbers = count_numbers(t);
	if (numbers == 1)
		t->kind = read_number(t, &t->number) ? TOKEN_NUMBER : TOKEN_BAD;
	else if (numbers > 0 && numbers <= 4)
		t->kind = TOKEN_IPV4;
	keyword = numbers ? NULL : hm_keyword_find(t->at, t->length);
	if (keyword) {
		t->kind = keyword->kind;
		t->number = keyword->number;
	}
}

static void take_sign(struct hm_token *t)
{
	static const struct {
		const char *text;
		int kind;
	} signs[] = {
		{"&&", TOKEN_AND}, {"||", TOKEN_OR},  {">=", TOKEN_GE},
		{"<=", TOKEN_LE},  {"!=", TOKEN_NE},  {"==", '='},
		{"<<", TOKEN_SHL}, {">>", TOKEN_SHR}, {"!", TOKEN_NOT},
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t n = strlen(signs[i].text);

		if (strncmp(t->at, signs[i].text, n) == 0) {
			t->kind = signs[i].kind;
			t->length = n;
			return;
		}
	}
	t->kind = strchr("+-*/%:[]<>()&|^=", *t->at) ? *t->at : TOKEN_BAD;
	t->length = 1;
}

struct hm_token hm_token_next(const char *p, const char **end)
{
	struct hm_token t = {.at = p + strspn(p, " \r\n\t")};

	if (*t.at == '\\' && strcspn(t.at + 1, " !()\n\t") > 0) {
		t.at++;
		t.escaped = true;
		t.kind = TOKEN_NAME;
		t.length = strcspn(t.at, " !()\n\t");
	} else if (isalnum((unsigned char)*t.at) || (t.at[0] == ':' && t.at[1] == ':')) {
		take_word(&t);
	} else if (*t.at) {
		take_sign(&t);
	}
	*end = t.at + t.length;
	return t;
}
