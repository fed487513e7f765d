/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/toplist.h"

#include <errno.h>
#include <nmmintrin.h>
#include <string.h>

#include "core/pages.h"

#define NS_A_S      UINT64_C(1000000000)
#define SWEEP_BATCH 64   // old records looked for beside a batch
#define SWEEP_TICK  1024 // and in a tick

static size_t floor_bytes(const struct hm_toplist *t)
{
	return t->table.n_buckets * sizeof(*t->floors);
}

int hm_toplist_init(struct hm_toplist *t, uint32_t entries, bool by_bytes, uint32_t reset_s,
		    int socket)
{
	int ret;

	memset(t, 0, sizeof(*t));
	if (entries < HM_TOPLIST_ENTRIES_MIN || entries > HM_TOPLIST_ENTRIES_MAX)
		return -EINVAL;
	ret = hm_table_init(&t->table, entries, sizeof(struct hm_toplist_record), socket);
	if (ret < 0)
		return ret;
	t->by_bytes = by_bytes;
	t->reset_ns = reset_s ? reset_s * NS_A_S : UINT64_MAX;
	t->floors = hm_pages_map(floor_bytes(t), socket);
	return t->floors ? 0 : -ENOMEM;
}

void hm_toplist_fini(struct hm_toplist *t)
{
	if (t->floors)
		hm_pages_unmap(t->floors, floor_bytes(t));
	hm_table_fini(&t->table);
	t->floors = NULL;
}

/* A bucket is filled by some six records. */
size_t hm_toplist_bytes(uint32_t entries)
{
	return hm_table_bytes(entries, sizeof(struct hm_toplist_record)) +
	       entries / 5 * sizeof(struct hm_toplist_floor);
}

static struct hm_toplist_record *record_at(const struct hm_toplist *t, uint32_t index)
{
	return (struct hm_toplist_record *)(void *)t->table.records + index;
}

static void set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED); // reader: toplist_read.c
}

static void begin_change(struct hm_toplist *t)
{
	__atomic_store_n(&t->changes, t->changes + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); // reader: copy_record
}

static void end_change(struct hm_toplist *t)
{
	__atomic_store_n(&t->changes, t->changes + 1, __ATOMIC_RELEASE);
}

static bool is_old(const struct hm_toplist *t, const struct hm_toplist_record *r)
{
	return r->first_ns < t->start_ns;
}

/* --- seldom: new values, no room, new intervals --- */

static void remove_record(struct hm_toplist *t, uint32_t index)
{
	begin_change(t);
	hm_table_remove(&t->table, index, record_at(t, index)->hash);
	end_change(t);
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Keeps in mind what a value had that has to go. */
static void remember(struct hm_toplist *t, struct hm_toplist_floor *f,
		     const struct hm_toplist_record *r)
{
	bool old = f->start_ns != t->start_ns;

	set(&f->packets, max64(old ? 0 : f->packets, r->packets));
	set(&f->bytes, max64(old ? 0 : f->bytes, r->bytes));
	set(&f->start_ns, t->start_ns);
}

static uint64_t weight(const struct hm_toplist *t, const struct hm_toplist_record *r)
{
	uint64_t w = t->by_bytes ? r->bytes : r->packets;

	return is_old(t, r) ? 0 : w;
}

static void replace_least(struct hm_toplist *t, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], least = 0;
	unsigned n = hm_table_rivals(&t->table, hash, rivals);
	uint64_t least_weight = UINT64_MAX;
	const struct hm_toplist_record *r;

	for (unsigned k = 0; k < n; k++)
		__builtin_prefetch(record_at(t, rivals[k]));
	for (unsigned k = 0; k < n; k++) {
		uint64_t w = weight(t, record_at(t, rivals[k]));

		least = w < least_weight ? rivals[k] : least;
		least_weight = w < least_weight ? w : least_weight;
	}
	r = record_at(t, least);
	if (!is_old(t, r)) {
		remember(t, &t->floors[hm_table_first_bucket(&t->table, r->hash)], r);
		remember(t, &t->highest, r);
	}
	remove_record(t, least);
}

static struct hm_toplist_record *__attribute__((noinline))
create_record(struct hm_toplist *t, const struct hm_toplist_values *v, unsigned i, uint64_t ts_ns)
{
	uint32_t hash = v->hash[i], index = hm_table_insert(&t->table, hash);
	struct hm_toplist_floor floor;
	struct hm_toplist_record *r;

	if (index == 0) {
		replace_least(t, hash);
		index = hm_table_insert(&t->table, hash);
	}
	floor = t->floors[hm_table_first_bucket(&t->table, hash)];
	if (floor.start_ns != t->start_ns)
		floor = (struct hm_toplist_floor){0};
	r = record_at(t, index);
	begin_change(t);
	*r = (struct hm_toplist_record){.word = {v->word[i][0], v->word[i][1]},
					.kind = v->kind[i],
					.hash = hash,
					.packets = floor.packets,
					.bytes = floor.bytes,
					.error_packets = floor.packets,
					.error_bytes = floor.bytes,
					.first_ns = ts_ns};
	end_change(t);
	return r;
}

