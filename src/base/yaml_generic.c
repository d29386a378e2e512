/* The generic form: what yaml.v3 decodes into a map[string]interface{}. */
#include <stdarg.h>
#include <string.h>

#include "base/yaml_private.h"

struct pass {
	struct yaml_doc *doc;
	const char *file;
	struct diags *warnings;
	struct error *err;
};

static bool fail(struct pass *pass, const struct yaml_node *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool fail(struct pass *pass, const struct yaml_node *node, const char *fmt, ...)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	va_list ap;

	yaml_add_place(&message, pass->file, node->line, node->column);
	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	pass->doc->error_line = node->line;
	pass->doc->error_column = node->column;
	return error_set(pass->err, ERR_INVALID, "%s", buf_cstr(&message));
}

static void add_value(struct buf *out, const struct yaml_node *node)
{
	if (node->kind == YAML_INT)
		buf_addf(out, "%lld", (long long)node->i);
	else if (node->kind == YAML_UINT)
		buf_addf(out, "%llu", (unsigned long long)node->u);
	else if (node->kind == YAML_FLOAT)
		yaml_format_float(out, node->f);
	else
		yaml_format_time(out, node->time);
}

/* A number or time that will be written otherwise than it was read. */
static void warn_if_changed(struct pass *pass, const struct yaml_node *node)
{
	bool is_number = node->kind == YAML_INT || node->kind == YAML_UINT || node->kind == YAML_FLOAT;

	if (!pass->warnings || !node->plain || (!is_number && node->kind != YAML_TIMESTAMP))
		return;
	if (node->kind == YAML_INT && node->text.p[0] >= '1' && node->text.p[0] <= '9' &&
	    !memchr(node->text.p, '_', node->text.len))
		return;
	AUTO_RELEASE(buf) written = BUF_INIT(0);

	add_value(&written, node);
	if (str_eq(node->text, buf_str(&written)))
		return;
	diags_add(pass->warnings, DIAG_WARNING, (struct place){ pass->file, node->line, node->column },
		  is_number ? "yaml-number-text" : "yaml-date-text", "%.*s is read as the %s %s", STR_ARG(node->text),
		  is_number ? "number" : "time", buf_cstr(&written));
	diags_hint(pass->warnings, "write \"%.*s\" in quotes to keep the text", STR_ARG(node->text));
}

static bool is_string_key(const struct yaml_node *key)
{
	return key->kind == YAML_STRING && !(key->marks & YAML_MARK_TAGGED);
}

static bool check_keys(struct pass *pass, struct yaml_node *map)
{
	for (uint32_t i = 0; i < map->map.n; i++) {
		const struct yaml_node *key = map->map.pairs[i].key;

		if (key->kind >= YAML_SEQUENCE)
			return fail(pass, key, "invalid map key: a %s", yaml_kind_name(key->kind));
		map->general |= !is_string_key(key);
	}
	return true;
}

static bool check_duplicates(struct pass *pass, const struct yaml_node *map)
{
	size_t earlier, later;

	if (!yaml_find_duplicate(map->map.pairs, map->map.n, true, &earlier, &later))
		return true;
	const struct yaml_node *first = map->map.pairs[earlier].key, *second = map->map.pairs[later].key;

	return fail(pass, second, "mapping key \"%.*s\" is the same as \"%.*s\" at line %u", STR_ARG(second->text),
		    STR_ARG(first->text), first->line);
}

static bool make_generic(struct pass *pass, struct yaml_node *node);

static bool make_map_generic(struct pass *pass, struct yaml_node *map)
{
	if (!check_keys(pass, map))
		return false;
	if (map->general && !check_duplicates(pass, map))
		return false;
	for (uint32_t i = 0; i < map->map.n; i++) {
		if (map->general)
			warn_if_changed(pass, map->map.pairs[i].key);
		if (!make_generic(pass, map->map.pairs[i].value))
			return false;
	}
	return true;
}

static bool make_generic(struct pass *pass, struct yaml_node *node)
{
	if (node->kind == YAML_MAPPING)
		return make_map_generic(pass, node);
	if (node->kind != YAML_SEQUENCE) {
		warn_if_changed(pass, node);
		return true;
	}
	for (uint32_t i = 0; i < node->seq.n; i++)
		if (!make_generic(pass, node->seq.items[i]))
			return false;
	return true;
}

/* In the root every key is the text that stands there. */
static bool make_root_keys(struct pass *pass, struct yaml_node *root)
{
	for (uint32_t i = 0; i < root->map.n; i++) {
		struct yaml_node *key = root->map.pairs[i].key;

		if (key->kind == YAML_NULL)
			return fail(pass, key, "a null key; its value would be lost");
		if (key->kind < YAML_SEQUENCE) {
			key->kind = YAML_STRING;
			key->marks &= (uint8_t)~YAML_MARK_TAGGED;
		}
	}
	return true;
}

bool yaml_doc_make_generic(struct yaml_doc *doc, const char *file, struct diags *warnings, struct error *err)
{
	struct pass pass = { doc, file, warnings, err };
	struct yaml_node *root = doc->root;

	if (root->kind == YAML_NULL)
		return true;
	if (root->kind != YAML_MAPPING)
		return fail(&pass, root, "the document must be a mapping, not a %s", yaml_kind_name(root->kind));
	return make_root_keys(&pass, root) && make_map_generic(&pass, root);
}
