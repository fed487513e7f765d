/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter/classes.h"

#include <stdlib.h>

#include "filter/tree.h"

#define PORTS 65536

/* --- lists --- */

bool hm_lists_add(struct hm_lists *l, uint32_t entry, struct hm_ref ref)
{
	if (l->n_made == HM_LISTS_MAX)
		return false;
	if (l->n_made == l->room) {
		uint32_t room = l->room ? 2 * l->room : 1024;
		uint32_t *entries = realloc(l->entry_of, room * sizeof(*entries));
		struct hm_ref *made;

		if (!entries)
			return false;
		l->entry_of = entries;
		made = realloc(l->made, room * sizeof(*made));
		if (!made)
			return false;
		l->made = made;
		l->room = room;
	}
	l->entry_of[l->n_made] = entry;
	l->made[l->n_made++] = ref;
	return true;
}

/* Sorts by entry, by counting. */
bool hm_lists_finish(struct hm_lists *l)
{
	l->start = calloc(l->n_entries + 2, sizeof(*l->start));
	l->refs = calloc(l->n_made + 1, sizeof(*l->refs));
	if (!l->start || !l->refs)
		return false;
	for (uint32_t i = 0; i < l->n_made; i++)
		l->start[l->entry_of[i] + 2]++;
	for (uint32_t e = 0; e < l->n_entries; e++)
		l->start[e + 2] += l->start[e + 1];
	for (uint32_t i = 0; i < l->n_made; i++)
		l->refs[l->start[l->entry_of[i] + 1]++] = l->made[i];
	l->n_refs = l->n_made;
	free(l->entry_of);
	free(l->made);
	l->entry_of = NULL;
	l->made = NULL;
	return true;
}

void hm_lists_free(struct hm_lists *l)
{
	free(l->start);
	free(l->refs);
	free(l->entry_of);
	free(l->made);
}

/* Two entries for each of n classes. */
static struct hm_field take_entries(struct hm_lists *l, uint32_t n_classes)
{
	struct hm_field f = {l->n_entries, l->n_entries + n_classes};

	l->n_entries += 2 * n_classes;
	return f;
}

static bool add_item(struct hm_lists *l, const struct hm_field *f, uint32_t class,
		     const struct hm_item *item)
{
	return (!(item->direction & HM_SRC) || hm_lists_add(l, f->source + class, item->ref)) &&
	       (!(item->direction & HM_DST) || hm_lists_add(l, f->destination + class, item->ref));
}

/* Classes of prefixes: class c is what items[first[c] .. first[c + 1]) name, and fulfils as well
 * what its parent, the next shorter prefix around it, fulfils; 0 is the root. */
struct prefix_classes {
	uint32_t n, *first, *parent;
};

static bool add_inherited(struct hm_lists *l, const struct hm_field *f,
			  const struct prefix_classes *p, const struct hm_item *items)
{
	for (uint32_t class = 1; class < p->n; class ++)
		for (uint32_t c = class; c != 0; c = p->parent[c])
			for (uint32_t i = p->first[c]; i < p->first[c + 1]; i++)
				if (!add_item(l, f, class, &items[i]))
					return false;
	return true;
}

/* Gives the n sorted items classes, from 1. */
static bool make_classes(struct prefix_classes *p, const struct hm_item *items, uint32_t n)
{
	p->first = malloc((n + 2) * sizeof(*p->first));
	p->parent = calloc(n + 2, sizeof(*p->parent));
	p->n = 1;
	if (!p->first || !p->parent)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || items[i].bits != items[i - 1].bits ||
		    items[i].low != items[i - 1].low ||
		    memcmp(items[i].key, items[i - 1].key, sizeof(items[i].key)) != 0)
			p->first[p->n++] = i;
	p->first[p->n] = n;
	return true;
}

static void free_classes(struct prefix_classes *p)
{
	free(p->first);
	free(p->parent);
}

/* --- ports --- */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Ports at which the set of matching ranges may change, each once, with 0 and PORTS. Returns how
 * many. */
static uint32_t find_borders(const struct hm_item *items, uint32_t n, uint32_t *borders)
{
	uint32_t all = 0, different = 0;

	borders[all++] = 0;
	borders[all++] = PORTS;
	for (uint32_t i = 0; i < n; i++) {
		borders[all++] = items[i].low;
		borders[all++] = items[i].high + 1;
	}
	qsort(borders, all, sizeof(*borders), compare_u32);
	for (uint32_t i = 0; i < all; i++)
		if (different == 0 || borders[i] != borders[different - 1])
			borders[different++] = borders[i];
	return different;
}

bool hm_ports_build(struct hm_ports *p, struct hm_item *items, uint32_t n, struct hm_lists *l)
{
	uint32_t *borders, n_classes;
	bool good = true;

	p->field.source = HM_NO_FIELD;
	if (n == 0)
		return true;
	p->class_of = calloc(PORTS, sizeof(*p->class_of));
	borders = malloc((2 * n + 2) * sizeof(*borders));
	if (!p->class_of || !borders) {
		free(borders);
		return false;
	}
	// class c is [borders[c], borders[c + 1])
	n_classes = find_borders(items, n, borders) - 1;
	p->field = take_entries(l, n_classes);
	for (uint32_t c = 0; c < n_classes; c++)
		for (uint32_t port = borders[c]; port < borders[c + 1]; port++)
			p->class_of[port] = (uint16_t)c;
	for (uint32_t i = 0; i < n && good; i++)
		for (uint32_t c = p->class_of[items[i].low];
		     good && c < n_classes && borders[c] <= items[i].high; c++)
			good = add_item(l, &p->field, c, &items[i]);
	free(borders);
	return good;
}

