/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows by number and by name: clients name one in every request. */
#include <stdlib.h>
#include <string.h>

#include "core/engine_internal.h"

static struct hm_flow_bucket *id_bucket(struct hm_engine *e, uint32_t id)
{
	return &e->flows_by_id[id % HM_FLOW_BUCKETS];
}

static struct hm_flow_bucket *name_bucket(struct hm_engine *e, const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return &e->flows_by_name[hash % HM_FLOW_BUCKETS];
}

void hm_flow_index_add(struct hm_flow *f)
{
	LIST_INSERT_HEAD(id_bucket(f->engine, f->id), f, same_id);
	TAILQ_INSERT_TAIL(&f->engine->flows, f, next);
}

void hm_flow_index_remove(struct hm_flow *f)
{
	if (f->name || f->new_name)
		LIST_REMOVE(f, same_name);
	LIST_REMOVE(f, same_id);
	TAILQ_REMOVE(&f->engine->flows, f, next);
}

bool hm_flow_set_name(struct hm_flow *f, const char *name, bool later)
{
	char **where = later ? &f->new_name : &f->name;

	*where = strdup(name);
	if (*where)
		LIST_INSERT_HEAD(name_bucket(f->engine, name), f, same_name);
	return *where;
}

void hm_flow_take_name(struct hm_flow *f)
{
	f->name = f->new_name; // the same text: it stays where it is
	f->new_name = NULL;
}

struct hm_flow *hm_flow_by_id(struct hm_engine *e, uint32_t id)
{
	struct hm_flow *f;

	LIST_FOREACH (f, id_bucket(e, id), same_id)
		if (f->id == id)
			return f;
	return NULL;
}

struct hm_flow *hm_flow_by_name(struct hm_engine *e, const char *name, bool later)
{
	struct hm_flow *f;

	LIST_FOREACH (f, name_bucket(e, name), same_name) {
		const char *has = later && f->new_name ? f->new_name : f->name;

		if (f->state < HM_FLOW_CLOSING && has && !strcmp(has, name))
			return f;
	}
	return NULL;
}
