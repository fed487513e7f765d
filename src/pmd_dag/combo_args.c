/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments. Each wrong one is logged with what would have been right. */
#include <errno.h>
#include <string.h>

#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "combo_driver.h"

static int
bad_value(const char *key, const char *value, const char *want)
{
	COMBO_LOG(ERR, "%s=%s: want %s", key, value != NULL ? value : "", want);
	return -EINVAL;
}

/* One of the words, separated by '|': its number, or a negative errno. */
static int
parse_word(const char *key, const char *value, const char *words)
{
	const size_t n = value != NULL ? strlen(value) : 0;
	const char *word;
	int i;

	for (word = words, i = 0; n > 0; i++) {
		const char *end = strchrnul(word, '|');

		if ((size_t)(end - word) == n && memcmp(word, value, n) == 0)
			return i;
		if (*end == '\0')
			break;
		word = end + 1;
	}
	return bad_value(key, value, words);
}

static int
parse_flag(const char *key, const char *value, const char *words, bool *flag)
{
	int word = parse_word(key, value, words);

	*flag = word == 1;
	return word < 0 ? word : 0;
}

static int
parse_lib(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;

	if (value == NULL || value[0] == '\0' ||
	    strlcpy(args->lib, value, sizeof(args->lib)) >= sizeof(args->lib))
		return bad_value(key, value, "a library's file name or absolute path");
	return 0;
}

/* "0", "szedataII0", "/dev/szedataII0" */
static int
parse_card(const char *key, const char *value, void *opaque)
{
	static const char *const want = "N, szedataIIN or /dev/szedataIIN";
	struct combo_args *args = opaque;
	const char *s = value, *end;
	unsigned long card;

	if (value == NULL)
		return bad_value(key, value, want);
	if (strncmp(s, "/dev/", 5) == 0)
		s += 5;
	if (strncmp(s, "szedataII", 9) == 0)
		s += 9;
	else if (s != value)
		return bad_value(key, value, want);
	if (card_parse_number(s, 9999, "", &end, &card) < 0)
		return bad_value(key, value, want);
	snprintf(args->card, sizeof(args->card), "/dev/szedataII%lu", card);
	return 0;
}

/* "0" or "[0,1,5]" */
static int
parse_channels(const char *key, const char *value, void *opaque)
{
	static const char *const want = "[0,1,...]: different channels of 0-31";
	struct combo_args *args = opaque;
	const char *s = value;
	unsigned long channel;
	uint32_t seen = 0;
	bool list;

	if (value == NULL)
		return bad_value(key, value, want);
	list = *s == '[';
	s += list;
	do {
		if (card_parse_number(s, COMBO_CHANNELS_MAX - 1, list ? ",]" : "", &s, &channel) <
			    0 ||
		    (seen & (UINT32_C(1) << channel)))
			return bad_value(key, value, want);
		seen |= UINT32_C(1) << channel;
		args->channels[args->nb_channels++] = (uint8_t)channel;
	} while (*s++ == ',');
	if (list && (s[-1] != ']' || *s != '\0'))
		return bad_value(key, value, want);
	return 0;
}

static int
parse_fcs(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	int word = parse_word(key, value, "0|32");

	args->fcs = word == 1 ? 4 : 0;
	return word < 0 ? word : 0;
}

static int
parse_label(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	int word = parse_word(key, value, "color|wire|sequence"); /* as enum combo_label */

	if (word < 0)
		return word;
	args->label = (enum combo_label)word;
	return 0;
}

static int
parse_keep_fcs(const char *key, const char *value, void *opaque)
{
	return parse_flag(key, value, "0|1", &((struct combo_args *)opaque)->keep_fcs);
}

static int
parse_flush(const char *key, const char *value, void *opaque)
{
	return parse_flag(key, value, "0|1", &((struct combo_args *)opaque)->flush);
}

static int
parse_untimed(const char *key, const char *value, void *opaque)
{
	return parse_flag(key, value, "zero|host", &((struct combo_args *)opaque)->host_time);
}

static int
parse_idle(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	const char *end;
	unsigned long us;

	if (value == NULL || card_parse_number(value, 1000000, "", &end, &us) < 0)
		return bad_value(key, value, "microseconds, 0-1000000");
	args->idle_us = (uint32_t)us;
	return 0;
}

static int
parse_speed(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	const char *end;
	unsigned long mbps;

	if (value == NULL || card_parse_number(value, 1000000, "", &end, &mbps) < 0)
		return bad_value(key, value, "Mbit/s, 0-1000000");
	args->speed = mbps > 0 ? (uint32_t)mbps : RTE_ETH_SPEED_NUM_UNKNOWN;
	return 0;
}

#define KEYS "lib card channels fcs keep_fcs label untimed flush idle_us speed"

static const char *const valid_keys[] = {
	"lib",     "card",  "channels", "fcs",   "keep_fcs", "label",
	"untimed", "flush", "idle_us",  "speed", NULL,
};

/* in the order of the names above */
static const arg_handler_t handlers[] = {
	parse_lib,   parse_card,    parse_channels, parse_fcs,  parse_keep_fcs,
	parse_label, parse_untimed, parse_flush,    parse_idle, parse_speed,
};

static_assert(RTE_DIM(handlers) + 1 == RTE_DIM(valid_keys), "a handler for each key");

int
combo_args_parse(const char *params, struct combo_args *args)
{
	struct rte_kvargs *list;
	unsigned int i;
	int ret = 0;

	*args = (struct combo_args){
		.lib = "libsze2.so",
		.flush = true,
		.host_time = true,
		.idle_us = 10,
		.speed = RTE_ETH_SPEED_NUM_UNKNOWN,
	};
	list = rte_kvargs_parse(params != NULL ? params : "", valid_keys);
	if (list == NULL) {
		COMBO_LOG(ERR, "\"%s\": unknown key or bad form; keys: " KEYS, params);
		return -EINVAL;
	}
	for (i = 0; i < RTE_DIM(handlers) && ret == 0; i++) {
		if (rte_kvargs_count(list, valid_keys[i]) > 1)
			ret = bad_value(valid_keys[i], "...", "this key once only");
		else
			ret = rte_kvargs_process(list, valid_keys[i], handlers[i], args);
	}
	rte_kvargs_free(list);
	if (ret == 0 && args->card[0] == '\0') {
		COMBO_LOG(ERR, "card= is missing: which card? (card=/dev/szedataII0)");
		ret = -EINVAL;
	}
	return ret < 0 ? -EINVAL : 0;
}
