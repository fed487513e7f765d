/* SPDX-License-Identifier: BSD-3-Clause */
/* Random flows come and go while batches of random size run on two lanes: at every moment each function of each
 * flow has counted what a flow alone counts, packet by packet, without programs, masks or sharing. */
#include <pcre2posix.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"
#include "program_fixture.h"
#include "start_eal.h"

#define PACKETS 300
#define STEPS   1500
#define LENGTH  6 // functions of a flow at most
#define ROUNDS  4

/* Few enough that flows often begin alike, and many enough on one entry that they are switched over. */
static const char *const calls[] = {
	"[\"PKT_COUNTER\"]",
	"[\"BYTE_COUNTER\"]",
	"[\"BPF_FILTER\", \"udp dst port 1\"]",
	"[\"BPF_FILTER\", \"udp dst port 2\"]",
	"[\"BPF_FILTER\", \"udp src port 3\"]",
	"[\"BPF_FILTER\", \"port 4\"]",
	"[\"BPF_FILTER\", \"portrange 2-5\"]",
	"[\"BPF_FILTER\", \"not port 1\"]",
	"[\"BPF_FILTER\", \"less 70\"]",
	"[\"BPF_FILTER\", \"tcp\"]",
	"[\"BPF_FILTER\", \"udp and host 192.0.2.1\"]",
	"[\"BPF_FILTER\", \"ether[36] & 1 != 0\"]",
	"[\"BPF_FILTER\", \"udp[4:2] > 30\"]",
	"[\"BPF_FILTER\", \"greater 90 or dst port 5\"]",
	"[\"STR_SEARCH\", \"lobster\", 0, 0]",
	"[\"STR_SEARCH\", \"|6c|obster\", 0, 0]",
	"[\"STR_SEARCH\", \"salmon\", 0, 0]",
	"[\"STR_SEARCH\", \"ybofgre\", 0, 0]",
	"[\"STR_SEARCH\", \"l\", 0, 0]",
	"[\"STR_SEARCH\", \"x\", 0, 0]",
	"[\"STR_SEARCH\", \"s\", 0, 0]",
	"[\"STR_SEARCH\", \"y\", 0, 0]",
	"[\"STR_SEARCH\", \"o\", 0, 0]",
	"[\"STR_SEARCH\", \"m\", 0, 0]",
	"[\"REGEXP\", \"lo[a-z]s\"]",
	"[\"REGEXP\", \"([a-z])\\\\1\"]",
	"[\"ROT13\"]",
};
#define CALLS (sizeof(calls) / sizeof(*calls))

struct packet {
	uint8_t data[200];
	uint32_t caplen, wirelen;
};

/* A flow, and what it must have counted. */
struct expected {
	struct hm_flow *flow;
	unsigned n, call[LENGTH];
	uint64_t in[LENGTH], out[LENGTH], bytes[LENGTH];
};

struct test {
	struct fixture x;
	struct packet packets[PACKETS];
	struct hm_filter *filters[CALLS];
	regex_t regexps[CALLS];
	struct expected flows[FIXTURE_FLOWS];
	unsigned n_flows;
	struct hm_sample stages[HM_STAGES];
	struct hm_stopwatch watch;
	bool shared; // some flow was seen to share a node
};

static const char *argument(unsigned call, char room[64])
{
	json_t *list = json_loads(calls[call], 0, NULL);

	snprintf(room, 64, "%s", json_string_value(json_array_get(list, 1)));
	json_decref(list);
	return room;
}

static void make_packet(struct packet *p)
{
	static const char *const words[] = {"lobster", "salmon", "ybofgre", "LOBSTER", "xx",
					    "lobs",    "",       "mussel",  "yes"};
	char payload[100] = "";

	for (unsigned i = 0; i < 3; i++)
		strcat(payload, words[(size_t)rand() % (sizeof(words) / sizeof(*words))]);
	p->caplen = harness_udp(p->data, (uint16_t)(rand() % 6), (uint16_t)(rand() % 6), payload,
				(uint16_t)strlen(payload));
	if (rand() % 4 == 0)
		p->data[23] = 6; // TCP, whose header is then nonsense or cut
	if (rand() % 8 == 0)
		p->caplen -= (uint32_t)rand() % p->caplen; // cut anywhere
	p->wirelen = p->caplen + (uint32_t)rand() % 40;
}

static void fill(struct hm_batch *b, const struct packet *const *packets, uint32_t n)
{
	memset(b, 0, sizeof(*b));
	b->n = n;
	for (uint32_t i = 0; i < n; i++) {
		b->data[i] = packets[i]->data;
		b->caplen[i] = packets[i]->caplen;
		b->wirelen[i] = packets[i]->wirelen;
	}
}

/* --- the reference: one flow, one packet --- */

static void rotate(struct packet *p)
{
	static const struct hm_parse_conf conf;
	const struct packet *one = p;
	struct hm_batch b;

	fill(&b, &one, 1);
	b.all = 1;
	b.link = HM_LINK_ETHERNET;
	hm_parse(&b, &conf);
	for (uint32_t i = b.payload[0]; b.payload[0] != HM_NONE && i < b.end[0]; i++) {
		uint8_t c = p->data[i] | 0x20;

		if (c >= 'a' && c <= 'z')
			p->data[i] = (uint8_t)(p->data[i] + (c < 'n' ? 13 : -13));
	}
}

