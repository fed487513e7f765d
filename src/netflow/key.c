/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/key.h"

#include <nmmintrin.h>
#include <string.h>

#define TCP_FLAGS  13       // offset in the TCP header
#define MPLS_LABEL 0xfffff0 // of label, Exp and S

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

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static const uint8_t no_ports[4];

/* The packets of TCP, UDP and SCTP that have ports, and later fragments, whose ports are in k->split. */
struct port_masks {
	uint64_t own, split;
};

/* Where the four bytes "source port, destination port" of a packet are, as the key has them. */
static const uint8_t *ports_of(const struct hm_keys *k, const struct hm_batch *b,
			       const struct port_masks *m, unsigned i)
{
	if (__builtin_expect(m->own >> i & 1, 1))
		return b->data[i] + b->l4[i];
	return m->split >> i & 1 ? k->split[i].byte : no_ports;
}

/* The second word of the name, without what is not of the key. */
static uint64_t second_word(uint64_t port0, uint64_t port1, uint8_t proto, uint64_t version)
{
	return port0 | port1 << 16 | (uint64_t)proto << 32 | version << 40;
}

static uint32_t hash_ipv4(uint64_t hosts, uint64_t last)
{
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(0, hosts), last);
}

/* `last`: the second word of the name, what is of the key. */
static uint32_t hash_of(const union hm_entry_name *name, uint64_t last,
			const union hm_entry_rest *rest)
{
	uint64_t hash = 0;

	if (name->version == 4)
		return hash_ipv4(name->word[0], last);
	for (unsigned w = 0; w < 3; w++)
		hash = _mm_crc32_u64(hash, rest->word[w]);
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(hash, name->word[0]), last);
}

static uint32_t add_to_hash(uint32_t hash, const struct hm_key_masks *m, uint16_t vlan,
			    union hm_flow_first first)
{
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u16(hash, vlan & m->vlan),
				       first.word & m->first.word);
}

static void key_ipv4(struct hm_keys *k, const struct hm_batch *b, uint64_t mask,
		     const struct port_masks *m)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *ip = b->data[i] + b->l3[i];
		uint32_t ports = load32(ports_of(k, b, m, i));
		uint64_t from = (uint64_t)load32(ip + 12) << 16 | (ports & 0xffff);
		uint64_t to = (uint64_t)load32(ip + 16) << 16 | ports >> 16;
		uint64_t low = from < to ? from : to, high = from < to ? to : from;
		uint64_t hosts = low >> 16 | (high >> 16) << 32;
		uint64_t last = second_word(low & 0xffff, high & 0xffff, b->proto[i], 4);

		k->name[i] = (union hm_entry_name){.word = {hosts, last}};
		k->sender[i] = from > to;
		k->hash[i] = hash_ipv4(hosts, last);
	}
}

static void key_ipv6(struct hm_keys *k, const struct hm_batch *b, uint64_t mask,
		     const struct port_masks *m)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *ip = b->data[i] + b->l3[i], *ports = ports_of(k, b, m, i);
		const uint8_t *address[2] = {ip + 8, ip + 24};
		int order = memcmp(address[0], address[1], 16);
		unsigned high; // the sender is the second endpoint

		if (order == 0)
			order = load16(ports) < load16(ports + 2)
					? -1
					: load16(ports) > load16(ports + 2);
		high = order > 0;
		k->name[i].word[1] = second_word(load16(ports + 2 * high),
						 load16(ports + 2 * (high ^ 1)), b->proto[i], 6);
		for (unsigned d = 0; d < 2; d++) {
			memcpy(k->rest[i].addr[d], address[d ^ high], 12);
			memcpy(k->name[i].addr[d], address[d ^ high] + 12, 4);
		}
		k->sender[i] = (uint8_t)high;
		k->hash[i] = hash_of(&k->name[i], k->name[i].word[1], &k->rest[i]);
	}
}

/* ICMP has no ports: type and code take the place of the destination's, as collectors expect. */
static void add_icmp_type(struct hm_keys *k, const struct hm_batch *b, uint64_t mask)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *type =
			b->l4_ok >> i & 1 ? b->data[i] + b->l4[i] : k->split[i].byte + 2;
		k->name[i].port_be[k->sender[i] ^ 1] = load16(type);
		k->hash[i] = hash_of(&k->name[i], k->name[i].word[1], &k->rest[i]);
	}
}

