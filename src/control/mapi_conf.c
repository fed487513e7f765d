/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi_conf: what the sections and keys of a mapi.conf become (see mapi_conf.h). What they mean is told by
 * tables: drivers[], left_out[], libraries[]; the rest is the few keys that become something. */
#include "control/mapi_conf.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/mapi_conf_read.h"
#include "core/config.h"

struct conversion {
	const struct hm_mapi_conf *conf;
	struct hm_mistakes *mistakes;
	json_t *result, *devices;
};

static void __attribute__((format(printf, 3, 4)))
note(const struct conversion *c, unsigned line, const char *format, ...)
{
	va_list ap;

	fprintf(c->conf->notes, "%s: line %u: ", c->conf->file, line);
	va_start(ap, format);
	vfprintf(c->conf->notes, format, ap);
	va_end(ap);
	fputc('\n', c->conf->notes);
}

/* --- what has no equivalent --- */

/* A key without a note has one that needs no configuration, or says nothing. */
static const struct {
	const char *section, *key, *note;
} left_out[] = {
	{"", "libpath", "functions are built in, or of \"libraries\""},
	{"", "drvpath", "drivers are DPDK's"},
	{"", "dimapi_port", "clients reach the daemon through its Unix socket only"},
	{"", "log_level", "`homardctl log` sets levels while the daemon runs"},
	{"", "syslog_level", "`homardctl log` sets levels while the daemon runs"},
	{"", "syslog", "`homardctl log` sets levels while the daemon runs"},
	{"", "logfile", "the log goes to standard error, for systemd or the shell to keep"},
	{"driver", "trace_dir", "a device is a single trace"},
	{"driver", "devgroup", "every device of the configuration is opened"},
	{"format", "driver", NULL},
	{"format", "description", NULL},
	{"dag", "dsm_loader_bin", "filters run on the workers, not on the card"},
	{"dag", "disable_dsm", "filters run on the workers, not on the card"},
	{"dag", "disable_dsm_xml_remove", "filters run on the workers, not on the card"},
	{"ipfixflib", "cacheTimeout", "flow records are sent as they are made"},
	{"ipfixflib", "scanCycle", "flow records end in time without a scan"},
	{"ipfixflib", "ingressInterface", "flow records tell the interface of their packets"},
	{"ipfixflib", "egressInterface", "a passive monitor does not know it"},
	{"ipfixflib", "enterpriseid", "elements of an enterprise's own are not exported"},
	{"ipfixflib", "minFlowPkts", "all flow records are exported"},
	{"ipfixflib", "traceMode", "`homardctl log` sets levels while the daemon runs"},
	{"ipfixflib", "traceToFile", "`homardctl log` sets levels while the daemon runs"},
	{"ipfixflib", "statInterval", "`homardctl netflow` and options records tell statistics"},
};

static void leave_out(const struct conversion *c, const struct hm_mapi_section *s,
		      const struct hm_mapi_entry *e)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
		if (strcmp(left_out[i].section, s->name) != 0 ||
		    strcmp(left_out[i].key, e->key) != 0)
			continue;
		if (left_out[i].note && *e->value)
			note(c, e->line, "%s: has no equivalent: %s", e->key, left_out[i].note);
		return;
	}
	note(c, e->line, "%s: is no known key of %s%s%s: left out", e->key, *s->name ? "[" : "",
	     *s->name ? s->name : "the global section", *s->name ? "]" : "");
}

/* Function libraries of the original, and a function that tells whether homard has theirs. */
static const struct {
	const char *name, *function;
} libraries[] = {
	{"stdflib", "PKT_COUNTER"},    {"extraflib", "TOP"},         {"dagflib", "INTERFACE"},
	{"napatechflib", "INTERFACE"}, {"ipfixflib", "FLOW_REPORT"}, {"anonflib", "ANONYMIZE"},
	{"trackflib", "TRACK_FTP"},    {"rulerflib", "RULER"},
};

/* `name`: of a file, with n bytes: stdflib.so, in MAPI 1.x mapidstdflib.so. */
static void convert_library(const struct conversion *c, unsigned line, const char *name, size_t n)
{
	const char *stem = name;
	size_t length = n;

	if (length > 3 && !strncmp(stem + length - 3, ".so", 3))
		length -= 3;
	if (length > 5 && !strncmp(stem, "mapid", 5)) {
		stem += 5;
		length -= 5;
	}
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		if (strlen(libraries[i].name) != length ||
		    strncmp(libraries[i].name, stem, length) != 0)
			continue;
		if (!c->conf->has_function || !c->conf->has_function(libraries[i].function))
			note(c, line, "libs: %.*s: homard does not have its functions", (int)n,
			     name);
		return;
	}
	note(c, line,
	     "libs: %.*s: has no equivalent: a library of the original cannot be loaded; its "
	     "functions have to be written for homard, see docs/write-a-function.md",
	     (int)n, name);
}

