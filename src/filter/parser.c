/* SPDX-License-Identifier: BSD-3-Clause */
/* parser: the grammar of pcap-filter(7), by recursive descent.
 *
 * `and` and `or` bind equally, from the left. An operand without qualifiers ("port 80 or 443") takes
 * those of the operand before it in the same parentheses, or of what stands before them.
 */
#include <string.h>

#include "filter/meaning.h"

#define DEPTH_MAX 600 // of parentheses and signs; check.c allows 256 parentheses

struct parser {
	struct hm_builder builder;
	struct hm_token token; // the next one
	const char *rest;      // behind it
	struct hm_qualifiers qualifiers;
	unsigned depth;
};

/* A number in a relation: constant, or a lane and what it is masked with. */
struct value {
	bool constant;
	uint32_t number; // constant, or the mask
	struct hm_lane lane;
};

static uint32_t parse_expression(struct parser *p);
static uint32_t parse_operand(struct parser *p);
static struct value parse_arithmetic(struct parser *p, unsigned level);

static void advance(struct parser *p)
{
	p->token = hm_token_next(p->rest, &p->rest);
}

static bool given_up(const struct parser *p)
{
	return p->builder.result != HM_PARSED;
}

static uint32_t wrong(struct parser *p)
{
	return hm_give_up(&p->builder, HM_SYNTAX);
}

static bool accept(struct parser *p, int kind)
{
	if (given_up(p) || p->token.kind != kind)
		return false;
	advance(p);
	return true;
}

static void expect(struct parser *p, int kind)
{
	if (!accept(p, kind))
		wrong(p);
}

static int peek(const struct parser *p)
{
	const char *end;

	return hm_token_next(p->rest, &end).kind;
}

static bool is_protocol(int kind)
{
	return kind >= TOKEN_LINK && kind <= TOKEN_ESP;
}

/* --- relations --- */

/* How strongly an operator binds, 1 (|) to 5 (*); 0: no operator that we know. */
static unsigned binding(int kind)
{
	switch (kind) {
	case '|':
		return 1;
	case '&':
		return 2;
	case TOKEN_SHL:
	case TOKEN_SHR:
		return 3;
	case '+':
	case '-':
		return 4;
	case '*':
	case '/':
		return 5;
	default:
		return 0;
	}
}

static bool is_relation(int kind)
{
	return kind == '=' || kind == '<' || kind == '>' || kind == TOKEN_GE || kind == TOKEN_LE ||
	       kind == TOKEN_NE;
}

static uint32_t calculate(struct parser *p, int sign, uint32_t a, uint32_t b)
{
	switch (sign) {
	case '|':
		return a | b;
	case '&':
		return a & b;
	case TOKEN_SHL:
		return b < 32 ? a << b : wrong(p);
	case TOKEN_SHR:
		return b < 32 ? a >> b : wrong(p);
	case '+':
		return a + b;
	case '-':
		return a - b;
	case '*':
		return a * b;
	default:
		return b != 0 ? a / b : wrong(p);
	}
}

static struct value combine(struct parser *p, int sign, struct value a, struct value b)
{
	if (a.constant && b.constant) {
		a.number = calculate(p, sign, a.number, b.number);
	} else if (sign == '&' && b.constant) {
		a.number &= b.number;
	} else { // of "1 & ip[8]" libpcap forgets that it must be IP
		hm_give_up(&p->builder, HM_NOT_COVERED);
	}
	return a;
}

/* proto[at] and proto[at:size]. */
static struct value parse_load(struct parser *p)
{
	int proto = p->token.kind;
	struct value at;
	uint32_t size = 1;

	advance(p);
	expect(p, '[');
	at = parse_arithmetic(p, 1);
	if (accept(p, ':')) {
		size = p->token.number;
		expect(p, TOKEN_NUMBER);
	}
	expect(p, ']');
	if (!given_up(p) && !at.constant)
		hm_give_up(&p->builder, HM_NOT_COVERED);
	if (given_up(p))
		return at;
	return (struct value){.number = UINT32_MAX,
			      .lane = hm_mean_load(&p->builder, proto, at.number, size)};
}

