/* SPDX-License-Identifier: BSD-3-Clause */
/* scaffold: what the small programs here share. A program is a list of examples; each applies functions to a flow
 * of its own and prints a result. The same sources are built in three dialects, and are C++, too:
 *
 *	TUTORIAL  headers in stdlib/, what mapi_read_results() gives is the value itself
 *	MAPI1     mapi_create_offline_flow(), and a third argument of mapi_read_results()
 *	MAPI2     offline devices, mapi_results_t
 *
 * usage: PROGRAM trace FILE | PROGRAM device NAME
 *
 * On a device it says "ready" when the flows are connected, and reads results once it is told so on standard input.
 */
#ifndef SCAFFOLD_H
#define SCAFFOLD_H

#define TUTORIAL 0
#define MAPI1    1
#define MAPI2    2

#if DIALECT == TUTORIAL
#define MAPI_RESULT_IS_VALUE
#endif

#include <mapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct example {
	const char *name;
	int (*apply)(int fd); /* returns the function to read */
	void (*print)(int fd, int fid);
};

#define EXAMPLES_MAX 32

/* What a function's result is, NULL: there is none (any more). */
static inline const void *result(int fd, int fid)
{
#if DIALECT == TUTORIAL
	return mapi_read_results(fd, fid);
#elif DIALECT == MAPI1
	mapi_results_t *r = mapi_read_results(fd, fid, MAPI_REF);
	return r ? r->res : NULL;
#else
	mapi_results_t *r = mapi_read_results(fd, fid);
	return r ? r->res : NULL;
#endif
}

static inline void fail(const char *what)
{
	char text[MAPI_ERRORSTR_LENGTH] = "";
	int number = 0;

	mapi_read_error(&number, text);
	printf("%s failed: %d %s\n", what, number, text);
	exit(1);
}

static inline unsigned long long ull(int fd, int fid)
{
	const void *r = result(fd, fid);

	if (!r)
		fail("mapi_read_results");
	return *(const unsigned long long *)r;
}

static inline void print_ull(int fd, int fid)
{
	printf("%llu\n", ull(fd, fid));
}

/* Where packets come from, and all flows that see them. */
static char **scaffold_argv, *scaffold_device;
static int scaffold_fds[EXAMPLES_MAX], scaffold_n;

static inline int on_device(void)
{
	return strcmp(scaffold_argv[1], "device") == 0;
}

/* One more flow over the same packets. */
static inline int create_flow(void)
{
	int fd;

	if (on_device())
		fd = mapi_create_flow(scaffold_argv[2]);
	else if (scaffold_device)
		fd = mapi_create_flow(scaffold_device);
	else
		fd = mapi_create_offline_flow(scaffold_argv[2], MFF_PCAP);
	if (fd < 0)
		fail("mapi_create_flow");
	scaffold_fds[scaffold_n++] = fd;
	return fd;
}

static inline void wait_until_finished(int fd)
{
	mapi_flow_info_t info;

	do {
		usleep(2000);
		if (mapi_get_flow_info(fd, &info) < 0)
			fail("mapi_get_flow_info");
	} while (info.status != FLOW_FINISHED);
}

/* Until the packets are there: told by standard input, or the end of the trace. */
static inline void wait_for_packets(void)
{
	if (on_device()) {
		printf("ready\n");
		fflush(stdout);
		getchar();
		return;
	}
	for (int i = 0; i < scaffold_n; i++)
		wait_until_finished(scaffold_fds[i]);
}

static inline void connect_all(void)
{
	for (int i = 0; i < scaffold_n; i++)
		if (mapi_connect(scaffold_fds[i]) < 0)
			fail("mapi_connect");
	if (scaffold_device && mapi_start_offline_device(scaffold_device) < 0)
		fail("mapi_start_offline_device");
}

/* Runs all examples over the same packets, and prints "NAME RESULT" of each. */
static inline int run(const struct example *examples, int argc, char **argv)
{
	int fds[EXAMPLES_MAX], fids[EXAMPLES_MAX], n;

	if (argc != 3)
		return 2;
	scaffold_argv = argv;
#if DIALECT == MAPI2
	if (!on_device() && !(scaffold_device = mapi_create_offline_device(argv[2], MFF_PCAP)))
		fail("mapi_create_offline_device");
#endif
	for (n = 0; examples[n].name; n++) {
		fds[n] = create_flow();
		fids[n] = examples[n].apply(fds[n]);
		if (fids[n] < 0)
			fail(examples[n].name);
	}
	connect_all();
	wait_for_packets();
	for (int i = 0; i < n; i++) {
		printf("%s ", examples[i].name);
		examples[i].print(fds[i], fids[i]);
	}
	for (int i = 0; i < scaffold_n; i++)
		if (mapi_close_flow(scaffold_fds[i]) < 0)
			fail("mapi_close_flow");
	if (scaffold_device && mapi_delete_offline_device(scaffold_device) < 0)
		fail("mapi_delete_offline_device");
	return 0;
}

#endif
