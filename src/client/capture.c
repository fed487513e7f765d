/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: `homardctl capture`, packets of a flow into a file, a pipe or onto the screen. It makes a flow
 * of its own, which sees what the named flow's functions let pass, with TO_BUFFER at its end; maps that
 * function's packet ring and writes what comes out of it. The flow goes with the connection, so nothing
 * is left behind however this ends.
 */
#include "client/commands.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/packet_text.h"
#include "core/pktring.h"
#include "trace/trace.h"

#define FLUSH_PACKETS  4096 // written out at least that often, and whenever there is nothing to read
#define SLEEP_FIRST_NS 20000               // after the first empty look; doubled with each more
#define SLEEP_MAX_NS   2000000             // a packet on a quiet flow shows up within that time
#define LOOK_NS        UINT64_C(250000000) // how often a quiet flow is asked whether it has finished

struct options {
	const char *flow, *device, *file;
	char **functions; // of --device
	int n_functions;
	uint64_t count; // 0: any
	uint32_t snaplen;
	enum hm_trace_format format;
	bool fast, print;
};

struct capture {
	struct hm_client *client;
	const struct options *options;
	json_int_t flow; // our own, 0: none
	struct hm_pktring_reader *ring;
	struct hm_trace_writer *writer; // NULL: only printed
	uint64_t captured;
	uint64_t looked_ns; // when the flow was last asked
	bool finished;      // its device has no more packets
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	interrupted = 1;
}

static int complain(const char *text)
{
	fprintf(stderr, "homardctl: capture: %s\n", text);
	return 1;
}

/* --- command line --- */

const char hm_capture_help[] =
	"writes the packets that come out of a flow\n"
	"They go into a trace or, line by line, onto the screen, until the trace ends, -c packets "
	"have\n"
	"come, or Ctrl-C. With --device they come out of FUNCTIONs on a device instead, each one\n"
	"argument as with \"flow add\".\n"
	"\n"
	"  -w FILE      write a trace; - is standard output, for a pipe\n"
	"  -c COUNT     stop after so many packets\n"
	"  -s SNAPLEN   keep at most so many bytes of each; 0: all that the device has\n"
	"  --fast       overwrite the oldest packets when this cannot keep up, not drop new ones\n"
	"  --format F   of the trace: pcapng (default) or pcap, both with nanoseconds\n"
	"  --print      print a line a packet, also with -w; the default without\n"
	"\n"
	"  homardctl capture web -w - | tcpdump -n -r -\n"
	"  homardctl capture --device dag0 -c 10 'BPF_FILTER \"port 80\"'\n";

static int usage(const char *wrong)
{
	complain(wrong);
	fputs("usage: homardctl capture " HM_CAPTURE_ARGUMENTS "\nsee homardctl help capture\n",
	      stderr);
	return HM_EXIT_USAGE;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *n)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	const unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > max)
		return false;
	*n = value;
	return true;
}

/* -1: go on; else the exit code. */
static int parse_option(int option, struct options *o)
{
	uint64_t n = 0;
	switch (option) {
	case 'w':
		o->file = optarg;
		return -1;
	case 'c':
		if (!parse_number(optarg, UINT64_MAX, &o->count) || o->count == 0)
			return usage("-c needs a number of packets, at least 1");
		return -1;
	case 's':
		if (!parse_number(optarg, HM_TRACE_CAPLEN_MAX, &n))
			return usage("-s needs a number of bytes between 0 and 262144");
		o->snaplen = n < HM_PKTRING_SNAPLEN_MAX ? (uint32_t)n : 0; // no packet is longer
		return -1;
	case 'd':
		o->device = optarg;
		return -1;
	case 'f':
		o->fast = true;
		return -1;
	case 'p':
		o->print = true;
		return -1;
	case 'F':
		o->format = HM_TRACE_PCAPNG;
		if (!strcmp(optarg, "pcap"))
			o->format = HM_TRACE_PCAP;
		else if (strcmp(optarg, "pcapng") != 0)
			return usage("--format is pcapng or pcap");
		return -1;
	default:
		return usage("wrong option");
	}
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"device", required_argument, NULL, 'd'},
					      {"fast", no_argument, NULL, 'f'},
					      {"format", required_argument, NULL, 'F'},
					      {"print", no_argument, NULL, 'p'},
					      {0}};
	int option;

	*o = (struct options){.format = HM_TRACE_PCAPNG};
	optind = 0; // whoever called us has used getopt, too
	while ((option = getopt_long(argc, argv, "w:c:s:", longs, NULL)) != -1) {
		const int code = parse_option(option, o);
		if (code >= 0)
			return code;
	}
	if (!o->device && argc - optind != 1)
		return usage("name one flow, or a device with --device");
	if (!o->device)
		o->flow = argv[optind++];
	o->functions = argv + optind;
	o->n_functions = argc - optind;
	if (!o->file)
		o->print = true;
	else if (!strcmp(o->file, "-") && o->print)
		return usage("-w - and --print both want standard output");
	else if (!strcmp(o->file, "-") && isatty(STDOUT_FILENO))
		return usage("-w - would fill the terminal with binary data: redirect it");
	return -1;
}

