#include "template/format.h"

#include <string.h>

#include "template/literal.h"
#include "template/moment.h"
#include "template/unicode.h"

#define NUMBER_MAX 1000000 /* widths and precisions beyond are no numbers */

struct flags {
	bool has_width, has_precision, minus, plus, sharp, space, zero;
	bool plus_v, sharp_v; /* %+v and %#v: formats of their own rather than flags */
};

struct printer {
	struct buf *out;
	struct flags flags;
	int width, precision;
	bool erroring; /* printing the operand of a bad verb: methods are not called, so that this ends */
	bool reordered, good_argument;
	struct value current; /* what bad_verb() shows */
};

static void print_value(struct printer *p, struct value v, uint32_t verb, int depth);

static const struct value_type uint64_type = { .kind = VALUE_UINT, .name = "uint64" };
static const struct value_type location_type = { .kind = VALUE_STRUCT, .name = "time.Location" };
static const struct value_type location_pointer = VALUE_TYPE_POINTER("*time.Location", &location_type);

const char *format_static_type(struct value v)
{
	return v.boxed ? value_type_any.name : v.type->name;
}

static bool is_nil_argument(struct value v)
{
	return !v.type || v.type->kind == VALUE_INTERFACE;
}

/* Padding */

static void pad(struct printer *p, long count)
{
	if (count > 0)
		buf_add_repeat(p->out, p->flags.zero && !p->flags.minus ? '0' : ' ', (size_t)count);
}

static long count_runes(struct str s)
{
	uint32_t rune;
	long n = 0;

	while (utf8_next(&s, &rune))
		n++;
	return n;
}

static void add_padded(struct printer *p, struct str s)
{
	long missing = p->flags.has_width && p->width ? p->width - count_runes(s) : 0;

	if (!p->flags.minus)
		pad(p, missing);
	buf_add_str(p->out, s);
	if (p->flags.minus)
		pad(p, missing);
}

/* For numbers, whose zeros were put behind the sign already. */
static void add_space_padded(struct printer *p, struct str s)
{
	bool zero = p->flags.zero;

	p->flags.zero = false;
	add_padded(p, s);
	p->flags.zero = zero;
}

static struct str truncated(const struct printer *p, struct str s)
{
	struct str rest = s;
	uint32_t rune;

	if (!p->flags.has_precision)
		return s;
	for (int i = 0; i < p->precision && utf8_next(&rest, &rune); i++)
		;
	return (struct str){ s.p, s.len - rest.len };
}

/* Bad verbs */

static void bad_verb(struct printer *p, uint32_t verb)
{
	struct value v = p->current;

	p->erroring = true;
	buf_adds(p->out, "%!");
	buf_add_rune(p->out, verb);
	buf_addc(p->out, '(');
	if (is_nil_argument(v)) {
		buf_adds(p->out, "<nil>");
	} else {
		buf_adds(p->out, v.type->name);
		buf_addc(p->out, '=');
		print_value(p, v, 'v', 0);
	}
	buf_addc(p->out, ')');
	p->erroring = false;
}

/* Integers */

static void add_unicode(struct printer *p, uint64_t u)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	int digits = p->flags.has_precision && p->precision > 4 ? p->precision : 4;

	buf_addf(&text, "U+%0*llX", digits, (unsigned long long)u);
	if (p->flags.sharp && u <= 0x10ffff && unicode_is_printable((uint32_t)u)) {
		buf_adds(&text, " '");
		buf_add_rune(&text, (uint32_t)u);
		buf_addc(&text, '\'');
	}
	add_space_padded(p, buf_str(&text));
}

/* How many digits are wanted at least, by precision or by zero padding. False: print nothing but the width. */
static bool wanted_digits(const struct printer *p, uint64_t u, bool negative, int *ret)
{
	*ret = 0;
	if (p->flags.has_precision) {
		*ret = p->precision;
		return p->precision || u;
	}
	if (p->flags.zero && !p->flags.minus && p->flags.has_width) {
		*ret = p->width;
		if (negative || p->flags.plus || p->flags.space)
			--*ret;
	}
	return true;
}

