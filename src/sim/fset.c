#include "sim/fset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/jx.h"

enum { DEPTH_MAX = 128 };

struct fset *fset_create(struct arena *arena)
{
	return arena_alloc(arena, sizeof(struct fset));
}

/* Index of step, or where it belongs with *found false. */
static size_t edge_at(const struct fset *set, const char *step, bool *found)
{
	size_t low = 0, high = set->n;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(step, set->edges[middle].step);

		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void edge_insert(struct arena *arena, struct fset *set, size_t at, const char *step, struct fset *below)
{
	if (set->n == set->cap) {
		struct fset_edge *larger = arena_alloc(arena, (set->cap = set->cap ? set->cap * 2 : 4) * sizeof *larger);

		if (set->n)
			memcpy(larger, set->edges, set->n * sizeof *larger);
		set->edges = larger;
	}
	memmove(&set->edges[at + 1], &set->edges[at], (set->n - at) * sizeof *set->edges);
	set->edges[at] = (struct fset_edge){ step, below };
	set->n++;
}

struct fset *fset_below(struct arena *arena, struct fset *set, const char *step)
{
	bool found;
	size_t at = edge_at(set, step, &found);

	if (!found)
		edge_insert(arena, set, at, arena_strndup(arena, step, strlen(step)), fset_create(arena));
	return set->edges[at].below;
}

const struct fset *fset_find(const struct fset *set, const char *step)
{
	bool found;

	if (!set)
		return NULL;
	size_t at = edge_at(set, step, &found);

	return found ? set->edges[at].below : NULL;
}

bool fset_empty(const struct fset *set)
{
	if (!set)
		return true;
	if (set->member)
		return false;
	for (size_t i = 0; i < set->n; i++)
		if (!fset_empty(set->edges[i].below))
			return false;
	return true;
}

static bool within(const struct fset *a, const struct fset *b)
{
	if (fset_empty(a))
		return true;
	if (!b || (a->member && !b->member))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!within(a->edges[i].below, fset_find(b, a->edges[i].step)))
			return false;
	return true;
}

bool fset_equal(const struct fset *a, const struct fset *b)
{
	return within(a, b) && within(b, a);
}

struct fset *fset_union(struct arena *arena, const struct fset *a, const struct fset *b)
{
	struct fset *out = fset_create(arena);
	size_t i = 0, j = 0, an = a ? a->n : 0, bn = b ? b->n : 0;

	out->member = (a && a->member) || (b && b->member);
	while (i < an || j < bn) {
		int order = i == an ? 1 : j == bn ? -1 : strcmp(a->edges[i].step, b->edges[j].step);
		const char *step = order <= 0 ? a->edges[i].step : b->edges[j].step;

		edge_insert(arena, out, out->n, step,
			    fset_union(arena, order <= 0 ? a->edges[i].below : NULL,
				       order >= 0 ? b->edges[j].below : NULL));
		i += order <= 0;
		j += order >= 0;
	}
	return out;
}

/* Members of a that are (want) or are not (!want) in b. */
static struct fset *filter(struct arena *arena, const struct fset *a, const struct fset *b, bool want)
{
	struct fset *out = fset_create(arena);

	out->member = a && a->member && (b && b->member) == want;
	for (size_t i = 0; a && i < a->n; i++) {
		struct fset *below = filter(arena, a->edges[i].below, fset_find(b, a->edges[i].step), want);

		if (below->member || below->n)
			edge_insert(arena, out, out->n, a->edges[i].step, below);
	}
	return out;
}

struct fset *fset_intersection(struct arena *arena, const struct fset *a, const struct fset *b)
{
	return filter(arena, a, b, true);
}

struct fset *fset_difference(struct arena *arena, const struct fset *a, const struct fset *b)
{
	return filter(arena, a, b, false);
}

struct fset *fset_read(struct arena *arena, const json_t *fields, unsigned depth)
{
	struct fset *set = fset_create(arena);
	const char *key;
	json_t *value;

	set->member = depth > 0 && json_object_size(fields) == 0;
	if (depth > DEPTH_MAX)
		return set;
	json_object_foreach((json_t *)fields, key, value) {
		if (!strcmp(key, ".")) {
			set->member = true;
			continue;
		}
		struct fset *below = fset_read(arena, value, depth + 1);
		bool found;
		size_t at = edge_at(set, key, &found);

		if (!found)
			edge_insert(arena, set, at, arena_strndup(arena, key, strlen(key)), below);
	}
	return set;
}

