#include "sim/managed.h"

#include <stdlib.h>
#include <string.h>

#include "sim/fset.h"
#include "sim/jx.h"

enum { UPDATE_MANAGERS_MAX = 10 };

struct entry {
	const char *manager, *api_version, *subresource, *time;
	bool apply;
	struct fset *set;
};

struct managed {
	struct arena *arena;
	struct entry *entries;
	size_t n, cap;
};

static const char *const unowned_meta[] = { "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
					    "generation", "managedFields", "resourceVersion" };

/* Gives the object without what nobody can own. */
static json_t *ownable(const json_t *object)
{
	json_t *copy = object ? json_copy((json_t *)object) : json_object(), *meta = json_object_get(copy, "metadata");

	json_object_del(copy, "apiVersion");
	json_object_del(copy, "kind");
	if (json_is_object(meta)) {
		meta = json_copy(meta);
		for (size_t i = 0; i < ARRAY_LEN(unowned_meta); i++)
			json_object_del(meta, unowned_meta[i]);
		json_object_set_new(copy, "metadata", meta);
	}
	return copy;
}

static const char *keep(struct managed *m, const char *text)
{
	return arena_strndup(m->arena, text, strlen(text));
}

static struct entry *entry_add(struct managed *m, const char *manager, bool apply, const char *api_version,
			       const char *subresource)
{
	struct entry *entry = &LIST_PUSH(m->entries, m->n, m->cap);

	*entry = (struct entry){ .manager = keep(m, manager), .apply = apply, .api_version = keep(m, api_version),
				 .subresource = keep(m, subresource ? subresource : ""), .time = "",
				 .set = fset_create(m->arena) };
	return entry;
}

static struct entry *entry_find(struct managed *m, const char *manager, bool apply, const char *api_version,
				const char *subresource)
{
	for (size_t i = 0; i < m->n; i++) {
		struct entry *e = &m->entries[i];

		if (!strcmp(e->manager, manager) && e->apply == apply && !strcmp(e->subresource, subresource ? subresource : "") &&
		    (apply || !strcmp(e->api_version, api_version)))
			return e;
	}
	return NULL;
}

static bool is_reset(const json_t *list)
{
	return json_array_size(list) == 1 && json_object_size(json_array_get(list, 0)) == 0;
}

static void read_entries(struct managed *m, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		struct entry *entry = entry_add(m, jstr(item, "manager"), !strcmp(jstr(item, "operation"), "Apply"),
						jstr(item, "apiVersion"), jstr(item, "subresource"));

		entry->time = keep(m, jstr(item, "time"));
		entry->set = fset_read(m->arena, json_object_get(item, "fieldsV1"), 0);
	}
}

static int by_age(const void *a, const void *b)
{
	const struct entry *p = a, *q = b;
	int order = (int)q->apply - (int)p->apply;

	order = order ? order : strcmp(p->time, q->time);
	order = order ? order : strcmp(p->manager, q->manager);
	order = order ? order : strcmp(p->api_version, q->api_version);
	return order ? order : strcmp(p->subresource, q->subresource);
}

static void drop_empty(struct managed *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++)
		if (!fset_empty(m->entries[i].set))
			m->entries[kept++] = m->entries[i];
	m->n = kept;
}

/* Folds the oldest Update entries of the object itself into "ancient-changes" when there are too many. */
static void cap_entries(struct managed *m)
{
	size_t updates = 0, i = 0;

	for (size_t k = 0; k < m->n; k++)
		updates += !m->entries[k].apply && !*m->entries[k].subresource;
	if (m->n)
		qsort(m->entries, m->n, sizeof *m->entries, by_age);
	while (updates > UPDATE_MANAGERS_MAX && i < m->n) {
		struct entry *old = &m->entries[i++];

		if (old->apply || *old->subresource || !strcmp(old->manager, "ancient-changes"))
			continue;
		AUTO_FREE char *version = xstrdup(old->api_version);
		struct fset *set = old->set;
		const char *time = old->time;

		old->set = fset_create(m->arena);
		struct entry *bucket = entry_find(m, "ancient-changes", false, version, NULL);

		if (!bucket)
			bucket = entry_add(m, "ancient-changes", false, version, NULL);
		else
			updates--;
		bucket->set = fset_union(m->arena, bucket->set, set);
		bucket->time = time;
	}
	drop_empty(m);
}

