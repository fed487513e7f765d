/* SPDX-License-Identifier: BSD-3-Clause */
/* search: a worker's side. One scan a packet, on demand; hit masks; confirmation by PCRE2.
 *
 * Nothing here allocates once it is created: PCRE2's JIT has its stack, and the interpreter, which
 * runs what the JIT cannot, gets its frames from an arena. */
#include <numa.h>
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"

#define JIT_STACK_BYTES ((size_t)1 << 20)
#define ARENA_BYTES     ((size_t)1 << 20)
#define ARENA_ALIGN     ((size_t)16)

#define GATHER_BYTES 32768 // measured: 8 to 64 KB are alike, less is slower
#define GATHER_MAX   4096  // what is longer is not worth a copy

/* Steps PCRE2 may take in one packet. It counts them for each start position anew, so that a
 * packet's share is divided by its length. */
#define STEPS_A_PACKET    UINT32_C(4000000)
#define STEPS_A_START_MIN UINT32_C(500)

/* Where PCRE2 is with one confirmed pattern in this batch. */
struct progress {
	uint64_t tested, matched;
};

struct arena {
	size_t used;
	uint8_t *bytes;
};

/* Packets one behind the other. */
struct gathered {
	uint32_t n;
	uint32_t end[HM_BATCH_MAX];   // of each, in bytes
	uint8_t packet[HM_BATCH_MAX]; // which it is in its batch
	uint8_t bytes[GATHER_BYTES];
};

struct searcher {
	struct hm_search shared; // first: its address is the searcher's

	struct hm_search_db *db;
	hs_scratch_t *scratch;
	// of what is being scanned
	const struct hm_expression *expressions;
	const uint32_t *last;
	uint64_t packet;         // its bit, of gathered ones that of the last match
	uint32_t at, begin, end; // where it is in what was gathered
	struct gathered *bytes;

	bool confirming; // something in progress is not zero

	struct progress *progress; // by index in db->confirms
	pcre2_general_context *general;
	pcre2_match_context *match;
	pcre2_match_data *data;
	pcre2_jit_stack *stack;
	struct arena arena;
	_Atomic uint64_t limit_hits; // one writer, the worker
};

static struct searcher *searcher_of(struct hm_search *s)
{
	return (struct searcher *)s;
}

/* --- scan --- */

/* A match that ends `to` bytes behind the packet's begin. */
static void note(struct searcher *s, unsigned id, uint64_t to)
{
	struct hm_expression e = s->expressions[id];
	uint64_t *hits = &s->shared.hits[e.slot], before = *hits;

	if (to < e.first || (s->last && to > s->last[id]))
		return;
	*hits = before | s->packet;
	if (before == 0)
		s->shared.touched[s->shared.n_touched++] = e.slot;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *context)
{
	note(context, id, to);
	return 0;
}

/* Finds the packet in which a match ends. Matches come nearly in order. */
static void find_packet(struct searcher *s, uint64_t to)
{
	const struct gathered *g = s->bytes;
	uint32_t i = to <= s->begin ? 0 : s->at;

	while (g->end[i] < to)
		i++;
	s->at = i;
	s->begin = i > 0 ? g->end[i - 1] : 0;
	s->end = g->end[i];
	s->packet = UINT64_C(1) << g->packet[i];
}

/* One that began in the packet before is too short for its expression's `first`. */
static int on_gathered_match(unsigned id, unsigned long long from, unsigned long long to,
			     unsigned flags, void *context)
{
	struct searcher *s = context;

	if (to <= s->begin || to > s->end)
		find_packet(s, to);
	note(s, id, to - s->begin);
	return 0;
}

/* A scan only fails if it is used wrongly. */
static void scan(struct searcher *s, const hs_database_t *hs, const void *data, uint32_t n,
		 match_event_handler on_each)
{
	hs_error_t rc = hs_scan(hs, data, n, 0, s->scratch, on_each, s);

	assert(rc == HS_SUCCESS);
	(void)rc;
}

static void scan_each(struct searcher *s, const hs_database_t *hs, const struct hm_batch *b,
		      uint64_t todo)
{
	hm_mask_foreach (i, todo) {
		s->packet = UINT64_C(1) << i;
		scan(s, hs, b->data[i], b->caplen[i], on_match);
	}
}

