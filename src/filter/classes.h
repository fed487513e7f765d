/* SPDX-License-Identifier: BSD-3-Clause */
/* classes: from a field's value to all predicates that it fulfils.
 *
 * The values of a field (an address, a port) fall into classes: those of one class fulfil the same
 * predicates. A class has two entries, for the value as source and as destination, and an entry is a
 * list of predicates. So a packet costs one look-up a field, however many predicates match it: its
 * bit goes into the entries' masks, and a batch's entries are few.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HM_NO_FIELD UINT32_MAX

/* A predicate in an entry's list: node |= entry's mask & guard's mask. */
struct hm_ref {
	uint32_t node, guard;
};

/* What is to become of a predicate. */
struct hm_item {
	uint32_t low, high; // ports; address and bits of IPv4
	uint64_t key[2];    // IPv6 and Ethernet addresses, big-endian in host order
	uint32_t bits;
	uint32_t direction;
	struct hm_ref ref;
};

/* Ranges and networks that lie within each other are in each other's lists: a client could make lists of any
 * length. This many take 128 MB, and as much again for a moment. */
#define HM_LISTS_MAX (UINT32_C(1) << 24)

/* The entries' lists, as they are made and as they are read. */
struct hm_lists {
	uint32_t n_entries, n_refs;
	uint32_t *start; // entry e has refs[start[e] .. start[e + 1])
	struct hm_ref *refs;
	// while they are made
	uint32_t room, n_made, *entry_of;
	struct hm_ref *made;
};

/* false: no memory, or HM_LISTS_MAX. */
bool hm_lists_add(struct hm_lists *l, uint32_t entry, struct hm_ref ref);
bool hm_lists_finish(struct hm_lists *l);
void hm_lists_free(struct hm_lists *l);

/* Entry of class c: source + c, destination + c. source is HM_NO_FIELD if nobody asks. */
struct hm_field {
	uint32_t source, destination;
};

struct hm_ports {
	struct hm_field field;
	uint16_t *class_of; // by port
};

/* IPv4 prefixes: a table of the first 16 bits and nodes of 256 for the next 8 and the last 8. An
 * element is a class, or a node if its highest bit is set. */
#define HM_TRIE_NODE UINT32_C(0x80000000)

struct hm_trie {
	struct hm_field field;
	uint32_t *root;
	uint32_t (*nodes)[256];
	uint32_t n_nodes;
};

/* Long prefixes, by hash for each length in use, longest first. */
struct hm_prefix {
	uint64_t key[2];
	uint32_t bits, class; // class 0: empty
};

struct hm_prefixes {
	struct hm_field field;
	uint32_t n_lengths;
	uint8_t lengths[128];
	uint32_t mask; // of the buckets
	struct hm_prefix *buckets;
};

/* Make a field of n items, whose entries are appended to the lists; items are sorted on the way.
 * No items: HM_NO_FIELD. false: no memory. */
bool hm_ports_build(struct hm_ports *p, struct hm_item *items, uint32_t n, struct hm_lists *l);
bool hm_trie_build(struct hm_trie *t, struct hm_item *items, uint32_t n, struct hm_lists *l);
bool hm_prefixes_build(struct hm_prefixes *p, struct hm_item *items, uint32_t n,
		       struct hm_lists *l);
void hm_trie_free(struct hm_trie *t);

static inline uint32_t hm_trie_find(const struct hm_trie *t, uint32_t address)
{
	uint32_t class = t->root[address >> 16];

	if (class & HM_TRIE_NODE) {
		class = t->nodes[class & ~HM_TRIE_NODE][address >> 8 & 0xff];
		if (class & HM_TRIE_NODE)
			class = t->nodes[class & ~HM_TRIE_NODE][address & 0xff];
	}
	return class;
}

static inline uint32_t hm_prefix_hash(const uint64_t key[2], uint32_t bits)
{
	uint64_t h = (key[0] ^ bits) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32 ^ key[1]) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 32);
}

static inline void hm_prefix_cut(uint64_t key[2], uint32_t bits)
{
	if (bits < 64) {
		key[0] &= bits ? ~UINT64_C(0) << (64 - bits) : 0;
		key[1] = 0;
	} else if (bits < 128) {
		key[1] &= bits > 64 ? ~UINT64_C(0) << (128 - bits) : 0;
	}
}

static inline uint32_t hm_prefixes_find(const struct hm_prefixes *p, const uint64_t address[2])
{
	for (uint32_t i = 0; i < p->n_lengths; i++) {
		uint64_t key[2] = {address[0], address[1]};
		uint32_t bits = p->lengths[i], at;

		hm_prefix_cut(key, bits);
		for (at = hm_prefix_hash(key, bits) & p->mask; p->buckets[at].class != 0;
		     at = (at + 1) & p->mask)
			if (p->buckets[at].key[0] == key[0] && p->buckets[at].key[1] == key[1] &&
			    p->buckets[at].bits == bits)
				return p->buckets[at].class;
	}
	return 0;
}
