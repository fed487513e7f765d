/* SPDX-License-Identifier: BSD-3-Clause */
/* A control connection of FTP. Input: the side (bit 0) and where it is cut (the other bits), then bytes. What they
 * announce is the same however they are cut. */
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "track/ftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mixes in what the bytes announce; they are in memory of their own, so that nothing around them is read unnoticed. */
static uint64_t read_part(struct hm_ftp_line *line, enum hm_ftp_side side, const uint8_t *from,
			  size_t n, uint64_t sum)
{
	uint8_t *bytes = malloc(n > 0 ? n : 1);
	size_t at = 0;

	if (n > 0)
		memcpy(bytes, from, n);
	while (at < n) {
		struct hm_ftp_end end;
		size_t read = hm_ftp_read(line, side, bytes + at, n - at, &end);

		require(read > 0 && read <= n - at, "it goes on, and not too far");
		require(line->n <= HM_FTP_ARGUMENT_MAX, "its text has room");
		at += read;
		if (end.port == 0) {
			require(at == n, "it stops early only where something is announced");
			continue;
		}
		require(end.version == 0 || end.version == 4 || end.version == 6, "a version");
		sum = sum * 31 + end.port + end.version;
		for (unsigned i = 0; i < sizeof(end.address); i++)
			sum = sum * 31 + end.address[i];
	}
	free(bytes);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_ftp_line whole = {0}, torn = {0};
	enum hm_ftp_side side;
	uint64_t of_whole, of_torn = 0;
	size_t step;

	if (size == 0)
		return 0;
	side = data[0] & 1 ? HM_FTP_SERVER : HM_FTP_CLIENT;
	step = 1 + (data[0] >> 1);
	data++;
	size--;
	of_whole = read_part(&whole, side, data, size, 0);
	for (size_t at = 0; at < size; at += step)
		of_torn = read_part(&torn, side, data + at, size - at < step ? size - at : step,
				    of_torn);
	require(of_whole == of_torn, "torn or not, it announces the same");
	require(memcmp(&whole, &torn, sizeof(whole)) == 0, "and is left in the same state");
	return 0;
}
