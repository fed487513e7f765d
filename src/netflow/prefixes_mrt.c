/* SPDX-License-Identifier: BSD-3-Clause */
/* MRT table dumps, RFC 6396. A record is a header (time, type, subtype, length) and its body. Of type 13,
 * TABLE_DUMP_V2, subtypes 2 and 4 have a prefix and what each peer says of it. All others are passed over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netflow/prefixes_private.h"

#define HEADER           12
#define BODY_MAX         (1 << 20) // a few thousand peers
#define TABLE_DUMP       12
#define TABLE_DUMP_V2    13
#define RIB_IPV4_UNICAST 2
#define RIB_IPV6_UNICAST 4

#define ATTRIBUTE_EXTENDED 0x10 // flag: the length has two bytes
#define AS_PATH            2
#define NEXT_HOP           3
#define MP_REACH_NLRI      14
#define AS_SET             1
#define AS_SEQUENCE        2

/* What is left to read of a record. */
struct reader {
	const uint8_t *at, *end;
};

static uint32_t get(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

static bool take(struct reader *r, unsigned bytes, uint32_t *v)
{
	if (r->end - r->at < (ptrdiff_t)bytes)
		return false;
	*v = get(r->at, bytes);
	r->at += bytes;
	return true;
}

static bool take_part(struct reader *r, size_t bytes, struct reader *part)
{
	if ((size_t)(r->end - r->at) < bytes)
		return false;
	*part = (struct reader){r->at, r->at + bytes};
	r->at += bytes;
	return true;
}

/* The AS that announced the prefix: the last one of the path. Of a set at its end, which is made by
 * aggregation, the first. */
static bool read_as_path(struct reader r, uint32_t *origin)
{
	while (r.at < r.end) {
		uint32_t type, n;
		struct reader numbers;

		if (!take(&r, 1, &type) || !take(&r, 1, &n) || !take_part(&r, 4 * n, &numbers))
			return false;
		if (n > 0 && (type == AS_SET || type == AS_SEQUENCE))
			*origin = get(type == AS_SET ? numbers.at : numbers.end - 4, 4);
	}
	return true;
}

static bool set_next_hop(struct hm_route *route, const uint8_t *at, size_t bytes)
{
	if (bytes != 4 && bytes < 16)
		return false;
	route->next_hop_version = bytes == 4 ? 4 : 6;
	memcpy(route->next_hop, at, bytes == 4 ? 4 : 16); // a link-local address may follow
	return true;
}

/* In table dumps it has only the length of the next hop and the next hop (section 4.3.4); some writers
 * leave address family and subsequent family in front of it. */
static bool read_mp_reach(struct reader r, struct hm_route *route)
{
	uint32_t n;

	if (r.end - r.at > 3 && r.at[0] == 0)
		r.at += 3;
	return take(&r, 1, &n) && (size_t)(r.end - r.at) >= n && set_next_hop(route, r.at, n);
}

static bool read_attributes(struct reader r, struct hm_route *route)
{
	while (r.at < r.end) {
		uint32_t flags, type, n;
		struct reader value;

		if (!take(&r, 1, &flags) || !take(&r, 1, &type) ||
		    !take(&r, flags & ATTRIBUTE_EXTENDED ? 2 : 1, &n) || !take_part(&r, n, &value))
			return false;
		if ((type == AS_PATH && !read_as_path(value, &route->as)) ||
		    (type == NEXT_HOP && !set_next_hop(route, value.at, n)) ||
		    (type == MP_REACH_NLRI && !read_mp_reach(value, route)))
			return false;
	}
	return true;
}

/* Sequence number, prefix, number of peers; of the first peer: index, time, attributes. */
static bool read_rib(struct reader r, struct hm_prefix *p)
{
	uint32_t sequence, length, peers, peer, time, bytes;
	struct reader address, attributes;

	if (!take(&r, 4, &sequence) || !take(&r, 1, &length) ||
	    length > (p->version == 4 ? 32 : 128) || !take_part(&r, (length + 7) / 8, &address) ||
	    !take(&r, 2, &peers))
		return false;
	memcpy(p->address, address.at, (size_t)(address.end - address.at));
	p->route.length = (uint8_t)length;
	if (peers == 0)
		return true;
	return take(&r, 2, &peer) && take(&r, 4, &time) && take(&r, 2, &bytes) &&
	       take_part(&r, bytes, &attributes) && read_attributes(attributes, &p->route);
}

static int read_record(struct hm_prefixes_file *f, const uint8_t *header, const uint8_t *body,
		       const char *where)
{
	uint32_t type = get(header + 4, 2), subtype = get(header + 6, 2), n = get(header + 8, 4);
	struct hm_prefix p = {.version = subtype == RIB_IPV4_UNICAST ? 4 : 6};

	if (type == TABLE_DUMP)
		return hm_error_set(
			f->err, -ENOTSUP, 0,
			"%s: %s: a table dump of the old kind, without AS numbers of four "
			"bytes; want TABLE_DUMP_V2 (RFC 6396)",
			f->path, where);
	if (type != TABLE_DUMP_V2 || (subtype != RIB_IPV4_UNICAST && subtype != RIB_IPV6_UNICAST))
		return 0;
	if (!read_rib((struct reader){body, body + n}, &p))
		return hm_error_set(f->err, -EINVAL, 0,
				    "%s: %s: not what RFC 6396 says of a RIB entry", f->path,
				    where);
	return hm_prefixes_add(f, &p, where);
}

int hm_prefixes_read_mrt(struct hm_prefixes_file *f)
{
	uint8_t header[HEADER], *body = malloc(BODY_MAX);
	int r;

	if (!body)
		return hm_error_set(f->err, -ENOMEM, 0, "%s: no memory to read it", f->path);
	while ((r = hm_prefixes_bytes(f, header, HEADER)) > 0) {
		uint32_t n = get(header + 8, 4);
		char where[48];

		snprintf(where, sizeof(where), "record at byte %ld", (long)gztell(f->gz) - HEADER);
		if (n > BODY_MAX) {
			r = hm_error_set(f->err, -EINVAL, 0,
					 "%s: %s: says it has %u bytes, at most %d", f->path, where,
					 n, BODY_MAX);
			break;
		}
		if (n > 0 && (r = hm_prefixes_bytes(f, body, n)) <= 0) {
			if (r == 0)
				r = hm_error_set(f->err, -EINVAL, 0,
						 "%s: %s: the file ends inside it", f->path, where);
			break;
		}
		r = read_record(f, header, body, where);
		if (r < 0)
			break;
	}
	free(body);
	return r;
}
