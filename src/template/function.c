/*
 * The functions of text/template and those that codexctl adds. To add one: a C function and a row.
 *
 * Go's own follow text/template's funcs.go as documented; codexctl's follow templates.md 4, whose argument orders
 * differ from those of the Sprig library on purpose.
 */
#include "template/function.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "template/format.h"
#include "template/literal.h"
#include "template/node.h"
#include "template/unicode.h"

/* What one function may make. */
#define RESULT_BYTES_MAX (16u << 20)

const struct value_type function_any_value = { .kind = VALUE_INVALID, .name = "reflect.Value" };

#define FUNCTION(name)                                                                                                 \
	static bool name(struct exec *exec __attribute__((unused)), const struct value *args __attribute__((unused)),  \
			 size_t n __attribute__((unused)), struct value *ret)

/* What an interface holds, the fact that it was in one forgotten. */
static struct value unboxed(struct value v)
{
	if (value_kind(v) == VALUE_INTERFACE)
		return value_none();
	v.boxed = false;
	return v;
}

/* Follows pointers and interfaces; true if there is a nil at the end. */
static bool leads_to_nil(struct value *v)
{
	for (;;) {
		v->boxed = false;
		if (value_kind(*v) == VALUE_INTERFACE)
			return true;
		if (value_kind(*v) != VALUE_POINTER)
			return false;
		if (!v->target)
			return true;
		*v = *v->target;
	}
}

static bool finish(struct exec *exec, struct buf *text, struct value *ret)
{
	if (text->overflow)
		return exec_fail(exec, "more than %u bytes", RESULT_BYTES_MAX);
	*ret = exec_string(exec, text);
	return true;
}

/* Printing */

FUNCTION(go_print)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	format_print(&text, args, n);
	return finish(exec, &text, ret);
}

FUNCTION(go_println)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	format_println(&text, args, n);
	return finish(exec, &text, ret);
}

/* True if the result has a mark of a mistake that none of the texts given had. */
static bool makes_mistake(struct str text, const struct value *args, size_t n)
{
	if (str_find(text, STR("%!")) < 0)
		return false;
	for (size_t i = 1; i < n; i++)
		if (value_kind(args[i]) == VALUE_STRING && str_find(args[i].string, STR("%!")) >= 0)
			return false;
	return true;
}

FUNCTION(go_printf)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	format_printf(&text, args[0].string, args + 1, n - 1);
	if (makes_mistake(buf_str(&text), args, n))
		exec_note_mistake(exec);
	return finish(exec, &text, ret);
}

/* The arguments of html, js and urlquery as one text: as Sprint would, but pointers are followed. */
static void print_followed(const struct value *args, size_t n, struct buf *out)
{
	AUTO_FREE struct value *shown = xmalloc((n ? n : 1) * sizeof *shown);

	for (size_t i = 0; i < n; i++) {
		shown[i] = unboxed(args[i]);
		if (!shown[i].type)
			shown[i] = value_text("<no value>");
		else if (!shown[i].type->methods)
			leads_to_nil(&shown[i]);
	}
	format_print(out, shown, n);
}

FUNCTION(go_html)
{
	static const char *const escapes[128] = {
		['"'] = "&#34;", ['\''] = "&#39;", ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", [0] = "\xef\xbf\xbd"
	};
	AUTO_RELEASE(buf) plain = BUF_INIT(RESULT_BYTES_MAX);
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	print_followed(args, n, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		unsigned char c = (unsigned char)plain.p[i];

		if (c < 128 && escapes[c])
			buf_adds(&text, escapes[c]);
		else
			buf_addc(&text, (char)c);
	}
	return finish(exec, &text, ret);
}

static void js_ascii(struct buf *text, unsigned char c)
{
	if (c == '\\' || c == '\'' || c == '"') {
		buf_addc(text, '\\');
		buf_addc(text, (char)c);
	} else if (c < ' ' || strchr("<>&=", c)) {
		buf_addf(text, "\\u%04X", c);
	} else {
		buf_addc(text, (char)c);
	}
}

FUNCTION(go_js)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(RESULT_BYTES_MAX);
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);
	struct str rest;
	uint32_t rune;
	size_t width;

	print_followed(args, n, &plain);
	rest = buf_str(&plain);
	for (const char *at = rest.p; (width = utf8_next(&rest, &rune)); at = rest.p) {
		if (rune < 0x80)
			js_ascii(&text, (unsigned char)rune);
		else if (unicode_is_printable(rune))
			buf_add(&text, at, width);
		else
			buf_addf(&text, "\\u%04X", rune);
	}
	return finish(exec, &text, ret);
}