static struct value parse_factor(struct parser *p)
{
	struct value v = {.constant = true};

	if (++p->depth > DEPTH_MAX)
		wrong(p);
	if (given_up(p))
		return v;
	if (p->token.kind == TOKEN_NUMBER) {
		v.number = p->token.number;
		advance(p);
	} else if (accept(p, TOKEN_LEN)) {
		v = (struct value){.number = UINT32_MAX, .lane = hm_mean_length(&p->builder)};
	} else if (accept(p, '(')) {
		v = parse_arithmetic(p, 1);
		expect(p, ')');
	} else if (accept(p, '-')) {
		v = parse_factor(p);
		v.number = -v.number;
		if (!given_up(p) && !v.constant)
			hm_give_up(&p->builder, HM_NOT_COVERED);
	} else if (is_protocol(p->token.kind)) {
		v = parse_load(p);
	} else {
		wrong(p);
	}
	p->depth--;
	return v;
}

static struct value parse_arithmetic(struct parser *p, unsigned level)
{
	struct value left = parse_factor(p);

	while (!given_up(p)) {
		int sign = p->token.kind;
		unsigned binds = binding(sign);

		if (sign == '%' || sign == '^') // of no declared precedence
			hm_give_up(&p->builder, HM_NOT_COVERED);
		if (binds < level || binds == 0)
			break;
		advance(p);
		left = combine(p, sign, left, parse_arithmetic(p, binds + 1));
	}
	return left;
}

static uint32_t compare(struct parser *p, struct value left, int relation, struct value right)
{
	static const struct {
		int relation;
		enum hm_compare compare, swapped; // with the sides changed
	} relations[] = {
		{'=', HM_EQUAL, HM_EQUAL},
		{TOKEN_NE, HM_NOT_EQUAL, HM_NOT_EQUAL},
		{'>', HM_GREATER, HM_LESS},
		{TOKEN_LE, HM_LESS_EQUAL, HM_GREATER_EQUAL},
		{TOKEN_GE, HM_GREATER_EQUAL, HM_LESS_EQUAL},
		{'<', HM_LESS, HM_GREATER},
	};
	unsigned i = 0;

	if (left.constant == right.constant)
		return hm_give_up(&p->builder, HM_NOT_COVERED);
	while (relations[i].relation != relation)
		i++;
	return left.constant ? hm_mean_compare(&p->builder, &right.lane, right.number,
					       relations[i].swapped, left.number)
			     : hm_mean_compare(&p->builder, &left.lane, left.number,
					       relations[i].compare, right.number);
}

static uint32_t parse_relation(struct parser *p)
{
	struct value left = parse_arithmetic(p, 1), right;
	int relation = p->token.kind;

	if (!given_up(p) && !is_relation(relation))
		wrong(p);
	if (given_up(p))
		return 0;
	advance(p);
	right = parse_arithmetic(p, 1);
	if (given_up(p))
		return 0;
	p->qualifiers = (struct hm_qualifiers){.none = true};
	return compare(p, left, relation, right);
}

/* An open parenthesis may begin a relation; only what stands behind the closing one tells. */
static bool begins_relation(const struct parser *p)
{
	struct hm_tree nothing = {0};
	struct parser ahead = *p;

	ahead.builder.tree = &nothing; // arithmetic makes no nodes
	parse_arithmetic(&ahead, 1);
	return ahead.builder.result == HM_NOT_COVERED ||
	       (!given_up(&ahead) && is_relation(ahead.token.kind));
}

/* --- primitives --- */

static uint32_t parse_address(struct parser *p)
{
	struct hm_token address = p->token, mask;

	advance(p);
	if (accept(p, '/')) {
		mask = p->token;
		expect(p, TOKEN_NUMBER);
		return given_up(p)
			       ? 0
			       : hm_mean_net(&p->builder, &p->qualifiers, &address, mask.number);
	}
	if (address.kind == TOKEN_IPV4 && accept(p, TOKEN_MASK)) {
		mask = p->token;
		expect(p, TOKEN_IPV4);
		return given_up(p) ? 0 : hm_mean_mask(&p->builder, &p->qualifiers, &address, &mask);
	}
	return hm_mean_operand(&p->builder, &p->qualifiers, &address);
}

