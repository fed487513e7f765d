/* SPDX-License-Identifier: BSD-3-Clause */
/* DEFRAG hands on whole IP datagrams: of a fragmented one a packet with all its bytes, in the place of the fragment
 * that made it whole; of all else a copy. Fragments that are waited for are held in memory of its own, not in the
 * worker's copies: one flow's fragments can take nothing from other flows, and are gone with it.
 * Costs a copy a packet, and a second one of fragments.
 */
#include <errno.h>
#include <string.h>

#include "core/books.h"
#include "core/copies.h"
#include "core/datagrams.h"
#include "core/function.h"

#define NS_A_MS                    UINT64_C(1000000)
#define MFUNCT_INVALID_ARGUMENT_1  7001
#define MAPID_MEM_ALLOCATION_ERROR 3084

struct defrag_conf {
	uint32_t timeout_ms, datagrams, memory_kib;
};

/* What the ledger adds up: written and read as one. */
struct books {
	uint64_t in, passed, no_copy; // no_copy: of packets that are no fragments
	uint64_t shortened;           // datagrams
	struct hm_datagrams_counts of;
};

#define BOOKS (sizeof(struct books) / sizeof(uint64_t))

struct defrag_core {
	struct hm_datagrams datagrams;
	struct books own;  // the worker's; what is in datagrams is copied there by publish()
	uint32_t sequence; // of the books, odd while they are written
	struct books books;
};

/* --- worker --- */

/* Once a batch; single fields are read in place, too. */
static void publish(struct defrag_core *c)
{
	c->own.of = c->datagrams.counts;
	hm_books_write(&c->sequence, (uint64_t *)&c->books, (const uint64_t *)&c->own, BOOKS);
}

static bool pass(struct defrag_core *c, const struct hm_batch *b, unsigned i, struct hm_batch *out,
		 struct hm_copies *pool)
{
	uint32_t n = b->caplen[i];
	uint8_t *copy = n <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;

	if (!copy) {
		c->own.no_copy++;
		return false;
	}
	memcpy(copy, b->data[i], n);
	hm_batch_add(out, b, i, copy, n, b->wirelen[i]);
	c->own.passed++;
	return true;
}

/* A datagram that is longer than a copy, which has room for the longest packet of any device, is cut as those are. */
static bool hand_on(struct defrag_core *c, uint32_t datagram, const struct hm_batch *b, unsigned i,
		    struct hm_batch *out, struct hm_copies *pool)
{
	uint32_t room = hm_copies_room(pool), caplen, wirelen = 0;
	uint8_t *copy = hm_copies_take(pool);

	room = room < UINT16_MAX ? room : UINT16_MAX; // as batches have it
	caplen = hm_datagrams_take(&c->datagrams, datagram, copy, room, &wirelen);
	if (!copy)
		return false;
	c->own.shortened += caplen < wirelen;
	hm_batch_add(out, b, i, copy, caplen, wirelen);
	return true;
}

static uint64_t defrag_transform(void *core, const struct hm_batch *b, uint64_t in,
				 struct hm_batch *out, struct hm_copies *pool)
{
	// within a tunnel the headers around a datagram would tell a wrong length: such fragments pass
	const uint64_t fragments = b->fragment & ~b->tunnel;
	struct defrag_core *c = core;
	uint64_t dropped = 0;

	hm_mask_foreach (i, in) {
		const uint64_t bit = UINT64_C(1) << i;
		uint32_t datagram;

		hm_datagrams_tell(&c->datagrams, b->ts_ns[i]);
		if (!(fragments & bit)) {
			dropped |= pass(c, b, i, out, pool) ? 0 : bit;
			continue;
		}
		datagram = hm_datagrams_add(&c->datagrams, b, i);
		if (datagram && !hand_on(c, datagram, b, i, out, pool))
			dropped |= bit;
	}
	c->own.in += hm_mask_count(in);
	publish(c);
	return dropped;
}

static bool defrag_drain(void *core)
{
	struct defrag_core *c = core;

	hm_datagrams_end(&c->datagrams);
	publish(c);
	return true;
}

/* --- control core --- */

