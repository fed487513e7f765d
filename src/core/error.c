/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/error.h"

#include <stdio.h>

int hm_error_set(struct hm_error *err, int code, int mapi_errno, const char *format, ...)
{
	if (err) {
		va_list ap;
		err->mapi_errno = mapi_errno;
		va_start(ap, format);
		vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return code;
}