static void add_integer(struct printer *p, uint64_t u, unsigned base, bool is_signed, uint32_t verb, bool upper)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	bool negative = is_signed && (int64_t)u < 0, starts_with_zero;
	char digits[64];
	int n = 0, wanted;

	if (negative)
		u = 0 - u;
	if (!wanted_digits(p, u, negative, &wanted)) {
		add_space_padded(p, STR(""));
		return;
	}
	do
		digits[63 - n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
	while (u /= base);
	starts_with_zero = wanted > n || digits[64 - n] == '0';

	if (negative)
		buf_addc(&text, '-');
	else if (p->flags.plus)
		buf_addc(&text, '+');
	else if (p->flags.space)
		buf_addc(&text, ' ');
	if (verb == 'O')
		buf_adds(&text, "0o");
	if (p->flags.sharp && base == 2)
		buf_adds(&text, "0b");
	if (p->flags.sharp && base == 8 && !starts_with_zero)
		buf_addc(&text, '0');
	if (p->flags.sharp && base == 16)
		buf_adds(&text, upper ? "0X" : "0x");
	if (wanted > n)
		buf_add_repeat(&text, '0', (size_t)(wanted - n));
	buf_add(&text, digits + 64 - n, (size_t)n);
	add_space_padded(p, buf_str(&text));
}

static void add_0x(struct printer *p, uint64_t u, bool leading)
{
	bool sharp = p->flags.sharp;

	p->flags.sharp = leading;
	add_integer(p, u, 16, false, 'v', false);
	p->flags.sharp = sharp;
}

static void add_character(struct printer *p, uint64_t u)
{
	char text[4];

	add_padded(p, (struct str){ text, utf8_put(text, u > 0x10ffff ? 0xfffd : (uint32_t)u) });
}

static void add_quoted_character(struct printer *p, uint64_t u)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	literal_quote_rune(&text, u, p->flags.plus);
	add_padded(p, buf_str(&text));
}

static void print_integer(struct printer *p, uint64_t u, bool is_signed, uint32_t verb)
{
	switch (verb) {
	case 'v':
		if (p->flags.sharp_v && !is_signed) {
			add_0x(p, u, true);
			break;
		}
		/* fallthrough */
	case 'd':
		add_integer(p, u, 10, is_signed, verb, false);
		break;
	case 'b':
		add_integer(p, u, 2, is_signed, verb, false);
		break;
	case 'o':
	case 'O':
		add_integer(p, u, 8, is_signed, verb, false);
		break;
	case 'x':
	case 'X':
		add_integer(p, u, 16, is_signed, verb, verb == 'X');
		break;
	case 'c':
		add_character(p, u);
		break;
	case 'q':
		add_quoted_character(p, u);
		break;
	case 'U':
		add_unicode(p, u);
		break;
	default:
		bad_verb(p, verb);
	}
}

/* Floats */

/* %#g and its like keep the point and the zeros that were trimmed. number has a sign. */
static void restore_zeros(struct buf *number, char verb, int precision)
{
	AUTO_RELEASE(buf) tail = BUF_INIT(0);
	bool is_hex = verb == 'x' || verb == 'X', point = false, nonzero = false;
	int digits = strchr("vgGx", verb) ? (precision == -1 ? 6 : precision) : 0;
	size_t end = number->len;

	for (size_t i = 1; i < end; i++) {
		char c = number->p[i];

		if (c == '.') {
			point = true;
		} else if ((c | 32) == 'p' || (!is_hex && (c | 32) == 'e')) {
			buf_add(&tail, number->p + i, number->len - i);
			end = i;
		} else {
			nonzero |= c != '0';
			digits -= nonzero;
		}
	}
	buf_truncate(number, end);
	if (!point) {
		if (number->len == 2 && number->p[1] == '0')
			digits--;
		buf_addc(number, '.');
	}
	if (digits > 0)
		buf_add_repeat(number, '0', (size_t)digits);
	buf_add_str(number, buf_str(&tail));
}