FUNCTION(go_urlquery)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(RESULT_BYTES_MAX);
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	print_followed(args, n, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		unsigned char c = (unsigned char)plain.p[i];

		if (c < 0x80 && ((unicode_is_word(c) || strchr("-.~", c)) && c))
			buf_addc(&text, (char)c);
		else if (c == ' ')
			buf_addc(&text, '+');
		else
			buf_addf(&text, "%%%02X", c);
	}
	return finish(exec, &text, ret);
}

/* Collections */

static bool index_argument(struct exec *exec, struct value index, size_t limit, size_t *ret)
{
	int64_t x;

	if (!index.type)
		return exec_fail(exec, "cannot index slice/array with nil");
	switch (index.boxed ? VALUE_INTERFACE : index.type->kind) {
	case VALUE_INT:
	case VALUE_INT64:
	case VALUE_UINT8:
	case VALUE_UINT:
		x = index.integer;
		break;
	default:
		return exec_fail(exec, "cannot index slice/array with type %s", format_static_type(index));
	}
	if (x < 0 || (uint64_t)x > limit)
		return exec_fail(exec, "index out of range: %lld", (long long)x);
	*ret = (size_t)x;
	return true;
}

static bool index_list(struct exec *exec, struct value index, struct value *item)
{
	bool is_string = item->type->kind == VALUE_STRING;
	size_t len = is_string ? item->string.len : item->list.len, at = 0;

	if (!index_argument(exec, index, len, &at))
		return false;
	if (at == len)
		return exec_fail(exec, "reflect: %s index out of range", is_string ? "string" : "slice");
	if (is_string)
		*item = (struct value){ .type = &value_type_uint8, .uinteger = (unsigned char)item->string.p[at] };
	else
		*item = item->list.items[at];
	return true;
}

static bool index_map(struct exec *exec, struct value index, struct value *item)
{
	const struct value *found;

	if (!index.type)
		return exec_fail(exec, "value is nil; should be of type string");
	if (strcmp(index.type->name, "string") != 0)
		return exec_fail(exec, "value has type %s; should be string", index.type->name);
	found = value_map_get(item->map, index.string);
	*item = found ? *found : value_zero(item->type->elem);
	return true;
}

FUNCTION(go_index)
{
	struct value item = unboxed(args[0]);

	if (!item.type)
		return exec_fail(exec, "index of untyped nil");
	for (size_t i = 1; i < n; i++) {
		struct value index = unboxed(args[i]);

		if (leads_to_nil(&item))
			return exec_fail(exec, "index of nil pointer");
		switch (item.type->kind) {
		case VALUE_STRING:
		case VALUE_SLICE:
			if (!index_list(exec, index, &item))
				return false;
			break;
		case VALUE_MAP:
			if (!index_map(exec, index, &item))
				return false;
			break;
		default:
			return exec_fail(exec, "can't index item of type %s", item.type->name);
		}
	}
	*ret = item;
	return true;
}

static bool slice_bounds(struct exec *exec, struct value item, const struct value *indexes, size_t n, size_t at[3])
{
	bool is_string = item.type->kind == VALUE_STRING;
	size_t cap = is_string ? item.string.len : item.list.cap;

	if (is_string && n == 3)
		return exec_fail(exec, "cannot 3-index slice a string");
	at[0] = 0;
	at[1] = is_string ? item.string.len : item.list.len;
	at[2] = cap;
	for (size_t i = 0; i < n; i++)
		if (!index_argument(exec, indexes[i], cap, &at[i]))
			return false;
	if (at[0] > at[1])
		return exec_fail(exec, "invalid slice index: %zu > %zu", at[0], at[1]);
	if (at[1] > at[2])
		return exec_fail(exec, "invalid slice index: %zu > %zu", at[1], at[2]);
	return true;
}

