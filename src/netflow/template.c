/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/template.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "netflow/ie.h"

#define NS_A_MS   1000000u
#define LENGTH(x) (sizeof(x) / sizeof((x)[0]))

enum op {
	OP_COPY1, // bytes as they are
	OP_COPY2,
	OP_COPY4,
	OP_COPY16,
	OP_U16,        // host order, 2 bytes
	OP_U16_AS_U32, // host order, 2 bytes, encoded as 4
	OP_U64,
	OP_MS // nanoseconds, encoded as milliseconds in 8 bytes
};

static const uint8_t op_length[] = {
	[OP_COPY1] = 1, [OP_COPY2] = 2,      [OP_COPY4] = 4, [OP_COPY16] = 16,
	[OP_U16] = 2,   [OP_U16_AS_U32] = 4, [OP_U64] = 8,   [OP_MS] = 8,
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

/* Where a flow record has what. tcpControlBits takes one byte: the flow record has no more bits. */
static const struct hm_template_field sources[] = {
	{1, 8, OP_U64, SENDER(bytes)},
	{2, 8, OP_U64, SENDER(packets)},
	{4, 1, OP_COPY1, SAME(key.proto)},
	{5, 1, OP_COPY1, SENDER(tos)},
	{6, 1, OP_COPY1, SENDER(tcp_flags)},
	{7, 2, OP_COPY2, SENDER(key.port_be)},
	{8, 4, OP_COPY4, SENDER(key.addr)},
	{10, 4, OP_U16_AS_U32, SAME(ifindex)},
	{11, 2, OP_COPY2, RECEIVER(key.port_be)},
	{12, 4, OP_COPY4, RECEIVER(key.addr)},
	{27, 16, OP_COPY16, SENDER(key.addr)},
	{28, 16, OP_COPY16, RECEIVER(key.addr)},
	{58, 2, OP_U16, SAME(vlan)},
	{60, 1, OP_COPY1, SAME(key.version)},
	{136, 1, OP_COPY1, SAME(end_reason)},
	{152, 8, OP_MS, SENDER(first_ns)},
	{153, 8, OP_MS, SENDER(last_ns)},
};

static const struct hm_template_field *source_of(uint16_t id)
{
	for (unsigned i = 0; i < LENGTH(sources); i++)
		if (sources[i].id == id)
			return &sources[i];
	return NULL;
}

int hm_template_compile(struct hm_template *t, uint16_t id, const uint16_t *elements, unsigned n)
{
	memset(t, 0, sizeof(*t));
	t->id = id;
	if (n > HM_TEMPLATE_FIELDS)
		return -E2BIG;
	for (unsigned i = 0; i < n; i++) {
		const struct hm_template_field *f = source_of(elements[i]);
		if (!f || !hm_ie_by_id(elements[i]))
			return -ENOTSUP;
		assert(f->length == op_length[f->op]);
		t->field[t->n++] = *f;
		t->bytes += f->length;
	}
	return 0;
}

void hm_template_basic(struct hm_template *t, uint16_t id, unsigned version)
{
	const uint16_t ipv6 = version == 6;
	const uint16_t elements[] = {152, 153, 1,  2, ipv6 ? 27 : 8, ipv6 ? 28 : 12, 7, 11, 4, 6,
				     5,   136, 10, 58};
	int r = hm_template_compile(t, id, elements, LENGTH(elements));

	assert(r == 0);
	(void)r;
}

static void encode_field(const struct hm_template_field *f, const uint8_t *in, uint8_t *out)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch ((enum op)f->op) {
	case OP_COPY1:
		*out = *in;
		break;
	case OP_COPY2:
		memcpy(out, in, 2);
		break;
	case OP_COPY4:
		memcpy(out, in, 4);
		break;
	case OP_COPY16:
		memcpy(out, in, 16);
		break;
	case OP_U16:
		memcpy(&v16, in, 2);
		v16 = htobe16(v16);
		memcpy(out, &v16, 2);
		break;
	case OP_U16_AS_U32:
		memcpy(&v16, in, 2);
		v32 = htobe32(v16);
		memcpy(out, &v32, 4);
		break;
	case OP_U64:
		memcpy(&v64, in, 8);
		v64 = htobe64(v64);
		memcpy(out, &v64, 8);
		break;
	case OP_MS:
		memcpy(&v64, in, 8);
		v64 = htobe64(v64 / NS_A_MS);
		memcpy(out, &v64, 8);
		break;
	}
}

void hm_template_encode(const struct hm_template *t, const struct hm_flow_record *r,
			unsigned sender, uint8_t *out)
{
	const uint8_t *in = (const uint8_t *)r;

	for (unsigned i = 0; i < t->n; i++) {
		encode_field(&t->field[i], in + t->field[i].offset[sender], out);
		out += t->field[i].length;
	}
}
