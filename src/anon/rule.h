/* SPDX-License-Identifier: BSD-3-Clause */
/* rule: one rule of ANONYMIZE, "PROTOCOL,FIELD,FUNCTION[,parameter...]" (MAPI's anonflib). Blanks around words do not
 * matter. What a rule may say is asked here alone, so that errors, documentation and tests agree. */
#pragma once

#include <stdbool.h>

#include "anon/names.h"
#include "core/error.h"

#define HM_ANON_TEXT_MAX   1024 // bytes of REPLACE's and PATTERN_FILL's text
#define HM_ANON_RANGES_MAX 16
#define HM_ANON_RULE_MAX   4096 // characters

/* MAPI's numbers of what is wrong. */
#define HM_ANON_NO_PROTOCOL  7001
#define HM_ANON_NO_FIELD     7002
#define HM_ANON_NO_FUNCTION  7003
#define HM_ANON_NO_PARAMETER 7004

struct hm_anon_regexp;

struct hm_anon_rule {
	enum hm_anon_word protocol, field, function;
	enum hm_anon_word algorithm, padding; // HASHED
	enum hm_anon_word distribution;
	/* UNIFORM: least and most; GAUSSIAN: mean and standard deviation; STRIP: bytes that stay; COARSEN: width, of a
	 * time in ns; OFFSET: ns. */
	int64_t a, b;
	uint32_t bounds[HM_ANON_RANGES_MAX], n_bounds; // RANGES, rising
	uint8_t text[HM_ANON_TEXT_MAX]; // REPLACE; PATTERN_FILL, of one byte if INTEGER
	uint32_t n_text;
	struct hm_anon_regexp *regexp;
};

/* What a field is: what functions can be used on it. */
enum hm_anon_shape {
	HM_ANON_NUMBER,  // in 4 bytes or less, of fixed place and size
	HM_ANON_ADDRESS, // IPv4 or IPv6
	HM_ANON_BYTES,   // of fixed place and size
	HM_ANON_VARYING, // may become longer or shorter
	HM_ANON_TIME,
};

enum hm_anon_shape hm_anon_shape(enum hm_anon_word field);
/* The highest number that the field holds; of fields in HM_ANON_NUMBER. */
uint32_t hm_anon_highest(enum hm_anon_word field);
bool hm_anon_has_field(enum hm_anon_word protocol, enum hm_anon_word field);
/* VERSION and IHL can be changed by no function. */
bool hm_anon_changes(enum hm_anon_word function, enum hm_anon_word field);

/* 0, or -EINVAL with err: one of the numbers above, and what would be right. */
int hm_anon_rule_parse(struct hm_anon_rule *r, const char *text, struct hm_error *err);
void hm_anon_rule_fini(struct hm_anon_rule *r);
