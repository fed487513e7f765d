/* SPDX-License-Identifier: BSD-3-Clause */
/* keys_fill: moves a checked JSON object into the structure that its table describes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/keys.h"

static int fill_strings(struct hm_strings *to, const json_t *v)
{
	size_t n = json_array_size(v);
	if (n == 0)
		return 0;
	to->at = calloc(n, sizeof(*to->at));
	if (!to->at)
		return -ENOMEM;
	for (; to->n < n; to->n++) {
		to->at[to->n] = strdup(json_string_value(json_array_get(v, to->n)));
		if (!to->at[to->n])
			return -ENOMEM;
	}
	return 0;
}

static int fill_value(const struct hm_key *k, const json_t *v, void *to)
{
	switch (k->type) {
	case HM_KEY_STRING:
		*(char **)to = strdup(json_string_value(v));
		return *(char **)to ? 0 : -ENOMEM;
	case HM_KEY_INT:
		*(uint32_t *)to = (uint32_t)json_integer_value(v);
		return 0;
	case HM_KEY_SHARE:
		*(double *)to = json_number_value(v);
		return 0;
	case HM_KEY_FLAG:
		*(bool *)to = json_is_true(v);
		return 0;
	case HM_KEY_CHOICE:
		*(int *)to = (int)k->min + hm_key_choice(k->choices, json_string_value(v));
		return 0;
	case HM_KEY_CHOICES:
		for (size_t i = 0; i < json_array_size(v); i++)
			*(uint32_t *)to |=
				1u << hm_key_choice(k->choices,
						    json_string_value(json_array_get(v, i)));
		return 0;
	case HM_KEY_STRINGS:
		return fill_strings(to, v);
	case HM_KEY_OBJECT:
		return hm_keys_fill(k->keys, v, to);
	default:
		return 0; // the owner of the table takes it from the JSON
	}
}

int hm_keys_fill(const struct hm_key *keys, const json_t *object, void *to)
{
	for (const struct hm_key *k = keys; k->name; k++) {
		if (!k->stored)
			continue;
		json_t *v = json_incref(json_object_get(object, k->name));
		if (!v && k->type == HM_KEY_OBJECT)
			v = json_object();
		else if (!v && k->fallback)
			v = json_loads(k->fallback, JSON_DECODE_ANY, NULL);
		else if (!v)
			continue;
		int done = v ? fill_value(k, v, (char *)to + k->offset) : -ENOMEM;
		json_decref(v);
		if (done < 0)
			return done;
	}
	return 0;
}

void hm_keys_free(const struct hm_key *keys, void *from)
{
	for (const struct hm_key *k = keys; k->name; k++) {
		void *at = (char *)from + k->offset;
		if (!k->stored)
			continue;
		if (k->type == HM_KEY_STRING)
			free(*(char **)at);
		if (k->type == HM_KEY_OBJECT)
			hm_keys_free(k->keys, at);
		if (k->type == HM_KEY_STRINGS) {
			struct hm_strings *s = at;
			for (size_t i = 0; i < s->n; i++)
				free(s->at[i]);
			free(s->at);
		}
	}
}
