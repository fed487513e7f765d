/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows of the configuration: created at start, and brought in line with a reloaded file. A flow that the
 * new file has unchanged is left alone, with its counters; everything else is closed or made anew. The new
 * flows are created and connected first, and the old ones closed only when all are connected: a file that
 * does not work changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_internal.h"
#include "core/log.h"

HM_LOG_TYPE(reload)

struct hm_kept {
	uint32_t flow;
	struct hm_terms terms;
	json_t *functions;
};

struct hm_reload {
	struct hm_engine *engine;
	unsigned pending; // connects not answered yet
	bool failed;
	struct hm_error err; // the first failure
	size_t n_fresh, n_old;
	uint32_t *fresh, *old; // flow numbers
	uint32_t sample_batches;
	struct hm_memory_limits max_memory;
	struct hm_admission_config admission; // until now
	struct hm_kept *kept;                 // flows that stay, on the terms of the new file
	size_t n_kept;
	hm_done_cb done;
	void *arg;
};

/* Creates one configured flow, with all its functions; not connected yet. `later`: the name may still be a flow's that
 * this one replaces, and is given when that one is closed. NULL with err. */
static struct hm_flow *create_configured(struct hm_engine *e, const struct hm_flow_config *c,
					 bool later, struct hm_error *err)
{
	static const struct hm_owner daemon = {.administrator = true, .configured = true};
	json_t *device = json_string(c->device);
	struct hm_device *d = hm_device_find(e, &daemon, device, err);
	struct hm_flow *f = NULL;

	json_decref(device);
	if (d)
		f = hm_flow_create(e, d, NULL, &daemon, err);
	if (!f)
		return NULL;
	f->config_path = strdup(c->path);
	f->config_functions = json_deep_copy(c->functions);
	hm_flow_set_terms(f, &c->terms);
	if (!hm_flow_set_name(f, c->name, later)) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		hm_flow_close(f, NULL, NULL);
		return NULL;
	}
	if (hm_flow_apply_all(f, c->functions, c->path, NULL, err) < 0) {
		hm_flow_close(f, NULL, NULL);
		return NULL;
	}
	return f;
}

/* The flow of the running configuration that is this one, or can become it while it runs, and works; NULL if
 * there is none. */
static struct hm_flow *find_same(struct hm_engine *e, const struct hm_flow_config *c)
{
	struct hm_flow *f = hm_flow_by_name(e, c->name, false);

	return f && f->config_path && f->state < HM_FLOW_FAILED && !f->leaving &&
			       !strcmp(f->device->config->name, c->device) &&
			       hm_flow_can_become(f, c->functions)
		       ? f
		       : NULL;
}

static void on_first_connect(void *arg, const struct hm_error *err)
{
	if (err)
		HM_LOG(ERR, "a flow of the configuration could not be connected: %s", err->text);
}

int hm_flows_from_config(struct hm_engine *e, const struct hm_config *config, struct hm_error *err)
{
	for (size_t i = 0; i < config->n_flows; i++) {
		const struct hm_flow_config *c = &config->flows[i];
		struct hm_flow *f = create_configured(e, c, false, err);

		if (!f)
			return -EINVAL;
		hm_flow_connect(f, on_first_connect, NULL);
		if (f->state == HM_FLOW_FAILED)
			return hm_error_set(err, -EINVAL, 0, "%s (%s): %s", c->path, c->name,
					    "could not be connected, see above");
	}
	return 0;
}

static void on_connect(void *arg, const struct hm_error *err)
{
	struct hm_reload *r = arg;

	r->pending--;
	if (err && !r->failed) {
		r->failed = true;
		r->err = *err;
	}
}

static void destroy_reload(struct hm_reload *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_kept; i++)
		json_decref(r->kept[i].functions);
	free(r->fresh);
	free(r->old);
	free(r->kept);
	free(r);
}

static void close_all(struct hm_engine *e, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hm_flow *f = hm_flow_by_id(e, ids[i]);

		if (f && f->state < HM_FLOW_CLOSING)
			hm_flow_close(f, NULL, NULL);
	}
}

