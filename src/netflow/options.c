/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netflow/cache.h"

#define NS_A_S        UINT64_C(1000000000)
#define TIMEOUT_MAX_S 604800 // a week
#define PATH_MAX_TEXT 128

#define MFUNCT_INVALID_ARGUMENT   7000
#define MFUNCT_INVALID_ARGUMENT_2 7002

/* A whole number in an object: goes to a uint32_t, or as seconds to a uint64_t of nanoseconds. */
struct number {
	const char *name;
	int64_t min, max;
	uint32_t *to;
	uint64_t *to_ns;
};

static const char *type_of(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a real",      [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};
	return names[json_typeof(v)];
}

static int set_number(const struct number *n, const json_t *v, const char *path,
		      struct hm_error *err)
{
	json_int_t value;

	if (!json_is_integer(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.%s must be an integer from %" PRId64 " to %" PRId64
				    ", not %s",
				    path, n->name, n->min, n->max, type_of(v));
	value = json_integer_value(v);
	if (value < n->min || value > n->max)
		return hm_error_set(err, -ERANGE, MFUNCT_INVALID_ARGUMENT,
				    "%s.%s must be from %" PRId64 " to %" PRId64
				    ", not %" JSON_INTEGER_FORMAT,
				    path, n->name, n->min, n->max, value);
	if (n->to)
		*n->to = (uint32_t)value;
	if (n->to_ns)
		*n->to_ns = (uint64_t)value * NS_A_S;
	return 0;
}

static const struct number *find_number(const struct number *n, const char *name)
{
	for (; n->name; n++)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

/* A string of less than `room` bytes, without zero bytes in it. */
static int get_string(const char **to, size_t room, const json_t *v, const char *path,
		      const char *name, struct hm_error *err)
{
	if (!json_is_string(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.%s must be a string, not %s", path, name, type_of(v));
	*to = json_string_value(v);
	if (strlen(*to) != json_string_length(v) || strlen(*to) >= room)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.%s must be shorter than %zu bytes and have no zero byte",
				    path, name, room);
	return 0;
}

/* The keys that are strings. 1: not one of them. */
static int set_string(struct hm_exporter_conf *x, const char *name, const json_t *v,
		      const char *path, struct hm_error *err)
{
	static const char *const names[] = {"protocol", "transport", "host", "source"};
	const char *text = NULL;
	unsigned which = 0;
	int r;

	while (which < 4 && strcmp(name, names[which]) != 0)
		which++;
	if (which == 4)
		return 1;
	r = get_string(&text, HM_HOST_MAX, v, path, name, err);
	if (r < 0)
		return r;
	if (which == 2)
		strcpy(x->to.host, text);
	if (which == 3)
		strcpy(x->to.source, text);
	if (which == 0 && !(x->format = hm_format_by_name(text)))
		return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				    "%s.protocol \"%s\" is not supported; supported: %s", path,
				    text, hm_format_names());
	if (which == 1 && !(x->transport = hm_transport_by_name(text)))
		return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				    "%s.transport \"%s\" is not supported; supported: %s", path,
				    text, hm_transport_names());
	return 0;
}

static int check_address(const struct hm_exporter_conf *x, const char *path, struct hm_error *err)
{
	struct hm_error why;

	if (x->to.host[0] == '\0')
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.host is missing: the collector's IPv4 or IPv6 address",
				    path);
	if (x->transport->check(&x->to, &why) < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT, "%s.host: %s", path,
				    why.text);
	return 0;
}

static int unknown_key(const char *path, const char *name, const char *known, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
			    "%s.%.64s is not known; known: %s", path, name, known);
}

static int parse_exporter(struct hm_exporter_conf *x, json_t *object, const char *path,
			  struct hm_error *err)
{
	uint32_t port = 0;
	const struct number numbers[] = {
		{"port", 1, UINT16_MAX, .to = &port},
		{"observation_domain", 0, UINT32_MAX, .to = &x->domain},
		{"template_interval_s", 1, 86400, .to = &x->template_interval_s},
		{"template_packets", 1, 1000000, .to = &x->template_packets},
		{"mtu", 512, 9216, .to = &x->mtu},
		{"max_records_per_s", 0, 100000000, .to = &x->max_records_per_s},
		{"queue_messages", 16, 1 << 20, .to = &x->queue_messages},
		{NULL},
	};
	const char *name;
	json_t *v;

