/* SPDX-License-Identifier: BSD-3-Clause */
/* Each side of a packet ring against memory that the other side has scribbled over. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/pktring_layout.h"
#include "pktring_packets.h"

#define LONGEST 300
#define BYTES   (1u << 14)

static struct hm_pktring *create(unsigned writers, enum hm_pktring_preference preference)
{
	struct hm_pktring *const ring =
		hm_pktring_create(&(struct hm_pktring_conf){.writers = writers,
							    .bytes = BYTES,
							    .snaplen = LONGEST,
							    .preference = preference},
				  NULL);
	assert_non_null(ring);
	return ring;
}

static uint8_t *map(struct hm_pktring *ring, unsigned writers)
{
	uint8_t *const m = mmap(NULL, hm_pktring_total(writers, BYTES), PROT_READ | PROT_WRITE,
				MAP_SHARED, hm_pktring_fd(ring), 0);
	assert_true(m != MAP_FAILED);
	return m;
}

static void put(struct hm_pktring *ring, struct packets *packets, uint64_t first, uint32_t n)
{
	const struct hm_batch *const b = packets_fill(packets, first, n, 1);
	hm_pktring_put(ring, 0, b, b->all);
}

/* A client that writes random words over everything between the daemon's batches: the daemon
 * neither crashes nor hangs (the sanitizers watch), and its sum still holds. */
static void scribble(enum hm_pktring_preference preference)
{
	struct hm_pktring *const ring = create(1, preference);
	const uint64_t total = hm_pktring_total(1, BYTES);
	uint8_t *const m = map(ring, 1);
	struct packets packets;
	uint64_t given = 0;

	packets_init(&packets, LONGEST);
	for (unsigned i = 0; i < 2000; i++) {
		struct hm_pktring_counts c;
		uint64_t word = packet_mix(i);
		if (i % 3 == 0)
			word %= given + 2; // near the truth is nastier
		if (i % 50 == 49)
			memset(m, i & 0xff, total);
		for (unsigned k = 0; k < 3; k++)
			memcpy(m + HM_PKTRING_PAGE * 2 + 8 * k, &word, 8); // the reader's counts
		memcpy(m + packet_mix(i + 7) % (total / 8) * 8, &word, 8);
		put(ring, &packets, given, 1 + i % 64);
		given += 1 + i % 64;
		hm_pktring_counts(ring, &c);
		assert_int_equal(c.offered, given);
		assert_int_equal(c.offered, c.delivered + c.overwritten + c.dropped + c.queued);
		assert_true(c.delivered <= given && c.overwritten <= given && c.queued <= given);
	}
	packets_fini(&packets);
	munmap(m, total);
	hm_pktring_destroy(ring);
}

static void test_pktring_slow_writer_survives_a_scribbling_reader(void **state)
{
	(void)state;
	scribble(HM_PKTRING_SLOW);
}

static void test_pktring_fast_writer_survives_a_scribbling_reader(void **state)
{
	(void)state;
	scribble(HM_PKTRING_FAST);
}

static void test_pktring_count_that_cannot_be_true_is_not_believed(void **state)
{
	struct hm_pktring *const ring = create(1, HM_PKTRING_SLOW);
	uint8_t *const m = map(ring, 1);
	struct hm_pktring_read *const reader = hm_pktring_parts(m, BYTES, 0).read;
	struct hm_pktring_counts before, after;
	struct packets packets;
	(void)state;
	packets_init(&packets, LONGEST);
	for (unsigned i = 0; i < 10; i++)
		put(ring, &packets, 0, 64);
	hm_pktring_counts(ring, &before);
	assert_true(before.dropped > 0);
	atomic_store(&reader->freed, before.queued + 1); // more than there are
	put(ring, &packets, 0, 64);
	atomic_store(&reader->freed, UINT64_MAX);
	put(ring, &packets, 0, 64);
	hm_pktring_counts(ring, &after);
	assert_int_equal(after.queued, before.queued); // nothing was freed by that
	atomic_store(&reader->freed, before.queued);
	put(ring, &packets, 0, 1);
	hm_pktring_counts(ring, &after);
	assert_int_equal(after.queued, before.queued + 1);
	packets_fini(&packets);
	munmap(m, hm_pktring_total(1, BYTES));
	hm_pktring_destroy(ring);
}

static void test_pktring_size_cannot_be_changed_by_the_client(void **state)
{
	struct hm_pktring *const ring = create(1, HM_PKTRING_SLOW);
	(void)state;
	assert_int_equal(ftruncate(hm_pktring_fd(ring), 4096), -1);
	assert_int_equal(ftruncate(hm_pktring_fd(ring), 1 << 24), -1);
	assert_int_equal(fcntl(hm_pktring_fd(ring), F_ADD_SEALS, F_SEAL_WRITE), -1);
	hm_pktring_destroy(ring);
}

