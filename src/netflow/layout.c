/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/layout.h"

#include <errno.h>
#include <string.h>

#include "netflow/ie.h"

#define LENGTH(x) (sizeof(x) / sizeof((x)[0]))

/* First and last packet, by enum hm_time_unit. */
static const uint16_t times[][2] = {
	[HM_TIME_S] = {150, 151},
	[HM_TIME_MS] = {152, 153},
	[HM_TIME_US] = {154, 155},
	[HM_TIME_NS] = {156, 157},
};
static const uint16_t uptimes[2] = {22, 21};

/* Octets, packets, addresses, ports, protocol, flags, ToS, end reason, interface, VLAN. */
static const uint16_t basic[] = {1, 2, 8, 27, 12, 28, 7, 11, 4, 6, 5, 136, 10, 58};

/* AS numbers, prefix lengths, next hop. */
static const uint16_t routes[] = {16, 17, 9, 29, 13, 30, 15, 62};

static const uint16_t macs[] = {56, 80};

/* ICMP's type and code stand in the destination port, too; but collectors of NetFlow 9 look here,
 * and its ICMP_TYPE is of both versions. */
static const uint16_t icmp[] = {32, 139};

static void use_one_icmp_type(struct hm_template *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->field[i].id == icmp[1])
			t->field[i].id = icmp[0];
}

static unsigned basic_elements(struct hm_want *to, const struct hm_layout_conf *conf,
			       const struct hm_format *format)
{
	enum hm_time_unit unit = conf->time_unit;
	const uint16_t *when = times[unit != HM_TIME_DEFAULT ? unit : HM_TIME_MS];
	unsigned n = 0;

	if (unit == HM_TIME_DEFAULT && format->uptime)
		when = uptimes;
	to[n++] = (struct hm_want){when[0], 0};
	to[n++] = (struct hm_want){when[1], 0};
	for (unsigned i = 0; i < LENGTH(basic); i++)
		to[n++] = (struct hm_want){basic[i], 0};
	for (unsigned i = 0; i < LENGTH(icmp) && format->system_scopes; i++)
		to[n++] = (struct hm_want){icmp[i], 0};
	for (unsigned i = 0; i < LENGTH(routes) && conf->routes; i++)
		to[n++] = (struct hm_want){routes[i], 0};
	if (conf->key & HM_FLOW_KEY_LABEL)
		to[n++] = (struct hm_want){31, 0};
	for (unsigned i = 0; i < LENGTH(macs) && conf->key & HM_FLOW_KEY_MAC; i++)
		to[n++] = (struct hm_want){macs[i], 0};
	if (conf->key & HM_FLOW_KEY_MPLS)
		to[n++] = (struct hm_want){70, 0};
	if (conf->biflow)
		to[n++] = (struct hm_want){239, 0};
	return n;
}

static int check(const struct hm_layout_conf *conf, const struct hm_format *format,
		 struct hm_error *err)
{
	if (format->fixed && (conf->n > 0 || conf->time_unit != HM_TIME_DEFAULT))
		return hm_error_set(err, -EINVAL, 0,
				    "%s has one record format: leave out template and time_unit",
				    format->name);
	if (!format->open_elements && conf->biflow)
		return hm_error_set(err, -EINVAL, 0,
				    "%s has no elements for the reverse direction: biflow needs "
				    "ipfix",
				    format->name);
	for (unsigned i = 0; i < conf->n; i++)
		if (!conf->routes && hm_template_of_routes(conf->element[i].id))
			return hm_error_set(
				err, -EINVAL, 0,
				"template: %s is of the route to an address: name a file of "
				"prefixes as \"routes\"",
				hm_ie_by_id(conf->element[i].id)->name);
	for (unsigned i = 0; i < conf->n; i++)
		if (!format->uptime && (conf->element[i].id == 21 || conf->element[i].id == 22))
			return hm_error_set(err, -EINVAL, 0,
					    "%s has no uptime in its header: take "
					    "flowStartMilliseconds and flowEndMilliseconds for %s",
					    format->name, hm_ie_by_id(conf->element[i].id)->name);
	return 0;
}

int hm_layout_build(struct hm_layout *l, const struct hm_layout_conf *conf,
		    const struct hm_format *format, struct hm_error *err)
{
	struct hm_want made[LENGTH(basic) + LENGTH(icmp) + LENGTH(routes) + LENGTH(macs) + 5];
	const struct hm_want *elements = conf->element;
	unsigned n = conf->n;
	int r = check(conf, format, err);

	if (r < 0)
		return r;
	memset(l, 0, sizeof(*l));
	if (format->fixed) {
		l->n = 1;
		return hm_template_compile(&l->template[0], HM_TEMPLATE_FIRST, format -> fixed,
					   format -> n_fixed, 4);
	}
	if (n == 0) {
		elements = made;
		n = basic_elements(made, conf, format);
	}
	l->n = conf->biflow ? 4 : 2;
	for (unsigned i = 0; i < l->n && r == 0; i++) {
		struct hm_template *t = &l->template[i];
		r = hm_template_compile(t, (uint16_t)(HM_TEMPLATE_FIRST + i), elements, n,
					i & 1 ? 6 : 4);
		if (format->system_scopes)
			use_one_icmp_type(t);
		hm_template_mark_keys(t, conf->key);
		if (r == 0 && i >= 2)
			r = hm_template_add_reverse(t);
		if (r == 0 && t->n == 0)
			return hm_error_set(err, -EINVAL, 0,
					    "template has no element for IPv%d flow records",
					    i & 1 ? 6 : 4);
	}
	return r < 0 ? hm_error_set(err, r, 0, "template has an element that flow records lack")
		     : 0;
}
