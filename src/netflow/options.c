/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "filter/filter.h"
#include "netflow/ie.h"
#include "netflow/mapi_names.h"
#include "netflow/record_filter.h"

#define NS_A_S              UINT64_C(1000000000)
#define TIMEOUT_MAX_S       604800 // a week
#define PATH_MAX_TEXT       128
#define DATAGRAM_LIFETIME_S 300     // DTLS does not tell that the other side has forgotten
#define SPOOL_MAX_MB        1048576 // a terabyte
#define SECURE_PORT         4740    // IPFIX over TLS and DTLS
#define FLOW_SAMPLING_MAX   1000000
#define SAMPLING_MAX        16383 // NetFlow 5 has 14 bits

#define MFUNCT_INVALID_ARGUMENT   7000
#define MFUNCT_INVALID_ARGUMENT_2 7002
#define MFUNCT_INVALID_ARGUMENT_4 7004

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

static int set_text(char *to, size_t room, const json_t *v, const char *path, const char *name,
		    struct hm_error *err)
{
	const char *text = NULL;
	int r = get_string(&text, room, v, path, name, err);

	if (r == 0)
		strcpy(to, text);
	return r;
}

/* The place of a string in "a|b|c", -1: it is none of them. */
static int choice(const char *choices, const char *text)
{
	size_t n = strlen(text);
	int i = 0;

	for (const char *c = choices; c; c = strchr(c, '|'), c = c ? c + 1 : NULL, i++)
		if (n > 0 && strncmp(c, text, n) == 0 && (c[n] == '|' || c[n] == '\0'))
			return i;
	return -1;
}

static int set_protocol(struct hm_exporter_conf *x, const json_t *v, const char *path,
			struct hm_error *err)
{
	const char *text = NULL;
	int r = get_string(&text, HM_HOST_MAX, v, path, "protocol", err);

	if (r == 0 && !(x->format = hm_format_by_name(text)))
		r = hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				 "%s.protocol \"%s\" is not supported; supported: %s", path, text,
				 hm_format_names());
	return r;
}

static int set_transport(struct hm_exporter_conf *x, const json_t *v, const char *path,
			 struct hm_error *err)
{
	const char *text = NULL;
	int r = get_string(&text, HM_HOST_MAX, v, path, "transport", err);

	if (r == 0 && !(x->transport = hm_transport_by_name(text)))
		r = hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				 "%s.transport \"%s\" is not supported; supported: %s", path, text,
				 hm_transport_names());
	return r;
}

static int set_host(struct hm_exporter_conf *x, const json_t *v, const char *path,
		    struct hm_error *err)
{
	return set_text(x->to.host, sizeof(x->to.host), v, path, "host", err);
}

static int set_source(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	return set_text(x->to.source, sizeof(x->to.source), v, path, "source", err);
}

static int set_path(struct hm_exporter_conf *x, const json_t *v, const char *path,
		    struct hm_error *err)
{
	return set_text(x->to.path, sizeof(x->to.path), v, path, "path", err);
}

static int unknown_key(const char *path, const char *name, const char *known, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
			    "%s.%.64s is not known; known: %s", path, name, known);
}

/* Files and names of a "tls" object; lifetime_s. */
static int set_tls(struct hm_exporter_conf *x, const json_t *v, const char *path,
		   struct hm_error *err)
{
	struct hm_credentials *c = &x->to.tls;
	const struct number lifetime = {"lifetime_s", 0, TIMEOUT_MAX_S, .to = &c->lifetime_s};
	const struct {
		const char *name;
		char *to;
		size_t room;
	} texts[] = {{"ca", c->ca, sizeof(c->ca)},
		     {"certificate", c->certificate, sizeof(c->certificate)},
		     {"key", c->key, sizeof(c->key)},
		     {"name", c->name, sizeof(c->name)}};
	char at[PATH_MAX_TEXT];
	const char *name;
	json_t *e;