static void add_float(struct printer *p, double f, char verb, int precision)
{
	AUTO_RELEASE(buf) number = BUF_INIT(0);
	const struct flags *flags = &p->flags;
	struct str shown;

	if (flags->has_precision)
		precision = p->precision;
	buf_addc(&number, '+');
	literal_format_float(&number, f, verb, precision);
	if (number.p[1] == '-' || number.p[1] == '+')
		buf_consume(&number, 1);
	if (flags->space && number.p[0] == '+' && !flags->plus)
		number.p[0] = ' ';
	if (number.p[1] == 'I' || number.p[1] == 'N') {
		if (number.p[1] == 'N' && !flags->space && !flags->plus)
			buf_consume(&number, 1);
		add_space_padded(p, buf_str(&number));
		return;
	}
	if (flags->sharp && verb != 'b')
		restore_zeros(&number, verb, precision);
	shown = buf_str(&number);
	if (!flags->plus && shown.p[0] == '+') {
		add_padded(p, (struct str){ shown.p + 1, shown.len - 1 });
	} else if (flags->zero && !flags->minus && flags->has_width && p->width > (long)shown.len) {
		buf_addc(p->out, shown.p[0]);
		pad(p, p->width - (long)shown.len);
		buf_add(p->out, shown.p + 1, shown.len - 1);
	} else {
		add_padded(p, shown);
	}
}

static void print_float(struct printer *p, double f, uint32_t verb)
{
	switch (verb) {
	case 'v':
		add_float(p, f, 'g', -1);
		break;
	case 'b':
	case 'g':
	case 'G':
	case 'x':
	case 'X':
		add_float(p, f, (char)verb, -1);
		break;
	case 'f':
	case 'e':
	case 'E':
		add_float(p, f, (char)verb, 6);
		break;
	case 'F':
		add_float(p, f, 'f', 6);
		break;
	default:
		bad_verb(p, verb);
	}
}

static void print_complex(struct printer *p, _Complex double c, uint32_t verb)
{
	bool plus = p->flags.plus;

	if (verb >= 0x80 || !verb || !strchr("vbgGxXfFeE", (int)verb)) {
		bad_verb(p, verb);
		return;
	}
	buf_addc(p->out, '(');
	print_float(p, __real__ c, verb);
	p->flags.plus = true;
	print_float(p, __imag__ c, verb);
	buf_adds(p->out, "i)");
	p->flags.plus = plus;
}

/* Strings */

static void add_hex_bytes(struct printer *p, struct str s, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEFX" : "0123456789abcdefx";
	const struct flags *flags = &p->flags;
	long width;

	if (flags->has_precision && (size_t)p->precision < s.len)
		s.len = (size_t)p->precision;
	if (!s.len) {
		if (flags->has_width)
			pad(p, p->width);
		return;
	}
	width = 2 * (long)s.len;
	if (flags->space)
		width = (flags->sharp ? width * 2 : width) + (long)s.len - 1;
	else if (flags->sharp)
		width += 2;
	if (flags->has_width && !flags->minus)
		pad(p, p->width - width);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (flags->space && i)
			buf_addc(p->out, ' ');
		if (flags->sharp && (flags->space || !i)) {
			buf_addc(p->out, '0');
			buf_addc(p->out, digits[16]);
		}
		buf_addc(p->out, digits[c >> 4]);
		buf_addc(p->out, digits[c & 15]);
	}
	if (flags->has_width && flags->minus)
		pad(p, p->width - width);
}

static void add_quoted(struct printer *p, struct str s)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	s = truncated(p, s);
	if (p->flags.sharp && literal_can_backquote(s)) {
		buf_addc(&text, '`');
		buf_add_str(&text, s);
		buf_addc(&text, '`');
	} else {
		literal_quote(&text, s, p->flags.plus);
	}
	add_padded(p, buf_str(&text));
}

