/* SPDX-License-Identifier: BSD-3-Clause */
/* check: finds in a capture filter what libpcap must not see: names, which it would have resolved,
 * and lists so long that compiling them keeps everybody waiting. */
#pragma once

#include <stddef.h>

#include "filter/filter.h"

struct hm_filter_fault {
	const char *at; // in the expression
	size_t length;
	const char *why; // and what to write instead
};

/* 1 and *fault filled if the expression has a host, network, Ethernet or gateway name in it, more
 * than HM_FILTER_TERMS_MAX terms or too many parentheses; 0 if not. Errs on the side of finding a
 * name: what gets 0 never reaches a resolver. */
int hm_filter_find_fault(const char *expression, struct hm_filter_fault *fault);
