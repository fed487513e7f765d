/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_spans: any bytes as HTTP, FTP, DNS and DHCP. The first byte chooses the field. Checks that spans are within the bytes,
 * in order and apart from one another, and so are embedded addresses.
 */
#include <stdlib.h>
#include <string.h>

#include "../parse/parse_check.h"
#include "anon/embedded.h"
#include "anon/ftp.h"
#include "anon/http.h"

static struct hm_spans spans;
static struct hm_embeddeds found;

static void check_spans(uint32_t n)
{
	uint32_t from = 0;

	for (unsigned i = 0; i < spans.n; i++) {
		const struct hm_span *s = &spans.at[i];

		PARSE_CHECK(i, s->line >= from && s->line <= s->value);
		PARSE_CHECK(i, s->value <= s->value_end && s->value_end <= s->line_end);
		PARSE_CHECK(i, s->line_end <= n);
		from = s->line_end;
	}
}

static void check_embedded(uint32_t n)
{
	for (unsigned i = 0; i < found.n; i++) {
		PARSE_CHECK(i, found.at[i].n >= 1 && found.at[i].n <= found.at[i].size);
		PARSE_CHECK(i, found.at[i].size == 4 || found.at[i].size == 6 ||
				       found.at[i].size == 16);
		PARSE_CHECK(i, found.at[i].at + (uint32_t)found.at[i].n <= n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n;
	uint8_t *exact;

	if (size < 1 || size > UINT16_MAX)
		return 0;
	n = (uint32_t)size - 1;
	exact = malloc(n + 1);
	memcpy(exact, data + 1, n);
	if (data[0] >= HM_ANON_HTTP_VERSION && data[0] <= HM_ANON_HTTP_PAYLOAD) {
		hm_http_find(exact, n, (enum hm_anon_word)data[0], &spans);
		check_spans(n);
	} else if (data[0] >= HM_ANON_USER && data[0] <= HM_ANON_FTP_RESPONSE_ARG) {
		hm_ftp_find(exact, n, data[0] < HM_ANON_FTP_RESPONSE_CODE,
			    (enum hm_anon_word)data[0], &spans);
		check_spans(n);
	} else {
		if (data[0] % 3 == 0)
			hm_embedded_dns(exact, n, &found);
		else if (data[0] % 3 == 1)
			hm_embedded_dhcp4(exact, n, &found);
		else
			hm_embedded_dhcp6(exact, n, &found);
		check_embedded(n);
	}
	free(exact);
	return 0;
}