/* What runs now by the configuration and is not in the new one. */
static void list_old(struct hm_engine *e, const struct hm_config *config, struct hm_reload *r)
{
	struct hm_flow *f;

	TAILQ_FOREACH (f, &e->flows, next)
		f->kept = !f->config_path || f->state >= HM_FLOW_CLOSING;
	for (size_t i = 0; i < config->n_flows; i++) {
		f = find_same(e, &config->flows[i]);
		// who reads a flow that goes is made anew, too: flows read those before them
		if (!f || !hm_flow_feeds_are_kept(f))
			continue;
		f->kept = true;
		r->kept[r->n_kept++] = (struct hm_kept){f->id, config->flows[i].terms,
							json_incref(config->flows[i].functions)};
	}
	TAILQ_FOREACH (f, &e->flows, next)
		if (!f->kept) {
			r->old[r->n_old++] = f->id;
			f->leaving = true;
		}
}

/* The old flows stay after all, and the old limit. */
static void keep_old(struct hm_engine *e, const struct hm_reload *r)
{
	hm_engine_set_admission(e, &r->admission);
	for (size_t i = 0; i < r->n_old; i++) {
		struct hm_flow *f = hm_flow_by_id(e, r->old[i]);

		if (f)
			f->leaving = false;
	}
}

static bool same_terms(const struct hm_terms *a, const struct hm_terms *b)
{
	return a->budget.cycles_per_packet == b->budget.cycles_per_packet &&
	       a->budget.worker_share == b->budget.worker_share && a->priority == b->priority &&
	       a->over_budget == b->over_budget;
}

/* Flows that stay run as the new file says, and on its terms. */
static void change_kept(struct hm_engine *e, const struct hm_reload *r)
{
	for (size_t i = 0; i < r->n_kept; i++) {
		struct hm_flow *f = hm_flow_by_id(e, r->kept[i].flow);

		struct hm_error err;

		if (f && !same_terms(&f->terms, &r->kept[i].terms))
			hm_flow_set_terms(f, &r->kept[i].terms);
		if (f && hm_flow_become(f, r->kept[i].functions, &err) < 0)
			HM_LOG(ERR, "flow %u stays as it was: %s", f->id, err.text);
	}
}

static bool same_device(const struct hm_device_config *a, const struct hm_device_config *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->alias, b->alias) &&
	       !strcmp(a->description, b->description) &&
	       a->link_speed_mbps == b->link_speed_mbps && a->mpls == b->mpls &&
	       a->vlan == b->vlan && a->source == b->source && !strcmp(a->where, b->where) &&
	       a->queues == b->queues && a->burst == b->burst && a->snaplen == b->snaplen &&
	       a->rx_descriptors == b->rx_descriptors && a->buffers == b->buffers &&
	       a->idle == b->idle && a->tunnels == b->tunnels &&
	       a->order_slack_us == b->order_slack_us && a->inject == b->inject &&
	       a->pace == b->pace && a->loop == b->loop;
}

static bool same_strings(const struct hm_strings *a, const struct hm_strings *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; i < a->n && same; i++)
		same = strcmp(a->at[i], b->at[i]) == 0;
	return same;
}

static int same_devices(const struct hm_engine *e, const struct hm_config *config,
			struct hm_error *err)
{
	bool same = e->config->n_devices == config->n_devices;

	for (size_t i = 0; i < config->n_devices && same; i++)
		same = same_device(&e->config->devices[i], &config->devices[i]);
	if (!same)
		return hm_error_set(
			err, -EINVAL, 0,
			"devices differ from the running ones: only flows and netflow can be "
			"reloaded, restart the daemon for devices");
	if (memcmp(&e->config->flow_report, &config->flow_report, sizeof(config->flow_report)) != 0)
		return hm_error_set(err, -EINVAL, 0,
				    "flow_report differs from the running one: restart the daemon "
				    "for it");
	if (strcmp(e->config->capture.dir, config->capture.dir) != 0)
		return hm_error_set(err, -EINVAL, 0,
				    "capture.dir differs from the running one: restart the daemon "
				    "for that");
	if (strcmp(e->config->anonymize.key_file, config->anonymize.key_file) != 0)
		return hm_error_set(err, -EINVAL, 0,
				    "anonymize.key_file differs from the running one: restart the "
				    "daemon for that, or put the new key into the same file");
	if (!same_strings(&e->config->libraries, &config->libraries))
		return hm_error_set(err, -EINVAL, 0,
				    "libraries differ from the loaded ones: restart the daemon for "
				    "them");
	return 0;
}

