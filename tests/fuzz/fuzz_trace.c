/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_trace: any bytes as a trace file of any format. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sum; // keeps the reads

static void read_all(struct hm_trace_reader *r)
{
	struct hm_trace_packet p;
	struct hm_error err;
	uint64_t n = 0, bytes = 0;
	int rc;
	while ((rc = hm_trace_next(r, &p, &err)) == 1) {
		if (p.caplen > p.wirelen || p.caplen > HM_TRACE_CAPLEN_MAX)
			abort();
		for (uint32_t i = 0; i < p.caplen; i++)
			sum ^= p.data[i];
		n++;
	}
	if (rc < 0 && (!err.text[0] || hm_trace_next(r, &p, &err) != rc))
		abort(); // an error stays
	bytes = hm_trace_counts(r)->bytes;
	if (hm_trace_counts(r)->packets != n || !hm_link_supported(hm_trace_link(r)) || !bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_trace_reader *r;
	struct hm_error err;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	// the name says ERF so that records of any time are tried; magic numbers go before it
	r = hm_trace_fdopen(fd, "fuzz.erf", &err);
	if (!r) {
		if (!err.text[0])
			abort();
		close(fd);
		return 0;
	}
	if (size)
		read_all(r);
	hm_trace_close(r);
	return 0;
}
