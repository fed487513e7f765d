/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/erf.h"

// Which of a fault's numbers mean something, and what they are if not given.
static const struct {
	const char *name;
	int64_t min, max, value; // of "value"; max < min: it has none
	bool count, ms;
} kinds[SIM_FAULTS] = {
	[SIM_FAULT_PAD] = {"pad", 16, 65528, 16, true, false},
	[SIM_FAULT_META] = {"meta", 0, UINT32_MAX, 2, false, false},
	[SIM_FAULT_RECORD] = {"record", 0, -1, 0, true, false},
	[SIM_FAULT_RLEN] = {"rlen", 0, 65535, 0, false, false},
	[SIM_FAULT_TYPE] = {"type", 0, 127, 0, false, false},
	[SIM_FAULT_FLAGS] = {"flags", 0, 255, 16, false, false},
	[SIM_FAULT_EXTENSION] = {"extension", 0, 127, 16, true, false},
	[SIM_FAULT_CHAIN] = {"chain", 0, -1, 0, false, false},
	[SIM_FAULT_PARTIAL] = {"partial", 1, 65535, 1, false, true},
	[SIM_FAULT_DAMAGE] = {"damage", 0, -1, 0, false, false},
	[SIM_FAULT_DROPS] = {"drops", 0, -1, 0, true, false},
	[SIM_FAULT_CLOCK] = {"clock", INT64_MIN, INT64_MAX, 0, false, false},
	[SIM_FAULT_QUIET] = {"quiet", 0, -1, 0, false, true},
	[SIM_FAULT_ERROR] = {"error", 0, -1, EIO, false, true},
	[SIM_FAULT_DIE] = {"die", 0, -1, 0, false, false},
	[SIM_FAULT_RANDOM] = {"random", 0, -1, 0, false, false},
};

static int wrong(struct hm_error *err, size_t i, const char *key, const char *want)
{
	return hm_error_set(err, -EINVAL, 0, "faults[%zu].%s: want %s", i, key, want);
}

static int read_kind(struct sim_event *e, size_t i, const json_t *object, struct hm_error *err)
{
	const char *name = json_string_value(json_object_get(object, "fault"));
	char want[256] = "";
	for (unsigned k = 0; k < SIM_FAULTS; k++) {
		if (name && strcmp(kinds[k].name, name) == 0) {
			*e = (struct sim_event){.fault = k, .value = kinds[k].value, .count = 1};
			return 0;
		}
		size_t n = strlen(want);
		snprintf(want + n, sizeof(want) - n, "%s%s", k ? ", " : "", kinds[k].name);
	}
	return wrong(err, i, "fault", want);
}

static int read_hex(struct sim_event *e, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	if (n == 0 || n % 2 != 0 || n / 2 > SIM_FAULT_HEX)
		return -EINVAL;
	free(e->hex);
	e->hex = malloc(n / 2);
	if (!e->hex)
		return -ENOMEM;
	for (e->n_hex = 0; e->n_hex < n / 2; e->n_hex++) {
		unsigned byte;
		if (strspn(text + 2 * e->n_hex, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(text + 2 * e->n_hex, "%2x", &byte) != 1)
			return -EINVAL;
		e->hex[e->n_hex] = (uint8_t)byte;
	}
	return 0;
}

static int read_errno(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {{"EIO", EIO}, {"ENODEV", ENODEV}, {"EAGAIN", EAGAIN}};
	for (size_t i = 0; name && i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].number;
	return 0;
}

static int read_value(struct sim_event *e, size_t i, const json_t *value, struct hm_error *err)
{
	char want[80];
	if (e->fault == SIM_FAULT_ERROR) {
		e->value = read_errno(json_string_value(value));
		return e->value ? 0 : wrong(err, i, "value", "\"EIO\", \"ENODEV\" or \"EAGAIN\"");
	}
	const int64_t min = kinds[e->fault].min, max = kinds[e->fault].max;
	if (max < min)
		return wrong(err, i, "value", "none with this fault");
	e->value = json_integer_value(value);
	if (json_is_integer(value) && e->value >= min && e->value <= max)
		return 0;
	snprintf(want, sizeof(want), "an integer from %" PRId64 " to %" PRId64, min, max);
	return wrong(err, i, "value", want);
}

static int read_key(struct sim_event *e, size_t i, const char *key, const json_t *value,
		    struct hm_error *err)
{
	const struct {
		const char *name;
		uint64_t *to;
		uint64_t max;
		bool known;
	} numbers[] = {
		{"at", &e->at, INT64_MAX, true},
		{"every", &e->every, INT64_MAX, true},
		{"times", &e->times, INT64_MAX, true},
		{"count", &e->count, 100000000, kinds[e->fault].count},
		{"ms", &e->ms, 60000, kinds[e->fault].ms},
		{"seed", &e->seed, INT64_MAX, e->fault == SIM_FAULT_RANDOM},
	};
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
	if (strcmp(key, "fault") == 0)
		return 0;
	if (strcmp(key, "value") == 0)
		return read_value(e, i, value, err);
	if (strcmp(key, "lctr") == 0 && e->fault == SIM_FAULT_PAD) {
		if (n < 0 || n > 65535)
			return wrong(err, i, key, "0-65535");
		e->lctr = (uint16_t)n;
		return 0;
	}
	if (strcmp(key, "hex") == 0 && e->fault == SIM_FAULT_RECORD) {
		int ret = read_hex(e, json_string_value(value));
		return ret == -EINVAL ? wrong(err, i, key, "1 to 4096 bytes in hexadecimal") : ret;
	}
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
		if (strcmp(numbers[k].name, key) != 0 || !numbers[k].known)
			continue;
		if (n < 0 || (uint64_t)n > numbers[k].max)
			return wrong(err, i, key,
				     "an integer that is not negative (count: up to "
				     "100000000, ms: up to 60000)");
		*numbers[k].to = (uint64_t)n;
		return 0;
	}
	return wrong(err, i, key,
		     "a key of this fault: fault, at, every, times, value, count, ms, lctr, hex, "
		     "seed");
}