static void print_string(struct printer *p, struct str s, uint32_t verb)
{
	switch (verb) {
	case 'v':
		if (p->flags.sharp_v)
			add_quoted(p, s);
		else
			add_padded(p, truncated(p, s));
		break;
	case 's':
		add_padded(p, truncated(p, s));
		break;
	case 'x':
	case 'X':
		add_hex_bytes(p, s, verb == 'X');
		break;
	case 'q':
		add_quoted(p, s);
		break;
	default:
		bad_verb(p, verb);
	}
}

/* Pointers and what is made of other values */

static uintptr_t address_of(struct value v)
{
	switch (value_kind(v)) {
	case VALUE_MAP:
		return (uintptr_t)v.map;
	case VALUE_POINTER:
		return (uintptr_t)v.target;
	default:
		return (uintptr_t)v.list.items;
	}
}

static void print_pointer(struct printer *p, struct value v, uint32_t verb)
{
	uintptr_t address;

	if (v.type->kind != VALUE_MAP && v.type->kind != VALUE_POINTER && v.type->kind != VALUE_SLICE) {
		bad_verb(p, verb);
		return;
	}
	address = address_of(v);
	switch (verb) {
	case 'v':
		if (p->flags.sharp_v) {
			buf_addf(p->out, "(%s)(", v.type->name);
			if (address)
				add_0x(p, address, true);
			else
				buf_adds(p->out, "nil");
			buf_addc(p->out, ')');
		} else if (address) {
			add_0x(p, address, !p->flags.sharp);
		} else {
			add_padded(p, STR("<nil>"));
		}
		break;
	case 'p':
		add_0x(p, address, !p->flags.sharp);
		break;
	case 'b':
	case 'o':
	case 'd':
	case 'x':
	case 'X':
		print_integer(p, address, false, verb);
		break;
	default:
		bad_verb(p, verb);
	}
}

static void add_separator(struct printer *p, size_t i)
{
	if (i)
		buf_adds(p->out, p->flags.sharp_v ? ", " : " ");
}

static void print_map(struct printer *p, struct value v, uint32_t verb, int depth)
{
	if (p->flags.sharp_v) {
		buf_adds(p->out, v.type->name);
		if (!v.map) {
			buf_adds(p->out, "(nil)");
			return;
		}
	}
	buf_adds(p->out, p->flags.sharp_v ? "{" : "map[");
	for (size_t i = 0; i < value_map_len(v.map); i++) {
		const struct value_entry *entry = value_map_at(v.map, i);

		add_separator(p, i);
		print_value(p, value_string(entry->key), verb, depth + 1);
		buf_addc(p->out, ':');
		print_value(p, entry->value, verb, depth + 1);
	}
	buf_addc(p->out, p->flags.sharp_v ? '}' : ']');
}

/* The fields of a time are its own affair: they show only where its methods do not apply. */
static void print_time_fields(struct printer *p, struct value v, uint32_t verb)
{
	struct value parts[3] = { { .type = &uint64_type },
				  { .type = &value_type_int64 },
				  { .type = &location_pointer } };

	static const char *const names[3] = { "wall", "ext", "loc" };

	parts[0].uinteger = (uint64_t)v.time.nanoseconds;
	parts[1].integer = v.time.seconds - VALUE_TIME_ZERO;
	if (p->flags.sharp_v)
		buf_adds(p->out, v.type->name);
	buf_addc(p->out, '{');
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		add_separator(p, i);
		if (p->flags.plus_v || p->flags.sharp_v)
			buf_addf(p->out, "%s:", names[i]);
		print_value(p, parts[i], verb, 1);
	}
	buf_addc(p->out, '}');
}

static void print_struct(struct printer *p, struct value v, uint32_t verb, int depth)
{
	if (v.type == &value_type_time) {
		print_time_fields(p, v, verb);
		return;
	}
	if (p->flags.sharp_v)
		buf_adds(p->out, v.type->name);
	buf_addc(p->out, '{');
	for (size_t i = 0; i < v.type->nfields; i++) {
		add_separator(p, i);
		if (p->flags.plus_v || p->flags.sharp_v) {
			buf_adds(p->out, v.type->fields[i].name);
			buf_addc(p->out, ':');
		}
		print_value(p, v.fields ? v.fields[i] : value_zero(v.type->fields[i].type), verb, depth + 1);
	}
	buf_addc(p->out, '}');
}

