/* SPDX-License-Identifier: BSD-3-Clause */
/* The patterns of a device: what its flows search is told to its store (search_store.h), and what the store
 * has compiled is in the next programs. A flow whose patterns are not there yet waits; nobody waits for it.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/engine_internal.h"
#include "core/log.h"

HM_LOG_TYPE(patterns)

bool hm_patterns_held(const struct hm_flow *f, const struct hm_search_db *db)
{
	for (uint32_t i = 0; i < f->n && f->searches; i++) {
		const struct hm_pattern *p = hm_node_pattern(f->instances[i]->node);

		if (p && !(db && hm_search_db_holds(db, p)))
			return false;
	}
	return true;
}

static bool wants_packets(const struct hm_flow *f, const struct hm_device *d)
{
	return f->device == d && (f->state == HM_FLOW_CONNECTING || f->state == HM_FLOW_ACTIVE);
}

/* The patterns of all flows; NULL if there are none or (*failed) no memory. */
static struct hm_pattern_set *collect_patterns(const struct hm_device *d, bool *failed)
{
	const struct hm_pattern **patterns;
	struct hm_pattern_set *set = NULL;
	const struct hm_flow *f;
	uint32_t room = 0, n = 0;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		room += wants_packets(f, d) && f->searches ? f->n : 0;
	patterns = calloc(room + 1, sizeof(struct hm_pattern *));
	*failed = !patterns;
	TAILQ_FOREACH (f, &d->engine->flows, next)
		for (uint32_t i = 0; patterns && wants_packets(f, d) && f->searches && i < f->n;
		     i++) {
			const struct hm_pattern *p = hm_node_pattern(f->instances[i]->node);

			if (p)
				patterns[n++] = p;
		}
	if (n) {
		set = hm_pattern_set_create(patterns, n);
		*failed = !set;
	}
	free(patterns);
	return set;
}

/* Flows that wait for what cannot be: all that wait, or (!all) those whose patterns the compiler refused. */
static void refuse_waiting(struct hm_device *d, bool all, const struct hm_error *err)
{
	struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next) {
		if (f->device != d || f->state != HM_FLOW_CONNECTING || hm_patterns_held(f, d->db))
			continue;
		for (uint32_t i = 0; i < f->n && f->state == HM_FLOW_CONNECTING; i++) {
			const struct hm_pattern *p = hm_node_pattern(f->instances[i]->node);
			const struct hm_error *why =
				p ? hm_search_store_error(d->patterns, p) : NULL;

			if (!p || !(why || all))
				continue;
			why = why ? why : err;
			HM_LOG(ERR, "new flow refused device=%s flow=%s: %s", d->config->name,
			       f->name, why->text);
			hm_flow_refuse(f, why);
		}
	}
}

/* Tells the store what is wanted now. */
static void want_patterns(struct hm_device *d)
{
	struct hm_pattern_set *set;
	struct hm_error err;
	bool failed;

	d->patterns_changed = false;
	set = collect_patterns(d, &failed);
	if (!failed && hm_search_store_want(d->patterns, set) == 0)
		return;
	hm_error_set(&err, -ENOMEM, 3084, "no memory for the patterns");
	refuse_waiting(d, true, &err);
}

unsigned hm_patterns_poll(struct hm_device *d)
{
	unsigned work = d->patterns_changed;

	if (d->patterns_changed)
		want_patterns(d);
	if (!hm_search_store_poll(d->patterns))
		return work;
	d->db = hm_search_store_db(d->patterns); // programs hold references
	d->dirty = true;
	refuse_waiting(d, false, NULL);
	return work + 1;
}

void hm_patterns_fini(struct hm_device *d)
{
	hm_search_store_destroy(d->patterns);
}