FUNCTION(go_slice)
{
	struct value item = unboxed(args[0]);
	size_t at[3];

	if (!item.type)
		return exec_fail(exec, "slice of untyped nil");
	if (leads_to_nil(&item))
		return exec_fail(exec, "slice of nil pointer");
	if (n > 4)
		return exec_fail(exec, "too many slice indexes: %zu", n - 1);
	if (item.type->kind != VALUE_STRING && item.type->kind != VALUE_SLICE)
		return exec_fail(exec, "can't slice item of type %s", item.type->name);
	if (!slice_bounds(exec, item, args + 1, n - 1, at))
		return false;
	*ret = item;
	if (item.type->kind == VALUE_STRING) {
		ret->string = (struct str){ item.string.p + at[0], at[1] - at[0] };
	} else {
		ret->list.items = item.list.items ? item.list.items + at[0] : NULL;
		ret->list.len = (uint32_t)(at[1] - at[0]);
		ret->list.cap = (uint32_t)(at[2] - at[0]);
	}
	return true;
}

FUNCTION(go_len)
{
	struct value item = args[0];

	if (!item.type)
		return exec_fail(exec, "reflect: call of reflect.Value.Type on zero Value");
	if (leads_to_nil(&item))
		return exec_fail(exec, "len of nil pointer");
	switch (item.type->kind) {
	case VALUE_STRING:
		*ret = value_int((int64_t)item.string.len);
		return true;
	case VALUE_SLICE:
		*ret = value_int(item.list.len);
		return true;
	case VALUE_MAP:
		*ret = value_int((int64_t)value_map_len(item.map));
		return true;
	default:
		return exec_fail(exec, "len of type %s", item.type->name);
	}
}

/* No value that a template can reach is a function. */
FUNCTION(go_call)
{
	struct value callee = unboxed(args[0]);
	AUTO_RELEASE(buf) name = BUF_INIT(0);

	(void)ret;
	if (!callee.type)
		return exec_fail(exec, "call of nil");
	buf_add_str(&name, exec_callee(exec));
	template_show_nul(&name);
	return exec_fail(exec, "non-function %s of type %s", buf_cstr(&name), callee.type->name);
}

/* Logic and comparison */

FUNCTION(go_not)
{
	*ret = value_bool(!value_is_true(args[0]));
	return true;
}

enum basic { BASIC_NONE, BASIC_BOOL, BASIC_COMPLEX, BASIC_INT, BASIC_FLOAT, BASIC_STRING, BASIC_UINT };

static enum basic basic_kind(struct value v)
{
	switch (value_kind(v)) {
	case VALUE_BOOL:
		return BASIC_BOOL;
	case VALUE_INT:
	case VALUE_INT64:
		return BASIC_INT;
	case VALUE_UINT8:
	case VALUE_UINT:
		return BASIC_UINT;
	case VALUE_FLOAT64:
		return BASIC_FLOAT;
	case VALUE_COMPLEX128:
		return BASIC_COMPLEX;
	case VALUE_STRING:
		return BASIC_STRING;
	default:
		return BASIC_NONE;
	}
}

/* Of basic kinds that differ only integers compare, whatever their sign. */
static bool compares_as_integers(enum basic a, enum basic b)
{
	return (a == BASIC_INT && b == BASIC_UINT) || (a == BASIC_UINT && b == BASIC_INT);
}

static int integer_order(struct value a, enum basic ka, struct value b, enum basic kb)
{
	if (ka == BASIC_INT && a.integer < 0 && (kb == BASIC_UINT || b.integer >= 0))
		return -1;
	if (kb == BASIC_INT && b.integer < 0 && (ka == BASIC_UINT || a.integer >= 0))
		return 1;
	return (a.uinteger > b.uinteger) - (a.uinteger < b.uinteger);
}

static bool incompatible(struct exec *exec, struct value a, struct value b)
{
	return exec_fail(exec, "incompatible types for comparison: %s and %s", a.type->name, b.type->name);
}

static bool is_nil(struct value v)
{
	switch (value_kind(v)) {
	case VALUE_INVALID:
	case VALUE_INTERFACE:
		return true;
	case VALUE_MAP:
		return !v.map;
	case VALUE_POINTER:
		return !v.target;
	case VALUE_SLICE:
		return !v.list.items;
	default:
		return false;
	}
}

static bool is_comparable(const struct value_type *type)
{
	if (type->kind == VALUE_SLICE || type->kind == VALUE_MAP)
		return false;
	for (size_t i = 0; i < type->nfields; i++)
		if (!is_comparable(type->fields[i].type))
			return false;
	return true;
}

