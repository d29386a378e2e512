#include "ui/settings.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/utc.h"
#include "base/yaml.h"
#include "model/stack_decode.h"
#include "ui/key.h"
#include "ui/text.h"
#include "ui/theme.h"

#define MAX_FILE_BYTES ((size_t)256 << 10)
#define MIN_REFRESH_MS 20
#define MAX_REFRESH_MS 10000

struct stamp { /* of a file that may not be there */
	bool exists;
	struct timespec changed;
	off_t size;
	ino_t inode;
};

struct settings_file {
	char *path, *theme_folder;
	char *text;
	bool must_exist, recorded;
	const struct settings_action *actions;
	size_t nactions;
	struct stamp stamp, theme_stamp;
	struct arena *arena; /* of settings */
	struct settings settings;
};

/* ---- the shape of the file ---- */

struct key_entry {
	struct stack_text action;
	struct stack_text_list keys;
};

struct column_entry {
	struct stack_text resource;
	struct stack_text_list columns;
};

struct raw { /* as decoded */
	struct stack_text theme, language, preset, refresh;
	struct stack_flag ascii, mouse, title;
	struct {
		struct stack_text_list type_name;
	} confirm;
	struct yaml_node *keys, *columns;
};

static const struct field confirm_fields[] = { { .key = "type-name", .type = FIELD_TEXT_LIST, .offset = 0 } };
static const struct shape confirm_shape = { .what = "confirm", .size = sizeof(struct stack_text_list), .spot_offset = NO_OFFSET, .key_offset = NO_OFFSET,
					    .fields = confirm_fields, .n = ARRAY_LEN(confirm_fields) };
#define ROW(key_, type_, member_, ...) { .key = key_, .type = type_, .offset = offsetof(struct raw, member_), __VA_ARGS__ }
static const struct field fields[] = {
	ROW("theme", FIELD_TEXT, theme),	 ROW("language", FIELD_TEXT, language), ROW("preset", FIELD_TEXT, preset),
	ROW("refresh", FIELD_TEXT, refresh),	 ROW("ascii", FIELD_FLAG, ascii),	ROW("mouse", FIELD_FLAG, mouse),
	ROW("title", FIELD_FLAG, title),	 ROW("confirm", FIELD_STRUCT, confirm, .shape = &confirm_shape),
	ROW("keys", FIELD_NODE, keys),		 ROW("columns", FIELD_NODE, columns),
};
static const struct shape shape = { .what = "the settings", .size = sizeof(struct raw), .spot_offset = NO_OFFSET, .key_offset = NO_OFFSET,
				    .fields = fields, .n = ARRAY_LEN(fields) };

/* ---- from the file to settings ---- */

struct reading {
	const struct settings_file *file;
	const char *name; /* of the text, for findings */
	struct arena *arena;
	struct diags *diags;
	struct key_choice *keys;
	struct place *key_places;
	size_t nkeys, keys_cap;
};

static struct place place_of(const struct reading *r, const struct yaml_node *node)
{
	return (struct place){ r->name, node->line, node->column };
}

static void complain(const struct reading *r, struct place place, const char *what, const char *text, const char *near)
{
	diags_add(r->diags, DIAG_ERROR, place, "wrong-setting", "\"%s\" is no %s", text, what);
	if (near)
		diags_hint(r->diags, "did you mean \"%s\"?", near);
}

/* A text or a list of texts: all of them. */
static size_t texts_of(const struct reading *r, const struct yaml_node *node, const struct yaml_node ***ret_items)
{
	size_t n = yaml_is_seq(node) ? node->seq.n : node->kind == YAML_NULL ? 0 : 1, used = 0;
	const struct yaml_node **items = arena_alloc(r->arena, (n + 1) * sizeof *items);

	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *item = yaml_is_seq(node) ? node->seq.items[i] : node;

		if (item->kind >= YAML_SEQUENCE)
			diags_add(r->diags, DIAG_ERROR, place_of(r, item), "wrong-type", "expected text, found %s", yaml_kind_name(item->kind));
		else
			items[used++] = item;
	}
	*ret_items = items;
	return used;
}