/* --- the flow --- */

/* ["NAME", ARGUMENT...] of each function; NULL with err. */
static json_t *functions_given(const struct options *o, struct hm_error *err)
{
	json_t *const list = json_array();
	for (int i = 0; i < o->n_functions; i++) {
		json_t *const one = hm_ctl_parse_call(o->functions[i]);
		if (!json_is_string(json_array_get(one, 0))) {
			hm_error_set(err, -EINVAL, 0,
				     "function %s: give NAME, or 'NAME \"ARGUMENT\" ...'",
				     o->functions[i]);
			json_decref(one);
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, one);
	}
	return list;
}

/* Whether what follows the function sees other packets than what precedes it; exporters, counters
 * and buffers are not done a second time. */
static bool matters(const json_t *catalogue, const char *name)
{
	size_t i, k;
	json_t *function, *flag;
	json_array_foreach ((json_t *)(uintptr_t)catalogue, i, function) {
		const char *const known = json_string_value(json_object_get(function, "name"));
		if (!known || strcasecmp(known, name) != 0)
			continue;
		json_array_foreach (json_object_get(function, "flags"), k, flag) {
			const char *const text = json_string_value(flag);
			if (text && (!strcmp(text, "filters") || !strcmp(text, "transforms")))
				return true;
		}
	}
	return false;
}

/* What function.list answers, be it the list itself or an object around it. */
static json_t *get_catalogue(struct hm_client *c, struct hm_error *err)
{
	json_t *const answer = hm_client_call(c, "function.list", NULL, err);
	json_t *const list = json_is_object(answer) ? json_object_get(answer, "functions") : answer;
	json_t *const result = json_is_array(list) ? json_incref(list) : NULL;
	if (answer && !result)
		hm_error_set(err, -EPROTO, 0, "function.list answers no list of functions");
	json_decref(answer);
	return result;
}

/* The filters and changes that the named flow does, and its device. */
static json_t *functions_of_flow(struct hm_client *c, const char *flow, json_t **device,
				 struct hm_error *err)
{
	json_t *const catalogue = get_catalogue(c, err);
	json_t *const info =
		catalogue ? hm_client_call(c, "flow.info", json_pack("{s:s}", "flow", flow), err)
			  : NULL;
	json_t *list = NULL, *function;
	size_t i;

	if (info) {
		list = json_array();
		*device = json_incref(json_object_get(info, "device"));
	}
	json_array_foreach (json_object_get(info, "functions"), i, function) {
		json_t *const name = json_object_get(function, "name");
		if (!json_is_string(name) || !matters(catalogue, json_string_value(name)))
			continue;
		json_t *const one = json_pack("[O]", name);
		json_array_extend(one, json_object_get(function, "args"));
		json_array_append_new(list, one);
	}
	json_decref(info);
	json_decref(catalogue);
	return list;
}