	snprintf(at, sizeof(at), "%s.tls", path);
	if (!json_is_object(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s must be an object, not %s", at, type_of(v));
	json_object_foreach ((json_t *)v, name, e) {
		size_t i = 0, n = sizeof(texts) / sizeof(texts[0]);
		int r;
		while (i < n && strcmp(name, texts[i].name) != 0)
			i++;
		if (i < n)
			r = set_text(texts[i].to, texts[i].room, e, at, name, err);
		else if (strcmp(name, lifetime.name) == 0)
			r = set_number(&lifetime, e, at, err);
		else
			r = unknown_key(at, name, "ca, certificate, key, name, lifetime_s", err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_spool(struct hm_exporter_conf *x, const json_t *v, const char *path,
		     struct hm_error *err)
{
	const struct number max_mb = {"max_mb", 1, SPOOL_MAX_MB, .to = &x->spool.max_mb};
	char at[PATH_MAX_TEXT];
	struct hm_error why;
	const char *name;
	json_t *e;

	snprintf(at, sizeof(at), "%s.spool", path);
	if (!json_is_object(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s must be an object, not %s", at, type_of(v));
	json_object_foreach ((json_t *)v, name, e) {
		int r;
		if (strcmp(name, "dir") == 0)
			r = set_text(x->spool.dir, sizeof(x->spool.dir), e, at, name, err);
		else if (strcmp(name, max_mb.name) == 0)
			r = set_number(&max_mb, e, at, err);
		else
			r = unknown_key(at, name, "dir, max_mb", err);
		if (r < 0)
			return r;
	}
	if (hm_spool_check(&x->spool, &why) < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT, "%s.dir: %s", at,
				    why.text);
	return 0;
}

static int set_filter(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	int r = set_text(x->filter, sizeof(x->filter), v, path, "filter", err);
	struct hm_filter *f;
	struct hm_error why;

	if (r < 0 || x->filter[0] == '\0')
		return r;
	f = hm_record_filter_create(x->filter, &why);
	if (!f)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT, "%s.filter: %s", path,
				    why.text);
	hm_filter_destroy(f);
	return 0;
}

static int set_balance(struct hm_exporter_conf *x, const json_t *v, const char *path,
		       struct hm_error *err)
{
	return set_text(x->balance, sizeof(x->balance), v, path, "balance", err);
}

static int set_time_unit(struct hm_exporter_conf *x, const json_t *v, const char *path,
			 struct hm_error *err)
{
	const char *text = NULL;
	int unit, r = get_string(&text, 8, v, path, "time_unit", err);

	if (r < 0)
		return r;
	unit = choice("s|ms|us|ns", text);
	if (unit < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.time_unit must be one of s, ms, us, ns, not \"%s\"", path,
				    text);
	x->layout.time_unit = (enum hm_time_unit)(HM_TIME_S + unit);
	return 0;
}

static int set_overload(struct hm_report_options *o, const json_t *v, const char *path,
			struct hm_error *err)
{
	const char *text = NULL;
	int which, r = get_string(&text, 16, v, path, "overload", err);

	if (r < 0)
		return r;
	which = choice(HM_OVERLOAD_NAMES, text);
	if (which < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.overload must be one of %s, not \"%s\"", path,
				    HM_OVERLOAD_NAMES, text);
	o->overload = (enum hm_overload)which;
	return 0;
}

static int set_biflow(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	if (!json_is_boolean(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.biflow must be true or false, not %s", path, type_of(v));
	x->layout.biflow = json_is_true(v);
	return 0;
}

/* An array of words of "a|b|c" into a set. */
static int get_set(uint32_t *to, const char *choices, const json_t *v, const char *path,
		   const char *name, struct hm_error *err)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.%s must be an array, not %s", path, name, type_of(v));
	*to = 0;
	json_array_foreach ((json_t *)v, i, e) {
		int which = json_is_string(e) ? choice(choices, json_string_value(e)) : -1;
		if (which < 0)
			return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
					    "%s.%s[%zu] must be one of %s", path, name, i, choices);
		*to |= 1u << which;
	}
	return 0;
}

static int set_options(struct hm_exporter_conf *x, const json_t *v, const char *path,
		       struct hm_error *err)
{
	return get_set(&x->tell, HM_TELL_NAMES, v, path, "options", err);
}

/* An element by IANA's name that flow records have. */
static int add_element(struct hm_layout_conf *l, const char *name, const char *path,
		       struct hm_error *err)
{
	const struct hm_ie *e = hm_ie_by_name(name);

	if (!e)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s: \"%.64s\" is no information element of IANA's that is "
				    "known here",
				    path, name);
	if (!hm_template_knows(e->id))
		return hm_error_set(
			err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
			"%s: flow records have no %s; see docs/netflow.md for what they "
			"have",
			path, name);
	l->element[l->n++] = (struct hm_want){e->id, 0};
	return 0;
}

static int set_template(struct hm_exporter_conf *x, const json_t *v, const char *path,
			struct hm_error *err)
{
	char at[PATH_MAX_TEXT];
	const json_t *e;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0 ||
	    json_array_size(v) > HM_TEMPLATE_FIELDS_MAX)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.template must be an array of 1 to %d names of elements",
				    path, HM_TEMPLATE_FIELDS_MAX);
	json_array_foreach ((json_t *)v, i, e) {
		int r;
		snprintf(at, sizeof(at), "%s.template[%zu]", path, i);
		if (!json_is_string(e))
			return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
					    "%s must be a string, not %s", at, type_of(e));
		r = add_element(&x->layout, json_string_value(e), at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The keys that are not plain numbers. */
static const struct {
	const char *name;
	int (*set)(struct hm_exporter_conf *x, const json_t *v, const char *path,
		   struct hm_error *err);
} setters[] = {
	{"protocol", set_protocol}, {"transport", set_transport}, {"host", set_host},
	{"source", set_source},     {"path", set_path},           {"time_unit", set_time_unit},
	{"biflow", set_biflow},     {"options", set_options},     {"template", set_template},
	{"tls", set_tls},           {"spool", set_spool},         {"filter", set_filter},
	{"balance", set_balance},
};

/* 1: not one of them. */
static int set_other(struct hm_exporter_conf *x, const char *name, const json_t *v,
		     const char *path, struct hm_error *err)
{
	for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++)
		if (strcmp(name, setters[i].name) == 0)
			return setters[i].set(x, v, path, err);
	return 1;
}

static int check_address(const struct hm_exporter_conf *x, const char *path, struct hm_error *err)
{
	bool file = x->transport == &hm_transport_file;
	struct hm_error why;

	if (file && x->to.path[0] == '\0')
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.path is missing: the file to write", path);
	if (!file && x->to.host[0] == '\0')
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.host is missing: the collector's IPv4 or IPv6 address",
				    path);
	if (x->transport->secure &&
	    !(x->to.tls.ca[0] && x->to.tls.certificate[0] && x->to.tls.key[0]))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.tls is missing, or its ca, certificate or key: both sides "
				    "show certificates",
				    path);
	if (x->transport->check(&x->to, &why) < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT, "%s.%s: %s", path,
				    file                   ? "path"
				    : x->transport->secure ? "tls"
							   : "host",
				    why.text);
	return 0;
}

/* Each message must have room for one record of each template, and for the template itself. */
static int check_sizes(const struct hm_exporter_conf *x, const struct hm_layout *l,
		       const char *path, struct hm_error *err)
{
	uint32_t room = x->mtu - x->transport->overhead;

	for (unsigned i = 0; i < l->n; i++) {
		uint32_t bytes = hm_message_least(x->format, &l->template[i]);
		if (bytes > room)
			return hm_error_set(
				err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				"%s: the template needs messages of %u bytes, and an mtu "
				"of %u leaves %u: raise mtu or shorten the template",
				path, bytes, x->mtu, room);
	}
	return 0;
}

/* What no single key can know. */
static int check_together(const struct hm_exporter_conf *x, const char *path, struct hm_error *err)
{
	struct hm_layout layout;
	struct hm_error why;

	bool given = x->to.tls.ca[0] || x->to.tls.certificate[0] || x->to.tls.key[0];

	if ((x->transport->secure || x->transport == &hm_transport_tcp) && !x->format->streams)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.transport: %s goes over udp or into a file only", path,
				    x->format->name);
	if (given && !x->transport->secure)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s.tls: transport %s does not encrypt; tls and dtls do", path,
				    x->transport->name);
	if (x->origin.domain > x->format->domain_max)
		return hm_error_set(
			err, -ERANGE, MFUNCT_INVALID_ARGUMENT,
			"%s.observation_domain must be from 0 to %u for %s: engine type "
			"x 256 + engine id",
			path, x->format->domain_max, x->format->name);
	if (hm_layout_build(&layout, &x->layout, x->format, &why) < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT, "%s: %s", path,
				    why.text);
	if (check_sizes(x, &layout, path, err) < 0)
		return -EINVAL;
	return check_address(x, path, err);
}

