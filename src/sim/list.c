#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sim/rest.h"

enum { SNAPSHOTS_MAX = 64, SNAPSHOT_AGE_MS = 10 * 60 * 1000, BOOKMARK_MS = 60 * 1000, FILL_BYTES = 256 * 1024 };

struct choice { /* what list and watch have in common */
	struct selector *labels, *fields;
	enum form form;
};

static void choice_release(struct choice *c)
{
	selector_destroy(c->labels);
	selector_destroy(c->fields);
}
DEFINE_AUTO_RELEASE(choice);

static bool choose(const struct sim *sim, const struct request *request, const struct target *target, struct choice *c,
		   struct reply *reply)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) fields = BUF_INIT(0);

	buf_adds(&fields, query_text(request, "fieldSelector"));
	if (*target->name)
		buf_addf(&fields, "%smetadata.name=%s", fields.len ? "," : "", target->name);
	c->form = form_wanted(request);
	if (c->form == FORM_TABLE && !sim_has(sim, FEATURE_TABLES))
		c->form = FORM_OBJECT;
	if (selector_parse(query_text(request, "labelSelector"), &c->labels, &err) &&
	    selector_parse(buf_cstr(&fields), &c->fields, &err) && selector_fields_ok(c->fields, target->resource, &err))
		return true;
	reply_status(reply, 400, "BadRequest", NULL, "%s", err.message);
	return false;
}

static bool chosen(const struct choice *c, const char *ns, const struct version *v)
{
	return (!*ns || !strcmp(ns, v->ns)) && selector_labels(c->labels, v->labels) && selector_fields(c->fields, v);
}

/* ---- events.k8s.io: the same objects in other words ---- */

static void move(json_t *from, const char *key, json_t *to, const char *as)
{
	json_t *value = json_object_get(from, key);

	if (value && !json_is_null(value))
		json_object_set(to, as, value);
}

json_t *event_in_new_words(json_t *core)
{
	static const char *const names[][2] = {
		{ "metadata", "metadata" }, { "eventTime", "eventTime" }, { "series", "series" }, { "reason", "reason" },
		{ "action", "action" }, { "type", "type" }, { "involvedObject", "regarding" }, { "related", "related" },
		{ "message", "note" }, { "reportingComponent", "reportingController" },
		{ "reportingInstance", "reportingInstance" }, { "source", "deprecatedSource" },
		{ "firstTimestamp", "deprecatedFirstTimestamp" }, { "lastTimestamp", "deprecatedLastTimestamp" },
		{ "count", "deprecatedCount" },
	};
	json_t *out = json_pack("{s:s,s:s}", "kind", "Event", "apiVersion", "events.k8s.io/v1");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		move(core, names[i][0], out, names[i][1]);
	if (!json_object_get(out, "eventTime"))
		json_object_set_new(out, "eventTime", json_null());
	json_decref(core);
	return out;
}

/* ---- printing ---- */

