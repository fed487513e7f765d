/* SPDX-License-Identifier: BSD-3-Clause */
/* embedded_change: rules on addresses that messages hold. Those within ICMP bring checksums of their own (layers.h). */
#include <string.h>

#include "anon/anonymizer_internal.h"
#include "anon/layers.h"
#include "core/wire.h"

enum {
	PORT_DNS = 53,
	PORT_MDNS = 5353,
	PORT_LLMNR = 5355,
	PORT_DHCP_SERVER = 67,
	PORT_DHCP_CLIENT = 68,
	PORT_DHCP6_CLIENT = 546,
	PORT_DHCP6_SERVER = 547,
	MAC = 6,
};

/* --- ICMP --- */

static void change_icmp(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			struct hm_anon_packet *p, const struct hm_anon_view *v)
{
	struct hm_layer layers[HM_LAYERS_MAX];
	unsigned n, n4 = 0, n6 = 0;

	if (!v->l4 || v->l4 >= v->end)
		return;
	n = hm_layers_find_message(p->bytes, v->l4, v->end, v->v6, layers);
	for (unsigned i = 0; i < n; i++) {
		struct hm_layer *l = &layers[i];

		l->first = (uint16_t)(l->v6 ? n6 : n4);
		for (unsigned k = 0; k < l->n; k++) {
			uint8_t *to = l->v6 ? a->v6[n6++] : (uint8_t *)&a->v4[n4++];
			const uint32_t size = l->v6 ? 16 : 4;

			memcpy(to, p->bytes + l->addresses + k * size, size);
			hm_anon_value(a, r, to, size);
		}
	}
	if (n) {
		hm_layers_replace(p->bytes, layers, n, a->v4, (const uint8_t(*)[16])a->v6);
		p->changed = p->payload_changed = true;
	}
}

/* --- DNS and DHCP --- */

static bool has_port(const uint8_t *l4, uint32_t one, uint32_t other)
{
	const uint32_t source = hm_be16(l4), destination = hm_be16(l4 + 2);

	return source == one || source == other || destination == one || destination == other;
}

/* An address of which some bytes are there, and as many of what becomes of it. */
static void change_one(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *message,
		       const struct hm_embedded *e)
{
	uint8_t value[16] = {0};

	memcpy(value, message + e->at, e->n);
	hm_anon_value(a, r, value, e->size);
	memcpy(message + e->at, value, e->n);
}

static void change_found(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			 struct hm_anon_packet *p, uint8_t *message, uint32_t n)
{
	const bool macs = r->field == HM_ANON_CLIENT_MAC;

	for (unsigned i = 0; i < a->embeddeds.n; i++)
		if ((a->embeddeds.at[i].size == MAC) == macs)
			change_one(a, r, message, &a->embeddeds.at[i]);
	if (a->embeddeds.rest < n)
		memset(message + a->embeddeds.rest, 0, n - a->embeddeds.rest);
	p->changed = p->payload_changed = true;
}

/* Over TCP a length is before the message, which the packet may cut. */
static void change_dns(struct hm_anonymizer *a, const struct hm_anon_rule *r,
		       struct hm_anon_packet *p, const struct hm_anon_view *v, const uint8_t *ports)
{
	uint32_t at = v->payload;

	if (v->udp &&
	    (has_port(ports, PORT_DNS, PORT_MDNS) || has_port(ports, PORT_LLMNR, PORT_LLMNR))) {
		hm_embedded_dns(p->bytes + at, v->end - at, &a->embeddeds);
		change_found(a, r, p, p->bytes + at, v->end - at);
	}
	while (v->tcp && has_port(ports, PORT_DNS, PORT_DNS) && at + 2 < v->end) {
		const uint32_t length = hm_be16(p->bytes + at), left = v->end - at - 2;
		const uint32_t n = length < left ? length : left;

		hm_embedded_dns(p->bytes + at + 2, n, &a->embeddeds);
		change_found(a, r, p, p->bytes + at + 2, n);
		at += 2 + n;
	}
}

static void change_dhcp(struct hm_anonymizer *a, const struct hm_anon_rule *r,
			struct hm_anon_packet *p, const struct hm_anon_view *v,
			const uint8_t *ports)
{
	uint8_t *message = p->bytes + v->payload;
	const uint32_t n = v->end - v->payload;

	if (!v->udp)
		return;
	if (v->v4 && has_port(ports, PORT_DHCP_SERVER, PORT_DHCP_CLIENT))
		hm_embedded_dhcp4(message, n, &a->embeddeds);
	else if (v->v6 && has_port(ports, PORT_DHCP6_SERVER, PORT_DHCP6_CLIENT))
		hm_embedded_dhcp6(message, n, &a->embeddeds);
	else
		return;
	change_found(a, r, p, message, n);
}

void hm_anon_embedded(struct hm_anonymizer *a, const struct hm_anon_rule *r,
		      struct hm_anon_packet *p)
{
	const bool any = r->protocol == HM_ANON_IP;

	for (unsigned i = 0; i < p->n_views; i++) {
		const struct hm_anon_view *v = &p->view[i];
		const uint32_t l4 = p->view_before[i].l4;

		if (v->icmp && (any || r->protocol == HM_ANON_ICMP))
			change_icmp(a, r, p, v);
		if (!l4 || v->payload >= v->end || !(v->tcp || v->udp))
			continue;
		if (any || r->protocol == HM_ANON_DNS)
			change_dns(a, r, p, v, p->before + l4);
		if (any || r->protocol == HM_ANON_DHCP)
			change_dhcp(a, r, p, v, p->before + l4);
	}
}