static bool print_bytes(struct printer *p, struct value v, uint32_t verb)
{
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);

	if (v.type->elem->kind != VALUE_UINT8 || (verb != 's' && verb != 'q' && verb != 'x' && verb != 'X'))
		return false;
	for (uint32_t i = 0; i < v.list.len; i++)
		buf_addc(&bytes, (char)v.list.items[i].uinteger);
	print_string(p, buf_str(&bytes), verb);
	return true;
}

static void print_list(struct printer *p, struct value v, uint32_t verb, int depth)
{
	if (print_bytes(p, v, verb))
		return;
	if (p->flags.sharp_v) {
		buf_adds(p->out, v.type->elem->kind == VALUE_UINT8 && !depth ? "[]byte" : v.type->name);
		if (!v.list.items) {
			buf_adds(p->out, "(nil)");
			return;
		}
	}
	buf_addc(p->out, p->flags.sharp_v ? '{' : '[');
	for (uint32_t i = 0; i < v.list.len; i++) {
		add_separator(p, i);
		print_value(p, v.list.items[i], verb, depth + 1);
	}
	buf_addc(p->out, p->flags.sharp_v ? '}' : ']');
}

static bool is_stringable(uint32_t verb)
{
	return verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q';
}

/* String() and GoString() of the time package's types; and %w, which nothing here supports. */
static bool print_by_method(struct printer *p, struct value v, uint32_t verb)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (p->erroring)
		return false;
	if (verb == 'w') {
		bad_verb(p, verb);
		return true;
	}
	if (!v.type->methods || !(p->flags.sharp_v || is_stringable(verb)))
		return false;
	if (!(p->flags.sharp_v ? moment_go_string(v, &text) : moment_string(v, &text)))
		return false;
	if (p->flags.sharp_v)
		add_padded(p, truncated(p, buf_str(&text)));
	else
		print_string(p, buf_str(&text), verb);
	return true;
}

static void print_value(struct printer *p, struct value v, uint32_t verb, int depth)
{
	if (!v.type) {
		buf_adds(p->out, "<invalid reflect.Value>");
		return;
	}
	v.boxed = false;
	p->current = v;
	if (v.type->kind == VALUE_INTERFACE) {
		buf_adds(p->out, p->flags.sharp_v ? "interface {}(nil)" : "<nil>");
		return;
	}
	if (print_by_method(p, v, verb))
		return;
	switch (v.type->kind) {
	case VALUE_BOOL:
		if (verb == 't' || verb == 'v')
			add_padded(p, v.boolean ? STR("true") : STR("false"));
		else
			bad_verb(p, verb);
		break;
	case VALUE_INT:
	case VALUE_INT64:
		print_integer(p, (uint64_t)v.integer, true, verb);
		break;
	case VALUE_UINT8:
	case VALUE_UINT:
		print_integer(p, v.uinteger, false, verb);
		break;
	case VALUE_FLOAT64:
		print_float(p, v.real, verb);
		break;
	case VALUE_COMPLEX128:
		print_complex(p, v.complex, verb);
		break;
	case VALUE_STRING:
		print_string(p, v.string, verb);
		break;
	case VALUE_SLICE:
		print_list(p, v, verb, depth);
		break;
	case VALUE_MAP:
		print_map(p, v, verb, depth);
		break;
	case VALUE_STRUCT:
		print_struct(p, v, verb, depth);
		break;
	case VALUE_POINTER:
		if (!depth && v.target &&
		    (v.target->type->kind == VALUE_STRUCT || v.target->type->kind == VALUE_SLICE ||
		     v.target->type->kind == VALUE_MAP)) {
			buf_addc(p->out, '&');
			print_value(p, *v.target, verb, 1);
			break;
		}
		print_pointer(p, v, verb);
		break;
	case VALUE_INVALID:
	case VALUE_INTERFACE:
		break;
	}
}

