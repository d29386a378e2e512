/*
 * Writing: the block style of yaml.v3's emitter with indent 2 and no folding, written straight into the buffer.
 *
 * The emitter's odd corners are kept as three pieces of state: the column, whether only white space and indicators that
 * may be followed by an indented block ("- ", "? ", ": ") stand in the line (`indention`), and whether the last thing
 * written was white space (`whitespace`).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rune.h"
#include "base/yaml_private.h"

#define SIMPLE_KEY_BYTES 128
#define BASE64_LINE_BYTES 70

struct emitter {
	struct buf *out;
	size_t line_start; /* offset in out */
	int indent;	   /* -1 outside of everything */
	bool whitespace, indention;
	bool original; /* yaml.v3's bytes also where they do not read back */
	bool spoiled;  /* there was such a place */
};

static void put_break(struct emitter *e)
{
	buf_addc(e->out, '\n');
	e->line_start = e->out->len;
	e->indention = true;
}

static void write_indent(struct emitter *e)
{
	size_t indent = e->indent < 0 ? 0 : (size_t)e->indent, column = e->out->len - e->line_start;

	if (!e->indention || column > indent || (column == indent && !e->whitespace)) {
		put_break(e);
		column = 0;
	}
	if (column < indent)
		buf_add_repeat(e->out, ' ', indent - column);
	e->whitespace = true;
}

static void write_indicator(struct emitter *e, const char *indicator, bool need_whitespace, bool is_indention)
{
	if (need_whitespace && !e->whitespace)
		buf_addc(e->out, ' ');
	buf_adds(e->out, indicator);
	e->whitespace = false;
	e->indention = e->indention && is_indention;
}

/* ---- what a text allows ---- */

enum style { STYLE_PLAIN, STYLE_SINGLE, STYLE_DOUBLE, STYLE_LITERAL };

struct analysis {
	bool multiline, plain_allowed, single_allowed, block_allowed;
};

/* Bytes that are harmless at every place of a plain text. */
static const bool harmless[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true, ['.'] = true, ['/'] = true,
	['-'] = true,	      ['+'] = true,	    ['='] = true,	  ['$'] = true, ['('] = true, [')'] = true,
	[';'] = true,	      ['<'] = true,	    ['^'] = true,	  ['\\'] = true, ['~'] = true,
};

