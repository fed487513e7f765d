/* SPDX-License-Identifier: BSD-3-Clause */
/* ftp: what a control connection of FTP says of data connections: PORT and the reply 227 to PASV (RFC 959 §4.1.2, RFC
 * 1123 §4.1.2.6), EPRT and the reply 229 to EPSV (RFC 2428). Reads bytes as they come, cut anywhere, with 64 bytes of
 * memory a direction; a line may be of any length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HM_FTP_ARGUMENT_MAX 61 // EPRT with the longest IPv6 address has 57

/* One direction's line so far. Zeroed: at the begin of a line. */
struct hm_ftp_line {
	uint8_t state, verb;
	uint8_t n; // bytes of text
	char text[HM_FTP_ARGUMENT_MAX];
};

/* Where somebody listens for a data connection. */
struct hm_ftp_end {
	uint8_t version; // 4, 6; 0: at the address of who says it
	uint8_t address[16];
	uint16_t port; // never 0
};

enum hm_ftp_side { HM_FTP_CLIENT, HM_FTP_SERVER };

/* Reads bytes up to the end of the first line that tells where a side listens, and fills *end (version and port are 0
 * when no line does). Returns how many were read: less than n only with such a line. */
size_t hm_ftp_read(struct hm_ftp_line *line, enum hm_ftp_side side, const uint8_t *bytes, size_t n,
		   struct hm_ftp_end *end);
