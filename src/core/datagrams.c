/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/datagrams.h"

#include <errno.h>
#include <rte_random.h>

#include "core/hash.h"
#include "core/ip_length.h"
#include "core/parse.h"
#include "core/wire.h"

#define UNIT        8u
#define UNITS       (HM_DATAGRAM_BLOCK / UNIT)
#define MORE_FOLLOW UINT32_MAX // of a datagram's total

enum { IP_MORE = 0x2000, IP_OFFSET = 0x1fff, IP_NOT_OF_FRAGMENTS = 0xc000 };

/* What fragments of one datagram have in common; without padding. IPv6 leaves out the protocol (RFC 8200). */
struct key {
	uint8_t source[16], destination[16]; // IPv4: four bytes, the rest 0
	uint32_t id;
	uint16_t vlan; // id of the outermost tag: customers may have the same addresses
	uint8_t proto, version;
};

struct block {
	uint64_t have[UNITS / 64]; // bit of each unit
	uint8_t pad[64 - UNITS / 8];
	uint8_t bytes[HM_DATAGRAM_BLOCK];
};

static_assert(sizeof(struct block) == HM_DATAGRAM_BLOCK_ROOM, "");

struct datagram {
	struct key key;
	uint32_t hash;
	uint32_t older, newer; // records
	uint32_t total;        // bytes of payload; MORE_FOLLOW: the last fragment has not come
	uint64_t deadline_ns;
	uint32_t extent;    // end of the furthest fragment
	uint32_t units;     // that have come
	uint32_t fragments; // that are held
	uint32_t header;    // bytes before the payload; 0: the first fragment has not come
	uint32_t l3;        // of these
	uint32_t pppoe;
	uint8_t *first; // these
	struct block *block[HM_DATAGRAM_BLOCKS];
};

/* A fragment as its own headers describe it. */
struct fragment {
	const uint8_t *data; // frame
	uint32_t start, n;   // its payload in the frame
	uint32_t at;         // and in the datagram
	bool more;
	uint32_t ip_header; // bytes that the IP header's length counts besides the payload
	uint32_t header;    // bytes of the frame that are headers of the datagram
	uint32_t named_at;  // IPv6: the field that names the fragment header
	uint8_t proto;      // IPv6: what that header names
	struct key key;
};

const char *hm_datagrams_cause_name(enum hm_datagrams_cause cause)
{
	static const char *const names[] = {
		[HM_DATAGRAMS_CUT] = "cut",
		[HM_DATAGRAMS_BAD_LENGTH] = "bad_length",
		[HM_DATAGRAMS_TOO_LONG] = "too_long",
		[HM_DATAGRAMS_LONG_HEADERS] = "long_headers",
		[HM_DATAGRAMS_CONFLICT] = "conflict",
		[HM_DATAGRAMS_DUPLICATE] = "duplicate",
		[HM_DATAGRAMS_TIMEOUT] = "timeout",
		[HM_DATAGRAMS_EVICTED] = "evicted",
		[HM_DATAGRAMS_UNFINISHED] = "unfinished",
		[HM_DATAGRAMS_NO_COPY] = "no_copy",
	};

	return names[cause];
}

/* --- the datagrams that wait --- */

static struct datagram *datagram_at(const struct hm_datagrams *d, uint32_t index)
{
	return hm_table_record(&d->table, index);
}

/* Gives back all that it has; its fragments are counted by the caller. */
static void remove_datagram(struct hm_datagrams *d, uint32_t index)
{
	struct datagram *g = datagram_at(d, index);

	if (g->older)
		datagram_at(d, g->older)->newer = g->newer;
	else
		d->oldest = g->newer;
	if (g->newer)
		datagram_at(d, g->newer)->older = g->older;
	else
		d->newest = g->older;
	if (g->first)
		hm_copies_give(d->blocks, g->first);
	for (uint32_t k = 0; k * HM_DATAGRAM_BLOCK < g->extent; k++)
		if (g->block[k])
			hm_copies_give(d->blocks, (uint8_t *)g->block[k]);
	d->counts.held -= g->fragments;
	d->counts.waiting--;
	hm_table_remove(&d->table, index, g->hash);
}

