/* SPDX-License-Identifier: BSD-3-Clause */
/* udp_sink: a collector that only counts IPFIX: messages, data records (by the lengths that templates
 * tell), gaps in sequence numbers. Listens on a free port of 127.0.0.1, or the one given, and prints
 * {"port":N} at once and its counts on SIGTERM, SIGINT or after so many idle seconds behind the last
 * message. Records of options count for the sequence, and as options. One observation domain.
 *
 *	udp_sink [PORT [IDLE_SECONDS]]
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST    64
#define ROOM     9216
#define RECEIVE  (64 << 20) // bytes; the kernel gives what it allows
#define VARIABLE 65535
#define FIELDS   64

struct counts {
	uint64_t messages, bytes, records, options, templates;
	uint64_t gaps, missing; // sequence number not as expected; records that it says are missing
	uint64_t unknown, bad;  // sets without template, messages that contradict themselves
	uint32_t next;
};

static volatile sig_atomic_t stop;

struct template
{
	uint16_t n; // fields, 0: unknown
	bool options, variable;
	uint32_t bytes;
	uint16_t length[FIELDS];
};

static struct template templates[65536];

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* 0, or -1: the set contradicts itself. */
static int learn_templates(struct counts *c, const uint8_t *p, size_t n, bool options)
{
	size_t header = options ? 6 : 4;

	while (n >= header) {
		uint16_t id = get16(p), fields = get16(p + 2);
		struct template *t = &templates[id];
		if (fields == 0 || fields > FIELDS)
			return -1;
		*t = (struct template){.n = fields, .options = options};
		p += header;
		n -= header;
		for (unsigned i = 0; i < fields; i++) {
			size_t bytes = n >= 4 && get16(p) & 0x8000 ? 8 : 4;
			if (n < bytes)
				return -1;
			t->length[i] = get16(p + 2);
			t->variable |= t->length[i] == VARIABLE;
			t->bytes += t->length[i];
			p += bytes;
			n -= bytes;
		}
		c->templates++;
	}
	return 0;
}

/* Bytes of the record at p, 0: it does not fit. */
static size_t record_bytes(const struct template *t, const uint8_t *p, size_t n)
{
	size_t at = 0;

	for (unsigned i = 0; i < t->n; i++) {
		size_t length = t->length[i];
		if (length == VARIABLE && at < n)
			length = p[at++];
		at += length;
	}
	return at <= n ? at : 0;
}

static uint32_t count_records(const struct template *t, const uint8_t *p, size_t n)
{
	uint32_t records = 0;
	size_t bytes;

	if (!t->variable)
		return t->bytes > 0 ? (uint32_t)(n / t->bytes) : 0;
	for (; n > 0 && (bytes = record_bytes(t, p, n)) > 0; p += bytes, n -= bytes)
		records++;
	return records;
}

static void count_message(struct counts *c, const uint8_t *p, size_t n)
{
	uint32_t flows = 0, options = 0, sequence;

	c->messages++;
	c->bytes += n;
	if (n < 16 || get16(p) != 10 || get16(p + 2) != n) {
		c->bad++;
		return;
	}
	sequence = get32(p + 8);
	if (sequence != c->next) {
		c->gaps++;
		c->missing += sequence - c->next;
	}
	for (size_t at = 16; at + 4 <= n;) {
		uint16_t id = get16(p + at), length = get16(p + at + 2);
		const struct template *t = &templates[id];
		if (length < 4 || length > n - at ||
		    ((id == 2 || id == 3) &&
		     learn_templates(c, p + at + 4, length - 4u, id == 3) < 0)) {
			c->bad++;
			break;
		}
		if (id >= 256 && t->n == 0)
			c->unknown++;
		else if (id >= 256)
			*(t->options ? &options : &flows) +=
				count_records(t, p + at + 4, length - 4u);
		at += length;
	}
	c->records += flows;
	c->options += options;
	c->next = sequence + flows + options;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval timeout = {.tv_usec = 100000};
	const int room = RECEIVE;
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &length) < 0) {
		fprintf(stderr, "udp_sink: port %u: %s\n", port, strerror(errno));
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	printf("{\"port\":%u}\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void receive(int fd, struct counts *c, double idle)
{
	static uint8_t buffer[BURST][ROOM];
	static struct mmsghdr headers[BURST];
	static struct iovec v[BURST];
	time_t last = time(NULL);

	for (unsigned i = 0; i < BURST; i++) {
		v[i] = (struct iovec){buffer[i], ROOM};
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	for (;;) {
		// what was sent before the signal is still counted
		int n = recvmmsg(fd, headers, BURST, stop ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			count_message(c, buffer[i], headers[i].msg_len);
		if (n > 0)
			last = time(NULL);
		else if (stop || (idle > 0 && c->messages > 0 && difftime(time(NULL), last) > idle))
			return;
	}
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct counts c = {0};
	int fd;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (argc > 3 || (argc > 1 && !isdigit((unsigned char)*argv[1]))) {
		fputs("usage: udp_sink [PORT [IDLE_SECONDS]]\n", stderr);
		return 2;
	}
	fd = listen_on(argc > 1 ? (uint16_t)atoi(argv[1]) : 0);
	if (fd < 0)
		return 1;
	receive(fd, &c, argc > 2 ? atof(argv[2]) : 0);
	printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"options\":%" PRIu64
	       ",\"records\":%" PRIu64 ",\"templates\":%" PRIu64 ",\"gaps\":%" PRIu64
	       ",\"missing\":%" PRIu64 ",\"unknown_sets\":%" PRIu64 ",\"bad_messages\":%" PRIu64
	       "}\n",
	       c.messages, c.bytes, c.options, c.records, c.templates, c.gaps, c.missing, c.unknown,
	       c.bad);
	close(fd);
	return 0;
}
