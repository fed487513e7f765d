/* SPDX-License-Identifier: BSD-3-Clause */
/* application: what a flow record's packets were for, as far as its ports tell, in the words of RFC 6759: an
 * applicationId of an engine and a number. Engine IANA-L4 (3) is a port that has a name in this machine's table
 * of services, the responder's before the initiator's; engine IANA-L3 (1) is the IP protocol, for all others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netflow/record.h"

#define HM_APPLICATION_NAME 24 // bytes with the zero, and of the field that NetFlow 9 has for it

/* Engine and number, as the four bytes of an applicationId are sent. */
uint32_t hm_application_of(const struct hm_flow_record *r);
/* Of an applicationId that hm_application_of() gave. */
void hm_application_name(uint32_t application, char name[HM_APPLICATION_NAME]);

/* A set of applications that were seen. */
struct hm_applications {
	uint64_t port[UINT16_MAX / 64 + 1];
	uint64_t protocol[UINT8_MAX / 64 + 1];
};

void hm_applications_add(struct hm_applications *set, uint32_t application);
/* The next after `after` (0: the first); 0: there is none. */
uint32_t hm_applications_next(const struct hm_applications *set, uint32_t after);
