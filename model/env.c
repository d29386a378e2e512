#include "model/env.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "model/journal.h"

/*
 *   places, records, labels ──► list of struct item ──► roll-up of each one's members ──► sorted
 *
 * The list is made anew at each update; what people see of it (struct environment) lives in the item.
 */

#define SITE_MS 60000

struct item {
	struct environment e;
	char *title, *env, *namespace, *owner, *record_name, *why, *worst_name, *finding, *changed;
	struct causes causes;
	bool shared; /* another environment lies in the same namespace */
	/* While these hold, what was rolled up before still does. */
	uint64_t serial;
	int64_t recheck_ms;
	bool blind;
};

struct place {
	char *env, *namespace;
	int64_t slot;
};

struct site {
	char *title, *text;
	bool answers;
	int64_t at_ms, since_ms; /* since: of this answer, good or bad */
};

struct expectation {
	const struct kind *kind;
	char *namespace, *name;
};

struct envs {
	struct store *store;
	struct health *health;
	char *project, *state_namespace, *record_prefix;
	bool show_other_namespaces;
	struct place *places;
	size_t nplaces, places_cap;
	struct site *sites;
	size_t nsites, sites_cap;
	struct expectation *expectations;
	size_t nexpectations, expectations_cap;
	struct item **items, **old; /* old: those of the update before, while one is under way */
	size_t len, cap, nold;
	uint64_t serial;
	bool expects_more; /* since the last update */
	uint64_t print; /* of what is shown, to tell whether it changed */
	int64_t recheck_ms;
	bool dirty;
};

static char *copy_of(const char *text)
{
	return xstrdup(text ? text : "");
}

struct envs *envs_create(struct store *store, struct health *health, const struct envs_options *options)
{
	struct envs *envs = xcalloc(1, sizeof *envs);

	envs->store = store;
	envs->health = health;
	envs->project = copy_of(options->project);
	envs->state_namespace = copy_of(options->state_namespace);
	envs->record_prefix = copy_of(options->record_prefix);
	envs->show_other_namespaces = options->show_other_namespaces;
	envs->dirty = true;
	envs->recheck_ms = INT64_MAX;
	return envs;
}

static void item_destroy(struct item *item)
{
	free(item->title);
	free(item->env);
	free(item->namespace);
	free(item->owner);
	free(item->record_name);
	free(item->why);
	free(item->worst_name);
	free(item->finding);
	free(item->changed);
	causes_release(&item->causes);
	free(item);
}

static void items_drop(struct item **items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		item_destroy(items[i]);
	free(items);
}

void envs_destroy(struct envs *envs)
{
	if (!envs)
		return;
	items_drop(envs->items, envs->len);
	for (size_t i = 0; i < envs->nplaces; i++) {
		free(envs->places[i].env);
		free(envs->places[i].namespace);
	}
	free(envs->places);
	for (size_t i = 0; i < envs->nexpectations; i++) {
		free(envs->expectations[i].namespace);
		free(envs->expectations[i].name);
	}
	free(envs->expectations);
	for (size_t i = 0; i < envs->nsites; i++) {
		free(envs->sites[i].title);
		free(envs->sites[i].text);
	}
	free(envs->sites);
	free(envs->project);
	free(envs->state_namespace);
	free(envs->record_prefix);
	free(envs);
}

void envs_add_place(struct envs *envs, const char *env, int64_t slot, const char *namespace)
{
	envs->dirty = true;
	for (size_t i = 0; i < envs->nplaces; i++) {
		struct place *place = &envs->places[i];

		if (place->slot != slot || strcmp(place->env, env))
			continue;
		free(place->namespace);
		place->namespace = xstrdup(namespace);
		return;
	}
	LIST_PUSH(envs->places, envs->nplaces, envs->places_cap) =
		(struct place){ .env = xstrdup(env), .namespace = xstrdup(namespace), .slot = slot };
}

void envs_expect(struct envs *envs, const struct kind *kind, const char *namespace, const char *name)
{
	envs->dirty = envs->expects_more = true;
	LIST_PUSH(envs->expectations, envs->nexpectations, envs->expectations_cap) =
		(struct expectation){ .kind = kind, .namespace = copy_of(namespace), .name = copy_of(name) };
}