static bool is_break_at(struct str s, size_t i)
{
	const unsigned char *p = (const unsigned char *)s.p + i;
	size_t left = s.len - i;

	return p[0] == '\n' || p[0] == '\r' || (p[0] == 0xc2 && left > 1 && p[1] == 0x85) ||
	       (p[0] == 0xe2 && left > 2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

static size_t width_of(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The text is valid UTF-8. Characters above U+FFFF do not count as printable. */
static bool is_printable_at(struct str s, size_t i)
{
	const unsigned char *p = (const unsigned char *)s.p + i;

	if (p[0] < 0x80)
		return p[0] == '\n' || (p[0] >= 0x20 && p[0] <= 0x7e);
	if (p[0] == 0xc2)
		return p[1] >= 0xa0;
	if (p[0] == 0xef)
		return !(p[1] == 0xbb && p[2] == 0xbf) && !(p[1] == 0xbf && p[2] >= 0xbe);
	return p[0] < 0xf0;
}

static bool is_first_indicator(char c)
{
	return c && strchr("#,[]{}&*!|>'\"%@`", c) != NULL;
}

static void analyze_slowly(struct str s, struct analysis *ret)
{
	bool indicators = s.len >= 3 && (memcmp(s.p, "---", 3) == 0 || memcmp(s.p, "...", 3) == 0);
	bool breaks = false, special = false, tabs = false, break_space = false, space_break = false;
	bool after_white = true, after_space = false, after_break = false;
	bool edge_space = s.p[0] == ' ' || s.p[s.len - 1] == ' ';
	size_t w;

	for (size_t i = 0; i < s.len; i += w) {
		char c = s.p[i];

		w = width_of((unsigned char)c);
		bool before_white = i + w >= s.len || s.p[i + w] == ' ' || s.p[i + w] == '\t';

		if (i == 0)
			indicators |= is_first_indicator(c) || ((c == '?' || c == ':' || c == '-') && before_white);
		else
			indicators |= (c == ':' && before_white) || (c == '#' && after_white);
		tabs |= c == '\t';
		special |= c != '\t' && !is_printable_at(s, i);
		bool is_break = is_break_at(s, i);

		breaks |= is_break;
		break_space |= c == ' ' && after_break;
		space_break |= is_break && after_space;
		after_space = c == ' ';
		after_break = is_break;
		after_white = c == ' ' || c == '\t' || c == '\0' || is_break;
	}
	ret->multiline = breaks;
	ret->plain_allowed = !edge_space && !breaks && !tabs && !special && !indicators;
	ret->single_allowed = !break_space && !space_break && !tabs && !special;
	ret->block_allowed = s.p[s.len - 1] != ' ' && !space_break && !special;
}

static void analyze(struct str s, struct analysis *ret)
{
	size_t i = 0;

	*ret = (struct analysis){ .plain_allowed = true, .single_allowed = true, .block_allowed = s.len > 0 };
	while (i < s.len && harmless[(unsigned char)s.p[i]])
		i++;
	bool lone_dash = s.len && s.p[0] == '-' && (s.len == 1 || s.p[1] == '-');

	if (i < s.len || lone_dash || (s.len && s.p[0] == '.'))
		if (s.len)
			analyze_slowly(s, ret);
}

/* ---- words that need quotes because they would be read as something else ---- */

static bool is_old_bool(struct str s)
{
	static const char *const old[] = { "y", "Y", "yes", "Yes", "YES", "on", "On", "ON",
					   "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF" };

	if (s.len > 3 || !strchr("yYnNoO", s.p[0]))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		if (str_is(s, old[i]))
			return true;
	return false;
}

static size_t skip_digits(struct str s, size_t i, const char *also)
{
	while (i < s.len && ((s.p[i] >= '0' && s.p[i] <= '9') || (*also && s.p[i] == *also)))
		i++;
	return i;
}

/* [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)? */
static bool is_base60(struct str s)
{
	size_t i = s.p[0] == '-' || s.p[0] == '+', groups = 0;

	if (i >= s.len || s.p[i] < '0' || s.p[i] > '9')
		return false;
	for (i = skip_digits(s, i, "_"); i < s.len && s.p[i] == ':'; groups++) {
		size_t end = skip_digits(s, i + 1, "");
		size_t n = end - i - 1;

		if (n < 1 || n > 2 || (n == 2 && s.p[i + 1] > '5'))
			return false;
		i = end;
	}
	if (groups && i < s.len && s.p[i] == '.')
		i = skip_digits(s, i + 1, "_");
	return groups && i == s.len;
}

/* First characters of everything that is_old_bool(), is_base60() and yaml_resolve() know. */
static const bool suspicious[256] = {
	['0' ... '9'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['~'] = true, ['t'] = true, ['T'] = true,
	['f'] = true,	      ['F'] = true, ['n'] = true, ['N'] = true, ['y'] = true, ['Y'] = true, ['o'] = true,
	['O'] = true,
};

static bool reads_as_other(struct str s)
{
	if (!s.len)
		return true;
	if (!suspicious[(unsigned char)s.p[0]])
		return false;
	return yaml_resolve(s, NULL) != YAML_STRING || is_base60(s) || is_old_bool(s);
}

/* ---- scalars ---- */

static void write_plain(struct emitter *e, struct str s)
{
	if (!e->whitespace)
		buf_addc(e->out, ' ');
	buf_add_str(e->out, s);
	e->whitespace = e->indention = false;
}

/* Line breaks here are U+2028 and U+2029 only. */
static void write_single_quoted(struct emitter *e, struct str s)
{
	bool after_break = false;
	size_t w;

	write_indicator(e, "'", true, false);
	for (size_t i = 0; i < s.len; i += w) {
		w = width_of((unsigned char)s.p[i]);
		bool is_break = is_break_at(s, i);

		if (!is_break && s.p[i] != ' ' && after_break)
			write_indent(e);
		if (s.p[i] == '\'')
			buf_addc(e->out, '\'');
		buf_add(e->out, s.p + i, w);
		if (is_break) {
			e->line_start = e->out->len;
			e->indention = true;
		} else if (s.p[i] != ' ') {
			e->indention = false;
		}
		after_break = is_break || (after_break && s.p[i] == ' ');
	}
	write_indicator(e, "'", false, false);
}

static void write_escape(struct buf *out, uint32_t rune)
{
	static const struct {
		uint32_t rune;
		char letter;
	} names[] = {
		{ 0x00, '0' }, { 0x07, 'a' }, { 0x08, 'b' },  { 0x09, 't' }, { 0x0a, 'n' },   { 0x0b, 'v' },
		{ 0x0c, 'f' }, { 0x0d, 'r' }, { 0x1b, 'e' },  { 0x22, '"' }, { 0x5c, '\\' },  { 0x85, 'N' },
		{ 0xa0, '_' }, { 0x2028, 'L' }, { 0x2029, 'P' },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].rune != rune)
			continue;
		buf_addc(out, '\\');
		buf_addc(out, names[i].letter);
		return;
	}
	if (rune <= 0xff)
		buf_addf(out, "\\x%02X", (unsigned)rune);
	else if (rune <= 0xffff)
		buf_addf(out, "\\u%04X", (unsigned)rune);
	else
		buf_addf(out, "\\U%08X", (unsigned)rune);
}

static void write_double_quoted(struct emitter *e, struct str s)
{
	bool all = str_starts(s, STR("\xef\xbb\xbf")); /* yaml.v3 takes every character for a BOM then */

	write_indicator(e, "\"", true, false);
	for (size_t i = 0; i < s.len;) {
		size_t start = i;

		while (!all && i < s.len && s.p[i] != '"' && s.p[i] != '\\' && is_printable_at(s, i) &&
		       !is_break_at(s, i))
			i += width_of((unsigned char)s.p[i]);
		buf_add(e->out, s.p + start, i - start);
		if (i == s.len)
			break;
		struct str rest = { s.p + i, s.len - i };
		uint32_t rune;

		i += utf8_next(&rest, &rune);
		write_escape(e->out, rune);
	}
	write_indicator(e, "\"", false, false);
}

static const char *chomping(struct str s)
{
	size_t i = s.len - 1;

	while (i > 0 && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i--;
	if (!is_break_at(s, i))
		return "-";
	if (i == 0)
		return "+";
	for (i--; i > 0 && ((unsigned char)s.p[i] & 0xc0) == 0x80;)
		i--;
	return is_break_at(s, i) ? "+" : "";
}

static void write_literal(struct emitter *e, struct str s)
{
	bool starts_with_break = is_break_at(s, 0), after_break = true;

	write_indicator(e, "|", true, false);
	if (starts_with_break || s.p[0] == ' ')
		write_indicator(e, "2", false, false);
	write_indicator(e, chomping(s), false, false);
	e->whitespace = true;
	e->spoiled |= starts_with_break;
	if (starts_with_break && !e->original)
		put_break(e); /* yaml.v3 forgets it and loses one break */
	for (size_t i = 0; i < s.len;) {
		if (is_break_at(s, i)) {
			size_t w = width_of((unsigned char)s.p[i]);

			buf_add(e->out, s.p + i, w);
			e->line_start = e->out->len;
			e->indention = after_break = true;
			i += w;
			continue;
		}
		size_t start = i;

		if (after_break)
			write_indent(e);
		while (i < s.len && !is_break_at(s, i))
			i++;
		buf_add(e->out, s.p + start, i - start);
		e->indention = after_break = false;
	}
}

static void add_base64(struct buf *out, struct str s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t total = (s.len + 2) / 3 * 4, start = out->len;
	bool many = total >= BASE64_LINE_BYTES; /* sic: exactly 70 gives a line break too */
	size_t n = 0;

	for (size_t i = 0; i < s.len; i += 3) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (i + k < s.len ? (unsigned char)s.p[i + k] : 0);
		for (int k = 0; k < 4; k++) {
			buf_addc(out, i + (size_t)k > s.len ? '=' : digits[bits >> (18 - 6 * k) & 63]);
			if (++n % BASE64_LINE_BYTES == 0 && n < total && many)
				buf_addc(out, '\n');
		}
	}
	if (many && out->len > start)
		buf_addc(out, '\n');
}

struct scalar {
	struct str text;
	bool is_binary;
	bool wants_plain; /* it would be read back as what it is */
	struct analysis analysis;
};

static void prepare_string(struct str text, struct buf *scratch, struct scalar *ret)
{
	ret->text = text;
	ret->is_binary = !utf8_valid(text);
	if (ret->is_binary) {
		add_base64(scratch, text);
		ret->text = buf_str(scratch);
	}
	ret->wants_plain = ret->is_binary || !reads_as_other(text);
}

/* The text of a scalar, in scratch if it has to be made. */
static void prepare(const struct yaml_node *node, struct buf *scratch, struct scalar *ret)
{
	*ret = (struct scalar){ .wants_plain = true };
	switch ((enum yaml_kind)node->kind) {
	case YAML_STRING:
		prepare_string(node->text, scratch, ret);
		analyze(ret->text, &ret->analysis);
		return;
	case YAML_BOOL:
		ret->text = node->b ? STR("true") : STR("false");
		break;
	case YAML_INT:
		buf_addf(scratch, "%lld", (long long)node->i);
		ret->text = buf_str(scratch);
		break;
	case YAML_UINT:
		buf_addf(scratch, "%llu", (unsigned long long)node->u);
		ret->text = buf_str(scratch);
		break;
	case YAML_FLOAT:
		yaml_format_float(scratch, node->f);
		ret->text = buf_str(scratch);
		break;
	case YAML_TIMESTAMP:
		yaml_format_time(scratch, node->time);
		ret->text = buf_str(scratch);
		break;
	default:
		ret->text = STR("null");
	}
	ret->analysis = (struct analysis){ .plain_allowed = true, .single_allowed = true, .block_allowed = true };
}

static bool is_all_breaks(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != '\n')
			return false;
	return true;
}

static enum style choose_style(const struct scalar *scalar, bool simple_key)
{
	const struct analysis *a = &scalar->analysis;
	struct str s = scalar->text;

	if (s.len && memchr(s.p, '\n', s.len))
		/* No reader takes a block back whose first line starts with a tab, and few people see an empty first line. */
		return a->block_allowed && !simple_key && s.p[0] != '\t' && (s.p[0] != '\n' || is_all_breaks(s))
			       ? STYLE_LITERAL
			       : STYLE_DOUBLE;
	if (!scalar->wants_plain || (simple_key && a->multiline))
		return STYLE_DOUBLE;
	if (a->plain_allowed && s.len)
		return STYLE_PLAIN;
	return a->single_allowed ? STYLE_SINGLE : STYLE_DOUBLE;
}

static void write_scalar(struct emitter *e, const struct scalar *scalar, bool simple_key)
{
	int indent = e->indent;

	if (scalar->is_binary)
		write_indicator(e, "!!binary", true, false);
	e->indent = indent < 0 ? 2 : indent + 2;
	switch (choose_style(scalar, simple_key)) {
	case STYLE_PLAIN:
		write_plain(e, scalar->text);
		break;
	case STYLE_SINGLE:
		write_single_quoted(e, scalar->text);
		break;
	case STYLE_DOUBLE:
		write_double_quoted(e, scalar->text);
		break;
	case STYLE_LITERAL:
		write_literal(e, scalar->text);
		break;
	}
	e->indent = indent;
}

/* ---- order of keys ---- */

static bool key_number(const struct yaml_node *key, double *ret)
{
	switch ((enum yaml_kind)key->kind) {
	case YAML_BOOL:
		*ret = key->b;
		return true;
	case YAML_INT:
		*ret = (double)key->i;
		return true;
	case YAML_UINT:
		*ret = (double)key->u;
		return true;
	case YAML_FLOAT:
		*ret = key->f;
		return true;
	default:
		return false;
	}
}

/* The order of Go's reflect.Kind. */
static int kind_rank(const struct yaml_node *key)
{
	static const unsigned char ranks[] = {
		[YAML_BOOL] = 1,  [YAML_INT] = 2,    [YAML_UINT] = 3,	   [YAML_FLOAT] = 4,
		[YAML_NULL] = 5,  [YAML_STRING] = 6, [YAML_TIMESTAMP] = 7, [YAML_SEQUENCE] = 8,
		[YAML_MAPPING] = 9,
	};

	return ranks[key->kind];
}

static bool numbers_less(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->kind == YAML_INT)
		return a->i < b->i;
	if (a->kind == YAML_UINT)
		return a->u < b->u;
	return a->kind == YAML_BOOL ? a->b < b->b : a->f < b->f;
}

