/* SPDX-License-Identifier: BSD-3-Clause */
#include "cook/streams.h"

#include <errno.h>
#include <string.h>

#include "cook/streams_state.h"

const char *hm_streams_cause_name(enum hm_streams_cause cause)
{
	static const char *const names[] = {
		[HM_STREAMS_NO_HANDSHAKE] = "no_handshake",
		[HM_STREAMS_DUPLICATE] = "duplicate",
		[HM_STREAMS_OUT_OF_WINDOW] = "out_of_window",
		[HM_STREAMS_AFTER_END] = "after_end",
		[HM_STREAMS_NOT_WANTED] = "not_wanted",
		[HM_STREAMS_CUT] = "cut",
		[HM_STREAMS_LONG_HEADERS] = "long_headers",
		[HM_STREAMS_NO_ROOM] = "no_room",
		[HM_STREAMS_NO_COPY] = "no_copy",
		[HM_STREAMS_UNFINISHED] = "unfinished",
	};

	return names[cause];
}

/* --- the list --- */

static void unlink_connection(struct hm_streams *s, struct connection *c)
{
	if (c->older)
		hm_streams_connection(s, c->older)->newer = c->newer;
	else
		s->oldest = c->newer;
	if (c->newer)
		hm_streams_connection(s, c->newer)->older = c->older;
	else
		s->newest = c->older;
}

static void link_newest(struct hm_streams *s, struct connection *c, uint32_t index)
{
	c->older = s->newest;
	c->newer = 0;
	c->queued_ns = s->now_ns;
	if (s->newest)
		hm_streams_connection(s, s->newest)->newer = index;
	else
		s->oldest = index;
	s->newest = index;
}

/* The list is in order to a sixteenth of the timeout: nearly all packets leave it alone, and their neighbours in it. */
void hm_streams_touch(struct hm_streams *s, uint32_t index)
{
	struct connection *c = hm_streams_connection(s, index);

	c->last_ns = s->now_ns;
	if (c->last_ns - c->queued_ns <= s->conf.timeout_ns / 16)
		return;
	unlink_connection(s, c);
	link_newest(s, c, index);
}

/* --- connections --- */

bool hm_streams_is_idle(const struct hm_streams *s, const struct connection *c)
{
	return s->now_ns - c->last_ns > s->conf.timeout_ns;
}

void hm_streams_remove(struct hm_streams *s, uint32_t index)
{
	struct connection *c = hm_streams_connection(s, index);

	unlink_connection(s, c);
	s->counts->open--;
	hm_table_remove(&s->table, index, c->hash);
}

void hm_streams_finish(struct hm_streams *s, uint32_t index)
{
	struct connection *c = hm_streams_connection(s, index);

	c->ending = true;
	for (unsigned w = 0; w < 2; w++)
		hm_streams_flush(s, index, w, true);
	if (!c->way[0].queued && !c->way[1].queued)
		hm_streams_remove(s, index);
}

void hm_streams_evict_for(struct hm_streams *s, uint32_t index)
{
	const uint32_t other =
		s->oldest == index ? hm_streams_connection(s, index)->newer : s->oldest;

	if (other) {
		s->counts->evicted++;
		hm_streams_finish(s, other);
		return;
	}
	for (unsigned w = 0; w < 2; w++)
		hm_streams_flush(s, index, w, true);
}

/* A record for the hash. The table's own places may be taken before all its records are. */
static uint32_t insert(struct hm_streams *s, uint32_t hash)
{
	uint32_t rivals[HM_TABLE_RIVALS], index, victim;

	while (!(index = hm_table_insert(&s->table, hash)) && !s->conf.refuse) {
		victim = s->oldest;
		if (hm_table_used(&s->table) < hm_table_capacity(&s->table) &&
		    hm_table_rivals(&s->table, hash, rivals))
			victim = rivals[0];
		s->counts->evicted++;
		hm_streams_finish(s, victim);
		if (s->due)
			return 0;
	}
	return index;
}

uint32_t hm_streams_make(struct hm_streams *s, const struct hm_track_key *key, uint32_t hash)
{
	const uint32_t index = insert(s, hash);
	struct connection *c = hm_streams_connection(s, index);

	if (!index)
		return 0;
	memset(c, 0, sizeof(*c));
	c->key = *key;
	c->hash = hash;
	c->last_ns = s->now_ns;
	c->way[0].shift = c->way[1].shift = 14; // the largest there is, until it is known
	link_newest(s, c, index);
	s->counts->connections++;
	s->counts->open++;
	return index;
}

/* --- for the function --- */

bool hm_streams_tell(struct hm_streams *s, uint64_t now_ns)
{
	struct connection *c;

	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	while (s->oldest) {
		c = hm_streams_connection(s, s->oldest);
		if (c->ending || !hm_streams_is_idle(s, c))
			break; // what comes behind it is hardly older
		s->counts->timeouts++;
		hm_streams_finish(s, s->oldest);
		if (s->due)
			break;
	}
	return s->due;
}

uint64_t hm_streams_oldest_ns(const struct hm_streams *s)
{
	return s->oldest ? hm_streams_connection(s, s->oldest)->last_ns : UINT64_MAX;
}

bool hm_streams_end_oldest(struct hm_streams *s)
{
	if (!s->oldest)
		return false;
	hm_streams_finish(s, s->oldest);
	return true;
}

uint32_t hm_streams_blocks_min(void)
{
	return 2 *
	       (UINT16_MAX / HM_BYTES_BLOCK + 2); // of the longest packet, and of what is before it
}

static uint32_t slots_of(const struct hm_streams_conf *conf)
{
	return (conf->threshold + conf->window) / HM_BYTES_BLOCK + 2;
}

static size_t table_bytes(const struct hm_streams_conf *conf)
{
	return hm_table_bytes(conf->connections, sizeof(struct connection));
}

/* The table, and behind it the slots. */
size_t hm_streams_mapped(const struct hm_streams_conf *conf)
{
	const size_t bytes = table_bytes(conf) + ((size_t)conf->connections + 1) * 2 *
							 slots_of(conf) *
							 sizeof(struct hm_bytes_block *);

	return (bytes + HM_TABLE_ALIGN - 1) / HM_TABLE_ALIGN * HM_TABLE_ALIGN;
}

int hm_streams_init(struct hm_streams *s, const struct hm_streams_conf *conf,
		    struct hm_streams_counts *counts, void *memory, int socket)
{
	int rc;

	*s = (struct hm_streams){.conf = *conf, .counts = counts};
	if (conf->blocks < hm_streams_blocks_min() || conf->window < UINT16_MAX)
		return -EINVAL;
	s->n_slots = slots_of(conf);
	rc = hm_table_init_in(&s->table, conf->connections, sizeof(struct connection), memory);
	if (rc < 0)
		return rc;
	s->slots = (struct hm_bytes_block **)((uint8_t *)memory + table_bytes(conf));
	s->blocks = hm_copies_create(conf->blocks, sizeof(struct hm_bytes_block), socket);
	return s->blocks ? 0 : -ENOMEM;
}

void hm_streams_fini(struct hm_streams *s)
{
	hm_copies_destroy(s->blocks);
	hm_table_fini(&s->table);
	*s = (struct hm_streams){0};
}

uint64_t hm_streams_bytes(const struct hm_streams_conf *conf)
{
	return hm_streams_mapped(conf) +
	       (uint64_t)conf->blocks * (sizeof(struct hm_bytes_block) + sizeof(uint8_t *));
}
