#include "model/dotenv.h"

#include "base/error.h"
#include "model/vars.h"

/* A cursor over the text with line ends already made LF. */
struct reader {
	struct str rest;
	const char *start;
	const char *counted; /* the line breaks before it are in line */
	unsigned line;
	const char *file;
	struct vars *own; /* what this text set: the only names that expand */
};

/* The blanks of the original reader: bytes where it looks at bytes, code points where it looks at those. */
static bool is_blank(uint32_t c)
{
	return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' ' || c == 0x85 || c == 0xa0;
}

static bool is_unicode_space(uint32_t c)
{
	return is_blank(c) || c == '\n' || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static void skip(struct str *s, bool (*match)(uint32_t))
{
	struct str ahead = *s;
	uint32_t rune;

	while (ahead.len && utf8_next(&ahead, &rune) && match(rune))
		*s = ahead;
}

/* at never goes back between calls, so that a file is counted once. */
static unsigned line_of(struct reader *r, const char *at)
{
	for (; r->counted < at; r->counted++)
		r->line += *r->counted == '\n';
	return r->line;
}

static bool fail(struct reader *r, const char *at, struct error *err, const char *what)
{
	unsigned column = 1;

	for (const char *p = at; p > r->start && p[-1] != '\n'; p--)
		column += ((unsigned char)p[-1] & 0xc0) != 0x80;
	error_set(err, ERR_INVALID, "%s:%u:%u: %s", r->file, line_of(r, at), column, what);
	return error_hint(err, "each line is KEY=VALUE; quote values with special characters");
}

/* The original reader judges single bytes as Latin-1 letters, so that `é=1` fails and `ключ=1` does not. */
static bool is_key_byte(unsigned char c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '.';
	return c == 0xaa || c == 0xb2 || c == 0xb3 || c == 0xb5 || c == 0xb9 || c == 0xba ||
	       (c >= 0xbc && c <= 0xbe) || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static bool skip_to_statement(struct reader *r)
{
	for (;;) {
		skip(&r->rest, is_unicode_space);
		if (!r->rest.len)
			return false;
		if (r->rest.p[0] != '#')
			return true;
		ptrdiff_t end = str_find_char(r->rest, '\n');
		if (end < 0)
			return false;
		r->rest = (struct str){ r->rest.p + end, r->rest.len - (size_t)end };
	}
}

static void skip_export(struct str *s)
{
	struct str after;
	uint32_t rune;

	if (!str_starts(*s, STR("export")))
		return;
	after = (struct str){ s->p + 6, s->len - 6 };
	struct str probe = after;
	if (utf8_next(&probe, &rune) && is_blank(rune)) {
		skip(&after, is_blank);
		*s = after;
	}
}

static bool read_key(struct reader *r, struct str *ret_key, struct error *err)
{
	struct str s = r->rest;
	size_t at = 0, end = 0;
	bool found = false;

	skip_export(&s);
	for (; at < s.len && !found; at++) {
		unsigned char c = (unsigned char)s.p[at];

		if (c == '=' || c == ':') {
			end = at;
			found = true;
		} else if (c == '\n') {
			return fail(r, s.p, err, "this line has no \"=\" or \":\" between name and value");
		} else if (!is_blank(c) && !is_key_byte(c)) {
			AUTO_FREE char *what =
				c < 0x80 && c > ' ' ? xasprintf("unexpected character \"%c\" in a variable's name", c)
						    : xasprintf("unexpected byte 0x%02X in a variable's name", c);
			return fail(r, s.p + at, err, what);
		}
	}
	/* Without a separator up to the end the original takes the rest for the value of an empty name. */
	*ret_key = str_trim_unicode((struct str){ s.p, end });
	r->rest = found ? (struct str){ s.p + at, s.len - at } : s;
	skip(&r->rest, is_blank);
	return true;
}

/* ---- values ---- */

static bool is_name_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* $NAME and ${NAME}, closing brace optional; \$ is a plain $; everything else stays. */
static void expand(const struct vars *own, struct str s, struct buf *out)
{
	while (s.len) {
		bool escaped = s.len > 1 && s.p[0] == '\\' && s.p[1] == '$';

		if (escaped) {
			buf_addc(out, '$');
			s = (struct str){ s.p + 2, s.len - 2 };
			continue;
		}
		if (s.p[0] != '$') {
			buf_addc(out, s.p[0]);
			s = (struct str){ s.p + 1, s.len - 1 };
			continue;
		}
		size_t at = 1, start, end;
		if (at < s.len && s.p[at] == '{')
			at++;
		start = at;
		while (at < s.len && is_name_byte(s.p[at]))
			at++;
		end = at;
		if (at < s.len && s.p[at] == '}')
			at++;
		if (end > start) {
			const struct var *var = map_get(&own->map, (struct str){ s.p + start, end - start });

			if (var)
				buf_add_str(out, var->value);
		} else {
			buf_add(out, s.p, at);
		}
		s = (struct str){ s.p + at, s.len - at };
	}
}

/* \n and \r become line breaks; then a backslash before anything but $ goes. Two passes, as the original has them. */
static void unescape(struct str s, struct buf *out)
{
	AUTO_RELEASE(buf) once = { 0 };
	struct str pass;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len && s.p[i + 1] != '\n') {
			char c = s.p[++i];

			if (c == 'n' || c == 'r') {
				buf_addc(&once, c == 'n' ? '\n' : '\r');
			} else {
				buf_addc(&once, '\\');
				buf_addc(&once, c);
			}
		} else {
			buf_addc(&once, s.p[i]);
		}
	}
	pass = buf_str(&once);
	for (size_t i = 0; i < pass.len; i++) {
		if (pass.p[i] == '\\' && i + 1 < pass.len && pass.p[i + 1] != '$')
			i++;
		buf_addc(out, pass.p[i]);
	}
}

