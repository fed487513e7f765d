/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nmmintrin.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/config.h"
#include "core/log.h"

HM_LOG_TYPE(netflow)

#define MAGIC         "homardfr"
#define LAYOUT        1 // of header and entries
#define LAYOUT_FRAMES 2 // the same, and what each lane has of frames behind its entries
#define HEADER        8192
#define LANE_UNIT     ((size_t)2 << 20) // lanes begin at multiples: huge pages of tmpfs
#define NEW_SUFFIX    ".new"
#define REASON_ROOM   128

#define MFUNCT_INVALID_ARGUMENT 7000

/* Of one worker; on a line of its own. */
struct lane {
	uint64_t made;
	uint64_t first_ns, newest_ns; // of its packets
	uint32_t places;              // used ones, from 1 on; of a sealed lane
	uint32_t checksum;
	uint32_t sealed;
	uint32_t reserved[7];
};

struct header {
	char magic[8];
	uint32_t layout, entry_bytes;
	uint32_t lanes, entries, key;
	uint32_t checksum; // of the fields above
	int32_t owner;     // process
	uint32_t reserved[7];
	struct hm_warm_exporter exporter[HM_WARM_EXPORTERS];
	struct lane lane[HM_WORKERS_MAX];
};

static_assert(sizeof(struct lane) == 64, "");
static_assert(sizeof(struct header) <= HEADER, "");

struct file {
	int fd; // -1: there is none
	size_t bytes;
	struct header *header;
};

struct hm_warm {
	struct hm_warm_conf conf;
	char path[HM_WARM_PATH_MAX], next[HM_WARM_PATH_MAX + sizeof(NEW_SUFFIX)];
	struct file old, now;
	bool in_place;
	atomic_uint to_restore; // lanes
	_Atomic uint64_t restored, bad;
	// of the daemon before
	uint64_t newest_before_ns, made_before;
	struct hm_warm_exporter exporter_before[HM_WARM_EXPORTERS];
	char cold[REASON_ROOM];
};

static size_t lane_bytes(uint32_t layout, uint32_t entries)
{
	size_t bytes = hm_cache_entry_bytes(entries, layout == LAYOUT_FRAMES);

	return (bytes + LANE_UNIT - 1) / LANE_UNIT * LANE_UNIT;
}

static size_t file_bytes(uint32_t layout, unsigned lanes, uint32_t entries)
{
	return LANE_UNIT + lanes * lane_bytes(layout, entries); // the header has the first unit
}

static struct hm_entry *entries_of(const struct file *f, unsigned lane)
{
	const struct header *h = f->header;

	return (struct hm_entry *)((uint8_t *)f->header + LANE_UNIT +
				   lane * lane_bytes(h->layout, h->entries));
}

/* NULL: it has none. */
static struct hm_entry_frames *frames_of(const struct file *f, unsigned lane)
{
	return f->header->layout == LAYOUT_FRAMES
		       ? hm_cache_frames_at(entries_of(f, lane), f->header->entries)
		       : NULL;
}

/* Goes on from the sum so far. */
static uint32_t checksum_on(uint32_t so_far, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	uint64_t sum = so_far, word;

	for (size_t i = 0; i < bytes; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		sum = _mm_crc32_u64(sum, word);
	}
	return (uint32_t)sum;
}

static uint32_t checksum(const void *data, size_t bytes)
{
	return checksum_on(UINT32_MAX, data, bytes);
}

static uint32_t lane_checksum(const struct file *f, unsigned lane, uint32_t places)
{
	uint32_t sum = checksum(entries_of(f, lane), places * sizeof(struct hm_entry));

	return f->header->layout == LAYOUT_FRAMES
		       ? checksum_on(sum, frames_of(f, lane),
				     places * sizeof(struct hm_entry_frames))
		       : sum;
}

static uint32_t header_checksum(const struct header *h)
{
	const uint64_t fields[3] = {(uint64_t)h->layout << 32 | h->entry_bytes,
				    (uint64_t)h->lanes << 32 | h->entries, h->key};

	return checksum(fields, sizeof(fields));
}

static void close_file(struct file *f)
{
	if (f->header)
		munmap(f->header, f->bytes);
	if (f->fd >= 0)
		close(f->fd); // and unlocks it
	*f = (struct file){.fd = -1};
}

