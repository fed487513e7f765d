/* SPDX-License-Identifier: BSD-3-Clause */
/* toplist_read: the control core's side of toplists: what those of several workers say together. */
#include "core/toplist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMING 4096 // values that may come to a list while it is read

/* A value as the lists say together. */
struct merged {
	struct hm_toplist_record sum; // first: its key is the table's
	uint64_t lists;               // that have it
};

/* The largest so far; a heap, whose root is the least of them. */
struct heap {
	struct hm_toplist_record *at;
	uint32_t n, max;
	bool by_bytes;
};

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Copies what lies together while nothing comes or goes. */
static void copy(const struct hm_toplist *t, void *to, const void *from, size_t size)
{
	uint32_t before;

	do {
		before = __atomic_load_n(&t->changes, __ATOMIC_ACQUIRE);
		memcpy(to, from, size);
		__atomic_thread_fence(__ATOMIC_ACQUIRE); // writer: begin_change
	} while ((before & 1) || before != __atomic_load_n(&t->changes, __ATOMIC_RELAXED));
}

/* --- the order of results --- */

static bool is_above(const struct heap *h, const struct hm_toplist_record *a,
		     const struct hm_toplist_record *b)
{
	uint64_t of_a = h->by_bytes ? a->bytes : a->packets,
		 of_b = h->by_bytes ? b->bytes : b->packets;

	if (of_a != of_b)
		return of_a > of_b;
	if (a->first_ns != b->first_ns)
		return a->first_ns < b->first_ns;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return memcmp(a->word, b->word, sizeof(a->word)) < 0;
}

static void swap(struct hm_toplist_record *a, struct hm_toplist_record *b)
{
	struct hm_toplist_record c = *a;

	*a = *b;
	*b = c;
}

static void sink(struct heap *h, uint32_t i)
{
	for (uint32_t child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && is_above(h, &h->at[child], &h->at[child + 1]))
			child++;
		if (!is_above(h, &h->at[i], &h->at[child]))
			break;
		swap(&h->at[i], &h->at[child]);
	}
}

static void offer(struct heap *h, const struct hm_toplist_record *r)
{
	uint32_t i;

	if (h->n == h->max) {
		if (!is_above(h, r, &h->at[0]))
			return;
		h->at[0] = *r;
		sink(h, 0);
		return;
	}
	i = h->n++;
	for (h->at[i] = *r; i > 0 && is_above(h, &h->at[(i - 1) / 2], &h->at[i]); i = (i - 1) / 2)
		swap(&h->at[i], &h->at[(i - 1) / 2]);
}

/* The root is the least: it goes to the end, and so on. */
static void sort(struct heap *h)
{
	uint32_t n = h->n;

	while (h->n > 1) {
		swap(&h->at[0], &h->at[--h->n]);
		sink(h, 0);
	}
	h->n = n;
}

/* --- the values of one list --- */

/* The next record of the interval from *index on; false: there is none. */
static bool next_record(const struct hm_toplist *t, uint64_t start_ns, uint32_t *index,
			struct hm_toplist_record *r)
{
	uint32_t end = __atomic_load_n(&t->table.header->fresh, __ATOMIC_RELAXED);

	while (*index < end) {
		copy(t, r, (const struct hm_toplist_record *)(void *)t->table.records + (*index)++,
		     sizeof(*r));
		// one whose first packet is just being counted is not there yet
		if (r->kind != 0 && r->first_ns >= start_ns && r->packets > r->error_packets)
			return true;
	}
	return false;
}

static void read_alone(const struct hm_toplist *t, struct heap *h, struct hm_toplist_result *r)
{
	struct hm_toplist_record record;
	uint32_t index = 1;

	while (next_record(t, r->start_ns, &index, &record)) {
		offer(h, &record);
		r->values++;
	}
}

/* --- several lists --- */

static void add(struct hm_toplist_record *sum, const struct hm_toplist_record *r)
{
	sum->packets += r->packets;
	sum->bytes += r->bytes;
	sum->error_packets += r->error_packets;
	sum->error_bytes += r->error_bytes;
	if (r->first_ns < sum->first_ns)
		sum->first_ns = r->first_ns;
}

