#include "model/table_decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utc.h"

/* A row of a Table, or a plain object: what is not there is not found. */
enum {
	ROW_CELL, ROW_CONDITION, ROW_CONDITION_STATUS,
	META_UID, META_NAME, META_NAMESPACE, META_VERSION, META_CREATED, META_DELETED, OWNER_UID, OWNER_KIND, OWNER_NAME, OWNER_CONTROLS,
	META_COUNT = OWNER_CONTROLS - META_UID + 1
};
#define METADATA(prefix) \
	prefix "metadata.uid", prefix "metadata.name", prefix "metadata.namespace", prefix "metadata.resourceVersion", \
	prefix "metadata.creationTimestamp", prefix "metadata.deletionTimestamp", prefix "metadata.ownerReferences[].uid", \
	prefix "metadata.ownerReferences[].kind", prefix "metadata.ownerReferences[].name", prefix "metadata.ownerReferences[].controller"
#define ROW(prefix) prefix "cells[]", prefix "conditions[].type", prefix "conditions[].status", METADATA(prefix "object.")
static const char *const row_paths[] = { ROW(""), METADATA("") };

enum { TABLE_ROW, TABLE_COLUMN_NAME, TABLE_COLUMN_TYPE, TABLE_COLUMN_PRIORITY, TABLE_REMAINING, TABLE_KIND, TABLE_IN_ROW };
static const char *const table_paths[] = { "rows[]", "columnDefinitions[].name", "columnDefinitions[].type", "columnDefinitions[].priority",
					   "metadata.remainingItemCount", "kind", ROW("rows[].") };

struct table_decoder {
	struct json_fields *row_fields, *table_fields;
	struct table_column *columns; /* as last told, to tell them only when they change */
	size_t ncolumns;
	struct buf text; /* of the row at hand, one after another */
};

/* ---- rows ---- */

struct span {
	size_t at, len;
};

struct row_read {
	struct buf *text;
	struct span meta[META_COUNT], owner[3], cells[TABLE_COLUMNS_MAX];
	size_t ncells;
	unsigned owner_at, ended_at; /* which element is being read */
	bool has_owner, owner_controls, ended, completed;
};

static struct span keep(struct row_read *r, struct str text)
{
	struct span span = { r->text->len, text.len < TABLE_CELL_MAX + 4 ? text.len : TABLE_CELL_MAX + 4 };

	buf_add(r->text, text.p, span.len);
	return span;
}

static struct str text_of(const struct row_read *r, struct span span)
{
	return span.len ? (struct str){ r->text->p + span.at, span.len } : STR("");
}

/* The owner that controls wins, else the first one stays. */
static void read_owner(struct row_read *r, unsigned what, const struct json_field *field)
{
	if (what == OWNER_CONTROLS) {
		if (str_is(field->text, "true") && !r->owner_controls) {
			r->owner_controls = true;
			memcpy(r->owner, &r->meta[OWNER_UID - META_UID], sizeof r->owner);
		}
		return;
	}
	if (field->at[0] != r->owner_at || !r->has_owner) {
		memset(&r->meta[OWNER_UID - META_UID], 0, sizeof r->owner);
		r->owner_at = field->at[0];
	}
	r->has_owner = true;
	r->meta[what - META_UID] = keep(r, field->text);
	if (field->at[0] == 0 && !r->owner_controls)
		r->owner[what - OWNER_UID] = r->meta[what - META_UID];
}

static void read_cell(struct row_read *r, const struct json_field *field)
{
	if (field->at[0] < TABLE_COLUMNS_MAX) {
		r->cells[field->at[0]] = field->kind == JSON_IS_NULL ? (struct span){ 0 } : keep(r, field->text);
		r->ncells = field->at[0] + 1u;
	}
}

static bool on_row_field(const struct json_field *field, void *arg, struct error *err)
{
	struct row_read *r = arg;
	unsigned what = field->path < META_UID + META_COUNT ? field->path : field->path - META_COUNT;

	(void)err;
	if (what == ROW_CELL)
		read_cell(r, field);
	else if (what == ROW_CONDITION)
		r->ended = str_is(field->text, "Completed");
	else if (what == ROW_CONDITION_STATUS)
		r->completed |= r->ended && str_is(field->text, "True");
	else if (what >= OWNER_UID)
		read_owner(r, what, field);
	else if (field->kind == JSON_IS_STRING)
		r->meta[what - META_UID] = keep(r, field->text);
	return true;
}

