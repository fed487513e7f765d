/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring_reader: the client's side of a packet ring, see pktring.h. Nothing found in the ring is
 * followed before it is checked against the size of the mapping; with HM_PKTRING_FAST nothing is
 * believed before the writer's `oldest` says that it had not been overwritten when it was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pktring_layout.h"

#if defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic ignored "-Wtsan" // HM_PKTRING_FAST needs a fence; its tests do without TSan
#endif

#define TRIES 64 // of one call, against a writer who overwrites faster than we read

/* One writer as the reader sees it. */
struct source {
	struct hm_pktring_parts at;
	uint64_t head; // as last seen
	uint64_t tail; // next packet to read
	uint64_t taken, skipped;
	uint64_t ts_ns; // of packet `tail` if ready
	bool ready, done;
};

struct hm_pktring_reader {
	int fd;
	void *map;
	uint64_t total;
	uint32_t bytes, slots, snaplen;
	enum hm_link link;
	bool fast, corrupt;
	struct source *held; // whose packet the caller is looking at
	void *copy;          // HM_PKTRING_FAST: the packet
	unsigned n_sources;
	struct source sources[];
};

static const struct hm_pktring_slot *slot_at(const struct hm_pktring_reader *r,
					     const struct source *s)
{
	return &s->at.slots[s->tail & (r->slots - 1)];
}

/* Goes on behind what the writer has given up. Whether anything was lost. */
static bool skip_overwritten(struct source *s)
{
	const uint64_t oldest = atomic_load_explicit(&s->at.written->oldest, memory_order_acquire);
	if (oldest <= s->tail)
		return false;
	s->skipped += oldest - s->tail;
	s->tail = oldest;
	atomic_store_explicit(&s->at.read->skipped, s->skipped, memory_order_release);
	return true;
}

/* Looks for the source's next packet. 0, or -EBADMSG. */
static int look(const struct hm_pktring_reader *r, struct source *s)
{
	if (s->tail == s->head) {
		// in this order: when it had ended, the head that follows is the last one
		s->done = atomic_load_explicit(&s->at.written->ended, memory_order_acquire) != 0;
		if (r->fast)
			skip_overwritten(s);
		s->head = atomic_load_explicit(&s->at.written->head, memory_order_acquire);
	}
	// what is unread fits in the ring, but a fast writer may have gone on since
	if (s->head < s->tail || (!r->fast && s->head - s->tail > r->slots))
		return -EBADMSG;
	if (s->head == s->tail)
		return 0;
	s->done = false;
	s->ready = true;
	s->ts_ns = atomic_load_explicit(&slot_at(r, s)->ts_ns, memory_order_relaxed);
	return 0;
}

/* The packet `tail`, NULL if its slot contradicts itself or the ring. */
static const struct hm_mapipkt *packet_at(const struct hm_pktring_reader *r, const struct source *s,
					  uint32_t *caplen)
{
	const uint64_t place = atomic_load_explicit(&slot_at(r, s)->place, memory_order_relaxed);
	const uint32_t offset = place >> 32;
	*caplen = (uint32_t)place;
	if (*caplen > r->snaplen || offset % HM_PKTRING_ALIGN != 0 || offset > r->bytes ||
	    hm_pktring_record_bytes(*caplen) > r->bytes - offset)
		return NULL;
	return (const struct hm_mapipkt *)(const void *)(s->at.packets + offset);
}

/* 1: *p filled; 0: overwritten meanwhile; -EBADMSG. */
static int take(struct hm_pktring_reader *r, struct source *s, struct hm_pktring_packet *p)
{
	uint32_t caplen;
	const struct hm_mapipkt *m = packet_at(r, s, &caplen);

	s->ready = false;
	if (r->fast) {
		if (m)
			m = memcpy(r->copy, m, sizeof(*m) + caplen);
		atomic_thread_fence(memory_order_acquire); // the writer's is in evict()
		if (skip_overwritten(s)) {
			s->head = s->tail; // look again
			return 0;
		}
	}
	if (!m || m->caplen != caplen)
		return -EBADMSG;
	*p = (struct hm_pktring_packet){
		.ts_ns = s->ts_ns,
		.mapipkt = m,
		.data = (const uint8_t *)(m + 1),
		.caplen = caplen,
		.wirelen = m->wlen,
		.ifindex = m->ifindex,
	};
	s->tail++;
	s->taken++;
	atomic_store_explicit(&s->at.read->taken, s->taken, memory_order_release);
	r->held = s;
	return 1;
}

