/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/tap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct tap_conf {
	const struct hm_values *values;
	char *state; // of the function; NULL: a counter
};

static uint64_t tap_process(void *core, const struct hm_batch *b, uint64_t in)
{
	hm_tap_update(core, b, in);
	return in;
}

static int tap_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct tap_conf *conf = ctx->conf;
	struct hm_tap *t = core;

	t->values = conf->values;
	t->lane = conf->state ? conf->state + conf->values->offset : (const char *)t->counts;
	return 0;
}

static const struct hm_function tap = {
	.name = "(read from elsewhere)",
	.conf_size = sizeof(struct tap_conf),
	.core_size = sizeof(struct hm_tap),
	.core_init = tap_core_init,
	.process = tap_process,
};

struct hm_node *hm_tap_node(struct hm_node *parent, const struct hm_node *of,
			    struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hm_values *values = of->fn->values;
	struct tap_conf *conf = calloc(1, sizeof(*conf));
	struct hm_node *n;

	assert(hm_nodes_lanes(parent->nodes) == 1);
	if (!conf) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	conf->values = values;
	if (!values->running) {
		assert(of->nodes == parent->nodes);
		conf->state = hm_node_state(of, 0);
		if (values->watch)
			values->watch(conf->state);
	}
	n = hm_node_get(parent, &tap, conf, NULL, ctx, err);
	if (!n)
		free(conf);
	return n;
}

const struct hm_tap *hm_node_tap(const struct hm_node *n)
{
	return hm_node_state(n, 0);
}
