/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/template.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "netflow/application.h"
#include "netflow/ie.h"

#define NS_A_S    UINT64_C(1000000000)
#define NS_A_US   1000u
#define NS_A_MS   1000000u
#define NTP_1970  UINT64_C(2208988800) // seconds from 1900, RFC 7011 section 6.1.8
#define AS_TRANS  23456
#define LENGTH(x) (sizeof(x) / sizeof((x)[0]))

enum op {
	OP_ZERO,  // as many bytes as the field has
	OP_COPY1, // bytes as they are
	OP_COPY2,
	OP_COPY4,
	OP_COPY6,
	OP_COPY16,
	OP_ICMP,       // type and code, which stand as a port in the key; 0 for other protocols
	OP_LABEL,      // IPv6 flow label
	OP_MPLS,       // label, Exp and S in 3 bytes
	OP_DSCP,       // upper six bits of a byte
	OP_INITIATOR,  // biflowDirection 1: the first direction is the initiator's
	OP_U16,        // host order, 2 bytes
	OP_U16_AS_U32, // host order, 2 bytes, encoded as 4
	OP_U64,
	OP_U64_AS_U32, // what does not fit is the caller's trouble
	OP_S,          // nanoseconds, encoded as seconds in 4 bytes
	OP_MS,         // as milliseconds in 8 bytes
	OP_US,         // as NTP timestamp, RFC 7011 section 6.1.9
	OP_NS,         // as NTP timestamp
	OP_UPTIME,     // as milliseconds since boot in 4 bytes
	OP_LASTED_MS,  // from first to last packet, 4 bytes
	OP_LASTED_US,
	OP_APPLICATION,
	OP_ROUTES, // from here on: of a route
	OP_AS = OP_ROUTES,
	OP_AS16, // AS_TRANS for those that need four bytes (RFC 6793, section 4.2.2)
	OP_PREFIX_LENGTH,
	OP_NEXT_HOP4, // zero if it is of the other version
	OP_NEXT_HOP6,
};

#define AT(member) offsetof(struct hm_flow_record, member)
#define SAME(member)                   \
	{                              \
		AT(member), AT(member) \
	}
#define SENDER(member)                       \
	{                                    \
		AT(member[0]), AT(member[1]) \
	}
#define RECEIVER(member)                     \
	{                                    \
		AT(member[1]), AT(member[0]) \
	}
#define FRAME(member)                                    \
	{                                                \
		AT(frame[0].member), AT(frame[1].member) \
	}
#define KEY(id, length, op, version, ...)                            \
	{                                                            \
		0, id, length, op, version, true, false, __VA_ARGS__ \
	}
#define PLAIN(id, length, op, ...)                              \
	{                                                       \
		0, id, length, op, 0, false, false, __VA_ARGS__ \
	}
#define DIRECTED(id, length, op, ...)                          \
	{                                                      \
		0, id, length, op, 0, false, true, __VA_ARGS__ \
	}

#define ROUTE(id, length, op, version, ...)                           \
	{                                                             \
		0, id, length, op, version, false, false, __VA_ARGS__ \
	}
#define OF_SENDER    \
	{            \
		0, 1 \
	}
#define OF_RECEIVER  \
	{            \
		1, 0 \
	}

/* Where a flow record has what. tcpControlBits takes one byte: the flow record has no more bits.
 * An element that is here twice is encoded in the first length unless the other is asked for. */
