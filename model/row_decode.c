#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utc.h"
#include "model/quantity.h"
#include "model/row_private.h"

/*
 * One object:  JSON text ── json_visit(paths of its kind) ──► scratch row, detail and lists ── row_copy() ──► one block
 *
 * Texts are copied into the scratch once and into the block once; both are short, as most of an object is skipped.
 */

#define ELEMENT(type_, list_, path_, member_)                                                                          \
	{ .path = path_, .type = FIELD_##type_, .place = IN_ELEMENT, .list = LIST_##list_,                             \
	  .offset = offsetof(struct field_element, member_) }
#define END(list_, path_) { .path = path_, .type = FIELD_END, .place = IN_ELEMENT, .list = LIST_##list_ }
#define ROW(type_, path_, member_) { .path = path_, .type = FIELD_##type_, .place = IN_ROW, .offset = offsetof(struct row, member_) }

const struct field row_meta_fields[] = {
	ROW(TEXT, "metadata.uid", uid),
	ROW(TEXT, "metadata.name", name),
	ROW(TEXT, "metadata.namespace", namespace),
	ROW(TEXT, "metadata.resourceVersion", resource_version),
	ROW(TIME, "metadata.creationTimestamp", created_ms),
	ROW(TIME, "metadata.deletionTimestamp", deleted_ms),
	ROW(I32, "metadata.deletionGracePeriodSeconds", deletion_grace_s),
	ROW(I64, "metadata.generation", generation),
	ROW(JOIN, "metadata.finalizers[]", finalizers),
	ROW(I64, "status.observedGeneration", observed_generation),
	{ .path = "metadata.labels.*", .type = FIELD_PAIR, .list = LIST_LABELS },
	{ .path = "metadata.annotations.*", .type = FIELD_PAIR, .list = LIST_ANNOTATIONS },
	ELEMENT(TEXT, OWNERS, "metadata.ownerReferences[].uid", owner_uid),
	ELEMENT(TEXT, OWNERS, "metadata.ownerReferences[].kind", owner_kind),
	ELEMENT(TEXT, OWNERS, "metadata.ownerReferences[].name", owner_name),
	ELEMENT(BOOL, OWNERS, "metadata.ownerReferences[].controller", controller),
	END(OWNERS, "metadata.ownerReferences[]"),
	ELEMENT(TEXT, MANAGERS, "metadata.managedFields[].manager", manager),
	ELEMENT(TEXT, MANAGERS, "metadata.managedFields[].subresource", subresource),
	ELEMENT(TIME, MANAGERS, "metadata.managedFields[].time", time_ms),
	END(MANAGERS, "metadata.managedFields[]"),
	ELEMENT(TEXT, CONDITIONS, "status.conditions[].type", condition.type),
	ELEMENT(TRI, CONDITIONS, "status.conditions[].status", condition.status),
	ELEMENT(TEXT, CONDITIONS, "status.conditions[].reason", condition.reason),
	ELEMENT(MESSAGE, CONDITIONS, "status.conditions[].message", condition.message),
	ELEMENT(TIME, CONDITIONS, "status.conditions[].lastTransitionTime", condition.since_ms),
	ELEMENT(TIME, CONDITIONS, "status.conditions[].lastUpdateTime", condition.updated_ms),
	ELEMENT(I64, CONDITIONS, "status.conditions[].observedGeneration", condition.observed_generation),
	END(CONDITIONS, "status.conditions[]"),
};
const size_t row_meta_nfields = ARRAY_LEN(row_meta_fields);

/* ---- scratch ---- */

struct piece { /* of scratch text; older pieces stay until the next object, as texts point into them */
	struct piece *next;
	size_t size;
	char bytes[];
};

struct list {
	void *items;
	size_t len, cap;
};

/* The paths of one kind, ready for json_visit(). */
struct program {
	const struct field *of; /* the kind's fields; kinds with the same ones share a program */
	size_t nof;
	struct json_fields *json;
	const struct field **fields;
};

struct row_decoder {
	struct program *programs;
	size_t nprograms, programs_cap;
	struct piece *pieces;
	size_t used; /* of the newest piece */

