/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring: the daemon's side, see pktring.h. What a writer relies on (numbers, positions, sizes)
 * is in struct writer, in private memory; shared memory is only written, but for the reader's
 * counts. Positions count bytes modulo 2^32, which is enough as a ring has at most 2^30.
 */
#include "core/pktring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pktring_layout.h"

#if defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic ignored "-Wtsan" // HM_PKTRING_FAST needs a fence; its tests do without TSan
#endif

struct writer {
	alignas(64) struct hm_pktring_parts at;
	uint32_t *starts;         // position of each slot's packet
	uint64_t next;            // number of the next packet
	uint64_t first;           // packets n < first need their memory no longer
	uint32_t first_pos;       // start of packet `first`, or `end` if there is none
	uint32_t end;             // position behind the newest packet
	_Atomic uint64_t head;    // published; like the next two read by hm_pktring_counts()
	_Atomic uint64_t oldest;  // HM_PKTRING_FAST: published
	_Atomic uint64_t dropped; // published
};

struct hm_pktring {
	int fd;
	void *map;
	uint64_t total;
	uint32_t bytes, slots, snaplen;
	enum hm_pktring_preference preference;
	unsigned n_writers;
	_Atomic bool abandoned;
	struct writer *writers;
};

/* --- the packet path --- */

/* Where a packet of that size would start: none wraps around the end. */
static uint32_t start_of_next(const struct hm_pktring *r, const struct writer *w, uint32_t size)
{
	const uint32_t left = r->bytes - (w->end & (r->bytes - 1));
	return size <= left ? w->end : w->end + left;
}

static bool has_room(const struct hm_pktring *r, const struct writer *w, uint32_t size)
{
	return w->next - w->first < r->slots &&
	       start_of_next(r, w, size) + size - w->first_pos <= r->bytes;
}

static void publish_head(struct writer *w)
{
	atomic_store_explicit(&w->head, w->next, memory_order_release);             // counts
	atomic_store_explicit(&w->at.written->head, w->next, memory_order_release); // reader
}

static void set_first(const struct hm_pktring *r, struct writer *w, uint64_t first)
{
	w->first = first;
	w->first_pos = first == w->next ? w->end : w->starts[first & (r->slots - 1)];
}

/* Takes back what the reader is done with. A count that cannot be true is not believed. */
static void take_back(const struct hm_pktring *r, struct writer *w)
{
	// acquire: the reader has finished reading before we write there
	const uint64_t freed = atomic_load_explicit(&w->at.read->freed, memory_order_acquire);
	if (freed - w->first <= w->next - w->first)
		set_first(r, w, freed);
}

/* Gives up the oldest packets, a sixteenth of the ring more than needed. */
static void evict(const struct hm_pktring *r, struct writer *w, uint32_t size)
{
	const uint32_t need = start_of_next(r, w, size) + size + r->bytes / 16;
	uint64_t n = w->first;
	while (n != w->next && (need - w->starts[n & (r->slots - 1)] > r->bytes ||
				w->next - n + r->slots / 16 > r->slots))
		n++;
	publish_head(w); // oldest <= head, always
	set_first(r, w, n);
	atomic_store_explicit(&w->oldest, n, memory_order_release);
	atomic_store_explicit(&w->at.written->oldest, n, memory_order_release);
	// the reader's check: it reads a packet, fence, then `oldest`
	atomic_thread_fence(memory_order_release);
}

static uint64_t mapi_time(uint64_t ns)
{
	const uint64_t second = 1000000000;
	return ns / second << 32 | ((ns % second << 32) + second / 2) / second;
}

static void append(const struct hm_pktring *r, struct writer *w, const struct hm_batch *b,
		   unsigned i, uint32_t caplen)
{
	const uint32_t size = hm_pktring_record_bytes(caplen);
	const uint32_t start = start_of_next(r, w, size);
	const uint32_t offset = start & (r->bytes - 1);
	const uint32_t slot = w->next & (r->slots - 1);
	struct hm_mapipkt *const m = (struct hm_mapipkt *)(void *)(w->at.packets + offset);

	m->ts = mapi_time(b->ts_ns[i]);
	m->ifindex = b->ifindex[i];
	m->pad = 0;
	m->caplen = caplen;
	m->wlen = b->wirelen[i];
	memcpy(m + 1, b->data[i], caplen);
	atomic_store_explicit(&w->at.slots[slot].ts_ns, b->ts_ns[i], memory_order_relaxed);
	atomic_store_explicit(&w->at.slots[slot].place, (uint64_t)offset << 32 | caplen,
			      memory_order_relaxed);
	w->starts[slot] = start;
	if (w->first == w->next)
		w->first_pos = start;
	w->next++;
	w->end = start + size;
}

