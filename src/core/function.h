/* SPDX-License-Identifier: BSD-3-Clause */
/* function: what a packet function is. One file in src/functions/ defines one `const struct hm_function`
 * and registers it in its last line; nothing else in the tree knows its name. The same file, out of the tree, is
 * built into a library that the configuration names (docs/write-a-function.md): then this is <homard/function.h>.
 *
 * Life of an instance (one use of a function in a flow):
 *   apply    control core  conf_init()  arguments -> conf, which is read-only from then on
 *   connect  control core  connect()    what needs resources; may fail with a MAPI number
 *                          core_init()  once a worker, zeroed memory on its NUMA node; not if the flow
 *                                       shares the node of another (node.h): then conf is freed
 *                          prepared()   again and again until it is
 *   run      worker        process() or transform(), once a batch and only if the mask is not empty
 *                          ready()      before each burst of a lossless source
 *                          tick()       about every millisecond, and while idle
 *                          more()       behind transform(), tick() and drain(): it has packets to
 *                                       hand on
 *                          drain()      when the device's last packet has been counted, at stop and at
 *                                       close: again and again until it says that nothing is left
 *   run      control core  poll()       about every millisecond: moves what the workers left
 *   close    control core  closing(), and after no worker can see the instance drain() until it is done,
 *                          poll() until idle(), core_fini() once a worker, conf_fini()
 *
 * On the packet path nothing locks, allocates, logs or makes a system call. A core state has one
 * writer, its worker; the control core reads its result fields in place with relaxed loads.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/batch.h"
#include "core/error.h"
#include "core/selector.h"
#include "core/timespan.h"

struct hm_reads;
struct hm_feed;

#ifdef __cplusplus
extern "C" {
#endif

#define HM_ARGS_MAX           10
#define HM_SHARED_RESULTS_MAX 16 // of a function whose nodes flows may share

/* Argument types by MAPI's descriptor letters (MAPI function definition, argdescr). */
enum hm_arg_type {
	HM_ARG_STRING = 's',
	HM_ARG_INT = 'i',
	HM_ARG_U64 = 'l',
	HM_ARG_REFERENCES =
		'S', // a list of functions, "2@7,1@web" or "2" of the function's own flow: a string
	HM_ARG_OUTPUT =
		'w', // where to write: a string for hm_output_create(), core/output.h; at most one
	HM_ARG_FLOW = 'r',     // of the same device, by number or name; 0: the function's own
	HM_ARG_FUNCTION = 'f', // number of a function in the flow of the argument before
	// not in MAPI's descriptors
	HM_ARG_FLOWS = 'R',   // a list of flows, each as HM_ARG_FLOW: a string
	HM_ARG_TIME = 't',    // MAPI's time strings, "1.5s" or a plain number; an integer, too
	HM_ARG_OPTIONS = 'o', // one JSON object anywhere among the arguments
};

struct hm_arg {
	const char *name;
	enum hm_arg_type type;
	bool optional;    // then missing means: value_default / NULL / 0
	bool secret;      // shown to nobody, not even to who gave it; a string
	int64_t min, max; // of HM_ARG_INT; both 0: any int
	int64_t value_default;
	const char *help; // one line, with the unit
	int mapi_errno;   // of whatever is wrong with it; 0: 7000 + its position, as MAPI has it
	/* Of HM_ARG_INT: what may be given for min, min + 1 ... max, letters in any case. Ends with NULL. */
	const char *const *names;
};

struct hm_flow_name {
	const char *name; // NULL: by number
	int64_t number;
};

union hm_value {
	const char *s; // valid during conf_init only, as is a flow's name; of HM_ARG_OUTPUT, too
	int64_t i;
	uint64_t u;
	struct hm_timespan time;
	struct hm_flow_name flow;
	const json_t *options;
};