static const char *own(const struct reading *r, struct str text)
{
	return arena_strndup(r->arena, text.p, text.len);
}

static const struct settings_action *find_action(const struct reading *r, const struct yaml_node *name)
{
	const struct settings_file *file = r->file;
	const char **names = arena_alloc(r->arena, (file->nactions + 1) * sizeof *names);
	const char *typed = own(r, name->text);

	for (size_t i = 0; i < file->nactions; i++) {
		names[i] = file->actions[i].name;
		if (strcmp(names[i], typed) == 0)
			return &file->actions[i];
	}
	complain(r, place_of(r, name), "action", typed, str_nearest(typed, names, file->nactions));
	return NULL;
}

static void read_key(const struct reading *r, const struct settings_action *action, const struct yaml_node *node, struct key_choice *choice, uint32_t *keys)
{
	const char *text = own(r, node->text);

	if (!key_parse(text, &keys[choice->n])) {
		complain(r, place_of(r, node), "key", text, NULL);
		diags_hint(r->diags, "a character, F1 to F12, Ctrl-A, Enter, Esc, Space, Tab, PgUp … (quote what YAML reads otherwise)");
	} else if (action && action->changes && key_is_control(keys[choice->n])) {
		diags_add(r->diags, DIAG_ERROR, place_of(r, node), "control-change", "%s changes something and must not hang on %s", action->name, text);
	} else {
		choice->n++;
	}
}

/* Two actions of the person on one key can both be meant, on different screens; the same key twice for one cannot. */
static void read_keys(struct reading *r, const struct yaml_node *map)
{
	for (size_t i = 0; map && i < map->map.n; i++) {
		const struct yaml_pair *pair = &map->map.pairs[i];
		const struct settings_action *action = r->file->actions ? find_action(r, pair->key) : NULL;
		const struct yaml_node **items;
		size_t n = texts_of(r, pair->value, &items);
		uint32_t *keys = arena_alloc(r->arena, (n + 1) * sizeof *keys);
		struct key_choice choice = { own(r, pair->key->text), keys, 0 };

		for (size_t k = 0; k < n; k++)
			read_key(r, action, items[k], &choice, keys);
		LIST_PUSH(r->keys, r->nkeys, r->keys_cap) = choice;
	}
}

static void read_columns(const struct reading *r, const struct yaml_node *map, struct settings *ret)
{
	struct column_choice *choices = arena_alloc(r->arena, ((map ? map->map.n : 0) + 1) * sizeof *choices);

	for (size_t i = 0; map && i < map->map.n; i++) {
		const struct yaml_node **items;
		size_t n = texts_of(r, map->map.pairs[i].value, &items);
		const char **columns = arena_alloc(r->arena, (n + 1) * sizeof *columns);

		for (size_t k = 0; k < n; k++)
			columns[k] = own(r, items[k]->text);
		if (!n)
			diags_add(r->diags, DIAG_ERROR, place_of(r, map->map.pairs[i].key), "no-columns", "no columns for \"%.*s\"",
				  STR_ARG(map->map.pairs[i].key->text));
		choices[i] = (struct column_choice){ own(r, map->map.pairs[i].key->text), columns, n };
	}
	ret->columns = choices;
	ret->ncolumns = map ? map->map.n : 0;
}

static const char *word_of(const struct reading *r, const struct stack_text *text, const char *otherwise, const char *what, const char *const *words, size_t n)
{
	if (!text->text || !*text->text)
		return otherwise;
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text->text) == 0)
			return words[i];
	complain(r, (struct place){ r->name, text->at.line, text->at.column }, what, text->text, str_nearest(text->text, words, n));
	return otherwise;
}

static bool flag_of(const struct stack_flag *flag, bool otherwise)
{
	return flag->at.line ? flag->value : otherwise;
}

static void read_refresh(const struct reading *r, const struct stack_text *text, struct settings *ret)
{
	struct place place = { r->name, text->at.line, text->at.column };
	int64_t ms;

	if (!text->text || !*text->text)
		return;
	if (!duration_parse(str_of(text->text), &ms))
		complain(r, place, "length of time such as 200ms", text->text, NULL);
	else if (ms < MIN_REFRESH_MS || ms > MAX_REFRESH_MS)
		diags_add(r->diags, DIAG_ERROR, place, "out-of-range", "refresh is %s; it can be 20ms to 10s", text->text);
	else
		ret->refresh_ms = ms;
}

