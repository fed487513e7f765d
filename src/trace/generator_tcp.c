/* SPDX-License-Identifier: BSD-3-Clause */
/* generator_tcp: connections with handshake, requests and responses, acknowledgements, and an end
 * by FIN, by RST or by refusal. Nothing is lost or repeated; numbers fit together.
 */
#include "trace/generator_parts.h"

#define PROTOCOL_TCP 6
#define HEADER       32u // with the timestamp option
#define HEADER_SYN   40u
#define TLS_RECORD   5u // bytes of its header

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

enum {
	STATE_SYN,
	STATE_SYN_ACK,
	STATE_HANDSHAKE_ACK,
	STATE_REQUEST,
	STATE_RESPONSE_BEGIN,
	STATE_RESPONSE,
	STATE_RESPONSE_ACK,
	STATE_END,
	STATE_FIN_BACK,
	STATE_LAST_ACK,
};

static uint32_t clock_ms(const struct hm_generator *g, const struct hm_gen_flow *f, enum hm_dir dir)
{
	return (uint32_t)(g->now_ns / 1000000) + (dir == HM_TO_SERVER ? f->salt : ~f->salt);
}

static void put_timestamps(const struct hm_generator *g, const struct hm_gen_flow *f,
			   enum hm_dir dir, bool echo, uint8_t *option)
{
	option[0] = 8;
	option[1] = 10;
	hm_put32(option + 2, clock_ms(g, f, dir));
	hm_put32(option + 6, echo ? clock_ms(g, f, !dir) : 0);
}

static void put_options(const struct hm_generator *g, const struct hm_gen_flow *f, enum hm_dir dir,
			uint8_t flags, uint8_t *options)
{
	if (!(flags & SYN)) {
		options[0] = options[1] = 1; // no operation
		put_timestamps(g, f, dir, true, options + 2);
		return;
	}
	hm_put32(options, 2u << 24 | 4u << 16 | 1460); // maximum segment size
	options[4] = 4;                                // selective acknowledgement permitted
	options[5] = 2;
	put_timestamps(g, f, dir, flags & ACK, options + 6);
	hm_put32(options + 16, 1u << 24 | 3u << 16 | 3u << 8 | 7); // window scale 2^7
}

/* The payload is already behind the header. */
static void send(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir, uint8_t flags,
		 uint32_t payload, uint32_t written)
{
	uint8_t *tcp = g->frame + g->l4;
	uint32_t header = flags & SYN ? HEADER_SYN : HEADER;
	hm_put16(tcp, f->port[dir]);
	hm_put16(tcp + 2, f->port[!dir]);
	hm_put32(tcp + 4, f->seq[dir]);
	hm_put32(tcp + 8, flags & ACK ? f->seq[!dir] : 0);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	hm_put16(tcp + 14, flags & RST ? 0 : flags & SYN ? 64240 : 501 + (f->salt & 1023));
	hm_put16(tcp + 18, 0);
	put_options(g, f, dir, flags, tcp + 20);
	f->seq[dir] += payload + (flags & (SYN | FIN) ? 1 : 0);
	hm_frame_end(g, f, dir, PROTOCOL_TCP, header, 16, payload, written);
}

static void send_empty(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir,
		       uint8_t flags)
{
	hm_frame_begin(g, f, dir);
	send(g, f, dir, flags, 0, 0);
}

static uint32_t put_tls_record(struct hm_generator *g, uint8_t *to, uint32_t n)
{
	hm_put32(to, 0x17030300);
	hm_put16(to + 3, n);
	hm_fill_bytes(g, to + TLS_RECORD, n);
	return TLS_RECORD + n;
}

/* The second flight of a handshake begins with "change cipher spec" and an encrypted "finished". */
static uint32_t put_tls_request(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to)
{
	static const uint8_t change_cipher_spec[6] = {0x14, 3, 3, 0, 1, 1};
	uint32_t n = 0;
	if (f->exchange == 0)
		return hm_tls_client_hello(g, f, to);
	if (f->exchange == 1) {
		memcpy(to, change_cipher_spec, sizeof(change_cipher_spec));
		n = sizeof(change_cipher_spec);
		n += put_tls_record(g, to + n, 53);
	}
	return n + put_tls_record(g, to + n, 90 + hm_random_below(g, 500));
}

static uint32_t put_stream_request(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to)
{
	uint32_t n = 40 + hm_random_below(g, 300);
	if (f->planted && f->exchange == 0)
		n += g->plant_len;
	hm_fill_text(g, to, n);
	if (f->planted && f->exchange == 0)
		hm_generator_plant(g, to, n);
	return n;
}

