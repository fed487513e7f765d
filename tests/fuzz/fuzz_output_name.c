/* SPDX-License-Identifier: BSD-3-Clause */
/* Names that clients give for files. Input: name, a zero, a name found in a folder. Whatever is accepted stays
 * below its folder once it is made, and is recognized again; what is found is only compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/output_name.h"

#define TIME_NS UINT64_C(1700049600000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what, const char *name)
{
	if (holds)
		return;
	fprintf(stderr, "violated: %s: %s\n", what, name);
	abort();
}

static void check_made(const char *name, unsigned again)
{
	char made[HM_OUTPUT_NAME_MAX];
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	char *again_slash;

	if (!hm_output_name_make(name, TIME_NS, 123456, again, made, sizeof(made)))
		return;
	require(made[0] && made[0] != '/', "it is a path below the folder", made);
	require(!strstr(made, "/../") && strncmp(made, "../", 3) != 0 && strcmp(made, "..") != 0,
		"it does not lead out", made);
	again_slash = strrchr(made, '/');
	require(!slash == !again_slash, "it is in the folder that the name says", made);
	// "%n1" and the like: digits behind digits are the number's
	if (!strstr(base, "%n"))
		require(hm_output_name_matches(base, again_slash ? again_slash + 1 : made),
			"it is recognized", made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = malloc(size + 2);
	const char *found;
	struct hm_error err;

	memcpy(name, data, size);
	name[size] = name[size + 1] = '\0';
	found = name + strlen(name) + 1;
	if (hm_output_name_check(name, &err) == 0) {
		const char *slash = strrchr(name, '/');

		hm_output_name_matches(slash ? slash + 1 : name, found);
		hm_output_name_has_time(name);
		check_made(name, 0);
		check_made(name, 7);
	} else {
		require(err.mapi_errno == 6155 && err.text[0], "an error says why", name);
	}
	free(name);
	return 0;
}