static void print_argument(struct printer *p, struct value v, uint32_t verb)
{
	p->current = v;
	if (is_nil_argument(v)) {
		if (verb == 'T' || verb == 'v')
			add_padded(p, STR("<nil>"));
		else
			bad_verb(p, verb);
		return;
	}
	v.boxed = false;
	if (verb == 'T')
		add_padded(p, truncated(p, str_of(v.type->name)));
	else if (verb == 'p')
		print_pointer(p, v, 'p');
	else
		print_value(p, v, verb, 0);
}

/* Printf */

static bool too_large(int64_t n)
{
	return n > NUMBER_MAX || n < -NUMBER_MAX;
}

/* Reads digits at *at; a number that is far too long eats the rest. False if there is none. */
static bool read_number(struct str format, size_t *at, size_t end, int *ret)
{
	bool found = false;

	*ret = 0;
	for (; *at < end && format.p[*at] >= '0' && format.p[*at] <= '9'; ++*at) {
		if (too_large(*ret)) {
			*ret = 0;
			*at = end;
			return false;
		}
		*ret = *ret * 10 + (format.p[*at] - '0');
		found = true;
	}
	return found;
}

/* The int that a * stands for. */
static bool take_int(const struct value *args, size_t n, size_t *argument, int *ret)
{
	struct value v;
	int64_t number;

	*ret = 0;
	if (*argument >= n)
		return false;
	v = args[(*argument)++];
	switch (value_kind(v)) {
	case VALUE_INT:
	case VALUE_INT64:
		number = v.integer;
		break;
	case VALUE_UINT8:
	case VALUE_UINT:
		if (v.uinteger > INT64_MAX)
			return false;
		number = (int64_t)v.uinteger;
		break;
	default:
		return false;
	}
	if (too_large(number))
		return false;
	*ret = (int)number;
	return true;
}

/* "[n]" at *at chooses the argument. True if there was a well-formed one. */
static bool take_index(struct printer *p, struct str format, size_t *at, size_t n, size_t *argument)
{
	size_t start = *at, i = start + 1;
	const char *close;
	int number;
	bool good;

	if (start >= format.len || format.p[start] != '[')
		return false;
	p->reordered = true;
	close = format.len - start >= 3 ? memchr(format.p + i, ']', format.len - i) : NULL;
	if (!close) {
		p->good_argument = false;
		*at = start + 1;
		return false;
	}

	size_t end = (size_t)(close - format.p);

	good = read_number(format, &i, end, &number) && i == end;
	*at = end + 1;
	if (good && number >= 1 && (size_t)number <= n) {
		*argument = (size_t)number - 1;
		return true;
	}
	p->good_argument = false;
	return good;
}

static void take_flags(struct printer *p, struct str format, size_t *at)
{
	p->flags = (struct flags){ 0 };
	p->width = p->precision = 0;
	for (; *at < format.len; ++*at) {
		switch (format.p[*at]) {
		case '#':
			p->flags.sharp = true;
			break;
		case '0':
			p->flags.zero = true;
			break;
		case '+':
			p->flags.plus = true;
			break;
		case '-':
			p->flags.minus = true;
			break;
		case ' ':
			p->flags.space = true;
			break;
		default:
			return;
		}
	}
}

static void take_width(struct printer *p, struct str format, size_t *at, const struct value *args, size_t n,
		       size_t *argument, bool *after_index)
{
	if (*at < format.len && format.p[*at] == '*') {
		++*at;
		p->flags.has_width = take_int(args, n, argument, &p->width);
		if (!p->flags.has_width)
			buf_adds(p->out, "%!(BADWIDTH)");
		if (p->width < 0) {
			p->width = -p->width;
			p->flags.minus = true;
			p->flags.zero = false;
		}
		*after_index = false;
	} else {
		p->flags.has_width = read_number(format, at, format.len, &p->width);
		if (*after_index && p->flags.has_width)
			p->good_argument = false; /* %[3]2d */
	}
}

