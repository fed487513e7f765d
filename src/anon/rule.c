/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anon/regexp.h"
#include "core/timespan.h"

/* --- what goes with what --- */

enum hm_anon_shape hm_anon_shape(enum hm_anon_word field)
{
	switch (field) {
	case HM_ANON_TIMESTAMP:
		return HM_ANON_TIME;
	case HM_ANON_SRC_IP:
	case HM_ANON_DST_IP:
	case HM_ANON_EMBEDDED_IP:
		return HM_ANON_ADDRESS;
	case HM_ANON_SRC_MAC:
	case HM_ANON_DST_MAC:
	case HM_ANON_CLIENT_MAC:
	case HM_ANON_SRC_IID:
	case HM_ANON_DST_IID:
		return HM_ANON_BYTES;
	case HM_ANON_PAYLOAD:
	case HM_ANON_OPTIONS:
	case HM_ANON_TCP_OPTIONS:
		return HM_ANON_VARYING;
	default:
		return field >= HM_ANON_HTTP_VERSION && field <= HM_ANON_FTP_RESPONSE_ARG
			       ? HM_ANON_VARYING
			       : HM_ANON_NUMBER;
	}
}

uint32_t hm_anon_highest(enum hm_anon_word field)
{
	switch (field) {
	case HM_ANON_TTL:
	case HM_ANON_TOS:
	case HM_ANON_IP_PROTO:
	case HM_ANON_OFFSET_AND_RESERVED:
	case HM_ANON_FLAGS:
	case HM_ANON_TYPE:
	case HM_ANON_CODE:
		return UINT8_MAX;
	case HM_ANON_VLAN_ID:
		return 0xfff;
	case HM_ANON_FRAGMENT_OFFSET:
		return 0x1fff;
	case HM_ANON_FLOW:
		return 0xfffff;
	case HM_ANON_SRC_NIC:
	case HM_ANON_DST_NIC:
		return 0xffffff;
	case HM_ANON_SEQUENCE_NUMBER:
	case HM_ANON_ACK_NUMBER:
		return UINT32_MAX;
	default:
		return UINT16_MAX;
	}
}

static bool in(enum hm_anon_word word, enum hm_anon_word first, enum hm_anon_word last)
{
	return word >= first && word <= last;
}

static bool is_ip(enum hm_anon_word field)
{
	return in(field, HM_ANON_PAYLOAD, HM_ANON_FRAGMENT_OFFSET);
}

bool hm_anon_has_field(enum hm_anon_word protocol, enum hm_anon_word field)
{
	switch (protocol) {
	case HM_ANON_IP:
		return is_ip(field) || field == HM_ANON_FLOW || field == HM_ANON_EMBEDDED_IP ||
		       in(field, HM_ANON_SRC_IID, HM_ANON_DST_IID);
	case HM_ANON_TCP:
		return in(field, HM_ANON_PAYLOAD, HM_ANON_TCP_OPTIONS);
	case HM_ANON_UDP:
		return in(field, HM_ANON_PAYLOAD, HM_ANON_DST_PORT) ||
		       field == HM_ANON_UDP_DATAGRAM_LENGTH;
	case HM_ANON_ICMP:
		return is_ip(field) || in(field, HM_ANON_TYPE, HM_ANON_CODE) ||
		       field == HM_ANON_EMBEDDED_IP;
	case HM_ANON_HTTP:
		return in(field, HM_ANON_PAYLOAD, HM_ANON_TCP_OPTIONS) ||
		       in(field, HM_ANON_HTTP_VERSION, HM_ANON_HTTP_PAYLOAD);
	case HM_ANON_FTP:
		return in(field, HM_ANON_PAYLOAD, HM_ANON_TCP_OPTIONS) ||
		       in(field, HM_ANON_USER, HM_ANON_FTP_RESPONSE_ARG);
	case HM_ANON_PACKET:
		return field == HM_ANON_TIMESTAMP;
	case HM_ANON_ETH:
		return in(field, HM_ANON_SRC_MAC, HM_ANON_VLAN_ID);
	case HM_ANON_ARP:
		return in(field, HM_ANON_SRC_IP, HM_ANON_DST_IP) ||
		       in(field, HM_ANON_SRC_MAC, HM_ANON_DST_MAC);
	case HM_ANON_DNS:
		return field == HM_ANON_EMBEDDED_IP;
	case HM_ANON_DHCP:
		return field == HM_ANON_EMBEDDED_IP || field == HM_ANON_CLIENT_MAC;
	default:
		return false;
	}
}

