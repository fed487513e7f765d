/* SPDX-License-Identifier: BSD-3-Clause */
/* COOKING hands on what TCP connections say, in order: instead of their packets few large ones, each with bytes of one
 * direction that follow one another (cook/streams.h). Fragments are put together before. All else goes on as a copy.
 * What waits is held in memory of its own, as with DEFRAG.
 */
#include <errno.h>
#include <string.h>

#include "cook/streams.h"
#include "core/books.h"
#include "core/copies.h"
#include "core/datagrams.h"
#include "core/function.h"
#include "core/parse.h"

#define NS_A_S                     UINT64_C(1000000000)
#define MFUNCT_INVALID_ARGUMENT_1  7001
#define MFUNCT_INVALID_ARGUMENT_2  7002
#define MFUNCT_INVALID_ARGUMENT_5  7005
#define MAPID_MEM_ALLOCATION_ERROR 3084
#define DEFAULT_THRESHOLD          32768
#define THRESHOLD_MAX              (UINT16_MAX - HM_STREAMS_HEADER_MAX)
#define DEFAULT_TIMEOUT_S          30
#define TIMEOUT_MAX_S              86400
#define DATAGRAMS                  256 // that wait for fragments
#define DATAGRAM_BLOCKS            1024

struct cooking_options {
	uint32_t connections, memory_kib, window_kib, midstream, last_wins, refuse;
};

struct cooking_conf {
	struct hm_streams_conf streams;
	bool lossless;
	bool closing; // control core
};

/* What the ledger adds up: written and read as one. */
struct books {
	uint64_t in, passed, no_copy; // no_copy: of packets that would have passed
	uint64_t wholes;              // datagrams that became segments
	uint64_t memory;              // bytes in use
	struct hm_datagrams_counts fragments;
	struct hm_streams_counts streams;
};

#define BOOKS (sizeof(struct books) / sizeof(uint64_t))

struct cooking_core {
	struct hm_streams streams;
	struct hm_datagrams datagrams;
	const struct cooking_conf *conf;
	uint64_t todo;         // packets of the batch that out had no room for
	bool ending;           // no more packets come: all that is held is due
	struct hm_batch whole; // of one datagram that was put together; n is 0 when it has gone on
	uint8_t frame[UINT16_MAX];
	struct books own;  // the worker's
	uint32_t sequence; // of the books, odd while they are written
	struct books books;
};

/* --- worker --- */

/* Once a batch; single fields are read in place, too. */
static void publish(struct cooking_core *c)
{
	c->own.fragments = c->datagrams.counts;
	c->own.streams = c->streams.counts;
	c->own.memory = (uint64_t)(c->conf->streams.blocks - hm_copies_free(c->streams.blocks)) *
			sizeof(struct hm_bytes_block);
	hm_books_write(&c->sequence, (uint64_t *)&c->books, (const uint64_t *)&c->own, BOOKS);
}

/* Packet i of b goes on as it is; `out` has room. */
static bool pass(const struct hm_batch *b, unsigned i, struct hm_batch *out, struct hm_copies *pool)
{
	const uint32_t n = b->caplen[i];
	uint8_t *copy = n <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;

	if (!copy)
		return false;
	memcpy(copy, b->data[i], n);
	hm_batch_add(out, b, i, copy, n, b->wirelen[i]);
	return true;
}

/* All that is due. False: `out` is full. */
static bool hand_on_due(struct cooking_core *c, struct hm_batch *out, struct hm_copies *pool)
{
	const uint32_t room = hm_copies_room(pool) < UINT16_MAX ? hm_copies_room(pool) : UINT16_MAX;
	struct hm_cooked cooked;

	while (hm_streams_due(&c->streams)) {
		uint8_t *copy;

		if (out->n == HM_BATCH_MAX)
			return false;
		copy = room > HM_STREAMS_HEADER_MAX ? hm_copies_take(pool) : NULL;
		if (!hm_streams_take(&c->streams, copy, copy ? room : UINT16_MAX, &cooked)) {
			if (copy)
				hm_copies_give(pool, copy);
		} else if (copy) {
			out->ts_ns[out->n] = cooked.ts_ns;
			out->ifindex[out->n] = cooked.ifindex;
			out->data[out->n] = copy;
			out->caplen[out->n] = out->wirelen[out->n] = cooked.caplen;
			out->n++;
		}
	}
	return true;
}

static bool is_segment(const struct hm_batch *b, unsigned i)
{
	return (b->tcp & b->l4_ok & ~b->tunnel & ~b->fragment) >> i & 1;
}

