/* SPDX-License-Identifier: BSD-3-Clause */
/* config: reads the file, checks it against the tables, checks what one table row cannot know
 * (names that repeat, devices that are not there), and fills struct hm_config. */
#include "control/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_keys.h"
#include "control/terms_keys.h"

/* --- what concerns more than one key --- */

/* `seen` maps each name to the path where it was used first. */
static void check_name_once(json_t *seen, const char *name, const char *path, struct hm_mistakes *m)
{
	const char *before = json_string_value(json_object_get(seen, name));
	char at[64];
	snprintf(at, sizeof(at), "%s.name", path);
	if (before)
		hm_mistake(m, at, "\"%s\" is the name of %s already; each name must be used once",
			   name, before);
	else
		json_object_set_new(seen, name, json_string(path));
}

static void check_device(json_t *device, const char *path, struct hm_mistakes *m)
{
	static const char *const sources[] = {"vdev", "pci", "trace"};
	static const char *const of_traces[] = {"pace", "loop"};
	char at[64];
	unsigned n = 0;
	for (size_t i = 0; i < 3; i++)
		n += json_object_get(device, sources[i]) != NULL;
	if (n != 1)
		hm_mistake(m, path, "has %u of the keys vdev, pci and trace; must have just one",
			   n);
	for (size_t i = 0; i < 2; i++) {
		snprintf(at, sizeof(at), "%s.%s", path, of_traces[i]);
		if (json_object_get(device, of_traces[i]) && !json_object_get(device, "trace"))
			hm_mistake(m, at, "is for traces only; remove it, or use \"trace\"");
	}
}

/* An exporter has an address or a file. */
static void check_exporters(const json_t *entry, const char *path, struct hm_mistakes *m)
{
	json_t *exporters = json_object_get(entry, "exporters"), *e;
	char at[64];
	size_t i;
	json_array_foreach (exporters, i, e) {
		unsigned n =
			(json_object_get(e, "host") != NULL) + (json_object_get(e, "path") != NULL);
		snprintf(at, sizeof(at), "%s.exporters[%zu]", path, i);
		if (json_is_object(e) && n != 1)
			hm_mistake(m, at, "has %u of the keys host and path; must have just one",
				   n);
	}
}

static void check_reference(const json_t *devices, const json_t *entry, const char *path,
			    struct hm_mistakes *m)
{
	const char *name = json_string_value(json_object_get(entry, "device"));
	char at[64], known[200] = "";
	size_t used = 0;
	snprintf(at, sizeof(at), "%s.device", path);
	for (size_t i = 0; name && i < json_array_size(devices); i++) {
		const char *d =
			json_string_value(json_object_get(json_array_get(devices, i), "name"));
		if (d && strcmp(d, name) == 0)
			return;
		if (d && used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", d);
	}
	if (name)
		hm_mistake(m, at, "there is no device \"%.64s\"; the devices are: %s", name,
			   known[0] ? known : "none");
}

/* The name of a netflow entry's flow. */
static const char *netflow_name(const json_t *entry, size_t i, char made[32])
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	snprintf(made, 32, "netflow%zu", i);
	return name ? name : made;
}

static void check_admission(const json_t *admission, struct hm_mistakes *m)
{
	if (json_object_get(admission, "cycles_per_packet") &&
	    json_object_get(admission, "worker_share"))
		hm_mistake(m, "admission",
			   "has both cycles_per_packet and worker_share; must have at most one");
}

static void check_across(const json_t *top, struct hm_mistakes *m)
{
	const json_t *devices = json_object_get(top, "devices");
	json_t *device_names = json_object(), *flow_names = json_object(),
	       *policy_names = json_object(), *e;
	char path[32], made[32];
	size_t i;
	json_array_foreach ((json_t *)devices, i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		snprintf(path, sizeof(path), "devices[%zu]", i);
		if (json_is_object(e))
			check_device(e, path, m);
		if (name)
			check_name_once(device_names, name, path, m);
	}
	json_array_foreach (json_object_get(top, "flows"), i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		snprintf(path, sizeof(path), "flows[%zu]", i);
		if (name)
			check_name_once(flow_names, name, path, m);
		check_reference(devices, e, path, m);
	}
	json_array_foreach (json_object_get(top, "netflow"), i, e) {
		snprintf(path, sizeof(path), "netflow[%zu]", i);
		check_name_once(flow_names, netflow_name(e, i, made), path, m);
		check_reference(devices, e, path, m);
		check_exporters(e, path, m);
	}
	json_array_foreach (json_object_get(top, "policies"), i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		snprintf(path, sizeof(path), "policies[%zu]", i);
		if (name)
			check_name_once(policy_names, name, path, m);
	}
	check_admission(json_object_get(top, "admission"), m);
	json_decref(policy_names);
	json_decref(device_names);
	json_decref(flow_names);
}