static void scan_gathered(struct searcher *s, const hs_database_t *hs)
{
	struct gathered *g = s->bytes;

	if (g->n == 0)
		return;
	s->at = s->begin = s->end = 0; // no match ends there
	scan(s, hs, g->bytes, g->end[g->n - 1], on_gathered_match);
	g->n = 0;
}

/* To begin a scan costs Hyperscan more than to copy an average packet: many are scanned as one. */
static void gather(struct searcher *s, const hs_database_t *hs, const struct hm_batch *b,
		   uint64_t todo)
{
	struct gathered *g = s->bytes;
	uint32_t used = 0;

	hm_mask_foreach (i, todo) {
		uint32_t n = b->caplen[i];

		if (n > GATHER_MAX) {
			scan_each(s, hs, b, UINT64_C(1) << i);
			continue;
		}
		if (used + n > GATHER_BYTES) {
			scan_gathered(s, hs);
			used = 0;
		}
		memcpy(g->bytes + used, b->data[i], n);
		used += n;
		g->end[g->n] = used;
		g->packet[g->n++] = (uint8_t)i;
	}
	scan_gathered(s, hs);
}

static void scan_part(struct searcher *s, const struct hm_db_part *part, const struct hm_batch *b,
		      uint64_t todo)
{
	s->expressions = part->expressions;
	s->last = part->last;
	if (!part->hs)
		return;
	if (part->gathers && (todo & (todo - 1)))
		gather(s, part->hs, b, todo);
	else
		scan_each(s, part->hs, b, todo);
}

void hm_search_run(struct hm_search *shared, const struct hm_batch *b, uint64_t in)
{
	struct searcher *s = searcher_of(shared);
	uint64_t todo = in & ~shared->scanned;

	if (!todo)
		return;
	for (uint32_t i = 0; i < s->db->n_parts; i++)
		scan_part(s, &s->db->parts[i], b, todo);
	shared->scanned |= todo;
}

/* --- confirmation --- */

static bool confirm(struct searcher *s, const pcre2_code *code, const uint8_t *data, uint32_t n)
{
	uint32_t steps = STEPS_A_PACKET / (n + 1);
	int rc;

	pcre2_set_match_limit(s->match, steps > STEPS_A_START_MIN ? steps : STEPS_A_START_MIN);
	rc = pcre2_match(code, data, n, 0, 0, s->data, s->match);
	if (rc >= 0)
		return true;
	if (rc != PCRE2_ERROR_NOMATCH) {
		uint64_t count = atomic_load_explicit(&s->limit_hits, memory_order_relaxed);
		// relaxed: read by the control core for display only
		atomic_store_explicit(&s->limit_hits, count + 1, memory_order_relaxed);
	}
	return false;
}

static uint64_t confirmed(struct searcher *s, const struct hm_batch *b, uint64_t candidates,
			  uint32_t index)
{
	struct progress *p = &s->progress[index];
	const pcre2_code *code = s->db->confirms[index].regexp->code;
	uint64_t todo = candidates & ~p->tested;

	hm_mask_foreach (i, todo) {
		if (confirm(s, code, b->data[i], b->caplen[i]))
			p->matched |= UINT64_C(1) << i;
	}
	p->tested |= todo;
	s->confirming = true;
	return candidates & p->matched;
}

uint64_t hm_search_scan(struct hm_search *shared, const struct hm_batch *b, uint64_t in,
			uint32_t slot)
{
	struct searcher *s = searcher_of(shared);
	uint32_t index;

	if (slot >= shared->n_slots)
		return 0;
	index = shared->confirm_of[slot];
	if (index != HM_NO_CONFIRM && s->db->confirms[index].everything)
		return confirmed(s, b, in, index);
	hm_search_run(shared, b, in);
	in &= shared->hits[slot];
	return index == HM_NO_CONFIRM ? in : confirmed(s, b, in, index);
}

void hm_search_begin(struct hm_search *shared)
{
	struct searcher *s = searcher_of(shared);

	for (uint32_t i = 0; i < shared->n_touched; i++)
		shared->hits[shared->touched[i]] = 0;
	shared->n_touched = 0;
	shared->scanned = 0;
	if (s->confirming) {
		memset(s->progress, 0, s->db->n_confirms * sizeof(*s->progress));
		s->confirming = false;
	}
}

uint64_t hm_search_limit_hits(const struct hm_search *shared)
{
	const struct searcher *s = (const struct searcher *)shared;

	return atomic_load_explicit(&s->limit_hits, memory_order_relaxed);
}

