/* SPDX-License-Identifier: BSD-3-Clause */
/* names: finds the names in a capture filter that libpcap would have to resolve. */
#pragma once

#include <stddef.h>

struct hm_name_use {
	const char *at; // in the expression
	size_t length;
	const char *why; // what to write instead
};

/* 1 and *use filled if the expression has a host, network, Ethernet or gateway name in it, 0 if
 * not. Errs on the side of finding one: what gets 0 never reaches a resolver. */
int hm_filter_find_name(const char *expression, struct hm_name_use *use);
