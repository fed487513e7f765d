/* SPDX-License-Identifier: BSD-3-Clause */
/* The worm detector of the MAPI tutorial, as it stands there. Compile it with -DMAPI_RESULT_IS_VALUE. */
#include "mapi.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	int fd, ctr_id1, ctr_id2;
	unsigned long long *ctr_val1, *ctr_val2;

	fd = mapi_create_flow("/dev/dag0");
	mapi_apply_function(fd, "BPF_FILTER", "src port 1234");
	ctr_id1 = mapi_apply_function(fd, "PKT_COUNTER");
	mapi_apply_function(fd, "STR_SEARCH", "pattern", 100, 300);
	ctr_id2 = mapi_apply_function(fd, "PKT_COUNTER");
	mapi_apply_function(fd, "TO_FILE", MFF_PCAP, "worm.trace", 0);
	mapi_connect(fd);

	while (1) {
		ctr_val1 = mapi_read_results(fd, ctr_id1);
		ctr_val2 = mapi_read_results(fd, ctr_id2);

		printf("BPF match: %llu String match: %llu\n", *ctr_val1, *ctr_val2);
		sleep(10);
	}
}
