/* SPDX-License-Identifier: BSD-3-Clause */
/* search_file: code as a file. A file is only ever read by the machine that wrote it, so that numbers
 * are in its byte order; the key, which has Hyperscan's version and the CPU's features, is compared
 * whole. Whatever is wrong with a file, it is as if it were not there.
 *
 *	header, key, kinds (a byte an expression), Hyperscan's serialized database (may be empty)
 */
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"

#define MAGIC   "hmsearch"
#define VERSION 1

struct header {
	char magic[8];
	uint64_t checksum; // of what follows it, to the end of the file
	uint32_t version, n_expressions;
	uint64_t key_bytes, db_bytes, compile_ns;
};

static_assert(offsetof(struct header, checksum) == HM_SEARCH_FILE_CHECKSUM_AT, "as announced");
static_assert(sizeof(struct header) == 48, "no padding");

/* FNV-1a over words of 8 bytes. Against accidents: whoever can write the folder is us. */
uint64_t hm_search_file_checksum(const uint8_t *bytes, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = HM_SEARCH_FILE_CHECKSUM_AT + 8; i < n; i += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, n - i < 8 ? n - i : 8);
		h = (h ^ word) * UINT64_C(0x100000001b3);
		h ^= h >> 32; // else the top bit of a word reaches nothing but the top bit
	}
	return h;
}

uint8_t *hm_search_code_encode(const struct hm_search_code *code, size_t *n)
{
	uint32_t n_expressions = code->key.n_expressions;
	struct header h = {
		.magic = MAGIC,
		.version = VERSION,
		.n_expressions = n_expressions,
		.key_bytes = code->key.n,
		.compile_ns = code->compile_ns,
	};
	char *db = NULL;
	size_t db_bytes = 0;
	uint8_t *bytes, *at;

	if (code->hs && hs_serialize_database(code->hs, &db, &db_bytes) != HS_SUCCESS)
		return NULL;
	h.db_bytes = db_bytes;
	*n = sizeof(h) + code->key.n + n_expressions + db_bytes;
	bytes = at = malloc(*n);
	if (bytes) {
		at = (uint8_t *)memcpy(at, &h, sizeof(h)) + sizeof(h);
		at = (uint8_t *)memcpy(at, code->key.bytes, code->key.n) + code->key.n;
		at = (uint8_t *)memcpy(at, code->kinds, n_expressions) + n_expressions;
		if (db_bytes > 0)
			memcpy(at, db, db_bytes);
		h.checksum = hm_search_file_checksum(bytes, *n);
		memcpy(bytes, &h, sizeof(h));
	}
	free(db);
	return bytes;
}

/* NULL, or what the header does not fulfil. */
static const char *check_header(const struct header *h, const uint8_t *bytes, size_t n,
				const struct hm_search_key *key)
{
	size_t rest = n - sizeof(*h);

	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return "it is no pattern database";
	if (h->version != VERSION)
		return "another version of homard wrote it";
	// one after the other: no sum of lengths that a file claims can overflow
	if (h->key_bytes > rest || h->n_expressions > rest - h->key_bytes ||
	    h->db_bytes != rest - h->key_bytes - h->n_expressions)
		return "its length is not what its header says";
	if (h->checksum != hm_search_file_checksum(bytes, n))
		return "its checksum is wrong";
	if (h->n_expressions != key->n_expressions || h->key_bytes != key->n ||
	    memcmp(bytes + sizeof(*h), key->bytes, key->n) != 0)
		return "it is of other patterns, another Hyperscan or another CPU";
	return NULL;
}

static bool kinds_fit(const uint8_t *kinds, const struct hm_search_key *key)
{
	for (uint32_t i = 0; i < key->n_expressions; i++)
		if (i < key->n_literals ? kinds[i] != HM_PATTERN_LITERAL
					: kinds[i] < HM_PATTERN_HS || kinds[i] > HM_PATTERN_PCRE)
			return false;
	return true;
}

struct hm_search_code *hm_search_code_decode(const uint8_t *bytes, size_t n,
					     const struct hm_search_key *key, const char **why)
{
	struct hm_search_code *code;
	const uint8_t *kinds, *db;
	struct header h;

	*why = "it is too short";
	if (n < sizeof(h))
		return NULL;
	memcpy(&h, bytes, sizeof(h));
	*why = check_header(&h, bytes, n, key);
	if (*why)
		return NULL;
	kinds = bytes + sizeof(h) + h.key_bytes;
	db = kinds + h.n_expressions;
	*why = "what runs its patterns is none of the engines";
	if (!kinds_fit(kinds, key))
		return NULL;
	code = hm_search_code_create(key);
	*why = "there is no memory for it";
	if (!code)
		return NULL;
	memcpy(code->kinds, kinds, h.n_expressions);
	code->compile_ns = h.compile_ns;
	if (h.db_bytes == 0 ||
	    hs_deserialize_database((const char *)db, h.db_bytes, &code->hs) == HS_SUCCESS) {
		*why = NULL;
		return code;
	}
	hm_search_code_unref(code);
	*why = "Hyperscan refuses what is in it";
	return NULL;
}
