/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/spool_segment.h"

#include <nmmintrin.h>
#include <string.h>

static const char magic[8] = "HMSPOOL1"; // another one for another layout

static uint32_t crc_of(uint32_t crc, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t word, wide = crc;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	while (n-- > 0)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}

static uint32_t frame_crc(const struct hm_frame *f, const uint8_t *message)
{
	size_t from = offsetof(struct hm_frame, bytes);

	return crc_of(crc_of(~0u, (const uint8_t *)f + from, sizeof(*f) - from), message, f->bytes);
}

void hm_frame_seal(struct hm_frame *f, const uint8_t *message)
{
	f->crc = frame_crc(f, message);
}

void hm_segment_seal(struct hm_segment_header *h, const char *format, bool sealed,
		     struct hm_segment_sums sums)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, magic, sizeof(magic));
	strncpy(h->format, format, sizeof(h->format) - 1);
	h->sealed = sealed;
	h->messages = sums.messages;
	h->flows = sums.flows;
	h->crc = crc_of(~0u, h, offsetof(struct hm_segment_header, crc));
}

bool hm_segment_is_good(const struct hm_segment_header *h, const char *format)
{
	char wanted[HM_SPOOL_FORMAT_MAX] = {0};

	strncpy(wanted, format, sizeof(wanted) - 1);
	return memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	       memcmp(h->format, wanted, sizeof(wanted)) == 0 &&
	       h->crc == crc_of(~0u, h, offsetof(struct hm_segment_header, crc));
}

const struct hm_frame *hm_frame_at(const uint8_t *bytes, size_t n, size_t at, size_t *next)
{
	const struct hm_frame *f = (const struct hm_frame *)(bytes + at);

	if (at > n || n - at < sizeof(*f) || at % _Alignof(struct hm_frame) != 0)
		return NULL;
	if (f->bytes > HM_SPOOL_MESSAGE_MAX || n - at - sizeof(*f) < f->bytes ||
	    f->crc != frame_crc(f, bytes + at + sizeof(*f)))
		return NULL;
	*next = at + sizeof(*f) + f->bytes + hm_frame_padding(f->bytes);
	return f;
}
