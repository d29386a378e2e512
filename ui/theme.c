#include "ui/theme.h"

#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/yaml.h"
#include "model/stack_decode.h"

#define MAX_FILE_BYTES ((size_t)64 << 10)
#define SELECTED       ROLE_COUNT /* the look after those of the roles */
#define CUBE	       16	  /* the first of the 6x6x6 colours */
#define GREYS	       232

struct look {
	uint32_t fg, bg;	     /* COLOUR_RGB or COLOUR_OF_ROLE */
	uint32_t fg_basic, bg_basic; /* COLOUR_INDEX of 16 */
	uint8_t attributes;
};

struct theme {
	uint32_t text, background; /* COLOUR_RGB */
	bool paint;		   /* in every cell, not only in pictures */
	struct look looks[ROLE_COUNT + 1];
};

/* ---- colours ---- */

static const uint32_t basic_rgb[16] = { 0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
					0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff };
static const char *const basic_names[16] = { "black",	     "red",	   "green",	   "yellow",	    "blue",	    "magenta",
					     "cyan",	     "white",	   "bright-black", "bright-red",    "bright-green", "bright-yellow",
					     "bright-blue",  "bright-magenta", "bright-cyan", "bright-white" };

static uint32_t level_of(uint32_t step)
{
	return step ? 55 + 40 * step : 0;
}

uint32_t colour_rgb(uint32_t colour)
{
	uint32_t value = COLOUR_VALUE(colour);

	if (COLOUR_IS_RGB(colour))
		return value;
	if (value < CUBE)
		return basic_rgb[value];
	if (value >= GREYS)
		return (8 + 10 * (value - GREYS)) * 0x010101;
	value -= CUBE;
	return level_of(value / 36) << 16 | level_of(value / 6 % 6) << 8 | level_of(value % 6);
}

/* How unlike two colours look; the eye weighs green most. */
static unsigned distance(uint32_t a, uint32_t b)
{
	int r = (int)(a >> 16) - (int)(b >> 16), g = (int)(a >> 8 & 255) - (int)(b >> 8 & 255), l = (int)(a & 255) - (int)(b & 255);

	return (unsigned)(3 * r * r + 6 * g * g + 2 * l * l);
}

static uint32_t nearest(uint32_t rgb, uint32_t first, uint32_t last)
{
	uint32_t best = first;

	for (uint32_t i = first; i <= last; i++)
		if (distance(rgb, colour_rgb(COLOUR_INDEX(i))) < distance(rgb, colour_rgb(COLOUR_INDEX(best))))
			best = i;
	return COLOUR_INDEX(best);
}

/* A colour that a program chose, for fewer colours. */
static uint32_t reduce(uint32_t colour, enum depth depth)
{
	if (colour == COLOUR_OF_ROLE || depth == DEPTH_MONO)
		return COLOUR_OF_ROLE;
	if (depth == DEPTH_DIRECT)
		return !COLOUR_IS_RGB(colour) && COLOUR_VALUE(colour) >= CUBE ? COLOUR_RGB(0, 0, 0) | colour_rgb(colour) : colour;
	if (depth == DEPTH_256 && COLOUR_IS_RGB(colour))
		return nearest(COLOUR_VALUE(colour), CUBE, 255);
	if (depth < DEPTH_256 && (COLOUR_IS_RGB(colour) || COLOUR_VALUE(colour) >= CUBE))
		return nearest(colour_rgb(colour), 0, 15);
	return colour;
}

static uint32_t ladder(uint32_t rgb, uint32_t basic, enum depth depth)
{
	return depth >= DEPTH_256 ? reduce(rgb, depth) : depth > DEPTH_MONO ? basic : COLOUR_OF_ROLE;
}

/* Of 8 colours the bright ones are bold plain ones; bright black would be black on black, so it is the dimmed text. */
static void plain_of_bright(struct style *style)
{
	if (style->fg == COLOUR_INDEX(8)) {
		style->fg = COLOUR_OF_ROLE;
		style->attributes |= STYLE_DIM;
	} else if (style->fg && COLOUR_VALUE(style->fg) > 8) {
		style->fg = COLOUR_INDEX(COLOUR_VALUE(style->fg) - 8);
		style->attributes |= STYLE_BOLD;
	}
	if (style->bg && COLOUR_VALUE(style->bg) >= 8)
		style->bg = COLOUR_INDEX(COLOUR_VALUE(style->bg) - 8);
}

struct style theme_style(const struct theme *theme, enum depth depth, const struct cell *cell)
{
	const struct look *look = &theme->looks[cell->role], *selected = &theme->looks[SELECTED];
	struct style own = cell->style, style = { .attributes = (uint8_t)(look->attributes | own.attributes) };

