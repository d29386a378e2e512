#include "sim/world.h"

#include <string.h>

enum { DEPTH_MAX = 256 };

struct decoding {
	const struct resource *resource;
	json_t *unknown;
	struct buf *message;
};

static const char *go_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "string";
	case JSON_INTEGER:
	case JSON_REAL: return "number";
	default: return "bool";
	}
}

static bool wrong(struct decoding *d, const char *path, const char *owner, const json_t *value, const char *wanted)
{
	const struct resource *r = d->resource;

	if (r->flags & KIND_CUSTOM) /* validation tells it, with the path */
		return true;
	buf_addf(d->message,
		 "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal %s into Go struct field %s.%s of type %s",
		 r->kind, r->version, r->kind, go_name(value), owner, path, wanted);
	return false;
}

static const char *last_word(const char *name)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	return dot ? dot + 1 : name ? name : "";
}

static bool fits(struct decoding *d, const struct type *type, json_t *value, const char *path, const char *owner)
{
	bool custom = d->resource->flags & KIND_CUSTOM;

	switch (type->kind) {
	case TYPE_STRING:
		return json_is_string(value) || wrong(d, path, owner, value, "string");
	case TYPE_TIME:
		return json_is_string(value) || wrong(d, path, owner, value, "v1.Time");
	case TYPE_BOOL:
		return json_is_boolean(value) || wrong(d, path, owner, value, custom ? "boolean" : "bool");
	case TYPE_INT:
		return json_is_integer(value) || (json_is_real(value) && custom) ||
		       wrong(d, path, owner, value, custom ? "integer" : "int32");
	case TYPE_NUMBER:
		return json_is_number(value) || wrong(d, path, owner, value, custom ? "number" : "float64");
	case TYPE_INT_OR_STRING:
		return json_is_integer(value) || json_is_string(value) || wrong(d, path, owner, value, "intstr.IntOrString");
	case TYPE_QUANTITY:
		if (json_is_number(value))
			return true;
		if (json_is_string(value)) {
			AUTO_FREE char *canonical = jx_quantity(json_string_value(value));

			if (canonical)
				return true;
		}
		buf_addf(d->message,
			 "%s in version \"%s\" cannot be handled as a %s: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
			 d->resource->kind, d->resource->version, d->resource->kind);
		return false;
	default:
		return true;
	}
}

static bool look(struct decoding *d, const struct type *type, json_t *value, struct buf *path, const char *owner,
		 unsigned depth)
{
	const char *key;
	json_t *child;
	void *next;

	if (depth > DEPTH_MAX || json_is_null(value))
		return true;
	if (type->kind == TYPE_STRUCT || type->kind == TYPE_MAP) {
		const char *name = type->kind == TYPE_STRUCT ? last_word(type->name) : owner;

		if (!json_is_object(value))
			return wrong(d, buf_cstr(path), owner, value,
				     type->kind == TYPE_MAP ? "map[string]string" : (type->name ? type->name : "object"));
		json_object_foreach_safe(value, next, key, child) {
			size_t len = path->len;
			bool good = true;

			buf_addf(path, "%s%s", len ? "." : "", key);
			if (type->kind == TYPE_STRUCT && !type->open && !type_field(type, key)) {
				json_array_append_new(d->unknown, json_string(buf_cstr(path)));
				json_object_del(value, key);
			} else {
				bool plain_map = type->kind == TYPE_MAP && type->element && type->element->kind < TYPE_STRUCT;

				if (plain_map) /* Go names the map, not its key */
					buf_truncate(path, len);
				good = look(d, type_below(type, key), child, path, name, depth + 1);
			}
			buf_truncate(path, len);
			if (!good)
				return false;
		}
		return true;
	}
	if (type->kind == TYPE_LIST) {
		if (!json_is_array(value))
			return wrong(d, buf_cstr(path), owner, value,
				     type->element && type->element->name ? type->element->name : "[]string");
		for (size_t i = 0; i < json_array_size(value); i++) {
			size_t len = path->len;

			buf_addf(path, "[%zu]", i);
			if (!look(d, type->element, json_array_get(value, i), path, owner, depth + 1))
				return false;
			buf_truncate(path, len);
		}
		return true;
	}
	return fits(d, type, value, buf_cstr(path), owner);
}

