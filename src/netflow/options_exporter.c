/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of an exporter. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "filter/filter.h"
#include "netflow/ie.h"
#include "netflow/options_read.h"
#include "netflow/record_filter.h"

#define DATAGRAM_LIFETIME_S 300     // DTLS does not tell that the other side has forgotten
#define SPOOL_MAX_MB        1048576 // a terabyte
#define SECURE_PORT         4740    // IPFIX over TLS and DTLS
#define SAMPLING_MAX        16383   // NetFlow 5 has 14 bits

static int set_protocol(struct hm_exporter_conf *x, const json_t *v, const char *path,
			struct hm_error *err)
{
	const char *text = NULL;
	int r = hm_option_string(&text, HM_HOST_MAX, v, path, "protocol", err);

	if (r == 0 && !(x->format = hm_format_by_name(text)))
		r = hm_error_set(err, -ENOTSUP, HM_OPTION_INVALID,
				 "%s.protocol \"%s\" is not supported; supported: %s", path, text,
				 hm_format_names());
	return r;
}

static int set_transport(struct hm_exporter_conf *x, const json_t *v, const char *path,
			 struct hm_error *err)
{
	const char *text = NULL;
	int r = hm_option_string(&text, HM_HOST_MAX, v, path, "transport", err);

	if (r == 0 && !(x->transport = hm_transport_by_name(text)))
		r = hm_error_set(err, -ENOTSUP, HM_OPTION_INVALID,
				 "%s.transport \"%s\" is not supported; supported: %s", path, text,
				 hm_transport_names());
	return r;
}

static int set_host(struct hm_exporter_conf *x, const json_t *v, const char *path,
		    struct hm_error *err)
{
	return hm_option_text(x->to.host, sizeof(x->to.host), v, path, "host", err);
}

static int set_source(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	return hm_option_text(x->to.source, sizeof(x->to.source), v, path, "source", err);
}

static int set_path(struct hm_exporter_conf *x, const json_t *v, const char *path,
		    struct hm_error *err)
{
	return hm_option_text(x->to.path, sizeof(x->to.path), v, path, "path", err);
}

/* Files and names of a "tls" object; lifetime_s. */
static int set_tls(struct hm_exporter_conf *x, const json_t *v, const char *path,
		   struct hm_error *err)
{
	struct hm_credentials *c = &x->to.tls;
	const struct hm_number lifetime = {"lifetime_s", 0, HM_TIMEOUT_MAX_S, .to = &c->lifetime_s};
	const struct {
		const char *name;
		char *to;
		size_t room;
	} texts[] = {{"ca", c->ca, sizeof(c->ca)},
		     {"certificate", c->certificate, sizeof(c->certificate)},
		     {"key", c->key, sizeof(c->key)},
		     {"name", c->name, sizeof(c->name)}};
	char at[HM_OPTION_PATH_MAX];
	const char *name;
	json_t *e;

