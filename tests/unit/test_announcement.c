/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "netflow/announcement.h"
#include "netflow/ie.h"
#include "netflow_records.h"

#define FIELDS 80
#define SEEN   600

static const struct hm_origin origin = {.domain = 9, .sampling_interval = 1};
static struct hm_layout layout;
static struct hm_announcement a;

/* --- a reader of templates and options records, which knows what a collector knows --- */

struct learned {
	unsigned n, scopes;
	struct {
		uint32_t enterprise;
		uint16_t id, length;
	} field[FIELDS];
};

struct seen {
	uint16_t id; // of the template
	struct {
		const uint8_t *at;
		uint32_t length;
	} value[FIELDS];
};

static struct {
	struct learned template[512];
	struct seen record[SEEN];
	unsigned templates, options_templates, records, messages;
	uint8_t bytes[SEEN][1400];
} got;

static const uint8_t *learn_fields(struct learned *t, const uint8_t *p)
{
	for (unsigned i = 0; i < t->n; i++, p += 4) {
		t->field[i].id = get16(p) & 0x7fff;
		t->field[i].length = get16(p + 2);
		t->field[i].enterprise = 0;
		if (get16(p) & 0x8000) {
			t->field[i].enterprise = hm_get32(p + 4);
			p += 4;
		}
	}
	return p;
}

static void learn(const struct hm_format *f, const uint8_t *p, const uint8_t *end, bool options)
{
	while (p + (options ? 6 : 4) <= end && get16(p) >= 256) {
		struct learned *t = &got.template[get16(p)];
		t->n = get16(p + 2);
		t->scopes = options ? get16(p + 4) : 0;
		if (options && f->system_scopes) { // bytes
			t->scopes = get16(p + 2) / 4;
			t->n = t->scopes + get16(p + 4) / 4u;
		}
		assert_in_range(t->n, 1, FIELDS);
		p = learn_fields(t, p + (options ? 6 : 4));
		assert_true(p <= end);
		options ? got.options_templates++ : got.templates++;
	}
	assert_true(end - p < 4);
}

static void read_records(uint16_t id, const uint8_t *p, const uint8_t *end)
{
	const struct learned *t = &got.template[id];

	assert_true(t->scopes > 0); // is known, and one of options
	while (end - p >= 4) {
		struct seen *s = &got.record[got.records++];
		s->id = id;
		for (unsigned i = 0; i < t->n; i++) {
			uint32_t n = t->field[i].length;
			if (n == HM_IE_VARIABLE)
				n = *p++;
			s->value[i].at = p;
			s->value[i].length = n;
			p += n;
			assert_true(p <= end);
		}
	}
}

static void read_message(const struct hm_format *f, const uint8_t *p, uint32_t n)
{
	for (uint32_t at = f->header; at < n;) {
		uint16_t id = get16(p + at), length = get16(p + at + 2);
		assert_in_range(length, 5, n - at);
		if (id == f->template_set || id == f->options_set)
			learn(f, p + at + 4, p + at + length, id == f->options_set);
		else
			read_records(id, p + at + 4, p + at + length);
		at += length;
	}
}

static void tell(const struct hm_facts *facts, bool templates, uint32_t room)
{
	struct hm_message m;

	if (templates)
		memset(&got, 0, sizeof(got));
	got.records = got.messages = got.templates = got.options_templates = 0;
	hm_announcement_make(&a, facts, templates);
	for (;;) {
		uint8_t *bytes = got.bytes[got.messages];
		hm_message_begin(&m, facts->format, bytes, room, &origin);
		if (!hm_announcement_next(&a, &m))
			break;
		hm_message_end(&m);
		assert_true(m.used <= room);
		read_message(facts->format, bytes, m.used);
		got.messages++;
	}
}

static uint64_t number(const struct seen *s, unsigned i)
{
	uint64_t v = 0;

	for (uint32_t k = 0; k < s->value[i].length; k++)
		v = v << 8 | s->value[i].at[k];
	return v;
}

