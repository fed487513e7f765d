/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netflow/ie.h"
#include "netflow/layout.h"
#include "netflow_records.h"

static struct hm_layout layout;

/* The value of an element as it is encoded, up to 8 bytes; each field has a template of its own. */
static uint64_t value_of(uint16_t element, const struct hm_flow_record *r, unsigned sender)
{
	const struct hm_want want = {element, 0};
	struct hm_template t;
	uint8_t out[24] = {0};
	uint64_t v = 0;

	assert_int_equal(hm_template_compile(&t, 256, &want, 1, r->key.version), 0);
	assert_int_equal(t.n, 1);
	hm_template_encode(&t, r, NULL, sender, T0_MS - 1000, out);
	for (unsigned i = 0; i < t.bytes; i++)
		v = v << 8 | out[i];
	assert_int_equal(out[t.bytes], 0);
	return v;
}

static void test_layout_each_element_has_its_value(void **state)
{
	const struct hm_flow_record r = record_ipv4();

	(void)state;
	assert_int_equal(value_of(1, &r, 0), 500);
	assert_int_equal(value_of(2, &r, 1), 7);
	assert_int_equal(value_of(4, &r, 1), 6);
	assert_int_equal(value_of(5, &r, 1), 0xb8);
	assert_int_equal(value_of(195, &r, 1), 0xb8 >> 2);
	assert_int_equal(value_of(6, &r, 0), 0x12);
	assert_int_equal(value_of(7, &r, 0), 80);
	assert_int_equal(value_of(11, &r, 0), 1025);
	assert_int_equal(value_of(8, &r, 0), 0xc0000201);
	assert_int_equal(value_of(12, &r, 0), 0xc0000202);
	assert_int_equal(value_of(10, &r, 0), 3);
	assert_int_equal(value_of(32, &r, 0), 0); // is not ICMP
	assert_int_equal(value_of(58, &r, 0), 0x123);
	assert_int_equal(value_of(243, &r, 0), 0x123);
	assert_int_equal(value_of(60, &r, 0), 4);
	assert_int_equal(value_of(136, &r, 0), 3);
	assert_int_equal(value_of(239, &r, 1), 1);
	assert_int_equal(value_of(21, &r, 1), 3000);
	assert_int_equal(value_of(22, &r, 1), 1250);
	assert_int_equal(value_of(150, &r, 0), T0_MS / 1000);
	assert_int_equal(value_of(151, &r, 0), T0_MS / 1000 + 1);
	assert_int_equal(value_of(152, &r, 0), T0_MS + 500);
	assert_int_equal(value_of(153, &r, 0), T0_MS + 1000);
	assert_int_equal(value_of(161, &r, 1), 1750);
	assert_int_equal(value_of(162, &r, 0), 499000); // 499000.001 us
}

static void test_layout_icmp_type_is_of_its_own_version(void **state)
{
	struct hm_flow_record r = record_ipv4();

	(void)state;
	r.key.proto = 1;
	assert_int_equal(value_of(32, &r, 1), 80);
	r.key.version = 6; // ICMP of IPv4 over IPv6 is nothing
	assert_int_equal(value_of(139, &r, 1), 0);
	r.key.proto = 58;
	assert_int_equal(value_of(139, &r, 1), 80);
}

/* RFC 7011 section 6.1.9: seconds since 1900, and 2^-32 of them. */
static void test_layout_ntp_times_give_the_nanosecond_back(void **state)
{
	struct hm_flow_record r = record_ipv4();
	const uint64_t ns[] = {0,
			       1,
			       2,
			       999999999,
			       1000000000,
			       (T0_MS + 500) * MS + 999999,
			       (T0_MS + 999) * MS + 999999};

	(void)state;
	for (unsigned i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		uint64_t v;
		r.first_ns[0] = r.last_ns[0] = ns[i];
		v = value_of(156, &r, 0);
		assert_int_equal((v >> 32) - 2208988800u, ns[i] / 1000000000);
		assert_int_equal((v & UINT32_MAX) * 1000000000 >> 32, ns[i] % 1000000000);
		v = value_of(154, &r, 0);
		assert_int_equal((v >> 32) - 2208988800u, ns[i] / 1000000000);
		assert_int_equal((v & UINT32_MAX) * 1000000 >> 32, ns[i] % 1000000000 / 1000);
		assert_int_equal(v & 0x7ff, 0);
	}
}