static int64_t time_of(struct str text)
{
	int64_t us;

	return text.len && utc_parse_rfc3339(text, &us) ? us / 1000 : 0;
}

static struct table_row *row_made(const struct row_read *r)
{
	struct str cells[TABLE_COLUMNS_MAX];
	struct table_row_parts parts = {
		.uid = text_of(r, r->meta[0]), .name = text_of(r, r->meta[META_NAME - META_UID]),
		.namespace = text_of(r, r->meta[META_NAMESPACE - META_UID]),
		.resource_version = text_of(r, r->meta[META_VERSION - META_UID]),
		.created_ms = time_of(text_of(r, r->meta[META_CREATED - META_UID])),
		.deleted_ms = time_of(text_of(r, r->meta[META_DELETED - META_UID])),
		.owner_uid = text_of(r, r->owner[0]), .owner_kind = text_of(r, r->owner[1]), .owner_name = text_of(r, r->owner[2]),
		.cells = cells, .ncells = r->ncells, .completed = r->completed,
	};

	if (!parts.ncells) { /* a plain object: the columns are Name and Age */
		cells[0] = parts.name;
		cells[1] = STR("");
		parts.ncells = 2;
	}
	for (size_t i = 0; i < r->ncells; i++)
		cells[i] = text_of(r, r->cells[i]);
	return table_row_create(&parts);
}

/* Where rows go. */
struct sink {
	struct table_batch *batch;
	enum row_op op;
	table_row_fn *on_row;
	void *arg;
};

/* A row was read. False: it is none. */
static bool add_read(const struct sink *sink, const struct row_read *r)
{
	struct table_row *row;

	if (!r->meta[META_NAME - META_UID].len)
		return false;
	row = row_made(r);
	sink->on_row(sink->op, row, sink->arg);
	table_batch_add(sink->batch, sink->op, row);
	return true;
}

static struct row_read begin_row(struct table_decoder *decoder)
{
	buf_reset(&decoder->text);
	return (struct row_read){ .text = &decoder->text };
}

static bool add_row(struct table_decoder *decoder, const struct sink *sink, struct str json)
{
	struct row_read r = begin_row(decoder);
	AUTO_RELEASE(error) ignored = { 0 };

	return json_visit(decoder->row_fields, json, on_row_field, &r, &ignored) && add_read(sink, &r);
}

/* ---- what surrounds them ---- */

struct table_read {
	struct table_decoder *decoder;
	const struct sink *sink; /* NULL: rows do not matter */
	struct row_read row;
	struct table_column *columns;
	size_t ncolumns, cap;
	int64_t remaining;
	bool is_table, good;
};

static struct table_column *column_at(struct table_read *t, unsigned at)
{
	while (t->ncolumns <= at)
		LIST_PUSH(t->columns, t->ncolumns, t->cap) = (struct table_column){ .name = xstrdup(""), .type = xstrdup("") };
	return &t->columns[at];
}

static void replace(char **to, struct str text)
{
	free(*to);
	*to = str_dup(text);
}

static bool on_field_in_row(const struct json_field *field, struct table_read *t, struct error *err)
{
	struct json_field of_row = *field;

	of_row.path -= TABLE_IN_ROW;
	of_row.at[0] = field->at[1];
	return on_row_field(&of_row, &t->row, err);
}

static bool on_table_field(const struct json_field *field, void *arg, struct error *err)
{
	struct table_read *t = arg;
	struct table_column *column;
	int64_t number;

	if (field->path >= TABLE_IN_ROW) {
		return on_field_in_row(field, t, err);
	} else if (field->path == TABLE_ROW) {
		t->good &= !t->sink || add_read(t->sink, &t->row);
		t->row = begin_row(t->decoder);
	} else if (field->path == TABLE_REMAINING) {
		json_field_int(field, &t->remaining);
	} else if (field->path == TABLE_KIND) {
		t->is_table = str_is(field->text, "Table");
	} else if (field->at[0] < TABLE_COLUMNS_MAX) {
		column = column_at(t, field->at[0]);
		if (field->path == TABLE_COLUMN_NAME)
			replace(&column->name, field->text);
		else if (field->path == TABLE_COLUMN_TYPE)
			replace(&column->type, field->text);
		else if (json_field_int(field, &number))
			column->priority = (int)number;
	}
	return true;
}

