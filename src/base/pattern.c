#include "base/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/rune.h"

/*
 * The way of Ken Thompson: pattern ► program for many threads at once ► states made when they are met (a lazy deterministic automaton).
 * Code points that no part of the pattern tells apart are one class, so that a state has few ways out.
 */

#define PROGRAM_MAX 2000 /* instructions */
#define REPEAT_MAX 200
#define STATES_MAX 400 /* more are forgotten and made again */
#define PATTERN_MAX 400 /* bytes */
#define RUNE_END 0x110000u

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };

struct instruction {
	enum op op;
	uint32_t x, y; /* OP_SET: number of the set; else where to go on */
};

struct set { /* of code points */
	struct rune_range *ranges; /* sorted, apart, after normalise() */
	size_t len, cap;
};

struct state {
	uint32_t *threads; /* instructions: OP_SET, OP_END, OP_MATCH; sorted */
	uint32_t nthreads;
	bool matches, matches_at_end;
	uint32_t hash;
	int32_t next[]; /* by class; -1: not known yet */
};

/* anchored: begins at one place; else a new thread begins at each code point. */
struct machine {
	bool anchored;
	struct state **states;
	size_t len, cap;
	int32_t first, first_inside; /* at the very start of a text, elsewhere; -1: not made yet */
};

struct pattern {
	struct instruction *program;
	size_t len, cap;
	struct set *sets;
	size_t nsets, sets_cap;
	bool fold;
	/* Classes: starts[i] is the first code point of a stretch, classes[i] its class. */
	uint32_t *starts;
	uint16_t *classes;
	size_t nstarts, nclasses;
	uint8_t ascii[128];
	bool *accepts; /* by set and class */
	struct machine anywhere, here;
	/* Scratch for making states. */
	uint32_t *list, *seen, *stack, mark;
	size_t nlist;
};

/* ---- sets ---- */

static void set_add(struct set *set, uint32_t first, uint32_t last)
{
	LIST_PUSH(set->ranges, set->len, set->cap) = (struct rune_range){ first, last };
}

static int compare_ranges(const void *a, const void *b)
{
	const struct rune_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void normalise(struct set *set)
{
	size_t n = 0;

	qsort(set->ranges, set->len, sizeof *set->ranges, compare_ranges);
	for (size_t i = 0; i < set->len; i++) {
		if (n && set->ranges[i].first <= set->ranges[n - 1].last + 1) {
			if (set->ranges[i].last > set->ranges[n - 1].last)
				set->ranges[n - 1].last = set->ranges[i].last;
		} else {
			set->ranges[n++] = set->ranges[i];
		}
	}
	set->len = n;
}

static void negate(struct set *set)
{
	struct set other = { 0 };
	uint32_t from = 0;

	normalise(set);
	for (size_t i = 0; i < set->len; i++) {
		if (set->ranges[i].first > from)
			set_add(&other, from, set->ranges[i].first - 1);
		from = set->ranges[i].last + 1;
	}
	if (from < RUNE_END)
		set_add(&other, from, RUNE_END - 1);
	free(set->ranges);
	*set = other;
}

/* Where capitals lie a fixed distance below their small letters: Latin, Greek, Cyrillic. */
static const struct {
	uint32_t first, last, distance;
} small_letters[] = { { 'a', 'z', 32 }, { 0xe0, 0xf6, 32 }, { 0xf8, 0xfe, 32 }, { 0x3b1, 0x3c9, 32 }, { 0x430, 0x44f, 32 }, { 0x450, 0x45f, 80 } };

static void fold(struct set *set)
{
	size_t n = set->len;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(small_letters); k++) {
			uint32_t first = set->ranges[i].first, last = set->ranges[i].last;

			first = first > small_letters[k].first ? first : small_letters[k].first;
			last = last < small_letters[k].last ? last : small_letters[k].last;
			if (first <= last)
				set_add(set, first - small_letters[k].distance, last - small_letters[k].distance);
		}
}

static bool has_capital(struct str text)
{
	uint32_t rune;

	while (utf8_next(&text, &rune)) {
		if (rune == '\\' && !utf8_next(&text, &rune))
			break;
		else if (rune == '\\')
			continue; /* \W and \S are no letters */
		for (size_t k = 0; k < ARRAY_LEN(small_letters); k++)
			if (rune >= small_letters[k].first - small_letters[k].distance && rune <= small_letters[k].last - small_letters[k].distance)
				return true;
	}
	return false;
}