enum hm_field_type {
	HM_FIELD_U64,
	HM_FIELD_I64,
	HM_FIELD_U32,
	HM_FIELD_TIME_NS,
	HM_FIELD_BIG_U64, // may exceed 2^53: a decimal string in JSON
	// of what stats() tells
	HM_FIELD_BIG_DECIMAL, // an integer of any length: a decimal string
	HM_FIELD_REAL,
	HM_FIELD_TEXT,
	HM_FIELD_OBJECT, // has the fields `of`
	HM_FIELD_ARRAY,  // each of its elements has them; of numbers, one field without name ("")
};
enum hm_merge {
	HM_MERGE_SUM,
	HM_MERGE_MIN,
	HM_MERGE_MAX,
	HM_MERGE_IN, // the packets that reached the function: counted anyhow, not in the core state
	HM_MERGE_TOLD, // not in the core state: stats() tells it
};

/* What a field is in C. */
enum hm_c_type {
	HM_C_NONE = '-', // not there
	HM_C_U8 = 'B',
	HM_C_U16 = 'H',
	HM_C_INT = 'i',
	HM_C_UINT = 'I',
	HM_C_ULONG = 'L',
	HM_C_LONG_LONG = 'q',
	HM_C_ULONG_LONG = 'Q',
	HM_C_DOUBLE = 'd',
	HM_C_LONG_DOUBLE = 'g',
	HM_C_STRUCT = 'o',
	HM_C_ARRAY = 'a',      // to the end of the structure
	HM_C_PACKED = 'A',     // the same, without padding before the first element
	HM_C_IP_ADDR = '4',    // four bytes, from "10.0.0.1"
	HM_C_IP_OR_UINT = 'N', // unsigned int: of an address as it is sent
	HM_C_IP6_ADDR = '6',   // struct in6_addr, of other addresses 0
	HM_C_FAMILY = 'F',     // sa_family_t of an address
	HM_C_BYTES = 'x',      // `count` bytes, from hexadecimal digits
};

/* One field of a result, read in place from every worker's core state and merged, or told by stats(). What there
 * is in C, for libmapi, comes first and in the order of MAPI's structure. */
struct hm_field {
	const char *name; // a result of the single field "value" is a plain number in JSON
	enum hm_field_type type;
	enum hm_merge merge;
	/* "packets", "bytes", "ns" ...; "value" and "value^2": in the unit that the result's key "unit" names, and
	 * its square. Whatever is in ns becomes MAPI's 2^-32 s in C. */
	const char *unit;
	size_t offset; // in the core state
	const char *help;
	enum hm_c_type c;          // 0: as its type says
	const struct hm_field *of; // ends with {0}
	uint32_t count;            // of HM_C_BYTES
	/* How many there have been of what MAPI's programs read one by one, and wait for: the newest are in the
	 * array of the same result, if it has one. HM_FIELD_U64, HM_MERGE_SUM. */
	bool sequence;
};

enum hm_function_flags {
	HM_FN_FILTERS =
		1
		<< 0, // may return fewer packets than it got; others pass all, whatever they return
	HM_FN_STATELESS = 1 << 1, // same arguments, same answer: flows may share one node
	HM_FN_ORDERED = 1 << 2,   // result depends on the order of packets
	HM_FN_EXPORTS = 1 << 4,   // makes flow records: its stats have a line for the ledger
	HM_FN_WRITES = 1 << 5,    // writes files: its stats have a line for the ledger, too
	HM_FN_SHARED_COUNTER =
		1 << 3, // all results are HM_FIELD_U64 sums: flows may share one node, each less
			// what it found there. No poll, closing, stats, ready or drain
	HM_FN_HOLDS = 1 << 6, // keeps packets for later: its stats have a line for the ledger, too
	HM_FN_PAYLOAD = 1 << 7,   // is of use only where packets have their payload
	HM_FN_SENDS = 1 << 8,     // sends packets to a network
	HM_FN_ALL = (1 << 9) - 1, // of the above: others are a mistake
};

