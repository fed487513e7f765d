/* SPDX-License-Identifier: BSD-3-Clause */
/* EXPIRED_FLOWS counts packets by flow, in one direction, and hands out a record of each flow for which no packet came for
 * idle_s of packet time. Passes IPv4 and IPv6. Whether a packet still belongs to a flow depends on the packets alone;
 * timers only hand out earlier what is over anyway. Costs a look-up in a hash table a packet.
 */
#include "core/function.h"
#include "core/outbox.h"
#include "core/table.h"
#include "core/wheel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nmmintrin.h>
#include <string.h>

#define NS_A_S       UINT64_C(1000000000)
#define LAST_TIME    (UINT64_MAX / 2) // a timeout can be added
#define FLOWS_MAX    (1 << 24)
#define RECORDS_MAX  (1 << 20)
#define WHEEL_SLOTS  1024
#define WHEEL_SHIFT  27 // slots of 134 ms
#define EXPIRE_MAX   32 // looked at together
#define TICK_BUDGET  1024
#define DRAIN_BUDGET 4096

enum { TABLE_SIZE, BACKLOG, MIN_PACKETS, OPTIONS };

/* As they are in the packet; IPv4 in the first bytes. The rest of `last` is 0. */
union key {
	struct {
		uint8_t source[16], dest[16];
		uint16_t sport_be, dport_be;
		uint8_t protocol, version;
		uint8_t ttl; // not of the key: the first packet's
	};
	uint64_t word[5];
};

#define LAST_WORD UINT64_C(0xffffffffffff) // without the TTL

struct flow {
	union key key;
	uint64_t first_ns, last_ns, packets, bytes;
};

/* What is handed out. */
struct record {
	uint64_t ended_ns; // time of its last packet
	struct flow flow;
};

/* Flows, and their packets. */
struct tally {
	uint64_t flows, packets;
};

struct tallies {
	struct tally received, expired, ignored, dropped;
};

struct expired_conf {
	uint64_t min_packets, idle_ns;
	uint32_t records, flows, idle_s;
	unsigned n_workers;
	struct hm_outbox *outbox;
	// control core: what there was at the last read, and between it and the one before
	struct tallies seen, period;
	struct tally taking, sent; // by the read at hand, by the last one
};

struct expired_core {
	const struct expired_conf *conf;
	struct hm_table table;
	struct hm_wheel wheel;
	unsigned worker;
	struct tallies tallies;
	uint64_t early; // flows that were over because there was no place
	union key keys[HM_BATCH_MAX];
	uint32_t hash[HM_BATCH_MAX];
	uint32_t candidate[HM_BATCH_MAX];
};

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); // reader: read_tallies
}

static void tell(struct tally *t, uint64_t packets)
{
	add(&t->flows, 1);
	add(&t->packets, packets);
}

static struct flow *flow_at(const struct expired_core *c, uint32_t index)
{
	return hm_table_record(&c->table, index);
}

/* --- keys --- */

static void make_key(union key *k, const struct hm_batch *b, unsigned i, bool has_ports)
{
	const uint8_t *ip = b->data[i] + b->l3[i];

	*k = (union key){.protocol = b->proto[i]};
	if (b->ipv4 >> i & 1) {
		memcpy(k->source, ip + 12, 4);
		memcpy(k->dest, ip + 16, 4);
		k->version = 4;
		k->ttl = ip[8];
	} else {
		memcpy(k->source, ip + 8, 32);
		k->version = 6;
		k->ttl = ip[7];
	}
	if (has_ports)
		memcpy(&k->sport_be, b->data[i] + b->l4[i], 4);
}

static uint32_t hash_key(const union key *k)
{
	uint64_t hash = k->word[4] & LAST_WORD;

	for (unsigned w = 0; w < 4; w++)
		hash = _mm_crc32_u64(hash, k->word[w]);
	return (uint32_t)_mm_crc32_u64(hash, k->word[4] & LAST_WORD);
}

static bool same_key(const union key *a, const union key *b)
{
	uint64_t differs = (a->word[4] ^ b->word[4]) & LAST_WORD;

	for (unsigned w = 0; w < 4; w++)
		differs |= a->word[w] ^ b->word[w];
	return differs == 0;
}

