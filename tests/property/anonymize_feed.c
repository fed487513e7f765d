/* SPDX-License-Identifier: BSD-3-Clause */
/* anonymize_feed: ANONYMIZE for the test that knows what must come out. Reads lines of JSON, {"args": [...], "packets":
 * [hex ...], "wire": [length ...], "batch": n, "tunnels": set}, and answers each with a line: {"error": number,
 * "text": ...} or {"packets": [hex ...], "wire": [...], "ts": [...], "unreadable": n}. The number of buffers is the
 * first argument, the key file of the configuration, if there is one, the second.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/function_harness.h"
#include "../unit/start_eal.h"
#include "core/copies.h"
#include "core/parse.h"

#define ROOM 4096

static struct hm_batch batch, made;

static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* In memory of just its size, so that sanitizers see what is read behind it. */
static uint8_t *from_hex(const char *text, uint32_t *n)
{
	uint8_t *bytes;

	*n = (uint32_t)strlen(text) / 2;
	bytes = malloc(*n + (*n == 0));
	for (uint32_t i = 0; i < *n; i++)
		bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return bytes;
}

static json_t *to_hex(const uint8_t *bytes, uint32_t n)
{
	char *text = malloc(2 * (size_t)n + 1);
	json_t *hex;

	for (uint32_t i = 0; i < n; i++)
		sprintf(text + 2 * (size_t)i, "%02x", bytes[i]);
	text[2 * (size_t)n] = '\0';
	hex = json_string(text);
	free(text);
	return hex;
}

static void run_batch(const struct harness *h, const json_t *packets, const json_t *wire, size_t at,
		      uint32_t n, uint32_t tunnels, struct hm_copies *pool, json_t *answer)
{
	const struct hm_parse_conf conf = {tunnels};
	uint8_t *bytes[HM_BATCH_MAX];

	memset(&batch, 0, sizeof(batch));
	batch.n = n;
	batch.all = hm_mask_first(n);
	batch.link = HM_LINK_ETHERNET;
	for (uint32_t i = 0; i < n; i++) {
		bytes[i] = from_hex(json_string_value(json_array_get(packets, at + i)),
				    &batch.caplen[i]);
		batch.data[i] = bytes[i];
		batch.wirelen[i] = wire ? (uint32_t)json_integer_value(json_array_get(wire, at + i))
					: batch.caplen[i];
		batch.ts_ns[i] = UINT64_C(1700000000123456789) + at + i;
	}
	hm_parse(&batch, &conf);
	made.n = 0;
	uint64_t dropped = h->f->transform(h->core, &batch, batch.all, &made, pool);

	for (uint32_t i = 0; i < made.n; i++) {
		json_array_append_new(json_object_get(answer, "packets"),
				      to_hex(made.data[i], made.caplen[i]));
		json_array_append_new(json_object_get(answer, "wire"),
				      json_integer(made.wirelen[i]));
		json_array_append_new(json_object_get(answer, "ts"),
				      json_integer((json_int_t)made.ts_ns[i]));
		hm_copies_give(pool, (uint8_t *)(uintptr_t)made.data[i]);
	}
	json_object_set_new(answer, "dropped",
			    json_integer(json_integer_value(json_object_get(answer, "dropped")) +
					 hm_mask_count(dropped)));
	for (uint32_t i = 0; i < n; i++)
		free(bytes[i]);
}

static json_t *run(const json_t *question, struct hm_copies *pool)
{
	const json_t *packets = json_object_get(question, "packets");
	const size_t all = json_array_size(packets);
	const json_t *per = json_object_get(question, "batch");
	const size_t step = per ? (size_t)json_integer_value(per) : HM_BATCH_MAX;
	char *args = json_dumps(json_object_get(question, "args"), 0);
	struct hm_error err;
	struct harness h;
	json_t *answer;
	int rc = harness_open(&h, "ANONYMIZE", args, &err);

	free(args);
	if (rc < 0) {
		harness_close(&h);
		return json_pack("{s:i, s:s}", "error", err.mapi_errno, "text", err.text);
	}
	answer = json_pack("{s:[], s:[], s:[], s:i}", "packets", "wire", "ts", "dropped", 0);
	for (size_t at = 0; at < all; at += step)
		run_batch(&h, packets, json_object_get(question, "wire"), at,
			  (uint32_t)(all - at < step ? all - at : step),
			  (uint32_t)json_integer_value(json_object_get(question, "tunnels")), pool,
			  answer);
	for (const struct hm_field *f = h.f->results; f->name; f++)
		json_object_set_new(answer, f->name,
				    json_integer((json_int_t)harness_result(&h, f->name)));
	harness_close(&h);
	return answer;
}

int main(int argc, char **argv)
{
	struct hm_copies *pool;
	json_t *question;

	if (argc < 2 || start_eal() < 0)
		return 1;
	if (argc > 2)
		harness_anonymize_key = argv[2];
	pool = hm_copies_create((uint32_t)strtoul(argv[1], NULL, 10), ROOM, -1);
	while ((question = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, NULL))) {
		json_t *answer = run(question, pool);

		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(question);
	}
	hm_copies_destroy(pool);
	return 0;
}
