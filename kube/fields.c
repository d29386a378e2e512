#include "kube/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/str.h"
#include "kube/api_version.h"
#include "model/quantity.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define MAX_DEPTH    64

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static const json_t *entries_of(const json_t *live)
{
	return json_object_get(json_object_get(live, "metadata"), "managedFields");
}

static bool is_entry(const json_t *entry, const char *operation)
{
	return strcmp(text_at(entry, "operation"), operation) == 0 && !*text_at(entry, "subresource");
}

static const json_t *set_of(const json_t *entry)
{
	return json_object_get(entry, "fieldsV1");
}

/* ---- moving off client-side apply ---- */

static bool owns_last_applied(const json_t *entry)
{
	const json_t *annotations = json_object_get(json_object_get(set_of(entry), "f:metadata"), "f:annotations");

	return is_entry(entry, "Update") && json_object_get(annotations, "f:" LAST_APPLIED);
}

bool fields_made_by_client_side_apply(const json_t *live)
{
	const json_t *annotations = json_object_get(json_object_get(live, "metadata"), "annotations");
	size_t i;
	json_t *entry;

	if (!json_object_get(annotations, LAST_APPLIED))
		return false;
	json_array_foreach(entries_of(live), i, entry)
		if (owns_last_applied(entry))
			return true;
	return false;
}

/* Adds every member of more to set; both are tries. */
static void unite(json_t *set, const json_t *more, unsigned depth)
{
	const char *key;
	json_t *below;

	if (depth > MAX_DEPTH)
		return;
	json_object_foreach((json_t *)more, key, below) {
		json_t *own = json_object_get(set, key);

		if (own)
			unite(own, below, depth + 1);
		else
			json_object_set_new(set, key, json_deep_copy(below));
	}
}

static bool is_client_side_manager(const json_t *entries, const char *manager)
{
	size_t i;
	json_t *entry;

	json_array_foreach(entries, i, entry)
		if (owns_last_applied(entry) && strcmp(text_at(entry, "manager"), manager) == 0)
			return true;
	return false;
}

static json_t *own_entry(const char *manager, const char *api_version, const json_t *newest)
{
	json_t *own = json_object();

	json_object_set_new(own, "manager", json_string(manager));
	json_object_set_new(own, "operation", json_string("Apply"));
	json_object_set_new(own, "apiVersion", json_string(api_version));
	if (*text_at(newest, "time"))
		json_object_set_new(own, "time", json_string(text_at(newest, "time")));
	json_object_set_new(own, "fieldsType", json_string("FieldsV1"));
	json_object_set_new(own, "fieldsV1", json_object());
	return own;
}

json_t *fields_migrated(const json_t *live, const char *manager, const char *api_version)
{
	const json_t *entries = entries_of(live);
	json_t *result, *own = NULL, *entry, *united = json_object();
	const json_t *newest = NULL;
	size_t i;

	if (!fields_made_by_client_side_apply(live)) {
		json_decref(united);
		return NULL;
	}
	result = json_array();
	json_array_foreach(entries, i, entry) {
		if (is_entry(entry, "Update") && is_client_side_manager(entries, text_at(entry, "manager"))) {
			if (strcmp(text_at(entry, "apiVersion"), api_version) == 0) {
				unite(united, set_of(entry), 0);
				if (!newest || strcmp(text_at(entry, "time"), text_at(newest, "time")) > 0)
					newest = entry;
			}
			continue; /* dropped: what it owned is ours now */
		}
		json_t *copy = json_deep_copy(entry);

		if (is_entry(entry, "Apply") && strcmp(text_at(entry, "manager"), manager) == 0 &&
		    strcmp(text_at(entry, "apiVersion"), api_version) == 0)
			own = copy;
		json_array_append_new(result, copy);
	}
	if (!own && json_object_size(united)) {
		own = own_entry(manager, api_version, newest);
		json_array_append_new(result, own);
	}
	if (own)
		unite(json_object_get(own, "fieldsV1"), united, 0);
	json_decref(united);
	return result;
}

