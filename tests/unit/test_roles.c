/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/roles.h"

static struct hm_config conf_of(char **administrators, size_t n, char **readers, size_t m)
{
	return (struct hm_config){
		.control = {.administrators = {administrators, n}, .readers = {readers, m}}};
}

static void test_roles_numbers_and_groups_are_found(void **state)
{
	char *administrators[] = {(char *)"4001", (char *)"@5001"}, *readers[] = {(char *)"4002"};
	struct hm_config conf = conf_of(administrators, 2, readers, 1);
	const gid_t operators[] = {7, 5001}, others[] = {7};
	struct hm_roles r;
	struct hm_error err;
	assert_int_equal(hm_roles_resolve(&r, &conf, &err), 0);
	assert_int_equal(hm_roles_of(&r, 0, others, 1), HM_ROLE_ADMINISTRATOR);
	assert_int_equal(hm_roles_of(&r, 4001, others, 1), HM_ROLE_ADMINISTRATOR);
	assert_int_equal(hm_roles_of(&r, 4999, operators, 2), HM_ROLE_ADMINISTRATOR);
	assert_int_equal(hm_roles_of(&r, 4002, others, 1), HM_ROLE_READER);
	assert_int_equal(hm_roles_of(&r, 5001, others, 1), HM_ROLE_NONE);
	assert_int_equal(hm_roles_of(&r, 4003, others, 1), HM_ROLE_NONE);
	hm_roles_free(&r);
}

static void test_roles_without_readers_everybody_reads(void **state)
{
	struct hm_config conf = {0};
	struct hm_roles r;
	assert_int_equal(hm_roles_resolve(&r, &conf, NULL), 0);
	assert_int_equal(hm_roles_of(&r, 4003, NULL, 0), HM_ROLE_READER);
	hm_roles_free(&r);
}

static void test_roles_names_are_looked_up(void **state)
{
	char *administrators[] = {(char *)"nobody"};
	struct hm_config conf = conf_of(administrators, 1, NULL, 0);
	struct hm_roles r;
	assert_int_equal(hm_roles_resolve(&r, &conf, NULL), 0);
	assert_int_equal(hm_roles_of(&r, 65534, NULL, 0), HM_ROLE_ADMINISTRATOR);
	hm_roles_free(&r);
}

static void test_roles_unknown_name_is_refused(void **state)
{
	char *readers[] = {(char *)"nobody", (char *)"@no-such-group"};
	struct hm_config conf = conf_of(NULL, 0, readers, 2);
	struct hm_roles r;
	struct hm_error err;
	assert_true(hm_roles_resolve(&r, &conf, &err) < 0);
	assert_non_null(
		strstr(err.text, "control.readers[1]: there is no group \"no-such-group\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles_numbers_and_groups_are_found),
		cmocka_unit_test(test_roles_without_readers_everybody_reads),
		cmocka_unit_test(test_roles_names_are_looked_up),
		cmocka_unit_test(test_roles_unknown_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
