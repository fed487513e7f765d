/* SPDX-License-Identifier: BSD-3-Clause */
/* apply: arguments of functions, from C to JSON. What a function wants is told by the daemon (function.list): MAPI's
 * letter for each argument says what C passes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/libmapi/internal.h"

#define NAME_LENGTH 128

/* Where arguments come from, one after the other. */
struct source {
	va_list ap;
	bool counted;
	unsigned n, narrow; // how many there are, and which are of int's width; if counted
	char **texts;       // of mapi_apply_function_array(), else NULL
};

/* --- the name: [library:]NAME[!devtype] --- */

struct called {
	char library[NAME_LENGTH], name[NAME_LENGTH];
};

static bool copy_part(char *to, const char *from, size_t n)
{
	if (n == 0 || n >= NAME_LENGTH)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

/* There is one version of each function, for all devices: type 1. */
static bool parse_name(struct called *c, const char *text)
{
	const char *colon = strchr(text, ':'), *end = strchrnul(text, '!');

	*c = (struct called){0};
	if (*end && strcmp(end, "!1") != 0)
		return false;
	if (colon && colon < end) {
		if (!copy_part(c->library, text, (size_t)(colon - text)))
			return false;
		text = colon + 1;
	}
	return copy_part(c->name, text, (size_t)(end - text));
}

/* "stdflib" also as "stdflib.so", and as the tutorial has it, "mapidstdflib.so". */
static bool is_library(const char *given, const char *library)
{
	size_t n = strlen(given);

	if (n > 3 && !strcasecmp(given + n - 3, ".so"))
		n -= 3;
	if (n > 5 && !strncasecmp(given, "mapid", 5)) {
		given += 5;
		n -= 5;
	}
	return strlen(library) == n && !strncasecmp(given, library, n);
}

/* NULL after mapi_fail(). */
static const json_t *find_function(struct session *s, const char *text)
{
	const json_t *function;
	const char *library;
	struct called c;

	if (!parse_name(&c, text)) {
		mapi_fail(MAPI_FUNCTION_NOT_FOUND, "there is no function \"%.128s\"", text);
		return NULL;
	}
	function = session_function(s, c.name);
	library = json_string_value(json_object_get(function, "library"));
	if (function && c.library[0] && (!library || !is_library(c.library, library))) {
		mapi_fail(MAPI_FUNCTION_NOT_FOUND, "library %s has no function %s", c.library,
			  c.name);
		return NULL;
	}
	return function;
}

/* --- the arguments --- */

static int invalid(unsigned i, const char *function, const char *argument, const char *why)
{
	// MAPI has numbers for the first six
	int number = i < 5    ? MFUNCT_INVALID_ARGUMENT_1 + (int)i
		     : i == 5 ? MFUNCT_INVALID_ARGUMENT_6
			      : MFUNCT_INVALID_ARGUMENT;

	return mapi_fail(number, "%s: argument %u (%s) %s", function, i + 1, argument, why);
}

static bool is_narrow(const struct source *from, unsigned i)
{
	return from->counted && from->narrow >> i & 1;
}

/* A flow is known to the daemon by another number; 0 is the function's own. */
static json_int_t flow_number(int fd)
{
	struct flow *f = fd > 0 ? table_find(fd) : NULL;
	json_int_t number = f ? f->number : fd == 0 ? 0 : -1;

	if (f)
		flow_release(f);
	return number;
}

/* "fid@fd,fid@fd": what is no such list is for the daemon to refuse. NULL: out of memory. */
static json_t *references(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);
	json_t *value = NULL;

	if (!to)
		return NULL;
	while (*text) {
		size_t n = strcspn(text, "@");
		char *end;

		fwrite(text, 1, n, to);
		text += n;
		if (*text != '@')
			break;
		errno = 0;
		long fd = strtol(++text, &end, 10);
		if (end == text || errno || fd < INT_MIN || fd > INT_MAX)
			fputc('@', to);
		else
			fprintf(to, "@%lld", (long long)flow_number((int)fd));
		text = end;
	}
	if (fclose(to) == 0)
		value = json_string(out);
	free(out);
	return value;
}