/* A value of an earlier interval is seen again: it has its place, and had none of the packets since. */
static void __attribute__((noinline))
renew_record(struct hm_toplist *t, struct hm_toplist_record *r, uint64_t ts_ns)
{
	begin_change(t);
	r->packets = r->bytes = r->error_packets = r->error_bytes = 0;
	r->first_ns = ts_ns;
	end_change(t);
}

static void __attribute__((noinline)) begin_interval(struct hm_toplist *t, uint64_t ts_ns)
{
	begin_change(t);
	t->start_ns = ts_ns - ts_ns % t->reset_ns;
	t->packets = t->bytes = 0;
	t->highest = (struct hm_toplist_floor){.start_ns = t->start_ns};
	t->sweep = 1;
	end_change(t);
}

/* Gives back up to n places of values that are of an earlier interval. */
static void sweep(struct hm_toplist *t, unsigned n)
{
	for (; t->sweep && n > 0; n--) {
		const struct hm_toplist_record *r = record_at(t, t->sweep);

		if (t->sweep >= t->table.header->fresh) {
			t->sweep = 0;
			break;
		}
		if (r->kind != 0 && is_old(t, r))
			remove_record(t, t->sweep);
		t->sweep++;
	}
}

/* Of the interval before this one. Still older means that the clock was set back, or ran ahead. */
static bool is_late(const struct hm_toplist *t, uint64_t ts_ns)
{
	return ts_ns < t->start_ns && t->start_ns - ts_ns <= t->reset_ns;
}

/* --- a batch --- */

static void hash_values(const struct hm_toplist *t, struct hm_toplist_values *v, uint64_t mask)
{
	hm_mask_foreach (i, mask) {
		v->hash[i] = (uint32_t)_mm_crc32_u64(_mm_crc32_u64(v->kind[i], v->word[i][0]),
						     v->word[i][1]);
		hm_table_prefetch(&t->table, v->hash[i]);
	}
}

static bool has_value(const struct hm_toplist_record *r, const struct hm_toplist_values *v,
		      unsigned i)
{
	return ((r->word[0] ^ v->word[i][0]) | (r->word[1] ^ v->word[i][1]) |
		(r->kind ^ v->kind[i])) == 0;
}

static struct hm_toplist_record *__attribute__((noinline))
find_or_create(struct hm_toplist *t, const struct hm_toplist_values *v, unsigned i, uint64_t ts_ns)
{
	const struct hm_toplist_record key = {.word = {v->word[i][0], v->word[i][1]},
					      .kind = v->kind[i]};
	uint32_t index = hm_table_find(&t->table, v->hash[i], &key, HM_TOPLIST_KEY_SIZE);

	return index ? record_at(t, index) : create_record(t, v, i, ts_ns);
}

static void count(struct hm_toplist *t, const struct hm_toplist_values *v, unsigned i,
		  uint32_t candidate, uint64_t ts_ns)
{
	struct hm_toplist_record *r = record_at(t, candidate);

	if (__builtin_expect(!has_value(r, v, i), 0))
		r = find_or_create(t, v, i, ts_ns);
	if (__builtin_expect(is_old(t, r), 0))
		renew_record(t, r, ts_ns);
	set(&r->packets, r->packets + 1);
	set(&r->bytes, r->bytes + v->bytes[i]);
	if (__builtin_expect(ts_ns < r->first_ns, 0))
		set(&r->first_ns, ts_ns);
}

void hm_toplist_add(struct hm_toplist *t, struct hm_toplist_values *v, const uint64_t *ts_ns,
		    uint64_t mask)
{
	uint32_t candidate[HM_BATCH_MAX];
	uint64_t packets = 0, bytes = 0;

	hash_values(t, v, mask);
	hm_mask_foreach (i, mask) {
		candidate[i] = hm_table_candidate(&t->table, v->hash[i]);
		__builtin_prefetch(record_at(t, candidate[i]));
	}
	hm_mask_foreach (i, mask) {
		if (__builtin_expect(ts_ns[i] - t->start_ns >= t->reset_ns, 0)) {
			if (is_late(t, ts_ns[i])) {
				set(&t->late, t->late + 1);
				continue;
			}
			begin_interval(t, ts_ns[i]);
			packets = bytes = 0;
		}
		count(t, v, i, candidate[i], ts_ns[i]);
		packets++;
		bytes += v->bytes[i];
	}
	set(&t->packets, t->packets + packets);
	set(&t->bytes, t->bytes + bytes);
	sweep(t, SWEEP_BATCH);
}

void hm_toplist_tick(struct hm_toplist *t, uint64_t now_ns)
{
	if (now_ns > t->start_ns && now_ns - t->start_ns >= t->reset_ns)
		begin_interval(t, now_ns);
	sweep(t, SWEEP_TICK);
}