static bool same_columns(const struct table_decoder *decoder, const struct table_read *t)
{
	if (decoder->ncolumns != t->ncolumns)
		return false;
	for (size_t i = 0; i < t->ncolumns; i++)
		if (strcmp(decoder->columns[i].name, t->columns[i].name) || decoder->columns[i].priority != t->columns[i].priority)
			return false;
	return true;
}

static struct table_column *columns_copy(const struct table_column *from, size_t n)
{
	struct table_column *copy = xcalloc(n, sizeof *copy);

	for (size_t i = 0; i < n; i++)
		copy[i] = (struct table_column){ xstrdup(from[i].name), xstrdup(from[i].type), from[i].priority, from[i].is_age };
	return copy;
}

/* Takes the columns read. */
static void tell_columns(struct table_read *t, struct table_batch *batch)
{
	struct table_decoder *decoder = t->decoder;

	if (!t->ncolumns || same_columns(decoder, t)) {
		table_columns_free(t->columns, t->ncolumns);
		return;
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		t->columns[i].is_age = !strcmp(t->columns[i].name, "Age");
	table_columns_free(decoder->columns, decoder->ncolumns);
	decoder->columns = t->columns;
	decoder->ncolumns = t->ncolumns;
	table_columns_free(batch->columns, batch->ncolumns);
	batch->columns = columns_copy(decoder->columns, decoder->ncolumns);
	batch->ncolumns = decoder->ncolumns;
}

static void add_plain_columns(struct table_read *t)
{
	if (t->is_table || t->ncolumns)
		return;
	replace(&column_at(t, 0)->name, STR("Name"));
	replace(&column_at(t, 1)->name, STR("Age"));
	replace(&t->columns[1].type, STR("date"));
}

static struct table_read read_table(struct table_decoder *decoder, const struct sink *sink, struct str json)
{
	struct table_read t = { .decoder = decoder, .sink = sink, .row = begin_row(decoder), .remaining = -1, .good = true };
	AUTO_RELEASE(error) ignored = { 0 };

	t.good &= json_visit(decoder->table_fields, json, on_table_field, &t, &ignored);
	return t;
}

void table_decode_envelope(struct table_decoder *decoder, struct str json, struct table_batch *batch)
{
	struct table_read t = read_table(decoder, NULL, json);

	add_plain_columns(&t);
	tell_columns(&t, batch);
	batch->remaining = t.remaining;
}

bool table_decode(struct table_decoder *decoder, enum row_op op, struct str json, struct table_batch *batch, table_row_fn *on_row,
		  void *arg)
{
	struct sink sink = { batch, op, on_row, arg };

	if (str_starts(json, STR("{\"cells\":")))
		return add_row(decoder, &sink, json);
	struct table_read t = read_table(decoder, &sink, json);

	if (!decoder->ncolumns)
		add_plain_columns(&t);
	tell_columns(&t, batch);
	return t.is_table ? t.good : add_row(decoder, &sink, json);
}

struct table_decoder *table_decoder_create(void)
{
	struct table_decoder *decoder = xcalloc(1, sizeof *decoder);

	decoder->row_fields = json_fields_create(row_paths, ARRAY_LEN(row_paths));
	decoder->table_fields = json_fields_create(table_paths, ARRAY_LEN(table_paths));
	return decoder;
}

void table_decoder_destroy(struct table_decoder *decoder)
{
	if (!decoder)
		return;
	table_columns_free(decoder->columns, decoder->ncolumns);
	json_fields_destroy(decoder->row_fields);
	json_fields_destroy(decoder->table_fields);
	buf_release(&decoder->text);
	free(decoder);
}
