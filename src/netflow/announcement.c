/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/announcement.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "netflow/ie.h"

#define NS_A_MS        1000000u
#define SCOPE_SYSTEM   1 // NetFlow 9's scopes, RFC 3954 section 6.1
#define SCOPE_PORT     2
#define SCOPE_BYTES    4
#define APPLICATION_ID 95 // elements
#define SELECTOR_ID    302
#define SEQUENCE_ID    1 // all flow records come from one selection sequence
#define FLOWS_BY_CRC   8 // flowSelectorAlgorithm: hash-based, by CRC
#define POINT_ID       1 // and one observation point, the device

enum kind {
	EXPORTED,
	IGNORED,
	UNSENT,
	KEYS,
	INTERFACES,
	TYPES,
	BY_COUNT,
	BY_CHANCE,
	BY_MATCH,
	BY_HASH,
	SEQUENCE,
	FLOWS,
	SAMPLER,
	APPLICATIONS,
	APPLICATIONS_9,
	KINDS
};

/* An options template: its scopes, then its other fields. */
static const struct {
	uint32_t tell;
	uint16_t system_scope; // NetFlow 9's; 0: is not for NetFlow 9
	uint16_t scopes, n;
	uint16_t element[HM_OPTION_FIELDS];
} kinds[KINDS] = {
	[EXPORTED] = {HM_TELL_STATISTICS, SCOPE_SYSTEM, 1, 4, {149, 41, 42, 40}},
	[IGNORED] = {HM_TELL_STATISTICS, 0, 1, 5, {149, 164, 165, 323, 323}},
	[UNSENT] = {HM_TELL_STATISTICS, 0, 1, 6, {144, 166, 167, 168, 323, 323}},
	[KEYS] = {HM_TELL_KEYS, 0, 1, 2, {145, 173}},
	[INTERFACES] = {HM_TELL_INTERFACES, SCOPE_PORT, 1, 2, {10, 82}},
	[TYPES] = {HM_TELL_TYPES, 0, 2, 6, {346, 303, 339, 344, 345, 341}},
	// of selectors: RFC 5476 section 6.5.2, and 6.5.1
	[BY_COUNT] = {HM_TELL_SAMPLING, 0, 1, 4, {302, 304, 305, 306}},
	[BY_CHANCE] = {HM_TELL_SAMPLING, 0, 1, 3, {302, 304, 311}},
	[BY_MATCH] = {HM_TELL_SAMPLING, 0, 1, 3, {302, 304, 335}},
	[BY_HASH] = {HM_TELL_SAMPLING, 0, 1, 7, {302, 304, 329, 330, 331, 332, 334}},
	[SEQUENCE] = {HM_TELL_SAMPLING, 0, 1, 2, {301, 138}}, // and each selector's id
	// of flows, RFC 7014: by hash, and how many
	[FLOWS] = {HM_TELL_SAMPLING, 0, 1, 4, {302, 390, 396, 397}},
	// without an algorithm: nfdump 1.7 passes over a record that names one, like the one before
	[SAMPLER] = {HM_TELL_SAMPLING, SCOPE_SYSTEM, 1, 2, {149, 34}},
	[APPLICATIONS] = {HM_TELL_APPLICATIONS, 0, 1, 2, {95, 96}},
	[APPLICATIONS_9] = {HM_TELL_APPLICATIONS, SCOPE_SYSTEM, 1, 3, {149, 95, 96}},
};

static bool has_enterprise(const struct hm_layout *l)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->template[i].n; k++)
			if (l->template[i].field[k].enterprise != 0)
				return true;
	return false;
}

static bool has_element(const struct hm_layout *l, uint16_t id)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->template[i].n; k++)
			if (l->template[i].field[k].id == id)
				return true;
	return false;
}

static enum kind kind_of(const struct hm_selector *s)
{
	switch (s->algorithm) {
	case HM_SELECT_COUNT:
		return BY_COUNT;
	case HM_SELECT_CHANCE:
		return BY_CHANCE;
	case HM_SELECT_HASH:
		return BY_HASH;
	case HM_SELECT_ALL:
	case HM_SELECT_MATCH:
		break;
	}
	return BY_MATCH;
}

static bool has_selector(const struct hm_facts *facts, enum kind k)
{
	for (unsigned i = 0; i < facts->n_selectors; i++)
		if (kind_of(&facts->selectors[i]) == k)
			return true;
	return false;
}

static bool is_told(const struct hm_facts *facts, enum kind k)
{
	if (!(facts->tell & kinds[k].tell))
		return false;
	if (facts->format->system_scopes && kinds[k].system_scope == 0)
		return false;
	if (k == SAMPLER)
		return facts->sampling_interval > 1;
	if (k == SEQUENCE)
		return facts->n_selectors > 0;
	if (k == FLOWS)
		return facts->flow_sampling > 1;
	if (kinds[k].tell == HM_TELL_SAMPLING)
		return has_selector(facts, k);
	if (kinds[k].tell == HM_TELL_APPLICATIONS)
		return has_element(facts->layout, APPLICATION_ID) &&
		       (k == APPLICATIONS_9) == facts->format->system_scopes;
	return kinds[k].tell != HM_TELL_TYPES || has_enterprise(facts->layout);
}