/* --- create and destroy --- */

/* PCRE2's memory for matching: it takes a block, and a larger one when that is too small, and keeps
 * it; nothing is taken twice, so nothing is ever given back. Full: PCRE2 gives the packet up. */
static void *arena_take(size_t n, void *context)
{
	struct arena *a = context;
	void *block = a->bytes + a->used;

	n = (n + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (n > ARENA_BYTES - a->used)
		return NULL;
	a->used += n;
	return block;
}

static void arena_give(void *block, void *context)
{
	(void)block;
	(void)context;
}

static bool create_confirmation(struct searcher *s)
{
	uint32_t n = s->db->n_confirms;

	if (n == 0)
		return true;
	s->arena.bytes = aligned_alloc(64, ARENA_BYTES);
	s->progress = calloc(n, sizeof(*s->progress));
	if (!s->arena.bytes || !s->progress)
		return false;
	memset(s->arena.bytes, 0, ARENA_BYTES); // the worker must not meet page faults
	s->general = pcre2_general_context_create(arena_take, arena_give, &s->arena);
	if (!s->general)
		return false;
	s->match = pcre2_match_context_create(s->general);
	s->data = pcre2_match_data_create(1, s->general);
	// the whole stack at once: a growing one would make system calls
	s->stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_BYTES, NULL);
	if (!s->match || !s->data)
		return false;
	if (s->stack) // NULL without JIT
		pcre2_jit_stack_assign(s->match, NULL, s->stack);
	return true;
}

static bool create_scan(struct searcher *s)
{
	uint32_t n = s->db->n_slots + 1; // the last is for what is nobody's

	s->shared.n_slots = s->db->n_slots;
	s->shared.confirm_of = s->db->confirm_of;
	s->shared.hits = calloc(n, sizeof(*s->shared.hits));
	s->shared.touched = calloc(n, sizeof(*s->shared.touched));
	s->bytes = calloc(1, sizeof(*s->bytes));
	if (!s->shared.hits || !s->shared.touched || !s->bytes)
		return false;
	s->shared.hits[s->db->n_slots] = UINT64_MAX; // never the first hit, so never touched
	for (uint32_t i = 0; i < s->db->n_parts; i++) {
		const hs_database_t *hs = s->db->parts[i].hs;

		if (hs && hs_alloc_scratch(hs, &s->scratch) != HS_SUCCESS) // grows with each
			return false;
	}
	return true;
}

/* Makes what this thread allocates next come from the node; for the memory of libraries there is no
 * other way. */
static bool prefer_node(int socket)
{
	if (socket < 0 || numa_available() < 0 || socket > numa_max_node() || numa_max_node() == 0)
		return false;
	numa_set_preferred(socket);
	return true;
}

struct hm_search *hm_search_create(struct hm_search_db *db, int socket)
{
	bool preferred = prefer_node(socket);
	struct searcher *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);

	if (s) {
		memset(s, 0, sizeof(*s));
		s->db = hm_search_db_ref(db);
		if (!create_scan(s) || !create_confirmation(s)) {
			hm_search_destroy(&s->shared);
			s = NULL;
		}
	}
	if (preferred)
		numa_set_localalloc();
	return s ? &s->shared : NULL;
}

void hm_search_destroy(struct hm_search *shared)
{
	struct searcher *s = searcher_of(shared);

	if (!s)
		return;
	pcre2_jit_stack_free(s->stack);
	free(s->arena.bytes); // with all that PCRE2 took from it
	free(s->progress);
	hs_free_scratch(s->scratch);
	free(shared->hits);
	free(shared->touched);
	free(s->bytes);
	hm_search_db_unref(s->db);
	free(s);
}

uint64_t hm_search_bytes(const struct hm_search *shared)
{
	const struct searcher *s = (const struct searcher *)shared;
	uint64_t bytes = sizeof(*s) + sizeof(*s->bytes) +
			 s->db->n_slots * sizeof(*shared->touched) +
			 (s->db->n_slots + 1) * sizeof(*shared->hits);
	size_t n = 0;

	if (s->scratch && hs_scratch_size(s->scratch, &n) == HS_SUCCESS)
		bytes += n;
	if (s->db->n_confirms > 0)
		bytes += s->db->n_confirms * sizeof(*s->progress) + ARENA_BYTES + JIT_STACK_BYTES;
	return bytes;
}
