/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients send to STR_SEARCH and REGEXP: Snort syntax and regular expressions, and packets to
 * search. Input: kind (odd: regular expression), offset, depth, text, a zero, packet.
 *
 * A literal must be found where a naive search finds it. A regular expression must not crash
 * anything; only short ones without counts are compiled by Hyperscan, since others may rightly take
 * seconds. */
#include <string.h>

#include "core/search_private.h"
#include "require.h"

#define TEXT_MAX      300
#define REGEXP_SHORT  48
#define REGEXP_GROUPS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool naive(const struct hm_pattern *p, const uint8_t *data, size_t size)
{
	const uint8_t *bytes;
	uint32_t at = 0, n;
	size_t end = p->depth ? (size_t)p->offset + p->depth : size;

	if (end > size)
		end = size;
	while (hm_pattern_alternative(p, &at, &bytes, &n)) {
		if (p->offset < end && memmem(data + p->offset, end - p->offset, bytes, n))
			return true;
	}
	return false;
}

static void search(const struct hm_pattern *p, const uint8_t *data, size_t size)
{
	static struct hm_batch b;
	struct hm_pattern_set *set = hm_pattern_set_create(&p, 1);
	struct hm_error err;
	struct hm_search_db *db = hm_search_compile(set, &err);
	struct hm_search *s = db ? hm_search_create(db, -1) : NULL;
	uint64_t hits;

	require(s != NULL, "what is accepted is compiled");
	b.n = 3;
	b.all = 7;
	b.data[1] = data;
	b.caplen[1] = (uint32_t)size;
	hits = hm_search_hits(s, &b, 2, hm_pattern_slot(p));
	require((hits & ~UINT64_C(2)) == 0, "only packets that were asked for are hit");
	if (p->literal)
		require((hits != 0) == naive(p, data, size), "a naive search finds the same");
	require(hm_search_hits(s, &b, 2, hm_pattern_slot(p)) == hits, "the answer stays");
	hm_search_destroy(s);
	hm_search_db_unref(db);
	hm_pattern_set_destroy(set);
}

static bool is_quick(const char *text)
{
	unsigned groups = 0;

	for (const char *at = text; *at; at++)
		groups += *at == '(' || *at == '*' || *at == '+';
	return strlen(text) <= REGEXP_SHORT && groups <= REGEXP_GROUPS && !strchr(text, '{');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_error err = {0};
	struct hm_pattern *p;
	char text[TEXT_MAX + 1];
	uint8_t kind, offset, depth;
	size_t n;

	if (size < 4)
		return 0;
	kind = data[0];
	offset = data[1];
	depth = data[2];
	data += 3;
	size -= 3;
	n = strnlen((const char *)data, size < TEXT_MAX ? size : TEXT_MAX);
	memcpy(text, data, n);
	text[n] = '\0';
	data += n;
	size -= n;
	p = kind & 1 ? hm_pattern_regexp(text, &err)
		     : hm_pattern_literal(text, offset, depth, &err);
	if (!p) {
		require(err.text[0] != '\0', "a refusal has a reason");
		require(kind & 1 ? err.mapi_errno == 7000
				 : err.mapi_errno >= 3503 && err.mapi_errno <= 3505,
			"a refusal has its number");
		return 0;
	}
	if (p->literal || is_quick(text))
		search(p, data, size);
	hm_pattern_release(p);
	return 0;
}
