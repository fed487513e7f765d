/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/ie.h"

#include <stdlib.h>
#include <string.h>

static const struct hm_ie elements[] = {
	{1, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_OCTETS, "octetDeltaCount"},
	{2, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_PACKETS, "packetDeltaCount"},
	{3, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_FLOWS, "deltaFlowCount"},
	{4, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "protocolIdentifier"},
	{5, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "ipClassOfService"},
	{6, HM_IE_U16, HM_IE_FLAGS, HM_IE_NONE, "tcpControlBits"},
	{7, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "sourceTransportPort"},
	{8, HM_IE_IPV4, HM_IE_DEFAULT, HM_IE_NONE, "sourceIPv4Address"},
	{9, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_BITS, "sourceIPv4PrefixLength"},
	{10, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "ingressInterface"},
	{11, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "destinationTransportPort"},
	{12, HM_IE_IPV4, HM_IE_DEFAULT, HM_IE_NONE, "destinationIPv4Address"},
	{13, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_BITS, "destinationIPv4PrefixLength"},
	{14, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "egressInterface"},
	{15, HM_IE_IPV4, HM_IE_DEFAULT, HM_IE_NONE, "ipNextHopIPv4Address"},
	{16, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "bgpSourceAsNumber"},
	{17, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "bgpDestinationAsNumber"},
	{18, HM_IE_IPV4, HM_IE_DEFAULT, HM_IE_NONE, "bgpNextHopIPv4Address"},
	{19, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_PACKETS, "postMCastPacketDeltaCount"},
	{20, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_OCTETS, "postMCastOctetDeltaCount"},
	{21, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_MS, "flowEndSysUpTime"},
	{22, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_MS, "flowStartSysUpTime"},
	{23, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_OCTETS, "postOctetDeltaCount"},
	{24, HM_IE_U64, HM_IE_DELTA, HM_IE_UNIT_PACKETS, "postPacketDeltaCount"},
	{25, HM_IE_U64, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "minimumIpTotalLength"},
	{26, HM_IE_U64, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "maximumIpTotalLength"},
	{27, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "sourceIPv6Address"},
	{28, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "destinationIPv6Address"},
	{29, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_BITS, "sourceIPv6PrefixLength"},
	{30, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_BITS, "destinationIPv6PrefixLength"},
	{31, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "flowLabelIPv6"},
	{32, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpTypeCodeIPv4"},
	{33, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "igmpType"},
	{34, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_PACKETS, "samplingInterval"},
	{35, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "samplingAlgorithm"},
	{36, HM_IE_U16, HM_IE_QUANTITY, HM_IE_UNIT_S, "flowActiveTimeout"},
	{37, HM_IE_U16, HM_IE_QUANTITY, HM_IE_UNIT_S, "flowIdleTimeout"},
	{38, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "engineType"},
	{39, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "engineId"},
	{40, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_OCTETS, "exportedOctetTotalCount"},
	{41, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_MESSAGES, "exportedMessageTotalCount"},
	{42, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_FLOWS, "exportedFlowRecordTotalCount"},
	{48, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "samplerId"},
	{49, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "samplerMode"},
	{50, HM_IE_U32, HM_IE_QUANTITY, HM_IE_NONE, "samplerRandomInterval"},
	{52, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_HOPS, "minimumTTL"},
	{53, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_HOPS, "maximumTTL"},
	{54, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "fragmentIdentification"},
	{55, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "postIpClassOfService"},
	{56, HM_IE_MAC, HM_IE_DEFAULT, HM_IE_NONE, "sourceMacAddress"},
	{57, HM_IE_MAC, HM_IE_DEFAULT, HM_IE_NONE, "postDestinationMacAddress"},
	{58, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "vlanId"},
	{59, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "postVlanId"},
	{60, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "ipVersion"},
	{61, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "flowDirection"},
	{62, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "ipNextHopIPv6Address"},
	{63, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "bgpNextHopIPv6Address"},
	{64, HM_IE_U32, HM_IE_FLAGS, HM_IE_NONE, "ipv6ExtensionHeaders"},
	{70, HM_IE_OCTETS, HM_IE_DEFAULT, HM_IE_NONE, "mplsTopLabelStackSection"},
	{71, HM_IE_OCTETS, HM_IE_DEFAULT, HM_IE_NONE, "mplsLabelStackSection2"},
	{72, HM_IE_OCTETS, HM_IE_DEFAULT, HM_IE_NONE, "mplsLabelStackSection3"},
	{80, HM_IE_MAC, HM_IE_DEFAULT, HM_IE_NONE, "destinationMacAddress"},
	{82, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "interfaceName"},
	{83, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "interfaceDescription"},
	{84, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "samplerName"},
	{85, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_OCTETS, "octetTotalCount"},
	{86, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "packetTotalCount"},
	{94, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "applicationDescription"},
	{95, HM_IE_OCTETS, HM_IE_DEFAULT, HM_IE_NONE, "applicationId"},
	{96, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "applicationName"},
	{130, HM_IE_IPV4, HM_IE_DEFAULT, HM_IE_NONE, "exporterIPv4Address"},
	{131, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "exporterIPv6Address"},
	{136, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "flowEndReason"},
	{137, HM_IE_U64, HM_IE_IDENTIFIER, HM_IE_NONE, "commonPropertiesId"},
	{138, HM_IE_U64, HM_IE_IDENTIFIER, HM_IE_NONE, "observationPointId"},
	{139, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpTypeCodeIPv6"},
	{141, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "lineCardId"},
	{142, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "portId"},
	{143, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "meteringProcessId"},
	{144, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "exportingProcessId"},
	{145, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "templateId"},
	{148, HM_IE_U64, HM_IE_IDENTIFIER, HM_IE_NONE, "flowId"},
	{149, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "observationDomainId"},
	{150, HM_IE_SECONDS, HM_IE_DEFAULT, HM_IE_UNIT_S, "flowStartSeconds"},
	{151, HM_IE_SECONDS, HM_IE_DEFAULT, HM_IE_UNIT_S, "flowEndSeconds"},
	{152, HM_IE_MILLISECONDS, HM_IE_DEFAULT, HM_IE_UNIT_MS, "flowStartMilliseconds"},
	{153, HM_IE_MILLISECONDS, HM_IE_DEFAULT, HM_IE_UNIT_MS, "flowEndMilliseconds"},
	{154, HM_IE_MICROSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_US, "flowStartMicroseconds"},
	{155, HM_IE_MICROSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_US, "flowEndMicroseconds"},
	{156, HM_IE_NANOSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_NS, "flowStartNanoseconds"},
	{157, HM_IE_NANOSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_NS, "flowEndNanoseconds"},
	{160, HM_IE_MILLISECONDS, HM_IE_DEFAULT, HM_IE_UNIT_MS, "systemInitTimeMilliseconds"},
	{161, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_MS, "flowDurationMilliseconds"},
	{162, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_US, "flowDurationMicroseconds"},
	{163, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_FLOWS, "observedFlowTotalCount"},
	{164, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "ignoredPacketTotalCount"},
	{165, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_OCTETS, "ignoredOctetTotalCount"},
	{166, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_FLOWS, "notSentFlowTotalCount"},
	{167, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "notSentPacketTotalCount"},
	{168, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_OCTETS, "notSentOctetTotalCount"},
	{169, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "destinationIPv6Prefix"},
	{170, HM_IE_IPV6, HM_IE_DEFAULT, HM_IE_NONE, "sourceIPv6Prefix"},
	{171, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_OCTETS, "postOctetTotalCount"},
	{172, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "postPacketTotalCount"},
	{173, HM_IE_U64, HM_IE_FLAGS, HM_IE_NONE, "flowKeyIndicator"},
	{176, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpTypeIPv4"},
	{177, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpCodeIPv4"},
	{178, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpTypeIPv6"},
	{179, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "icmpCodeIPv6"},
	{180, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "udpSourcePort"},
	{181, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "udpDestinationPort"},
	{182, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "tcpSourcePort"},
	{183, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "tcpDestinationPort"},
	{184, HM_IE_U32, HM_IE_QUANTITY, HM_IE_NONE, "tcpSequenceNumber"},
	{185, HM_IE_U32, HM_IE_QUANTITY, HM_IE_NONE, "tcpAcknowledgementNumber"},
	{186, HM_IE_U16, HM_IE_QUANTITY, HM_IE_NONE, "tcpWindowSize"},
	{189, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "ipHeaderLength"},
	{190, HM_IE_U16, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "totalLengthIPv4"},
	{191, HM_IE_U16, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "payloadLengthIPv6"},
	{192, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_HOPS, "ipTTL"},
	{195, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "ipDiffServCodePoint"},
	{197, HM_IE_U8, HM_IE_FLAGS, HM_IE_NONE, "fragmentFlags"},
	{204, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "ipPayloadLength"},
	{206, HM_IE_U8, HM_IE_FLAGS, HM_IE_NONE, "isMulticast"},
	{207, HM_IE_U8, HM_IE_QUANTITY, HM_IE_UNIT_WORDS, "ipv4IHL"},
	{208, HM_IE_U32, HM_IE_FLAGS, HM_IE_NONE, "ipv4Options"},
	{209, HM_IE_U64, HM_IE_FLAGS, HM_IE_NONE, "tcpOptions"},
	{210, HM_IE_OCTETS, HM_IE_DEFAULT, HM_IE_NONE, "paddingOctets"},
	{224, HM_IE_U64, HM_IE_QUANTITY, HM_IE_UNIT_OCTETS, "ipTotalLength"},
	{239, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "biflowDirection"},
	{243, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "dot1qVlanId"},
	{244, HM_IE_U8, HM_IE_IDENTIFIER, HM_IE_NONE, "dot1qPriority"},
	{252, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "ingressPhysicalInterface"},
	{253, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "egressPhysicalInterface"},
	{300, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "observationDomainName"},
	{302, HM_IE_U64, HM_IE_IDENTIFIER, HM_IE_NONE, "selectorId"},
	{303, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "informationElementId"},
	{304, HM_IE_U16, HM_IE_IDENTIFIER, HM_IE_NONE, "selectorAlgorithm"},
	{305, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_PACKETS, "samplingPacketInterval"},
	{306, HM_IE_U32, HM_IE_QUANTITY, HM_IE_UNIT_PACKETS, "samplingPacketSpace"},
	{318, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "selectorIdTotalPktsObserved"},
	{319, HM_IE_U64, HM_IE_TOTAL, HM_IE_UNIT_PACKETS, "selectorIdTotalPktsSelected"},
	{322, HM_IE_SECONDS, HM_IE_DEFAULT, HM_IE_UNIT_S, "observationTimeSeconds"},
	{323, HM_IE_MILLISECONDS, HM_IE_DEFAULT, HM_IE_UNIT_MS, "observationTimeMilliseconds"},
	{324, HM_IE_MICROSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_US, "observationTimeMicroseconds"},
	{325, HM_IE_NANOSECONDS, HM_IE_DEFAULT, HM_IE_UNIT_NS, "observationTimeNanoseconds"},
	{335, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "selectorName"},
	{339, HM_IE_U8, HM_IE_QUANTITY, HM_IE_NONE, "informationElementDataType"},
	{340, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "informationElementDescription"},
	{341, HM_IE_STRING, HM_IE_DEFAULT, HM_IE_NONE, "informationElementName"},
	{344, HM_IE_U8, HM_IE_QUANTITY, HM_IE_NONE, "informationElementSemantics"},
	{345, HM_IE_U16, HM_IE_QUANTITY, HM_IE_NONE, "informationElementUnits"},
	{346, HM_IE_U32, HM_IE_IDENTIFIER, HM_IE_NONE, "privateEnterpriseNumber"},
};

#define N_ELEMENTS (sizeof(elements) / sizeof(elements[0]))

static const uint16_t lengths[HM_IE_TYPES] = {
	[HM_IE_OCTETS] = HM_IE_VARIABLE,
	[HM_IE_STRING] = HM_IE_VARIABLE,
	[HM_IE_U8] = 1,
	[HM_IE_U16] = 2,
	[HM_IE_U32] = 4,
	[HM_IE_U64] = 8,
	[HM_IE_MAC] = 6,
	[HM_IE_SECONDS] = 4,
	[HM_IE_MILLISECONDS] = 8,
	[HM_IE_MICROSECONDS] = 8,
	[HM_IE_NANOSECONDS] = 8,
	[HM_IE_IPV4] = 4,
	[HM_IE_IPV6] = 16,
};

static int compare_id(const void *key, const void *element)
{
	return *(const uint16_t *)key - ((const struct hm_ie *)element)->id;
}

const struct hm_ie *hm_ie_by_id(uint16_t id)
{
	return bsearch(&id, elements, N_ELEMENTS, sizeof(elements[0]), compare_id);
}

const struct hm_ie *hm_ie_by_name(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS; i++)
		if (strcmp(elements[i].name, name) == 0)
			return &elements[i];
	return NULL;
}

const struct hm_ie *hm_ie_all(size_t *n)
{
	*n = N_ELEMENTS;
	return elements;
}

uint16_t hm_ie_length(enum hm_ie_type type)
{
	return lengths[type];
}