static const struct hm_template_field sources[] = {
	DIRECTED(1, 8, OP_U64, SENDER(bytes)),
	DIRECTED(1, 4, OP_U64_AS_U32, SENDER(bytes)),
	DIRECTED(2, 8, OP_U64, SENDER(packets)),
	DIRECTED(2, 4, OP_U64_AS_U32, SENDER(packets)),
	KEY(4, 1, OP_COPY1, 0, SAME(key.proto)),
	DIRECTED(5, 1, OP_COPY1, SENDER(tos)),
	DIRECTED(6, 1, OP_COPY1, SENDER(first.tcp_flags)),
	KEY(7, 2, OP_COPY2, 0, SENDER(key.port_be)),
	KEY(8, 4, OP_COPY4, 4, SENDER(key.addr)),
	ROUTE(9, 1, OP_PREFIX_LENGTH, 4, OF_SENDER),
	PLAIN(10, 4, OP_U16_AS_U32, SAME(first.ifindex)),
	PLAIN(10, 2, OP_U16, SAME(first.ifindex)),
	KEY(11, 2, OP_COPY2, 0, RECEIVER(key.port_be)),
	KEY(12, 4, OP_COPY4, 4, RECEIVER(key.addr)),
	ROUTE(13, 1, OP_PREFIX_LENGTH, 4, OF_RECEIVER),
	ROUTE(15, 4, OP_NEXT_HOP4, 4, OF_RECEIVER),
	ROUTE(16, 4, OP_AS, 0, OF_SENDER),
	ROUTE(16, 2, OP_AS16, 0, OF_SENDER),
	ROUTE(17, 4, OP_AS, 0, OF_RECEIVER),
	ROUTE(17, 2, OP_AS16, 0, OF_RECEIVER),
	ROUTE(18, 4, OP_NEXT_HOP4, 4, OF_RECEIVER),
	DIRECTED(21, 4, OP_UPTIME, SENDER(last_ns)),
	DIRECTED(22, 4, OP_UPTIME, SENDER(first_ns)),
	KEY(27, 16, OP_COPY16, 6, SENDER(key.addr)),
	KEY(28, 16, OP_COPY16, 6, RECEIVER(key.addr)),
	ROUTE(29, 1, OP_PREFIX_LENGTH, 6, OF_SENDER),
	ROUTE(30, 1, OP_PREFIX_LENGTH, 6, OF_RECEIVER),
	PLAIN(31, 4, OP_LABEL, {0, 0}),
	KEY(32, 2, OP_ICMP, 4, RECEIVER(key.port_be)),
	DIRECTED(56, 6, OP_COPY6, FRAME(source)),
	PLAIN(58, 2, OP_U16, SAME(key.vlan)),
	KEY(60, 1, OP_COPY1, 0, SAME(key.version)),
	ROUTE(62, 16, OP_NEXT_HOP6, 6, OF_RECEIVER),
	ROUTE(63, 16, OP_NEXT_HOP6, 6, OF_RECEIVER),
	DIRECTED(70, 3, OP_MPLS, FRAME(mpls)),
	DIRECTED(80, 6, OP_COPY6, FRAME(destination)),
	PLAIN(95, 4, OP_APPLICATION, {0, 0}),
	PLAIN(136, 1, OP_COPY1, SAME(end_reason)),
	KEY(139, 2, OP_ICMP, 6, RECEIVER(key.port_be)),
	DIRECTED(150, 4, OP_S, SENDER(first_ns)),
	DIRECTED(151, 4, OP_S, SENDER(last_ns)),
	DIRECTED(152, 8, OP_MS, SENDER(first_ns)),
	DIRECTED(153, 8, OP_MS, SENDER(last_ns)),
	DIRECTED(154, 8, OP_US, SENDER(first_ns)),
	DIRECTED(155, 8, OP_US, SENDER(last_ns)),
	DIRECTED(156, 8, OP_NS, SENDER(first_ns)),
	DIRECTED(157, 8, OP_NS, SENDER(last_ns)),
	DIRECTED(161, 4, OP_LASTED_MS, SENDER(first_ns)),
	DIRECTED(162, 4, OP_LASTED_US, SENDER(first_ns)),
	DIRECTED(195, 1, OP_DSCP, SENDER(tos)),
	PLAIN(210, 0, OP_ZERO, {0, 0}),
	PLAIN(239, 1, OP_INITIATOR, {0, 0}),
	PLAIN(243, 2, OP_U16, SAME(key.vlan)),
};

