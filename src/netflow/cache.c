/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/cache.h"

#include <errno.h>
#include <netinet/in.h>
#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

#define TCP_FIN   0x01
#define TCP_SYN   0x02
#define TCP_RST   0x04
#define TCP_ACK   0x10
#define TCP_FLAGS 13 // offset in the TCP header

#define BOTH_FINS 3

#define WHEEL_SLOTS 1024
#define WHEEL_SHIFT 27 // slots of 134 ms, a turn of 137 s
#define EXPIRE_MAX  32 // entries looked at together

/* The packets of the batch at hand, by their number in it. */
struct lanes {
	union hm_flow_key key[HM_BATCH_MAX];
	union hm_flow_first first[HM_BATCH_MAX]; // 0 unless the key has something of it
	uint32_t hash[HM_BATCH_MAX];
	uint32_t candidate[HM_BATCH_MAX];
	uint8_t sender[HM_BATCH_MAX]; // endpoint
	uint8_t flags[HM_BATCH_MAX];  // TCP's, 0 otherwise
};

struct hm_cache {
	struct hm_table table;
	struct hm_wheel wheel;
	uint64_t active_ns, inactive_ns;
	// what is compared of the key's last word, and of the first packet
	uint64_t last_mask, first_mask;
	bool wide_key; // something besides addresses, ports and protocol
	hm_cache_out out;
	void *out_arg;
	unsigned n_pending;
	struct hm_cache_counts counts;
	struct lanes lanes;
	struct hm_flow_record pending[HM_CACHE_OUT]; // finished, not yet handed out
};

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct hm_flow_record *record_at(const struct hm_cache *c, uint32_t index)
{
	return (struct hm_flow_record *)c->table.records + index;
}

static void prefetch_record(const struct hm_cache *c, uint32_t index)
{
	const struct hm_flow_record *r = record_at(c, index);

	__builtin_prefetch(r);
	__builtin_prefetch(r->first_ns);
}

/* --- stage 1: keys. The hash is made of the key alone, so that equal keys always meet. --- */

static const uint8_t no_ports[4];

/* Where the four bytes "source port, destination port" of a packet are, as the key has them. */
static const uint8_t *ports_of(const struct hm_batch *b, uint64_t has_ports, unsigned i)
{
	return has_ports >> i & 1 ? b->data[i] + b->l4[i] : no_ports;
}

static uint64_t last_word(uint64_t port0, uint64_t port1, uint8_t proto, uint64_t version)
{
	return port0 | port1 << 16 | (uint64_t)proto << 32 | version << 40;
}

static void key_ipv4(struct lanes *l, const struct hm_batch *b, uint64_t mask, uint64_t has_ports)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *ip = b->data[i] + b->l3[i];
		uint32_t ports = load32(ports_of(b, has_ports, i));
		uint64_t from = (uint64_t)load32(ip + 12) << 16 | (ports & 0xffff);
		uint64_t to = (uint64_t)load32(ip + 16) << 16 | ports >> 16;
		uint64_t low = min64(from, to), high = max64(from, to);
		uint64_t last = last_word(low & 0xffff, high & 0xffff, b->proto[i], 4);

		l->key[i] = (union hm_flow_key){.word = {low >> 16, 0, high >> 16, 0, last}};
		l->sender[i] = from > to;
		l->hash[i] = (uint32_t)_mm_crc32_u64(
			_mm_crc32_u64(0, low >> 16 | (high >> 16) << 32), last);
	}
}

static void key_ipv6(struct lanes *l, const struct hm_batch *b, uint64_t mask, uint64_t has_ports)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *ip = b->data[i] + b->l3[i], *ports = ports_of(b, has_ports, i);
		int order = memcmp(ip + 8, ip + 24, 16);
		unsigned high; // the sender is the second endpoint
		union hm_flow_key *k = &l->key[i];
		uint64_t hash = 0;

		if (order == 0)
			order = load16(ports) < load16(ports + 2)
					? -1
					: load16(ports) > load16(ports + 2);
		high = order > 0;
		memcpy(k->addr[high], ip + 8, 16);
		memcpy(k->addr[high ^ 1], ip + 24, 16);
		k->word[4] = last_word(load16(ports + 2 * high), load16(ports + 2 * (high ^ 1)),
				       b->proto[i], 6);
		for (unsigned w = 0; w < 5; w++)
			hash = _mm_crc32_u64(hash, k->word[w]);
		l->sender[i] = (uint8_t)high;
		l->hash[i] = (uint32_t)hash;
	}
}

