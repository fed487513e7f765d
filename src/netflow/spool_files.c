/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a spool: which there are, and what can be read of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netflow/spool_disk.h"

const char *hm_spool_name(uint64_t number, char name[HM_SPOOL_NAME_MAX])
{
	snprintf(name, HM_SPOOL_NAME_MAX, "%016" PRIx64 ".spool", number);
	return name;
}

void hm_spool_note_error(struct hm_spool_disk *d, int error)
{
	__atomic_store_n(&d->s->told.error, error, __ATOMIC_RELAXED);
}

void hm_spool_count_failed(struct hm_spool_disk *d, struct hm_segment_sums lost)
{
	hm_spool_add(&d->s->told.failed_messages, lost.messages);
	hm_spool_add(&d->s->told.failed, lost.flows);
}

void hm_spool_count_bad_file(struct hm_spool_disk *d)
{
	hm_spool_add(&d->s->told.bad_files, 1);
}

/* --- the list --- */

struct hm_spool_segment *hm_spool_find(struct hm_spool_disk *d, uint64_t number)
{
	for (size_t i = d->n; i-- > 0;)
		if (d->segment[i].number == number)
			return &d->segment[i];
	return NULL;
}

struct hm_spool_segment *hm_spool_insert(struct hm_spool_disk *d, uint64_t number)
{
	size_t i = d->n;

	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		struct hm_spool_segment *more = realloc(d->segment, room * sizeof(*more));
		if (!more)
			return NULL;
		d->segment = more;
		d->room = room;
	}
	while (i > 0 && d->segment[i - 1].number > number)
		i--;
	memmove(&d->segment[i + 1], &d->segment[i], (d->n - i) * sizeof(d->segment[0]));
	d->segment[i] = (struct hm_spool_segment){.number = number};
	d->n++;
	return &d->segment[i];
}

void hm_spool_forget(struct hm_spool_disk *d, struct hm_spool_segment *g)
{
	hm_spool_add(&d->s->told.bytes, -g->bytes);
	memmove(g, g + 1, (size_t)(d->segment + d->n - (g + 1)) * sizeof(*g));
	d->n--;
}

void hm_spool_unlink(struct hm_spool_disk *d, struct hm_spool_segment *g)
{
	char name[HM_SPOOL_NAME_MAX];

	unlinkat(d->dir, hm_spool_name(g->number, name), 0);
	hm_spool_forget(d, g);
}

/* --- reading --- */

