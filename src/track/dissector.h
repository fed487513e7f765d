/* SPDX-License-Identifier: BSD-3-Clause */
/* dissector: which application protocol a connection carries, as nDPI tells from its first packets. A worker's. All that
 * nDPI takes while it looks at packets comes from an arena of a fixed size. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

struct hm_dissector;

/* The number of a protocol that nDPI knows by that name, in any case; -1: none, then `near` gets names like it, or "". */
int hm_dissector_find(const char *name, char *near, size_t room);
/* The name of protocol `number`, from 1 on; NULL: there are no more. */
const char *hm_dissector_name(unsigned number);

/* Looks at up to `connections` at a time, and takes `kib` of memory for what they say. NULL: no memory. */
struct hm_dissector *hm_dissector_create(uint32_t connections, uint32_t kib);
void hm_dissector_destroy(struct hm_dissector *d); // NULL is allowed
uint64_t hm_dissector_bytes(uint32_t connections, uint32_t kib);

/* What is looked at: a connection keeps its ticket. A new one may take the place of one that began long ago. */
struct hm_dissection {
	uint32_t slot, serial; // serial 0: none
};

struct hm_dissection hm_dissector_begin(struct hm_dissector *d);
void hm_dissector_end(struct hm_dissector *d, struct hm_dissection *of);

enum hm_verdict { HM_VERDICT_OPEN, HM_VERDICT_IS, HM_VERDICT_IS_NOT, HM_VERDICT_LOST };

#define HM_PROTOCOLS_MAX 4

/* Protocols that count as the one that is looked for, by number. */
struct hm_protocols {
	unsigned n;
	unsigned at[HM_PROTOCOLS_MAX];
};

/* The next packet of the connection, from its IP header on. OPEN: it takes more. `last`: it will get no more. LOST: the
 * ticket is no longer valid, or memory is short. */
enum hm_verdict hm_dissector_packet(struct hm_dissector *d, const struct hm_dissection *of,
				    const struct hm_protocols *protocols, const uint8_t *ip,
				    uint32_t n, uint64_t ts_ns, bool last);