static void drop_datagram(struct hm_datagrams *d, uint32_t index, enum hm_datagrams_cause cause)
{
	d->counts.dropped[cause] += datagram_at(d, index)->fragments;
	remove_datagram(d, index);
}

/* The table's own places may be taken, too, before all its records are. */
static uint32_t take_record(struct hm_datagrams *d, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], index;

	if (hm_table_used(&d->table) == hm_table_capacity(&d->table))
		drop_datagram(d, d->oldest, HM_DATAGRAMS_EVICTED);
	index = hm_table_insert(&d->table, hash);
	if (!index && hm_table_rivals(&d->table, hash, rivals)) {
		drop_datagram(d, rivals[0], HM_DATAGRAMS_EVICTED);
		index = hm_table_insert(&d->table, hash);
	}
	return index;
}

static uint32_t make_datagram(struct hm_datagrams *d, const struct key *key, uint32_t hash)
{
	uint32_t index = take_record(d, hash);
	struct datagram *g = datagram_at(d, index);

	*g = (struct datagram){.key = *key,
			       .hash = hash,
			       .older = d->newest,
			       .total = MORE_FOLLOW,
			       .deadline_ns = d->now_ns + d->timeout_ns};
	if (d->newest)
		datagram_at(d, d->newest)->newer = index;
	else
		d->oldest = index;
	d->newest = index;
	d->counts.waiting++;
	return index;
}

/* --- fragments --- */

static void describe_ipv4(const struct hm_batch *b, unsigned i, struct fragment *f)
{
	const uint8_t *ip = b->data[i] + b->l3[i];

	f->ip_header = (ip[0] & 15u) * 4;
	f->start = f->header = b->l3[i] + f->ip_header;
	f->at = (hm_be16(ip + 6) & IP_OFFSET) * UNIT;
	f->more = hm_be16(ip + 6) & IP_MORE;
	memcpy(f->key.source, ip + 12, 4);
	memcpy(f->key.destination, ip + 16, 4);
	f->key.id = hm_be16(ip + 4);
	f->key.proto = ip[9];
	f->key.version = 4;
}

static void describe_ipv6(const struct hm_batch *b, unsigned i, struct fragment *f)
{
	const uint8_t *ip = b->data[i] + b->l3[i], *ext;

	f->header = hm_parse_fragment_header(b, i, &f->named_at);
	ext = b->data[i] + f->header;
	f->start = f->header + 8;
	f->ip_header = f->header - (b->l3[i] + 40u);
	f->at = hm_be16(ext + 2) & 0xfff8;
	f->more = ext[3] & 1;
	f->proto = ext[0];
	memcpy(f->key.source, ip + 8, 16);
	memcpy(f->key.destination, ip + 24, 16);
	memcpy(&f->key.id, ext + 4, 4);
	f->key.version = 6;
}

/* What is wrong with it by itself; HM_DATAGRAMS_CAUSES: nothing. */
static enum hm_datagrams_cause describe(const struct hm_batch *b, unsigned i, struct fragment *f)
{
	uint32_t end = b->l3[i] + b->ip_len[i];

	*f = (struct fragment){.data = b->data[i]};
	f->key.vlan = b->vlan_tci[i] & 0xfff;
	if (b->ipv6 >> i & 1)
		describe_ipv6(b, i, f);
	else
		describe_ipv4(b, i, f);
	if (end > b->end[i])
		return HM_DATAGRAMS_CUT;
	f->n = end - f->start;
	if (f->n == 0 || (f->more && f->n % UNIT != 0))
		return HM_DATAGRAMS_BAD_LENGTH;
	if (f->ip_header + f->at + f->n > HM_DATAGRAM_BYTES_MAX)
		return HM_DATAGRAMS_TOO_LONG;
	if (f->at == 0 && f->header > HM_DATAGRAM_BLOCK)
		return HM_DATAGRAMS_LONG_HEADERS;
	return HM_DATAGRAMS_CAUSES;
}

