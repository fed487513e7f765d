/* SPDX-License-Identifier: BSD-3-Clause */
/* INJECT: sends a copy of each packet out of another device; all packets pass. The configuration says of each device
 * whose flows may do that ("inject"). Costs a copy; what cannot be sent is counted by cause.
 */
#include "core/function.h"
#include "core/injector.h"

#include <errno.h>
#include <string.h>

struct inject_conf {
	struct hm_injector *injector; // NULL while a configuration is only checked
};

struct inject_core {
	struct hm_injector *injector;
	struct hm_inject_counts counts;
};

static uint64_t inject_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct inject_core *const c = core;

	hm_injector_put(c->injector, b, in, &c->counts);
	return in;
}

static bool inject_ready(void *core)
{
	const struct inject_core *const c = core;

	return hm_injector_ready(c->injector);
}

/* --- control core --- */

static int inject_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	struct inject_conf *const c = conf;
	const char *const device = args[0].s;

	if (!ctx->injector)
		return hm_error_set(err, -ENOENT, 7001, "INJECT: there are no devices here");
	if (!strcmp(device, ctx->device))
		return hm_error_set(err, -ELOOP, 7001,
				    "INJECT: %s is the device of this flow: its packets would come "
				    "round for ever; name another one",
				    device);
	const int code = ctx->injector(ctx, device, &c->injector, err);
	if (code < 0)
		return code;
	if (c->injector && hm_injector_link(c->injector) != ctx->link)
		return hm_error_set(err, -EINVAL, 7001,
				    "INJECT: packets of this flow begin with a header of link type "
				    "%s, device %s sends %s",
				    hm_link_name(ctx->link), device,
				    hm_link_name(hm_injector_link(c->injector)));
	return 0;
}

static int inject_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct inject_conf *const conf = ctx->conf;
	struct inject_core *const c = core;
	const int code = hm_injector_join(conf->injector, err);

	if (code == 0)
		c->injector = conf->injector;
	return code;
}

static void inject_core_fini(void *core)
{
	const struct inject_core *const c = core;

	if (c->injector)
		hm_injector_leave(c->injector);
}

/* --- results --- */

static const struct {
	const char *cause;
	size_t offset; // in the core state
} causes[] = {
	{"no_buffer", offsetof(struct inject_core, counts.no_buffer)},
	{"port_busy", offsetof(struct inject_core, counts.port_busy)},
	{"too_long", offsetof(struct inject_core, counts.too_long)},
	{"too_short", offsetof(struct inject_core, counts.too_short)},
	{"cut", offsetof(struct inject_core, counts.cut)},
};

static json_t *inject_stats(const void *conf, void *const *cores, unsigned n)
{
	json_t *const dropped = json_object();

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < n; k++)
			sum += __atomic_load_n(
				(const uint64_t *)((const char *)cores[k] + causes[i].offset),
				__ATOMIC_RELAXED);
		json_object_set_new(dropped, causes[i].cause, json_integer((json_int_t)sum));
	}
	return json_pack("{s:o}", "dropped", dropped);
}

static const struct hm_field dropped_fields[] = {
	{.name = "no_buffer",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "every buffer was in use"},
	{.name = "port_busy",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "too many waited already: the port sends more slowly than packets come"},
	{.name = "too_long",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "longer than the port's MTU and a link header"},
	{.name = "too_short",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "shorter than a link header"},
	{.name = "cut",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_TOLD,
	 .unit = "packets",
	 .help = "not captured whole"},
	{0},
};

static const struct hm_field results[] = {
	{.name = "injected",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct inject_core, counts.injected),
	 .help = "handed over to the device; the ledger says whether it has sent them",
	 .c = HM_C_NONE},
	{.name = "dropped",
	 .type = HM_FIELD_OBJECT,
	 .merge = HM_MERGE_TOLD,
	 .help = "packets that the device did not get, by cause",
	 .c = HM_C_NONE,
	 .of = dropped_fields},
	{0},
};

static const struct hm_arg arguments[] = {
	{.name = "device",
	 .type = HM_ARG_STRING,
	 .help = "out of which the packets are sent, by its name"},
	{0},
};

static const struct hm_function inject = {
	.name = "INJECT",
	.summary = "sends packets out of another device",
	.flags = HM_FN_SENDS,
	.args = arguments,
	.results = results,
	.conf_size = sizeof(struct inject_conf),
	.core_size = sizeof(struct inject_core),
	.cost = {.batch = 120, .packet = 60},
	.conf_init = inject_conf_init,
	.core_init = inject_core_init,
	.core_fini = inject_core_fini,
	.stats = inject_stats,
	.process = inject_process,
	.ready = inject_ready,
};
HM_FUNCTION_REGISTER(inject);
