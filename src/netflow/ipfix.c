/* SPDX-License-Identifier: BSD-3-Clause */
/* IPFIX, RFC 7011: a message is a 16-byte header (section 3.1) and sets (3.3.2); the sequence
 * number counts data records sent before this message, and only those. */
#include "netflow/ipfix.h"

#define SET_HEADER      4
#define TEMPLATE_HEADER 4
#define FIELD_SPECIFIER 4
#define MESSAGE_MAX     65535
#define OFFSET_LENGTH   2
#define OFFSET_TIME     4
#define OFFSET_SEQUENCE 8
#define OFFSET_DOMAIN   12

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static void begin(struct hm_message *m, uint8_t *at, uint32_t room, uint32_t domain)
{
	*m = (struct hm_message){.at = at, .room = room < MESSAGE_MAX ? room : MESSAGE_MAX};
	put16(at, HM_IPFIX_VERSION);
	put32(at + OFFSET_DOMAIN, domain);
	m->used = HM_IPFIX_HEADER;
}

static void close_set(struct hm_message *m)
{
	if (m->set_id != 0)
		put16(m->at + m->set + 2, (uint16_t)(m->used - m->set));
	m->set_id = 0;
}

/* Makes sure that a set of this id is open with room for `bytes` more. */
static bool open_set(struct hm_message *m, uint16_t id, uint32_t bytes)
{
	uint32_t header = m->set_id == id ? 0 : SET_HEADER;

	if (m->room - m->used < header + bytes)
		return false;
	if (header > 0) {
		close_set(m);
		m->set = m->used;
		m->set_id = id;
		put16(m->at + m->set, id);
		m->used += SET_HEADER;
	}
	return true;
}

static bool add(struct hm_message *m, const struct hm_template *t, const struct hm_flow_record *r,
		unsigned sender)
{
	if (!open_set(m, t->id, t->bytes))
		return false;
	hm_template_encode(t, r, sender, m->at + m->used);
	m->used += t->bytes;
	m->records++;
	return true;
}

static bool add_templates(struct hm_message *m, const struct hm_template *t, unsigned n)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += TEMPLATE_HEADER + t[i].n * (uint32_t)FIELD_SPECIFIER;
	if (!open_set(m, HM_IPFIX_TEMPLATE_SET, bytes))
		return false;
	for (unsigned i = 0; i < n; i++) {
		put16(m->at + m->used, t[i].id);
		put16(m->at + m->used + 2, t[i].n);
		m->used += TEMPLATE_HEADER;
		for (unsigned k = 0; k < t[i].n; k++) {
			put16(m->at + m->used, t[i].field[k].id);
			put16(m->at + m->used + 2, t[i].field[k].length);
			m->used += FIELD_SPECIFIER;
		}
	}
	return true;
}

static void end(struct hm_message *m)
{
	close_set(m);
	put16(m->at + OFFSET_LENGTH, (uint16_t)m->used);
}

static void stamp(uint8_t *message, uint32_t sequence, uint32_t export_s)
{
	put32(message + OFFSET_TIME, export_s);
	put32(message + OFFSET_SEQUENCE, sequence);
}

const struct hm_format hm_ipfix = {
	.name = "ipfix",
	.mapi_name = "IPFIX",
	.port = 4739,
	.begin = begin,
	.add = add,
	.add_templates = add_templates,
	.end = end,
	.stamp = stamp,
};