/* What qualifiers apply to, without parentheses and signs. */
static uint32_t parse_id(struct parser *p)
{
	struct hm_token t = p->token;

	if (p->qualifiers.none)
		return wrong(p);
	switch (t.kind) {
	case TOKEN_IPV4:
	case TOKEN_IPV6:
		return parse_address(p);
	case TOKEN_NUMBER:
	case TOKEN_MAC:
	case TOKEN_NAME:
		advance(p);
		return hm_mean_operand(&p->builder, &p->qualifiers, &t);
	default:
		return wrong(p);
	}
}

static enum hm_qualifier_direction parse_direction(struct parser *p)
{
	int first = p->token.kind;
	int other = first == TOKEN_SRC ? TOKEN_DST : TOKEN_SRC;
	int connective;

	if (first != TOKEN_SRC && first != TOKEN_DST)
		return Q_ANY;
	advance(p);
	connective = p->token.kind;
	if ((connective == TOKEN_OR || connective == TOKEN_AND) && peek(p) == other) {
		advance(p);
		advance(p);
		return connective == TOKEN_OR ? Q_SRC_OR_DST : Q_SRC_AND_DST;
	}
	return first == TOKEN_SRC ? Q_SRC : Q_DST;
}

/* Direction and type behind an optional protocol, then what they apply to. */
static uint32_t parse_qualified(struct parser *p, int proto)
{
	struct hm_qualifiers q = {.proto = proto, .direction = parse_direction(p)};

	switch (p->token.kind) {
	case TOKEN_HOST:
	case TOKEN_NET:
	case TOKEN_PORT:
	case TOKEN_PORTRANGE:
		q.type = p->token.kind;
		advance(p);
		break;
	case TOKEN_PROTO:
	case TOKEN_PROTOCHAIN:
		if (q.direction != Q_ANY)
			return wrong(p);
		q.type = p->token.kind;
		advance(p);
		break;
	default:
		if (q.direction == Q_ANY)
			return wrong(p);
		break;
	}
	p->qualifiers = q;
	return parse_operand(p);
}

/* A protocol by itself or in front of something. */
static uint32_t parse_protocol(struct parser *p)
{
	int proto = p->token.kind;

	switch (peek(p)) {
	case '[':
		return parse_relation(p);
	case TOKEN_BROADCAST:
	case TOKEN_MULTICAST:
		advance(p);
		p->qualifiers = (struct hm_qualifiers){.none = true};
		if (accept(p, TOKEN_BROADCAST))
			return hm_mean_broadcast(&p->builder, proto);
		advance(p);
		return hm_mean_multicast(&p->builder, proto);
	case TOKEN_SRC:
	case TOKEN_DST:
	case TOKEN_HOST:
	case TOKEN_NET:
	case TOKEN_PORT:
	case TOKEN_PORTRANGE:
	case TOKEN_PROTO:
	case TOKEN_PROTOCHAIN:
		advance(p);
		return parse_qualified(p, proto);
	case TOKEN_OTHER:
	case TOKEN_TAKES_WORD:
	case TOKEN_GATEWAY:
		return hm_give_up(&p->builder, HM_NOT_COVERED);
	default:
		advance(p);
		p->qualifiers = (struct hm_qualifiers){.none = true};
		return hm_mean_protocol(&p->builder, proto);
	}
}

/* A number that may be left out; it may stand in parentheses. */
static uint32_t parse_optional_number(struct parser *p)
{
	unsigned open = 0;
	uint32_t number;

	if (p->token.kind == '(' && peek(p) != TOKEN_NUMBER)
		return UINT32_MAX;
	while (accept(p, '('))
		open++;
	if (p->token.kind != TOKEN_NUMBER)
		return open > 0 ? wrong(p) : UINT32_MAX;
	number = p->token.number;
	advance(p);
	while (open-- > 0)
		expect(p, ')');
	return number;
}