static struct value field_at(struct value v, size_t i)
{
	return v.fields ? v.fields[i] : value_zero(v.type->fields[i].type);
}

/* Go's == of two values as interfaces; comparable types only. */
static bool are_same(struct value a, struct value b)
{
	if (!a.type || !b.type)
		return a.type == b.type;
	if (a.type != b.type && strcmp(a.type->name, b.type->name) != 0)
		return false;
	switch (a.type->kind) {
	case VALUE_BOOL:
		return a.boolean == b.boolean;
	case VALUE_INT:
	case VALUE_INT64:
	case VALUE_UINT8:
	case VALUE_UINT:
		return a.integer == b.integer;
	case VALUE_FLOAT64:
		return a.real == b.real;
	case VALUE_COMPLEX128:
		return a.complex == b.complex;
	case VALUE_STRING:
		return str_eq(a.string, b.string);
	case VALUE_POINTER:
		return a.target == b.target;
	case VALUE_STRUCT:
		if (a.type == &value_type_time)
			return a.time.seconds == b.time.seconds && a.time.nanoseconds == b.time.nanoseconds;
		for (size_t i = 0; i < a.type->nfields; i++)
			if (!are_same(field_at(a, i), field_at(b, i)))
				return false;
		return true;
	default:
		return true; /* the nil interface */
	}
}

/* Values of no basic kind: nil against nil, pointers, structs. */
static bool others_equal(struct exec *exec, struct value a, struct value b, bool *ret)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	if (value_kind(a) != value_kind(b) && a.type && b.type) {
		format_verb(&text, a, 's');
		buf_addf(&text, ": %s, %s: ", a.type->name, b.type->name);
		format_verb(&text, b, 'v');
		return exec_fail(exec, "non-comparable types %s", buf_cstr(&text));
	}
	if (is_nil(a) || is_nil(b)) {
		*ret = is_nil(a) == is_nil(b);
		return true;
	}
	if (!is_comparable(b.type)) {
		format_verb(&text, b, 's');
		return exec_fail(exec, "non-comparable type %s: %s", buf_cstr(&text), b.type->name);
	}
	*ret = are_same(a, b);
	return true;
}

static bool values_equal(struct exec *exec, struct value a, struct value b, bool *ret)
{
	enum basic ka = basic_kind(a), kb = basic_kind(b);

	*ret = false;
	if (compares_as_integers(ka, kb)) {
		*ret = integer_order(a, ka, b, kb) == 0;
		return true;
	}
	if (ka != kb)
		return !a.type || !b.type || incompatible(exec, a, b);
	switch (ka) {
	case BASIC_BOOL:
		*ret = a.boolean == b.boolean;
		return true;
	case BASIC_COMPLEX:
		*ret = a.complex == b.complex;
		return true;
	case BASIC_FLOAT:
		*ret = a.real == b.real;
		return true;
	case BASIC_INT:
	case BASIC_UINT:
		*ret = a.uinteger == b.uinteger;
		return true;
	case BASIC_STRING:
		*ret = str_eq(a.string, b.string);
		return true;
	default:
		return others_equal(exec, a, b, ret);
	}
}

static bool any_equals(struct exec *exec, const struct value *args, size_t n, bool *ret)
{
	struct value first = unboxed(args[0]);

	if (n < 2)
		return exec_fail(exec, "missing argument for comparison");
	*ret = false;
	for (size_t i = 1; i < n && !*ret; i++)
		if (!values_equal(exec, first, unboxed(args[i]), ret))
			return false;
	return true;
}

FUNCTION(go_eq)
{
	bool equal;

	if (!any_equals(exec, args, n, &equal))
		return false;
	*ret = value_bool(equal);
	return true;
}

FUNCTION(go_ne)
{
	bool equal;

	if (!any_equals(exec, args, n, &equal))
		return false;
	*ret = value_bool(!equal);
	return true;
}

static bool is_less(struct exec *exec, const struct value *args, bool *ret)
{
	struct value a = unboxed(args[0]), b = unboxed(args[1]);
	enum basic ka = basic_kind(a), kb = basic_kind(b);

	if (!ka || !kb)
		return exec_fail(exec, "invalid type for comparison");
	if (ka != kb && !compares_as_integers(ka, kb))
		return incompatible(exec, a, b);
	switch (ka) {
	case BASIC_INT:
	case BASIC_UINT:
		*ret = integer_order(a, ka, b, kb) < 0;
		return true;
	case BASIC_FLOAT:
		*ret = a.real < b.real;
		return true;
	case BASIC_STRING:
		*ret = str_cmp(a.string, b.string) < 0;
		return true;
	default:
		return exec_fail(exec, "invalid type for comparison");
	}
}