static uint32_t rune_at(struct str s, size_t i)
{
	struct str rest = { s.p + i, s.len - i };
	uint32_t rune = 0;

	utf8_next(&rest, &rune);
	return rune;
}

/* Start of the character that ends before i. */
static size_t rune_before(struct str s, size_t i)
{
	size_t start = i - 1;

	while (start > 0 && i - start < 4 && ((unsigned char)s.p[start] & 0xc0) == 0x80)
		start--;
	return start;
}

/* Reads the digits from i on, as Go does: wrapping around, other scripts' digits by their distance from '0'. */
static size_t read_digits(struct str s, size_t i, uint64_t start_value, int64_t *ret_value)
{
	uint64_t value = start_value;
	size_t count = 0;
	uint32_t rune;

	for (struct str rest = { s.p + i, s.len - i }; utf8_next(&rest, &rune) && rune_is_digit(rune); count++)
		value = value * 10 + (uint64_t)((int64_t)rune - '0');
	*ret_value = (int64_t)value;
	return count;
}

static bool digits_before_are_significant(struct str s, size_t i)
{
	while (i > 0) {
		size_t start = rune_before(s, i);
		uint32_t rune = rune_at(s, start);

		if (!rune_is_digit(rune))
			return false;
		if (rune != '0')
			return true;
		i = start;
	}
	return false;
}

