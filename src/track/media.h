/* SPDX-License-Identifier: BSD-3-Clause */
/* media: where SIP and RTSP say that media will go: the lines m= and c= of SDP (RFC 4566 §5.7, §5.14) and the header
 * Transport of RTSP (RFC 2326 §12.39). Reads the bytes of one packet; only lines that end within it count, as a number
 * that is cut is another number. Keeps nothing, allocates nothing; each byte is read once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HM_MEDIA_PORTS_MAX 16 // of one announcement; more are not believed

enum hm_media_host {
	HM_MEDIA_AT_SENDER, // of the message
	HM_MEDIA_AT_RECEIVER,
	HM_MEDIA_AT_ADDRESS,
};

/* Media go to `n_ports` ports from `port` on, which are all below 65536. */
struct hm_media_end {
	enum hm_media_host host;
	uint8_t version; // 4 or 6, of the address
	uint8_t address[16];
	uint16_t port; // never 0
	uint16_t n_ports;
};

struct hm_media_reader {
	const char *at, *end;
	const char *transport, *transport_end; // what is left of such a line; NULL: none
	bool is_reply;                         // of RTSP
	bool in_media;                         // a line m= was there
	struct hm_media_end session, media;    // the address of all, what waits for its own
};

void hm_media_begin(struct hm_media_reader *r, const uint8_t *bytes, size_t n);
/* The next place where media go. False: there is none any more. */
bool hm_media_next(struct hm_media_reader *r, struct hm_media_end *end);