/* What the worker tells a core state about where it lives. */
struct hm_core_ctx {
	unsigned worker; // 0 .. n_workers - 1, of the workers that poll this device
	unsigned n_workers;
	int socket;    // NUMA node
	bool lossless; // the source waits: a full output must wait, too, and not drop
	const void *conf;
	const char *device; // name
	const char *flow;   // name
	uint32_t flow_id, function_id;
	struct hm_feed *feeds; // of values from elsewhere, in the order of reads (reference.h)
	/* The state on this worker of the function `up` places before this one in the flow. */
	void *(*before)(const struct hm_core_ctx *ctx, uint32_t up);
	const void *place; // in the flow, for before()
};

struct hm_handed;
struct hm_injector;
enum hm_unit { HM_UNIT_NONE, HM_UNIT_NS, HM_UNIT_PACKETS, HM_UNIT_BYTES };

#define HM_FLOW_FUNCTIONS_MAX 64

/* A function in a flow. */
struct hm_applied {
	const struct hm_function *fn;
	enum hm_unit unit; // of its values
	struct hm_selector selector;
	unsigned workers; // of another flow: that run it
	bool apart;       // of another flow: its packets have no place in the order of all
};

/* Another flow, and its functions so far. */
struct hm_other {
	uint32_t flow;
	struct hm_applied functions[HM_FLOW_FUNCTIONS_MAX];
	uint32_t n;
};

/* Packets that a device has lost, by cause, as its ledger says. */
struct hm_losses {
	uint64_t missed, errors;
};

/* Reads them; on the control core. */
struct hm_losses_of {
	void (*read)(const void *place, struct hm_losses *losses); // NULL: there is no device yet
	const void *place;
};

/* What conf_init may want to know about the flow. */
struct hm_apply_ctx {
	enum hm_link link; // of the device
	uint32_t snaplen;
	bool lossless;
	unsigned n_workers;
	const char *device;
	uint32_t owner_uid;
	bool administrator; // the owner is one, or the configuration
	bool configured;    // the flow is the configuration's own
	uint32_t flow_id;
	/* For the argument of type HM_ARG_OUTPUT: what the client has passed, or NULL; the folder of the configuration. */
	struct hm_handed *handed;
	const char *capture_dir;
	const struct hm_flow_report_config
		*flow_report;            // NULL: as if the configuration said nothing
	const char *anonymize_key;       // the configuration's key file; NULL or "": none
	struct hm_losses_of losses;      // of the device
	const struct hm_applied *before; // the functions applied so far
	uint32_t n_before;
	/* A flow of the same device that this one's owner may read. 0, or negative errno with err, which tells
	 * the cause alone. NULL: there is none. */
	int (*other)(const struct hm_apply_ctx *ctx, const struct hm_flow_name *which,
		     struct hm_other *found, struct hm_error *err);
	/* What sends packets out of the device of that name (core/injector.h), if this one's owner may use it; of a
	 * configuration that is only checked *found is NULL. 0, or negative errno with err. NULL: there is none. */
	int (*injector)(const struct hm_apply_ctx *ctx, const char *device,
			struct hm_injector **found, struct hm_error *err);
	const void *place;      // for other() and injector()
	struct hm_reads *reads; // reference.h notes there what the instance reads from elsewhere
};

/* In cycles: of a batch in which packets reach it, and of each such packet. Only until it has been measured. */
struct hm_cost {
	unsigned batch, packet;
};

struct hm_filter;
struct hm_pattern;
struct hm_pktring;
struct hm_copies;
struct hm_outbox;

/* What a function says of each packet, for functions behind it in the same flow and for those of other flows, which
 * refer to it by its number (core/reference.h). */
struct hm_values {
	enum hm_unit unit;
	enum hm_unit (*unit_of)(const void *conf); // where it depends on the arguments; else NULL
	/* A plain counter of packets or bytes: who reads it counts the same packets itself. Else the values
	 * are at `offset`. */
	bool running;
	size_t offset; // in the core state: [HM_BATCH_MAX], of the packets of this batch that it passed
	uint32_t size; // of one, up to HM_VALUE_MAX (core/feed.h); 0: a uint64_t
	/* Somebody will read them: until then it may leave them out. Control core, while workers may run it. */
	void (*watch)(void *core);
};