static struct site *find_site(const struct envs *envs, const char *title)
{
	for (size_t i = 0; i < envs->nsites; i++) {
		if (!strcmp(envs->sites[i].title, title))
			return &envs->sites[i];
	}
	return NULL;
}

void envs_set_site(struct envs *envs, const char *title, bool answers, const char *text, int64_t at_ms)
{
	struct site *site = find_site(envs, title);

	if (!site) {
		LIST_PUSH(envs->sites, envs->nsites, envs->sites_cap) =
			(struct site){ .title = xstrdup(title), .since_ms = at_ms, .answers = answers };
		site = &envs->sites[envs->nsites - 1];
	}
	if (site->answers != answers)
		site->since_ms = at_ms;
	site->answers = answers;
	site->at_ms = at_ms;
	free(site->text);
	site->text = copy_of(text);
	envs->dirty = envs->expects_more = true;
}

/* ---- which environments there are ---- */

static struct item *find_place(const struct envs *envs, const char *env, int64_t slot)
{
	for (size_t i = 0; i < envs->len; i++) {
		struct environment *e = &envs->items[i]->e;

		if (e->slot == slot && (slot || !strcmp(e->env, env)) && *e->env)
			return envs->items[i];
	}
	return NULL;
}

static struct item *find_namespace(const struct envs *envs, const char *namespace)
{
	for (size_t i = 0; i < envs->len; i++) {
		if (!strcmp(envs->items[i]->e.namespace, namespace))
			return envs->items[i];
	}
	return NULL;
}

static struct item *add_item(struct envs *envs, const char *env, int64_t slot, const char *namespace)
{
	struct item *item = xcalloc(1, sizeof *item);

	item->title = slot ? xasprintf("slot %" PRId64, slot) : xstrdup(*env ? env : namespace);
	item->env = xstrdup(env);
	item->namespace = xstrdup(namespace);
	item->owner = xstrdup("");
	item->record_name = xstrdup("");
	item->why = xstrdup("");
	item->worst_name = xstrdup("");
	item->finding = xstrdup("");
	item->changed = xstrdup("");
	item->e = (struct environment){
		.title = item->title,
		.env = item->env,
		.namespace = item->namespace,
		.slot = slot,
		.owner = item->owner,
		.record_name = item->record_name,
		.why = item->why,
		.rule_id = "",
		.worst_name = item->worst_name,
		.causes = &item->causes,
		.finding = item->finding,
		.changed = item->changed,
	};
	LIST_PUSH(envs->items, envs->len, envs->cap) = item;
	return item;
}

static void set_text(char **owned, const char **shown, char *text_take)
{
	free(*owned);
	*shown = *owned = text_take;
}

static void set_finding(struct item *item, char *text_take)
{
	if (*item->finding)
		free(text_take); /* one is enough; the first is the graver */
	else
		set_text(&item->finding, &item->e.finding, text_take);
}

/* Unparsable numbers count as 0 (slots-and-state 1). */
static int64_t number_of(const char *text)
{
	struct str s = str_trim(str_of(text));
	int64_t value = 0;

	if (s.len > 15)
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		value = value * 10 + (s.p[i] - '0');
	}
	return value;
}

static void add_record(struct envs *envs, const struct row *row)
{
	const struct row_record *record = row->record;
	AUTO_FREE char *env = str_dup(str_trim(str_of(record->env)));
	AUTO_FREE char *namespace = str_dup(str_trim(str_of(record->namespace)));
	int64_t slot = number_of(record->slot), us;
	struct item *item;

	if (!slot)
		slot = number_of(row->name + strlen(envs->record_prefix));
	item = find_place(envs, env, slot);
	if (item && item->e.has_record) {
		set_finding(item, xasprintf("two records for slot %" PRId64 ": %s and %s", slot, item->e.record_name, row->name));
		return;
	}
	if (!item || strcmp(item->e.namespace, namespace)) {
		struct item *other = *namespace ? find_namespace(envs, namespace) : NULL;

		if (other && other->e.has_record && !strcmp(other->e.env, env))
			set_finding(other, xasprintf("records %s and %s name the same namespace %s", other->e.record_name, row->name,
						     namespace));
		if (!item)
			item = add_item(envs, *env ? env : "ai", slot, namespace);
	}
	item->e.has_record = true;
	set_text(&item->record_name, &item->e.record_name, xstrdup(row->name));
	set_text(&item->owner, &item->e.owner, str_dup(str_trim(str_of(record->owner))));
	item->e.issue = number_of(record->issue);
	item->e.pr = number_of(record->pr);
	if (utc_parse_rfc3339(str_trim(str_of(record->created_at)), &us))
		item->e.created_ms = us / 1000;
}

