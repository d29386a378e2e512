#include "model/vars.h"

#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "model/dotenv.h"

#define MAX_LINE_BYTES (64 * 1024) /* of a var file, as the original has it */

void vars_release(struct vars *vars)
{
	map_release(&vars->map);
	map_release(&vars->files);
}

void vars_set(struct vars *vars, struct str name, struct str value, enum var_source source, const char *file,
	      unsigned line)
{
	struct var *var = xmalloc(sizeof *var + value.len + 1);

	memcpy(var->bytes, value.len ? value.p : "", value.len);
	var->bytes[value.len] = '\0';
	var->value = (struct str){ var->bytes, value.len };
	var->source = source;
	var->line = line;
	var->file = NULL;
	if (file) {
		char *kept = map_get(&vars->files, str_of(file));

		if (!kept) {
			kept = xstrdup(file);
			vars->files.free_value = free;
			map_set(&vars->files, str_of(file), kept);
		}
		var->file = kept;
	}
	vars->map.free_value = free;
	map_set(&vars->map, name, var);
}

const struct var *vars_get(const struct vars *vars, const char *name)
{
	return map_get(&vars->map, str_of(name));
}

const char *vars_text(const struct vars *vars, const char *name)
{
	const struct var *var = vars_get(vars, name);

	return var ? var->value.p : NULL;
}

void vars_merge(struct vars *vars, const struct vars *from)
{
	for (size_t i = 0; i < from->map.len; i++) {
		const struct map_entry *e = &from->map.entries[i];
		const struct var *var = e->value;

		vars_set(vars, (struct str){ e->key, e->key_len }, var->value, var->source, var->file, var->line);
	}
}

void vars_add_environment(struct vars *vars, char *const *environment)
{
	for (; environment && *environment; environment++) {
		struct str value = str_of(*environment), name;

		if (str_cut(&value, '=', &name))
			vars_set(vars, name, value, VAR_PROCESS, NULL, 0);
	}
}

bool vars_add_dotenv(struct vars *vars, struct str text, const char *file, struct error *err)
{
	AUTO_RELEASE(vars) own = VARS_INIT;

	if (!dotenv_parse(text, file, &own, err))
		return false;
	vars_merge(vars, &own);
	return true;
}

/* ---- the var file ---- */

static struct str strip_quote(struct str s, char quote)
{
	if (s.len && s.p[0] == quote)
		s = (struct str){ s.p + 1, s.len - 1 };
	if (s.len && s.p[s.len - 1] == quote)
		s.len--;
	return s;
}

static bool next_line(struct str *rest, struct str *ret_line)
{
	if (!rest->len)
		return false;
	if (!str_cut(rest, '\n', ret_line)) {
		*ret_line = *rest;
		*rest = (struct str){ rest->p + rest->len, 0 };
	}
	return true;
}

enum line_kind { LINE_BLANK, LINE_PAIR, LINE_UNREAD };

static enum line_kind read_line(struct str line, struct str *ret_key, struct str *ret_value)
{
	struct str rest = str_trim_unicode(line), key;

	if (!rest.len || rest.p[0] == '#')
		return LINE_BLANK;
	if (!str_cut(&rest, '=', &key) && !str_cut(&rest, ':', &key))
		return LINE_UNREAD;
	*ret_key = str_trim_unicode(key);
	*ret_value = strip_quote(strip_quote(str_trim_unicode(rest), '"'), '\'');
	return ret_key->len ? LINE_PAIR : LINE_UNREAD;
}

/* Only plain key/value lines keep the line rules; what a YAML or dotenv writer meant otherwise shows in unread lines. */
static bool read_as_lines(struct vars *vars, struct str text, const char *file, struct diags *warnings,
			  bool *ret_all_read, struct error *err)
{
	struct str line, key, value;
	unsigned number = 0;

	*ret_all_read = true;
	while (next_line(&text, &line)) {
		number++;
		if (line.len >= MAX_LINE_BYTES)
			return error_set(err, ERR_LIMIT, "%s:%u: the line is longer than 64 KiB", file, number);
		enum line_kind kind = read_line(line, &key, &value);

		if (kind == LINE_PAIR) {
			vars_set(vars, key, value, VAR_VAR_FILE, file, number);
		} else if (kind == LINE_UNREAD) {
			*ret_all_read = false;
			if (warnings) {
				diags_add(warnings, DIAG_WARNING, (struct place){ file, number, 1 }, "var-file-line",
					  "this line is neither KEY=VALUE nor KEY: VALUE and is left out");
			}
		}
	}
	return true;
}