/* --- seldom: a flow is over, a flow begins --- */

static void hand_out(struct expired_core *c, const struct flow *f)
{
	struct record *r;

	tell(&c->tallies.expired, f->packets);
	if (f->packets < c->conf->min_packets) {
		tell(&c->tallies.ignored, f->packets);
		return;
	}
	r = hm_outbox_room(c->conf->outbox, c->worker);
	if (!r) {
		tell(&c->tallies.dropped, f->packets);
		return;
	}
	*r = (struct record){.ended_ns = f->last_ns, .flow = *f};
	hm_outbox_put(c->conf->outbox, c->worker);
}

static void remove_flow(struct expired_core *c, uint32_t index)
{
	hm_table_remove(&c->table, index, hash_key(&flow_at(c, index)->key));
}

/* No place: the one of the rivals that is silent for longest is over. */
static void evict(struct expired_core *c, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], oldest;
	unsigned n = hm_table_rivals(&c->table, hash, rivals);

	oldest = rivals[0];
	for (unsigned k = 1; k < n; k++)
		if (flow_at(c, rivals[k])->last_ns < flow_at(c, oldest)->last_ns)
			oldest = rivals[k];
	hand_out(c, flow_at(c, oldest));
	add(&c->early, 1);
	hm_wheel_remove(&c->wheel, oldest);
	remove_flow(c, oldest);
}

static void begin_flow(struct expired_core *c, struct flow *f, const union key *key, uint64_t ts_ns)
{
	*f = (struct flow){.key = *key, .first_ns = ts_ns, .last_ns = ts_ns};
	add(&c->tallies.received.flows, 1);
}

static struct flow *__attribute__((noinline))
find_or_begin(struct expired_core *c, unsigned i, uint64_t ts_ns)
{
	uint32_t hash = c->hash[i],
		 index = hm_table_find(&c->table, hash, &c->keys[i], offsetof(union key, ttl));

	if (index != 0)
		return flow_at(c, index);
	index = hm_table_insert(&c->table, hash);
	if (index == 0) {
		evict(c, hash);
		index = hm_table_insert(&c->table, hash);
	}
	begin_flow(c, flow_at(c, index), &c->keys[i], ts_ns);
	hm_wheel_add(&c->wheel, index, ts_ns + c->conf->idle_ns);
	return flow_at(c, index);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Looks at up to `budget` flows that may be over. */
static void expire(struct expired_core *c, uint64_t now_ns, unsigned budget)
{
	uint32_t index[EXPIRE_MAX];
	unsigned n;

	now_ns = min64(now_ns, LAST_TIME);
	do {
		unsigned want = budget < EXPIRE_MAX ? budget : EXPIRE_MAX;

		n = hm_wheel_due(&c->wheel, now_ns, index, want);
		for (unsigned k = 0; k < n; k++)
			__builtin_prefetch(&flow_at(c, index[k])->last_ns);
		for (unsigned k = 0; k < n; k++) {
			struct flow *f = flow_at(c, index[k]);

			if (f->last_ns + c->conf->idle_ns < now_ns) {
				hand_out(c, f);
				remove_flow(c, index[k]);
			} else {
				hm_wheel_add(&c->wheel, index[k], f->last_ns + c->conf->idle_ns);
			}
		}
		budget -= n;
	} while (n == EXPIRE_MAX && budget > 0);
}

/* --- a batch --- */

static void count(struct expired_core *c, const struct hm_batch *b, unsigned i)
{
	uint64_t ts_ns = min64(b->ts_ns[i], LAST_TIME);
	struct flow *f = flow_at(c, c->candidate[i]);

	if (__builtin_expect(!same_key(&f->key, &c->keys[i]), 0))
		f = find_or_begin(c, i, ts_ns);
	if (__builtin_expect(ts_ns > f->last_ns + c->conf->idle_ns, 0)) {
		hand_out(c, f); // its timer is still somewhere before
		begin_flow(c, f, &c->keys[i], ts_ns);
	}
	f->packets++;
	f->bytes += b->wirelen[i];
	f->first_ns = ts_ns < f->first_ns ? ts_ns : f->first_ns;
	f->last_ns = ts_ns > f->last_ns ? ts_ns : f->last_ns;
}

static uint64_t expired_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct expired_core *c = core;
	uint64_t ip = in & (b->ipv4 | b->ipv6);
	// as with the hash that spreads packets over workers, all fragments go without ports
	uint64_t has_ports = (b->tcp | b->udp | b->sctp) & b->l4_ok & ~b->fragment;

	if (!ip)
		return 0;
	hm_mask_foreach (i, ip) {
		make_key(&c->keys[i], b, i, has_ports >> i & 1);
		c->hash[i] = hash_key(&c->keys[i]);
		hm_table_prefetch(&c->table, c->hash[i]);
	}
	hm_mask_foreach (i, ip) {
		c->candidate[i] = hm_table_candidate(&c->table, c->hash[i]);
		__builtin_prefetch(flow_at(c, c->candidate[i]));
		__builtin_prefetch(&flow_at(c, c->candidate[i])->bytes);
	}
	hm_mask_foreach (i, ip)
		count(c, b, i);
	add(&c->tallies.received.packets, hm_mask_count(ip));
	expire(c, b->ts_ns[63 - __builtin_clzll(ip)], 16 + b->n / 2);
	return ip;
}