bool hm_anon_changes(enum hm_anon_word function, enum hm_anon_word field)
{
	const enum hm_anon_shape shape = hm_anon_shape(field);

	if (field == HM_ANON_VERSION || field == HM_ANON_IHL)
		return false;
	switch (function) {
	case HM_ANON_UNCHANGED:
		return true;
	case HM_ANON_OFFSET:
		return shape == HM_ANON_TIME;
	case HM_ANON_COARSEN:
		return shape == HM_ANON_TIME || shape == HM_ANON_NUMBER;
	case HM_ANON_RANGES:
		return shape == HM_ANON_NUMBER;
	case HM_ANON_PREFIX_PRESERVING:
	case HM_ANON_PREFIX_PRESERVING_MAP:
		return shape == HM_ANON_ADDRESS;
	case HM_ANON_MAP:
	case HM_ANON_MAP_DISTRIBUTION:
		return shape != HM_ANON_TIME && shape != HM_ANON_VARYING;
	case HM_ANON_STRIP:
		return shape == HM_ANON_VARYING;
	case HM_ANON_REPLACE:
		return shape == HM_ANON_VARYING && field != HM_ANON_OPTIONS &&
		       field != HM_ANON_TCP_OPTIONS;
	case HM_ANON_CHECKSUM_ADJUST:
		return field == HM_ANON_CHECKSUM;
	default:
		return shape != HM_ANON_TIME;
	}
}

/* --- reading --- */

/* Up to the next comma; blanks around it are not in it. *text moves behind the comma, or becomes NULL. */
struct word {
	const char *at;
	size_t n;
};

static struct word next_word(const char **text)
{
	struct word w = {*text ? *text : "", 0};
	const char *comma = strchr(w.at, ',');

	w.n = comma ? (size_t)(comma - w.at) : strlen(w.at);
	*text = comma ? comma + 1 : NULL;
	while (w.n && (*w.at == ' ' || *w.at == '\t'))
		w.at++, w.n--;
	while (w.n && (w.at[w.n - 1] == ' ' || w.at[w.n - 1] == '\t'))
		w.n--;
	return w;
}

static bool read_number(struct word w, int64_t *number)
{
	char digits[24], *end;

	if (w.n == 0 || w.n >= sizeof(digits))
		return false;
	memcpy(digits, w.at, w.n);
	digits[w.n] = '\0';
	errno = 0;
	*number = strtoll(digits, &end, 10);
	return errno == 0 && *end == '\0' && digits[0] != '+' && digits[0] != ' ';
}

/* "1 of A, B, C" for an error: all names of the kind for which `fits` is true, as far as there is room. */
static const char *names_of(unsigned kind, bool (*fits)(enum hm_anon_word, enum hm_anon_word),
			    enum hm_anon_word with, char *text, size_t room)
{
	enum hm_anon_word word;
	unsigned at = 0;
	size_t n = 0;

	text[0] = '\0';
	while ((word = hm_anon_next(kind, &at)) != HM_ANON_NOTHING) {
		const char *name = hm_anon_name(word);

		if (fits && !fits(with, word))
			continue;
		if (n + strlen(name) + 6 > room) {
			strcpy(text + n, ", ...");
			break;
		}
		n += (size_t)sprintf(text + n, "%s%s", n ? ", " : "", name);
	}
	return text;
}

static bool changed_by(enum hm_anon_word field, enum hm_anon_word function)
{
	return hm_anon_changes(function, field);
}

static int wrong(struct hm_error *err, int number, struct word w, const char *what,
		 const char *instead)
{
	return hm_error_set(err, -EINVAL, number, "\"%.*s\" %s%s", (int)(w.n < 64 ? w.n : 64), w.at,
			    what, instead);
}

static int read_strip(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	struct word w = next_word(text);

	if (!read_number(w, &r->a) || r->a < 0 || r->a > UINT16_MAX)
		return wrong(err, HM_ANON_NO_PARAMETER, w,
			     "must be how many bytes STRIP leaves, 0 to 65535", "");
	return 0;
}

