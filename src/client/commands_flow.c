/* SPDX-License-Identifier: BSD-3-Clause */
/* commands_flow: homardctl's commands about flows. Flows made here are persistent: they outlive the
 * command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/print.h"

static json_t *flow(const char *which)
{
	return json_pack("{s:o}", "flow", hm_ctl_which(which));
}

static json_t *flow_function(int argc, char **argv)
{
	json_t *params = flow(argv[0]);
	if (argc > 1)
		json_object_set_new(params, "function", hm_ctl_which(argv[1]));
	return params;
}

static json_t *create_params(const char *device, const char *name)
{
	json_t *params = json_pack("{s:o, s:b}", "device", hm_ctl_which(device), "persistent", 1);
	if (name)
		json_object_set_new(params, "name", json_string(name));
	return params;
}

/* --- terms: --budget N|S, --priority P, --over-budget WORD --- */

/* 100 are cycles a packet, 5% a part of a worker, none is no limit. NULL: neither. */
static json_t *budget(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	if (strcmp(text, "none") == 0)
		return json_object();
	if (end == text || !(n > 0) || n > 1000000)
		return NULL;
	if (strcmp(end, "%") == 0)
		return json_pack("{s:f}", "worker_share", n / 100);
	if (*end || n != (double)(json_int_t)n)
		return NULL;
	return json_pack("{s:I}", "cycles_per_packet", (json_int_t)n);
}

/* Takes the options that argv begins with into params. Returns how many words they are, < 0: usage was told. */
static int take_terms(struct hm_ctl *ctl, int argc, char **argv, json_t *params)
{
	int i = 0;
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		json_t *v = NULL;
		if (strcmp(argv[i], "--budget") == 0) {
			v = budget(value);
			json_object_set_new(params, "budget", v);
		} else if (strcmp(argv[i], "--priority") == 0) {
			v = hm_ctl_which(value);
			json_object_set_new(params, "priority", v);
		} else if (strcmp(argv[i], "--over-budget") == 0) {
			v = json_string(value);
			json_object_set_new(params, "over_budget", v);
		}
		if (!v) {
			hm_ctl_usage(ctl,
				     "%s \"%s\": the options are --budget N, N%% or none "
				     "(N cycles a packet or percent of a worker, above 0), "
				     "--priority 0..100, --over-budget sample or suspend",
				     argv[i], value);
			return -1;
		}
	}
	return i;
}

static int flow_budget(struct hm_ctl *ctl, int argc, char **argv)
{
	json_t *params = flow(argv[0]);
	int n = take_terms(ctl, argc - 1, argv + 1, params);
	if (n == argc - 1)
		return hm_ctl_call(ctl, "flow.budget", params, NULL);
	json_decref(params);
	return n < 0 ? HM_EXIT_USAGE : hm_ctl_usage(ctl, "what is \"%s\"?", argv[1 + n]);
}

static int flow_create(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.create", create_params(argv[0], argc > 1 ? argv[1] : NULL),
			   NULL);
}

/* --- arguments of functions --- */

/* An argument from the command line: an object if it looks like one, else text, which the daemon
 * reads as a number where it wants one. NULL: broken JSON. */
static json_t *argument(const char *text, size_t n)
{
	char *copy = strndup(text, n);
	json_t *v = copy && copy[0] == '{' ? json_loads(copy, 0, NULL) : json_string(copy);
	free(copy);
	return v;
}

/* The length of the quoted text behind `quote`; \" does not end it. -1: it does not end. */
static long quoted(const char *text, char quote)
{
	for (size_t i = 0; text[i]; i++) {
		if (text[i] == quote)
			return (long)i;
		if (text[i] == '\\' && text[i + 1])
			i++;
	}
	return -1;
}

/* Text between quotes; \" stands for ", every other backslash is the function's own. */
static json_t *unquote(const char *text, size_t n, char quote)
{
	char *copy = malloc(n + 1);
	size_t used = 0;
	if (!copy)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (text[i] != '\\' || i + 1 == n || text[i + 1] != quote)
			copy[used++] = text[i];
	json_t *v = json_stringn(copy, used);
	free(copy);
	return v;
}

json_t *hm_ctl_parse_call(const char *text)
{
	json_t *call = json_array();
	while (*(text += strspn(text, " \t,"))) {
		json_t *v = NULL;
		long n;
		if (*text == '"' || *text == '\'') {
			n = quoted(text + 1, *text);
			v = n < 0 ? NULL : unquote(text + 1, (size_t)n, *text);
			n += 2;
		} else if (*text == '{') {
			n = (long)strlen(text); // an object is the last argument
			v = argument(text, (size_t)n);
		} else {
			n = (long)strcspn(text, " \t,");
			v = argument(text, (size_t)n);
		}
		if (!v) {
			json_decref(call);
			return NULL;
		}
		json_array_append_new(call, v);
		text += n;
	}
	return call;
}