static bool texts_less(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len, i = 0;

	while (i < n && a.p[i] == b.p[i])
		i++;
	if (i == n)
		return a.len < b.len;
	while (i > 0 && ((unsigned char)a.p[i] & 0xc0) == 0x80) /* back to the start of the character */
		i--;
	uint32_t ra = rune_at(a, i), rb = rune_at(b, i);
	bool letter_a = rune_is_letter(ra), letter_b = rune_is_letter(rb);

	if (letter_a && letter_b)
		return ra < rb;
	if (letter_a || letter_b) {
		bool after_digit = i > 0 && rune_is_digit(rune_at(a, rune_before(a, i)));

		return after_digit ? letter_a : letter_b;
	}
	int64_t number_a, number_b;
	uint64_t start = (ra == '0' || rb == '0') && digits_before_are_significant(a, i);
	size_t count_a = read_digits(a, i, start, &number_a), count_b = read_digits(b, i, start, &number_b);

	if (number_a != number_b)
		return number_a < number_b;
	return count_a != count_b ? count_a < count_b : ra < rb;
}

static bool key_less(const struct yaml_node *a, const struct yaml_node *b)
{
	double x, y;

	if (a->kind == YAML_STRING && b->kind == YAML_STRING)
		return texts_less(a->text, b->text);
	if (!key_number(a, &x) || !key_number(b, &y))
		return kind_rank(a) < kind_rank(b);
	if (x != y)
		return x < y;
	return a->kind != b->kind ? kind_rank(a) < kind_rank(b) : numbers_less(a, b);
}

