/* SPDX-License-Identifier: BSD-3-Clause */
/* check: finds names in a capture filter that libpcap would have to resolve, and too long lists.
 *
 * Cuts the expression into words as libpcap's scanner does and follows one thing of its grammar:
 * which kind of operand a word is. `host`, `net` and no kind at all would be looked up somewhere;
 * `port`, `portrange`, `proto` and `protochain` in local tables only. The kind holds on over
 * and/or/not ("port http or https"); a closing parenthesis brings back the one before its opening.
 * A test counts resolver calls over random expressions.
 */
#include "filter/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NESTING_MAX 256

enum kind {
	KIND_ADDRESS, // names would be resolved
	KIND_LOCAL,   // names are looked up in local tables
};

struct scan {
	enum kind kind, outer[NESTING_MAX];
	unsigned depth, brackets, terms;
	bool takes_word; // the next word is an argument that is never an address ("type mgt")
};

struct word {
	const char *at;
	size_t length;
	bool escaped; // by a backslash: no keyword, no number
};

static bool is_one_of(const struct word *w, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == w->length && memcmp(*list, w->at, w->length) == 0)
			return true;
	return false;
}

static const char *const local_kinds[] = {"port", "portrange", "proto", "protochain", NULL};

static const char *const word_takers[] = {"type", "subtype", "dir",    "direction", "on",  "ifname",
					  "rset", "ruleset", "reason", "action",    "llc", NULL};

static const char *const connectives[] = {"and", "or", NULL};

// every other keyword: it ends what came before, so that a name behind it has no kind
static const char *const keywords[] = {"dst",
				       "src",
				       "link",
				       "ether",
				       "ppp",
				       "slip",
				       "fddi",
				       "tr",
				       "wlan",
				       "arp",
				       "rarp",
				       "ip",
				       "sctp",
				       "tcp",
				       "udp",
				       "icmp",
				       "igmp",
				       "igrp",
				       "pim",
				       "vrrp",
				       "carp",
				       "radio",
				       "ip6",
				       "icmp6",
				       "ah",
				       "esp",
				       "atalk",
				       "aarp",
				       "decnet",
				       "lat",
				       "sca",
				       "moprc",
				       "mopdl",
				       "iso",
				       "esis",
				       "es-is",
				       "isis",
				       "is-is",
				       "l1",
				       "l2",
				       "iih",
				       "lsp",
				       "snp",
				       "csnp",
				       "psnp",
				       "clnp",
				       "stp",
				       "ipx",
				       "netbeui",
				       "host",
				       "net",
				       "mask",
				       "address1",
				       "address2",
				       "address3",
				       "address4",
				       "addr1",
				       "addr2",
				       "addr3",
				       "addr4",
				       "ra",
				       "ta",
				       "less",
				       "greater",
				       "byte",
				       "broadcast",
				       "multicast",
				       "len",
				       "length",
				       "inbound",
				       "outbound",
				       "vlan",
				       "mpls",
				       "pppoed",
				       "pppoes",
				       "geneve",
				       "lane",
				       "metac",
				       "bcc",
				       "oam",
				       "oamf4",
				       "oamf4ec",
				       "oamf4sc",
				       "sc",
				       "ilmic",
				       "vpi",
				       "vci",
				       "connectmsg",
				       "metaconnect",
				       "rnr",
				       "rulenum",
				       "srnr",
				       "subrulenum",
				       "icmptype",
				       "icmpcode",
				       "icmp-echoreply",
				       "icmp-unreach",
				       "icmp-sourcequench",
				       "icmp-redirect",
				       "icmp-echo",
				       "icmp-routeradvert",
				       "icmp-routersolicit",
				       "icmp-timxceed",
				       "icmp-paramprob",
				       "icmp-tstamp",
				       "icmp-tstampreply",
				       "icmp-ireq",
				       "icmp-ireqreply",
				       "icmp-maskreq",
				       "icmp-maskreply",
				       "icmp6type",
				       "icmp6code",
				       "icmp6-echo",
				       "icmp6-echoreply",
				       "icmp6-multicastlistenerquery",
				       "icmp6-multicastlistenerreportv1",
				       "icmp6-multicastlistenerdone",
				       "icmp6-routersolicit",
				       "icmp6-routeradvert",
				       "icmp6-neighborsolicit",
				       "icmp6-neighboradvert",
				       "icmp6-redirect",
				       "icmp6-routerrenum",
				       "icmp6-nodeinformationquery",
				       "icmp6-nodeinformationresponse",
				       "icmp6-ineighbordiscoverysolicit",
				       "icmp6-ineighbordiscoveryadvert",
				       "icmp6-multicastlistenerreportv2",
				       "icmp6-homeagentdiscoveryrequest",
				       "icmp6-homeagentdiscoveryreply",
				       "icmp6-mobileprefixsolicit",
				       "icmp6-mobileprefixadvert",
				       "icmp6-certpathsolicit",
				       "icmp6-certpathadvert",
				       "icmp6-multicastrouteradvert",
				       "icmp6-multicastroutersolicit",
				       "icmp6-multicastrouterterm",
				       "icmp6-destinationunreach",
				       "icmp6-packettoobig",
				       "icmp6-timeexceeded",
				       "icmp6-parameterproblem",
				       "tcpflags",
				       "tcp-fin",
				       "tcp-syn",
				       "tcp-rst",
				       "tcp-push",
				       "tcp-ack",
				       "tcp-urg",
				       "tcp-ece",
				       "tcp-cwr",
				       "fisu",
				       "lssu",
				       "lsu",
				       "msu",
				       "hfisu",
				       "hlssu",
				       "hlsu",
				       "hmsu",
				       "sio",
				       "opc",
				       "dpc",
				       "sls",
				       "hsio",
				       "hopc",
				       "hdpc",
				       "hsls",
				       NULL};

