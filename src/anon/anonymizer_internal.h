/* SPDX-License-Identifier: BSD-3-Clause */
/* anonymizer_internal: what the anonymizer's own files share. */
#pragma once

#include "anon/anonymizer.h"
#include "anon/digest.h"
#include "anon/embedded.h"
#include "anon/pseudonyms.h"
#include "anon/random.h"
#include "anon/regexp.h"
#include "anon/span.h"
#include "core/batch.h"

/* An address of the batch on its way to its pseudonym. */
struct hm_anon_address {
	struct hm_anon_packet *packet;
	uint32_t at;
};

/* What a STRIP leaves of payloads that no rule before it looks at; UINT32_MAX: there is no such rule. */
struct hm_anon_stripped {
	uint32_t tcp, udp, icmp;
};

struct hm_anonymizer {
	struct hm_anonymizer_conf conf;
	struct hm_anon_stripped stripped;
	struct hm_anonymizer_counts counts;
	struct hm_anon_random *random;
	struct hm_anon_digest *digest;
	struct hm_anon_draw *draw;
	struct hm_anon_matcher *matcher;
	struct hm_pseudonyms *pseudonyms, *run_pseudonyms;
	struct hm_spans spans;
	struct hm_embeddeds embeddeds;
	struct hm_anon_address where4[HM_PSEUDONYMS_MAX], where6[HM_PSEUDONYMS_MAX];
	uint32_t v4[HM_PSEUDONYMS_MAX];
	uint8_t v6[HM_PSEUDONYMS_MAX][16];
	uint8_t scratch[UINT16_MAX];
};

/* values: the n bytes of a field become those at `out`, at most `room`; returns how many. */
uint32_t hm_anon_bytes(struct hm_anonymizer *a, const struct hm_anon_rule *r, const uint8_t *in,
		       uint32_t n, uint8_t *out, uint32_t room);
/* values: of a field of fixed size. */
void hm_anon_fixed(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *bytes,
		   struct hm_anon_place place);
/* values: of one address or MAC address of `size` bytes. */
void hm_anon_value(struct hm_anonymizer *a, const struct hm_anon_rule *r, uint8_t *bytes,
		   uint32_t size);
struct hm_pseudonyms *hm_anon_pseudonyms(struct hm_anonymizer *a, const struct hm_anon_rule *r);

/* The rule's field of each packet, where it may become longer or shorter; where it is embedded in a payload. */
void hm_anon_vary(struct hm_anonymizer *a, const struct hm_anon_rule *r, struct hm_anon_packet *p);
void hm_anon_embedded(struct hm_anonymizer *a, const struct hm_anon_rule *r,
		      struct hm_anon_packet *p);
