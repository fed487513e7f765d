/* SPDX-License-Identifier: BSD-3-Clause */
/* fork: a child has no flows and no devices of its parent, and begins a session of its own if it makes some. What the
 * parent's threads were in the midst of is left as it is, and not used any more.
 */
#include <pthread.h>

#include "client/libmapi/internal.h"

static void in_child(void)
{
	session_forget();
	table_forget();
	device_forget();
}

static void __attribute__((constructor)) watch(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