/* ICMP has no ports: type and code take the place of the destination's, as collectors expect. */
static void add_icmp_type(struct lanes *l, const struct hm_batch *b, uint64_t mask)
{
	hm_mask_foreach (i, mask) {
		l->key[i].port_be[l->sender[i] ^ 1] = load16(b->data[i] + b->l4[i]);
		l->hash[i] = (uint32_t)_mm_crc32_u64(l->hash[i], l->key[i].word[4]);
	}
}

static uint8_t tos_of(const struct hm_batch *b, unsigned i)
{
	const uint8_t *ip = b->data[i] + b->l3[i];

	return b->ipv4 >> i & 1 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

/* The fields of a packet that are kept of a record's first one; without TCP flags. */
static union hm_flow_first first_of(const struct hm_batch *b, unsigned i)
{
	const uint8_t *ip = b->data[i] + b->l3[i];
	uint32_t label = b->ipv4 >> i & 1 ? 0 : __builtin_bswap32(load32(ip)) & 0xfffff;

	return (union hm_flow_first){.label = label, .tos = tos_of(b, i), .ifindex = b->ifindex[i]};
}

static void widen_keys(struct hm_cache *c, const struct hm_batch *b, uint64_t in)
{
	struct lanes *l = &c->lanes;

	hm_mask_foreach (i, in) {
		l->key[i].vlan = b->vlan_tci[i] & 0xfff;
		l->first[i] = first_of(b, i);
		l->hash[i] = (uint32_t)_mm_crc32_u64(
			_mm_crc32_u64(l->hash[i], l->key[i].word[4] & c->last_mask),
			l->first[i].word & c->first_mask);
	}
}

static void make_keys(struct hm_cache *c, const struct hm_batch *b, uint64_t in)
{
	uint64_t has_ports = (b->tcp | b->udp | b->sctp) & b->l4_ok & in;
	struct lanes *l = &c->lanes;

	key_ipv4(l, b, in & b->ipv4, has_ports);
	key_ipv6(l, b, in & b->ipv6, has_ports);
	add_icmp_type(l, b, in & (b->icmp | b->icmp6) & b->l4_ok);
	if (c->wide_key)
		widen_keys(c, b, in);
	memset(l->flags, 0, sizeof(l->flags));
	hm_mask_foreach (i, in & b->tcp & b->l4_ok)
		l->flags[i] = b->data[i][b->l4[i] + TCP_FLAGS];
}

/* --- finished records --- */

static void flush(struct hm_cache *c)
{
	if (c->n_pending > 0)
		c->out(c->out_arg, c->pending, c->n_pending);
	c->n_pending = 0;
}

static void emit(struct hm_cache *c, const struct hm_flow_record *r, enum hm_end_reason reason)
{
	unsigned directions = hm_flow_directions(r);
	struct hm_flow_record *out;

	if (directions == 0) // went on after the active timeout, and then nothing came
		return;
	out = &c->pending[c->n_pending++];
	*out = *r;
	out->end_reason = (uint8_t)reason;
	for (unsigned d = 0; d < 2; d++)
		if (r->packets[d] == 0)
			out->first_ns[d] = out->last_ns[d] = 0;
	c->counts.biflows++;
	c->counts.records += directions;
	c->counts.ended[reason]++;
	if (c->n_pending == HM_CACHE_OUT)
		flush(c);
}

static uint64_t idle_at(const struct hm_cache *c, const struct hm_flow_record *r)
{
	return max64(r->last_ns[0], r->last_ns[1]) + c->inactive_ns;
}

static uint64_t deadline(const struct hm_cache *c, const struct hm_flow_record *r)
{
	return min64(idle_at(c, r), r->start_ns + c->active_ns);
}

/* Why a record that is past its deadline ended. */
static enum hm_end_reason timeout_reason(const struct hm_cache *c, const struct hm_flow_record *r)
{
	if (r->start_ns + c->active_ns <= idle_at(c, r))
		return HM_END_ACTIVE;
	return r->fins == BOTH_FINS ? HM_END_DETECTED : HM_END_IDLE;
}

/* An entry without packets, at the start and after the active timeout. */
static void clear_counters(struct hm_flow_record *r)
{
	r->start_ns = HM_FLOW_NO_TIME;
	for (unsigned d = 0; d < 2; d++) {
		r->first_ns[d] = HM_FLOW_NO_TIME;
		r->packets[d] = r->bytes[d] = 0;
		r->first.tcp_flags[d] = r->tos[d] = 0;
	}
}

static void begin(struct hm_flow_record *r, const struct hm_batch *b, unsigned i, unsigned sender,
		  uint64_t ts)
{
	r->key.vlan = b->vlan_tci[i] & 0xfff;
	r->first = first_of(b, i);
	r->initiator = (uint8_t)sender;
	r->fins = 0;
	clear_counters(r);
	r->last_ns[0] = r->last_ns[1] = ts;
}

/* --- stage 3, seldom: new, over, full --- */

static void __attribute__((noinline)) evict(struct hm_cache *c, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], oldest;
	unsigned n = hm_table_rivals(&c->table, hash, rivals);

	for (unsigned k = 0; k < n; k++)
		__builtin_prefetch(record_at(c, rivals[k])->first_ns);
	oldest = rivals[0];
	for (unsigned k = 1; k < n; k++)
		if (idle_at(c, record_at(c, rivals[k])) < idle_at(c, record_at(c, oldest)))
			oldest = rivals[k];
	emit(c, record_at(c, oldest), HM_END_RESOURCES);
	hm_wheel_remove(&c->wheel, oldest);
	hm_table_remove(&c->table, oldest, record_at(c, oldest)->hash);
}

