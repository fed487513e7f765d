/* SPDX-License-Identifier: BSD-3-Clause */
/* control: what the methods share; the reload of the configuration (see control.h). */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "control/restrict.h"
#include "core/log.h"

HM_LOG_TYPE(control);

int hm_control_init(struct hm_control *c, uv_loop_t *loop, struct hm_engine *engine,
		    const struct hm_config *config, struct hm_error *err)
{
	*c = (struct hm_control){.engine = engine, .loop = loop, .config = config};
	c->started_ns = uv_hrtime();
	return hm_roles_resolve(&c->roles, config, err);
}

void hm_control_fini(struct hm_control *c)
{
	hm_roles_free(&c->roles);
	hm_config_free(c->reloaded);
	free(c->users);
	*c = (struct hm_control){0};
}

void hm_control_stop(struct hm_control *c)
{
	if (c->stopping)
		return;
	c->stopping = true;
	sd_notify(0, "STOPPING=1");
	hm_engine_stop(c->engine);
}

uint32_t *hm_control_user_flows(struct hm_control *c, uint32_t uid)
{
	for (size_t i = 0; i < c->n_users; i++)
		if (c->users[i].uid == uid)
			return &c->users[i].n;
	struct hm_user_flows *users = realloc(c->users, (c->n_users + 1) * sizeof(*users));
	if (!users)
		return NULL;
	c->users = users;
	users[c->n_users] = (struct hm_user_flows){.uid = uid};
	return &users[c->n_users++].n;
}

/* --- reload --- */

struct reload {
	uv_work_t work;
	struct hm_control *control;
	struct hm_call *call; // NULL: asked by SIGHUP
	char *path;
	struct hm_config *config;
	struct hm_roles roles;
	struct hm_mistakes mistakes;
};

static void answer_reload(struct reload *r, const struct hm_error *err)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->mistakes.lines.n; i++) {
		HM_LOG(ERR, "%s", r->mistakes.lines.at[i]);
		json_array_append_new(list, json_string(r->mistakes.lines.at[i]));
	}
	if (err)
		HM_LOG(ERR, "configuration not reloaded: %s", err->text);
	else
		HM_LOG(NOTICE, "configuration reloaded file=%s", r->path);
	if (!r->call)
		json_decref(list);
	else if (!err)
		hm_call_result(r->call,
			       json_pack("{s:s, s:o}", "status", "reloaded", "mistakes", list));
	else
		hm_call_refuse(r->call, HM_RPC_FAILED, json_pack("{s:o}", "mistakes", list),
			       "not reloaded: %s", err->text);
	sd_notify(0, "READY=1");
	r->control->reloading = false;
	hm_config_free(r->config);
	hm_roles_free(&r->roles);
	hm_mistakes_free(&r->mistakes);
	free(r->path);
	free(r);
}

/* The engine has taken over what it needs of r->config, or refused it. */
static void engine_reloaded(void *arg, const struct hm_error *err)
{
	struct reload *r = arg;
	struct hm_control *c = r->control;
	if (!err) {
		struct hm_roles roles = c->roles;
		struct hm_config *old = c->reloaded;
		c->roles = r->roles;
		c->config = c->reloaded = r->config;
		r->roles = roles;
		r->config = old; // freed with r
		if (!hm_roles_same_policies(&roles, &c->roles))
			hm_control_policies_changed(c);
	}
	answer_reload(r, err);
}

/* What the socket cannot change while it is open. */
static bool same_socket(const struct hm_control_config *a, const struct hm_control_config *b)
{
	return strcmp(a->socket, b->socket) == 0 && a->mode == b->mode;
}

static void load(uv_work_t *work)
{
	struct reload *r = work->data;
	struct hm_error err = {0};
	r->config = hm_config_load(r->path, &r->mistakes);
	if (r->config && hm_roles_resolve(&r->roles, r->config, &err) < 0)
		hm_mistake(&r->mistakes, "", "%s: %s", r->path, err.text);
}

static void loaded(uv_work_t *work, int status)
{
	struct reload *r = work->data;
	struct hm_error err = {0};
	size_t n = r->mistakes.lines.n + r->mistakes.more;
	if (status < 0 || r->control->stopping)
		hm_error_set(&err, -ECANCELED, 6140, "the daemon is stopping");
	else if (n > 0)
		hm_error_set(&err, -EINVAL, 0, "%s has %zu mistake%s", r->path, n,
			     n == 1 ? "" : "s");
	else if (!same_socket(&r->config->control, &r->control->config->control))
		hm_error_set(&err, -EINVAL, 0,
			     "%s: control.socket and control.mode cannot change while the daemon "
			     "runs; restart it",
			     r->path);
	if (err.text[0])
		answer_reload(r, &err);
	else
		hm_engine_reload(r->control->engine, r->config, engine_reloaded, r);
}

void hm_control_reload(struct hm_control *c, struct hm_call *call)
{
	struct reload *r = c->reloading ? NULL : calloc(1, sizeof(*r));
	char *path = strdup(c->config->file);
	if (!r || !path) {
		if (call)
			hm_call_refuse(call, HM_RPC_FAILED, NULL, "a reload is under way already");
		free(r);
		free(path);
		return;
	}
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
	c->reloading = true;
	r->control = c;
	r->call = call;
	r->path = path;
	r->work.data = r;
	r->mistakes.check_function = hm_config_check_function;
	uv_queue_work(c->loop, &r->work, load, loaded);
}