/* TO_BUFFER's arguments. */
static json_t *buffer_of(const struct options *o)
{
	json_t *const settings = json_object();
	if (o->fast)
		json_object_set_new(settings, "preference", json_string("fast"));
	if (o->snaplen > 0)
		json_object_set_new(settings, "snaplen", json_integer(o->snaplen));
	return json_pack("[s, i, o]", "TO_BUFFER", 1, settings);
}

/* Makes and connects the flow, maps the ring of its last function. 0 or -1 with err. */
static int open_flow(struct capture *cap, json_t *device, json_t *functions, struct hm_error *err)
{
	struct hm_client_extras ring = {0};
	json_t *answer;

	json_array_append_new(functions, buffer_of(cap->options));
	answer = hm_client_call(cap->client, "flow.create",
				json_pack("{s:O, s:O, s:b}", "device", device, "functions",
					  functions, "connect", 1),
				err);
	if (!answer)
		return -1;
	cap->flow = json_integer_value(json_object_get(answer, "flow"));
	json_decref(answer);
	answer = hm_client_request(cap->client, "flow.buffer",
				   json_pack("{s:I, s:I}", "flow", cap->flow, "function",
					     (json_int_t)json_array_size(functions)),
				   &ring, err);
	json_decref(answer);
	if (!answer || ring.fd < 0)
		return answer ? hm_error_set(err, -1, 0, "the daemon sent no descriptor") : -1;
	cap->ring = hm_pktring_open(ring.fd, err);
	if (!cap->ring)
		close(ring.fd);
	return cap->ring ? 0 : -1;
}

static int open_source(struct capture *cap, struct hm_error *err)
{
	const struct options *const o = cap->options;
	json_t *device = NULL;
	json_t *const functions = o->device ? functions_given(o, err)
					    : functions_of_flow(cap->client, o->flow, &device, err);
	if (o->device)
		device = json_string(o->device);
	const int code = functions ? open_flow(cap, device, functions, err) : -1;
	json_decref(functions);
	json_decref(device);
	return code;
}

/* --- the packets --- */

