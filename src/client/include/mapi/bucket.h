/* SPDX-License-Identifier: BSD-3-Clause */
/* What one read of BUCKET gives. */
#ifndef MAPI_BUCKET_H
#define MAPI_BUCKET_H

struct bucket_data {
	unsigned long long timestamp; /* begin of the interval, 2^-32 s since 1970 */
	unsigned long long data;
};

#endif
