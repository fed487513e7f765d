/* SPDX-License-Identifier: BSD-3-Clause */
/* generator: chooses flows, hosts and ports, gives each packet its time, and counts the truth. */
#include "trace/generator.h"

#include <errno.h>
#include <stdlib.h>

#include "trace/generator_parts.h"

#define CLIENT_BITS  14 // 2^14 - 1 clients
#define SERVER_BITS  12
#define FIRST_PORT   49152u // the dynamic range
#define N_PORTS      11840u // up to HM_PORT_OTHER
#define STREAM_FIRST 50000u // the part of it that no known protocol uses
#define STREAM_N     4000u
#define STREAM_PORTS 8 // 2^8 - 1 server ports that no known protocol uses
#define N_VLANS_BITS 6

static bool (*const steps[])(struct hm_generator *g, struct hm_gen_flow *f) = {
	[HM_FLOW_TCP] = hm_tcp_step,
	[HM_FLOW_UDP] = hm_udp_step,
	[HM_FLOW_ICMP] = hm_icmp_step,
	[HM_FLOW_ARP] = hm_arp_step,
};

void hm_generator_defaults(struct hm_generator_conf *conf)
{
	*conf = (struct hm_generator_conf){
		.seed = 1,
		.packets = 1000000,
		.flows = 1000,
		.start_ns = 1147651200ull * 1000000000u, // 2006-05-15
		.rate_pps = 100000,
		.ipv6_percent = 20,
		.udp_percent = 40,
		.vlan_percent = 10,
		.mpls_percent = 2,
		.fragment_percent = 1,
		.plant_every = 100,
	};
}

static bool valid(const struct hm_generator_conf *c)
{
	size_t plant = c->plant ? strlen(c->plant) : 1;
	return c->flows >= 1 && c->flows <= HM_GENERATOR_FLOWS_MAX && c->rate_pps >= 1 &&
	       c->rate_pps <= HM_GENERATOR_RATE_MAX && c->ipv6_percent <= 100 &&
	       c->udp_percent <= 100 && c->vlan_percent <= 100 && c->mpls_percent <= 100 &&
	       c->fragment_percent <= 100 && plant >= 1 && plant <= HM_PLANT_MAX &&
	       (!c->plant || c->plant_every >= 1);
}

/* Filler never holds one byte of the planted string, so it cannot hold the string, nor any part of
 * it that has that byte. */
static void fill_pools(struct hm_generator *g)
{
	const uint32_t size = sizeof(g->text);
	int banned = g->plant ? (uint8_t)g->plant[0] : -1;
	uint32_t n = 0;
	while (n < size) {
		const char *word = hm_generator_word(hm_random_below(g, 64));
		for (; *word && n < size; word++)
			g->text[n++] = (uint8_t)*word;
		if (n < size)
			g->text[n++] = hm_random_below(g, 12) ? ' ' : '\n';
	}
	for (n = 0; n < size; n++) {
		g->bytes[n] = (uint8_t)hm_random(g);
		if (g->bytes[n] == banned)
			g->bytes[n] ^= 0x55;
		if (g->text[n] == banned)
			g->text[n] = banned == 'y' ? 'x' : 'y';
	}
}