	style.fg = own.fg ? reduce(own.fg, depth) : ladder(look->fg, look->fg_basic, depth);
	style.bg = own.bg ? reduce(own.bg, depth) : ladder(look->bg, look->bg_basic, depth);
	if (cell->selected) {
		style.attributes |= selected->attributes;
		if (selected->fg && selected->bg && depth > DEPTH_MONO) {
			style.fg = ladder(selected->fg, selected->fg_basic, depth);
			style.bg = ladder(selected->bg, selected->bg_basic, depth);
		} else if (selected->bg && depth >= DEPTH_256 && !style.bg) {
			style.bg = ladder(selected->bg, selected->bg_basic, depth);
		} else {
			style.attributes ^= STYLE_REVERSE;
		}
	}
	if (depth == DEPTH_8)
		plain_of_bright(&style);
	return style;
}

uint32_t theme_text(const struct theme *theme)
{
	return COLOUR_VALUE(theme->text);
}

uint32_t theme_background(const struct theme *theme)
{
	return COLOUR_VALUE(theme->background);
}

/* ---- the file ---- */

struct role_entry {
	struct stack_text role, colour, basic, on, on_basic;
	struct stack_text_list style;
};

struct theme_file {
	struct stack_text text, background;
	struct stack_flag paint;
	struct {
		struct role_entry *items;
		size_t n;
	} roles;
};

static const struct field role_fields[] = {
	{ .key = "colour", .type = FIELD_TEXT, .offset = offsetof(struct role_entry, colour) },
	{ .key = "basic", .type = FIELD_TEXT, .offset = offsetof(struct role_entry, basic) },
	{ .key = "on", .type = FIELD_TEXT, .offset = offsetof(struct role_entry, on) },
	{ .key = "on-basic", .type = FIELD_TEXT, .offset = offsetof(struct role_entry, on_basic) },
	{ .key = "style", .type = FIELD_TEXT_LIST, .offset = offsetof(struct role_entry, style) },
};
static const struct shape role_shape = { .what = "a role", .size = sizeof(struct role_entry), .spot_offset = NO_OFFSET,
					 .key_offset = offsetof(struct role_entry, role), .fields = role_fields, .n = ARRAY_LEN(role_fields) };
static const struct field theme_fields[] = {
	{ .key = "text", .type = FIELD_TEXT, .offset = offsetof(struct theme_file, text) },
	{ .key = "background", .type = FIELD_TEXT, .offset = offsetof(struct theme_file, background) },
	{ .key = "paint", .type = FIELD_FLAG, .offset = offsetof(struct theme_file, paint) },
	{ .key = "roles", .type = FIELD_MAP, .offset = offsetof(struct theme_file, roles), .shape = &role_shape },
};
static const struct shape theme_shape = { .what = "a theme", .size = sizeof(struct theme_file), .spot_offset = NO_OFFSET,
					  .key_offset = NO_OFFSET, .fields = theme_fields, .n = ARRAY_LEN(theme_fields) };

static const char *const role_names[ROLE_COUNT + 1] = {
	[ROLE_TEXT] = "text",	      [ROLE_DIM] = "dim",		[ROLE_TITLE] = "title",		[ROLE_HEALTHY] = "healthy",
	[ROLE_PROGRESS] = "progress", [ROLE_BAD] = "bad",		[ROLE_UNKNOWN] = "unknown",	[ROLE_KEY] = "key",
	[ROLE_ADDED] = "added",	      [ROLE_REMOVED] = "removed",	[ROLE_MARKED] = "marked",	[ROLE_MATCH] = "match",
	[ROLE_WARNING] = "warning",   [ROLE_BORDER] = "border",		[ROLE_FOCUS] = "focus",		[ROLE_SERIES] = "series-1",
	[ROLE_SERIES + 1] = "series-2", [ROLE_SERIES + 2] = "series-3", [ROLE_SERIES + 3] = "series-4", [ROLE_SERIES + 4] = "series-5",
	[ROLE_SERIES_LAST] = "series-6", [SELECTED] = "selected",
};
/* In the order of the STYLE_ bits. */
static const char *const style_names[] = { "bold", "dim", "italic", "underline", "reverse" };

struct reading {
	const char *file;
	struct diags *diags;
};

/* The index of text among names; n and a finding with the nearest one if it is none of them. */
static size_t find_word(const struct reading *r, const struct stack_text *text, const char *what, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], text->text) == 0)
			return i;
	const char *near = str_nearest(text->text, names, n);

	diags_add(r->diags, DIAG_ERROR, (struct place){ r->file, text->at.line, text->at.column }, "unknown-word", "\"%s\" is no %s", text->text, what);
	if (near)
		diags_hint(r->diags, "did you mean \"%s\"?", near);
	return n;
}