/* --- the file of the daemon before --- */

static void start_cold(struct hm_warm *w, const char *why)
{
	snprintf(w->cold, sizeof(w->cold), "%s", why);
	HM_LOG(WARNING, "open flow records are not taken over: %s file=%s", why, w->path);
	close_file(&w->old);
}

static int open_old(struct hm_warm *w, struct hm_error *err)
{
	struct stat s;

	w->old.fd = open(w->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (w->old.fd < 0 && errno == ENOENT)
		return 0;
	if (w->old.fd < 0 || fstat(w->old.fd, &s) < 0)
		return hm_error_set(err, -errno, MFUNCT_INVALID_ARGUMENT, "warm_file %s: %s",
				    w->path, strerror(errno));
	if (!S_ISREG(s.st_mode) || s.st_uid != geteuid() || (s.st_mode & (S_IWGRP | S_IWOTH)))
		return hm_error_set(err, -EPERM, MFUNCT_INVALID_ARGUMENT,
				    "warm_file %s: not a regular file that only the daemon's user "
				    "may write",
				    w->path);
	w->old.bytes = (size_t)s.st_size;
	return 0;
}

static const char *flaw_of(const struct file *f)
{
	const struct header *h = f->header;

	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return "it is no file of flow records";
	if ((h->layout != LAYOUT && h->layout != LAYOUT_FRAMES) ||
	    h->entry_bytes != sizeof(struct hm_entry))
		return "it has another version's layout";
	if (h->checksum != header_checksum(h))
		return "its header is damaged";
	if (h->lanes == 0 || h->lanes > HM_WORKERS_MAX || h->entries < HM_CACHE_ENTRIES_MIN ||
	    h->entries > HM_CACHE_ENTRIES_MAX ||
	    f->bytes != file_bytes(h->layout, h->lanes, h->entries))
		return "it is cut, or its header is damaged";
	return NULL;
}

/* Maps the old file if there is one to take over from. A negative errno: nobody may touch it. */
static int look_at_old(struct hm_warm *w, struct hm_error *err)
{
	const char *flaw;
	void *at;
	int r = open_old(w, err);

	if (r < 0 || w->old.fd < 0)
		return r;
	if (w->old.bytes < HEADER) {
		start_cold(w, "it is too short");
		return 0;
	}
	at = mmap(NULL, w->old.bytes, PROT_READ, MAP_SHARED, w->old.fd, 0);
	if (at == MAP_FAILED)
		return hm_error_set(err, -errno, MFUNCT_INVALID_ARGUMENT, "warm_file %s: %s",
				    w->path, strerror(errno));
	w->old.header = at;
	if (flock(w->old.fd, LOCK_EX | LOCK_NB) < 0) {
		if (w->old.header->owner != getpid())
			return hm_error_set(err, -EBUSY, MFUNCT_INVALID_ARGUMENT,
					    "warm_file %s: another process has it (%d)", w->path,
					    w->old.header->owner);
		// the configuration was read again: that flow exports its records when it ends
		start_cold(w, "it is in use until the flow before has ended");
		return 0;
	}
	flaw = flaw_of(&w->old);
	if (flaw)
		start_cold(w, flaw);
	return 0;
}

/* --- the next one --- */

static int check_space(const struct hm_warm *w, struct hm_error *err)
{
	struct statvfs s;
	uint64_t room;

	if (fstatvfs(w->now.fd, &s) < 0)
		return 0;
	room = (uint64_t)s.f_bavail * s.f_frsize;
	if (w->now.bytes <= room)
		return 0;
	return hm_error_set(err, -ENOSPC, MFUNCT_INVALID_ARGUMENT,
			    "warm_file %s: %zu MB are needed, and %" PRIu64 " MB are free there",
			    w->path, w->now.bytes >> 20, room >> 20);
}

static int fail_new(const struct hm_warm *w, struct hm_error *err)
{
	return hm_error_set(err, -errno, MFUNCT_INVALID_ARGUMENT, "warm_file %s: %s", w->next,
			    strerror(errno));
}

static int create_new(struct hm_warm *w, struct hm_error *err)
{
	const struct hm_warm_conf *c = &w->conf;
	const uint32_t layout = c->frames ? LAYOUT_FRAMES : LAYOUT;
	struct header *h;
	void *at;
	int r;

	unlink(w->next); // of one that was killed before it was ready
	w->now.bytes = file_bytes(layout, c->lanes, c->entries);
	w->now.fd = open(w->next, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->now.fd < 0)
		return fail_new(w, err);
	if (flock(w->now.fd, LOCK_EX | LOCK_NB) < 0 ||
	    ftruncate(w->now.fd, (off_t)w->now.bytes) < 0)
		return fail_new(w, err);
	r = check_space(w, err);
	if (r < 0)
		return r;
	at = mmap(NULL, w->now.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->now.fd, 0);
	if (at == MAP_FAILED)
		return fail_new(w, err);
	w->now.header = h = at;
	madvise(h, w->now.bytes, MADV_HUGEPAGE);
	h->layout = layout;
	h->entry_bytes = sizeof(struct hm_entry);
	h->lanes = c->lanes;
	h->entries = c->entries;
	h->key = c->key;
	h->owner = getpid();
	h->checksum = header_checksum(h);
	for (unsigned i = 0; i < c->exporters; i++)
		h->exporter[i].id = c->exporter[i];
	memcpy(h->magic, MAGIC, sizeof(h->magic)); // last: now it is one
	return 0;
}

/* What is asked for when the old file has gone. */
static void remember(struct hm_warm *w, const struct header *h)
{
	bool killed = false;

	memcpy(w->exporter_before, h->exporter, sizeof(w->exporter_before));
	for (unsigned i = 0; i < h->lanes; i++) {
		killed |= !h->lane[i].sealed;
		w->made_before += h->lane[i].made;
		if (h->lane[i].newest_ns > w->newest_before_ns)
			w->newest_before_ns = h->lane[i].newest_ns;
	}
	if (!killed)
		w->made_before = 0;
}

struct hm_warm *hm_warm_open(const struct hm_warm_conf *conf, struct hm_error *err)
{
	struct hm_warm *w = calloc(1, sizeof(*w));

	if (!w) {
		hm_error_set(err, -ENOMEM, 0, "no memory");
		return NULL;
	}
	w->conf = *conf;
	w->old.fd = w->now.fd = -1;
	snprintf(w->path, sizeof(w->path), "%s", conf->path);
	snprintf(w->next, sizeof(w->next), "%s%s", w->path, NEW_SUFFIX);
	w->conf.path = w->path;
	atomic_init(&w->to_restore, conf->lanes);
	if (look_at_old(w, err) < 0 || create_new(w, err) < 0) {
		hm_warm_close(w, true);
		return NULL;
	}
	if (w->old.header)
		remember(w, w->old.header);
	return w;
}

/* The path may have another file by now: of the flow that came after this one. */
static bool is_ours(const struct hm_warm *w)
{
	struct stat path, file;

	return stat(w->path, &path) == 0 && fstat(w->now.fd, &file) == 0 &&
	       path.st_dev == file.st_dev && path.st_ino == file.st_ino;
}

void hm_warm_close(struct hm_warm *w, bool keep)
{
	if (!w)
		return;
	if (w->in_place && !keep && is_ours(w))
		unlink(w->path);
	if (!w->in_place && w->now.fd >= 0)
		unlink(w->next);
	close_file(&w->old);
	close_file(&w->now);
	free(w);
}

void *hm_warm_entries(struct hm_warm *w, unsigned lane)
{
	return entries_of(&w->now, lane);
}

uint64_t *hm_warm_made(struct hm_warm *w, unsigned lane)
{
	return &w->now.header->lane[lane].made;
}

/* --- taking over --- */

static void restore_lane(struct hm_warm *w, unsigned from, struct hm_cache *cache)
{
	const struct header *h = w->old.header;
	const struct lane *l = &h->lane[from];
	const struct hm_entry *e = entries_of(&w->old, from);
	const struct hm_entry_frames *frames = frames_of(&w->old, from);
	uint32_t places = l->sealed ? l->places : h->entries + 1;
	uint64_t restored = 0, bad = 0;

	if (places > h->entries + 1 ||
	    (l->sealed && lane_checksum(&w->old, from, places) != l->checksum)) {
		HM_LOG(WARNING,
		       "open flow records of a worker are not taken over: they are damaged "
		       "file=%s worker=%u",
		       w->path, from);
		atomic_fetch_add_explicit(&w->bad, places - 1, memory_order_relaxed);
		return;
	}
	for (uint32_t i = 1; i < places; i++) {
		if (e[i].name.version == 0)
			continue;
		if (hm_cache_take(cache, &e[i], frames ? &frames[i] : NULL, h->key))
			restored++;
		else
			bad++;
	}
	atomic_fetch_add_explicit(&w->restored, restored, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->bad, bad, memory_order_relaxed);
}

void hm_warm_restore(struct hm_warm *w, unsigned lane, struct hm_cache *cache)
{
	if (w->old.header)
		for (unsigned i = lane; i < w->old.header->lanes; i += w->conf.lanes)
			restore_lane(w, i, cache);
	atomic_fetch_sub_explicit(&w->to_restore, 1, memory_order_acq_rel); // hm_warm_ready()
}

int hm_warm_ready(struct hm_warm *w, struct hm_error *err)
{
	if (w->in_place)
		return 1;
	if (atomic_load_explicit(&w->to_restore, memory_order_acquire) > 0)
		return 0;
	if (rename(w->next, w->path) < 0)
		return hm_error_set(err, -errno, MFUNCT_INVALID_ARGUMENT, "warm_file %s: %s",
				    w->path, strerror(errno));
	w->in_place = true;
	if (w->old.header)
		HM_LOG(NOTICE,
		       "took over open flow records file=%s records=%" PRIu64 " bad=%" PRIu64 "%s",
		       w->path, w->restored, w->bad,
		       w->made_before > 0 ? " of a daemon that was killed" : "");
	close_file(&w->old);
	return 1;
}

/* --- what the daemon comes to --- */

void hm_warm_note_time(struct hm_warm *w, unsigned lane, uint64_t newest_ns)
{
	struct lane *l = &w->now.header->lane[lane];

	if (l->first_ns == 0)
		__atomic_store_n(&l->first_ns, newest_ns, __ATOMIC_RELAXED);
	if (newest_ns > l->newest_ns)
		__atomic_store_n(&l->newest_ns, newest_ns, __ATOMIC_RELAXED);
}

void hm_warm_seal(struct hm_warm *w, unsigned lane, const struct hm_cache *cache)
{
	struct lane *l = &w->now.header->lane[lane];

	l->places = hm_cache_places(cache);
	l->checksum = lane_checksum(&w->now, lane, l->places);
	__atomic_store_n(&l->sealed, 1, __ATOMIC_RELEASE);
}

bool hm_warm_exporter_before(const struct hm_warm *w, unsigned i, struct hm_warm_exporter *to)
{
	for (unsigned k = 0; k < HM_WARM_EXPORTERS; k++) {
		*to = w->exporter_before[k];
		if (to->id != 0 && to->id == w->conf.exporter[i])
			return true;
	}
	return false;
}

void hm_warm_note_exporter(struct hm_warm *w, unsigned i, uint64_t settled, uint32_t sequence)
{
	struct hm_warm_exporter *x = &w->now.header->exporter[i];

	__atomic_store_n(&x->settled, settled, __ATOMIC_RELAXED);
	__atomic_store_n(&x->sequence, sequence, __ATOMIC_RELAXED);
}

uint64_t hm_warm_made_before(const struct hm_warm *w)
{
	return w->made_before;
}

static json_t *time_json(uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ns);
	return json_string(text);
}

json_t *hm_warm_stats(const struct hm_warm *w)
{
	return json_pack("{s:s, s:I, s:I, s:s}", "file", w->path, "restored",
			 (json_int_t)w->restored, "bad", (json_int_t)w->bad, "cold", w->cold);
}

json_t *hm_warm_gap(const struct hm_warm *w)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < w->conf.lanes; i++) {
		uint64_t t = __atomic_load_n(&w->now.header->lane[i].first_ns, __ATOMIC_RELAXED);
		first = t != 0 && (first == 0 || t < first) ? t : first;
	}
	return json_pack("{s:o, s:o}", "from_ns", time_json(w->newest_before_ns), "to_ns",
			 time_json(first));
}