static void expired_tick(void *core, uint64_t now_ns)
{
	expire(core, now_ns, TICK_BUDGET);
}

/* At the end of a trace all flows are over. */
static bool expired_drain(void *core)
{
	struct expired_core *c = core;
	uint32_t index[EXPIRE_MAX];

	for (unsigned left = DRAIN_BUDGET; left > 0; left -= EXPIRE_MAX) {
		unsigned n = hm_wheel_take(&c->wheel, index, EXPIRE_MAX);

		for (unsigned k = 0; k < n; k++) {
			hand_out(c, flow_at(c, index[k]));
			remove_flow(c, index[k]);
		}
		if (n < EXPIRE_MAX)
			return true;
	}
	return false;
}

/* --- control core --- */

static void read_tally(struct tally *sum, const struct tally *t)
{
	sum->flows += __atomic_load_n(&t->flows, __ATOMIC_RELAXED);
	sum->packets += __atomic_load_n(&t->packets, __ATOMIC_RELAXED);
}

static struct tally difference(struct tally now, struct tally before)
{
	return (struct tally){now.flows - before.flows, now.packets - before.packets};
}

static void expired_taken(void *conf, void *const *cores, unsigned n)
{
	struct expired_conf *c = conf;
	struct tallies now = {0};

	for (unsigned i = 0; i < n; i++) {
		const struct tallies *t = &((const struct expired_core *)cores[i])->tallies;

		read_tally(&now.received, &t->received);
		read_tally(&now.expired, &t->expired);
		read_tally(&now.ignored, &t->ignored);
		read_tally(&now.dropped, &t->dropped);
	}
	c->period.received = difference(now.received, c->seen.received);
	c->period.expired = difference(now.expired, c->seen.expired);
	c->period.ignored = difference(now.ignored, c->seen.ignored);
	c->period.dropped = difference(now.dropped, c->seen.dropped);
	c->seen = now;
	c->sent = c->taking;
	c->taking = (struct tally){0};
}

static json_t *expired_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct expired_conf *c = conf;
	const struct tallies *p = &c->period;
	uint64_t open = 0, early = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct expired_core *core = cores[i];

		open += hm_table_used(&core->table);
		early += __atomic_load_n(&core->early, __ATOMIC_RELAXED);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:I}", "sent",
			 (json_int_t)c->sent.flows, "received", (json_int_t)p->received.flows,
			 "expired", (json_int_t)p->expired.flows, "ignored",
			 (json_int_t)p->ignored.flows, "lost", (json_int_t)p->dropped.flows,
			 "packets", "sent", (json_int_t)c->sent.packets, "received",
			 (json_int_t)p->received.packets, "expired", (json_int_t)p->expired.packets,
			 "ignored", (json_int_t)p->ignored.packets, "lost",
			 (json_int_t)p->dropped.packets, "open", (json_int_t)open, "early",
			 (json_int_t)early);
}

