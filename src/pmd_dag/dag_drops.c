/* SPDX-License-Identifier: BSD-3-Clause */
/* The card's own drop counters, read through the vendor's configuration library.
 *
 * That library names attributes by numbers which change between its releases and are not public, so
 * the user gives the number (drop_attr=) and nothing here guesses. The counter runs on across
 * sessions: its value at the start is the base. Control path only; the stream's index of the
 * attribute is the stream's number.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "dag_driver.h"

struct dag_conf {
	void *handle; /* of the library */
	void *card;
	uint32_t code;
	void *(*init)(const char *name);
	void (*dispose)(void *card);
	uint64_t (*indexed_uuid)(void *card, uint32_t code, uint32_t index);
	int (*get_uint64)(void *card, uint64_t uuid, uint64_t *value);
};

static int
find_calls(struct dag_conf *conf, const char *lib)
{
	static const struct {
		const char *name;
		size_t offset;
	} calls[] = {
		{"dag_config_init", offsetof(struct dag_conf, init)},
		{"dag_config_dispose", offsetof(struct dag_conf, dispose)},
		{"dag_config_get_indexed_attribute_uuid", offsetof(struct dag_conf, indexed_uuid)},
		{"dag_config_get_uint64_attribute_ex", offsetof(struct dag_conf, get_uint64)},
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(calls); i++) {
		void *address = dlsym(conf->handle, calls[i].name);

		if (address == NULL) {
			DAG_LOG(ERR, "conf_lib=%s: it has no %s()", lib, calls[i].name);
			return -ENOSYS;
		}
		memcpy((char *)conf + calls[i].offset, &address, sizeof(address));
	}
	return 0;
}

int
dag_drops_open(struct dag_card *card, const struct dag_args *args)
{
	struct dag_conf *conf;
	char why[512];
	int ret;

	if (!args->drop_counter)
		return 0;
	conf = rte_zmalloc("dag_conf", sizeof(*conf), 0);
	if (conf == NULL)
		return -ENOMEM;
	conf->code = args->drop_attr;
	conf->handle = card_lib_open(args->conf_lib, why, sizeof(why));
	if (conf->handle == NULL) {
		DAG_LOG(ERR, "conf_lib=%s: %s", args->conf_lib, why);
		rte_free(conf);
		return -rte_errno;
	}
	ret = find_calls(conf, args->conf_lib);
	if (ret == 0) {
		errno = 0;
		conf->card = conf->init(args->card);
		if (conf->card == NULL) {
			ret = errno != 0 ? -errno : -EIO;
			DAG_LOG(ERR, "card=%s: its configuration cannot be opened: %s", args->card,
				strerror(-ret));
		}
	}
	if (ret < 0) {
		dlclose(conf->handle);
		rte_free(conf);
		return ret;
	}
	card->conf = conf;
	return 0;
}

void
dag_drops_close(struct dag_card *card)
{
	if (card->conf == NULL)
		return;
	card->conf->dispose(card->conf->card);
	dlclose(card->conf->handle);
	rte_free(card->conf);
	card->conf = NULL;
}

uint64_t
dag_counter_add(struct dag_counter *c, uint64_t now, bool *reset)
{
	const uint64_t last = c->last;
	const bool known = c->known;

	c->last = now;
	c->known = true;
	*reset = false;
	if (!known)
		return 0;
	if (now >= last)
		return now - last;
	/* from the upper half of 32 bits to the lower one: it wrapped, else it began again */
	if (last <= UINT32_MAX && last > INT32_MAX && now <= INT32_MAX)
		return (uint32_t)(now - last);
	*reset = true;
	return now;
}

static void
add_sample(struct dag_rx_queue *q, uint64_t now)
{
	bool reset;

	q->stats.counter_drops += dag_counter_add(&q->drop_counter, now, &reset);
	q->stats.counter_resets += reset;
}

/* Not inlined: gcc 12 then takes `now` for dangling. */
__rte_noinline void
dag_drops_sample(struct dag_rx_queue *q)
{
	const struct dag_conf *conf = q->card->conf;
	uint64_t now;

	if (conf == NULL || q->drop_uuid == 0)
		return;
	pthread_mutex_lock(&q->card->lock);
	if (conf->get_uint64(conf->card, q->drop_uuid, &now) == 0)
		add_sample(q, now);
	pthread_mutex_unlock(&q->card->lock);
}

void
dag_drops_start(struct dag_rx_queue *q)
{
	const struct dag_conf *conf = q->card->conf;

	if (conf == NULL)
		return;
	if (q->drop_uuid == 0) {
		q->drop_uuid = conf->indexed_uuid(conf->card, conf->code, (uint32_t)q->stream);
		if (q->drop_uuid == 0)
			DAG_LOG(WARNING,
				"stream %d has no attribute %u: drops are counted by its "
				"records",
				q->stream, conf->code);
	}
	q->drop_counter.known = false; /* what it says now is the base */
	dag_drops_sample(q);
}