/* --- filling --- */

#define TRACE_DESCRIPTORS 256 // of a client's trace: it is no card, and there may be some

static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined = NULL;
	if (path[0] == '/' || !slash)
		return strdup(path);
	if (asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0)
		return NULL;
	return joined;
}

static double pace_of(const char *pace)
{
	if (pace[0] == 'x')
		return strtod(pace + 1, NULL);
	return strcmp(pace, "realtime") == 0 ? 1 : 0;
}

static int fill_device(struct hm_device_config *d, const json_t *entry, const char *file)
{
	static const char *const sources[] = {
		[HM_SOURCE_VDEV] = "vdev", [HM_SOURCE_PCI] = "pci", [HM_SOURCE_TRACE] = "trace"};
	const char *pace = json_string_value(json_object_get(entry, "pace"));
	if (hm_keys_fill(hm_device_keys, entry, d) < 0)
		return -ENOMEM;
	for (int s = HM_SOURCE_VDEV; s <= HM_SOURCE_TRACE; s++) {
		const char *where = json_string_value(json_object_get(entry, sources[s]));
		if (!where)
			continue;
		d->source = (enum hm_source)s;
		d->where = s == HM_SOURCE_TRACE ? beside(file, where) : strdup(where);
	}
	d->pace = pace ? pace_of(pace) : 0;
	return d->where ? 0 : -ENOMEM;
}

static int fill_flow(struct hm_flow_config *f, const char *name, const json_t *entry,
		     json_t *functions, const char *kind, size_t i)
{
	f->name = strdup(name);
	f->device = strdup(json_string_value(json_object_get(entry, "device")));
	f->functions = functions;
	if (asprintf(&f->path, "%s[%zu]", kind, i) < 0)
		f->path = NULL;
	// a netflow entry has no terms of its own: the usual ones
	if (hm_keys_fill(hm_flow_keys, entry, &f->terms) < 0)
		return -ENOMEM;
	return f->name && f->device && f->functions && f->path ? 0 : -ENOMEM;
}

/* A netflow entry is a flow of the one function FLOW_REPORT; its options are the entry's other
 * keys. */
static json_t *report_functions(const json_t *entry)
{
	json_t *options = json_deep_copy(entry);
	json_object_del(options, "name");
	json_object_del(options, "device");
	return json_pack("[[s, o]]", "FLOW_REPORT", options);
}

static int fill_flows(struct hm_config *c, const json_t *top)
{
	const json_t *flows = json_object_get(top, "flows");
	const json_t *netflow = json_object_get(top, "netflow");
	char made[32];
	json_t *e;
	size_t i;
	c->flows = calloc(json_array_size(flows) + json_array_size(netflow) + 1, sizeof(*c->flows));
	if (!c->flows)
		return -ENOMEM;
	json_array_foreach ((json_t *)flows, i, e)
		if (fill_flow(&c->flows[c->n_flows++],
			      json_string_value(json_object_get(e, "name")), e,
			      json_incref(json_object_get(e, "functions")), "flows", i) < 0)
			return -ENOMEM;
	json_array_foreach ((json_t *)netflow, i, e)
		if (fill_flow(&c->flows[c->n_flows++], netflow_name(e, i, made), e,
			      report_functions(e), "netflow", i) < 0)
			return -ENOMEM;
	return 0;
}

