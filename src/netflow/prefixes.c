/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "netflow/prefixes_private.h"

#define FIRST_ROOM 1024
#define MRT_TYPE   4 // offset of the type in a record's header

static int cannot_read(const struct hm_prefixes_file *f)
{
	int error;
	const char *why = gzerror(f->gz, &error);

	return hm_error_set(f->err, -EIO, 0, "%s: byte %ld: %s", f->path, (long)gztell(f->gz),
			    error == Z_ERRNO ? strerror(errno) : why);
}

int hm_prefixes_bytes(struct hm_prefixes_file *f, void *to, unsigned n)
{
	int got = gzread(f->gz, to, n);

	if (got < 0)
		return cannot_read(f);
	if (got == (int)n)
		return 1;
	if (got == 0 && gzeof(f->gz))
		return 0;
	return hm_error_set(f->err, -EINVAL, 0, "%s: byte %ld: the file ends inside a record",
			    f->path, (long)gztell(f->gz));
}

static bool has_host_bits(const struct hm_prefix *p)
{
	unsigned bytes = p->version == 4 ? 4 : 16, bits = p->route.length;

	for (unsigned i = bits / 8; i < bytes; i++, bits = 0)
		if (p->address[i] & (i == p->route.length / 8 ? 0xff >> bits % 8 : 0xff))
			return true;
	return false;
}

int hm_prefixes_add(struct hm_prefixes_file *f, const struct hm_prefix *p, const char *where)
{
	struct hm_prefixes *l = f->list;

	if (f->stop && __atomic_load_n(f->stop, __ATOMIC_RELAXED))
		return hm_error_set(f->err, -ECANCELED, 0, "%s: given up", f->path);
	if (has_host_bits(p))
		return hm_error_set(f->err, -EINVAL, 0,
				    "%s: %s: bits are set behind the prefix's length, %u", f->path,
				    where, p->route.length);
	if (l->n == HM_PREFIXES_MAX)
		return hm_error_set(f->err, -E2BIG, 0, "%s: %s: more than %d prefixes", f->path,
				    where, HM_PREFIXES_MAX);
	if (l->n == l->room) {
		size_t room = l->room > 0 ? 2 * l->room : FIRST_ROOM;
		struct hm_prefix *more = reallocarray(l->prefix, room, sizeof(*more));

		if (!more)
			return hm_error_set(f->err, -ENOMEM, 0, "%s: no memory for %zu prefixes",
					    f->path, room);
		l->prefix = more;
		l->room = room;
	}
	l->prefix[l->n++] = *p;
	return 0;
}

/* The first bytes: an MRT record's header has a time, and then small numbers of two bytes each, which no
 * line of text has. */
static int read_either(struct hm_prefixes_file *f)
{
	uint8_t head[MRT_TYPE + 1];
	int n = gzread(f->gz, head, sizeof(head));

	if (n < 0)
		return cannot_read(f);
	if (gzrewind(f->gz) != 0)
		return cannot_read(f);
	if (n == sizeof(head) && head[MRT_TYPE] == 0)
		return hm_prefixes_read_mrt(f);
	return hm_prefixes_read_text(f);
}

int hm_prefixes_read(struct hm_prefixes *l, const char *path, const bool *stop,
		     struct hm_error *err)
{
	struct hm_prefixes_file f = {.path = path, .list = l, .stop = stop, .err = err};
	struct stat st;
	int r;

	memset(l, 0, sizeof(*l));
	if (stat(path, &st) < 0)
		return hm_error_set(err, -errno, 0, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode)) // whoever writes a pipe could make us wait for ever
		return hm_error_set(err, -EINVAL, 0, "%s: not a regular file", path);
	f.gz = gzopen(path, "rbe");
	if (!f.gz)
		return hm_error_set(err, -errno, 0, "%s: %s", path, strerror(errno));
	gzbuffer(f.gz, 1 << 18);
	r = read_either(&f);
	if (r == 0 && l->n == 0)
		r = hm_error_set(err, -EINVAL, 0, "%s: there is no prefix in it", path);
	gzclose(f.gz);
	if (r < 0)
		hm_prefixes_free(l);
	return r;
}

void hm_prefixes_free(struct hm_prefixes *l)
{
	free(l->prefix);
	memset(l, 0, sizeof(*l));
}
