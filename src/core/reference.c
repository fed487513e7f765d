/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/reference.h"

#include <errno.h>
#include <inttypes.h>

/* Whether the packets between function `number` and the reader stay the same, as far as its values need it. */
static int check_between(uint32_t number, unsigned position, const struct hm_apply_ctx *ctx,
			 int mapi_errno, struct hm_error *err)
{
	const struct hm_function *f = ctx->before[number - 1];

	for (uint32_t i = number; i < ctx->n_before; i++) {
		const struct hm_function *between = ctx->before[i];
		bool filters = (between->flags & HM_FN_FILTERS) && f->values->running;

		if (between->transform || filters)
			return hm_error_set(err, -EINVAL, mapi_errno,
					    "argument %u (function): %s %s packets between %s and "
					    "this function, which must see the same ones",
					    position, between->name,
					    between->transform ? "changes" : "takes away", f->name);
	}
	return 0;
}

int hm_reference_parse(struct hm_reference *r, const union hm_value *args, unsigned at,
		       const struct hm_apply_ctx *ctx, int mapi_errno, struct hm_error *err)
{
	int64_t flow = args[at].i, number = args[at + 1].i;
	const struct hm_function *f;

	if (flow != 0 && flow != ctx->flow_id)
		return hm_error_set(err, -EINVAL, mapi_errno,
				    "argument %u (flow) must be 0 or %" PRIu32
				    ", this flow: other flows see other packets",
				    at + 1, ctx->flow_id);
	if (number < 1 || number > ctx->n_before)
		return hm_error_set(err, -EINVAL, mapi_errno,
				    "argument %u (function) is %" PRId64
				    ", must be the number of a function before this one in the "
				    "flow (1 to %" PRIu32 ")",
				    at + 2, number, ctx->n_before);
	f = ctx->before[number - 1];
	if (!f->values)
		return hm_error_set(err, -EINVAL, mapi_errno,
				    "argument %u (function): %s has no value a packet", at + 2,
				    f->name);
	*r = (struct hm_reference){.number = (uint32_t)number, .values = f->values};
	return check_between((uint32_t)number, at + 2, ctx, mapi_errno, err);
}

void hm_reader_init(struct hm_reader *r, const struct hm_reference *ref,
		    const struct hm_core_ctx *ctx)
{
	r->unit = ref->values->unit;
	if (!ref->values->running) {
		const char *state = ctx->before(ctx, ctx->function_id - ref->number);

		r->values = (const uint64_t *)(state + ref->values->offset);
	}
}

const uint64_t *hm_reader_values(struct hm_reader *r, const struct hm_batch *b, uint64_t in)
{
	if (r->values)
		return r->values;
	hm_mask_foreach (i, in) {
		r->total += r->unit == HM_UNIT_BYTES ? b->wirelen[i] : 1;
		r->counts[i] = r->total;
	}
	return r->counts;
}

const char *hm_unit_name(enum hm_unit unit)
{
	static const char *const names[] = {[HM_UNIT_NONE] = "",
					    [HM_UNIT_NS] = "ns",
					    [HM_UNIT_PACKETS] = "packets",
					    [HM_UNIT_BYTES] = "bytes"};

	return names[unit];
}