static uint32_t __attribute__((noinline))
create_entry(struct hm_cache *c, const struct hm_batch *b, unsigned i, uint64_t ts)
{
	uint32_t hash = c->lanes.hash[i], index = hm_table_insert(&c->table, hash);
	struct hm_flow_record *r;

	if (index == 0) {
		evict(c, hash);
		index = hm_table_insert(&c->table, hash);
	}
	r = record_at(c, index);
	r->key = c->lanes.key[i];
	r->hash = hash;
	begin(r, b, i, c->lanes.sender[i], ts);
	hm_wheel_add(&c->wheel, index, ts + min64(c->inactive_ns, c->active_ns));
	c->counts.created++;
	return index;
}

static void remove_entry(struct hm_cache *c, uint32_t index)
{
	hm_table_remove(&c->table, index, record_at(c, index)->hash);
}

/* The packet is behind the record's deadline: hands the record out; the entry stays, for the same
 * biflow after the active timeout, else for a new one. Its timer is still somewhere before. */
static void __attribute__((noinline)) renew(struct hm_cache *c, struct hm_flow_record *r,
					    const struct hm_batch *b, unsigned i, uint64_t ts)
{
	emit(c, r, timeout_reason(c, r));
	if (ts >= idle_at(c, r))
		begin(r, b, i, c->lanes.sender[i], ts);
	else
		clear_counters(r);
}

static void count_packet(struct hm_flow_record *r, const struct hm_batch *b, unsigned i,
			 unsigned sender, uint8_t flags, uint64_t ts)
{
	if (__builtin_expect(r->packets[sender] == 0, 0)) {
		r->tos[sender] = tos_of(b, i);
		r->start_ns = min64(r->start_ns, ts);
	}
	r->first_ns[sender] = min64(r->first_ns[sender], ts);
	r->last_ns[sender] = max64(r->last_ns[sender], ts);
	r->packets[sender]++;
	r->bytes[sender] += b->ip_len[i];
	r->first.tcp_flags[sender] |= flags;
	r->fins |= (uint8_t)((flags & TCP_FIN) << sender);
}

/* A RST, or a packet behind the FINs of both sides. The last acknowledgement still belongs to the
 * record; a SYN is a new connection with the same ports. */
static void __attribute__((noinline))
end_tcp(struct hm_cache *c, uint32_t index, const struct hm_batch *b, unsigned i, uint64_t ts)
{
	struct hm_flow_record *r = record_at(c, index);
	unsigned sender = c->lanes.sender[i];
	uint8_t flags = c->lanes.flags[i];

	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		emit(c, r, HM_END_DETECTED);
		begin(r, b, i, sender, ts);
		count_packet(r, b, i, sender, flags, ts);
		return;
	}
	count_packet(r, b, i, sender, flags, ts);
	if ((flags & (TCP_FIN | TCP_RST)) == TCP_FIN) // a FIN again
		return;
	emit(c, r, HM_END_DETECTED);
	hm_wheel_remove(&c->wheel, index);
	remove_entry(c, index);
}

