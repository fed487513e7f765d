/* SPDX-License-Identifier: BSD-3-Clause */
/* require: how a fuzz target says that what must hold does not. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "violated: %s\n", what);
	abort();
}
