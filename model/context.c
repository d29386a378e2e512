#include "model/context.h"

#include <string.h>

#include "model/stack.h"
#include "model/stack_decode.h"

/* ---- masks ---- */

#define MASK_BYTES 3 /* U+FDD0 to U+FDEF in UTF-8 */

static bool occurs(const char mark[4], struct str text)
{
	return str_find(text, (struct str){ mark, MASK_BYTES }) >= 0;
}

static bool occurs_in_vars(const char mark[4], const struct vars *vars)
{
	for (size_t i = 0; i < vars->map.len; i++)
		if (occurs(mark, ((const struct var *)vars->map.entries[i].value)->value))
			return true;
	return false;
}

bool mask_choose(const struct stack *stack, struct str source, struct mask *ret)
{
	char *marks[] = { ret->brace, ret->edge };
	size_t n = 0;

	for (uint32_t rune = 0xfdd0; rune <= 0xfdef && n < 2; rune++) {
		char mark[4] = { 0 };

		utf8_put(mark, rune);
		if (!occurs(mark, source) && !occurs_in_vars(mark, &stack->env_map) &&
		    !occurs(mark, str_of(stack->env)))
			memcpy(marks[n++], mark, sizeof mark);
	}
	return n == 2;
}

struct str mask_apply(const struct mask *mask, struct arena *arena, struct str value)
{
	AUTO_RELEASE(buf) out = { 0 };

	if (str_find_char(value, '{') < 0)
		return value;
	for (size_t i = 0, run; i < value.len; i += run) {
		run = 1;
		if (value.p[i] != '{') {
			buf_addc(&out, value.p[i]);
			continue;
		}
		while (i + run < value.len && value.p[i + run] == '{')
			run++;
		bool edge = i == 0 || i + run == value.len;

		for (size_t k = 0; k < run; k++) {
			if (run > 1 || edge)
				buf_add(&out, run > 1 ? mask->brace : mask->edge, MASK_BYTES);
			else
				buf_addc(&out, '{');
		}
	}
	return (struct str){ arena_strndup(arena, out.p, out.len), out.len };
}

static bool is_mark(const char *mark, const char *at, const char *end)
{
	return end - at >= MASK_BYTES && memcmp(at, mark, MASK_BYTES) == 0;
}

bool mask_settle(const struct mask *mask, struct str text, struct buf *out)
{
	const char *at = text.p, *end = at + text.len, *edge;
	bool after_brace = false;

	if (!mask->edge[0] || !text.len || !memmem(at, text.len, mask->edge, MASK_BYTES))
		return false;
	while ((edge = memmem(at, (size_t)(end - at), mask->edge, MASK_BYTES))) {
		const char *next = edge + MASK_BYTES;

		buf_add(out, at, (size_t)(edge - at));
		if (edge > at)
			after_brace = edge[-1] == '{' ||
				      (edge - at >= MASK_BYTES && is_mark(mask->brace, edge - MASK_BYTES, edge));
		bool before_brace = next < end && (*next == '{' || is_mark(mask->brace, next, end) ||
						   is_mark(mask->edge, next, end));

		if (after_brace || before_brace)
			buf_add(out, mask->brace, MASK_BYTES);
		else
			buf_addc(out, '{');
		after_brace = true;
		at = next;
	}
	buf_add(out, at, (size_t)(end - at));
	return true;
}

struct str mask_remove(const struct mask *mask, struct arena *arena, struct str text)
{
	AUTO_RELEASE(buf) out = { 0 };
	const char *at = text.p, *end = text.p + text.len, *mark;

	if (!mask->brace[0] || !text.len || !memmem(text.p, text.len, mask->brace, MASK_BYTES))
		return text;
	for (; (mark = memmem(at, (size_t)(end - at), mask->brace, MASK_BYTES)); at = mark + MASK_BYTES) {
		buf_add(&out, at, (size_t)(mark - at));
		buf_addc(&out, '{');
	}
	buf_add(&out, at, (size_t)(end - at));
	return (struct str){ arena_strndup(arena, out.p, out.len), out.len };
}

/* ---- the typed part of the context ---- */

static struct value struct_value(struct arena *arena, const struct shape *shape, const char *source);

static struct value text_value(const void *at)
{
	return value_text(((const struct stack_text *)at)->text);
}

