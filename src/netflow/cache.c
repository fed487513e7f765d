/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/cache_private.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define BOTH_FINS 3

/* Timers wait for memory a few times in a row, however many entries they look at: so they look seldom, and at
 * many. */
#define EXPIRE_EVERY  (4 * HM_BATCH_MAX) // packets
#define EXPIRE_BUDGET (EXPIRE_EVERY / 2 + 64)
#define EXPIRE_MAX    64 // entries looked at together

static void prefetch_entry(const struct hm_cache *c, uint32_t index)
{
	const struct hm_entry *e = hm_cache_entry(c, index);

	__builtin_prefetch(e);
	__builtin_prefetch(&e->rest);
	if (c->frames)
		__builtin_prefetch(&c->frames[index]);
}

/* --- finished records --- */

static void flush(struct hm_cache *c)
{
	if (c->n_pending > 0)
		c->out(c->out_arg, c->pending, c->n_pending);
	c->n_pending = 0;
}

static void emit(struct hm_cache *c, const struct hm_entry *e, enum hm_end_reason reason)
{
	struct hm_flow_record *out = &c->pending[c->n_pending];
	unsigned directions;

	hm_entry_record(e, hm_cache_frames(c, e), out);
	out->end_reason = (uint8_t)reason;
	directions = hm_flow_directions(out);
	if (directions == 0) // went on after the active timeout, and then nothing came
		return;
	c->counts.biflows++;
	c->counts.records += directions;
	__atomic_store_n(c->made, *c->made + directions, __ATOMIC_RELAXED); // warm.c
	c->counts.ended[reason]++;
	if (++c->n_pending == HM_CACHE_OUT)
		flush(c);
}

/* Why a record that is past its deadline ended. */
static enum hm_end_reason timeout_reason(const struct hm_cache *c, const struct hm_entry *e)
{
	if (e->start_ns + c->active_ns <= hm_cache_idle_at(c, e))
		return HM_END_ACTIVE;
	return e->name.fins == BOTH_FINS ? HM_END_DETECTED : HM_END_IDLE;
}

/* An entry without packets, at the start and after the active timeout. */
static void clear_counters(struct hm_entry *e)
{
	e->start_ns = HM_FLOW_NO_TIME;
	for (unsigned d = 0; d < 2; d++) {
		e->packets[d] = e->packets_high[d] = 0;
		e->bytes[d] = 0;
		e->name.tcp_flags[d] = e->tos[d] = 0;
	}
}

/* The frames of an entry for the flow of packet i: those of the other direction as if they were as this one,
 * so that the key is in both. */
static void begin_frames(struct hm_entry_frames *f, const struct hm_batch *b, unsigned i,
			 unsigned sender)
{
	f->of[sender] = hm_key_frame(b, i);
	f->of[sender ^ 1] = hm_key_frame_back(&f->of[sender]);
}

/* An entry for the flow of packet i; its name is set. */
static void begin(const struct hm_cache *c, struct hm_entry *e, const struct hm_batch *b,
		  unsigned i, unsigned sender, uint64_t ts)
{
	e->name.initiator = sender & 1;
	e->name.fins = 0;
	e->first = hm_key_first(b, i);
	e->vlan = hm_key_vlan(b, i);
	clear_counters(e);
	e->last_ns[0] = e->last_ns[1] = ts;
	if (c->frames)
		begin_frames(hm_cache_frames(c, e), b, i, sender);
}

/* --- stage 3, seldom: new, over, full --- */

static void __attribute__((noinline))
count_unmetered(struct hm_unmetered *u, const struct hm_batch *b, uint64_t packets)
{
	u->packets += hm_mask_count(packets);
	hm_mask_foreach (i, packets) {
		uint64_t ts = b->ts_ns[i];
		u->octets += b->wirelen[i];
		if (u->first_ns == 0 || ts < u->first_ns)
			u->first_ns = ts;
		u->last_ns = hm_max64(u->last_ns, ts);
	}
}

static void remove_entry(struct hm_cache *c, uint32_t index)
{
	hm_table_remove(&c->table, index, hm_cache_entry(c, index)->hash);
}

static void __attribute__((noinline)) evict(struct hm_cache *c, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], oldest;
	unsigned n = hm_table_rivals(&c->table, hash, rivals);

	for (unsigned k = 0; k < n; k++)
		__builtin_prefetch(hm_cache_entry(c, rivals[k]));
	oldest = rivals[0];
	for (unsigned k = 1; k < n; k++)
		if (hm_cache_idle_at(c, hm_cache_entry(c, rivals[k])) <
		    hm_cache_idle_at(c, hm_cache_entry(c, oldest)))
			oldest = rivals[k];
	emit(c, hm_cache_entry(c, oldest), HM_END_RESOURCES);
	hm_wheel_remove(&c->wheel, oldest);
	remove_entry(c, oldest);
}

