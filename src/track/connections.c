/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/connections.h"

#include <errno.h>
#include <nmmintrin.h>

#define TCP_FLAGS 13
#define SYN       0x02
#define ACK       0x10
#define NS_A_S    UINT64_C(1000000000)
#define LAST_TIME (UINT64_MAX / 2) // a timeout can be added

int hm_track_init(struct hm_track *t, uint32_t capacity, uint32_t record_size, uint32_t idle_s,
		  int socket)
{
	*t = (struct hm_track){.idle_ns = idle_s * NS_A_S};
	if (record_size < sizeof(struct hm_tracked))
		return -EINVAL;
	return hm_table_init(&t->table, capacity, record_size, socket);
}

void hm_track_fini(struct hm_track *t)
{
	hm_table_fini(&t->table);
}

unsigned hm_track_key(struct hm_track_key *k, const struct hm_batch *b, unsigned i, uint8_t kind)
{
	const uint8_t *ip = b->data[i] + b->l3[i], *ports = b->data[i] + b->l4[i];
	bool four = b->ipv4 >> i & 1;
	size_t n = four ? 4 : 16;
	struct hm_track_end source = {0}, dest = {0};
	unsigned sender;

	memcpy(source.address, ip + (four ? 12 : 8), n);
	memcpy(dest.address, ip + (four ? 16 : 24), n);
	memcpy(&source.port_be, ports, 2);
	memcpy(&dest.port_be, ports + 2, 2);
	sender = memcmp(&source, &dest, sizeof(source)) > 0;
	*k = (struct hm_track_key){.version = four ? 4 : 6, .protocol = b->proto[i], .kind = kind};
	k->end[sender] = source;
	k->end[!sender] = dest;
	return sender;
}

bool hm_track_begins(const struct hm_batch *b, unsigned i)
{
	return (b->tcp >> i & 1) && (b->data[i][b->l4[i] + TCP_FLAGS] & (SYN | ACK)) == SYN;
}

void hm_track_key_of_end(struct hm_track_key *k, uint8_t version, const uint8_t *address,
			 uint16_t port_be, uint8_t kind)
{
	*k = (struct hm_track_key){.version = version, .kind = kind};
	memcpy(k->end[0].address, address, version == 4 ? 4 : 16);
	k->end[0].port_be = port_be;
}

uint32_t hm_track_hash(const struct hm_track_key *k)
{
	uint64_t words[sizeof(*k) / 8], hash = 0;

	memcpy(words, k, sizeof(*k));
	for (unsigned w = 0; w < sizeof(*k) / 8; w++)
		hash = _mm_crc32_u64(hash, words[w]);
	return (uint32_t)hash;
}

static uint64_t bounded(uint64_t ts_ns)
{
	return ts_ns < LAST_TIME ? ts_ns : LAST_TIME;
}

static bool is_idle(const struct hm_track *t, const struct hm_tracked *r, uint64_t ts_ns)
{
	return ts_ns > r->last_ns + t->idle_ns;
}

void *hm_track_find(struct hm_track *t, uint32_t hash, const struct hm_track_key *k, uint64_t ts_ns)
{
	uint32_t index = hm_table_find(&t->table, hash, k, sizeof(*k));
	struct hm_tracked *r = hm_table_record(&t->table, index);

	ts_ns = bounded(ts_ns);
	if (index == 0)
		return NULL;
	if (is_idle(t, r, ts_ns)) {
		hm_table_remove(&t->table, index, hash);
		return NULL;
	}
	r->last_ns = ts_ns > r->last_ns ? ts_ns : r->last_ns;
	return r;
}

static void make_room(struct hm_track *t, uint32_t hash, uint64_t ts_ns)
{
	uint32_t rivals[HM_TABLE_RIVALS];
	unsigned n = hm_table_rivals(&t->table, hash, rivals);
	struct hm_tracked *oldest = hm_table_record(&t->table, rivals[0]);

	for (unsigned i = 1; i < n; i++) {
		struct hm_tracked *r = hm_table_record(&t->table, rivals[i]);

		if (r->last_ns < oldest->last_ns)
			oldest = r;
	}
	if (!is_idle(t, oldest, ts_ns))
		__atomic_store_n(&t->forgotten, t->forgotten + 1, __ATOMIC_RELAXED);
	hm_track_remove(t, oldest);
}

void *hm_track_begin(struct hm_track *t, uint32_t hash, const struct hm_track_key *k,
		     uint64_t ts_ns)
{
	uint32_t index = hm_table_insert(&t->table, hash);
	struct hm_tracked *r;

	ts_ns = bounded(ts_ns);
	if (index == 0) {
		make_room(t, hash, ts_ns);
		index = hm_table_insert(&t->table, hash);
	}
	r = hm_table_record(&t->table, index);
	memset(r, 0, t->table.record_size);
	*r = (struct hm_tracked){.key = *k, .hash = hash, .last_ns = ts_ns};
	return r;
}

void hm_track_remove(struct hm_track *t, struct hm_tracked *r)
{
	size_t at = (size_t)((uint8_t *)r - t->table.records);

	hm_table_remove(&t->table, (uint32_t)(at / t->table.record_size), r->hash);
}