static void add_row(struct buf *out, const struct resource *r, const struct version *v, const char *include)
{
	json_t *tree = version_tree(v), *cells = table_cells(r, tree, sim_wall_ms());

	buf_adds(out, "{\"cells\":");
	jx_dump(cells, out);
	if (!strcmp(include, "None")) {
		buf_adds(out, ",\"object\":null");
	} else if (!strcmp(include, "Object")) {
		buf_adds(out, ",\"object\":");
		buf_add(out, v->text, v->len);
	} else {
		buf_adds(out, ",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
		buf_add(out, v->text + v->meta, v->rest - v->meta);
		buf_addc(out, '}');
	}
	buf_addc(out, '}');
	json_decref(cells);
	json_decref(tree);
}

static void add_object(struct buf *out, const struct resource *r, const struct version *v, enum form form, bool in_list)
{
	if (form == FORM_PARTIAL) {
		buf_adds(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
		buf_add(out, v->text + v->meta, v->rest - v->meta);
		buf_addc(out, '}');
	} else if (r->flags & KIND_ALIAS) {
		json_t *tree = event_in_new_words(version_tree(v));

		jx_dump(tree, out);
		json_decref(tree);
	} else if (r->storage != r) {
		buf_addf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", r->kind, r->api_version);
		buf_add(out, v->text + v->meta, v->len - v->meta);
	} else if (in_list && !(r->flags & KIND_CUSTOM)) {
		buf_addc(out, '{');
		buf_add(out, v->text + v->meta, v->len - v->meta);
	} else {
		buf_add(out, v->text, v->len);
	}
}

static void add_columns(struct buf *out, const struct resource *r)
{
	json_t *columns = table_columns(r);

	buf_adds(out, "\"columnDefinitions\":");
	jx_dump(columns, out);
	json_decref(columns);
}

/* ---- lists ---- */

static void snapshot_free(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++)
		version_unref(s->items[i]);
	free(s->items);
}

static void snapshot_drop(struct sim *sim, size_t at)
{
	snapshot_free(&sim->snapshots[at]);
	memmove(&sim->snapshots[at], &sim->snapshots[at + 1], (sim->nsnapshots - at - 1) * sizeof *sim->snapshots);
	sim->nsnapshots--;
}

static struct snapshot *snapshot_find(struct sim *sim, int64_t id)
{
	for (size_t i = 0; i < sim->nsnapshots; i++)
		if (sim->snapshots[i].id == id)
			return &sim->snapshots[i];
	return NULL;
}

static struct snapshot *snapshot_keep(struct sim *sim, struct snapshot made)
{
	while (sim->nsnapshots && (sim->nsnapshots >= SNAPSHOTS_MAX ||
				   sim->snapshots[0].made_ms + SNAPSHOT_AGE_MS < sim_wall_ms()))
		snapshot_drop(sim, 0);
	made.id = ++sim->next_snapshot;
	LIST_PUSH(sim->snapshots, sim->nsnapshots, sim->snapshots_cap) = made;
	return &sim->snapshots[sim->nsnapshots - 1];
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url of a small JSON text, as the real tokens look; nobody but us reads them. */
static void add_token(struct buf *out, int64_t rv, int64_t snapshot, size_t start)
{
	AUTO_FREE char *text = xasprintf("{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"snapshot\":%lld,\"start\":%zu}", (long long)rv,
					 (long long)snapshot, start);
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 3) {
		unsigned long word = (unsigned long)(unsigned char)text[i] << 16 |
				     (i + 1 < len ? (unsigned long)(unsigned char)text[i + 1] << 8 : 0) |
				     (i + 2 < len ? (unsigned long)(unsigned char)text[i + 2] : 0);

		for (int k = 0; k < 4; k++)
			if (i + (size_t)k <= len)
				buf_addc(out, letters[word >> (18 - 6 * k) & 63]);
	}
}

static json_t *read_token(const char *token)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	unsigned long word = 0, bits = 0;

	for (; *token; token++) {
		const char *at = strchr(letters, *token);

		if (!at)
			return NULL;
		word = (word << 6 | (unsigned long)(at - letters)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(&text, (char)(word >> bits & 255));
		}
	}
	while (text.len && !text.p[text.len - 1])
		buf_truncate(&text, text.len - 1);
	return jx_parse(text.p, text.len, NULL);
}

static void reply_expired(struct reply *reply, const char *token)
{
	json_t *body = json_pack("{s:s,s:s,s:{},s:s,s:s,s:s,s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
				 "Failure", "message",
				 "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
				 "reason", "Expired", "code", 410);

	jset(body, json_string(token), "metadata", "continue");
	reply_json(reply, 410, body);
}

struct page {
	struct version **items;
	size_t n, from;
	int64_t rv, limit, snapshot;
	bool counted; /* remainingItemCount may be told */
};

static void print_list(const struct request *request, const struct resource *r, const struct page *p, enum form form,
		       struct reply *reply)
{
	struct buf *out = &reply->body;
	size_t to = p->limit > 0 && p->n - p->from > (size_t)p->limit ? p->from + (size_t)p->limit : p->n;

