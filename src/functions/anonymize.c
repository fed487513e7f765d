/* SPDX-License-Identifier: BSD-3-Clause */
/* ANONYMIZE hands on copies of packets that its rules have changed (anon/rule.h), all rules in one copy. Lengths and
 * checksums follow what changes. Packets that no rule is for go on as they are; those with headers that cannot be read
 * go no further, since what no rule could find may be in them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "anon/anonymizer.h"
#include "anon/digest.h"
#include "anon/outside.h"
#include "core/copies.h"
#include "core/function.h"

#define RULES_MAX                  8
#define MFUNCT_INVALID_ARGUMENT_9  7009
#define MAPID_MEM_ALLOCATION_ERROR 3084

struct anonymize_options {
	uint32_t keep_lengths, pass_unreadable, map_values;
};

struct anonymize_conf {
	struct hm_anon_rule *rules;
	unsigned n_rules;
	struct anonymize_options options;
	bool counts; // a rule has MAP, whose numbers depend on the order of packets
	uint64_t
		others; // functions before it in the flow that are ANONYMIZE: bit i is the i-th before
	bool drops_l3, drops_l4; // packets whose network or transport header cannot be read
	bool has_file;
	uint8_t key[HM_ANON_KEY], run_key[HM_ANON_KEY];
};

struct anonymize_core {
	struct hm_anonymizer *anonymizer;
	struct hm_anon_maps *maps; // its own, or those of an ANONYMIZE before it
	bool own_maps;
	const struct anonymize_conf *conf;
	uint64_t changed, unreadable, cut, unknown; // read in place
	struct hm_anon_packet packets[HM_BATCH_MAX];
	struct hm_batch outside; // packets within tunnels, seen from outside
};

static void store(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

/* Packets in which an address, or whatever a rule is for, may be where no rule can find it. */
static uint64_t unreadable(const struct anonymize_conf *conf, const struct hm_batch *b, uint64_t in)
{
	uint64_t found = 0;

	hm_mask_foreach (i, in & b->rejected) {
		const uint8_t outcome = b->outcome[i];
		const bool l4 = outcome == HM_PARSE_L4_SHORT || outcome == HM_PARSE_L4_BAD;

		if (outcome != HM_PARSE_L3_UNKNOWN && (l4 ? conf->drops_l4 : conf->drops_l3))
			found |= UINT64_C(1) << i;
	}
	return found;
}

static uint64_t anonymize_transform(void *core, const struct hm_batch *b, uint64_t in,
				    struct hm_batch *out, struct hm_copies *pool)
{
	struct anonymize_core *c = core;
	const uint64_t hidden = unreadable(c->conf, b, in);
	const struct hm_anonymizer_counts *counts = hm_anonymizer_counts(c->anonymizer);
	unsigned n = 0, n_outside = 0;
	uint64_t dropped = 0;

	in &= ~hidden;
	hm_look_outside(&c->outside, b, in & b->tunnel);
	hm_mask_foreach (i, in) {
		const uint32_t room = hm_copies_room(pool);
		uint8_t *copy = b->caplen[i] <= room ? hm_copies_take(pool) : NULL;
		const unsigned o = b->tunnel >> i & 1 ? n_outside++ : HM_BATCH_MAX;

		if (!copy) {
			dropped |= UINT64_C(1) << i;
			continue;
		}
		memcpy(copy, b->data[i], hm_anonymizer_needs(c->anonymizer, b, i));
		hm_batch_add(out, b, i, copy, b->caplen[i], b->wirelen[i]);
		hm_anon_packet_begin(&c->packets[n++], b, i, copy, room,
				     c->conf->options.keep_lengths,
				     o < HM_BATCH_MAX ? &c->outside : NULL, o);
	}
	hm_anonymizer_run(c->anonymizer, c->packets, n);
	for (unsigned i = 0; i < n; i++) {
		const struct hm_anon_packet *p = &c->packets[i];

		out->caplen[out->n - n + i] = p->caplen;
		out->wirelen[out->n - n + i] = p->wirelen;
		out->ts_ns[out->n - n + i] = p->ts_ns;
	}
	store(&c->changed, counts->changed);
	store(&c->cut, counts->cut);
	store(&c->unknown, counts->unknown);
	store(&c->unreadable, c->unreadable + hm_mask_count(hidden));
	return dropped;
}

/* --- control core --- */

#define OPTION(key, least, most, usual)                                          \
	{                                                                        \
		.name = #key, .min = least, .max = most, .value_default = usual, \
		.offset = offsetof(struct anonymize_options, key)                \
	}

