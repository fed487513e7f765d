/* SPDX-License-Identifier: BSD-3-Clause */
/* TOP tells which values of a header field occur most often, by packets or by bytes: busiest hosts, ports, protocols.
 * All packets pass; those that do not have the field are not counted. Costs a look-up in a hash table a packet.
 */
#include "core/function.h"
#include "core/parse.h"
#include "core/toplist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define X_MAX  1000 // TOPX_MAX_X
#define NS_A_S UINT64_C(1000000000)

enum { X, PROTOCOL, FIELD, SORT, RESET, OPTIONS };
enum protocol { TOPX_IP = 1, TOPX_TCP, TOPX_UDP };
enum { SORT_BY_PACKETS = 1, SORT_BY_BYTES = 2 };

/* TOPX_*, as <mapi/topx.h> numbers them: those of IP, then TCP's, then UDP's. */
enum field {
	TOPX_IP_TOS = 1,
	TOPX_IP_LENGTH,
	TOPX_IP_ID,
	TOPX_IP_OFFSET,
	TOPX_IP_TTL,
	TOPX_IP_PROTOCOL,
	TOPX_IP_CHECKSUM,
	TOPX_IP_SRCIP,
	TOPX_IP_DSTIP,
	TOPX_TCP_FIRST,
	TOPX_UDP_FIRST = 18,
	TOPX_UDP_LAST = 21,
};

static const char *const protocol_names[] = {"TOPX_IP", "TOPX_TCP", "TOPX_UDP", NULL};
static const char *const sort_names[] = {"DEFAULT", "SORT_BY_PACKETS", "SORT_BY_BYTES", NULL};
static const char *const field_names[] = {"TOPX_IP_TOS",       "TOPX_IP_LENGTH",
					  "TOPX_IP_ID",        "TOPX_IP_OFFSET",
					  "TOPX_IP_TTL",       "TOPX_IP_PROTOCOL",
					  "TOPX_IP_CHECKSUM",  "TOPX_IP_SRCIP",
					  "TOPX_IP_DSTIP",     "TOPX_TCP_SRCPORT",
					  "TOPX_TCP_DSTPORT",  "TOPX_TCP_SEQ",
					  "TOPX_TCP_ACK",      "TOPX_TCP_FLAGS",
					  "TOPX_TCP_WIN",      "TOPX_TCP_CRC",
					  "TOPX_TCP_URGENT",   "TOPX_UDP_SRCPORT",
					  "TOPX_UDP_DSTPORT",  "TOPX_UDP_LENGTH",
					  "TOPX_UDP_CHECKSUM", NULL};

/* Where a transport header has its fields, by number. */
static const struct {
	uint8_t at, bytes;
} transport[] = {
	[10] = {0, 2},  [11] = {2, 2},  [12] = {4, 4},  [13] = {8, 4},
	[14] = {13, 1}, [15] = {14, 2}, [16] = {16, 2}, [17] = {18, 2}, // TCP
	[18] = {0, 2},  [19] = {2, 2},  [20] = {4, 2},  [21] = {6, 2},  // UDP
};

struct top_conf {
	uint32_t x, entries, reset_s;
	enum field field;
	bool by_bytes;
};

struct top_core {
	struct hm_toplist list;
	enum field field;
	struct hm_toplist_values values;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- fields --- */

static void read_transport(struct hm_toplist_values *v, const struct hm_batch *b, uint64_t mask,
			   unsigned at, unsigned bytes)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *p = b->data[i] + b->l4[i] + at;
		uint32_t wide;

		if (bytes == 4) {
			memcpy(&wide, p, sizeof(wide));
			v->word[i][0] = ntohl(wide);
		} else {
			v->word[i][0] = bytes == 2 ? be16(p) : *p;
		}
		v->word[i][1] = 0;
		v->kind[i] = HM_TOPLIST_NUMBER;
	}
}

