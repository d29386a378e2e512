/*
 * json: objects cut out of a stream, a few fields read from each without building a tree, and compact JSON written.
 *
 * For what a server sends in bulk (lists, watches). A whole object that a person or a patch needs is jansson's.
 * The text is RFC 8259: the reader looks at brackets and strings only, json_visit() checks everything. Bytes in strings
 * are passed on as they are, also when they are not UTF-8; \u0000 gives a NUL byte. Not thread-safe.
 *
 *     struct json_reader *r = json_reader_create(JSON_LIST, 16 << 20);
 *     for each chunk:
 *             json_reader_feed(r, chunk);
 *             while (json_reader_next(r, &object, err) && object.p)
 *                     json_visit(fields, object, on_field, &row, err);
 *             (false: err says why)
 *     json_reader_finish(r, err), then json_reader_envelope(r) holds kind, metadata.resourceVersion, metadata.continue
 */
#ifndef SLOTDECK_BASE_JSON_H
#define SLOTDECK_BASE_JSON_H

#include "base/error.h"
#include "base/str.h"

/* ---- cutting a stream ---- */

enum json_stream {
	JSON_LIST,     /* one object; each element of its "items" (or, of a Table, its "rows") is given */
	JSON_SEQUENCE, /* values one after another, white space between them or not: a watch */
};

struct json_reader;
struct json_reader *json_reader_create(enum json_stream stream, size_t max_object_bytes);
void json_reader_destroy(struct json_reader *reader);
DEFINE_AUTO(json_reader);
/* Forgets everything read and starts again (the next page, a new connection). */
void json_reader_reset(struct json_reader *reader, enum json_stream stream);
/* Borrows bytes until json_reader_next() asks for more; before that nothing may be fed. */
void json_reader_feed(struct json_reader *reader, struct str bytes);
/*
 * Gives the next object, borrowed until the next call; it lies in the chunk fed when it did not cross chunks.
 * ret_object->p is NULL when more bytes are needed. False: the text is no JSON (ERR_SERVER), or an object is larger
 * than allowed or nested too deep (ERR_LIMIT); then every later call fails too.
 */
bool json_reader_next(struct json_reader *reader, struct str *ret_object, struct error *err);
/* At the end of the stream: false (ERR_SERVER) if it stopped inside of a value. */
bool json_reader_finish(struct json_reader *reader, struct error *err);
/* JSON_LIST: the list object without its items ("items":[]); before the finish what was read of it so far. Borrowed. */
struct str json_reader_envelope(const struct json_reader *reader);
/* Bytes seen so far, for error messages and meters. */
uint64_t json_reader_offset(const struct json_reader *reader);

/* ---- reading a few fields ---- */

/*
 * Paths: member names joined by points; [] for each element of an array, * for each member of an object, and
 * ["a.b/c"] for a name with points:
 *     metadata.name   status.conditions[].type   metadata.labels.*   metadata.annotations["deployment.kubernetes.io/revision"]
 * A path may end at an object or array (its text is given), and one path may lead through the end of another.
 */
struct json_fields;
/* A broken path is a bug: ends the program. Reading from it is thread-safe. */
struct json_fields *json_fields_create(const char *const *paths, size_t n);
void json_fields_destroy(struct json_fields *fields);
DEFINE_AUTO(json_fields);

enum json_kind { JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_NUMBER, JSON_IS_STRING, JSON_IS_OBJECT, JSON_IS_ARRAY };

#define JSON_MAX_WILDCARDS 4

struct json_field {
	unsigned path; /* index among the paths given to json_fields_create() */
	enum json_kind kind;
	struct str text; /* strings decoded; numbers, true, false, objects and arrays as they stand */
	/* Position at each [] and * of the path, from 0, outermost first. */
	unsigned at[JSON_MAX_WILDCARDS];
	struct str key; /* of the innermost *, decoded */
};

/* field and its texts are borrowed until it returns. False stops the visit, which then fails with err. */
typedef bool json_field_fn(const struct json_field *field, void *arg, struct error *err);
/*
 * Calls on_field for each field found, in the order of the text; an object or array after what is inside it. What is
 * missing is not called for; null is. Several ends at one place are called for each of them. Checks the whole text:
 * ERR_SERVER with the offset if it is no JSON, ERR_LIMIT if nested deeper than 512 levels.
 */
bool json_visit(const struct json_fields *fields, struct str text, json_field_fn *on_field, void *arg,
		struct error *err);

/* The value of a number or bool; false when it is of another kind (or no whole number that fits). */
bool json_field_int(const struct json_field *field, int64_t *ret);
bool json_field_bool(const struct json_field *field, bool *ret);

/* ---- writing ---- */

/* Appends text in quotes. What is not UTF-8 becomes U+FFFD. */
void json_write_string(struct buf *out, struct str text);

/* Writes commas by itself. Depth 64 at most; nesting is the caller's duty. */
struct json_writer {
	struct buf *out;
	uint64_t has_members; /* one bit for each level */
	unsigned depth;
	bool after_key;
};
#define JSON_WRITER_INIT(buf) { .out = (buf) }
void json_put_object(struct json_writer *w);
void json_put_array(struct json_writer *w);
void json_put_end_object(struct json_writer *w);
void json_put_end_array(struct json_writer *w);
void json_put_key(struct json_writer *w, const char *key);
void json_put_str(struct json_writer *w, struct str text);
void json_put_text(struct json_writer *w, const char *text); /* NULL writes null */
void json_put_int(struct json_writer *w, int64_t value);
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, struct str json); /* a value that is JSON already */

#endif
