/* SPDX-License-Identifier: BSD-3-Clause */
/* ipfix: messages and sets of RFC 7011. */
#pragma once

#include "netflow/format.h"

#define HM_IPFIX_VERSION      10
#define HM_IPFIX_HEADER       16
#define HM_IPFIX_TEMPLATE_SET 2

extern const struct hm_format hm_ipfix;