/* ---- is an apply a no-op? ---- */

/*
 * Where built-in kinds hold quantities, which the server rewrites ("1000m" to "1"): name under name. Anywhere else such texts are texts:
 * data of a ConfigMap, labels, custom resources.
 */
static bool holds_quantities(const char *parent, const char *key)
{
	static const struct {
		const char *parent, *key;
	} places[] = { { "resources", "limits" }, { "resources", "requests" }, { "spec", "hard" },	  { "spec", "capacity" },
		       { "emptyDir", "sizeLimit" }, { "limits", "max" },	   { "limits", "min" },	  { "limits", "default" },
		       { "limits", "defaultRequest" } };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (strcmp(places[i].parent, parent) == 0 && strcmp(places[i].key, key) == 0)
			return true;
	return false;
}

/* "v1", "apps/v1", "networking.k8s.io/v1"; not "cert-manager.io/v1". */
static bool is_built_in(const char *api_version)
{
	struct str group = api_version_split(api_version).group;

	return str_find_char(group, '.') < 0 || str_ends(group, STR(".k8s.io"));
}

static bool as_quantity(const json_t *value, struct quantity *ret)
{
	AUTO_FREE char *number = json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value)) : NULL;
	const char *text = number ? number : json_string_value(value);

	return text && quantity_parse(str_of(text), ret);
}

static bool same_scalar(const json_t *wanted, const json_t *live, bool quantity)
{
	struct quantity a, b;

	if (json_equal(wanted, live))
		return !json_is_null(wanted);
	if (json_is_integer(wanted) && json_is_integer(live))
		return false; /* as doubles, large ones would look equal */
	if (json_is_number(wanted) && json_is_number(live))
		return json_number_value(wanted) == json_number_value(live);
	return quantity && as_quantity(wanted, &a) && as_quantity(live, &b) && quantity_cmp(a, b) == 0;
}

/* What the server fills into atomic references. */
static bool is_filled_in(const char *key, const json_t *value)
{
	const char *text = json_string_value(value);

	return text && ((strcmp(key, "apiVersion") == 0 && strcmp(text, "v1") == 0) || (strcmp(key, "divisor") == 0 && strcmp(text, "0") == 0));
}

static bool same_atomic(const json_t *wanted, const json_t *live, bool quantity, unsigned depth)
{
	const char *key;
	json_t *value;
	size_t i;

	if (depth > MAX_DEPTH)
		return false;
	if (json_is_object(wanted) && json_is_object(live)) {
		json_object_foreach((json_t *)wanted, key, value)
			if (!same_atomic(value, json_object_get(live, key), quantity, depth + 1))
				return false;
		json_object_foreach((json_t *)live, key, value)
			if (!json_object_get(wanted, key) && !is_filled_in(key, value))
				return false;
		return true;
	}
	if (json_is_array(wanted) && json_is_array(live)) {
		if (json_array_size(wanted) != json_array_size(live))
			return false;
		json_array_foreach(wanted, i, value)
			if (!same_atomic(value, json_array_get(live, i), quantity, depth + 1))
				return false;
		return true;
	}
	return wanted && live && same_scalar(wanted, live, quantity);
}

struct comparison {
	bool quantity;
	unsigned depth;
	bool top, metadata; /* identity is not among managed fields */
	bool built_in;	    /* a kind whose quantities the server rewrites */
	const char *name;   /* of the field that is compared; its list items have it too */
};

static bool same(const json_t *set, const json_t *wanted, const json_t *live, struct comparison how);

static bool is_identity(const char *key, struct comparison how)
{
	return (how.top && (strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0)) ||
	       (how.metadata && (strcmp(key, "name") == 0 || strcmp(key, "namespace") == 0));
}