	snprintf(at, sizeof(at), "%s.tls", path);
	if (!json_is_object(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s must be an object, not %s",
				    at, hm_option_type(v));
	json_object_foreach ((json_t *)v, name, e) {
		size_t i = 0, n = sizeof(texts) / sizeof(texts[0]);
		int r;
		while (i < n && strcmp(name, texts[i].name) != 0)
			i++;
		if (i < n)
			r = hm_option_text(texts[i].to, texts[i].room, e, at, name, err);
		else if (strcmp(name, lifetime.name) == 0)
			r = hm_option_number(&lifetime, e, at, err);
		else
			r = hm_option_unknown(at, name, "ca, certificate, key, name, lifetime_s",
					      err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_spool(struct hm_exporter_conf *x, const json_t *v, const char *path,
		     struct hm_error *err)
{
	const struct hm_number max_mb = {"max_mb", 1, SPOOL_MAX_MB, .to = &x->spool.max_mb};
	char at[HM_OPTION_PATH_MAX];
	struct hm_error why;
	const char *name;
	json_t *e;

	snprintf(at, sizeof(at), "%s.spool", path);
	if (!json_is_object(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s must be an object, not %s",
				    at, hm_option_type(v));
	json_object_foreach ((json_t *)v, name, e) {
		int r;
		if (strcmp(name, "dir") == 0)
			r = hm_option_text(x->spool.dir, sizeof(x->spool.dir), e, at, name, err);
		else if (strcmp(name, max_mb.name) == 0)
			r = hm_option_number(&max_mb, e, at, err);
		else
			r = hm_option_unknown(at, name, "dir, max_mb", err);
		if (r < 0)
			return r;
	}
	if (hm_spool_check(&x->spool, &why) < 0)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s.dir: %s", at, why.text);
	return 0;
}

static int set_filter(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	int r = hm_option_text(x->filter, sizeof(x->filter), v, path, "filter", err);
	struct hm_filter *f;
	struct hm_error why;

	if (r < 0 || x->filter[0] == '\0')
		return r;
	f = hm_record_filter_create(x->filter, &why);
	if (!f)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s.filter: %s", path,
				    why.text);
	hm_filter_destroy(f);
	return 0;
}

static int set_balance(struct hm_exporter_conf *x, const json_t *v, const char *path,
		       struct hm_error *err)
{
	return hm_option_text(x->balance, sizeof(x->balance), v, path, "balance", err);
}

static int set_time_unit(struct hm_exporter_conf *x, const json_t *v, const char *path,
			 struct hm_error *err)
{
	const char *text = NULL;
	int unit, r = hm_option_string(&text, 8, v, path, "time_unit", err);

	if (r < 0)
		return r;
	unit = hm_option_choice("s|ms|us|ns", text);
	if (unit < 0)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.time_unit must be one of s, ms, us, ns, not \"%s\"", path,
				    text);
	x->layout.time_unit = (enum hm_time_unit)(HM_TIME_S + unit);
	return 0;
}

static int set_biflow(struct hm_exporter_conf *x, const json_t *v, const char *path,
		      struct hm_error *err)
{
	if (!json_is_boolean(v))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.biflow must be true or false, not %s", path,
				    hm_option_type(v));
	x->layout.biflow = json_is_true(v);
	return 0;
}

static int set_options(struct hm_exporter_conf *x, const json_t *v, const char *path,
		       struct hm_error *err)
{
	return hm_option_set(&x->tell, HM_TELL_NAMES, v, path, "options", err);
}

/* An element by IANA's name that flow records have. */
static int add_element(struct hm_layout_conf *l, const char *name, const char *path,
		       struct hm_error *err)
{
	const struct hm_ie *e = hm_ie_by_name(name);

	if (!e)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s: \"%.64s\" is no information element of IANA's that is "
				    "known here",
				    path, name);
	if (!hm_template_knows(e->id))
		return hm_error_set(
			err, -ENOTSUP, HM_OPTION_INVALID,
			"%s: flow records have no %s; see docs/netflow.md for what they "
			"have",
			path, name);
	l->element[l->n++] = (struct hm_want){e->id, 0};
	return 0;
}

static int set_template(struct hm_exporter_conf *x, const json_t *v, const char *path,
			struct hm_error *err)
{
	char at[HM_OPTION_PATH_MAX];
	const json_t *e;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0 ||
	    json_array_size(v) > HM_TEMPLATE_FIELDS_MAX)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.template must be an array of 1 to %d names of elements",
				    path, HM_TEMPLATE_FIELDS_MAX);
	json_array_foreach ((json_t *)v, i, e) {
		int r;
		snprintf(at, sizeof(at), "%s.template[%zu]", path, i);
		if (!json_is_string(e))
			return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
					    "%s must be a string, not %s", at, hm_option_type(e));
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
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.path is missing: the file to write", path);
	if (!file && x->to.host[0] == '\0')
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.host is missing: the collector's IPv4 or IPv6 address",
				    path);
	if (x->transport->secure &&
	    !(x->to.tls.ca[0] && x->to.tls.certificate[0] && x->to.tls.key[0]))
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.tls is missing, or its ca, certificate or key: both sides "
				    "show certificates",
				    path);
	if (x->transport->check(&x->to, &why) < 0)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s.%s: %s", path,
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
				err, -EINVAL, HM_OPTION_INVALID,
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
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.transport: %s goes over udp or into a file only", path,
				    x->format->name);
	if (given && !x->transport->secure)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID,
				    "%s.tls: transport %s does not encrypt; tls and dtls do", path,
				    x->transport->name);
	if (x->origin.domain > x->format->domain_max)
		return hm_error_set(
			err, -ERANGE, HM_OPTION_INVALID,
			"%s.observation_domain must be from 0 to %u for %s: engine type "
			"x 256 + engine id",
			path, x->format->domain_max, x->format->name);
	if (hm_layout_build(&layout, &x->layout, x->format, &why) < 0)
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s: %s", path, why.text);
	if (check_sizes(x, &layout, path, err) < 0)
		return -EINVAL;
	return check_address(x, path, err);
}

struct hm_exporter_conf *hm_exporter_begin(struct hm_report_options *o)
{
	struct hm_exporter_conf *x = &o->exporter[o->n_exporters];

	hm_exporter_defaults(x);
	x->layout.routes = o->routes[0] != '\0';
	x->origin.domain = o->domain;
	return x;
}

int hm_exporter_parse(struct hm_report_options *o, json_t *object, const char *path,
		      struct hm_error *err)
{
	struct hm_exporter_conf *x = hm_exporter_begin(o);
	uint32_t port = 0;
	const struct hm_number numbers[] = {
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
		return hm_error_set(err, -EINVAL, HM_OPTION_INVALID, "%s must be an object, not %s",
				    path, hm_option_type(object));
	json_object_foreach (object, name, v) {
		const struct hm_number *n = hm_option_find(numbers, name);
		int r = n ? hm_option_number(n, v, path, err) : set_other(x, name, v, path, err);
		if (r < 0)
			return r;
		if (r > 0)
			return hm_option_unknown(
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