struct hm_function {
	const char *name; // as MAPI has it
	const char *const
		*aliases;    // further names, as other MAPIs have it; ends with NULL, may be NULL
	const char *summary; // one line
	uint32_t flags;      // enum hm_function_flags
	const struct hm_arg *args;      // up to HM_ARGS_MAX, ends with {0}; NULL: none
	const struct hm_field *results; // ends with {0}; NULL: the function has no result (6146)
	size_t conf_size, core_size;
	struct hm_cost cost; // {0}: as most of its kind

	// control core
	int (*conf_init)(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			 struct hm_error *err);
	int (*connect)(void *conf, struct hm_error *err);
	/* What connect and core_init began and goes on by itself, in a thread: 1 done, 0 not yet, a negative errno:
	 * it failed. No worker sees the flow before that, and nobody else waits. NULL: nothing does. */
	int (*prepared)(void *conf, struct hm_error *err);
	void (*conf_fini)(void *conf);
	int (*core_init)(void *core, const struct hm_core_ctx *ctx, struct hm_error *err);
	void (*core_fini)(void *core);
	unsigned (*poll)(void *conf, uint64_t now_ns); // work done, 0 = nothing to do
	bool (*idle)(const void *conf); // nothing is left to move to the world; NULL: always so
	/* Bytes that it allocates itself from connect on, on all workers together; what clients may take is
	 * limited. NULL: next to nothing. */
	uint64_t (*memory)(const void *conf, unsigned n_workers);
	void (*closing)(void *conf); // the flow begins to close: stop waiting for anybody
	/* Of an ordered function: whether with this conf the result does not depend on the order, after all. Such a
	 * conf_init must not rely on n_workers. NULL: it always does. */
	bool (*any_order)(const void *conf);
	/* Of an ordered function: whether with this conf the result depends only on the order of packets between the
	 * same two addresses, as they are where a state for each part of hm_pair_part() is kept (core/pairs.h). Then
	 * worker k of n_workers may get the packets of parts k, k + n_workers ... only. Such a conf_init and memory()
	 * must not rely on n_workers. NULL: it never does. */
	bool (*by_pair)(const void *conf);
	void (*hurry)(void *conf); // the daemon stops: wait no longer for those who are away
	json_t *(*stats)(const void *conf, void *const *cores,
			 unsigned n); // more keys for flow.read, may be NULL
	/* Other arguments for one that runs, as conf_init() takes them, without losing anything. With `dry` it
	 * only says whether that can be done. A negative errno with err: no, and nothing has changed. */
	int (*change)(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
		      bool dry, struct hm_error *err);
	/* A question that takes a while, since the workers look for the answer: it comes from a later poll(), or
	 * from conf_fini(). A negative errno with err: refused at once. */
	int (*ask)(void *conf, const json_t *question, hm_answer_cb answer, void *arg,
		   struct hm_error *err);
	/* What it filters, what it searches. With one of these and neither process nor transform the packets that
	 * match go on, and the program asks for all filters and patterns at once. A process with a pattern asks for its
	 * packets itself, by hm_search_hits(). */
	struct hm_filter *(*filter)(const void *conf);
	const struct hm_pattern *(*pattern)(const void *conf);
	/* How it selects packets: all of *s but the name. NULL: by what the packets are, if it lets only some go
	 * on. */
	void (*selector)(const void *conf, struct hm_selector *s);
	/* Flows that must be in the programs before any packet goes on; until then it is in none itself, nor is what is
	 * behind it, and so nothing passes. NULL: it waits for none. */
	const uint32_t *(*awaits)(const void *conf, uint32_t *n);
	struct hm_pktring *(*pktring)(const void *conf); // the packet ring it fills, if it does
	/* What it hands out once, from connect on; one of these records, that is being taken out, as flow.read has it; and
	 * when a flow.read has taken all that it wants, before stats: NULL, or what that changes in the result. */
	struct hm_outbox *(*outbox)(const void *conf);
	json_t *(*record)(void *conf, const void *record);
	void (*taken)(void *conf, void *const *cores, unsigned n);
	const struct hm_field *records; // what that has, all HM_MERGE_TOLD; ends with {0}
	const struct hm_values *values; // what it says of each packet; NULL: nothing

