/* SPDX-License-Identifier: BSD-3-Clause */
/* Where SIP and RTSP say that media go. Input: the bytes of a packet. Cut behind any line, it announces nothing more than
 * the whole does, and what it announces are ports. */
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "track/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many are announced; the bytes are in memory of their own, so that nothing around them is read unnoticed. */
static size_t read_all(const uint8_t *from, size_t n)
{
	uint8_t *bytes = malloc(n > 0 ? n : 1);
	struct hm_media_reader r;
	struct hm_media_end end;
	size_t count = 0;

	if (n > 0)
		memcpy(bytes, from, n);
	hm_media_begin(&r, bytes, n);
	while (hm_media_next(&r, &end)) {
		require(end.port > 0 && end.n_ports > 0 && end.n_ports <= HM_MEDIA_PORTS_MAX,
			"a number of ports");
		require(end.port + end.n_ports <= 65536, "that exist");
		require(end.host != HM_MEDIA_AT_ADDRESS || end.version == 4 || end.version == 6,
			"a version");
		require(++count <= n, "it comes to an end");
	}
	require(!hm_media_next(&r, &end), "and stays there");
	free(bytes);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole = read_all(data, size);

	for (size_t at = 0; at < size && at < 2048; at++)
		require(read_all(data, at) <= whole, "what is cut announces no more");
	return 0;
}
