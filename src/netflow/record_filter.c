/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/record_filter.h"

#include <string.h>

#include "filter/filter.h"
#include "netflow/message.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define L4_BYTES   20 // a TCP header; of others the first eight bytes are their own
#define TCP_FLAGS  13

struct hm_filter *hm_record_filter_create(const char *expression, struct hm_error *err)
{
	return hm_filter_create(expression, HM_LINK_RAW, 0, err);
}

static uint32_t mean_length(const struct hm_flow_record *r, unsigned d)
{
	uint64_t length = r->packets[d] > 0 ? r->bytes[d] / r->packets[d] : 0;

	return length < UINT16_MAX ? (uint32_t)length : UINT16_MAX;
}

static uint8_t *put_ip(uint8_t *p, const struct hm_flow_record *r, unsigned d, uint32_t length)
{
	const union hm_flow_key *k = &r->key;

	if (k->version == 4) {
		p[0] = 0x45;
		p[1] = r->tos[d];
		hm_put16(p + 2, (uint16_t)length);
		p[8] = 64;
		p[9] = k->proto;
		memcpy(p + 12, k->addr[d], 4);
		memcpy(p + 16, k->addr[d ^ 1], 4);
		return p + IPV4_BYTES;
	}
	hm_put32(p, 6u << 28 | (uint32_t)r->tos[d] << 20 | r->first.label);
	hm_put16(p + 4, (uint16_t)(length > IPV6_BYTES ? length - IPV6_BYTES : 0));
	p[6] = k->proto;
	p[7] = 64;
	memcpy(p + 8, k->addr[d], 16);
	memcpy(p + 24, k->addr[d ^ 1], 16);
	return p + IPV6_BYTES;
}

/* Ports as they are; ICMP's type and code are where records keep them, as the destination's port. */
static void put_l4(uint8_t *p, const struct hm_flow_record *r, unsigned d)
{
	bool icmp = r->key.proto == 1 || r->key.proto == 58;

	memcpy(p, &r->key.port_be[icmp ? d ^ 1 : d], 2);
	if (icmp)
		return;
	memcpy(p + 2, &r->key.port_be[d ^ 1], 2);
	if (r->key.proto == 6) {
		p[12] = 5 << 4;
		p[TCP_FLAGS] = r->first.tcp_flags[d];
	} else {
		hm_put16(p + 4, 8);
	}
}

void hm_record_packets_make(struct hm_record_packets *p, const struct hm_flow_record *r, unsigned n)
{
	memset(p->bytes, 0, sizeof(p->bytes));
	for (unsigned d = 0; d < 2; d++) {
		struct hm_batch *b = &p->batch[d];
		b->n = n;
		b->link = HM_LINK_RAW;
		b->all = hm_mask_first(n);
		p->side[d] = 0;
		for (unsigned i = 0; i < n; i++) {
			uint32_t length = mean_length(&r[i], d);
			uint8_t *at = p->bytes[d][i];
			uint8_t *l4 = put_ip(at, &r[i], d, length);
			put_l4(l4, &r[i], d);
			b->data[i] = at;
			b->caplen[i] = (uint32_t)(l4 - at) + L4_BYTES;
			b->wirelen[i] = length;
			p->side[d] |= (uint64_t)(r[i].packets[d] > 0) << i;
		}
	}
}

void hm_record_filter_run(const struct hm_filter *f, const struct hm_record_packets *p,
			  uint64_t side[2])
{
	for (unsigned d = 0; d < 2; d++)
		side[d] = hm_filter_run(f, &p->batch[d], p->side[d]);
}