/* The next one, with what holds for all. */
static struct hm_exporter_conf *begin_exporter(struct hm_report_options *o)
{
	struct hm_exporter_conf *x = &o->exporter[o->n_exporters];

	hm_exporter_defaults(x);
	x->layout.routes = o->routes[0] != '\0';
	x->origin.domain = o->domain;
	return x;
}

static int parse_exporter(struct hm_report_options *o, json_t *object, const char *path,
			  struct hm_error *err)
{
	struct hm_exporter_conf *x = begin_exporter(o);
	uint32_t port = 0;
	const struct number numbers[] = {
		{"port", 1, UINT16_MAX, .to = &port},
		{"observation_domain", 0, UINT32_MAX, .to = &x->origin.domain},
		{"sampling_interval", 1, SAMPLING_MAX, .to = &x->origin.sampling_interval},
		{"multicast_ttl", 1, UINT8_MAX, .to = &x->to.multicast_ttl},
		{"template_interval_s", 1, 86400, .to = &x->template_interval_s},
		{"template_packets", 1, 1000000, .to = &x->template_packets},
		{"mtu", 512, 9216, .to = &x->mtu},
		{"max_records_per_s", 0, 100000000, .to = &x->max_records_per_s},
		{"queue_messages", 16, 1 << 20, .to = &x->queue_messages},
		{NULL},
	};
	const char *name;
	json_t *v;

	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				    "%s must be an object, not %s", path, type_of(object));
	json_object_foreach (object, name, v) {
		const struct number *n = find_number(numbers, name);
		int r = n ? set_number(n, v, path, err) : set_other(x, name, v, path, err);
		if (r < 0)
			return r;
		if (r > 0)
			return unknown_key(
				path, name,
				"protocol, transport, host, port, source, path, tls, "
				"multicast_ttl, "
				"observation_domain, sampling_interval, template, time_unit, "
				"biflow, options, template_interval_s, template_packets, mtu, "
				"max_records_per_s, queue_messages, spool, filter, balance",
				err);
	}
	x->to.port = port ? (uint16_t)port : x->transport->secure ? SECURE_PORT : x->format->port;
	if (x->to.tls.lifetime_s == HM_LIFETIME_USUAL)
		x->to.tls.lifetime_s = x->transport->stream ? 0 : DATAGRAM_LIFETIME_S;
	return check_together(x, path, err);
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
		r = parse_exporter(o, json_array_get(array, i), at, err);
		if (r < 0)
			return r;
		o->n_exporters++;
	}
	return 0;
}

