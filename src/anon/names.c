/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/names.h"

#include <string.h>

#define PROTOCOL     HM_ANON_IS_PROTOCOL
#define FIELD        HM_ANON_IS_FIELD
#define FUNCTION     HM_ANON_IS_FUNCTION
#define PADDING      HM_ANON_IS_PADDING
#define HASH         HM_ANON_IS_HASH
#define DISTRIBUTION HM_ANON_IS_DISTRIBUTION

/* By number. */
static const struct {
	const char *name;
	unsigned kinds;
} words[HM_ANON_WORDS] = {
	[HM_ANON_IP] = {"IP", PROTOCOL},
	[HM_ANON_TCP] = {"TCP", PROTOCOL},
	[HM_ANON_UDP] = {"UDP", PROTOCOL},
	[HM_ANON_ICMP] = {"ICMP", PROTOCOL},
	[HM_ANON_HTTP] = {"HTTP", PROTOCOL},
	[HM_ANON_FTP] = {"FTP", PROTOCOL},
	[HM_ANON_UNCHANGED] = {"UNCHANGED", FUNCTION | PADDING},
	[HM_ANON_MAP] = {"MAP", FUNCTION},
	[HM_ANON_MAP_DISTRIBUTION] = {"MAP_DISTRIBUTION", FUNCTION},
	[HM_ANON_STRIP] = {"STRIP", FUNCTION},
	[HM_ANON_RANDOM] = {"RANDOM", FUNCTION},
	[HM_ANON_HASHED] = {"HASHED", FUNCTION},
	[HM_ANON_PATTERN_FILL] = {"PATTERN_FILL", FUNCTION},
	[HM_ANON_ZERO] = {"ZERO", FUNCTION},
	[HM_ANON_REPLACE] = {"REPLACE", FUNCTION},
	[HM_ANON_PREFIX_PRESERVING] = {"PREFIX_PRESERVING", FUNCTION},
	[HM_ANON_PREFIX_PRESERVING_MAP] = {"PREFIX_PRESERVING_MAP", FUNCTION},
	[HM_ANON_CHECKSUM_ADJUST] = {"CHECKSUM_ADJUST", FUNCTION},
	[HM_ANON_FILENAME_RANDOM] = {"FILENAME_RANDOM", FUNCTION},
	[HM_ANON_REGEXP] = {"REGEXP", FUNCTION},
	[HM_ANON_PAD_WITH_ZERO] = {"PAD_WITH_ZERO", PADDING},
	[HM_ANON_STRIP_REST] = {"STRIP_REST", PADDING},
	[HM_ANON_SHA] = {"SHA", HASH},
	[HM_ANON_MD5] = {"MD5", HASH},
	[HM_ANON_CRC32] = {"CRC32", HASH},
	[HM_ANON_SHA_2] = {"SHA_2", HASH},
	[HM_ANON_TRIPLEDES] = {"TRIPLEDES", HASH},
	[HM_ANON_AES] = {"AES", HASH},
	[HM_ANON_DES] = {"DES", HASH},
	[HM_ANON_PAYLOAD] = {"PAYLOAD", FIELD},
	[HM_ANON_CHECKSUM] = {"CHECKSUM", FIELD},
	[HM_ANON_SRC_IP] = {"SRC_IP", FIELD},
	[HM_ANON_DST_IP] = {"DST_IP", FIELD},
	[HM_ANON_TTL] = {"TTL", FIELD},
	[HM_ANON_TOS] = {"TOS", FIELD},
	[HM_ANON_ID] = {"ID", FIELD},
	[HM_ANON_VERSION] = {"VERSION", FIELD},
	[HM_ANON_OPTIONS] = {"OPTIONS", FIELD},
	[HM_ANON_PACKET_LENGTH] = {"PACKET_LENGTH", FIELD},
	[HM_ANON_IP_PROTO] = {"IP_PROTO", FIELD},
	[HM_ANON_IHL] = {"IHL", FIELD},
	[HM_ANON_FRAGMENT_OFFSET] = {"FRAGMENT_OFFSET", FIELD},
	[HM_ANON_SRC_PORT] = {"SRC_PORT", FIELD},
	[HM_ANON_DST_PORT] = {"DST_PORT", FIELD},
	[HM_ANON_SEQUENCE_NUMBER] = {"SEQUENCE_NUMBER", FIELD},
	[HM_ANON_OFFSET_AND_RESERVED] = {"OFFSET_AND_RESERVED", FIELD},
	[HM_ANON_ACK_NUMBER] = {"ACK_NUMBER", FIELD},
	[HM_ANON_FLAGS] = {"FLAGS", FIELD},
	[HM_ANON_URGENT_POINTER] = {"URGENT_POINTER", FIELD},
	[HM_ANON_WINDOW] = {"WINDOW", FIELD},
	[HM_ANON_TCP_OPTIONS] = {"TCP_OPTIONS", FIELD},
	[HM_ANON_UDP_DATAGRAM_LENGTH] = {"UDP_DATAGRAM_LENGTH", FIELD},
	[HM_ANON_TYPE] = {"TYPE", FIELD},
	[HM_ANON_CODE] = {"CODE", FIELD},
	[HM_ANON_HTTP_VERSION] = {"HTTP_VERSION", FIELD},
	[HM_ANON_METHOD] = {"METHOD", FIELD},
	[HM_ANON_URI] = {"URI", FIELD},
	[HM_ANON_USER_AGENT] = {"USER_AGENT", FIELD},
	[61] = {"ACCEPT", FIELD},
	[62] = {"ACCEPT_CHARSET", FIELD},
	[63] = {"ACCEPT_ENCODING", FIELD},
	[64] = {"ACCEPT_LANGUAGE", FIELD},
	[65] = {"ACCEPT_RANGES", FIELD},
	[66] = {"AGE", FIELD},
	[67] = {"ALLOW", FIELD},
	[68] = {"AUTHORIZATION", FIELD},
	[69] = {"CACHE_CONTROL", FIELD},
	[70] = {"CONNECTION_TYPE", FIELD},
	[71] = {"CONTENT_TYPE", FIELD},
	[72] = {"CONTENT_LENGTH", FIELD},
	[73] = {"CONTENT_LOCATION", FIELD},
	[74] = {"CONTENT_MD5", FIELD},
	[75] = {"CONTENT_RANGE", FIELD},
	[76] = {"COOKIE", FIELD},
	[77] = {"ETAG", FIELD},
	[78] = {"EXPECT", FIELD},
	[79] = {"EXPIRES", FIELD},
	[80] = {"FROM", FIELD},
	[81] = {"HOST", FIELD},
	[82] = {"IF_MATCH", FIELD},
	[83] = {"IF_MODIFIED_SINCE", FIELD},
	[84] = {"IF_NONE_MATCH", FIELD},
	[85] = {"IF_RANGE", FIELD},
	[86] = {"IF_UNMODIFIED_SINCE", FIELD},
	[87] = {"LAST_MODIFIED", FIELD},
	[88] = {"MAX_FORWRDS", FIELD},
	[89] = {"PRAGMA", FIELD},
	[90] = {"PROXY_AUTHENTICATE", FIELD},
	[91] = {"PROXY_AUTHORIZATION", FIELD},
	[92] = {"RANGE", FIELD},
	[93] = {"REFERRER", FIELD},
	[94] = {"RETRY_AFTER", FIELD},
	[95] = {"SET_COOKIE", FIELD},
	[96] = {"SERVER", FIELD},
	[97] = {"TE", FIELD},
	[98] = {"TRAILER", FIELD},
	[99] = {"TRANSFER_ENCODING", FIELD},
	[100] = {"UPGRADE", FIELD},
	[101] = {"VIA", FIELD},
	[102] = {"WARNING", FIELD},
	[103] = {"WWW_AUTHENTICATE", FIELD},
	[104] = {"X_POWERED_BY", FIELD},
	[HM_ANON_RESPONSE_CODE] = {"RESPONSE_CODE", FIELD},
	[HM_ANON_RESP_CODE_DESCR] = {"RESP_CODE_DESCR", FIELD},
	[107] = {"VARY", FIELD},
	[108] = {"DATE", FIELD},
	[109] = {"CONTENT_ENCODING", FIELD},
	[110] = {"KEEP_ALIVE", FIELD},
	[111] = {"LOCATION", FIELD},
	[112] = {"CONTENT_LANGUAGE", FIELD},
	[113] = {"DERIVED_FROM", FIELD},
	[114] = {"ALLOWED", FIELD},
	[115] = {"MIME_VERSION", FIELD},
	[116] = {"TITLE", FIELD},
	[117] = {"REFRESH", FIELD},
	[HM_ANON_HTTP_PAYLOAD] = {"HTTP_PAYLOAD", FIELD},
	[HM_ANON_USER] = {"USER", FIELD},
	[122] = {"PASS", FIELD},
	[123] = {"ACCT", FIELD},
	[124] = {"FTP_TYPE", FIELD},
	[HM_ANON_STRU] = {"STRU", FIELD},
	[126] = {"MODE", FIELD},
	[127] = {"CWD", FIELD},
	[128] = {"PWD", FIELD},
	[129] = {"CDUP", FIELD},
	[130] = {"PASV", FIELD},
	[131] = {"RETR", FIELD},
	[132] = {"REST", FIELD},
	[133] = {"PORT", FIELD},
	[134] = {"LIST", FIELD},
	[135] = {"NLST", FIELD},
	[136] = {"QUIT", FIELD},
	[137] = {"SYST", FIELD},
	[138] = {"STAT", FIELD},
	[139] = {"HELP", FIELD},
	[140] = {"NOOP", FIELD},
	[141] = {"STOR", FIELD},
	[142] = {"APPE", FIELD},
	[143] = {"STOU", FIELD},
	[144] = {"ALLO", FIELD},
	[145] = {"MKD", FIELD},
	[146] = {"RMD", FIELD},
	[147] = {"DELE", FIELD},
	[148] = {"RNFR", FIELD},
	[149] = {"RNTO", FIELD},
	[150] = {"SITE", FIELD},
	[HM_ANON_FTP_RESPONSE_CODE] = {"FTP_RESPONSE_CODE", FIELD},
	[HM_ANON_FTP_RESPONSE_ARG] = {"FTP_RESPONSE_ARG", FIELD},
	[HM_ANON_GAUSSIAN] = {"GAUSSIAN", DISTRIBUTION},
	[HM_ANON_UNIFORM] = {"UNIFORM", DISTRIBUTION},
	[HM_ANON_FLOW] = {"FLOW", FIELD},
	[HM_ANON_PACKET] = {"PACKET", PROTOCOL},
	[HM_ANON_ETH] = {"ETH", PROTOCOL},
	[HM_ANON_ARP] = {"ARP", PROTOCOL},
	[HM_ANON_DNS] = {"DNS", PROTOCOL},
	[HM_ANON_DHCP] = {"DHCP", PROTOCOL},
	[HM_ANON_COARSEN] = {"COARSEN", FUNCTION},
	[HM_ANON_RANGES] = {"RANGES", FUNCTION},
	[HM_ANON_OFFSET] = {"OFFSET", FUNCTION},
	[HM_ANON_HMAC] = {"HMAC", HASH},
	[HM_ANON_TIMESTAMP] = {"TIMESTAMP", FIELD},
	[HM_ANON_SRC_MAC] = {"SRC_MAC", FIELD},
	[HM_ANON_DST_MAC] = {"DST_MAC", FIELD},
	[HM_ANON_SRC_NIC] = {"SRC_NIC", FIELD},
	[HM_ANON_DST_NIC] = {"DST_NIC", FIELD},
	[HM_ANON_VLAN_ID] = {"VLAN_ID", FIELD},
	[HM_ANON_SRC_IID] = {"SRC_IID", FIELD},
	[HM_ANON_DST_IID] = {"DST_IID", FIELD},
	[HM_ANON_EMBEDDED_IP] = {"EMBEDDED_IP", FIELD},
	[HM_ANON_CLIENT_MAC] = {"CLIENT_MAC", FIELD},
};