/* `groups` groups of `least` to `most` hexadecimal digits with a separator between them. */
static bool is_hex_groups(const struct word *w, char separator, unsigned groups, unsigned least,
			  unsigned most)
{
	unsigned n = 0, run = 0;

	for (size_t i = 0; i <= w->length; i++) {
		if (i < w->length && isxdigit((unsigned char)w->at[i])) {
			run++;
		} else if (i == w->length || w->at[i] == separator) {
			if (run < least || run > most)
				return false;
			n++;
			run = 0;
		} else {
			return false;
		}
	}
	return n == groups;
}

/* A number, or two to four of them with dots: part of an IPv4 address. */
static bool is_numbers(const struct word *w)
{
	const char *p = w->at, *end = w->at + w->length;
	unsigned parts = 0;

	while (p < end) {
		const char *start = p;
		bool hex = end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');

		if (hex)
			start = p += 2;
		while (p < end && (hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p)))
			p++;
		if (p == start)
			return false;
		parts++;
		if (p == end)
			return parts <= 4;
		if (*p++ != '.')
			return false;
	}
	return false; // ends in a dot
}

static bool is_ipv6(const struct word *w)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (w->length >= sizeof(text))
		return false;
	memcpy(text, w->at, w->length);
	text[w->length] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_numeric(const struct word *w)
{
	return is_numbers(w) || is_ipv6(w) || is_hex_groups(w, ':', 6, 1, 2) ||
	       is_hex_groups(w, '-', 6, 1, 2) || is_hex_groups(w, '.', 6, 1, 2) ||
	       is_hex_groups(w, '.', 3, 4, 4);
}

static bool is_word_character(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == ':';
}

/* The word at p, length 0 if there is none. */
static struct word word_at(const char *p)
{
	struct word w = {.at = p, .escaped = *p == '\\'};

	if (w.escaped) {
		w.at++;
		w.length = strcspn(w.at, " !()\n\t\r");
		return w;
	}
	if (!isalnum((unsigned char)*p) && !(p[0] == ':' && p[1] == ':'))
		return w;
	while (is_word_character(p[w.length]))
		w.length++;
	while (w.length > 0 && (w.at[w.length - 1] == '-' || w.at[w.length - 1] == '_'))
		w.length--;
	return w;
}

static bool is_word(const struct word *w, const char *text)
{
	return !w->escaped && strlen(text) == w->length && memcmp(text, w->at, w->length) == 0;
}

static const char too_many_terms[] = "more than 256 terms; use several flows";
static_assert(HM_FILTER_TERMS_MAX == 256, "as the sentence says");

/* Follows the grammar over one word; what to write instead if it would be resolved, else NULL. */
static const char *look_at_word(struct scan *s, const struct word *w)
{
	bool argument = s->takes_word;

	s->takes_word = false;
	if (s->brackets > 0)
		return NULL; // an expression of numbers, libpcap accepts no name there
	if (!w->escaped && is_one_of(w, connectives))
		return ++s->terms < HM_FILTER_TERMS_MAX ? NULL : too_many_terms;
	if (is_word(w, "gateway"))
		return "gateway needs host names; write the addresses with host and ether host";
	if (!w->escaped && is_one_of(w, local_kinds)) {
		s->kind = KIND_LOCAL;
	} else if (!w->escaped && is_one_of(w, word_takers)) {
		s->kind = KIND_ADDRESS;
		s->takes_word = true;
	} else if (!w->escaped && is_one_of(w, keywords)) {
		s->kind = KIND_ADDRESS;
	} else if (!argument && s->kind == KIND_ADDRESS &&
		   (w->escaped || (!is_word(w, "not") && !is_numeric(w)))) {
		return "names are not resolved; write the address in numbers";
	}
	return NULL;
}

/* Follows signs at p; what is wrong with them, else NULL. */
static const char *look_at_sign(struct scan *s, const char *p)
{
	s->takes_word = s->takes_word && isspace((unsigned char)*p);
	switch (*p) {
	case '(':
		if (s->depth == NESTING_MAX)
			return "more than 256 open parentheses";
		s->outer[s->depth++] = s->kind;
		break;
	case ')':
		if (s->depth > 0)
			s->kind = s->outer[--s->depth];
		break;
	case '[':
		s->brackets++;
		break;
	case ']':
		if (s->brackets > 0)
			s->brackets--;
		break;
	case '&':
	case '|':
		if (p[1] == *p && ++s->terms >= HM_FILTER_TERMS_MAX)
			return too_many_terms;
		break;
	default:
		break;
	}
	return NULL;
}

int hm_filter_find_fault(const char *expression, struct hm_filter_fault *fault)
{
	struct scan s = {.kind = KIND_ADDRESS};

	for (const char *p = expression; *p;) {
		struct word w = word_at(p);
		const char *why = w.length > 0 ? look_at_word(&s, &w) : look_at_sign(&s, p);

		if (why) {
			*fault = (struct hm_filter_fault){w.at, w.length > 0 ? w.length : 1, why};
			return 1;
		}
		p = w.length > 0 ? w.at + w.length : p + 1;
	}
	return 0;
}
