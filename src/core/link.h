/* SPDX-License-Identifier: BSD-3-Clause */
/* link: the link types the parser starts from, by their LINKTYPE_ number
 * (tcpdump.org/linktypes.html). Every other type is refused by name when a device is opened.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hm_link {
	HM_LINK_NULL = 0, // BSD loopback: 4-byte family in the writer's byte order
	HM_LINK_ETHERNET = 1,
	HM_LINK_PPP = 9,         // PPP, with or without HDLC framing (ff 03)
	HM_LINK_PPP_SERIAL = 50, // PPP in HDLC-like framing, RFC 1662
	HM_LINK_RAW = 101,       // IPv4 or IPv6, by version nibble
	HM_LINK_C_HDLC = 104,    // Cisco HDLC
	HM_LINK_LOOP = 108,      // OpenBSD loopback: 4-byte family in network order
	HM_LINK_LINUX_SLL = 113, // Linux cooked v1
	HM_LINK_IPV4 = 228,
	HM_LINK_IPV6 = 229,
	HM_LINK_LINUX_SLL2 = 276, // Linux cooked v2
};

/* Short name as tcpdump -L prints it ("EN10MB"); for unknown numbers libpcap's name or "DLT n",
 * which is valid until this thread's next call. */
const char *hm_link_name(uint32_t link);

/* Whether the parser knows this LINKTYPE_ number. */
bool hm_link_supported(uint32_t link);

/* The list of supported names, for error messages: "EN10MB, RAW, LINUX_SLL, ..." */
const char *hm_link_supported_names(void);

/* libpcap's DLT_ number of a LINKTYPE_ number, for pcap_open_dead(): they differ for RAW. */
int hm_link_dlt(uint32_t link);

#ifdef __cplusplus
}
#endif
