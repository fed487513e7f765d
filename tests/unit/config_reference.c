/* SPDX-License-Identifier: BSD-3-Clause */
/* config_reference: prints what the configuration's tables say, for the tests and for
 * config_reference.py, which keeps config/schema.json and docs/configuration.md equal to it; and
 * loads configurations as the daemon does.
 *
 *	config_reference schema | reference | load FILE ... */
#include <stdlib.h>
#include <string.h>

#include "control/config.h"

static int load(const char *path)
{
	struct hm_mistakes m = {0};
	struct hm_config *c = hm_config_load(path, &m);
	hm_mistakes_print(&m, stdout);
	if (c)
		printf("%s: fine: %zu devices, %zu flows\n", path, c->n_devices, c->n_flows);
	int bad = !c;
	hm_config_free(c);
	hm_mistakes_free(&m);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;
	if (argc == 2 && strcmp(argv[1], "schema") == 0) {
		json_t *schema = hm_config_schema();
		json_dumpf(schema, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(schema);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "reference") == 0) {
		hm_config_reference(stdout);
		return 0;
	}
	if (argc < 3 || strcmp(argv[1], "load") != 0) {
		fprintf(stderr, "usage: config_reference schema | reference | load FILE ...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		bad |= load(argv[i]);
	return bad;
}
