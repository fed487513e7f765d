/* SPDX-License-Identifier: BSD-3-Clause */
/* commands: what homardctl can do; a command is a row in one of the tables. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "client/client.h"

enum hm_exit { HM_EXIT_OK, HM_EXIT_ERROR, HM_EXIT_USAGE, HM_EXIT_UNREACHABLE };

struct hm_ctl {
	struct hm_client *client;
	bool json; // print results as they come
	const struct hm_command *command;
};

struct hm_command {
	const char *words;                                     // "flow create"
	const char *arguments;                                 // "DEVICE [NAME]"
	int min, max;                                          // number of arguments; max -1: any
	int (*run)(struct hm_ctl *ctl, int argc, char **argv); // argv: the arguments
	const char *help;                                      // first line is the summary
};

/* Each ends with a row without words. */
extern const struct hm_command hm_commands_daemon[], hm_commands_netflow[], hm_commands_flow[];

/* Prints `homardctl: sentence` for an error of the conversation; the exit code for it. */
int hm_ctl_failed(struct hm_ctl *ctl, const struct hm_error *err);
/* Says what is wrong with the arguments and how the command is used; HM_EXIT_USAGE. */
int hm_ctl_usage(struct hm_ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A call whose result is printed: as JSON, by `print` (NULL: as it is), exit code returned. */
int hm_ctl_call(struct hm_ctl *ctl, const char *method, json_t *params,
		void (*print)(const json_t *result));
void hm_ctl_print_json(const json_t *v);
/* A name, or a number if it is all digits, for "flow", "function" and "device" parameters. */
json_t *hm_ctl_which(const char *text);

int hm_ctl_ledger(struct hm_ctl *ctl, int argc, char **argv);
int hm_ctl_explain(struct hm_ctl *ctl, int argc, char **argv);
int hm_ctl_explain_sample(struct hm_ctl *ctl, int argc, char **argv);
int hm_ctl_watch(struct hm_ctl *ctl, int argc, char **argv);
/* `BPF_FILTER "port 80"` as ["BPF_FILTER", "port 80"]; NULL if a quote or bracket does not end. */
json_t *hm_ctl_parse_call(const char *text);

/* "capture": src/client/capture.c. argv[0] is "capture"; returns the exit code. */
#define HM_CAPTURE_ARGUMENTS "FLOW [OPTION ...] | --device DEVICE [OPTION ...] [FUNCTION ...]"
extern const char hm_capture_help[];
int hm_capture_main(struct hm_client *c, int argc, char **argv);
