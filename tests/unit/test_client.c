/* SPDX-License-Identifier: BSD-3-Clause */
/* client: which answer a descriptor is for, and what is too long to be asked, against a daemon of the test's own. */
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/client.h"

#define LINE_BYTES 200
#define MARK       4711 // bytes of the file whose descriptor is sent

struct daemon {
	char folder[32], path[64];
	int listener, peer;
	FILE *in;
	pthread_t thread;
};

static json_t *next_request(struct daemon *d)
{
	char *line = NULL;
	size_t room = 0;
	json_t *request = getline(&line, &room, d->in) > 0 ? json_loads(line, 0, NULL) : NULL;

	free(line);
	return request;
}

/* Names the method in its result. Takes over the request. */
static char *answer_to(json_t *request)
{
	json_t *answer =
		json_pack("{s:s, s:O, s:{s:O, s:{s:i}}}", "jsonrpc", "2.0", "id",
			  json_object_get(request, "id"), "result", "method",
			  json_object_get(request, "method"), "limits", "line_bytes", LINE_BYTES);
	char *line;

	if (!strcmp(json_string_value(json_object_get(request, "method")), "flow.buffer"))
		json_object_set_new(json_object_get(answer, "result"), "fd", json_true());
	line = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	json_decref(request);
	return line;
}

/* In one piece, as the kernel gives it to who is late: the descriptor is the last line's. */
static void send_at_once(struct daemon *d, char *lines[], unsigned n, int fd)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	char text[2048] = "";
	struct iovec v = {.iov_base = text};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	for (unsigned i = 0; i < n; i++) {
		strcat(strcat(text, lines[i]), "\n");
		free(lines[i]);
	}
	v.iov_len = strlen(text);
	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	if (sendmsg(d->peer, &m, MSG_NOSIGNAL) != (ssize_t)v.iov_len)
		abort();
}

/* Waits for three requests after the hello; that for a descriptor is answered last. */
static void *serve(void *arg)
{
	struct daemon *d = arg;
	int fd = memfd_create("mark", MFD_CLOEXEC);
	char *lines[3] = {NULL};

	d->peer = accept(d->listener, NULL, NULL);
	d->in = fdopen(d->peer, "r");
	if (fd < 0 || !d->in || ftruncate(fd, MARK) < 0)
		abort();
	lines[0] = answer_to(next_request(d));
	send_at_once(d, lines, 1, -1);
	for (unsigned i = 0, others = 0; i < 3; i++) {
		char *line = answer_to(next_request(d));
		lines[strstr(line, "flow.buffer") ? 2 : others++] = line;
	}
	send_at_once(d, lines, 3, fd);
	close(fd);
	json_decref(next_request(d)); // none: the client has closed
	return NULL;
}

static int start(void **state)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(d->folder, "/tmp/homard-XXXXXX");
	if (!mkdtemp(d->folder))
		return -1;
	snprintf(d->path, sizeof(d->path), "%s/socket", d->folder);
	strcpy(a.sun_path, d->path);
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*state = d;
	return bind(d->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
			       listen(d->listener, 1) < 0 ||
			       pthread_create(&d->thread, NULL, serve, d) != 0
		       ? -1
		       : 0;
}

static int stop(void **state)
{
	struct daemon *d = *state;

	pthread_join(d->thread, NULL);
	fclose(d->in);
	close(d->listener);
	unlink(d->path);
	rmdir(d->folder);
	free(d);
	return 0;
}

struct caller {
	struct hm_client *client;
	const char *method;
	struct hm_client_extras extras;
	json_t *result;
	pthread_t thread;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct hm_error err;

	c->result = hm_client_request(c->client, c->method, NULL, &c->extras, &err);
	return NULL;
}

static void test_descriptor_goes_to_the_call_that_wants_one(void **state)
{
	struct daemon *d = *state;
	struct hm_error err;
	struct hm_client *client = hm_client_open(d->path, "test", &err);
	struct caller callers[] = {
		{.method = "flow.read"}, {.method = "flow.buffer"}, {.method = "flow.info"}};
	struct stat st;

	assert_non_null(client);
	for (unsigned i = 0; i < 3; i++) {
		callers[i].client = client;
		assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		const struct caller *c = &callers[i];
		pthread_join(c->thread, NULL);
		assert_string_equal(json_string_value(json_object_get(c->result, "method")),
				    c->method);
		json_decref(c->result);
	}
	assert_int_equal(callers[0].extras.fd, -1);
	assert_int_equal(callers[2].extras.fd, -1);
	assert_int_equal(fstat(callers[1].extras.fd, &st), 0);
	assert_int_equal(st.st_size, MARK);
	close(callers[1].extras.fd);
	hm_client_close(client);
}

static void test_request_longer_than_the_daemon_takes_ends_nothing(void **state)
{
	struct daemon *d = *state;
	struct hm_error err;
	struct hm_client *client = hm_client_open(d->path, "test", &err);
	char longest[LINE_BYTES + 1] = "";
	struct caller others[2] = {{.method = "flow.info"}, {.method = "flow.list"}};
	struct hm_client_extras x = {0};
	json_t *result;

	assert_non_null(client);
	memset(longest, 'x', LINE_BYTES);
	assert_null(hm_client_call(client, "flow.apply", json_pack("{s:s}", "function", longest),
				   &err));
	assert_int_equal(err.mapi_errno, 7000);
	assert_non_null(strstr(err.text, "200 are allowed "));
	assert_false(hm_client_lost(client));
	for (unsigned i = 0; i < 2; i++) {
		others[i].client = client;
		assert_int_equal(pthread_create(&others[i].thread, NULL, call, &others[i]), 0);
	}
	result = hm_client_request(client, "flow.buffer", NULL, &x, &err);
	assert_non_null(result);
	json_decref(result);
	close(x.fd);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(others[i].thread, NULL);
		assert_non_null(others[i].result);
		json_decref(others[i].result);
	}
	hm_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptor_goes_to_the_call_that_wants_one,
						start, stop),
		cmocka_unit_test_setup_teardown(
			test_request_longer_than_the_daemon_takes_ends_nothing, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
