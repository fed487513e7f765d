/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments. Each wrong one is logged with what would have been right. */
#include <errno.h>
#include <string.h>

#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "dag_driver.h"
#include "trace/erf.h"

static int
bad_value(const char *key, const char *value, const char *want)
{
	DAG_LOG(ERR, "%s=%s: want %s", key, value != NULL ? value : "", want);
	return -EINVAL;
}

static int
parse_path(const char *key, const char *value, char *path)
{
	if (value == NULL || value[0] == '\0' || strlcpy(path, value, DAG_LIB_NAME) >= DAG_LIB_NAME)
		return bad_value(key, value, "a library's file name or absolute path");
	return 0;
}

static int
parse_lib(const char *key, const char *value, void *opaque)
{
	return parse_path(key, value, ((struct dag_args *)opaque)->lib);
}

static int
parse_conf_lib(const char *key, const char *value, void *opaque)
{
	return parse_path(key, value, ((struct dag_args *)opaque)->conf_lib);
}

static int
parse_drop_attr(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long code;

	if (value == NULL || card_parse_number(value, UINT32_MAX, "", &end, &code) < 0)
		return bad_value(key, value, "the attribute's code, 0-4294967295");
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
		return bad_value(key, value, want);
	if (strncmp(s, "/dev/", 5) == 0)
		s += 5;
	if (strncmp(s, "dag", 3) != 0 || card_parse_number(s + 3, 9999, ":", &end, &card) < 0)
		return bad_value(key, value, want);
	snprintf(args->card, sizeof(args->card), "dag%lu", card);
	if (*end == '\0')
		return 0;
	if (card_parse_number(end + 1, 2 * DAG_STREAMS_MAX - 2, "", &end, &stream) < 0 ||
	    stream % 2 != 0)
		return bad_value(key, value, "an even stream of 0-62: odd ones transmit");
	args->streams[0] = (int)stream;
	args->nb_streams = 1;
	return 0;
}

/* "0" or "[0,2,4]" */
static int
parse_streams(const char *key, const char *value, void *opaque)
{
	static const char *const want = "[0,2,...]: up to 32 different even streams of 0-62";
	struct dag_args *args = opaque;
	uint64_t seen = 0;
	unsigned long stream;
	const char *s = value;
	bool list;

	if (value == NULL || args->nb_streams > 0)
		return bad_value(key, value, value == NULL ? want : "the streams named once only");
	list = *s == '[';
	s += list;
	do {
		if (card_parse_number(s, 2 * DAG_STREAMS_MAX - 2, list ? ",]" : "", &s, &stream) <
			    0 ||
		    stream % 2 != 0 || (seen & (UINT64_C(1) << stream)))
			return bad_value(key, value, want);
		seen |= UINT64_C(1) << stream;
		args->streams[args->nb_streams++] = (int)stream;
	} while (*s++ == ',');
	if (list && (s[-1] != ']' || *s != '\0'))
		return bad_value(key, value, want);
	return 0;
}

static int
parse_fcs(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long bits;

	if (value == NULL || card_parse_number(value, 32, "", &end, &bits) < 0 || bits % 16 != 0)
		return bad_value(key, value, "0, 16 or 32 (bits)");
	args->fcs = (uint16_t)(bits / 8);
	return 0;
}

static int
parse_speed(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long mbps;

	if (value == NULL || card_parse_number(value, 1000000, "", &end, &mbps) < 0)
		return bad_value(key, value, "Mbit/s, 0-1000000");
	args->speed = mbps > 0 ? (uint32_t)mbps : RTE_ETH_SPEED_NUM_UNKNOWN;
	return 0;
}

static int
parse_window(const char *key, const char *value, void *opaque)
{
	struct dag_args *args = opaque;
	const char *end;
	unsigned long bytes;

	if (value == NULL || card_parse_number(value, UINT32_MAX, "", &end, &bytes) < 0 ||
	    (bytes != 0 && bytes < HM_ERF_RLEN_MAX + 1))
		return bad_value(key, value, "0 (all of it), or 65536-4294967295 (bytes)");
	args->window = (uint32_t)bytes;
	return 0;
}

static int
parse_word(const char *key, const char *value, const char *no, const char *yes, bool *out)
{
	char want[32];

	if (value != NULL && (strcmp(value, yes) == 0 || strcmp(value, no) == 0)) {
		*out = strcmp(value, yes) == 0;
		return 0;
	}
	snprintf(want, sizeof(want), "%s or %s", no, yes);
	return bad_value(key, value, want);
}

static int
parse_keep_fcs(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "0", "1", &((struct dag_args *)opaque)->keep_fcs);
}

static int
parse_rxerror(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "drop", "deliver",
			  &((struct dag_args *)opaque)->deliver_errors);
}

static int
parse_flush(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "0", "1", &((struct dag_args *)opaque)->flush);
}

static int
parse_zero_copy(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "0", "1", &((struct dag_args *)opaque)->zero_copy);
}

static int
parse_timestamp(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "ns", "erf", &((struct dag_args *)opaque)->raw_timestamp);
}

static int
parse_sequence(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "queue", "card", &((struct dag_args *)opaque)->card_sequence);
}

static int
parse_ids(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "0", "1", &((struct dag_args *)opaque)->ids);
}

static int
parse_mark(const char *key, const char *value, void *opaque)
{
	return parse_word(key, value, "0", "1", &((struct dag_args *)opaque)->mark);
}

static const struct {
	const char *key;
	arg_handler_t parse;
} keys[] = {
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
};

int
dag_args_parse(const char *params, struct dag_args *args)
{
	const char *valid_keys[RTE_DIM(keys) + 1] = {NULL};
	struct rte_kvargs *list;
	unsigned int i;
	int ret = 0;

	*args = (struct dag_args){
		.lib = "libdag.so",
		.conf_lib = "libdagconf.so",
		.fcs = HM_ERF_FCS,
		.flush = true,
		.zero_copy = true,
		.speed = RTE_ETH_SPEED_NUM_UNKNOWN,
	};
	for (i = 0; i < RTE_DIM(keys); i++)
		valid_keys[i] = keys[i].key;
	list = rte_kvargs_parse(params != NULL ? params : "", valid_keys);
	if (list == NULL) {
		DAG_LOG(ERR,
			"\"%s\": unknown key or bad form; keys: lib card streams fcs keep_fcs "
			"rxerror flush zero_copy timestamp sequence ids mark drop_attr conf_lib "
			"window speed",
			params);
		return -EINVAL;
	}
	for (i = 0; i < RTE_DIM(keys) && ret == 0; i++) {
		if (rte_kvargs_count(list, keys[i].key) > 1)
			ret = bad_value(keys[i].key, "...", "this key once only");
		else
			ret = rte_kvargs_process(list, keys[i].key, keys[i].parse, args);
	}
	rte_kvargs_free(list);
	if (ret == 0 && args->card[0] == '\0') {
		DAG_LOG(ERR, "card= is missing: which card? (card=dag0)");
		ret = -EINVAL;
	}
	return ret < 0 ? -EINVAL : 0;
}
