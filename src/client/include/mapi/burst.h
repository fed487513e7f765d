/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of BURST is an array of these. */
#ifndef MAPI_BURST_H
#define MAPI_BURST_H

typedef struct burst_category {
	unsigned long bytes;
	unsigned long packets;
	unsigned long bursts;
	unsigned long gap_bytes;
	unsigned long gaps;
} burst_category_t;

#endif