static int read_distribution(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	const bool number = hm_anon_shape(r->field) == HM_ANON_NUMBER;
	const int64_t most = number ? hm_anon_highest(r->field) : UINT32_MAX;
	struct word w = next_word(text), first, second;

	r->distribution = hm_anon_find(w.at, w.n, HM_ANON_IS_DISTRIBUTION);
	if (!r->distribution)
		return wrong(err, HM_ANON_NO_PARAMETER, w,
			     "must be UNIFORM,least,most or GAUSSIAN,mean,deviation", "");
	first = next_word(text);
	second = next_word(text);
	if (!read_number(first, &r->a) || r->a < 0 || r->a > most)
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
				    "\"%.*s\" must be 0 to %lld, as %s holds it", (int)first.n,
				    first.at, (long long)most, hm_anon_name(r->field));
	if (!read_number(second, &r->b) || r->b < 0 || r->b > most ||
	    (r->distribution == HM_ANON_UNIFORM && r->b < r->a))
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
				    "\"%.*s\" must be %lld to %lld", (int)second.n, second.at,
				    r->distribution == HM_ANON_UNIFORM ? (long long)r->a : 0,
				    (long long)most);
	return 0;
}

static int read_hashed(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	char names[128];
	struct word w = next_word(text);

	r->algorithm = hm_anon_find(w.at, w.n, HM_ANON_IS_HASH);
	if (!r->algorithm)
		return wrong(err, HM_ANON_NO_PARAMETER, w, "must be one of ",
			     names_of(HM_ANON_IS_HASH, NULL, 0, names, sizeof(names)));
	w = next_word(text);
	r->padding = hm_anon_find(w.at, w.n, HM_ANON_IS_PADDING);
	if (!r->padding)
		return wrong(err, HM_ANON_NO_PARAMETER, w, "must be one of ",
			     names_of(HM_ANON_IS_PADDING, NULL, 0, names, sizeof(names)));
	return 0;
}

/* The rest of the rule. */
static int read_text(struct hm_anon_rule *r, const char *text, size_t n, struct hm_error *err)
{
	if (!text || n == 0)
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER, "%s needs a text",
				    hm_anon_name(r->function));
	if (n > HM_ANON_TEXT_MAX)
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
				    "%s's text has %zu bytes; it may have %d",
				    hm_anon_name(r->function), n, HM_ANON_TEXT_MAX);
	memcpy(r->text, text, n);
	r->n_text = (uint32_t)n;
	return 0;
}

static int read_pattern(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	struct word w = next_word(text);
	int64_t number;

	if (w.n == 3 && memcmp(w.at, "STR", 3) == 0)
		return read_text(r, *text, *text ? strlen(*text) : 0, err);
	if (w.n != 7 || memcmp(w.at, "INTEGER", 7) != 0)
		return wrong(err, HM_ANON_NO_PARAMETER, w, "must be INTEGER,number or STR,text",
			     "");
	w = next_word(text);
	if (!read_number(w, &number) || number < 0 || number > UINT8_MAX)
		return wrong(err, HM_ANON_NO_PARAMETER, w, "must be a byte, 0 to 255", "");
	r->text[0] = (uint8_t)number;
	r->n_text = 1;
	return 0;
}

/* Ends at its first blank, as MAPI has it. */
static int read_replace(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	return read_text(r, *text, *text ? strcspn(*text, " \t") : 0, err);
}

static int read_regexp(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	r->regexp = hm_anon_regexp_create(*text, err);
	return r->regexp ? 0 : -EINVAL;
}

/* "1ms", or a number of nanoseconds. */
static bool read_time(struct word w, int64_t *ns)
{
	struct hm_timespan t;
	char text[40];

	if (w.n == 0 || w.n >= sizeof(text))
		return false;
	memcpy(text, w.at, w.n);
	text[w.n] = '\0';
	if (!hm_timespan_parse(text, &t) || t.ns > INT64_MAX || t.plain > INT64_MAX)
		return false;
	*ns = (int64_t)(t.has_unit ? t.ns : t.plain);
	return true;
}

static int read_coarsen(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	struct word w = next_word(text);

	if (hm_anon_shape(r->field) == HM_ANON_TIME) {
		if (!read_time(w, &r->a) || r->a < 1)
			return wrong(err, HM_ANON_NO_PARAMETER, w,
				     "must be a time like 1ms, or nanoseconds, 1 or more", "");
		return 0;
	}
	if (!read_number(w, &r->a) || r->a < 1 || r->a > hm_anon_highest(r->field))
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
				    "\"%.*s\" must be COARSEN's width, 1 to %u", (int)w.n, w.at,
				    hm_anon_highest(r->field));
	return 0;
}