static void convert_libraries(const struct conversion *c, const struct hm_mapi_entry *e)
{
	for (const char *at = e->value; *at;) {
		size_t n = strcspn(at, ":");
		if (n > 0)
			convert_library(c, e->line, at, n);
		at += n + (at[n] == ':');
	}
}

/* --- the global section --- */

/* The daemon of one user has its socket in that user's folder. */
static void convert_socket(const struct conversion *c, const struct hm_mapi_entry *e, bool own)
{
	char path[108];
	int n;

	if (!own)
		return;
	n = snprintf(path, sizeof(path), "%s/.homard.sock", c->conf->home ? c->conf->home : "");
	if (!c->conf->home || (size_t)n >= sizeof(path)) {
		note(c, e->line,
		     "%s: needs a home folder of at most 94 bytes in the environment: set "
		     "control.socket yourself",
		     e->key);
		return;
	}
	json_object_set_new(c->result, "control",
			    json_pack("{s:s, s:s}", "socket", path, "mode", "0600"));
	note(c, e->line,
	     "%s: clients find the socket only if they have HOMARD_SOCKET=%s in their "
	     "environment",
	     e->key, path);
}

static bool number(const struct conversion *c, const struct hm_mapi_entry *e, unsigned min,
		   unsigned max, unsigned *value)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(e->value, &end, 10);
	if (!isdigit((unsigned char)e->value[0]) || *end || errno || v < min || v > max) {
		hm_mapi_mistake(c->mistakes, e->line,
				"%s: is \"%.40s\"; must be an integer from %u to %u", e->key,
				e->value, min, max);
		return false;
	}
	*value = (unsigned)v;
	return true;
}

static void convert_global(const struct conversion *c, const struct hm_mapi_section *s)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		const struct hm_mapi_entry *e = &s->entries[i];
		unsigned own = 0;

		if (!strcmp(e->key, "libs"))
			convert_libraries(c, e);
		else if (!strcmp(e->key, "local") && number(c, e, 0, 1, &own))
			convert_socket(c, e, own);
		else if (!strcmp(e->key, "socket"))
			convert_socket(c, e, !strcmp(e->value, "local"));
		else if (strcmp(e->key, "local") != 0)
			leave_out(c, s, e);
	}
}

/* --- [driver]: devices --- */

enum driver { DRIVER_NONE, DRIVER_NIC, DRIVER_DAG, DRIVER_COMBO6, DRIVER_NAPATECH, DRIVER_VIRTUAL };

/* A part of the driver file's name; it differs between versions: mapinicdrv.so, nicdrv.so. */
static const struct {
	const char *part;
	enum driver driver;
} drivers[] = {
	{"nicdrv", DRIVER_NIC},           {"dagdrv", DRIVER_DAG},     {"combo6drv", DRIVER_COMBO6},
	{"napatechdrv", DRIVER_NAPATECH}, {"vindrv", DRIVER_VIRTUAL}, {"vinddrv", DRIVER_VIRTUAL},
};

static enum driver driver_of(const char *file)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strstr(file, drivers[i].part))
			return drivers[i].driver;
	return DRIVER_NONE;
}

/* The number that a device's name ends with, as in /dev/combosix/1; else `other`. */
static size_t last_number(const char *name, size_t other)
{
	size_t n = strlen(name), digits = 0;

	while (digits < n && digits < 3 && isdigit((unsigned char)name[n - digits - 1]))
		digits++;
	return digits > 0 ? strtoul(name + n - digits, NULL, 10) : other;
}

static bool is_dag_name(const char *name)
{
	size_t digits;

	if (!strncmp(name, "/dev/", 5))
		name += 5;
	if (strncmp(name, "dag", 3) != 0)
		return false;
	name += 3;
	digits = strspn(name, "0123456789");
	name += digits;
	if (digits > 0 && *name == ':' && isdigit((unsigned char)name[1]))
		name += 1 + strspn(name + 1, "0123456789");
	return digits > 0 && !*name;
}

