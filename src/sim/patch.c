#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

/* ---- JSON patch (RFC 6902) ---- */

static char *unescaped(struct str step)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	for (size_t i = 0; i < step.len; i++) {
		if (step.p[i] == '~' && i + 1 < step.len && (step.p[i + 1] == '0' || step.p[i + 1] == '1'))
			buf_addc(&out, step.p[++i] == '0' ? '~' : '/');
		else
			buf_addc(&out, step.p[i]);
	}
	return buf_give(&out);
}

struct spot { /* the parent of what a pointer names, and the last step */
	json_t *parent;
	char *key;
};

static bool find_spot(json_t *root, const char *pointer, struct spot *spot, struct error *err)
{
	struct str rest = str_of(pointer), step;

	if (!rest.len || rest.p[0] != '/')
		return error_set(err, ERR_INVALID, "json pointer \"%s\" does not start with a slash", pointer);
	rest.p++;
	rest.len--;
	spot->parent = root;
	while (str_cut(&rest, '/', &step)) {
		AUTO_FREE char *key = unescaped(step);

		spot->parent = json_is_array(spot->parent) ? json_array_get(spot->parent, (size_t)strtoul(key, NULL, 10)) :
							     json_object_get(spot->parent, key);
		if (!spot->parent)
			return error_set(err, ERR_INVALID, "doc is missing path: \"%s\": missing value", pointer);
	}
	spot->key = unescaped(rest);
	return true;
}

static json_t *at_spot(const struct spot *spot)
{
	if (json_is_array(spot->parent))
		return json_array_get(spot->parent, (size_t)strtoul(spot->key, NULL, 10));
	return json_object_get(spot->parent, spot->key);
}

static bool put_at(const struct spot *spot, json_t *value, bool add)
{
	if (json_is_object(spot->parent))
		return (add || json_object_get(spot->parent, spot->key)) && !json_object_set(spot->parent, spot->key, value);
	if (!json_is_array(spot->parent))
		return false;
	if (!strcmp(spot->key, "-"))
		return add && !json_array_append(spot->parent, value);
	size_t at = (size_t)strtoul(spot->key, NULL, 10);

	return add ? !json_array_insert(spot->parent, at, value) : !json_array_set(spot->parent, at, value);
}

static bool remove_at(const struct spot *spot)
{
	if (json_is_array(spot->parent))
		return !json_array_remove(spot->parent, (size_t)strtoul(spot->key, NULL, 10));
	return !json_object_del(spot->parent, spot->key);
}

static bool patch_one(json_t *root, const json_t *operation, struct error *err)
{
	const char *op = jstr(operation, "op"), *path = jstr(operation, "path");
	json_t *value = json_object_get(operation, "value");
	struct spot spot = { 0 }, from = { 0 };
	bool good = find_spot(root, path, &spot, err);

	if (good && !strcmp(op, "add")) {
		good = value && put_at(&spot, value, true);
	} else if (good && !strcmp(op, "replace")) {
		good = value && at_spot(&spot) && put_at(&spot, value, false);
	} else if (good && !strcmp(op, "remove")) {
		good = remove_at(&spot);
	} else if (good && !strcmp(op, "test")) {
		json_t *have = at_spot(&spot);

		good = (!have && json_is_null(value)) || (have && value && json_equal(have, value));
	} else if (good && (!strcmp(op, "move") || !strcmp(op, "copy"))) {
		good = find_spot(root, jstr(operation, "from"), &from, err) && at_spot(&from);
		if (good) {
			json_t *copy = json_deep_copy(at_spot(&from));

			if (!strcmp(op, "move"))
				remove_at(&from);
			good = put_at(&spot, copy, true);
			json_decref(copy);
		}
	} else {
		good = false;
	}
	free(spot.key);
	free(from.key);
	if (!good && !err->kind)
		error_set(err, ERR_INVALID, "%s of %s is not possible", op, path);
	return good;
}

bool patch_json(json_t **object, const json_t *patch, struct error *err)
{
	json_t *copy = json_deep_copy(*object);

	for (size_t i = 0; i < json_array_size(patch); i++)
		if (!patch_one(copy, json_array_get(patch, i), err)) {
			json_decref(copy);
			return false;
		}
	json_decref(*object);
	*object = copy;
	return true;
}

/* ---- JSON merge patch (RFC 7386) ---- */

json_t *patch_merge(json_t *object, const json_t *patch)
{
	const char *key;
	json_t *value;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	json_t *out = json_is_object(object) ? json_copy(object) : json_object();

	json_object_foreach((json_t *)patch, key, value) {
		if (json_is_null(value))
			json_object_del(out, key);
		else
			json_object_set_new(out, key, patch_merge(json_object_get(out, key), value));
	}
	return out;
}

/* ---- strategic merge patch ---- */

static ptrdiff_t find_keyed(const json_t *list, const char *key, const json_t *wanted)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *have = json_object_get(json_array_get(list, i), key);

		if (have && wanted && json_equal(have, wanted))
			return (ptrdiff_t)i;
	}
	return -1;
}

static json_t *key_of(const json_t *item, const char *key)
{
	return json_is_object(item) ? json_object_get(item, key) : NULL;
}