static bool is_nothing_but_identity(const json_t *metadata)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)metadata, key, value)
		if (!is_identity(key, (struct comparison){ .metadata = true }))
			return false;
	return true;
}

static bool same_object(const json_t *set, const json_t *wanted, const json_t *live, struct comparison how)
{
	const char *key;
	json_t *value;
	size_t owned = 0, matched = 0;

	json_object_foreach((json_t *)set, key, value)
		owned += starts_with(key, "f:");
	json_object_foreach((json_t *)wanted, key, value) {
		if (is_identity(key, how))
			continue;
		AUTO_FREE char *name = xasprintf("f:%s", key);
		const json_t *below = json_object_get(set, name);
		struct comparison next = { .quantity = how.quantity || (how.built_in && holds_quantities(how.name, key)),
					   .depth = how.depth + 1,
					   .built_in = how.built_in,
					   .name = key,
					   .metadata = how.top && strcmp(key, "metadata") == 0 };

		/* An object of nothing but identity owns nothing. */
		if (!below && next.metadata && is_nothing_but_identity(value))
			continue;
		if (!below || !same(below, value, json_object_get(live, key), next))
			return false;
		matched++;
	}
	return matched == owned;
}

/* Key fields as the server completes them: a port without protocol is TCP. */
static bool has_key(const json_t *item, const json_t *keys, bool complete)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)keys, key, value) {
		const json_t *own = json_object_get(item, key);
		bool implied = complete && !own && strcmp(key, "protocol") == 0 && strcmp(json_string_value(value) ? json_string_value(value) : "", "TCP") == 0;

		if (!implied && !(own && json_equal(own, value)))
			return false;
	}
	return true;
}

static const json_t *find_item(const json_t *list, const json_t *keys, bool complete)
{
	const json_t *found = NULL;
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		if (!has_key(item, keys, complete))
			continue;
		if (found)
			return NULL; /* ambiguous: nothing is proven */
		found = item;
	}
	return found;
}