/* --- IPv4 --- */

static int compare_items(const void *a, const void *b)
{
	const struct hm_item *x = a, *y = b;
	int order = (x->bits > y->bits) - (x->bits < y->bits);

	if (order == 0)
		order = (x->low > y->low) - (x->low < y->low);
	if (order == 0)
		order = (x->key[0] > y->key[0]) - (x->key[0] < y->key[0]);
	return order ? order : (x->key[1] > y->key[1]) - (x->key[1] < y->key[1]);
}

/* The node that an element points to, made if the element is a class so far. The element is in node
 * `owner`, or in the root if that is HM_NO_FIELD. */
static uint32_t descend(struct hm_trie *t, uint32_t owner, uint32_t at)
{
	uint32_t value = owner == HM_NO_FIELD ? t->root[at] : t->nodes[owner][at];

	if (!(value & HM_TRIE_NODE)) {
		for (unsigned i = 0; i < 256; i++)
			t->nodes[t->n_nodes][i] = value;
		value = HM_TRIE_NODE | t->n_nodes++;
		if (owner == HM_NO_FIELD)
			t->root[at] = value;
		else
			t->nodes[owner][at] = value;
	}
	return value & ~HM_TRIE_NODE;
}

/* Puts a class on all addresses of a prefix, on which no longer one has been put yet. Returns the
 * class that was there. */
static uint32_t insert(struct hm_trie *t, uint32_t address, uint32_t bits, uint32_t class)
{
	uint32_t node, before, at = address >> 16, span = 16, *elements = t->root;

	if (bits > 16) {
		node = descend(t, HM_NO_FIELD, at);
		at = address >> 8 & 0xff;
		span = 24;
		if (bits > 24) {
			node = descend(t, node, at);
			at = address & 0xff;
			span = 32;
		}
		elements = t->nodes[node];
	}
	before = elements[at];
	for (uint32_t i = 0; i < UINT32_C(1) << (span - bits); i++)
		elements[at + i] = class;
	return before;
}

bool hm_trie_build(struct hm_trie *t, struct hm_item *items, uint32_t n, struct hm_lists *l)
{
	struct prefix_classes p = {0};
	bool good;

	t->field.source = HM_NO_FIELD;
	if (n == 0)
		return true;
	t->root = calloc(1 << 16, sizeof(*t->root));
	qsort(items, n, sizeof(*items), compare_items);
	good = t->root && make_classes(&p, items, n);
	if (good) { // two nodes for each prefix is the most; what is not used costs no memory
		t->nodes = malloc(2 * p.n * sizeof(*t->nodes));
		good = t->nodes != NULL;
	}
	for (uint32_t c = 1; good && c < p.n; c++)
		p.parent[c] = insert(t, items[p.first[c]].low, items[p.first[c]].bits, c);
	if (good) {
		t->field = take_entries(l, p.n);
		good = add_inherited(l, &t->field, &p, items);
	}
	free_classes(&p);
	return good;
}

void hm_trie_free(struct hm_trie *t)
{
	free(t->root);
	free(t->nodes);
}

/* --- IPv6 and Ethernet --- */

static void insert_prefix(struct hm_prefixes *p, const struct hm_item *item, uint32_t class)
{
	uint32_t at = hm_prefix_hash(item->key, item->bits) & p->mask;

	while (p->buckets[at].class != 0)
		at = (at + 1) & p->mask;
	p->buckets[at] = (struct hm_prefix){{item->key[0], item->key[1]}, item->bits, class};
}

/* Items come from short to long, so what is found before one is inserted is its parent. */
bool hm_prefixes_build(struct hm_prefixes *p, struct hm_item *items, uint32_t n, struct hm_lists *l)
{
	struct prefix_classes classes = {0};
	bool good;

	p->field.source = HM_NO_FIELD;
	if (n == 0)
		return true;
	for (p->mask = 4; p->mask < 4 * n; p->mask *= 2)
		;
	p->buckets = calloc(p->mask--, sizeof(*p->buckets));
	qsort(items, n, sizeof(*items), compare_items);
	good = p->buckets && make_classes(&classes, items, n);
	for (uint32_t c = 1; good && c < classes.n; c++) {
		const struct hm_item *item = &items[classes.first[c]];

		if (p->n_lengths == 0 || p->lengths[0] != item->bits) {
			memmove(p->lengths + 1, p->lengths, p->n_lengths++);
			p->lengths[0] = (uint8_t)item->bits;
		}
		classes.parent[c] = hm_prefixes_find(p, item->key);
		insert_prefix(p, item, c);
	}
	if (good) {
		p->field = take_entries(l, classes.n);
		good = add_inherited(l, &p->field, &classes, items);
	}
	free_classes(&classes);
	return good;
}