static void read_addresses(struct hm_toplist_values *v, const struct hm_batch *b, uint64_t mask,
			   bool source)
{
	hm_mask_foreach (i, mask) {
		const uint8_t *ip = b->data[i] + b->l3[i];
		uint32_t ip4;

		if (b->ipv4 >> i & 1) {
			memcpy(&ip4, ip + (source ? 12 : 16), sizeof(ip4));
			v->word[i][0] = ip4;
			v->word[i][1] = 0;
			v->kind[i] = HM_TOPLIST_IP4;
		} else {
			memcpy(v->word[i], ip + (source ? 8 : 24), sizeof(v->word[i]));
			v->kind[i] = HM_TOPLIST_IP6;
		}
	}
}

/* Of IPv6, what its fragment header says; 0 if it is whole. */
static uint32_t ip6_fragment(const struct hm_batch *b, unsigned i, enum field f)
{
	const uint8_t *header;
	uint32_t id;

	if (!(b->fragment >> i & 1))
		return 0;
	header = b->data[i] + hm_parse_fragment_header(b, i, NULL);
	memcpy(&id, header + 4, sizeof(id));
	return f == TOPX_IP_ID ? ntohl(id) : be16(header + 2) >> 3;
}

static uint32_t ip_number(const struct hm_batch *b, unsigned i, enum field f)
{
	const uint8_t *ip = b->data[i] + b->l3[i];
	bool v4 = b->ipv4 >> i & 1;

	switch (f) {
	case TOPX_IP_TOS:
		return v4 ? ip[1] : (be16(ip) >> 4 & 0xff);
	case TOPX_IP_LENGTH:
		return b->ip_len[i];
	case TOPX_IP_ID:
		return v4 ? be16(ip + 4) : ip6_fragment(b, i, f);
	case TOPX_IP_OFFSET:
		return v4 ? be16(ip + 6) & 0x1fff : ip6_fragment(b, i, f);
	case TOPX_IP_TTL:
		return v4 ? ip[8] : ip[7];
	case TOPX_IP_PROTOCOL:
		return b->proto[i];
	default:
		return be16(ip + 10); // TOPX_IP_CHECKSUM, of IPv4 only
	}
}

static void read_numbers(struct hm_toplist_values *v, const struct hm_batch *b, uint64_t mask,
			 enum field f)
{
	hm_mask_foreach (i, mask) {
		v->word[i][0] = ip_number(b, i, f);
		v->word[i][1] = 0;
		v->kind[i] = HM_TOPLIST_NUMBER;
	}
}

static uint64_t packets_with(const struct hm_batch *b, enum field f)
{
	if (f >= TOPX_UDP_FIRST)
		return b->udp & b->l4_ok;
	if (f >= TOPX_TCP_FIRST)
		return b->tcp & b->l4_ok;
	return f == TOPX_IP_CHECKSUM ? b->ipv4 : b->ipv4 | b->ipv6;
}

static uint64_t top_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct top_core *c = core;
	struct hm_toplist_values *v = &c->values;
	uint64_t mask = in & packets_with(b, c->field);

	if (c->field >= TOPX_TCP_FIRST)
		read_transport(v, b, mask, transport[c->field].at, transport[c->field].bytes);
	else if (c->field >= TOPX_IP_SRCIP)
		read_addresses(v, b, mask, c->field == TOPX_IP_SRCIP);
	else
		read_numbers(v, b, mask, c->field);
	hm_mask_foreach (i, mask)
		v->bytes[i] = b->wirelen[i] - b->l3[i];
	hm_toplist_add(&c->list, v, b->ts_ns, mask);
	return in;
}

static void top_tick(void *core, uint64_t now_ns)
{
	struct top_core *c = core;

	hm_toplist_tick(&c->list, now_ns);
}

/* --- control core --- */