static void give_back(struct hm_pktring_reader *r)
{
	if (!r->held)
		return;
	// release: our reads are done before the writer reuses the memory
	atomic_store_explicit(&r->held->at.read->freed, r->held->tail, memory_order_release);
	r->held = NULL;
}

/* The source with the oldest packet; NULL: none has one, or the ring is corrupt. */
static struct source *oldest_source(struct hm_pktring_reader *r)
{
	struct source *oldest = NULL;
	for (unsigned i = 0; i < r->n_sources; i++) {
		struct source *const s = &r->sources[i];
		if (!s->ready && look(r, s) < 0) {
			r->corrupt = true;
			return NULL;
		}
		if (s->ready && (!oldest || s->ts_ns < oldest->ts_ns))
			oldest = s;
	}
	return oldest;
}

static bool all_done(const struct hm_pktring_reader *r)
{
	for (unsigned i = 0; i < r->n_sources; i++)
		if (!r->sources[i].done)
			return false;
	return true;
}

int hm_pktring_next(struct hm_pktring_reader *r, struct hm_pktring_packet *p)
{
	give_back(r);
	for (unsigned n = 0; n < TRIES && !r->corrupt; n++) {
		struct source *const s = oldest_source(r);
		if (!s)
			break;
		const int got = take(r, s, p);
		if (got == 1)
			return 1;
		r->corrupt = got < 0;
	}
	if (r->corrupt)
		return -EBADMSG;
	return all_done(r) ? -ENODATA : 0;
}

enum hm_link hm_pktring_link(const struct hm_pktring_reader *r)
{
	return r->link;
}

uint32_t hm_pktring_snaplen(const struct hm_pktring_reader *r)
{
	return r->snaplen;
}

uint64_t hm_pktring_lost(const struct hm_pktring_reader *r)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < r->n_sources; i++) {
		const struct source *const s = &r->sources[i];
		n += s->skipped +
		     atomic_load_explicit(&s->at.written->dropped, memory_order_relaxed);
	}
	return n;
}

/* --- opening --- */

/* The memory must stay as it is: no signal from a file that shrinks under the mapping. */
static int check_file(int fd, uint64_t *size, struct hm_error *err)
{
	struct stat st;
	const int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0)
		return hm_error_set(err, -EINVAL, 0, "packet ring: not a sealed memory file");
	if (st.st_size < (off_t)HM_PKTRING_PAGE)
		return hm_error_set(err, -EINVAL, 0, "packet ring: %jd bytes, a ring has more",
				    (intmax_t)st.st_size);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int check_header(const struct hm_pktring_header *h, uint64_t size, struct hm_error *err)
{
	if (h->magic != HM_PKTRING_MAGIC)
		return hm_error_set(err, -EINVAL, 0, "packet ring: the memory is no packet ring");
	if (h->version != HM_PKTRING_VERSION)
		return hm_error_set(err, -EPROTO, 0,
				    "packet ring: version %" PRIu32 ", known is version %d",
				    h->version, HM_PKTRING_VERSION);
	if (h->writers < 1 || h->writers > HM_PKTRING_WRITERS_MAX)
		return hm_error_set(err, -EINVAL, 0, "packet ring: %" PRIu32 " writers, not 1..%u",
				    h->writers, HM_PKTRING_WRITERS_MAX);
	if (h->snaplen < 1 || !hm_pktring_bytes_ok(h->bytes, h->snaplen))
		return hm_error_set(err, -EINVAL, 0,
				    "packet ring: impossible size %" PRIu32
				    " with snaplen %" PRIu32,
				    h->bytes, h->snaplen);
	if (h->preference > HM_PKTRING_WAIT)
		return hm_error_set(err, -EINVAL, 0, "packet ring: unknown preference %" PRIu32,
				    h->preference);
	if (h->total != size || h->total != hm_pktring_total(h->writers, h->bytes))
		return hm_error_set(err, -EINVAL, 0,
				    "packet ring: size %" PRIu64 " in the header, %" PRIu64
				    " of the memory, %" PRIu64 " by its parts",
				    h->total, size, hm_pktring_total(h->writers, h->bytes));
	return 0;
}

