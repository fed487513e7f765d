/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments. Each wrong one is logged with what would have been right. */
#include <errno.h>
#include <string.h>

#include "dag_driver.h"
#include "trace/erf.h"

static int
parse_lib(const char *key, const char *value, void *opaque)
{
	return card_parse_path(&dag_driver, key, value, ((struct dag_args *)opaque)->lib,
			       DAG_LIB_NAME);
}

static int
parse_conf_lib(const char *key, const char *value, void *opaque)
{
	return card_parse_path(&dag_driver, key, value, ((struct dag_args *)opaque)->conf_lib,
			       DAG_LIB_NAME);
}

static int
parse_drop_attr(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long code;

	if (value == NULL || card_parse_number(value, UINT32_MAX, "", &end, &code) < 0)
		return card_bad_value(&dag_driver, key, value,
				      "the attribute's code, 0-4294967295");
	args->drop_attr = (uint32_t)code;
	args->drop_counter = true;
	return 0;
}

/* "dag0", "dag0:2", "/dev/dag0:2" */
static int
parse_card(const char *key, const char *value, void *opaque)
{
	static const char *const want = "dagN, dagN:STREAM or /dev/dagN:STREAM";
	struct dag_args *args = opaque;
	const char *s = value, *end;
	unsigned long card, stream;

	if (value == NULL)
		return card_bad_value(&dag_driver, key, value, want);
	if (strncmp(s, "/dev/", 5) == 0)
		s += 5;
	if (strncmp(s, "dag", 3) != 0 || card_parse_number(s + 3, 9999, ":", &end, &card) < 0)
		return card_bad_value(&dag_driver, key, value, want);
	snprintf(args->card, sizeof(args->card), "dag%lu", card);
	if (*end == '\0')
		return 0;
	if (card_parse_number(end + 1, DAG_STREAM_MAX, "", &end, &stream) < 0 || stream % 2 != 0)
		return card_bad_value(&dag_driver, key, value,
				      "an even stream of 0-62: odd ones transmit");
	args->streams[0] = (uint8_t)stream;
	args->nb_streams = 1;
	return 0;
}

static int
parse_streams(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;

	if (args->nb_streams > 0)
		return card_bad_value(&dag_driver, key, value, "the streams named once only");
	if (value == NULL ||
	    card_parse_list(value, 2, DAG_STREAM_MAX, args->streams, &args->nb_streams) < 0)
		return card_bad_value(&dag_driver, key, value,
				      "[0,2,...]: up to 32 different even streams of 0-62");
	return 0;
}

static int
parse_fcs(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long bits;

	if (value == NULL || card_parse_number(value, 32, "", &end, &bits) < 0 || bits % 16 != 0)
		return card_bad_value(&dag_driver, key, value, "0, 16 or 32 (bits)");
	args->fcs = (uint16_t)(bits / 8);
	return 0;
}

static int
parse_speed(const char *key, const char *value, void *opaque)
{
	return card_parse_speed(&dag_driver, key, value, &((struct dag_args *)opaque)->speed);
}

static int
parse_window(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long bytes;

	if (value == NULL || card_parse_number(value, UINT32_MAX, "", &end, &bytes) < 0 ||
	    (bytes != 0 && bytes < HM_ERF_RLEN_MAX + 1))
		return card_bad_value(&dag_driver, key, value,
				      "0 (all of it), or 65536-4294967295 (bytes)");
	args->window = (uint32_t)bytes;
	return 0;
}

static int
parse_keep_fcs(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "0|1",
			       &((struct dag_args *)opaque)->keep_fcs);
}

static int
parse_rxerror(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "drop|deliver",
			       &((struct dag_args *)opaque)->deliver_errors);
}

static int
parse_flush(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "0|1", &((struct dag_args *)opaque)->flush);
}

static int
parse_zero_copy(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "0|1",
			       &((struct dag_args *)opaque)->zero_copy);
}

static int
parse_timestamp(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "ns|erf",
			       &((struct dag_args *)opaque)->raw_timestamp);
}

static int
parse_sequence(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "queue|card",
			       &((struct dag_args *)opaque)->card_sequence);
}

static int
parse_ids(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "0|1", &((struct dag_args *)opaque)->ids);
}

static int
parse_mark(const char *key, const char *value, void *opaque)
{
	return card_parse_flag(&dag_driver, key, value, "0|1", &((struct dag_args *)opaque)->mark);
}

static const struct card_key keys[] = {
	{"lib", parse_lib},
	{"card", parse_card},
	{"streams", parse_streams},
	{"fcs", parse_fcs},
	{"keep_fcs", parse_keep_fcs},
	{"rxerror", parse_rxerror},
	{"flush", parse_flush},
	{"zero_copy", parse_zero_copy},
	{"timestamp", parse_timestamp},
	{"sequence", parse_sequence},
	{"ids", parse_ids},
	{"mark", parse_mark},
	{"drop_attr", parse_drop_attr},
	{"conf_lib", parse_conf_lib},
	{"window", parse_window},
	{"speed", parse_speed},
	{NULL, NULL},
};

int
dag_args_parse(const char *params, struct dag_args *args)
{
	*args = (struct dag_args){
		.lib = "libdag.so",
		.conf_lib = "libdagconf.so",
		.fcs = HM_ERF_FCS,
		.flush = true,
		.zero_copy = true,
		.speed = RTE_ETH_SPEED_NUM_UNKNOWN,
	};
	if (card_args_parse(&dag_driver, params, keys, args) < 0)
		return -EINVAL;
	if (args->card[0] == '\0') {
		DAG_LOG(ERR, "card= is missing: which card? (card=dag0)");
		return -EINVAL;
	}
	return 0;
}
