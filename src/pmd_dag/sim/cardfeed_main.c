/* SPDX-License-Identifier: BSD-3-Clause */
/* homard-cardfeed: feeds a simulated card that another process reads. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmd_dag/sim/card.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: homard-cardfeed [--cards FILE] [--json] CARD\n"
	"\n"
	"Plays the trace (or the made traffic) of a simulated DAG card whose description has the "
	"key\n"
	"\"shared\", at its pace and with its faults, for readers in other processes.\n"
	"\n"
	"      --cards FILE   JSON file of cards; default: what DAG_SIM_CARDS names\n"
	"      --json         print what was fed as one JSON object\n"
	"  -h, --help         print this and end\n"
	"\n"
	"Ends with the trace, or by a signal. The card keeps what has not been read.\n"
	"\n"
	"Exit status: 0 done, 1 the card or its trace is wrong, 2 wrong usage.\n";

static struct sim_feeder feeder;

static void on_signal(int number)
{
	(void)number;
	feeder.quit = true;
}

static void report(const struct sim_shared *s, bool json)
{
	uint64_t drops = 0;
	for (uint32_t i = 0; i < s->n_streams; i++)
		drops += s->stream[i].drops;
	printf(json ? "{\"packets\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"dropped\":%" PRIu64
		      ",\"spoiled\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"unread\":%" PRIu64
		      ",\"drop_counters\":%" PRIu64 ",\"laps\":%" PRIu64 "}\n"
		    : "%" PRIu64 " packets: %" PRIu64 " sent, %" PRIu64 " of them dropped, %" PRIu64
		      " spoiled; %" PRIu64 " filtered, %" PRIu64 " unread; drop counters %" PRIu64
		      "; %" PRIu64 " laps\n",
	       (uint64_t)s->read_packets, (uint64_t)s->sent, (uint64_t)s->dropped,
	       (uint64_t)s->spoiled, (uint64_t)s->filtered, (uint64_t)s->unread, drops,
	       (uint64_t)s->laps);
}

static int feed(const char *name, const struct dag_sim_card *conf, void *arg, struct hm_error *err)
{
	struct sim_shared_file file;
	if (!conf->shared)
		return hm_error_set(err, -EINVAL, 0,
				    "%s: the key \"shared\" is missing: where is "
				    "the card?",
				    name);
	int ret = sim_shared_open(&file, conf, -1, err);
	if (ret < 0)
		return ret;
	if (sim_shared_lock_feeder(&file) < 0) {
		ret = hm_error_set(err, -EBUSY, 0, "%s: another process feeds this card",
				   conf->shared);
	} else {
		ret = sim_feeder_init(&feeder, &file, conf, err);
		if (ret == 0)
			ret = sim_feeder_run(&feeder, err);
		if (ret == 0 || ret == -ECANCELED)
			report(file.shared, *(bool *)arg);
		sim_feeder_fini(&feeder);
	}
	sim_shared_close(&file);
	return ret == -ECANCELED ? 0 : ret;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"cards", required_argument, NULL, 'c'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	const char *cards = getenv("DAG_SIM_CARDS");
	struct hm_error err = {0};
	bool json = false;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			cards = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc || !cards) {
		fputs(cards ? usage
			    : "homard-cardfeed: neither --cards nor DAG_SIM_CARDS names a file\n",
		      stderr);
		return EXIT_USAGE;
	}
	const struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sim_cards_read(cards, argv[optind], feed, &json, &err) < 0) {
		fprintf(stderr, "homard-cardfeed: %s\n", err.text);
		return 1;
	}
	return 0;
}