/* One process reads a ring. The lock goes when the process does, whatever its end. */
static int lock_ring(int fd, struct hm_error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES || errno == EAGAIN)
		return hm_error_set(err, -EBUSY, 0, "packet ring: another process reads it");
	return hm_error_set(err, -errno, 0, "packet ring: lock: %s", strerror(errno));
}

/* Takes up a source where its last reader stopped. */
static int open_source(struct hm_pktring_reader *r, unsigned i, struct hm_error *err)
{
	struct source *const s = &r->sources[i];

	s->at = hm_pktring_parts(r->map, r->bytes, i);
	if (mprotect(s->at.read, HM_PKTRING_PAGE, PROT_READ | PROT_WRITE) < 0)
		return hm_error_set(err, -errno, 0, "packet ring: mapping: %s", strerror(errno));
	s->taken = atomic_load_explicit(&s->at.read->taken, memory_order_relaxed);
	s->skipped = atomic_load_explicit(&s->at.read->skipped, memory_order_relaxed);
	s->head = atomic_load_explicit(&s->at.written->head, memory_order_acquire);
	s->tail = s->taken + s->skipped;
	if (s->tail > s->head || s->taken > s->head || s->skipped > s->head)
		return hm_error_set(err, -EBADMSG, 0,
				    "packet ring: %" PRIu64 " packets read, but %" PRIu64
				    " written",
				    s->tail, s->head);
	atomic_store_explicit(&s->at.read->freed, s->tail, memory_order_release);
	return 0;
}

static struct hm_pktring_reader *create_reader(const struct hm_pktring_header *h)
{
	struct hm_pktring_reader *const r =
		calloc(1, sizeof(*r) + h->writers * sizeof(r->sources[0]));
	if (!r)
		return NULL;
	r->copy = malloc(hm_pktring_record_bytes(h->snaplen));
	if (!r->copy) {
		free(r);
		return NULL;
	}
	r->fd = -1; // the caller's until all has gone well
	r->total = h->total;
	r->bytes = h->bytes;
	r->slots = hm_pktring_slots(h->bytes);
	r->snaplen = h->snaplen;
	r->link = h->link;
	r->fast = h->preference == HM_PKTRING_FAST;
	r->n_sources = h->writers;
	return r;
}

static int map_ring(struct hm_pktring_reader **r, int fd, uint64_t size, struct hm_error *err)
{
	void *const map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return hm_error_set(err, -errno, 0, "packet ring: mapping %" PRIu64 " bytes: %s",
				    size, strerror(errno));
	struct hm_pktring_header h; // a copy: what is checked is what is used
	memcpy(&h, map, sizeof(h));
	int code = check_header(&h, size, err);
	if (code == 0) {
		*r = create_reader(&h);
		if (!*r)
			code = hm_error_set(err, -ENOMEM, 0, "packet ring: no memory");
	}
	if (code < 0)
		munmap(map, size);
	else
		(*r)->map = map;
	return code;
}

struct hm_pktring_reader *hm_pktring_open(int fd, struct hm_error *err)
{
	struct hm_pktring_reader *r = NULL;
	uint64_t size = 0;
	int code = check_file(fd, &size, err);

	if (code == 0)
		code = lock_ring(fd, err);
	if (code == 0)
		code = map_ring(&r, fd, size, err);
	for (unsigned i = 0; code == 0 && i < r->n_sources; i++)
		code = open_source(r, i, err);
	if (code < 0) {
		hm_pktring_close(r);
		errno = -code;
		return NULL;
	}
	r->fd = fd;
	return r;
}

void hm_pktring_close(struct hm_pktring_reader *r)
{
	if (!r)
		return;
	give_back(r);
	munmap(r->map, r->total);
	if (r->fd >= 0)
		close(r->fd);
	free(r->copy);
	free(r);
}
