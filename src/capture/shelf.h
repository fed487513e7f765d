/* SPDX-License-Identifier: BSD-3-Clause */
/* shelf: removes the oldest files of a capture so that what is left is not too old and not too much. It looks at the
 * folder anew each time: files of an earlier run of the daemon count, and go, too.
 */
#pragma once

#include "core/output.h"

struct hm_shelf {
	uint64_t keep_bytes; // of all its files, the present one too; 0: any
	uint64_t keep_s;     // since a file was last written to; 0: for ever
};

/* `present` is the file being written, which stays; NULL: none. Returns how many were removed, or a negative errno. */
int hm_shelf_tidy(const struct hm_shelf *shelf, const struct hm_output *o,
		  const struct stat *present, time_t now);
