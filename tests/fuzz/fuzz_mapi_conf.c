/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_mapi_conf: any mapi.conf gives mistakes, or a configuration that the loader takes as it is; never
 * both, never neither. */
#include <stdlib.h>
#include <string.h>

#include "control/config.h"
#include "control/mapi_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool every_function(const char *name)
{
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct hm_mistakes mistakes = {0};
	struct hm_mapi_conf conf = {.file = "mapi.conf",
				    .home = size % 2 ? "/home/somebody" : NULL,
				    .has_function = every_function,
				    .mistakes = &mistakes};
	struct hm_config *config;
	json_t *result;
	char *text;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	conf.notes = nowhere;
	result = hm_mapi_conf_convert(&conf, (const char *)data, size);
	if ((result != NULL) == (mistakes.lines.n > 0))
		abort();
	if (result) {
		text = json_dumps(result, 0);
		config = hm_config_parse(text, strlen(text), "converted", &mistakes);
		if (!config)
			abort();
		hm_config_free(config);
		free(text);
	}
	json_decref(result);
	hm_mistakes_free(&mistakes);
	return 0;
}
