#include "ui/sgr.h"

#include <stdlib.h>

#define MAX_PARAMETERS 32

void runs_release(struct runs *runs)
{
	free(runs->items);
	*runs = (struct runs){ 0 };
}

/* The codes that set or clear attributes; colours are computed. */
static const struct {
	uint8_t code, set, clear;
} attributes[] = {
	{ 1, STYLE_BOLD, 0 },	   { 2, STYLE_DIM, 0 },	      { 3, STYLE_ITALIC, 0 },  { 4, STYLE_UNDERLINE, 0 }, { 7, STYLE_REVERSE, 0 },
	{ 21, STYLE_UNDERLINE, 0 }, { 22, 0, STYLE_BOLD | STYLE_DIM }, { 23, 0, STYLE_ITALIC }, { 24, 0, STYLE_UNDERLINE }, { 27, 0, STYLE_REVERSE },
};

/* 38 or 48: the colour that follows in n parameters. Gives how many of them it took. */
static size_t long_colour(const unsigned *p, size_t n, uint32_t *ret)
{
	if (n >= 2 && p[0] == 5) {
		*ret = p[1] < 256 ? COLOUR_INDEX(p[1]) : COLOUR_OF_ROLE;
		return 2;
	}
	if (n >= 4 && p[0] == 2) {
		if (p[1] < 256 && p[2] < 256 && p[3] < 256)
			*ret = COLOUR_RGB(p[1], p[2], p[3]);
		return 4;
	}
	return n;
}

static bool short_colour(unsigned code, struct style *style)
{
	unsigned tens = code / 10, ones = code % 10;
	uint32_t *colour = tens == 3 || tens == 9 ? &style->fg : &style->bg;

	if (ones > 9 || !(tens == 3 || tens == 4 || tens == 9 || tens == 10) || (ones == 9 && tens > 4) || ones == 8)
		return false;
	*colour = ones == 9 ? COLOUR_OF_ROLE : COLOUR_INDEX(ones + (tens >= 9 ? 8 : 0));
	return true;
}

static void apply(const unsigned *p, size_t n, struct style *style)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 0)
			*style = (struct style){ 0 };
		else if (p[i] == 38 || p[i] == 48)
			i += long_colour(p + i + 1, n - i - 1, p[i] == 38 ? &style->fg : &style->bg);
		else if (!short_colour(p[i], style))
			for (size_t a = 0; a < ARRAY_LEN(attributes); a++)
				if (attributes[a].code == p[i])
					style->attributes = (uint8_t)((style->attributes & ~attributes[a].clear) | attributes[a].set);
	}
	if (style->bg && style->bg == style->fg)
		style->bg = COLOUR_OF_ROLE;
}

/* One group of parameters joined by ':', as "38:2::10:20:30"; the empty colour space goes. "4:0" is no underline. */
static size_t colon_group(unsigned *group, size_t n)
{
	if (n >= 6 && (group[0] == 38 || group[0] == 48) && group[1] == 2) {
		for (size_t i = 2; i + 1 < n; i++)
			group[i] = group[i + 1];
		return 5;
	}
	if (n == 2 && group[0] == 4) {
		group[0] = group[1] ? 4 : 24;
		return 1;
	}
	return n;
}

/* The parameters between "ESC [" and "m". */
static void parse_parameters(struct str text, struct style *style)
{
	unsigned p[MAX_PARAMETERS] = { 0 };
	size_t n = 1, group = 0; /* the group begins at p[group] */

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c >= '0' && c <= '9') {
			p[n - 1] = p[n - 1] < 10000 ? p[n - 1] * 10 + (unsigned)(c - '0') : p[n - 1];
		} else if (c == ';' || c == ':') {
			if (c == ';')
				n = group + colon_group(p + group, n - group);
			if (n == MAX_PARAMETERS)
				return;
			if (c == ';')
				group = n;
			p[n++] = 0;
		} else {
			return; /* a private sequence such as "ESC [ > 4 m" */
		}
	}
	n = group + colon_group(p + group, n - group);
	apply(p, n, style);
}

/* Moves rest past the next stretch of text, which it gives; a sequence behind it changes style. False at the end. */
static bool next_run(struct str *rest, struct run *ret, struct style *style)
{
	if (!rest->len)
		return false;
	ptrdiff_t escape = str_find_char(*rest, '\033');
	size_t len = escape < 0 ? rest->len : (size_t)escape;

	*ret = (struct run){ { rest->p, len }, *style };
	*rest = (struct str){ rest->p + len, rest->len - len };
	if (escape < 0)
		return true;
	*rest = (struct str){ rest->p + 1, rest->len - 1 };
	struct str sequence = *rest;

	escape_skip(rest);
	sequence.len -= rest->len;
	if (sequence.len >= 2 && sequence.p[0] == '[' && sequence.p[sequence.len - 1] == 'm')
		parse_parameters((struct str){ sequence.p + 1, sequence.len - 2 }, style);
	return true;
}

void sgr_parse(struct str line, struct runs *ret)
{
	struct style style = { 0 };
	struct run run;

	ret->len = 0;
	while (next_run(&line, &run, &style))
		if (run.text.len)
			LIST_PUSH(ret->items, ret->len, ret->cap) = run;
}

void sgr_plain(struct str line, struct buf *out)
{
	struct style style = { 0 };
	struct run run;

	while (next_run(&line, &run, &style))
		buf_add_str(out, run.text);
}