static int flow_apply(struct hm_ctl *ctl, int argc, char **argv)
{
	json_t *args = json_array();
	for (int i = 2; i < argc; i++) {
		json_t *v = argument(argv[i], strlen(argv[i]));
		if (!v) {
			json_decref(args);
			return hm_ctl_usage(ctl, "argument %d is no text and no JSON object: %s",
					    i - 1, argv[i]);
		}
		json_array_append_new(args, v);
	}
	return hm_ctl_call(ctl, "flow.apply",
			   json_pack("{s:o, s:s, s:o}", "flow", hm_ctl_which(argv[0]), "function",
				     argv[1], "args", args),
			   NULL);
}

/* --- flow add: all in one --- */

/* What a flow is made of, and what its functions write to. */
struct flow_parts {
	json_t *params, *calls;
	struct hm_client_extras files;
};

/* Opens a folder, or a file that is made if it is not there, with the rights of who calls: the daemon has no others
 * for it. */
static int take_file(struct hm_ctl *ctl, const char *path, struct flow_parts *p)
{
	int fd;
	if (p->files.n_send == HM_CLIENT_FDS_MAX)
		return hm_ctl_usage(ctl, "--to: at most %d files and folders", HM_CLIENT_FDS_MAX);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		fprintf(stderr, "homardctl: --to %s: %s\n", path, strerror(errno));
		return HM_EXIT_ERROR;
	}
	p->files.send[p->files.n_send++] = fd;
	return HM_EXIT_OK;
}

/* Takes the options that argv begins with; *n are so many words. */
static int take_options(struct hm_ctl *ctl, int argc, char **argv, struct flow_parts *p, int *n)
{
	int code = HM_EXIT_OK;
	for (*n = 0; *n < argc && strncmp(argv[*n], "--", 2) == 0 && code == HM_EXIT_OK; *n += 2) {
		const int left = argc - *n < 2 ? argc - *n : 2;
		if (strcmp(argv[*n], "--to") == 0 && left == 2)
			code = take_file(ctl, argv[*n + 1], p);
		else if (take_terms(ctl, left, argv + *n, p->params) < 0)
			code = HM_EXIT_USAGE;
	}
	return code;
}

static int take_calls(struct hm_ctl *ctl, int argc, char **argv, struct flow_parts *p)
{
	int code = HM_EXIT_OK;
	for (int i = 0; i < argc && code == HM_EXIT_OK; i++) {
		json_t *call = hm_ctl_parse_call(argv[i]);
		if (json_is_string(json_array_get(call, 0)))
			json_array_append(p->calls, call);
		else
			code = hm_ctl_usage(ctl, "no function, or a quote that does not end: %s",
					    argv[i]);
		json_decref(call);
	}
	return code;
}

static int add(struct hm_ctl *ctl, const char *name, struct flow_parts *p)
{
	struct hm_error err = {0};
	json_object_set(p->params, "functions", p->calls);
	json_object_set_new(p->params, "connect", json_true());
	json_t *made = hm_client_request(ctl->client, "flow.create", json_incref(p->params),
					 &p->files, &err);
	if (!made)
		return hm_ctl_failed(ctl, &err);
	if (ctl->json)
		hm_ctl_print_json(made);
	else
		printf("flow %" JSON_INTEGER_FORMAT " (%s) is active\n",
		       json_integer_value(json_object_get(made, "flow")), name);
	json_decref(made);
	return HM_EXIT_OK;
}

static int flow_add(struct hm_ctl *ctl, int argc, char **argv)
{
	struct flow_parts p = {
		.params = create_params(argv[0], argv[1]), .calls = json_array(), .files.fd = -1};
	int n, code = take_options(ctl, argc - 2, argv + 2, &p, &n);
	if (code == HM_EXIT_OK)
		code = take_calls(ctl, argc - 2 - n, argv + 2 + n, &p);
	if (code == HM_EXIT_OK)
		code = add(ctl, argv[1], &p);
	while (p.files.n_send > 0)
		close(p.files.send[--p.files.n_send]);
	json_decref(p.params);
	json_decref(p.calls);
	return code;
}

/* --- the rest --- */

static int flow_connect(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.connect", flow(argv[0]), NULL);
}