static bool read_quoted(struct reader *r, char quote, struct buf *out, struct error *err)
{
	struct str s = r->rest, inner;
	size_t end = 1;

	while (end < s.len && (s.p[end] != quote || s.p[end - 1] == '\\'))
		end++;
	if (end >= s.len)
		return fail(r, s.p, err, "this quoted value is not ended");
	inner = (struct str){ s.p + 1, end - 1 };
	if (quote == '"') {
		AUTO_RELEASE(buf) text = { 0 };

		unescape(inner, &text);
		expand(r->own, buf_str(&text), out);
	} else {
		buf_add_str(out, inner);
	}
	r->rest = (struct str){ s.p + end + 1, s.len - end - 1 };
	return true;
}

/* Up to the end of the line, without a comment that a blank leads. Bytes that are not UTF-8 become U+FFFD. */
static void read_plain(struct reader *r, struct buf *out)
{
	AUTO_RELEASE(buf) line = { 0 };
	struct str s = r->rest, view;
	size_t end = 0, cut;
	uint32_t rune, before = 0;

	while (end < s.len && s.p[end] != '\n' && s.p[end] != '\r')
		end++;
	r->rest = (struct str){ s.p + end, s.len - end };
	view = (struct str){ s.p, end };
	cut = (size_t)-1;
	for (size_t at = 0; view.len; before = rune) {
		at = line.len;
		if (!utf8_next(&view, &rune))
			break;
		if (rune == '#' && at > 0 && is_blank(before))
			cut = at;
		buf_add_rune(&line, rune);
	}
	if (cut != (size_t)-1)
		buf_truncate(&line, cut);
	view = buf_str(&line);
	skip(&view, is_blank);
	for (;;) {
		/* trailing blanks, of which U+0085 and U+00A0 have two bytes */
		if (view.len && is_blank((unsigned char)view.p[view.len - 1]) && (unsigned char)view.p[view.len - 1] < 0x80)
			view.len--;
		else if (view.len > 1 && (unsigned char)view.p[view.len - 2] == 0xc2 &&
			 ((unsigned char)view.p[view.len - 1] == 0x85 || (unsigned char)view.p[view.len - 1] == 0xa0))
			view.len -= 2;
		else
			break;
	}
	expand(r->own, view, out);
}

bool dotenv_parse(struct str text, const char *file, struct vars *own, struct error *err)
{
	AUTO_RELEASE(buf) lf = { 0 };
	struct reader r = { .file = file, .own = own };

	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != '\r' || i + 1 == text.len || text.p[i + 1] != '\n')
			buf_addc(&lf, text.p[i]);
	r.rest = buf_str(&lf);
	r.start = r.counted = r.rest.p;
	r.line = 1;
	if (str_starts(r.rest, STR("\xef\xbb\xbf")))
		return fail(&r, r.start, err, "the file starts with a byte order mark; save it as plain UTF-8");
	while (skip_to_statement(&r)) {
		AUTO_RELEASE(buf) value = { 0 };
		struct str key;
		unsigned line = line_of(&r, r.rest.p);

		if (!read_key(&r, &key, err))
			return false;
		if (r.rest.len && (r.rest.p[0] == '"' || r.rest.p[0] == '\'')) {
			if (!read_quoted(&r, r.rest.p[0], &value, err))
				return false;
		} else {
			read_plain(&r, &value);
		}
		vars_set(own, key, buf_str(&value), VAR_ENV_FILE, file, line);
	}
	return true;
}
