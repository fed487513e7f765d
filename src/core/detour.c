/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/detour.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct leave_core {
	uint64_t batch; // the last one that has brought packets
	uint64_t mask;
};

struct return_conf {
	const struct leave_core *leave;
};

static uint64_t leave_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct leave_core *c = core;

	*c = (struct leave_core){b->number, in};
	return in;
}

static uint64_t return_process(void *core, const struct hm_batch *b, uint64_t in)
{
	const struct return_conf *c = core;

	return c->leave->batch == b->number ? c->leave->mask & in : 0;
}

static int return_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	*(struct return_conf *)core = *(const struct return_conf *)ctx->conf;
	return 0;
}

static const struct hm_function leave_fn = {
	.name = "(waits for others)",
	.core_size = sizeof(struct leave_core),
	.process = leave_process,
};

static const struct hm_function return_fn = {
	.name = "(goes on)",
	.flags = HM_FN_FILTERS,
	.conf_size = sizeof(struct return_conf),
	.core_size = sizeof(struct return_conf),
	.core_init = return_core_init,
	.process = return_process,
};

struct hm_node *hm_detour_leave(struct hm_node *parent, struct hm_core_ctx *ctx,
				struct hm_error *err)
{
	assert(hm_nodes_lanes(parent->nodes) == 1); // who reads values is ordered
	return hm_node_get(parent, &leave_fn, NULL, NULL, ctx, err);
}

struct hm_node *hm_detour_return(const struct hm_node *leave, uint64_t late,
				 struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct return_conf *conf = calloc(1, sizeof(*conf));
	struct hm_node *n;

	if (!conf) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	conf->leave = hm_node_state(leave, 0);
	n = hm_node_get(hm_nodes_root(leave->nodes), &return_fn, conf, NULL, ctx, err);
	if (n)
		hm_node_set_late(n, late);
	else
		free(conf);
	return n;
}
