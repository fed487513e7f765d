/* SPDX-License-Identifier: BSD-3-Clause */
/* homardd: reads the configuration, starts DPDK, the engine and the control loop, and undoes it all. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config.h"
#include "control/loop.h"
#include "control/mapi_conf.h"
#include "core/eal.h"
#include "core/engine.h"
#include "core/search.h"
#include "core/version.h"

static const char usage[] =
	"usage: homardd --config FILE [--check] [--json]\n"
	"       homardd --mapi-conf FILE [--output FILE]\n"
	"       homardd --help | --version\n"
	"\n"
	"The homard monitoring appliance: takes packets through DPDK, runs the configured\n"
	"flows over them, answers on its control socket (homardctl), exports flow records.\n"
	"\n"
	"  -c, --config FILE  the configuration (docs/configuration.md, config/ has samples)\n"
	"      --check        read the configuration, print what would be started, start nothing\n"
	"      --json         with --check: print it as JSON\n"
	"      --mapi-conf FILE\n"
	"                     print a mapi.conf of the original MAPI as a configuration for "
	"homard, and\n"
	"                     on standard error what of it has no equivalent; start nothing\n"
	"      --output FILE  with --mapi-conf: into this file, which must not exist\n"
	"  -h, --help         this text\n"
	"  -V, --version      version of homard, DPDK and Hyperscan\n"
	"\n"
	"SIGTERM or SIGINT stop it: every flow record is exported, the ledger is printed.\n"
	"SIGHUP reloads the flows of the configuration.\n"
	"Exit status: 0 stopped as asked, 1 could not run, 2 wrong usage or configuration.\n";

struct options {
	const char *config;
	const char *mapi_conf, *output;
	bool check, json;
};

static int wrong_usage(const char *text)
{
	fprintf(stderr, "homardd: %s\n", text);
	return -1;
}

/* Which options go together. */
static int check_options(const struct options *o)
{
	if (o->mapi_conf && (o->config || o->check || o->json))
		return wrong_usage("--mapi-conf goes with --output only");
	if (o->output && !o->mapi_conf)
		return wrong_usage("--output is for --mapi-conf");
	if (!o->config && !o->mapi_conf)
		return wrong_usage("--config FILE is missing; config/ has samples");
	return 0;
}

/* 0: go on; else exit with the status in *status. */
static int read_options(int argc, char **argv, struct options *o, int *status)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"json", no_argument, NULL, 'j'},
		{"mapi-conf", required_argument, NULL, 'm'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	*status = 2;
	while ((c = getopt_long(argc, argv, "c:hV", known, NULL)) != -1)
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'm':
			o->mapi_conf = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			*status = 0;
			return -1;
		case 'V':
			puts(hm_version_text());
			*status = 0;
			return -1;
		default:
			fputs("homardd --help explains the options\n", stderr);
			return -1;
		}
	if (optind < argc) {
		fprintf(stderr,
			"homardd: \"%s\" is not expected; homardd --help explains the options\n",
			argv[optind]);
		return -1;
	}
	if (check_options(o) < 0)
		return -1;
	*status = 0;
	return 0;
}

/* A line only where something is limited: by the file, or by one of its flows. */
static void print_admission(const json_t *plan)
{
	const json_t *a = json_object_get(plan, "admission");
	bool limited = json_object_size(json_object_get(a, "budget")) > 0;
	char *budget = json_dumps(json_object_get(a, "budget"), 0);
	json_t *flow;
	size_t i;

	json_array_foreach (json_object_get(plan, "flows"), i, flow)
		limited |= json_object_size(json_object_get(json_object_get(flow, "admission"),
							    "budget")) > 0;
	if (limited)
		printf("admission limit of all flows %s; enforced: %s\n", budget,
		       json_string_value(json_object_get(a, "enforced")));
	free(budget);
}

