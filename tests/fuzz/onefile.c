/* SPDX-License-Identifier: BSD-3-Clause */
/* onefile: runs a fuzz target over files and over the files of folders, without libFuzzer; how the
 * corpus is replayed with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static int run_file(const char *path, size_t size)
{
	FILE *const f = fopen(path, "rb");
	uint8_t *const data = malloc(size ? size : 1);
	const int whole = f && data && fread(data, 1, size, f) == size;

	if (whole) {
		LLVMFuzzerTestOneInput(data, size);
		files++;
	} else {
		perror(path);
	}
	if (f)
		fclose(f);
	free(data);
	return whole ? 0 : 1;
}

static int run(const char *path)
{
	struct stat st;
	struct dirent *e;
	DIR *dir;
	int wrong = 0;

	if (stat(path, &st) < 0) {
		perror(path);
		return 1;
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path, (size_t)st.st_size);
	dir = opendir(path);
	if (!dir) {
		perror(path);
		return 1;
	}
	while ((e = readdir(dir))) {
		char inner[4096];
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name) < (int)sizeof(inner))
			wrong |= run(inner);
	}
	closedir(dir);
	return wrong;
}

int main(int argc, char **argv)
{
	int wrong = 0;

	for (int i = 1; i < argc; i++)
		wrong |= run(argv[i]);
	printf("%u files\n", files);
	return wrong || files == 0; // a replay of nothing proves nothing
}