	buf_reset(out);
	if (form == FORM_TABLE)
		buf_adds(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",");
	else if (form == FORM_PARTIAL)
		buf_adds(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",");
	else
		buf_addf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", r->list_kind, r->api_version);
	buf_addf(out, "\"metadata\":{\"resourceVersion\":\"%lld\"", (long long)p->rv);
	if (to < p->n) {
		buf_adds(out, ",\"continue\":\"");
		add_token(out, p->rv, p->snapshot, to);
		buf_addc(out, '"');
		if (p->counted)
			buf_addf(out, ",\"remainingItemCount\":%zu", p->n - to);
	}
	buf_adds(out, "},");
	if (form == FORM_TABLE) {
		add_columns(out, r);
		buf_adds(out, ",\"rows\":[");
	} else {
		buf_adds(out, "\"items\":[");
	}
	for (size_t i = p->from; i < to; i++) {
		if (i > p->from)
			buf_addc(out, ',');
		if (form == FORM_TABLE)
			add_row(out, r, p->items[i], query_text(request, "includeObject"));
		else
			add_object(out, r, p->items[i], form, true);
	}
	buf_adds(out, "]}\n");
	reply->status = 200;
	reply->content_type = "application/json";
}

static void next_page(struct sim *sim, const struct request *request, const struct target *target, const struct choice *c,
		      struct reply *reply)
{
	json_t *token = read_token(query_text(request, "continue"));
	struct snapshot *s;

	if (!token) {
		reply_status(reply, 400, "BadRequest", NULL,
			     "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value");
		return;
	}
	s = snapshot_find(sim, jint(0, token, "snapshot"));
	if (!s || s->resource != target->resource) {
		AUTO_RELEASE(buf) fresh = BUF_INIT(0);
		struct snapshot made = { .rv = sim->rv, .made_ms = sim_wall_ms(), .resource = target->resource };
		size_t n, from = store_range(target->resource, target->ns, &n);

		/* what comes in the answer goes on from the same place in what is there now */
		made.items = xcalloc(n + 1, sizeof *made.items);
		for (size_t i = from; i < from + n; i++)
			if (chosen(c, target->ns, target->resource->storage->objects[i]->current)) {
				made.items[made.n] = target->resource->storage->objects[i]->current;
				version_ref(made.items[made.n++]);
			}
		s = snapshot_keep(sim, made);
		add_token(&fresh, sim->rv, s->id, (size_t)jint(0, token, "start"));
		reply_expired(reply, buf_cstr(&fresh));
	} else {
		struct page page = { .items = s->items, .n = s->n, .from = (size_t)jint(0, token, "start"), .rv = s->rv,
				     .limit = strtol(query_text(request, "limit"), NULL, 10), .snapshot = s->id,
				     .counted = !c->labels && !c->fields };

		if (page.from > page.n)
			page.from = page.n;
		print_list(request, target->resource, &page, c->form, reply);
	}
	json_decref(token);
}

static void reply_too_large(struct reply *reply, int64_t wanted, int64_t current)
{
	reply_header(reply, "Retry-After", "1");
	reply_status(reply, 504, "Timeout",
		     json_pack("{s:[{s:s,s:s}],s:i}", "causes", "reason", "ResourceVersionTooLarge", "message",
			       "Too large resource version", "retryAfterSeconds", 1),
		     "Timeout: Too large resource version: %lld, current: %lld", (long long)wanted, (long long)current);
}

static bool read_version(const struct request *request, int64_t *ret, struct reply *reply)
{
	const char *text = query_text(request, "resourceVersion");
	char *end;

	*ret = strtoll(text, &end, 10);
	if (*end || *ret < 0) {
		reply_status(reply, 500, "", NULL,
			     "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", text, text);
		return false;
	}
	return true;
}

void rest_list(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	AUTO_RELEASE(choice) c = { 0 };
	struct resource *r = target->resource;
	const char *match = query_text(request, "resourceVersionMatch");
	int64_t wanted;

	if (!choose(sim, request, target, &c, reply))
		return;
	if (*query_text(request, "continue")) {
		next_page(sim, request, target, &c, reply);
		return;
	}
	if (!read_version(request, &wanted, reply))
		return;
	if (wanted > sim->rv) {
		reply_too_large(reply, wanted, sim->rv);
		return;
	}
	if (!strcmp(match, "Exact") && wanted < r->storage->compacted) {
		reply_status(reply, 410, "Expired", NULL, "The provided resource version is too old: %lld", (long long)wanted);
		return;
	}
	size_t n, from = store_range(r, target->ns, &n);
	struct page page = { .rv = sim->rv, .limit = wanted == 0 && *query_text(request, "resourceVersion") ? 0 :
						     strtol(query_text(request, "limit"), NULL, 10),
			     .counted = !c.labels && !c.fields };

	page.items = xcalloc(n + 1, sizeof *page.items);
	for (size_t i = from; i < from + n; i++)
		if (chosen(&c, target->ns, r->storage->objects[i]->current))
			page.items[page.n++] = r->storage->objects[i]->current;
	if (page.limit > 0 && page.n > (size_t)page.limit) {
		for (size_t i = 0; i < page.n; i++)
			version_ref(page.items[i]);
		page.snapshot = snapshot_keep(sim, (struct snapshot){ .rv = sim->rv, .made_ms = sim_wall_ms(), .resource = r,
								      .items = page.items, .n = page.n })->id;
		print_list(request, r, &page, c.form, reply);
		return;
	}
	print_list(request, r, &page, c.form, reply);
	free(page.items);
}

