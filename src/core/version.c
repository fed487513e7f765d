/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/version.h"

#include <hs/hs.h>
#include <pcap/pcap.h>
#include <rte_version.h>
#include <stdio.h>

#include "core/kernels.h"

const char *hm_version_text(void)
{
	static char text[256];

	snprintf(text, sizeof(text), "homard %s (%s, Hyperscan %s, %s, vectors: %s)", HM_VERSION,
		 rte_version(), hs_version(), pcap_lib_version(), hm_kernels.isa);
	return text;
}

json_t *hm_version_json(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "version", HM_VERSION, "dpdk", rte_version(),
			 "hyperscan", hs_version(), "libpcap", pcap_lib_version(), "isa",
			 hm_kernels.isa);
}
