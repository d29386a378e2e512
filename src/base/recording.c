#include "base/recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/record.h"

#define MAX_LINE ((size_t)64 << 20)

struct kept { /* of one kind, from the first look */
	const char *kind;
	struct record *items;
	size_t n, cap;
};

struct recording {
	char *path;
	FILE *file;
	char *text; /* of the present line */
	size_t text_cap;
	size_t line, last_line; /* numbers; the last whole one */
	json_t *header, *present;
	int64_t length_ms;
	bool whole;
	struct kept kept[3];
};

static bool complain(const struct recording *r, struct error *err, const char *what)
{
	return error_set(err, ERR_INVALID, "%s:%zu: %s", r->path, r->line, what);
}

/* The next line, without its end. False: there is none that is whole. */
static bool read_line(struct recording *r, struct str *ret)
{
	ssize_t n = getline(&r->text, &r->text_cap, r->file);

	if (n <= 0 || r->text[n - 1] != '\n')
		return false;
	r->line++;
	*ret = (struct str){ r->text, (size_t)n - 1 };
	return true;
}

static json_t *parse(const struct recording *r, struct str line, struct error *err)
{
	json_error_t why;
	json_t *json = json_loadb(line.p, line.len, 0, &why);

	if (json_is_object(json))
		return json;
	if (json)
		complain(r, err, "this is no record");
	else
		error_set(err, ERR_INVALID, "%s:%zu:%d: this is no record: %s", r->path, r->line, why.column, why.text);
	json_decref(json);
	return NULL;
}

/* So that no other file is read as one endless line. */
static bool begins_as_ours(struct recording *r)
{
	static const char begin[] = "{\"slotdeck\":";
	char bytes[sizeof begin - 1];
	size_t n = fread(bytes, 1, sizeof bytes, r->file);

	rewind(r->file);
	return memcmp(bytes, begin, n) == 0;
}

static bool check_header(struct recording *r, struct error *err)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct str line;

	if (!begins_as_ours(r)) {
		r->line = 1;
		return complain(r, err, "this is no recording of slotdeck");
	}
	if (!read_line(r, &line)) {
		r->line = 1;
		return complain(r, err, "this is no recording: it is empty, or cut off in its first line");
	}
	r->header = parse(r, line, &ignored);
	if (!r->header || strcmp(record_text(r->header, "slotdeck", ""), "recording") != 0)
		return complain(r, err, "this is no recording of slotdeck");
	long long format = record_int(r->header, "format", 0);

	if (format == RECORD_FORMAT)
		return true;
	error_set(err, ERR_INVALID, "%s:1: a recording of format %lld, made by slotdeck %s; this program reads format %d", r->path, format,
		  record_text(r->header, "program", "?"), RECORD_FORMAT);
	return format > RECORD_FORMAT ? error_hint(err, "use a newer slotdeck") : false;
}

static bool to_record(const struct recording *r, json_t *json, struct record *ret, struct error *err)
{
	*ret = (struct record){ .ms = record_int(json, "t", -1), .kind = record_text(json, "k", NULL), .json = json, .line = r->line };
	return ret->ms >= 0 && ret->kind ? true : complain(r, err, "this is no record: it has no time or no kind");
}

static struct kept *kept_of(const struct recording *r, const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(r->kept); i++)
		if (strcmp(r->kept[i].kind, kind) == 0)
			return (struct kept *)&r->kept[i];
	return NULL;
}

/* Takes json. */
static bool keep(struct recording *r, json_t *json, struct error *err)
{
	struct record record;

	if (!to_record(r, json, &record, err) || record.ms < r->length_ms) {
		json_decref(json);
		return err->kind ? false : complain(r, err, "its time is before that of the line above");
	}
	struct kept *kept = kept_of(r, record.kind);

	r->length_ms = record.ms;
	r->whole = strcmp(record.kind, "end") == 0;
	if (kept)
		LIST_PUSH(kept->items, kept->n, kept->cap) = record;
	else
		json_decref(json);
	return true;
}

static bool look_through(struct recording *r, struct error *err)
{
	struct str line;

	while (read_line(r, &line)) {
		json_t *json = line.len <= MAX_LINE ? parse(r, line, err) : NULL;

		if (!json)
			return err->kind ? false : complain(r, err, "the line is longer than 64 MiB");
		if (!keep(r, json, err))
			return false;
	}
	r->last_line = r->line;
	return ferror(r->file) ? error_errno(err, "%s", r->path) : true;
}

static void rewind_to_records(struct recording *r)
{
	struct str header;

	rewind(r->file);
	r->line = 0;
	read_line(r, &header);
}

bool recording_open(const char *path, struct recording **ret, struct error *err)
{
	AUTO(recording) r = xcalloc(1, sizeof *r);
	struct stat about;

	r->kept[0].kind = "ask";
	r->kept[1].kind = "mark";
	r->kept[2].kind = "target";
	r->path = xstrdup(path);
	if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
		return error_set(err, ERR_INVALID, "%s: this is no regular file", path);
	r->file = fopen(path, "re");
	if (!r->file)
		return errno == ENOENT ? error_set(err, ERR_NOT_FOUND, "%s: there is no such file", path) : error_errno(err, "%s", path);
	if (!check_header(r, err) || !look_through(r, err))
		return false;
	rewind_to_records(r);
	*ret = GIVE(r);
	return true;
}

void recording_destroy(struct recording *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < ARRAY_LEN(r->kept); i++) {
		for (size_t k = 0; k < r->kept[i].n; k++)
			json_decref(r->kept[i].items[k].json);
		free(r->kept[i].items);
	}
	json_decref(r->present);
	json_decref(r->header);
	if (r->file)
		fclose(r->file);
	free(r->text);
	free(r->path);
	free(r);
}

const char *recording_path(const struct recording *r)
{
	return r->path;
}

json_t *recording_header(const struct recording *r)
{
	return r->header;
}

int64_t recording_length_ms(const struct recording *r)
{
	return r->length_ms;
}

bool recording_is_whole(const struct recording *r)
{
	return r->whole;
}

const struct record *recording_find(const struct recording *r, const char *kind, size_t n)
{
	const struct kept *kept = kept_of(r, kind);

	return kept && n < kept->n ? &kept->items[n] : NULL;
}

bool recording_next(struct recording *r, struct record *ret, struct error *err)
{
	struct str line;

	json_decref(r->present);
	r->present = NULL;
	*ret = (struct record){ 0 };
	if (r->line >= r->last_line || !read_line(r, &line))
		return true;
	r->present = parse(r, line, err);
	return r->present && to_record(r, r->present, ret, err);
}

const char *record_text(const json_t *json, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : otherwise;
}

int64_t record_int(const json_t *json, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(json, name);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}
