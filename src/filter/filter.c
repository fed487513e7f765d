/* SPDX-License-Identifier: BSD-3-Clause */
/* filter: the filters that live, each once, and their slots. */
#include "filter/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter/check.h"
#include "filter/filter_private.h"

#define BLANKS " \t\r\n"

/* Of the control core: hash chains by key, and which slot is whose. */
static struct {
	struct hm_filter **buckets;
	uint32_t n_buckets, used; // a power of two; filters
	uint32_t *free;           // slots to give away, room for n_slots
	uint32_t n_free, n_slots;
} table;

/* Runs of blanks become one space; none at the ends. */
static void make_canonical(char *to, const char *from)
{
	char *at = to;

	for (from += strspn(from, BLANKS); *from; from += strspn(from, BLANKS)) {
		size_t n = strcspn(from, BLANKS);

		if (at > to)
			*at++ = ' ';
		memcpy(at, from, n);
		at += n;
		from += n;
	}
	*at = '\0';
}

static uint32_t hash_key(const struct hm_filter *f)
{
	uint64_t h = f->link * UINT64_C(0x9e3779b97f4a7c15) + f->snaplen;

	for (const char *p = f->canonical; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32);
}

static struct hm_filter *find(const struct hm_filter *key)
{
	struct hm_filter *f =
		table.n_buckets ? table.buckets[key->hash & (table.n_buckets - 1)] : NULL;

	while (f && (f->hash != key->hash || f->link != key->link || f->snaplen != key->snaplen ||
		     strcmp(f->canonical, key->canonical) != 0))
		f = f->next;
	return f;
}

/* Room for one more in the chains and among the slots. */
static bool make_room(void)
{
	uint32_t n = table.n_buckets ? 2 * table.n_buckets : 64;

	if (table.used < table.n_buckets)
		return true;
	struct hm_filter **buckets = calloc(n, sizeof(struct hm_filter *));
	uint32_t *free_slots = realloc(table.free, n * sizeof(*free_slots));
	if (free_slots)
		table.free = free_slots;
	if (!buckets || !free_slots) {
		free(buckets);
		return false;
	}
	for (uint32_t i = 0; i < table.n_buckets; i++) {
		for (struct hm_filter *f = table.buckets[i], *next; f; f = next) {
			next = f->next;
			f->next = buckets[f->hash & (n - 1)];
			buckets[f->hash & (n - 1)] = f;
		}
	}
	free(table.buckets);
	table.buckets = buckets;
	table.n_buckets = n;
	return true;
}

static void insert(struct hm_filter *f)
{
	struct hm_filter **bucket = &table.buckets[f->hash & (table.n_buckets - 1)];

	f->slot = table.n_free > 0 ? table.free[--table.n_free] : table.n_slots++;
	f->next = *bucket;
	*bucket = f;
	table.used++;
}

static void take_out(struct hm_filter *f)
{
	struct hm_filter **at = &table.buckets[f->hash & (table.n_buckets - 1)];

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	table.free[table.n_free++] = f->slot;
	if (--table.used > 0)
		return;
	free(table.buckets); // nothing is held when nobody has a filter
	free(table.free);
	memset(&table, 0, sizeof(table));
}

static int check_expression(const char *expression, struct hm_error *err)
{
	struct hm_filter_fault fault;

	if (!expression || strspn(expression, BLANKS) == strlen(expression))
		return hm_error_set(err, -EINVAL, 7001, "filter is empty");
	if (strlen(expression) > HM_FILTER_EXPRESSION_MAX)
		return hm_error_set(err, -EINVAL, 1025,
				    "filter of %zu bytes is too long, at most %d",
				    strlen(expression), HM_FILTER_EXPRESSION_MAX);
	if (hm_filter_find_fault(expression, &fault))
		return hm_error_set(err, -EINVAL, 1025, "filter \"%.200s\": '%.*s' at byte %td: %s",
				    expression, (int)(fault.length < 64 ? fault.length : 64),
				    fault.at, fault.at - expression, fault.why);
	return 0;
}

