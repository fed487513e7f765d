/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_malloc.h>
#include <rte_pause.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hm_instance *hm_instance_create(const struct hm_function *fn, uint32_t number,
				       const json_t *args, const struct hm_apply_ctx *ctx,
				       struct hm_error *err)
{
	union hm_value values[HM_ARGS_MAX] = {0};
	struct hm_instance *in;
	int ret = hm_args_parse(fn, args, values, err);

	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	in = calloc(1, sizeof(*in));
	if (in)
		in->conf = calloc(1, fn->conf_size ? fn->conf_size : 1);
	if (!in || !in->conf) {
		free(in);
		hm_error_set(err, -ENOMEM, 3084, "%s: out of memory", fn->name);
		errno = ENOMEM;
		return NULL;
	}
	in->fn = fn;
	in->number = number;
	ret = fn->conf_init ? fn->conf_init(in->conf, values, ctx, err) : 0;
	if (ret < 0) {
		free(in->conf);
		free(in);
		errno = -ret;
		return NULL;
	}
	in->args = args ? json_deep_copy(args) : json_array();
	return in;
}

int hm_instance_connect(struct hm_instance *in, struct hm_core_ctx *ctx, const int *sockets,
			struct hm_error *err)
{
	const struct hm_function *fn = in->fn;
	int ret = fn->connect ? fn->connect(in->conf, err) : 0;

	if (ret < 0)
		return ret;
	ctx->conf = in->conf;
	ctx->function_id = in->number;
	for (unsigned w = 0; w < ctx->n_workers; w++) {
		struct hm_core *core = rte_zmalloc_socket(fn->name, sizeof(*core) + fn->core_size,
							  RTE_CACHE_LINE_SIZE, sockets[w]);
		if (!core)
			return hm_error_set(
				err, -ENOMEM, 3084,
				"%s: no memory for %zu bytes of state (raise eal.memory_mb)",
				fn->name, fn->core_size);
		ctx->worker = w;
		ctx->socket = sockets[w];
		ret = fn->core_init ? fn->core_init(core->state, ctx, err) : 0;
		if (ret < 0) {
			rte_free(core);
			return ret;
		}
		in->cores[in->n_cores++] = core;
	}
	return 0;
}

bool hm_instance_finish(struct hm_instance *in, uint64_t now_ns)
{
	const struct hm_function *fn = in->fn;
	bool done = true;

	for (unsigned w = 0; w < in->n_cores && fn->drain; w++)
		done &= fn->drain(in->cores[w]->state);
	if (fn->poll)
		fn->poll(in->conf, now_ns);
	return done && (!fn->idle || fn->idle(in->conf));
}

void hm_instance_destroy(struct hm_instance *in)
{
	for (unsigned w = 0; w < in->n_cores; w++) {
		if (in->fn->core_fini)
			in->fn->core_fini(in->cores[w]->state);
		rte_free(in->cores[w]);
	}
	if (in->fn->conf_fini)
		in->fn->conf_fini(in->conf);
	free(in->conf);
	json_decref(in->args);
	free(in->base);
	free(in);
}

void hm_core_counts(const struct hm_core *core, struct hm_counts *c)
{
	for (;;) {
		uint32_t before = atomic_load_explicit(&core->sequence, memory_order_acquire);

		c->in = atomic_load_explicit(&core->in, memory_order_relaxed);
		c->out = atomic_load_explicit(&core->out, memory_order_relaxed);
		c->dropped = atomic_load_explicit(&core->dropped, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire); // writer: hm_core_count
		if (!(before & 1) &&
		    before == atomic_load_explicit(&core->sequence, memory_order_relaxed))
			return;
		rte_pause();
	}
}

void hm_instance_counts(const struct hm_instance *in, struct hm_counts *c)
{
	*c = (struct hm_counts){0};
	for (unsigned w = 0; w < in->n_cores; w++) {
		struct hm_counts one;

		hm_core_counts(in->cores[w], &one);
		c->in += one.in;
		c->out += one.out;
		c->dropped += one.dropped;
	}
}

/* One field over all workers. A worker that has seen nothing leaves a MIN or MAX field 0: not a value. */
static uint64_t merge_field(const struct hm_instance *in, const struct hm_field *f)
{
	uint64_t merged = 0;

	for (unsigned w = 0; w < in->n_cores; w++) {
		const void *at = in->cores[w]->state + f->offset;
		uint64_t v = f->type == HM_FIELD_U32
				     ? __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED)
				     : __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
		if (f->merge == HM_MERGE_SUM)
			merged += v;
		else if (v && (!merged || (f->merge == HM_MERGE_MIN ? v < merged : v > merged)))
			merged = v;
	}
	return merged;
}

int hm_instance_reset(struct hm_instance *in)
{
	const struct hm_field *f = in->fn->results;
	size_t n = 0;

	while (f && f[n].name)
		n++;
	if (!in->base)
		in->base = calloc(n + 1, sizeof(*in->base));
	if (!in->base)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (f[i].merge == HM_MERGE_SUM)
			in->base[i] = merge_field(in, &f[i]);
	return 0;
}

json_t *hm_json_ns(uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ns);
	return json_string(text);
}

static json_t *field_json(const struct hm_instance *in, const struct hm_field *f)
{
	uint64_t v = merge_field(in, f) - (in->base ? in->base[f - in->fn->results] : 0);

	return f->type == HM_FIELD_TIME_NS ? hm_json_ns(v) : json_integer((json_int_t)v);
}

json_t *hm_instance_result(const struct hm_instance *in)
{
	const struct hm_field *f = in->fn->results;
	json_t *result;

	if (f && f[0].name && !f[1].name && !in->fn->stats && !strcmp(f[0].name, "value"))
		return field_json(in, f);
	if (!f && !in->fn->stats)
		return NULL;
	if (in->fn->stats) {
		void *states[HM_WORKERS_MAX];

		for (unsigned w = 0; w < in->n_cores; w++)
			states[w] = in->cores[w]->state;
		result = in->fn->stats(in->conf, states, in->n_cores);
	} else {
		result = json_object();
	}
	for (; f && f->name; f++)
		json_object_set_new(result, f->name, field_json(in, f));
	return result;
}
