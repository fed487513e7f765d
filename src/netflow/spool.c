/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netflow/spool_state.h"

int hm_spool_check(const struct hm_spool_conf *conf, struct hm_error *err)
{
	struct stat s;

	if (conf->dir[0] != '/')
		return hm_error_set(err, -EINVAL, 0,
				    "\"%s\" is not a folder's path from the root, like "
				    "\"/var/spool/homard/dag0\"",
				    conf->dir);
	if (stat(conf->dir, &s) < 0)
		return hm_error_set(err, -errno, 0, "\"%s\": %s", conf->dir, strerror(errno));
	if (!S_ISDIR(s.st_mode))
		return hm_error_set(err, -ENOTDIR, 0, "\"%s\" is not a folder", conf->dir);
	if (s.st_mode & 022 || (s.st_uid != 0 && s.st_uid != geteuid()))
		return hm_error_set(err, -EPERM, 0,
				    "\"%s\" is of user %u with mode %04o: it must be root's or the "
				    "daemon's user's, and others must not write there",
				    conf->dir, s.st_uid, s.st_mode & 07777);
	return 0;
}

/* The templates as the first frame of every segment. */
static bool keep_templates(struct hm_spool *s, const uint8_t *templates, uint32_t bytes)
{
	struct hm_frame f = {.bytes = bytes, .flags = HM_FRAME_TEMPLATES};

	s->templates_bytes = (uint32_t)sizeof(f) + bytes + hm_frame_padding(bytes);
	s->templates = calloc(1, s->templates_bytes);
	if (!s->templates)
		return false;
	hm_frame_seal(&f, templates);
	memcpy(s->templates, &f, sizeof(f));
	if (bytes > 0)
		memcpy(s->templates + sizeof(f), templates, bytes);
	return true;
}

struct hm_spool *hm_spool_open(const struct hm_spool_conf *conf, const char *format,
			       const uint8_t *templates, uint32_t bytes)
{
	struct hm_spool *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conf = *conf;
	strncpy(s->format, format, sizeof(s->format) - 1);
	if (keep_templates(s, templates, bytes) && hm_relay_start(&s->relay, hm_spool_run, s) == 0)
		return s;
	free(s->templates);
	free(s);
	return NULL;
}

/* The thread looks for it in each of its rounds. */
static void give_back(struct hm_spool *s)
{
	__atomic_store_n(&s->returned, s->page, __ATOMIC_RELEASE); // take_back()
	s->page = NULL;
	hm_relay_nudge(&s->relay);
}

void hm_spool_close(struct hm_spool *s)
{
	if (!s)
		return;
	hm_spool_withdraw(s);
	hm_relay_stop(&s->relay);
	free(s->templates);
	free(s);
}

bool hm_spool_room(const struct hm_spool *s, uint64_t bytes)
{
	return hm_relay_room(&s->relay, bytes);
}

bool hm_spool_put(struct hm_spool *s, const struct hm_load *load, const uint8_t *message,
		  uint32_t bytes, uint32_t flags)
{
	static const uint8_t zeros[8];
	struct hm_frame f = {.bytes = bytes, .load = *load, .flags = flags};
	uint32_t padding = hm_frame_padding(bytes);
	const struct iovec v[] = {{&f, sizeof(f)},
				  {(uint8_t *)message, bytes}, // only read
				  {(uint8_t *)zeros, padding}};

	if (!hm_spool_room(s, sizeof(f) + bytes + padding))
		return false;
	hm_frame_seal(&f, message);
	hm_relay_put_whole(&s->relay, v, 3);
	s->put += load->flows;
	s->put_messages++;
	return true;
}

bool hm_spool_is_ready(const struct hm_spool *s)
{
	return __atomic_load_n(&s->told.ready, __ATOMIC_ACQUIRE); // hm_spool_run()
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

bool hm_spool_is_empty(const struct hm_spool *s)
{
	uint64_t lost = load(&s->told.full_messages) + load(&s->told.failed_messages);

	return hm_spool_is_ready(s) &&
	       s->put_messages + load(&s->told.recovered_messages) == s->sent_messages + lost;
}

bool hm_spool_is_flushed(const struct hm_spool *s)
{
	return hm_relay_pending(&s->relay) == 0;
}

bool hm_spool_begin(struct hm_spool *s, const uint8_t **templates, uint32_t *bytes)
{
	if (!s->page)
		s->page = __atomic_exchange_n(&s->offered, NULL, __ATOMIC_ACQUIRE); // offer()
	if (!s->page) {
		if (!__atomic_exchange_n(&s->wanted, true, __ATOMIC_RELEASE)) // offer()
			hm_relay_nudge(&s->relay);
		return false;
	}
	*templates = s->page->templates;
	*bytes = s->page->templates_bytes;
	return true;
}

struct hm_frame *hm_spool_next(const struct hm_spool *s, size_t *at, uint8_t **message)
{
	const struct hm_spool_page *page = s->page;
	struct hm_frame *f;

	if (*at == 0)
		*at = page->at;
	if (*at >= page->n)
		return NULL;
	f = (struct hm_frame *)(page->bytes + *at);
	*message = (uint8_t *)(f + 1);
	*at += sizeof(*f) + f->bytes + hm_frame_padding(f->bytes);
	return f;
}

void hm_spool_took(struct hm_spool *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *message;
		size_t at = 0;
		s->sent += hm_spool_next(s, &at, &message)->load.flows;
		s->sent_messages++;
		s->page->at = at;
		__atomic_store_n(&s->page->done, s->page->done + 1, __ATOMIC_RELAXED); // persist()
	}
	if (s->page->at >= s->page->n)
		give_back(s);
}

void hm_spool_withdraw(struct hm_spool *s)
{
	__atomic_store_n(&s->wanted, false, __ATOMIC_RELEASE);
	if (!s->page)
		s->page = __atomic_exchange_n(&s->offered, NULL, __ATOMIC_ACQUIRE);
	if (s->page)
		give_back(s);
}

/* Losses first: what comes and goes meanwhile is then in it, and never below 0. */
void hm_spool_counts(const struct hm_spool *s, struct hm_spool_counts *c)
{
	int error = __atomic_load_n(&s->told.error, __ATOMIC_RELAXED);

	memset(c, 0, sizeof(*c));
	c->full = __atomic_load_n(&s->told.full, __ATOMIC_ACQUIRE);
	c->failed = __atomic_load_n(&s->told.failed, __ATOMIC_ACQUIRE);
	c->recovered = load(&s->told.recovered);
	c->spooled = s->put + c->recovered - s->sent - c->full - c->failed;
	c->bytes = load(&s->told.bytes);
	c->bad_files = load(&s->told.bad_files);
	if (error != 0)
		snprintf(c->error, sizeof(c->error), "%s", strerror(-error));
}