	/* The object at hand. */
	struct row row;
	_Alignas(8) char detail[512];
	struct field_element element;
	bool has_controller;
	struct row_pair *labels, *annotations, *selector, *claims;
	size_t nlabels, labels_cap, nannotations, annotations_cap, nselector, selector_cap, nclaims, claims_cap;
	struct row_condition *conditions;
	size_t nconditions, conditions_cap;
	struct row_container *containers;
	size_t ncontainers, containers_cap;
	struct row_container *ephemeral;
	size_t nephemeral, ephemeral_cap;
	struct row_port *ports;
	size_t nports, ports_cap;
	struct row_image *images;
	size_t nimages, images_cap;
};

struct row_decoder *row_decoder_create(void)
{
	return xcalloc(1, sizeof(struct row_decoder));
}

static void pieces_drop(struct piece *piece)
{
	while (piece) {
		struct piece *next = piece->next;

		free(piece);
		piece = next;
	}
}

void row_decoder_destroy(struct row_decoder *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->nprograms; i++) {
		json_fields_destroy(d->programs[i].json);
		free(d->programs[i].fields);
	}
	free(d->programs);
	pieces_drop(d->pieces);
	free(d->labels);
	free(d->annotations);
	free(d->selector);
	free(d->claims);
	free(d->conditions);
	free(d->containers);
	free(d->ephemeral);
	free(d->ports);
	free(d->images);
	free(d);
}

static char *scratch(struct row_decoder *d, size_t size)
{
	char *p;

	if (!d->pieces || d->used + size > d->pieces->size) {
		size_t want = size > 16384 ? size : 16384;
		struct piece *piece = xmalloc(sizeof *piece + want);

		piece->next = d->pieces;
		piece->size = want;
		d->pieces = piece;
		d->used = 0;
	}
	p = d->pieces->bytes + d->used;
	d->used += size;
	return p;
}

static const char *scratch_text(struct row_decoder *d, struct str text)
{
	const char *common = row_common_text(text);
	char *copy;

	if (common)
		return common;
	copy = scratch(d, text.len + 1);
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return copy;
}

static void decoder_reset(struct row_decoder *d, const struct kind *kind)
{
	if (d->pieces) {
		pieces_drop(d->pieces->next);
		d->pieces->next = NULL;
		d->used = 0;
	}
	d->row = (struct row){ .kind = kind, .observed_generation = -1, .detail = d->detail };
	memset(d->detail, 0, sizeof d->detail);
	row_detail_defaults(kind->shape, d->detail);
	memset(&d->element, 0, sizeof d->element);
	d->element.condition.observed_generation = -1;
	d->has_controller = false;
	d->nlabels = d->nannotations = d->nselector = d->nclaims = d->nconditions = d->ncontainers = d->nephemeral = d->nports =
		d->nimages = 0;
}

/* ---- the ends of elements ---- */

static void end_owner(struct row_decoder *d, const struct field_element *e)
{
	if (d->row.owner_uid && (d->has_controller || !e->controller))
		return;
	d->row.owner_uid = e->owner_uid;
	d->row.owner_kind = e->owner_kind;
	d->row.owner_name = e->owner_name;
	d->has_controller = e->controller;
}

/* Status is written by controllers all the time; who changed the wish is what people ask. */
static void end_manager(struct row_decoder *d, const struct field_element *e)
{
	if (!e->manager || (e->subresource && !strcmp(e->subresource, "status")) || e->time_ms < d->row.managed_ms)
		return;
	d->row.manager = e->manager;
	d->row.managed_ms = e->time_ms;
}

/* Of a pod's conditions only what is read by anybody; the rest would be a third of its row. */
static bool condition_wanted(const struct row_decoder *d, const struct row_condition *c)
{
	if (d->row.kind->shape != SHAPE_POD || !strcmp(c->type, "Ready"))
		return true;
	return !strcmp(c->type, "PodScheduled") && c->status == ROW_FALSE;
}

static void end_condition(struct row_decoder *d, const struct field_element *e)
{
	if (e->condition.type && condition_wanted(d, &e->condition) && d->nconditions < ROW_LIST_MAX)
		LIST_PUSH(d->conditions, d->nconditions, d->conditions_cap) = e->condition;
}