/* The `nth` record whose template has this element (behind its scopes); NULL: there is none. */
static const struct seen *find(uint16_t element, unsigned nth, unsigned *at)
{
	for (unsigned r = 0; r < got.records; r++) {
		const struct learned *t = &got.template[got.record[r].id];
		for (unsigned i = t->scopes; i < t->n; i++) {
			if (t->field[i].id != element || nth-- > 0)
				continue;
			*at = i;
			return &got.record[r];
		}
	}
	return NULL;
}

static uint64_t told(uint16_t element, unsigned nth)
{
	unsigned at = 0;
	const struct seen *s = find(element, nth, &at);

	assert_non_null(s);
	return number(s, at);
}

static const struct hm_selector each_hundredth = {
	.algorithm = HM_SELECT_COUNT, .interval = 1, .space = 99, .name = "SAMPLE 100,2"};

static struct hm_facts facts_of(const struct hm_format *format, bool biflow)
{
	const struct hm_layout_conf conf = {.biflow = biflow};

	assert_int_equal(hm_layout_build(&layout, &conf, format, NULL), 0);
	return (struct hm_facts){
		.selectors = &each_hundredth,
		.n_selectors = 1,
		.format = format,
		.layout = &layout,
		.device = "dag0",
		.tell = HM_TELL_ALL,
		.domain = 9,
		.sampling_interval = 100,
		.messages = 11,
		.octets = 0x123456789a,
		.flows = 13,
		.interfaces = 1u << 0 | 1u << 5,
		.ignored = {0, 21, 22, 23 * MS, 24 * MS},
		.unsent = {31, 32, 33, 34 * MS, 35 * MS},
	};
}

/* --- statements --- */

static void test_announcement_ipfix_tells_every_number(void **state)
{
	const struct hm_facts facts = facts_of(&hm_ipfix, false);

	(void)state;
	tell(&facts, true, 1352);
	assert_int_equal(got.templates, 2);
	assert_int_equal(told(41, 0), 11);
	assert_int_equal(told(42, 0), 13);
	assert_int_equal(told(40, 0), 0x123456789a);
	assert_int_equal(told(164, 0), 21);
	assert_int_equal(told(165, 0), 22);
	assert_int_equal(told(166, 0), 31);
	assert_int_equal(told(167, 0), 32);
	assert_int_equal(told(168, 0), 33);
	assert_int_equal(told(323, 0), 23); // first and last ignored, first and last unsent
	assert_int_equal(told(304, 0), 1);
	assert_int_equal(told(305, 0), 1);
	assert_int_equal(told(306, 0), 99);
	assert_int_equal(told(34, 0), 100);
}

static void test_announcement_keys_are_the_five_tuple(void **state)
{
	const struct hm_facts facts = facts_of(&hm_ipfix, false);
	unsigned at;

	(void)state;
	tell(&facts, true, 1352);
	for (unsigned i = 0; i < 2; i++) {
		const struct hm_template *t = &layout.template[i];
		const struct seen *s = find(173, i, &at);
		assert_non_null(s);
		assert_int_equal(number(s, 0), t->id);
		for (unsigned k = 0; k < t->n; k++) {
			uint16_t id = t->field[k].id;
			bool key = id == 4 || id == 7 || id == 11 || id == 8 || id == 12 ||
				   id == 27 || id == 28;
			assert_int_equal(number(s, at) >> k & 1, key);
		}
	}
}

static void test_announcement_interfaces_have_names(void **state)
{
	struct hm_facts facts = facts_of(&hm_ipfix, false);
	unsigned at;

	(void)state;
	for (unsigned format = 0; format < 2; format++) {
		const struct seen *s;
		facts = facts_of(format ? &hm_netflow9 : &hm_ipfix, false);
		tell(&facts, true, 1352);
		s = find(82, 1, &at);
		assert_non_null(s);
		assert_int_equal(number(s, 0), 5);
		assert_int_equal(s->value[at].length, format ? 32 : 6);
		assert_memory_equal(s->value[at].at, "dag0/5", 6);
		assert_null(find(82, 2, &at));
	}
}

