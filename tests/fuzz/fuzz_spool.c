/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_spool: any bytes as a segment of a spool, as they are and with checksums put right; and what it says
 * are templates and messages, as those of another configuration. */
#include <stdlib.h>
#include <string.h>

#include "netflow/foreign.h"
#include "netflow/message.h"
#include "netflow/spool_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHIFT 1024

static const struct hm_format format = {
	.name = "ipfix", .header = 16, .set_header = 4, .set_align = 1, .template_set = 2};

static void look_at(const uint8_t *bytes, uint32_t n)
{
	static struct hm_layout l;
	uint8_t *copy = malloc(n + 1);

	if (hm_foreign_read(&l, &format, bytes, n, SHIFT) &&
	    (l.n == 0 || l.n > HM_LAYOUT_TEMPLATES))
		abort();
	for (unsigned i = 0; i < l.n; i++)
		if (l.template[i].n > HM_TEMPLATE_FIELDS)
			abort();
	memcpy(copy, bytes, n);
	hm_foreign_shift(&format, copy, n, SHIFT);
	free(copy);
}

/* Walks the good frames; each must lie within, and be behind the one before. */
static void walk(const uint8_t *bytes, size_t size)
{
	size_t at = sizeof(struct hm_segment_header), next;
	const struct hm_frame *f;

	for (; (f = hm_frame_at(bytes, size, at, &next)); at = next) {
		if (next <= at || at + sizeof(*f) + f->bytes > size)
			abort();
		look_at((const uint8_t *)(f + 1), f->bytes);
	}
}

static void seal_all(uint8_t *bytes, size_t size)
{
	size_t at = sizeof(struct hm_segment_header);

	while (at + sizeof(struct hm_frame) <= size) {
		struct hm_frame *f = (struct hm_frame *)(bytes + at);
		if (f->bytes > size - at - sizeof(*f))
			return;
		hm_frame_seal(f, (const uint8_t *)(f + 1));
		at += sizeof(*f) + f->bytes + hm_frame_padding(f->bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); // aligned as a page is, and no longer than it is

	memcpy(copy, data, size);
	if (size >= sizeof(struct hm_segment_header))
		hm_segment_is_good((const struct hm_segment_header *)copy, "ipfix");
	walk(copy, size);
	seal_all(copy, size);
	walk(copy, size);
	free(copy);
	return 0;
}