static json_t *address(const union key *k, const uint8_t *at)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(inet_ntop(k->version == 4 ? AF_INET : AF_INET6, at, text, sizeof(text)));
}

static json_t *expired_record(void *conf, const void *record)
{
	const struct flow *f = &((const struct record *)record)->flow;
	struct expired_conf *c = conf;

	c->taking.flows++;
	c->taking.packets += f->packets;
	return json_pack("{s:o, s:I, s:I, s:o, s:o, s:i, s:i, s:i, s:i, s:o}", "ts_ns",
			 hm_json_u64(f->first_ns), "packets_count", (json_int_t)f->packets,
			 "bytes_count", (json_int_t)f->bytes, "saddr",
			 address(&f->key, f->key.source), "daddr", address(&f->key, f->key.dest),
			 "sport", ntohs(f->key.sport_be), "dport", ntohs(f->key.dport_be), "ptcl",
			 f->key.protocol, "ttl_pkt1", f->key.ttl, "last_ns",
			 hm_json_u64(f->last_ns));
}

static struct hm_outbox *expired_outbox(const void *conf)
{
	return ((const struct expired_conf *)conf)->outbox;
}

static const struct hm_option expired_options[] = {
	{.name = "flows",
	 .min = 64,
	 .max = FLOWS_MAX,
	 .value_default = 65536,
	 .offset = offsetof(struct expired_conf, flows)},
	{.name = "idle_s",
	 .min = 1,
	 .max = 3600,
	 .value_default = 30,
	 .offset = offsetof(struct expired_conf, idle_s)},
	{0},
};

static int expired_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			     struct hm_error *err)
{
	struct expired_conf *c = conf;

	if (hm_options_parse("EXPIRED_FLOWS", expired_options, args[OPTIONS].options, c, 7004,
			     err) < 0)
		return -EINVAL;
	c->records = (uint32_t)(args[TABLE_SIZE].i + args[BACKLOG].i);
	c->min_packets = (uint64_t)args[MIN_PACKETS].i;
	c->idle_ns = c->idle_s * NS_A_S;
	c->n_workers = ctx->n_workers;
	return 0;
}

static int expired_connect(void *conf, struct hm_error *err)
{
	struct expired_conf *c = conf;

	c->outbox = hm_outbox_create(c->n_workers, sizeof(struct record), c->records, err);
	return c->outbox ? 0 : -ENOMEM;
}

static void expired_conf_fini(void *conf)
{
	struct expired_conf *c = conf;

	hm_outbox_destroy(c->outbox);
	c->outbox = NULL;
}

static void expired_core_fini(void *core)
{
	struct expired_core *c = core;

	hm_wheel_fini(&c->wheel);
	hm_table_fini(&c->table);
}

static int expired_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct expired_conf *conf = ctx->conf;
	struct expired_core *c = core;

	c->conf = conf;
	c->worker = ctx->worker;
	if (hm_table_init(&c->table, conf->flows, sizeof(struct flow), ctx->socket) < 0 ||
	    hm_wheel_init(&c->wheel, conf->flows, WHEEL_SLOTS, WHEEL_SHIFT, ctx->socket) < 0) {
		expired_core_fini(core);
		return hm_error_set(err, -ENOMEM, 3084, "EXPIRED_FLOWS: no memory for %u flows",
				    conf->flows);
	}
	return 0;
}

static const struct hm_arg expired_args[] = {
	{.name = "table_size",
	 .type = HM_ARG_INT,
	 .min = 1,
	 .max = RECORDS_MAX,
	 .help = "expired flows that wait to be read at most"},
	{.name = "backlog", .type = HM_ARG_INT, .max = RECORDS_MAX, .help = "and so many more"},
	{.name = "min_packets",
	 .type = HM_ARG_INT,
	 .max = INT32_MAX,
	 .help = "flows of fewer packets are counted as ignored and not handed out"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"flows\": how many are open at most, on each worker (65536); \"idle_s\": "
		 "seconds "
		 "without a packet after which one is over (30)"},
	{0},
};

