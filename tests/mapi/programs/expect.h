/* SPDX-License-Identifier: BSD-3-Clause */
/* expect: a call that must fail, and the number that says why. Prints "CALL<tab>WHEN<tab>NUMBER<tab>what came". */
#ifndef EXPECT_H
#define EXPECT_H

#include <mapi.h>
#include <stdio.h>
#include <stdlib.h>

static inline void told(const char *call, const char *when, int number, int failed)
{
	char text[MAPI_ERRORSTR_LENGTH] = "";
	int got = 0;

	mapi_read_error(&got, text);
	printf("%s\t%s\t%d\t", call, when, number);
	if (failed)
		printf("%d%s\n", got, got && !*text ? " without a text" : "");
	else
		printf("it does not fail\n");
}

/* Of a call that returns -1, or NULL, when it fails. */
#define EXPECT(number, call, when, returned)      told(call, when, number, (returned) == -1)
#define EXPECT_NULL(number, call, when, returned) told(call, when, number, (returned) == NULL)
/* Of a function: it is refused when it is applied to a new flow; "when" says how. */
#define REFUSED(number, function, when, ...)                                                     \
	do {                                                                                     \
		int fd_ = mapi_create_flow("idle");                                              \
		EXPECT(number, function, when, mapi_apply_function(fd_, function, __VA_ARGS__)); \
		mapi_close_flow(fd_);                                                            \
	} while (0)
/* The same, when its flow is connected. */
#define REFUSED_AT_CONNECT(number, function, when, ...)                  \
	do {                                                             \
		int fd_ = mapi_create_flow("idle");                      \
		if (mapi_apply_function(fd_, function, __VA_ARGS__) < 0) \
			printf("%s is refused too early\n", function);   \
		EXPECT(number, function, when, mapi_connect(fd_));       \
		mapi_close_flow(fd_);                                    \
	} while (0)

#endif