json_t *fset_write(const struct fset *set)
{
	json_t *out = json_object();
	bool children = false;

	for (size_t i = 0; set && i < set->n; i++)
		children = children || !fset_empty(set->edges[i].below);
	if (set && set->member && children)
		json_object_set_new(out, ".", json_object());
	for (size_t i = 0; set && i < set->n; i++)
		if (!fset_empty(set->edges[i].below))
			json_object_set_new(out, set->edges[i].step, fset_write(set->edges[i].below));
	return out;
}

static void print_step(struct buf *out, const char *step)
{
	if (!strncmp(step, "f:", 2)) {
		buf_addf(out, ".%s", step + 2);
	} else if (!strncmp(step, "k:", 2)) {
		json_t *keys = jx_parse(step + 2, strlen(step + 2), NULL), *value;
		const char *key, *comma = "";

		buf_addc(out, '[');
		json_object_foreach(keys, key, value) {
			buf_addf(out, "%s%s=", comma, key);
			jx_dump(value, out);
			comma = ",";
		}
		buf_addc(out, ']');
		json_decref(keys);
	} else if (!strncmp(step, "v:", 2)) {
		buf_addf(out, "[=%s]", step + 2);
	} else {
		buf_addf(out, "[%s]", step + 2);
	}
}

static void each(const struct fset *set, struct buf *path, void (*fn)(const char *, void *), void *arg)
{
	if (set->member)
		fn(buf_cstr(path), arg);
	for (size_t i = 0; i < set->n; i++) {
		size_t len = path->len;

		print_step(path, set->edges[i].step);
		each(set->edges[i].below, path, fn, arg);
		buf_truncate(path, len);
	}
}

void fset_each(const struct fset *set, void (*fn)(const char *, void *), void *arg)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	each(set, &path, fn, arg);
}

/* ---- typed values ---- */

static const char *field_step(struct arena *arena, const char *key)
{
	size_t len = strlen(key);
	char *step = arena_alloc(arena, len + 3);

	memcpy(step, "f:", 2);
	memcpy(step + 2, key, len);
	return step;
}

const char *typed_step(struct arena *arena, const struct type *list, const json_t *element)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	if (list->set) {
		buf_adds(&out, "v:");
		jx_dump(element, &out);
		return arena_strndup(arena, out.p, out.len);
	}
	buf_adds(&out, "k:{");
	for (size_t i = 0; i < list->nkeys; i++) {
		const json_t *value = json_object_get(element, list->keys[i]);
		const struct field *field = type_field(list->element, list->keys[i]);

		if (i)
			buf_addc(&out, ',');
		buf_addf(&out, "\"%s\":", list->keys[i]);
		if (value && !json_is_null(value))
			jx_dump(value, &out);
		else if (field && field->fallback)
			buf_addf(&out, "\"%s\"", field->fallback);
		else if (field && field->required && list->element->name) /* Go's types have a zero value for these */
			buf_adds(&out, field->type->kind == TYPE_INT ? "0" : "\"\"");
		else
			return NULL;
	}
	buf_addc(&out, '}');
	return arena_strndup(arena, out.p, out.len);
}

/* How a value is walked: the type decides, but where there is no type the value does. */
enum shape { LEAF, MAPPING, SEQUENCE };

static enum shape shape_of(const struct type *type, const json_t *value)
{
	switch (type->kind) {
	case TYPE_STRUCT:
	case TYPE_MAP:
		return type->atomic ? LEAF : MAPPING;
	case TYPE_LIST:
		return type->atomic ? LEAF : SEQUENCE;
	case TYPE_DEDUCED:
		return json_is_object(value) ? MAPPING : LEAF;
	default:
		return LEAF;
	}
}

static void complain(struct buf *errors, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void complain(struct buf *errors, const char *path, const char *fmt, ...)
{
	va_list ap;

	if (errors->len)
		buf_addc(errors, '\n');
	buf_addf(errors, "%s: ", path);
	va_start(ap, fmt);
	buf_vaddf(errors, fmt, ap);
	va_end(ap);
}

static const char *json_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "map";
	case JSON_ARRAY: return "list";
	case JSON_STRING: return "string";
	case JSON_INTEGER:
	case JSON_REAL: return "number";
	case JSON_NULL: return "null";
	default: return "bool";
	}
}

