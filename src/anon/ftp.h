/* SPDX-License-Identifier: BSD-3-Clause */
/* ftp: the fields of FTP's control connection (RFC 959) in one packet's payload, line by line.
 *
 * The field of a command is its argument; of one that has none, as QUIT, the command itself. Of replies the number and
 * the text; a line of a reply that has no number is text. The packet's end ends a line. Nothing is kept between packets.
 */
#pragma once

#include <stdbool.h>

#include "anon/span.h"

/* All spans of the field in the n bytes, up to HM_SPANS_MAX; n is at most 65,535. */
void hm_ftp_find(const uint8_t *payload, uint32_t n, bool to_server, enum hm_anon_word field,
		 struct hm_spans *spans);