static void take_precision(struct printer *p, struct str format, size_t *at, const struct value *args, size_t n,
			   size_t *argument, bool *after_index)
{
	if (*at + 1 >= format.len || format.p[*at] != '.')
		return;
	++*at;
	if (*after_index)
		p->good_argument = false; /* %[3].2d */
	*after_index = take_index(p, format, at, n, argument);
	if (*at < format.len && format.p[*at] == '*') {
		++*at;
		p->flags.has_precision = take_int(args, n, argument, &p->precision);
		if (p->precision < 0) {
			p->precision = 0;
			p->flags.has_precision = false;
		}
		if (!p->flags.has_precision)
			buf_adds(p->out, "%!(BADPREC)");
		*after_index = false;
	} else {
		read_number(format, at, format.len, &p->precision);
		p->flags.has_precision = true;
	}
}

static void print_verb(struct printer *p, uint32_t verb, const struct value *args, size_t n, size_t *argument)
{
	if (verb == '%') {
		buf_addc(p->out, '%');
		return;
	}
	if (!p->good_argument || *argument >= n) {
		buf_adds(p->out, "%!");
		buf_add_rune(p->out, verb);
		buf_adds(p->out, p->good_argument ? "(MISSING)" : "(BADINDEX)");
		return;
	}
	if (verb == 'v' || verb == 'w') {
		p->flags.sharp_v = p->flags.sharp;
		p->flags.plus_v = p->flags.plus;
		p->flags.sharp = p->flags.plus = false;
	}
	print_argument(p, args[(*argument)++], verb);
}

static void print_extra(struct printer *p, const struct value *args, size_t n)
{
	p->flags = (struct flags){ 0 };
	buf_adds(p->out, "%!(EXTRA ");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(p->out, ", ");
		if (!is_nil_argument(args[i]))
			buf_addf(p->out, "%s=", args[i].type->name);
		print_argument(p, args[i], 'v');
	}
	buf_addc(p->out, ')');
}

void format_printf(struct buf *out, struct str format, const struct value *args, size_t n)
{
	struct printer p = { .out = out };
	size_t at = 0, argument = 0;
	bool after_index = false;

	while (at < format.len && !out->overflow) {
		const char *percent = memchr(format.p + at, '%', format.len - at);
		size_t end = percent ? (size_t)(percent - format.p) : format.len;
		struct str rest;
		uint32_t verb;

		buf_add(out, format.p + at, end - at);
		at = end + 1;
		if (!percent)
			break;
		p.good_argument = true;
		take_flags(&p, format, &at);
		after_index = take_index(&p, format, &at, n, &argument);
		take_width(&p, format, &at, args, n, &argument, &after_index);
		take_precision(&p, format, &at, args, n, &argument, &after_index);
		if (!after_index)
			after_index = take_index(&p, format, &at, n, &argument);
		if (at >= format.len) {
			buf_adds(out, "%!(NOVERB)");
			break;
		}
		rest = (struct str){ format.p + at, format.len - at };
		at += utf8_next(&rest, &verb);
		print_verb(&p, verb, args, n, &argument);
	}
	if (!p.reordered && argument < n)
		print_extra(&p, args + argument, n - argument);
}

/* Print */

void format_value(struct buf *out, struct value v)
{
	struct printer p = { .out = out };

	print_argument(&p, v, 'v');
}

void format_verb(struct buf *out, struct value v, char verb)
{
	struct printer p = { .out = out };

	print_value(&p, v, (unsigned char)verb, 0);
}

void format_print(struct buf *out, const struct value *args, size_t n)
{
	bool after_string = false;

	for (size_t i = 0; i < n; i++) {
		bool is_string = value_kind(args[i]) == VALUE_STRING;

		if (i && !is_string && !after_string)
			buf_addc(out, ' ');
		format_value(out, args[i]);
		after_string = is_string;
	}
}

void format_println(struct buf *out, const struct value *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ' ');
		format_value(out, args[i]);
	}
	buf_addc(out, '\n');
}