static const struct hm_template_field *source_of(uint16_t id, uint16_t length)
{
	for (unsigned i = 0; i < LENGTH(sources); i++)
		if (sources[i].id == id &&
		    (length == 0 || sources[i].length == length || sources[i].op == OP_ZERO))
			return &sources[i];
	return NULL;
}

void hm_template_mark_keys(struct hm_template *t, uint32_t key)
{
	static const struct {
		uint16_t id;
		uint32_t key;
	} elements[] = {
		{5, HM_FLOW_KEY_TOS},    {195, HM_FLOW_KEY_TOS | HM_FLOW_KEY_DSCP},
		{58, HM_FLOW_KEY_VLAN},  {243, HM_FLOW_KEY_VLAN},
		{31, HM_FLOW_KEY_LABEL}, {10, HM_FLOW_KEY_INTERFACE},
		{56, HM_FLOW_KEY_MAC},   {80, HM_FLOW_KEY_MAC},
		{70, HM_FLOW_KEY_MPLS},
	};

	for (unsigned i = 0; i < t->n; i++) {
		for (unsigned k = 0; k < LENGTH(elements); k++) {
			if (t->field[i].id != elements[k].id || !(key & elements[k].key))
				continue;
			t->field[i].key = true;
			t->field[i].directed = false;
		}
	}
}

bool hm_template_knows(uint16_t element)
{
	return source_of(element, 0) != NULL && element != 210;
}

bool hm_template_of_routes(uint16_t element)
{
	const struct hm_template_field *f = source_of(element, 0);

	return f != NULL && f->op >= OP_ROUTES;
}

bool hm_template_of_frames(uint16_t element)
{
	const struct hm_template_field *f = source_of(element, 0);

	return f != NULL && f->op < OP_ROUTES && f->offset[0] >= AT(frame);
}

static int add_field(struct hm_template *t, const struct hm_template_field *f, uint16_t length)
{
	struct hm_template_field *to = &t->field[t->n];

	if (t->n == HM_TEMPLATE_FIELDS)
		return -E2BIG;
	t->n++;
	*to = *f;
	if (to->op == OP_ZERO)
		to->length = length;
	t->bytes += to->length;
	t->routes = t->routes || to->op >= OP_ROUTES;
	t->applications = t->applications || to->op == OP_APPLICATION;
	return 0;
}

int hm_template_compile(struct hm_template *t, uint16_t id, const struct hm_want *elements,
			unsigned n, unsigned version)
{
	int r = 0;

	memset(t, 0, sizeof(*t));
	t->id = id;
	for (unsigned i = 0; i < n && r == 0; i++) {
		const struct hm_template_field *f = source_of(elements[i].id, elements[i].length);
		if (!f)
			return -ENOTSUP;
		if (f->version == 0 || f->version == version)
			r = add_field(t, f, elements[i].length);
	}
	return r;
}

int hm_template_add_reverse(struct hm_template *t)
{
	unsigned n = t->n;
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		struct hm_template_field f = t->field[i];
		uint16_t first = f.offset[0];
		if (!f.directed)
			continue;
		f.enterprise = HM_IE_REVERSE;
		f.offset[0] = f.offset[1];
		f.offset[1] = first;
		r = add_field(t, &f, f.length);
	}
	t->both = true;
	return r;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void store64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static void store32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

/* Rounded up, so that the nanoseconds come out again when the fraction is cut. */
static uint64_t ntp(uint64_t ns)
{
	uint64_t fraction = (((ns % NS_A_S) << 32) + NS_A_S - 1) / NS_A_S;

	return (ns / NS_A_S + NTP_1970) << 32 | fraction;
}

/* Time from the first to the last packet: last_ns stands two words behind first_ns. */
static uint64_t lasted_ns(const uint8_t *first)
{
	static_assert(AT(last_ns) - AT(first_ns) == 2 * sizeof(uint64_t), "");
	return load64(first + 2 * sizeof(uint64_t)) - load64(first);
}

