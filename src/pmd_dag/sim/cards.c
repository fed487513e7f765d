/* SPDX-License-Identifier: BSD-3-Clause */
/* cards: the JSON file named by DAG_SIM_CARDS, read strictly.
 *
 *	{ "dag0": { "trace": "a.erf", "pace": "max", "loop": 1, "streams": 1 },
 *	  "dag1": { "generator": { "packets": 1000000, "seed": 7 }, "pace": "x2", "fcs": 0 } }
 *
 * A relative trace path starts from the file's folder.
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
	char trace[PATH_MAX];
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

static int read_trace(struct cards_file *f, const json_t *value)
{
	char folder[PATH_MAX];
	const char *name = json_string_value(value);
	int n;
	if (!name || !*name)
		return wrong(f, "trace", "the name of a trace file");
	snprintf(folder, sizeof(folder), "%s", f->path);
	if (name[0] == '/')
		n = snprintf(f->trace, sizeof(f->trace), "%s", name);
	else
		n = snprintf(f->trace, sizeof(f->trace), "%s/%s", dirname(folder), name);
	if (n >= (int)sizeof(f->trace))
		return wrong(f, "trace", "a shorter path");
	f->conf.path = f->trace;
	return 0;
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

static int read_key(struct cards_file *f, const char *key, json_t *value)
{
	int ret = read_number(f, card_numbers, key, value, &f->conf);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	if (strcmp(key, "trace") == 0)
		return read_trace(f, value);
	if (strcmp(key, "pace") == 0)
		return read_pace(f, value);
	if (strcmp(key, "generator") == 0)
		return read_generator(f, value);
	if (strcmp(key, "poison") == 0)
		return read_bool(f, key, value, &f->conf.poison);
	if (strcmp(key, "sequence") == 0)
		return read_bool(f, key, value, &f->conf.sequence);
	return wrong(f, key,
		     "only trace, generator, pace, loop, streams, fcs, buffer_mb, preload_mb, "
		     "sequence, poison");
}

// Every card is checked, so that a mistake does not wait for the day its card is opened.
static struct sim_card *read_cards(struct cards_file *f, json_t *root, const char *name)
{
	struct sim_card *found = NULL;
	const char *card, *key;
	json_t *object, *value;
	if (!json_is_object(root)) {
		hm_error_set(f->err, -EINVAL, 0, "%s: want an object of cards", f->path);
		errno = EINVAL;
		return NULL;
	}
	json_object_foreach (root, card, object) {
		int ret = 0;
		f->card = card;
		f->conf = (struct dag_sim_card)DAG_SIM_CARD_DEFAULTS;
		if (!json_is_object(object))
			ret = hm_error_set(f->err, -EINVAL, 0, "%s: %s: want an object", f->path,
					   card);
		json_object_foreach (object, key, value)
			if (ret == 0)
				ret = read_key(f, key, value);
		if (ret == 0 && !f->conf.path == !f->conf.generator)
			ret = wrong(f, "trace", "either a trace or a generator");
		if (ret < 0) {
			if (found)
				sim_card_destroy(found);
			errno = -ret;
			return NULL;
		}
		if (strcmp(card, name) == 0) {
			found = sim_card_create(name, &f->conf, f->err);
			if (!found)
				return NULL;
			found->from_file = true;
		}
	}
	if (!found) {
		hm_error_set(f->err, -ENOENT, 0, "%s: there is no card %s", f->path, name);
		errno = ENOENT;
	}
	return found;
}

struct sim_card *sim_card_from_file(const char *name)
{
	struct hm_error err = {0};
	json_error_t jerr;
	struct cards_file f = {.path = getenv("DAG_SIM_CARDS"), .err = &err};
	if (!f.path) {
		errno = ENOENT;
		return NULL;
	}
	json_t *root = json_load_file(f.path, JSON_REJECT_DUPLICATES, &jerr);
	struct sim_card *c = NULL;
	if (root) {
		c = read_cards(&f, root, name);
	} else {
		hm_error_set(&err, -EINVAL, 0, "%s: line %d, column %d: %s", f.path, jerr.line,
			     jerr.column, jerr.text);
		errno = EINVAL;
	}
	int error = errno;
	json_decref(root);
	// libdag has no way to say more than errno
	if (!c)
		fprintf(stderr, "libdag_sim: %s\n", err.text);
	errno = error;
	return c;
}