static uint32_t parse_other_primitive(struct parser *p)
{
	struct hm_builder *b = &p->builder;
	int kind = p->token.kind;
	uint32_t number;

	p->qualifiers = (struct hm_qualifiers){.none = true};
	advance(p);
	switch (kind) {
	case TOKEN_BROADCAST:
		return hm_mean_broadcast(b, 0);
	case TOKEN_MULTICAST:
		return hm_mean_multicast(b, 0);
	case TOKEN_LESS:
	case TOKEN_GREATER:
		number = p->token.number;
		expect(p, TOKEN_NUMBER);
		return kind == TOKEN_LESS ? hm_mean_less(b, number) : hm_mean_greater(b, number);
	case TOKEN_VLAN:
		return hm_mean_vlan(b, parse_optional_number(p));
	case TOKEN_MPLS:
		return hm_mean_mpls(b, parse_optional_number(p));
	case TOKEN_PPPOED:
		return hm_mean_pppoed(b);
	default:
		return hm_mean_pppoes(b, parse_optional_number(p));
	}
}

/* Parentheses around an expression, or around operands of the qualifiers before them. */
static uint32_t parse_parentheses(struct parser *p)
{
	struct hm_qualifiers before = p->qualifiers;
	uint32_t node;

	if (begins_relation(p))
		return parse_relation(p);
	advance(p);
	node = parse_expression(p);
	expect(p, ')');
	p->qualifiers = before;
	return node;
}

static uint32_t parse_term(struct parser *p)
{
	int kind = p->token.kind;

	if (is_protocol(kind))
		return parse_protocol(p);
	switch (kind) {
	case TOKEN_NOT:
		advance(p);
		return hm_mean_not(&p->builder, parse_operand(p));
	case '(':
		return parse_parentheses(p);
	case TOKEN_LEN:
	case '-':
		return parse_relation(p);
	case TOKEN_NUMBER: {
		int next = peek(p);

		if (is_relation(next) || binding(next) > 0 || next == '%' || next == '^')
			return parse_relation(p);
		return parse_id(p);
	}
	case TOKEN_SRC:
	case TOKEN_DST:
	case TOKEN_HOST:
	case TOKEN_NET:
	case TOKEN_PORT:
	case TOKEN_PORTRANGE:
	case TOKEN_PROTO:
	case TOKEN_PROTOCHAIN:
		return parse_qualified(p, 0);
	case TOKEN_IPV4:
	case TOKEN_IPV6:
	case TOKEN_MAC:
	case TOKEN_NAME:
		return parse_id(p);
	case TOKEN_OTHER:
	case TOKEN_TAKES_WORD:
	case TOKEN_GATEWAY:
		return hm_give_up(&p->builder, HM_NOT_COVERED);
	default:
		return kind >= TOKEN_LESS && kind <= TOKEN_PPPOES ? parse_other_primitive(p)
								  : wrong(p);
	}
}

static uint32_t parse_operand(struct parser *p)
{
	uint32_t node;

	if (++p->depth > DEPTH_MAX)
		wrong(p);
	node = given_up(p) ? 0 : parse_term(p);
	p->depth--;
	return node;
}

static uint32_t parse_expression(struct parser *p)
{
	uint32_t node = parse_operand(p);

	while (!given_up(p)) {
		if (accept(p, TOKEN_AND))
			node = hm_mean_and(&p->builder, node, parse_operand(p));
		else if (accept(p, TOKEN_OR))
			node = hm_mean_or(&p->builder, node, parse_operand(p));
		else
			break;
	}
	return node;
}

enum hm_parse_result hm_tree_parse(const char *expression, enum hm_link link, struct hm_tree *tree,
				   const char **at)
{
	struct parser p = {.rest = expression, .qualifiers = {.none = true}};
	uint32_t root;

	hm_builder_init(&p.builder, tree, link);
	advance(&p);
	root = parse_expression(&p);
	if (!given_up(&p) && p.token.kind != TOKEN_END)
		wrong(&p);
	if (!given_up(&p) && root + 1 != tree->n_nodes) // an operand that a constant has swallowed
		tree->n_nodes = root + 1;
	*at = p.token.at;
	return p.builder.result;
}