static struct row_container *container_of_name(struct row_decoder *d, const char *name, bool init)
{
	for (size_t i = 0; i < d->ncontainers; i++) {
		struct row_container *c = &d->containers[i];

		if (!strcmp(c->name, name) && (c->role != ROW_MAIN) == init)
			return c;
	}
	if (d->ncontainers >= ROW_LIST_MAX)
		return NULL;
	LIST_PUSH(d->containers, d->ncontainers, d->containers_cap) =
		(struct row_container){ .name = name, .role = init ? ROW_INIT : ROW_MAIN };
	return &d->containers[d->ncontainers - 1];
}

static int32_t window(int32_t delay, int32_t period, int32_t failures)
{
	int64_t total = (int64_t)delay + (int64_t)period * failures;

	return total < 0 || total > INT32_MAX ? INT32_MAX : (int32_t)total;
}

/* From the specification: image and probes. */
static void end_container(struct row_decoder *d, const struct field_element *e, bool init)
{
	struct row_container *c = e->container.name ? container_of_name(d, e->container.name, init) : NULL;

	if (!c)
		return;
	c->image = e->container.image;
	c->readiness_window_s = window(e->probe_delay, e->probe_period, e->probe_failures);
	c->startup_window_s = window(e->startup_delay, e->startup_period, e->startup_failures);
	if (init && e->restart_policy && !strcmp(e->restart_policy, "Always"))
		c->role = ROW_SIDECAR;
}

/* From the status: all but image, probes and role. */
static void end_status(struct row_decoder *d, const struct field_element *e, bool init)
{
	struct row_container *c = e->container.name ? container_of_name(d, e->container.name, init) : NULL;
	struct row_container keep;

	if (!c)
		return;
	keep = *c;
	*c = e->container;
	c->role = keep.role;
	c->image = keep.image ? keep.image : e->container.image;
	c->readiness_window_s = keep.readiness_window_s;
	c->startup_window_s = keep.startup_window_s;
}

/* They have neither probes nor restarts: the status says it all. */
static void end_ephemeral(struct row_decoder *d, struct field_element *e)
{
	e->container.role = ROW_EPHEMERAL;
	if (e->container.name && d->nephemeral < ROW_LIST_MAX)
		LIST_PUSH(d->ephemeral, d->nephemeral, d->ephemeral_cap) = e->container;
}

static void element_end(struct row_decoder *d, enum field_list list)
{
	struct field_element *e = &d->element;

	switch (list) {
	case LIST_OWNERS: end_owner(d, e); break;
	case LIST_MANAGERS: end_manager(d, e); break;
	case LIST_CONDITIONS: end_condition(d, e); break;
	case LIST_CONTAINERS:
	case LIST_INIT_CONTAINERS: end_container(d, e, list == LIST_INIT_CONTAINERS); break;
	case LIST_STATUSES:
	case LIST_INIT_STATUSES: end_status(d, e, list == LIST_INIT_STATUSES); break;
	case LIST_EPHEMERAL_STATUSES: end_ephemeral(d, e); break;
	case LIST_IMAGES:
		if (e->image.image && d->nimages < ROW_LIST_MAX)
			LIST_PUSH(d->images, d->nimages, d->images_cap) = e->image;
		break;
	case LIST_PORTS:
		if (d->nports < ROW_LIST_MAX)
			LIST_PUSH(d->ports, d->nports, d->ports_cap) = e->port;
		break;
	case LIST_CLAIMS:
		if (e->pair.value && d->nclaims < ROW_LIST_MAX)
			LIST_PUSH(d->claims, d->nclaims, d->claims_cap) = e->pair;
		break;
	default: break;
	}
	memset(e, 0, sizeof *e);
	e->condition.observed_generation = -1;
}

