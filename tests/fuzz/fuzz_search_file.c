/* SPDX-License-Identifier: BSD-3-Clause */
/* Files in the folder of compiled patterns, as an accident leaves them. Input: how the file of three
 * patterns is changed, as steps of (what, where, by what); then, with a first byte of 0xff, a file as it
 * is. The checksum is corrected now and then, so that what is behind it is reached, too.
 *
 * A file must be refused with a reason, or be the code of just these patterns. */
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {"lob+ster", "(.)b\\1", "^(a(?1)?b)$"};

static struct hm_search_code *make_code(void)
{
	const struct hm_pattern *patterns[4];
	struct hm_search_part *part;
	struct hm_search_code *code;
	struct hm_pattern_set *set;
	struct hm_error err;

	for (int i = 0; i < 3; i++)
		patterns[i] = hm_pattern_regexp(texts[i], &err);
	patterns[3] = hm_pattern_literal("crab", 3, 9, &err);
	set = hm_pattern_set_create(patterns, 4);
	part = hm_search_part_compile(set, NULL, &err);
	require(part != NULL, "the patterns are compiled");
	code = hm_search_code_ref(part->code);
	hm_search_part_unref(part);
	hm_pattern_set_destroy(set);
	for (int i = 0; i < 4; i++)
		hm_pattern_release((struct hm_pattern *)(uintptr_t)patterns[i]);
	return code;
}

static void decode(const uint8_t *bytes, size_t n, const struct hm_search_code *want)
{
	const char *why = NULL;
	struct hm_search_code *code = hm_search_code_decode(bytes, n, &want->key, &why);

	if (!code) {
		require(why != NULL, "a refusal has a reason");
		return;
	}
	require(why == NULL, "what is taken has no reason to be refused");
	require(code->key.n == want->key.n && code->key.n_expressions == 4 &&
			memcmp(code->key.bytes, want->key.bytes, want->key.n) == 0,
		"it is of these patterns");
	for (uint32_t i = 0; i < 4; i++)
		require(code->kinds[i] == want->kinds[i] ||
				(i > 0 && code->kinds[i] >= HM_PATTERN_HS &&
				 code->kinds[i] <= HM_PATTERN_PCRE),
			"the literal is one, and the others are not");
	hm_search_code_unref(code);
}

static void correct_checksum(uint8_t *bytes, size_t n)
{
	uint64_t sum;

	if (n < HM_SEARCH_FILE_CHECKSUM_AT + 8)
		return;
	sum = hm_search_file_checksum(bytes, n);
	memcpy(bytes + HM_SEARCH_FILE_CHECKSUM_AT, &sum, sizeof(sum));
}

/* One step of four bytes. */
static size_t change(uint8_t *bytes, size_t n, const uint8_t *step)
{
	size_t at = n ? ((size_t)step[1] << 8 | step[2]) % n : 0;

	switch (step[0] % 4) {
	case 0:
		if (n)
			bytes[at] = step[3];
		return n;
	case 1:
		if (n)
			bytes[at % 48 % n] = step[3]; // in the header
		return n;
	case 2:
		return at;
	default:
		correct_checksum(bytes, n);
		return n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hm_search_code *code;
	static uint8_t *whole;
	static size_t n_whole;
	uint8_t *bytes;
	size_t n;

	if (!code) {
		code = make_code();
		whole = hm_search_code_encode(code, &n_whole);
		require(whole != NULL, "the code is encoded");
	}
	if (size > 0 && data[0] == 0xff) {
		decode(data + 1, size - 1, code);
		return 0;
	}
	n = n_whole;
	bytes = malloc(n);
	require(bytes != NULL, "there is memory");
	memcpy(bytes, whole, n);
	for (; size >= 4; data += 4, size -= 4)
		n = change(bytes, n, data);
	decode(bytes, n, code);
	free(bytes);
	return 0;
}