static bool same_key(const struct hm_cache *c, const struct hm_flow_record *r,
		     const union hm_flow_key *key, const union hm_flow_first *first)
{
	uint64_t differs = ((r->key.word[4] ^ key->word[4]) & c->last_mask) |
			   ((r->first.word ^ first->word) & c->first_mask);

	for (unsigned w = 0; w < 4; w++)
		differs |= r->key.word[w] ^ key->word[w];
	return differs == 0;
}

static uint32_t find_in(const struct hm_cache *c, const struct hm_table_bucket *b, unsigned i)
{
	const struct lanes *l = &c->lanes;

	for (uint32_t ways = hm_table_ways(b, l->hash[i]); ways; ways &= ways - 1) {
		uint32_t index = b->index[__builtin_ctz(ways)];
		if (index != 0 && same_key(c, record_at(c, index), &l->key[i], &l->first[i]))
			return index;
	}
	return 0;
}

/* As hm_table_find(), under the masks. */
static uint32_t __attribute__((noinline)) find_entry(const struct hm_cache *c, unsigned i)
{
	const struct hm_table *t = &c->table;
	uint32_t hash = c->lanes.hash[i];
	const struct hm_table_bucket *b = &t->buckets[hm_table_first_bucket(t, hash)];
	uint32_t index = find_in(c, b, i);

	if (index == 0 && b->overflow != 0)
		index = find_in(c, &t->buckets[hm_table_second_bucket(t, hash)], i);
	return index;
}

static void meter(struct hm_cache *c, const struct hm_batch *b, unsigned i)
{
	const struct lanes *l = &c->lanes;
	uint64_t ts = min64(b->ts_ns[i], HM_FLOW_NO_TIME - 1);
	uint32_t index = l->candidate[i];
	struct hm_flow_record *r = record_at(c, index);

	if (__builtin_expect(!same_key(c, r, &l->key[i], &l->first[i]), 0)) {
		index = find_entry(c, i);
		if (index == 0)
			index = create_entry(c, b, i, ts);
		r = record_at(c, index);
	}
	if (__builtin_expect(ts >= deadline(c, r), 0))
		renew(c, r, b, i, ts);
	if (__builtin_expect((l->flags[i] & TCP_RST) != 0 || r->fins == BOTH_FINS, 0))
		end_tcp(c, index, b, i, ts);
	else
		count_packet(r, b, i, l->sender[i], l->flags[i], ts);
}

static void __attribute__((noinline))
count_not_ip(struct hm_cache_counts *c, const struct hm_batch *b, uint64_t others)
{
	c->not_ip += hm_mask_count(others);
	hm_mask_foreach (i, others) {
		uint64_t ts = b->ts_ns[i];
		c->not_ip_octets += b->wirelen[i];
		if (c->not_ip_first_ns == 0 || ts < c->not_ip_first_ns)
			c->not_ip_first_ns = ts;
		c->not_ip_last_ns = max64(c->not_ip_last_ns, ts);
	}
}

void hm_cache_add(struct hm_cache *c, const struct hm_batch *b, uint64_t in)
{
	uint64_t ip = in & (b->ipv4 | b->ipv6), bytes = 0;
	struct lanes *l = &c->lanes;

	if (__builtin_expect((in & ~ip) != 0, 0))
		count_not_ip(&c->counts, b, in & ~ip);
	if (ip == 0)
		return;
	make_keys(c, b, ip);
	hm_mask_foreach (i, ip)
		hm_table_prefetch(&c->table, l->hash[i]);
	hm_mask_foreach (i, ip) {
		l->candidate[i] = hm_table_candidate(&c->table, l->hash[i]);
		prefetch_record(c, l->candidate[i]);
	}
	hm_mask_foreach (i, ip) {
		meter(c, b, i);
		bytes += b->ip_len[i];
	}
	c->counts.packets += hm_mask_count(ip);
	c->counts.bytes += bytes;
	hm_cache_expire(c, b->ts_ns[63 - __builtin_clzll(ip)], 16 + b->n / 2);
}

/* --- timers --- */

