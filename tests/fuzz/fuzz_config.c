/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_config: the configuration's loader reads anything: a configuration or mistakes, never both,
 * never neither. */
#include <stdlib.h>

#include "control/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = hm_config_parse((const char *)data, size, "fuzz.json", &m);
	if ((c != NULL) == (m.lines.n > 0))
		abort();
	hm_config_free(c);
	hm_mistakes_free(&m);
	return 0;
}
