/* SPDX-License-Identifier: BSD-3-Clause */
/* The transports, each against the other end. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "netflow/transport.h"

#define MESSAGE 1000
#define TRIES   5000 // of a millisecond

static struct hm_endpoint to;
static struct hm_connection *c;

static int set_up(void **state)
{
	(void)state;
	memset(&to, 0, sizeof(to));
	to.multicast_ttl = 1;
	strcpy(to.host, "127.0.0.1");
	c = NULL;
	return 0;
}

static void nap(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static int listen_somewhere(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	to.port = ntohs(a.sin_port);
	return fd;
}

static int accept_soon(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	assert_int_equal(poll(&p, 1, TRIES), 1);
	return accept(listener, NULL, NULL);
}

/* Message i: its number again and again. */
static void fill(uint8_t *bytes, uint32_t i)
{
	for (unsigned k = 0; k < MESSAGE / 4; k++)
		memcpy(bytes + 4 * k, &i, 4);
}

static int send_one(const struct hm_transport *t, uint32_t i)
{
	uint8_t bytes[MESSAGE];
	const struct iovec v = {.iov_base = bytes, .iov_len = sizeof(bytes)};

	fill(bytes, i);
	return t->send(c, &v, 1);
}

static void send_surely(const struct hm_transport *t, uint32_t i)
{
	int r = -EAGAIN;

	for (unsigned k = 0; k < TRIES && r == -EAGAIN; k++) {
		r = send_one(t, i);
		if (r == -EAGAIN)
			nap();
	}
	assert_int_equal(r, 1);
}

/* --- TCP --- */

static void read_whole(int fd, uint8_t *to_bytes, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = recv(fd, to_bytes + got, n - got, 0);
		assert_true(r > 0);
		got += (size_t)r;
	}
}

/* A reader that is slower than the writer gets every message, whole and in order. */
static void test_transport_tcp_slow_reader_gets_all_whole_messages(void **state)
{
	const struct hm_transport *t = &hm_transport_tcp;
	int listener = listen_somewhere(SOCK_STREAM), fd;
	uint8_t all[8][MESSAGE], got[MESSAGE], want[MESSAGE];
	uint32_t sent = 0, busy = 0, read = 0;

	(void)state;
	c = t->open(&to);
	assert_non_null(c);
	send_surely(t, sent++);
	fd = accept_soon(listener);
	while (sent < 20000) {
		struct iovec v[8];
		int n;
		for (uint32_t i = 0; i < 8; i++) {
			fill(all[i], sent + i);
			v[i] = (struct iovec){.iov_base = all[i], .iov_len = MESSAGE};
		}
		n = t->send(c, v, 8);
		if (n > 0) {
			sent += (uint32_t)n;
			continue;
		}
		assert_int_equal(n, -EAGAIN); // the buffers are full: some are read
		assert_true(t->pending(c) > 0);
		busy++;
		for (unsigned i = 0; i < 300 && read < sent; i++, read++) {
			read_whole(fd, got, MESSAGE);
			fill(want, read);
			assert_memory_equal(got, want, MESSAGE);
		}
		t->flush(c);
	}
	assert_true(busy > 10);
	for (; read < sent; read++) {
		t->flush(c);
		read_whole(fd, got, MESSAGE);
		fill(want, read);
		assert_memory_equal(got, want, MESSAGE);
	}
	assert_true(t->flush(c));
	t->close(c);
	assert_int_equal(recv(fd, got, 1, 0), 0);
	close(fd);
	close(listener);
}

static void test_transport_tcp_refused_connection_is_told(void **state)
{
	int fd = listen_somewhere(SOCK_STREAM), r = -EAGAIN;

	(void)state;
	close(fd); // now nobody listens there
	c = hm_transport_tcp.open(&to);
	if (!c) {
		assert_int_equal(errno, ECONNREFUSED);
		return;
	}
	for (unsigned i = 0; i < TRIES && r == -EAGAIN; i++, nap())
		r = send_one(&hm_transport_tcp, 0);
	assert_int_equal(r, -ECONNREFUSED);
	hm_transport_tcp.close(c);
}

static void test_transport_tcp_collector_that_leaves_is_noticed(void **state)
{
	const struct hm_transport *t = &hm_transport_tcp;
	int listener = listen_somewhere(SOCK_STREAM), fd, r = 1;

	(void)state;
	c = t->open(&to);
	send_surely(t, 0);
	fd = accept_soon(listener);
	close(fd);
	close(listener);
	for (uint32_t i = 1; i < TRIES && (r == 1 || r == -EAGAIN); i++, nap())
		r = send_one(t, i);
	assert_true(r == -EPIPE || r == -ECONNRESET);
	t->close(c);
}