static bool is_record(const struct envs *envs, const struct row *row)
{
	return *envs->record_prefix && starts_with(row->name, envs->record_prefix) && (*row->record->env || *row->record->slot);
}

/* In the order of names, as the API lists them: it decides which of two records wins. */
static int compare_rows(const void *a, const void *b)
{
	return strcmp((*(const struct row *const *)a)->name, (*(const struct row *const *)b)->name);
}

static void add_records(struct envs *envs)
{
	const char *ns = envs->state_namespace;
	AUTO_FREE const struct row **rows = NULL;
	size_t n = 0, cap = 0;

	if (!*ns)
		return;
	for (struct entry *e = store_first(envs->store, &kind_config_map, ns); e; e = store_next(e, ns)) {
		if (is_record(envs, e->row))
			LIST_PUSH(rows, n, cap) = e->row;
	}
	if (n)
		qsort(rows, n, sizeof *rows, compare_rows);
	for (size_t i = 0; i < n; i++)
		add_record(envs, rows[i]);
}

static const struct kind *const workload_kinds[] = { &kind_deployment, &kind_stateful_set, &kind_daemon_set };
static const struct kind *const member_kinds[] = { &kind_deployment, &kind_stateful_set, &kind_daemon_set, &kind_job,
						   &kind_cron_job,   &kind_pod,		 &kind_claim,	   &kind_service,
						   &kind_ingress };

static bool of_project(const struct envs *envs, const struct row *row)
{
	return !*envs->project || !strcmp(row_label(row, "slotdeck.dev/project"), envs->project);
}

/* Environments that only labels tell of. */
static void add_labelled(struct envs *envs)
{
	for (size_t k = 0; k < ARRAY_LEN(workload_kinds); k++) {
		for (struct entry *e = store_first(envs->store, workload_kinds[k], NULL); e; e = store_next(e, NULL)) {
			const char *env = row_label(e->row, "slotdeck.dev/env");
			int64_t slot = number_of(row_label(e->row, "slotdeck.dev/slot"));

			if (*env && of_project(envs, e->row) && !find_place(envs, env, slot))
				add_item(envs, env, slot, e->row->namespace);
		}
	}
}

static bool is_system(const char *namespace)
{
	return starts_with(namespace, "kube-") || !strcmp(namespace, "local-path-storage");
}

static bool has_workloads(const struct envs *envs, const char *namespace)
{
	for (size_t k = 0; k < ARRAY_LEN(workload_kinds); k++) {
		if (store_first(envs->store, workload_kinds[k], namespace))
			return true;
	}
	return store_first(envs->store, &kind_pod, namespace) != NULL;
}

static void add_other_namespaces(struct envs *envs)
{
	for (size_t i = 0; store_namespace_at(envs->store, i); i++) {
		const char *namespace = store_namespace_at(envs->store, i);

		if (*namespace && !is_system(namespace) && !find_namespace(envs, namespace) && has_workloads(envs, namespace))
			add_item(envs, "", 0, namespace);
	}
}

/* Namespaces of this project's slots that no record knows: "<project>-dev-<n>". */
static void add_orphans(struct envs *envs)
{
	AUTO_FREE char *prefix = xasprintf("%s-dev-", envs->project);

	if (!*envs->project || !*envs->state_namespace)
		return;
	for (struct entry *e = store_first(envs->store, &kind_namespace, NULL); e; e = store_next(e, NULL)) {
		int64_t slot = starts_with(e->row->name, prefix) ? number_of(e->row->name + strlen(prefix)) : 0;

		if (slot && !find_namespace(envs, e->row->name) && !find_place(envs, "ai", slot))
			add_item(envs, "ai", slot, e->row->name);
	}
}

