/* SPDX-License-Identifier: BSD-3-Clause */
/* A libdag of an older release: its three large calls have 32-bit forms only. Built together with
 * fake_dag.c, whose 64-bit calls the build renames to fake_*.
 */
#include "pmd_dag/sim/libdag.h"

#pragma GCC visibility push(default)
int dag_get_stream_buffer_size(int fd, int stream);
int dag_attach_stream(int fd, int stream, uint32_t flags, uint32_t window);
int dag_set_stream_poll(int fd, int stream, uint32_t mindata, struct timeval *maxwait,
			struct timeval *poll);
#pragma GCC visibility pop

int dag_get_stream_buffer_size(int fd, int stream)
{
	return (int)fake_get_stream_buffer_size(fd, stream);
}

int dag_attach_stream(int fd, int stream, uint32_t flags, uint32_t window)
{
	return fake_attach_stream(fd, stream, flags, window);
}

int dag_set_stream_poll(int fd, int stream, uint32_t mindata, struct timeval *maxwait,
			struct timeval *poll)
{
	return fake_set_stream_poll(fd, stream, mindata, maxwait, poll);
}