/* ---- parsing ---- */

struct parser {
	struct pattern *pattern;
	struct str all, rest;
	unsigned depth;
	struct error *err;
};

static bool fail(struct parser *p, const char *why)
{
	return error_set(p->err, ERR_INVALID, "the pattern at column %zu: %s", p->all.len - p->rest.len + 1, why);
}

static uint32_t peek(const struct parser *p)
{
	struct str rest = p->rest;
	uint32_t rune;

	return utf8_next(&rest, &rune) ? rune : RUNE_END;
}

static bool accept(struct parser *p, uint32_t wanted)
{
	uint32_t rune;

	return peek(p) == wanted && utf8_next(&p->rest, &rune);
}

static bool emit(struct parser *p, enum op op, uint32_t x, uint32_t y)
{
	struct pattern *pattern = p->pattern;

	if (pattern->len >= PROGRAM_MAX)
		return error_set(p->err, ERR_LIMIT, "the pattern is too large");
	LIST_PUSH(pattern->program, pattern->len, pattern->cap) = (struct instruction){ op, x, y };
	return true;
}

static bool emit_set(struct parser *p, struct set *set)
{
	struct pattern *pattern = p->pattern;

	if (pattern->fold)
		fold(set);
	normalise(set);
	LIST_PUSH(pattern->sets, pattern->nsets, pattern->sets_cap) = *set;
	*set = (struct set){ 0 };
	return emit(p, OP_SET, (uint32_t)pattern->nsets - 1, 0);
}

static bool hex_digit(uint32_t rune, uint32_t *value)
{
	if (rune >= '0' && rune <= '9')
		*value = *value * 16 + rune - '0';
	else if ((rune | 32) >= 'a' && (rune | 32) <= 'f')
		*value = *value * 16 + (rune | 32) - 'a' + 10;
	else
		return false;
	return true;
}

/* What stands behind a backslash, into set. ret_single: it is one code point (else RUNE_END). */
static bool parse_escape(struct parser *p, struct set *set, uint32_t *ret_single)
{
	struct set named = { 0 };
	uint32_t rune, value = 0;

	if (!utf8_next(&p->rest, &rune))
		return fail(p, "nothing stands behind \\");
	*ret_single = RUNE_END;
	switch (rune | 32) {
	case 'd':
		set_add(&named, '0', '9');
		break;
	case 'w':
		set_add(&named, '0', '9');
		set_add(&named, 'A', 'Z');
		set_add(&named, '_', '_');
		set_add(&named, 'a', 'z');
		set_add(&named, 0xc0, 0x24f);
		set_add(&named, 0x370, 0x52f);
		break;
	case 's':
		set_add(&named, '\t', '\r');
		set_add(&named, ' ', ' ');
		break;
	default:
		if (rune >= '1' && rune <= '9')
			return fail(p, "references back are not supported");
		if (rune == 'b' || rune == 'B')
			return fail(p, "\\b is not supported");
		if (rune == 'x') {
			uint32_t a = 0, b = 0;

			if (!utf8_next(&p->rest, &a) || !utf8_next(&p->rest, &b) || !hex_digit(a, &value) || !hex_digit(b, &value))
				return fail(p, "two hexadecimal digits belong behind \\x");
			rune = value;
		}
		*ret_single = rune == 't' ? '\t' : rune == 'n' ? '\n' : rune == 'r' ? '\r' : rune;
		set_add(set, *ret_single, *ret_single);
		return true;
	}
	if (rune < 'a') /* a capital: all others */
		negate(&named);
	for (size_t i = 0; i < named.len; i++)
		set_add(set, named.ranges[i].first, named.ranges[i].last);
	free(named.ranges);
	return true;
}

static bool parse_class_item(struct parser *p, struct set *set)
{
	uint32_t first, last;

	utf8_next(&p->rest, &first);
	if (first == '\\' && !parse_escape(p, set, &first))
		return false;
	if (first == RUNE_END) /* a named set: no range begins with it */
		return true;
	last = first;
	if (peek(p) == '-' && p->rest.len > 1 && p->rest.p[1] != ']') {
		accept(p, '-');
		utf8_next(&p->rest, &last);
		if (last == '\\' && !parse_escape(p, set, &last))
			return false;
		if (last < first || last == RUNE_END)
			return fail(p, "a range must go upwards");
	}
	set_add(set, first, last);
	return true;
}