/* Looks at entries that the wheel gave out: in the wheel again, or over. */
static void expire_some(struct hm_cache *c, const uint32_t *index, unsigned n, uint64_t now_ns)
{
	for (unsigned k = 0; k < n; k++)
		prefetch_record(c, index[k]);
	for (unsigned k = 0; k < n; k++)
		hm_table_prefetch(&c->table, record_at(c, index[k])->hash);
	for (unsigned k = 0; k < n; k++) {
		struct hm_flow_record *r = record_at(c, index[k]);
		if (deadline(c, r) <= now_ns) {
			emit(c, r, timeout_reason(c, r));
			if (idle_at(c, r) <= now_ns) {
				remove_entry(c, index[k]);
				continue;
			}
			clear_counters(r);
		}
		hm_wheel_add(&c->wheel, index[k], deadline(c, r));
	}
}

void hm_cache_expire(struct hm_cache *c, uint64_t now_ns, unsigned budget)
{
	uint32_t index[EXPIRE_MAX];

	now_ns = min64(now_ns, HM_FLOW_NO_TIME - 1);
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

bool hm_cache_drain(struct hm_cache *c, unsigned max)
{
	uint32_t index[EXPIRE_MAX];

	while (max > 0 && hm_table_used(&c->table) > 0) {
		unsigned n = hm_wheel_take(&c->wheel, index, max < EXPIRE_MAX ? max : EXPIRE_MAX);
		for (unsigned k = 0; k < n; k++) {
			emit(c, record_at(c, index[k]), HM_END_FORCED);
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

	for (; i < end && n > 0; i++, n--) {
		const struct hm_flow_record *r = record_at(c, i);
		if (r->key.version != 0 && hm_flow_directions(r) > 0)
			see(arg, r);
	}
	return i < end ? i : 0;
}

/* --- cold --- */

size_t hm_cache_bytes(uint32_t entries)
{
	return hm_table_bytes(entries, sizeof(struct hm_flow_record)) +
	       hm_wheel_bytes(entries, WHEEL_SLOTS);
}

static void set_masks(struct hm_cache *c, uint32_t key)
{
	union hm_flow_key last = {.word[4] = UINT64_MAX};
	union hm_flow_first first = {.word = 0};

	last.vlan = key & HM_FLOW_KEY_VLAN ? UINT16_MAX : 0;
	if (key & HM_FLOW_KEY_LABEL)
		first.label = 0xffffff;
	if (key & HM_FLOW_KEY_DSCP)
		first.tos = 0xfc;
	if (key & HM_FLOW_KEY_TOS)
		first.tos = 0xff;
	if (key & HM_FLOW_KEY_INTERFACE)
		first.ifindex = UINT16_MAX;
	c->last_mask = last.word[4];
	c->first_mask = first.word;
	c->wide_key = key != 0;
}

struct hm_cache *hm_cache_create(const struct hm_cache_conf *conf)
{
	struct hm_cache *c;
	int r;

	if (conf->entries < HM_CACHE_ENTRIES_MIN || conf->entries > HM_CACHE_ENTRIES_MAX ||
	    conf->active_ns == 0 || conf->inactive_ns == 0 || conf->active_ns > HM_FLOW_NO_TIME ||
	    conf->inactive_ns > HM_FLOW_NO_TIME) {
		errno = EINVAL;
		return NULL;
	}
	c = aligned_alloc(128, (sizeof(*c) + 127) / 128 * 128);
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	r = hm_table_init(&c->table, conf->entries, sizeof(struct hm_flow_record), conf->socket);
	if (r == 0)
		r = hm_wheel_init(&c->wheel, conf->entries, WHEEL_SLOTS, WHEEL_SHIFT, conf->socket);
	if (r < 0) {
		hm_cache_destroy(c);
		errno = -r;
		return NULL;
	}
	set_masks(c, conf->key);
	c->active_ns = conf->active_ns;
	c->inactive_ns = conf->inactive_ns;
	c->out = conf->out;
	c->out_arg = conf->out_arg;
	return c;
}

void hm_cache_destroy(struct hm_cache *c)
{
	if (!c)
		return;
	hm_wheel_fini(&c->wheel);
	hm_table_fini(&c->table);
	free(c);
}

const struct hm_cache_counts *hm_cache_counts(const struct hm_cache *c)
{
	return &c->counts;
}

uint32_t hm_cache_used(const struct hm_cache *c)
{
	return hm_table_used(&c->table);
}

uint32_t hm_cache_entries(const struct hm_cache *c)
{
	return hm_table_capacity(&c->table);
}
