/* SPDX-License-Identifier: BSD-3-Clause */
/* image: a result in JSON becomes the C structure of MAPI's headers. No function is known here by name: the fields
 * that function.list tells, in their order, each with a letter for its type in C (docs/protocol.md), are laid out as
 * the compiler lays out a structure of them. Times in ns become MAPI's 2^-32 s here, and only here.
 */
#include <arpa/inet.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/libmapi/internal.h"

#define NS_PER_S UINT64_C(1000000000)

struct image {
	mapi_results_t *to;
	size_t *room;
	const char *unit; // of values, NULL: none
	bool failed;      // no memory
};

/* --- layout --- */

static const struct layout {
	char letter;
	uint8_t size, align;
} layouts[] = {
	{'B', sizeof(unsigned char), alignof(unsigned char)},
	{'H', sizeof(unsigned short), alignof(unsigned short)},
	{'i', sizeof(int), alignof(int)},
	{'I', sizeof(unsigned), alignof(unsigned)},
	{'L', sizeof(unsigned long), alignof(unsigned long)},
	{'q', sizeof(long long), alignof(long long)},
	{'Q', sizeof(unsigned long long), alignof(unsigned long long)},
	{'d', sizeof(double), alignof(double)},
	{'g', sizeof(long double), alignof(long double)},
	{'4', sizeof(struct in_addr), 1},                         // ip_addr
	{'N', sizeof(unsigned), alignof(unsigned)},               // IPv4 address, or a number
	{'6', sizeof(struct in6_addr), alignof(struct in6_addr)}, // IPv6 address
	{'F', sizeof(sa_family_t), alignof(sa_family_t)},         // of an address
};

static char letter_of(const json_t *field)
{
	const char *c = json_string_value(json_object_get(field, "c"));

	return c ? *c : '\0';
}

static const json_t *parts_of(const json_t *field)
{
	return json_object_get(field, "of");
}

static size_t count_of(const json_t *field)
{
	json_int_t count = json_integer_value(json_object_get(field, "count"));

	return count > 0 && count < 1 << 24 ? (size_t)count : 0;
}

static size_t align_of(const json_t *fields);

static size_t align_of_field(const json_t *field)
{
	char letter = letter_of(field);

	if (letter == 'a' || letter == 'o')
		return align_of(parts_of(field));
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].letter == letter)
			return layouts[i].align;
	return 1;
}

static size_t align_of(const json_t *fields)
{
	size_t align = 1, i;
	json_t *field;

	json_array_foreach ((json_t *)(uintptr_t)fields, i, field) {
		size_t a = align_of_field(field);
		align = a > align ? a : align;
	}
	return align;
}

static size_t padded(size_t n, size_t align)
{
	return (n + align - 1) / align * align;
}

/* --- values --- */

/* Exact, rounded to nearest. What would be after the year 2262 is a difference below 0. */
static unsigned long long mapi_time(unsigned long long ns)
{
	if (ns > INT64_MAX)
		return -mapi_time(-ns);
	return ns / NS_PER_S << 32 | ((ns % NS_PER_S << 32) + NS_PER_S / 2) / NS_PER_S;
}

/* How often a factor of time is in a field's unit: its own, or that which the result names for its values. */
static int time_power(const struct image *im, const json_t *field)
{
	const char *unit = json_string_value(json_object_get(field, "unit"));
	bool times = im->unit && !strcmp(im->unit, "ns");

	if (!unit)
		return 0;
	if (!strcmp(unit, "ns"))
		return 1;
	if (!strcmp(unit, "value"))
		return times;
	return !strcmp(unit, "value^2") ? 2 * times : 0;
}

static unsigned long long whole_number(const json_t *v)
{
	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 10);
	if (json_is_real(v))
		return (unsigned long long)json_real_value(v);
	return json_is_true(v) ? 1 : (unsigned long long)json_integer_value(v);
}

static long double real_number(const json_t *v)
{
	if (json_is_string(v))
		return strtold(json_string_value(v), NULL);
	return json_is_real(v) ? (long double)json_real_value(v)
			       : (long double)json_integer_value(v);
}

static unsigned long long scaled_whole(const struct image *im, const json_t *field, const json_t *v)
{
	unsigned long long n = whole_number(v);

	return time_power(im, field) == 1 ? mapi_time(n) : n;
}

static long double scaled_real(const struct image *im, const json_t *field, const json_t *v)
{
	long double n = real_number(v);

	for (int power = time_power(im, field); power > 0; power--)
		n *= 4294967296.0L / (long double)NS_PER_S;
	return n;
}

static bool read_address(int family, const json_t *v, void *to)
{
	return json_is_string(v) && inet_pton(family, json_string_value(v), to) == 1;
}