static void pair_add(struct row_decoder *d, enum field_list list, struct str key, struct str value)
{
	struct row_pair pair;

	if (list == LIST_ANNOTATIONS && !row_keeps_annotation(key))
		return;
	pair = (struct row_pair){ scratch_text(d, key), scratch_text(d, value) };
	if (list == LIST_LABELS && d->nlabels < ROW_LIST_MAX)
		LIST_PUSH(d->labels, d->nlabels, d->labels_cap) = pair;
	else if (list == LIST_ANNOTATIONS && d->nannotations < ROW_LIST_MAX)
		LIST_PUSH(d->annotations, d->nannotations, d->annotations_cap) = pair;
	else if (list == LIST_SELECTOR && d->nselector < ROW_LIST_MAX)
		LIST_PUSH(d->selector, d->nselector, d->selector_cap) = pair;
}

/* ---- values ---- */

static void *member(struct row_decoder *d, const struct field *f)
{
	char *base = f->place == IN_ROW ? (char *)&d->row : f->place == IN_DETAIL ? d->detail : (char *)&d->element;

	return base + f->offset;
}

/* Cuts at a whole character. */
static struct str cut(struct str text, size_t max)
{
	if (text.len <= max)
		return text;
	while (max && ((unsigned char)text.p[max] & 0xc0) == 0x80)
		max--;
	return (struct str){ text.p, max };
}

static void join(struct row_decoder *d, const char **at, struct str text)
{
	size_t old = *at ? strlen(*at) : 0;
	char *both;

	if (!old) {
		*at = scratch_text(d, text);
		return;
	}
	if (old > ROW_MESSAGE_MAX)
		return;
	both = scratch(d, old + 1 + text.len + 1);
	memcpy(both, *at, old);
	both[old] = ',';
	memcpy(both + old + 1, text.p, text.len);
	both[old + 1 + text.len] = '\0';
	*at = both;
}

static void take_string(struct row_decoder *d, const struct field *f, struct str text)
{
	struct quantity q;
	int64_t us;

	switch ((enum field_type)f->type) {
	case FIELD_TEXT:
	case FIELD_SCALAR: *(const char **)member(d, f) = scratch_text(d, text); break;
	case FIELD_MESSAGE: *(const char **)member(d, f) = scratch_text(d, cut(text, ROW_MESSAGE_MAX)); break;
	case FIELD_JOIN: join(d, member(d, f), cut(text, ROW_MESSAGE_MAX)); break;
	case FIELD_TIME:
		/* Where several paths lead to one member, the newest time counts. */
		if (utc_parse_rfc3339(text, &us) && us / 1000 > *(int64_t *)member(d, f))
			*(int64_t *)member(d, f) = us / 1000;
		break;
	case FIELD_TRI:
		*(enum row_tri *)member(d, f) = str_is(text, "True") ? ROW_TRUE : str_is(text, "False") ? ROW_FALSE : ROW_UNKNOWN;
		break;
	case FIELD_MILLI_SUM:
	case FIELD_WHOLE_SUM:
		if (quantity_parse(text, &q)) {
			int64_t *sum = member(d, f), more = f->type == FIELD_MILLI_SUM ? quantity_milli(q) : quantity_whole(q);

			if (__builtin_add_overflow(*sum, more, sum))
				*sum = INT64_MAX;
		}
		break;
	default: break;
	}
}

static void take_number(struct row_decoder *d, const struct field *f, const struct json_field *field)
{
	int64_t n;

	if (f->type == FIELD_SCALAR || f->type == FIELD_MILLI_SUM || f->type == FIELD_WHOLE_SUM)
		take_string(d, f, field->text);
	else if ((f->type != FIELD_I32 && f->type != FIELD_I64) || !json_field_int(field, &n))
		return;
	else if (f->type == FIELD_I64)
		*(int64_t *)member(d, f) = n;
	else
		*(int32_t *)member(d, f) = n > INT32_MAX ? INT32_MAX : n < INT32_MIN ? INT32_MIN : (int32_t)n;
}

