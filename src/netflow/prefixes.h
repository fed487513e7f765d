/* SPDX-License-Identifier: BSD-3-Clause */
/* prefixes: what a file says of prefixes: which autonomous system they belong to and where packets to
 * them go. Two kinds of file, told apart by their contents, either of them also packed by gzip:
 *
 *   text   a prefix a line, `192.0.2.0/24 64500 198.51.100.1`: prefix, AS number, next hop (may be left
 *          out); or in three columns as CAIDA's pfx2as has it, `192.0.2.0 24 64500`. Of several AS
 *          numbers (`64500_64501`, `64500,64501`) the first counts. # begins a comment.
 *   MRT    a table dump of a BGP speaker, TABLE_DUMP_V2 (RFC 6396, section 4.3): origin AS and next hop
 *          of the first peer that has the prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define HM_PREFIXES_MAX 8000000 // eight times the Internet's table of 2026

struct hm_route {
	uint32_t as;              // 0: unknown
	uint8_t next_hop_version; // 4 or 6, 0: unknown
	uint8_t length;           // of the prefix
	uint8_t next_hop[16];     // network order; IPv4: the first four bytes
};

struct hm_prefix {
	uint8_t address[16]; // network order; IPv4: the first four bytes, the rest 0
	uint8_t version;     // 4 or 6
	struct hm_route route;
};

/* In the order of the file: of two lines for one prefix the later one counts. */
struct hm_prefixes {
	struct hm_prefix *prefix;
	size_t n, room;
};

/* Reads a file into an empty list; a failed one leaves it empty. The sentence names file and line, or file
 * and byte (unpacked). When another thread sets *stop (NULL: none will) it gives up with -ECANCELED. */
int hm_prefixes_read(struct hm_prefixes *l, const char *path, const bool *stop,
		     struct hm_error *err);
void hm_prefixes_free(struct hm_prefixes *l);
