/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc_bench: a peer without a socket on the fake engine, for tests and fuzzers of the JSON-RPC
 * layer. Lines that it sends are kept in `sent`, one after the other. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/rpc.h"

struct rpc_bench {
	struct hm_peer peer;
	struct hm_control control;
	struct hm_config *config;
	uv_loop_t loop;
	char *sent;
	size_t used;
	unsigned n_fds;
	bool closed;
};

static void bench_send(struct hm_peer *p, char *line, size_t n, int fd)
{
	struct rpc_bench *b = (struct rpc_bench *)p; // its first member
	b->sent = realloc(b->sent, b->used + n + 1);
	memcpy(b->sent + b->used, line, n);
	b->used += n;
	b->sent[b->used] = '\0';
	free(line);
	if (fd >= 0) {
		b->n_fds++;
		close(fd);
	}
}

static void bench_close(struct hm_peer *p)
{
	((struct rpc_bench *)p)->closed = true;
}

static inline void bench_open(struct rpc_bench *b, bool administrator)
{
	static const char text[] = "{\"control\": {\"max_flows_per_client\": 3}, \"devices\": ["
				   "{\"name\": \"dag0\", \"vdev\": \"net_null0\"}, "
				   "{\"name\": \"monday\", \"trace\": \"m.pcap\"}]}";
	struct hm_mistakes m = {0};
	memset(b, 0, sizeof(*b));
	b->config = hm_config_parse(text, sizeof(text) - 1, "bench.json", &m);
	uv_loop_init(&b->loop);
	hm_control_init(&b->control, &b->loop, hm_engine_create(b->config, NULL), b->config, NULL);
	b->peer.send = bench_send;
	b->peer.close = bench_close;
	b->peer.owner = (struct hm_owner){.uid = 1000, .administrator = administrator, .client = 1};
	hm_peer_open(&b->peer, &b->control);
}

static inline void bench_done(struct rpc_bench *b)
{
	hm_peer_gone(&b->peer);
	uv_run(&b->loop, UV_RUN_DEFAULT); // a reload may be under way
	hm_engine_destroy(b->control.engine);
	hm_control_fini(&b->control);
	uv_loop_close(&b->loop);
	hm_config_free(b->config);
	free(b->sent);
}

/* Serves one line; what was sent since the last one, "" if nothing. */
static inline const char *bench_line(struct rpc_bench *b, const char *line)
{
	free(b->sent);
	b->sent = NULL;
	b->used = 0;
	hm_peer_line(&b->peer, line, strlen(line));
	return b->sent ? b->sent : "";
}