static void check_namespace(struct envs *envs, struct item *item)
{
	struct entry *ns = store_find_name(envs->store, &kind_namespace, "", item->e.namespace);
	const struct scope *scope = store_scope(envs->store, &kind_namespace, "");
	const struct scope *records = *envs->state_namespace ? store_scope(envs->store, &kind_config_map, envs->state_namespace) : NULL;

	item->e.has_namespace = ns || has_workloads(envs, item->e.namespace);
	if (ns && !item->e.created_ms)
		item->e.created_ms = ns->row->created_ms;
	if (item->e.has_record && !item->e.has_namespace && scope && scope->state == SCOPE_LIVE)
		set_finding(item, xasprintf("record %s without namespace %s", item->e.record_name,
					    *item->e.namespace ? item->e.namespace : "(none written)"));
	if (!item->e.has_record && item->e.slot && records && records->state == SCOPE_LIVE)
		set_finding(item, xasprintf("namespace %s without a slot record", item->e.namespace));
}

static void make_list(struct envs *envs)
{
	for (size_t i = 0; i < envs->nplaces; i++)
		add_item(envs, envs->places[i].env, envs->places[i].slot, envs->places[i].namespace);
	add_records(envs);
	add_orphans(envs);
	add_labelled(envs);
	if (envs->show_other_namespaces || !envs->len)
		add_other_namespaces(envs);
	for (size_t i = 0; i < envs->len; i++) {
		struct item *first = find_namespace(envs, envs->items[i]->e.namespace);

		check_namespace(envs, envs->items[i]);
		if (first != envs->items[i])
			first->shared = envs->items[i]->shared = true;
	}
}

/* ---- members ---- */

/* Whether another environment of the same namespace has the better claim. */
static bool belongs(const struct envs *envs, const struct environment *e, const struct row *row)
{
	const struct item *item = (const struct item *)e; /* first in it */
	int64_t slot;
	const char *env;

	if (!item->shared)
		return true;
	slot = number_of(row_label(row, "slotdeck.dev/slot"));
	env = row_label(row, "slotdeck.dev/env");
	for (size_t i = 0; i < envs->len; i++) {
		const struct environment *other = &envs->items[i]->e;

		if (other == e || strcmp(other->namespace, e->namespace))
			continue;
		if (slot ? other->slot == slot && e->slot != slot : e->slot && !other->slot)
			return false;
		if (!slot && *env && !strcmp(other->env, env) && strcmp(e->env, env))
			return false;
	}
	return true;
}

/* What a controller made is told by its owner. */
static bool is_member(const struct entry *entry)
{
	return !entry->owner || !entry->owner->row;
}

static bool is_workload(const struct kind *kind)
{
	return kind->shape == SHAPE_WORKLOAD || kind->shape == SHAPE_POD;
}

/* A pod that ended well and belongs to nobody says nothing about the environment. */
static bool is_over(const struct entry *entry)
{
	return entry->row->kind->shape == SHAPE_POD && !strcmp(entry->row->pod->phase, "Succeeded");
}

typedef void member_fn(struct entry *entry, const struct kind *kind, const char *name, const struct verdict *verdict, void *arg);

static void each_member(struct envs *envs, const struct environment *e, int64_t now_ms, member_fn *fn, void *arg)
{
	for (size_t k = 0; k < ARRAY_LEN(member_kinds); k++) {
		struct entry *entry = store_first(envs->store, member_kinds[k], e->namespace);

		for (; entry; entry = store_next(entry, e->namespace)) {
			if (is_member(entry) && !is_over(entry) && belongs(envs, e, entry->row))
				fn(entry, entry->row->kind, entry->row->name, health_of(envs->health, entry, now_ms), arg);
		}
	}
	for (size_t i = 0; i < envs->nexpectations; i++) {
		const struct expectation *x = &envs->expectations[i];

		if (strcmp(x->namespace, e->namespace) || store_find_name(envs->store, x->kind, x->namespace, x->name))
			continue;
		fn(NULL, x->kind, x->name, health_of_name(envs->health, x->kind, x->namespace, x->name, now_ms), arg);
	}
}

/* ---- the roll-up ---- */

struct rolling {
	struct envs *envs;
	struct item *item;
	int64_t now_ms;
	struct roll_up up;
	const struct row *changed; /* the newest wish */
};

