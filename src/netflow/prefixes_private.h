/* SPDX-License-Identifier: BSD-3-Clause */
/* prefixes_private: what the reader of each kind of file gets, and gives. */
#pragma once

#include <zlib.h>

#include "netflow/prefixes.h"

struct hm_prefixes_file {
	gzFile gz;
	const char *path;
	struct hm_prefixes *list;
	const bool *stop;
	struct hm_error *err;
};

/* Reads just `n` bytes. 1: done; 0: the file ends before the first of them; negative: it ends, or cannot be
 * read, after that, and the sentence says so. */
int hm_prefixes_bytes(struct hm_prefixes_file *f, void *to, unsigned n);
/* Adds one; bits behind its length are an error that begins with `where`. */
int hm_prefixes_add(struct hm_prefixes_file *f, const struct hm_prefix *p, const char *where);

int hm_prefixes_read_text(struct hm_prefixes_file *f);
int hm_prefixes_read_mrt(struct hm_prefixes_file *f);