static bool has_value(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

static bool same_member(const char *key, const json_t *below, const json_t *wanted, const json_t *live, struct comparison how)
{
	json_t *keys = json_loads(key + 2, JSON_DECODE_ANY, NULL);
	bool good = false;

	if (keys && key[0] == 'k') {
		const json_t *mine = find_item(wanted, keys, true), *theirs = find_item(live, keys, false);

		good = mine && theirs && same(below, mine, theirs, how);
	} else if (keys && key[0] == 'v') {
		good = has_value(wanted, keys) && has_value(live, keys);
	}
	json_decref(keys);
	return good;
}

static size_t index_in(const json_t *list, const json_t *item)
{
	size_t i = 0;

	while (i < json_array_size(list) && json_array_get(list, i) != item)
		i++;
	return i;
}

/* Order means something (init containers run in it, env refers backwards): items that we own must stand in live as we wrote them. */
static bool same_order(const json_t *set, const json_t *wanted, const json_t *live)
{
	size_t n = json_array_size(wanted), last = 0;
	size_t *places = xcalloc(n + 1, sizeof *places); /* in live, from 1, by index in wanted */
	const char *key;
	json_t *below;
	bool ordered = true;

	json_object_foreach((json_t *)set, key, below) {
		json_t *keys = key[0] == 'k' ? json_loads(key + 2, JSON_DECODE_ANY, NULL) : NULL;
		const json_t *mine = keys ? find_item(wanted, keys, true) : NULL, *theirs = keys ? find_item(live, keys, false) : NULL;

		if (mine && theirs)
			places[index_in(wanted, mine)] = index_in(live, theirs) + 1;
		json_decref(keys);
	}
	for (size_t i = 0; i < n; i++) {
		if (places[i] && places[i] < last)
			ordered = false;
		if (places[i])
			last = places[i];
	}
	free(places);
	return ordered;
}

static bool same_list(const json_t *set, const json_t *wanted, const json_t *live, struct comparison how)
{
	const char *key;
	json_t *below;
	size_t owned = 0;

	how.depth++;
	json_object_foreach((json_t *)set, key, below) {
		if (strcmp(key, ".") == 0)
			continue;
		if ((key[0] != 'k' && key[0] != 'v') || key[1] != ':' || !same_member(key, below, wanted, live, how))
			return false;
		owned++;
	}
	return owned == json_array_size(wanted) && same_order(set, wanted, live);
}

static bool same(const json_t *set, const json_t *wanted, const json_t *live, struct comparison how)
{
	if (how.depth > MAX_DEPTH || !json_is_object(set))
		return false;
	if (json_object_size(set) == 0)
		return live && same_atomic(wanted, live, how.quantity, how.depth);
	if (json_is_object(wanted) && json_is_object(live))
		return same_object(set, wanted, live, how);
	if (json_is_array(wanted) && json_is_array(live))
		return same_list(set, wanted, live, how);
	/* {".": {}} under an empty object or list that we own as a whole */
	return json_object_size(set) == 1 && json_object_get(set, ".") && live && json_equal(wanted, live);
}

/* A Secret's stringData is kept as data: compares against what it became. Gives a copy of live that has both. */
static json_t *with_string_data(const json_t *wanted, const json_t *live)
{
	const json_t *texts = json_object_get(wanted, "stringData"), *data = json_object_get(live, "data");
	json_t *copy, *seen;
	const char *key;
	json_t *value;

	if (!texts || strcmp(text_at(wanted, "kind"), "Secret") != 0)
		return json_incref((json_t *)live);
	copy = json_copy((json_t *)live);
	seen = json_object();
	json_object_foreach((json_t *)texts, key, value) {
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		if (base64_decode(&text, str_of(text_at(data, key)), BASE64_STANDARD) && utf8_valid(buf_str(&text)))
			json_object_set_new(seen, key, json_stringn(buf_cstr(&text), text.len));
	}
	json_object_set_new(copy, "stringData", seen);
	return copy;
}

bool fields_unchanged(const json_t *wanted, const json_t *live, const char *manager)
{
	const json_t *own = NULL;
	size_t i;
	json_t *entry;

	json_array_foreach(entries_of(live), i, entry) {
		if (!is_entry(entry, "Apply") || strcmp(text_at(entry, "manager"), manager) != 0)
			continue;
		if (own || strcmp(text_at(entry, "apiVersion"), text_at(wanted, "apiVersion")) != 0)
			return false;
		own = entry;
	}
	if (!own)
		return false;
	json_t *seen = with_string_data(wanted, live);
	bool unchanged = same_object(set_of(own), wanted, seen, 
				     (struct comparison){ .top = true, .built_in = is_built_in(text_at(wanted, "apiVersion")), .name = "" });

	json_decref(seen);
	return unchanged;
}

/* ---- paths of conflicts ---- */

/*
 * ".spec.containers[name=\"web\"].image"; a name may itself hold points, so every end of a name is tried, the shortest first.
 * What is walked is either an object or a set of managed fields.
 */
struct walk {
	bool is_set;
};

static const json_t *walk_from(struct walk walk, const json_t *node, struct str rest, unsigned depth);

static const json_t *member_of(struct walk walk, const json_t *node, struct str name)
{
	AUTO_FREE char *key = walk.is_set ? xasprintf("f:%.*s", STR_ARG(name)) : str_dup(name);

	return json_object_get(node, key);
}

static const json_t *walk_name(struct walk walk, const json_t *node, struct str rest, unsigned depth)
{
	for (size_t end = 1; end <= rest.len; end++) {
		if (end < rest.len && rest.p[end] != '.' && rest.p[end] != '[')
			continue;
		const json_t *member = member_of(walk, node, (struct str){ rest.p + 1, end - 1 });
		const json_t *found = member ? walk_from(walk, member, (struct str){ rest.p + end, rest.len - end }, depth + 1) : NULL;

		if (found)
			return found;
	}
	return NULL;
}

/* name="web",protocol="TCP" → {"name": "web", "protocol": "TCP"}; ="x" and 3 as they are. Gives; NULL if it is neither. */
static json_t *parse_selector(struct str text)
{
	AUTO_RELEASE(buf) json = BUF_INIT(0);
	bool quoted = false, key = true;

	if (text.len && text.p[0] == '=')
		return json_loadb(text.p + 1, text.len - 1, JSON_DECODE_ANY, NULL);
	if (str_find_char(text, '=') < 0)
		return json_loadb(text.p, text.len, JSON_DECODE_ANY, NULL);
	buf_adds(&json, "{\"");
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '"' && (i == 0 || text.p[i - 1] != '\\'))
			quoted = !quoted;
		if (!quoted && key && c == '=') {
			buf_adds(&json, "\":");
			key = false;
		} else if (!quoted && !key && c == ',') {
			buf_adds(&json, ",\"");
			key = true;
		} else {
			buf_addc(&json, c);
		}
	}
	buf_addc(&json, '}');
	return json_loadb(json.p, json.len, 0, NULL);
}