/* DPDK's name of the device; false if there is none, which has been told. */
static bool find_vdev(const struct conversion *c, const struct hm_mapi_entry *device,
		      const struct hm_mapi_entry *driver, char *vdev, size_t size)
{
	const char *name = device->value;
	size_t i = json_array_size(c->devices);

	switch (driver_of(driver->value)) {
	case DRIVER_NIC:
		if (strlen(name) >= IFNAMSIZ || strpbrk(name, ",/ \t")) {
			hm_mapi_mistake(c->mistakes, device->line,
					"device: \"%.40s\" is no name of a network interface, and "
					"%s drives those",
					name, driver->value);
			return false;
		}
		snprintf(vdev, size, "net_af_packet%zu,iface=%s", i, name);
		return true;
	case DRIVER_DAG:
		if (!is_dag_name(name)) {
			hm_mapi_mistake(c->mistakes, device->line,
					"device: \"%.40s\" is no DAG card; must be like /dev/dag0 "
					"or /dev/dag0:2",
					name);
			return false;
		}
		snprintf(vdev, size, "%s", name);
		return true;
	case DRIVER_COMBO6:
		snprintf(vdev, size, "net_combo6%zu,card=/dev/szedataII%zu", i,
			 last_number(name, i));
		note(c, device->line,
		     "device: \"%s\" is taken to be the card %s: see whether it is", name,
		     strchr(vdev, '=') + 1);
		return true;
	case DRIVER_NAPATECH:
		note(c, device->line,
		     "device: \"%s\" is left out: homard has no driver for Napatech cards; one "
		     "that "
		     "DPDK has is used by the card's \"pci\" address",
		     name);
		return false;
	case DRIVER_VIRTUAL:
		note(c, device->line,
		     "device: \"%s\" is left out: a folder of traces is no device here; a single "
		     "one is, "
		     "by \"trace\"",
		     name);
		return false;
	case DRIVER_NONE:
		break;
	}
	note(c, driver->line, "driver: %s: has no equivalent: device \"%s\" is left out",
	     driver->value, name);
	return false;
}

/* homard's device names have letters that neither a scope nor a shell needs. */
static bool find_name(const struct conversion *c, const struct hm_mapi_entry *device,
		      char name[HM_NAME_MAX + 1])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/0123456789.-";
	const char *original = device->value;
	json_t *other;
	size_t i, n = strlen(original);

	if (n == 0 || n > HM_NAME_MAX) {
		hm_mapi_mistake(c->mistakes, device->line,
				"device: has %zu bytes; must have 1 to %u", n, HM_NAME_MAX);
		return false;
	}
	for (i = 0; i <= n; i++)
		name[i] = strchr(letters, original[i]) ? original[i] : '_';
	if (isdigit((unsigned char)name[0]) || name[0] == '.' || name[0] == '-')
		name[0] = '_';
	json_array_foreach (c->devices, i, other)
		if (!strcmp(json_string_value(json_object_get(other, "name")), name)) {
			hm_mapi_mistake(c->mistakes, device->line,
					"device: \"%s\" is the name of another device already",
					name);
			return false;
		}
	if (strcmp(name, original) != 0)
		note(c, device->line, "device: is called \"%s\" here: clients have to ask for that",
		     name);
	return true;
}

static void set_text(const struct conversion *c, json_t *device, const struct hm_mapi_entry *e,
		     size_t max)
{
	if (strlen(e->value) > max)
		hm_mapi_mistake(c->mistakes, e->line, "%s: has %zu bytes; must have at most %zu",
				e->key, strlen(e->value), max);
	else if (*e->value)
		json_object_set_new(device, e->key, json_string(e->value));
}

/* What clients are told of the device. */
static void describe(const struct conversion *c, const struct hm_mapi_section *s, json_t *device)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		const struct hm_mapi_entry *e = &s->entries[i];
		unsigned value = 0;

		if (!strcmp(e->key, "alias"))
			set_text(c, device, e, HM_DEVICE_ALIAS_MAX);
		else if (!strcmp(e->key, "description"))
			set_text(c, device, e, HM_DEVICE_DESCRIPTION_MAX);
		else if (!strcmp(e->key, "link_speed")) {
			if (number(c, e, 0, 1000000, &value))
				json_object_set_new(device, "link_speed_mbps", json_integer(value));
		} else if (!strcmp(e->key, "mpls") || !strcmp(e->key, "vlan")) {
			if (number(c, e, 0, 1, &value))
				json_object_set_new(device, e->key, json_boolean(value));
		} else if (strcmp(e->key, "device") != 0 && strcmp(e->key, "driver") != 0)
			leave_out(c, s, e);
	}
}