/* One scalar in its C type, at most 16 bytes; its size. */
static size_t scalar(const struct image *im, const json_t *field, const json_t *v, void *to)
{
	unsigned char byte;
	unsigned short half;
	unsigned word;
	unsigned long register_word;
	unsigned long long n;
	double real;
	long double wide;
	sa_family_t family;

#define PUT(variable, value)                       \
	(variable) = (value);                      \
	memcpy(to, &(variable), sizeof(variable)); \
	return sizeof(variable)

	switch (letter_of(field)) {
	case 'B':
		PUT(byte, (unsigned char)whole_number(v));
	case 'H':
		PUT(half, (unsigned short)whole_number(v));
	case 'i':
	case 'I':
		PUT(word, (unsigned)scaled_whole(im, field, v));
	case 'L':
		PUT(register_word, (unsigned long)scaled_whole(im, field, v));
	case 'q':
	case 'Q':
		PUT(n, scaled_whole(im, field, v));
	case 'd':
		PUT(real, (double)scaled_real(im, field, v));
	case 'g':
		PUT(wide, scaled_real(im, field, v));
	case '4':
	case 'N':
		word = 0;
		if (!read_address(AF_INET, v, &word) && !json_is_string(v))
			word = (unsigned)whole_number(v);
		PUT(word, word);
	case '6':
		memset(to, 0, sizeof(struct in6_addr));
		read_address(AF_INET6, v, to);
		return sizeof(struct in6_addr);
	case 'F':
		family = AF_UNSPEC;
		if (json_is_string(v))
			family = strchr(json_string_value(v), ':') ? AF_INET6 : AF_INET;
		PUT(family, family);
	default:
		return 0;
	}
#undef PUT
}

/* --- writing --- */

/* Zeroed bytes at the end of the image, whose size they become part of. NULL: no memory. */
static char *extend(struct image *im, size_t n)
{
	size_t used = (size_t)im->to->size, need = used + n;

	if (im->failed || need > INT32_MAX) {
		im->failed = true;
		return NULL;
	}
	if (need > *im->room || !im->to->res) {
		size_t room = need + need / 2 + 64;
		char *res = realloc(im->to->res, room);
		if (!res) {
			im->failed = true;
			return NULL;
		}
		im->to->res = res;
		*im->room = room;
	}
	im->to->size = (int)need;
	return memset((char *)im->to->res + used, 0, n);
}

/* Up to a multiple of `align` from the structure's begin. */
static void align_to(struct image *im, size_t begin, size_t align)
{
	size_t n = (size_t)im->to->size - begin;

	extend(im, padded(n, align) - n);
}

static void write_fields(struct image *im, const json_t *fields, const json_t *value);

static void write_bytes(struct image *im, const json_t *field, const json_t *v)
{
	const char *hex = json_string_value(v);
	char *to = extend(im, count_of(field));
	size_t n = hex ? strlen(hex) / 2 : 0;

	for (size_t i = 0; to && i < n && i < count_of(field); i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1]};
		to[i] = (char)strtoul(digits, NULL, 16);
	}
}

static void write_scalar(struct image *im, const json_t *field, const json_t *v)
{
	alignas(long double) char bytes[sizeof(long double)] = {0};
	size_t n = scalar(im, field, v, bytes);
	char *to = extend(im, n);

	if (to && n)
		memcpy(to, bytes, n);
}

static void write_field(struct image *im, size_t begin, const json_t *field, const json_t *v)
{
	char letter = letter_of(field);
	json_t *element;
	size_t i;

	if (!letter)
		return;
	align_to(im, begin, align_of_field(field));
	if (letter == 'a' || letter == 'A')
		json_array_foreach ((json_t *)(uintptr_t)v, i, element)
			write_fields(im, parts_of(field), element);
	else if (letter == 'o')
		write_fields(im, parts_of(field), v);
	else if (letter == 'x')
		write_bytes(im, field, v);
	else
		write_scalar(im, field, v);
}

/* A structure. A value that is no object is that of its only field. */
static void write_fields(struct image *im, const json_t *fields, const json_t *value)
{
	size_t begin = (size_t)im->to->size, i;
	json_t *field;

	json_array_foreach ((json_t *)(uintptr_t)fields, i, field) {
		const char *name = json_string_value(json_object_get(field, "name"));
		write_field(im, begin, field,
			    json_is_object(value) && name ? json_object_get(value, name) : value);
	}
	align_to(im, begin, align_of(fields));
}

int image_write(mapi_results_t *results, size_t *room, const json_t *fields, const json_t *value,
		const char *unit)
{
	struct image im = {.to = results, .room = room, .unit = unit};

	if (!unit)
		im.unit = json_string_value(json_object_get(value, "unit"));
	results->size = 0;
	if (extend(&im, 0)) // so that there is memory even for nothing
		write_fields(&im, fields, value);
	return im.failed ? mapi_fail(MAPI_OUT_OF_MEMORY, "no memory for a result") : 0;
}

int image_size(const json_t *fields)
{
	mapi_results_t results = {0};
	json_t *nothing = json_object();
	size_t room = 0;
	int size = 0;

	if (image_write(&results, &room, fields, nothing, NULL) == 0)
		size = results.size;
	free(results.res);
	json_decref(nothing);
	return size;
}