static void print_plan(const struct hm_config *config, bool as_json)
{
	json_t *plan = hm_engine_plan(config), *device, *flow;
	json_int_t order = 0;
	size_t i;

	if (as_json) {
		json_dumpf(plan, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(plan);
		return;
	}
	printf("%s: no mistakes\n", config->file);
	printf("lcores    %s\n", config->eal.lcores);
	printf("control   lcore %" JSON_INTEGER_FORMAT ", socket %s\n",
	       json_integer_value(json_object_get(plan, "control_lcore")), config->control.socket);
	printf("memory    %u MB of %s, %.1f MB of it for packet buffers\n", config->eal.memory_mb,
	       json_string_value(json_object_get(plan, "memory")),
	       (double)json_integer_value(json_object_get(plan, "packet_buffer_bytes")) /
		       1048576.0);
	json_array_foreach (json_object_get(plan, "devices"), i, device) {
		char *lcores = json_dumps(json_object_get(device, "lcore_of_queue"), 0);

		printf("device    %s: %s %s, %u queues on lcores %s, %u buffers of "
		       "%" JSON_INTEGER_FORMAT " bytes a queue\n",
		       config->devices[i].name,
		       json_string_value(json_object_get(device, "source")),
		       config->devices[i].where, config->devices[i].queues, lcores,
		       (unsigned)json_integer_value(json_object_get(device, "buffers_per_queue")),
		       json_integer_value(json_object_get(device, "buffer_bytes")));
		free(lcores);
		order += json_integer_value(json_object_get(device, "order_bytes"));
	}
	if (order)
		printf("order     %.1f MB more, not of memory_mb, once flows need the packets of "
		       "several "
		       "queues in order\n",
		       (double)order / 1048576.0);
	json_array_foreach (json_object_get(plan, "flows"), i, flow) {
		char *functions = json_dumps(json_object_get(flow, "functions"), 0);

		printf("flow      %s on %s: %s\n", config->flows[i].name, config->flows[i].device,
		       functions);
		free(functions);
	}
	print_admission(plan);
	json_decref(plan);
}

static void print_mistake(void *arg, const char *mistake)
{
	fprintf(stderr, "%s: %s\n", (const char *)arg, mistake);
}

/* *whole is false if a thread was left behind that cannot be stopped. */
static int run(const struct hm_config *config, bool *whole, struct hm_error *err)
{
	struct hm_engine *e;
	int ret = hm_search_check(err); // whether Hyperscan runs on this CPU

	hm_control_hold_signals();
	if (ret == 0)
		ret = hm_eal_start(config, err);

	if (ret < 0)
		return ret;
	e = hm_engine_create(config, err);
	if (!e) {
		hm_eal_stop();
		return -EINVAL;
	}
	ret = hm_engine_start(e, err);
	if (ret == 0)
		ret = hm_control_run(e, config, err);
	*whole = hm_engine_destroy(e);
	hm_eal_stop();
	return ret;
}

int main(int argc, char **argv)
{
	struct hm_mistakes mistakes = {.load_library = hm_config_load_library,
				       .check_function = hm_config_check_function};
	struct options o = {0};
	struct hm_config *config;
	struct hm_error err = {0};
	int status = 0;
	bool whole = true;

	if (read_options(argc, argv, &o, &status) < 0)
		return status;
	if (o.mapi_conf)
		return hm_mapi_conf_command(o.mapi_conf, o.output);
	config = hm_config_load(o.config, &mistakes);
	if (!config) {
		hm_mistakes_print(&mistakes, stderr);
		hm_mistakes_free(&mistakes);
		return 2;
	}
	if (hm_engine_check(config, print_mistake, config->file) > 0) {
		status = 2;
	} else if (o.check) {
		print_plan(config, o.json);
	} else if (run(config, &whole, &err) < 0) {
		fprintf(stderr, "homardd: %s\n", err.text);
		status = 1;
	}
	if (!whole) {
		fflush(NULL);
		_exit(status);
	}
	hm_config_free(config);
	return status;
}
