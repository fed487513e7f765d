/* SPDX-License-Identifier: BSD-3-Clause */
/* selector: a function that lets only some packets go on, in PSAMP's words (RFC 5475), so that whoever reports
 * about what is left can say what was selected how.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hm_function;

/* IANA's selectorAlgorithm (element 304). */
enum hm_selector_algorithm {
	HM_SELECT_ALL = 0,    // no selection: every packet goes on
	HM_SELECT_COUNT = 1,  // systematic, by count
	HM_SELECT_CHANCE = 4, // each with the same probability
	HM_SELECT_MATCH = 5,  // by what they are: no sampling
	HM_SELECT_HASH = 6,   // by Bob Jenkins' hash of some fields
};

#define HM_SELECTOR_NAME 64

struct hm_selector {
	enum hm_selector_algorithm algorithm;
	uint32_t interval, space;    // COUNT: so many in a row are taken, then so many are not
	double probability;          // CHANCE
	uint64_t hashes, selected;   // HASH: values of [0, selected) of [0, hashes) are taken
	uint32_t initial;            // HASH: the function's initial value
	char name[HM_SELECTOR_NAME]; // the function and its arguments, cut
};

/* What fn is with these arguments. */
struct hm_selector hm_selector_of(const struct hm_function *fn, const void *conf,
				  const json_t *args);
/* One of how many packets goes on, if that is known; else 1. */
double hm_selector_interval(const struct hm_selector *s);

#ifdef __cplusplus
}
#endif
