/* SPDX-License-Identifier: BSD-3-Clause */
/* gone: what calls say when the daemon is not there (any more). Says "ready", and waits for a line on standard input
 * when the daemon is to be told to stop, and again until it has. */
#include "expect.h"

static void wait_for_a_line(void)
{
	fflush(stdout);
	while (getchar() != '\n')
		;
}

int main(void)
{
	char nowhere[200] = "/";
	int fd = mapi_create_flow("idle");
	int counter = mapi_apply_function(fd, "PKT_COUNTER");

	if (counter < 0 || mapi_connect(fd) < 0)
		return 1;
	printf("ready\n");
	wait_for_a_line();
	EXPECT(6140, "mapi_create_flow", "the daemon is shutting down", mapi_create_flow("idle"));
	wait_for_a_line();
	EXPECT_NULL(5123, "mapi_read_results", "the daemon has gone",
		    mapi_read_results(fd, counter));
	EXPECT(5123, "mapi_create_flow", "there is no daemon", mapi_create_flow("idle"));
	if (mapi_close_flow(fd) < 0)
		printf("mapi_close_flow fails, though nothing is left to close\n");
	for (unsigned i = 1; i < sizeof(nowhere) - 1; i++)
		nowhere[i] = 'x';
	setenv("HOMARD_SOCKET", nowhere, 1);
	EXPECT(5124, "mapi_create_flow", "HOMARD_SOCKET cannot be a socket's path",
	       mapi_create_flow("idle"));
	return 0;
}
