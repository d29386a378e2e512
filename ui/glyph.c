#include "ui/glyph.h"

#include "base/rune.h"
#include "ui/glyph_table.inc"

/* Say how to draw the character before, and are in honest texts: soft hyphen, joiners, selectors, skin tones, tags of flags. */
static const struct rune_range silent[] = {
	{ 0xad, 0xad },	    { 0x34f, 0x34f },	{ 0x180b, 0x180f },   { 0x200c, 0x200d },   { 0x2060, 0x2060 },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff }, { 0xe0020, 0xe007f }, { 0xe0100, 0xe01ef },
};

#define REGIONAL_A 0x1f1e6
#define REGIONAL_Z 0x1f1ff

enum sort { SORT_BASE, SORT_MARK, SORT_SILENT };

/* What rune is, made harmless in place. */
static enum sort sort_of(uint32_t *rune)
{
	if (*rune < ' ' || (*rune >= 0x7f && *rune < 0xa0))
		*rune = *rune == '\t' || *rune == '\n' ? ' ' : '?';
	if (*rune < 0x300 && *rune != 0xad)
		return SORT_BASE;
	if (rune_is_among(silent, ARRAY_LEN(silent), *rune))
		return SORT_SILENT;
	if (rune_is_among(marks, ARRAY_LEN(marks), *rune))
		return SORT_MARK;
	if (*rune >= REGIONAL_A && *rune <= REGIONAL_Z)
		*rune = 'A' + *rune - REGIONAL_A;
	if (rune_is_among(hidden, ARRAY_LEN(hidden), *rune))
		*rune = '?';
	return SORT_BASE;
}

static void take_marks(struct str *text, struct glyph *glyph)
{
	struct str rest = *text;
	uint32_t rune;
	enum sort sort;
	size_t n = 0;

	while (utf8_next(&rest, &rune) && (sort = sort_of(&rune)) != SORT_BASE) {
		if (sort == SORT_MARK && n < GLYPH_MARKS)
			glyph->marks[n++] = rune;
		*text = rest;
	}
}

bool glyph_next(struct str *text, struct glyph *ret)
{
	uint32_t rune;

	while (utf8_next(text, &rune)) {
		if (sort_of(&rune) != SORT_BASE)
			continue; /* a mark on nothing */
		*ret = (struct glyph){ .rune = rune, .width = rune >= 0x1100 && rune_is_among(wide, ARRAY_LEN(wide), rune) ? 2 : 1 };
		if (text->len && (signed char)text->p[0] < 0)
			take_marks(text, ret);
		return true;
	}
	return false;
}

int glyph_width(struct str text)
{
	struct glyph glyph;
	int width = 0;

	while (glyph_next(&text, &glyph))
		width += glyph.width;
	return width;
}