/* A theme must be there and right, or the screen would have to do without. */
static void read_theme(const struct reading *r, const struct stack_text *text, struct settings *ret)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(theme) theme = NULL;

	if (!text->text || !*text->text)
		return;
	if (theme_load(text->text, r->file->theme_folder, &theme, &err))
		ret->theme = own(r, str_of(text->text));
	if (theme || r->file->recorded)
		return;
	diags_add(r->diags, DIAG_ERROR, (struct place){ r->name, text->at.line, text->at.column }, "wrong-theme", "%s", err.message);
	if (err.hint)
		diags_hint(r->diags, "%s", err.hint);
}

static bool decode(const struct reading *r, struct str text, struct raw *ret, struct error *err)
{
	AUTO(yaml_doc) doc = NULL;

	if (!yaml_read(text, r->name, NULL, &doc, err))
		return false;
	/* Nodes must outlive the document: its texts are looked at by the functions above. */
	const struct yaml_node *root = doc ? yaml_copy(r->arena, doc->root) : NULL;

	stack_decode(&(struct decoder){ .arena = r->arena, .diags = r->diags, .file = r->name, .unknown_keys = true }, &shape, root, ret);
	return true;
}

static bool read_preset(struct reading *r, const char *preset, struct error *err)
{
	AUTO_FREE char *path = xasprintf("keys/%s.yaml", preset);
	struct reading own_text = *r;
	struct raw raw = { 0 };
	struct str text;

	if (!asset_find(path, &text))
		return true; /* the default one has no file */
	own_text.name = path;
	if (!decode(&own_text, text, &raw, err))
		return false;
	read_keys(&own_text, raw.keys);
	r->keys = own_text.keys;
	r->nkeys = own_text.nkeys;
	r->keys_cap = own_text.keys_cap;
	return true;
}

static const struct settings defaults = { .theme = "dark", .language = "auto", .preset = "default", .mouse = true, .title = true, .refresh_ms = 20 };

/* Every check of one text; settings go to ret, whose memory is the arena's. */
static bool read_settings(struct reading *r, struct str text, struct settings *ret, struct error *err)
{
	static const char *const presets[] = { "default", "k9s", "vim" };
	struct raw raw = { 0 };

	*ret = defaults;
	if (!decode(r, text, &raw, err))
		return false;
	read_theme(r, &raw.theme, ret);
	ret->language = word_of(r, &raw.language, "auto", "language", text_languages(), text_language_count());
	ret->preset = word_of(r, &raw.preset, "default", "preset", presets, ARRAY_LEN(presets));
	ret->ascii = raw.ascii.value;
	ret->mouse = flag_of(&raw.mouse, true);
	ret->title = flag_of(&raw.title, true);
	read_refresh(r, &raw.refresh, ret);
	if (!read_preset(r, ret->preset, err))
		return false;
	read_keys(r, raw.keys);
	read_columns(r, raw.columns, ret);
	if (raw.confirm.type_name.n) {
		const char **patterns = arena_alloc(r->arena, raw.confirm.type_name.n * sizeof *patterns);

		for (size_t i = 0; i < raw.confirm.type_name.n; i++)
			patterns[i] = own(r, str_of(raw.confirm.type_name.items[i].text));
		ret->type_name = patterns;
		ret->ntype_name = raw.confirm.type_name.n;
	}
	diags_make_strict(r->diags);
	diags_sort(r->diags);
	return diags_check(r->diags, err);
}

/* ---- the file ---- */

static struct stamp stamp_of(const char *path)
{
	struct stat now;

	if (stat(path, &now) != 0)
		return (struct stamp){ 0 };
	return (struct stamp){ true, now.st_mtim, now.st_size, now.st_ino };
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->exists == b->exists && a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec && a->size == b->size &&
	       a->inode == b->inode;
}

static char *theme_path(const struct settings_file *file)
{
	return xasprintf("%s/%s.yaml", file->theme_folder, file->settings.theme);
}