struct visit {
	struct row_decoder *decoder;
	const struct program *program;
};

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	struct visit *visit = arg;
	struct row_decoder *d = visit->decoder;
	const struct field *f = visit->program->fields[field->path];
	bool b;

	(void)err;
	if (field->kind == JSON_IS_NULL)
		return true;
	if (f->type == FIELD_END)
		element_end(d, f->list);
	else if (f->type == FIELD_MARK)
		*(uint8_t *)member(d, f) = f->value;
	else if (f->type == FIELD_COUNT)
		++*(int32_t *)member(d, f);
	else if (f->type == FIELD_PAIR) {
		if (field->kind == JSON_IS_STRING)
			pair_add(d, f->list, field->key, field->text);
	} else if (f->type == FIELD_BOOL) {
		if (json_field_bool(field, &b))
			*(bool *)member(d, f) = b;
	} else if (field->kind == JSON_IS_STRING) {
		take_string(d, f, field->text);
	} else if (field->kind == JSON_IS_NUMBER) {
		take_number(d, f, field);
	}
	return true;
}

/* ---- decoding ---- */

static const struct program *program_of(struct row_decoder *d, const struct kind *kind)
{
	size_t n = row_meta_nfields + kind->nfields;
	AUTO_FREE const char **paths = NULL;
	struct program *program;

	for (size_t i = 0; i < d->nprograms; i++) {
		if (d->programs[i].of == kind->fields && d->programs[i].nof == kind->nfields)
			return &d->programs[i];
	}
	paths = xcalloc(n, sizeof *paths);
	LIST_PUSH(d->programs, d->nprograms, d->programs_cap) =
		(struct program){ .of = kind->fields, .nof = kind->nfields, .fields = xcalloc(n, sizeof(struct field *)) };
	program = &d->programs[d->nprograms - 1];
	for (size_t i = 0; i < n; i++) {
		program->fields[i] = i < row_meta_nfields ? &row_meta_fields[i] : &kind->fields[i - row_meta_nfields];
		paths[i] = program->fields[i]->path;
	}
	program->json = json_fields_create(paths, n);
	return program;
}

static void attach_lists(struct row_decoder *d)
{
	struct row *row = &d->row;

	row->labels = d->labels;
	row->nlabels = (uint16_t)d->nlabels;
	row->annotations = d->annotations;
	row->nannotations = (uint16_t)d->nannotations;
	row->conditions = d->conditions;
	row->nconditions = (uint16_t)d->nconditions;
	if (row->kind->shape == SHAPE_WORKLOAD) {
		struct row_workload *w = (void *)d->detail;

		w->selector = d->selector;
		w->nselector = (uint16_t)d->nselector;
		w->images = d->images;
		w->nimages = (uint16_t)d->nimages;
	} else if (row->kind->shape == SHAPE_POD) {
		struct row_pod *pod = (void *)d->detail;

		pod->containers = d->containers;
		pod->ncontainers = (uint16_t)d->ncontainers;
		pod->ephemeral = d->ephemeral;
		pod->nephemeral = (uint16_t)d->nephemeral;
		pod->claims = d->claims;
		pod->nclaims = (uint16_t)d->nclaims;
	} else if (row->kind->shape == SHAPE_SERVICE) {
		struct row_service *service = (void *)d->detail;

		service->selector = d->selector;
		service->nselector = (uint16_t)d->nselector;
		service->ports = d->ports;
		service->nports = (uint16_t)d->nports;
	}
}

/* An event that repeats tells its times in several places, and any of them may be missing (kube-client 22.2). */
static void settle_event(struct row *row, struct row_event *event)
{
	if (!event->first_ms)
		event->first_ms = event->last_ms ? event->last_ms : row->created_ms;
	if (event->last_ms < event->first_ms)
		event->last_ms = event->first_ms;
	if (event->count < 1)
		event->count = 1;
}

bool row_decode(struct row_decoder *d, const struct kind *kind, struct str json, struct row **ret, struct error *err)
{
	const struct program *program = program_of(d, kind);
	struct visit visit = { d, program };

	decoder_reset(d, kind);
	if (!json_visit(program->json, json, on_field, &visit, err))
		return error_wrap(err, "%s object", kind->kind);
	if (!d->row.name || !*d->row.name)
		return error_set(err, ERR_SERVER, "%s object has no name", kind->kind);
	attach_lists(d);
	if (kind->shape == SHAPE_EVENT)
		settle_event(&d->row, (void *)d->detail);
	*ret = row_copy(&d->row);
	return true;
}
