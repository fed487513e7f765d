/* SPDX-License-Identifier: BSD-3-Clause */
/* What PKTINFO tells of a packet. */
#ifndef MAPI_PKTINFO_H
#define MAPI_PKTINFO_H

#define PKT_TS   0 /* time, 2^-32 s since 1970 */
#define PKT_SIZE 1 /* bytes on the wire */

#endif
