/* SPDX-License-Identifier: BSD-3-Clause */
/* buffer_client: a MAPI program that reads the packets of a device from TO_BUFFER for some seconds, and prints how many
 * it got as one JSON object. It looks at each packet's header and first word.
 *	buffer_client DEVICE SECONDS
 */
#include <mapi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACKETS_A_LOOK 65536 // at the clock

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(void)
{
	char text[MAPI_ERRORSTR_LENGTH] = "";
	int number = 0;
	mapi_read_error(&number, text);
	fprintf(stderr, "buffer_client: %d: %s\n", number, text);
	return 1;
}

/* Packets read until then; 0: an error. */
static uint64_t read_until(int fd, int fid, double end, uint64_t *sum)
{
	uint64_t n = 0;
	while (now() < end)
		for (unsigned i = 0; i < PACKETS_A_LOOK; i++, n++) {
			const struct mapipkt *p = mapi_get_next_pkt(fd, fid);
			uint32_t word;
			if (!p)
				return 0;
			memcpy(&word, &p->pkt, sizeof(word));
			*sum += p->ts + p->caplen + word;
		}
	return n;
}

int main(int argc, char **argv)
{
	const double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
	uint64_t sum = 0, n;
	double begin;
	if (seconds <= 0) {
		fprintf(stderr, "usage: buffer_client DEVICE SECONDS\n");
		return 2;
	}
	const int fd = mapi_create_flow(argv[1]);
	const int fid = fd < 0 ? -1 : mapi_apply_function(fd, "TO_BUFFER", WAIT);
	if (fid < 0 || mapi_connect(fd) < 0 || !read_until(fd, fid, now() + 1, &sum)) // warm
		return fail();
	begin = now();
	n = read_until(fd, fid, begin + seconds, &sum);
	if (n == 0)
		return fail();
	printf("{\"mpps\": %.3f, \"sum\": %llu}\n", (double)n / (now() - begin) / 1e6,
	       (unsigned long long)sum);
	mapi_close_flow(fd);
	return 0;
}
