/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/exporters.h"

#include <errno.h>
#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"
#include "netflow/record_filter.h"

struct target {
	struct hm_exporter *exporter;
	struct hm_exporter_conf conf;
	struct hm_filter *filter; // NULL: all
	uint32_t seed;            // of its scores
	unsigned group;           // of those that share flows, from 1; 0: it shares with nobody
	uint64_t filtered;
};

struct hm_exporters {
	unsigned n;
	struct target target[HM_EXPORTERS_MAX];
	unsigned n_retired;
	struct hm_exporter *retired[HM_RETIRED_MAX];
	bool filters;
	unsigned n_groups;
	uint64_t handed;
	uint64_t filtered;               // by targets that have gone
	struct hm_exporter_counts ended; // of exporters that have gone
	struct hm_record_packets packets;
};

/* --- life --- */

static void end_target(struct target *t)
{
	hm_exporter_destroy(t->exporter);
	hm_filter_destroy(t->filter);
}

static int begin_target(struct target *t, const struct hm_exporter_conf *conf, struct hm_error *err)
{
	*t = (struct target){.conf = *conf, .seed = (uint32_t)hm_exporter_id(conf)};
	if (conf->filter[0] != '\0') {
		t->filter = hm_record_filter_create(conf->filter, err);
		if (!t->filter)
			return -EINVAL;
	}
	t->exporter = hm_exporter_create(&t->conf);
	if (t->exporter)
		return 0;
	end_target(t);
	return hm_error_set(err, -ENOMEM, 3084, "no memory for an exporter");
}

/* The group of target i: that of one before it with the same name, or a new one. */
static unsigned group_of(struct hm_exporters *xs, unsigned i)
{
	const char *name = xs->target[i].conf.balance;

	if (name[0] == '\0')
		return 0;
	for (unsigned k = 0; k < i; k++)
		if (strcmp(xs->target[k].conf.balance, name) == 0)
			return xs->target[k].group;
	return ++xs->n_groups;
}

static void look_at_targets(struct hm_exporters *xs)
{
	xs->filters = false;
	xs->n_groups = 0;
	for (unsigned i = 0; i < xs->n; i++) {
		xs->filters |= xs->target[i].filter != NULL;
		xs->target[i].group = group_of(xs, i);
	}
}

struct hm_exporters *hm_exporters_create(const struct hm_exporter_conf *conf, unsigned n,
					 struct hm_error *err)
{
	struct hm_exporters *xs = calloc(1, sizeof(*xs));

	if (!xs)
		hm_error_set(err, -ENOMEM, 3084, "no memory for exporters");
	for (; xs && xs->n < n; xs->n++)
		if (begin_target(&xs->target[xs->n], &conf[xs->n], err) < 0) {
			hm_exporters_destroy(xs);
			return NULL;
		}
	if (xs)
		look_at_targets(xs);
	return xs;
}

void hm_exporters_destroy(struct hm_exporters *xs)
{
	if (!xs)
		return;
	for (unsigned i = 0; i < xs->n; i++)
		end_target(&xs->target[i]);
	for (unsigned i = 0; i < xs->n_retired; i++)
		hm_exporter_destroy(xs->retired[i]);
	free(xs);
}

static struct target *find_target(struct target *targets, unsigned n,
				  const struct hm_exporter_conf *conf)
{
	for (unsigned i = 0; i < n; i++)
		if (targets[i].exporter && hm_exporter_conf_equal(&targets[i].conf, conf))
			return &targets[i];
	return NULL;
}

/* What is not taken over by the new list sends what it has. */
static void retire(struct hm_exporters *xs, struct target *t)
{
	xs->filtered += t->filtered;
	hm_exporter_retire(t->exporter);
	xs->retired[xs->n_retired++] = t->exporter;
	hm_filter_destroy(t->filter);
}

/* One exporter may wait for a folder that another leaves, but not two. */
static bool awaits_folder(const struct hm_exporters *xs, const struct hm_exporter_conf *conf,
			  unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; conf[i].spool.dir[0] != '\0' && k < xs->n_retired; k++)
			if (strcmp(conf[i].spool.dir, hm_exporter_spool_dir(xs->retired[k])) == 0)
				return true;
	return false;
}

