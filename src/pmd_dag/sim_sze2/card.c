/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim_sze2/card.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t sze2_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sze2_card *cards;

struct sze2_card *sze2_card_find(const char *name)
{
	struct sze2_card *c = cards;
	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	if (!c)
		errno = ENOENT;
	return c;
}

static int check_conf(const char *name, const struct sze2_sim_card *conf, struct hm_error *err)
{
	unsigned number;
	char tail;
	if (sscanf(name, "szedataII%4u%c", &number, &tail) != 1)
		return hm_error_set(err, -EINVAL, 0,
				    "card \"%s\": want szedataII0 to szedataII9999", name);
	if (!conf->path == !conf->generator)
		return hm_error_set(err, -EINVAL, 0, "%s: want either a trace or a generator",
				    name);
	if (conf->channels < 1 || conf->channels > SZE2_SIM_CHANNELS_MAX)
		return hm_error_set(err, -EINVAL, 0, "%s: channels %u, want 1-%d", name,
				    conf->channels, SZE2_SIM_CHANNELS_MAX);
	if (conf->ring_bytes < 64 || conf->ring_bytes > UINT32_MAX)
		return hm_error_set(err, -EINVAL, 0, "%s: a ring of %lu bytes, want 64-4294967295",
				    name, (unsigned long)conf->ring_bytes);
	if (conf->hw_bytes > 255)
		return hm_error_set(err, -EINVAL, 0, "%s: hw_bytes %u, want 0-255", name,
				    conf->hw_bytes);
	if (!(conf->pace >= 0 && conf->pace <= 1e6))
		return hm_error_set(err, -EINVAL, 0, "%s: pace %g, want 0-1000000", name,
				    conf->pace);
	if (conf->preload && (conf->channels > 1 || conf->poison || conf->n_faults > 0 ||
			      conf->arrive > 0 || conf->pace > 0))
		return hm_error_set(err, -EINVAL, 0,
				    "%s: preload goes with one channel, without poison, faults, "
				    "arrive and pace",
				    name);
	for (size_t i = 0; i < conf->n_faults; i++)
		if (conf->faults[i].channel >= conf->channels ||
		    (conf->faults[i].what == SZE2_SIM_HW_DATA && conf->faults[i].value > 255))
			return hm_error_set(err, -EINVAL, 0,
					    "%s: fault %zu: no such channel, or over 255 bytes",
					    name, i);
	return 0;
}

static int make_channel(struct sze2_channel *ch, uint64_t ring_bytes)
{
	int ret = sze2_ring_init(&ch->ring, ring_bytes);
	// no segment is shorter than 8 bytes
	ch->n_segments = ring_bytes / 8 + 1;
	ch->segments = calloc(ch->n_segments, sizeof(*ch->segments));
	return ret < 0 ? ret : ch->segments ? 0 : -ENOMEM;
}

static void destroy(struct sze2_card *c)
{
	sim_source_close(&c->source);
	for (uint32_t i = 0; i < c->conf.channels; i++) {
		sze2_ring_fini(&c->channels[i].ring);
		free(c->channels[i].segments);
	}
	free(c->faults);
	free(c->lengths);
	free(c);
}

static int fill_card(struct sze2_card *c, const struct sze2_sim_card *conf, struct hm_error *err)
{
	struct dag_sim_card source = DAG_SIM_CARD_DEFAULTS;
	source.path = conf->path;
	source.generator = conf->generator;
	source.loop = conf->loop;
	int ret = sim_source_open(&c->source, &source, err);
	if (ret == 0)
		ret = sim_split_init(&c->split, conf->channels, NULL, err);
	if (ret < 0)
		return ret;
	c->faults = calloc(conf->n_faults + 1, sizeof(*c->faults));
	if (!c->faults)
		ret = -ENOMEM;
	else if (conf->n_faults > 0)
		memcpy(c->faults, conf->faults, conf->n_faults * sizeof(*c->faults));
	for (uint32_t i = 0; i < conf->channels && ret == 0; i++)
		ret = make_channel(&c->channels[i], conf->ring_bytes);
	if (ret < 0)
		return hm_error_set(err, ret, 0, "%s: no memory for its rings", c->name);
	return conf->preload ? sze2_card_preload(c, err) : 0;
}

struct sze2_card *sze2_card_create(const char *name, const struct sze2_sim_card *conf,
				   struct hm_error *err)
{
	int ret = check_conf(name, conf, err);
	struct sze2_card *c = ret == 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		errno = ret < 0 ? -ret : ENOMEM;
		return NULL;
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->conf = *conf;
	ret = fill_card(c, conf, err);
	if (ret < 0) {
		destroy(c);
		errno = -ret;
		return NULL;
	}
	c->next = cards;
	cards = c;
	return c;
}

// Cards of a file stay as long as the library does: a driver closes its handles at each stop.
__attribute__((destructor)) static void destroy_all(void)
{
	while (cards) {
		struct sze2_card *c = cards;
		cards = c->next;
		destroy(c);
	}
}

int sze2_sim_card_add(const char *name, const struct sze2_sim_card *card, struct hm_error *err)
{
	int ret = 0;
	pthread_mutex_lock(&sze2_lock);
	if (sze2_card_find(name))
		ret = hm_error_set(err, -EEXIST, 0, "card %s exists already", name);
	else if (!sze2_card_create(name, card, err))
		ret = -errno;
	pthread_mutex_unlock(&sze2_lock);
	return ret;
}

int sze2_sim_card_remove(const char *name)
{
	int ret = -ENOENT;
	pthread_mutex_lock(&sze2_lock);
	for (struct sze2_card **p = &cards, *c; (c = *p) != NULL; p = &c->next) {
		if (strcmp(c->name, name) != 0)
			continue;
		ret = -EBUSY;
		if (c->handles == 0) {
			*p = c->next;
			destroy(c);
			ret = 0;
		}
		break;
	}
	pthread_mutex_unlock(&sze2_lock);
	return ret;
}

int sze2_sim_card_status(const char *name, struct sze2_sim_status *status)
{
	*status = (struct sze2_sim_status){0};
	pthread_mutex_lock(&sze2_lock);
	struct sze2_card *c = sze2_card_find(name);
	if (c) {
		status->sent = c->sent;
		status->cut = c->cut;
		status->violations = c->violations;
		status->handles = c->handles;
		status->finished = c->exhausted && !c->waiting;
		for (uint32_t i = 0; i < c->conf.channels; i++) {
			const struct sze2_channel *ch = &c->channels[i];
			status->channel[i].written = ch->frames;
			status->channel[i].lost = ch->lost;
			status->written += ch->frames;
			status->lost += ch->lost;
			status->finished &= ch->released == ch->written;
		}
	}
	pthread_mutex_unlock(&sze2_lock);
	return c ? 0 : -ENOENT;
}