/* a <= b is a < b or a == b; the others are their opposites, so that NaN behaves as in Go. */
static bool is_less_or_equal(struct exec *exec, const struct value *args, bool *ret)
{
	return is_less(exec, args, ret) && (*ret || any_equals(exec, args, 2, ret));
}

FUNCTION(go_lt)
{
	bool is;

	if (!is_less(exec, args, &is))
		return false;
	*ret = value_bool(is);
	return true;
}

FUNCTION(go_le)
{
	bool is;

	if (!is_less_or_equal(exec, args, &is))
		return false;
	*ret = value_bool(is);
	return true;
}

FUNCTION(go_gt)
{
	bool is;

	if (!is_less_or_equal(exec, args, &is))
		return false;
	*ret = value_bool(!is);
	return true;
}

FUNCTION(go_ge)
{
	bool is;

	if (!is_less(exec, args, &is))
		return false;
	*ret = value_bool(!is);
	return true;
}

/* codexctl's */

FUNCTION(project_default)
{
	*ret = str_trim_unicode(args[0].string).len ? args[0] : args[1];
	return true;
}

static void add_lower(struct buf *out, struct str s)
{
	uint32_t rune;

	while (utf8_next(&s, &rune))
		buf_add_rune(out, unicode_to_lower(rune));
}

FUNCTION(project_to_lower)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	add_lower(&text, args[0].string);
	return finish(exec, &text, ret);
}

FUNCTION(project_slug)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	add_lower(&text, str_trim_unicode(args[0].string));
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == ' ' || text.p[i] == '_')
			text.p[i] = '-';
	return finish(exec, &text, ret);
}

FUNCTION(project_trunc_sha)
{
	*ret = args[0];
	if (ret->string.len > 12)
		ret->string.len = 12;
	return true;
}

FUNCTION(project_env_or)
{
	struct value env = exec_options(exec)->env_map;
	const struct value *found = value_kind(env) == VALUE_MAP ? value_map_get(env.map, args[0].string) : NULL;

	*ret = found && value_kind(*found) == VALUE_STRING && found->string.len ? *found : args[1];
	ret->boxed = false;
	return true;
}

FUNCTION(project_ternary)
{
	*ret = args[0].boolean ? args[1] : args[2];
	return true;
}

FUNCTION(project_now)
{
	struct timespec now;

	*ret = exec_options(exec)->now;
	if (!ret->type) {
		clock_gettime(CLOCK_REALTIME, &now);
		*ret = value_time(now.tv_sec, (int32_t)now.tv_nsec);
	}
	return true;
}

FUNCTION(project_join)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	for (uint32_t i = 0; i < args[0].list.len; i++) {
		if (i)
			buf_add_str(&text, args[1].string);
		buf_add_str(&text, args[0].list.items[i].string);
	}
	return finish(exec, &text, ret);
}

FUNCTION(project_indent)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);
	struct str rest = args[1].string, line;
	int64_t spaces = args[0].integer;

	if (!rest.len) {
		*ret = args[1];
		return true;
	}
	if (spaces < 0)
		return exec_fail(exec, "strings: negative Repeat count");
	if (spaces > RESULT_BYTES_MAX)
		spaces = RESULT_BYTES_MAX + 1; /* overflows */
	while (rest.len && rest.p[rest.len - 1] == '\n')
		rest.len--;
	while (!text.overflow) {
		bool more = str_cut(&rest, '\n', &line);

		buf_add_repeat(&text, ' ', (size_t)spaces);
		buf_add_str(&text, more ? line : rest);
		if (!more)
			break;
		buf_addc(&text, '\n');
	}
	return finish(exec, &text, ret);
}

FUNCTION(project_trim_prefix)
{
	struct str prefix = args[1].string;

	*ret = args[0];
	if (str_starts(ret->string, prefix))
		ret->string = (struct str){ ret->string.p + prefix.len, ret->string.len - prefix.len };
	return true;
}