/* ---- watches ---- */

static bool watch_allowed(struct sim *sim, const struct request *request, struct reply *reply)
{
	const char *send = query_text(request, "sendInitialEvents"), *match = query_text(request, "resourceVersionMatch");
	const char *field = NULL, *why = NULL;

	if (*send && !sim_has(sim, FEATURE_WATCHLIST)) {
		field = "sendInitialEvents";
		why = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
	} else if (*send && strcmp(match, "NotOlderThan")) {
		field = "resourceVersionMatch";
		why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
	} else if (!*send && *match) {
		field = "resourceVersionMatch";
		why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
	}
	if (!field)
		return true;
	reply_status(reply, 422, "Invalid",
		     json_pack("{s:s,s:s,s:[{s:s,s:s,s:s}]}", "group", "meta.k8s.io", "kind", "ListOptions", "causes", "reason",
			       "FieldValueForbidden", "message", why, "field", field),
		     "ListOptions.meta.k8s.io \"\" is invalid: %s: %s", field, why);
	return false;
}

static int64_t bookmark_every(const struct sim *sim)
{
	int64_t ms = (int64_t)(BOOKMARK_MS / sim->speed);

	return ms < 200 ? 200 : ms;
}

void rest_watch(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	struct choice c = { 0 };
	struct resource *r = target->resource;
	int64_t rv, seconds = strtol(query_text(request, "timeoutSeconds"), NULL, 10);

	if (!watch_allowed(sim, request, reply) || !read_version(request, &rv, reply))
		return;
	if (!choose(sim, request, target, &c, reply)) {
		choice_release(&c);
		return;
	}
	if (rv && rv < r->storage->compacted) {
		choice_release(&c);
		reply_status(reply, 410, "Expired", NULL, "too old resource version: %lld (%lld)", (long long)rv,
			     (long long)r->storage->compacted);
		return;
	}
	struct watch *w = xcalloc(1, sizeof *w);

	*w = (struct watch){ .resource = r, .ns = xstrdup(target->ns), .labels = c.labels, .fields = c.fields, .form = c.form,
			     .rv = rv, .sim = sim, .watcher.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	w->initial_events = !strcmp(query_text(request, "sendInitialEvents"), "true");
	w->bookmarks = query_is(request, "allowWatchBookmarks") && sim_has(sim, FEATURE_BOOKMARKS);
	w->list_first = !rv || w->initial_events;
	if (seconds <= 0)
		seconds = 1800 + (int64_t)(sim_random(sim) % 1800);
	w->ends_ms = sim_wall_ms() + seconds * 1000;
	w->next_bookmark_ms = sim_wall_ms() + bookmark_every(sim);
	w->watcher.next = r->storage->watchers;
	r->storage->watchers = &w->watcher;
	w->attached = true;
	reply->status = 200;
	reply->content_type = "application/json";
	reply->watch = w;
}

static void detach(struct watch *w)
{
	if (!w->attached)
		return;
	for (struct watcher **at = &w->resource->storage->watchers; *at; at = &(*at)->next)
		if (*at == &w->watcher) {
			*at = w->watcher.next;
			break;
		}
	w->attached = false;
}

void watch_destroy(struct watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->sim->lock);
	detach(w);
	pthread_mutex_unlock(&w->sim->lock);
	close(w->watcher.wake_fd);
	selector_destroy(w->labels);
	selector_destroy(w->fields);
	buf_release(&w->out);
	free(w->ns);
	free(w);
}

