#include "model/ref.h"

#include <stdlib.h>
#include <string.h>

#include "model/kinds.h"

static char *copy(const char *text)
{
	return xstrdup(text ? text : "");
}

void object_ref_set(struct object_ref *ref, const char *api_version, const char *kind, const char *namespace, const char *name,
		    const char *uid)
{
	struct object_ref fresh = { copy(api_version), copy(kind), copy(namespace), copy(name), copy(uid) };

	object_ref_release(ref);
	*ref = fresh;
}

void object_ref_of_row(struct object_ref *ref, const struct row *row)
{
	AUTO_RELEASE(buf) api_version = BUF_INIT(0);

	kind_api_version(row->kind, &api_version);
	object_ref_set(ref, buf_cstr(&api_version), row->kind->kind, row->namespace, row->name, row->uid);
}

void object_ref_copy(struct object_ref *to, const struct object_ref *from)
{
	object_ref_set(to, from->api_version, from->kind, from->namespace, from->name, from->uid);
}

void object_ref_release(struct object_ref *ref)
{
	free(ref->api_version);
	free(ref->kind);
	free(ref->namespace);
	free(ref->name);
	free(ref->uid);
	*ref = (struct object_ref){ 0 };
}

bool object_ref_is_empty(const struct object_ref *ref)
{
	return !ref->kind || !*ref->kind;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool object_ref_same(const struct object_ref *a, const struct object_ref *b)
{
	return same(a->api_version, b->api_version) && same(a->kind, b->kind) && same(a->namespace, b->namespace) && same(a->name, b->name);
}

void object_ref_format(const struct object_ref *ref, struct buf *out)
{
	buf_addf(out, "%s %s", ref->kind ? ref->kind : "", ref->name ? ref->name : "");
}