static void build(const uint16_t *elements, unsigned n, bool biflow)
{
	struct hm_layout_conf conf = {.n = n, .biflow = biflow};

	for (unsigned i = 0; i < n; i++)
		conf.element[i].id = elements[i];
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0);
}

static void test_layout_elements_of_the_other_version_are_left_out(void **state)
{
	const uint16_t elements[] = {8, 12, 27, 28, 4};

	(void)state;
	build(elements, 5, false);
	assert_int_equal(layout.n, 2);
	assert_int_equal(layout.template[0].n, 3);
	assert_int_equal(layout.template[0].bytes, 9);
	assert_int_equal(layout.template[1].bytes, 33);
	assert_int_equal(layout.template[1].field[0].id, 27);
}

static void test_layout_biflow_appends_what_differs(void **state)
{
	const uint16_t elements[] = {2, 4, 7, 152, 6, 239};
	struct hm_flow_record r = record_ipv4();
	const struct hm_template *t = &layout.template[2];
	uint8_t out[64];

	(void)state;
	build(elements, 6, true);
	assert_int_equal(layout.n, 4);
	assert_ptr_equal(hm_layout_of(&layout, &r), t);
	assert_int_equal(t->id, 258);
	assert_int_equal(t->n, 9);
	for (unsigned i = 0; i < t->n; i++)
		assert_int_equal(t->field[i].enterprise, i < 6 ? 0 : HM_IE_REVERSE);
	assert_int_equal(t->field[6].id, 2);
	assert_int_equal(t->field[7].id, 152);
	assert_int_equal(t->field[8].id, 6);
	hm_template_encode(t, &r, NULL, 1, 0, out);
	assert_int_equal(get64(out), 7);        // forward packets
	assert_int_equal(get16(out + 9), 1025); // source port
	assert_int_equal(get64(out + 11), T0_MS + 250);
	assert_int_equal(get64(out + 21), 5); // reverse packets
	assert_int_equal(get64(out + 29), T0_MS + 500);
	assert_int_equal(out[37], 0x12); // reverse flags
	r.packets[0] = 0;
	assert_ptr_equal(hm_layout_of(&layout, &r), &layout.template[0]);
	r.key.version = 6;
	assert_ptr_equal(hm_layout_of(&layout, &r), &layout.template[1]);
}

static void test_layout_routes(void **state)
{
	const uint16_t elements[] = {16, 17, 9, 29, 13, 30, 15, 62, 18, 63};
	const struct hm_route to[2] = {
		{.as = 1, .length = 48, .next_hop_version = 6, .next_hop = {0x20}},
		{.as = 70000, .length = 19, .next_hop_version = 4, .next_hop = {198, 51, 100, 7}}};
	const struct hm_route *const route[2] = {&to[0], &to[1]};
	struct hm_layout_conf conf = {.routes = true, .n = 10};
	struct hm_flow_record r = record_ipv4();
	struct hm_error err;
	uint8_t out[64];

	(void)state;
	for (unsigned i = 0; i < conf.n; i++)
		conf.element[i].id = elements[i];
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0);
	assert_int_equal(layout.template[0].bytes, 4 + 4 + 1 + 1 + 4 + 4);
	assert_int_equal(layout.template[1].bytes, 4 + 4 + 1 + 1 + 16 + 16);
	hm_template_encode(&layout.template[0], &r, route, 0, 0, out);
	assert_int_equal(hm_get32(out), 1);
	assert_int_equal(hm_get32(out + 4), 70000);
	assert_int_equal(out[8], 48);
	assert_int_equal(out[9], 19);
	assert_memory_equal(out + 10, to[1].next_hop, 4);
	assert_memory_equal(out + 14, to[1].next_hop, 4);
	r.key.version = 6;
	hm_template_encode(&layout.template[1], &r, route, 1, 0, out);
	assert_int_equal(hm_get32(out), 70000);
	assert_memory_equal(out + 10, to[0].next_hop, 16);
	hm_template_encode(&layout.template[1], &r, NULL, 1, 0, out); // none is known
	for (unsigned i = 0; i < layout.template[1].bytes; i++)
		assert_int_equal(out[i], 0);
	conf.routes = false;
	assert_true(hm_layout_build(&layout, &conf, &hm_ipfix, &err) < 0);
	assert_non_null(strstr(err.text, "bgpSourceAsNumber is of the route to an address"));
	conf.n = 0; // the basic template has them when they are known
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0);
	assert_false(layout.template[0].routes);
	conf.routes = true;
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_netflow9, NULL), 0);
	assert_true(layout.template[0].routes && layout.template[1].routes);
}

