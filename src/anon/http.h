/* SPDX-License-Identifier: BSD-3-Clause */
/* http: the fields of HTTP/1 messages (RFC 9112) in one packet's payload, as MAPI names them: the parts of the first
 * line, header fields, and the body.
 *
 * Several messages may follow one another, each behind the body that the Content-Length before it announces; without
 * one, or when it goes beyond the packet, all the rest is body. A field that the packet's end cuts has what is there.
 * A payload that does not begin with a message (it goes on with a body) is body. Nothing is kept between packets.
 */
#pragma once

#include "anon/span.h"

/* All spans of the field in the n bytes, up to HM_SPANS_MAX; n is at most 65,535. */
void hm_http_find(const uint8_t *payload, uint32_t n, enum hm_anon_word field,
		  struct hm_spans *spans);
