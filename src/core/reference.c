/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/reference.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct hm_function *find_transform(const struct hm_applied *functions, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (functions[i].fn->transform)
			return functions[i].fn;
	return NULL;
}

static bool loses_packets(const struct hm_applied *functions, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (functions[i].fn->flags & HM_FN_FILTERS)
			return true;
	return false;
}

/* Copies have no place among the packets of the device. */
static int refuse_transform(const struct hm_function *transform, struct hm_error *err)
{
	return hm_error_set(
		err, -EINVAL, 0,
		"%s changes packets: what lies behind it neither reads other flows nor is "
		"read by them",
		transform->name);
}

static int add_read(struct hm_reference *r, uint32_t flow, const struct hm_apply_ctx *ctx,
		    struct hm_error *err)
{
	struct hm_reads *reads = ctx->reads;

	for (uint32_t i = 0; i < reads->n; i++)
		if (reads->of[i].flow == flow && reads->of[i].function == r->number) {
			r->feed = (int)i;
			return 0;
		}
	if (reads->n == HM_READS_MAX)
		return hm_error_set(err, -E2BIG, 0, "it reads %d functions already", HM_READS_MAX);
	reads->of[reads->n] = (struct hm_read){flow, r->number};
	r->feed = (int)reads->n++;
	return 0;
}

static int find_number(struct hm_reference *r, const struct hm_applied *functions, uint32_t n,
		       int64_t number, struct hm_error *err)
{
	if (n == 0)
		return hm_error_set(err, -EINVAL, 0, "there is no function before this one");
	if (number < 1 || number > n)
		return hm_error_set(err, -EINVAL, 0,
				    "there is no function %" PRId64 " (1 to %" PRIu32 ")", number,
				    n);
	*r = (struct hm_reference){.number = (uint32_t)number,
				   .feed = HM_IN_PLACE,
				   .unit = functions[number - 1].unit,
				   .values = functions[number - 1].fn->values};
	if (!r->values)
		return hm_error_set(err, -EINVAL, 0, "%s has no value a packet",
				    functions[number - 1].fn->name);
	return 0;
}

static int find_here(struct hm_reference *r, int64_t number, const struct hm_apply_ctx *ctx,
		     struct hm_error *err)
{
	const struct hm_function *transform;
	uint32_t between;

	if (find_number(r, ctx->before, ctx->n_before, number, err) < 0)
		return -EINVAL;
	between = ctx->n_before - r->number;
	transform = find_transform(ctx->before + r->number, between);
	if (!transform && (!r->values->running || !loses_packets(ctx->before + r->number, between)))
		return 0;
	if (!transform)
		transform = find_transform(ctx->before, r->number);
	return transform ? refuse_transform(transform, err) : add_read(r, ctx->flow_id, ctx, err);
}

int hm_reference_find(struct hm_reference *r, const struct hm_flow_name *flow, int64_t number,
		      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	const struct hm_function *transform;
	const struct hm_applied *there;
	struct hm_other other;

	if (!flow->name && (flow->number == 0 || flow->number == ctx->flow_id))
		return find_here(r, number, ctx, err);
	if (!ctx->other)
		return hm_error_set(err, -ENOENT, 0, "there is no other flow");
	if (ctx->other(ctx, flow, &other, err) < 0)
		return -EINVAL;
	if (other.flow == ctx->flow_id)
		return find_here(r, number, ctx, err);
	if (find_number(r, other.functions, other.n, number, err) < 0)
		return -EINVAL;
	there = &other.functions[number - 1];
	if (!r->values->running && there->workers > 1)
		return hm_error_set(err, -EINVAL, 0,
				    "%s has values of its own on each of %u workers there",
				    there->fn->name, there->workers);
	if (there->apart)
		return hm_error_set(err, -EINVAL, 0,
				    "%s counts there on %u workers, whose packets have no order in "
				    "common: give the device one worker",
				    there->fn->name, there->workers);
	transform = find_transform(other.functions, r->number);
	if (!transform)
		transform = find_transform(ctx->before, ctx->n_before);
	return transform ? refuse_transform(transform, err) : add_read(r, other.flow, ctx, err);
}

int hm_reference_parse(struct hm_reference *r, const union hm_value *args, unsigned at,
		       const struct hm_apply_ctx *ctx, int mapi_errno, struct hm_error *err)
{
	struct hm_error cause;

	if (hm_reference_find(r, &args[at].flow, args[at + 1].i, ctx, &cause) < 0)
		return hm_error_set(err, -EINVAL, mapi_errno,
				    "arguments %u and %u (flow, function): %s", at + 1, at + 2,
				    cause.text);
	if (r->values->size)
		return hm_error_set(err, -EINVAL, mapi_errno,
				    "argument %u (function): its value is not one number", at + 2);
	return 0;
}

/* --- workers --- */

static uint32_t size_of(const struct hm_values *v)
{
	return v->size ? v->size : sizeof(uint64_t);
}

void hm_reader_init(struct hm_reader *r, const struct hm_reference *ref,
		    const struct hm_core_ctx *ctx)
{
	r->unit = ref->values->unit;
	r->size = size_of(ref->values);
	if (ref->feed != HM_IN_PLACE) {
		r->feed = &ctx->feeds[ref->feed];
	} else if (!ref->values->running) {
		char *state = ctx->before(ctx, ctx->function_id - ref->number);

		r->lane = state + ref->values->offset;
		if (ref->values->watch)
			ref->values->watch(state);
	}
}

const void *hm_reader_at(struct hm_reader *r, const struct hm_batch *b, unsigned i)
{
	const struct hm_tap *tap;

	if (!r->feed)
		return r->lane + i * r->size;
	tap = atomic_load_explicit(&r->feed->tap, memory_order_acquire); // engine: hang_tap
	if (tap)
		memcpy(r->last, hm_tap_at(tap, b, i), r->size);
	return r->last;
}

const uint64_t *hm_reader_values(struct hm_reader *r, const struct hm_batch *b, uint64_t in)
{
	if (r->lane)
		return (const uint64_t *)r->lane;
	hm_mask_foreach (i, in) {
		if (r->feed) {
			memcpy(&r->numbers[i], hm_reader_at(r, b, i), sizeof(uint64_t));
			continue;
		}
		r->total += r->unit == HM_UNIT_BYTES ? b->wirelen[i] : 1;
		r->numbers[i] = r->total;
	}
	return r->numbers;
}

const void *hm_tap_at(const struct hm_tap *t, const struct hm_batch *b, unsigned i)
{
	uint64_t up_to = t->mask & (UINT64_MAX >> (63 - i));

	if (t->batch != b->number)
		return t->last;
	if (!up_to)
		return t->before;
	return t->lane + (63 - (unsigned)__builtin_clzll(up_to)) * size_of(t->values);
}

void hm_tap_update(struct hm_tap *t, const struct hm_batch *b, uint64_t in)
{
	uint32_t size = size_of(t->values);

	if (t->values->running)
		hm_mask_foreach (i, in) {
			t->total += t->values->unit == HM_UNIT_BYTES ? b->wirelen[i] : 1;
			t->counts[i] = t->total;
		}
	t->batch = b->number;
	t->mask = in;
	memcpy(t->before, t->last, size);
	memcpy(t->last, t->lane + (63 - (unsigned)__builtin_clzll(in)) * size, size);
}

const char *hm_unit_name(enum hm_unit unit)
{
	static const char *const names[] = {[HM_UNIT_NONE] = "",
					    [HM_UNIT_NS] = "ns",
					    [HM_UNIT_PACKETS] = "packets",
					    [HM_UNIT_BYTES] = "bytes"};

	return names[unit];
}
