/* SPDX-License-Identifier: BSD-3-Clause */
/* In which of MAPI's function libraries a function was, and in which order: programs name functions by them
 * ("stdflib:GAP") and list them. What MAPI did not have is in "homard". All of it is in this program; libraries that
 * it has loaded come behind.
 */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "core/registry.h"

#define OTHERS "homard"

static const struct library {
	const char *name;
	const char *functions[24];
} libraries[] = {
	{"stdflib", {"HASH",         "BINOP",    "BPF_FILTER", "BUCKET",    "BURST",
		     "BYTE_COUNTER", "DIST",     "GAP",        "HASHSAMP",  "PKT_COUNTER",
		     "PKTINFO",      "RES2FILE", "SAMPLE",     "STARTSTOP", "STATS",
		     "STR_SEARCH",   "SYNC",     "THRESHOLD",  "TO_FILE",   "TO_BUFFER"}},
	{"extraflib", {"ANONYMIZEIP", "COOKING", "EXPIRED_FLOWS", "INJECT", "REGEXP", "TOP"}},
	{"anonflib", {"PRINT_PACKET", "ANONYMIZE", "UNCOOK"}},
	{"ipfixflib", {"FLOW_REPORT"}},
	{"trackflib",
	 {"TRACK_FTP", "TRACK_GNUTELLA", "TRACK_TORRENT", "TRACK_DC", "TRACK_EDONKEY",
	  "TRACK_IPOVERIP", "TRACK_IRC", "TRACK_SKYPE", "TRACK_WEB", "TRACK_MAPI",
	  "TRACK_GRID_FTP"}},
	{"dagflib", {"INTERFACE"}},
	{"rulerflib", {"RULER"}},
};

#define N_LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

const char *hm_function_library(const struct hm_function *f)
{
	const char *loaded = hm_registry_loaded(f);

	if (loaded)
		return loaded;
	for (size_t i = 0; i < N_LIBRARIES; i++)
		for (const char *const *name = libraries[i].functions; *name; name++)
			if (!strcasecmp(*name, f->name))
				return libraries[i].name;
	return OTHERS;
}

static void add_library(json_t *list, const char *name, json_t *functions)
{
	if (json_array_size(functions) > 0)
		json_array_append_new(list, json_pack("{s:i, s:s, s:O}", "library",
						      (int)json_array_size(list), "name", name,
						      "functions", functions));
	json_decref(functions);
}

/* Sorted by name. */
static json_t *functions_of(const char *library)
{
	json_t *functions = json_array();

	for (const struct hm_function *f = hm_function_next(NULL); f; f = hm_function_next(f))
		if (!strcmp(hm_function_library(f), library))
			json_array_append_new(functions, json_string(f->name));
	return functions;
}

static bool is_listed(const json_t *list, const char *name)
{
	json_t *library;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, library)
		if (!strcmp(json_string_value(json_object_get(library, "name")), name))
			return true;
	return false;
}

json_t *hm_function_libraries(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < N_LIBRARIES; i++) {
		json_t *functions = json_array();

		for (const char *const *name = libraries[i].functions; *name; name++) {
			const struct hm_function *f = hm_function_find(*name);

			if (f && !hm_registry_loaded(f))
				json_array_append_new(functions, json_string(*name));
		}
		add_library(list, libraries[i].name, functions);
	}
	add_library(list, OTHERS, functions_of(OTHERS));
	for (const struct hm_function *f = hm_function_next(NULL); f; f = hm_function_next(f)) {
		const char *loaded = hm_registry_loaded(f);

		if (loaded && !is_listed(list, loaded))
			add_library(list, loaded, functions_of(loaded));
	}
	return list;
}
