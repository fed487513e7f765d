/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_rpc: a client of the control socket sends anything, line by line, to a daemon on the fake
 * engine. Whatever is answered must be JSON, one object or array a line. */
#include "../unit/rpc_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answers(const struct rpc_bench *b)
{
	const char *at = b->sent, *end = at + b->used;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		json_t *answer = newline ? json_loadb(at, (size_t)(newline - at), 0, NULL) : NULL;
		if (!answer)
			abort();
		json_decref(answer);
		at = newline + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_bench b;
	const char *at = (const char *)data, *end = at + size;
	bench_open(&b, true);
	while (at < end && !b.closed) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((newline ? newline : end) - at);
		hm_peer_line(&b.peer, at, n);
		hm_engine_poll(b.control.engine);
		at += n + 1;
	}
	if (b.sent)
		check_answers(&b);
	bench_done(&b);
	return 0;
}
