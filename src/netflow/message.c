/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/message.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "netflow/ie.h"

#define TEMPLATE_HEADER 4
#define OPTIONS_HEADER  6
#define FIELD_SPECIFIER 4
#define ENTERPRISE_BIT  0x8000
#define MESSAGE_MAX     65535
#define SHORT_LENGTH    255 // variable lengths from here on take three bytes
#define NS_A_MS         1000000u
#define ERA_MS          (UINT64_C(1) << 31) // half of what an uptime can tell

uint64_t hm_boot_ms(void)
{
	struct timespec wall, up;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)(wall.tv_sec - up.tv_sec) * 1000;
}

void hm_message_begin(struct hm_message *m, const struct hm_format *format, uint8_t *at,
		      uint32_t room, const struct hm_origin *origin)
{
	*m = (struct hm_message){
		.format = format, .at = at, .room = room < MESSAGE_MAX ? room : MESSAGE_MAX};
	memset(at, 0, format->header);
	format->open_header(at, origin);
	m->used = format->header;
}

static uint32_t padding(const struct hm_message *m)
{
	return m->set == 0 ? 0 : (m->set - m->used) & (m->format->set_align - 1u);
}

static void close_set(struct hm_message *m)
{
	uint32_t pad = padding(m);

	memset(m->at + m->used, 0, pad);
	m->used += pad;
	if (m->set != 0 && m->format->set_header > 0)
		hm_put16(m->at + m->set + 2, (uint16_t)(m->used - m->set));
	m->set = 0;
}

/* Makes sure that a set of this id is open with room for `bytes` more, and for padding. */
static bool open_set(struct hm_message *m, uint16_t id, uint32_t bytes)
{
	bool open = m->set != 0 && m->set_id == id;
	uint32_t header = open ? 0 : padding(m) + m->format->set_header;

	if (m->room - m->used < header + bytes + m->format->set_align - 1)
		return false;
	if (open)
		return true;
	close_set(m);
	m->set = m->used;
	m->set_id = id;
	if (m->format->set_header > 0)
		hm_put16(m->at + m->set, id);
	m->used += m->format->set_header;
	return true;
}

/* Uptimes of 32 bits reach 49 days: a flow record fits if it is within them. The first record of a
 * message decides where they begin: at this machine's boot, or, for old traces, long uptimes and
 * clocks that are wrong, at the beginning of the record's era. */
static bool uptime_fits(struct hm_message *m, const struct hm_template *t,
			const struct hm_flow_record *r, unsigned sender)
{
	uint64_t first = r->first_ns[sender] / NS_A_MS, last = r->last_ns[sender] / NS_A_MS;

	if (t->both) {
		uint64_t other = r->first_ns[sender ^ 1] / NS_A_MS;
		first = other < first ? other : first;
		other = r->last_ns[sender ^ 1] / NS_A_MS;
		last = other > last ? other : last;
	}
	if (!m->has_clock) {
		uint64_t boot = hm_boot_ms();
		m->boot_ms =
			first >= boot && last - boot <= UINT32_MAX ? boot : first & ~(ERA_MS - 1);
		m->has_clock = true;
	}
	if (first < m->boot_ms || last - m->boot_ms > UINT32_MAX)
		return false;
	if (last > m->latest_ms)
		m->latest_ms = last;
	return true;
}

bool hm_message_add(struct hm_message *m, const struct hm_template *t,
		    const struct hm_flow_record *r, unsigned sender)
{
	const struct hm_route *route[2];

	if (m->records == m->format->records_max ||
	    (m->format->uptime && !uptime_fits(m, t, r, sender)) || !open_set(m, t->id, t->bytes))
		return false;
	if (t->routes && m->routes)
		hm_routes_find(m->routes, r->key.version, r->key.addr, route);
	hm_template_encode(t, r, t->routes && m->routes ? route : NULL, sender, m->boot_ms,
			   m->at + m->used);
	m->used += t->bytes;
	m->records++;
	return true;
}

