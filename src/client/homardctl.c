/* SPDX-License-Identifier: BSD-3-Clause */
/* homardctl: the operator's hand on a running homardd. Each command is one call, or a few, of the
 * control protocol; options and help are here. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/print.h"

#ifndef HM_VERSION
#error "the build system gives HM_VERSION"
#endif

static int run_capture(struct hm_ctl *ctl, int argc, char **argv)
{
	// as a program of its own would see it: argv[0] is the command
	return hm_capture_main(ctl->client, argc + 1, argv - 1);
}

static const struct hm_command capture_commands[] = {
	{"capture", HM_CAPTURE_ARGUMENTS, 1, -1, run_capture, hm_capture_help},
	{0},
};

static const struct hm_command *const tables[] = {hm_commands_daemon, hm_commands_netflow,
						  hm_commands_flow, capture_commands};
#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

/* --- help --- */

static void print_summary(FILE *out)
{
	fputs("usage: homardctl [--socket PATH] [--timeout SECONDS] [--json] COMMAND [ARGUMENT "
	      "...]\n"
	      "\n"
	      "Asks a running homardd, or tells it what to do.\n"
	      "\n"
	      "  -s, --socket PATH      control socket; else HOMARD_SOCKET, else " HM_CLIENT_SOCKET
	      "\n"
	      "  -t, --timeout SECONDS  how long an answer may take (30; 0: for ever)\n"
	      "  -j, --json             print results as JSON\n"
	      "  -h, --help             this help; with a COMMAND, its help\n"
	      "  -V, --version          print the version of homardctl\n"
	      "\n"
	      "commands:\n",
	      out);
	for (size_t i = 0; i < N_TABLES; i++)
		for (const struct hm_command *c = tables[i]; c->words; c++) {
			int used = fprintf(out, "  %s %s", c->words, c->arguments);
			fprintf(out, "%*s  %.*s\n", used < 46 ? 46 - used : 0, "",
				(int)strcspn(c->help, "\n"), c->help);
		}
	fputs("\nexit codes: 0 done, 1 the daemon refuses or a ledger does not balance, 2 wrong "
	      "usage, 3 no daemon answers\n",
	      out);
}

static void print_command_help(const struct hm_command *c)
{
	printf("usage: homardctl [OPTIONS] %s %s\n\n%s%s", c->words, c->arguments, c->help,
	       strchr(c->help, '\n') ? "" : "\n");
}

/* --- finding a command --- */

/* How many of the arguments are the words of the command; 0: it is another. */
static int matches(const char *words, int argc, char **argv)
{
	int i = 0;
	while (*words) {
		size_t n = strcspn(words, " ");
		if (i == argc || strlen(argv[i]) != n || memcmp(argv[i], words, n) != 0)
			return 0;
		i++;
		words += n + (words[n] == ' ');
	}
	return i;
}

static const struct hm_command *find_command(int argc, char **argv, int *n_words)
{
	for (size_t i = 0; i < N_TABLES; i++)
		for (const struct hm_command *c = tables[i]; c->words; c++)
			if ((*n_words = matches(c->words, argc, argv)) > 0)
				return c;
	return NULL;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

/* --- for the commands --- */

int hm_ctl_failed(struct hm_ctl *ctl, const struct hm_error *err)
{
	fflush(stdout);
	fputs("homardctl: ", stderr);
	for (const char *c = err->text; *c; c++)
		fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
	if (err->mapi_errno && !hm_client_lost(ctl->client))
		fprintf(stderr, " (MAPI error %d)", err->mapi_errno);
	fputc('\n', stderr);
	return hm_client_lost(ctl->client) ? HM_EXIT_UNREACHABLE : HM_EXIT_ERROR;
}

int hm_ctl_usage(struct hm_ctl *ctl, const char *format, ...)
{
	va_list ap;
	fputs("homardctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: homardctl %s %s\n", ctl->command->words, ctl->command->arguments);
	return HM_EXIT_USAGE;
}

void hm_ctl_print_json(const json_t *v)
{
	json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	putchar('\n');
	fflush(stdout);
}

int hm_ctl_call(struct hm_ctl *ctl, const char *method, json_t *params,
		void (*print)(const json_t *result))
{
	struct hm_error err = {0};
	json_t *result = hm_client_call(ctl->client, method, params, &err);
	if (!result)
		return hm_ctl_failed(ctl, &err);
	if (ctl->json)
		hm_ctl_print_json(result);
	else
		(print ? print : hm_print)(result);
	json_decref(result);
	return HM_EXIT_OK;
}

json_t *hm_ctl_which(const char *text)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0)
		return json_integer(n);
	return json_string(text);
}

/* --- main --- */

static int run(struct hm_ctl *ctl, const char *socket, unsigned timeout_s, int argc, char **argv)
{
	struct hm_error err = {0};
	const struct hm_command *c = ctl->command;
	if (argc < c->min || (c->max >= 0 && argc > c->max))
		return hm_ctl_usage(
			ctl, argc < c->min ? "%s needs more arguments" : "%s takes fewer arguments",
			c->words);
	ctl->client = hm_client_open(socket, "homardctl", &err);
	if (!ctl->client) {
		fprintf(stderr, "homardctl: %s\n", err.text);
		return HM_EXIT_UNREACHABLE;
	}
	hm_client_set_timeout(ctl->client, timeout_s);
	int code = c->run(ctl, argc, argv);
	hm_client_close(ctl->client);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "homardctl: cannot write the result: %s\n", strerror(errno));
		return HM_EXIT_ERROR;
	}
	return code;
}

static bool parse_timeout(const char *text, unsigned *seconds)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	*seconds = (unsigned)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n <= 86400;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},         {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},      {0},
	};
	struct hm_ctl ctl = {0};
	const char *socket = NULL;
	unsigned timeout_s = HM_CLIENT_TIMEOUT;
	bool help = false;
	int o, n_words;
	while ((o = getopt_long(argc, argv, "+s:t:jhV", options, NULL)) != -1) {
		if (o == 's') {
			socket = optarg;
		} else if (o == 't' && !parse_timeout(optarg, &timeout_s)) {
			fprintf(stderr, "homardctl: --timeout %s: must be 0 to 86400 seconds\n",
				optarg);
			return HM_EXIT_USAGE;
		} else if (o == 'j') {
			ctl.json = true;
		} else if (o == 'h') {
			help = true;
		} else if (o == 'V') {
			puts("homardctl " HM_VERSION);
			return HM_EXIT_OK;
		} else if (o == '?') {
			fputs("see homardctl --help\n", stderr);
			return HM_EXIT_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc > 0 && strcmp(argv[0], "help") == 0) {
		help = true;
		argc--;
		argv++;
	}
	if (argc == 0) {
		print_summary(help ? stdout : stderr);
		return help ? HM_EXIT_OK : HM_EXIT_USAGE;
	}
	ctl.command = find_command(argc, argv, &n_words);
	if (!ctl.command) {
		fprintf(stderr, "homardctl: there is no command \"%s\"; see homardctl --help\n",
			argv[0]);
		return HM_EXIT_USAGE;
	}
	if (help || wants_help(argc - n_words, argv + n_words)) {
		print_command_help(ctl.command);
		return HM_EXIT_OK;
	}
	return run(&ctl, socket, timeout_s, argc - n_words, argv + n_words);
}
