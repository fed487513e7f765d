/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of PROTINFO. It takes their names, too: "ip.ttl". */
#ifndef MAPI_PROTINFO_H
#define MAPI_PROTINFO_H

#define PI_TCPSEQ                1
#define PI_TCPACK                2
#define PI_ETH_DST               3
#define PI_ETH_SRC               4
#define PI_ETH_TYPE              5
#define PI_VLAN_PRIORITY         6
#define PI_VLAN_DEI              7
#define PI_VLAN_ID               8
#define PI_IP_VERSION            9
#define PI_IP_HDR_LEN            10
#define PI_IP_DSFIELD            11
#define PI_IP_DSFIELD_DSCP       12
#define PI_IP_DSFIELD_ECN        13
#define PI_IP_LEN                14
#define PI_IP_ID                 15
#define PI_IP_FLAGS              16
#define PI_IP_FRAG_OFFSET        17
#define PI_IP_TTL                18
#define PI_IP_PROTO              19
#define PI_IP_CHECKSUM           20
#define PI_IP_SRC                21
#define PI_IP_DST                22
#define PI_IPV6_VERSION          23
#define PI_IPV6_TCLASS           24
#define PI_IPV6_FLOW             25
#define PI_IPV6_PLEN             26
#define PI_IPV6_NXT              27
#define PI_IPV6_HLIM             28
#define PI_IPV6_SRC_HIGH         29
#define PI_IPV6_SRC_LOW          30
#define PI_IPV6_DST_HIGH         31
#define PI_IPV6_DST_LOW          32
#define PI_TCP_SRCPORT           33
#define PI_TCP_DSTPORT           34
#define PI_TCP_HDR_LEN           35
#define PI_TCP_FLAGS             36
#define PI_TCP_WINDOW_SIZE_VALUE 37
#define PI_TCP_CHECKSUM          38
#define PI_TCP_URGENT_POINTER    39
#define PI_UDP_SRCPORT           40
#define PI_UDP_DSTPORT           41
#define PI_UDP_LENGTH            42
#define PI_UDP_CHECKSUM          43
#define PI_ICMP_TYPE             44
#define PI_ICMP_CODE             45
#define PI_ICMP_CHECKSUM         46
#define PI_ICMP_IDENT            47
#define PI_ICMP_SEQ              48
#define PI_ICMPV6_TYPE           49
#define PI_ICMPV6_CODE           50
#define PI_ICMPV6_CHECKSUM       51

#endif