static bool check_scalar(const struct type *type, const json_t *value, const char *path, struct buf *errors)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	switch (type->kind) {
	case TYPE_STRING:
	case TYPE_TIME:
		if (json_is_string(value))
			return true;
		jx_dump(value, &text);
		complain(errors, path, "expected string, got &value.valueUnstructured{Value:%s}", buf_cstr(&text));
		return false;
	case TYPE_BOOL:
		if (json_is_boolean(value))
			return true;
		complain(errors, path, "expected boolean, got %s", json_name(value));
		return false;
	case TYPE_INT:
	case TYPE_NUMBER:
		if (json_is_number(value))
			return true;
		complain(errors, path, "expected numeric (int or float), got %s", json_name(value));
		return false;
	case TYPE_QUANTITY:
	case TYPE_INT_OR_STRING:
		if (json_is_number(value) || json_is_string(value))
			return true;
		complain(errors, path, "expected a scalar, got %s", json_name(value));
		return false;
	default:
		return true;
	}
}

static bool check(const struct type *type, const json_t *value, struct buf *path, struct buf *errors, unsigned depth);

static bool check_map(const struct type *type, const json_t *value, struct buf *path, struct buf *errors, unsigned depth)
{
	const char *key;
	json_t *child;
	bool good = true;

	if (!json_is_object(value)) {
		complain(errors, buf_cstr(path), "expected map, got &{%s}", json_name(value));
		return false;
	}
	json_object_foreach((json_t *)value, key, child) {
		size_t len = path->len;

		buf_addf(path, ".%s", key);
		if (type->kind == TYPE_STRUCT && !type->open && !type_field(type, key)) {
			complain(errors, buf_cstr(path), "field not declared in schema");
			good = false;
		} else {
			good = check(type_below(type, key), child, path, errors, depth + 1) && good;
		}
		buf_truncate(path, len);
	}
	return good;
}

static bool check_list(const struct type *type, const json_t *value, struct buf *path, struct buf *errors, unsigned depth)
{
	AUTO(arena) arena = arena_create();
	struct fset *seen = fset_create(arena);
	bool good = true;

	if (!json_is_array(value)) {
		complain(errors, buf_cstr(path), "expected list, got &{%s}", json_name(value));
		return false;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *element = json_array_get(value, i);
		size_t len = path->len;

		if (!type->atomic) {
			const char *step = typed_step(arena, type, element);

			if (!step) {
				const char *key = type->keys[0];

				for (size_t k = 0; k < type->nkeys; k++)
					if (!json_object_get(element, type->keys[k]))
						key = type->keys[k];
				complain(errors, buf_cstr(path),
					 "element %zu: associative list with keys has an element that omits key field \"%s\" (and doesn't have default value)",
					 i, key);
				return false;
			}
			if (fset_find(seen, step)) {
				AUTO_RELEASE(buf) shown = BUF_INIT(0);

				print_step(&shown, step);
				complain(errors, buf_cstr(path), "duplicate entries for key %s", buf_cstr(&shown));
				return false;
			}
			fset_below(arena, seen, step);
			print_step(path, step);
		} else {
			buf_addf(path, "[%zu]", i);
		}
		good = check(type->element ? type->element : &type_deduced, element, path, errors, depth + 1) && good;
		buf_truncate(path, len);
	}
	return good;
}

static bool check(const struct type *type, const json_t *value, struct buf *path, struct buf *errors, unsigned depth)
{
	if (json_is_null(value))
		return true;
	if (depth > DEPTH_MAX) {
		complain(errors, buf_cstr(path), "nested too deep");
		return false;
	}
	if (type->kind == TYPE_STRUCT || type->kind == TYPE_MAP)
		return check_map(type, value, path, errors, depth);
	if (type->kind == TYPE_LIST)
		return check_list(type, value, path, errors, depth);
	return check_scalar(type, value, buf_cstr(path), errors);
}

bool typed_check(const struct type *type, const json_t *value, struct buf *errors)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	return check(type, value, &path, errors, 0);
}

