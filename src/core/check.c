/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be told of a configuration before EAL is started: lcores, memory, traces, and every function with
 * its arguments. All mistakes are told, not only the first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/engine_internal.h"
#include "core/injector.h"
#include "core/lcores.h"
#include "core/registry.h"
#include "trace/trace.h"

struct check {
	const struct hm_config *config;
	size_t flow; // the one that is being looked at
	hm_mistake_cb tell;
	void *arg;
	unsigned mistakes;
	unsigned n_workers;
	enum hm_link links[HM_DEVICES_MAX];
};

static void __attribute__((format(printf, 2, 3))) tell(struct check *c, const char *format, ...)
{
	char text[HM_ERROR_MAX + 256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c->tell(c->arg, text);
	c->mistakes++;
}

static void check_lcores(struct check *c)
{
	const char *lcores = c->config->eal.lcores;
	struct hm_error err;
	uint64_t set[2];
	int n = hm_lcores_parse(lcores, set, &err);

	if (n < 0)
		tell(c, "eal.lcores: %s", err.text);
	else if (n < 2)
		tell(c,
		     "eal.lcores: \"%s\" is one lcore; it takes one for the control core and at "
		     "least one "
		     "worker, for example \"0-1\", or \"0@0,1@0\" on one CPU",
		     lcores);
	c->n_workers = n < 2 ? 1 : (unsigned)n - 1;
}

static void check_devices(struct check *c)
{
	uint64_t bytes = 0, memory = (uint64_t)c->config->eal.memory_mb << 20;

	for (size_t i = 0; i < c->config->n_devices; i++) {
		const struct hm_device_config *d = &c->config->devices[i];
		struct hm_trace_reader *r;
		struct hm_error err;
		uint32_t buffers, room;
		struct stat st;

		bytes += hm_device_memory(d, &buffers, &room) + hm_injector_memory(d);
		if (d->inject != HM_INJECT_NOBODY && !hm_device_sends(d))
			tell(c, "devices[%zu].inject: %s cannot send; remove it", i,
			     d->source == HM_SOURCE_TRACE ? "a trace" : "this card");
		c->links[i] = HM_LINK_ETHERNET;
		if (d->source != HM_SOURCE_TRACE)
			continue;
		if (stat(d->where, &st) == 0 && !S_ISREG(st.st_mode)) {
			tell(c,
			     "devices[%zu].trace: %s is no file; a trace is read from its start, "
			     "and "
			     "may be read again",
			     i, d->where);
			continue;
		}
		r = hm_trace_open(d->where, &err);
		if (r)
			c->links[i] = hm_trace_link(r);
		else
			tell(c, "devices[%zu].trace: %s", i, err.text);
		hm_trace_close(r);
	}
	if (bytes >= memory)
		tell(c,
		     "eal.memory_mb: packet buffers alone take %" PRIu64
		     " MB of %u; raise it, or lower snaplen, buffers or queues",
		     bytes >> 20, c->config->eal.memory_mb);
}

static size_t device_of(const struct hm_config *config, const struct hm_flow_config *f)
{
	size_t i = 0;

	while (i + 1 < config->n_devices && strcmp(config->devices[i].name, f->device) != 0)
		i++;
	return i;
}

/* A function may read one of a flow that the configuration has before its own, and knows by its name. */
static int find_other(const struct hm_apply_ctx *ctx, const struct hm_flow_name *which,
		      struct hm_other *found, struct hm_error *err)
{
	const struct check *c = ctx->place;
	const struct hm_flow_config *f = NULL;

	if (!which->name)
		return hm_error_set(err, -ENOENT, 0,
				    "the configuration knows other flows by their names only");
	for (size_t i = 0; i <= c->flow && !f; i++)
		if (c->config->flows[i].name && !strcmp(c->config->flows[i].name, which->name))
			f = &c->config->flows[i];
	if (!f)
		return hm_error_set(err, -ENOENT, 0, "there is no flow \"%s\" before this one",
				    which->name);
	if (strcmp(f->device, ctx->device) != 0)
		return hm_error_set(err, -EINVAL, 0, "flow \"%s\" is on device %s, this one on %s",
				    which->name, f->device, ctx->device);
	found->flow = (uint32_t)(f - c->config->flows) + 1;
	for (found->n = 0;
	     found->n < HM_FLOW_FUNCTIONS_MAX && found->n < json_array_size(f->functions);
	     found->n++) {
		const json_t *call = json_array_get(f->functions, found->n);
		const struct hm_function *fn =
			hm_function_find(json_string_value(json_array_get(call, 0)));

		if (!fn)
			break; // told by the loader
		found->functions[found->n] =
			(struct hm_applied){.fn = fn,
					    .unit = fn->values ? fn->values->unit : HM_UNIT_NONE,
					    .workers = 1};
	}
	return 0;
}

static int find_injector(const struct hm_apply_ctx *ctx, const char *device,
			 struct hm_injector **found, struct hm_error *err)
{
	const struct check *c = ctx->place;

	*found = NULL;
	for (size_t i = 0; i < c->config->n_devices; i++)
		if (!strcmp(c->config->devices[i].name, device))
			return hm_device_may_inject(&c->config->devices[i], true, err);
	return hm_error_set(err, -ENOENT, 7001, "there is no device \"%s\" in the configuration",
			    device);
}

/* `before`: the functions of the flow so far. */
static void check_function(struct check *c, const struct hm_flow_config *f, size_t i,
			   struct hm_applied *before, uint32_t *n_before)
{
	const json_t *call = json_array_get(f->functions, i);
	const char *name = json_string_value(json_array_get(call, 0));
	const struct hm_function *fn = hm_function_find(name);
	size_t device = device_of(c->config, f);
	const struct hm_device_config *d = &c->config->devices[device];
	const struct hm_apply_ctx ctx = {.link = c->links[device],
					 .snaplen = d->snaplen,
					 .n_workers = RTE_MIN(c->n_workers, d->queues),
					 .device = d->name,
					 .administrator = true,
					 .configured = true,
					 .capture_dir = c->config->capture.dir,
					 .flow_report = &c->config->flow_report,
					 .anonymize_key = c->config->anonymize.key_file,
					 .flow_id = (uint32_t)c->flow + 1,
					 .before = before,
					 .n_before = *n_before,
					 .other = find_other,
					 .injector = find_injector,
					 .place = c};
	struct hm_applied applied = {.fn = fn, .unit = HM_UNIT_NONE, .workers = 1};
	struct hm_instance *in;
	struct hm_error err;
	json_t *args;

	if (!fn)
		return; // told by the loader
	args = json_copy((json_t *)(uintptr_t)call);
	json_array_remove(args, 0);
	in = hm_instance_create(fn, (uint32_t)i + 1, args, &ctx, &err);
	if (in) {
		applied.unit = in->unit;
		applied.selector = in->selector;
		hm_instance_destroy(in);
	} else {
		tell(c, "%s.functions[%zu] (%s): %s", f->path, i, name, err.text);
	}
	json_decref(args);
	if (*n_before < HM_FLOW_FUNCTIONS_MAX)
		before[(*n_before)++] = applied;
}

static void check_names(struct check *c, const struct hm_policy_config *p, const char *key,
			const struct hm_strings *functions)
{
	for (size_t i = 0; i < functions->n; i++)
		if (!hm_function_find(functions->at[i]))
			tell(c, "%s.%s[%zu]: there is no function \"%s\"", p->path, key, i,
			     functions->at[i]);
}

/* Its functions as on the first device. */
static void check_policy(struct check *c, const struct hm_policy_config *p)
{
	const struct hm_flow_config flow = {.name = p->name,
					    .device = c->config->devices[0].name,
					    .functions = p->functions,
					    .path = p->path};
	struct hm_applied before[HM_FLOW_FUNCTIONS_MAX];
	uint32_t n_before = 0;

	c->flow = 0;
	for (size_t i = 0; i < json_array_size(p->functions); i++)
		check_function(c, &flow, i, before, &n_before);
	check_names(c, p, "allow", &p->allow);
	check_names(c, p, "refuse", &p->refuse);
	for (size_t i = 0; i < p->devices.n; i++) {
		size_t k = 0;

		while (k < c->config->n_devices &&
		       strcmp(c->config->devices[k].name, p->devices.at[i]) != 0)
			k++;
		if (k == c->config->n_devices)
			tell(c, "%s.devices[%zu]: there is no device \"%s\"", p->path, i,
			     p->devices.at[i]);
	}
}

unsigned hm_engine_check(const struct hm_config *config, hm_mistake_cb mistake, void *arg)
{
	struct check c = {.config = config, .tell = mistake, .arg = arg};

	check_lcores(&c);
	check_devices(&c);
	for (size_t i = 0; i < config->n_flows; i++) {
		struct hm_applied before[HM_FLOW_FUNCTIONS_MAX];
		uint32_t n_before = 0;

		c.flow = i;
		for (size_t k = 0; k < json_array_size(config->flows[i].functions); k++)
			check_function(&c, &config->flows[i], k, before, &n_before);
	}
	for (size_t i = 0; i < config->n_policies; i++)
		check_policy(&c, &config->policies[i]);
	return c.mistakes;
}