/* The datagram that fragments have become. False: something is due first. */
static bool take_whole(struct cooking_core *c, struct hm_batch *out, struct hm_copies *pool)
{
	if (!is_segment(&c->whole, 0)) {
		if (pass(&c->whole, 0, out, pool)) {
			c->own.passed++;
			c->own.wholes++; // as one that is not among the fragments any more
		} else {
			c->own.no_copy++;
			c->own.wholes++;
		}
	} else {
		hm_streams_prepare(&c->streams, &c->whole, 1);
		if (!hm_streams_add(&c->streams, &c->whole, 0))
			return false;
		c->own.wholes++;
	}
	c->whole.n = 0;
	return true;
}

static void add_fragment(struct cooking_core *c, const struct hm_batch *b, unsigned i)
{
	static const struct hm_parse_conf no_tunnels;
	const uint32_t datagram = hm_datagrams_add(&c->datagrams, b, i);
	struct hm_batch *whole = &c->whole;
	uint32_t wirelen;

	if (!datagram)
		return;
	whole->caplen[0] =
		hm_datagrams_take(&c->datagrams, datagram, c->frame, sizeof(c->frame), &wirelen);
	whole->data[0] = c->frame;
	whole->wirelen[0] = wirelen;
	whole->ts_ns[0] = b->ts_ns[i];
	whole->ifindex[0] = b->ifindex[i];
	whole->link = b->link;
	whole->n = whole->all = 1;
	hm_parse(whole, &no_tunnels);
}

/* Packet i. False: something is due first. `dropped` gets it if there was no copy. */
static bool take_packet(struct cooking_core *c, const struct hm_batch *b, unsigned i,
			struct hm_batch *out, struct hm_copies *pool, uint64_t *dropped)
{
	const uint64_t bit = UINT64_C(1) << i;

	if (is_segment(b, i))
		return hm_streams_add(&c->streams, b, i);
	if (b->fragment & ~b->tunnel & bit) {
		add_fragment(c, b, i);
	} else if (pass(b, i, out, pool)) {
		c->own.passed++;
	} else {
		c->own.no_copy++;
		*dropped |= bit;
	}
	return true;
}

static uint64_t cooking_transform(void *core, const struct hm_batch *b, uint64_t in,
				  struct hm_batch *out, struct hm_copies *pool)
{
	struct cooking_core *c = core;
	uint64_t dropped = 0;

	if (in) {
		c->todo = in;
		c->ending = false;
		hm_streams_prepare(&c->streams, b,
				   in & b->tcp & b->l4_ok & ~b->tunnel & ~b->fragment);
	}
	while (hand_on_due(c, out, pool) && out->n < HM_BATCH_MAX) {
		const unsigned i = c->todo ? (unsigned)__builtin_ctzll(c->todo) : 0;

		if (c->whole.n > 0) {
			take_whole(c, out, pool);
		} else if (c->todo) {
			hm_datagrams_tell(&c->datagrams, b->ts_ns[i]);
			if (!hm_streams_tell(&c->streams, b->ts_ns[i]) &&
			    take_packet(c, b, i, out, pool, &dropped)) {
				c->todo &= c->todo - 1;
				c->own.in++;
			}
		} else if (!c->ending || !hm_streams_end_oldest(&c->streams)) {
			break;
		}
	}
	publish(c);
	return dropped;
}

static bool cooking_more(void *core)
{
	const struct cooking_core *c = core;

	return c->todo || c->whole.n > 0 || hm_streams_due(&c->streams) ||
	       (c->ending && c->streams.oldest);
}

/* A trace has no time but its packets': so what comes out does not depend on how fast it is read. */
static void cooking_tick(void *core, uint64_t now_ns)
{
	struct cooking_core *c = core;

	if (c->conf->lossless)
		return;
	hm_datagrams_tell(&c->datagrams, now_ns);
	hm_streams_tell(&c->streams, now_ns);
	publish(c);
}

/* When the flow is closed there is nobody any more who could have what it holds. */
static bool cooking_drain(void *core)
{
	struct cooking_core *c = core;

	hm_datagrams_end(&c->datagrams);
	c->ending = true;
	if (__atomic_load_n(&c->conf->closing, __ATOMIC_RELAXED))
		hm_streams_drop_all(&c->streams);
	publish(c);
	return !cooking_more(c);
}

/* --- control core --- */

