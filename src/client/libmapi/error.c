/* SPDX-License-Identifier: BSD-3-Clause */
/* error: each thread's last error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/libmapi/internal.h"

static _Thread_local struct hm_error last;

int mapi_fail(int number, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	last.mapi_errno = number;
	vsnprintf(last.text, sizeof(last.text), format, ap);
	va_end(ap);
	return -1;
}

int mapi_fail_as(const struct hm_error *err, int number)
{
	return mapi_fail(err->mapi_errno ? err->mapi_errno : number, "%s", err->text);
}

int mapi_read_error(int *err_no, char *errorstr)
{
	static_assert(sizeof(last.text) == MAPI_ERRORSTR_LENGTH, "as callers have room for");

	if (!err_no && !errorstr)
		return -1;
	if (err_no)
		*err_no = last.mapi_errno;
	if (errorstr && last.mapi_errno)
		memcpy(errorstr, last.text, strlen(last.text) + 1);
	last.mapi_errno = 0;
	return 0;
}