static struct value texts_value(struct arena *arena, const struct stack_text_list *list)
{
	struct value *items = list->items ? arena_alloc(arena, (list->n + 1) * sizeof *items) : NULL;

	for (size_t i = 0; i < list->n; i++)
		items[i] = value_text(list->items[i].text);
	return value_list(&value_type_strings, items, list->n);
}

static struct value text_map_value(struct arena *arena, const struct stack_text_map *map)
{
	struct value_entry *entries = map->items ? arena_alloc(arena, (map->n + 1) * sizeof *entries) : NULL;

	for (size_t i = 0; i < map->n; i++)
		entries[i] = (struct value_entry){ str_of(map->items[i].name.text),
						   value_text(map->items[i].value.text) };
	return value_map(arena, &value_type_string_map, entries, map->n);
}

struct any_list {
	const char *items;
	size_t n;
};

static struct value list_value(struct arena *arena, const struct field *field, const struct any_list *list)
{
	struct value *items = list->items ? arena_alloc(arena, (list->n + 1) * sizeof *items) : NULL;

	for (size_t i = 0; i < list->n; i++)
		items[i] = struct_value(arena, field->shape, list->items + i * field->shape->size);
	return value_list(field->go_type, items, list->n);
}

static struct value map_value(struct arena *arena, const struct field *field, const struct any_list *list)
{
	struct value_entry *entries = list->items ? arena_alloc(arena, (list->n + 1) * sizeof *entries) : NULL;

	for (size_t i = 0; i < list->n; i++) {
		const char *item = list->items + i * field->shape->size;
		const struct stack_text *key = (const void *)(item + field->shape->key_offset);

		entries[i] = (struct value_entry){ str_of(key->text), struct_value(arena, field->shape, item) };
	}
	return value_map(arena, field->go_type, entries, list->n);
}

static struct value optional_value(struct arena *arena, const struct field *field, const void *at)
{
	const char *target = *(const char *const *)at;

	return target ? value_pointer(arena, field->go_type, struct_value(arena, field->shape, target))
		      : value_zero(field->go_type);
}

static struct value field_value(struct arena *arena, const struct field *field, const char *source)
{
	const void *at = source + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		return text_value(at);
	case FIELD_NUMBER:
		return value_int(((const struct stack_number *)at)->value);
	case FIELD_FLAG:
		return value_bool(((const struct stack_flag *)at)->value);
	case FIELD_TEXT_LIST:
		return texts_value(arena, at);
	case FIELD_STRUCT:
		return struct_value(arena, field->shape, at);
	case FIELD_OPTIONAL:
		return optional_value(arena, field, at);
	case FIELD_LIST:
		return list_value(arena, field, at);
	case FIELD_MAP:
		return map_value(arena, field, at);
	case FIELD_TEXT_MAP:
	case FIELD_NODE:
		break;
	}
	return value_none();
}

static struct value struct_value(struct arena *arena, const struct shape *shape, const char *source)
{
	const struct value_type *type = shape->type;
	struct value *fields = value_fields(arena, type);

	for (size_t i = 0; i < type->nfields; i++)
		for (size_t k = 0; k < shape->n; k++)
			if (shape->fields[k].go && strcmp(shape->fields[k].go, type->fields[i].name) == 0)
				fields[i] = field_value(arena, &shape->fields[k], source);
	return value_struct(type, fields);
}

/* ---- the root ---- */