#define FEW_PAIRS 24

static void insertion_sort(struct yaml_pair *pairs, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct yaml_pair pair = pairs[i];
		size_t at = i;

		for (; at > 0 && key_less(pair.key, pairs[at - 1].key); at--)
			pairs[at] = pairs[at - 1];
		pairs[at] = pair;
	}
}

static void merge_sort(struct yaml_pair *pairs, size_t n, struct yaml_pair *room)
{
	if (n <= FEW_PAIRS) {
		insertion_sort(pairs, n);
		return;
	}
	size_t half = n / 2, i = 0, k = half;

	merge_sort(pairs, half, room);
	merge_sort(pairs + half, n - half, room);
	if (!key_less(pairs[half].key, pairs[half - 1].key))
		return;
	for (size_t at = 0; at < n; at++)
		room[at] = i < half && (k == n || !key_less(pairs[k].key, pairs[i].key)) ? pairs[i++] : pairs[k++];
	memcpy(pairs, room, n * sizeof *pairs);
}

static void sort_pairs(struct yaml_node *map)
{
	if (map->map.n <= FEW_PAIRS) {
		insertion_sort(map->map.pairs, map->map.n);
		return;
	}
	AUTO_FREE struct yaml_pair *room = xreallocarray(NULL, map->map.n, sizeof *room);

	merge_sort(map->map.pairs, map->map.n, room);
}

