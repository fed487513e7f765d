/* SPDX-License-Identifier: BSD-3-Clause */
/* What one read of FLOW_REPORT gives: an export message. */
#ifndef MAPI_IPFIXLIB_H
#define MAPI_IPFIXLIB_H

typedef struct ifp_dgram {
	unsigned long recno; /* a gap: the ones between were dropped */
	unsigned size;       /* of bytes */
	char bytes[2000];
} ifp_dgram_t;

#endif
