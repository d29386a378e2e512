/*
 * Lines as a hostile server might watch them out: a letter for the kind, one for what happened, then the object. What
 * decodes goes through store, health and environments; rows must be their own copies.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1700000000000)

static void take(struct store *store, struct row_decoder *decoder, struct str line)
{
	const struct kind *kind = kind_at((unsigned char)line.p[0] % 17);
	enum row_op op = line.p[1] == '-' ? ROW_GONE : ROW_PUT;
	AUTO_RELEASE(error) err = { 0 };
	struct row_batch *batch;
	struct row *row = NULL, *copy;

	if (!row_decode(decoder, kind, (struct str){ line.p + 2, line.len - 2 }, &row, &err))
		return;
	copy = row_copy(row);
	if (copy->size_bytes != row->size_bytes)
		abort();
	row_destroy(row);
	for (size_t i = 0; i < kind->ncolumns; i++) {
		AUTO_RELEASE(buf) cell = BUF_INIT(0);

		kind->columns[i].cell(copy, NOW, &cell);
	}
	batch = row_batch_create(kind, line.p[1] == 'n' ? copy->namespace : "", NOW);
	row_batch_add(batch, op, copy);
	if (line.p[1] == 'e')
		row_batch_add(batch, ROW_LIST_BEGIN, NULL);
	store_apply(store, batch);
}

static void look(struct store *store, struct health *health, int64_t now_ms)
{
	const struct kind *kind;

	for (size_t n = 0; (kind = store_kind_at(store, n)); n++) {
		for (struct entry *e = store_first(store, kind, NULL); e; e = store_next(e, NULL)) {
			const struct verdict *v = health_of(health, e, now_ms);
			AUTO_RELEASE(buf) text = BUF_INIT(0);

			verdict_format_why(v, now_ms, &text);
			for (size_t i = 0; i < v->causes.len; i++)
				cause_format(&v->causes.items[i], &text);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(row_decoder) decoder = row_decoder_create();
	struct store *store = store_create();
	struct health *health = health_create(store, NULL);
	struct envs *envs = envs_create(store, health, &(struct envs_options){ .state_namespace = "s", .record_prefix = "r", .show_other_namespaces = true });
	struct str rest = { (const char *)data, size }, line;

	for (size_t i = 0; i < 17; i++) {
		struct row_batch *batch = row_batch_create(kind_at(i), "", NOW);

		row_batch_add(batch, ROW_LIST_END, NULL);
		store_apply(store, batch);
	}
	while (str_cut(&rest, '\n', &line)) {
		if (line.len > 2)
			take(store, decoder, line);
	}
	look(store, health, NOW);
	envs_update(envs, NOW);
	look(store, health, NOW + 20000);
	envs_update(envs, NOW + 3600000);
	envs_destroy(envs);
	health_destroy(health);
	store_destroy(store);
	return 0;
}