static void convert_driver(const struct conversion *c, const struct hm_mapi_section *s)
{
	const struct hm_mapi_entry *name_entry = hm_mapi_entry(s, "device");
	const struct hm_mapi_entry *driver = hm_mapi_entry(s, "driver");
	char name[HM_NAME_MAX + 1] = "", vdev[128] = "";
	json_t *device;
	bool found;

	if (!name_entry || !driver) {
		hm_mapi_mistake(c->mistakes, s->line,
				"[driver]: has no %s=", name_entry ? "driver" : "device");
		return;
	}
	found = find_name(c, name_entry, name) &&
		find_vdev(c, name_entry, driver, vdev, sizeof(vdev));
	device = json_pack("{s:s, s:s}", "name", name, "vdev", vdev);
	describe(c, s, device);
	if (found && json_array_size(c->devices) == HM_DEVICES_MAX)
		hm_mapi_mistake(c->mistakes, s->line,
				"[driver]: is one more than the %u devices that homard can have",
				HM_DEVICES_MAX);
	else if (found)
		json_array_append(c->devices, device);
	json_decref(device);
}

/* --- [format] --- */

/* homard reads pcap, pcapng and ERF whatever the format is called, without a driver. */
static void convert_format(const struct conversion *c, const struct hm_mapi_section *s)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		const struct hm_mapi_entry *e = &s->entries[i];

		if (strcmp(e->key, "format") != 0)
			leave_out(c, s, e);
		else if (strcmp(e->value, "MFF_PCAP") != 0 && strcmp(e->value, "MFF_DAG_ERF") != 0)
			note(c, e->line,
			     "format: %s: has no equivalent: traces are read as pcap, pcapng or "
			     "ERF",
			     e->value);
	}
}

/* --- [ipfixflib] --- */

/* What becomes a key of "flow_report", with the range that it has there. */
static const struct {
	const char *key, *name;
	unsigned min, max;
} report_keys[] = {
	{"idleTimeout", "inactive_timeout_s", 1, 604800},
	{"lifetimeTimeout", "active_timeout_s", 1, 604800},
	{"hashSize", "cache_entries", 64, 268435456},
	{"observationDomain", "observation_domain", 0, UINT32_MAX},
};

static void convert_ipfix(const struct conversion *c, const struct hm_mapi_section *s)
{
	const size_t n = sizeof(report_keys) / sizeof(report_keys[0]);
	json_t *report = json_object();

	for (size_t i = 0; i < s->n_entries; i++) {
		const struct hm_mapi_entry *e = &s->entries[i];
		unsigned value;
		size_t k = 0;

		while (k < n && strcmp(report_keys[k].key, e->key) != 0)
			k++;
		if (k == n)
			leave_out(c, s, e);
		else if (number(c, e, report_keys[k].min, report_keys[k].max, &value))
			json_object_set_new(report, report_keys[k].name, json_integer(value));
	}
	// the section may repeat
	json_object_update_missing(report, json_object_get(c->result, "flow_report"));
	if (json_object_size(report) > 0)
		json_object_set(c->result, "flow_report", report);
	json_decref(report);
}

/* --- the file --- */

static void convert_section(const struct conversion *c, const struct hm_mapi_section *s)
{
	if (!strcmp(s->name, "")) {
		convert_global(c, s);
	} else if (!strcmp(s->name, "driver")) {
		convert_driver(c, s);
	} else if (!strcmp(s->name, "format")) {
		convert_format(c, s);
	} else if (!strcmp(s->name, "ipfixflib")) {
		convert_ipfix(c, s);
	} else if (!strcmp(s->name, "dag")) {
		for (size_t i = 0; i < s->n_entries; i++)
			leave_out(c, s, &s->entries[i]);
	} else {
		note(c, s->line, "[%s]: is no known section: left out", s->name);
	}
}

json_t *hm_mapi_conf_convert(const struct hm_mapi_conf *conf, const char *text, size_t n)
{
	struct conversion c = {.conf = conf, .mistakes = conf->mistakes};
	struct hm_mapi_lines lines;

	conf->mistakes->file = conf->file;
	c.devices = json_array();
	c.result =
		json_pack("{s:s}", "description", "made from a mapi.conf by homardd --mapi-conf");
	if (hm_mapi_lines_read(&lines, text, n, c.mistakes) == -ENOMEM || !c.result || !c.devices)
		hm_mistake(c.mistakes, "", "out of memory");
	for (size_t i = 0; i < lines.n_sections; i++)
		convert_section(&c, &lines.sections[i]);
	if (json_array_size(c.devices) == 0 && c.mistakes->lines.n == 0)
		hm_mistake(c.mistakes, "",
			   "has no [driver] section that can be converted, and a "
			   "configuration has at least one device");
	json_object_set(c.result, "devices", c.devices);
	json_decref(c.devices);
	hm_mapi_lines_free(&lines);
	if (c.mistakes->lines.n + c.mistakes->more > 0) {
		json_decref(c.result);
		c.result = NULL;
	}
	conf->mistakes->file = NULL;
	return c.result;
}