static void take_why(struct item *item, const struct kind *kind, const char *name, const struct verdict *verdict, int64_t now_ms)
{
	AUTO_RELEASE(buf) why = BUF_INIT(2 * ROW_MESSAGE_MAX);
	size_t head;

	buf_addf(&why, "%s: ", name);
	head = why.len;
	verdict_format_why(verdict, now_ms, &why);
	if (why.len == head)
		buf_truncate(&why, 0);
	set_text(&item->why, &item->e.why, buf_give(&why));
	set_text(&item->worst_name, &item->e.worst_name, xstrdup(name));
	item->e.worst_kind = kind;
	item->e.rule_id = verdict->rule_id;
	item->e.shown = verdict->state;
	item->e.deadline_ms = verdict->deadline_ms;
	item->e.counts_ms = verdict->state == HEALTH_DEGRADED ? verdict->counts_ms : 0;
	causes_copy(&item->causes, &verdict->causes);
}

/* Something that a person or a deployer wrote, not what controllers made of it. */
static bool is_wish(const struct row *row)
{
	return row->managed_ms && row->kind->shape != SHAPE_POD && row->kind->shape != SHAPE_JOB && *row->manager &&
	       strncmp(row->manager, "kube-", 5);
}

static void take_changed(struct envs *envs, struct item *item, const struct row *row)
{
	const struct journal_item *news = journal_last_change(store_journal(envs->store), row->namespace, row->kind, row->name);
	AUTO_RELEASE(buf) text = BUF_INIT(ROW_MESSAGE_MAX);

	buf_addf(&text, "%s %s by %s", row->kind->kind, row->name, row->manager);
	if (news && news->at_ms >= row->managed_ms)
		buf_addf(&text, ": %s", news->text);
	set_text(&item->changed, &item->e.changed, buf_give(&text));
	item->e.changed_ms = row->managed_ms;
}

static void roll_member(struct entry *entry, const struct kind *kind, const char *name, const struct verdict *verdict, void *arg)
{
	struct rolling *r = arg;
	const struct verdict *before = r->up.verdict;
	size_t total = r->up.total;

	if (entry && is_wish(entry->row) && (!r->changed || entry->row->managed_ms > r->changed->managed_ms))
		r->changed = entry->row;
	if (is_workload(kind)) {
		r->item->e.total++;
		r->item->e.ready += verdict->state == HEALTH_HEALTHY;
	}
	roll_up_add(&r->up, entry, verdict, r->now_ms);
	/* Verdicts of missing objects share one place, so the words are taken while they are there. */
	if (!total || r->up.verdict != before || (r->up.worst == entry && !entry))
		take_why(r->item, kind, name, verdict, r->now_ms);
	if (verdict->recheck_ms < r->item->recheck_ms)
		r->item->recheck_ms = verdict->recheck_ms;
	if (verdict->inputs_ms && (!r->item->e.proof_ms || verdict->inputs_ms < r->item->e.proof_ms))
		r->item->e.proof_ms = verdict->inputs_ms;
}

/* What we cannot see makes the whole unknown: what else is there, nobody knows. */
static const struct scope *blind_spot(struct envs *envs, const char *namespace, int64_t now_ms)
{
	static const struct kind *const needed[] = { &kind_deployment, &kind_stateful_set, &kind_pod };

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const struct scope *scope = store_scope(envs->store, needed[i], namespace);

		if (scope && !health_is_fresh(envs->health, scope, now_ms))
			return scope;
	}
	return NULL;
}

static void say_blind(struct envs *envs, struct item *item, const struct scope *scope, int64_t now_ms)
{
	AUTO_RELEASE(buf) why = BUF_INIT(ROW_MESSAGE_MAX);

	health_format_scope(envs->health, scope, now_ms, &why);
	item->e.state = item->e.shown = HEALTH_UNKNOWN;
	item->e.since_ms = scope->proof_ms ? scope->proof_ms : now_ms;
	item->e.rule_id = "fresh";
	item->e.proof_ms = scope->proof_ms;
	set_text(&item->why, &item->e.why, buf_give(&why));
}

