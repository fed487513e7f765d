/* SPDX-License-Identifier: BSD-3-Clause */
/* trace_file: builds small trace files in memory, in either byte order, and reads them back. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace/trace.h"

struct file {
	uint8_t data[65536];
	size_t n;
	bool big; // byte order of put16 .. put64
};

#define MAX_PACKETS 64

struct packets {
	struct hm_trace_packet p[MAX_PACKETS];
	uint8_t first[MAX_PACKETS]; // first byte of each packet's data
	size_t n;
	int end; // what hm_trace_next() returned last, or -1 if the file could not be opened
	enum hm_link link;
	enum hm_trace_format format;
	struct hm_trace_counts counts;
	struct hm_error err;
};

static inline void put8(struct file *f, uint8_t v)
{
	assert_true(f->n < sizeof(f->data));
	f->data[f->n++] = v;
}

static inline void put_number(struct file *f, uint64_t v, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		put8(f, (uint8_t)(v >> 8 * (f->big ? bytes - 1 - i : i)));
}

static inline void put16(struct file *f, uint16_t v)
{
	put_number(f, v, 2);
}

static inline void put32(struct file *f, uint32_t v)
{
	put_number(f, v, 4);
}

static inline void put64(struct file *f, uint64_t v)
{
	put_number(f, v, 8);
}

static inline void put_run(struct file *f, uint8_t v, size_t n)
{
	while (n--)
		put8(f, v);
}

static inline int memory_file(const uint8_t *data, size_t n)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Reads everything; also checks that an error repeats itself. */
static inline void read_fd(int fd, const char *name, struct packets *got)
{
	struct hm_trace_reader *r;
	struct hm_trace_packet p;
	memset(got, 0, sizeof(*got));
	r = hm_trace_fdopen(fd, name, &got->err);
	if (!r) {
		assert_true(errno > 0);
		assert_true(got->err.text[0]);
		close(fd);
		got->end = -1;
		return;
	}
	got->link = hm_trace_link(r);
	got->format = hm_trace_format(r);
	while ((got->end = hm_trace_next(r, &p, &got->err)) == 1) {
		assert_true(p.caplen <= p.wirelen);
		if (got->n < MAX_PACKETS) {
			uint8_t sum = 0;
			for (uint32_t i = 0; i < p.caplen; i++) // the sanitizer checks the reads
				sum ^= p.data[i];
			got->p[got->n] = p;
			got->first[got->n] = p.caplen ? p.data[0] : sum;
		}
		got->n++;
	}
	if (got->end < 0) {
		struct hm_error again;
		assert_int_equal(hm_trace_next(r, &p, &again), got->end);
		assert_string_equal(again.text, got->err.text);
	}
	got->counts = *hm_trace_counts(r);
	assert_int_equal(got->counts.packets, got->n);
	hm_trace_close(r);
}

static inline void read_bytes(const uint8_t *data, size_t n, struct packets *got)
{
	read_fd(memory_file(data, n), "trace", got);
}

static inline void read_file(const struct file *f, struct packets *got)
{
	read_bytes(f->data, f->n, got);
}

/* Cut after every byte: the packets before the cut, then the end or an error, never anything else.
 */
static inline void check_every_cut(const struct file *f)
{
	struct packets whole, cut;
	read_file(f, &whole);
	assert_int_equal(whole.end, 0);
	for (size_t n = 0; n < f->n; n++) {
		read_bytes(f->data, n, &cut);
		if (cut.end == -1)
			continue;
		assert_true(cut.end == 0 || cut.end == -EBADMSG);
		assert_true(cut.n <= whole.n);
		for (size_t i = 0; i < cut.n; i++) {
			assert_int_equal(cut.p[i].ts_ns, whole.p[i].ts_ns);
			assert_int_equal(cut.p[i].caplen, whole.p[i].caplen);
			assert_int_equal(cut.p[i].wirelen, whole.p[i].wirelen);
			assert_int_equal(cut.first[i], whole.first[i]);
		}
	}
}

/* Every byte replaced: whatever comes of it, nothing is read out of bounds and it ends. */
static inline void check_every_byte_broken(const struct file *f)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	struct file broken = *f;
	struct packets got;
	for (size_t i = 0; i < f->n; i++)
		for (size_t m = 0; m < sizeof(masks); m++) {
			broken.data[i] = f->data[i] ^ masks[m];
			read_file(&broken, &got);
			assert_true(got.n < 1000);
			broken.data[i] = f->data[i];
		}
}
