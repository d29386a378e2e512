/* Every line of tests/golden/yaml/vectors.jsonl: yaml.v3 itself made them (shared golden README, "yaml/"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

#define VECTORS "tests/golden/yaml/vectors.jsonl"

/* As codexctl does with a manifest: empty documents are skipped, the others written. */
static bool round_trip(struct str in, struct buf *out, size_t *ret_docs, struct error *err)
{
	AUTO(yaml_stream) stream = yaml_stream_create(in, "v.yaml", NULL);

	for (*ret_docs = 0;;) {
		struct yaml_doc *next;

		if (!yaml_stream_next(stream, &next, err))
			return false;
		if (!next)
			return true;
		AUTO(yaml_doc) doc = next;

		if (!yaml_doc_make_generic(doc, "v.yaml", NULL, err))
			return false;
		if (doc->root->kind != YAML_MAPPING || doc->root->map.n == 0)
			continue;
		yaml_emit_document(out, doc->root, *ret_docs == 0);
		++*ret_docs;
	}
}

static char *text_of(const json_t *vector, const char *key, size_t *ret_len)
{
	char name[32];

	snprintf(name, sizeof name, "%s_base64", key);
	const char *encoded = json_string_value(json_object_get(vector, name));
	const json_t *plain = json_object_get(vector, key);

	if (!encoded) {
		*ret_len = json_string_length(plain);
		return plain ? xmemdup0(json_string_value(plain), *ret_len) : NULL;
	}
	size_t len = strlen(encoded);
	char *text = xmalloc(len + 1);
	int n = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)encoded, (int)len);

	assert_true(n >= 0);
	*ret_len = (size_t)n - (len && encoded[len - 1] == '=') - (len > 1 && encoded[len - 2] == '=');
	return text;
}

/* What was written gives itself when it is read and written again. */
static bool reads_back(struct str written)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) again = BUF_INIT(0);
	size_t docs;

	return round_trip(written, &again, &docs, &err) && str_eq(buf_str(&again), written);
}

static bool check_line(const json_t *v)
{
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *expect = json_string_value(json_object_get(v, "expect"));
	const char *failure = json_string_value(json_object_get(v, "error"));
	size_t in_len, want_len, docs;
	AUTO_FREE char *in = text_of(v, "in", &in_len);
	AUTO_FREE char *want = text_of(v, "want", &want_len);
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	bool ok = round_trip((struct str){ in, in_len }, &out, &docs, &err);
	bool same = ok ? !failure && docs == (size_t)json_integer_value(json_object_get(v, "docs")) &&
				 str_eq(buf_str(&out), (struct str){ want, want_len }) :
			 failure != NULL;

	if (!ok)
		assert_true(strncmp(err.message, "v.yaml:", 7) == 0);
	if (expect && strcmp(expect, "either") == 0)
		same = true;
	if (expect && strcmp(expect, "differ") == 0)
		same = ok && !str_eq(buf_str(&out), (struct str){ want, want_len });
	/* "-0" is written for the float -0.0, and read again as the integer 0. */
	if (same && ok && !(expect && strcmp(expect, "either") == 0) && strcmp(id, "plain-263") != 0)
		same = reads_back(buf_str(&out));
	if (!same)
		printf("%s: in {%s} want {%s} %s got {%s} %s\n", id, in, want ? want : "", failure ? failure : "",
		       buf_cstr(&out), err.message ? err.message : "");
	if (getenv("YAML_VECTORS_SHOW") && err.message)
		printf("%s: %s\n    %s\n", id, failure ? failure : "(no error)", err.message);
	return same;
}

static void every_vector_of_the_original_tool_is_met(void **state)
{
	(void)state;
	FILE *file = fopen(VECTORS, "r");
	char *line = NULL;
	size_t cap = 0, total = 0, failed = 0;

	assert_non_null(file);
	while (getline(&line, &cap, file) > 0) {
		json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);

		assert_non_null(v);
		total++;
		failed += !check_line(v);
		json_decref(v);
	}
	free(line);
	fclose(file);
	assert_int_equal(total, 697);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_of_the_original_tool_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
