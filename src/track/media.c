/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/media.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct text {
	const char *at, *end;
};

static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || strncasecmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

static bool take_number(struct text *t, uint32_t max, uint32_t *value)
{
	const char *begin = t->at;

	for (*value = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		*value = *value * 10 + (uint32_t)(*t->at - '0');
		if (*value > max)
			return false;
	}
	return t->at > begin;
}

/* --- SDP --- */

/* IN IP4 192.0.2.1/127 */
static bool read_address(struct text t, struct hm_media_end *end)
{
	static const uint8_t any[16];
	char address[INET6_ADDRSTRLEN];
	bool four = take(&t, "IN IP4 ");
	size_t n = 0;

	if (!four && !take(&t, "IN IP6 "))
		return false;
	while (t.at + n < t.end && t.at[n] != '/' && t.at[n] != ' ')
		n++;
	if (n >= sizeof(address))
		return false;
	memcpy(address, t.at, n);
	address[n] = '\0';
	memset(end->address, 0, sizeof(end->address));
	if (inet_pton(four ? AF_INET : AF_INET6, address, end->address) != 1)
		return false;
	end->version = four ? 4 : 6;
	// who is on hold names no address
	end->host = memcmp(end->address, any, sizeof(any)) == 0 ? HM_MEDIA_AT_SENDER
								: HM_MEDIA_AT_ADDRESS;
	return true;
}

static bool set_ports(struct hm_media_end *end, uint32_t port, uint32_t n)
{
	if (port == 0 || n == 0 || n > HM_MEDIA_PORTS_MAX || port + n > UINT16_MAX + 1)
		return false;
	end->port = (uint16_t)port;
	end->n_ports = (uint16_t)n;
	return true;
}

/* audio 49170/2 RTP/AVP 0: so many pairs, RTP and RTCP; port 0 is refused */
static bool read_media(struct text t, struct hm_media_end *end)
{
	const char *space = memchr(t.at, ' ', (size_t)(t.end - t.at));
	uint32_t port, pairs = 1;

	if (!space)
		return false;
	t.at = space + 1;
	if (!take_number(&t, UINT16_MAX, &port))
		return false;
	if (take(&t, "/") && !take_number(&t, HM_MEDIA_PORTS_MAX / 2, &pairs))
		return false;
	if (!take(&t, " ") || take(&t, "TCP/")) // media are what goes over UDP
		return false;
	return set_ports(end, port, port == UINT16_MAX ? 1 : 2 * pairs);
}

/* --- RTSP --- */

/* client_port=4588-4589, of the client; server_port=6256-6257, of the server: who asks is the client */
static bool read_transport(struct hm_media_reader *r, struct hm_media_end *end)
{
	while (r->transport) {
		const char *at = r->transport, *stop = r->transport_end;
		struct text t;
		bool client;
		uint32_t first, last;

		while (at < stop && *at != ';' && *at != ',')
			at++;
		r->transport = at < stop ? at + 1 : NULL;
		if (at == stop)
			break;
		t = (struct text){at + 1, stop};
		client = take(&t, "client_port=");
		if (!client && !take(&t, "server_port="))
			continue;
		if (!take_number(&t, UINT16_MAX, &first))
			continue;
		last = first;
		if (take(&t, "-") && (!take_number(&t, UINT16_MAX, &last) || last < first))
			continue;
		*end = (struct hm_media_end){.host = client == r->is_reply ? HM_MEDIA_AT_RECEIVER
									   : HM_MEDIA_AT_SENDER};
		if (set_ports(end, first, last - first + 1))
			return true;
	}
	return false;
}

/* --- lines --- */

/* True: *end is what the lines m= and c= before this one say. */
static bool read_line(struct hm_media_reader *r, struct text t, struct hm_media_end *end)
{
	if (take(&t, "Transport:")) {
		r->transport = t.at;
		r->transport_end = t.end;
	} else if (take(&t, "c=")) {
		read_address(t, r->in_media ? &r->media : &r->session);
	} else if (take(&t, "m=")) {
		*end = r->media;
		r->media = r->session;
		r->in_media = true;
		if (!read_media(t, &r->media))
			r->media.n_ports = 0;
		return end->n_ports > 0;
	}
	return false;
}

void hm_media_begin(struct hm_media_reader *r, const uint8_t *bytes, size_t n)
{
	struct text t = {(const char *)bytes, (const char *)bytes + n};

	*r = (struct hm_media_reader){.at = t.at, .end = t.end, .is_reply = take(&t, "RTSP/")};
}

bool hm_media_next(struct hm_media_reader *r, struct hm_media_end *end)
{
	const char *stop;

	if (read_transport(r, end))
		return true;
	while (r->at < r->end && (stop = memchr(r->at, '\n', (size_t)(r->end - r->at)))) {
		struct text line = {r->at, stop > r->at && stop[-1] == '\r' ? stop - 1 : stop};

		r->at = stop + 1;
		if (read_line(r, line, end) || read_transport(r, end))
			return true;
	}
	r->at = r->end;
	*end = r->media;
	r->media.n_ports = 0;
	return end->n_ports > 0;
}