/* RFC 5610: whoever does not know RFC 5103 learns the reverse elements. */
static void test_announcement_types_of_enterprise_elements(void **state)
{
	const struct hm_facts facts = facts_of(&hm_ipfix, true);
	const struct hm_template *both = &layout.template[2];
	unsigned at, n = 0;

	(void)state;
	tell(&facts, true, 1352);
	assert_int_equal(got.templates, 4);
	for (unsigned i = 0; i < both->n; i++) {
		const struct hm_ie *e = hm_ie_by_id(both->field[i].id);
		const struct seen *s;
		if (both->field[i].enterprise == 0)
			continue;
		assert_int_equal(got.template[258].field[i].enterprise, HM_IE_REVERSE);
		s = find(341, n++, &at);
		assert_non_null(s);
		assert_int_equal(number(s, 0), HM_IE_REVERSE);
		assert_int_equal(number(s, 1), e->id);
		assert_int_equal(number(s, 2), e->type);
		assert_int_equal(number(s, 3), e->semantics);
		assert_int_equal(number(s, 4), e->unit);
		assert_memory_equal(s->value[at].at, "reverse", 7);
		assert_int_equal(s->value[at].length, 7 + strlen(e->name));
		assert_memory_equal(s->value[at].at + 8, e->name + 1, strlen(e->name) - 1);
	}
	assert_true(n >= 6);
	assert_null(find(341, n, &at));
}

static void test_announcement_netflow9_has_its_own_scopes(void **state)
{
	const struct hm_facts facts = facts_of(&hm_netflow9, false);
	unsigned at;

	(void)state;
	tell(&facts, true, 1352);
	assert_int_equal(told(34, 0), 100);
	assert_int_equal(told(41, 0), 11);
	assert_null(find(173, 0, &at)); // RFC 3954 has no such thing
	assert_null(find(306, 0, &at));
	for (unsigned r = 0; r < got.records; r++) {
		const struct learned *t = &got.template[got.record[r].id];
		assert_int_equal(t->scopes, 1);
		assert_in_range(t->field[0].id, 1, 2); // system, interface
		assert_int_equal(t->field[0].length, 4);
	}
}

static void test_announcement_tells_only_what_is_wanted(void **state)
{
	struct hm_facts facts = facts_of(&hm_ipfix, false);

	(void)state;
	facts.tell = 0;
	tell(&facts, true, 1352);
	assert_int_equal(got.templates, 2);
	assert_int_equal(got.options_templates, 0);
	assert_int_equal(got.records, 0);
	facts.tell = HM_TELL_SAMPLING;
	tell(&facts, true, 1352);
	assert_int_equal(got.records, 3); // selector, sequence, interval
	facts.sampling_interval = 1;      // each packet: there is nothing to tell
	facts.n_selectors = 0;
	tell(&facts, true, 1352);
	assert_int_equal(got.records, 0);
	assert_int_equal(got.options_templates, 0);
}

static void test_announcement_without_templates_has_the_same_records(void **state)
{
	const struct hm_facts facts = facts_of(&hm_ipfix, true);
	unsigned n;

	(void)state;
	tell(&facts, true, 1352);
	n = got.records;
	tell(&facts, false, 1352);
	assert_int_equal(got.templates + got.options_templates, 0);
	assert_int_equal(got.records, n);
}

static void test_announcement_any_size_of_message_will_do(void **state)
{
	(void)state;
	for (unsigned format = 0; format < 2; format++) {
		struct hm_facts facts = facts_of(format ? &hm_netflow9 : &hm_ipfix, !format);
		unsigned records;
		facts.interfaces = UINT64_MAX;
		tell(&facts, true, 1352);
		records = got.records;
		assert_true(records > 64);
		for (uint32_t room = 512 - 48; room < 1352; room += 7) {
			tell(&facts, true, room);
			assert_int_equal(got.records, records);
			assert_int_equal(got.templates, layout.n);
		}
	}
}

