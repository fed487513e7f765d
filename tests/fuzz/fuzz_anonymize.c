/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_anonymize: any text as a rule and any bytes as a packet. The first line is the rule, then come a byte of choices (tunnels,
 * lengths that stay, link, snapped) and the packet. Checks that what comes out stays within its buffer, that it parses,
 * and that lengths are told the same way by headers and capture.
 */
#include <stdlib.h>
#include <string.h>

#include "../parse/parse_check.h"
#include "anon/anonymizer.h"

#define ROOM 4096

static const uint8_t key[HM_ANON_KEY] = "lobster-thermidor-with-a-32-byte";
static struct hm_batch batch, made;
static struct hm_anon_maps *maps;

static void check(const struct hm_anon_packet *p, enum hm_link link)
{
	static const struct hm_parse_conf no_tunnels;

	PARSE_CHECK(0, p->caplen <= ROOM);
	made.n = 1;
	made.all = 1;
	made.link = link;
	made.data[0] = p->bytes;
	made.caplen[0] = p->caplen;
	made.wirelen[0] = p->wirelen;
	hm_parse(&made, &no_tunnels);
}

static void run(const struct hm_anon_rule *rule, uint8_t choice, const uint8_t *data, uint32_t n)
{
	static const enum hm_link links[] = {HM_LINK_ETHERNET, HM_LINK_RAW};
	const struct hm_parse_conf conf = {choice & 1 ? 0x3f : 0}, no_tunnels = {0};
	const struct hm_anonymizer_conf how = {rule, 1, key, key, maps};
	struct hm_anonymizer *a = hm_anonymizer_create(&how);
	static struct hm_batch outside;
	static struct hm_anon_packet packet;
	uint8_t *copy = malloc(ROOM), *exact = malloc(n + 1);

	memcpy(exact, data, n);
	batch.n = 1;
	batch.all = 1;
	batch.link = links[choice >> 2 & 1];
	batch.data[0] = exact;
	batch.caplen[0] = n;
	batch.wirelen[0] = n + (choice & 8 ? 100 : 0);
	batch.ts_ns[0] = 5;
	hm_parse(&batch, &conf);
	outside = batch;
	hm_parse(&outside, &no_tunnels);
	memcpy(copy, exact, n);
	hm_anon_packet_begin(&packet, &batch, 0, copy, ROOM, choice & 2,
			     batch.tunnel ? &outside : NULL, 0);
	hm_anonymizer_run(a, &packet, 1);
	check(&packet, batch.link);
	if (choice & 2)
		PARSE_CHECK(0, packet.caplen <= n && packet.wirelen == batch.wirelen[0]);
	free(exact);
	free(copy);
	hm_anonymizer_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
	struct hm_anon_rule rule;
	struct hm_error err;
	size_t at;
	char *text;

	if (!maps)
		maps = hm_anon_maps_create(16);
	if (!line || line + 1 == data + size)
		return 0;
	at = (size_t)(line - data);
	text = strndup((const char *)data, at);
	if (hm_anon_rule_parse(&rule, text, &err) == 0 && size - at - 2 <= ROOM)
		run(&rule, line[1], line + 2, (uint32_t)(size - at - 2));
	hm_anon_rule_fini(&rule);
	free(text);
	return 0;
}
