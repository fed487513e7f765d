/* SPDX-License-Identifier: BSD-3-Clause */
/* onefile: runs a fuzz target over the files and folders it is given, without libFuzzer, so that
 * every build replays the corpus and every crash found can be looked at with a debugger.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1); // exact, so that the sanitizer sees its end
	int ok = f && data && fread(data, 1, size, f) == size;
	if (ok)
		LLVMFuzzerTestOneInput(data, size);
	else
		fprintf(stderr, "%s: cannot read: %s\n", path, strerror(errno));
	free(data);
	if (f)
		fclose(f);
	return ok ? 1 : -1;
}

/* The number of files run, or -1. */
static int run_path(const char *path)
{
	struct dirent *entry;
	struct stat st;
	int n = 0;
	DIR *dir;
	if (stat(path, &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path, (size_t)st.st_size);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (n >= 0 && (entry = readdir(dir))) {
		char child[4096];
		int done;
		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		done = run_path(child);
		n = done < 0 ? -1 : n + done;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;
	for (int i = 1; i < argc; i++) {
		int done = run_path(argv[i]);
		if (done < 0)
			return EXIT_FAILURE;
		n += done;
	}
	printf("%d inputs\n", n);
	return n ? EXIT_SUCCESS : EXIT_FAILURE; // an empty corpus proves nothing
}