void hm_pktring_put(struct hm_pktring *r, unsigned writer, const struct hm_batch *b, uint64_t in)
{
	struct writer *const w = &r->writers[writer];
	uint64_t dropped = 0;
	bool looked = false; // at the reader's counts: once a batch, as each look may cost a miss

	hm_mask_foreach (i, in) {
		const uint32_t caplen = b->caplen[i] < r->snaplen ? b->caplen[i] : r->snaplen;
		const uint32_t size = hm_pktring_record_bytes(caplen);
		if (!has_room(r, w, size)) {
			if (r->preference == HM_PKTRING_FAST)
				evict(r, w, size);
			else if (!looked)
				take_back(r, w);
			looked = true;
			if (!has_room(r, w, size)) {
				dropped++;
				continue;
			}
		}
		append(r, w, b, i, caplen);
	}
	if (dropped > 0) {
		dropped += atomic_load_explicit(&w->dropped, memory_order_relaxed);
		atomic_store_explicit(&w->dropped, dropped, memory_order_relaxed);
		atomic_store_explicit(&w->at.written->dropped, dropped, memory_order_relaxed);
	}
	publish_head(w);
}

/* With one packet more, as one may have to begin at the ring's start. */
static uint32_t batch_bytes(uint32_t snaplen)
{
	return (HM_BATCH_MAX + 1) * hm_pktring_record_bytes(snaplen);
}

static bool has_room_for_batch(const struct hm_pktring *r, const struct writer *w)
{
	return w->next - w->first + HM_BATCH_MAX <= r->slots &&
	       w->end - w->first_pos + batch_bytes(r->snaplen) <= r->bytes;
}

bool hm_pktring_ready(struct hm_pktring *r, unsigned writer)
{
	struct writer *const w = &r->writers[writer];

	if (r->preference != HM_PKTRING_WAIT || has_room_for_batch(r, w))
		return true;
	take_back(r, w);
	return has_room_for_batch(r, w) ||
	       atomic_load_explicit(&r->abandoned, memory_order_relaxed);
}

void hm_pktring_end(struct hm_pktring *r, unsigned writer)
{
	// release: whoever sees `ended` sees the last head, too
	atomic_store_explicit(&r->writers[writer].at.written->ended, 1, memory_order_release);
}

/* --- the control core --- */

void hm_pktring_abandon(struct hm_pktring *r)
{
	atomic_store_explicit(&r->abandoned, true, memory_order_relaxed);
}

/* delivered + overwritten + queued == head whatever the reader wrote. */
static void count_writer(const struct hm_pktring *r, const struct writer *w,
			 struct hm_pktring_counts *c)
{
	const bool fast = r->preference == HM_PKTRING_FAST;
	uint64_t taken = atomic_load_explicit(&w->at.read->taken, memory_order_acquire);
	uint64_t skipped =
		fast ? atomic_load_explicit(&w->at.read->skipped, memory_order_acquire) : 0;
	// in this order: oldest <= head, and an honest reader's taken + skipped <= head
	const uint64_t oldest = atomic_load_explicit(&w->oldest, memory_order_acquire);
	const uint64_t head = atomic_load_explicit(&w->head, memory_order_acquire);
	const uint64_t dropped = atomic_load_explicit(&w->dropped, memory_order_relaxed);

	if (taken > head)
		taken = head;
	if (skipped > head - taken)
		skipped = head - taken;
	const uint64_t tail = taken + skipped;
	const uint64_t unread = tail > oldest ? tail : oldest; // first that can still be read
	c->offered += head + dropped;
	c->delivered += taken;
	c->overwritten += skipped + (unread - tail);
	c->dropped += dropped;
	c->queued += head - unread;
}

void hm_pktring_counts(const struct hm_pktring *r, struct hm_pktring_counts *c)
{
	*c = (struct hm_pktring_counts){0};
	for (unsigned i = 0; i < r->n_writers; i++)
		count_writer(r, &r->writers[i], c);
}

int hm_pktring_fd(const struct hm_pktring *r)
{
	return r->fd;
}

/* The least that a ring of such packets needs. */
static uint32_t bytes_needed(const struct hm_pktring_conf *conf, uint32_t snaplen)
{
	return conf->preference == HM_PKTRING_WAIT ? batch_bytes(snaplen)
						   : 2 * hm_pktring_record_bytes(snaplen);
}

static uint32_t snaplen_of(const struct hm_pktring_conf *conf)
{
	return conf->snaplen ? conf->snaplen : HM_PKTRING_SNAPLEN_MAX;
}

static uint32_t bytes_of(const struct hm_pktring_conf *conf)
{
	uint32_t bytes = conf->bytes ? conf->bytes : HM_PKTRING_BYTES_DEFAULT;
	if (conf->bytes == 0 && bytes < bytes_needed(conf, snaplen_of(conf)))
		bytes *= 2;
	return bytes;
}