static void take_rolled(struct item *item, struct item *old)
{
	struct environment *e = &item->e, *from = &old->e;

	e->state = from->state;
	e->shown = from->shown;
	e->since_ms = from->since_ms;
	e->counts_ms = from->counts_ms;
	e->deadline_ms = from->deadline_ms;
	e->ready = from->ready;
	e->total = from->total;
	memcpy(e->counts, from->counts, sizeof e->counts);
	e->members = from->members;
	e->rule_id = from->rule_id;
	e->worst_kind = from->worst_kind;
	e->proof_ms = from->proof_ms;
	set_text(&item->why, &e->why, xstrdup(old->why));
	set_text(&item->worst_name, &e->worst_name, xstrdup(old->worst_name));
	set_text(&item->changed, &e->changed, xstrdup(old->changed));
	e->changed_ms = from->changed_ms;
	item->causes = old->causes;
	old->causes = (struct causes){ 0 };
	item->recheck_ms = old->recheck_ms;
}

/* Most environments are as they were: one change costs the look at one of them. */
static bool roll_is_known(struct envs *envs, struct item *item, int64_t now_ms)
{
	for (size_t i = 0; i < envs->nold; i++) {
		struct item *old = envs->old[i];

		if (strcmp(old->title, item->title) || strcmp(old->namespace, item->namespace))
			continue;
		if (item->blind || old->blind || old->serial != item->serial || now_ms >= old->recheck_ms || envs->expects_more ||
		    old->shared || item->shared || old->e.has_namespace != item->e.has_namespace ||
		    old->e.has_record != item->e.has_record)
			return false;
		take_rolled(item, old);
		return true;
	}
	return false;
}

/* Objects that all look well do not outweigh a site that does not answer. */
static void roll_site(struct envs *envs, struct item *item, int64_t now_ms)
{
	const struct site *site = find_site(envs, item->title);

	if (!site || item->e.state != HEALTH_HEALTHY)
		return;
	if (!site->answers) {
		item->e.shown = HEALTH_DEGRADED;
		item->e.counts_ms = site->since_ms + SITE_MS;
		item->e.state = now_ms >= item->e.counts_ms ? HEALTH_DEGRADED : HEALTH_PROGRESSING;
		item->e.rule_id = "site";
		set_text(&item->why, &item->e.why, xasprintf("site does not answer: %s", site->text));
	} else if (now_ms - site->at_ms > SITE_MS) {
		item->e.state = item->e.shown = HEALTH_UNKNOWN;
		item->e.rule_id = "site.stale";
		set_text(&item->why, &item->e.why, xasprintf("site was not checked for %" PRId64 " s", (now_ms - site->at_ms) / 1000));
	} else {
		return;
	}
	item->e.since_ms = site->answers ? site->at_ms : site->since_ms;
}

static void roll(struct envs *envs, struct item *item, int64_t now_ms)
{
	struct rolling r = { .envs = envs, .item = item, .now_ms = now_ms };
	const struct scope *blind = blind_spot(envs, item->e.namespace, now_ms);

	item->blind = blind != NULL;
	item->serial = store_namespace_serial(envs->store, item->e.namespace);
	if (roll_is_known(envs, item, now_ms))
		return;
	item->recheck_ms = now_ms + 1000; /* freshness ends by itself */
	each_member(envs, &item->e, now_ms, roll_member, &r);
	if (r.changed)
		take_changed(envs, item, r.changed);
	memcpy(item->e.counts, r.up.counts, sizeof item->e.counts);
	item->e.members = r.up.total;
	item->e.state = r.up.state;
	item->e.since_ms = r.up.since_ms;
	if (blind && r.up.state != HEALTH_DEGRADED)
		say_blind(envs, item, blind, now_ms);
	else if (!r.up.total && item->e.has_record && !item->e.has_namespace)
		item->e.state = item->e.shown = HEALTH_MISSING;
	else
		roll_site(envs, item, now_ms);
	if (!item->e.since_ms)
		item->e.since_ms = item->e.created_ms;
}

/* ---- order and change ---- */

static int compare_items(const void *pa, const void *pb)
{
	const struct environment *a = &(*(struct item *const *)pa)->e, *b = &(*(struct item *const *)pb)->e;

	if (a->state != b->state)
		return a->state < b->state ? 1 : -1;
	if (a->shown != b->shown)
		return a->shown < b->shown ? 1 : -1;
	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return strcmp(a->title, b->title);
}