/* "fd,fd": a list of flows, in the same way. NULL: out of memory. */
static json_t *flow_list(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);
	json_t *value = NULL;

	if (!to)
		return NULL;
	while (*text) {
		size_t n = strcspn(text, ",");
		char *end;

		errno = 0;
		long fd = strtol(text, &end, 10);
		size_t digits = (size_t)(end - text);
		if (digits == 0 || digits > n || errno || fd < INT_MIN || fd > INT_MAX)
			digits = 0;
		else
			fprintf(to, "%lld", (long long)flow_number((int)fd));
		fwrite(text + digits, 1, n - digits + (text[n] == ','), to);
		text += n + (text[n] == ',');
	}
	if (fclose(to) == 0)
		value = json_string(out);
	free(out);
	return value;
}

/* Above 2^63 as decimal text. */
static json_t *u64_value(unsigned long long value)
{
	char text[24];

	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%llu", value);
	return json_string(text);
}

static json_t *text_value(char letter, const char *text)
{
	if (!text)
		return json_null();
	if (letter == 'R')
		return flow_list(text);
	return letter == 'S' ? references(text) : json_string(text);
}

/* A time may be a number, 0 too; of other texts 0 is NULL. */
static json_t *number_for_text(const json_t *argument, int number)
{
	const char *type = json_string_value(json_object_get(argument, "type"));

	return number || (type && !strcmp(type, "time")) ? json_integer(number) : json_null();
}

/* The next argument as its letter says; NULL: it cannot be said in JSON. */
static json_t *next_value(struct source *from, unsigned i, char letter, const json_t *argument)
{
	if (from->texts) {
		const char *text = from->texts[i];

		return letter == 'r' && text ? json_integer(flow_number(atoi(text)))
					     : text_value(letter, text);
	}
	switch (letter) {
	case 'i':
	case 'f':
	case 'c':
		return json_integer(va_arg(from->ap, int));
	case 'r':
		return json_integer(flow_number(va_arg(from->ap, int)));
	case 'l':
		return is_narrow(from, i) ? json_integer(va_arg(from->ap, int))
					  : u64_value(va_arg(from->ap, unsigned long long));
	default:
		if (is_narrow(from, i))
			return number_for_text(argument, va_arg(from->ap, int));
		return text_value(letter, va_arg(from->ap, char *));
	}
}

/* What apply sends. */
struct request {
	json_t *args;
	int file; // that a function writes, made with the caller's rights; -1: none
};

static void drop_request(struct request *r)
{
	json_decref(r->args);
	if (r->file >= 0)
		close(r->file);
}

static int open_file(struct request *r, const char *function, const json_t *path)
{
	const char *name = json_string_value(path);

	if (!name)
		return mapi_fail(MAPI_ERROR_FILE, "%s: no file is named", function);
	r->file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r->file < 0)
		return mapi_fail(MAPI_ERROR_FILE, "%s: cannot create %s: %s", function, name,
				 strerror(errno));
	return 0;
}

/* Collects the arguments that were passed and that the function knows; the daemon says what is missing. */
static int collect(struct request *r, const json_t *description, struct source *from)
{
	const char *function = json_string_value(json_object_get(description, "name"));
	json_t *argument;
	unsigned i = 0;
	size_t at;

	*r = (struct request){.args = json_array(), .file = -1};
	json_array_foreach (json_object_get(description, "arguments"), at, argument) {
		const char *letter = json_string_value(json_object_get(argument, "mapi"));
		const char *name = json_string_value(json_object_get(argument, "name"));
		json_t *value;

		if (!letter) // has no form in C
			continue;
		if (from->counted && i == from->n)
			break;
		value = next_value(from, i, *letter, argument);
		if (!value)
			return invalid(i, function, name, "is no UTF-8 text");
		json_array_append_new(r->args, value);
		if (*letter == 'w' && open_file(r, function, value) < 0)
			return -1;
		i++;
	}
	return 0;
}

/* --- BINOP in the tutorial's order --- */

#define BINOP_ARGS 5

struct binop {
	char text[BINOP_ARGS][12], *texts[BINOP_ARGS];
};

static bool is_function(int fd, int fid)
{
	struct flow *f = fd > 0 ? table_find(fd) : NULL;
	bool is = f && flow_function(f, fid);

	if (f)
		flow_release(f);
	return is;
}

/* Type, flow, function, flow, function: whether they can be that. */
static bool is_binop(int type, const int *v)
{
	return (type == 0 || type == 1) && is_function(v[0], v[1]) && is_function(v[2], v[3]);
}

/* One page of MAPI's tutorial has the type last, where all others have it first. If that is the only way to
 * understand the five, `from` is given them in the usual order. */