static json_t *entry_json(const struct hm_toplist_record *r, uint64_t reset_ns)
{
	char text[INET6_ADDRSTRLEN];
	json_t *value =
		r->kind == HM_TOPLIST_NUMBER
			? json_integer((json_int_t)r->word[0])
			: json_string(inet_ntop(r->kind == HM_TOPLIST_IP4 ? AF_INET : AF_INET6,
						r->word, text, sizeof(text)));

	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "value", value, "count",
			 (json_int_t)r->packets, "bytecount", (json_int_t)r->bytes, "error",
			 (json_int_t)r->error_packets, "error_bytes", (json_int_t)r->error_bytes,
			 "last_rst_secs", (json_int_t)(reset_ns / NS_A_S));
}

static json_t *top_stats(const void *conf, void *const *cores, unsigned n)
{
	const struct top_conf *c = conf;
	struct hm_toplist *lists[HM_TOPLIST_LISTS_MAX];
	struct hm_toplist_result r;
	json_t *top = json_array();

	for (unsigned i = 0; i < n; i++)
		lists[i] = &((struct top_core *)cores[i])->list;
	if (hm_toplist_read(lists, n, c->x, &r) < 0) // no memory for a moment: the next read has it
		r = (struct hm_toplist_result){0};
	for (uint32_t i = 0; i < r.n; i++)
		json_array_append_new(top, entry_json(&r.top[i], r.start_ns));
	free(r.top);
	return json_pack("{s:I, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:I}", "n", (json_int_t)r.n,
			 "top", top, "exact", r.exact, "values", (json_int_t)r.values, "packets",
			 (json_int_t)r.packets, "bytes", (json_int_t)r.bytes, "absent",
			 (json_int_t)r.absent_packets, "absent_bytes", (json_int_t)r.absent_bytes,
			 "last_reset_ns", hm_json_u64(r.start_ns), "late", (json_int_t)r.late);
}

static const struct hm_option top_options[] = {
	{.name = "entries",
	 .min = HM_TOPLIST_ENTRIES_MIN,
	 .max = HM_TOPLIST_ENTRIES_MAX,
	 .value_default = 65536,
	 .offset = offsetof(struct top_conf, entries)},
	{0},
};

static enum protocol protocol_of(int64_t field)
{
	if (field >= TOPX_UDP_FIRST)
		return TOPX_UDP;
	return field >= TOPX_TCP_FIRST ? TOPX_TCP : TOPX_IP;
}

static int top_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			 struct hm_error *err)
{
	struct top_conf *c = conf;

	if (args[X].i > X_MAX)
		return hm_error_set(err, -EINVAL, 7001, "TOP: argument 1 (x) must be at most %d",
				    X_MAX);
	if (protocol_of(args[FIELD].i) != (enum protocol)args[PROTOCOL].i)
		return hm_error_set(err, -EINVAL, 7003,
				    "TOP: argument 3 (field) is %s, which is no field of %s",
				    field_names[args[FIELD].i - 1],
				    protocol_names[args[PROTOCOL].i - 1]);
	c->x = args[X].i < 1 ? 1 : (uint32_t)args[X].i;
	c->field = (enum field)args[FIELD].i;
	c->by_bytes = args[SORT].i == SORT_BY_BYTES;
	c->reset_s = (uint32_t)args[RESET].i;
	return hm_options_parse("TOP", top_options, args[OPTIONS].options, c, 7011, err);
}

static int top_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct top_conf *conf = ctx->conf;
	struct top_core *c = core;

	c->field = conf->field;
	if (hm_toplist_init(&c->list, conf->entries, conf->by_bytes, conf->reset_s, ctx->socket) <
	    0) {
		hm_toplist_fini(&c->list);
		return hm_error_set(err, -ENOMEM, 3084, "TOP: no memory for %u entries",
				    conf->entries);
	}
	return 0;
}

static void top_core_fini(void *core)
{
	struct top_core *c = core;

	hm_toplist_fini(&c->list);
}