/* A datagram that was put together is a packet of its own: it takes the place of one of its fragments. */
static json_t *cooking_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct cooking_core *c = cores[0]; // ordered: there is one
	json_t *dropped = json_object();
	uint64_t sum = 0, joined, held;
	struct books k;

	(void)conf;
	(void)n;
	hm_books_read(&c->sequence, (const uint64_t *)&c->books, (uint64_t *)&k, BOOKS);
	k.streams.dropped[HM_STREAMS_NO_COPY] += k.no_copy;
	for (unsigned i = 0; i < HM_STREAMS_CAUSES; i++) {
		sum += k.streams.dropped[i];
		json_object_set_new(dropped, hm_streams_cause_name((enum hm_streams_cause)i),
				    json_integer((json_int_t)k.streams.dropped[i]));
	}
	for (unsigned i = 0; i < HM_DATAGRAMS_CAUSES; i++) {
		char name[64];

		sum += k.fragments.dropped[i];
		snprintf(name, sizeof(name), "fragment_%s",
			 hm_datagrams_cause_name((enum hm_datagrams_cause)i));
		json_object_set_new(dropped, name,
				    json_integer((json_int_t)k.fragments.dropped[i]));
	}
	joined = k.fragments.joined - k.wholes + k.streams.used;
	held = k.fragments.held + k.streams.held;
	return json_pack("{s:O, s:{s:I, s:I, s:I, s:I, s:o, s:b}}", "dropped", dropped, "ledger",
			 "in", (json_int_t)k.in, "passed", (json_int_t)k.passed, "joined",
			 (json_int_t)joined, "held", (json_int_t)held, "dropped", dropped,
			 "balanced", k.in == k.passed + joined + held + sum);
}

#define OPTION(key, least, most, usual)                                          \
	{                                                                        \
		.name = #key, .min = least, .max = most, .value_default = usual, \
		.offset = offsetof(struct cooking_options, key)                  \
	}

static const struct hm_option cooking_options[] = {
	OPTION(connections, 16, 1 << 22, 8192),
	OPTION(memory_kib, 256, 1 << 24, 16384),
	OPTION(window_kib, 64, 65536, 64),
	OPTION(midstream, 0, 1, 0),
	OPTION(last_wins, 0, 1, 0),
	OPTION(refuse, 0, 1, 0),
	{0},
};

/* Numbers below 1 are MAPI's way to say "as usual". A copy has room for the longest packet of the device only. */
static int cooking_numbers(struct cooking_conf *c, const union hm_value *args,
			   const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	const int64_t most = ctx->lossless ? UINT16_MAX : ctx->snaplen;
	int64_t threshold = args[0].i > 0 ? args[0].i : DEFAULT_THRESHOLD;

	if (threshold > THRESHOLD_MAX)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_1,
				    "COOKING: threshold must be up to %d bytes, since a packet has "
				    "65,535 at most (0 or less: %d)",
				    THRESHOLD_MAX, DEFAULT_THRESHOLD);
	if (args[1].i > TIMEOUT_MAX_S)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_2,
				    "COOKING: timeout must be up to %d s (0 or less: %d)",
				    TIMEOUT_MAX_S, DEFAULT_TIMEOUT_S);
	if (most <= HM_STREAMS_HEADER_MAX)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_1,
				    "COOKING: the device's snaplen must be more than %d bytes",
				    HM_STREAMS_HEADER_MAX);
	if (threshold > most - HM_STREAMS_HEADER_MAX)
		threshold = most - HM_STREAMS_HEADER_MAX;
	c->streams.threshold = (uint32_t)threshold;
	c->streams.timeout_ns = (uint64_t)(args[1].i > 0 ? args[1].i : DEFAULT_TIMEOUT_S) * NS_A_S;
	c->streams.first_only = args[2].i == 0;
	c->streams.collect = (uint8_t)args[3].i;
	return 0;
}

static int cooking_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct cooking_conf *c = conf;
	struct cooking_options o;
	int rc = cooking_numbers(c, args, ctx, err);

	if (rc == 0)
		rc = hm_options_parse("COOKING", cooking_options, args[4].options, &o,
				      MFUNCT_INVALID_ARGUMENT_5, err);
	if (rc < 0)
		return rc;
	c->lossless = ctx->lossless;
	c->streams.connections = o.connections;
	c->streams.blocks =
		(uint32_t)((uint64_t)o.memory_kib * 1024 / sizeof(struct hm_bytes_block));
	c->streams.window = o.window_kib * 1024;
	c->streams.midstream = o.midstream;
	c->streams.last_wins = o.last_wins;
	c->streams.refuse = o.refuse;
	return 0;
}

static uint64_t cooking_memory(const void *conf, unsigned n_workers)
{
	const struct cooking_conf *c = conf;

	return n_workers *
	       (hm_streams_bytes(&c->streams) + hm_datagrams_bytes(DATAGRAMS, DATAGRAM_BLOCKS));
}

