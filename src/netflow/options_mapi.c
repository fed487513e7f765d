/* SPDX-License-Identifier: BSD-3-Clause */
/* An exporter from MAPI's strings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netflow/mapi_names.h"
#include "netflow/options_read.h"

static int bad_transport(const char *transport, const char *why, struct hm_error *err)
{
	return hm_error_set(err, -EINVAL, HM_OPTION_INVALID_2,
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
			return hm_error_set(err, -ENOTSUP, HM_OPTION_INVALID_4,
					    "record template: \"%.*s\" is not a name of an "
					    "element that flow records have; see docs/netflow.md",
					    n < 64 ? (int)n : 64, c);
		if (l->n == HM_TEMPLATE_FIELDS_MAX)
			return hm_error_set(err, -E2BIG, HM_OPTION_INVALID_4,
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
	x = hm_exporter_begin(o);
	x->format = hm_format_by_mapi_name(record_type);
	if (!x->format)
		return hm_error_set(err, -ENOTSUP, HM_OPTION_INVALID,
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
			err, -ERANGE, HM_OPTION_INVALID,
			"record type %s: the configuration's flow_report.observation_domain "
			"is %u; must be from 0 to %u for it",
			record_type, o->domain, x->format->domain_max);
	r = parse_mapi_template(&x->layout, template, err);
	if (r == 0 && hm_layout_build(&layout, &x->layout, x->format, &why) < 0)
		r = hm_error_set(err, -EINVAL, HM_OPTION_INVALID_4, "record template: %s",
				 why.text);
	if (r == 0)
		o->n_exporters++;
	return r;
}
