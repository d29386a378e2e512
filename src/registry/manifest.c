#include "registry/manifest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "registry/digest.h"
#include "registry/reference.h"

#define ITEMS_MAX	4096
#define BLOB_MAX_BYTES	(INT64_C(1) << 40)
#define JSON_MAX_DEPTH	64

static const struct {
	const char *name;
	bool is_index;
} types[] = {
	{ "application/vnd.oci.image.index.v1+json", true },
	{ "application/vnd.oci.image.manifest.v1+json", false },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", true },
	{ "application/vnd.docker.distribution.manifest.v2+json", false },
};

const char manifest_accept[] = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
			       "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

static struct str without_parameters(struct str type)
{
	struct str head;

	return str_trim(str_cut(&type, ';', &head) ? head : type);
}

static bool find_type(struct str name, bool *ret_is_index)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_ieq(name, str_of(types[i].name))) {
			*ret_is_index = types[i].is_index;
			return true;
		}
	return false;
}

static bool refuse_type(struct str type, struct error *err)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, type);
	if (str_find(type, STR("manifest.v1+")) >= 0) {
		error_set(err, ERR_SERVER, "the image has a manifest of docker's schema 1, which is not supported");
		return error_hint(err, "push it again with a docker of this decade");
	}
	return error_set(err, ERR_SERVER, "the answer is no image manifest but \"%s\"", buf_cstr(&plain));
}

/* Recursion in the parser is bounded by what nests in the text, so look before. */
static bool is_too_deep(struct str text)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && depth)
			depth--;
		if (depth > JSON_MAX_DEPTH)
			return true;
	}
	return false;
}

static bool stays_where_it_is(const char *type)
{
	return strstr(type, ".nondistributable.") || strstr(type, ".foreign.");
}

static char *platform_of(const json_t *platform)
{
	const char *os = json_string_value(json_object_get(platform, "os"));
	const char *architecture = json_string_value(json_object_get(platform, "architecture"));
	const char *variant = json_string_value(json_object_get(platform, "variant"));

	if (!os || !architecture)
		return xstrdup("");
	return variant && *variant ? xasprintf("%s/%s/%s", os, architecture, variant) : xasprintf("%s/%s", os, architecture);
}

static bool read_descriptor(const json_t *value, struct descriptor *ret, struct error *err)
{
	const json_t *digest = json_object_get(value, "digest"), *size = json_object_get(value, "size");
	const char *type = json_string_value(json_object_get(value, "mediaType"));

	if (!json_is_string(digest) || !digest_is_valid((struct str){ json_string_value(digest), json_string_length(digest) }))
		return error_set(err, ERR_SERVER, "the manifest names a part without a digest that we know (sha256, sha512)");
	if (!json_is_integer(size) || json_integer_value(size) < 0 || json_integer_value(size) > BLOB_MAX_BYTES)
		return error_set(err, ERR_SERVER, "the manifest gives no size, or an impossible one, for %s", json_string_value(digest));
	*ret = (struct descriptor){ .digest = xstrdup(json_string_value(digest)),
				    .media_type = xstrdup(type ? type : ""),
				    .size_bytes = json_integer_value(size),
				    .platform = platform_of(json_object_get(value, "platform")),
				    .stays = stays_where_it_is(type ? type : "") };
	return true;
}

static bool add_item(struct manifest *m, const json_t *value, struct error *err)
{
	struct descriptor item;

	if (!read_descriptor(value, &item, err))
		return false;
	m->items[m->n++] = item;
	return true;
}

static bool read_items(struct manifest *m, const json_t *root, struct error *err)
{
	const json_t *list = json_object_get(root, m->is_index ? "manifests" : "layers");
	const json_t *config = json_object_get(root, "config");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || (!m->is_index && !config))
		return error_set(err, ERR_SERVER, "the manifest lacks its %s", m->is_index ? "manifests" : "config or layers");
	if (n > ITEMS_MAX)
		return error_set(err, ERR_LIMIT, "the manifest names %zu parts; at most %d are accepted", n, ITEMS_MAX);
	m->items = xcalloc(n + 1, sizeof *m->items);
	if (!m->is_index && !add_item(m, config, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!add_item(m, json_array_get(list, i), err))
			return false;
	return true;
}

static bool check_root(const struct manifest *m, const json_t *root, struct error *err)
{
	const char *type = json_string_value(json_object_get(root, "mediaType"));

	if (!json_is_object(root))
		return error_set(err, ERR_SERVER, "the manifest is no JSON object");
	if (json_integer_value(json_object_get(root, "schemaVersion")) != 2)
		return error_set(err, ERR_SERVER, "the manifest is not of schema version 2");
	if (type && strcasecmp(type, m->media_type) != 0) {
		AUTO_RELEASE(buf) plain = BUF_INIT(0);

		buf_add_plain(&plain, str_of(type));
		return error_set(err, ERR_SERVER, "the manifest calls itself \"%s\", but the registry sent it as \"%s\"", buf_cstr(&plain), m->media_type);
	}
	return true;
}

static bool parse(struct manifest *m, const char *expected, struct error *err)
{
	m->digest = digest_of(expected ? expected : "sha256:", buf_str(&m->bytes));
	if (expected && strcmp(expected, m->digest) != 0)
		return error_set(err, ERR_SERVER, "the manifest is not what was asked for: its digest is %s, wanted is %s", m->digest, expected);
	if (is_too_deep(buf_str(&m->bytes)))
		return error_set(err, ERR_LIMIT, "the manifest nests deeper than %d levels", JSON_MAX_DEPTH);
	json_t *root = json_loadb(buf_cstr(&m->bytes), m->bytes.len, JSON_REJECT_DUPLICATES, NULL);
	bool good = check_root(m, root, err) && read_items(m, root, err);

	json_decref(root);
	return good;
}

bool manifest_parse(struct buf *bytes_take, struct str content_type, const char *expected, struct manifest *ret, struct error *err)
{
	AUTO_RELEASE(manifest) m = { .bytes = *bytes_take };
	struct str type = without_parameters(content_type);

	*bytes_take = (struct buf){ 0 };
	if (m.bytes.len > MANIFEST_MAX_BYTES)
		return error_set(err, ERR_LIMIT, "the manifest is larger than %zu MiB", MANIFEST_MAX_BYTES >> 20);
	if (!find_type(type, &m.is_index))
		return refuse_type(type, err);
	m.media_type = str_dup(type);
	if (!parse(&m, expected, err))
		return false;
	*ret = m;
	m = (struct manifest){ 0 };
	return true;
}

void manifest_release(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n; i++) {
		free(manifest->items[i].digest);
		free(manifest->items[i].media_type);
		free(manifest->items[i].platform);
	}
	free(manifest->items);
	free(manifest->media_type);
	free(manifest->digest);
	buf_release(&manifest->bytes);
	*manifest = (struct manifest){ 0 };
}

const struct descriptor *manifest_for_platform(const struct manifest *index, const char *platform)
{
	struct str wanted = str_of(platform);

	for (size_t i = 0; i < index->n; i++) {
		struct str is = str_of(index->items[i].platform);

		if (str_eq(is, wanted) || (str_starts(is, wanted) && is.p[wanted.len] == '/'))
			return &index->items[i];
	}
	return NULL;
}