static bool parse_class(struct parser *p, struct set *set)
{
	bool negated = accept(p, '^');

	do {
		if (!p->rest.len)
			return fail(p, "] is missing");
		if (!parse_class_item(p, set))
			return false;
	} while (!accept(p, ']'));
	if (negated) {
		if (p->pattern->fold)
			fold(set);
		negate(set);
	}
	return true;
}

static bool parse_choice(struct parser *p);

static bool parse_atom(struct parser *p)
{
	struct set set = { 0 };
	uint32_t rune;
	bool good = true;

	utf8_next(&p->rest, &rune);
	switch (rune) {
	case '(':
		if (p->rest.len > 1 && p->rest.p[0] == '?' && p->rest.p[1] == ':')
			p->rest = (struct str){ p->rest.p + 2, p->rest.len - 2 };
		if (++p->depth > 50)
			return fail(p, "it is nested too deep");
		if (!parse_choice(p))
			return false;
		p->depth--;
		return accept(p, ')') || fail(p, ") is missing");
	case '^':
		return emit(p, OP_BEGIN, 0, 0);
	case '$':
		return emit(p, OP_END, 0, 0);
	case '*':
	case '+':
	case '?':
		return fail(p, "there is nothing to repeat");
	case '.':
		set_add(&set, 0, RUNE_END - 1);
		break;
	case '[':
		good = parse_class(p, &set);
		break;
	case '\\':
		good = parse_escape(p, &set, &rune);
		break;
	default:
		set_add(&set, rune, rune);
	}
	good = good && emit_set(p, &set);
	free(set.ranges);
	return good;
}

/* Puts one instruction in front of what begins at from, whose jumps all stay inside of it. */
static bool insert(struct parser *p, size_t from, struct instruction instruction)
{
	struct pattern *pattern = p->pattern;

	if (!emit(p, OP_JUMP, 0, 0))
		return false;
	memmove(pattern->program + from + 1, pattern->program + from, (pattern->len - from - 1) * sizeof *pattern->program);
	for (size_t i = from + 1; i < pattern->len; i++) {
		struct instruction *moved = &pattern->program[i];

		if (moved->op == OP_SPLIT || moved->op == OP_JUMP) {
			moved->x++;
			moved->y++;
		}
	}
	pattern->program[from] = instruction;
	return true;
}

static bool copy(struct parser *p, size_t from, size_t n)
{
	uint32_t by = (uint32_t)(p->pattern->len - from);

	for (size_t i = from; i < from + n; i++) {
		struct instruction instruction = p->pattern->program[i];

		if (instruction.op == OP_SPLIT || instruction.op == OP_JUMP) {
			instruction.x += by;
			instruction.y += by;
		}
		if (!emit(p, instruction.op, instruction.x, instruction.y))
			return false;
	}
	return true;
}

static bool make_optional(struct parser *p, size_t from)
{
	return insert(p, from, (struct instruction){ OP_SPLIT, (uint32_t)from + 1, (uint32_t)p->pattern->len + 1 });
}

static bool make_star(struct parser *p, size_t from)
{
	return insert(p, from, (struct instruction){ OP_SPLIT, (uint32_t)from + 1, (uint32_t)p->pattern->len + 2 }) &&
	       emit(p, OP_JUMP, (uint32_t)from, 0);
}

/* least 0 to …, most: REPEAT_MAX + 1 is without end. */
static bool repeat(struct parser *p, size_t from, unsigned least, unsigned most)
{
	size_t n = p->pattern->len - from;

	if (most == 0) {
		p->pattern->len = from;
		return true;
	}
	for (unsigned i = 1; i < least; i++)
		if (!copy(p, from, n))
			return false;
	if (most > REPEAT_MAX) {
		size_t last = p->pattern->len;

		return least == 0 ? make_star(p, from) : copy(p, from, n) && make_star(p, last);
	}
	/* Each of those that may be missing holds the ones behind it: a(a(a)?)?. */
	for (unsigned i = least > 1 ? least : 1; i < most; i++)
		if (!copy(p, from, n))
			return false;
	for (unsigned i = most; i > least; i--) {
		size_t at = from + (i - 1) * n;

		if (!make_optional(p, at))
			return false;
	}
	return true;
}

