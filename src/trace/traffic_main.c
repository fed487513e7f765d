/* SPDX-License-Identifier: BSD-3-Clause */
/* homard-traffic: writes generated traffic to a trace file and tells what is in it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace/generator.h"

#define EXIT_USAGE     2
#define PROGRESS_EVERY 65536u // packets between two looks at the clock

static const char usage[] =
	"usage: homard-traffic --out FILE [OPTION]...\n"
	"\n"
	"Writes realistic, repeatable network traffic (Ethernet) to a trace file and prints what "
	"is in\n"
	"it. The same options give the same file, byte for byte.\n"
	"\n"
	"  -o, --out FILE        file to write; - is standard output\n"
	"      --format FORMAT   pcap (nanoseconds), pcapng or erf; default: by FILE's suffix\n"
	"      --packets N       packets to make, 0: until stopped; default 1000000\n"
	"      --flows N         concurrent bidirectional flows, 1..16777216; default 1000\n"
	"      --seed N          start of the pseudo-random numbers; default 1\n"
	"      --rate N          packets a second of trace time, 1..1000000000; default 100000\n"
	"      --start N         time of the first packet, seconds since 1970; default 1147651200\n"
	"      --snaplen N       bytes of each packet to keep, 0..262144, 0: all; default 0\n"
	"      --plant STRING    put STRING (1..1024 bytes) into some payloads\n"
	"      --plant-every N   into the first data packet of every Nth TCP or UDP flow; default "
	"100\n"
	"      --ipv6 P          percent of the flows that are IPv6; default 20\n"
	"      --udp P           percent of the flows that are UDP; default 40\n"
	"      --vlan P          percent of the flows with VLAN tags; default 10\n"
	"      --mpls P          percent of the flows with MPLS labels; default 2\n"
	"      --fragments P     percent of the larger packets that are split in two; default 1\n"
	"      --json            print what was made as one JSON object\n"
	"  -h, --help            print this and end\n"
	"\n"
	"In the JSON object: bytes are wire bytes without FCS, planted is the packets that hold "
	"STRING\n"
	"wholly; all other numbers are packets, except flows (begun). tcp, udp and icmp count "
	"every\n"
	"fragment; icmp has ICMPv6 in it. The summary goes to standard error if FILE is -.\n"
	"\n"
	"Exit status: 0 done, 1 the file could not be written, 2 wrong usage.\n";

enum {
	OPT_FORMAT = 256,
	OPT_PACKETS,
	OPT_FLOWS,
	OPT_SEED,
	OPT_RATE,
	OPT_START,
	OPT_SNAPLEN,
	OPT_PLANT,
	OPT_PLANT_EVERY,
	OPT_IPV6,
	OPT_UDP,
	OPT_VLAN,
	OPT_MPLS,
	OPT_FRAGMENTS,
	OPT_JSON,
};

static const struct option options[] = {
	{"out", required_argument, NULL, 'o'},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"packets", required_argument, NULL, OPT_PACKETS},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"seed", required_argument, NULL, OPT_SEED},
	{"rate", required_argument, NULL, OPT_RATE},
	{"start", required_argument, NULL, OPT_START},
	{"snaplen", required_argument, NULL, OPT_SNAPLEN},
	{"plant", required_argument, NULL, OPT_PLANT},
	{"plant-every", required_argument, NULL, OPT_PLANT_EVERY},
	{"ipv6", required_argument, NULL, OPT_IPV6},
	{"udp", required_argument, NULL, OPT_UDP},
	{"vlan", required_argument, NULL, OPT_VLAN},
	{"mpls", required_argument, NULL, OPT_MPLS},
	{"fragments", required_argument, NULL, OPT_FRAGMENTS},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct arguments {
	struct hm_generator_conf conf;
	struct hm_trace_writer_conf writer;
	const char *out, *format;
	bool json;
};

static const struct {
	const char *name;
	enum hm_trace_format format;
} formats[] = {{"pcap", HM_TRACE_PCAP}, {"pcapng", HM_TRACE_PCAPNG}, {"erf", HM_TRACE_ERF}};

static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void refuse(const char *format, ...)
{
	va_list ap;
	fputs("homard-traffic: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputs(" (--help tells more)\n", stderr);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || v < min || v > max)
		refuse("%s: \"%s\" is not a number in %" PRIu64 "..%" PRIu64, option, text, min,
		       max);
	return v;
}

static uint32_t percent(const char *option, const char *text)
{
	return (uint32_t)number(option, text, 0, 100);
}

static bool set_format(struct arguments *a, const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(name, formats[i].name) == 0) {
			a->writer.format = formats[i].format;
			return true;
		}
	return false;
}

static void read_option(struct arguments *a, int option, const char *value)
{
	struct hm_generator_conf *c = &a->conf;
	switch (option) {
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	case 'o':
		a->out = value;
		break;
	case OPT_FORMAT:
		a->format = value;
		break;
	case OPT_PACKETS:
		c->packets = number("--packets", value, 0, UINT64_MAX);
		break;
	case OPT_FLOWS:
		c->flows = number("--flows", value, 1, HM_GENERATOR_FLOWS_MAX);
		break;
	case OPT_SEED:
		c->seed = number("--seed", value, 0, UINT64_MAX);
		break;
	case OPT_RATE:
		c->rate_pps = number("--rate", value, 1, HM_GENERATOR_RATE_MAX);
		break;
	case OPT_START:
		c->start_ns = number("--start", value, 0, UINT32_MAX) * 1000000000u;
		break;
	case OPT_SNAPLEN:
		c->snaplen = (uint32_t)number("--snaplen", value, 0, HM_TRACE_CAPLEN_MAX);
		break;
	case OPT_PLANT:
		c->plant = value;
		break;
	case OPT_PLANT_EVERY:
		c->plant_every = (uint32_t)number("--plant-every", value, 1, UINT32_MAX);
		break;
	case OPT_IPV6:
		c->ipv6_percent = percent("--ipv6", value);
		break;
	case OPT_UDP:
		c->udp_percent = percent("--udp", value);
		break;
	case OPT_VLAN:
		c->vlan_percent = percent("--vlan", value);
		break;
	case OPT_MPLS:
		c->mpls_percent = percent("--mpls", value);
		break;
	case OPT_FRAGMENTS:
		c->fragment_percent = percent("--fragments", value);
		break;
	case OPT_JSON:
		a->json = true;
		break;
	default: // getopt has told what is wrong
		fputs("homard-traffic: --help tells more\n", stderr);
		exit(EXIT_USAGE);
	}
}

static void read_arguments(struct arguments *a, int argc, char **argv)
{
	const char *suffix;
	int option;
	hm_generator_defaults(&a->conf);
	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1)
		read_option(a, option, optarg);
	if (optind < argc)
		refuse("unexpected argument \"%s\"", argv[optind]);
	if (!a->out)
		refuse("--out FILE is missing");
	if (a->conf.plant && (!*a->conf.plant || strlen(a->conf.plant) > 1024))
		refuse("--plant: the string has %zu bytes, not 1..1024", strlen(a->conf.plant));
	suffix = strrchr(a->out, '.');
	if (a->format ? !set_format(a, a->format) : !suffix || !set_format(a, suffix + 1))
		refuse(a->format
			       ? "--format: \"%s\" is none of pcap, pcapng, erf"
			       : "--out: \"%s\" ends in none of .pcap, .pcapng, .erf; add --format",
		       a->format ? a->format : a->out);
	a->writer.link = HM_LINK_ETHERNET;
	a->writer.snaplen = a->conf.snaplen;
	a->writer.application = "homard-traffic";
}

static struct hm_trace_writer *create(const struct arguments *a, struct hm_error *err)
{
	struct hm_trace_writer *w;
	int fd;
	if (strcmp(a->out, "-") != 0)
		return hm_trace_create(a->out, &a->writer, err);
	fd = dup(STDOUT_FILENO);
	if (fd < 0) {
		hm_error_set(err, -errno, 0, "standard output: %s", strerror(errno));
		return NULL;
	}
	w = hm_trace_fdcreate(fd, "standard output", &a->writer, err);
	if (!w)
		close(fd);
	return w;
}

static void show_progress(const struct arguments *a, const struct hm_generator_truth *t)
{
	static time_t last;
	time_t now = time(NULL);
	if (now == last)
		return;
	last = now;
	if (a->conf.packets)
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " packets (%" PRIu64 " %%)", t->packets,
			a->conf.packets, 100 * t->packets / a->conf.packets);
	else
		fprintf(stderr, "\r%" PRIu64 " packets", t->packets);
}

static int make(const struct arguments *a, struct hm_generator *g, struct hm_trace_writer *w)
{
	const struct hm_generator_truth *t = hm_generator_truth(g);
	bool terminal = isatty(STDERR_FILENO);
	struct hm_trace_packet p;
	int rc = 0;
	while (rc == 0 && hm_generator_next(g, &p) == 1) {
		rc = hm_trace_write(w, &p);
		if (terminal && t->packets % PROGRESS_EVERY == 0)
			show_progress(a, t);
	}
	if (terminal && t->packets >= PROGRESS_EVERY)
		fputs("\r\033[K", stderr);
	return rc;
}

static void print_truth(const struct arguments *a, const struct hm_generator_truth *t)
{
	const char *format =
		a->json ? "{\"format\":\"%s\",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
			  ",\"flows\":%" PRIu64 ",\"planted\":%" PRIu64 ",\"ipv4\":%" PRIu64
			  ",\"ipv6\":%" PRIu64 ",\"tcp\":%" PRIu64 ",\"udp\":%" PRIu64
			  ",\"icmp\":%" PRIu64 ",\"arp\":%" PRIu64 ",\"vlan\":%" PRIu64
			  ",\"mpls\":%" PRIu64 ",\"fragments\":%" PRIu64 "}\n"
			: "%s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " flows\n"
			  "  planted    %" PRIu64 "\n  ipv4       %" PRIu64
			  "\n  ipv6       %" PRIu64 "\n  tcp        %" PRIu64
			  "\n  udp        %" PRIu64 "\n  icmp       %" PRIu64
			  "\n  arp        %" PRIu64 "\n  vlan       %" PRIu64
			  "\n  mpls       %" PRIu64 "\n  fragments  %" PRIu64 "\n";
	FILE *to = strcmp(a->out, "-") == 0 ? stderr : stdout;
	fprintf(to, format, a->json ? formats[a->writer.format].name : a->out, t->packets, t->bytes,
		t->flows, t->planted, t->ipv4, t->ipv6, t->tcp, t->udp, t->icmp, t->arp, t->vlan,
		t->mpls, t->fragments);
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	struct hm_trace_writer *w;
	struct hm_generator *g;
	struct hm_error err;
	int rc, finished;
	read_arguments(&a, argc, argv);
	signal(SIGPIPE, SIG_IGN); // a reader that goes away is an error like a full disk
	g = hm_generator_create(&a.conf);
	if (!g) {
		fprintf(stderr, "homard-traffic: cannot make %" PRIu64 " flows: %s\n", a.conf.flows,
			strerror(errno));
		return EXIT_FAILURE;
	}
	w = create(&a, &err);
	if (!w) {
		fprintf(stderr, "homard-traffic: %s\n", err.text);
		hm_generator_destroy(g);
		return EXIT_FAILURE;
	}
	rc = make(&a, g, w);
	finished = hm_trace_finish(w);
	rc = rc < 0 ? rc : finished;
	if (rc < 0)
		fprintf(stderr, "homard-traffic: %s: cannot write: %s\n", a.out, strerror(-rc));
	else
		print_truth(&a, hm_generator_truth(g));
	hm_generator_destroy(g);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