static void put_or_merge(const struct type *type, json_t *items, const json_t *item)
{
	const char *key = type->merge_key;
	ptrdiff_t at = find_keyed(items, key, key_of(item, key));

	if (at >= 0)
		json_array_set_new(items, (size_t)at, patch_strategic(type->element, json_array_get(items, (size_t)at), item));
	else
		json_array_append_new(items, patch_strategic(type->element, NULL, item));
}

/* The elements that order names in its order, the others where they stood among those the server had. */
static json_t *in_order(const json_t *items, const json_t *server, const json_t *order, const char *key)
{
	json_t *left = json_array(), *right = json_array(), *out = json_array();
	size_t l = 0, r = 0;

	for (size_t i = 0; i < json_array_size(items); i++)
		if (find_keyed(order, key, key_of(json_array_get(items, i), key)) < 0)
			json_array_append(left, json_array_get(items, i));
	for (size_t i = 0; i < json_array_size(order); i++) {
		ptrdiff_t at = find_keyed(items, key, key_of(json_array_get(order, i), key));

		if (at >= 0)
			json_array_append(right, json_array_get(items, (size_t)at));
	}
	while (l < json_array_size(left) || r < json_array_size(right)) {
		json_t *a = json_array_get(left, l), *b = json_array_get(right, r);
		ptrdiff_t ia = find_keyed(server, key, key_of(a, key)), ib = find_keyed(server, key, key_of(b, key));

		if (!b || (a && ia >= 0 && ib >= 0 && ia < ib)) {
			json_array_append(out, a);
			l++;
		} else {
			json_array_append(out, b);
			r++;
		}
	}
	json_decref(left);
	json_decref(right);
	return out;
}

static json_t *merge_keyed(const struct type *type, json_t *list, const json_t *patch, const json_t *order)
{
	json_t *items = list ? json_copy(list) : json_array(), *wanted = json_array(), *out;
	const char *key = type->merge_key;

	for (size_t i = 0; i < json_array_size(patch); i++) {
		json_t *item = json_array_get(patch, i);
		const char *directive = jstr(item, "$patch");
		ptrdiff_t at = find_keyed(items, key, key_of(item, key));

		if (!strcmp(directive, "replace")) { /* the other elements are the whole new list */
			json_array_clear(items);
			continue;
		}
		if (!strcmp(directive, "delete")) {
			if (at >= 0)
				json_array_remove(items, (size_t)at);
			continue;
		}
		put_or_merge(type, items, item);
		json_array_append(wanted, item);
	}
	out = in_order(items, list, json_array_size(order) ? order : wanted, key);
	json_decref(items);
	json_decref(wanted);
	return out;
}

static json_t *merge_scalars(json_t *list, const json_t *patch)
{
	json_t *out = list ? json_copy(list) : json_array();

	for (size_t i = 0; i < json_array_size(patch); i++) {
		bool have = false;

		for (size_t k = 0; k < json_array_size(out); k++)
			have = have || json_equal(json_array_get(out, k), json_array_get(patch, i));
		if (!have)
			json_array_append(out, json_array_get(patch, i));
	}
	return out;
}

/* "$deleteFromPrimitiveList/finalizers": ["x"] */
static void delete_scalars(json_t *out, const char *key, const json_t *values)
{
	json_t *list = json_copy(json_object_get(out, key));

	for (size_t i = 0; i < json_array_size(values); i++)
		for (size_t k = json_array_size(list); k-- > 0;)
			if (json_equal(json_array_get(list, k), json_array_get(values, i)))
				json_array_remove(list, k);
	if (list)
		json_object_set_new(out, key, list);
}

static void retain_keys(json_t *out, const json_t *keys)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(out, next, key, value) {
		bool wanted = false;

		for (size_t i = 0; i < json_array_size(keys); i++)
			wanted = wanted || jx_is(json_array_get(keys, i), key);
		if (!wanted)
			json_object_del(out, key);
	}
}

/* "$setElementOrder/containers": [{"name": "a"}, …] */
static const json_t *element_order(const json_t *patch, const char *key)
{
	AUTO_FREE char *name = xasprintf("$setElementOrder/%s", key);

	return json_object_get(patch, name);
}

json_t *patch_strategic(const struct type *type, json_t *object, const json_t *patch)
{
	static const char from_list[] = "$deleteFromPrimitiveList/";
	const char *key, *directive = json_is_object(patch) ? jstr(patch, "$patch") : "";
	json_t *value, *keys;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	json_t *out = json_is_object(object) && strcmp(directive, "replace") ? json_copy(object) : json_object();

	if ((keys = json_object_get(patch, "$retainKeys")))
		retain_keys(out, keys);
	json_object_foreach((json_t *)patch, key, value) {
		const struct type *below;
		json_t *have;

		if (!strncmp(key, from_list, sizeof from_list - 1)) {
			delete_scalars(out, key + sizeof from_list - 1, value);
			continue;
		}
		if (key[0] == '$')
			continue;
		below = type_below(type, key);
		have = json_object_get(out, key);
		if (json_is_null(value) || (json_is_object(value) && !strcmp(jstr(value, "$patch"), "delete")))
			json_object_del(out, key);
		else if (json_is_array(value) && below->merge && below->merge_key)
			json_object_set_new(out, key, merge_keyed(below, have, value, element_order(patch, key)));
		else if (json_is_array(value) && below->merge)
			json_object_set_new(out, key, merge_scalars(have, value));
		else
			json_object_set_new(out, key, patch_strategic(below, have, value));
	}
	return out;
}