static void test_pktring_each_false_header_field_is_refused(void **state)
{
	static const size_t fields[] = {
		offsetof(struct hm_pktring_header, magic),
		offsetof(struct hm_pktring_header, version),
		offsetof(struct hm_pktring_header, writers),
		offsetof(struct hm_pktring_header, bytes),
		offsetof(struct hm_pktring_header, preference),
		offsetof(struct hm_pktring_header, total),
	};
	static const uint32_t values[] = {0,        3,        64,       65,        1u << 12,
					  1u << 15, 1u << 30, 1u << 31, UINT32_MAX};
	struct hm_pktring *const ring = create(2, HM_PKTRING_SLOW);
	uint8_t *const m = map(ring, 2);
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			uint32_t *const field = (uint32_t *)(void *)(m + fields[i]);
			const uint32_t good = *field;
			struct hm_error err = {0};
			if (fields[i] == offsetof(struct hm_pktring_header, preference) &&
			    values[k] <= HM_PKTRING_WAIT)
				continue;
			*field = values[k];
			errno = 0;
			const int fd = dup(hm_pktring_fd(ring));
			assert_null(hm_pktring_open(fd, &err));
			assert_true(errno != 0 && err.text[0] != '\0');
			assert_int_equal(close(fd), 0); // still the caller's
			*field = good;
		}
	}
	munmap(m, hm_pktring_total(2, BYTES));
	hm_pktring_destroy(ring);
}

static void test_pktring_snaplen_beyond_the_ring_is_refused(void **state)
{
	struct hm_pktring *const ring = create(1, HM_PKTRING_SLOW);
	uint8_t *const m = map(ring, 1);
	struct hm_error err;
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		((struct hm_pktring_header *)(void *)m)->snaplen =
			(uint32_t[]){0, BYTES / 2, UINT32_MAX}[i];
		const int fd = dup(hm_pktring_fd(ring));
		assert_null(hm_pktring_open(fd, &err));
		close(fd);
	}
	munmap(m, hm_pktring_total(1, BYTES));
	hm_pktring_destroy(ring);
}

static void test_pktring_what_is_no_sealed_memory_is_refused(void **state)
{
	struct hm_error err;
	int fds[2];
	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_null(hm_pktring_open(fds[0], &err));
	assert_null(hm_pktring_open(-1, &err));
	close(fds[0]);
	close(fds[1]);
	const int fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 1 << 16), 0);
	assert_null(hm_pktring_open(fd, &err));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_null(hm_pktring_open(fd, &err)); // sealed, but no ring
	close(fd);
}

/* What the writer's words may say, and what the reader must then answer. */
static int read_all(enum hm_pktring_preference preference, size_t offset, uint64_t value)
{
	struct hm_pktring *const ring = create(1, preference);
	uint8_t *const m = map(ring, 1);
	struct hm_pktring_reader *const reader = hm_pktring_open(dup(hm_pktring_fd(ring)), NULL);
	struct hm_pktring_packet p;
	struct packets packets;
	int got;

	assert_non_null(reader);
	packets_init(&packets, LONGEST);
	put(ring, &packets, 0, 8);
	memcpy(m + offset, &value, sizeof(value));
	for (unsigned n = 0; (got = hm_pktring_next(reader, &p)) == 1; n++) {
		assert_true(p.caplen <= LONGEST);
		assert_true(n < hm_pktring_slots(BYTES));
	}
	assert_int_equal(hm_pktring_next(reader, &p), got); // and it stays so
	hm_pktring_close(reader);
	packets_fini(&packets);
	munmap(m, hm_pktring_total(1, BYTES));
	hm_pktring_destroy(ring);
	return got;
}

static void test_pktring_reader_refuses_impossible_counts_and_slots(void **state)
{
	const size_t written = HM_PKTRING_PAGE;
	const size_t head = written + offsetof(struct hm_pktring_written, head);
	const size_t oldest = written + offsetof(struct hm_pktring_written, oldest);
	const size_t place = 3 * HM_PKTRING_PAGE + offsetof(struct hm_pktring_slot, place);
	const size_t packets = 3 * HM_PKTRING_PAGE + hm_pktring_slots_bytes(BYTES);
	(void)state;
	assert_int_equal(read_all(HM_PKTRING_SLOW, head, UINT64_MAX), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, head, hm_pktring_slots(BYTES) + 1), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, UINT64_MAX), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, 4), -EBADMSG); // other caplen
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, UINT64_C(4) << 32), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, LONGEST + 1), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, (uint64_t)(BYTES - 8) << 32), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, (uint64_t)BYTES << 32), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, packets + 12, UINT64_MAX), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_FAST, oldest, 9), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_FAST, oldest, UINT64_MAX), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_SLOW, place, (uint64_t)(64 * BYTES) << 32), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_FAST, place, UINT64_MAX), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_FAST, place, BYTES / 2), -EBADMSG);
	assert_int_equal(read_all(HM_PKTRING_FAST, oldest, 8), 0); // all lost, which is possible
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pktring_slow_writer_survives_a_scribbling_reader),
		cmocka_unit_test(test_pktring_fast_writer_survives_a_scribbling_reader),
		cmocka_unit_test(test_pktring_count_that_cannot_be_true_is_not_believed),
		cmocka_unit_test(test_pktring_size_cannot_be_changed_by_the_client),
		cmocka_unit_test(test_pktring_each_false_header_field_is_refused),
		cmocka_unit_test(test_pktring_snaplen_beyond_the_ring_is_refused),
		cmocka_unit_test(test_pktring_what_is_no_sealed_memory_is_refused),
		cmocka_unit_test(test_pktring_reader_refuses_impossible_counts_and_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
