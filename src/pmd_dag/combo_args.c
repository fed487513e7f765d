/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments. Each wrong one is logged with what would have been right. */
#include <errno.h>
#include <string.h>

#include "combo_driver.h"

static int
parse_lib(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;

	return card_parse_path(&combo_driver, key, value, args->lib, sizeof(args->lib));
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
		return card_bad_value(&combo_driver, key, value, want);
	if (strncmp(s, "/dev/", 5) == 0)
		s += 5;
	if (strncmp(s, "szedataII", 9) == 0)
		s += 9;
	else if (s != value)
		return card_bad_value(&combo_driver, key, value, want);
	if (card_parse_number(s, 9999, "", &end, &card) < 0)
		return card_bad_value(&combo_driver, key, value, want);
	snprintf(args->card, sizeof(args->card), "/dev/szedataII%lu", card);
	return 0;
}

static int
parse_channels(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;

	if (value == NULL || card_parse_list(value, 1, COMBO_CHANNELS_MAX - 1, args->channels,
					     &args->nb_channels) < 0)
		return card_bad_value(&combo_driver, key, value,
				      "[0,1,...]: different channels of 0-31");
	return 0;
}

static int
parse_fcs(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	int word = card_parse_word(&combo_driver, key, value, "0|32");

	args->fcs = word == 1 ? 4 : 0;
	return word < 0 ? word : 0;
}

static int
parse_label(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	int word = card_parse_word(&combo_driver, key, value,
				   "color|wire|sequence"); /* as enum combo_label */

	if (word < 0)
		return word;
	args->label = (enum combo_label)word;
	return 0;
}

static int
parse_keep_fcs(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&combo_driver, key, value, "0|1",
			       &((struct combo_args *)opaque)->keep_fcs);
}

static int
parse_flush(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&combo_driver, key, value, "0|1",
			       &((struct combo_args *)opaque)->flush);
}

static int
parse_untimed(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&combo_driver, key, value, "zero|host",
			       &((struct combo_args *)opaque)->host_time);
}

static int
parse_idle(const char *key, const char *value, void *opaque)
{
	struct combo_args *args = opaque;
	const char *end;
	unsigned long us;

	if (value == NULL || card_parse_number(value, 1000000, "", &end, &us) < 0)
		return card_bad_value(&combo_driver, key, value, "microseconds, 0-1000000");
	args->idle_us = (uint32_t)us;
	return 0;
}

static int
parse_speed(const char *key, const char *value, void *opaque)
{
	return card_parse_speed(&combo_driver, key, value, &((struct combo_args *)opaque)->speed);
}

static const struct card_key keys[] = {
	{"lib", parse_lib},
	{"card", parse_card},
	{"channels", parse_channels},
	{"fcs", parse_fcs},
	{"keep_fcs", parse_keep_fcs},
	{"label", parse_label},
	{"untimed", parse_untimed},
	{"flush", parse_flush},
	{"idle_us", parse_idle},
	{"speed", parse_speed},
	{NULL, NULL},
};

int
combo_args_parse(const char *params, struct combo_args *args)
{
	*args = (struct combo_args){
		.lib = "libsze2.so",
		.flush = true,
		.host_time = true,
		.idle_us = 10,
		.speed = RTE_ETH_SPEED_NUM_UNKNOWN,
	};
	if (card_args_parse(&combo_driver, params, keys, args) < 0)
		return -EINVAL;
	if (args->card[0] == '\0') {
		COMBO_LOG(ERR, "card= is missing: which card? (card=/dev/szedataII0)");
		return -EINVAL;
	}
	return 0;
}