FUNCTION(tool_quote)
{
	AUTO_RELEASE(buf) text = BUF_INIT(RESULT_BYTES_MAX);

	literal_quote(&text, args[0].string, false);
	return finish(exec, &text, ret);
}

/* The table */

#define STRING &value_type_string
#define ANY    &value_type_any
#define VALUE  &function_any_value
#define TAKES(...)                                                                                                     \
	.parameters = { __VA_ARGS__ },                                                                                 \
	.nparameters = sizeof((const struct value_type *[]){ __VA_ARGS__ }) / sizeof(void *)

static const struct function functions[] = {
	{ "and", .short_circuits = true, .stops_on = false, .variadic = true, TAKES(VALUE, VALUE) },
	{ "call", .call = go_call, .variadic = true, TAKES(VALUE, VALUE) },
	{ "eq", .call = go_eq, .variadic = true, TAKES(VALUE, VALUE) },
	{ "ge", .call = go_ge, TAKES(VALUE, VALUE) },
	{ "gt", .call = go_gt, TAKES(VALUE, VALUE) },
	{ "html", .call = go_html, .variadic = true, TAKES(ANY) },
	{ "index", .call = go_index, .variadic = true, TAKES(VALUE, VALUE) },
	{ "js", .call = go_js, .variadic = true, TAKES(ANY) },
	{ "le", .call = go_le, TAKES(VALUE, VALUE) },
	{ "len", .call = go_len, TAKES(VALUE) },
	{ "lt", .call = go_lt, TAKES(VALUE, VALUE) },
	{ "ne", .call = go_ne, TAKES(VALUE, VALUE) },
	{ "not", .call = go_not, TAKES(VALUE) },
	{ "or", .short_circuits = true, .stops_on = true, .variadic = true, TAKES(VALUE, VALUE) },
	{ "print", .call = go_print, .variadic = true, TAKES(ANY) },
	{ "printf", .call = go_printf, .variadic = true, TAKES(STRING, ANY) },
	{ "println", .call = go_println, .variadic = true, TAKES(ANY) },
	{ "slice", .call = go_slice, .variadic = true, TAKES(VALUE, VALUE) },
	{ "urlquery", .call = go_urlquery, .variadic = true, TAKES(ANY) },

	{ "default", .call = project_default, .set = FUNCTION_PROJECT, TAKES(STRING, STRING) },
	{ "envOr", .call = project_env_or, .set = FUNCTION_PROJECT, TAKES(STRING, STRING) },
	{ "indent", .call = project_indent, .set = FUNCTION_PROJECT, TAKES(&value_type_int, STRING) },
	{ "join", .call = project_join, .set = FUNCTION_PROJECT, TAKES(&value_type_strings, STRING) },
	{ "now", .call = project_now, .set = FUNCTION_PROJECT },
	{ "slug", .call = project_slug, .set = FUNCTION_PROJECT, TAKES(STRING) },
	{ "ternary", .call = project_ternary, .set = FUNCTION_PROJECT, .gives_any = true,
	  TAKES(&value_type_bool, ANY, ANY) },
	{ "toLower", .call = project_to_lower, .set = FUNCTION_PROJECT, TAKES(STRING) },
	{ "trimPrefix", .call = project_trim_prefix, .set = FUNCTION_PROJECT, TAKES(STRING, STRING) },
	{ "truncSHA", .call = project_trunc_sha, .set = FUNCTION_PROJECT, TAKES(STRING) },

	{ "quote", .call = tool_quote, .set = FUNCTION_TOOL, TAKES(STRING) },
};

const struct function *function_find(struct str name, enum template_functions wanted)
{
	static const bool sets[][3] = {
		[TEMPLATE_FUNCTIONS_PROJECT] = { [FUNCTION_GO] = true, [FUNCTION_PROJECT] = true },
		[TEMPLATE_FUNCTIONS_TOOL] = { [FUNCTION_GO] = true, [FUNCTION_PROJECT] = true, [FUNCTION_TOOL] = true },
		[TEMPLATE_FUNCTIONS_GO] = { [FUNCTION_GO] = true },
	};

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (str_is(name, functions[i].name) && sets[wanted][functions[i].set])
			return &functions[i];
	return NULL;
}

const struct function *function_find_method(const struct value_type *type, struct str name)
{
	for (const struct value_method *m = type->methods; m && m->function.name; m++)
		if (str_is(name, m->function.name))
			return &m->function;
	return NULL;
}