static bool contradicts(const struct datagram *g, const struct fragment *f)
{
	uint32_t end = f->at + f->n;

	if (g->total != MORE_FOLLOW)
		return f->more ? end > g->total : end != g->total;
	return !f->more && end < g->extent;
}

/* Blocks for the fragment: the oldest of the other datagrams go as long as there are too few. There are more than one
 * datagram can have. */
static void make_room(struct hm_datagrams *d, const struct datagram *g, const struct fragment *f)
{
	uint32_t wanted = f->at == 0 && !g->first;

	for (uint32_t k = f->at / HM_DATAGRAM_BLOCK; k * HM_DATAGRAM_BLOCK < f->at + f->n; k++)
		wanted += !g->block[k];
	while (hm_copies_free(d->blocks) < wanted)
		drop_datagram(d, datagram_at(d, d->oldest) == g ? g->newer : d->oldest,
			      HM_DATAGRAMS_EVICTED);
}

static void keep_headers(struct hm_datagrams *d, struct datagram *g, const struct hm_batch *b,
			 unsigned i, const struct fragment *f)
{
	g->first = hm_copies_take(d->blocks);
	memcpy(g->first, f->data, f->header);
	g->header = f->header;
	g->l3 = b->l3[i];
	g->pppoe = b->pppoe >> i & 1;
	if (f->key.version == 6)
		g->first[f->named_at] = f->proto;
	d->counts.tiny += b->outcome[i] == HM_PARSE_L4_SHORT;
}

/* The bytes that were not there; returns how many units. */
static uint32_t keep_payload(struct hm_datagrams *d, struct datagram *g, const struct fragment *f)
{
	uint32_t units = 0;

	for (uint32_t done = 0, n; done < f->n; done += n) {
		uint32_t at = f->at + done, unit = at / UNIT % UNITS;
		struct block **block = &g->block[at / HM_DATAGRAM_BLOCK];
		uint64_t bit = UINT64_C(1) << unit % 64;

		n = f->n - done < UNIT ? f->n - done : UNIT;
		if (!*block) {
			*block = (struct block *)hm_copies_take(d->blocks);
			memset((*block)->have, 0, sizeof((*block)->have));
		}
		if ((*block)->have[unit / 64] & bit)
			continue;
		(*block)->have[unit / 64] |= bit;
		if (n == UNIT) // nearly always, and one move
			memcpy((*block)->bytes + unit * UNIT, f->data + f->start + done, UNIT);
		else
			memcpy((*block)->bytes + unit * UNIT, f->data + f->start + done, n);
		units++;
	}
	return units;
}

/* Counts the fragment in; returns whether the datagram is whole. */
static bool join(struct hm_datagrams *d, struct datagram *g, const struct hm_batch *b, unsigned i,
		 const struct fragment *f)
{
	uint32_t units, end = f->at + f->n;
	bool tells_end = !f->more && g->total == MORE_FOLLOW;

	make_room(d, g, f);
	if (f->at == 0 && !g->first)
		keep_headers(d, g, b, i, f);
	units = keep_payload(d, g, f);
	if (units == 0 && !tells_end) {
		d->counts.dropped[HM_DATAGRAMS_DUPLICATE]++;
		return false;
	}
	g->extent = end > g->extent ? end : g->extent;
	if (tells_end)
		g->total = end;
	d->counts.overlaps += units < (f->n + UNIT - 1) / UNIT;
	g->units += units;
	g->fragments++;
	d->counts.held++;
	return g->total != MORE_FOLLOW && g->units == (g->total + UNIT - 1) / UNIT;
}

/* --- for the function --- */

void hm_datagrams_tell(struct hm_datagrams *d, uint64_t now_ns)
{
	if (now_ns > d->now_ns)
		d->now_ns = now_ns;
	while (d->oldest && datagram_at(d, d->oldest)->deadline_ns <= d->now_ns)
		drop_datagram(d, d->oldest, HM_DATAGRAMS_TIMEOUT);
}