/* Whether the packet goes on, and what it becomes. */
static bool goes_on(struct test *t, unsigned call, struct packet *p)
{
	const struct packet *one = p;
	regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)p->caplen};
	struct hm_batch b;
	char room[64];

	switch (calls[call][2]) {
	case 'B': // BYTE_COUNTER, BPF_FILTER
		if (!t->filters[call])
			return true;
		fill(&b, &one, 1);
		return hm_filter_run(t->filters[call], &b, 1);
	case 'S':
		argument(call, room);
		if (room[0] == '|')
			strcpy(room, "lobster");
		return memmem(p->data, p->caplen, room, strlen(room));
	case 'R':
		if (strstr(calls[call], "ROT13"))
			rotate(p);
		else
			return pcre2_regexec(&t->regexps[call], (const char *)p->data, 1, &whole,
					     REG_STARTEND) == 0;
	}
	return true;
}

static void expect_packet(struct test *t, struct expected *e, const struct packet *packet)
{
	struct packet p = *packet;
	bool alive = true;

	for (unsigned i = 0; i < e->n && alive; i++) {
		e->in[i]++;
		e->bytes[i] += p.wirelen;
		alive = goes_on(t, e->call[i], &p);
		e->out[i] += alive;
	}
}

static void check(const struct expected *e)
{
	for (unsigned i = 0; i < e->n; i++) {
		fixture_expect(e->flow, i + 1, e->in[i], e->out[i], 0);
		if (!e->flow->generation)
			continue; // nobody reads what is not connected
		if (strstr(calls[e->call[i]], "PKT_COUNTER"))
			assert_int_equal(fixture_value(e->flow, i + 1), e->in[i]);
		if (strstr(calls[e->call[i]], "BYTE_COUNTER"))
			assert_int_equal(fixture_value(e->flow, i + 1), e->bytes[i]);
	}
}

/* --- random steps --- */

static void add(struct test *t)
{
	struct expected *e = &t->flows[t->n_flows];
	char text[1000] = "[";
	unsigned transforms = 0;

	if (t->n_flows == 60)
		return;
	memset(e, 0, sizeof(*e));
	e->n = 1 + (unsigned)rand() % LENGTH;
	for (unsigned i = 0; i < e->n; i++) {
		// the first one is often out of few, so that subtrees come, too
		e->call[i] = (unsigned)rand() % (i == 0 && rand() % 2 ? 4 : (unsigned)CALLS);
		if (strstr(calls[e->call[i]], "ROT13") && ++transforms > HM_TRANSFORM_DEPTH)
			e->call[i] = 0;
		strcat(text, i ? ", " : "");
		strcat(text, calls[e->call[i]]);
	}
	strcat(text, "]");
	e->flow = fixture_flow(&t->x, text);
	t->shared |= e->flow->instances[0]->node->n_instances > 1;
	t->n_flows++;
	if (rand() % 3) // else it waits for the next ones
		fixture_publish(&t->x);
}

static void take_away(struct test *t)
{
	unsigned i = (unsigned)rand() % (t->n_flows + 1);

	if (i == t->n_flows)
		return;
	fixture_remove(&t->x, t->flows[i].flow);
	t->flows[i] = t->flows[--t->n_flows];
}

static void run_batch(struct test *t)
{
	const struct packet *packets[HM_BATCH_MAX];
	struct hm_batch *b = aligned_alloc(64, (sizeof(*b) + 63) & ~(size_t)63);
	uint32_t n = 1 + (uint32_t)rand() % HM_BATCH_MAX;

	for (uint32_t i = 0; i < n; i++)
		packets[i] = &t->packets[rand() % PACKETS];
	fill(b, packets, n);
	// a batch that is timed takes another way through the program
	t->x.watch = rand() % 2 ? &t->watch : NULL;
	hm_stopwatch_start(&t->watch);
	fixture_run(&t->x, (unsigned)rand() % 2, b);
	for (unsigned f = 0; f < t->n_flows; f++)
		for (uint32_t i = 0; i < n && t->flows[f].flow->generation; i++)
			expect_packet(t, &t->flows[f], packets[i]);
	free(b);
}

static void prepare(struct test *t)
{
	struct hm_error err;
	char room[64];

	for (unsigned i = 0; i < CALLS; i++) {
		if (strstr(calls[i], "BPF_FILTER"))
			assert_non_null(t->filters[i] = hm_filter_create(
						argument(i, room), HM_LINK_ETHERNET, 0, &err));
		if (strstr(calls[i], "REGEXP"))
			assert_int_equal(
				pcre2_regcomp(&t->regexps[i], argument(i, room), REG_EXTENDED), 0);
	}
	for (unsigned i = 0; i < PACKETS; i++)
		make_packet(&t->packets[i]);
}

static void run_round(unsigned seed)
{
	struct test *t = calloc(1, sizeof(*t));

	srand(seed);
	prepare(t);
	t->watch.stages = t->stages;
	fixture_open(&t->x, 2);
	fixture_publish(&t->x);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = (unsigned)rand() % 16;

		if (what == 0)
			take_away(t);
		else if (what < 3)
			add(t);
		else
			run_batch(t);
		if (step % 16 == 0)
			for (unsigned f = 0; f < t->n_flows; f++)
				check(&t->flows[f]);
	}
	for (unsigned f = 0; f < t->n_flows; f++)
		check(&t->flows[f]);
	assert_true(t->shared);
	assert_true(t->stages[HM_STAGE_FILTERS].cycles > 0);
	assert_true(t->stages[HM_STAGE_PATTERNS].packets > 0);
	fixture_close(&t->x);
	for (unsigned i = 0; i < CALLS; i++) {
		hm_filter_destroy(t->filters[i]);
		if (strstr(calls[i], "REGEXP"))
			pcre2_regfree(&t->regexps[i]);
	}
	free(t);
}

static void test_program_random_flows_count_as_if_alone(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= ROUNDS; seed++)
		run_round(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program_random_flows_count_as_if_alone),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