static int read_file(struct hm_spool_disk *d, uint64_t number, uint8_t **bytes, size_t *n)
{
	char name[HM_SPOOL_NAME_MAX];
	int fd = openat(d->dir, hm_spool_name(number, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat s;
	size_t got = 0;

	*bytes = NULL;
	if (fd < 0 || fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) || s.st_size > INT32_MAX)
		goto fail;
	*bytes = malloc((size_t)s.st_size + 1);
	while (*bytes && got < (size_t)s.st_size) {
		ssize_t r = read(fd, *bytes + got, (size_t)s.st_size - got);
		if (r < 0 && errno != EINTR)
			goto fail;
		if (r == 0)
			break;
		got += r > 0 ? (size_t)r : 0;
	}
	if (!*bytes)
		goto fail;
	close(fd);
	*n = got;
	return 0;
fail:
	hm_spool_note_error(d, errno != 0 ? -errno : -EIO);
	if (fd >= 0)
		close(fd);
	free(*bytes);
	return -EIO;
}

/* Walks the good frames; notes where the first is that has not been sent, and what is left from there. */
static void walk(struct hm_spool_page *page, size_t n, struct hm_segment_sums *left)
{
	size_t at = sizeof(struct hm_segment_header), next;
	uint32_t skip = page->done;
	const struct hm_frame *f;

	*left = (struct hm_segment_sums){0};
	page->at = 0;
	for (; (f = hm_frame_at(page->bytes, n, at, &next)); at = next) {
		if (f->flags & HM_FRAME_TEMPLATES) {
			page->templates = (const uint8_t *)(f + 1);
			page->templates_bytes = f->bytes;
		} else if (skip > 0) {
			skip--;
		} else {
			if (page->at == 0)
				page->at = at;
			left->messages++;
			left->flows += f->load.flows;
		}
	}
	page->n = at;
}

/* Of a page that was lent: its messages have been changed, and their checksums with them. */
struct hm_segment_sums hm_spool_left(const struct hm_spool_page *page)
{
	struct hm_segment_sums left = {0};

	for (size_t at = page->at; at < page->n;) {
		const struct hm_frame *f = (const struct hm_frame *)(page->bytes + at);
		left.messages++;
		left.flows += f->load.flows;
		at += sizeof(*f) + f->bytes + hm_frame_padding(f->bytes);
	}
	return left;
}

void hm_spool_free_page(struct hm_spool_page *page)
{
	if (page)
		free(page->bytes);
	free(page);
}

/* A segment in memory; NULL: it cannot be read, or nothing of it is good. */
struct hm_spool_page *hm_spool_load(struct hm_spool_disk *d, uint64_t number, bool *right,
				    struct hm_segment_sums *left)
{
	struct hm_spool_page *page = calloc(1, sizeof(*page));
	const struct hm_segment_header *h;
	size_t n;

	*left = (struct hm_segment_sums){0};
	*right = false;
	if (!page || read_file(d, number, &page->bytes, &n) < 0) {
		free(page);
		return NULL;
	}
	h = (const struct hm_segment_header *)page->bytes;
	page->number = number;
	if (n >= sizeof(*h)) {
		*right = hm_segment_is_good(h, d->s->format);
		page->done = h->done;
		walk(page, n, left);
	}
	return page;
}

/* --- begin and end --- */

/* The sums that a finished segment has of itself; they hold if nothing of it has been sent. */
static bool read_sums(struct hm_spool_disk *d, struct hm_spool_segment *g)
{
	char name[HM_SPOOL_NAME_MAX];
	int fd = openat(d->dir, hm_spool_name(g->number, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct hm_segment_header h;
	struct stat s;
	bool known = false;

	if (fd >= 0 && fstat(fd, &s) == 0) {
		g->bytes = (uint64_t)s.st_size;
		known = pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
			hm_segment_is_good(&h, d->s->format) && h.sealed && h.done == 0;
	}
	if (known)
		g->left = (struct hm_segment_sums){h.messages, h.flows};
	if (fd >= 0)
		close(fd);
	return known;
}

/* What is left of a segment from before. */
static void recover(struct hm_spool_disk *d, uint64_t number)
{
	struct hm_spool_segment *g = hm_spool_insert(d, number);
	struct hm_spool_page *page = NULL;
	bool known = g && read_sums(d, g), right = known;

	if (!g)
		return;
	if (!known) {
		page = hm_spool_load(d, number, &right, &g->left);
		g->done = page ? page->done : 0;
	}
	hm_spool_add(&d->s->told.bytes, g->bytes);
	hm_spool_add(&d->s->told.recovered, g->left.flows);
	hm_spool_add(&d->s->told.recovered_messages, g->left.messages);
	if (!right) {
		hm_spool_count_failed(d, g->left);
		hm_spool_count_bad_file(d);
	}
	if (!known && !page) // it cannot be read: perhaps somebody else can
		hm_spool_forget(d, g);
	else if (!right || g->left.messages == 0)
		hm_spool_unlink(d, g);
	hm_spool_free_page(page);
}

int hm_spool_scan(struct hm_spool_disk *d)
{
	int fd = dup(d->dir);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((e = readdir(folder))) {
		char name[HM_SPOOL_NAME_MAX], *end;
		uint64_t number = strtoull(e->d_name, &end, 16);
		if (strcmp(hm_spool_name(number, name), e->d_name) == 0)
			recover(d, number);
	}
	closedir(folder);
	return 0;
}