/* RFC 5476: each selector by its algorithm, and their order. */
static void test_announcement_selectors(void **state)
{
	const struct hm_selector selectors[] = {
		{.algorithm = HM_SELECT_MATCH, .name = "BPF_FILTER \"tcp\""},
		{.algorithm = HM_SELECT_COUNT, .interval = 1, .space = 9, .name = "SAMPLE 10,2"},
		{.algorithm = HM_SELECT_CHANCE, .probability = 0.25, .name = "SAMPLE 25,3"},
		{.algorithm = HM_SELECT_HASH,
		 .hashes = 1024,
		 .selected = 64,
		 .initial = 6564987,
		 .name = "HASHSAMP 64"},
		{.algorithm = HM_SELECT_MATCH, .name = "STR_SEARCH \"a\""},
	};
	struct hm_facts facts = facts_of(&hm_ipfix, false);
	const struct seen *s;
	unsigned at = 0;

	(void)state;
	facts.selectors = selectors;
	facts.n_selectors = 5;
	facts.tell = HM_TELL_SAMPLING;
	facts.sampling_interval = 640;
	tell(&facts, true, 464); // the smallest message that there is
	s = find(335, 0, &at);
	assert_int_equal(number(s, 0), 1);
	assert_int_equal(number(s, 1), 5);
	assert_memory_equal(s->value[at].at, "BPF_FILTER \"tcp\"", 16);
	s = find(335, 1, &at);
	assert_int_equal(number(s, 0), 5);
	s = find(306, 0, &at);
	assert_int_equal(number(s, 0), 2);
	assert_int_equal(number(s, at), 9);
	s = find(311, 0, &at);
	assert_int_equal(number(s, 0), 3);
	assert_int_equal(number(s, 1), 4);
	assert_int_equal(number(s, at), UINT64_C(0x3fd0000000000000)); // 0.25
	s = find(332, 0, &at);
	assert_int_equal(number(s, 0), 4);
	assert_int_equal(number(s, 1), 6);
	assert_int_equal(told(330, 0), 1023);
	assert_int_equal(told(331, 0), 0);
	assert_int_equal(number(s, at), 63);
	assert_int_equal(told(334, 0), 6564987);
	s = find(138, 0, &at); // selection sequence: observation point, then selectors
	assert_int_equal(got.template[s->id].n, 2 + 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(got.template[s->id].field[2 + i].id, 302);
		assert_int_equal(number(s, 2 + i), i + 1);
	}
	assert_int_equal(told(34, 0), 640);
	assert_null(find(390, 0, &at));
	facts.flow_sampling = 8;
	tell(&facts, true, 464);
	s = find(390, 0, &at);
	assert_int_equal(number(s, 0), 6); // behind the selectors of packets
	assert_int_equal(number(s, at), 8);
	assert_int_equal(told(396, 0), 1);
	assert_int_equal(told(397, 0), 7);
}

static uint32_t application(uint8_t proto, uint16_t from, uint16_t to)
{
	const struct hm_flow_record r = {
		.key = {{.proto = proto, .version = 4, .port_be = {htons(from), htons(to)}}}};

	return hm_application_of(&r);
}

static void test_application_is_a_port_with_a_name(void **state)
{
	char name[HM_APPLICATION_NAME];

	(void)state;
	assert_int_equal(application(6, 50000, 80), 3 << 24 | 80);
	assert_int_equal(application(6, 22, 50001), 3 << 24 | 22); // the initiator's
	assert_int_equal(application(6, 22, 443), 3 << 24 | 443);  // the responder's goes before
	assert_int_equal(application(17, 50000, 53), 3 << 24 | 53);
	assert_int_equal(application(17, 50000, 50001), 1 << 24 | 17);
	assert_int_equal(application(1, 0, 22), 1 << 24 | 1); // type and code are no ports
	assert_int_equal(application(253, 0, 0), 1 << 24 | 253);
	hm_application_name(3 << 24 | 443, name);
	assert_string_equal(name, "https");
	hm_application_name(1 << 24 | 17, name);
	assert_string_equal(name, "udp");
	hm_application_name(1 << 24 | 253, name);
	assert_string_equal(name, "protocol 253");
}