static uint64_t mix(uint64_t print, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print = (print ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
	return print;
}

static uint64_t print_of(const struct envs *envs)
{
	uint64_t print = 0xcbf29ce484222325u;

	for (size_t i = 0; i < envs->len; i++) {
		const struct environment *e = &envs->items[i]->e;
		const int64_t numbers[] = { e->state, e->shown, e->since_ms, e->counts_ms, e->deadline_ms, e->ready, e->total,
					    e->slot, e->issue, e->pr, e->has_record, e->has_namespace, (int64_t)e->members };
		const char *const texts[] = { e->title, e->namespace, e->owner, e->why, e->finding, e->worst_name, e->changed };

		print = mix(print, numbers, sizeof numbers);
		for (size_t t = 0; t < ARRAY_LEN(texts); t++)
			print = mix(print, texts[t], strlen(texts[t]) + 1);
	}
	return print;
}

bool envs_update(struct envs *envs, int64_t now_ms)
{
	uint64_t before = envs->print;

	if (!envs->dirty && envs->serial == store_serial(envs->store) && now_ms < envs->recheck_ms)
		return false;
	envs->dirty = false;
	envs->serial = store_serial(envs->store);
	envs->recheck_ms = now_ms + 1000;
	envs->old = envs->items;
	envs->nold = envs->len;
	envs->items = NULL;
	envs->len = envs->cap = 0;
	make_list(envs);
	for (size_t i = 0; i < envs->len; i++) {
		roll(envs, envs->items[i], now_ms);
		if (envs->items[i]->recheck_ms < envs->recheck_ms)
			envs->recheck_ms = envs->items[i]->recheck_ms;
	}
	items_drop(envs->old, envs->nold);
	envs->old = NULL;
	envs->nold = 0;
	envs->expects_more = false;
	if (envs->len)
		qsort(envs->items, envs->len, sizeof *envs->items, compare_items);
	envs->print = print_of(envs);
	return envs->print != before;
}

int64_t envs_recheck_ms(const struct envs *envs)
{
	return envs->recheck_ms;
}

size_t envs_count(const struct envs *envs)
{
	return envs->len;
}

const struct environment *envs_at(const struct envs *envs, size_t n)
{
	return n < envs->len ? &envs->items[n]->e : NULL;
}

const struct environment *envs_find(const struct envs *envs, const char *title)
{
	for (size_t i = 0; i < envs->len; i++) {
		if (!strcmp(envs->items[i]->title, title))
			return &envs->items[i]->e;
	}
	return NULL;
}

const char *envs_namespace_at(const struct envs *envs, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < envs->len; i++) {
		const char *namespace = envs->items[i]->e.namespace;

		if (*namespace && find_namespace(envs, namespace) == envs->items[i] && found++ == n)
			return namespace;
	}
	return NULL;
}

/* ---- members for the screens ---- */

bool env_member_is_listed(const struct env_member *member)
{
	return member->is_workload || member->state == HEALTH_DEGRADED || member->state == HEALTH_MISSING || member->state == HEALTH_PROGRESSING;
}

void env_members_release(struct env_members *members)
{
	free(members->items);
	*members = (struct env_members){ 0 };
}

struct collecting {
	struct env_members *members;
	int64_t now_ms;
};

static void collect(struct entry *entry, const struct kind *kind, const char *name, const struct verdict *verdict, void *arg)
{
	struct collecting *c = arg;

	LIST_PUSH(c->members->items, c->members->len, c->members->cap) = (struct env_member){
		.entry = entry,
		.kind = kind,
		.name = name,
		.item = entry ? row_label(entry->row, "slotdeck.dev/item") : "",
		.state = verdict->state,
		.counted = verdict_counted_state(verdict, c->now_ms),
		.is_workload = is_workload(kind),
	};
}

static int compare_members(const void *pa, const void *pb)
{
	const struct env_member *a = pa, *b = pb;
	int by_name;

	if (a->state != b->state)
		return a->state < b->state ? 1 : -1;
	if (a->is_workload != b->is_workload)
		return a->is_workload ? -1 : 1;
	by_name = strcmp(a->kind->kind, b->kind->kind);
	return by_name ? by_name : strcmp(a->name, b->name);
}

void envs_members(struct envs *envs, const struct environment *environment, struct env_members *members, int64_t now_ms)
{
	struct collecting c = { members, now_ms };

	members->len = 0;
	each_member(envs, environment, now_ms, collect, &c);
	if (members->len)
		qsort(members->items, members->len, sizeof *members->items, compare_members);
}
