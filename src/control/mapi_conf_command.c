/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_conf_command: `homardd --mapi-conf FILE` (see mapi_conf.h). What it prints has passed the checks that
 * `--check` makes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config.h"
#include "control/mapi_conf.h"
#include "core/engine.h"
#include "core/registry.h"

static bool has_function(const char *name)
{
	return hm_function_find(name) != NULL;
}

static void add_mistake(void *mistakes, const char *text)
{
	hm_mistake(mistakes, "", "%s", text);
}

/* The converted file as text; NULL with mistakes. */
static char *convert(const char *file, struct hm_mistakes *mistakes)
{
	const struct hm_mapi_conf conf = {.file = file,
					  .home = getenv("HOME"),
					  .has_function = has_function,
					  .mistakes = mistakes,
					  .notes = stderr};
	struct hm_config *config;
	json_t *result = NULL;
	size_t n = 0;
	char *original = hm_config_read(file, &n, mistakes), *text = NULL;

	if (original)
		result = hm_mapi_conf_convert(&conf, original, n);
	free(original);
	if (!result)
		return NULL;
	text = json_dumps(result, JSON_INDENT(2));
	json_decref(result);
	if (!text) {
		hm_mistake(mistakes, "", "out of memory");
		return NULL;
	}
	config = hm_config_parse(text, strlen(text), file, mistakes);
	mistakes->file = file;
	if (config)
		hm_engine_check(config, add_mistake, mistakes);
	hm_config_free(config);
	mistakes->file = NULL;
	return text;
}

/* 0 or -errno. A file that was made and could not be written whole is removed. */
static int write_result(const char *text, const char *output)
{
	FILE *to = output ? fopen(output, "wxe") : stdout;
	int r = 0;

	if (!to)
		return -errno;
	if (fprintf(to, "%s\n", text) < 0 || fflush(to) < 0)
		r = -errno;
	if (output && fclose(to) < 0 && r == 0)
		r = -errno;
	if (output && r < 0)
		unlink(output);
	return r;
}

int hm_mapi_conf_command(const char *file, const char *output)
{
	struct hm_mistakes mistakes = {.check_function = hm_config_check_function};
	char *text = convert(file, &mistakes);
	int status = 0, r;

	if (mistakes.lines.n + mistakes.more > 0) {
		hm_mistakes_print(&mistakes, stderr);
		status = 2;
	} else if ((r = write_result(text, output)) < 0) {
		fprintf(stderr, "homardd: %s: cannot be written: %s\n",
			output ? output : "standard output", strerror(-r));
		status = 1;
	}
	hm_mistakes_free(&mistakes);
	free(text);
	return status;
}