static bool parse_count(struct parser *p, unsigned *ret_least, unsigned *ret_most)
{
	const char *why = "{ } must hold n, n, or n,m up to 200";
	unsigned numbers[2] = { 0, REPEAT_MAX + 1 };
	bool any[2] = { false, false };
	size_t n = 0;

	for (uint32_t rune; utf8_next(&p->rest, &rune);) {
		if (rune == ',' && n == 0) {
			n = 1;
		} else if (rune >= '0' && rune <= '9') {
			numbers[n] = (any[n] ? numbers[n] * 10 : 0) + rune - '0';
			any[n] = true;
			if (numbers[n] > REPEAT_MAX)
				return fail(p, why);
		} else if (rune == '}' && any[0]) {
			*ret_least = numbers[0];
			*ret_most = n ? numbers[1] : numbers[0];
			return *ret_least <= *ret_most || fail(p, why);
		} else {
			break;
		}
	}
	return fail(p, why);
}

static bool parse_repeated(struct parser *p)
{
	size_t from = p->pattern->len;
	unsigned least = 0, most = 0;

	if (!parse_atom(p))
		return false;
	for (;;) {
		if (accept(p, '*'))
			least = 0, most = REPEAT_MAX + 1;
		else if (accept(p, '+'))
			least = 1, most = REPEAT_MAX + 1;
		else if (accept(p, '?'))
			least = 0, most = 1;
		else if (!accept(p, '{'))
			return true;
		else if (!parse_count(p, &least, &most))
			return false;
		if (!repeat(p, from, least, most))
			return false;
	}
}

static bool parse_choice(struct parser *p)
{
	size_t from = p->pattern->len;

	while (p->rest.len && peek(p) != '|' && peek(p) != ')')
		if (!parse_repeated(p))
			return false;
	if (!accept(p, '|'))
		return true;
	/* split to both; the first jumps over the second. */
	if (!insert(p, from, (struct instruction){ OP_SPLIT, (uint32_t)from + 1, (uint32_t)p->pattern->len + 2 }))
		return false;
	size_t jump = p->pattern->len;

	if (!emit(p, OP_JUMP, 0, 0) || !parse_choice(p))
		return false;
	p->pattern->program[jump].x = (uint32_t)p->pattern->len;
	return true;
}

static bool parse(struct pattern *pattern, const char *text, struct error *err)
{
	struct parser p = { .pattern = pattern, .all = str_of(text), .rest = str_of(text), .err = err };

	if (p.all.len > PATTERN_MAX)
		return error_set(err, ERR_LIMIT, "the pattern is longer than %d bytes", PATTERN_MAX);
	pattern->fold = !has_capital(p.all);
	return parse_choice(&p) && (!p.rest.len || fail(&p, "( is missing")) && emit(&p, OP_MATCH, 0, 0);
}

/* ---- classes ---- */

static bool set_has(const struct set *set, uint32_t rune)
{
	return rune_is_among(set->ranges, set->len, rune);
}

static int compare_runes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The class of a stretch: that of an earlier one that the same sets hold, else a new one. */
static uint16_t class_of_stretch(struct pattern *pattern, size_t at)
{
	for (size_t before = 0; before < at; before++) {
		size_t s = 0;

		while (s < pattern->nsets && set_has(&pattern->sets[s], pattern->starts[before]) == set_has(&pattern->sets[s], pattern->starts[at]))
			s++;
		if (s == pattern->nsets)
			return pattern->classes[before];
	}
	return (uint16_t)pattern->nclasses++;
}