static int open_writer(struct capture *cap, struct hm_error *err)
{
	const struct options *const o = cap->options;
	const struct hm_trace_writer_conf conf = {.format = o->format,
						  .link = hm_pktring_link(cap->ring),
						  .snaplen = hm_pktring_snaplen(cap->ring),
						  .application = "homardctl capture"};
	if (!o->file)
		return 0;
	if (strcmp(o->file, "-") != 0) {
		cap->writer = hm_trace_create(o->file, &conf, err);
	} else {
		const int fd = dup(STDOUT_FILENO);
		cap->writer = hm_trace_fdcreate(fd, "standard output", &conf, err);
		if (!cap->writer && fd >= 0)
			close(fd);
	}
	return cap->writer ? 0 : -1;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Asks from time to time whether more can come. 0, or -1 with err when nobody can tell. */
static int look_at_flow(struct capture *cap, struct hm_error *err)
{
	const uint64_t now = now_ns();
	if (now - cap->looked_ns < LOOK_NS)
		return 0;
	cap->looked_ns = now;
	json_t *const info = hm_client_call(cap->client, "flow.info",
					    json_pack("{s:I}", "flow", cap->flow), err);
	const char *const status = json_string_value(json_object_get(info, "status"));
	cap->finished = status && !strcmp(status, "finished");
	json_decref(info);
	return info ? 0 : -1;
}

enum outcome { GO_ON, DONE, FAILED };

/* A reader of our pipe who has seen enough is no error. */
static enum outcome after_write(int code, struct hm_error *err)
{
	if (code == 0)
		return GO_ON;
	if (code == -EPIPE)
		return DONE;
	hm_error_set(err, code, 0, "cannot write: %s", strerror(-code));
	return FAILED;
}

static enum outcome flush(struct capture *cap, struct hm_error *err)
{
	int code = 0;
	if (cap->options->print && fflush(stdout) != 0)
		code = -errno;
	if (code == 0 && cap->writer)
		code = hm_trace_writer_flush(cap->writer);
	return after_write(code, err);
}

static void print_packet(const struct hm_pktring_packet *p, enum hm_link link)
{
	const struct hm_packet_view view = {.link = link,
					    .ts_ns = p->ts_ns,
					    .data = p->data,
					    .n = p->caplen,
					    .caplen = p->caplen,
					    .wirelen = p->wirelen};
	char text[HM_PACKET_TEXT];

	hm_packet_text(text, &view);
	puts(text);
}

static enum outcome deliver(struct capture *cap, const struct hm_pktring_packet *p,
			    struct hm_error *err)
{
	const struct hm_trace_packet packet = {.ts_ns = p->ts_ns,
					       .data = p->data,
					       .caplen = p->caplen,
					       .wirelen = p->wirelen,
					       .ifindex = p->ifindex};
	cap->captured++;
	if (cap->options->print)
		print_packet(p, hm_pktring_link(cap->ring));
	if (cap->writer) {
		const int code = hm_trace_write(cap->writer, &packet);
		if (code < 0)
			return after_write(code, err);
	}
	if (cap->captured == cap->options->count)
		return DONE;
	return cap->captured % FLUSH_PACKETS == 0 ? flush(cap, err) : GO_ON;
}

/* Nothing to read now: what was read goes out, then we sleep. */
static enum outcome rest(struct capture *cap, uint64_t *sleep_ns, struct hm_error *err)
{
	const enum outcome flushed = flush(cap, err);
	if (flushed != GO_ON)
		return flushed;
	if (cap->finished) // and the ring was read once more after that was seen
		return DONE;
	if (look_at_flow(cap, err) < 0)
		return FAILED;
	if (!cap->finished)
		nanosleep(&(struct timespec){.tv_nsec = (long)*sleep_ns}, NULL);
	*sleep_ns = *sleep_ns * 2 < SLEEP_MAX_NS ? *sleep_ns * 2 : SLEEP_MAX_NS;
	return GO_ON;
}

static enum outcome copy_packets(struct capture *cap, struct hm_error *err)
{
	enum outcome outcome = flush(cap, err); // the file's header: whoever reads can begin
	uint64_t sleep_ns = SLEEP_FIRST_NS;
	struct hm_pktring_packet p;

	while (outcome == GO_ON && !interrupted) {
		const int got = hm_pktring_next(cap->ring, &p);
		if (got == 1) {
			sleep_ns = SLEEP_FIRST_NS;
			outcome = deliver(cap, &p, err);
		} else if (got == 0) {
			outcome = rest(cap, &sleep_ns, err);
		} else if (got == -ENODATA) {
			outcome = DONE;
		} else {
			hm_error_set(err, got, 0, "the packet ring contradicts itself");
			outcome = FAILED;
		}
	}
	return outcome;
}

static void catch_signals(void)
{
	// once: a second one ends us even where we wait for a pipe that nobody reads
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void close_flow(struct capture *cap)
{
	if (cap->flow != 0 && !hm_client_lost(cap->client))
		json_decref(hm_client_call(cap->client, "flow.close",
					   json_pack("{s:I}", "flow", cap->flow), NULL));
}

int hm_capture_main(struct hm_client *c, int argc, char **argv)
{
	struct options options;
	struct capture cap = {.client = c, .options = &options};
	struct hm_error err = {0};
	int code = parse_options(argc, argv, &options);

	if (code >= 0)
		return code;
	catch_signals();
	code = 1;
	if (open_source(&cap, &err) == 0 && open_writer(&cap, &err) == 0)
		code = copy_packets(&cap, &err) == FAILED;
	if (cap.writer) {
		const int written = hm_trace_finish(cap.writer);
		if (code == 0 && after_write(written, &err) == FAILED)
			code = 1;
	}
	if (code != 0)
		complain(err.text);
	if (hm_client_lost(c))
		code = HM_EXIT_UNREACHABLE;
	if (cap.ring)
		fprintf(stderr, "%" PRIu64 " packets captured, %" PRIu64 " dropped\n", cap.captured,
			hm_pktring_lost(cap.ring));
	hm_pktring_close(cap.ring);
	close_flow(&cap);
	return code;
}
