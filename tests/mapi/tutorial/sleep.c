/* SPDX-License-Identifier: BSD-3-Clause */
/* In place of libc's sleep(): tests need not wait so long, and want to see what was printed. */
#include <stdio.h>
#include <unistd.h>

unsigned sleep(unsigned seconds)
{
	fflush(stdout);
	usleep(50000);
	return 0 * seconds;
}