#define NUMBER(field, field_type, c_type, text)                                         \
	{                                                                               \
		.name = field, .type = field_type, .c = c_type, .merge = HM_MERGE_TOLD, \
		.help = text                                                            \
	}
#define COUNT(field, text) NUMBER(field, HM_FIELD_U64, HM_C_UINT, text)

static const struct hm_field expired_packets[] = {
	COUNT("sent", "packets of the flows of this read"),
	COUNT("received", "packets that came"),
	COUNT("expired", "packets of flows that were over"),
	COUNT("ignored", "of those, of flows of fewer than min_packets"),
	COUNT("lost", "of those, of flows for which there was no room"),
	{0},
};

static const struct hm_field expired_flow[] = {
	{.name = "ts_ns",
	 .type = HM_FIELD_TIME_NS,
	 .merge = HM_MERGE_TOLD,
	 .unit = "ns",
	 .help = "time of the first packet"},
	NUMBER("packets_count", HM_FIELD_U64, HM_C_ULONG_LONG, "packets"),
	NUMBER("bytes_count", HM_FIELD_U64, HM_C_ULONG_LONG, "bytes on the wire"),
	NUMBER("saddr", HM_FIELD_TEXT, HM_C_IP_ADDR, "source address"),
	NUMBER("daddr", HM_FIELD_TEXT, HM_C_IP_ADDR, "destination address"),
	NUMBER("sport", HM_FIELD_U32, HM_C_U16, "source port; 0 without"),
	NUMBER("dport", HM_FIELD_U32, HM_C_U16, "destination port; 0 without"),
	NUMBER("ptcl", HM_FIELD_U32, HM_C_U8, "protocol"),
	NUMBER("ttl_pkt1", HM_FIELD_U32, HM_C_U8, "TTL or hop limit of the first packet"),
	{.name = "last_ns",
	 .type = HM_FIELD_TIME_NS,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "ns",
	 .help = "time of the last packet"},
	{0},
};

static const struct hm_field expired_results[] = {
	COUNT("sent", "flows of this read"),
	COUNT("received", "flows that began"),
	COUNT("expired", "flows that were over"),
	COUNT("ignored", "of those, of fewer than min_packets"),
	COUNT("lost", "of those, for which there was no room"),
	{.name = "packets",
	 .type = HM_FIELD_OBJECT,
	 .of = expired_packets,
	 .merge = HM_MERGE_TOLD,
	 .help = "the same in packets"},
	{.name = "records",
	 .type = HM_FIELD_ARRAY,
	 .of = expired_flow,
	 .merge = HM_MERGE_TOLD,
	 .help = "flows that were over, of a read of this function only"},
	NUMBER("open", HM_FIELD_U64, HM_C_NONE, "flows that are not over"),
	NUMBER("early", HM_FIELD_U64, HM_C_NONE, "flows cut short since there was no place"),
	{0},
};

static uint64_t expired_memory(const void *conf, unsigned n_workers)
{
	const struct expired_conf *c = conf;

	return n_workers * ((uint64_t)hm_table_bytes(c->flows, sizeof(struct flow)) +
			    hm_wheel_bytes(c->flows, WHEEL_SLOTS)) +
	       hm_outbox_bytes(n_workers, sizeof(struct record), c->records);
}

static const struct hm_function expired_flows = {
	.name = "EXPIRED_FLOWS",
	.summary = "counts packets by flow and hands out the flows that are over",
	.flags = HM_FN_FILTERS,
	.args = expired_args,
	.results = expired_results,
	.conf_size = sizeof(struct expired_conf),
	.core_size = sizeof(struct expired_core),
	.cost = {.batch = 50, .packet = 60},
	.conf_init = expired_conf_init,
	.connect = expired_connect,
	.conf_fini = expired_conf_fini,
	.memory = expired_memory,
	.core_init = expired_core_init,
	.core_fini = expired_core_fini,
	.stats = expired_stats,
	.process = expired_process,
	.tick = expired_tick,
	.drain = expired_drain,
	.outbox = expired_outbox,
	.record = expired_record,
	.taken = expired_taken,
};

HM_FUNCTION_REGISTER(expired_flows);
