/* SPDX-License-Identifier: BSD-3-Clause */
/* cards: the JSON file named by DAG_SIM_CARDS, read strictly.
 *
 *	{ "dag0": { "trace": "a.erf", "pace": "max", "loop": 1, "streams": 1 },
 *	  "dag1": { "generator": { "packets": 1000000, "seed": 7 }, "pace": "x2", "fcs": 0 } }
 *
 * Relative paths start from the file's folder. Reader and feeder of a shared card read the same
 * file, so that they cannot disagree about it.
 */
#include "pmd_dag/sim/card.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

struct number_key {
	const char *name;
	size_t offset, size; // of the field
	uint64_t min, max;
};

#define NUMBER(type, field, low, high)                                                             \
	{                                                                                          \
#field, offsetof(struct type, field), sizeof(((struct type *)0)->field), low, high \
	}

static const struct number_key card_numbers[] = {
	NUMBER(dag_sim_card, loop, 0, INT64_MAX),
	NUMBER(dag_sim_card, streams, 1, DAG_SIM_STREAMS_MAX),
	NUMBER(dag_sim_card, fcs, 0, 32),
	NUMBER(dag_sim_card, buffer_mb, 1, 65536),
	NUMBER(dag_sim_card, preload_mb, 0, 4000),
	NUMBER(dag_sim_card, rate_pps, 1, HM_GENERATOR_RATE_MAX),
	NUMBER(dag_sim_card, drop_base, 0, INT64_MAX),
	NUMBER(dag_sim_card, drop_bits, 32, 64),
	NUMBER(dag_sim_card, unplug_ms, 0, 3600000),
	{0},
};

static const struct number_key generator_numbers[] = {
	NUMBER(hm_generator_conf, seed, 0, INT64_MAX),
	NUMBER(hm_generator_conf, packets, 0, INT64_MAX),
	NUMBER(hm_generator_conf, flows, 1, HM_GENERATOR_FLOWS_MAX),
	NUMBER(hm_generator_conf, start_ns, 0, INT64_MAX),
	NUMBER(hm_generator_conf, rate_pps, 1, HM_GENERATOR_RATE_MAX),
	NUMBER(hm_generator_conf, snaplen, 0, 65535),
	NUMBER(hm_generator_conf, ipv6_percent, 0, 100),
	NUMBER(hm_generator_conf, udp_percent, 0, 100),
	NUMBER(hm_generator_conf, vlan_percent, 0, 100),
	NUMBER(hm_generator_conf, mpls_percent, 0, 100),
	NUMBER(hm_generator_conf, fragment_percent, 0, 100),
	NUMBER(hm_generator_conf, plant_every, 1, UINT32_MAX),
	{0},
};

struct cards_file {
	const char *path;
	const char *card;
	struct hm_error *err;
	struct dag_sim_card conf;
	struct hm_generator_conf generator;
	char trace[PATH_MAX], shared[PATH_MAX];
};

static int wrong(struct cards_file *f, const char *key, const char *want)
{
	return hm_error_set(f->err, -EINVAL, 0, "%s: %s.%s: want %s", f->path, f->card, key, want);
}

// 1: it was one of the table's keys, 0: not
static int read_number(struct cards_file *f, const struct number_key *k, const char *key,
		       const json_t *value, void *out)
{
	char want[80];
	for (; k->name && strcmp(k->name, key) != 0; k++)
		;
	if (!k->name)
		return 0;
	json_int_t n = json_integer_value(value);
	if (!json_is_integer(value) || n < 0 || (uint64_t)n < k->min || (uint64_t)n > k->max) {
		snprintf(want, sizeof(want), "an integer from %" PRIu64 " to %" PRIu64, k->min,
			 k->max);
		return wrong(f, key, want);
	}
	uint64_t wide = (uint64_t)n;
	uint32_t narrow = (uint32_t)n;
	memcpy((char *)out + k->offset, k->size == 8 ? (void *)&wide : (void *)&narrow, k->size);
	return 1;
}

static int read_path(struct cards_file *f, const char *key, const json_t *value, char *path)
{
	char folder[PATH_MAX];
	const char *name = json_string_value(value);
	int n;
	if (!name || !*name)
		return wrong(f, key, "the name of a file");
	snprintf(folder, sizeof(folder), "%s", f->path);
	if (name[0] == '/')
		n = snprintf(path, PATH_MAX, "%s", name);
	else
		n = snprintf(path, PATH_MAX, "%s/%s", dirname(folder), name);
	return n >= PATH_MAX ? wrong(f, key, "a shorter path") : 0;
}

static int read_pace(struct cards_file *f, const json_t *value)
{
	const char *pace = json_string_value(value);
	char *end = NULL;
	if (pace && strcmp(pace, "max") == 0) {
		f->conf.pace = 0;
	} else if (pace && strcmp(pace, "realtime") == 0) {
		f->conf.pace = 1;
	} else {
		f->conf.pace = pace && pace[0] == 'x' ? strtod(pace + 1, &end) : 0;
		if (!end || *end || !(f->conf.pace > 0 && f->conf.pace <= 1e6))
			return wrong(f, "pace", "\"max\", \"realtime\" or \"xN\", N up to 1000000");
	}
	return 0;
}