/* What is in the cache's key is a key in the template, and has no reverse. */
static void test_layout_wider_keys_are_marked(void **state)
{
	const struct hm_layout_conf conf = {
		.biflow = true, .key = HM_FLOW_KEY_TOS | HM_FLOW_KEY_VLAN | HM_FLOW_KEY_LABEL};
	struct hm_flow_record r = record_ipv4();
	unsigned keys = 0, labels = 0;
	uint8_t out[256];

	(void)state;
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0);
	for (unsigned i = 0; i < layout.template[2].n; i++) {
		const struct hm_template_field *f = &layout.template[2].field[i];
		keys += f->key;
		labels += f->id == 31;
		assert_false(f->id == 5 && f->enterprise != 0);
	}
	assert_int_equal(keys, 5 + 3);
	assert_int_equal(labels, 1);
	r.first.label = 0xfffff;
	build((const uint16_t[]){31}, 1, false);
	hm_template_encode(&layout.template[0], &r, NULL, 1, 0, out);
	assert_int_equal(hm_get32(out), 0xfffff);
}

/* What is of frames: of each direction, or, as a key, of both. */
static void test_layout_frames(void **state)
{
	const uint16_t elements[] = {56, 80, 70};
	struct hm_layout_conf conf = {.biflow = true, .key = HM_FLOW_KEY_MAC | HM_FLOW_KEY_MPLS};
	struct hm_flow_record r = record_ipv4();
	unsigned keys = 0, fields = 0;
	uint8_t out[32];

	(void)state;
	r.frame[0] = (union hm_flow_frame){
		{.destination = {2, 0, 0, 0, 0, 1}, .source = {4, 0, 0, 0, 0, 2}}};
	r.frame[1] = (union hm_flow_frame){{.destination = {6, 0, 0, 0, 0, 3},
					    .source = {8, 0, 0, 0, 0, 4},
					    .mpls = HM_FLOW_MPLS | 0xabcdef}};
	assert_int_equal(value_of(56, &r, 0), 0x040000000002);
	assert_int_equal(value_of(80, &r, 0), 0x020000000001);
	assert_int_equal(value_of(70, &r, 0), 0);
	assert_int_equal(value_of(56, &r, 1), 0x080000000004);
	assert_int_equal(value_of(80, &r, 1), 0x060000000003);
	assert_int_equal(value_of(70, &r, 1), 0xabcdef);
	build(elements, 3, true);
	assert_int_equal(layout.template[2].bytes, 2 * (6 + 6 + 3));
	hm_template_encode(&layout.template[2], &r, NULL, 1, 0, out);
	assert_memory_equal(out, "\x08\0\0\0\0\x04\x06\0\0\0\0\x03\xab\xcd\xef", 15);
	assert_memory_equal(out + 15, "\x04\0\0\0\0\x02\x02\0\0\0\0\x01\0\0\0", 15);
	assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0); // basic, and the key
	for (unsigned i = 0; i < layout.template[2].n; i++) {
		const struct hm_template_field *f = &layout.template[2].field[i];
		bool of_frame = f->id == 56 || f->id == 80 || f->id == 70;
		keys += f->key && of_frame;
		fields += of_frame;
	}
	assert_int_equal(keys, 3);
	assert_int_equal(fields, 3); // none reversed
	for (uint16_t id = 1; id < 500; id++)
		assert_int_equal(hm_template_of_frames(id), id == 56 || id == 80 || id == 70);
}

