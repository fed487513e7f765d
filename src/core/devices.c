/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices there are: those of the configuration, for as long as the daemon runs, and traces that clients have
 * opened, which come and go while packets run through the others.
 *
 * A device comes: it is set up while no worker knows it, then its lanes are shown to their workers. It goes: nobody
 * finds it any more, its flows are closed as any flow is, and when the last has gone its lanes are taken from the
 * workers; after a quiescent state of every worker the port, its card and its memory are freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/engine_internal.h"
#include "core/log.h"

HM_LOG_TYPE(devices)

/* --- coming --- */

static bool is_index_free(const struct hm_engine *e, uint16_t index)
{
	const struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next)
		if (d->index == index)
			return false;
	return true;
}

/* On the engine's list, not set up. NULL: no memory, or there are as many as there may be. */
static struct hm_device *add_device(struct hm_engine *e, const struct hm_device_config *config,
				    struct hm_error *err)
{
	struct hm_device *d = NULL;
	uint16_t index = 0;

	while (index < HM_DEVICES_MAX && !is_index_free(e, index))
		index++;
	if (index == HM_DEVICES_MAX)
		hm_error_set(err, -EMFILE, 1026, "there are %d devices already, and cannot be more",
			     HM_DEVICES_MAX);
	else if (!(d = calloc(1, sizeof(*d))))
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
	if (!d)
		return NULL;
	d->engine = e;
	d->config = config;
	d->index = index;
	d->number = ++e->last_device;
	d->port = RTE_MAX_ETHPORTS;
	d->fd = -1;
	TAILQ_INSERT_TAIL(&e->devices, d, next);
	return d;
}

static int set_up(struct hm_device *d, struct hm_error *err)
{
	struct hm_engine *e = d->engine;
	int ret = hm_device_init(d, err);

	if (ret == 0)
		ret = hm_device_assign(d, e->workers, e->n_workers, &e->next_worker, err);
	if (ret < 0)
		return ret;
	d->patterns = hm_search_store_create(e->compiler);
	return d->patterns ? 0 : hm_error_set(err, -ENOMEM, 3084, "no memory for patterns");
}

int hm_devices_from_config(struct hm_engine *e, struct hm_error *err)
{
	struct hm_error cause;

	for (size_t i = 0; i < e->config->n_devices; i++) {
		const struct hm_device_config *c = &e->config->devices[i];
		struct hm_device *d = add_device(e, c, &cause);
		int ret = d ? set_up(d, &cause) : -ENOMEM;

		if (ret < 0)
			return hm_error_set(err, ret, cause.mapi_errno, "devices[%zu] (%s): %s", i,
					    c->name, cause.text);
		hm_device_show(d);
	}
	return 0;
}

/* What is no file may keep its reader waiting, and that would be the control core. */
static int check_trace(int fd, struct hm_error *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return hm_error_set(err, -EINVAL, 6155, "the descriptor is not that of a file");
	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return hm_error_set(err, -EBADF, 6155, "the file was not opened for reading");
	return 0;
}

static unsigned count_of(const struct hm_engine *e, uint64_t client)
{
	const struct hm_device *d;
	unsigned n = 0;

	TAILQ_FOREACH (d, &e->devices, next)
		n += d->own && !d->leaving && d->owner.client == client;
	return n;
}

static int check_new(const struct hm_engine *e, const struct hm_new_device *new,
		     struct hm_error *err)
{
	if (count_of(e, new->owner.client) >= new->max)
		return hm_error_set(err, -EMFILE, 1026,
				    "this connection has %u devices of its own already: delete "
				    "some, or raise control.max_devices_per_client",
				    new->max);
	return check_trace(new->fd, err);
}

/* LABEL@NUMBER, which nobody had before. */
static int give_name(struct hm_device *d, struct hm_error *err)
{
	char *name;

	if (asprintf(&name, "%s@%u", d->own->name, d->number) < 0)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	free(d->own->name);
	d->own->name = name;
	return 0;
}

struct hm_device *hm_device_create(struct hm_engine *e, const struct hm_new_device *new,
				   struct hm_error *err)
{
	struct hm_device *d = NULL;

	if (check_new(e, new, err) == 0)
		d = add_device(e, new->config, err);
	if (!d) {
		new->release(new->config);
		return NULL;
	}
	d->own = new->config;
	d->release = new->release;
	d->owner = new->owner;
	d->owner.policy = NULL; // of flows
	d->fd = fcntl(new->fd, F_DUPFD_CLOEXEC, 3);
	if (give_name(d, err) < 0 || set_up(d, err) < 0) {
		hm_publish_fini(d);
		hm_device_free(d);
		return NULL;
	}
	hm_device_show(d);
	HM_LOG(INFO, "device made device=%s uid=%u", d->config->name, d->owner.uid);
	return d;
}

/* --- going --- */

void hm_device_delete(struct hm_device *d, hm_done_cb done, void *arg)
{
	struct hm_error err;

	d->gone = done;
	d->gone_arg = arg;
	d->want_start = false;
	if (d->state == HM_DEVICE_RUNNING)
		hm_device_pause(d, &err);
	d->leaving = HM_LEAVING_FLOWS;
}

struct hm_flow *hm_device_flow(const struct hm_device *d)
{
	struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d && f->state < HM_FLOW_CLOSING)
			return f;
	return NULL;
}

struct hm_device *hm_device_of_client(struct hm_engine *e, uint64_t client)
{
	struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next)
		if (d->own && !d->leaving && d->owner.client == client)
			return d;
	return NULL;
}

