/*
 * table_decode: rows and columns (model/table.h) out of the JSON of Tables, and out of plain objects where a server has none.
 *
 * Source of truth: meta/v1 Table. No tree is built. Not thread-safe; one per feed, with memory that is reused from row
 * to row.
 */
#ifndef SLOTDECK_MODEL_TABLE_DECODE_H
#define SLOTDECK_MODEL_TABLE_DECODE_H

#include "model/table.h"

struct table_decoder;
struct table_decoder *table_decoder_create(void);
void table_decoder_destroy(struct table_decoder *decoder);
DEFINE_AUTO(table_decoder);

/* What a page says beside its rows, whole or as far as it came: columns, when they are other than before, and how many rows
 * remain. A page that is no Table has the columns Name and Age. */
void table_decode_envelope(struct table_decoder *decoder, struct str json, struct table_batch *batch);
/*
 * An element of a page, or what a watch shows: a row, a Table with some, or a plain object. Adds each as a change with op
 * to batch, and calls on_row with it before. False: something in it was no row.
 */
typedef void table_row_fn(enum row_op op, const struct table_row *row, void *arg);
bool table_decode(struct table_decoder *decoder, enum row_op op, struct str json, struct table_batch *batch, table_row_fn *on_row,
		  void *arg);

#endif