static void fields_of(struct arena *arena, const struct type *type, const json_t *value, struct fset *at)
{
	const char *key;
	json_t *child;

	switch (shape_of(type, value)) {
	case LEAF:
		at->member = true;
		return;
	case MAPPING:
		json_object_foreach((json_t *)value, key, child) {
			struct fset *below = fset_below(arena, at, field_step(arena, key));

			fields_of(arena, type_below(type, key), child, below);
			if (json_is_null(child) || (json_is_object(child) && !json_object_size(child)) ||
			    type->kind != TYPE_STRUCT || !type_field(type, key))
				below->member = true;
		}
		return;
	case SEQUENCE:
		for (size_t i = 0; i < json_array_size(value); i++) {
			const char *step = typed_step(arena, type, json_array_get(value, i));

			if (!step)
				continue;
			struct fset *below = fset_below(arena, at, step);

			fields_of(arena, type->element, json_array_get(value, i), below);
			below->member = true;
		}
		return;
	}
}

struct fset *typed_fields(struct arena *arena, const struct type *type, const json_t *value)
{
	struct fset *set = fset_create(arena);

	if (json_is_object(value))
		fields_of(arena, type, value, set);
	set->member = false;
	return set;
}

static const char **steps_of(struct arena *arena, const struct type *type, const json_t *list)
{
	const char **steps = arena_alloc(arena, (json_array_size(list) + 1) * sizeof *steps);

	for (size_t i = 0; i < json_array_size(list); i++)
		steps[i] = typed_step(arena, type, json_array_get(list, i));
	return steps;
}

static ptrdiff_t step_index(const char *const *steps, size_t n, const char *step)
{
	for (size_t i = 0; step && i < n; i++)
		if (steps[i] && !strcmp(steps[i], step))
			return (ptrdiff_t)i;
	return -1;
}

static void compare(struct arena *arena, const struct type *type, const json_t *before, const json_t *after,
		    struct fset *added, struct fset *modified, struct fset *removed);

static void compare_leaf(const json_t *before, const json_t *after, struct fset *added, struct fset *modified,
			 struct fset *removed)
{
	if (!before)
		added->member = true;
	else if (!after)
		removed->member = true;
	else if (!json_equal(before, after))
		modified->member = true;
}

static void descend(struct arena *arena, const struct type *type, const char *step, const json_t *before,
		    const json_t *after, struct fset *added, struct fset *modified, struct fset *removed)
{
	if ((before || after) && !(before && after && json_equal(before, after)))
		compare(arena, type, before, after, after ? fset_below(arena, added, step) : added,
			before && after ? fset_below(arena, modified, step) : modified,
			before ? fset_below(arena, removed, step) : removed);
}

static void compare(struct arena *arena, const struct type *type, const json_t *before, const json_t *after,
		    struct fset *added, struct fset *modified, struct fset *removed)
{
	enum shape shape = shape_of(type, after && !json_is_null(after) ? after : before);
	bool leaf = shape == LEAF || (jx_empty(before) && jx_empty(after));
	const char *key;
	json_t *child;

	if (type->kind == TYPE_DEDUCED && before && after && json_typeof(before) != json_typeof(after))
		leaf = true;
	if (leaf) {
		compare_leaf(before, after, added, modified, removed);
		return;
	}
	if (shape == MAPPING) {
		json_object_foreach((json_t *)before, key, child)
			descend(arena, type_below(type, key), field_step(arena, key), child,
				json_object_get(after, key), added, modified, removed);
		json_object_foreach((json_t *)after, key, child)
			if (!json_object_get(before, key))
				descend(arena, type_below(type, key), field_step(arena, key), NULL, child, added, modified,
					removed);
	} else {
		size_t nb = json_array_size(before), na = json_array_size(after);
		const char **b = steps_of(arena, type, before), **a = steps_of(arena, type, after);

		for (size_t i = 0; i < nb; i++) {
			ptrdiff_t at = step_index(a, na, b[i]);

			if (b[i])
				descend(arena, type->element, b[i], json_array_get(before, i),
					at < 0 ? NULL : json_array_get(after, (size_t)at), added, modified, removed);
		}
		for (size_t i = 0; i < na; i++)
			if (a[i] && step_index(b, nb, a[i]) < 0)
				descend(arena, type->element, a[i], NULL, json_array_get(after, i), added, modified,
					removed);
	}
	if (!before)
		added->member = true;
	else if (!after)
		removed->member = true;
}

struct typed_diff typed_compare(struct arena *arena, const struct type *type, const json_t *before, const json_t *after)
{
	struct typed_diff diff = { fset_create(arena), fset_create(arena), fset_create(arena) };

	compare(arena, type, before, after, diff.added, diff.modified, diff.removed);
	diff.added->member = diff.modified->member = diff.removed->member = false;
	return diff;
}