static const struct value_type type_vars = VALUE_TYPE_MAP("env.Vars", &value_type_string);
static const struct value_field issue_comment_fields[] = {
	{ "IssueNumber", &value_type_int }, { "ID", &value_type_int64 },    { "Author", &value_type_string },
	{ "URL", &value_type_string },	    { "Body", &value_type_string }, { "CreatedAt", &value_type_string },
};
static const struct value_type type_issue_comment = VALUE_TYPE_STRUCT("config.IssueComment", issue_comment_fields);
static const struct value_type type_issue_comments = VALUE_TYPE_SLICE("[]config.IssueComment", &type_issue_comment);
static const struct value_field review_comment_fields[] = {
	{ "PRNumber", &value_type_int }, { "ID", &value_type_int64 },	     { "Author", &value_type_string },
	{ "URL", &value_type_string },	 { "Body", &value_type_string },     { "ThreadID", &value_type_string },
	{ "CreatedAt", &value_type_string },
};
static const struct value_type type_review_comment = VALUE_TYPE_STRUCT("config.ReviewComment", review_comment_fields);
static const struct value_type type_review_comments = VALUE_TYPE_SLICE("[]config.ReviewComment", &type_review_comment);
static const struct value_field root_fields[] = {
	{ "Env", &value_type_string },
	{ "Namespace", &value_type_string },
	{ "Project", &value_type_string },
	{ "ProjectRoot", &value_type_string },
	{ "Slot", &value_type_int },
	{ "Now", &value_type_time },
	{ "UserVars", &type_vars },
	{ "Vars", &type_vars },
	{ "EnvMap", &value_type_string_map },
	{ "Versions", &value_type_string_map },
	{ "BaseDomain", &value_type_string_map },
	{ "Codex", &stack_go_codex },
	{ "Storage", &stack_go_storage_pointer },
	{ "IssueComments", &type_issue_comments },
	{ "ReviewComments", &type_review_comments },
};
static const struct value_type type_root = VALUE_TYPE_STRUCT("config.TemplateContext", root_fields);

enum { /* rows of root_fields */
	ROOT_ENV,
	ROOT_NAMESPACE,
	ROOT_PROJECT,
	ROOT_PROJECT_ROOT,
	ROOT_SLOT,
	ROOT_NOW,
	ROOT_USER_VARS,
	ROOT_VARS,
	ROOT_ENV_MAP,
	ROOT_VERSIONS,
	ROOT_BASE_DOMAIN,
	ROOT_CODEX,
	ROOT_STORAGE,
	ROOT_ISSUE_COMMENTS,
	ROOT_REVIEW_COMMENTS,
};

static struct value vars_value(struct arena *arena, const struct value_type *type, const struct vars *vars,
			       const struct mask *mask)
{
	struct value_entry *entries = arena_alloc(arena, (vars->map.len + 1) * sizeof *entries);

	for (size_t i = 0; i < vars->map.len; i++) {
		const struct map_entry *e = &vars->map.entries[i];
		struct str value = ((const struct var *)e->value)->value;

		if (mask)
			value = mask_apply(mask, arena, value);
		entries[i] = (struct value_entry){ { e->key, e->key_len }, value_string(value) };
	}
	return value_map(arena, type, entries, vars->map.len);
}

static struct value masked_text(struct arena *arena, const char *text, const struct mask *mask)
{
	return value_string(mask ? mask_apply(mask, arena, str_of(text)) : str_of(text));
}

struct context context_build(struct arena *arena, const struct stack *stack, const char *namespace,
			     const struct mask *mask, bool with_typed)
{
	struct value *f = value_fields(arena, &type_root);
	struct context context = { 0 };

	f[ROOT_ENV] = masked_text(arena, stack->env, mask);
	f[ROOT_NAMESPACE] = masked_text(arena, namespace, mask);
	f[ROOT_PROJECT] = text_value(&stack->project);
	f[ROOT_PROJECT_ROOT] = masked_text(arena, stack->root, mask);
	f[ROOT_SLOT] = value_int(stack->slot);
	f[ROOT_NOW] = value_time(stack->now.tv_sec, (int32_t)stack->now.tv_nsec);
	f[ROOT_USER_VARS] = vars_value(arena, &type_vars, &stack->user_vars, mask);
	f[ROOT_VARS] = vars_value(arena, &type_vars, &stack->vars, mask);
	f[ROOT_ENV_MAP] = vars_value(arena, &value_type_string_map, &stack->env_map, mask);
	f[ROOT_VERSIONS] = text_map_value(arena, &stack->versions);
	f[ROOT_BASE_DOMAIN] = text_map_value(arena, &stack->base_domain);
	if (with_typed) {
		f[ROOT_CODEX] = struct_value(arena, &codex_shape, (const char *)&stack->codex);
		if (stack->storage)
			f[ROOT_STORAGE] = value_pointer(arena, &stack_go_storage_pointer,
							struct_value(arena, &storage_shape,
								     (const char *)stack->storage));
	}
	context.root = value_struct(&type_root, f);
	context.options.env_map = f[ROOT_ENV_MAP];
	context.options.now = f[ROOT_NOW];
	return context;
}