/* The flow's chance to be let in falls from 1 to 0 while the last quarter of the cache fills. */
static bool is_sampled(const struct hm_cache *c, uint32_t hash)
{
	uint64_t capacity = hm_table_capacity(&c->table), chance;

	chance = (capacity - hm_table_used(&c->table)) * 4; // of `capacity`
	return chance >= capacity || (hash * UINT32_C(0xc2b2ae35)) * capacity >> 32 < chance;
}

/* A place for a new entry, 0: there is none, or it may not have one. */
static uint32_t place_entry(struct hm_cache *c, uint32_t hash)
{
	uint32_t index;

	if (c->overload == HM_OVERLOAD_SAMPLE && !is_sampled(c, hash))
		return 0;
	index = hm_table_insert(&c->table, hash);
	if (index == 0 && c->overload == HM_OVERLOAD_EVICT) {
		evict(c, hash);
		index = hm_table_insert(&c->table, hash);
	}
	return index;
}

static uint32_t __attribute__((noinline))
create_entry(struct hm_cache *c, const struct hm_batch *b, unsigned i, uint64_t ts)
{
	const struct hm_keys *k = &c->keys;
	uint32_t index = place_entry(c, k->hash[i]);
	struct hm_entry *e;

	if (index == 0)
		return 0;
	e = hm_cache_entry(c, index);
	e->name = k->name[i];
	e->rest = b->ipv6 >> i & 1 ? k->rest[i] : (union hm_entry_rest){.word = {0}};
	e->hash = k->hash[i];
	begin(c, e, b, i, k->sender[i], ts);
	hm_wheel_add(&c->wheel, index, ts + hm_min64(c->inactive_ns, c->active_ns));
	c->counts.created++;
	return index;
}

/* The packet is behind the record's deadline: hands the record out; the entry stays, for the same
 * biflow after the active timeout, else for a new one. Its timer is still somewhere before. */
static void __attribute__((noinline))
renew(struct hm_cache *c, struct hm_entry *e, const struct hm_batch *b, unsigned i, uint64_t ts)
{
	emit(c, e, timeout_reason(c, e));
	if (ts >= hm_cache_idle_at(c, e))
		begin(c, e, b, i, c->keys.sender[i], ts);
	else
		clear_counters(e);
}

/* A packet that is more than a change of the entry's first line: the first of its direction, one
 * that came out of order, one after 2^32 others. */
static void __attribute__((noinline))
count_unusual(const struct hm_cache *c, struct hm_entry *e, const struct hm_batch *b, unsigned i,
	      unsigned sender, uint64_t ts)
{
	if (hm_entry_packets(e, sender) == 0) {
		e->tos[sender] = hm_key_tos(b, i);
		if (c->frames)
			hm_cache_frames(c, e)->of[sender] = hm_key_frame(b, i);
		e->start_ns = hm_min64(e->start_ns, ts);
		e->first_ns[sender] = ts;
	}
	e->first_ns[sender] = hm_min64(e->first_ns[sender], ts);
	e->packets_high[sender] += e->packets[sender] == UINT32_MAX;
}

static void count_packet(const struct hm_cache *c, struct hm_entry *e, const struct hm_batch *b,
			 unsigned i, unsigned sender, uint8_t flags, uint64_t ts)
{
	if (__builtin_expect(e->packets[sender] + 1 <= 1 || ts < e->last_ns[sender], 0))
		count_unusual(c, e, b, i, sender, ts);
	e->last_ns[sender] = hm_max64(e->last_ns[sender], ts);
	e->packets[sender]++;
	e->bytes[sender] += b->ip_len[i];
	e->name.tcp_flags[sender] |= flags;
	e->name.fins |= (flags & TCP_FIN) << sender & BOTH_FINS;
}

/* A RST, or a packet behind the FINs of both sides. The last acknowledgement still belongs to the
 * record; a SYN is a new connection with the same ports. */
static void __attribute__((noinline))
end_tcp(struct hm_cache *c, uint32_t index, const struct hm_batch *b, unsigned i, uint64_t ts)
{
	struct hm_entry *e = hm_cache_entry(c, index);
	unsigned sender = c->keys.sender[i];
	uint8_t flags = c->keys.flags[i];

	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		emit(c, e, HM_END_DETECTED);
		begin(c, e, b, i, sender, ts);
		count_packet(c, e, b, i, sender, flags, ts);
		return;
	}
	count_packet(c, e, b, i, sender, flags, ts);
	if ((flags & (TCP_FIN | TCP_RST)) == TCP_FIN) // a FIN again
		return;
	emit(c, e, HM_END_DETECTED);
	hm_wheel_remove(&c->wheel, index);
	remove_entry(c, index);
}

