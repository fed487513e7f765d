/* SPDX-License-Identifier: BSD-3-Clause */
/* The pattern database of a device: compiled on the compiler's thread when flows come with patterns that the
 * present one does not hold. Until then the present one serves, and flows that find theirs in it connect. What
 * nobody wants any more stays in it until the next one is compiled, or until it is most of it.
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

/* Whether db serves all flows, or (`running`) those that programs have already. */
static bool serves(const struct hm_search_db *db, const struct hm_device *d, bool running)
{
	const struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (wants_packets(f, d) && (!running || f->generation) && !hm_patterns_held(f, db))
			return false;
	return true;
}

static void use(struct hm_device *d, struct hm_search_db *db)
{
	hm_search_db_unref(d->db); // programs hold theirs
	d->db = db;
	d->dirty = true;
}

/* Flows that waited for a database that cannot be. */
static void refuse_waiting(struct hm_device *d, const struct hm_error *err)
{
	struct hm_flow *f;

	HM_LOG(ERR, "new flows refused device=%s: %s", d->config->name, err->text);
	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->state == HM_FLOW_CONNECTING && f->in_job)
			hm_flow_refuse(f, err);
	d->patterns_changed = true; // for those that came meanwhile
}

static void begin_compile(struct hm_device *d)
{
	struct hm_pattern_set *set;
	struct hm_error err;
	struct hm_flow *f;
	bool failed;

	d->patterns_changed = false;
	set = collect_patterns(d, &failed);
	if (!set && !failed) {
		if (d->db)
			use(d, NULL);
		return;
	}
	if (set && d->db && serves(d->db, d, false) &&
	    2 * hm_pattern_set_size(set) >= hm_search_db_size(d->db)) {
		hm_pattern_set_destroy(set);
		return;
	}
	TAILQ_FOREACH (f, &d->engine->flows, next)
		f->in_job |= f->device == d && f->state == HM_FLOW_CONNECTING &&
			     !hm_patterns_held(f, d->db);
	d->job = set ? hm_compiler_submit(d->engine->compiler, set) : NULL;
	if (d->job)
		return;
	hm_error_set(&err, -ENOMEM, 3084, "no memory for the patterns");
	refuse_waiting(d, &err);
}

static void end_compile(struct hm_device *d)
{
	struct hm_search_db *db;
	struct hm_error err;
	struct hm_flow *f;

	db = hm_compile_take(d->job, &err);
	d->job = NULL;
	if (!db) {
		refuse_waiting(d, &err);
	} else if (serves(db, d, true)) {
		use(d, db);
	} else { // a flow has connected with a pattern that only the present one has
		hm_search_db_unref(db);
		d->patterns_changed = true;
	}
	TAILQ_FOREACH (f, &d->engine->flows, next)
		f->in_job &= f->device != d;
}

unsigned hm_patterns_poll(struct hm_device *d)
{
	if (d->job) {
		if (!hm_compile_done(d->job))
			return 0;
		end_compile(d);
		return 1;
	}
	if (!d->patterns_changed)
		return 0;
	begin_compile(d);
	return 1;
}

void hm_patterns_fini(struct hm_device *d)
{
	if (d->job)
		hm_search_db_unref(hm_compile_take(d->job, NULL));
	hm_search_db_unref(d->db);
}