static bool is_icmp(const struct hm_flow_record *r)
{
	return r->key.proto == (r->key.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static void store16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static void encode_route(const struct hm_template_field *f, const struct hm_route *route,
			 uint8_t *out)
{
	switch ((enum op)f->op) {
	case OP_AS:
		store32(out, route->as);
		break;
	case OP_AS16:
		store16(out, (uint16_t)(route->as > UINT16_MAX ? AS_TRANS : route->as));
		break;
	case OP_PREFIX_LENGTH:
		*out = route->length;
		break;
	default: // a next hop
		memset(out, 0, f->length);
		if (route->next_hop_version == (f->op == OP_NEXT_HOP4 ? 4 : 6))
			memcpy(out, route->next_hop, f->length);
		break;
	}
}

static void encode_field(const struct hm_template_field *f, const struct hm_flow_record *r,
			 unsigned sender, uint64_t boot_ms, uint8_t *out)
{
	const uint8_t *in = (const uint8_t *)r + f->offset[sender];
	uint16_t v16;
	uint32_t v32;

	switch ((enum op)f->op) {
	case OP_ZERO:
		memset(out, 0, f->length);
		break;
	case OP_COPY1:
		*out = *in;
		break;
	case OP_COPY2:
		memcpy(out, in, 2);
		break;
	case OP_COPY4:
		memcpy(out, in, 4);
		break;
	case OP_COPY6:
		memcpy(out, in, 6);
		break;
	case OP_COPY16:
		memcpy(out, in, 16);
		break;
	case OP_ICMP:
		memset(out, 0, 2);
		if (is_icmp(r))
			memcpy(out, in, 2);
		break;
	case OP_LABEL:
		store32(out, r->first.label);
		break;
	case OP_MPLS:
		memcpy(&v32, in, 4);
		store16(out, (uint16_t)(v32 >> 8));
		out[2] = (uint8_t)v32;
		break;
	case OP_DSCP:
		*out = *in >> 2;
		break;
	case OP_INITIATOR:
		*out = 1;
		break;
	case OP_U16:
		memcpy(&v16, in, 2);
		v16 = htobe16(v16);
		memcpy(out, &v16, 2);
		break;
	case OP_U16_AS_U32:
		memcpy(&v16, in, 2);
		store32(out, v16);
		break;
	case OP_U64:
		store64(out, load64(in));
		break;
	case OP_U64_AS_U32:
		store32(out, (uint32_t)load64(in));
		break;
	case OP_S:
		store32(out, (uint32_t)(load64(in) / NS_A_S));
		break;
	case OP_MS:
		store64(out, load64(in) / NS_A_MS);
		break;
	case OP_US: // the lower 11 bits are less than a microsecond
		store64(out, (ntp(load64(in) / NS_A_US * NS_A_US) + 0x7ff) & ~UINT64_C(0x7ff));
		break;
	case OP_NS:
		store64(out, ntp(load64(in)));
		break;
	case OP_UPTIME:
		store32(out, (uint32_t)(load64(in) / NS_A_MS - boot_ms));
		break;
	case OP_LASTED_MS:
		store32(out, (uint32_t)(lasted_ns(in) / NS_A_MS));
		break;
	case OP_LASTED_US:
		store32(out, (uint32_t)(lasted_ns(in) / NS_A_US));
		break;
	case OP_APPLICATION:
		store32(out, hm_application_of(r));
		break;
	default: // of a route
		break;
	}
}

void hm_template_encode(const struct hm_template *t, const struct hm_flow_record *r,
			const struct hm_route *const route[2], unsigned sender, uint64_t boot_ms,
			uint8_t *out)
{
	static const struct hm_route unknown;

	for (unsigned i = 0; i < t->n; i++) {
		const struct hm_template_field *f = &t->field[i];

		if (f->op >= OP_ROUTES)
			encode_route(f, route ? route[f->offset[sender]] : &unknown, out);
		else
			encode_field(f, r, sender, boot_ms, out);
		out += f->length;
	}
}
