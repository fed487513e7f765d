/* SPDX-License-Identifier: BSD-3-Clause */
/* search_stats: what the searches of all flows hold, and what the cache of compiled patterns did. */
#include "core/engine_internal.h"

static json_t *device_line(const struct hm_device *d)
{
	const struct hm_search_db *db = d->db;

	return json_pack("{s:s, s:i, s:i, s:I, s:b}", "device", d->config->name, "patterns",
			 db ? (int)hm_search_db_size(db) : 0, "parts",
			 db ? (int)hm_search_db_parts(db) : 0, "bytes",
			 db ? (json_int_t)hm_search_db_bytes(db) : 0, "compiling",
			 !hm_search_store_rests(d->patterns));
}

json_t *hm_search_stats(const struct hm_engine *e)
{
	struct hm_search_cache_stats s;
	json_t *devices = json_array();
	const struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next)
		json_array_append_new(devices, device_line(d));
	hm_search_cache_stats(hm_compiler_cache(e->compiler), &s);
	return json_pack("{s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "devices", devices,
			 "cache", "memory_hits", (json_int_t)s.memory_hits, "memory_bytes",
			 (json_int_t)s.memory_bytes, "disk_hits", (json_int_t)s.disk_hits,
			 "disk_bytes", (json_int_t)s.disk_bytes, "misses", (json_int_t)s.misses,
			 "rejected", (json_int_t)s.rejected, "not_written", (json_int_t)s.failed,
			 "removed", (json_int_t)s.removed);
}