static json_t *write_entries(struct managed *m)
{
	json_t *list = json_array();

	drop_empty(m);
	if (m->n)
		qsort(m->entries, m->n, sizeof *m->entries, by_age);
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *e = &m->entries[i];
		json_t *item = json_pack("{s:s,s:s,s:s}", "manager", e->manager, "operation", e->apply ? "Apply" : "Update",
					 "apiVersion", e->api_version);

		if (*e->time)
			json_object_set_new(item, "time", json_string(e->time));
		json_object_set_new(item, "fieldsType", json_string("FieldsV1"));
		json_object_set_new(item, "fieldsV1", fset_write(e->set));
		if (*e->subresource)
			json_object_set_new(item, "subresource", json_string(e->subresource));
		json_array_append_new(list, item);
	}
	return list;
}

static void store_entries(struct managed *m, json_t *object)
{
	json_t *list = write_entries(m);

	if (json_array_size(list)) {
		jset(object, list, "metadata", "managedFields");
	} else {
		json_decref(list);
		jdel(object, "metadata", "managedFields");
	}
}

static const char *now(struct managed *m, const struct writer *writer)
{
	json_t *time = jx_time(writer->now_ms);
	const char *text = keep(m, json_string_value(time));

	json_decref(time);
	return text;
}

static void managed_release(struct managed *m)
{
	free(m->entries);
	arena_destroy(m->arena);
}

void managed_update(const struct writer *writer, const json_t *live, json_t *next)
{
	struct managed m = { .arena = arena_create() };
	json_t *given = jget(next, "metadata", "managedFields"), *lived = jget(live, "metadata", "managedFields");
	json_t *before = ownable(live ? live : writer->zero), *after = ownable(next);
	struct typed_diff diff = typed_compare(m.arena, writer->type, before, after);
	struct fset *taken = fset_union(m.arena, diff.added, diff.modified);

	if (!is_reset(given))
		read_entries(&m, !writer->subresource && json_array_size(given) ? given : lived);
	for (size_t i = 0; i < m.n; i++) {
		struct entry *e = &m.entries[i];

		e->set = fset_difference(m.arena, fset_difference(m.arena, e->set, taken), diff.removed);
	}
	if (!fset_empty(taken)) {
		struct entry *self = entry_find(&m, writer->manager, false, writer->api_version, writer->subresource);

		if (!self)
			self = entry_add(&m, writer->manager, false, writer->api_version, writer->subresource);
		self->set = fset_union(m.arena, self->set, taken);
		self->time = writer->subresource && !strcmp(writer->subresource, "scale") ? "" : now(&m, writer);
	}
	drop_empty(&m);
	cap_entries(&m);
	store_entries(&m, next);
	json_decref(before);
	json_decref(after);
	managed_release(&m);
}

struct conflict_list {
	json_t *causes;
	struct buf *listed; /* "\n- path" for each */
	const char *with;
	size_t n;
	char *only; /* the last path */
};

static void add_conflict(const char *path, void *arg)
{
	struct conflict_list *list = arg;

	json_array_append_new(list->causes, json_pack("{s:s,s:o,s:s}", "reason", "FieldManagerConflict", "message",
						      json_sprintf("conflict with %s", list->with), "field", path));
	buf_addf(list->listed, "\n- %s", path);
	list->n++;
	free(list->only);
	list->only = xstrdup(path);
}

static void name_manager(const struct entry *e, struct buf *out)
{
	buf_addf(out, "\"%s\"", e->manager);
	if (*e->subresource)
		buf_addf(out, " with subresource \"%s\"", e->subresource);
	if (!e->apply)
		buf_addf(out, " using %s", e->api_version);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->manager, ((const struct entry *)b)->manager);
}

/* Says who else owns what this apply would change; false when nobody does. */
static bool tell_conflicts(struct managed *m, const struct fset *self, const struct fset *taken, struct buf *message,
			   json_t **ret_causes)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct conflict_list list = { .causes = json_array() };
	AUTO_FREE char *only_with = NULL;

	if (m->n)
		qsort(m->entries, m->n, sizeof *m->entries, by_name);
	for (size_t i = 0; i < m->n; i++) {
		AUTO_RELEASE(buf) with = BUF_INIT(0), listed = BUF_INIT(0);
		struct fset *lost = fset_intersection(m->arena, m->entries[i].set, taken);

		if (m->entries[i].set == self || fset_empty(lost))
			continue;
		name_manager(&m->entries[i], &with);
		list.with = buf_cstr(&with);
		list.listed = &listed;
		fset_each(lost, add_conflict, &list);
		buf_addf(&text, "%sconflicts with %s:%s", text.len ? "\n" : "", list.with, buf_cstr(&listed));
		free(only_with);
		only_with = xstrdup(list.with);
	}
	if (list.n == 1)
		buf_addf(message, "Apply failed with 1 conflict: conflict with %s: %s", only_with, list.only);
	else
		buf_addf(message, "Apply failed with %zu conflicts: %s", list.n, buf_cstr(&text));
	free(list.only);
	if (!list.n) {
		json_decref(list.causes);
		buf_reset(message);
		return false;
	}
	*ret_causes = list.causes;
	return true;
}

