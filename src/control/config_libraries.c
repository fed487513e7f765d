/* SPDX-License-Identifier: BSD-3-Clause */
/* config_libraries: loads the libraries of a configuration, whose functions it may then name. */
#include "control/config.h"
#include "core/load_library.h"

void hm_config_load_library(const char *library, const char *path, struct hm_mistakes *m)
{
	struct hm_error err;
	if (hm_library_load(library, &err) < 0)
		hm_mistake(m, path, "%s", err.text);
}
