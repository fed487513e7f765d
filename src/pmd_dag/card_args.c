/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments. Each wrong one is logged with what would have been right. */
#include <rte_string_fns.h>

#include "card.h"

#define KEYS_MAX 32

int
card_bad_value(const struct card_driver *driver, const char *key, const char *value,
	       const char *want)
{
	card_log(ERR, driver, "%s=%s: want %s", key, value != NULL ? value : "", want);
	return -EINVAL;
}

int
card_parse_number(const char *s, unsigned long max, const char *ends, const char **end,
		  unsigned long *number)
{
	char *stop;

	if (!isdigit((unsigned char)s[0]))
		return -EINVAL;
	errno = 0;
	*number = strtoul(s, &stop, 10);
	if (errno != 0 || *number > max || strchr(ends, *stop) == NULL)
		return -EINVAL;
	*end = stop;
	return 0;
}

int
card_parse_word(const struct card_driver *driver, const char *key, const char *value,
		const char *words)
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
	return card_bad_value(driver, key, value, words);
}

int
card_parse_flag(const struct card_driver *driver, const char *key, const char *value,
		const char *words, bool *flag)
{
	int word = card_parse_word(driver, key, value, words);

	*flag = word == 1;
	return word < 0 ? word : 0;
}

int
card_parse_list(const char *s, unsigned int step, unsigned long max, uint8_t *numbers, uint16_t *n)
{
	bool list = *s == '[';
	uint64_t seen = 0;
	unsigned long number;

	s += list;
	do {
		if (card_parse_number(s, max, list ? ",]" : "", &s, &number) < 0 ||
		    number % step != 0 || (seen & (UINT64_C(1) << number)))
			return -EINVAL;
		seen |= UINT64_C(1) << number;
		numbers[(*n)++] = (uint8_t)number;
	} while (*s++ == ',');
	return list && (s[-1] != ']' || *s != '\0') ? -EINVAL : 0;
}

int
card_parse_path(const struct card_driver *driver, const char *key, const char *value, char *path,
		size_t size)
{
	if (value == NULL || value[0] == '\0' || strlcpy(path, value, size) >= size)
		return card_bad_value(driver, key, value, "a library's file name or absolute path");
	return 0;
}

int
card_parse_speed(const struct card_driver *driver, const char *key, const char *value,
		 uint32_t *speed)
{
	const char *end;
	unsigned long mbps;

	if (value == NULL || card_parse_number(value, 1000000, "", &end, &mbps) < 0)
		return card_bad_value(driver, key, value, "Mbit/s, 0-1000000");
	*speed = mbps > 0 ? (uint32_t)mbps : RTE_ETH_SPEED_NUM_UNKNOWN;
	return 0;
}

static void
log_keys(const struct card_driver *driver, const char *params, const struct card_key *keys)
{
	char names[512] = "";
	size_t n = 0;

	for (; keys->key != NULL && n < sizeof(names); keys++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, " %s", keys->key);
	card_log(ERR, driver, "\"%s\": unknown key or bad form; keys:%s", params, names);
}

int
card_args_parse(const struct card_driver *driver, const char *params, const struct card_key *keys,
		void *args)
{
	const char *valid_keys[KEYS_MAX + 1] = {NULL};
	struct rte_kvargs *list;
	unsigned int i;
	int ret = 0;

	for (i = 0; keys[i].key != NULL && i < KEYS_MAX; i++)
		valid_keys[i] = keys[i].key;
	list = rte_kvargs_parse(params != NULL ? params : "", valid_keys);
	if (list == NULL) {
		log_keys(driver, params, keys);
		return -EINVAL;
	}
	for (i = 0; valid_keys[i] != NULL && ret == 0; i++) {
		if (rte_kvargs_count(list, keys[i].key) > 1)
			ret = card_bad_value(driver, keys[i].key, "...", "this key once only");
		else
			ret = rte_kvargs_process(list, keys[i].key, keys[i].parse, args);
	}
	rte_kvargs_free(list);
	return ret < 0 ? -EINVAL : 0;
}
