/* SPDX-License-Identifier: BSD-3-Clause */
/* search_pattern: from what a user wrote to an interned pattern with a slot. All on the control
 * core; what other threads read of a pattern never changes. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "core/search_private.h"

#define UNTERMINATED_HEX  3503
#define DEPTH_TOO_SMALL   3504
#define NOTHING_TO_SEARCH 3505
#define INVALID_ARGUMENT  7000

static void *interned;   // tree of all patterns
static uint64_t *slots;  // bit set: taken
static size_t n_slots64; // words of it
static uint64_t last_id;

/* --- slots --- */

static bool take_slot(uint32_t *slot)
{
	size_t word = 0;

	while (word < n_slots64 && slots[word] == UINT64_MAX)
		word++;
	if (word == n_slots64) {
		size_t n = n_slots64 ? 2 * n_slots64 : 4;
		uint64_t *more = realloc(slots, n * sizeof(*slots));
		if (!more)
			return false;
		memset(more + n_slots64, 0, (n - n_slots64) * sizeof(*slots));
		slots = more;
		n_slots64 = n;
	}
	*slot = (uint32_t)(64 * word) + (uint32_t)__builtin_ctzll(~slots[word]);
	slots[word] |= UINT64_C(1) << *slot % 64;
	return true;
}

static void give_slot(uint32_t slot)
{
	slots[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

/* --- interning --- */

static int compare(const void *left, const void *right)
{
	const struct hm_pattern *a = left, *b = right;

	if (a->literal != b->literal)
		return a->literal ? 1 : -1;
	if (a->offset != b->offset)
		return a->offset > b->offset ? 1 : -1;
	if (a->depth != b->depth)
		return a->depth > b->depth ? 1 : -1;
	if (a->n_bytes != b->n_bytes)
		return a->n_bytes > b->n_bytes ? 1 : -1;
	return memcmp(a->bytes, b->bytes, a->n_bytes);
}

static struct hm_pattern *find(const struct hm_pattern *p)
{
	struct hm_pattern **node = tfind(p, &interned, compare);

	return node ? *node : NULL;
}

/* Gives the finished pattern its slot and makes it known; frees it if that fails. */
static struct hm_pattern *intern(struct hm_pattern *p, struct hm_error *err)
{
	if (take_slot(&p->slot)) {
		if (tsearch(p, &interned, compare)) {
			p->refs = 1;
			p->id = ++last_id;
			return p;
		}
		give_slot(p->slot);
	}
	hm_regexp_unref(p->regexp);
	free(p);
	hm_error_set(err, -ENOMEM, 0, "no memory for another pattern");
	return NULL;
}

void hm_pattern_release(struct hm_pattern *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	tdelete(p, &interned, compare);
	give_slot(p->slot);
	hm_regexp_unref(p->regexp);
	free(p);
}

uint32_t hm_pattern_slot(const struct hm_pattern *p)
{
	return p->slot;
}

/* Measured: ten thousand strings of 8 to 24 bytes, a thousand regular expressions. */
#define COMPILED_LITERAL_BYTES     64
#define COMPILED_REGEXP_BYTES      4096
#define COMPILED_REGEXP_CHAR_BYTES 64

uint64_t hm_pattern_bytes(const struct hm_pattern *p)
{
	uint64_t bytes = sizeof(*p) + p->n_bytes;

	if (p->literal)
		return bytes + (uint64_t)p->n_bytes * COMPILED_LITERAL_BYTES;
	return bytes + hm_regexp_bytes(p->regexp) + COMPILED_REGEXP_BYTES +
	       (uint64_t)p->n_bytes * COMPILED_REGEXP_CHAR_BYTES;
}

const char *hm_pattern_engine(const struct hm_pattern *p)
{
	static const char *const names[] = {
		[HM_PATTERN_LITERAL] = "literal", [HM_PATTERN_REGEXP] = "regexp",
		[HM_PATTERN_HS] = "hyperscan",    [HM_PATTERN_PREFILTER] = "prefilter+pcre2",
		[HM_PATTERN_PCRE] = "pcre2",
	};

	return names[atomic_load_explicit(&p->kind, memory_order_relaxed)];
}

/* What Hyperscan refuses: look-around, atomic groups, conditions, recursion, possessive quantifiers. In a quoted
 * text it may be nothing of that: this is a guess, for the time until Hyperscan has been asked. */
static bool looks_refused(const char *text)
{
	static const char *const signs[] = {"(?=", "(?!",  "(?<=", "(?<!", "(?>", "(?(", "(?R",
					    "(?&", "(?P>", "\\K",  "++",   "*+",  "?+",  "}+"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(text, signs[i]))
			return true;
	return false;
}

bool hm_pattern_is_confirmed(const struct hm_pattern *p)
{
	enum hm_pattern_kind kind = atomic_load_explicit(&p->kind, memory_order_relaxed);
	uint32_t references = 0;

	if (kind != HM_PATTERN_REGEXP)
		return kind == HM_PATTERN_PREFILTER || kind == HM_PATTERN_PCRE;
	pcre2_pattern_info(p->regexp->code, PCRE2_INFO_BACKREFMAX, &references);
	return references > 0 || looks_refused((const char *)p->bytes);
}

/* --- literals --- */

struct snort {
	const char *text, *at;
	struct hm_error *err;
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads behind an opening pipe and past the closing one. MAPI ignores blanks and drops an odd digit
 * at the end; what is no digit has no meaning there and is an error here. */
static int read_hex(struct snort *s, uint8_t *out, uint32_t *n)
{
	size_t start = (size_t)(s->at - s->text);
	int high = -1;

	for (s->at++; *s->at != '|'; s->at++) {
		int digit = hex_digit(*s->at);

		if (*s->at == '\0')
			return hm_error_set(s->err, -EINVAL, UNTERMINATED_HEX,
					    "pattern: the hex section that begins at byte %zu has "
					    "no closing '|'",
					    start);
		if (*s->at == ' ' || *s->at == '\t')
			continue;
		if (digit < 0)
			return hm_error_set(s->err, -EINVAL, UNTERMINATED_HEX,
					    "pattern: byte %zu, in the hex section that begins at "
					    "byte %zu, must be 0-9, a-f, A-F, blank or '|'",
					    (size_t)(s->at - s->text), start);
		if (high < 0) {
			high = digit;
			continue;
		}
		out[(*n)++] = (uint8_t)(high << 4 | digit);
		high = -1;
	}
	s->at++;
	return 0;
}

/* Reads up to the next "||" or the end. `out` has room for as many bytes as text is left. */
static int read_alternative(struct snort *s, uint8_t *out, uint32_t *n)
{
	int rc = 0;

	*n = 0;
	while (rc == 0 && *s->at != '\0' && !(s->at[0] == '|' && s->at[1] == '|')) {
		if (*s->at == '|') {
			rc = read_hex(s, out, n);
			continue;
		}
		if (s->at[0] == '\\' && (s->at[1] == '|' || s->at[1] == '\\'))
			s->at++;
		out[(*n)++] = (uint8_t)*s->at++;
	}
	return rc;
}

static int check_alternative(uint32_t n, uint32_t depth, struct hm_error *err)
{
	if (n > HM_LITERAL_MAX)
		return hm_error_set(err, -EINVAL, NOTHING_TO_SEARCH,
				    "pattern: an alternative has %u bytes, at most %d are allowed",
				    n, HM_LITERAL_MAX);
	if (depth > 0 && depth < n)
		return hm_error_set(err, -EINVAL, DEPTH_TOO_SMALL,
				    "depth is %u, less than the %u bytes of the pattern (0 "
				    "searches to the end)",
				    depth, n);
	return 0;
}

/* Fills p->bytes; a (length, bytes) pair takes at most 2 bytes more than its text and a separator
 * is 2 bytes, so strlen(text) + 2 bytes are enough. */
static int parse_snort(struct hm_pattern *p, const char *text, struct hm_error *err)
{
	struct snort s = {.text = text, .at = text, .err = err};
	uint8_t *out = p->bytes;

	for (;;) {
		uint32_t n;
		int rc = read_alternative(&s, out + 2, &n);

		if (rc == 0)
			rc = check_alternative(n, p->depth, err);
		if (rc < 0)
			return rc;
		if (n > 0) {
			out[0] = (uint8_t)(n >> 8);
			out[1] = (uint8_t)n;
			out += 2 + n;
		}
		if (*s.at == '\0')
			break;
		s.at += 2;
	}
	p->n_bytes = (uint32_t)(out - p->bytes);
	if (p->n_bytes == 0)
		return hm_error_set(err, -EINVAL, NOTHING_TO_SEARCH,
				    "pattern: nothing is left to search in \"%.40s\"", text);
	return 0;
}

bool hm_pattern_alternative(const struct hm_pattern *p, uint32_t *at, const uint8_t **bytes,
			    uint32_t *n)
{
	if (*at == p->n_bytes)
		return false;
	*n = (uint32_t)p->bytes[*at] << 8 | p->bytes[*at + 1];
	*bytes = p->bytes + *at + 2;
	*at += 2 + *n;
	return true;
}

#define SHORT 2 // bytes

bool hm_literal_abounds(uint32_t n)
{
	return n <= SHORT;
}

static bool gathers(const struct hm_pattern *p)
{
	const uint8_t *bytes;
	uint32_t at = 0, n;

	while (hm_pattern_alternative(p, &at, &bytes, &n))
		if (hm_literal_abounds(n))
			return false;
	return true;
}

static struct hm_pattern *new_pattern(size_t room, struct hm_error *err)
{
	struct hm_pattern *p = calloc(1, sizeof(*p) + room);

	if (!p)
		hm_error_set(err, -ENOMEM, 0, "no memory for a pattern of %zu bytes", room);
	return p;
}

/* The interned twin of the finished pattern (which is then freed), or NULL. */
static struct hm_pattern *use_twin(struct hm_pattern *p)
{
	struct hm_pattern *twin = find(p);

	if (twin) {
		atomic_fetch_add_explicit(&twin->refs, 1, memory_order_relaxed);
		free(p);
	}
	return twin;
}

struct hm_pattern *hm_pattern_literal(const char *text, uint32_t offset, uint32_t depth,
				      struct hm_error *err)
{
	struct hm_pattern *p = new_pattern(strlen(text) + 2, err), *twin;

	if (!p)
		return NULL;
	p->literal = true;
	p->offset = offset;
	p->depth = depth;
	p->kind = HM_PATTERN_LITERAL;
	if (parse_snort(p, text, err) < 0) {
		free(p);
		return NULL;
	}
	p->gathers = gathers(p);
	twin = use_twin(p);
	return twin ? twin : intern(p, err);
}

/* --- regular expressions --- */

uint64_t hm_regexp_bytes(const struct hm_regexp *r)
{
	size_t code = 0, jit = 0;

	pcre2_pattern_info(r->code, PCRE2_INFO_SIZE, &code);
	pcre2_pattern_info(r->code, PCRE2_INFO_JITSIZE, &jit);
	return sizeof(*r) + code + jit;
}

struct hm_regexp *hm_regexp_ref(struct hm_regexp *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void hm_regexp_unref(struct hm_regexp *r)
{
	// acq_rel: what the other holders did with the code is done before it is freed
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
		return;
	pcre2_code_free(r->code);
	free(r);
}

/* The verbs UTF and UCP are refused: packets are bytes. Newline is LF, whatever the library was
 * built with. No start optimisation: with it PCRE2 10.42 misses matches, its JIT of some
 * case-insensitive patterns, both of groups that refer to themselves; and Hyperscan has looked
 * first anyway. */
static pcre2_code *compile_pcre(const char *text, struct hm_error *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE position = 0;
	PCRE2_UCHAR message[256];
	pcre2_code *code = NULL;
	int number = PCRE2_ERROR_NOMEMORY;

	if (context) {
		pcre2_set_newline(context, PCRE2_NEWLINE_LF);
		code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
				     PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NO_START_OPTIMIZE,
				     &number, &position, context);
	}
	pcre2_compile_context_free(context);
	if (!code) {
		pcre2_get_error_message(number, message, sizeof(message));
		hm_error_set(err, -EINVAL, INVALID_ARGUMENT, "regular expression: %s at byte %zu",
			     (const char *)message, (size_t)position);
		return NULL;
	}
	// without JIT (a platform that has none, "(*NO_JIT)") the interpreter runs it
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static struct hm_regexp *new_regexp(const char *text, struct hm_error *err)
{
	struct hm_regexp *r = calloc(1, sizeof(*r));

	if (!r) {
		hm_error_set(err, -ENOMEM, 0, "no memory for a regular expression");
		return NULL;
	}
	r->code = compile_pcre(text, err);
	if (!r->code) {
		free(r);
		return NULL;
	}
	r->refs = 1;
	return r;
}

struct hm_pattern *hm_pattern_regexp(const char *text, struct hm_error *err)
{
	size_t n = strlen(text);
	struct hm_pattern *p, *twin;

	if (n > HM_REGEXP_MAX) {
		hm_error_set(err, -EINVAL, INVALID_ARGUMENT,
			     "regular expression: it has %zu bytes, at most %d are allowed", n,
			     HM_REGEXP_MAX);
		return NULL;
	}
	p = new_pattern(n + 1, err);
	if (!p)
		return NULL;
	memcpy(p->bytes, text, n + 1);
	p->n_bytes = (uint32_t)n + 1;
	twin = use_twin(p);
	if (twin)
		return twin;
	p->regexp = new_regexp(text, err);
	if (!p->regexp) {
		free(p);
		return NULL;
	}
	p->kind = HM_PATTERN_REGEXP;
	return intern(p, err);
}

/* --- sets --- */

static int by_slot(const void *left, const void *right)
{
	const struct hm_pattern *const *a = left, *const *b = right;

	return (*a)->slot < (*b)->slot ? -1 : (*a)->slot > (*b)->slot;
}

struct hm_pattern_set *hm_pattern_set_create(const struct hm_pattern *const *patterns, uint32_t n)
{
	struct hm_pattern_set *set = calloc(1, sizeof(*set) + n * sizeof(set->at[0]));
	uint32_t given = 0;

	if (!set)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (patterns[i]) // const for the caller, but references are ours to count
			set->at[given++] = (struct hm_pattern *)(uintptr_t)patterns[i];
	}
	qsort(set->at, given, sizeof(set->at[0]), by_slot);
	for (uint32_t i = 0; i < given; i++) {
		if (i > 0 && set->at[i] == set->at[set->n - 1])
			continue;
		set->at[set->n++] = set->at[i];
		atomic_fetch_add_explicit(&set->at[set->n - 1]->refs, 1, memory_order_relaxed);
	}
	return set;
}

void hm_pattern_set_destroy(struct hm_pattern_set *set)
{
	for (uint32_t i = 0; set && i < set->n; i++)
		hm_pattern_release(set->at[i]);
	free(set);
}

uint32_t hm_pattern_set_size(const struct hm_pattern_set *set)
{
	return set->n;
}