uint8_t hm_key_tos(const struct hm_batch *b, unsigned i)
{
	const uint8_t *ip = b->data[i] + b->l3[i];

	return b->ipv4 >> i & 1 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

uint16_t hm_key_vlan(const struct hm_batch *b, unsigned i)
{
	return b->vlan_tci[i] & 0xfff;
}

union hm_flow_first hm_key_first(const struct hm_batch *b, unsigned i)
{
	const uint8_t *ip = b->data[i] + b->l3[i];
	uint32_t label = b->ipv4 >> i & 1 ? 0 : __builtin_bswap32(load32(ip)) & 0xfffff;

	return (union hm_flow_first){
		.label = label, .tos = hm_key_tos(b, i), .ifindex = b->ifindex[i]};
}

/* By whole words, which are read again at once: the processor waits for words put together of parts. */
union hm_flow_frame hm_key_frame(const struct hm_batch *b, unsigned i)
{
	uint64_t mpls = b->mpls >> i & 1 ? HM_FLOW_MPLS | b->label[i] >> 8 : 0;

	static_assert(offsetof(union hm_flow_frame, mpls) == 12, "");
	if (b->link != HM_LINK_ETHERNET)
		return (union hm_flow_frame){.word = {0, mpls << 32}};
	return (union hm_flow_frame){
		.word = {load64(b->data[i]), load32(b->data[i] + 8) | mpls << 32}};
}

union hm_flow_frame hm_key_frame_back(const union hm_flow_frame *f)
{
	uint64_t destination = f->word[0] & UINT64_C(0xffffffffffff);
	uint64_t source = f->word[0] >> 48 | (f->word[1] & UINT32_MAX) << 16;

	return (union hm_flow_frame){
		.word = {source | destination << 48, destination >> 16 | f->word[1] >> 32 << 32}};
}

/* Of frames that endpoint 0 sends: so both directions have one hash. */
static uint32_t add_frame_to_hash(uint32_t hash, const struct hm_key_masks *m,
				  const union hm_flow_frame *f)
{
	return (uint32_t)_mm_crc32_u64(_mm_crc32_u64(hash, f->word[0] & m->frame.word[0]),
				       f->word[1] & m->frame.word[1]);
}

static void widen_by_frames(struct hm_keys *k, const struct hm_key_masks *m,
			    const struct hm_batch *b, uint64_t in)
{
	hm_mask_foreach (i, in) {
		union hm_flow_frame f = hm_key_frame(b, i), back = hm_key_frame_back(&f);
		k->frame[i] = f;
		k->hash[i] = add_frame_to_hash(k->hash[i], m, k->sender[i] ? &back : &f);
	}
}

static void widen(struct hm_keys *k, const struct hm_key_masks *m, const struct hm_batch *b,
		  uint64_t in)
{
	hm_mask_foreach (i, in) {
		k->vlan[i] = hm_key_vlan(b, i);
		k->first[i] = hm_key_first(b, i);
		k->hash[i] = add_to_hash(k->hash[i], m, k->vlan[i], k->first[i]);
	}
	if (m->framed)
		widen_by_frames(k, m, b, in);
}

void hm_key_masks(struct hm_key_masks *m, uint32_t key)
{
	*m = (struct hm_key_masks){.wide = key != 0, .framed = (key & HM_FLOW_KEY_FRAME) != 0};
	if (key & HM_FLOW_KEY_VLAN)
		m->vlan = UINT16_MAX;
	if (key & HM_FLOW_KEY_LABEL)
		m->first.label = 0xffffff;
	if (key & HM_FLOW_KEY_DSCP)
		m->first.tos = 0xfc;
	if (key & HM_FLOW_KEY_TOS)
		m->first.tos = 0xff;
	if (key & HM_FLOW_KEY_INTERFACE)
		m->first.ifindex = UINT16_MAX;
	if (key & HM_FLOW_KEY_MAC) {
		memset(m->frame.destination, 0xff, sizeof(m->frame.destination));
		memset(m->frame.source, 0xff, sizeof(m->frame.source));
	}
	if (key & HM_FLOW_KEY_MPLS)
		m->frame.mpls = HM_FLOW_MPLS | MPLS_LABEL;
}

uint32_t hm_key_hash(const struct hm_entry *e, const struct hm_entry_frames *frames,
		     const struct hm_key_masks *m)
{
	static const struct hm_entry_frames none;
	uint32_t hash = hash_of(&e->name, e->name.word[1] & HM_ENTRY_KEY_MASK, &e->rest);

	if (m->wide)
		hash = add_to_hash(hash, m, e->vlan, e->first);
	if (m->framed)
		hash = add_frame_to_hash(hash, m, &(frames ? frames : &none)->of[0]);
	return hash;
}

void hm_keys_make(struct hm_keys *k, const struct hm_key_masks *m, const struct hm_batch *b,
		  uint64_t in)
{
	uint64_t with_ports = (b->tcp | b->udp | b->sctp) & in;
	const struct port_masks ports = {with_ports & b->l4_ok, with_ports & b->later_fragment};

	if (__builtin_expect((in & b->fragment) != 0, 0))
		hm_fragments_match(&k->fragments, b, in, k->split);
	key_ipv4(k, b, in & b->ipv4, &ports);
	key_ipv6(k, b, in & b->ipv6, &ports);
	add_icmp_type(k, b, in & (b->icmp | b->icmp6) & (b->l4_ok | b->later_fragment));
	if (m->wide)
		widen(k, m, b, in);
	memset(k->flags, 0, sizeof(k->flags));
	hm_mask_foreach (i, in & b->tcp & b->l4_ok)
		k->flags[i] = b->data[i][b->l4[i] + TCP_FLAGS];
}

uint64_t hm_keys_choose(const struct hm_keys *k, uint64_t in, uint32_t interval)
{
	uint32_t limit = UINT32_MAX / interval;
	uint64_t chosen = 0;

	// mixed, since tables take their places from the hash as it is
	hm_mask_foreach (i, in)
		chosen |= (uint64_t)(k->hash[i] * UINT32_C(0x9e3779b1) <= limit) << i;
	return chosen;
}
