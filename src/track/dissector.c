/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/dissector.h"

#include <ndpi/ndpi_api.h>
#include <ndpi/ndpi_main.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "track/arena.h"

#define NS_A_MS    UINT64_C(1000000)
#define RESERVE    (128u << 10) // that nDPI may want for one packet
#define MODULE_KIB 8192         // what it keeps besides, about
#define NEAR       4            // names that are told of

/* --- nDPI's memory --- */

/* Where this thread takes memory while nDPI runs; NULL: from libc. */
static _Thread_local struct hm_arena *current;

static void *take(size_t n)
{
	return current ? hm_arena_take(current, n) : malloc(n);
}

static void give(void *piece)
{
	if (piece && !(current && hm_arena_give(current, piece)))
		free(piece);
}

/* --- names --- */

static struct ndpi_detection_module_struct *names;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* nDPI's own state is set up by one thread at a time. */
static struct ndpi_detection_module_struct *make_module(void)
{
	struct ndpi_detection_module_struct *module;
	NDPI_PROTOCOL_BITMASK all;

	pthread_mutex_lock(&making);
	set_ndpi_malloc(take);
	set_ndpi_free(give);
	set_ndpi_flow_malloc(take);
	set_ndpi_flow_free(give);
	module = ndpi_init_detection_module(ndpi_no_prefs);
	if (module) {
		NDPI_BITMASK_SET_ALL(all);
		ndpi_set_protocol_detection_bitmask2(module, &all);
		ndpi_finalize_initialization(module);
	}
	pthread_mutex_unlock(&making);
	return module;
}

static void make_names(void)
{
	names = make_module();
}

static void __attribute__((destructor)) forget_names(void)
{
	if (names)
		ndpi_exit_detection_module(names);
}

static bool have_names(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_names);
	return names != NULL;
}

const char *hm_dissector_name(unsigned number)
{
	if (!have_names() || number == 0 || number >= ndpi_get_num_supported_protocols(names))
		return NULL;
	return ndpi_get_proto_name(names, (u_int16_t)number);
}

static bool is_near(const char *name, const char *wanted)
{
	return strcasestr(name, wanted) || strcasestr(wanted, name) ||
	       strncasecmp(name, wanted, 3) == 0;
}

int hm_dissector_find(const char *name, char *near, size_t room)
{
	const char *known;
	unsigned told = 0;
	size_t n = 0;

	near[0] = '\0';
	for (unsigned i = 1; (known = hm_dissector_name(i)); i++)
		if (strcasecmp(known, name) == 0)
			return (int)i;
	for (unsigned i = 1; (known = hm_dissector_name(i)) && told < NEAR; i++)
		if (is_near(known, name) && n + strlen(known) + 3 < room) {
			n += (size_t)snprintf(near + n, room - n, "%s%s", told ? ", " : "", known);
			told++;
		}
	return -1;
}

/* --- connections --- */

struct slot {
	uint32_t serial; // of the connection that has it, 0: free
	uint32_t next;   // free one
	struct ndpi_flow_struct flow;
};

struct hm_dissector {
	struct ndpi_detection_module_struct *module;
	struct hm_arena *arena;
	uint32_t n, free, oldest, serial; // free: n: none
	struct slot slots[];
};

uint64_t hm_dissector_bytes(uint32_t connections, uint32_t kib)
{
	return sizeof(struct hm_dissector) + connections * (uint64_t)sizeof(struct slot) +
	       ((uint64_t)kib * 2 + MODULE_KIB) * 1024;
}

struct hm_dissector *hm_dissector_create(uint32_t connections, uint32_t kib)
{
	struct hm_dissector *d = calloc(1, sizeof(*d) + connections * sizeof(struct slot));

	if (!d)
		return NULL;
	d->n = connections;
	for (uint32_t i = 0; i < connections; i++)
		d->slots[i].next = i + 1;
	d->arena = hm_arena_create(kib);
	d->module = d->arena ? make_module() : NULL;
	if (d->module)
		return d;
	hm_dissector_destroy(d);
	return NULL;
}

static void empty(struct hm_dissector *d, struct slot *s)
{
	current = d->arena;
	ndpi_free_flow_data(&s->flow);
	current = NULL;
	memset(&s->flow, 0, sizeof(s->flow));
	s->serial = 0;
}

void hm_dissector_destroy(struct hm_dissector *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->n && d->module; i++)
		if (d->slots[i].serial)
			empty(d, &d->slots[i]);
	current = d->arena;
	if (d->module)
		ndpi_exit_detection_module(d->module);
	current = NULL;
	hm_arena_destroy(d->arena);
	free(d);
}

struct hm_dissection hm_dissector_begin(struct hm_dissector *d)
{
	uint32_t i = d->free;

	if (i < d->n) {
		d->free = d->slots[i].next;
	} else {
		i = d->oldest;
		d->oldest = (d->oldest + 1) % d->n;
		empty(d, &d->slots[i]);
	}
	if (++d->serial == 0)
		d->serial = 1;
	d->slots[i].serial = d->serial;
	return (struct hm_dissection){i, d->serial};
}

static struct slot *find(struct hm_dissector *d, const struct hm_dissection *of)
{
	struct slot *s = &d->slots[of->slot];

	return of->serial && s->serial == of->serial ? s : NULL;
}

void hm_dissector_end(struct hm_dissector *d, struct hm_dissection *of)
{
	struct slot *s = find(d, of);

	of->serial = 0;
	if (!s)
		return;
	empty(d, s);
	s->next = d->free;
	d->free = (uint32_t)(s - d->slots);
}

static bool names_one(const ndpi_protocol *found, const struct hm_protocols *protocols)
{
	for (unsigned i = 0; i < protocols->n; i++)
		if (found->app_protocol == protocols->at[i] ||
		    found->master_protocol == protocols->at[i])
			return true;
	return false;
}

enum hm_verdict hm_dissector_packet(struct hm_dissector *d, const struct hm_dissection *of,
				    const struct hm_protocols *protocols, const uint8_t *ip,
				    uint32_t n, uint64_t ts_ns, bool last)
{
	struct slot *s = find(d, of);
	ndpi_protocol found;
	u_int8_t guessed;
	bool more;

	if (!s || hm_arena_largest(d->arena) < RESERVE || n > UINT16_MAX)
		return HM_VERDICT_LOST;
	current = d->arena;
	found = ndpi_detection_process_packet(d->module, &s->flow, ip, (unsigned short)n,
					      ts_ns / NS_A_MS);
	if (last && found.app_protocol == NDPI_PROTOCOL_UNKNOWN)
		found = ndpi_detection_giveup(d->module, &s->flow, 0, &guessed);
	more = found.app_protocol == NDPI_PROTOCOL_UNKNOWN ||
	       ndpi_extra_dissection_possible(d->module, &s->flow);
	current = NULL;
	if (names_one(&found, protocols))
		return HM_VERDICT_IS;
	return more && !last ? HM_VERDICT_OPEN : HM_VERDICT_IS_NOT;
}
