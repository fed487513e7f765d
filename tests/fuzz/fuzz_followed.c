/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_followed: any bytes as a trace, for the trackers that read what packets say: FTP, SIP, RTSP, and nDPI. Each record
 * is two bytes of length, one of what was on the wire besides and one of seconds since the one before; the rest is the
 * packet. A batch must pass what its packets pass one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "core/parse.h"
#include "require.h"
#include "track/application.h"
#include "track/ftp_tracker.h"
#include "track/media_tracker.h"

#define CONNECTIONS 64
#define IDLE_S      60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hm_batch batch;

/* --- the trackers --- */

static const struct hm_ftp_tracker_conf ftp = {
	.connections = CONNECTIONS, .idle_s = IDLE_S, .port = 21};
static const struct hm_ftp_tracker_conf grid_ftp = {
	.connections = CONNECTIONS, .idle_s = IDLE_S, .port = 2811, .any_data = 1};
static const struct hm_media_tracker_conf sip = {
	.connections = CONNECTIONS, .idle_s = IDLE_S, .port = 5060, .udp = true};
static const struct hm_media_tracker_conf rtsp = {
	.connections = CONNECTIONS, .idle_s = IDLE_S, .port = 554};

/* What the functions are, without their names and arguments. */
static const struct hm_function ftp_tracker = {HM_FTP_TRACKER};
static const struct hm_function media_tracker = {HM_MEDIA_TRACKER};
static const struct hm_function application = {HM_APPLICATION};

static const struct tracker {
	const struct hm_function *fn;
	const void *conf;
} trackers[] = {{&ftp_tracker, &ftp},
		{&ftp_tracker, &grid_ftp},
		{&media_tracker, &sip},
		{&media_tracker, &rtsp}};

static void *start(const struct hm_function *fn, const void *conf)
{
	const struct hm_core_ctx ctx = {.n_workers = 1, .socket = -1, .conf = conf};
	void *core = calloc(1, fn->core_size);
	struct hm_error err = {0};

	require(core && fn->core_init(core, &ctx, &err) == 0, "there is memory");
	return core;
}

static void follow(const struct hm_function *fn, const void *conf)
{
	void *together = start(fn, conf), *alone = start(fn, conf);
	uint64_t passed = fn->process(together, &batch, batch.all), one_by_one = 0;

	hm_mask_foreach (i, batch.all)
		one_by_one |= fn->process(alone, &batch, UINT64_C(1) << i);
	require(!(passed & ~batch.all), "what passes was there");
	require(passed == one_by_one, "a batch passes what its packets pass");
	fn->core_fini(together);
	fn->core_fini(alone);
	free(together);
	free(alone);
}

/* nDPI takes long to start: there is one, and it remembers what earlier inputs were. Its memory is short. */
static void recognize(void)
{
	static struct hm_application_conf conf = {
		.function = "TRACK",
		.options = {.connections = CONNECTIONS,
			    .idle_s = IDLE_S,
			    .packets = 8,
			    .examined = 8,
			    .memory_kib = 1024},
	};
	static void *core;

	if (!core) {
		char near[1];
		int http = hm_dissector_find("HTTP", near, sizeof(near));

		require(http > 0, "nDPI knows HTTP");
		conf.protocols = (struct hm_protocols){1, {(unsigned)http}};
		core = start(&application, &conf);
	}
	require(!(application.process(core, &batch, batch.all) & ~batch.all),
		"what nDPI passes was there");
}

/* --- the trace --- */

static void read_trace(const uint8_t *data, size_t size)
{
	const struct hm_parse_conf conf = {0};
	uint64_t now_ns = 1;

	memset(&batch, 0, sizeof(batch));
	batch.link = HM_LINK_ETHERNET;
	while (size > 4 && batch.n < HM_BATCH_MAX) {
		uint32_t n = (uint32_t)data[0] << 8 | data[1];
		uint8_t *bytes;

		n = n < size - 4 ? n : (uint32_t)size - 4;
		bytes = malloc(n ? n : 1); // its end is the block's end
		require(bytes != NULL, "there is memory");
		memcpy(bytes, data + 4, n);
		now_ns += data[3] * UINT64_C(1000000000);
		batch.data[batch.n] = bytes;
		batch.caplen[batch.n] = n;
		batch.wirelen[batch.n] = n + data[2];
		batch.ts_ns[batch.n] = now_ns;
		batch.all |= UINT64_C(1) << batch.n++;
		data += 4 + n;
		size -= 4 + n;
	}
	hm_parse(&batch, &conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_trace(data, size);
	if (batch.n == 0)
		return 0;
	for (size_t i = 0; i < sizeof(trackers) / sizeof(trackers[0]); i++)
		follow(trackers[i].fn, trackers[i].conf);
	recognize();
	hm_mask_foreach (i, batch.all)
		free((void *)(uintptr_t)batch.data[i]);
	return 0;
}
