/* SPDX-License-Identifier: BSD-3-Clause */
/* media_frames: packets of a protocol that arranges media, over IPv4 and IPv6, and whether they should pass. */
#pragma once

#include <arpa/inet.h>
#include <string.h>

#include "function_harness.h"

#define FRAMES 32
#define ROOM   512
#define MS     UINT64_C(1000000)

enum { TCP = 6, UDP = 17 };

static uint8_t bytes[FRAMES][ROOM];
static struct frame frames[FRAMES];
static bool wanted[FRAMES], passed[FRAMES];
static unsigned n;

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void packet(uint8_t protocol, const char *from, unsigned port, const char *to,
		   unsigned to_port, const char *text, bool passes)
{
	const bool six = strchr(from, ':') != NULL;
	const size_t length = strlen(text), header = protocol == TCP ? 20 : 8;
	uint8_t *f = bytes[n], *ip = f + 14, *l4 = ip + (six ? 40 : 20);

	assert_true(n < FRAMES && 54 + header + length <= ROOM);
	memset(f, 0, ROOM);
	put16(f + 12, six ? 0x86dd : 0x0800);
	ip[0] = six ? 0x60 : 0x45;
	put16(ip + (six ? 4 : 2), (unsigned)(header + length + (six ? 0 : 20)));
	ip[six ? 6 : 9] = protocol;
	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, from, ip + (six ? 8 : 12)), 1);
	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, to, ip + (six ? 24 : 16)), 1);
	put16(l4, port);
	put16(l4 + 2, to_port);
	if (protocol == TCP)
		l4[12] = 0x50;
	else
		put16(l4 + 4, (unsigned)(header + length));
	memcpy(l4 + header, text, length);
	frames[n] = (struct frame){.data = f,
				   .caplen = (uint32_t)((size_t)(l4 - f) + header + length),
				   .ts_ns = (n + 1) * MS};
	wanted[n++] = passes;
}

/* In batches of any size. */
static void check(const char *function, const char *args, uint64_t announced, uint64_t media)
{
	for (unsigned batch = 1; batch <= FRAMES; batch++) {
		struct hm_error err;
		struct harness h;

		assert_int_equal(harness_open(&h, function, args, &err), 0);
		harness_run(&h, frames, n, batch, false, passed);
		for (unsigned i = 0; i < n; i++)
			if (passed[i] != wanted[i])
				fail_msg("frame %u, batches of %u: passed is %d", i, batch,
					 passed[i]);
		assert_int_equal(harness_result(&h, "announced"), announced);
		assert_int_equal(harness_result(&h, "media"), media);
		harness_close(&h);
	}
	n = 0;
}

static void refuse(const char *function, const char *args)
{
	struct hm_error err;
	struct harness h;

	assert_true(harness_open(&h, function, args, &err) < 0);
	assert_int_equal(err.mapi_errno, 7001);
	assert_non_null(strstr(err.text, function));
	harness_close(&h);
}