int hm_exporters_change(struct hm_exporters *xs, const struct hm_exporter_conf *conf, unsigned n,
			struct hm_error *err)
{
	struct target fresh[HM_EXPORTERS_MAX] = {0};
	unsigned i = 0, n_old = xs->n;

	if (xs->n_retired + xs->n > HM_RETIRED_MAX)
		return hm_error_set(err, -EBUSY, 0,
				    "%u exporters of earlier changes are still sending what they "
				    "have: try again later",
				    xs->n_retired);
	if (awaits_folder(xs, conf, n))
		return hm_error_set(err, -EBUSY, 0,
				    "an exporter of an earlier change still has a spool that is "
				    "wanted: try again in a moment");
	for (; i < n; i++)
		if (!find_target(xs->target, n_old, &conf[i]) &&
		    begin_target(&fresh[i], &conf[i], err) < 0)
			break;
	if (i < n) {
		while (i-- > 0)
			end_target(&fresh[i]);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		struct target *old = find_target(xs->target, n_old, &conf[i]);
		if (fresh[i].exporter)
			continue;
		fresh[i] = *old;
		old->exporter = NULL;
	}
	for (i = 0; i < n_old; i++)
		if (xs->target[i].exporter)
			retire(xs, &xs->target[i]);
	memcpy(xs->target, fresh, sizeof(fresh));
	xs->n = n;
	look_at_targets(xs);
	return 0;
}

unsigned hm_exporters_n(const struct hm_exporters *xs)
{
	return xs->n;
}

struct hm_exporter *hm_exporters_at(const struct hm_exporters *xs, unsigned i)
{
	return xs->target[i].exporter;
}

/* --- who gets what --- */

static uint32_t flow_hash(const struct hm_flow_record *r)
{
	uint64_t hash = 0;

	for (unsigned w = 0; w < 5; w++)
		hash = _mm_crc32_u64(hash, r->key.word[w]);
	return (uint32_t)hash;
}

/* Well mixed, so that scores of two members are independent. */
static uint32_t score(uint32_t hash, uint32_t seed)
{
	uint32_t x = (hash ^ seed * UINT32_C(0x9e3779b1)) * UINT32_C(0x85ebca6b);

	x = (x ^ x >> 13) * UINT32_C(0xc2b2ae35);
	return x ^ x >> 16;
}

struct rival {
	int target; // -1: none yet
	bool lost;
	uint32_t score;
};

static bool beats(const struct rival *a, const struct rival *b)
{
	if (b->target < 0 || a->lost != b->lost)
		return b->target < 0 || b->lost;
	return a->score > b->score;
}

/* Which of n records each member of a group gets: of each flow the one with the highest score. */
static void choose(const struct hm_exporters *xs, const struct hm_flow_record *r, unsigned n,
		   uint64_t chosen[HM_EXPORTERS_MAX])
{
	bool lost[HM_EXPORTERS_MAX];

	for (unsigned i = 0; i < xs->n; i++) {
		lost[i] = hm_exporter_is_lost(xs->target[i].exporter);
		chosen[i] = xs->target[i].group == 0 ? UINT64_MAX : 0;
	}
	for (unsigned k = 0; k < n; k++) {
		struct rival best[HM_EXPORTERS_MAX + 1];
		uint32_t hash = flow_hash(&r[k]);
		for (unsigned g = 1; g <= xs->n_groups; g++)
			best[g].target = -1;
		for (unsigned i = 0; i < xs->n; i++) {
			const struct target *t = &xs->target[i];
			struct rival me = {(int)i, lost[i], score(hash, t->seed)};
			if (t->group != 0 && beats(&me, &best[t->group]))
				best[t->group] = me;
		}
		for (unsigned g = 1; g <= xs->n_groups; g++)
			chosen[best[g].target] |= UINT64_C(1) << k;
	}
}

static uint64_t directions(const struct hm_flow_record *r, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += hm_flow_directions(&r[i]);
	return sum;
}