/* in = passed + joined + held + dropped (each by cause) */
static json_t *defrag_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct defrag_core *c = cores[0]; // ordered: there is one
	json_t *dropped = json_object();
	struct books k;
	uint64_t sum = 0;

	(void)conf;
	(void)n;
	hm_books_read(&c->sequence, (const uint64_t *)&c->books, (uint64_t *)&k, BOOKS);
	k.of.dropped[HM_DATAGRAMS_NO_COPY] += k.no_copy;
	for (unsigned i = 0; i < HM_DATAGRAMS_CAUSES; i++) {
		sum += k.of.dropped[i];
		json_object_set_new(dropped, hm_datagrams_cause_name((enum hm_datagrams_cause)i),
				    json_integer((json_int_t)k.of.dropped[i]));
	}
	return json_pack("{s:O, s:{s:I, s:I, s:I, s:I, s:o, s:b}}", "dropped", dropped, "ledger",
			 "in", (json_int_t)k.in, "passed", (json_int_t)k.passed, "joined",
			 (json_int_t)k.of.joined, "held", (json_int_t)k.of.held, "dropped", dropped,
			 "balanced", k.in == k.passed + k.of.joined + k.of.held + sum);
}

#define OPTION(key, least, most, usual)                                          \
	{                                                                        \
		.name = #key, .min = least, .max = most, .value_default = usual, \
		.offset = offsetof(struct defrag_conf, key)                      \
	}

static const struct hm_option defrag_options[] = {
	OPTION(timeout_ms, 1, 600000, 30000),
	OPTION(datagrams, 1, 65536, 1024),
	OPTION(memory_kib, 256, 1048576, 4096),
	{0},
};

static int defrag_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	(void)ctx;
	return hm_options_parse("DEFRAG", defrag_options, args[0].options, conf,
				MFUNCT_INVALID_ARGUMENT_1, err);
}

static uint32_t blocks_of(const struct defrag_conf *conf)
{
	return (uint32_t)((uint64_t)conf->memory_kib * 1024 / HM_DATAGRAM_BLOCK_ROOM);
}

static uint64_t defrag_memory(const void *conf, unsigned n_workers)
{
	const struct defrag_conf *c = conf;

	return n_workers * hm_datagrams_bytes(c->datagrams, blocks_of(c));
}

static int defrag_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct defrag_conf *conf = ctx->conf;
	struct defrag_core *c = core;

	if (hm_datagrams_init(&c->datagrams, conf->datagrams, blocks_of(conf),
			      conf->timeout_ms * NS_A_MS, ctx->socket) == 0)
		return 0;
	hm_datagrams_fini(&c->datagrams);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			    "DEFRAG: no memory for %u datagrams in %u KiB (raise eal.memory_mb)",
			    conf->datagrams, conf->memory_kib);
}

static void defrag_core_fini(void *core)
{
	struct defrag_core *c = core;

	hm_datagrams_fini(&c->datagrams);
}

static const struct hm_arg defrag_args[] = {
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"timeout_ms\": from a datagram's first fragment on, in packet time (30000); "
		 "\"datagrams\": that may wait (1024); \"memory_kib\": for their bytes (4096)"},
	{0},
};

#define RESULT(key, what, field, text)                                                         \
	{                                                                                      \
		.name = key, .type = HM_FIELD_U64, .merge = HM_MERGE_SUM, .unit = what,        \
		.offset = offsetof(struct defrag_core, books) + offsetof(struct books, field), \
		.help = text                                                                   \
	}

static const struct hm_field defrag_results[] = {
	RESULT("passed", "packets", passed, "that are no fragments"),
	RESULT("fragments", "packets", of.fragments, "that are"),
	RESULT("datagrams", "datagrams", of.whole, "put together and handed on"),
	RESULT("joined", "packets", of.joined, "fragments in these"),
	RESULT("shortened", "datagrams", shortened,
	       "that were longer than a copy: the first bytes went on"),
	RESULT("held", "packets", of.held, "fragments that wait for others now"),
	RESULT("waiting", "datagrams", of.waiting, "of these fragments"),
	RESULT("overlaps", "packets", of.overlaps,
	       "fragments with some bytes that were there already; the first ones stay"),
	RESULT("tiny", "packets", of.tiny, "first fragments without a whole transport header"),
	{0},
};

static const struct hm_function defrag = {
	.name = "DEFRAG",
	.summary = "puts fragments together and hands on whole IP datagrams, in copies",
	.flags = HM_FN_ORDERED | HM_FN_HOLDS,
	.args = defrag_args,
	.results = defrag_results,
	.conf_size = sizeof(struct defrag_conf),
	.core_size = sizeof(struct defrag_core),
	.cost = {.batch = 60, .packet = 110},
	.conf_init = defrag_conf_init,
	.memory = defrag_memory,
	.core_init = defrag_core_init,
	.core_fini = defrag_core_fini,
	.stats = defrag_stats,
	.transform = defrag_transform,
	.drain = defrag_drain,
};

HM_FUNCTION_REGISTER(defrag);