static void make_template(struct hm_template *t, const struct hm_facts *facts, enum kind k)
{
	memset(t, 0, sizeof(*t));
	t->id = (uint16_t)(HM_OPTIONS_FIRST + k);
	t->scopes = kinds[k].scopes;
	t->n = kinds[k].n;
	if (k == SEQUENCE)
		t->n += (uint16_t)facts->n_selectors;
	for (unsigned i = 0; i < t->n; i++) {
		const struct hm_ie *e =
			hm_ie_by_id(i < kinds[k].n ? kinds[k].element[i] : SELECTOR_ID);
		struct hm_template_field *f = &t->field[i];
		f->id = e->id;
		f->length = hm_ie_length((enum hm_ie_type)e->type);
		if (e->id == APPLICATION_ID)
			f->length = sizeof(uint32_t);
		if (facts->format->system_scopes && f->length == HM_IE_VARIABLE)
			f->length = k == APPLICATIONS_9 ? HM_APPLICATION_NAME : HM_INTERFACE_NAME;
		if (facts->format->system_scopes && i < t->scopes) {
			f->id = kinds[k].system_scope;
			f->length = SCOPE_BYTES;
		}
	}
}

static struct hm_announce_item *new_item(struct hm_announcement *a)
{
	return a->n < HM_ANNOUNCE_ITEMS ? &a->item[a->n++] : NULL;
}

static void add_template(struct hm_announcement *a, const struct hm_template *t)
{
	struct hm_announce_item *item = new_item(a);

	if (item)
		*item = (struct hm_announce_item){.is = t};
}

/* The values of a record of options, in the order of its template; NULL: no room. */
static struct hm_option_value *add_record(struct hm_announcement *a, const struct hm_template *t)
{
	struct hm_announce_item *item = new_item(a);

	if (!item)
		return NULL;
	*item = (struct hm_announce_item){.template = t};
	return item->value;
}

static void add_numbers(struct hm_announcement *a, const struct hm_template *t,
			const uint64_t *numbers)
{
	struct hm_option_value *v = add_record(a, t);

	for (unsigned i = 0; v && i < t->n; i++)
		v[i].number = numbers[i];
}

static void add_shortfall(struct hm_announcement *a, const struct hm_template *t, enum kind k,
			  uint32_t scope, const struct hm_shortfall *s)
{
	const uint64_t first = s->first_ns / NS_A_MS, last = s->last_ns / NS_A_MS;
	const uint64_t ignored[] = {scope, s->packets, s->octets, first, last};
	const uint64_t unsent[] = {scope, s->flows, s->packets, s->octets, first, last};

	add_numbers(a, t, k == IGNORED ? ignored : unsent);
}

static void add_keys(struct hm_announcement *a, const struct hm_template *t,
		     const struct hm_layout *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		uint64_t keys = 0;
		for (unsigned k = 0; k < l->template[i].n; k++)
			keys |= (uint64_t)l->template[i].field[k].key << k;
		add_numbers(a, t, (const uint64_t[]){l->template[i].id, keys});
	}
}

static void add_interfaces(struct hm_announcement *a, const struct hm_template *t,
			   const struct hm_facts *facts)
{
	for (unsigned i = 0; i < HM_INTERFACES_MAX; i++) {
		struct hm_option_value *v = facts->interfaces >> i & 1 ? add_record(a, t) : NULL;
		if (!v)
			continue;
		snprintf(a->name[a->n - 1], HM_INTERFACE_NAME, "%.27s/%u", facts->device, i);
		v[0].number = i;
		v[1].text = a->name[a->n - 1];
	}
}

/* Each enterprise element once: the reverse ones of RFC 5103. */
static void add_types(struct hm_announcement *a, const struct hm_template *t,
		      const struct hm_layout *l)
{
	const struct hm_template *both = &l->template[l->n - 1];

	for (unsigned i = 0; i < both->n; i++) {
		const struct hm_ie *e = hm_ie_by_id(both->field[i].id);
		struct hm_option_value *v =
			both->field[i].enterprise == HM_IE_REVERSE ? add_record(a, t) : NULL;
		char *name;
		if (!v)
			continue;
		name = a->name[a->n - 1];
		snprintf(name, sizeof(a->name[0]), "reverse%c%.50s", toupper(e->name[0]),
			 e->name + 1);
		v[0].number = HM_IE_REVERSE;
		v[1].number = e->id;
		v[2].number = e->type;
		v[3].number = e->semantics;
		v[4].number = e->unit;
		v[5].text = name;
	}
}