static size_t stretch_of(const struct pattern *pattern, uint32_t rune)
{
	size_t low = 0, high = pattern->nstarts;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (pattern->starts[middle] <= rune)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void make_classes(struct pattern *pattern)
{
	size_t cap = 0, n = 0;

	LIST_PUSH(pattern->starts, pattern->nstarts, cap) = 0;
	for (size_t s = 0; s < pattern->nsets; s++)
		for (size_t i = 0; i < pattern->sets[s].len; i++) {
			LIST_PUSH(pattern->starts, pattern->nstarts, cap) = pattern->sets[s].ranges[i].first;
			LIST_PUSH(pattern->starts, pattern->nstarts, cap) = pattern->sets[s].ranges[i].last + 1;
		}
	qsort(pattern->starts, pattern->nstarts, sizeof *pattern->starts, compare_runes);
	for (size_t i = 0; i < pattern->nstarts; i++)
		if (!n || pattern->starts[i] != pattern->starts[n - 1])
			pattern->starts[n++] = pattern->starts[i];
	pattern->nstarts = n;
	pattern->classes = xcalloc(n, sizeof *pattern->classes);
	for (size_t i = 0; i < n; i++)
		pattern->classes[i] = class_of_stretch(pattern, i);
	for (uint32_t rune = 0; rune < 128; rune++)
		pattern->ascii[rune] = (uint8_t)pattern->classes[stretch_of(pattern, rune)];
	pattern->accepts = xcalloc(pattern->nsets * pattern->nclasses + 1, sizeof *pattern->accepts);
	for (size_t s = 0; s < pattern->nsets; s++)
		for (size_t i = 0; i < n; i++)
			pattern->accepts[s * pattern->nclasses + pattern->classes[i]] = set_has(&pattern->sets[s], pattern->starts[i]);
}

static inline size_t class_of(const struct pattern *pattern, struct str *rest)
{
	unsigned char byte = (unsigned char)*rest->p;
	uint32_t rune;

	if (byte < 128) {
		rest->p++;
		rest->len--;
		return pattern->ascii[byte];
	}
	utf8_next(rest, &rune);
	return pattern->classes[stretch_of(pattern, rune)];
}

/* ---- states ---- */

/* Adds the instruction at pc and all that it leads to without a code point. */
static void add_thread(struct pattern *pattern, uint32_t pc, bool at_begin, bool at_end)
{
	size_t depth = 0;

	pattern->stack[depth++] = pc;
	while (depth) {
		pc = pattern->stack[--depth];
		if (pattern->seen[pc] == pattern->mark)
			continue;
		pattern->seen[pc] = pattern->mark;
		const struct instruction *instruction = &pattern->program[pc];

		if (instruction->op == OP_SPLIT) {
			pattern->stack[depth++] = instruction->x;
			pattern->stack[depth++] = instruction->y;
		} else if (instruction->op == OP_JUMP) {
			pattern->stack[depth++] = instruction->x;
		} else if (instruction->op == OP_BEGIN) {
			if (at_begin)
				pattern->stack[depth++] = pc + 1;
		} else {
			pattern->list[pattern->nlist++] = pc;
			if (instruction->op == OP_END && at_end)
				pattern->stack[depth++] = pc + 1;
		}
	}
}

static void begin_list(struct pattern *pattern)
{
	pattern->mark++;
	pattern->nlist = 0;
}

static bool list_matches(const struct pattern *pattern)
{
	for (size_t i = 0; i < pattern->nlist; i++)
		if (pattern->program[pattern->list[i]].op == OP_MATCH)
			return true;
	return false;
}

static void forget_states(struct machine *machine)
{
	for (size_t i = 0; i < machine->len; i++) {
		free(machine->states[i]->threads);
		free(machine->states[i]);
	}
	machine->len = 0;
	machine->first = machine->first_inside = -1;
}

/* The state of the threads in the list. */
static int32_t find_state(struct pattern *pattern, struct machine *machine)
{
	uint32_t hash = 2166136261u;
	struct state *state;

	qsort(pattern->list, pattern->nlist, sizeof *pattern->list, compare_runes);
	for (size_t i = 0; i < pattern->nlist; i++)
		hash = (hash ^ pattern->list[i]) * 16777619u;
	for (size_t i = 0; i < machine->len; i++) {
		state = machine->states[i];
		if (state->hash == hash && state->nthreads == pattern->nlist && !memcmp(state->threads, pattern->list, pattern->nlist * sizeof *pattern->list))
			return (int32_t)i;
	}
	state = xmalloc(sizeof *state + pattern->nclasses * sizeof *state->next);
	*state = (struct state){ .nthreads = (uint32_t)pattern->nlist, .hash = hash, .matches = list_matches(pattern) };
	state->threads = xmalloc(pattern->nlist * sizeof *state->threads);
	memcpy(state->threads, pattern->list, pattern->nlist * sizeof *pattern->list);
	memset(state->next, 0xff, pattern->nclasses * sizeof *state->next);
	LIST_PUSH(machine->states, machine->len, machine->cap) = state;
	begin_list(pattern);
	for (uint32_t i = 0; i < state->nthreads; i++)
		add_thread(pattern, state->threads[i], false, true);
	state->matches_at_end = list_matches(pattern);
	return (int32_t)machine->len - 1;
}

static int32_t first_state(struct pattern *pattern, struct machine *machine, bool at_begin)
{
	int32_t *kept = at_begin ? &machine->first : &machine->first_inside;

	if (*kept < 0) {
		begin_list(pattern);
		add_thread(pattern, 0, at_begin, false);
		*kept = find_state(pattern, machine);
	}
	return *kept;
}

/* The state behind state number from and a code point of that class. May forget all other states. */
static int32_t next_state(struct pattern *pattern, struct machine *machine, int32_t from, size_t class)
{
	const struct state *state = machine->states[from];
	bool full = machine->len >= STATES_MAX;
	int32_t next;

	begin_list(pattern);
	for (uint32_t i = 0; i < state->nthreads; i++) {
		const struct instruction *instruction = &pattern->program[state->threads[i]];

		if (instruction->op == OP_SET && pattern->accepts[instruction->x * pattern->nclasses + class])
			add_thread(pattern, state->threads[i] + 1, false, false);
	}
	if (!machine->anchored)
		add_thread(pattern, 0, false, false);
	if (full)
		forget_states(machine);
	next = find_state(pattern, machine);
	if (!full)
		machine->states[from]->next[class] = next;
	return next;
}

bool pattern_matches(struct pattern *pattern, struct str text)
{
	struct machine *machine = &pattern->anywhere;
	int32_t at = first_state(pattern, machine, true);

	while (!machine->states[at]->matches && text.len) {
		size_t class = class_of(pattern, &text);
		int32_t next = machine->states[at]->next[class];

		at = next >= 0 ? next : next_state(pattern, machine, at, class);
	}
	return machine->states[at]->matches || machine->states[at]->matches_at_end;
}

/* The longest match that begins at text's first byte; 0: none. */
static size_t longest_here(struct pattern *pattern, struct str text, bool at_begin)
{
	struct machine *machine = &pattern->here;
	int32_t at = first_state(pattern, machine, at_begin);
	struct str rest = text;
	size_t longest = 0;

	while (rest.len && machine->states[at]->nthreads) {
		size_t class = class_of(pattern, &rest);
		int32_t next = machine->states[at]->next[class];

		at = next >= 0 ? next : next_state(pattern, machine, at, class);
		if (machine->states[at]->matches || (!rest.len && machine->states[at]->matches_at_end))
			longest = text.len - rest.len;
	}
	return longest;
}

bool pattern_find(struct pattern *pattern, struct str text, size_t from, struct str *ret)
{
	struct str rest = text;
	uint32_t rune;

	if (!pattern_matches(pattern, text))
		return false;
	while (rest.len && (size_t)(rest.p - text.p) < from)
		utf8_next(&rest, &rune);
	for (; rest.len; utf8_next(&rest, &rune)) {
		size_t len = longest_here(pattern, rest, rest.p == text.p);

		if (len) {
			*ret = (struct str){ rest.p, len };
			return true;
		}
	}
	return false;
}

/* ---- life ---- */

struct pattern *pattern_create(const char *text, struct error *err)
{
	AUTO(pattern) pattern = xcalloc(1, sizeof *pattern);

	if (!parse(pattern, text, err))
		return NULL;
	make_classes(pattern);
	pattern->here.anchored = true;
	pattern->here.first = pattern->here.first_inside = pattern->anywhere.first = pattern->anywhere.first_inside = -1;
	pattern->list = xcalloc(pattern->len + 1, sizeof *pattern->list);
	pattern->seen = xcalloc(pattern->len + 1, sizeof *pattern->seen);
	pattern->stack = xcalloc(pattern->len * 2 + 2, sizeof *pattern->stack);
	return GIVE(pattern);
}

void pattern_destroy(struct pattern *pattern)
{
	if (!pattern)
		return;
	forget_states(&pattern->anywhere);
	forget_states(&pattern->here);
	free(pattern->anywhere.states);
	free(pattern->here.states);
	for (size_t i = 0; i < pattern->nsets; i++)
		free(pattern->sets[i].ranges);
	free(pattern->sets);
	free(pattern->program);
	free(pattern->starts);
	free(pattern->classes);
	free(pattern->accepts);
	free(pattern->list);
	free(pattern->seen);
	free(pattern->stack);
	free(pattern);
}
