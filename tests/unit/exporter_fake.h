/* SPDX-License-Identifier: BSD-3-Clause */
/* exporter_fake: an exporter under test, with a transport that the test commands. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/exporter.h"

#define MS      UINT64_C(1000000)
#define SECOND  (1000 * MS)
#define SEEN    100000
#define PER_MSG ((1400 - 48 - 20) / 54) // IPv4 records in a message

/* --- a transport that a test commands: refuses, is busy, cannot be opened, remembers --- */

struct seen {
	uint16_t records;            // 0: templates
	uint16_t templates, options; // sets of them
	uint32_t sequence;
};

static struct {
	struct seen seen[SEEN];
	uint64_t packets, octets; // of NetFlow 5
	unsigned n, opened;
	int refuse;  // negative errno of each send
	int pending; // what error() tells, once
	int open_errno;
	unsigned take;           // messages a call, 0: busy
	uint64_t unacknowledged; // bytes
} collector;

static struct hm_exporter_conf conf;

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The sets behind the header: data records of the basic templates, and options. */
static inline void look_at_sets(struct seen *s, const uint8_t *p, uint32_t at, uint32_t length,
				const uint16_t bytes[2])
{
	while (at < length) {
		uint32_t id = (uint32_t)p[at] << 8 | p[at + 1];
		uint32_t n = (uint32_t)p[at + 2] << 8 | p[at + 3];
		assert_in_range(n, 4, length - at);
		if (id == 256 || id == 257)
			s->records += (uint16_t)((n - 4) / bytes[id - 256]);
		s->templates += id == conf.format->template_set;
		s->options += id > 257;
		at += n;
	}
}

static inline void look_at(const struct iovec *v)
{
	static const uint16_t ipfix[] = {54, 78}, netflow9[] = {48, 72};
	const uint8_t *p = v->iov_base;
	struct seen *s = &collector.seen[collector.n++];
	uint32_t count = (uint32_t)p[2] << 8 | p[3], length = (uint32_t)v->iov_len;

	assert_true(collector.n < SEEN);
	switch (p[1]) {
	case 10:
		assert_int_equal(count, length);
		*s = (struct seen){.sequence = get32(p + 8)};
		look_at_sets(s, p, 16, length, ipfix);
		break;
	case 9:
		*s = (struct seen){.sequence = get32(p + 12)};
		look_at_sets(s, p, 20, length, netflow9);
		break;
	case 5:
		assert_int_equal(length, 24 + count * 48);
		*s = (struct seen){.sequence = get32(p + 16), .records = (uint16_t)count};
		for (uint32_t i = 0; i < count; i++) {
			collector.packets += get32(p + 24 + 48 * i + 16);
			collector.octets += get32(p + 24 + 48 * i + 20);
		}
		break;
	default:
		fail_msg("version %u", p[1]);
	}
}

static inline struct hm_connection *fake_open(const struct hm_endpoint *to)
{
	(void)to;
	if (collector.open_errno) {
		errno = collector.open_errno;
		return NULL;
	}
	collector.opened++;
	return (struct hm_connection *)&collector;
}

static inline int fake_send(struct hm_connection *c, const struct iovec *v, unsigned n)
{
	(void)c;
	if (collector.refuse)
		return collector.refuse;
	if (collector.take == 0)
		return -EAGAIN;
	if (n > collector.take)
		n = collector.take;
	for (unsigned i = 0; i < n; i++)
		look_at(&v[i]);
	return (int)n;
}

static inline int fake_error(struct hm_connection *c)
{
	int pending = collector.pending;

	(void)c;
	collector.pending = 0;
	return pending;
}

static inline void fake_close(struct hm_connection *c)
{
	(void)c;
}

static inline uint64_t fake_pending(struct hm_connection *c)
{
	(void)c;
	return collector.unacknowledged;
}

static inline bool fake_flush(struct hm_connection *c)
{
	(void)c;
	return true;
}

static const struct hm_transport fake = {
	.name = "fake",
	.overhead = 48,
	.forgiving = true,
	.open = fake_open,
	.send = fake_send,
	.error = fake_error,
	.pending = fake_pending,
	.flush = fake_flush,
	.close = fake_close,
};

static const struct hm_transport fake_stream = {
	.name = "fake stream",
	.overhead = 48,
	.stream = true,
	.open = fake_open,
	.send = fake_send,
	.error = fake_error,
	.pending = fake_pending,
	.flush = fake_flush,
	.close = fake_close,
};

static const uint64_t all_sides[2] = {UINT64_MAX, UINT64_MAX};
static struct hm_exporter *x;
static uint64_t now;

static inline int set_up(void **state)
{
	(void)state;
	memset(&collector, 0, sizeof(collector));
	collector.take = 1000;
	hm_exporter_defaults(&conf);
	conf.transport = &fake;
	conf.tell = 0; // templates only
	now = 5 * SECOND;
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	hm_exporter_destroy(x);
	x = NULL;
	return 0;
}

static inline void start(void)
{
	x = hm_exporter_create(&conf);
	assert_non_null(x);
}

/* n data records of one direction. */
static inline void put(unsigned n)
{
	const struct hm_flow_record r = {.key = {{.version = 4}}, .packets = {1, 0}};

	for (unsigned i = 0; i < n; i++)
		hm_exporter_put(x, &r, 1, all_sides, now);
}

static inline void poll_for(uint64_t ns)
{
	for (uint64_t end = now + ns; now < end; now += MS)
		hm_exporter_poll(x, now);
}

static struct hm_exporter_counts balanced(void)
{
	struct hm_exporter_counts c;

	hm_exporter_counts(x, &c);
	assert_int_equal(c.offered,
			 c.sent + c.queued + c.queue_full + c.unreachable + c.unsupported);
	assert_true(c.refused <= c.sent);
	return c;
}

static inline unsigned seen_records(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < collector.n; i++)
		n += collector.seen[i].records;
	return n;
}

/* Sequence numbers count the data records of the messages before. */
static inline void check_sequence(void)
{
	uint32_t sequence = 0;

	for (unsigned i = 0; i < collector.n; i++) {
		assert_int_equal(collector.seen[i].sequence, sequence);
		sequence += collector.seen[i].records;
	}
}