	hm_exporter_defaults(x);
	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s must be an object, not %s", path, type_of(object));
	json_object_foreach (object, name, v) {
		const struct number *n = find_number(numbers, name);
		int r = n ? set_number(n, v, path, err) : set_string(x, name, v, path, err);
		if (r < 0)
			return r;
		if (r > 0)
			return unknown_key(
				path, name,
				"protocol, transport, host, port, source, "
				"observation_domain, template_interval_s, "
				"template_packets, mtu, max_records_per_s, queue_messages",
				err);
	}
	x->to.port = port ? (uint16_t)port : x->format->port;
	return check_address(x, path, err);
}

static int parse_exporters(struct hm_report_options *o, json_t *array, const char *path,
			   struct hm_error *err)
{
	char at[PATH_MAX_TEXT];

	if (!json_is_array(array) || json_array_size(array) == 0 ||
	    json_array_size(array) > HM_EXPORTERS_MAX)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.exporters must be an array of 1 to %d exporters", path,
				    HM_EXPORTERS_MAX);
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r;
		snprintf(at, sizeof(at), "%s.exporters[%zu]", path, i);
		r = parse_exporter(&o->exporter[i], json_array_get(array, i), at, err);
		if (r < 0)
			return r;
		o->n_exporters++;
	}
	return 0;
}

void hm_report_defaults(struct hm_report_options *o)
{
	memset(o, 0, sizeof(*o));
	o->active_ns = 300 * NS_A_S;
	o->inactive_ns = 30 * NS_A_S;
	o->cache_entries = 1 << 20;
}

int hm_report_parse(struct hm_report_options *o, const json_t *object, const char *path,
		    struct hm_error *err)
{
	const struct number numbers[] = {
		{"active_timeout_s", 1, TIMEOUT_MAX_S, .to_ns = &o->active_ns},
		{"inactive_timeout_s", 1, TIMEOUT_MAX_S, .to_ns = &o->inactive_ns},
		{"cache_entries", HM_CACHE_ENTRIES_MIN, HM_CACHE_ENTRIES_MAX,
		 .to = &o->cache_entries},
		{NULL},
	};
	const char *name;
	json_t *v;

	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s must be an object, not %s", path, type_of(object));
	json_object_foreach ((json_t *)object, name, v) {
		const struct number *n = find_number(numbers, name);
		int r;
		if (n)
			r = set_number(n, v, path, err);
		else if (strcmp(name, "exporters") == 0)
			r = parse_exporters(o, v, path, err);
		else
			r = unknown_key(path, name,
					"active_timeout_s, inactive_timeout_s, cache_entries, "
					"exporters",
					err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int bad_transport(const char *transport, const char *why, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_2,
			    "transport \"%.80s\": %s; supported: \"ADDRESS:PORT\" (UDP), IPv6 as "
			    "\"[ADDRESS]:PORT\"",
			    transport, why);
}

int hm_report_add_mapi(struct hm_report_options *o, const char *record_type, const char *transport,
		       struct hm_error *err)
{
	const char *colon = strrchr(transport, ':'), *host = transport, *end = colon;
	struct hm_exporter_conf *x = &o->exporter[o->n_exporters];
	struct hm_error why;
	char *rest;
	unsigned long port;

	if (o->n_exporters == HM_EXPORTERS_MAX)
		return bad_transport(transport, "too many exporters", err);
	hm_exporter_defaults(x);
	x->format = hm_format_by_mapi_name(record_type);
	if (!x->format)
		return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				    "record type \"%.80s\" is not supported; supported: %s",
				    record_type, hm_format_names());
	if (strncmp(transport, "file:", 5) == 0 || !colon)
		return bad_transport(transport, "not supported", err);
	if (*host == '[') {
		if (end[-1] != ']')
			return bad_transport(transport, "\"]\" is missing before the port", err);
		host++;
		end--;
	}
	if (end <= host || end - host >= HM_HOST_MAX)
		return bad_transport(transport, "no address of a sensible length", err);
	memcpy(x->to.host, host, (size_t)(end - host));
	errno = 0;
	port = strtoul(colon + 1, &rest, 10);
	if (colon[1] < '0' || colon[1] > '9' || *rest != '\0' || port == 0 || port > UINT16_MAX)
		return bad_transport(transport, "port must be from 1 to 65535", err);
	x->to.port = (uint16_t)port;
	if (x->transport->check(&x->to, &why) < 0)
		return bad_transport(transport, why.text, err);
	o->n_exporters++;
	return 0;
}
