/* SPDX-License-Identifier: BSD-3-Clause */
/* values: what each function of a rule makes of a field's value. */
#include <string.h>

#include "anon/anonymizer_internal.h"
#include "core/wire.h"

/* MAP's and MAP_DISTRIBUTION's numbers as addresses: of documentation (RFC 3849), and locally administered ones. */
static const uint8_t ipv6_of_number[16] = {0x20, 0x01, 0x0d, 0xb8}, mac_of_number[6] = {2};

static uint32_t fill(const struct hm_anon_rule *r, uint8_t *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = r->text[i % r->n_text];
	return n;
}

static uint32_t copy(const uint8_t *from, uint32_t n, uint8_t *out, uint32_t room)
{
	n = n < room ? n : room;
	memcpy(out, from, n);
	return n;
}

uint32_t hm_anon_bytes(struct hm_anonymizer *a, const struct hm_anon_rule *r, const uint8_t *in,
		       uint32_t n, uint8_t *out, uint32_t room)
{
	const uint32_t same = n < room ? n : room;

	switch (r->function) {
	case HM_ANON_ZERO:
		memset(out, 0, same);
		return same;
	case HM_ANON_RANDOM:
		hm_anon_random_bytes(a->random, out, same);
		return same;
	case HM_ANON_FILENAME_RANDOM:
		hm_anon_random_filename(a->random, in, same, out);
		return same;
	case HM_ANON_PATTERN_FILL:
		return fill(r, out, same);
	case HM_ANON_STRIP:
		return copy(in, n < r->a ? n : (uint32_t)r->a, out, room);
	case HM_ANON_REPLACE:
		return copy(r->text, r->n_text, out, room);
	case HM_ANON_HASHED:
		return hm_anon_hashed(a->digest, r->algorithm, r->padding, in, n, out, room);
	case HM_ANON_REGEXP:
		return hm_anon_regexp_replace(a->matcher, r->regexp, in, n, out, room);
	default:
		return copy(in, n, out, room);
	}
}

/* --- of fixed size --- */

static enum hm_anon_map_kind kind_of(const struct hm_anon_rule *r, uint32_t n)
{
	if (hm_anon_shape(r->field) == HM_ANON_ADDRESS)
		return HM_ANON_MAP_ADDRESSES;
	if (r->field == HM_ANON_SRC_PORT || r->field == HM_ANON_DST_PORT)
		return HM_ANON_MAP_PORTS;
	return n == 1   ? HM_ANON_MAP_BYTES
	       : n == 2 ? HM_ANON_MAP_SHORTS
	       : n <= 4 ? HM_ANON_MAP_WORDS
			: HM_ANON_MAP_OTHERS;
}

/* The number that stands for a value; true if the rule is of that sort. */
static bool number_for(struct hm_anonymizer *a, const struct hm_anon_rule *r, const uint8_t *in,
		       uint32_t n, uint32_t *number)
{
	const bool is_number = hm_anon_shape(r->field) == HM_ANON_NUMBER;

	if (r->function == HM_ANON_MAP) {
		*number = hm_anon_map(a->conf.maps, kind_of(r, n), in, n);
		a->counts.unknown += *number == 0;
		return true;
	}
	if (r->function != HM_ANON_MAP_DISTRIBUTION)
		return false;
	*number =
		hm_anon_draw(a->draw, r, is_number ? hm_anon_highest(r->field) : UINT32_MAX, in, n);
	return true;
}

/* As an address, MAC address or interface identifier. */
static void write_as(uint8_t *bytes, uint32_t n, uint32_t number)
{
	if (n == sizeof(ipv6_of_number))
		memcpy(bytes, ipv6_of_number, n);
	else if (n == sizeof(mac_of_number))
		memcpy(bytes, mac_of_number, n);
	else
		memset(bytes, 0, n);
	hm_put32(bytes + n - 4, number);
}

void hm_anon_value(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *bytes,
		   uint32_t size)
{
	uint8_t out[HM_ANON_VALUE_MAX];
	uint32_t number, n;

	if (number_for(a, r, bytes, size, &number)) {
		write_as(bytes, size, number);
	} else if (r->function == HM_ANON_PREFIX_PRESERVING ||
		   r->function == HM_ANON_PREFIX_PRESERVING_MAP) {
		memcpy(out, bytes, size);
		if (size == 4)
			hm_pseudonyms_ipv4(hm_anon_pseudonyms(a, r), (uint32_t *)(void *)out, 1);
		else
			hm_pseudonyms_ipv6(hm_anon_pseudonyms(a, r), &out, 1);
		memcpy(bytes, out, size);
	} else {
		n = hm_anon_bytes(a, r, bytes, size, out, size);
		memcpy(bytes, out, n);
		memset(bytes + n, 0, size - n);
	}
}

static uint32_t range_of(const struct hm_anon_rule *r, uint32_t value)
{
	uint32_t lowest = 0;

	for (uint32_t i = 0; i < r->n_bounds && r->bounds[i] <= value; i++)
		lowest = r->bounds[i];
	return lowest;
}

/* Of up to four bytes, as a number of host order, without the bits that are not its own. */
static uint32_t new_number(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint32_t value,
			   uint32_t n)
{
	uint8_t bytes[4];
	uint32_t number;

	if (r->function == HM_ANON_COARSEN)
		return value - value % (uint32_t)r->a;
	if (r->function == HM_ANON_RANGES)
		return range_of(r, value);
	hm_put32(bytes, value);
	if (number_for(a, r, bytes + 4 - n, n, &number))
		return number;
	hm_anon_value(a, r, bytes + 4 - n, n);
	return hm_be32(bytes);
}

static uint32_t bytes_of(uint32_t highest)
{
	return 4 - (uint32_t)__builtin_clz(highest) / 8;
}

static void change_number(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *at,
			  struct hm_anon_place place)
{
	const uint32_t all = UINT32_MAX >> (32 - place.n * 8), mask = place.mask ? place.mask : all;
	const unsigned shift = (unsigned)__builtin_ctz(mask);
	uint32_t old = 0, new;

	for (unsigned i = 0; i < place.n; i++)
		old = old << 8 | at[i];
	// a field that shares its bytes has as many as its bits take
	new = new_number(a, r, (old & mask) >> shift, bytes_of(mask >> shift)) << shift;
	new = (old & ~mask) | (new &mask);
	for (unsigned i = place.n; i-- > 0; new >>= 8)
		at[i] = (uint8_t) new;
}

void hm_anon_fixed(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *bytes,
		   struct hm_anon_place place)
{
	if (hm_anon_shape(r->field) == HM_ANON_NUMBER)
		change_number(a, r, bytes + place.at, place);
	else
		hm_anon_value(a, r, bytes + place.at, place.n);
}