static void send_event(struct watch *w, const char *type, const struct version *v)
{
	struct buf *out = &w->out;

	buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
	if (w->form == FORM_TABLE) {
		buf_addf(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%lld\"},",
			 (long long)v->rv);
		if (w->columns_sent)
			buf_adds(out, "\"columnDefinitions\":null");
		else
			add_columns(out, w->resource);
		w->columns_sent = true;
		buf_adds(out, ",\"rows\":[");
		add_row(out, w->resource, v, "");
		buf_adds(out, "]}");
	} else {
		add_object(out, w->resource, v, w->form, false);
	}
	buf_adds(out, "}\n");
}

static void add_bookmark_metadata(struct buf *out, int64_t rv, bool end_of_list)
{
	buf_addf(out, "\"metadata\":{\"resourceVersion\":\"%lld\"%s}", (long long)rv,
		 end_of_list ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
}

/* A row of an object that has nothing but a version. */
static void add_bookmark_row(struct watch *w, int64_t rv, bool end_of_list)
{
	json_t *nothing = json_pack("{s:{}}", "metadata"), *cells = table_cells(w->resource, nothing, sim_wall_ms());

	buf_addf(&w->out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%lld\"},"
			  "\"columnDefinitions\":null,\"rows\":[{\"cells\":", (long long)rv);
	jx_dump(cells, &w->out);
	buf_adds(&w->out, ",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
	add_bookmark_metadata(&w->out, rv, end_of_list);
	buf_adds(&w->out, "}}]}");
	json_decref(cells);
	json_decref(nothing);
}

static void send_bookmark(struct watch *w, int64_t rv, bool end_of_list)
{
	bool partial = w->form == FORM_PARTIAL;

	buf_adds(&w->out, "{\"type\":\"BOOKMARK\",\"object\":");
	if (w->form == FORM_TABLE) {
		add_bookmark_row(w, rv, end_of_list);
	} else {
		buf_addf(&w->out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", partial ? "PartialObjectMetadata" : w->resource->kind,
			 partial ? "meta.k8s.io/v1" : w->resource->api_version);
		add_bookmark_metadata(&w->out, rv, end_of_list);
		buf_addc(&w->out, '}');
	}
	buf_adds(&w->out, "}\n");
}

static void send_list(struct watch *w)
{
	struct choice c = { w->labels, w->fields, w->form };
	size_t n, from = store_range(w->resource, w->ns, &n);

	for (size_t i = from; i < from + n; i++)
		if (chosen(&c, w->ns, w->resource->storage->objects[i]->current))
			send_event(w, "ADDED", w->resource->storage->objects[i]->current);
	w->rv = w->sim->rv;
	w->list_first = false;
	if (w->bookmarks)
		send_bookmark(w, w->rv, true);
}

static void send_news(struct watch *w)
{
	struct choice c = { w->labels, w->fields, w->form };
	struct resource *r = w->resource->storage;
	size_t low = 0, high = r->nevents;

	if (w->rv < r->compacted) {
		buf_addf(&w->out,
			 "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version: %lld (%lld)\",\"reason\":\"Expired\",\"code\":410}}\n",
			 (long long)w->rv, (long long)r->compacted);
		w->over = true;
		return;
	}
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->events[middle].now->rv <= w->rv)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->nevents && w->out.len < FILL_BYTES; low++) {
		const struct event *e = &r->events[low];
		bool is = !e->lost && e->type != EVENT_DELETED && chosen(&c, w->ns, e->now);
		bool was = !e->lost && e->before && chosen(&c, w->ns, e->before);

		if (is)
			send_event(w, was ? "MODIFIED" : "ADDED", e->now);
		else if (was)
			send_event(w, "DELETED", e->now);
		w->rv = e->now->rv;
	}
}

bool watch_fill(struct watch *w)
{
	int64_t now = sim_wall_ms();

	pthread_mutex_lock(&w->sim->lock);
	if (w->list_first && !w->over)
		send_list(w);
	if (!w->over)
		send_news(w);
	if (!w->over && !w->out.len && (now >= w->next_bookmark_ms || now >= w->ends_ms || !w->attached)) {
		if (w->bookmarks && w->attached)
			send_bookmark(w, w->sim->rv, false);
		w->next_bookmark_ms = now + bookmark_every(w->sim);
	}
	if (now >= w->ends_ms || w->sim->stopping || !w->attached)
		w->over = true;
	pthread_mutex_unlock(&w->sim->lock);
	return w->out.len || !w->over;
}