static const struct hm_option anonymize_options[] = {
	OPTION(keep_lengths, 0, 1, 0),
	OPTION(pass_unreadable, 0, 1, 0),
	OPTION(map_values, 1, 1 << 24, 65536),
	{0},
};

static bool needs_key(const struct hm_anon_rule *r)
{
	return r->function == HM_ANON_PREFIX_PRESERVING ||
	       r->function == HM_ANON_MAP_DISTRIBUTION || r->function == HM_ANON_HASHED;
}

/* What the rule must be able to find in a packet. */
static void note_needs(struct anonymize_conf *c, const struct hm_anon_rule *r)
{
	if (r->function == HM_ANON_UNCHANGED || r->function == HM_ANON_CHECKSUM_ADJUST)
		return;
	c->counts = c->counts || r->function == HM_ANON_MAP;
	if (r->protocol == HM_ANON_PACKET || r->protocol == HM_ANON_ETH)
		return;
	c->drops_l3 = !c->options.pass_unreadable;
	if (r->protocol != HM_ANON_IP || r->field == HM_ANON_EMBEDDED_IP)
		c->drops_l4 = !c->options.pass_unreadable;
}

static int read_rules(struct anonymize_conf *c, const union hm_value *args, struct hm_error *err)
{
	struct hm_error cause;

	c->rules = calloc(RULES_MAX, sizeof(*c->rules));
	if (!c->rules)
		return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
				    "ANONYMIZE: out of memory");
	for (unsigned i = 0; i < RULES_MAX && args[i].s; i++) {
		int rc = hm_anon_rule_parse(&c->rules[i], args[i].s, &cause);

		c->n_rules++;
		if (rc < 0)
			return hm_error_set(err, rc, cause.mapi_errno, "ANONYMIZE, rule %u: %s",
					    i + 1, cause.text);
		note_needs(c, &c->rules[i]);
	}
	return 0;
}

static int read_key(struct anonymize_conf *c, const char *file, struct hm_error *err)
{
	bool needed = false;
	struct hm_error cause;
	char path[4096 + 8];
	int rc;

	for (unsigned i = 0; i < c->n_rules; i++)
		needed = needed || needs_key(&c->rules[i]);
	if (!hm_anon_run_key(c->run_key))
		return hm_error_set(err, -EIO, MAPID_MEM_ALLOCATION_ERROR,
				    "ANONYMIZE: the kernel gives no random bytes for a key");
	memcpy(c->key, c->run_key, sizeof(c->key));
	c->has_file = needed && file && file[0];
	if (!c->has_file)
		return 0;
	snprintf(path, sizeof(path), "file:%s", file);
	rc = hm_anon_key(c->key, path, true, &cause);
	return rc < 0 ? hm_error_set(err, rc, HM_ANON_NO_PARAMETER, "ANONYMIZE: %s", cause.text)
		      : 0;
}

static void anonymize_conf_fini(void *conf)
{
	struct anonymize_conf *c = conf;

	for (unsigned i = 0; i < c->n_rules; i++)
		hm_anon_rule_fini(&c->rules[i]);
	free(c->rules);
	explicit_bzero(c, sizeof(*c));
}

static const struct hm_function anonymize;

static int anonymize_conf_init(void *conf, const union hm_value *args,
			       const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct anonymize_conf *c = conf;
	int rc = hm_options_parse("ANONYMIZE", anonymize_options, args[RULES_MAX].options,
				  &c->options, MFUNCT_INVALID_ARGUMENT_9, err);

	if (rc == 0)
		rc = read_rules(c, args, err);
	if (rc == 0)
		rc = read_key(c, ctx->anonymize_key, err);
	if (rc < 0) {
		anonymize_conf_fini(c);
		return rc;
	}
	for (uint32_t i = 0; i < ctx->n_before; i++)
		if (ctx->before[i].fn == &anonymize)
			c->others |= UINT64_C(1) << (ctx->n_before - 1 - i);
	return 0;
}

static uint64_t anonymize_memory(const void *conf, unsigned n_workers)
{
	const struct anonymize_conf *c = conf;

	return n_workers *
	       ((UINT64_C(1) << 20) + (c->counts ? hm_anon_maps_bytes(c->options.map_values) : 0));
}

/* Numbers are the same in the whole flow: it uses the tables of the ANONYMIZE before it that has some. */
static struct hm_anon_maps *maps_before(const struct hm_core_ctx *ctx, uint64_t others)
{
	for (uint32_t up = 1; others; up++, others >>= 1) {
		const struct anonymize_core *before = others & 1 ? ctx->before(ctx, up) : NULL;

		if (before && before->maps)
			return before->maps;
	}
	return NULL;
}

