/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that use libmapi at once: each makes, reads and closes flows of its own, all read one flow that they share,
 * and one waits for packets until another closes its flow. Built with ThreadSanitizer, too.
 */
#include <mapi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 6
#define ROUNDS  8

static const char *trace;
static int shared_fd, shared_fid;
static atomic_int failures;

static void check(int good, const char *what)
{
	char text[MAPI_ERRORSTR_LENGTH] = "";
	int number = 0;

	if (good)
		return;
	mapi_read_error(&number, text);
	fprintf(stderr, "%s: %d %s\n", what, number, text);
	atomic_fetch_add(&failures, 1);
}

static void read_trace(unsigned long long packets)
{
	int fd = mapi_create_offline_flow(trace, MFF_PCAP);
	int counter = mapi_apply_function(fd, "PKT_COUNTER");
	int buffer = mapi_apply_function(fd, "TO_BUFFER", WAIT);
	unsigned long long n = 0;
	mapi_results_t *r;

	check(mapi_connect(fd) == 0, "connect");
	while (mapi_get_next_pkt(fd, buffer))
		n++;
	r = mapi_read_results(fd, counter);
	check(n == packets && r && *(unsigned long long *)r->res == n, "packets of a trace");
	check(mapi_close_flow(fd) == 0, "close");
}

static void *work(void *packets)
{
	mapi_function_info_t info;
	int number;

	for (int i = 0; i < ROUNDS; i++) {
		int fd = mapi_create_flow("live");

		check(fd > 0 && mapi_apply_function(fd, "BPF_FILTER", "tcp port 80") > 0, "apply");
		check(mapi_apply_function(fd, "NO_SUCH_FUNCTION") == -1, "a function too many");
		mapi_read_error(&number, NULL);
		check(number == 6144, "this thread's error");
		check(mapi_connect(fd) == 0, "connect");
		check(mapi_read_results(shared_fd, shared_fid) != NULL, "what all read");
		check(mapi_get_function_info(shared_fd, shared_fid, &info) == 0, "info");
		check(mapi_close_flow(fd) == 0, "close");
		if (i % 4 == 0)
			read_trace(*(unsigned long long *)packets);
	}
	return NULL;
}

/* Waits for packets that do not come. */
static void *wait_for_packets(void *fd)
{
	int number;

	check(mapi_get_next_pkt(*(int *)fd, 2) == NULL, "a packet of a closed flow");
	mapi_read_error(&number, NULL);
	check(number == 6145, "the end of a closed flow");
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long long packets = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	pthread_t threads[THREADS], waiting;
	int silent;

	trace = argc > 1 ? argv[1] : "";
	shared_fd = mapi_create_flow("live");
	shared_fid = mapi_apply_function(shared_fd, "PKT_COUNTER");
	check(mapi_connect(shared_fd) == 0, "connect");
	silent = mapi_create_flow("live");
	check(mapi_apply_function(silent, "BPF_FILTER", "port 1 and port 2") == 1, "apply");
	check(mapi_apply_function(silent, "TO_BUFFER") == 2, "apply");
	check(mapi_connect(silent) == 0, "connect");
	pthread_create(&waiting, NULL, wait_for_packets, &silent);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, &packets);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(mapi_close_flow(silent) == 0, "close");
	pthread_join(waiting, NULL);
	check(mapi_close_flow(shared_fd) == 0, "close");
	return atomic_load(&failures) > 0;
}