static uint64_t differing_frames(const struct hm_cache *c, const struct hm_entry *e, unsigned i)
{
	const union hm_flow_frame *had = &hm_cache_frames(c, e)->of[c->keys.sender[i]],
				  *has = &c->keys.frame[i], *mask = &c->masks.frame;

	return ((had->word[0] ^ has->word[0]) & mask->word[0]) |
	       ((had->word[1] ^ has->word[1]) & mask->word[1]);
}

/* What only some packets have in their key. */
static bool __attribute__((noinline))
same_rest(const struct hm_cache *c, const struct hm_entry *e, const struct hm_batch *b, unsigned i)
{
	const struct hm_keys *k = &c->keys;
	uint64_t differs = 0;

	if (b->ipv6 >> i & 1)
		for (unsigned w = 0; w < 3; w++)
			differs |= e->rest.word[w] ^ k->rest[i].word[w];
	if (c->masks.wide)
		differs |= ((e->first.word ^ k->first[i].word) & c->masks.first.word) |
			   ((e->vlan ^ k->vlan[i]) & c->masks.vlan);
	if (c->masks.framed)
		differs |= differing_frames(c, e, i);
	return differs == 0;
}

/* The packets that same_rest() is for. */
static uint64_t long_keys(const struct hm_cache *c, const struct hm_batch *b)
{
	return c->masks.wide ? b->all : b->ipv6;
}

static bool same_key(const struct hm_cache *c, const struct hm_entry *e, const struct hm_batch *b,
		     unsigned i)
{
	const union hm_entry_name *name = &c->keys.name[i];
	uint64_t differs = (e->name.word[0] ^ name->word[0]) |
			   ((e->name.word[1] ^ name->word[1]) & HM_ENTRY_KEY_MASK);

	return differs == 0 && (!(long_keys(c, b) >> i & 1) || same_rest(c, e, b, i));
}

static uint32_t find_in(const struct hm_cache *c, const struct hm_table_bucket *bucket,
			const struct hm_batch *b, unsigned i)
{
	for (uint32_t ways = hm_table_ways(bucket, c->keys.hash[i]); ways; ways &= ways - 1) {
		uint32_t index = bucket->index[__builtin_ctz(ways)];
		if (index != 0 && same_key(c, hm_cache_entry(c, index), b, i))
			return index;
	}
	return 0;
}

/* As hm_table_find(), under the masks. */
static uint32_t __attribute__((noinline))
find_entry(const struct hm_cache *c, const struct hm_batch *b, unsigned i)
{
	const struct hm_table *t = &c->table;
	uint32_t hash = c->keys.hash[i];
	const struct hm_table_bucket *bucket = &t->buckets[hm_table_first_bucket(t, hash)];
	uint32_t index = find_in(c, bucket, b, i);

	if (index == 0 && bucket->overflow != 0)
		index = find_in(c, &t->buckets[hm_table_second_bucket(t, hash)], b, i);
	return index;
}

/* False: it is of a new flow, and there is no place. */
static bool meter(struct hm_cache *c, const struct hm_batch *b, unsigned i)
{
	const struct hm_keys *k = &c->keys;
	uint64_t ts = hm_min64(b->ts_ns[i], HM_FLOW_NO_TIME - 1);
	uint32_t index = c->candidate[i];
	struct hm_entry *e = hm_cache_entry(c, index);

	if (__builtin_expect(!same_key(c, e, b, i), 0)) {
		index = find_entry(c, b, i);
		if (index == 0)
			index = create_entry(c, b, i, ts);
		if (index == 0)
			return false;
		e = hm_cache_entry(c, index);
	}
	if (__builtin_expect(ts >= hm_cache_deadline(c, e), 0))
		renew(c, e, b, i, ts);
	if (__builtin_expect((k->flags[i] & TCP_RST) != 0 || e->name.fins == BOTH_FINS, 0))
		end_tcp(c, index, b, i, ts);
	else
		count_packet(c, e, b, i, k->sender[i], k->flags[i], ts);
	return true;
}

/* Finds out which entries the packets probably have, while the memory of the others comes. */
static void look_up(struct hm_cache *c, const struct hm_batch *b, uint64_t in)
{
	const struct hm_keys *k = &c->keys;
	uint64_t second_lines = in & long_keys(c, b);

	hm_mask_foreach (i, in)
		hm_table_prefetch(&c->table, k->hash[i]);
	hm_mask_foreach (i, in) {
		c->candidate[i] = hm_table_candidate(&c->table, k->hash[i]);
		__builtin_prefetch(hm_cache_entry(c, c->candidate[i]), 1);
	}
	hm_mask_foreach (i, second_lines)
		__builtin_prefetch(&hm_cache_entry(c, c->candidate[i])->rest);
	if (c->masks.framed)
		hm_mask_foreach (i, in)
			__builtin_prefetch(&c->frames[c->candidate[i]]);
}