struct hm_generator *hm_generator_create(const struct hm_generator_conf *conf)
{
	struct hm_generator *g;
	if (!valid(conf)) {
		errno = EINVAL;
		return NULL;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->conf = *conf;
	g->flows = calloc(conf->flows, sizeof(*g->flows));
	if (conf->plant) {
		g->plant = strdup(conf->plant);
		g->plant_len = (uint32_t)strlen(conf->plant);
	}
	if (!g->flows || (conf->plant && !g->plant)) {
		hm_generator_destroy(g);
		errno = ENOMEM;
		return NULL;
	}
	g->random = conf->seed;
	g->slot_ns = conf->start_ns;
	g->step_ns = 1000000000u / conf->rate_pps;
	g->step_rest = 1000000000u % conf->rate_pps;
	fill_pools(g);
	return g;
}

void hm_generator_plant(struct hm_generator *g, uint8_t *payload, uint32_t n)
{
	memcpy(payload + hm_random_below(g, n - g->plant_len + 1), g->plant, g->plant_len);
}

/* Clients are in 10.0.0.0/8 and 2001:db8:c::/48, servers in 198.18.0.0/15 and 2001:db8:5::/48. */
static void choose_host(struct hm_gen_flow *f, enum hm_dir dir, uint32_t host)
{
	uint32_t spread = host * 0x9e3779b1u; // neighbours in rank are not neighbours in number
	uint8_t *a = f->addr[dir];
	memset(a, 0, sizeof(f->addr[dir]));
	if (f->ipv6) {
		hm_put32(a, 0x20010db8);
		hm_put16(a + 4, dir == HM_TO_SERVER ? 0xc : 0x5);
		hm_put32(a + 8, spread);
		hm_put32(a + 12, host + 1);
	} else if (dir == HM_TO_SERVER) {
		hm_put32(a, 0x0a000000 | (spread >> 8 & 0xff0000) | (host + 1));
	} else {
		hm_put32(a, 0xc6120000 | (spread >> 15 & 0x10000) | (host + 1));
	}
	f->mac[dir][0] = 2; // locally administered
	f->mac[dir][1] = (uint8_t)dir;
	hm_put32(f->mac[dir] + 2, host);
}

static void choose_tags(struct hm_generator *g, struct hm_gen_flow *f)
{
	if (hm_random_percent(g, g->conf.vlan_percent)) {
		f->n_vlans = hm_random_below(g, 8) ? 1 : 2; // 1 of 8 with a service tag before it
		f->vlan[0] = (uint16_t)(100 + hm_random_zipf(g, N_VLANS_BITS));
		f->vlan[1] = (uint16_t)(200 + hm_random_zipf(g, N_VLANS_BITS));
	}
	if (hm_random_percent(g, g->conf.mpls_percent) && f->kind != HM_FLOW_ARP) {
		f->n_labels = (uint16_t)(1 + hm_random_below(g, 2));
		f->label[0] = 1000 + hm_random_zipf(g, 8);
		f->label[1] = 16000 + hm_random_zipf(g, 8);
	}
}

static void begin_tcp(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint32_t choice = hm_random_below(g, 100);
	f->app = choice < 45 ? HM_APP_TLS : choice < 80 ? HM_APP_HTTP : HM_APP_STREAM;
	if (f->planted)
		f->app = HM_APP_STREAM;
	f->port[1] = f->app == HM_APP_TLS ? 443 : hm_random_below(g, 8) ? 80 : 8080;
	if (f->app == HM_APP_STREAM)
		f->port[1] = (uint16_t)(HM_PORT_OTHER + hm_random_zipf(g, STREAM_PORTS));
	f->seq[0] = (uint32_t)hm_random(g);
	f->seq[1] = (uint32_t)hm_random(g);
	f->segments = (hm_random_pareto(g, 14) + 1) / 2;
}

static void begin_udp(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint32_t choice = hm_random_below(g, 100);
	f->app = choice < 70   ? HM_APP_DNS
		 : choice < 78 ? HM_APP_NTP
		 : choice < 92 ? HM_APP_QUIC
			       : HM_APP_STREAM;
	if (f->planted)
		f->app = HM_APP_STREAM;
	f->left = f->app == HM_APP_DNS || f->app == HM_APP_NTP ? 2 : 2 + hm_random_pareto(g, 12);
	f->port[1] = f->app == HM_APP_DNS    ? 53
		     : f->app == HM_APP_NTP  ? 123
		     : f->app == HM_APP_QUIC ? 443
					     : HM_PORT_OTHER + hm_random_zipf(g, STREAM_PORTS);
}

static void choose_kind(struct hm_generator *g, struct hm_gen_flow *f)
{
	uint32_t other = hm_random_below(g, 100);
	if (hm_random_percent(g, g->conf.udp_percent))
		f->kind = HM_FLOW_UDP;
	else
		f->kind = other < 3 ? HM_FLOW_ICMP : other == 3 ? HM_FLOW_ARP : HM_FLOW_TCP;
	if (f->kind == HM_FLOW_ICMP)
		f->left = 2 * (1 + hm_random_below(g, 4));
	if (f->kind == HM_FLOW_ARP)
		f->left = 2;
	if (f->kind != HM_FLOW_TCP && f->kind != HM_FLOW_UDP)
		return;
	g->serial++;
	f->planted = g->plant && g->serial % g->conf.plant_every == 0;
	// consecutive flows have different ports, so that no two at the same time are the same
	f->port[0] = (uint16_t)(FIRST_PORT + g->serial * 7919 % N_PORTS);
	if (f->kind == HM_FLOW_TCP)
		begin_tcp(g, f);
	else
		begin_udp(g, f);
	if (f->app == HM_APP_STREAM)
		f->port[0] = (uint16_t)(STREAM_FIRST + g->serial * 2221 % STREAM_N);
}

static void begin_flow(struct hm_generator *g, struct hm_gen_flow *f)
{
	memset(f, 0, sizeof(*f));
	f->active = true;
	f->salt = (uint32_t)hm_random(g);
	f->ip_id[0] = (uint16_t)hm_random(g);
	f->ip_id[1] = (uint16_t)~f->ip_id[0];
	choose_kind(g, f);
	f->ipv6 = hm_random_percent(g, g->conf.ipv6_percent) && f->kind != HM_FLOW_ARP;
	choose_host(f, HM_TO_SERVER, hm_random_zipf(g, CLIENT_BITS));
	choose_host(f, HM_TO_CLIENT,
		    f->kind == HM_FLOW_UDP && f->app == HM_APP_DNS
			    ? hm_random_zipf(g, 2)
			    : hm_random_zipf(g, SERVER_BITS));
	choose_tags(g, f);
	g->truth.flows++;
}

/* Each packet has a slot of 1/rate and lies anywhere in it: times never step back, and the rate is
 * exact. */
static void advance_time(struct hm_generator *g)
{
	uint64_t next = g->slot_ns + g->step_ns;
	g->now_ns = g->slot_ns + hm_random(g) % (g->step_ns + (g->step_ns == 0));
	if (g->truth.packets == 0)
		g->now_ns = g->slot_ns;
	g->rest += g->step_rest;
	if (g->rest >= g->conf.rate_pps) {
		g->rest -= g->conf.rate_pps;
		next++;
	}
	g->slot_ns = next;
}

static void count(struct hm_generator *g, const struct hm_gen_flow *f, bool fragment)
{
	struct hm_generator_truth *t = &g->truth;
	t->packets++;
	t->bytes += g->frame_len;
	t->planted += g->holds_plant;
	t->fragments += fragment;
	t->ipv4 += !f->ipv6 && f->kind != HM_FLOW_ARP;
	t->ipv6 += f->ipv6;
	t->tcp += f->kind == HM_FLOW_TCP;
	t->udp += f->kind == HM_FLOW_UDP;
	t->icmp += f->kind == HM_FLOW_ICMP;
	t->arp += f->kind == HM_FLOW_ARP;
	t->vlan += f->n_vlans != 0;
	t->mpls += f->n_labels != 0;
}

/* Packets of a flow come in small bursts: every other time the flow goes on. */
static struct hm_gen_flow *choose_flow(struct hm_generator *g)
{
	struct hm_gen_flow *f = &g->flows[g->current];
	if (!f->active || hm_random(g) >> 63) {
		g->current = hm_random_below(g, (uint32_t)g->conf.flows);
		f = &g->flows[g->current];
	}
	if (!f->active)
		begin_flow(g, f);
	return f;
}

int hm_generator_next(struct hm_generator *g, struct hm_trace_packet *p)
{
	struct hm_gen_flow *f = &g->flows[g->current];
	bool fragment = g->second_len != 0;
	if (g->conf.packets && g->truth.packets == g->conf.packets)
		return 0;
	advance_time(g);
	if (fragment) {
		g->frame = g->ends[1];
		g->frame_len = g->second_len;
		g->holds_plant = g->second_holds_plant;
		g->second_len = 0;
	} else {
		f = choose_flow(g);
		f->active = !steps[f->kind](g, f);
	}
	count(g, f, fragment || g->second_len != 0);
	p->ts_ns = g->now_ns;
	p->data = g->frame;
	p->wirelen = g->frame_len;
	p->caplen =
		g->conf.snaplen && g->conf.snaplen < g->frame_len ? g->conf.snaplen : g->frame_len;
	p->ifindex = 0;
	return 1;
}

const struct hm_generator_truth *hm_generator_truth(const struct hm_generator *g)
{
	return &g->truth;
}

void hm_generator_destroy(struct hm_generator *g)
{
	if (!g)
		return;
	free(g->plant);
	free(g->flows);
	free(g);
}