void hm_report_defaults(struct hm_report_options *o, const struct hm_flow_report_config *c)
{
	static const struct hm_flow_report_config usual = {
		.active_timeout_s = 300, .inactive_timeout_s = 30, .cache_entries = 1 << 20};

	if (!c)
		c = &usual;
	memset(o, 0, sizeof(*o));
	o->active_ns = c->active_timeout_s * NS_A_S;
	o->inactive_ns = c->inactive_timeout_s * NS_A_S;
	o->cache_entries = c->cache_entries;
	o->domain = c->observation_domain;
	o->flow_sampling = 1;
}

static int set_warm_file(struct hm_report_options *o, const json_t *v, const char *path,
			 struct hm_error *err)
{
	int r = set_text(o->warm_file, sizeof(o->warm_file), v, path, "warm_file", err);

	if (r == 0 && o->warm_file[0] != '/')
		r = hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				 "%s.warm_file must be a path from the root, not \"%.80s\"", path,
				 o->warm_file);
	return r;
}

static int set_routes(struct hm_report_options *o, const json_t *v, const char *path,
		      struct hm_error *err)
{
	int r = set_text(o->routes, sizeof(o->routes), v, path, "routes", err);

	if (r == 0 && o->routes[0] != '/')
		r = hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT,
				 "%s.routes must be a path from the root, not \"%.80s\"", path,
				 o->routes);
	return r;
}