/* --- UDP --- */

static void test_transport_udp_multicast_reaches_a_member(void **state)
{
	const struct hm_transport *t = &hm_transport_udp;
	const struct timeval timeout = {.tv_sec = 5};
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct ip_mreqn join = {.imr_address.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t got[MESSAGE], want[MESSAGE];

	(void)state;
	strcpy(to.host, "239.255.77.77");
	strcpy(to.source, "127.0.0.1");
	inet_pton(AF_INET, to.host, &join.imr_multiaddr);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) < 0) {
		close(fd);
		skip();
	}
	to.port = ntohs(a.sin_port);
	assert_int_equal(t->check(&to, NULL), 0);
	c = t->open(&to);
	assert_non_null(c);
	send_surely(t, 7);
	fill(want, 7);
	assert_int_equal(recvfrom(fd, got, MESSAGE, 0, (struct sockaddr *)&a, &length), MESSAGE);
	assert_memory_equal(got, want, MESSAGE);
	assert_int_equal(a.sin_addr.s_addr,
			 htonl(INADDR_LOOPBACK)); // the source that was asked for
	t->close(c);
	close(fd);
}

/* --- files --- */

static char folder[64];

static int make_folder(void **state)
{
	set_up(state);
	strcpy(folder, "/tmp/test_transport.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(to.path, sizeof(to.path), "%s/a.ipfix", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(to.path);
	rmdir(folder);
	return 0;
}

static void check_file(uint32_t n)
{
	uint8_t got[MESSAGE], want[MESSAGE];
	FILE *f = fopen(to.path, "re");

	assert_non_null(f);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(fread(got, 1, MESSAGE, f), MESSAGE);
		fill(want, i);
		assert_memory_equal(got, want, MESSAGE);
	}
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
}

static void test_transport_file_has_all_messages_and_grows(void **state)
{
	const struct hm_transport *t = &hm_transport_file;
	struct hm_error err;

	(void)state;
	assert_int_equal(t->check(&to, &err), 0);
	for (uint32_t half = 0; half < 2; half++) { // opened again, what is there stays
		c = t->open(&to);
		assert_non_null(c);
		for (uint32_t i = 0; i < 10000; i++) // more than the buffer holds
			send_surely(t, half * 10000 + i);
		for (unsigned i = 0; i < TRIES && !t->flush(c); i++)
			nap();
		assert_true(t->flush(c));
		assert_int_equal(t->pending(c), 0);
		t->close(c);
	}
	check_file(20000);
}

/* The disk is full: what could not be written whole is not there at all. */
static void test_transport_file_full_disk_leaves_whole_messages(void **state)
{
	const struct hm_transport *t = &hm_transport_file;
	struct rlimit before, limit;
	int r = 0;
	struct stat s;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 100 * MESSAGE + MESSAGE / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	c = t->open(&to);
	assert_non_null(c);
	for (uint32_t i = 0; i < TRIES && r >= 0; i++) {
		r = send_one(t, i);
		if (r == -EAGAIN)
			r = 0;
		nap();
	}
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(r, -EFBIG);
	assert_true(t->pending(c) >= MESSAGE);
	assert_int_equal(t->error(c), -EFBIG);
	t->close(c);
	assert_int_equal(stat(to.path, &s), 0);
	assert_int_equal(s.st_size % MESSAGE, 0);
	check_file((uint32_t)(s.st_size / MESSAGE));
}

static void test_transport_file_refuses_what_is_no_file(void **state)
{
	struct hm_error err;

	(void)state;
	strcpy(to.path, "relative");
	assert_int_equal(hm_transport_file.check(&to, &err), -EINVAL);
	strcpy(to.path, "/dev/null");
	assert_int_equal(hm_transport_file.check(&to, &err), -EINVAL);
	assert_null(hm_transport_file.open(&to));
	strcpy(to.path, "/no/such/folder/file");
	assert_null(hm_transport_file.open(&to));
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_transport_tcp_slow_reader_gets_all_whole_messages,
				       set_up),
		cmocka_unit_test_setup(test_transport_tcp_refused_connection_is_told, set_up),
		cmocka_unit_test_setup(test_transport_tcp_collector_that_leaves_is_noticed, set_up),
		cmocka_unit_test_setup(test_transport_udp_multicast_reaches_a_member, set_up),
		cmocka_unit_test_setup_teardown(test_transport_file_has_all_messages_and_grows,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_transport_file_full_disk_leaves_whole_messages,
						make_folder, remove_folder),
		cmocka_unit_test_setup(test_transport_file_refuses_what_is_no_file, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
