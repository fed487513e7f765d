/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/split.h"

#include <errno.h>
#include <string.h>

#include "core/parse.h"

static int wrong(struct hm_error *err, size_t i, const char *key, const char *want)
{
	return hm_error_set(err, -EINVAL, 0, "rules[%zu].%s: want %s", i, key, want);
}

static int read_protocol(const json_t *value)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmp6", 58}, {"sctp", 132}};
	const char *text = json_string_value(value);
	for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, text) == 0)
			return names[i].number;
	json_int_t n = json_integer_value(value);
	return json_is_integer(value) && n >= 0 && n <= 255 ? (int)n : -1;
}

static int read_rule(struct sim_split *s, size_t i, json_t *object, struct hm_error *err)
{
	struct sim_rule *r = &s->rule[i];
	const char *key;
	json_t *value;
	*r = (struct sim_rule){.protocol = -1, .port = -1, .stream = -1};
	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, 0, "rules[%zu]: want an object", i);
	json_object_foreach (object, key, value) {
		json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
		if (strcmp(key, "protocol") == 0) {
			r->protocol = read_protocol(value);
			if (r->protocol < 0)
				return wrong(err, i, key, "icmp, tcp, udp, icmp6, sctp or 0-255");
		} else if (strcmp(key, "port") == 0) {
			if (n < 0 || n > 65535)
				return wrong(err, i, key, "0-65535");
			r->port = (int)n;
		} else if (strcmp(key, "color") == 0) {
			if (n < 0 || n > 65535)
				return wrong(err, i, key, "0-65535");
			r->color = (uint16_t)n;
		} else if (strcmp(key, "stream") == 0) {
			if (n < 0 || n % 2 != 0 || n / 2 >= s->n_streams)
				return wrong(err, i, key, "an even stream that the card has");
			r->stream = (int)n / 2;
		} else if (strcmp(key, "drop") == 0 && json_is_boolean(value)) {
			r->drop = json_is_true(value);
		} else {
			return wrong(err, i, key,
				     "only protocol, port, color, stream, drop (true or false)");
		}
	}
	return 0;
}

int sim_split_init(struct sim_split *s, uint32_t n_streams, const json_t *rules,
		   struct hm_error *err)
{
	json_t *object;
	size_t i;
	*s = (struct sim_split){.n_streams = n_streams};
	if (rules && (!json_is_array(rules) || json_array_size(rules) > SIM_RULES_MAX))
		return hm_error_set(err, -EINVAL, 0, "rules: want a list of up to %d",
				    SIM_RULES_MAX);
	json_array_foreach (rules, i, object) {
		int ret = read_rule(s, i, object, err);
		if (ret < 0)
			return ret;
		s->n_rules++;
	}
	return 0;
}

static bool fits(const struct sim_rule *r, const struct hm_batch *b)
{
	if (r->protocol >= 0 && (!((b->ipv4 | b->ipv6) & 1) || b->proto[0] != r->protocol))
		return false;
	if (r->port < 0)
		return true;
	if (!(b->l4_ok & (b->tcp | b->udp | b->sctp) & 1))
		return false;
	const uint8_t *l4 = b->data[0] + b->l4[0]; // all three begin with the two ports
	return (l4[0] << 8 | l4[1]) == r->port || (l4[2] << 8 | l4[3]) == r->port;
}

int sim_split_packet(const struct sim_split *s, enum hm_link link, const struct hm_trace_packet *p,
		     uint16_t *color)
{
	static const struct hm_parse_conf conf = {0};
	static _Thread_local struct hm_batch b;
	*color = 0;
	if (s->n_streams == 1 && s->n_rules == 0)
		return 0;
	b.n = 1;
	b.link = link;
	b.all = 1;
	b.data[0] = p->data;
	b.caplen[0] = p->caplen < UINT16_MAX ? p->caplen : UINT16_MAX;
	b.wirelen[0] = p->wirelen;
	hm_parse(&b, &conf);
	for (uint32_t i = 0; i < s->n_rules; i++) {
		const struct sim_rule *r = &s->rule[i];
		if (!fits(r, &b))
			continue;
		*color = r->color;
		if (r->drop)
			return -1;
		if (r->stream >= 0)
			return r->stream;
		break;
	}
	return (int)(b.hash[0] % s->n_streams);
}
