/* SPDX-License-Identifier: BSD-3-Clause */
/* What users send to BPF_FILTER: whatever our parser makes of an expression, it means what libpcap's
 * program means. Input: link type, expression, a zero, packet.
 *
 * An expression that is accepted has to give the same for the packet, whole and cut, and for a few
 * packets of the tests. That what libpcap refuses is refused needs no test: it is asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../filter/filter_frames.h"
#include "../filter/filter_oracle.h"

#define TEXT_MAX  400
#define FRAMES    30
#define TERMS_MAX 24 // libpcap's optimiser takes its time for more

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum hm_link links[] = {HM_LINK_ETHERNET, HM_LINK_RAW, HM_LINK_PPP, HM_LINK_NULL,
				     HM_LINK_LINUX_SLL};
#define LINKS (sizeof(links) / sizeof(links[0]))

static void require(bool holds, const char *what, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "violated: %s: %s\n", what, text);
	abort();
}

static void compare(struct filter_oracle *o, enum hm_link link, const uint8_t *packet, size_t size,
		    const char *text)
{
	static struct filter_frame *frames[LINKS];
	static struct hm_batch b;
	uint64_t wrong;
	unsigned at = 0;

	while (links[at] != link)
		at++;
	if (!frames[at])
		frames[at] = filter_frames_make(link, FRAMES, at);
	b.link = link;
	b.n = 0;
	for (size_t cut = 0; cut < 16 && cut <= size; cut++, b.n++) {
		b.data[b.n] = packet;
		b.caplen[b.n] = (uint32_t)(size - cut);
		b.wirelen[b.n] = (uint32_t)size;
	}
	for (unsigned i = 0; i < FRAMES; i++, b.n++) {
		b.data[b.n] = frames[at][i].bytes;
		b.caplen[b.n] = frames[at][i].caplen;
		b.wirelen[b.n] = frames[at][i].wirelen;
	}
	require(!filter_oracle_compare(o, &b, &wrong), "the index answers as libpcap does", text);
}

static unsigned count_terms(const char *text)
{
	unsigned n = 1;

	for (const char *p = text; *p; p++)
		n += *p == '|' || *p == '&' || strncmp(p, "or", 2) == 0 ||
		     strncmp(p, "and", 3) == 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_oracle o = {0};
	char text[TEXT_MAX + 1];
	enum hm_link link;
	size_t n;

	if (size < 2)
		return 0;
	link = links[*data++ % LINKS];
	size--;
	n = strnlen((const char *)data, size < TEXT_MAX ? size : TEXT_MAX);
	memcpy(text, data, n);
	text[n] = '\0';
	data += n < size ? n + 1 : n;
	size -= n < size ? n + 1 : n;
	if (count_terms(text) <= TERMS_MAX && filter_oracle_add(&o, text, link)) {
		require(filter_oracle_start(&o), "a filter can be indexed", text);
		compare(&o, link, data, size < 2000 ? size : 2000, text);
	}
	filter_oracle_end(&o);
	return 0;
}