/* RFC 6759: those that were seen, each once, with their names. */
static void test_announcement_applications(void **state)
{
	static const struct {
		uint32_t id;
		const char *name;
	} want[] = {{1 << 24 | 6, "tcp"},
		    {1 << 24 | 17, "udp"},
		    {3 << 24 | 22, "ssh"},
		    {3 << 24 | 53, "domain"}};
	const struct hm_layout_conf conf = {.n = 1, .element = {{95, 0}}};
	struct hm_applications set = {0};
	struct hm_layout with;
	unsigned at = 0;

	(void)state;
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 4; i-- > 0;)
			hm_applications_add(&set, want[i].id);
	for (unsigned format = 0; format < 2; format++) {
		struct hm_facts facts = facts_of(format ? &hm_netflow9 : &hm_ipfix, false);
		facts.applications = &set;
		tell(&facts, true, 1352);
		assert_null(find(96, 0, &at)); // no record has an applicationId
		assert_int_equal(hm_layout_build(&with, &conf, facts.format, NULL), 0);
		facts.layout = &with;
		tell(&facts, true, 1352);
		for (unsigned i = 0; i < 4; i++) {
			const struct seen *s = find(96, i, &at);
			assert_non_null(s);
			assert_int_equal(at, 1 + format);
			assert_int_equal(number(s, at - 1), want[i].id);
			assert_int_equal(s->value[at - 1].length, 4);
			assert_memory_equal(s->value[at].at, want[i].name, strlen(want[i].name));
			assert_int_equal(s->value[at].length, format ? 24 : strlen(want[i].name));
		}
		assert_null(find(96, 4, &at));
		memset(&set, 0xff, sizeof(set)); // as many as there is room for
		tell(&facts, true, 1352);
		assert_non_null(find(96, 400, &at));
		memset(&set, 0, sizeof(set));
		for (unsigned i = 0; i < 4; i++)
			hm_applications_add(&set, want[i].id);
	}
}

/* RFC 7011 section 7: 254 bytes have a length of one byte, more one of three. */
static void test_message_long_text_takes_three_bytes(void **state)
{
	static const unsigned lengths[] = {0, 1, 254, 255, 256, 1000};
	struct hm_template t = {
		.id = 300, .n = 1, .scopes = 1, .field = {{.id = 82, .length = HM_IE_VARIABLE}}};

	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned n = lengths[i], prefix = n < 255 ? 1 : 3;
		char text[1001];
		const struct hm_option_value v = {.text = text};
		struct hm_message m;
		memset(text, 'x', n);
		text[n] = '\0';
		hm_message_begin(&m, &hm_ipfix, got.bytes[0], 1400, &origin);
		assert_true(hm_message_add_options(&m, &t, &v));
		hm_message_end(&m);
		assert_int_equal(m.used, 16 + 4 + prefix + n);
		assert_int_equal(got.bytes[0][20], prefix == 1 ? n : 255);
		if (prefix == 3)
			assert_int_equal(get16(got.bytes[0] + 21), n);
		assert_memory_equal(got.bytes[0] + 20 + prefix, text, n);
		hm_message_begin(&m, &hm_ipfix, got.bytes[0], 16 + 4 + prefix + n - 1, &origin);
		assert_false(hm_message_add_options(&m, &t, &v));
	}
}

static void test_announcement_netflow5_has_nothing_to_say(void **state)
{
	const struct hm_facts facts = facts_of(&hm_netflow5, false);

	(void)state;
	tell(&facts, true, 1352);
	assert_int_equal(got.messages, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announcement_ipfix_tells_every_number),
		cmocka_unit_test(test_announcement_keys_are_the_five_tuple),
		cmocka_unit_test(test_announcement_interfaces_have_names),
		cmocka_unit_test(test_announcement_types_of_enterprise_elements),
		cmocka_unit_test(test_announcement_netflow9_has_its_own_scopes),
		cmocka_unit_test(test_announcement_tells_only_what_is_wanted),
		cmocka_unit_test(test_announcement_without_templates_has_the_same_records),
		cmocka_unit_test(test_announcement_any_size_of_message_will_do),
		cmocka_unit_test(test_announcement_selectors),
		cmocka_unit_test(test_application_is_a_port_with_a_name),
		cmocka_unit_test(test_announcement_applications),
		cmocka_unit_test(test_message_long_text_takes_three_bytes),
		cmocka_unit_test(test_announcement_netflow5_has_nothing_to_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