static struct hm_reload *create_reload(struct hm_engine *e, const struct hm_config *config)
{
	struct hm_reload *r = calloc(1, sizeof(*r));
	struct hm_flow *f;
	size_t n = 0;

	TAILQ_FOREACH (f, &e->flows, next)
		n++;
	if (!r)
		return NULL;
	r->engine = e;
	r->fresh = calloc(config->n_flows + 1, sizeof(*r->fresh));
	r->old = calloc(n + 1, sizeof(*r->old));
	r->kept = calloc(config->n_flows + 1, sizeof(*r->kept));
	if (!r->fresh || !r->old || !r->kept) {
		destroy_reload(r);
		return NULL;
	}
	return r;
}

/* Flows of the configuration may go for this one; those of clients stay, with their names. */
static int check_name(struct hm_engine *e, const struct hm_flow_config *c, struct hm_error *err)
{
	const struct hm_flow *f = hm_flow_by_name(e, c->name, false);

	if (f && !f->config_path)
		return hm_error_set(err, -EEXIST, 0,
				    "%s.name: flow %u of a client is named \"%s\" already: choose "
				    "another name, or close it",
				    c->path, f->id, c->name);
	return 0;
}

/* Creates what is new; a mistake in one function undoes them all. */
static int create_fresh(struct hm_engine *e, const struct hm_config *config, struct hm_reload *r,
			struct hm_error *err)
{
	for (size_t i = 0; i < config->n_flows; i++) {
		struct hm_flow *f = NULL;

		if (find_same(e, &config->flows[i]))
			continue;
		if (check_name(e, &config->flows[i], err) == 0)
			f = create_configured(e, &config->flows[i], true, err);
		if (!f) {
			close_all(e, r->fresh, r->n_fresh);
			return -EINVAL;
		}
		r->fresh[r->n_fresh++] = f->id;
	}
	return 0;
}

void hm_engine_reload(struct hm_engine *e, const struct hm_config *config, hm_done_cb done,
		      void *arg)
{
	struct hm_reload *r = NULL;
	struct hm_error err;
	size_t k = 0;

	if (e->reload)
		hm_error_set(&err, -EBUSY, 0, "a reload is under way: try again in a moment");
	else if (same_devices(e, config, &err) == 0 && !(r = create_reload(e, config)))
		hm_error_set(&err, -ENOMEM, 3084, "out of memory");
	if (r) {
		list_old(e, config, r); // before there are new ones
		r->admission = e->admission;
		hm_engine_set_admission(e, &config->admission); // by it they are admitted
	}
	if (!r || create_fresh(e, config, r, &err) < 0) {
		if (r)
			keep_old(e, r);
		destroy_reload(r);
		done(arg, &err);
		return;
	}
	r->done = done;
	r->arg = arg;
	r->sample_batches = config->explain.sample_batches;
	r->max_memory = config->control.max_memory;
	e->reload = r;
	r->pending = (unsigned)r->n_fresh;
	for (size_t i = 0; i < config->n_flows; i++) {
		struct hm_flow *f = k < r->n_fresh ? hm_flow_by_id(e, r->fresh[k]) : NULL;

		if (!f || strcmp(f->config_path, config->flows[i].path) != 0)
			continue;
		k++;
		f->owner.client = 0;
		hm_flow_connect(f, on_connect, r);
	}
}

unsigned hm_reload_poll(struct hm_engine *e)
{
	struct hm_reload *r = e->reload;

	if (!r || r->pending)
		return 0;
	e->reload = NULL;
	if (r->failed) {
		close_all(e, r->fresh, r->n_fresh);
		keep_old(e, r);
		r->done(r->arg, &r->err);
	} else {
		close_all(e, r->old, r->n_old);
		hm_engine_sample(e, r->sample_batches);
		e->accounts.limits = r->max_memory;
		change_kept(e, r);
		for (size_t i = 0; i < r->n_fresh; i++) {
			struct hm_flow *f = hm_flow_by_id(e, r->fresh[i]);

			if (f)
				hm_flow_take_name(f);
		}
		HM_LOG(NOTICE, "configuration reloaded closed=%zu created=%zu", r->n_old,
		       r->n_fresh);
		r->done(r->arg, NULL);
	}
	destroy_reload(r);
	return 1;
}

void hm_reload_fini(struct hm_engine *e)
{
	destroy_reload(e->reload);
	e->reload = NULL;
}
