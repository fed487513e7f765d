/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_pktring: a reader on memory that says anything. The input is 8-byte words: the preference,
 * then pairs of an offset and a value that are written over a good ring of 8 KiB before each
 * read; when the first word has its top bit set, the rest is the whole memory instead. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pktring_layout.h"

#define BYTES    (1u << 13)
#define SNAPLEN  256
#define MEMORY   (1u << 20)
#define READS    10000
#define WHOLE    (UINT64_C(1) << 63)
#define SENTENCE "a packet that is read from a ring that somebody scribbled over"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A memory file with that content, sealed as a ring's. */
static int whole(const uint8_t *data, size_t size)
{
	const int fd = memfd_create("fuzz", MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    pwrite(fd, data, size, 0) != (ssize_t)size || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		abort();
	return fd;
}

static struct hm_pktring *fill(enum hm_pktring_preference preference)
{
	struct hm_pktring *const ring = hm_pktring_create(
		&(struct hm_pktring_conf){
			.writers = 2, .bytes = BYTES, .snaplen = SNAPLEN, .preference = preference},
		NULL);
	static struct hm_batch b;
	if (!ring)
		abort();
	b.n = HM_BATCH_MAX;
	b.all = hm_mask_first(HM_BATCH_MAX);
	for (unsigned i = 0; i < HM_BATCH_MAX; i++) {
		b.data[i] = (const uint8_t *)SENTENCE;
		b.caplen[i] = b.wirelen[i] = i % sizeof(SENTENCE);
		b.ts_ns[i] = i;
	}
	hm_pktring_put(ring, 0, &b, b.all);
	hm_pktring_put(ring, 1, &b, b.all);
	return ring;
}

/* Everything that the reader says belongs to a packet must be readable. */
static int use(struct hm_pktring_reader *r)
{
	struct hm_pktring_packet p;
	static uint64_t sum; // of all bytes, so that each is really read
	const int got = hm_pktring_next(r, &p);
	if (got == 1) {
		sum += p.mapipkt->wlen;
		if (p.caplen > hm_pktring_snaplen(r))
			abort();
		for (uint32_t i = 0; i < p.caplen; i++)
			sum += p.data[i];
		if (sum == UINT64_MAX)
			abort();
	}
	return got;
}

static void read_whole(const uint8_t *data, size_t size)
{
	const int fd = whole(data, size);
	struct hm_pktring_reader *const r = hm_pktring_open(fd, NULL);
	if (!r) {
		close(fd);
		return;
	}
	for (unsigned n = 0; n < READS && use(r) == 1; n++)
		;
	hm_pktring_lost(r);
	hm_pktring_close(r);
}

static void read_patched(const uint8_t *data, size_t size, enum hm_pktring_preference preference)
{
	struct hm_pktring *const ring = fill(preference);
	const uint64_t total = hm_pktring_total(2, BYTES);
	uint8_t *const m =
		mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, hm_pktring_fd(ring), 0);
	struct hm_pktring_reader *const r = hm_pktring_open(dup(hm_pktring_fd(ring)), NULL);
	struct hm_pktring_counts c;

	if (m == MAP_FAILED || !r)
		abort();
	for (; size >= 16; data += 16, size -= 16) {
		uint64_t offset;
		memcpy(&offset, data, 8);
		memcpy(m + offset % (total / 8) * 8, data + 8, 8);
		if (use(r) < 0)
			break;
	}
	hm_pktring_counts(ring, &c);
	if (c.offered != c.delivered + c.overwritten + c.dropped + c.queued)
		abort();
	hm_pktring_close(r);
	munmap(m, total);
	hm_pktring_destroy(ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t first;
	if (size < sizeof(first) || size > MEMORY)
		return 0;
	memcpy(&first, data, sizeof(first));
	if (first & WHOLE)
		read_whole(data + sizeof(first), size - sizeof(first));
	else
		read_patched(data + sizeof(first), size - sizeof(first),
			     (enum hm_pktring_preference)(first % 2));
	return 0;
}
