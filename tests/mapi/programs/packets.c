/* SPDX-License-Identifier: BSD-3-Clause */
/* packets: TO_BUFFER, and the three calls that read from it. */
#include "scaffold.h"

static unsigned long long seen, bytes, checksum;

static void add(const struct mapipkt *p)
{
	const unsigned char *data = &p->pkt;

	seen++;
	bytes += p->wlen;
	for (unsigned i = 0; i < p->caplen; i++)
		checksum = checksum * 31 + data[i];
	checksum = checksum * 31 + p->ts;
}

static void print_sums(void)
{
	printf("%llu %llu %llx\n", seen, bytes, checksum);
	seen = bytes = checksum = 0;
}

static int waiting(int fd)
{
	int counter = mapi_apply_function(fd, "PKT_COUNTER");

#if DIALECT == MAPI2
	mapi_apply_function(fd, "TO_BUFFER", WAIT);
#else
	mapi_apply_function(fd, "TO_BUFFER");
#endif
	return counter;
}

static int not_waiting(int fd)
{
	int counter = mapi_apply_function(fd, "PKT_COUNTER");

	mapi_apply_function(fd, "TO_BUFFER", NOWAIT);
	return counter;
}

static struct mapipkt *next(int fd, int fid)
{
#if DIALECT == TUTORIAL
	return mapi_get_next_packet(fd, fid);
#else
	return mapi_get_next_pkt(fd, fid);
#endif
}

/* As many as the counter in front of the buffer tells. */
static void print_next(int fd, int fid)
{
	unsigned long long n = ull(fd, fid);

	while (seen < n) {
		const struct mapipkt *p = next(fd, fid + 1);
		if (!p)
			fail("mapi_get_next_pkt");
		add(p);
	}
	print_sums();
}

/* Without waiting, no packet is no error. */
static void print_until_none(int fd, int fid)
{
	const struct mapipkt *p;
	int number = 0;

	while ((p = next(fd, fid + 1)) != NULL)
		add(p);
	mapi_read_error(&number, NULL);
	if (number != 0)
		printf("error %d ", number);
	print_sums();
}

static void print_loop(int fd, int fid)
{
	int n = (int)ull(fd, fid);

	if (mapi_loop(fd, fid + 1, 10, add) != 0 || mapi_loop(fd, fid + 1, n - 10, add) != 0)
		fail("mapi_loop");
	print_sums();
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"next", waiting, print_next},
		{"until_none", not_waiting, print_until_none},
		{"loop", waiting, print_loop},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
