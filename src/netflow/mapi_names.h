/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_names: the names that MAPI's FLOW_REPORT has for elements in its fourth argument. */
#pragma once

#include <stdint.h>

/* The element of "BYTES" (with or without "%"), 0: not a name of MAPI's. */
uint16_t hm_mapi_element(const char *name);