/* Numbers as a table, structured results below it. */
static void print_read(const json_t *result)
{
	const json_t *list = json_object_get(result, "functions");
	struct hm_table t;
	json_t *f;
	size_t i;
	if (!list) {
		hm_print(result);
		return;
	}
	hm_table_start(&t, ">FUNCTION|NAME|>VALUE");
	json_array_foreach ((json_t *)list, i, f) {
		const json_t *value = json_object_get(f, "value");
		hm_table_text(&t, hm_print_value(json_object_get(f, "function")));
		hm_table_text(&t, hm_print_value(json_object_get(f, "name")));
		hm_table_text(&t,
			      json_is_object(value) ? strdup("see below") : hm_print_value(value));
	}
	hm_table_print(&t);
	json_array_foreach ((json_t *)list, i, f) {
		const json_t *value = json_object_get(f, "value");
		char *name;
		if (!json_is_object(value))
			continue;
		name = hm_print_value(json_object_get(f, "name"));
		printf("\n%s:\n", name);
		hm_print_indented(value, 4);
		free(name);
	}
}

static int flow_read(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.read", flow_function(argc, argv), print_read);
}

static void print_done(const json_t *result)
{
	puts("done");
}

static int flow_reset(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.reset", flow_function(argc, argv), print_done);
}

static int flow_info(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.info", flow(argv[0]), NULL);
}

static int flow_close(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.close", flow(argv[0]), print_done);
}

static int flow_list(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "flow.list", NULL, NULL);
}

#define TERMS_HELP                                                                                \
	"\nOptions: --budget N (cycles a packet), N% (of a worker) or none; --priority 0..100, "  \
	"50 if\nit is not said: the higher, the later it yields to others; --over-budget sample " \
	"or suspend.\n"

#define READ_HELP                                                                                \
	"what the functions of a flow have counted\n"                                            \
	"FUNCTION is a number, or a name if the flow has one of it; without it all that have a " \
	"result.\nThe records of a function that hands them out, each once (HASHSAMP, "          \
	"EXPIRED_FLOWS ...), "                                                                   \
	"come\nwith its own read only, up to 1000 at a time.\n"

const struct hm_command hm_commands_flow[] = {
	{"flow add", "DEVICE NAME [OPTION ...] FUNCTION ...", 3, -1, flow_add,
	 "makes a flow and connects it\n"
	 "Each FUNCTION is one word for the shell, with its arguments:\n"
	 "\n"
	 "  homardctl flow add dag0 web 'BPF_FILTER \"port 80\"' PKT_COUNTER "
	 "'STR_SEARCH \"GET \" 54 0' PKT_COUNTER\n"
	 "\n"
	 "If one of them is refused no flow is left behind.\n"
	 "\n"
	 "  --to PATH        a file, or a folder for the names, of the next function that writes; "
	 "it is opened\n"
	 "                   by you, and goes on when you log out:\n"
	 "\n"
	 "  homardctl flow add dag0 disk --to /data 'TO_FILE pcapng \"web-%n.pcapng\" 0 "
	 "{\"rotate_s\": 3600}'\n" TERMS_HELP},
	{"flow budget", "FLOW OPTION ...", 2, -1, flow_budget,
	 "changes what a flow may cost\n" TERMS_HELP},
	{"flow create", "DEVICE [NAME]", 1, 2, flow_create, "makes a flow without functions"},
	{"flow apply", "FLOW FUNCTION [ARGUMENT ...]", 2, -1, flow_apply,
	 "adds a function to a flow\n\n  homardctl flow apply web BPF_FILTER \"port 80\"\n"},
	{"flow connect", "FLOW", 1, 1, flow_connect,
	 "starts a flow\nAnswers when it really sees packets.\n"},
	{"flow read", "FLOW [FUNCTION]", 1, 2, flow_read, READ_HELP},
	{"flow reset", "FLOW FUNCTION", 2, 2, flow_reset, "sets a result back to 0"},
	{"flow info", "FLOW", 1, 1, flow_info, "a flow, its state and functions"},
	{"flow close", "FLOW", 1, 1, flow_close, "ends a flow"},
	{"flow list", "", 0, 0, flow_list, "all flows"},
	{"flows", "", 0, 0, flow_list, "all flows"},
	{"read", "FLOW [FUNCTION]", 1, 2, flow_read, READ_HELP},
	{"watch", "FLOW [--interval S] [--count N]", 1, -1, hm_ctl_watch,
	 "shows what a flow counts, live\n"
	 "A line for each function with a result: its value and its rate, packets/s or bit/s by\n"
	 "its unit. Every second, or every S seconds (0.1 to 3600); for ever, or N times.\n"},
	{0},
};