int hm_pktring_check(const struct hm_pktring_conf *conf, struct hm_error *err)
{
	const uint32_t snaplen = snaplen_of(conf);

	if (conf->writers < 1 || conf->writers > HM_PKTRING_WRITERS_MAX)
		return hm_error_set(err, -EINVAL, 0, "packet ring: %u writers, allowed are 1..%u",
				    conf->writers, HM_PKTRING_WRITERS_MAX);
	if (snaplen > HM_PKTRING_SNAPLEN_MAX)
		return hm_error_set(err, -EINVAL, 0,
				    "packet ring: snaplen %" PRIu32 ", allowed is 1..%u", snaplen,
				    HM_PKTRING_SNAPLEN_MAX);
	if (!hm_pktring_bytes_ok(bytes_of(conf), snaplen) ||
	    bytes_of(conf) < bytes_needed(conf, snaplen))
		return hm_error_set(err, -EINVAL, 0,
				    "packet ring: %" PRIu32
				    " bytes; allowed is a power of two from "
				    "%u to %u and at least %" PRIu32 " with snaplen %" PRIu32,
				    bytes_of(conf), HM_PKTRING_BYTES_MIN, HM_PKTRING_BYTES_MAX,
				    bytes_needed(conf, snaplen), snaplen);
	return 0;
}

uint64_t hm_pktring_bytes(const struct hm_pktring_conf *conf)
{
	return hm_pktring_total(conf->writers, bytes_of(conf));
}

/* The memory: all of it there (ENOSPC now and not SIGBUS later), and of a size that stays. */
static int map_memory(struct hm_pktring *r, struct hm_error *err)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int code;

	r->fd = memfd_create("homard-pktring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return hm_error_set(err, -errno, 0, "packet ring: memfd: %s", strerror(errno));
	code = posix_fallocate(r->fd, 0, (off_t)r->total);
	if (code != 0)
		return hm_error_set(err, -code, 0, "packet ring: %" PRIu64 " bytes of memory: %s",
				    r->total, strerror(code));
	if (fcntl(r->fd, F_ADD_SEALS, seals) < 0)
		return hm_error_set(err, -errno, 0, "packet ring: seals: %s", strerror(errno));
	r->map = mmap(NULL, r->total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return hm_error_set(err, -errno, 0, "packet ring: mapping %" PRIu64 " bytes: %s",
				    r->total, strerror(errno));
	}
	return 0;
}

static int add_writers(struct hm_pktring *r, unsigned n, struct hm_error *err)
{
	r->writers = aligned_alloc(alignof(struct writer), n * sizeof(*r->writers));
	if (!r->writers)
		return hm_error_set(err, -ENOMEM, 0, "packet ring: no memory");
	memset(r->writers, 0, n * sizeof(*r->writers));
	for (unsigned i = 0; i < n; i++) {
		struct writer *const w = &r->writers[i];
		w->at = hm_pktring_parts(r->map, r->bytes, i);
		w->starts = malloc(r->slots * sizeof(*w->starts));
		r->n_writers++;
		if (!w->starts)
			return hm_error_set(err, -ENOMEM, 0, "packet ring: no memory");
		memset(w->starts, 0xff, r->slots * sizeof(*w->starts)); // no page faults later
	}
	return 0;
}

struct hm_pktring *hm_pktring_create(const struct hm_pktring_conf *conf, struct hm_error *err)
{
	struct hm_pktring *r;
	int code = hm_pktring_check(conf, err);

	if (code < 0) {
		errno = -code;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		hm_error_set(err, -ENOMEM, 0, "packet ring: no memory");
		errno = ENOMEM;
		return NULL;
	}
	r->fd = -1;
	r->bytes = bytes_of(conf);
	r->slots = hm_pktring_slots(r->bytes);
	r->snaplen = snaplen_of(conf);
	r->preference = conf->preference;
	r->total = hm_pktring_total(conf->writers, r->bytes);
	code = map_memory(r, err);
	if (code == 0)
		code = add_writers(r, conf->writers, err);
	if (code < 0) {
		hm_pktring_destroy(r);
		errno = -code;
		return NULL;
	}
	*(struct hm_pktring_header *)r->map = (struct hm_pktring_header){
		.magic = HM_PKTRING_MAGIC,
		.version = HM_PKTRING_VERSION,
		.writers = conf->writers,
		.bytes = r->bytes,
		.snaplen = r->snaplen,
		.link = conf->link,
		.preference = conf->preference,
		.total = r->total,
	};
	return r;
}

void hm_pktring_destroy(struct hm_pktring *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n_writers; i++) {
		hm_pktring_end(r, i);
		free(r->writers[i].starts);
	}
	free(r->writers);
	if (r->map)
		munmap(r->map, r->total);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}