static const struct hm_arg top_args[] = {
	{.name = "x", .type = HM_ARG_INT, .help = "how many values, at most 1000; below 1 means 1"},
	{.name = "protocol",
	 .type = HM_ARG_INT,
	 .min = TOPX_IP,
	 .max = TOPX_UDP,
	 .names = protocol_names,
	 .help = "TOPX_IP 1, TOPX_TCP 2, TOPX_UDP 3"},
	{.name = "field",
	 .type = HM_ARG_INT,
	 .min = TOPX_IP_TOS,
	 .max = TOPX_UDP_LAST,
	 .names = field_names,
	 .help = "a field of that protocol"},
	{.name = "sort",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .max = SORT_BY_BYTES,
	 .names = sort_names,
	 .help = "SORT_BY_PACKETS 1, also if 0, or SORT_BY_BYTES 2"},
	{.name = "reset",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .max = INT32_MAX,
	 .help = "seconds of packet time after which counting begins anew; 0: never"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"entries\": how many different values are counted exactly (65536)"},
	{0},
};

#define COUNT(field, c_type, text)                                                        \
	{                                                                                 \
		.name = field, .type = HM_FIELD_U64, .c = c_type, .merge = HM_MERGE_TOLD, \
		.help = text                                                              \
	}

/* In C a value has three places: struct topx_result. */
static const struct hm_field top_entry[] = {
	{.name = "value",
	 .type = HM_FIELD_U64,
	 .c = HM_C_IP_OR_UINT,
	 .merge = HM_MERGE_TOLD,
	 .help = "a number, or an address as text"},
	{.name = "value",
	 .type = HM_FIELD_TEXT,
	 .c = HM_C_IP6_ADDR,
	 .merge = HM_MERGE_TOLD,
	 .help = "the same, if it is an IPv6 address"},
	{.name = "value",
	 .type = HM_FIELD_TEXT,
	 .c = HM_C_FAMILY,
	 .merge = HM_MERGE_TOLD,
	 .help = "the family, if it is an address"},
	COUNT("count", HM_C_UINT, "packets, with the error"),
	COUNT("bytecount", HM_C_ULONG_LONG, "behind the link header, with the error"),
	COUNT("last_rst_secs", HM_C_UINT, "when counting began anew, s since 1970; 0: never"),
	COUNT("error", HM_C_NONE, "that many packets may be of other values"),
	COUNT("error_bytes", HM_C_NONE, "that many bytes may be of other values"),
	{0},
};

static const struct hm_field top_results[] = {
	COUNT("n", HM_C_UINT, "values in top"),
	{.name = "top",
	 .type = HM_FIELD_ARRAY,
	 .of = top_entry,
	 .c = HM_C_PACKED,
	 .merge = HM_MERGE_TOLD,
	 .help = "the most frequent values, the first most"},
	{.name = "exact",
	 .type = HM_FIELD_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .help = "whether all values had a place, so that nothing has an error"},
	COUNT("values", HM_C_NONE, "different values that have a place"),
	COUNT("packets", HM_C_NONE, "that have the field"),
	COUNT("bytes", HM_C_NONE, "of them, behind the link header"),
	COUNT("absent", HM_C_NONE, "packets at most of a value without a place"),
	COUNT("absent_bytes", HM_C_NONE, "bytes at most of a value without a place"),
	{.name = "last_reset_ns",
	 .type = HM_FIELD_TIME_NS,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_TOLD,
	 .unit = "ns",
	 .help = "when counting began anew; 0: never"},
	COUNT("late", HM_C_NONE, "packets of an interval that was over, not counted"),
	{0},
};

static uint64_t top_memory(const void *conf, unsigned n_workers)
{
	const struct top_conf *c = conf;

	return n_workers * (uint64_t)hm_toplist_bytes(c->entries);
}

static const struct hm_function top = {
	.name = "TOP",
	.summary = "tells which values of a header field occur most often",
	.args = top_args,
	.results = top_results,
	.conf_size = sizeof(struct top_conf),
	.core_size = sizeof(struct top_core),
	.cost = {.batch = 80, .packet = 22},
	.conf_init = top_conf_init,
	.memory = top_memory,
	.core_init = top_core_init,
	.core_fini = top_core_fini,
	.stats = top_stats,
	.process = top_process,
	.tick = top_tick,
};

HM_FUNCTION_REGISTER(top);
