/* SPDX-License-Identifier: BSD-3-Clause */
/* ie: the one table of information elements, as IANA has them (iana.org/assignments/ipfix).
 * Whatever names, measures or describes an element reads it here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* RFC 5610 numbers. */
enum hm_ie_type {
	HM_IE_OCTETS = 0, // octetArray
	HM_IE_U8 = 1,
	HM_IE_U16 = 2,
	HM_IE_U32 = 3,
	HM_IE_U64 = 4,
	HM_IE_F64 = 10, // float64
	HM_IE_MAC = 12,
	HM_IE_STRING = 13,
	HM_IE_SECONDS = 14,
	HM_IE_MILLISECONDS = 15,
	HM_IE_MICROSECONDS = 16,
	HM_IE_NANOSECONDS = 17,
	HM_IE_IPV4 = 18,
	HM_IE_IPV6 = 19,
	HM_IE_TYPES
};

/* RFC 5610 numbers. */
enum hm_ie_semantics {
	HM_IE_DEFAULT = 0,
	HM_IE_QUANTITY = 1,
	HM_IE_TOTAL = 2, // totalCounter
	HM_IE_DELTA = 3, // deltaCounter
	HM_IE_IDENTIFIER = 4,
	HM_IE_FLAGS = 5
};

/* RFC 5610 numbers. */
enum hm_ie_unit {
	HM_IE_NONE = 0,
	HM_IE_UNIT_BITS = 1,
	HM_IE_UNIT_OCTETS = 2,
	HM_IE_UNIT_PACKETS = 3,
	HM_IE_UNIT_FLOWS = 4,
	HM_IE_UNIT_S = 5,
	HM_IE_UNIT_MS = 6,
	HM_IE_UNIT_US = 7,
	HM_IE_UNIT_NS = 8,
	HM_IE_UNIT_WORDS = 9,
	HM_IE_UNIT_MESSAGES = 10,
	HM_IE_UNIT_HOPS = 11
};

#define HM_IE_VARIABLE 65535

/* The enterprise of the reverse direction's elements (RFC 5103): the number, type and meaning are
 * those of IANA's element, the name is "reverse" and its name with a capital. */
#define HM_IE_REVERSE 29305

struct hm_ie {
	uint16_t id;
	uint8_t type, semantics, unit; // the enums above
	const char *name;
};

const struct hm_ie *hm_ie_by_id(uint16_t id);        // NULL: not in the table
const struct hm_ie *hm_ie_by_name(const char *name); // exactly as IANA writes it
const struct hm_ie *hm_ie_all(size_t *n);            // by rising id

/* Bytes of a value of this type; HM_IE_VARIABLE for strings and octet arrays. */
uint16_t hm_ie_length(enum hm_ie_type type);
