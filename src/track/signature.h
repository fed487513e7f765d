/* SPDX-License-Identifier: BSD-3-Clause */
/* signature: byte strings at the begin of what a packet carries, by which a protocol is known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole of the n bytes is within the first `depth` bytes of the payload; as deep as it is long: at its begin. */
struct hm_signature {
	const char *bytes;
	uint16_t n;
	uint16_t depth; // 0: anywhere
};

#define HM_SIGNATURE(text, depth)             \
	{                                     \
		text, sizeof(text) - 1, depth \
	}

/* Whether one of the signatures (the last is {0}) is in the payload; with `any_case` letters of ASCII match either way. */
bool hm_signature_match(const struct hm_signature *signatures, bool any_case,
			const uint8_t *payload, size_t n);
/* The same as a regular expression over a whole frame, without depths. NULL without memory; the caller's to free. */
char *hm_signature_regexp(const struct hm_signature *signatures, bool any_case);