uint32_t hm_datagrams_add(struct hm_datagrams *d, const struct hm_batch *b, unsigned i)
{
	enum hm_datagrams_cause wrong;
	struct fragment f;
	uint32_t index, hash;
	struct datagram *g;

	d->counts.fragments++;
	wrong = describe(b, i, &f);
	if (wrong != HM_DATAGRAMS_CAUSES) {
		d->counts.dropped[wrong]++;
		return 0;
	}
	hash = hm_hash_bob((const uint8_t *)&f.key, sizeof(f.key), d->seed);
	index = hm_table_find(&d->table, hash, &f.key, sizeof(f.key));
	if (!index)
		index = make_datagram(d, &f.key, hash);
	g = datagram_at(d, index);
	if (contradicts(g, &f)) {
		d->counts.dropped[HM_DATAGRAMS_CONFLICT]++;
		return 0;
	}
	if (!join(d, g, b, i, &f))
		return 0;
	// the first fragment's headers may be longer than those by which the others were judged
	if (g->header - g->l3 - (f.key.version == 6 ? 40 : 0) + g->total > HM_DATAGRAM_BYTES_MAX) {
		drop_datagram(d, index, HM_DATAGRAMS_TOO_LONG);
		return 0;
	}
	return index;
}

/* The lengths in the headers become those of the datagram. */
static void finish_headers(struct datagram *g)
{
	uint8_t *ip = g->first + g->l3;

	if (g->key.version == 4)
		hm_put16(ip + 6, hm_be16(ip + 6) & IP_NOT_OF_FRAGMENTS);
	hm_ip_set_length(ip, g->header - g->l3, g->total, g->key.version == 6,
			 g->pppoe && g->l3 >= 4);
}

uint32_t hm_datagrams_take(struct hm_datagrams *d, uint32_t index, uint8_t *to, uint32_t room,
			   uint32_t *wirelen)
{
	struct datagram *g = datagram_at(d, index);
	uint32_t whole = g->header + g->total, n = whole < room ? whole : room, done;

	if (!to) {
		drop_datagram(d, index, HM_DATAGRAMS_NO_COPY);
		return 0;
	}
	finish_headers(g);
	done = g->header < n ? g->header : n;
	memcpy(to, g->first, done);
	for (uint32_t k = 0; done < n; k++) {
		uint32_t part = n - done < HM_DATAGRAM_BLOCK ? n - done : HM_DATAGRAM_BLOCK;

		memcpy(to + done, g->block[k]->bytes, part);
		done += part;
	}
	*wirelen = whole;
	d->counts.whole++;
	d->counts.joined += g->fragments;
	remove_datagram(d, index);
	return n;
}

void hm_datagrams_end(struct hm_datagrams *d)
{
	while (d->oldest)
		drop_datagram(d, d->oldest, HM_DATAGRAMS_UNFINISHED);
}

int hm_datagrams_init(struct hm_datagrams *d, uint32_t n, uint32_t n_blocks, uint64_t timeout_ns,
		      int socket)
{
	int rc;

	*d = (struct hm_datagrams){.timeout_ns = timeout_ns, .seed = (uint32_t)rte_rand()};
	if (n_blocks < HM_DATAGRAMS_BLOCKS_MIN)
		return -EINVAL;
	rc = hm_table_init(&d->table, n, sizeof(struct datagram), socket);
	if (rc < 0)
		return rc;
	d->blocks = hm_copies_create(n_blocks, HM_DATAGRAM_BLOCK_ROOM, socket);
	return d->blocks ? 0 : -ENOMEM;
}

void hm_datagrams_fini(struct hm_datagrams *d)
{
	hm_copies_destroy(d->blocks);
	hm_table_fini(&d->table);
	*d = (struct hm_datagrams){0};
}

uint64_t hm_datagrams_bytes(uint32_t n, uint32_t n_blocks)
{
	return hm_table_bytes(n, sizeof(struct datagram)) +
	       (uint64_t)n_blocks * (HM_DATAGRAM_BLOCK_ROOM + sizeof(uint8_t *));
}