static void test_layout_what_does_not_go_together_is_refused(void **state)
{
	const struct {
		struct hm_layout_conf conf;
		const struct hm_format *format;
		const char *says;
	} refused[] = {
		{{.biflow = true}, &hm_netflow9, "biflow needs ipfix"},
		{{.biflow = true}, &hm_netflow5, "biflow needs ipfix"},
		{{.time_unit = HM_TIME_MS}, &hm_netflow5, "leave out template and time_unit"},
		{{.n = 1, .element = {{4, 0}}}, &hm_netflow5, "leave out template"},
		{{.n = 1, .element = {{22, 0}}}, &hm_ipfix, "flowStartSysUpTime"},
		{{.n = 1, .element = {{8, 0}}}, &hm_ipfix, "no element for IPv6"},
		{{.n = 1, .element = {{19, 0}}}, &hm_ipfix, "lack"},
	};
	struct hm_error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_true(hm_layout_build(&layout, &refused[i].conf, refused[i].format, &err) <
			    0);
		if (!strstr(err.text, refused[i].says))
			fail_msg("%u: said \"%s\"", i, err.text);
	}
}

static void test_template_that_is_too_long_is_refused(void **state)
{
	struct hm_want many[HM_TEMPLATE_FIELDS + 1];
	struct hm_template t;

	(void)state;
	for (unsigned i = 0; i <= HM_TEMPLATE_FIELDS; i++)
		many[i] = (struct hm_want){2, 0};
	assert_int_equal(hm_template_compile(&t, 256, many, HM_TEMPLATE_FIELDS + 1, 4), -E2BIG);
	assert_int_equal(hm_template_compile(&t, 256, many, HM_TEMPLATE_FIELDS, 4), 0);
	assert_int_equal(hm_template_add_reverse(&t), -E2BIG);
}

static void test_layout_time_units_take_their_elements(void **state)
{
	static const uint16_t first[] = {152, 150, 152, 154, 156};

	(void)state;
	for (int unit = HM_TIME_DEFAULT; unit <= HM_TIME_NS; unit++) {
		const struct hm_layout_conf conf = {.time_unit = (enum hm_time_unit)unit};
		assert_int_equal(hm_layout_build(&layout, &conf, &hm_ipfix, NULL), 0);
		assert_int_equal(layout.template[0].field[0].id, first[unit]);
		assert_int_equal(layout.template[1].field[1].id, first[unit] + 1);
		assert_int_equal(hm_layout_build(&layout, &conf, &hm_netflow9, NULL), 0);
		assert_int_equal(layout.template[0].field[0].id,
				 unit == HM_TIME_DEFAULT ? 22 : first[unit]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_each_element_has_its_value),
		cmocka_unit_test(test_layout_icmp_type_is_of_its_own_version),
		cmocka_unit_test(test_layout_ntp_times_give_the_nanosecond_back),
		cmocka_unit_test(test_layout_elements_of_the_other_version_are_left_out),
		cmocka_unit_test(test_layout_biflow_appends_what_differs),
		cmocka_unit_test(test_layout_routes),
		cmocka_unit_test(test_layout_wider_keys_are_marked),
		cmocka_unit_test(test_layout_frames),
		cmocka_unit_test(test_layout_what_does_not_go_together_is_refused),
		cmocka_unit_test(test_template_that_is_too_long_is_refused),
		cmocka_unit_test(test_layout_time_units_take_their_elements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
