/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_prefixes: any bytes as a file of prefixes, text or MRT. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "netflow/prefixes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_prefixes l;
	struct hm_error err = {0};
	char path[32];
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = hm_prefixes_read(&l, path, NULL, &err);
	if ((r < 0) != (err.text[0] != '\0') || (r < 0) != (l.n == 0))
		abort();
	for (size_t i = 0; i < l.n; i++)
		if ((l.prefix[i].version != 4 && l.prefix[i].version != 6) ||
		    l.prefix[i].route.length > (l.prefix[i].version == 4 ? 32 : 128))
			abort();
	hm_prefixes_free(&l);
	close(fd);
	return 0;
}