	// workers. With none of process, transform, filter and pattern it only counts what reaches it.
	uint64_t (*process)(void *core, const struct hm_batch *b, uint64_t in);
	/* The second shape: fills `out` with copies from `pool`; out->n, ts_ns, data, caplen,
	 * wirelen, ifindex of each. Returns the mask of `in` that was dropped because the pool was
	 * empty. At most one of process and transform is set. */
	uint64_t (*transform)(void *core, const struct hm_batch *b, uint64_t in,
			      struct hm_batch *out, struct hm_copies *pool);
	/* Whether a transform has more to hand on than `out` had room for, or packets that it held and that are due:
	 * then transform() is called again, with an empty mask: behind a call with packets with the same batch, else
	 * with an empty one. NULL: never. */
	bool (*more)(void *core);
	void (*tick)(void *core,
		     uint64_t now_ns); // now: newest packet time of the device, or the clock
	/* A lossless source asks before each burst: whether a whole batch can be taken now. False: it
	 * receives nothing this time, and everybody else goes on. NULL: always. */
	bool (*ready)(void *core);
	/* Moves what is left to the outputs; true: nothing is left, false: an output is full, call again.
	 * Never waits. Runs on the worker, or on the control core once no worker can see the instance. */
	bool (*drain)(void *core);
};

/* A key of an HM_ARG_OPTIONS whose value is an integer. */
struct hm_option {
	const char *name;
	uint32_t min, max, value_default;
	size_t offset; // of the uint32_t that it is for
};

/* Fills `to` from the options and the defaults; `options` may be NULL, the table ends with {0}. An unknown key or
 * a wrong value is -EINVAL with err: `mapi_errno`, and a sentence that names the function, the key and the range. */
int hm_options_parse(const char *function, const struct hm_option *table, const json_t *options,
		     void *to, int mapi_errno, struct hm_error *err);

/* Numbers that may exceed the 2^53 that every JSON reader can hold are decimal strings. */
json_t *hm_json_u64(uint64_t value);

/* --- the last line of each function's file --- */

/* The layout that a function was compiled with: the program refuses one that is not its own. The number grows with
 * every change of what is in here, be it a field or a meaning; sizes tell what was forgotten. */
#define HM_FUNCTION_ABI_NUMBER 5
#define HM_FUNCTION_ABI_STRUCTS                                                                 \
	{                                                                                       \
		"hm_function", "hm_arg", "hm_value", "hm_field", "hm_core_ctx", "hm_apply_ctx", \
			"hm_values", "hm_batch", "hm_error"                                     \
	}
#define HM_FUNCTION_ABI                                                                            \
	{                                                                                          \
		HM_FUNCTION_ABI_NUMBER,                                                            \
		{                                                                                  \
			sizeof(struct hm_function), sizeof(struct hm_arg), sizeof(union hm_value), \
				sizeof(struct hm_field), sizeof(struct hm_core_ctx),               \
				sizeof(struct hm_apply_ctx), sizeof(struct hm_values),             \
				sizeof(struct hm_batch), sizeof(struct hm_error)                   \
		}                                                                                  \
	}

struct hm_function_abi {
	uint32_t number; // first, always
	uint32_t sizes[9];
};

void hm_function_register(const struct hm_function *f, const struct hm_function_abi *abi);

#define HM_FUNCTION_REGISTER(f)                                            \
	static void __attribute__((constructor)) register_##f(void)        \
	{                                                                  \
		static const struct hm_function_abi abi = HM_FUNCTION_ABI; \
		hm_function_register(&f, &abi);                            \
	}                                                                  \
	static_assert(1, "")

#ifdef __cplusplus
}
#endif
