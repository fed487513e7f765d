/* SPDX-License-Identifier: BSD-3-Clause */
/* check: finds names in a capture filter that libpcap would have to resolve, and too long lists.
 *
 * Follows one thing of libpcap's grammar over the words: which kind of operand a word is. `host`,
 * `net` and no kind at all would be looked up somewhere; `port`, `portrange`, `proto` and
 * `protochain` in local tables only. The kind holds on over and/or/not ("port http or https"); a
 * closing parenthesis brings back the one before its opening. A test counts resolver calls over
 * random expressions.
 */
#include "filter/check.h"

#include "filter/lexer.h"

#define NESTING_MAX 256

enum kind {
	KIND_ADDRESS, // names would be resolved
	KIND_LOCAL,   // names are looked up in local tables
};

struct scan {
	enum kind kind, outer[NESTING_MAX];
	unsigned depth, brackets, terms;
	bool takes_word; // the next word is an argument that is never an address ("type mgt")
};

static const char too_many_terms[] = "more than 256 terms; use several flows";
static_assert(HM_FILTER_TERMS_MAX == 256, "as the sentence says");

/* Parentheses and brackets; what is wrong with them, else NULL. */
static const char *look_at_sign(struct scan *s, int sign)
{
	switch (sign) {
	case '(':
		if (s->depth == NESTING_MAX)
			return "more than 256 open parentheses";
		s->outer[s->depth++] = s->kind;
		break;
	case ')':
		if (s->depth > 0)
			s->kind = s->outer[--s->depth];
		break;
	case '[':
		s->brackets++;
		break;
	case ']':
		if (s->brackets > 0)
			s->brackets--;
		break;
	case ':':
		if (s->brackets == 0)
			return "no address that this part of one belongs to";
		break;
	default:
		break;
	}
	return NULL;
}

/* Follows the grammar over one token; what to write instead if it would be resolved, else NULL. */
static const char *look_at(struct scan *s, const struct hm_token *t)
{
	bool argument = s->takes_word;

	s->takes_word = false;
	if (t->kind < TOKEN_BAD)
		return look_at_sign(s, t->kind);
	if (s->brackets > 0)
		return NULL; // an expression of numbers, libpcap accepts no name there
	switch (t->kind) {
	case TOKEN_AND:
	case TOKEN_OR:
		return ++s->terms < HM_FILTER_TERMS_MAX ? NULL : too_many_terms;
	case TOKEN_GATEWAY:
		return "gateway needs host names; write the addresses with host and ether host";
	case TOKEN_NAME:
		return !argument && s->kind == KIND_ADDRESS
			       ? "names are not resolved; write the address in numbers"
			       : NULL;
	case TOKEN_PORT:
	case TOKEN_PORTRANGE:
	case TOKEN_PROTO:
	case TOKEN_PROTOCHAIN:
		s->kind = KIND_LOCAL;
		return NULL;
	default:
		// any other keyword ends what came before, so that a name behind it has no kind
		if (t->kind > TOKEN_NAME)
			s->kind = KIND_ADDRESS;
		s->takes_word = t->kind == TOKEN_TAKES_WORD;
		return NULL;
	}
}

int hm_filter_find_fault(const char *expression, struct hm_filter_fault *fault)
{
	struct scan s = {.kind = KIND_ADDRESS};

	for (const char *p = expression;;) {
		struct hm_token t = hm_token_next(p, &p);
		const char *why;

		if (t.kind == TOKEN_END)
			return 0;
		why = look_at(&s, &t);
		if (why) {
			*fault = (struct hm_filter_fault){t.at, t.length, why};
			return 1;
		}
	}
}