/* The former settings stay when the file is wrong. */
static bool load(struct settings_file *file, struct error *err)
{
	AUTO(arena) arena = arena_create();
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct reading r = { .file = file, .name = file->path, .arena = arena, .diags = &diags };
	struct settings read;

	file->stamp = stamp_of(file->path);
	if (file->recorded)
		buf_adds(&text, file->text);
	else if ((file->stamp.exists || file->must_exist) && !file_read(file->path, MAX_FILE_BYTES, &text, err))
		return false;
	bool good = read_settings(&r, buf_str(&text), &read, err);

	if (good && r.nkeys) {
		struct key_choice *keys = arena_alloc(arena, r.nkeys * sizeof *keys);

		memcpy(keys, r.keys, r.nkeys * sizeof *keys);
		read.keys = keys;
		read.nkeys = r.nkeys;
	}
	free(r.keys);
	if (!good)
		return false;
	arena_destroy(file->arena);
	file->arena = GIVE(arena);
	file->settings = read;
	free(file->text);
	file->text = buf_give(&text);
	AUTO_FREE char *theme = theme_path(file);

	file->theme_stamp = stamp_of(theme);
	return true;
}

static char *default_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/') /* a relative one is to be ignored, says the XDG specification */
		return xasprintf("%s/slotdeck/config.yaml", config);
	return xasprintf("%s/.config/slotdeck/config.yaml", home ? home : "");
}

static void open_file(struct settings_file *file, const struct settings_action *actions, size_t nactions)
{
	AUTO_FREE char *folder = path_folder(file->path);

	file->theme_folder = path_join(folder, "themes");
	file->actions = actions;
	file->nactions = nactions;
	file->settings = defaults;
}

bool settings_open_text(const char *text, const struct settings_action *actions, size_t nactions, struct settings_file **ret_file, struct error *err)
{
	struct settings_file *file = xcalloc(1, sizeof *file);

	file->path = default_path();
	file->text = xstrdup(text);
	file->recorded = true;
	open_file(file, actions, nactions);
	*ret_file = file;
	return load(file, err);
}

const char *settings_text(const struct settings_file *file)
{
	return file->text ? file->text : "";
}

bool settings_open(const char *path, const struct settings_action *actions, size_t nactions, struct settings_file **ret_file, struct error *err)
{
	struct settings_file *file = xcalloc(1, sizeof *file);

	file->path = path ? xstrdup(path) : default_path();
	file->must_exist = path != NULL;
	open_file(file, actions, nactions);
	*ret_file = file;
	return load(file, err);
}

void settings_file_destroy(struct settings_file *file)
{
	if (!file)
		return;
	arena_destroy(file->arena);
	free(file->path);
	free(file->text);
	free(file->theme_folder);
	free(file);
}

const struct settings *settings_get(const struct settings_file *file)
{
	return &file->settings;
}

const char *settings_path(const struct settings_file *file)
{
	return file->path;
}

const char *settings_theme_folder(const struct settings_file *file)
{
	return file->theme_folder;
}

enum settings_news settings_check(struct settings_file *file, struct error *err)
{
	AUTO_FREE char *theme = theme_path(file);
	struct stamp now = stamp_of(file->path), theme_now = stamp_of(theme);

	if (same_stamp(&now, &file->stamp) && same_stamp(&theme_now, &file->theme_stamp))
		return SETTINGS_SAME;
	file->theme_stamp = theme_now;
	return load(file, err) ? SETTINGS_NEW : SETTINGS_WRONG;
}

bool settings_asks_name(const struct settings *settings, const char *slot)
{
	for (size_t i = 0; i < settings->ntype_name; i++)
		if (fnmatch(settings->type_name[i], slot, 0) == 0)
			return true;
	return false;
}

const struct column_choice *settings_columns(const struct settings *settings, const char *resource, const char *group)
{
	AUTO_FREE char *whole = xasprintf("%s.%s", resource, group);

	for (size_t i = 0; i < settings->ncolumns; i++)
		if (strcmp(settings->columns[i].resource, resource) == 0 || strcmp(settings->columns[i].resource, whole) == 0)
			return &settings->columns[i];
	return NULL;
}
