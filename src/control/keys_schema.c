/* SPDX-License-Identifier: BSD-3-Clause */
/* keys_schema: the tables of keys for other programs (JSON schema) and for people (Markdown). */
#include <inttypes.h>
#include <string.h>

#include "control/keys.h"

static json_t *choices_schema(const char *choices)
{
	json_t *list = json_array();
	for (;;) {
		size_t n = strcspn(choices, "|");
		json_array_append_new(list, json_stringn(choices, n));
		if (!choices[n])
			return json_pack("{s:o}", "enum", list);
		choices += n + 1;
	}
}

static json_t *string_schema(const struct hm_key *k)
{
	json_t *s = json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)k->min,
			      "maxLength", (json_int_t)k->max);
	if (k->pattern)
		json_object_set_new(s, "pattern", json_string(k->pattern));
	return s;
}

static json_t *array_schema(const struct hm_key *k, json_t *items)
{
	return json_pack("{s:s, s:I, s:I, s:o}", "type", "array", "minItems", (json_int_t)k->min,
			 "maxItems", (json_int_t)k->max, "items", items);
}

static json_t *argument_schema(void)
{
	return json_pack("{s:[s,s,s,s]}", "type", "string", "integer", "object", "null");
}

static json_t *call_schema(void)
{
	return json_pack("{s:s, s:i, s:i, s:[{s:s, s:i}], s:o}", "type", "array", "minItems", 1,
			 "maxItems", 32, "prefixItems", "type", "string", "minLength", 1, "items",
			 argument_schema());
}

static json_t *object_schema(const struct hm_key *k)
{
	json_t *s = hm_keys_schema(k->keys);
	if (k->max > 0)
		json_object_set_new(s, "maxProperties", json_integer(k->max));
	return s;
}

static json_t *value_schema(const struct hm_key *k)
{
	switch (k->type) {
	case HM_KEY_STRING:
		return string_schema(k);
	case HM_KEY_INT:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
				 (json_int_t)k->min, "maximum", (json_int_t)k->max);
	case HM_KEY_FLAG:
		return json_pack("{s:s}", "type", "boolean");
	case HM_KEY_CHOICE:
		return choices_schema(k->choices);
	case HM_KEY_CHOICES:
		return array_schema(k, choices_schema(k->choices));
	case HM_KEY_STRINGS:
		return array_schema(k, json_pack("{s:s, s:i}", "type", "string", "minLength", 1));
	case HM_KEY_SHARE:
		return json_pack("{s:s, s:i, s:i}", "type", "number", "exclusiveMinimum", 0,
				 "maximum", 1);
	case HM_KEY_OBJECT:
		return object_schema(k);
	case HM_KEY_OBJECTS:
		return array_schema(k, hm_keys_schema(k->keys));
	case HM_KEY_CALLS:
		return array_schema(k, call_schema());
	case HM_KEY_WHICH:
		return json_pack("{s:[s,s]}", "type", "string", "integer");
	case HM_KEY_ARGS:
		return array_schema(k, argument_schema());
	}
	return NULL;
}

json_t *hm_keys_schema(const struct hm_key *keys)
{
	json_t *properties = json_object(), *required = json_array();
	for (const struct hm_key *k = keys; k->name; k++) {
		json_t *s = value_schema(k);
		json_object_set_new(s, "description", json_string(k->help));
		if (k->fallback)
			json_object_set_new(s, "default",
					    json_loads(k->fallback, JSON_DECODE_ANY, NULL));
		json_object_set_new(properties, k->name, s);
		if (k->required)
			json_array_append_new(required, json_string(k->name));
	}
	json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
				   "properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	json_decref(required);
	return schema;
}

static void print_type(const struct hm_key *k, FILE *out)
{
	const char *c;
	switch (k->type) {
	case HM_KEY_STRING:
		fprintf(out, "%s", k->shape ? k->shape : "string");
		break;
	case HM_KEY_INT:
		fprintf(out, "integer, %" PRId64 " to %" PRId64, k->min, k->max);
		break;
	case HM_KEY_FLAG:
		fprintf(out, "true or false");
		break;
	case HM_KEY_CHOICE:
	case HM_KEY_CHOICES:
		fprintf(out, k->type == HM_KEY_CHOICE ? "one of `" : "array of `");
		for (c = k->choices; *c; c++)
			fprintf(out, *c == '|' ? "`, `" : "%c", *c);
		fprintf(out, "`");
		break;
	case HM_KEY_STRINGS:
		fprintf(out, "array of strings");
		break;
	case HM_KEY_SHARE:
		fprintf(out, "number above 0, at most 1");
		break;
	case HM_KEY_OBJECT:
		fprintf(out, "object");
		break;
	case HM_KEY_OBJECTS:
		fprintf(out, "array of %" PRId64 " to %" PRId64 " objects", k->min, k->max);
		break;
	case HM_KEY_CALLS:
		fprintf(out, "array of `[\"FUNCTION\", argument ...]`");
		break;
	case HM_KEY_WHICH:
		fprintf(out, "name or number");
		break;
	case HM_KEY_ARGS:
		fprintf(out, "array of strings, integers, an object");
		break;
	}
}

void hm_keys_markdown(const struct hm_key *keys, FILE *out)
{
	fprintf(out, "| key | value | default | meaning |\n|---|---|---|---|\n");
	for (const struct hm_key *k = keys; k->name; k++) {
		fprintf(out, "| `%s` | ", k->name);
		print_type(k, out);
		if (k->required)
			fprintf(out, " | required");
		else if (k->fallback)
			fprintf(out, " | `%s`", k->fallback);
		else
			fprintf(out, " | -");
		fprintf(out, " | %s |\n", k->help);
	}
}