static int read_event(struct sim_event *e, size_t i, json_t *object, struct hm_error *err)
{
	const char *key;
	json_t *value;
	if (!json_is_object(object))
		return hm_error_set(err, -EINVAL, 0, "faults[%zu]: want an object", i);
	int ret = read_kind(e, i, object, err);
	json_object_foreach (object, key, value)
		if (ret == 0)
			ret = read_key(e, i, key, value, err);
	if (ret == 0 && e->fault == SIM_FAULT_RECORD && !e->hex)
		ret = wrong(err, i, "hex", "the record's bytes");
	if (ret == 0 && e->fault == SIM_FAULT_RANDOM && e->every == 0)
		ret = wrong(err, i, "every", "a number of packets");
	e->next = e->at;
	return ret;
}

int sim_script_init(struct sim_script *s, const json_t *faults, struct hm_error *err)
{
	json_t *object;
	size_t i;
	*s = (struct sim_script){.next = UINT64_MAX};
	if (faults && (!json_is_array(faults) || json_array_size(faults) > SIM_FAULTS_MAX))
		return hm_error_set(err, -EINVAL, 0, "faults: want a list of up to %d",
				    SIM_FAULTS_MAX);
	json_array_foreach (faults, i, object) {
		int ret = read_event(&s->event[s->n_events++], i, object, err);
		if (ret < 0) {
			sim_script_fini(s);
			return ret;
		}
		s->next = s->event[i].next < s->next ? s->event[i].next : s->next;
	}
	return 0;
}

void sim_script_fini(struct sim_script *s)
{
	for (uint32_t i = 0; i < s->n_events; i++)
		free(s->event[i].hex);
	s->n_events = 0;
}

static uint64_t draw(uint64_t *seed)
{
	*seed += UINT64_C(0x9e3779b97f4a7c15); // splitmix64
	uint64_t z = *seed;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

// After each of these the reader knows where the next record is, and what the packet became.
static void choose(struct sim_event *e, uint64_t r)
{
	static const uint8_t others[] = {0, 1, 3, 5, 12, 13, 21, 22, 26, 31, 32, 47};
	static const enum sim_fault safe[] = {
		SIM_FAULT_PAD,   SIM_FAULT_META,    SIM_FAULT_TYPE,  SIM_FAULT_TYPE,
		SIM_FAULT_FLAGS, SIM_FAULT_CHAIN,   SIM_FAULT_CLOCK, SIM_FAULT_EXTENSION,
		SIM_FAULT_DROPS, SIM_FAULT_PARTIAL,
	};
	e->fault = safe[r % (sizeof(safe) / sizeof(safe[0]))];
	r >>= 8;
	e->count = 1 + r % 14; // extension headers: so many that the driver reads all
	switch (e->fault) {
	case SIM_FAULT_PAD:
		e->value = 16 + 8 * (int64_t)(r >> 8 & 15);
		e->lctr = 0;
		break;
	case SIM_FAULT_META:
		e->value = 1 + (int64_t)(r & 1);
		break;
	case SIM_FAULT_TYPE: // a legal one that is no Ethernet, or one that does not exist
		e->value =
			r & 1 ? others[(r >> 8) % sizeof(others)] : 49 + (int64_t)((r >> 8) % 79);
		break;
	case SIM_FAULT_FLAGS:
		e->value = r & 1 ? HM_ERF_FLAG_RXERROR : HM_ERF_FLAG_DSERROR;
		break;
	case SIM_FAULT_CLOCK:
		e->value = (int64_t)(r % 2000000000u) - 1000000000;
		break;
	case SIM_FAULT_EXTENSION:
		e->value = (int64_t)(r >> 8 & 31);
		break;
	case SIM_FAULT_PARTIAL:
		e->value = 1 + (int64_t)(r % 60);
		e->ms = 0;
		break;
	default:
		break;
	}
}

bool sim_script_take(struct sim_script *s, uint64_t n, struct sim_event *e)
{
	struct sim_event *due = NULL;
	uint64_t next = UINT64_MAX;
	if (n < s->next)
		return false;
	for (uint32_t i = 0; i < s->n_events; i++) {
		struct sim_event *x = &s->event[i];
		if (!due && x->next <= n) {
			due = x;
			*e = *x;
			x->next = x->every && x->times != 1 ? x->next + x->every : UINT64_MAX;
			x->times -= x->times > 0;
		}
		next = x->next < next ? x->next : next;
	}
	s->next = next;
	if (due && due->fault == SIM_FAULT_RANDOM)
		choose(e, draw(&due->seed));
	return due != NULL;
}
