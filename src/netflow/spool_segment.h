/* SPDX-License-Identifier: BSD-3-Clause */
/* spool_segment: how messages lie in a file of the spool, and what can be read of such a file again,
 * whatever has become of it. Knows bytes only.
 *
 * A segment is a header and frames. A frame is a message with what it carries; a checksum covers
 * both. The first frame has the templates of the others, as the format writes them. A writer that is
 * killed leaves its last frame cut, and a header without sums. All numbers are of this machine's
 * byte order: files stay where they were written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HM_SPOOL_FORMAT_MAX  16
#define HM_SPOOL_MESSAGE_MAX 65535

/* What a message carries, besides its bytes. */
struct hm_load {
	uint32_t flows;   // directions of biflows, as the ledger counts them
	uint16_t records; // data records, as sequence numbers count them
	uint64_t packets, octets;
	uint64_t first_ns, last_ns;
};

enum {
	HM_FRAME_TEMPLATES = 1, // not a message to be sent, but what the others need
	HM_FRAME_FRONT = 2,     // is older than all segments there are
	HM_FRAME_FRONT_FIRST = 4,
	HM_FRAME_SHIFTED = 8, // in memory only: its ids have been changed
};

struct hm_frame {
	uint32_t crc;   // of all that follows, the message included
	uint32_t bytes; // of the message
	struct hm_load load;
	uint32_t flags;
	uint32_t reserved;
};

struct hm_segment_header {
	char magic[8];
	char format[HM_SPOOL_FORMAT_MAX]; // protocol; all frames are of it
	uint32_t sealed;                  // it is complete, and the sums are there
	uint32_t messages;                // without the one of templates
	uint64_t flows;
	uint32_t crc;  // of all before
	uint32_t done; // messages that have been sent; the only thing that changes later
};

/* Sums of a segment, or of a part of it. */
struct hm_segment_sums {
	uint32_t messages;
	uint64_t flows;
};

/* Zero bytes behind a message, so that the next frame is aligned. */
static inline uint32_t hm_frame_padding(uint32_t bytes)
{
	return -bytes & 7;
}

void hm_frame_seal(struct hm_frame *f, const uint8_t *message);
void hm_segment_seal(struct hm_segment_header *h, const char *format, bool sealed,
		     struct hm_segment_sums sums);
/* False: it is no segment of this format and version. */
bool hm_segment_is_good(const struct hm_segment_header *h, const char *format);
/* The frame at bytes[at ... n], whole and with the right checksum, and where the next one is; NULL:
 * there is none, or from here on the segment is damaged. */
const struct hm_frame *hm_frame_at(const uint8_t *bytes, size_t n, size_t at, size_t *next);
