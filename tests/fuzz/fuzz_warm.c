/* SPDX-License-Identifier: BSD-3-Clause */
/* A warm file, with frames, as accidents leave it. Input: steps of four bytes that change a good file of ten records: where
 * (header, lane's head, entries and frames, length), offset, value.
 *
 * Whatever it holds, a cache takes no more out of it than it has room for, and hands out what it took. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_log.h>

#include "netflow/key.h"
#include "netflow/warm.h"
#include "require.h"

#define ENTRIES 64
#define RECORDS 10
#define LANE    ((off_t)2 << 20) // where entries begin
#define T0      UINT64_C(1700000000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static uint8_t head[4096], entries[128 * (ENTRIES + 1) + 32 * (RECORDS + 1)];
static off_t length;
static unsigned handed_out;

static void take(void *arg, const struct hm_flow_record *r, unsigned n)
{
	(void)arg;
	for (unsigned i = 0; i < n; i++)
		require(r[i].key.version == 4 || r[i].key.version == 6, "a record of IP");
	handed_out += n;
}

static struct hm_warm *open_warm(struct hm_error *err)
{
	const struct hm_warm_conf conf = {.path = path,
					  .lanes = 1,
					  .entries = ENTRIES,
					  .key = HM_FLOW_KEY_MAC,
					  .frames = true};

	return hm_warm_open(&conf, err);
}

static struct hm_cache *open_cache(struct hm_warm *w)
{
	const struct hm_cache_conf conf = {.entries = ENTRIES,
					   .key = HM_FLOW_KEY_MAC,
					   .active_ns = 1000000000,
					   .inactive_ns = 1000000000,
					   .socket = -1,
					   .entries_at = hm_warm_entries(w, 0),
					   .made = hm_warm_made(w, 0),
					   .out = take};
	struct hm_cache *c = hm_cache_create(&conf);

	require(c != NULL, "there is memory");
	return c;
}

static void fill(struct hm_cache *c)
{
	struct hm_key_masks masks;

	hm_key_masks(&masks, HM_FLOW_KEY_MAC);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct hm_entry e = {.name = {{.addr = {{10, 0, 0, 1}, {10, 0, 0, (uint8_t)i}},
					       .proto = 17,
					       .version = i % 2 ? 4 : 6}},
				     .start_ns = T0,
				     .last_ns = {T0 + i, T0},
				     .packets = {1 + i, i % 3},
				     .bytes = {100, 200},
				     .first_ns = {T0, T0}};
		const struct hm_entry_frames f = {{{{.source = {2, (uint8_t)i}}}}};
		e.hash = hm_key_hash(&e, &f, &masks);
		require(hm_cache_take(c, &e, &f, HM_FLOW_KEY_MAC), "a good record is taken");
	}
}

static void forget(void)
{
	unlink(path);
}

static void make_good_file(void)
{
	struct hm_error err;
	struct hm_warm *w;
	struct hm_cache *c;
	struct stat s;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/homard-fuzz-%d", getpid());
	atexit(forget);
	rte_log_set_level_pattern("homard.*", RTE_LOG_EMERG);
	w = open_warm(&err);
	require(w != NULL, "a file can be made");
	c = open_cache(w);
	hm_warm_restore(w, 0, c);
	require(hm_warm_ready(w, &err) == 1, "it takes its place");
	fill(c);
	hm_warm_seal(w, 0, c);
	hm_cache_destroy(c);
	hm_warm_close(w, true);
	fd = open(path, O_RDONLY);
	require(fd >= 0 && fstat(fd, &s) == 0, "it is there");
	length = s.st_size;
	require(pread(fd, head, sizeof(head), 0) == sizeof(head) &&
			pread(fd, entries, sizeof(entries), LANE) == sizeof(entries),
		"it can be read");
	close(fd);
}

static void write_changed(const uint8_t *step, size_t n)
{
	static uint8_t h[sizeof(head)], e[sizeof(entries)];
	off_t bytes = length;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	require(fd >= 0, "a file can be written");
	memcpy(h, head, sizeof(h));
	memcpy(e, entries, sizeof(e));
	for (; n >= 4; step += 4, n -= 4) {
		size_t at = (size_t)step[1] << 8 | step[2];
		switch (step[0] % 4) {
		case 0:
			h[at % 64] = step[3];
			break;
		case 1:
			h[at % sizeof(h)] = step[3];
			break;
		case 2:
			e[at % sizeof(e)] = step[3];
			break;
		default:
			bytes = length * step[3] / 255;
		}
	}
	require(pwrite(fd, h, sizeof(h), 0) == sizeof(h) &&
			pwrite(fd, e, sizeof(e), LANE) == sizeof(e) && ftruncate(fd, bytes) == 0,
		"a file can be written");
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_error err;
	struct hm_warm *w;
	struct hm_cache *c;
	unsigned used;

	if (length == 0)
		make_good_file();
	write_changed(data, size < 256 ? size : 256);
	w = open_warm(&err);
	if (!w)
		return 0;
	c = open_cache(w);
	hm_warm_restore(w, 0, c);
	require(hm_warm_ready(w, &err) == 1, "it takes its place");
	used = hm_cache_used(c);
	require(used <= ENTRIES && (size >= 4 || used == RECORDS), "no more than there is room");
	handed_out = 0;
	while (!hm_cache_drain(c, 7))
		;
	require(handed_out <= used, "what was taken is handed out once");
	hm_cache_destroy(c);
	hm_warm_close(w, false);
	require(access(path, F_OK) < 0, "the file goes with its flow");
	return 0;
}