static const json_t *select_in_set(const json_t *set, const json_t *selector)
{
	const char *key;
	json_t *below;

	json_object_foreach((json_t *)set, key, below) {
		json_t *keys = key[0] == 'k' || key[0] == 'v' ? json_loads(key + 2, JSON_DECODE_ANY, NULL) : NULL;
		bool found = keys && json_equal(keys, selector);

		json_decref(keys);
		if (found)
			return below;
	}
	return NULL;
}

static const json_t *select_in_list(const json_t *list, const json_t *selector)
{
	size_t i;
	json_t *item;

	if (json_is_integer(selector))
		return json_array_get(list, (size_t)json_integer_value(selector));
	json_array_foreach(list, i, item)
		if (json_is_object(selector) ? has_key(item, selector, false) : json_equal(item, selector))
			return item;
	return NULL;
}

static const json_t *walk_selector(struct walk walk, const json_t *node, struct str rest, unsigned depth)
{
	bool quoted = false;

	for (size_t i = 1; i < rest.len; i++) {
		if (rest.p[i] == '"' && rest.p[i - 1] != '\\')
			quoted = !quoted;
		if (quoted || rest.p[i] != ']')
			continue;
		json_t *selector = parse_selector((struct str){ rest.p + 1, i - 1 });
		const json_t *item = !selector ? NULL : walk.is_set ? select_in_set(node, selector) : select_in_list(node, selector);

		json_decref(selector);
		return item ? walk_from(walk, item, (struct str){ rest.p + i + 1, rest.len - i - 1 }, depth + 1) : NULL;
	}
	return NULL;
}

static const json_t *walk_from(struct walk walk, const json_t *node, struct str rest, unsigned depth)
{
	if (!rest.len)
		return node;
	if (depth > MAX_DEPTH)
		return NULL;
	if (rest.p[0] == '.')
		return walk_name(walk, node, rest, depth);
	return rest.p[0] == '[' ? walk_selector(walk, node, rest, depth) : NULL;
}

const json_t *fields_value_at(const json_t *object, const char *path)
{
	return walk_from((struct walk){ false }, object, str_of(path), 0);
}

const char *fields_owner(const json_t *object, const char *path, const char **ret_time)
{
	static const char *const operations[] = { "Apply", "Update" };
	size_t i;
	json_t *entry;

	for (size_t o = 0; o < ARRAY_LEN(operations); o++) {
		json_array_foreach(entries_of(object), i, entry) {
			if (strcmp(text_at(entry, "operation"), operations[o]) != 0 ||
			    !walk_from((struct walk){ true }, set_of(entry), str_of(path), 0))
				continue;
			if (ret_time)
				*ret_time = text_at(entry, "time");
			return text_at(entry, "manager");
		}
	}
	return NULL;
}