/* A value for which there is no place (many came meanwhile, or fifteen of one hash) is one of the absent. */
static void leave_out(struct hm_toplist_result *r, const struct hm_toplist_record *record)
{
	r->exact = false;
	r->absent_packets += record->packets;
	r->absent_bytes += record->bytes;
}

static void merge_list(struct hm_table *all, const struct hm_toplist *t, uint64_t bit,
		       struct hm_toplist_result *r)
{
	struct hm_toplist_record record;
	uint32_t index = 1;

	while (next_record(t, r->start_ns, &index, &record)) {
		uint32_t at = hm_table_find(all, record.hash, &record, HM_TOPLIST_KEY_SIZE);
		struct merged *m = hm_table_record(all, at);

		if (at != 0) {
			add(&m->sum, &record);
			m->lists |= bit;
			continue;
		}
		at = hm_table_insert(all, record.hash);
		if (at == 0) {
			leave_out(r, &record);
			continue;
		}
		m = hm_table_record(all, at);
		*m = (struct merged){.sum = record, .lists = bit};
	}
}

/* What a list says of a value that has no place in it: nothing, or at most so much. */
static void add_absent(struct merged *m, const struct hm_toplist *t, uint64_t start_ns)
{
	const struct hm_toplist_floor *f =
		&t->floors[hm_table_first_bucket(&t->table, m->sum.hash)];
	struct hm_toplist_record most = {.first_ns = UINT64_MAX};

	if (load(&f->start_ns) != start_ns)
		return;
	most.packets = most.error_packets = load(&f->packets);
	most.bytes = most.error_bytes = load(&f->bytes);
	add(&m->sum, &most);
}

static int read_merged(struct hm_toplist *const *lists, unsigned n, struct heap *h,
		       struct hm_toplist_result *r)
{
	struct hm_table all;
	uint64_t room = 1;
	int ret;

	for (unsigned i = 0; i < n; i++)
		room += hm_table_used(&lists[i]->table) + COMING;
	ret = hm_table_init(&all, (uint32_t)room, sizeof(struct merged), -1);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < n; i++)
		merge_list(&all, lists[i], UINT64_C(1) << i, r);
	for (uint32_t k = 1; k < all.header->fresh; k++) {
		struct merged *m = hm_table_record(&all, k);

		for (unsigned i = 0; i < n; i++)
			if (!(m->lists >> i & 1))
				add_absent(m, lists[i], r->start_ns);
		offer(h, &m->sum);
	}
	r->values = hm_table_used(&all);
	hm_table_fini(&all);
	return 0;
}

/* The lists that are in the newest interval, and what they have counted in it. */
static unsigned pick_lists(struct hm_toplist *const *lists, unsigned n, struct hm_toplist **picked,
			   struct hm_toplist_result *r)
{
	unsigned n_picked = 0;

	for (unsigned i = 0; i < n; i++) {
		struct hm_toplist now;

		copy(lists[i], &now, lists[i], sizeof(now));
		r->late += now.late;
		if (now.start_ns < r->start_ns)
			continue;
		if (now.start_ns > r->start_ns) {
			*r = (struct hm_toplist_result){.start_ns = now.start_ns, .late = r->late};
			n_picked = 0;
		}
		picked[n_picked++] = lists[i];
		r->packets += now.packets;
		r->bytes += now.bytes;
		r->absent_packets += now.highest.packets;
		r->absent_bytes += now.highest.bytes;
	}
	r->exact = r->absent_packets == 0;
	return n_picked;
}

int hm_toplist_read(struct hm_toplist *const *lists, unsigned n_lists, uint32_t max,
		    struct hm_toplist_result *r)
{
	struct hm_toplist *picked[HM_TOPLIST_LISTS_MAX];
	struct heap heap = {.max = max, .by_bytes = lists[0]->by_bytes};
	unsigned n;
	int ret = 0;

	*r = (struct hm_toplist_result){0};
	heap.at = malloc(max * sizeof(*heap.at));
	if (!heap.at)
		return -ENOMEM;
	n = pick_lists(lists, n_lists, picked, r);
	if (n == 1)
		read_alone(picked[0], &heap, r);
	else
		ret = read_merged(picked, n, &heap, r);
	if (ret < 0) {
		free(heap.at);
		return ret;
	}
	sort(&heap);
	r->top = heap.at;
	r->n = heap.n;
	return 0;
}
