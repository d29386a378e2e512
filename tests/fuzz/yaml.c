/* Whatever is read as YAML can be written, and what was written gives itself when it is read and written again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool round_trip(struct str in, struct buf *out, struct diags *warnings, struct error *err)
{
	AUTO(yaml_stream) stream = yaml_stream_create(in, "fuzz", NULL);

	for (bool first = true;; first = false) {
		struct yaml_doc *next;

		if (!yaml_stream_next(stream, &next, err))
			return false;
		if (!next)
			return true;
		AUTO(yaml_doc) doc = next;
		AUTO_RELEASE(buf) json = BUF_INIT(1 << 20);
		AUTO_RELEASE(error) json_err = { 0 };

		if (!yaml_doc_make_generic(doc, "fuzz", warnings, err))
			return false;
		yaml_to_json(doc->root, &json, &json_err);
		yaml_emit_document(out, doc->root, first);
	}
}

/* Different values that are written alike: -0.0 and 0, 1.0 and 1 as keys of one mapping, several .nan keys. */
static bool may_differ(struct str text, const struct error *err)
{
	return str_find(text, STR("-0")) >= 0 || str_find(text, STR(".nan")) >= 0 || err->kind == ERR_LIMIT ||
	       (err->message && strstr(err->message, "already defined"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_RELEASE(buf) once = BUF_INIT(1 << 20);
	AUTO_RELEASE(buf) twice = BUF_INIT(1 << 20);
	AUTO_RELEASE(diags) warnings = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	if (!round_trip((struct str){ (const char *)data, size }, &once, &warnings, &err)) {
		if (strncmp(err.message, "fuzz:", 5) != 0)
			abort();
		return 0;
	}
	if (once.overflow)
		return 0;
	if (round_trip(buf_str(&once), &twice, NULL, &err) && str_eq(buf_str(&once), buf_str(&twice)))
		return 0;
	if (may_differ(buf_str(&once), &err))
		return 0;
	fprintf(stderr, "%s\n--- once\n%s--- twice\n%s", err.message ? err.message : "differs", buf_cstr(&once),
		buf_cstr(&twice));
	abort();
}
