/* SPDX-License-Identifier: BSD-3-Clause */
/* load_library: packet functions out of the tree, in shared objects that the configuration names. Their code runs in the
 * daemon, on its packet path and with its rights, so only files are loaded that nobody but root and the daemon's own
 * user could have changed. A library is loaded whole or not at all, and stays.
 */
#pragma once

#include "core/error.h"

/* Loads the shared object at the absolute path, and registers its functions under the library's name: the file's,
 * without "lib" and ".so". 0, or negative errno with err. Before anybody reads the registry. */
int hm_library_load(const char *path, struct hm_error *err);