bool decode_check(const struct resource *resource, json_t *tree, json_t *unknown, struct buf *message)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct decoding d = { resource, unknown, message };

	return look(&d, resource->type, tree, &path, resource->kind, 0);
}

/* Fields that are no pointers in Go's types and vanish when they hold their zero value. */
static const char *const plain_bools[] = { "hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "stdinOnce", "tty", "paused",
					   "publishNotReadyAddresses", "unschedulable", "disableNameSuffixHash" };
static const char *const plain_ints[] = { "nodePort", "hostPort", "minReadySeconds", "healthCheckNodePort" };
static const char *const kept_strings[] = { "storageClassName", "ingressClassName", "appProtocol", "runtimeClassName", "resourceVersion",
					    "holderIdentity", "volumeAttributesClassName", "preemptionPolicy", "apiGroup", "key" };

static bool among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool vanishes(const struct field *field, const json_t *value)
{
	const struct type *type = field->type;

	if (json_is_null(value))
		return true;
	if (field->required)
		return false;
	if (type->kind == TYPE_LIST)
		return json_array_size(value) == 0;
	if (type->kind == TYPE_MAP)
		return json_object_size(value) == 0;
	if (type->kind == TYPE_STRING)
		return json_string_length(value) == 0 && !among(kept_strings, ARRAY_LEN(kept_strings), field->name);
	if (type->kind == TYPE_BOOL)
		return json_is_false(value) && among(plain_bools, ARRAY_LEN(plain_bools), field->name);
	if (type->kind == TYPE_INT)
		return json_integer_value(value) == 0 && among(plain_ints, ARRAY_LEN(plain_ints), field->name);
	return false;
}

static json_t *canonical(const json_t *value)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	char *given = NULL;

	if (json_is_string(value))
		given = jx_quantity(json_string_value(value));
	else if (json_is_integer(value)) {
		buf_addf(&text, "%lld", (long long)json_integer_value(value));
		given = jx_quantity(buf_cstr(&text));
	} else if (json_is_real(value)) {
		buf_addf(&text, "%.9f", json_real_value(value));
		given = jx_quantity(buf_cstr(&text));
	}
	if (!given)
		return NULL;
	json_t *out = json_string(given);

	mem_free_autop(&given);
	return out;
}

static void normalise_child(json_t *parent, const char *key, size_t index, const struct type *type, json_t *child)
{
	if (type->kind == TYPE_QUANTITY) {
		json_t *text = canonical(child);

		if (text && key)
			json_object_set_new(parent, key, text);
		else if (text)
			json_array_set_new(parent, index, text);
		return;
	}
	decode_normalise(type, child);
}

void decode_normalise(const struct type *type, json_t *value)
{
	const char *key;
	json_t *child;
	void *next;

	if (type->kind == TYPE_LIST || (type->kind == TYPE_ANY && json_is_array(value))) {
		for (size_t i = 0; type->element && i < json_array_size(value); i++)
			normalise_child(value, NULL, i, type->element, json_array_get(value, i));
	} else if (type->kind == TYPE_MAP && json_is_object(value)) {
		json_object_foreach_safe(value, next, key, child)
			normalise_child(value, key, 0, type_below(type, key), child);
		jx_sort(value);
	} else if (type->kind == TYPE_STRUCT && json_is_object(value)) {
		json_object_foreach_safe(value, next, key, child) {
			const struct field *field = type_field(type, key);

			if (!field)
				continue;
			normalise_child(value, key, 0, field->type, child);
			child = json_object_get(value, key);
			if (type->name && vanishes(field, child))
				json_object_del(value, key);
		}
	}
}
