/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/handover.h"

#include <errno.h>
#include <stdlib.h>

struct handover_conf {
	struct hm_runners *runners;
	uint32_t ref;
};

struct mark_core {
	struct hm_runners *runners;
	unsigned lane;
	uint32_t ref;
};

struct pick_core {
	const struct hm_order *order;
	uint32_t ref;
};

static uint64_t mark_process(void *core, const struct hm_batch *b, uint64_t in)
{
	const struct mark_core *c = core;

	hm_runners_mark(c->runners, c->lane, c->ref, b, in);
	return in;
}

static int mark_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct handover_conf *conf = ctx->conf;
	struct mark_core *c = core;

	*c = (struct mark_core){conf->runners, ctx->worker, conf->ref};
	return 0;
}

static uint64_t pick_process(void *core, const struct hm_batch *b, uint64_t in)
{
	const struct pick_core *c = core;

	return in & hm_order_wants(c->order, c->ref);
}

static int pick_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct handover_conf *conf = ctx->conf;
	struct pick_core *c = core;

	*c = (struct pick_core){conf->runners->runner[ctx->worker].order, conf->ref};
	return 0;
}

static const struct hm_function mark = {
	.name = "(to the ordered part)",
	.conf_size = sizeof(struct handover_conf),
	.core_size = sizeof(struct mark_core),
	.core_init = mark_core_init,
	.process = mark_process,
};

static const struct hm_function pick = {
	.name = "(in order)",
	.flags = HM_FN_FILTERS,
	.conf_size = sizeof(struct handover_conf),
	.core_size = sizeof(struct pick_core),
	.core_init = pick_core_init,
	.process = pick_process,
};

static struct hm_node *make(struct hm_node *parent, const struct hm_function *fn,
			    struct hm_runners *s, uint32_t ref, struct hm_core_ctx *ctx,
			    struct hm_error *err)
{
	struct handover_conf *conf = calloc(1, sizeof(*conf));
	struct hm_node *n;

	if (!conf) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	*conf = (struct handover_conf){s, ref};
	n = hm_node_get(parent, fn, conf, NULL, ctx, err);
	if (!n)
		free(conf);
	return n;
}

struct hm_node *hm_handover_mark(struct hm_node *parent, struct hm_runners *s, uint32_t ref,
				 struct hm_core_ctx *ctx, struct hm_error *err)
{
	return make(parent, &mark, s, ref, ctx, err);
}

struct hm_node *hm_handover_pick(struct hm_runners *s, uint32_t ref, struct hm_core_ctx *ctx,
				 struct hm_error *err)
{
	return make(hm_nodes_root(s->nodes), &pick, s, ref, ctx, err);
}
