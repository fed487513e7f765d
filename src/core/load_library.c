/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/load_library.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/registry.h"

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)
#define NAME_MAX_BYTES     63

/* --- whose file it is --- */

static bool is_ours(const struct stat *s)
{
	return s->st_uid == 0 || s->st_uid == geteuid();
}

/* In a folder with the sticky bit nobody replaces what is not his. */
static bool is_safe_folder(const struct stat *s)
{
	return is_ours(s) && (!(s->st_mode & WRITABLE_BY_OTHERS) || (s->st_mode & S_ISVTX));
}

/* Who may write to a folder on the way can put another file there. `path` is canonical. */
static int check_folders(const char *path, struct hm_error *err)
{
	char folder[PATH_MAX];
	struct stat s;

	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		size_t n = slash == path ? 1 : (size_t)(slash - path);

		memcpy(folder, path, n);
		folder[n] = '\0';
		if (stat(folder, &s) < 0)
			return hm_error_set(err, -errno, 0, "%s: %s", folder, strerror(errno));
		if (!is_safe_folder(&s))
			return hm_error_set(err, -EPERM, 0,
					    "%s: others can replace it, since they own or may "
					    "write to the folder %s",
					    path, folder);
	}
	return 0;
}

static int check_file(const char *path, char canonical[PATH_MAX], struct hm_error *err)
{
	struct stat s;

	if (path[0] != '/')
		return hm_error_set(err, -EINVAL, 0, "%s: must be an absolute path", path);
	if (!realpath(path, canonical) || stat(canonical, &s) < 0)
		return hm_error_set(err, -errno, 0, "%s: %s", path, strerror(errno));
	if (!S_ISREG(s.st_mode))
		return hm_error_set(err, -EINVAL, 0, "%s: is no regular file", path);
	if (!is_ours(&s))
		return hm_error_set(err, -EPERM, 0,
				    "%s: belongs to user %u; it must belong to root or to the "
				    "daemon's user, %u",
				    path, (unsigned)s.st_uid, (unsigned)geteuid());
	if (s.st_mode & WRITABLE_BY_OTHERS)
		return hm_error_set(err, -EPERM, 0,
				    "%s: others may write to it (mode %04o); chmod go-w", path,
				    (unsigned)s.st_mode & 07777);
	return check_folders(canonical, err);
}

/* --- that it is whole --- */

/* Whether what the header says is to be mapped is in a file of that size. */
static bool is_whole(FILE *f, const Elf64_Ehdr *e, uint64_t size)
{
	for (unsigned i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr p;

		if (fseeko(f, (off_t)(e->e_phoff + (uint64_t)i * sizeof(p)), SEEK_SET) < 0 ||
		    fread(&p, sizeof(p), 1, f) != 1)
			return false;
		if (p.p_type == PT_LOAD && (p.p_offset > size || p.p_filesz > size - p.p_offset))
			return false;
	}
	return true;
}

/* dlopen() maps what the file promises: of one that was copied in part it would end by a SIGBUS. */
static int check_whole(const char *path, struct hm_error *err)
{
	FILE *f = fopen(path, "re");
	Elf64_Ehdr e = {0};
	struct stat s;
	bool whole;

	if (!f || fstat(fileno(f), &s) < 0) {
		if (f)
			fclose(f);
		return hm_error_set(err, -errno, 0, "%s: %s", path, strerror(errno));
	}
	whole = fread(&e, sizeof(e), 1, f) != 1 || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
		e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(Elf64_Phdr) ||
		is_whole(f, &e, (uint64_t)s.st_size); // what is no such file dlopen() refuses
	fclose(f);
	if (!whole)
		return hm_error_set(
			err, -ENOEXEC, 0,
			"%s: cannot be loaded: the file is shorter than its header says", path);
	return 0;
}

/* --- its name --- */

/* /usr/lib/homard/libttl.so.1 is "ttl". To be freed, or to stay. */
static char *name_of(const char *path)
{
	const char *base = strrchr(path, '/') + 1, *end;

	if (!strncmp(base, "lib", 3))
		base += 3;
	end = strstr(base, ".so");
	return strndup(base, end ? (size_t)(end - base) : strlen(base));
}

/* Programs name a library's function "library:FUNCTION". */
static bool is_taken(const char *name)
{
	json_t *list = hm_function_libraries(), *library;
	bool taken = false;
	size_t i;

	json_array_foreach (list, i, library)
		taken |= !strcmp(json_string_value(json_object_get(library, "name")), name);
	json_decref(list);
	return taken;
}

static int check_name(const char *path, const char *name, struct hm_error *err)
{
	if (!name)
		return hm_error_set(err, -ENOMEM, 3084, "out of memory");
	if (!name[0] || strlen(name) > NAME_MAX_BYTES)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: a library is named by its file, 1 to %d bytes without "
				    "\"lib\" and \".so\"",
				    path, NAME_MAX_BYTES);
	if (is_taken(name))
		return hm_error_set(err, -EEXIST, 0, "%s: there is a library \"%s\" already", path,
				    name);
	return 0;
}

/* --- loading --- */

static int load(const char *path, const char *name, struct hm_error *err)
{
	struct hm_error cause = {0};
	void *object;
	int n;

	hm_registry_begin(name);
	// all symbols now: one that is missing must not be found out by a packet. Local: two libraries may use
	// one name each for something of their own.
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	n = hm_registry_end(&cause);
	if (object && n > 0)
		return 0;
	if (!object)
		return hm_error_set(err, -ENOEXEC, 0, "%s: cannot be loaded: %s", path, dlerror());
	if (n == 0)
		hm_error_set(&cause, n = -EINVAL, 0,
			     "registers no function; HM_FUNCTION_REGISTER() does, at the end of "
			     "each function's file");
	dlclose(object);
	return hm_error_set(err, n, cause.mapi_errno, "%s: %s", path, cause.text);
}

int hm_library_load(const char *path, struct hm_error *err)
{
	char canonical[PATH_MAX], *name;
	int ret = check_file(path, canonical, err);

	if (ret < 0)
		return ret;
	name = name_of(path);
	ret = check_name(path, name, err);
	if (ret == 0)
		ret = check_whole(path, err);
	if (ret == 0)
		ret = load(canonical, name, err);
	if (ret < 0)
		free(name);
	return ret;
}
