/* SPDX-License-Identifier: BSD-3-Clause */
/* TO_BUFFER: copies each packet into a packet ring in shared memory (core/pktring.h), from which a
 * client of the flow reads; all packets pass. Costs one copy. A full ring drops new packets and
 * counts them; {"preference": "fast"} overwrites the oldest instead; and a lossless trace waits for
 * the reader, as MAPI has it, unless a preference says otherwise. Other options: "bytes" of packet
 * memory for each worker, and "snaplen".
 */
#include "core/function.h"
#include "core/pktring.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BYTES_ALL \
	(256u << 20) // of packet memory, all workers together: the most a user may ask for

enum flag { WAIT, NOWAIT }; // of the reader: whether mapi_get_next_pkt() blocks

struct to_buffer_conf {
	struct hm_pktring_conf ring_conf;
	struct hm_pktring *ring; // from connect() on
};

struct to_buffer_core {
	struct hm_pktring *ring;
	unsigned worker;
};

static uint64_t to_buffer_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct to_buffer_core *const c = core;
	hm_pktring_put(c->ring, c->worker, b, in);
	return in;
}

static bool to_buffer_ready(void *core)
{
	struct to_buffer_core *const c = core;
	return hm_pktring_ready(c->ring, c->worker);
}

static bool to_buffer_drain(void *core)
{
	struct to_buffer_core *const c = core;
	hm_pktring_end(c->ring, c->worker);
	return true;
}

/* --- control core --- */

static const struct hm_arg arguments[] = {
	{.name = "flag",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .min = WAIT,
	 .max = NOWAIT,
	 .value_default = WAIT,
	 .help = "whether a client that asks for a packet waits for one: WAIT 0, NOWAIT 1"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"preference\": \"slow\" or \"fast\"; \"bytes\" of packet memory for each "
		 "worker; "
		 "\"snaplen\": bytes kept of a packet"},
	{0},
};

static int refuse(struct hm_error *err, const char *key, const char *range)
{
	return hm_error_set(err, -EINVAL, 7002, "TO_BUFFER: option \"%s\" must be %s", key, range);
}

static int set_preference(struct hm_pktring_conf *conf, const json_t *value, struct hm_error *err)
{
	const char *const s = json_string_value(value);
	if (s && !strcmp(s, "slow"))
		conf->preference = HM_PKTRING_SLOW;
	else if (s && !strcmp(s, "fast"))
		conf->preference = HM_PKTRING_FAST;
	else
		return refuse(err, "preference", "\"slow\" or \"fast\"");
	return 0;
}

static int set_number(uint32_t *number, const char *key, const json_t *value, uint32_t min,
		      uint32_t max, struct hm_error *err)
{
	char range[64];
	const json_int_t n = json_integer_value(value);
	if (!json_is_integer(value) || n < min || n > max) {
		snprintf(range, sizeof(range), "an integer between %" PRIu32 " and %" PRIu32, min,
			 max);
		return refuse(err, key, range);
	}
	*number = (uint32_t)n;
	return 0;
}

static int set_options(struct hm_pktring_conf *conf, const json_t *options, struct hm_error *err)
{
	const uint32_t bytes_max = BYTES_ALL / conf->writers;
	uint32_t snaplen = HM_PKTRING_SNAPLEN_MAX;
	const char *key;
	json_t *value;
	int code = 0;

	json_object_foreach ((json_t *)(uintptr_t)options, key, value) {
		if (!strcmp(key, "preference"))
			code = set_preference(conf, value, err);
		else if (!strcmp(key, "bytes"))
			code = set_number(&conf->bytes, key, value, HM_PKTRING_BYTES_MIN, bytes_max,
					  err);
		else if (!strcmp(key, "snaplen"))
			code = set_number(&snaplen, key, value, 1, HM_PKTRING_SNAPLEN_MAX, err);
		else
			code = hm_error_set(err, -EINVAL, 7002,
					    "TO_BUFFER: no option \"%s\"; there are preference, "
					    "bytes and snaplen",
					    key);
		if (code < 0)
			return code;
	}
	if (snaplen < conf->snaplen)
		conf->snaplen = snaplen;
	return 0;
}

static int to_buffer_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct to_buffer_conf *const c = conf;
	const bool whole = ctx->snaplen == 0 || ctx->snaplen > HM_PKTRING_SNAPLEN_MAX;

	c->ring_conf = (struct hm_pktring_conf){
		.writers = ctx->n_workers,
		.snaplen = whole ? HM_PKTRING_SNAPLEN_MAX : ctx->snaplen,
		.link = ctx->link,
		.preference = ctx->lossless ? HM_PKTRING_WAIT : HM_PKTRING_SLOW,
	};
	if (args[1].options && set_options(&c->ring_conf, args[1].options, err) < 0)
		return -EINVAL;
	const int code = hm_pktring_check(&c->ring_conf, err);
	if (code < 0 && err)
		err->mapi_errno = 7002;
	return code;
}

static int to_buffer_connect(void *conf, struct hm_error *err)
{
	struct to_buffer_conf *const c = conf;
	c->ring = hm_pktring_create(&c->ring_conf, err);
	return c->ring ? 0 : -errno;
}

static int to_buffer_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct to_buffer_conf *const conf = ctx->conf;
	struct to_buffer_core *const c = core;
	c->ring = conf->ring;
	c->worker = ctx->worker;
	return 0;
}

static void to_buffer_closing(void *conf)
{
	const struct to_buffer_conf *const c = conf;
	if (c->ring)
		hm_pktring_abandon(c->ring);
}

static void to_buffer_conf_fini(void *conf)
{
	struct to_buffer_conf *const c = conf;
	hm_pktring_destroy(c->ring);
	c->ring = NULL;
}

static uint64_t to_buffer_memory(const void *conf, unsigned n_workers)
{
	const struct to_buffer_conf *const c = conf;
	(void)n_workers; // the ring's configuration has them
	return hm_pktring_bytes(&c->ring_conf);
}

static struct hm_pktring *to_buffer_pktring(const void *conf)
{
	return ((const struct to_buffer_conf *)conf)->ring;
}

static json_t *to_buffer_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct to_buffer_conf *const c = conf;
	struct hm_pktring_counts k = {0};
	if (c->ring)
		hm_pktring_counts(c->ring, &k);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "offered", (json_int_t)k.offered, "delivered",
			 (json_int_t)k.delivered, "overwritten", (json_int_t)k.overwritten,
			 "dropped", (json_int_t)k.dropped, "queued", (json_int_t)k.queued);
}

static const struct hm_function to_buffer = {
	.name = "TO_BUFFER",
	.summary = "puts packets into shared memory for a client to read",
	.args = arguments,
	.conf_size = sizeof(struct to_buffer_conf),
	.core_size = sizeof(struct to_buffer_core),
	.cost = {.batch = 50, .packet = 60},
	.conf_init = to_buffer_conf_init,
	.connect = to_buffer_connect,
	.conf_fini = to_buffer_conf_fini,
	.core_init = to_buffer_core_init,
	.memory = to_buffer_memory,
	.closing = to_buffer_closing,
	.stats = to_buffer_stats,
	.pktring = to_buffer_pktring,
	.process = to_buffer_process,
	.ready = to_buffer_ready,
	.drain = to_buffer_drain,
};
HM_FUNCTION_REGISTER(to_buffer);
