/* SPDX-License-Identifier: BSD-3-Clause */
/* A library of functions that is as CASE says, for test_library.c. */
#include "core/function.h"

#define GOOD       0
#define OTHER_ABI  1
#define OTHER_SIZE 2
#define NONE       3
#define MISSING    4
#define TAKEN      5
#define NO_NAME    6
#define BAD_NAME   7
#define BOTH       8
#define NO_END     9
#define BAD_TYPE   10
#define CORE_SIZE  11
#define FLAGS      12
#define RESULT     13
#define HALF       15
#define SECRET     16

uint64_t hm_no_such_call(void);

static uint64_t pass(void *core, const struct hm_batch *b, uint64_t in)
{
	(void)core;
	(void)b;
#if CASE == MISSING
	return in & hm_no_such_call();
#endif
	return in;
}

#if CASE == BOTH
static uint64_t change(void *core, const struct hm_batch *b, uint64_t in, struct hm_batch *out,
		       struct hm_copies *pool)
{
	(void)core;
	(void)b;
	(void)out;
	(void)pool;
	return in;
}
#endif

static const struct hm_arg arguments[] = {
#if CASE == NO_END
#define ARG                                          \
	{                                            \
		.name = "number", .type = HM_ARG_INT \
	}
	ARG, ARG, ARG, ARG, ARG, ARG, ARG, ARG, ARG, ARG, ARG,
#elif CASE == BAD_TYPE
	{.name = "number", .type = (enum hm_arg_type)'?'},
#elif CASE == SECRET
	{.name = "number", .type = HM_ARG_INT, .secret = true},
#endif
	{0},
};

static const struct hm_field results[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .offset = CASE == RESULT ? 8 : 0},
	{0},
};

static const char *const aliases[] = {"GOOD_TOO", NULL};

static const struct hm_function __attribute__((unused)) function = {
	.name = CASE == NO_NAME    ? NULL
		: CASE == BAD_NAME ? "WITH BLANK"
		: CASE == TAKEN    ? "taken"
				   : "GOOD",
	.aliases = aliases,
	.summary = "a function",
	.flags = CASE == FLAGS ? 1u << 31 : HM_FN_FILTERS,
	.args = arguments,
	.results = results,
	.core_size = CASE == CORE_SIZE ? (size_t)-8 : 8,
	.process = pass,
#if CASE == BOTH
	.transform = change,
#endif
};

#if CASE == OTHER_ABI || CASE == OTHER_SIZE
static void __attribute__((constructor)) register_other(void)
{
	struct hm_function_abi abi = HM_FUNCTION_ABI;

	abi.number += CASE == OTHER_ABI ? 998 : 0;
	abi.sizes[7] += 64;
	hm_function_register(&function, &abi);
}
#elif CASE != NONE
HM_FUNCTION_REGISTER(function);
#endif

#if CASE == HALF
static const struct hm_function second = {.name = "HALF", .core_size = 8};
HM_FUNCTION_REGISTER(second);
#endif
