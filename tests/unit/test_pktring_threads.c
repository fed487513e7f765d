/* SPDX-License-Identifier: BSD-3-Clause */
/* Writers and a reader on threads of their own: each packet that arrives is right in all its bytes
 * and in order, and each one that does not is counted.
 *
 * Built a second time with ThreadSanitizer, which knows memory by its address: there both sides
 * share one mapping. HM_PKTRING_FAST is left out of it: its reader reads what may be overwritten
 * meanwhile and finds out afterwards, which is what TSan calls a race. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pktring_packets.h"

#define LONGEST 200
#define WRITERS 2

#if defined(HM_TEST_TSAN)
#define PACKETS 30000
#else
#define PACKETS 200000
#endif

#if defined(HM_TEST_TSAN)
static void *shared_map;
static unsigned shared_users;

void *__real_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);

/* The ring's mapping is the first, the reader's the second. */
void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (fd < 0)
		return __real_mmap64(at, size, prot, flags, fd, offset);
	if (shared_users++ == 0)
		shared_map = __real_mmap64(at, size, prot, flags, fd, offset);
	return shared_map;
}

int __wrap_munmap(void *at, size_t size)
{
	if (at == shared_map && --shared_users > 0)
		return 0;
	return __real_munmap(at, size);
}
#endif

struct writer {
	struct hm_pktring *ring;
	unsigned number;
};

/* Writer w puts packets w, w + WRITERS, ... in batches of changing size. */
static void *write_all(void *arg)
{
	const struct writer *const w = arg;
	struct packets packets;
	packets_init(&packets, LONGEST);
	for (uint64_t i = 0; i < PACKETS;) {
		uint32_t n = 1 + packet_mix(i) % HM_BATCH_MAX;
		if (n > PACKETS - i)
			n = PACKETS - i;
		const struct hm_batch *const b =
			packets_fill(&packets, w->number + i * WRITERS, n, WRITERS);
		while (!hm_pktring_ready(w->ring, w->number))
			sched_yield();
		hm_pktring_put(w->ring, w->number, b, b->all);
		i += n;
	}
	hm_pktring_end(w->ring, w->number);
	packets_fini(&packets);
	return NULL;
}

static void assert_sum_holds(const struct hm_pktring *ring)
{
	struct hm_pktring_counts c;
	hm_pktring_counts(ring, &c);
	assert_int_equal(c.offered, c.delivered + c.overwritten + c.dropped + c.queued);
}

/* Reads to the end; returns the packets it did not get, by the gaps in the numbers. */
static uint64_t read_all(struct hm_pktring *ring, struct hm_pktring_reader *reader, bool dawdle)
{
	uint64_t next[WRITERS] = {0}, lost = 0;
	struct hm_pktring_packet p;
	int got;

	for (unsigned n = 0; (got = hm_pktring_next(reader, &p)) >= 0; n++) {
		if (n % 1000 == 0)
			assert_sum_holds(ring);
		if (dawdle && n % 512 == 0)
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
		if (got == 0)
			continue;
		assert_true(packet_is_right(&p, LONGEST, LONGEST));
		const unsigned w = packet_number(&p) % WRITERS;
		const uint64_t i = packet_number(&p) / WRITERS;
		assert_true(i >= next[w] && i < PACKETS);
		lost += i - next[w];
		next[w] = i + 1;
	}
	assert_int_equal(got, -ENODATA);
	for (unsigned w = 0; w < WRITERS; w++)
		lost += PACKETS - next[w];
	return lost;
}

static void run(enum hm_pktring_preference preference, bool dawdle)
{
	struct hm_pktring *const ring =
		hm_pktring_create(&(struct hm_pktring_conf){.writers = WRITERS,
							    .bytes = 1 << 16,
							    .snaplen = LONGEST,
							    .preference = preference},
				  NULL);
	assert_non_null(ring);
	struct hm_pktring_reader *const reader = hm_pktring_open(dup(hm_pktring_fd(ring)), NULL);
	assert_non_null(reader);
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	struct hm_pktring_counts c;

	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ring, i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
	}
	const uint64_t lost = read_all(ring, reader, dawdle);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	hm_pktring_counts(ring, &c);
	assert_int_equal(c.offered, WRITERS * PACKETS);
	assert_int_equal(c.queued, 0);
	assert_int_equal(c.delivered, WRITERS * PACKETS - lost);
	assert_int_equal(c.dropped, preference == HM_PKTRING_FAST ? 0 : lost);
	assert_int_equal(c.overwritten, preference == HM_PKTRING_FAST ? lost : 0);
	assert_int_equal(hm_pktring_lost(reader), lost);
	if (preference == HM_PKTRING_WAIT)
		assert_int_equal(lost, 0);
	else if (dawdle)
		assert_true(lost > 0);
	hm_pktring_close(reader);
	hm_pktring_destroy(ring);
}

static void test_pktring_slow_lost_packets_are_exactly_the_dropped(void **state)
{
	(void)state;
	run(HM_PKTRING_SLOW, false);
	run(HM_PKTRING_SLOW, true);
}

static void test_pktring_wait_loses_nothing(void **state)
{
	(void)state;
	run(HM_PKTRING_WAIT, false);
	run(HM_PKTRING_WAIT, true);
}

#if !defined(HM_TEST_TSAN)
static void test_pktring_fast_lost_packets_are_exactly_the_overwritten(void **state)
{
	(void)state;
	run(HM_PKTRING_FAST, false);
	run(HM_PKTRING_FAST, true);
}
#endif

static void test_pktring_wait_source_without_reader_goes_on_when_abandoned(void **state)
{
	struct hm_pktring *const ring = hm_pktring_create(
		&(struct hm_pktring_conf){.writers = WRITERS, .preference = HM_PKTRING_WAIT}, NULL);
	struct writer writer = {ring, 0};
	struct hm_pktring_counts c;
	pthread_t thread;
	(void)state;
	assert_non_null(ring);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &writer), 0);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	hm_pktring_abandon(ring);
	pthread_join(thread, NULL);
	hm_pktring_counts(ring, &c);
	assert_int_equal(c.offered, PACKETS);
	assert_int_equal(c.queued + c.dropped, PACKETS);
	hm_pktring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pktring_slow_lost_packets_are_exactly_the_dropped),
		cmocka_unit_test(test_pktring_wait_loses_nothing),
#if !defined(HM_TEST_TSAN)
		cmocka_unit_test(test_pktring_fast_lost_packets_are_exactly_the_overwritten),
#endif
		cmocka_unit_test(test_pktring_wait_source_without_reader_goes_on_when_abandoned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
