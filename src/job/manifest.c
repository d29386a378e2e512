#include "job/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

static void drop_last_applied(json_t *metadata)
{
	json_t *annotations = json_object_get(metadata, "annotations");

	json_object_del(annotations, LAST_APPLIED);
	if (annotations && !json_object_size(annotations))
		json_object_del(metadata, "annotations");
}

void manifest_hide_noise(json_t *object)
{
	static const char *const noise[] = { "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink" };
	json_t *metadata = json_object_get(object, "metadata");

	for (size_t i = 0; i < ARRAY_LEN(noise); i++)
		json_object_del(metadata, noise[i]);
	json_object_del(object, "status");
	drop_last_applied(metadata);
}

/* Keys stay, values go; whether one changed is told. */
static void hide_section(json_t *object, const json_t *other, const char *section)
{
	json_t *data = json_object_get(object, section);
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(data, next, key, value) {
		bool changed = other && !json_equal(value, json_object_get(json_object_get(other, section), key));

		json_object_set_new(data, key, json_string(changed ? "(hidden, changed)" : "(hidden)"));
	}
}

void manifest_hide_values(json_t *object, const json_t *other)
{
	hide_section(object, other, "data");
	hide_section(object, other, "stringData");
}

bool manifest_is_owned_by(const json_t *object, const char *uid)
{
	size_t i;
	json_t *owner;

	json_array_foreach(json_object_get(json_object_get(object, "metadata"), "ownerReferences"), i, owner) {
		const char *of = json_string_value(json_object_get(owner, "uid"));

		if (of && strcmp(of, uid) == 0)
			return true;
	}
	return false;
}

int64_t manifest_revision(const json_t *object)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char *text = json_string_value(json_object_get(annotations, "deployment.kubernetes.io/revision"));

	return text ? strtoll(text, NULL, 10) : json_integer_value(json_object_get(object, "revision"));
}

/* As YAML, which is what people wrote; JSON where that can't be. */
void manifest_yaml(const json_t *object, struct buf *out)
{
	AUTO_RELEASE(error) ignored = { 0 };
	AUTO_FREE char *json = object ? json_dumps(object, JSON_COMPACT) : NULL;
	AUTO(yaml_doc) doc = NULL;

	if (!json)
		return;
	if (yaml_read(str_of(json), "object", NULL, &doc, &ignored) && doc && yaml_doc_make_generic(doc, "object", NULL, &ignored)) {
		yaml_emit_document(out, doc->root, true);
		return;
	}
	AUTO_FREE char *pretty = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);

	buf_adds(out, pretty ? pretty : json);
}

void manifest_text(const json_t *object, struct buf *out)
{
	json_t *copy = json_deep_copy(object), *metadata = json_object_get(copy, "metadata");
	const char *kind = json_string_value(json_object_get(copy, "kind"));

	json_object_del(metadata, "managedFields");
	drop_last_applied(metadata);
	if (kind && strcmp(kind, "Secret") == 0)
		manifest_hide_values(copy, NULL);
	manifest_yaml(copy, out);
	json_decref(copy);
}