static json_t *merge_list(struct arena *arena, const struct type *type, json_t *live, json_t *applied)
{
	size_t nl = json_array_size(live), na = json_array_size(applied), l = 0, a = 0, shared = 0;
	const char **ls = steps_of(arena, type, live), **as = steps_of(arena, type, applied);
	bool *merged = arena_alloc(arena, na + 1);
	json_t *out = json_array();

	/* shared: index in applied of the next element that both lists have */
	while (shared < na && step_index(ls, nl, as[shared]) < 0)
		shared++;
	while (l < nl || a < na) {
		ptrdiff_t in_applied = l < nl ? step_index(as, na, ls[l]) : -1;

		if (l < nl && a < na && in_applied != (ptrdiff_t)a && in_applied >= 0 && shared < na &&
		    strcmp(as[shared], ls[l]) != 0) {
			l++; /* shared, but not the one wanted in this round */
			continue;
		}
		if (l < nl && in_applied != (ptrdiff_t)a) {
			if (in_applied < 0) {
				json_array_append(out, json_array_get(live, l++));
				continue;
			}
			if (merged[in_applied]) {
				l++;
				continue;
			}
		}
		if (a < na) {
			ptrdiff_t in_live = step_index(ls, nl, as[a]);

			merged[a] = true;
			json_array_append_new(out, in_live < 0 ? json_incref(json_array_get(applied, a)) :
						   typed_merge(arena, type->element, json_array_get(live, (size_t)in_live),
							       json_array_get(applied, a)));
			if (l < nl && in_applied == (ptrdiff_t)a)
				l++;
			if (a == shared)
				for (shared++; shared < na && step_index(ls, nl, as[shared]) < 0;)
					shared++;
			a++;
		} else if (l < nl) {
			l++;
		}
	}
	return out;
}

json_t *typed_merge(struct arena *arena, const struct type *type, json_t *live, json_t *applied)
{
	enum shape shape;
	const char *key;
	json_t *child;

	if (!applied)
		return json_incref(live);
	if (!live || json_is_null(live) || json_is_null(applied))
		return json_incref(applied);
	shape = shape_of(type, applied);
	if (shape == LEAF || json_typeof(live) != json_typeof(applied))
		return json_incref(applied);
	if (shape == SEQUENCE)
		return merge_list(arena, type, live, applied);
	json_t *out = json_object();

	json_object_foreach(live, key, child)
		json_object_set_new(out, key, typed_merge(arena, type_below(type, key), child, json_object_get(applied, key)));
	json_object_foreach(applied, key, child)
		if (!json_object_get(live, key))
			json_object_set(out, key, child);
	return out;
}

/* Declared fields count as members when anything below them does: removing the last one removes the field. */
static bool counts(const struct fset *set, bool declared)
{
	return set && (set->member || (declared && !fset_empty(set)));
}

static bool prune_child(struct arena *arena, const struct type *type, json_t *child, bool declared,
			const struct fset *former, const struct fset *kept, json_t **ret)
{
	*ret = NULL;
	if (counts(former, declared) && !counts(kept, declared))
		return false;
	if (!former || fset_empty(former) || shape_of(type, child) == LEAF) {
		*ret = json_incref(child);
		return true;
	}
	*ret = typed_prune(arena, type, child, former, kept);
	if (!jx_empty(child) && jx_empty(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return false;
	}
	return true;
}

json_t *typed_prune(struct arena *arena, const struct type *type, json_t *value, const struct fset *former,
		    const struct fset *kept)
{
	json_t *child, *left;
	const char *key;

	if (shape_of(type, value) == SEQUENCE && json_is_array(value)) {
		json_t *out = json_array();

		for (size_t i = 0; i < json_array_size(value); i++) {
			child = json_array_get(value, i);
			const char *step = typed_step(arena, type, child);

			if (!step)
				json_array_append(out, child);
			else if (prune_child(arena, type->element, child, false, fset_find(former, step),
					     fset_find(kept, step), &left))
				json_array_append_new(out, left);
		}
		return out;
	}
	if (!json_is_object(value))
		return json_incref(value);
	json_t *out = json_object();

	json_object_foreach(value, key, child) {
		const char *step = field_step(arena, key);
		bool declared = type->kind == TYPE_STRUCT && type_field(type, key);

		if (prune_child(arena, type_below(type, key), child, declared, fset_find(former, step),
				fset_find(kept, step), &left))
			json_object_set_new(out, key, left);
	}
	return out;
}