/* ---- nodes ---- */

static void emit_node(struct emitter *e, struct yaml_node *node);

static void emit_scalar(struct emitter *e, const struct yaml_node *node)
{
	struct scalar scalar;
	AUTO_RELEASE(buf) scratch = BUF_INIT(0);

	prepare(node, &scratch, &scalar);
	write_scalar(e, &scalar, false);
}

/* Gives whether it was a simple key, behind which the colon follows at once. */
static bool emit_key(struct emitter *e, struct yaml_node *key)
{
	struct scalar scalar;
	AUTO_RELEASE(buf) scratch = BUF_INIT(0);

	if (key->kind >= YAML_SEQUENCE) { /* does not happen in generic documents */
		write_indicator(e, "?", true, true);
		emit_node(e, key);
		return false;
	}
	prepare(key, &scratch, &scalar);
	if (str_is(scalar.text, "<<") && key->kind == YAML_STRING && !(key->marks & YAML_MARK_MERGE)) {
		e->spoiled = true;
		scalar.wants_plain = e->original; /* a plain one would merge when read again */
	}
	bool simple = !scalar.analysis.multiline &&
		      scalar.text.len + (scalar.is_binary ? sizeof "!!binary" - 1 : 0) <= SIMPLE_KEY_BYTES;

	if (!simple)
		write_indicator(e, "?", true, true);
	write_scalar(e, &scalar, simple);
	return simple;
}

static void emit_pair(struct emitter *e, const struct yaml_pair *pair)
{
	write_indent(e);
	if (emit_key(e, pair->key)) {
		write_indicator(e, ":", false, false);
	} else {
		write_indent(e);
		write_indicator(e, ":", true, true);
	}
	if (pair->key->kind == YAML_FLOAT && isnan(pair->key->f)) /* Go cannot find the value of such a key again */
		write_plain(e, STR("null"));
	else
		emit_node(e, pair->value);
}

static void emit_node(struct emitter *e, struct yaml_node *node)
{
	int indent = e->indent;

	if (node->kind < YAML_SEQUENCE) {
		emit_scalar(e, node);
		return;
	}
	if (node->kind == YAML_SEQUENCE ? !node->seq.n : !node->map.n) {
		write_indicator(e, node->kind == YAML_SEQUENCE ? "[]" : "{}", true, false);
		return;
	}
	e->indent = indent < 0 ? 0 : indent + 2;
	if (node->kind == YAML_MAPPING) {
		sort_pairs(node);
		for (uint32_t i = 0; i < node->map.n; i++)
			emit_pair(e, &node->map.pairs[i]);
	} else {
		for (uint32_t i = 0; i < node->seq.n; i++) {
			write_indent(e);
			write_indicator(e, "-", true, true);
			emit_node(e, node->seq.items[i]);
		}
	}
	e->indent = indent;
}

