#include <stdio.h>

#include "base/json.h"

static void write_control(struct buf *out, unsigned char c)
{
	static const char letters[32] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	char text[8];
	int n = letters[c] ? snprintf(text, sizeof text, "\\%c", letters[c]) :
			     snprintf(text, sizeof text, "\\u%04x", c);

	buf_add(out, text, (size_t)n);
}

void json_write_string(struct buf *out, struct str text)
{
	size_t plain = 0; /* bytes before text.p that are not written yet */

	buf_addc(out, '"');
	while (plain < text.len) {
		unsigned char c = (unsigned char)text.p[plain];

		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			plain++;
			continue;
		}
		struct str rest = { text.p + plain, text.len - plain };
		uint32_t rune;
		size_t used = utf8_next(&rest, &rune);

		if (c >= 0x80 && used > 1) {
			plain += used;
			continue;
		}
		buf_add(out, text.p, plain);
		if (c >= 0x80) {
			buf_add_rune(out, 0xfffd);
		} else if (c < 0x20) {
			write_control(out, c);
		} else {
			buf_addc(out, '\\');
			buf_addc(out, (char)c);
		}
		text = rest;
		plain = 0;
	}
	buf_add(out, text.p, plain);
	buf_addc(out, '"');
}

/* ---- the writer ---- */

static void separate(struct json_writer *w)
{
	uint64_t level = UINT64_C(1) << (w->depth & 63);

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth && (w->has_members & level))
		buf_addc(w->out, ',');
	w->has_members |= level;
}

static void begin(struct json_writer *w, char bracket)
{
	separate(w);
	buf_addc(w->out, bracket);
	w->depth++;
	w->has_members &= ~(UINT64_C(1) << (w->depth & 63));
}

static void end(struct json_writer *w, char bracket)
{
	w->depth--;
	buf_addc(w->out, bracket);
}

void json_put_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_put_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_put_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_put_end_array(struct json_writer *w)
{
	end(w, ']');
}

void json_put_key(struct json_writer *w, const char *key)
{
	separate(w);
	json_write_string(w->out, str_of(key));
	buf_addc(w->out, ':');
	w->after_key = true;
}

void json_put_str(struct json_writer *w, struct str text)
{
	separate(w);
	json_write_string(w->out, text);
}

void json_put_text(struct json_writer *w, const char *text)
{
	if (text)
		json_put_str(w, str_of(text));
	else
		json_put_null(w);
}

void json_put_int(struct json_writer *w, int64_t value)
{
	separate(w);
	buf_addf(w->out, "%lld", (long long)value);
}

void json_put_bool(struct json_writer *w, bool value)
{
	json_put_raw(w, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
	json_put_raw(w, STR("null"));
}

void json_put_raw(struct json_writer *w, struct str json)
{
	separate(w);
	buf_add_str(w->out, json);
}
