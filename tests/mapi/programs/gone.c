/* SPDX-License-Identifier: BSD-3-Clause */
/* gone: what calls say when the daemon is not there (any more). Says "ready" and waits for a line on standard
 * input before it goes on. */
#include "expect.h"

int main(void)
{
	int fd = mapi_create_flow("idle");
	int counter = mapi_apply_function(fd, "PKT_COUNTER");

	if (counter < 0 || mapi_connect(fd) < 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	getchar();
	EXPECT_NULL(5123, "mapi_read_results", "the daemon has gone",
		    mapi_read_results(fd, counter));
	EXPECT(5123, "mapi_create_flow", "there is no daemon", mapi_create_flow("idle"));
	if (mapi_close_flow(fd) < 0)
		printf("mapi_close_flow fails, though nothing is left to close\n");
	return 0;
}