static struct entry *prepare_self(struct managed *m, const struct writer *writer, const json_t *live)
{
	read_entries(m, jget(live, "metadata", "managedFields"));
	if (!m->n && live) { /* nobody is known yet: what is there gets an owner, so that it is not taken silently */
		json_t *before = ownable(writer->zero), *after = ownable(live);
		struct typed_diff diff = typed_compare(m->arena, writer->type, before, after);
		struct entry *first = entry_add(m, "before-first-apply", false, writer->api_version, NULL);

		first->set = fset_union(m->arena, diff.added, diff.modified);
		first->time = now(m, writer);
		json_decref(before);
		json_decref(after);
	}
	struct entry *self = entry_find(m, writer->manager, true, writer->api_version, writer->subresource);

	return self ? self : entry_add(m, writer->manager, true, writer->api_version, writer->subresource);
}

static struct fset *strip_meta(struct arena *arena, const struct type *type, const json_t *applied)
{
	json_t *owned = ownable(applied);
	struct fset *set = typed_fields(arena, type, owned);

	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(set->edges[i].step, "f:metadata"))
			set->edges[i].below->member = false;
	json_decref(owned);
	return set;
}

enum apply_outcome managed_apply(const struct writer *writer, json_t *live, json_t *applied, json_t **ret,
				 struct buf *message, json_t **ret_causes)
{
	struct managed m = { .arena = arena_create() };
	enum apply_outcome outcome = APPLY_DONE;

	if (!typed_check(writer->type, applied, message)) {
		managed_release(&m);
		return APPLY_INVALID;
	}
	struct entry *self = prepare_self(&m, writer, live);
	struct fset *former = self->set, *whole = typed_fields(m.arena, writer->type, applied), *kept = whole;
	json_t *bare = live ? json_deep_copy(live) : json_deep_copy(writer->zero), *merged, *pruned;

	jdel(bare, "metadata", "managedFields");
	struct fset *own = self->set = strip_meta(m.arena, writer->type, applied);

	for (size_t i = 0; i < m.n; i++)
		kept = fset_union(m.arena, kept, m.entries[i].set);
	merged = typed_merge(m.arena, writer->type, bare, applied);
	json_t *left = fset_empty(former) ? json_incref(merged) : typed_prune(m.arena, writer->type, merged, former, kept);

	json_decref(merged);
	pruned = json_deep_copy(left); /* what is shared with applied and live must not be changed through the result */
	json_decref(left);

	json_t *before = ownable(bare), *after = ownable(pruned);
	struct typed_diff diff = typed_compare(m.arena, writer->type, before, after);
	struct fset *taken = fset_union(m.arena, diff.added, diff.modified);

	if (!writer->force && tell_conflicts(&m, own, taken, message, ret_causes)) {
		outcome = APPLY_CONFLICT;
		json_decref(pruned);
	} else {
		bool changed = !fset_empty(taken) || !fset_empty(diff.removed);

		for (size_t i = 0; i < m.n; i++) {
			if (m.entries[i].set == own)
				self = &m.entries[i];
			else
				m.entries[i].set = fset_difference(
					m.arena, fset_difference(m.arena, m.entries[i].set, taken), diff.removed);
		}
		self->api_version = writer->api_version;
		if (changed) /* who only shares what is there already gets no time */
			self->time = now(&m, writer);
		store_entries(&m, pruned);
		*ret = pruned;
	}
	json_decref(before);
	json_decref(after);
	json_decref(bare);
	managed_release(&m);
	return outcome;
}

bool managed_same(const json_t *a, const json_t *b)
{
	json_t *sides[2] = { json_copy((json_t *)a), json_copy((json_t *)b) };

	for (size_t i = 0; i < 2; i++) {
		json_t *meta = json_copy(json_object_get(sides[i], "metadata"));
		json_t *list = json_deep_copy(json_object_get(meta, "managedFields"));

		for (size_t k = 0; k < json_array_size(list); k++)
			json_object_del(json_array_get(list, k), "time");
		if (list)
			json_object_set_new(meta, "managedFields", list);
		json_object_del(meta, "resourceVersion");
		json_object_set_new(sides[i], "metadata", meta ? meta : json_object());
	}
	bool same = json_equal(sides[0], sides[1]);

	json_decref(sides[0]);
	json_decref(sides[1]);
	return same;
}