static int cooking_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct cooking_core *c = core;

	c->conf = ctx->conf;
	if (hm_streams_init(&c->streams, &c->conf->streams, ctx->socket) == 0 &&
	    hm_datagrams_init(&c->datagrams, DATAGRAMS, DATAGRAM_BLOCKS,
			      c->conf->streams.timeout_ns, ctx->socket) == 0)
		return 0;
	hm_streams_fini(&c->streams);
	hm_datagrams_fini(&c->datagrams);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			    "COOKING: no memory for %u connections and %u KiB of their data (raise "
			    "eal.memory_mb)",
			    c->conf->streams.connections, c->conf->streams.blocks * 2);
}

static void cooking_core_fini(void *core)
{
	struct cooking_core *c = core;

	hm_streams_fini(&c->streams);
	hm_datagrams_fini(&c->datagrams);
}

static void cooking_closing(void *conf)
{
	__atomic_store_n(&((struct cooking_conf *)conf)->closing, true, __ATOMIC_RELAXED);
}

static const char *const sides[] = {"CLIENT_SIDE", "SERVER_SIDE", "BOTH_SIDE", NULL};

static const struct hm_arg cooking_args[] = {
	{.name = "threshold",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "bytes of a direction that go on at a time, up to 65375; less than 1: 32768"},
	{.name = "timeout",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "seconds without a packet, in packet time, behind which a connection is over, up "
		 "to 86400; less than 1: 30"},
	{.name = "ret_once",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .value_default = 1,
	 .help = "0: of each direction the first packet only; else all"},
	{.name = "collect",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .min = HM_STREAMS_CLIENT,
	 .max = HM_STREAMS_BOTH,
	 .value_default = HM_STREAMS_BOTH,
	 .names = sides,
	 .help = "what who says: CLIENT_SIDE 1, SERVER_SIDE 2, BOTH_SIDE 3"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"connections\": known at a time (8192); \"memory_kib\": for their data (16384); "
		 "\"window_kib\": that may be ahead of a hole (64); \"midstream\": 1 to follow "
		 "connections whose begin was not seen; \"last_wins\": 1 if of bytes that come "
		 "twice the last ones stay; \"refuse\": 1 to drop what is new when memory is full, "
		 "instead of letting go what is idle for longest"},
	{0},
};

#define RESULT(key, what, field, text)                                                          \
	{                                                                                       \
		.name = key, .type = HM_FIELD_U64, .merge = HM_MERGE_SUM, .unit = what,         \
		.offset = offsetof(struct cooking_core, books) + offsetof(struct books, field), \
		.help = text                                                                    \
	}

static const struct hm_field cooking_results[] = {
	RESULT("passed", "packets", passed, "that are no TCP, as they were"),
	RESULT("segments", "packets", streams.segments, "of TCP"),
	RESULT("streams", "connections", streams.connections, "that were followed"),
	RESULT("open", "connections", streams.open, "that are followed now"),
	RESULT("cooked", "packets", streams.cooked, "handed on in their place"),
	RESULT("bytes", "bytes", streams.bytes, "of data in these"),
	RESULT("gaps", "gaps", streams.gaps, "in what was handed on"),
	RESULT("missing", "bytes", streams.missing, "in these gaps"),
	RESULT("repeated", "bytes", streams.repeated, "that had been there already"),
	RESULT("reordered", "packets", streams.reordered,
	       "that came before others that they follow"),
	RESULT("timeouts", "connections", streams.timeouts, "that were idle for too long"),
	RESULT("evicted", "connections", streams.evicted, "that ended early, for want of memory"),
	RESULT("held", "packets", streams.held, "whose data waits now"),
	RESULT("memory", "bytes", memory, "in use for this data"),
	{0},
};

static const struct hm_function cooking = {
	.name = "COOKING",
	.summary = "puts TCP streams together and hands on their data, in order, in large packets",
	.flags = HM_FN_ORDERED | HM_FN_HOLDS | HM_FN_PAYLOAD,
	.args = cooking_args,
	.results = cooking_results,
	.conf_size = sizeof(struct cooking_conf),
	.core_size = sizeof(struct cooking_core),
	.cost = {.batch = 100, .packet = 150},
	.conf_init = cooking_conf_init,
	.memory = cooking_memory,
	.core_init = cooking_core_init,
	.core_fini = cooking_core_fini,
	.closing = cooking_closing,
	.stats = cooking_stats,
	.transform = cooking_transform,
	.more = cooking_more,
	.tick = cooking_tick,
	.drain = cooking_drain,
};

HM_FUNCTION_REGISTER(cooking);