static void emit_document(struct emitter *e, struct yaml_node *root, bool first)
{
	if (!first) {
		write_indicator(e, "---", true, false);
		write_indent(e);
	}
	emit_node(e, root);
	write_indent(e);
}

void yaml_emit_document(struct buf *out, struct yaml_node *root, bool first)
{
	struct emitter e = { .out = out, .line_start = out->len, .indent = -1, .whitespace = true, .indention = true };

	emit_document(&e, root, first);
}

bool yaml_emit_document_as_original(struct buf *out, struct yaml_node *root, bool first)
{
	struct emitter e = { .out = out, .line_start = out->len, .indent = -1, .whitespace = true, .indention = true,
			     .original = true };

	emit_document(&e, root, first);
	return !e.spoiled;
}

/* ---- JSON ---- */

static bool fail_json(struct error *err, const struct yaml_node *node, const char *what)
{
	return error_set(err, ERR_INVALID, "line %u, column %u: %s", node->line, node->column, what);
}

static bool add_json(const struct yaml_node *node, struct buf *out, struct error *err);

static bool add_json_text(const struct yaml_node *node, struct buf *out, struct error *err)
{
	if (!utf8_valid(node->text))
		return fail_json(err, node, "the text is not UTF-8, which JSON cannot hold");
	json_write_string(out, node->text);
	return true;
}

static bool add_json_key(const struct yaml_node *key, struct buf *out, struct error *err)
{
	AUTO_RELEASE(buf) scratch = BUF_INIT(0);
	struct scalar scalar;

	if (key->kind == YAML_STRING)
		return add_json_text(key, out, err);
	if (key->kind >= YAML_SEQUENCE)
		return fail_json(err, key, "a key must be a scalar");
	prepare(key, &scratch, &scalar);
	json_write_string(out, scalar.text);
	return true;
}

static bool add_json_float(const struct yaml_node *node, struct buf *out, struct error *err)
{
	if (!isfinite(node->f))
		return fail_json(err, node, "JSON has no infinity and no NaN");
	yaml_format_float_as(out, node->f, -6, 21);
	return true;
}

static bool add_json_collection(const struct yaml_node *node, struct buf *out, struct error *err)
{
	bool is_map = node->kind == YAML_MAPPING;
	uint32_t n = is_map ? node->map.n : node->seq.n;

	buf_addc(out, is_map ? '{' : '[');
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		if (is_map) {
			if (!add_json_key(node->map.pairs[i].key, out, err))
				return false;
			buf_addc(out, ':');
		}
		if (!add_json(is_map ? node->map.pairs[i].value : node->seq.items[i], out, err))
			return false;
	}
	buf_addc(out, is_map ? '}' : ']');
	return true;
}

static bool add_json(const struct yaml_node *node, struct buf *out, struct error *err)
{
	switch ((enum yaml_kind)node->kind) {
	case YAML_NULL:
		buf_adds(out, "null");
		return true;
	case YAML_BOOL:
		buf_adds(out, node->b ? "true" : "false");
		return true;
	case YAML_INT:
		buf_addf(out, "%lld", (long long)node->i);
		return true;
	case YAML_UINT:
		buf_addf(out, "%llu", (unsigned long long)node->u);
		return true;
	case YAML_FLOAT:
		return add_json_float(node, out, err);
	case YAML_STRING:
		return add_json_text(node, out, err);
	case YAML_TIMESTAMP:
		buf_addc(out, '"');
		yaml_format_time(out, node->time);
		buf_addc(out, '"');
		return true;
	default:
		return add_json_collection(node, out, err);
	}
}

bool yaml_to_json(const struct yaml_node *node, struct buf *out, struct error *err)
{
	return add_json(node, out, err);
}