/* Response sizes: all segments that are left go into the last exchange. */
static uint32_t next_response(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint32_t n = f->segments;
	if (f->app == HM_APP_TLS &&
	    f->exchange == 1) // certificates; segments count from the next on
		return 700 + hm_random_below(g, 2400);
	if (n > 3 && hm_random_below(g, 2))
		n = 1 + hm_random_below(g, n - 1);
	f->segments -= n;
	return (n - 1) * HM_MSS + 100 + hm_random_below(g, HM_MSS - 100);
}

static void send_request(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint8_t *to = hm_frame_begin(g, f, HM_TO_SERVER) + HEADER;
	uint32_t n, written;
	if (f->app == HM_APP_HTTP)
		n = written = hm_http_request(g, f, to);
	else if (f->app == HM_APP_TLS)
		n = written = put_tls_request(g, f, to);
	else {
		n = put_stream_request(g, f, to);
		written = f->planted && f->exchange == 0 ? n : 0;
	}
	f->exchange++;
	f->left = next_response(g, f);
	f->unacked = 0;
	send(g, f, HM_TO_SERVER, PSH | ACK, n, written);
	f->state = STATE_RESPONSE_BEGIN;
}

/* A segment: what the application begins a response with, then filler (TLS: in one record). */
static void send_response(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint8_t *to = hm_frame_begin(g, f, HM_TO_CLIENT) + HEADER;
	uint32_t written = 0, n;
	if (f->state == STATE_RESPONSE_BEGIN && f->app == HM_APP_HTTP)
		written = hm_http_response(g, to, f->left);
	if (f->state == STATE_RESPONSE_BEGIN && f->app == HM_APP_TLS && f->exchange == 1)
		written = hm_tls_server_hello(g, to);
	if (f->app == HM_APP_TLS) {
		n = HM_MSS - written - TLS_RECORD;
		n = f->left < n ? f->left : n;
		put_tls_record(g, to + written, n);
		written += TLS_RECORD;
	} else {
		n = HM_MSS - written;
		n = f->left < n ? f->left : n;
		hm_fill_text(g, to + written, n);
	}
	f->left -= n;
	f->unacked++;
	send(g, f, HM_TO_CLIENT, f->left ? ACK : PSH | ACK, written + n, written);
	f->state = f->left == 0 || f->unacked == 2 ? STATE_RESPONSE_ACK : STATE_RESPONSE;
}

static void acknowledge(struct hm_generator *g, struct hm_gen_flow *f)
{
	send_empty(g, f, HM_TO_SERVER, ACK);
	f->unacked = 0;
	if (f->left)
		f->state = STATE_RESPONSE;
	else
		f->state = f->segments ? STATE_REQUEST : STATE_END;
}

/* 1 of 12 connections is broken off by the client, 1 of 50 refused. */
static bool end_connection(struct hm_generator *g, struct hm_gen_flow *f)
{
	bool reset = f->salt % 12 == 0;
	send_empty(g, f, HM_TO_SERVER, reset ? RST | ACK : FIN | ACK);
	f->state = STATE_FIN_BACK;
	return reset;
}

static bool answer_syn(struct hm_generator *g, struct hm_gen_flow *f)
{
	bool refuse = f->salt % 50 == 1 && !f->planted;
	if (refuse)
		f->seq[HM_TO_CLIENT] = 0;
	send_empty(g, f, HM_TO_CLIENT, refuse ? RST | ACK : SYN | ACK);
	f->state = STATE_HANDSHAKE_ACK;
	return refuse;
}

bool hm_tcp_step(struct hm_generator *g, struct hm_gen_flow *f)
{
	switch (f->state) {
	case STATE_SYN:
		send_empty(g, f, HM_TO_SERVER, SYN);
		f->state = STATE_SYN_ACK;
		return false;
	case STATE_SYN_ACK:
		return answer_syn(g, f);
	case STATE_HANDSHAKE_ACK:
		send_empty(g, f, HM_TO_SERVER, ACK);
		f->state = STATE_REQUEST;
		return false;
	case STATE_REQUEST:
		send_request(g, f);
		return false;
	case STATE_RESPONSE_BEGIN:
	case STATE_RESPONSE:
		send_response(g, f);
		return false;
	case STATE_RESPONSE_ACK:
		acknowledge(g, f);
		return false;
	case STATE_END:
		return end_connection(g, f);
	case STATE_FIN_BACK:
		send_empty(g, f, HM_TO_CLIENT, FIN | ACK);
		f->state = STATE_LAST_ACK;
		return false;
	default:
		send_empty(g, f, HM_TO_SERVER, ACK);
		return true;
	}
}