static uint32_t template_bytes(const struct hm_template *t)
{
	uint32_t bytes = t->scopes > 0 ? OPTIONS_HEADER : TEMPLATE_HEADER;

	for (unsigned i = 0; i < t->n; i++)
		bytes += FIELD_SPECIFIER + (t->field[i].enterprise != 0 ? 4u : 0);
	return bytes;
}

uint32_t hm_message_least(const struct hm_format *format, const struct hm_template *t)
{
	uint32_t bytes = template_bytes(t);

	if (format->fixed || t->bytes > bytes)
		bytes = t->bytes;
	return format->header + format->set_header + bytes + format->set_align - 1;
}

/* How many fields, and how many of them are scopes: numbers in IPFIX, bytes in NetFlow 9. */
static uint32_t put_options_header(const struct hm_message *m, const struct hm_template *t,
				   uint8_t *p)
{
	uint16_t scopes = t->scopes;

	if (m->format->system_scopes) {
		hm_put16(p + 2, (uint16_t)(scopes * FIELD_SPECIFIER));
		hm_put16(p + 4, (uint16_t)((t->n - scopes) * FIELD_SPECIFIER));
	} else {
		hm_put16(p + 2, t->n);
		hm_put16(p + 4, scopes);
	}
	return OPTIONS_HEADER;
}

bool hm_message_add_template(struct hm_message *m, const struct hm_template *t)
{
	const struct hm_format *f = m->format;
	uint16_t set = t->scopes > 0 ? f->options_set : f->template_set;
	uint8_t *p;

	if (t->scopes > 0 && f->set_align > 1)
		close_set(m); // padding behind it would read as another template
	if (!open_set(m, set, template_bytes(t)))
		return false;
	p = m->at + m->used;
	hm_put16(p, t->id);
	hm_put16(p + 2, t->n);
	p += t->scopes > 0 ? put_options_header(m, t, p) : TEMPLATE_HEADER;
	for (unsigned i = 0; i < t->n; i++) {
		const struct hm_template_field *e = &t->field[i];
		hm_put16(p, e->enterprise != 0 ? e->id | ENTERPRISE_BIT : e->id);
		hm_put16(p + 2, e->length);
		p += FIELD_SPECIFIER;
		if (e->enterprise != 0) {
			hm_put32(p, e->enterprise);
			p += 4;
		}
	}
	m->used = (uint32_t)(p - m->at);
	m->templates++;
	return true;
}

static uint32_t text_bytes(const struct hm_template_field *f, const struct hm_option_value *v)
{
	size_t n;

	if (f->length != HM_IE_VARIABLE)
		return f->length;
	n = strlen(v->text);
	assert(n <= UINT16_MAX);
	return (uint32_t)n + (n < SHORT_LENGTH ? 1 : 3);
}

static uint8_t *put_text(uint8_t *p, const struct hm_template_field *f, const char *text)
{
	size_t n = strlen(text);

	if (f->length != HM_IE_VARIABLE) { // cut, or filled with zeros
		memset(p, 0, f->length);
		memcpy(p, text, n < f->length ? n : f->length);
		return p + f->length;
	}
	if (n < SHORT_LENGTH) {
		*p++ = (uint8_t)n;
	} else {
		*p = SHORT_LENGTH;
		hm_put16(p + 1, (uint16_t)n);
		p += 3;
	}
	memcpy(p, text, n);
	return p + n;
}

bool hm_message_add_options(struct hm_message *m, const struct hm_template *t,
			    const struct hm_option_value *values)
{
	uint32_t bytes = 0;
	uint8_t *p;

	for (unsigned i = 0; i < t->n; i++)
		bytes += values[i].text ? text_bytes(&t->field[i], &values[i]) : t->field[i].length;
	if (!open_set(m, t->id, bytes))
		return false;
	p = m->at + m->used;
	for (unsigned i = 0; i < t->n; i++) {
		if (values[i].text) {
			p = put_text(p, &t->field[i], values[i].text);
			continue;
		}
		for (unsigned k = t->field[i].length; k-- > 0;)
			*p++ = (uint8_t)(values[i].number >> 8 * k);
	}
	m->used += bytes;
	m->records++;
	return true;
}

void hm_message_end(struct hm_message *m)
{
	close_set(m);
	m->format->close_header(m);
}