void hm_exporters_put(struct hm_exporters *xs, const struct hm_flow_record *r, unsigned n,
		      uint64_t now_ns)
{
	uint64_t all = directions(r, n), chosen[HM_EXPORTERS_MAX];

	if (xs->n_groups > 0)
		choose(xs, r, n, chosen);
	if (xs->filters)
		hm_record_packets_make(&xs->packets, r, n);
	for (unsigned i = 0; i < xs->n; i++) {
		struct target *t = &xs->target[i];
		uint64_t side[2] = {UINT64_MAX, UINT64_MAX};
		if (t->filter)
			hm_record_filter_run(t->filter, &xs->packets, side);
		if (t->group != 0) {
			side[0] &= chosen[i];
			side[1] &= chosen[i];
		}
		t->filtered += all - hm_exporter_put(t->exporter, r, n, side, now_ns);
	}
	xs->handed += all * xs->n;
}

bool hm_exporters_room(const struct hm_exporters *xs)
{
	for (unsigned i = 0; i < xs->n; i++)
		if (!hm_exporter_room(xs->target[i].exporter, HM_EXPORTER_PUT_MAX))
			return false;
	return true;
}

/* --- sending --- */

static bool has_heir(const struct hm_exporters *xs, const char *dir)
{
	for (unsigned i = 0; i < xs->n; i++)
		if (strcmp(xs->target[i].conf.spool.dir, dir) == 0)
			return true;
	return false;
}

/* What it leaves in its spool is recovered by the one that has the folder from now on: it was made once. */
static void add_ended(struct hm_exporters *xs, const struct hm_exporter *x)
{
	const char *dir = hm_exporter_spool_dir(x);
	struct hm_exporter_counts c;

	hm_exporter_add_counts(x, &xs->ended);
	if (dir[0] == '\0' || !has_heir(xs, dir))
		return;
	hm_exporter_counts(x, &c);
	xs->ended.spool.spooled -= c.spool.spooled;
	xs->ended.spool.recovered -= c.spool.spooled;
}

/* An exporter that has sent all ends; its counts stay. */
static void end_retired(struct hm_exporters *xs)
{
	for (unsigned i = 0; i < xs->n_retired;) {
		struct hm_exporter *x = xs->retired[i];
		if (!hm_exporter_idle(x)) {
			i++;
			continue;
		}
		add_ended(xs, x);
		hm_exporter_destroy(x);
		xs->retired[i] = xs->retired[--xs->n_retired];
	}
}

unsigned hm_exporters_poll(struct hm_exporters *xs, uint64_t now_ns)
{
	unsigned work = 0;

	for (unsigned i = 0; i < xs->n; i++)
		work += hm_exporter_poll(xs->target[i].exporter, now_ns);
	for (unsigned i = 0; i < xs->n_retired; i++)
		work += hm_exporter_poll(xs->retired[i], now_ns);
	end_retired(xs);
	return work;
}

void hm_exporters_finish(struct hm_exporters *xs, uint64_t now_ns)
{
	for (unsigned i = 0; i < xs->n; i++)
		hm_exporter_finish(xs->target[i].exporter, now_ns);
	for (unsigned i = 0; i < xs->n_retired; i++)
		hm_exporter_finish(xs->retired[i], now_ns);
}

bool hm_exporters_idle(const struct hm_exporters *xs)
{
	for (unsigned i = 0; i < xs->n; i++)
		if (!hm_exporter_idle(xs->target[i].exporter))
			return false;
	return xs->n_retired == 0;
}

/* --- what they have done --- */

void hm_exporters_sum(const struct hm_exporters *xs, struct hm_exporters_sum *sum)
{
	sum->handed = xs->handed;
	sum->filtered = xs->filtered;
	sum->counts = xs->ended;
	for (unsigned i = 0; i < xs->n; i++) {
		sum->filtered += xs->target[i].filtered;
		hm_exporter_add_counts(xs->target[i].exporter, &sum->counts);
	}
	for (unsigned i = 0; i < xs->n_retired; i++)
		hm_exporter_add_counts(xs->retired[i], &sum->counts);
}

json_t *hm_exporters_stats(const struct hm_exporters *xs)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < xs->n; i++) {
		const struct target *t = &xs->target[i];
		json_t *x = hm_exporter_stats(t->exporter);
		json_object_set_new(json_object_get(x, "records"), "filtered",
				    json_integer((json_int_t)t->filtered));
		if (t->filter)
			json_object_set_new(x, "filter", json_string(t->conf.filter));
		if (t->conf.balance[0] != '\0')
			json_object_set_new(x, "balance", json_string(t->conf.balance));
		json_array_append_new(list, x);
	}
	return list;
}
