/*
 * The first byte says how the rest is fed to the reader. Objects are the same however the stream is cut, and what
 * jansson takes the visitor takes too.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	uint64_t *sum = arg;
	int64_t number;
	bool truth;

	(void)err;
	*sum = *sum * 31 + field->path + field->at[0] + field->text.len + field->key.len;
	for (size_t i = 0; i < field->text.len; i++)
		*sum = *sum * 31 + (unsigned char)field->text.p[i];
	if (json_field_int(field, &number))
		*sum += (uint64_t)number;
	if (json_field_bool(field, &truth))
		*sum += truth;
	return true;
}

static void visit(const struct json_fields *fields, struct str text, uint64_t *sum)
{
	AUTO_RELEASE(error) err = { 0 };
	bool ok = json_visit(fields, text, on_field, sum, &err);

	/* jansson takes a NUL for the end of the text. */
	if (ok || err.kind == ERR_LIMIT || memchr(text.p, '\0', text.len))
		return;
	json_t *tree = json_loadb(text.p, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (tree)
		abort();
}

static bool read_cut(const struct json_fields *fields, struct str text, enum json_stream stream, size_t piece,
		     struct buf *out, uint64_t *sum)
{
	AUTO(json_reader) reader = json_reader_create(stream, 4096);
	AUTO_RELEASE(error) err = { 0 };

	for (size_t at = 0; at < text.len; at += piece) {
		size_t len = text.len - at < piece ? text.len - at : piece;
		struct str object;

		json_reader_feed(reader, (struct str){ text.p + at, len });
		do {
			if (!json_reader_next(reader, &object, &err))
				return false;
			if (object.p) {
				visit(fields, object, sum);
				buf_add_str(out, object);
				buf_addc(out, '\n');
			}
		} while (object.p);
	}
	buf_add_str(out, json_reader_envelope(reader));
	return json_reader_finish(reader, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "a", "a.b", "a.*", "a[].c", "*.d", "metadata.name", "object.metadata.labels.*" };
	uint64_t sum_whole = 0, sum_cut = 0;

	if (!size)
		return 0;
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));
	AUTO_RELEASE(buf) whole = BUF_INIT(0);
	AUTO_RELEASE(buf) cut = BUF_INIT(0);
	struct str text = { (const char *)data + 1, size - 1 };
	enum json_stream stream = data[0] & 1 ? JSON_LIST : JSON_SEQUENCE;

	visit(fields, text, &sum_whole);
	sum_whole = 0;
	bool ok = read_cut(fields, text, stream, size, &whole, &sum_whole);
	bool cut_ok = read_cut(fields, text, stream, (size_t)(data[0] >> 1) + 1, &cut, &sum_cut);

	if (ok != cut_ok || (ok && (sum_whole != sum_cut || !str_eq(buf_str(&whole), buf_str(&cut)))))
		abort();
	return 0;
}