/* As IEEE 754 has it. */
static uint64_t bits_of(double value)
{
	uint64_t bits;

	static_assert(sizeof(bits) == sizeof(value), "a float64");
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void add_selectors(struct hm_announcement *a, const struct hm_template *t,
			  const struct hm_facts *facts, enum kind k)
{
	for (unsigned i = 0; i < facts->n_selectors; i++) {
		const struct hm_selector *s = &facts->selectors[i];
		struct hm_option_value *v = kind_of(s) == k ? add_record(a, t) : NULL;
		if (!v)
			continue;
		v[0].number = i + 1;
		v[1].number = s->algorithm;
		if (k == BY_COUNT) {
			v[2].number = s->interval;
			v[3].number = s->space;
		} else if (k == BY_CHANCE) {
			v[2].number = bits_of(s->probability);
		} else if (k == BY_MATCH) {
			v[2].text = s->name;
		} else {
			v[3].number = s->hashes - 1;
			v[5].number = s->selected - 1;
			v[6].number = s->initial;
		}
	}
}

static void add_sequence(struct hm_announcement *a, const struct hm_template *t,
			 const struct hm_facts *facts)
{
	struct hm_option_value *v = add_record(a, t);

	if (!v)
		return;
	v[0].number = SEQUENCE_ID;
	v[1].number = POINT_ID;
	for (unsigned i = 0; i < facts->n_selectors; i++)
		v[2 + i].number = i + 1;
}

static void add_applications(struct hm_announcement *a, const struct hm_template *t,
			     const struct hm_facts *facts)
{
	for (uint32_t id = 0; (id = hm_applications_next(facts->applications, id)) != 0;) {
		struct hm_option_value *v = add_record(a, t);
		if (!v)
			return;
		if (facts->format->system_scopes)
			v++->number = facts->domain;
		hm_application_name(id, a->name[a->n - 1]);
		v[0].number = id;
		v[1].text = a->name[a->n - 1];
	}
}

static void add_records(struct hm_announcement *a, const struct hm_template *t,
			const struct hm_facts *facts, enum kind k)
{
	const uint64_t domain = facts->domain, interval = facts->sampling_interval;

	switch (k) {
	case EXPORTED:
		add_numbers(
			a, t,
			(const uint64_t[]){domain, facts->messages, facts->flows, facts->octets});
		break;
	case IGNORED:
		add_shortfall(a, t, k, facts->domain, &facts->ignored);
		break;
	case UNSENT:
		add_shortfall(a, t, k, facts->domain, &facts->unsent);
		break;
	case KEYS:
		add_keys(a, t, facts->layout);
		break;
	case INTERFACES:
		add_interfaces(a, t, facts);
		break;
	case TYPES:
		add_types(a, t, facts->layout);
		break;
	case BY_COUNT:
	case BY_CHANCE:
	case BY_MATCH:
	case BY_HASH:
		add_selectors(a, t, facts, k);
		break;
	case SEQUENCE:
		add_sequence(a, t, facts);
		break;
	case FLOWS: // its selector comes behind those of packets
		add_numbers(a, t,
			    (const uint64_t[]){facts->n_selectors + 1u, FLOWS_BY_CRC, 1,
					       facts->flow_sampling - 1u});
		break;
	case SAMPLER:
		add_numbers(a, t, (const uint64_t[]){domain, interval});
		break;
	case APPLICATIONS:
	case APPLICATIONS_9:
		add_applications(a, t, facts);
		break;
	case KINDS:
		break;
	}
}

void hm_announcement_make(struct hm_announcement *a, const struct hm_facts *facts, bool templates)
{
	a->n = a->next = 0;
	if (facts->format->fixed)
		return;
	for (unsigned i = 0; templates && i < facts->layout->n; i++)
		add_template(a, &facts->layout->template[i]);
	for (unsigned i = 0; facts->foreign && i < facts->foreign->n; i++)
		add_template(a, &facts->foreign->template[i]);
	for (unsigned k = 0; k < KINDS; k++) {
		struct hm_template *t = &a->options[k];
		if (!is_told(facts, k))
			continue;
		make_template(t, facts, k);
		if (templates)
			add_template(a, t);
		add_records(a, t, facts, k);
	}
}

bool hm_announcement_next(struct hm_announcement *a, struct hm_message *m)
{
	unsigned before = a->next;

	for (; a->next < a->n; a->next++) {
		const struct hm_announce_item *item = &a->item[a->next];
		bool fits = item->template ? hm_message_add_options(m, item->template, item->value)
					   : hm_message_add_template(m, item->is);
		if (!fits)
			break;
	}
	assert(a->next > before || a->next == a->n); // the smallest message takes any of them
	return a->next > before;
}