static bool read_as_yaml(struct vars *vars, struct str text, const char *file)
{
	AUTO(yaml_stream) stream = yaml_stream_create(text, file, NULL);
	AUTO(yaml_doc) doc = NULL;
	AUTO(yaml_doc) second = NULL;
	AUTO_RELEASE(error) err = { 0 };

	if (!yaml_stream_next(stream, &doc, &err) || !doc || !yaml_is_map(doc->root) ||
	    !yaml_stream_next(stream, &second, &err) || second)
		return false;
	for (size_t i = 0; i < doc->root->map.n; i++) {
		const struct yaml_pair *pair = &doc->root->map.pairs[i];

		if (pair->key->kind >= YAML_SEQUENCE || pair->value->kind >= YAML_SEQUENCE)
			return false;
	}
	for (size_t i = 0; i < doc->root->map.n; i++) {
		const struct yaml_pair *pair = &doc->root->map.pairs[i];
		struct str value = pair->value->kind == YAML_NULL ? STR("") : pair->value->text;

		vars_set(vars, pair->key->text, value, VAR_VAR_FILE, file, pair->key->line);
	}
	return true;
}

static bool read_as_dotenv(struct vars *vars, struct str text, const char *file)
{
	AUTO_RELEASE(vars) own = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	if (!dotenv_parse(text, file, &own, &err) || map_has(&own.map, STR("")))
		return false;
	for (size_t i = 0; i < own.map.len; i++)
		((struct var *)own.map.entries[i].value)->source = VAR_VAR_FILE;
	vars_merge(vars, &own);
	return true;
}

bool vars_add_var_file(struct vars *vars, struct str text, const char *file, struct diags *warnings, struct error *err)
{
	AUTO_RELEASE(vars) own = VARS_INIT;
	AUTO_RELEASE(diags) unread = DIAGS_INIT;
	bool all_read;

	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = (struct str){ text.p + 3, text.len - 3 };
	if (!read_as_lines(&own, text, file, &unread, &all_read, err))
		return false;
	if (!all_read && (read_as_yaml(vars, text, file) || read_as_dotenv(vars, text, file)))
		return true;
	for (size_t i = 0; warnings && i < unread.len; i++) {
		const struct diag *d = &unread.items[i];

		diags_add(warnings, d->severity, (struct place){ d->file, d->line, d->column }, d->code, "%s",
			  d->message);
	}
	vars_merge(vars, &own);
	return true;
}

/* ---- inline ---- */

bool vars_add_inline(struct vars *vars, struct str list, struct error *err)
{
	for (unsigned number = 1; list.len; number++) {
		struct str item, key;

		if (!str_cut(&list, ',', &item)) {
			item = list;
			list.len = 0;
		}
		item = str_trim_unicode(item);
		if (!item.len)
			continue;
		struct str value = item;

		if (!str_cut(&value, '=', &key)) {
			/* Not shown: it may be the rest of a secret that holds a comma. */
			error_set(err, ERR_INVALID, "inline var %u of --vars has no \"=\", expected key=value", number);
			return error_hint(err, "a comma separates variables; give a value that holds one by --var k=v");
		}
		key = str_trim_unicode(key);
		if (!key.len)
			return error_set(err, ERR_INVALID, "inline var %u of --vars has an empty key", number);
		vars_set(vars, key, str_trim_unicode(value), VAR_INLINE, NULL, 0);
	}
	return true;
}

bool vars_add_one(struct vars *vars, struct str item, struct error *err)
{
	struct str value = item, key;

	if (!str_cut(&value, '=', &key) || !str_trim_unicode(key).len)
		return error_set(err, ERR_INVALID, "a variable of --var has no key or no \"=\", expected key=value");
	vars_set(vars, str_trim_unicode(key), value, VAR_INLINE, NULL, 0);
	return true;
}
