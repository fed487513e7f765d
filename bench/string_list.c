/* SPDX-License-Identifier: BSD-3-Clause */
#include "string_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_line(struct string_list *s, const char *line)
{
	char **more = realloc(s->at, (s->n + 1) * sizeof(*more));

	if (!more)
		return -1;
	s->at = more;
	s->at[s->n] = strdup(line);
	return s->at[s->n] ? (s->n++, 0) : -1;
}

int string_list_load(struct string_list *s, const char *file)
{
	FILE *f = fopen(file, "r");
	char *line = NULL;
	size_t room = 0;
	int rc = 0;

	if (!f) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		return -1;
	}
	while (rc == 0 && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] != '\0')
			rc = add_line(s, line);
	}
	free(line);
	fclose(f);
	if (rc < 0)
		fprintf(stderr, "%s: out of memory\n", file);
	return rc;
}

void string_list_free(struct string_list *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i]);
	free(s->at);
}

hs_database_t *string_list_compile(const struct string_list *s, size_t n)
{
	unsigned *flags = calloc(n, sizeof(*flags)), *ids = calloc(n, sizeof(*ids));
	size_t *lengths = calloc(n, sizeof(*lengths));
	hs_compile_error_t *why = NULL;
	hs_database_t *db = NULL;

	for (size_t i = 0; flags && ids && lengths && i < n; i++) {
		ids[i] = (unsigned)i;
		lengths[i] = strlen(s->at[i]);
	}
	if (!flags || !ids || !lengths)
		fputs("out of memory\n", stderr);
	else if (hs_compile_lit_multi((const char *const *)s->at, flags, ids, lengths, (unsigned)n,
				      HS_MODE_BLOCK, NULL, &db, &why) != HS_SUCCESS)
		fprintf(stderr, "hyperscan: %s\n", why->message);
	if (why)
		hs_free_compile_error(why);
	free(flags);
	free(ids);
	free(lengths);
	return db;
}
