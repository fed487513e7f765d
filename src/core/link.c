/* SPDX-License-Identifier: BSD-3-Clause */
/* link: names of link types, and which of them the parser knows. */
#include "core/link.h"

#include <stddef.h>
#include <stdio.h>

#include <pcap/pcap.h>

static const struct {
	enum hm_link link;
	const char *name;
} known_links[] = {
	{HM_LINK_ETHERNET, "EN10MB"},
	{HM_LINK_RAW, "RAW"},
	{HM_LINK_IPV4, "IPV4"},
	{HM_LINK_IPV6, "IPV6"},
	{HM_LINK_LINUX_SLL, "LINUX_SLL"},
	{HM_LINK_LINUX_SLL2, "LINUX_SLL2"},
	{HM_LINK_PPP, "PPP"},
	{HM_LINK_PPP_SERIAL, "PPP_SERIAL"},
	{HM_LINK_C_HDLC, "C_HDLC"},
	{HM_LINK_NULL, "NULL"},
	{HM_LINK_LOOP, "LOOP"},
};
#define N_KNOWN (sizeof(known_links) / sizeof(known_links[0]))

static const char *known_name(uint32_t link)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (known_links[i].link == link)
			return known_links[i].name;
	return NULL;
}

int hm_link_dlt(uint32_t link)
{
	// files say 100 .. 103 where each system's DLT_ number differs (pcap/dlt.h, linktypes.html)
	switch (link) {
	case 100:
		return DLT_ATM_RFC1483;
	case HM_LINK_RAW:
		return DLT_RAW;
	case 102:
		return DLT_SLIP_BSDOS;
	case 103:
		return DLT_PPP_BSDOS;
	default:
		return (int)link;
	}
}

const char *hm_link_name(uint32_t link)
{
	static _Thread_local char unknown[16];
	const char *name = known_name(link);

	if (!name)
		name = pcap_datalink_val_to_name(hm_link_dlt(link));
	if (!name) {
		snprintf(unknown, sizeof(unknown), "DLT %u", link);
		name = unknown;
	}
	return name;
}

bool hm_link_supported(uint32_t link)
{
	return known_name(link) != NULL;
}

const char *hm_link_supported_names(void)
{
	return "EN10MB, RAW, IPV4, IPV6, LINUX_SLL, LINUX_SLL2, PPP, PPP_SERIAL, C_HDLC, NULL, "
	       "LOOP";
}