static int anonymize_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct anonymize_conf *conf = ctx->conf;
	struct anonymize_core *c = core;

	c->conf = conf;
	if (conf->counts)
		c->maps = maps_before(ctx, conf->others);
	if (conf->counts && !c->maps) {
		c->maps = hm_anon_maps_create(conf->options.map_values);
		c->own_maps = c->maps != NULL;
	}
	if (!conf->counts || c->maps)
		c->anonymizer = hm_anonymizer_create(&(struct hm_anonymizer_conf){
			conf->rules, conf->n_rules, conf->key, conf->run_key, c->maps});
	if (c->anonymizer)
		return 0;
	if (c->own_maps)
		hm_anon_maps_destroy(c->maps);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR, "ANONYMIZE: out of memory");
}

static void anonymize_core_fini(void *core)
{
	struct anonymize_core *c = core;

	hm_anonymizer_destroy(c->anonymizer);
	if (c->own_maps)
		hm_anon_maps_destroy(c->maps);
}

static bool anonymize_any_order(const void *conf)
{
	return !((const struct anonymize_conf *)conf)->counts;
}

/* Tells which traces have the same key, and nothing of the key. */
static json_t *anonymize_stats(const void *conf, void *const *cores, unsigned n)
{
	static const char name[] = "number of the key";
	const struct anonymize_conf *c = conf;
	struct hm_anon_digest *d = hm_anon_digest_create(c->key);
	uint8_t digest[HM_ANON_DIGEST_MAX];
	char text[9];

	(void)cores;
	(void)n;
	if (!d)
		return NULL;
	hm_anon_hmac(d, (const uint8_t *)name, sizeof(name) - 1, digest);
	hm_anon_digest_destroy(d);
	snprintf(text, sizeof(text), "%02x%02x%02x%02x", digest[0], digest[1], digest[2],
		 digest[3]);
	return json_pack("{s:s, s:s}", "key", text, "key_from", c->has_file ? "file" : "this run");
}

#define RULE(number)                                                                       \
	{                                                                                  \
		.name = "rule" number, .type = HM_ARG_STRING, .optional = true,            \
		.help = "another rule, applied behind the ones before it", .mapi_errno = 0 \
	}

static const struct hm_arg anonymize_args[] = {
	{.name = "rule",
	 .type = HM_ARG_STRING,
	 .help = "\"PROTOCOL,FIELD,FUNCTION[,parameter...]\", as in "
		 "\"IP,SRC_IP,PREFIX_PRESERVING\" "
		 "or \"TCP,PAYLOAD,STRIP,0\"; docs/functions/anonymize.md has all of them"},
	RULE("2"),
	RULE("3"),
	RULE("4"),
	RULE("5"),
	RULE("6"),
	RULE("7"),
	RULE("8"),
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"keep_lengths\": 1 if headers go on saying how long packets were, and fields "
		 "keep "
		 "their length; \"pass_unreadable\": 1 to hand on packets whose headers cannot be "
		 "read; \"map_values\": that MAP can tell apart (65536)"},
	{0},
};

#define RESULT(field, what, text)                                                          \
	{                                                                                  \
		.name = #field, .type = HM_FIELD_U64, .merge = HM_MERGE_SUM, .unit = what, \
		.offset = offsetof(struct anonymize_core, field), .help = text             \
	}

static const struct hm_field anonymize_results[] = {
	RESULT(changed, "packets", "of which something was changed"),
	RESULT(unreadable, "packets",
	       "that went no further, since their headers could not be read"),
	RESULT(cut, "fields", "whose new value was longer than there was room"),
	RESULT(unknown, "fields", "that MAP made 0, since its table was full"),
	{0},
};

/* Not stateless: the key file may have another key by now. */
static const struct hm_function anonymize = {
	.name = "ANONYMIZE",
	.summary = "changes fields of packets so that they tell less, in copies",
	.flags = HM_FN_FILTERS | HM_FN_ORDERED,
	.args = anonymize_args,
	.results = anonymize_results,
	.conf_size = sizeof(struct anonymize_conf),
	.core_size = sizeof(struct anonymize_core),
	.cost = {.batch = 400, .packet = 300},
	.conf_init = anonymize_conf_init,
	.conf_fini = anonymize_conf_fini,
	.memory = anonymize_memory,
	.core_init = anonymize_core_init,
	.core_fini = anonymize_core_fini,
	.any_order = anonymize_any_order,
	.stats = anonymize_stats,
	.transform = anonymize_transform,
};

HM_FUNCTION_REGISTER(anonymize);
