/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/output_name.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NUMBER_DIGITS 6
#define DIRECTIVES    "YmdHMSn%"

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/* Where "-1" goes; a dot in front begins a hidden file's name, no ending. */
static size_t stem_of(const char *base)
{
	const char *dot = strrchr(base, '.');

	return dot && dot != base ? (size_t)(dot - base) : strlen(base);
}

/* --- checking --- */

static bool leads_out(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/')) {
		size_t n;

		at += *at == '/' && at != name;
		n = strcspn(at, "/");
		if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return true;
	}
	return false;
}

int hm_output_name_check(const char *name, struct hm_error *err)
{
	if (strlen(name) >= HM_OUTPUT_NAME_MAX / 2) // the other half: what directives add
		return hm_error_set(err, -ENAMETOOLONG, 6155, "a file's name has at most %d bytes",
				    HM_OUTPUT_NAME_MAX / 2 - 1);
	if (leads_out(name))
		return hm_error_set(err, -EINVAL, 6155,
				    "\"%s\" is no file's name: it must be a path below the folder, "
				    "without \"/\" in front, \".\" or \"..\"",
				    name);
	for (const char *c = name; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return hm_error_set(err, -EINVAL, 6155,
					    "the file's name has a control character at byte %td",
					    c - name + 1);
		if (*c != '%')
			continue;
		c++;
		if (!*c || !strchr(DIRECTIVES, *c))
			return hm_error_set(err, -EINVAL, 6155,
					    "\"%s\" has a %% at byte %td that means nothing; there "
					    "are %%Y %%m %%d %%H %%M %%S %%n and %%%%",
					    name, c - name);
		if (strchr(c, '/') && *c != '%')
			return hm_error_set(
				err, -EINVAL, 6155,
				"\"%s\": the folder's name cannot change with time or number",
				name);
	}
	return 0;
}

bool hm_output_name_has_time(const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c == '%' && strchr("YmdHMS", *++c))
			return true;
	return false;
}

/* --- making --- */

struct text {
	char *at;
	size_t used, size;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	size_t left = t->used < t->size ? t->size - t->used : 0;
	va_list ap;

	va_start(ap, format);
	t->used += (size_t)vsnprintf(t->at + (left ? t->used : 0), left, format, ap);
	va_end(ap);
}

static void add_directive(struct text *t, char which, const struct tm *tm, uint64_t number)
{
	switch (which) {
	case 'Y':
		add(t, "%04d", tm->tm_year + 1900);
		break;
	case 'm':
		add(t, "%02d", tm->tm_mon + 1);
		break;
	case 'd':
		add(t, "%02d", tm->tm_mday);
		break;
	case 'H':
		add(t, "%02d", tm->tm_hour);
		break;
	case 'M':
		add(t, "%02d", tm->tm_min);
		break;
	case 'S':
		add(t, "%02d", tm->tm_sec);
		break;
	case 'n':
		add(t, "%0*" PRIu64, NUMBER_DIGITS, number);
		break;
	default:
		add(t, "%c", which);
	}
}

bool hm_output_name_make(const char *name, uint64_t time_ns, uint64_t number, unsigned again,
			 char *made, size_t size)
{
	const time_t seconds = (time_t)(time_ns / 1000000000);
	const char *stem_end = base_of(name) + stem_of(base_of(name));
	struct text t = {.at = made, .size = size};
	struct tm tm;

	gmtime_r(&seconds, &tm);
	for (const char *c = name;; c++) {
		if (c == stem_end && again)
			add(&t, "-%u", again);
		if (!*c)
			return t.used < size;
		if (*c == '%')
			add_directive(&t, *++c, &tm, number);
		else
			add(&t, "%c", *c);
	}
}

/* --- recognizing --- */

/* Bytes of digits at `c` that the directive stands for; 0: none. */
static size_t match_digits(char which, const char *c)
{
	const size_t digits = strspn(c, "0123456789");
	const size_t wanted = which == 'Y' ? 4 : which == 'n' ? NUMBER_DIGITS : 2;

	if (digits < wanted)
		return 0;
	return which == 'n' ? digits : wanted;
}

/* "-1", "-2" ...; nothing is good, too. */
static size_t match_again(const char *c)
{
	const size_t digits = c[0] == '-' && c[1] != '0' ? strspn(c + 1, "0123456789") : 0;

	return digits ? digits + 1 : 0;
}

bool hm_output_name_matches(const char *name, const char *made)
{
	const char *stem_end = name + stem_of(name);

	for (const char *c = name;; c++) {
		if (c == stem_end)
			made += match_again(made);
		if (!*c)
			return !*made;
		if (*c == '%' && *++c != '%') {
			const size_t n = match_digits(*c, made);

			if (n == 0)
				return false;
			made += n;
		} else if (*made++ != *c) {
			return false;
		}
	}
}
