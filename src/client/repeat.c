/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/repeat.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double at_s)
{
	double left = at_s - now_s();
	struct timespec t = {.tv_sec = left > 0 ? (time_t)left : 0};
	if (left > 0)
		t.tv_nsec = (long)((left - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static int wrong(struct hm_ctl *ctl, const char *option, const char *value)
{
	hm_ctl_usage(ctl, "%s %s: must be a number", option, value);
	return -1;
}

int hm_repeat_option(struct hm_repeat *r, struct hm_ctl *ctl, int argc, char **argv, int i)
{
	char *end = NULL;
	bool interval = strcmp(argv[i], "--interval") == 0;
	if (!interval && strcmp(argv[i], "--count") != 0)
		return 0;
	if (i + 1 == argc) {
		hm_ctl_usage(ctl, "%s needs a value", argv[i]);
		return -1;
	}
	if (interval)
		r->interval_s = strtod(argv[i + 1], &end);
	else
		r->count = strtoul(argv[i + 1], &end, 10);
	if (end == argv[i + 1] || *end || argv[i + 1][0] == '-')
		return wrong(ctl, argv[i], argv[i + 1]);
	if (!(r->interval_s >= 0.1 && r->interval_s <= 3600)) {
		hm_ctl_usage(ctl, "--interval must be 0.1 to 3600 seconds");
		return -1;
	}
	return 2;
}

int hm_repeat(const struct hm_repeat *r, unsigned silent, int (*once)(void *arg, double seconds),
	      void *arg)
{
	unsigned long readings = r->count ? r->count + silent : 0;
	double next_s = now_s(), before_s = 0;
	int code = HM_EXIT_OK;
	for (unsigned long i = 0; (readings == 0 || i < readings) && code == HM_EXIT_OK; i++) {
		wait_until(next_s);
		double at_s = now_s();
		code = once(arg, i > 0 ? at_s - before_s : 0);
		before_s = at_s;
		next_s += r->interval_s;
	}
	return code;
}
