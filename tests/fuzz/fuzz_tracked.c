/* SPDX-License-Identifier: BSD-3-Clause */
/* What trackers look for in a payload. Input: a byte of options (bit 0: UDP, bit 1: any case) and one for what is sent
 * beyond what is captured, then the payload. Compared with what a simple search says. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "require.h"
#include "track/edonkey.h"
#include "track/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("$MyNick", 0),
	HM_SIGNATURE("\023BitTorrent", 11),
	HM_SIGNATURE("GNUTELLA/", 20),
	{0},
};

static bool is_there(const uint8_t *payload, size_t n, bool any_case)
{
	for (size_t at = 0; at < n; at++)
		for (unsigned i = 0; signatures[i].bytes; i++) {
			const struct hm_signature *s = &signatures[i];
			const char *here = (const char *)payload + at;

			if (n - at >= s->n && (s->depth == 0 || at + s->n <= s->depth) &&
			    (any_case ? strncasecmp(here, s->bytes, s->n) == 0
				      : memcmp(here, s->bytes, s->n) == 0))
				return true;
		}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool udp, any_case;
	uint8_t *payload;
	size_t n, sent;

	if (size < 2)
		return 0;
	udp = data[0] & 1;
	any_case = data[0] & 2;
	n = size - 2;
	sent = n + data[1];
	payload = malloc(n > 0 ? n : 1); // so that nothing behind it is read unnoticed
	memcpy(payload, data + 2, n);
	require(hm_signature_match(signatures, any_case, payload, n) ==
			is_there(payload, n, any_case),
		"signatures are found where they are");
	if (hm_edonkey_is_message(payload, n, sent, udp)) {
		require(n >= 2 && (payload[0] == 0xe3 || payload[0] == 0xc5 || payload[0] == 0xd4),
			"a message of eDonkey begins with its protocol");
		require(udp || sent - 5 == ((size_t)payload[1] | (size_t)payload[2] << 8 |
					    (size_t)payload[3] << 16 | (size_t)payload[4] << 24),
			"its length is right");
	}
	free(payload);
	return 0;
}