static bool has_flows(const struct hm_device *d)
{
	const struct hm_flow *f;

	TAILQ_FOREACH (f, &d->engine->flows, next)
		if (f->device == d)
			return true;
	return false;
}

/* One step; the last one frees it. */
static unsigned leave(struct hm_device *d)
{
	struct rte_rcu_qsbr *qsbr = d->engine->qsbr;

	if (d->leaving == HM_LEAVING_FLOWS) {
		if (has_flows(d) || !hm_publish_settled(d))
			return 0;
		hm_device_hide(d);
		d->token = rte_rcu_qsbr_start(qsbr);
		d->leaving = HM_LEAVING_WORKERS;
	} else {
		if (rte_rcu_qsbr_check(qsbr, d->token, false) != 1)
			return 0;
		HM_LOG(INFO, "device removed device=%s", d->config->name);
		hm_device_halt(d);
		hm_publish_fini(d);
		hm_device_free(d);
	}
	return 1;
}

void hm_device_free(struct hm_device *d)
{
	hm_done_cb gone = d->gone;
	void *arg = d->gone_arg;

	TAILQ_REMOVE(&d->engine->devices, d, next);
	hm_device_fini(d);
	if (d->fd >= 0)
		close(d->fd);
	if (d->own)
		d->release(d->own);
	free(d);
	if (gone)
		gone(arg, NULL);
}

/* --- moving --- */

/* A failing start of one device leaves the others running; it is logged and shown in device.list. */
static unsigned start_wanted(struct hm_device *d)
{
	struct hm_error err;

	if (!d->want_start || !hm_publish_settled(d))
		return 0;
	d->want_start = false;
	if (hm_device_launch(d, &err) < 0) {
		memcpy(d->error, err.text, sizeof(d->error));
		d->state = HM_DEVICE_STOPPED;
		HM_LOG(ERR, "%s", err.text);
	}
	return 1;
}

unsigned hm_devices_poll(struct hm_engine *e)
{
	struct hm_device *d, *next;
	unsigned work = 0;

	for (d = TAILQ_FIRST(&e->devices); d; d = next) {
		next = TAILQ_NEXT(d, next);
		work += hm_publish_poll(d);
		if (d->leaving)
			work += leave(d);
		else
			work += start_wanted(d) + hm_device_look(d);
	}
	return work;
}

/* --- finding --- */

bool hm_device_visible(const struct hm_device *d, const struct hm_owner *who)
{
	return !d->leaving && (!d->own || who->administrator || who->client == d->owner.client);
}

uint32_t hm_device_number(const struct hm_device *d)
{
	return d->number;
}

const char *hm_device_name(const struct hm_device *d)
{
	return d->config->name;
}

const struct hm_owner *hm_device_owner(const struct hm_device *d)
{
	return d->own ? &d->owner : NULL;
}

static bool is_meant(const struct hm_device *d, const json_t *which)
{
	const char *name = json_string_value(which);

	return name ? !strcmp(d->config->name, name)
		    : json_is_integer(which) && json_integer_value(which) == d->number;
}

struct hm_device *hm_device_find(struct hm_engine *e, const struct hm_owner *who,
				 const json_t *which, struct hm_error *err)
{
	const char *name = json_string_value(which);
	struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next)
		if (hm_device_visible(d, who) && is_meant(d, which))
			return d;
	TAILQ_FOREACH (d, &e->devices, next)
		if (name && !strcmp(d->config->alias, name)) {
			hm_error_set(err, -ENOENT, 3200,
				     "\"%s\" is the alias of device \"%s\": ask for it by its name",
				     name, d->config->name);
			return NULL;
		}
	if (name)
		hm_error_set(err, -ENOENT, 3200,
			     "there is no device \"%s\" (homardctl devices lists them)", name);
	else
		hm_error_set(err, -ENOENT, 3200,
			     "there is no device of that number (homardctl devices lists them)");
	return NULL;
}

int hm_flow_injector(const struct hm_apply_ctx *ctx, const char *device, struct hm_injector **found,
		     struct hm_error *err)
{
	const struct hm_flow *f = ctx->place;
	json_t *name = json_string(device);
	struct hm_device *d = hm_device_find(f->engine, &f->owner, name, err);

	json_decref(name);
	if (!d) {
		err->mapi_errno = 7001;
		return -ENOENT;
	}
	*found = d->injector;
	return hm_device_may_inject(d->config, f->owner.administrator, err);
}

/* --- starting and stopping --- */

int hm_device_start(struct hm_device *d, struct hm_error *err)
{
	if (d->state == HM_DEVICE_RUNNING || d->want_start)
		return hm_error_set(err, -EALREADY, 0, "device %s runs already", d->config->name);
	if (d->state == HM_DEVICE_FINISHED)
		return hm_error_set(
			err, -EINVAL, 0,
			"trace %s has been read to its end: a trace is read once a start of "
			"the daemon (or loop times)",
			d->config->name);
	if (d->state == HM_DEVICE_STOPPED)
		return hm_device_resume(d, err);
	d->want_start = true; // when the flows that are being connected are
	return 0;
}

int hm_device_stop(struct hm_device *d, struct hm_error *err)
{
	if (d->want_start) { // it had not begun yet
		d->want_start = false;
		return 0;
	}
	if (d->state != HM_DEVICE_RUNNING)
		return hm_error_set(err, -EINVAL, 0, "device %s does not run", d->config->name);
	return hm_device_pause(d, err);
}