static int fill_policies(struct hm_config *c, const json_t *top)
{
	const json_t *policies = json_object_get(top, "policies");
	json_t *e;
	size_t i;
	c->policies = calloc(json_array_size(policies) + 1, sizeof(*c->policies));
	if (!c->policies)
		return -ENOMEM;
	json_array_foreach ((json_t *)policies, i, e) {
		struct hm_policy_config *p = &c->policies[c->n_policies++];
		json_t *functions = json_object_get(e, "functions");
		p->functions = functions ? json_incref(functions) : json_array();
		if (asprintf(&p->path, "policies[%zu]", i) < 0)
			p->path = NULL;
		if (!p->functions || !p->path || hm_keys_fill(hm_policy_keys, e, p) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int fill(struct hm_config *c, const json_t *top, const char *file)
{
	const json_t *devices = json_object_get(top, "devices");
	const char *mode =
		json_string_value(json_object_get(json_object_get(top, "control"), "mode"));
	json_t *e;
	size_t i;
	c->file = strdup(file);
	c->devices = calloc(json_array_size(devices), sizeof(*c->devices));
	if (!c->file || !c->devices || hm_keys_fill(hm_config_keys, top, c) < 0)
		return -ENOMEM;
	c->control.mode = (mode_t)strtoul(mode ? mode : "0660", NULL, 8);
	json_array_foreach ((json_t *)devices, i, e)
		if (fill_device(&c->devices[c->n_devices++], e, file) < 0)
			return -ENOMEM;
	return fill_policies(c, top) < 0 ? -ENOMEM : fill_flows(c, top);
}

static void free_device(struct hm_device_config *d)
{
	hm_keys_free(hm_device_keys, d);
	free(d->where);
}

void hm_config_free(struct hm_config *c)
{
	if (!c)
		return;
	hm_keys_free(hm_config_keys, c);
	for (size_t i = 0; i < c->n_devices; i++)
		free_device(&c->devices[i]);
	for (size_t i = 0; i < c->n_flows; i++) {
		free(c->flows[i].name);
		free(c->flows[i].device);
		free(c->flows[i].path);
		json_decref(c->flows[i].functions);
	}
	for (size_t i = 0; i < c->n_policies; i++) {
		hm_keys_free(hm_policy_keys, &c->policies[i]);
		free(c->policies[i].path);
		json_decref(c->policies[i].functions);
	}
	free(c->devices);
	free(c->policies);
	free(c->flows);
	free(c->file);
	free(c);
}

void hm_config_free_trace(struct hm_device_config *d)
{
	free_device(d);
	free(d);
}

struct hm_device_config *hm_config_trace(const char *name)
{
	struct hm_device_config *d = calloc(1, sizeof(*d));
	json_t *entry = json_pack("{s:s, s:s, s:s, s:i, s:i}", "name", name, "trace", name, "pace",
				  "max", "loop", 1, "rx_descriptors", TRACE_DESCRIPTORS);
	int done = d && entry ? fill_device(d, entry, "") : -ENOMEM;
	json_decref(entry);
	if (done == 0)
		return d;
	if (d)
		hm_config_free_trace(d);
	return NULL;
}

/* --- loading --- */

static json_t *parse(const char *text, size_t n, struct hm_mistakes *m)
{
	unsigned line, column;
	json_error_t where;
	char at[48];
	if (hm_json_nesting(text, n, HM_CONFIG_NESTING_MAX, &line, &column) < 0) {
		snprintf(at, sizeof(at), "line %u column %u", line, column);
		hm_mistake(m, at, "nested deeper than %u levels", HM_CONFIG_NESTING_MAX);
		return NULL;
	}
	json_t *top = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	if (!top) {
		snprintf(at, sizeof(at), "line %d column %d", where.line, where.column);
		hm_mistake(m, at, "%s", where.text);
	}
	return top;
}

/* Before anything is checked: what is wrong with the list itself is told with the rest. */
static void load_libraries(const json_t *top, struct hm_mistakes *m)
{
	json_t *library;
	char at[32];
	size_t i;
	json_array_foreach (json_object_get(top, "libraries"), i, library) {
		snprintf(at, sizeof(at), "libraries[%zu]", i);
		if (m->load_library && json_is_string(library))
			m->load_library(json_string_value(library), at, m);
	}
}

struct hm_config *hm_config_parse(const char *text, size_t n, const char *file,
				  struct hm_mistakes *m)
{
	struct hm_config *c = NULL;
	m->file = file;
	json_t *top = parse(text, n, m);
	if (top) {
		load_libraries(top, m);
		hm_keys_check(hm_config_keys, top, "", m);
		check_across(top, m);
	}
	if (m->lines.n == 0 && m->more == 0) {
		c = calloc(1, sizeof(*c));
		if (!c || fill(c, top, file) < 0) {
			hm_mistake(m, "", "out of memory");
			hm_config_free(c);
			c = NULL;
		}
	}
	json_decref(top);
	m->file = NULL;
	return c;
}

/* The whole file, at most HM_CONFIG_BYTES_MAX; NULL with errno. */
static char *read_all(const char *path, size_t *n)
{
	size_t room = 65536, used = 0, got;
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(room) : NULL;
	while (text && (got = fread(text + used, 1, room - used, f)) > 0) {
		used += got;
		if (used > HM_CONFIG_BYTES_MAX) {
			errno = EFBIG;
			goto fail;
		}
		if (used < room)
			continue;
		char *more = realloc(text, room *= 2);
		if (!more)
			goto fail;
		text = more;
	}
	if (!text || ferror(f))
		goto fail;
	fclose(f);
	*n = used;
	return text;
fail:
	free(text);
	if (f)
		fclose(f);
	return NULL;
}

char *hm_config_read(const char *path, size_t *n, struct hm_mistakes *m)
{
	char *text = read_all(path, n);
	if (text)
		return text;
	m->file = path;
	if (errno == EFBIG)
		hm_mistake(m, "", "is longer than %u MiB; no configuration is so long",
			   HM_CONFIG_BYTES_MAX >> 20);
	else
		hm_mistake(m, "", "cannot be read: %s", strerror(errno));
	m->file = NULL;
	return NULL;
}

struct hm_config *hm_config_load(const char *path, struct hm_mistakes *m)
{
	size_t n = 0;
	char *text = hm_config_read(path, &n, m);
	if (!text)
		return NULL;
	struct hm_config *c = hm_config_parse(text, n, path, m);
	free(text);
	return c;
}

void hm_mistakes_print(const struct hm_mistakes *m, FILE *out)
{
	for (size_t i = 0; i < m->lines.n; i++)
		fprintf(out, "%s\n", m->lines.at[i]);
	if (m->more > 0)
		fprintf(out, "and %zu more mistakes\n", m->more);
}

/* --- for schema.json and docs/configuration.md --- */

static json_t *schema_items(json_t *schema, const char *array)
{
	return json_object_get(json_object_get(json_object_get(schema, "properties"), array),
			       "items");
}

json_t *hm_config_schema(void)
{
	json_t *schema = hm_keys_schema(hm_config_keys);
	json_t *device = schema_items(schema, "devices");
	json_t *exporter = schema_items(schema_items(schema, "netflow"), "exporters");
	json_object_set_new(device, "oneOf",
			    json_pack("[{s:[s]}, {s:[s]}, {s:[s]}]", "required", "vdev", "required",
				      "pci", "required", "trace"));
	json_object_set_new(device, "dependentRequired",
			    json_pack("{s:[s], s:[s]}", "pace", "trace", "loop", "trace"));
	json_object_set_new(
		exporter, "oneOf",
		json_pack("[{s:[s]}, {s:[s]}]", "required", "host", "required", "path"));
	json_object_set_new(
		json_object_get(json_object_get(schema, "properties"), "admission"), "not",
		json_pack("{s:[s, s]}", "required", "cycles_per_packet", "worker_share"));
	json_object_set_new(schema, "$schema",
			    json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(schema, "title", json_string("homard's configuration"));
	return schema;
}

void hm_config_reference(FILE *out)
{
	static const struct {
		const char *title;
		const struct hm_key *keys;
	} tables[] = {
		{"The file", hm_config_keys},
		{"`eal`", hm_eal_keys},
		{"`control`", hm_control_keys},
		{"`search`", hm_search_keys},
		{"`capture`", hm_capture_keys},
		{"`flow_report`", hm_flow_report_keys},
		{"`anonymize`", hm_anonymize_keys},
		{"`explain`", hm_explain_keys},
		{"`admission`", hm_admission_keys},
		{"`devices[]`", hm_device_keys},
		{"`policies[]`", hm_policy_keys},
		{"`flows[]`", hm_flow_keys},
		{"`flows[].budget`", hm_budget_keys},
		{"`netflow[]`", hm_netflow_keys},
		{"`netflow[].exporters[]`", hm_exporter_keys},
	};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		fprintf(out, "### %s\n\n", tables[i].title);
		hm_keys_markdown(tables[i].keys, out);
		fprintf(out, "\n");
	}
}
