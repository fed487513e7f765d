/* SPDX-License-Identifier: BSD-3-Clause */
/* control_daemon: the control core of homardd on the fake engine, for tests of the control socket.
 *
 *	control_daemon CONFIGURATION */
#include <stdio.h>

#include "control/config.h"
#include "control/loop.h"

int main(int argc, char **argv)
{
	struct hm_mistakes mistakes = {.check_function = hm_config_check_function};
	struct hm_error err = {0};
	if (argc != 2) {
		fprintf(stderr, "usage: control_daemon CONFIGURATION\n");
		return 2;
	}
	struct hm_config *config = hm_config_load(argv[1], &mistakes);
	if (!config) {
		hm_mistakes_print(&mistakes, stderr);
		hm_mistakes_free(&mistakes);
		return 1;
	}
	hm_control_hold_signals();
	struct hm_engine *e = hm_engine_create(config, &err);
	int done = hm_control_run(e, config, &err);
	if (done < 0)
		fprintf(stderr, "homard: %s\n", err.text);
	hm_engine_destroy(e);
	hm_config_free(config);
	return done < 0;
}
