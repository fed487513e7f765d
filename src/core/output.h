/* SPDX-License-Identifier: BSD-3-Clause */
/* output: where a function writes; what an argument of type HM_ARG_OUTPUT (MAPI's 'w') stands for.
 *
 * It is one of three things:
 *   - a file that a client opened for writing and passed; the argument is only what it is called,
 *   - names (output_name.h) below a folder that a client opened and passed: files are made there with that
 *     client's rights,
 *   - names below the folder `capture.dir` of the configuration, for the configuration's own flows and
 *     administrators, with the daemon's rights.
 * No name leads out of its folder, by ".." or by a link, whoever changes what there: the kernel sees to that.
 *
 * Create and destroy on the control core; all others on any one thread that may wait for a disk.
 */
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "core/function.h"
#include "core/output_name.h"

struct hm_output;

/* In conf_init, with the argument's string. NULL with err and errno: 6155. */
struct hm_output *hm_output_create(const char *name, const struct hm_apply_ctx *ctx,
				   struct hm_error *err);
void hm_output_destroy(struct hm_output *o); // NULL is allowed
/* One file was passed: there is no second one. */
bool hm_output_is_file(const struct hm_output *o);
const char *hm_output_name(const struct hm_output *o);

/* Opens the next file, empty and for writing; the caller closes it. `number` counts from 1, time is for the name. Its
 * name goes to `made` (HM_OUTPUT_NAME_MAX). A descriptor, or a negative errno with err (6155). */
int hm_output_open(struct hm_output *o, uint64_t time_ns, uint64_t number, char *made,
		   struct hm_error *err);
/* The same file once more, past the page cache (O_DIRECT); negative errno: not here. */
int hm_output_open_direct(const struct hm_output *o, int fd);

/* Calls `found` for each regular file in its folder whose name it may have made. 0 or a negative errno. */
typedef void (*hm_output_cb)(void *arg, const char *made, const struct stat *st);
int hm_output_list(const struct hm_output *o, hm_output_cb found, void *arg);
/* Removes one, if it still is that one (st_dev and st_ino). 0 or a negative errno. */
int hm_output_remove(const struct hm_output *o, const char *made, const struct stat *st);
/* Its whole path as the daemon sees it now; false: there is none that fits. */
bool hm_output_path(const struct hm_output *o, const char *made, char *path, size_t size);
