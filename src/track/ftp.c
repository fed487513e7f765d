/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/ftp.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define VERB_LENGTH 4
#define ADDRESS_MAX INET6_ADDRSTRLEN

enum state {
	IN_VERB,     // its bytes are the text
	IN_PREFACE,  // of a reply: words before what counts
	IN_ARGUMENT, // its bytes are the text
	IN_REST,     // of a line that says nothing
};

enum verb { PORT, EPRT, REPLY_PASV, REPLY_EPSV };

static const struct {
	const char *text;
	enum hm_ftp_side side;
	enum state next;
} verbs[] = {
	[PORT] = {"PORT", HM_FTP_CLIENT, IN_ARGUMENT},
	[EPRT] = {"EPRT", HM_FTP_CLIENT, IN_ARGUMENT},
	[REPLY_PASV] = {"227 ", HM_FTP_SERVER, IN_PREFACE},
	[REPLY_EPSV] = {"229 ", HM_FTP_SERVER, IN_PREFACE},
};

/* --- the argument, of `n` bytes --- */

struct text {
	const char *at, *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* A decimal number up to `max`. */
static bool take_number(struct text *t, uint32_t max, uint32_t *value)
{
	const char *begin = t->at;

	for (*value = 0; t->at < t->end && is_digit(*t->at); t->at++) {
		*value = *value * 10 + (uint32_t)(*t->at - '0');
		if (*value > max)
			return false;
	}
	return t->at > begin;
}

static bool take_port(struct text *t, struct hm_ftp_end *end)
{
	uint32_t port;

	if (!take_number(t, UINT16_MAX, &port))
		return false;
	end->port = (uint16_t)port;
	return port > 0;
}

/* h1,h2,h3,h4,p1,p2 */
static bool read_six_numbers(struct text t, struct hm_ftp_end *end)
{
	uint32_t number[6];

	for (unsigned i = 0; i < 6; i++)
		if ((i > 0 && !take(&t, ',')) || !take_number(&t, UINT8_MAX, &number[i]))
			return false;
	for (unsigned i = 0; i < 4; i++)
		end->address[i] = (uint8_t)number[i];
	end->version = 4;
	end->port = (uint16_t)(number[4] << 8 | number[5]);
	return end->port > 0;
}

/* The byte that separates the others is any that can be seen. */
static bool take_delimiter(struct text *t, char *delimiter)
{
	if (t->at == t->end || *t->at < '!' || *t->at > '~' || is_digit(*t->at))
		return false;
	*delimiter = *t->at++;
	return true;
}

static bool take_address(struct text *t, char delimiter, struct hm_ftp_end *end)
{
	char address[ADDRESS_MAX];
	const char *stop = memchr(t->at, delimiter, (size_t)(t->end - t->at));
	size_t n = stop ? (size_t)(stop - t->at) : ADDRESS_MAX;

	if (n >= ADDRESS_MAX)
		return false;
	memcpy(address, t->at, n);
	address[n] = '\0';
	t->at = stop;
	return inet_pton(end->version == 4 ? AF_INET : AF_INET6, address, end->address) == 1;
}

/* |1|132.235.1.2|6275| or |2|1080::8:800:200C:417A|5282| */
static bool read_eprt(struct text t, struct hm_ftp_end *end)
{
	uint32_t family;
	char delimiter;

	if (!take_delimiter(&t, &delimiter) || !take_number(&t, 2, &family) || family == 0)
		return false;
	end->version = family == 1 ? 4 : 6;
	return take(&t, delimiter) && take_address(&t, delimiter, end) && take(&t, delimiter) &&
	       take_port(&t, end) && take(&t, delimiter);
}

/* |||6446|), behind the parenthesis */
static bool read_epsv(struct text t, struct hm_ftp_end *end)
{
	char delimiter;

	return take_delimiter(&t, &delimiter) && take(&t, delimiter) && take(&t, delimiter) &&
	       take_port(&t, end) && take(&t, delimiter);
}

static bool read_argument(const struct hm_ftp_line *l, struct hm_ftp_end *end)
{
	struct text t = {l->text, l->text + l->n};

	while (take(&t, ' '))
		;
	switch (l->verb) {
	case EPRT:
		return read_eprt(t, end);
	case REPLY_EPSV:
		return read_epsv(t, end);
	default:
		return read_six_numbers(t, end);
	}
}

/* --- the line --- */

static void end_verb(struct hm_ftp_line *l, enum hm_ftp_side side)
{
	l->state = IN_REST;
	for (unsigned v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++)
		if (verbs[v].side == side &&
		    strncasecmp(verbs[v].text, l->text, VERB_LENGTH) == 0) {
			l->verb = (uint8_t)v;
			l->state = verbs[v].next;
		}
	l->n = 0;
}

/* A byte that does not end the line. */
static void step(struct hm_ftp_line *l, enum hm_ftp_side side, char c)
{
	switch (l->state) {
	case IN_VERB:
		l->text[l->n++] = c;
		if (l->n == VERB_LENGTH)
			end_verb(l, side);
		break;
	case IN_PREFACE:
		if (l->verb == REPLY_EPSV ? c == '(' : is_digit(c))
			l->state = IN_ARGUMENT;
		if (is_digit(c) && l->state == IN_ARGUMENT)
			l->text[l->n++] = c;
		break;
	case IN_ARGUMENT:
		if (l->n < HM_FTP_ARGUMENT_MAX)
			l->text[l->n++] = c;
		else if (l->verb == PORT || l->verb == EPRT) // replies go on with words
			l->state = IN_REST;
		break;
	default:
		break;
	}
}

size_t hm_ftp_read(struct hm_ftp_line *line, enum hm_ftp_side side, const uint8_t *bytes, size_t n,
		   struct hm_ftp_end *end)
{
	for (size_t i = 0; i < n; i++) {
		bool told;

		if (bytes[i] != '\n') {
			step(line, side, (char)bytes[i]);
			continue;
		}
		*end = (struct hm_ftp_end){0};
		told = line->state == IN_ARGUMENT && read_argument(line, end);
		*line = (struct hm_ftp_line){0};
		if (told)
			return i + 1;
	}
	*end = (struct hm_ftp_end){0};
	return n;
}
