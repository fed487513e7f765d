/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netflow/prefixes_private.h"

#define LINE_MAX_BYTES 4096 // lines with hundreds of AS numbers exist
#define FIELDS_MAX     4
#define BLANKS         " \t\r\n"

struct line {
	struct hm_prefixes_file *file;
	char where[32]; // "line 17"
	char *field[FIELDS_MAX];
	unsigned n;
};

static int wrong(const struct line *l, const char *field, const char *want)
{
	return hm_error_set(l->file->err, -EINVAL, 0, "%s: %s: \"%.64s\": want %s", l->file->path,
			    l->where, field, want);
}

/* A decimal number of [0, max] up to one of the bytes of `ends`, or the end. */
static bool number(const char *s, uint32_t max, const char *ends, uint32_t *value)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	*value = (uint32_t)v;
	return errno == 0 && v <= max && strchr(ends, *end) != NULL;
}

static uint8_t parse_address(const char *s, uint8_t to[16])
{
	if (inet_pton(AF_INET, s, to) == 1)
		return 4;
	return inet_pton(AF_INET6, s, to) == 1 ? 6 : 0;
}

/* "192.0.2.0/24", or in two fields. The number of fields that it took, or a negative errno. */
static int parse_prefix(const struct line *l, struct hm_prefix *p)
{
	char *slash = strchr(l->field[0], '/');
	const char *length = slash ? slash + 1 : l->n > 2 ? l->field[1] : "";
	uint32_t bits;

	if (slash)
		*slash = '\0';
	p->version = parse_address(l->field[0], p->address);
	if (p->version == 0)
		return wrong(l, l->field[0], "an IPv4 or IPv6 address");
	if (!number(length, p->version == 4 ? 32 : 128, "", &bits))
		return wrong(l, length,
			     p->version == 4 ? "a prefix length of 0-32"
					     : "a prefix length of 0-128");
	p->route.length = (uint8_t)bits;
	return slash ? 1 : 2;
}

static int parse_line(const struct line *l)
{
	struct hm_prefix p = {0};
	const char *as;
	int used = parse_prefix(l, &p);

	if (used < 0)
		return used;
	if (l->n < (unsigned)used + 1)
		return wrong(l, l->field[used - 1], "an AS number behind it");
	as = l->field[used];
	if (strncasecmp(as, "as", 2) == 0)
		as += 2;
	if (!number(as, UINT32_MAX, "_,", &p.route.as))
		return wrong(l, l->field[used], "an AS number of 0-4294967295");
	if (l->n > (unsigned)used + 1) {
		p.route.next_hop_version = parse_address(l->field[used + 1], p.route.next_hop);
		if (p.route.next_hop_version == 0)
			return wrong(l, l->field[used + 1], "the address of the next hop");
	}
	if (l->n > (unsigned)used + 2)
		return wrong(l, l->field[used + 2], "nothing behind the next hop");
	return hm_prefixes_add(l->file, &p, l->where);
}

int hm_prefixes_read_text(struct hm_prefixes_file *f)
{
	char text[LINE_MAX_BYTES];
	struct line l = {.file = f};
	long begin = 0;
	int r = 0, error;

	for (unsigned long i = 1; r == 0 && gzgets(f->gz, text, sizeof(text)); i++) {
		char *rest = text;

		snprintf(l.where, sizeof(l.where), "line %lu", i);
		if ((long)strlen(text) != gztell(f->gz) - begin)
			return hm_error_set(f->err, -EINVAL, 0, "%s: %s: has a zero byte", f->path,
					    l.where);
		begin = gztell(f->gz);
		if (strlen(text) == sizeof(text) - 1 && text[sizeof(text) - 2] != '\n')
			return hm_error_set(f->err, -EINVAL, 0, "%s: %s: longer than %d bytes",
					    f->path, l.where, LINE_MAX_BYTES - 2);
		text[strcspn(text, "#")] = '\0';
		l.n = 0;
		for (char *s; l.n < FIELDS_MAX && (s = strsep(&rest, BLANKS)) != NULL;)
			if (*s != '\0')
				l.field[l.n++] = s;
		if (l.n > 0)
			r = parse_line(&l);
	}
	gzerror(f->gz, &error);
	if (r == 0 && error != Z_OK && error != Z_STREAM_END)
		return hm_error_set(f->err, -EIO, 0, "%s: byte %ld: %s", f->path,
				    (long)gztell(f->gz), gzerror(f->gz, &error));
	return r;
}