/* "#rrggbb"; COLOUR_OF_ROLE when absent or wrong. */
static uint32_t read_colour(const struct reading *r, const struct stack_text *text)
{
	char *end = NULL;
	unsigned long rgb = *text->text == '#' && strlen(text->text) == 7 && text->text[1] != '-' && text->text[1] != '+' ? strtoul(text->text + 1, &end, 16) : 0;

	if (!*text->text)
		return COLOUR_OF_ROLE;
	if (end && !*end)
		return COLOUR_RGB(0, 0, 0) | (uint32_t)rgb;
	diags_add(r->diags, DIAG_ERROR, (struct place){ r->file, text->at.line, text->at.column }, "bad-colour", "\"%s\" is no colour such as \"#23d18b\"",
		  text->text);
	return COLOUR_OF_ROLE;
}

/* A name of the 16; without one the nearest to rgb. */
static uint32_t read_basic(const struct reading *r, const struct stack_text *text, uint32_t rgb)
{
	if (!*text->text)
		return rgb ? nearest(COLOUR_VALUE(rgb), 0, 15) : COLOUR_OF_ROLE;
	size_t at = find_word(r, text, "colour of the 16", basic_names, ARRAY_LEN(basic_names));

	return at < ARRAY_LEN(basic_names) ? COLOUR_INDEX(at) : COLOUR_OF_ROLE;
}

static void read_role(const struct reading *r, struct theme *theme, const struct role_entry *entry)
{
	size_t role = find_word(r, &entry->role, "role", role_names, ARRAY_LEN(role_names));
	struct look look = { .fg = read_colour(r, &entry->colour), .bg = read_colour(r, &entry->on) };

	look.fg_basic = read_basic(r, &entry->basic, look.fg);
	look.bg_basic = read_basic(r, &entry->on_basic, look.bg);
	for (size_t i = 0; i < entry->style.n; i++) {
		size_t bit = find_word(r, &entry->style.items[i], "style", style_names, ARRAY_LEN(style_names));

		if (bit < ARRAY_LEN(style_names))
			look.attributes |= (uint8_t)(1u << bit);
	}
	if (role <= ROLE_COUNT)
		theme->looks[role] = look;
}

/* Gives every look without colours of its own those of the theme. */
static void paint(struct theme *theme)
{
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		struct look *look = &theme->looks[i];

		if (!look->fg && !look->fg_basic) {
			look->fg = theme->text;
			look->fg_basic = nearest(theme_text(theme), 0, 15);
		}
		if (!look->bg && !look->bg_basic) {
			look->bg = theme->background;
			look->bg_basic = nearest(theme_background(theme), 0, 15);
		}
	}
}

static bool read_theme(struct str text, const char *file, struct theme **ret_theme, struct error *err)
{
	AUTO(yaml_doc) doc = NULL;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO(theme) theme = xcalloc(1, sizeof *theme);
	struct theme_file read = { 0 };
	struct reading r = { file, &diags };

	if (!yaml_read(text, file, NULL, &doc, err))
		return false;
	if (doc)
		stack_decode(&(struct decoder){ .arena = doc->arena, .diags = &diags, .file = file, .unknown_keys = true }, &theme_shape, doc->root, &read);
	theme->text = read.text.text && *read.text.text ? read_colour(&r, &read.text) : COLOUR_RGB(0xd4, 0xd4, 0xd4);
	theme->background = read.background.text && *read.background.text ? read_colour(&r, &read.background) : COLOUR_RGB(0x1e, 0x1e, 0x1e);
	theme->paint = read.paint.value;
	for (size_t i = 0; i < read.roles.n; i++)
		read_role(&r, theme, &read.roles.items[i]);
	diags_make_strict(&diags);
	diags_sort(&diags);
	if (!diags_check(&diags, err))
		return false;
	if (theme->paint)
		paint(theme);
	*ret_theme = GIVE(theme);
	return true;
}

static bool no_such_theme(const char *name, struct error *err)
{
	AUTO_RELEASE(buf) names = BUF_INIT(0);
	const char *builtin;

	for (size_t i = 0; (builtin = theme_builtin(i)); i++)
		buf_addf(&names, "%s%s", i ? ", " : "", builtin);
	error_set(err, ERR_INVALID, "there is no theme \"%s\"", name);
	return error_hint(err, "there are %s", buf_cstr(&names));
}

bool theme_load(const char *name, const char *folder, struct theme **ret_theme, struct error *err)
{
	if (!name || !*name)
		name = "dark";
	if (strchr(name, '/'))
		return no_such_theme(name, err);
	AUTO_FREE char *asset = xasprintf("themes/%s.yaml", name), *path = xasprintf("%s/%s.yaml", folder ? folder : "", name);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct str builtin;

	if (folder && file_exists(path))
		return file_read(path, MAX_FILE_BYTES, &text, err) && read_theme(buf_str(&text), path, ret_theme, err);
	return asset_find(asset, &builtin) ? read_theme(builtin, asset, ret_theme, err) : no_such_theme(name, err);
}

void theme_destroy(struct theme *theme)
{
	free(theme);
}

const char *theme_builtin(size_t n)
{
	static const char *const names[] = { "colour-blind", "dark", "high-contrast", "light", "mono" };

	return n < ARRAY_LEN(names) ? names[n] : NULL;
}