/* Other spellings of MAPI's manual and of others' programs. */
static const struct {
	const char *name;
	enum hm_anon_word word;
} others[] = {
	{"TRIPLE_DES", HM_ANON_TRIPLEDES},
	{"HMAC_SHA_256", HM_ANON_HMAC},
	{"SHA_256", HM_ANON_SHA_2},
	{"MAX_FORWARDS", 88},
	{"REFERER", 93},
	{"CONNECTION", 70},
};

static int is(const char *name, const char *text, size_t n)
{
	return name && strlen(name) == n && memcmp(name, text, n) == 0;
}

enum hm_anon_word hm_anon_find(const char *text, size_t n, unsigned kinds)
{
	for (unsigned w = 0; w < HM_ANON_WORDS; w++)
		if (words[w].kinds & kinds && is(words[w].name, text, n))
			return (enum hm_anon_word)w;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (words[others[i].word].kinds & kinds && is(others[i].name, text, n))
			return others[i].word;
	return HM_ANON_NOTHING;
}

const char *hm_anon_name(enum hm_anon_word word)
{
	return words[word].name;
}

enum hm_anon_word hm_anon_next(unsigned kinds, unsigned *at)
{
	while (*at < HM_ANON_WORDS)
		if (words[(*at)++].kinds & kinds)
			return (enum hm_anon_word)(*at - 1);
	return HM_ANON_NOTHING;
}