static uint64_t choose(struct hm_cache *c, const struct hm_batch *b, uint64_t ip)
{
	uint64_t chosen = hm_keys_choose(&c->keys, ip, c->flow_sampling);

	count_unmetered(&c->counts.unsampled, b, ip & ~chosen);
	return chosen;
}

void hm_cache_add(struct hm_cache *c, const struct hm_batch *b, uint64_t in)
{
	uint64_t ip = in & (b->ipv4 | b->ipv6), metered = ip, bytes = 0;

	if (__builtin_expect((in & ~ip) != 0, 0))
		count_unmetered(&c->counts.not_ip, b, in & ~ip);
	if (ip == 0)
		return;
	c->latest_ns = b->ts_ns[63 - __builtin_clzll(ip)];
	hm_keys_make(&c->keys, &c->masks, b, ip);
	if (c->flow_sampling > 1)
		ip = metered = choose(c, b, ip);
	look_up(c, b, ip);
	hm_mask_foreach (i, ip) {
		if (__builtin_expect(meter(c, b, i), 1))
			bytes += b->ip_len[i];
		else
			metered &= ~(UINT64_C(1) << i);
	}
	if (__builtin_expect(metered != ip, 0))
		count_unmetered(&c->counts.refused, b, ip & ~metered);
	c->counts.packets += hm_mask_count(metered);
	c->counts.bytes += bytes;
	c->unexpired += b->n;
	if (c->unexpired >= EXPIRE_EVERY) {
		hm_cache_expire(c, c->latest_ns, EXPIRE_BUDGET);
		c->unexpired = 0;
	}
	flush(c);
}

/* --- timers --- */

/* Looks at entries that the wheel gave out: in the wheel again, or over. */
static void expire_some(struct hm_cache *c, const uint32_t *index, unsigned n, uint64_t now_ns)
{
	for (unsigned k = 0; k < n; k++)
		prefetch_entry(c, index[k]);
	for (unsigned k = 0; k < n; k++)
		hm_table_prefetch(&c->table, hm_cache_entry(c, index[k])->hash);
	for (unsigned k = 0; k < n; k++) {
		struct hm_entry *e = hm_cache_entry(c, index[k]);
		if (hm_cache_deadline(c, e) <= now_ns) {
			emit(c, e, timeout_reason(c, e));
			if (hm_cache_idle_at(c, e) <= now_ns) {
				remove_entry(c, index[k]);
				continue;
			}
			clear_counters(e);
		}
		hm_wheel_add(&c->wheel, index[k], hm_cache_deadline(c, e));
	}
}

void hm_cache_expire(struct hm_cache *c, uint64_t now_ns, unsigned budget)
{
	uint32_t index[EXPIRE_MAX];

	now_ns = hm_min64(now_ns, HM_FLOW_NO_TIME - 1);
	while (budget > 0) {
		unsigned want = budget < EXPIRE_MAX ? budget : EXPIRE_MAX;
		unsigned n = hm_wheel_due(&c->wheel, now_ns, index, want);
		expire_some(c, index, n, now_ns);
		if (n < want)
			break;
		budget -= n;
	}
	flush(c);
}

/* What is over by its timeout ends so also here, whether or not its timer came up before. */
bool hm_cache_drain(struct hm_cache *c, unsigned max)
{
	uint64_t now_ns = hm_min64(c->latest_ns, HM_FLOW_NO_TIME - 1);
	uint32_t index[EXPIRE_MAX];

	while (max > 0 && hm_table_used(&c->table) > 0) {
		unsigned n = hm_wheel_take(&c->wheel, index, max < EXPIRE_MAX ? max : EXPIRE_MAX);
		for (unsigned k = 0; k < n; k++)
			prefetch_entry(c, index[k]);
		for (unsigned k = 0; k < n; k++) {
			const struct hm_entry *e = hm_cache_entry(c, index[k]);
			bool over = hm_cache_deadline(c, e) <= now_ns;
			emit(c, e, over ? timeout_reason(c, e) : HM_END_FORCED);
			remove_entry(c, index[k]);
		}
		max -= n;
	}
	flush(c);
	return hm_table_used(&c->table) == 0;
}

uint32_t hm_cache_walk(const struct hm_cache *c, uint32_t from, unsigned n,
		       void (*see)(void *arg, const struct hm_flow_record *r), void *arg)
{
	uint32_t end = c->table.header->fresh, i = from > 0 ? from : 1;
	struct hm_flow_record r;

	for (; i < end && n > 0; i++, n--) {
		if (hm_cache_entry(c, i)->name.version == 0)
			continue;
		hm_entry_record(hm_cache_entry(c, i), hm_cache_frames(c, hm_cache_entry(c, i)), &r);
		if (hm_flow_directions(&r) > 0)
			see(arg, &r);
	}
	return i < end ? i : 0;
}
