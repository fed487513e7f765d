/* SPDX-License-Identifier: BSD-3-Clause */
/* COOKING hands on what TCP connections say, in order: instead of their packets few large ones, each with bytes of one
 * direction that follow one another (cook/streams.h). Fragments are put together before. All else goes on as a copy.
 * What waits is held in memory of its own, as with DEFRAG.
 *
 * Connections and memory are in parts by pairs of addresses (core/pairs.h), of which each has a time of its own, that of
 * its packets: so several workers may have their share of parts, and the result is the same for any number.
 */
#include <errno.h>
#include <string.h>

#include "cook/streams.h"
#include "core/books.h"
#include "core/copies.h"
#include "core/datagrams.h"
#include "core/function.h"
#include "core/pages.h"
#include "core/pairs.h"
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
#define DATAGRAMS                  512 // that wait for fragments, in all parts
#define DATAGRAM_BLOCKS            4096
#define PART_CONNECTIONS_MIN       64
#define PART_BLOCKS_MIN            128

struct cooking_options {
	uint32_t connections, memory_kib, window_kib, midstream, last_wins, refuse;
};

struct cooking_conf {
	struct hm_streams_conf streams; // of one part
	uint32_t parts;                 // HM_PAIR_PARTS, or 1 where these would be too small
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

struct cooking_part {
	struct hm_streams streams;
	struct hm_datagrams datagrams;
};

struct cooking_core {
	const struct cooking_conf *conf;
	uint64_t todo;         // packets of the batch that out had no room for
	uint64_t mine, due;    // parts that are this worker's; those of them with something due
	bool ending;           // no more packets come: all that is held is due
	unsigned whole_part;   // of:
	struct hm_batch whole; // of one datagram that was put together; n is 0 when it has gone on
	uint8_t part_of[HM_BATCH_MAX]; // of the batch
	struct hm_streams_keys keys;
	uint8_t *memory; // of its parts' streams
	size_t memory_bytes;
	struct cooking_part part[HM_PAIR_PARTS];
	uint8_t frame[UINT16_MAX];
	struct books own;  // the worker's; its parts count in it what they do with streams
	uint32_t sequence; // of the books, odd while they are written
	struct books books;
};

/* --- worker --- */

static void add_numbers(uint64_t *sum, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += numbers[i];
}

#define ADD_COUNTS(sum, counts)                                    \
	add_numbers((uint64_t *)(sum), (const uint64_t *)(counts), \
		    sizeof(*(sum)) / sizeof(uint64_t))

/* Once a batch; single fields are read in place, too. */
static void publish(struct cooking_core *c)
{
	memset(&c->own.fragments, 0, sizeof(c->own.fragments));
	c->own.memory = 0;
	hm_mask_foreach (p, c->mine) {
		const struct cooking_part *part = &c->part[p];

		if (part->datagrams.counts.fragments) // else there is nothing to add
			ADD_COUNTS(&c->own.fragments, &part->datagrams.counts);
		c->own.memory +=
			(uint64_t)(c->conf->streams.blocks - hm_copies_free(part->streams.blocks)) *
			sizeof(struct hm_bytes_block);
	}
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

/* All that is due of a part. False: `out` is full. */
static bool hand_on_part(struct hm_streams *s, struct hm_batch *out, struct hm_copies *pool)
{
	const uint32_t room = hm_copies_room(pool) < UINT16_MAX ? hm_copies_room(pool) : UINT16_MAX;
	struct hm_cooked cooked;

	while (hm_streams_due(s)) {
		uint8_t *copy;

		if (out->n == HM_BATCH_MAX)
			return false;
		copy = room > HM_STREAMS_HEADER_MAX ? hm_copies_take(pool) : NULL;
		if (!hm_streams_take(s, copy, copy ? room : UINT16_MAX, &cooked)) {
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

/* All that is due. False: `out` is full. */
static bool hand_on_due(struct cooking_core *c, struct hm_batch *out, struct hm_copies *pool)
{
	for (; c->due; c->due &= c->due - 1)
		if (!hand_on_part(&c->part[__builtin_ctzll(c->due)].streams, out, pool))
			return false;
	return true;
}

/* Behind whatever may have made something of the part due, or dropped it. */
static void look_at(struct cooking_core *c, unsigned p)
{
	const uint64_t bit = UINT64_C(1) << p;

	c->due = hm_streams_due(&c->part[p].streams) ? c->due | bit : c->due & ~bit;
}

static uint64_t segments_of(const struct hm_batch *b)
{
	return b->tcp & b->l4_ok & ~b->tunnel & ~b->fragment;
}

/* The datagram that fragments have become. False: something is due first. */
static bool take_whole(struct cooking_core *c, struct hm_batch *out, struct hm_copies *pool)
{
	struct hm_streams *s = &c->part[c->whole_part].streams;

	if (segments_of(&c->whole)) {
		hm_streams_prepare(&c->keys, &c->whole, 1); // the batch's first packet is in
		if (!hm_streams_add(s, &c->keys, &c->whole, 0))
			return false;
	} else if (pass(&c->whole, 0, out, pool)) {
		c->own.passed++;
	} else {
		c->own.no_copy++;
	}
	c->own.wholes++; // it is not among the fragments any more
	c->whole.n = 0;
	return true;
}

static void add_fragment(struct cooking_core *c, unsigned p, const struct hm_batch *b, unsigned i)
{
	static const struct hm_parse_conf no_tunnels;
	struct hm_datagrams *d = &c->part[p].datagrams;
	const uint32_t datagram = hm_datagrams_add(d, b, i);
	struct hm_batch *whole = &c->whole;
	uint32_t wirelen;

	if (!datagram)
		return;
	whole->caplen[0] = hm_datagrams_take(d, datagram, c->frame, sizeof(c->frame), &wirelen);
	whole->data[0] = c->frame;
	whole->wirelen[0] = wirelen;
	whole->ts_ns[0] = b->ts_ns[i];
	whole->ifindex[0] = b->ifindex[i];
	whole->link = b->link;
	whole->n = whole->all = 1;
	c->whole_part = p;
	hm_parse(whole, &no_tunnels);
}

/* Packet i, of part p. False: something is due first. `dropped` gets it if there was no copy. */
static bool take_packet(struct cooking_core *c, unsigned p, const struct hm_batch *b, unsigned i,
			struct hm_batch *out, struct hm_copies *pool, uint64_t *dropped)
{
	const uint64_t bit = UINT64_C(1) << i;

	if (segments_of(b) & bit)
		return hm_streams_add(&c->part[p].streams, &c->keys, b, i);
	if (b->fragment & ~b->tunnel & bit) {
		add_fragment(c, p, b, i);
	} else if (pass(b, i, out, pool)) {
		c->own.passed++;
	} else {
		c->own.no_copy++;
		*dropped |= bit;
	}
	return true;
}

/* One step with packet i: what it makes due is to be handed on before the next. */
static void step(struct cooking_core *c, const struct hm_batch *b, unsigned i, struct hm_batch *out,
		 struct hm_copies *pool, uint64_t *dropped)
{
	const unsigned p = c->part_of[i];
	struct cooking_part *part = &c->part[p];

	hm_datagrams_tell(&part->datagrams, b->ts_ns[i]);
	if (!hm_streams_tell(&part->streams, b->ts_ns[i]) &&
	    take_packet(c, p, b, i, out, pool, dropped)) {
		c->todo &= c->todo - 1;
		c->own.in++;
	}
	look_at(c, p);
}

static void begin_batch(struct cooking_core *c, const struct hm_batch *b, uint64_t in)
{
	const uint64_t segments = in & segments_of(b);

	c->todo = in;
	c->ending = false;
	hm_mask_foreach (i, in)
		c->part_of[i] = c->conf->parts > 1 ? (uint8_t)hm_pair_part(b, i) : 0;
	hm_streams_prepare(&c->keys, b, segments);
	hm_mask_foreach (i, segments)
		hm_streams_expect(&c->part[c->part_of[i]].streams, &c->keys, i);
	hm_mask_foreach (i, segments)
		hm_streams_fetch(&c->part[c->part_of[i]].streams, &c->keys, i);
}

/* Behind the last packet the connection goes on first that was idle for longest. False: there is none. */
static bool end_oldest(struct cooking_core *c)
{
	uint64_t least = UINT64_MAX;
	unsigned oldest = HM_PAIR_PARTS;

	hm_mask_foreach (p, c->mine) {
		const uint64_t last_ns = hm_streams_oldest_ns(&c->part[p].streams);

		if (last_ns < least) {
			least = last_ns;
			oldest = p;
		}
	}
	if (oldest == HM_PAIR_PARTS)
		return false;
	hm_streams_end_oldest(&c->part[oldest].streams);
	look_at(c, oldest);
	return true;
}

static uint64_t cooking_transform(void *core, const struct hm_batch *b, uint64_t in,
				  struct hm_batch *out, struct hm_copies *pool)
{
	struct cooking_core *c = core;
	uint64_t dropped = 0;

	if (in)
		begin_batch(c, b, in);
	while (hand_on_due(c, out, pool) && out->n < HM_BATCH_MAX) {
		if (c->whole.n > 0) {
			take_whole(c, out, pool);
			look_at(c, c->whole_part);
		} else if (c->todo) {
			step(c, b, (unsigned)__builtin_ctzll(c->todo), out, pool, &dropped);
		} else if (!c->ending || !end_oldest(c)) {
			break;
		}
	}
	publish(c);
	return dropped;
}

static bool cooking_more(void *core)
{
	const struct cooking_core *c = core;

	if (c->todo || c->whole.n > 0 || c->due)
		return true;
	return c->ending && c->own.streams.open > 0;
}

/* A trace has no time but its packets': so what comes out does not depend on how fast it is read. */
static void cooking_tick(void *core, uint64_t now_ns)
{
	struct cooking_core *c = core;

	if (c->conf->lossless)
		return;
	hm_mask_foreach (p, c->mine) {
		hm_datagrams_tell(&c->part[p].datagrams, now_ns);
		hm_streams_tell(&c->part[p].streams, now_ns);
		look_at(c, p);
	}
	publish(c);
}

/* When the flow is closed there is nobody any more who could have what it holds. */
static bool cooking_drain(void *core)
{
	struct cooking_core *c = core;

	c->ending = true;
	hm_mask_foreach (p, c->mine) {
		hm_datagrams_end(&c->part[p].datagrams);
		if (__atomic_load_n(&c->conf->closing, __ATOMIC_RELAXED))
			hm_streams_drop_all(&c->part[p].streams);
		look_at(c, p);
	}
	publish(c);
	return !cooking_more(c);
}

/* --- control core --- */

/* A datagram that was put together is a packet of its own: it takes the place of one of its fragments. */
static json_t *cooking_stats(const void *conf, void *const *cores, unsigned n)
{
	json_t *dropped = json_object();
	uint64_t sum = 0, joined, held;
	struct books k = {0};

	(void)conf;
	for (unsigned i = 0; i < n; i++) {
		const struct cooking_core *c = cores[i];
		struct books one;

		hm_books_read(&c->sequence, (const uint64_t *)&c->books, (uint64_t *)&one, BOOKS);
		ADD_COUNTS(&k, &one);
	}
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

/* What there is to be in all, by the parts that share it. */
static void set_parts(struct cooking_conf *c, uint32_t connections, uint32_t blocks)
{
	const bool small = connections < PART_CONNECTIONS_MIN * HM_PAIR_PARTS ||
			   blocks < PART_BLOCKS_MIN * HM_PAIR_PARTS;

	c->parts = small ? 1 : HM_PAIR_PARTS;
	c->streams.connections = connections / c->parts;
	c->streams.blocks = blocks / c->parts;
}

/* Each worker has its share of the parts. */
static bool cooking_by_pair(const void *conf)
{
	return ((const struct cooking_conf *)conf)->parts == HM_PAIR_PARTS;
}

static int cooking_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct cooking_conf *c = conf;
	struct cooking_options o = {0};
	int rc = cooking_numbers(c, args, ctx, err);

	if (rc == 0)
		rc = hm_options_parse("COOKING", cooking_options, args[4].options, &o,
				      MFUNCT_INVALID_ARGUMENT_5, err);
	if (rc < 0)
		return rc;
	c->lossless = ctx->lossless;
	set_parts(c, o.connections,
		  (uint32_t)((uint64_t)o.memory_kib * 1024 / sizeof(struct hm_bytes_block)));
	c->streams.window = o.window_kib * 1024;
	c->streams.midstream = o.midstream;
	c->streams.last_wins = o.last_wins;
	c->streams.refuse = o.refuse;
	return 0;
}

static uint64_t cooking_memory(const void *conf, unsigned n_workers)
{
	const struct cooking_conf *c = conf;

	(void)n_workers; // they share it
	return c->parts * (hm_streams_bytes(&c->streams) +
			   hm_datagrams_bytes(DATAGRAMS / c->parts, DATAGRAM_BLOCKS / c->parts));
}

static void cooking_core_fini(void *core)
{
	struct cooking_core *c = core;

	for (unsigned p = 0; p < HM_PAIR_PARTS; p++) {
		hm_streams_fini(&c->part[p].streams);
		hm_datagrams_fini(&c->part[p].datagrams);
	}
	hm_pages_unmap(c->memory, c->memory_bytes);
	c->memory = NULL;
}

static int init_part(struct cooking_core *c, struct cooking_part *part, void *memory, int socket)
{
	const struct cooking_conf *conf = c->conf;
	int rc = hm_streams_init(&part->streams, &conf->streams, &c->own.streams, memory, socket);

	return rc < 0 ? rc
		      : hm_datagrams_init(&part->datagrams, DATAGRAMS / conf->parts,
					  DATAGRAM_BLOCKS / conf->parts, conf->streams.timeout_ns,
					  socket);
}

static int cooking_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct cooking_conf *conf = ctx->conf;
	const size_t bytes = hm_streams_mapped(&conf->streams);
	struct cooking_core *c = core;
	uint8_t *memory;
	int rc;

	c->conf = conf;
	for (unsigned p = ctx->worker; p < conf->parts; p += ctx->n_workers)
		c->mine |= UINT64_C(1) << p;
	c->memory_bytes = bytes * hm_mask_count(c->mine);
	c->memory = memory = hm_pages_map(c->memory_bytes, ctx->socket);
	rc = memory ? 0 : -ENOMEM;
	hm_mask_foreach (p, rc == 0 ? c->mine : 0) {
		rc = rc < 0 ? rc : init_part(c, &c->part[p], memory, ctx->socket);
		memory += bytes;
	}
	if (rc == 0)
		return 0;
	cooking_core_fini(core);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			    "COOKING: no memory for %u connections and %u KiB of their data (raise "
			    "eal.memory_mb)",
			    conf->parts * conf->streams.connections,
			    conf->parts * conf->streams.blocks * 2);
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
	.by_pair = cooking_by_pair,
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