static void order_binop(struct source *from, struct binop *b)
{
	int v[BINOP_ARGS];
	va_list ap;

	if (from->texts || (from->counted && from->n != BINOP_ARGS))
		return;
	va_copy(ap, from->ap);
	for (int i = 0; i < BINOP_ARGS; i++)
		v[i] = va_arg(ap, int);
	va_end(ap);
	if (is_binop(v[0], v + 1) || !is_binop(v[BINOP_ARGS - 1], v))
		return;
	for (int i = 0; i < BINOP_ARGS; i++) {
		snprintf(b->text[i], sizeof(b->text[i]), "%d",
			 v[(i + BINOP_ARGS - 1) % BINOP_ARGS]);
		b->texts[i] = b->text[i];
	}
	from->texts = b->texts;
}

/* --- applying --- */

/* Notes a function under the number that the daemon gave it. */
static int add_function(struct flow *f, int fid, const json_t *description, bool nowait)
{
	struct applied *a = calloc(1, sizeof(*a)), **functions = NULL;

	pthread_mutex_lock(&f->lock);
	if (a && fid > f->n) {
		functions = realloc(f->functions, (size_t)fid * sizeof(struct applied *));
		if (functions) {
			memset(functions + f->n, 0,
			       (size_t)(fid - f->n) * sizeof(struct applied *));
			f->functions = functions;
			f->n = fid;
		}
	}
	if (a && fid > 0 && fid <= f->n) {
		a->fid = fid;
		a->description = description;
		a->nowait = nowait;
		pthread_mutex_init(&a->lock, NULL);
		f->functions[fid - 1] = a;
		a = NULL;
	} else {
		fid = mapi_fail(MAPI_OUT_OF_MEMORY, "out of memory");
	}
	pthread_mutex_unlock(&f->lock);
	free(a);
	return fid;
}

static int send_request(struct flow *f, const json_t *description, struct request *r)
{
	const char *name = json_string_value(json_object_get(description, "name"));
	struct hm_client_extras x = {0};
	struct hm_error err = {0};
	json_t *answer;
	int fid;

	if (r->file >= 0)
		x.send[x.n_send++] = r->file;
	answer = hm_client_request(
		session_client(f->session), "flow.apply",
		json_pack("{s:I, s:s, s:O}", "flow", f->number, "function", name, "args", r->args),
		&x, &err);
	if (!answer)
		return mapi_fail_as(&err, MFUNCT_INVALID_ARGUMENT);
	fid = (int)json_integer_value(json_object_get(answer, "function"));
	json_decref(answer);
	// of TO_BUFFER; others do not care
	return add_function(f, fid, description,
			    json_integer_value(json_array_get(r->args, 0)) == NOWAIT);
}

static int apply(int fd, const char *funct, struct source *from)
{
	struct request r = {.file = -1};
	const json_t *description = NULL;
	struct binop binop;
	struct flow *f;
	int fid = -1;

	if (!table_begun())
		return -1;
	if (fd <= 0)
		return mapi_fail(MAPI_INVALID_FID, "there is no flow %d", fd);
	if (!funct)
		return mapi_fail(MFUNCT_COULD_NOT_APPLY, "no function is named");
	f = flow_find(fd, MAPI_INVALID_FID);
	if (!f)
		return -1;
	if (atomic_load(&f->connected))
		mapi_fail(MFUNCT_COULD_NOT_APPLY,
			  "flow %d is connected: functions are applied before that", fd);
	else
		description = find_function(f->session, funct);
	if (description) {
		if (!strcasecmp(json_string_value(json_object_get(description, "name")), "BINOP"))
			order_binop(from, &binop);
		if (collect(&r, description, from) == 0)
			fid = send_request(f, description, &r);
	}
	drop_request(&r);
	flow_release(f);
	return fid;
}

int(mapi_apply_function)(int fd, const char *funct, ...)
{
	struct source from = {0};
	int fid;

	va_start(from.ap, funct);
	fid = apply(fd, funct, &from);
	va_end(from.ap);
	return fid;
}

int mapi_apply_function_counted(int fd, const char *funct, unsigned n, unsigned narrow, ...)
{
	struct source from = {.counted = true, .n = n, .narrow = narrow};
	int fid;

	va_start(from.ap, narrow);
	fid = apply(fd, funct, &from);
	va_end(from.ap);
	return fid;
}

int mapi_apply_function_array(int fd, const char *funct, char **args, unsigned nargs)
{
	struct source from = {.counted = true, .n = nargs, .texts = args};

	if (!args && nargs > 0)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT, "%u arguments and no array", nargs);
	return apply(fd, funct, &from);
}
