/* SPDX-License-Identifier: BSD-3-Clause */
/* The headers of packets are in mapi/protocols.h. How packets are decoded is the daemon's matter now. */
#ifndef MAPI_ANON_SNORT_DECODE_H
#define MAPI_ANON_SNORT_DECODE_H

#include <mapi/protocols.h>

#endif