static int read_ranges(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	do {
		struct word w = next_word(text);
		int64_t number;

		if (r->n_bounds == HM_ANON_RANGES_MAX)
			return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
					    "RANGES takes up to %d bounds", HM_ANON_RANGES_MAX);
		if (!read_number(w, &number) || number > hm_anon_highest(r->field) ||
		    number <= (r->n_bounds ? (int64_t)r->bounds[r->n_bounds - 1] : 0))
			return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
					    "\"%.*s\" must be where a range begins, %u to %u, each "
					    "higher than the one before",
					    (int)w.n, w.at,
					    r->n_bounds ? r->bounds[r->n_bounds - 1] + 1 : 1,
					    hm_anon_highest(r->field));
		r->bounds[r->n_bounds++] = (uint32_t)number;
	} while (*text);
	return 0;
}

static int read_offset(struct hm_anon_rule *r, const char **text, struct hm_error *err)
{
	struct word w = next_word(text), span = w;
	const bool minus = w.n && w.at[0] == '-';

	if (minus)
		span = (struct word){w.at + 1, w.n - 1};
	if (!read_time(span, &r->a))
		return wrong(err, HM_ANON_NO_PARAMETER, w,
			     "must be a time like -3600s, or nanoseconds", "");
	if (minus)
		r->a = -r->a;
	return 0;
}

static int read_parameters(struct hm_anon_rule *r, const char *text, struct hm_error *err)
{
	switch (r->function) {
	case HM_ANON_STRIP:
		return read_strip(r, &text, err);
	case HM_ANON_MAP_DISTRIBUTION:
		return read_distribution(r, &text, err);
	case HM_ANON_HASHED:
		return read_hashed(r, &text, err);
	case HM_ANON_PATTERN_FILL:
		return read_pattern(r, &text, err);
	case HM_ANON_REPLACE:
		return read_replace(r, &text, err);
	case HM_ANON_REGEXP:
		return read_regexp(r, &text, err);
	case HM_ANON_COARSEN:
		return read_coarsen(r, &text, err);
	case HM_ANON_RANGES:
		return read_ranges(r, &text, err);
	case HM_ANON_OFFSET:
		return read_offset(r, &text, err);
	default:
		return 0; // others take none, and MAPI ignores what is there
	}
}

int hm_anon_rule_parse(struct hm_anon_rule *r, const char *text, struct hm_error *err)
{
	struct word protocol, field, function;
	char names[400];

	memset(r, 0, sizeof(*r));
	if (strlen(text) > HM_ANON_RULE_MAX)
		return hm_error_set(err, -EINVAL, HM_ANON_NO_PARAMETER,
				    "a rule may have %d characters", HM_ANON_RULE_MAX);
	protocol = next_word(&text);
	r->protocol = hm_anon_find(protocol.at, protocol.n, HM_ANON_IS_PROTOCOL);
	if (!r->protocol || !text)
		return wrong(err, HM_ANON_NO_PROTOCOL, protocol,
			     "must be PROTOCOL,FIELD,FUNCTION with a protocol of ",
			     names_of(HM_ANON_IS_PROTOCOL, NULL, 0, names, sizeof(names)));
	field = next_word(&text);
	r->field = hm_anon_find(field.at, field.n, HM_ANON_IS_FIELD);
	if (!r->field || !text || !hm_anon_has_field(r->protocol, r->field))
		return wrong(err, HM_ANON_NO_FIELD, field,
			     "must be FIELD,FUNCTION with a field of that protocol: ",
			     names_of(HM_ANON_IS_FIELD, hm_anon_has_field, r->protocol, names,
				      sizeof(names)));
	function = next_word(&text);
	r->function = hm_anon_find(function.at, function.n, HM_ANON_IS_FUNCTION);
	if (!r->function)
		return wrong(
			err, HM_ANON_NO_FUNCTION, function, "must be a function: ",
			names_of(HM_ANON_IS_FUNCTION, changed_by, r->field, names, sizeof(names)));
	if (!hm_anon_changes(r->function, r->field))
		return hm_error_set(
			err, -EINVAL, HM_ANON_NO_FIELD, "%s cannot be used on %s; what can is: %s",
			hm_anon_name(r->function), hm_anon_name(r->field),
			names_of(HM_ANON_IS_FUNCTION, changed_by, r->field, names, sizeof(names)));
	return read_parameters(r, text, err);
}

void hm_anon_rule_fini(struct hm_anon_rule *r)
{
	hm_anon_regexp_destroy(r->regexp);
	r->regexp = NULL;
}