/* A filter with its key and nothing else. */
static struct hm_filter *make_key(const char *expression, enum hm_link link, uint32_t snaplen)
{
	struct hm_filter *f = calloc(1, sizeof(*f) + strlen(expression) + 1);

	if (!f)
		return NULL;
	f->link = link;
	f->snaplen = snaplen;
	make_canonical(f->canonical, expression);
	f->hash = hash_key(f);
	return f;
}

static void free_filter(struct hm_filter *f)
{
	hm_tree_free(&f->tree);
	free(f->bpf);
	free(f);
}

/* What the index does not cover, or does not understand though libpcap does, has no tree. */
static bool make_tree(struct hm_filter *f)
{
	const char *at;
	enum hm_parse_result result = hm_tree_parse(f->canonical, f->link, &f->tree, &at);

	if (result != HM_PARSED)
		hm_tree_free(&f->tree);
	return result != HM_NO_MEMORY;
}

/* libpcap says what is wrong but not where; our parser stopped there. */
static void add_place(const char *expression, enum hm_link link, struct hm_error *err)
{
	struct hm_tree tree = {0};
	const char *at;

	if (err && hm_tree_parse(expression, link, &tree, &at) == HM_SYNTAX) {
		size_t n = strlen(err->text);

		snprintf(err->text + n, sizeof(err->text) - n, " at byte %td", at - expression);
	}
	hm_tree_free(&tree);
}

struct hm_filter *hm_filter_create(const char *expression, enum hm_link link, uint32_t snaplen,
				   struct hm_error *err)
{
	struct hm_filter *f, *known;

	if (check_expression(expression, err) != 0)
		return NULL;
	f = make_key(expression, link, snaplen);
	if (!f) {
		hm_error_set(err, -ENOMEM, 1027, "filter: out of memory");
		return NULL;
	}
	known = find(f);
	if (known) {
		free_filter(f);
		return hm_filter_ref(known);
	}
	f->bpf = hm_bpf_compile(f->canonical, link, snaplen, err);
	if (!f->bpf) {
		add_place(expression, link, err);
		free_filter(f);
		return NULL;
	}
	if (!make_tree(f) || !make_room()) {
		free_filter(f);
		hm_error_set(err, -ENOMEM, 1027, "filter: out of memory");
		return NULL;
	}
	insert(f);
	f->refs = 1;
	return f;
}

struct hm_filter *hm_filter_ref(struct hm_filter *f)
{
	f->refs++;
	return f;
}

void hm_filter_destroy(struct hm_filter *f)
{
	if (!f || --f->refs > 0)
		return;
	take_out(f);
	free_filter(f);
}

uint32_t hm_filter_slot(const struct hm_filter *f)
{
	return f->slot;
}

const char *hm_filter_canonical(const struct hm_filter *f)
{
	return f->canonical;
}

/* Of an index and a worker's scan, measured over thousands of filters; an IPv4 address has nodes of its own in the
 * index's table of prefixes. */
#define INDEXED_BYTES         256
#define INDEXED_ADDRESS_BYTES 1024

uint64_t hm_filter_bytes(const struct hm_filter *f)
{
	uint64_t bytes = sizeof(*f) + strlen(f->canonical) + 1 + sizeof(*f->bpf) +
			 f->bpf->n_insns * sizeof(f->bpf->insns[0]) +
			 f->tree.n_nodes * (sizeof(f->tree.nodes[0]) + INDEXED_BYTES) +
			 f->tree.n_predicates * (sizeof(f->tree.predicates[0]) + INDEXED_BYTES);

	for (uint32_t i = 0; i < f->tree.n_predicates; i++)
		if (f->tree.predicates[i].kind == HM_IS_ADDR4 && f->tree.predicates[i].bits > 16)
			bytes += INDEXED_ADDRESS_BYTES;
	return bytes;
}

const char *hm_filter_engine(const struct hm_filter *f)
{
	return f->tree.n_nodes > 0 ? "index" : "bpf";
}

bool hm_filter_is_lazy(const struct hm_filter *f)
{
	return f->tree.n_nodes == 0;
}

uint64_t hm_filter_run(const struct hm_filter *f, const struct hm_batch *b, uint64_t in)
{
	return hm_bpf_run(f->bpf, b, in);
}
