/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/foreign.h"

#include <string.h>

#include "netflow/message.h"

#define ENTERPRISE_BIT 0x8000

/* One template record; the bytes it takes, 0: it makes no sense. */
static uint32_t read_template(struct hm_template *t, const uint8_t *p, uint32_t n, uint16_t shift)
{
	uint32_t at = 4;

	if (n < at)
		return 0;
	memset(t, 0, sizeof(*t));
	t->id = (uint16_t)(hm_get16(p) + shift);
	t->n = hm_get16(p + 2);
	if (t->n == 0 || t->n > HM_TEMPLATE_FIELDS)
		return 0;
	for (unsigned i = 0; i < t->n; i++) {
		struct hm_template_field *f = &t->field[i];
		if (n - at < 4)
			return 0;
		f->id = hm_get16(p + at);
		f->length = hm_get16(p + at + 2);
		at += 4;
		if (!(f->id & ENTERPRISE_BIT))
			continue;
		if (n - at < 4)
			return 0;
		f->id &= (uint16_t)~ENTERPRISE_BIT;
		f->enterprise = hm_get32(p + at);
		at += 4;
	}
	return at;
}

/* The templates of one set; set_align bytes of padding may follow them. */
static bool read_set(struct hm_layout *l, const uint8_t *p, uint32_t n, uint16_t shift)
{
	while (n >= 8) {
		uint32_t bytes;
		if (l->n == HM_LAYOUT_TEMPLATES)
			return false;
		bytes = read_template(&l->template[l->n], p, n, shift);
		if (bytes == 0)
			return false;
		l->n++;
		p += bytes;
		n -= bytes;
	}
	return true;
}

bool hm_foreign_read(struct hm_layout *l, const struct hm_format *format, const uint8_t *bytes,
		     uint32_t n, uint16_t shift)
{
	l->n = 0;
	while (n >= 4) {
		uint32_t length = hm_get16(bytes + 2);
		if (hm_get16(bytes) != format->template_set || length < 4 || length > n ||
		    !read_set(l, bytes + 4, length - 4, shift))
			return false;
		bytes += length;
		n -= length;
	}
	return l->n > 0;
}

void hm_foreign_shift(const struct hm_format *format, uint8_t *message, uint32_t n, uint16_t shift)
{
	uint32_t at = format->header;

	while (format->set_header > 0 && at + 4 <= n) {
		uint32_t id = hm_get16(message + at), length = hm_get16(message + at + 2);
		if (id >= HM_TEMPLATE_FIRST)
			hm_put16(message + at, (uint16_t)(id + shift));
		if (length < 4)
			return;
		at += length;
	}
}
