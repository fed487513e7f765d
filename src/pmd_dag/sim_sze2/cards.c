/* SPDX-License-Identifier: BSD-3-Clause */
/* cards: the JSON file named by SZE2_SIM_CARDS, read strictly.
 *
 *	{ "szedataII0": { "trace": "a.pcap", "loop": 2, "channels": 4, "label": "sequence" },
 *	  "szedataII1": { "generator": { "packets": 1000000, "seed": 7 }, "ring_kb": 64,
 *			  "faults": [ { "what": "size", "at": 100, "value": 0 } ] } }
 *
 * A relative trace path starts from the file's folder.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "pmd_dag/sim_sze2/card.h"

#define FAULTS_MAX 64

struct cards_file {
	const char *path;
	const char *card;
	struct hm_error *err;
	struct sze2_sim_card conf;
	struct hm_generator_conf generator;
	struct sze2_sim_fault faults[FAULTS_MAX];
	char trace[PATH_MAX];
};

static int wrong(struct cards_file *f, const char *key, const char *want)
{
	return hm_error_set(f->err, -EINVAL, 0, "%s: %s.%s: want %s", f->path, f->card, key, want);
}

// Integers are taken as they are here; what a card or a generator cannot do it says itself.
static int in_range(struct cards_file *f, const char *key, json_int_t n, json_int_t max)
{
	char want[80];
	if (n >= 0 && n <= max)
		return 0;
	snprintf(want, sizeof(want), "an integer from 0 to %lld", (long long)max);
	return wrong(f, key, want);
}

// The number of the word in the list, or a negative errno.
static int read_word(struct cards_file *f, const char *key, const char *value,
		     const char *const words[], const char *list)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	return wrong(f, key, list);
}

static int read_pace(struct cards_file *f, const char *pace)
{
	char *end = NULL;
	f->conf.pace = strcmp(pace, "realtime") == 0 ? 1 : 0;
	if (f->conf.pace != 0 || strcmp(pace, "max") == 0)
		return 0;
	if (pace[0] == 'x')
		f->conf.pace = strtod(pace + 1, &end);
	if (!end || *end || !(f->conf.pace > 0 && f->conf.pace <= 1e6))
		return wrong(f, "pace", "\"max\", \"realtime\" or \"xN\", N up to 1000000");
	return 0;
}

static int read_trace(struct cards_file *f, const char *name)
{
	char folder[PATH_MAX];
	int n;
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

static int read_generator(struct cards_file *f, json_t *object)
{
	struct hm_generator_conf *g = &f->generator;
	hm_generator_defaults(g);
	json_int_t seed = (json_int_t)g->seed, packets = (json_int_t)g->packets,
		   flows = (json_int_t)g->flows, start_ns = (json_int_t)g->start_ns,
		   rate = (json_int_t)g->rate_pps, snaplen = g->snaplen;
	json_error_t error;
	if (json_unpack_ex(object, &error, JSON_STRICT, "{s?I, s?I, s?I, s?I, s?I, s?I}", "seed",
			   &seed, "packets", &packets, "flows", &flows, "start_ns", &start_ns,
			   "rate_pps", &rate, "snaplen", &snaplen) < 0)
		return wrong(f, "generator", error.text);
	int ret = in_range(f, "generator.seed", seed, INT64_MAX);
	if (ret == 0)
		ret = in_range(f, "generator.packets", packets, INT64_MAX);
	if (ret == 0)
		ret = in_range(f, "generator.flows", flows, HM_GENERATOR_FLOWS_MAX);
	if (ret == 0)
		ret = in_range(f, "generator.start_ns", start_ns, INT64_MAX);
	if (ret == 0)
		ret = in_range(f, "generator.rate_pps", rate, HM_GENERATOR_RATE_MAX);
	if (ret == 0)
		ret = in_range(f, "generator.snaplen", snaplen, 65535);
	g->seed = (uint64_t)seed;
	g->packets = (uint64_t)packets;
	g->flows = (uint64_t)flows;
	g->start_ns = (uint64_t)start_ns;
	g->rate_pps = (uint64_t)rate;
	g->snaplen = (uint32_t)snaplen;
	f->conf.generator = g;
	return ret;
}

static int read_faults(struct cards_file *f, json_t *list)
{
	static const char *const words[] = {// as enum sze2_sim_what
					    "size",   "hw_size",   "hw_data", "ns",     "no_time",
					    "cut",    "unplug",    "lock",    "unlock", "area",
					    "length", "subscribe", "start",   NULL};
	json_error_t error;
	json_t *object;
	size_t i;
	if (!json_is_array(list) || json_array_size(list) > FAULTS_MAX)
		return wrong(f, "faults", "a list of up to 64 objects");
	json_array_foreach (list, i, object) {
		const char *what;
		json_int_t channel = 0, at = 0, count = 1, value = 0;
		if (json_unpack_ex(object, &error, JSON_STRICT, "{s:s, s?I, s?I, s?I, s?I}", "what",
				   &what, "channel", &channel, "at", &at, "count", &count, "value",
				   &value) < 0)
			return wrong(f, "faults", error.text);
		int word = read_word(f, "faults.what", what, words,
				     "size, hw_size, hw_data, ns, no_time, cut, unplug, lock, "
				     "unlock, area, length, subscribe or start");
		int ret = word < 0 ? word : in_range(f, "faults.channel", channel, 31);
		if (ret == 0)
			ret = in_range(f, "faults.at", at, INT64_MAX);
		if (ret == 0)
			ret = in_range(f, "faults.count", count, INT64_MAX);
		if (ret == 0)
			ret = in_range(f, "faults.value", value, UINT32_MAX);
		if (ret < 0)
			return ret;
		f->faults[i] = (struct sze2_sim_fault){
			.what = (enum sze2_sim_what)word,
			.channel = (uint32_t)channel,
			.at = (uint64_t)at,
			.count = (uint64_t)count,
			.value = (uint32_t)value,
		};
	}
	f->conf.faults = f->faults;
	f->conf.n_faults = json_array_size(list);
	return 0;
}

static int read_numbers(struct cards_file *f, json_int_t loop, json_int_t arrive,
			json_int_t channels, json_int_t ring_kb, json_int_t hw_bytes,
			json_int_t lock_frames)
{
	int ret = in_range(f, "loop", loop, INT64_MAX);
	if (ret == 0)
		ret = in_range(f, "arrive", arrive, UINT32_MAX);
	if (ret == 0)
		ret = in_range(f, "channels", channels, SZE2_SIM_CHANNELS_MAX);
	if (ret == 0)
		ret = in_range(f, "ring_kb", ring_kb, UINT32_MAX >> 10);
	if (ret == 0)
		ret = in_range(f, "hw_bytes", hw_bytes, 255);
	if (ret == 0)
		ret = in_range(f, "lock_frames", lock_frames, UINT32_MAX);
	f->conf.loop = (uint64_t)loop;
	f->conf.arrive = (uint32_t)arrive;
	f->conf.channels = (uint32_t)channels;
	f->conf.ring_bytes = (uint64_t)ring_kb << 10;
	f->conf.hw_bytes = (uint32_t)hw_bytes;
	f->conf.lock_frames = (uint32_t)lock_frames;
	return ret;
}

static int read_card(struct cards_file *f, json_t *object)
{
	static const char *const labels[] = {"color", "wire", "sequence", NULL};
	const char *trace = NULL, *pace = "max", *label = "color";
	json_t *generator = NULL, *faults = NULL;
	json_int_t loop = 1, arrive = 0, channels = 1, ring_kb = 1024, hw_bytes = 12,
		   lock_frames = 0, fcs = 0;
	int poison = 1, preload = 0;
	json_error_t error;
	f->conf = (struct sze2_sim_card)SZE2_SIM_CARD_DEFAULTS;
	if (json_unpack_ex(object, &error, JSON_STRICT,
			   "{s?s, s?o, s?s, s?I, s?I, s?I, s?I, s?I, s?I, s?s, s?I, s?b, s?b, s?o}",
			   "trace", &trace, "generator", &generator, "pace", &pace, "loop", &loop,
			   "arrive", &arrive, "channels", &channels, "ring_kb", &ring_kb,
			   "hw_bytes", &hw_bytes, "lock_frames", &lock_frames, "label", &label,
			   "fcs", &fcs, "poison", &poison, "preload", &preload, "faults",
			   &faults) < 0)
		return hm_error_set(f->err, -EINVAL, 0, "%s: %s: %s", f->path, f->card, error.text);
	if (fcs != 0 && fcs != 32)
		return wrong(f, "fcs", "0 or 32");
	f->conf.fcs = fcs == 32;
	f->conf.poison = poison;
	f->conf.preload = preload;
	int ret = read_word(f, "label", label, labels, "color, wire or sequence");
	if (ret < 0)
		return ret;
	f->conf.label = (enum sze2_sim_label)ret;
	ret = read_numbers(f, loop, arrive, channels, ring_kb, hw_bytes, lock_frames);
	if (ret == 0)
		ret = read_pace(f, pace);
	if (ret == 0 && trace)
		ret = read_trace(f, trace);
	if (ret == 0 && generator)
		ret = read_generator(f, generator);
	if (ret == 0 && faults)
		ret = read_faults(f, faults);
	return ret;
}

static struct sze2_card *read_cards(struct cards_file *f, json_t *root, const char *name)
{
	json_t *object = json_object_get(root, name);
	f->card = name;
	if (!object) {
		hm_error_set(f->err, -ENOENT, 0, "%s: there is no card %s", f->path, name);
		errno = ENOENT;
		return NULL;
	}
	int ret = read_card(f, object);
	if (ret == 0)
		return sze2_card_create(name, &f->conf, f->err);
	errno = -ret;
	return NULL;
}

struct sze2_card *sze2_card_from_file(const char *name)
{
	struct hm_error err = {0};
	json_error_t jerr;
	struct cards_file *f = calloc(1, sizeof(*f));
	struct sze2_card *c = NULL;
	const char *path = getenv("SZE2_SIM_CARDS");
	if (!f || !path) {
		free(f);
		errno = ENOENT;
		return NULL;
	}
	f->path = path;
	f->err = &err;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &jerr);
	if (root) {
		c = read_cards(f, root, name);
	} else {
		hm_error_set(&err, -EINVAL, 0, "%s: line %d, column %d: %s", path, jerr.line,
			     jerr.column, jerr.text);
		errno = EINVAL;
	}
	int error = errno;
	json_decref(root);
	free(f);
	// libsze2 has no way to say more than errno
	if (!c)
		fprintf(stderr, "libsze2_sim: %s\n", err.text);
	errno = error;
	return c;
}
