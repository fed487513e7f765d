/* SPDX-License-Identifier: BSD-3-Clause */
/* keywords: the words that libpcap's scanner knows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hm_keyword {
	const char *word;
	int kind;        // enum hm_token_kind
	uint32_t number; // of those that stand for one ("tcp-syn")
};

/* NULL: not a keyword. */
const struct hm_keyword *hm_keyword_find(const char *at, size_t length);