static int read_generator(struct cards_file *f, json_t *object)
{
	const char *key;
	json_t *value;
	hm_generator_defaults(&f->generator);
	if (!json_is_object(object))
		return wrong(f, "generator", "an object");
	json_object_foreach (object, key, value) {
		char path[128];
		int ret = read_number(f, generator_numbers, key, value, &f->generator);
		if (ret < 0)
			return ret;
		if (ret > 0)
			continue;
		snprintf(path, sizeof(path), "generator.%s", key);
		if (strcmp(key, "plant") != 0)
			return wrong(f, path,
				     "only seed, packets, flows, start_ns, rate_pps, snaplen, "
				     "..._percent, plant, plant_every");
		f->generator.plant = json_string_value(value);
		if (!f->generator.plant)
			return wrong(f, path, "a string");
	}
	f->conf.generator = &f->generator;
	return 0;
}

static int read_bool(struct cards_file *f, const char *key, const json_t *value, bool *out)
{
	*out = json_is_true(value);
	return json_is_boolean(value) ? 0 : wrong(f, key, "true or false");
}

static int read_sequence(struct cards_file *f, const json_t *value)
{
	bool always = false;
	int ret = read_bool(f, "sequence", value, &always);
	f->conf.sequence = always ? DAG_SIM_NUMBER_ALWAYS : DAG_SIM_NUMBER_NEVER;
	return ret;
}

static int read_key(struct cards_file *f, const char *key, json_t *value)
{
	int ret = read_number(f, card_numbers, key, value, &f->conf);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	if (strcmp(key, "trace") == 0) {
		f->conf.path = f->trace;
		return read_path(f, key, value, f->trace);
	}
	if (strcmp(key, "shared") == 0) {
		f->conf.shared = f->shared;
		return read_path(f, key, value, f->shared);
	}
	if (strcmp(key, "pace") == 0)
		return read_pace(f, value);
	if (strcmp(key, "generator") == 0)
		return read_generator(f, value);
	if (strcmp(key, "poison") == 0)
		return read_bool(f, key, value, &f->conf.poison);
	if (strcmp(key, "sequence") == 0)
		return read_sequence(f, value);
	if (strcmp(key, "lossy") == 0)
		return read_bool(f, key, value, &f->conf.lossy);
	// what is in them is read with the card
	if (strcmp(key, "rules") == 0) {
		f->conf.rules = value;
		return 0;
	}
	if (strcmp(key, "faults") == 0) {
		f->conf.faults = value;
		return 0;
	}
	return wrong(f, key,
		     "only trace, generator, shared, pace, rate_pps, lossy, loop, streams, fcs, "
		     "buffer_mb, preload_mb, sequence, rules, faults, drop_base, drop_bits, "
		     "unplug_ms, poison");
}

static int read_card(struct cards_file *f, json_t *object)
{
	const char *key;
	json_t *value;
	int ret = 0;
	f->conf = (struct dag_sim_card)DAG_SIM_CARD_DEFAULTS;
	if (!json_is_object(object))
		return hm_error_set(f->err, -EINVAL, 0, "%s: %s: want an object", f->path, f->card);
	json_object_foreach (object, key, value)
		if (ret == 0)
			ret = read_key(f, key, value);
	if (ret == 0 && !f->conf.path == !f->conf.generator)
		ret = wrong(f, "trace", "either a trace or a generator");
	return ret == 0 ? sim_card_check(f->card, &f->conf, f->err) : ret;
}

// Every card is checked, so that a mistake does not wait for the day its card is opened.
static int read_cards(struct cards_file *f, json_t *root, const char *name, sim_card_use *use,
		      void *arg)
{
	const char *card;
	json_t *object;
	if (!json_is_object(root))
		return hm_error_set(f->err, -EINVAL, 0, "%s: want an object of cards", f->path);
	json_object_foreach (root, card, object) {
		f->card = card;
		int ret = read_card(f, object);
		if (ret < 0)
			return ret;
	}
	object = json_object_get(root, name);
	if (!object)
		return hm_error_set(f->err, -ENOENT, 0, "%s: there is no card %s", f->path, name);
	f->card = name;
	int ret = read_card(f, object);
	return ret < 0 ? ret : use(name, &f->conf, arg, f->err);
}

int sim_cards_read(const char *path, const char *name, sim_card_use *use, void *arg,
		   struct hm_error *err)
{
	struct cards_file f = {.path = path, .err = err};
	json_error_t jerr;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &jerr);
	if (!root)
		return hm_error_set(err, -EINVAL, 0, "%s: line %d, column %d: %s", path, jerr.line,
				    jerr.column, jerr.text);
	int ret = read_cards(&f, root, name, use, arg);
	json_decref(root);
	return ret;
}

static int create(const char *name, const struct dag_sim_card *conf, void *arg,
		  struct hm_error *err)
{
	struct sim_card **c = arg;
	*c = sim_card_create(name, conf, err);
	if (!*c)
		return -errno;
	(*c)->from_file = true;
	return 0;
}

struct sim_card *sim_card_from_file(const char *name)
{
	const char *path = getenv("DAG_SIM_CARDS");
	struct hm_error err = {0};
	struct sim_card *c = NULL;
	if (!path) {
		errno = ENOENT;
		return NULL;
	}
	int ret = sim_cards_read(path, name, create, &c, &err);
	if (ret == 0)
		return c;
	// libdag has no way to say more than errno
	fprintf(stderr, "libdag_sim: %s\n", err.text);
	errno = -ret;
	return NULL;
}
