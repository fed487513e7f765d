/* SPDX-License-Identifier: BSD-3-Clause */
/* generator_payload: application messages that look like HTTP, TLS 1.3 and DNS. */
#include <stdio.h>

#include "trace/generator_parts.h"

static const char *const words[64] = {
	"lobster", "network", "monitor", "packet", "reef",    "harbor", "signal",  "window",
	"copper",  "garden",  "winter",  "ticket", "engine",  "marble", "silver",  "orange",
	"rocket",  "planet",  "basket",  "camera", "bridge",  "castle", "desert",  "forest",
	"guitar",  "hammer",  "island",  "jacket", "kitchen", "ladder", "mirror",  "needle",
	"office",  "pencil",  "quartz",  "ribbon", "saddle",  "temple", "unicorn", "velvet",
	"walnut",  "yellow",  "zephyr",  "anchor", "beacon",  "canvas", "dragon",  "ember",
	"falcon",  "glacier", "horizon", "ivory",  "jungle",  "kernel", "lantern", "meadow",
	"nectar",  "orchid",  "pepper",  "quiver", "raven",   "sunset", "thunder", "voyage",
};

const char *hm_generator_word(uint32_t i)
{
	return words[i % 64];
}

static uint32_t append(uint8_t *to, uint32_t at, const char *text)
{
	uint32_t n = (uint32_t)strlen(text);
	memcpy(to + at, text, n);
	return at + n;
}

static uint32_t append_number(uint8_t *to, uint32_t at, uint32_t v)
{
	char digits[12];
	snprintf(digits, sizeof(digits), "%u", v);
	return append(to, at, digits);
}

static uint32_t append_host(const struct hm_gen_flow *f, uint8_t *to, uint32_t at)
{
	at = append(to, at, "www.");
	at = append(to, at, hm_generator_word(f->salt));
	at = append(to, at, ".example");
	return at;
}

uint32_t hm_http_request(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to)
{
	uint32_t n = append(to, 0, "GET /");
	n = append(to, n, hm_generator_word(hm_random_below(g, 64)));
	n = append(to, n, "/");
	n = append_number(to, n, hm_random_zipf(g, 12));
	n = append(to, n, ".html HTTP/1.1\r\nHost: ");
	n = append_host(f, to, n);
	return append(to, n,
		      "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/115.0\r\n"
		      "Accept: text/html\r\nAccept-Language: en\r\nConnection: keep-alive\r\n\r\n");
}

uint32_t hm_http_response(struct hm_generator *g, uint8_t *to, uint32_t body)
{
	uint32_t n = append(to, 0,
			    "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\n"
			    "ETag: \"");
	n = append_number(to, n, (uint32_t)hm_random(g));
	n = append(to, n, "\"\r\nContent-Length: ");
	n = append_number(to, n, body);
	return append(to, n, "\r\n\r\n");
}

uint32_t hm_tls_client_hello(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to)
{
	static const uint8_t suites[] = {0, 8, 0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2f, 1, 0};
	static const uint8_t extensions[] = {
		0, 43, 0, 3,  2, 3,  4,            // supported versions: TLS 1.3
		0, 10, 0, 4,  0, 2,  0, 29,        // supported groups: x25519
		0, 13, 0, 4,  0, 2,  4, 3,         // signature algorithms
		0, 51, 0, 38, 0, 36, 0, 29, 0, 32, // key share, 32 bytes follow
	};
	uint32_t n = 9, lengths, host;
	hm_put16(to + n, 0x0303);
	hm_fill_bytes(g, to + n + 2, 32);
	to[n + 34] = 32; // session identifier
	hm_fill_bytes(g, to + n + 35, 32);
	n += 67;
	memcpy(to + n, suites, sizeof(suites));
	n += sizeof(suites);
	lengths = n;
	n += 2;
	host = append_host(f, to, n + 9) - (n + 9);
	hm_put16(to + n, 0); // server name
	hm_put16(to + n + 2, host + 5);
	hm_put16(to + n + 4, host + 3);
	to[n + 6] = 0;
	hm_put16(to + n + 7, host);
	n += 9 + host;
	memcpy(to + n, extensions, sizeof(extensions));
	n += sizeof(extensions);
	hm_fill_bytes(g, to + n, 32);
	n += 32;
	hm_put16(to + lengths, n - lengths - 2);
	hm_put32(to, 0x16030100);
	hm_put16(to + 3, n - 5);
	hm_put32(to + 5, 1u << 24 | (n - 9));
	return n;
}

uint32_t hm_tls_server_hello(struct hm_generator *g, uint8_t *to)
{
	static const uint8_t tail[] = {
		0x13, 1,  0, 0,  46, 0,  43, 0,  2, 3, 4, // suite, compression, extensions, TLS 1.3
		0,    51, 0, 36, 0,  29, 0,  32,          // key share, 32 bytes follow
	};
	static const uint8_t change_cipher_spec[6] = {0x14, 3, 3, 0, 1, 1};
	uint32_t n = 9;
	hm_put16(to + n, 0x0303);
	hm_fill_bytes(g, to + n + 2, 32);
	to[n + 34] = 32;
	hm_fill_bytes(g, to + n + 35, 32);
	n += 67;
	memcpy(to + n, tail, sizeof(tail));
	n += sizeof(tail);
	hm_fill_bytes(g, to + n, 32);
	n += 32;
	hm_put32(to, 0x16030300);
	hm_put16(to + 3, n - 5);
	hm_put32(to + 5, 2u << 24 | (n - 9));
	memcpy(to + n, change_cipher_spec, sizeof(change_cipher_spec));
	return n + sizeof(change_cipher_spec);
}

static uint32_t put_label(uint8_t *to, uint32_t at, const char *label)
{
	to[at] = (uint8_t)strlen(label);
	return append(to, at + 1, label);
}

/* Query and response of a flow ask for the same name, so it follows from the flow's salt. */
uint32_t hm_dns_message(struct hm_generator *g, const struct hm_gen_flow *f, bool response,
			uint8_t *to)
{
	uint32_t n = 12, answers = response ? 1 + f->salt % 3 : 0;
	uint32_t type = f->salt & 64 ? 28 : 1, size = type == 28 ? 16 : 4; // AAAA, A
	hm_put16(to, f->salt >> 16);
	hm_put16(to + 2, response ? 0x8180 : 0x0100);
	hm_put16(to + 4, 1);
	hm_put16(to + 6, answers);
	hm_put32(to + 8, 0);
	n = put_label(to, n, hm_generator_word(f->salt >> 8));
	n = put_label(to, n, hm_generator_word(f->salt));
	n = put_label(to, n, "example");
	to[n++] = 0;
	hm_put16(to + n, type);
	hm_put16(to + n + 2, 1);
	n += 4;
	for (uint32_t i = 0; i < answers; i++, n += 12 + size) {
		hm_put16(to + n, 0xc00c); // the name asked for
		hm_put16(to + n + 2, type);
		hm_put16(to + n + 4, 1);
		hm_put32(to + n + 6, 300);
		hm_put16(to + n + 10, size);
		hm_fill_bytes(g, to + n + 12, size);
	}
	return n;
}