int hm_report_parse(struct hm_report_options *o, const json_t *object, const char *path,
		    struct hm_error *err)
{
	const struct number numbers[] = {
		{"flow_sampling", 1, FLOW_SAMPLING_MAX, .to = &o->flow_sampling},
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
	v = json_object_get(object, "routes"); // first: exporters may name what only routes have
	if (v && set_routes(o, v, path, err) < 0)
		return -EINVAL;
	json_object_foreach ((json_t *)object, name, v) {
		const struct number *n = find_number(numbers, name);
		int r = 0;
		if (n)
			r = set_number(n, v, path, err);
		else if (strcmp(name, "exporters") == 0)
			r = parse_exporters(o, v, path, err);
		else if (strcmp(name, "flow_key") == 0)
			r = get_set(&o->key, HM_FLOW_KEY_NAMES, v, path, name, err);
		else if (strcmp(name, "overload") == 0)
			r = set_overload(o, v, path, err);
		else if (strcmp(name, "warm_file") == 0)
			r = set_warm_file(o, v, path, err);
		else if (strcmp(name, "routes") != 0)
			r = unknown_key(
				path, name,
				"active_timeout_s, inactive_timeout_s, cache_entries, "
				"flow_key, flow_sampling, routes, overload, warm_file, exporters",
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
			    "\"[ADDRESS]:PORT\", \"file:PATH\", and \"SHMEM\" (the client reads)",
			    transport, why);
}

/* "192.0.2.1:4739" or "[2001:db8::1]:4739" */
static int parse_host_port(struct hm_endpoint *to, const char *transport, struct hm_error *err)
{
	const char *colon = strrchr(transport, ':'), *host = transport, *end = colon;
	char *rest;
	unsigned long port;

	if (!colon)
		return bad_transport(transport, "not supported", err);
	if (*host == '[') {
		if (end[-1] != ']')
			return bad_transport(transport, "\"]\" is missing before the port", err);
		host++;
		end--;
	}
	if (end <= host || end - host >= HM_HOST_MAX)
		return bad_transport(transport, "no address of a sensible length", err);
	memcpy(to->host, host, (size_t)(end - host));
	errno = 0;
	port = strtoul(colon + 1, &rest, 10);
	if (colon[1] < '0' || colon[1] > '9' || *rest != '\0' || port == 0 || port > UINT16_MAX)
		return bad_transport(transport, "port must be from 1 to 65535", err);
	to->port = (uint16_t)port;
	return 0;
}

/* MAPI's "%NAME %NAME ...". */
static int parse_mapi_template(struct hm_layout_conf *l, const char *template, struct hm_error *err)
{
	char name[64];

	for (const char *c = template + strspn(template, " "); *c != '\0'; c += strspn(c, " ")) {
		size_t n = strcspn(c, " ");
		uint16_t id = 0;
		if (n < sizeof(name)) {
			memcpy(name, c, n);
			name[n] = '\0';
			id = hm_mapi_element(name);
		}
		if (id == 0)
			return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT_4,
					    "record template: \"%.*s\" is not a name of an "
					    "element that flow records have; see docs/netflow.md",
					    n < 64 ? (int)n : 64, c);
		if (l->n == HM_TEMPLATE_FIELDS_MAX)
			return hm_error_set(err, -E2BIG, MFUNCT_INVALID_ARGUMENT_4,
					    "record template has more than %d elements",
					    HM_TEMPLATE_FIELDS_MAX);
		l->element[l->n++] = (struct hm_want){id, 0};
		c += n;
	}
	return 0;
}

int hm_report_add_mapi(struct hm_report_options *o, const char *record_type, const char *transport,
		       const char *template, struct hm_error *err)
{
	struct hm_exporter_conf *x;
	struct hm_layout layout;
	struct hm_error why;
	int r;

	if (o->n_exporters == HM_EXPORTERS_MAX)
		return bad_transport(transport, "too many exporters", err);
	x = begin_exporter(o);
	x->format = hm_format_by_mapi_name(record_type);
	if (!x->format)
		return hm_error_set(err, -ENOTSUP, MFUNCT_INVALID_ARGUMENT,
				    "record type \"%.80s\" is not supported; supported: "
				    "IPFIX, NETFLOW_V9, NETFLOW_V5",
				    record_type);
	if (strcmp(transport, "SHMEM") == 0) {
		x->transport = &hm_transport_memory;
	} else if (strncmp(transport, "file:", 5) == 0) {
		x->transport = &hm_transport_file;
		if (strlen(transport + 5) >= sizeof(x->to.path))
			return bad_transport(transport, "the path is too long", err);
		strcpy(x->to.path, transport + 5);
	} else {
		r = parse_host_port(&x->to, transport, err);
		if (r < 0)
			return r;
	}
	if (x->transport->check(&x->to, &why) < 0)
		return bad_transport(transport, why.text, err);
	if (o->domain > x->format->domain_max)
		return hm_error_set(
			err, -ERANGE, MFUNCT_INVALID_ARGUMENT,
			"record type %s: the configuration's flow_report.observation_domain "
			"is %u; must be from 0 to %u for it",
			record_type, o->domain, x->format->domain_max);
	r = parse_mapi_template(&x->layout, template, err);
	if (r == 0 && hm_layout_build(&layout, &x->layout, x->format, &why) < 0)
		r = hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_4, "record template: %s",
				 why.text);
	if (r == 0)
		o->n_exporters++;
	return r;
}
