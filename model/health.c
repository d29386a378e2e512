#include "model/health.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/health_private.h"

/*
 * health_of(entry):  fresh? ──no──► unknown
 *                      │ yes
 *                    deleting? behind? ──► the kind's rule ──► since, grace (memory) ──► chain ──► memory.verdict
 *
 * A verdict is made again only when the object's tree changed, its scope stopped or began to be fresh, or its
 * recheck time has come.
 */

#define FORGIVEN_MS (30 * SECOND_MS) /* good for so long: the next trouble is a new one */

struct wish {
	char *uid, *container;
	int32_t restarts;
};

struct health {
	struct store *store;
	struct health_config config;
	struct memory missing; /* of health_of_name() */
	struct wish *wishes;
	size_t nwishes, wishes_cap;
	unsigned depth;
};

const char *health_state_name(enum health_state state)
{
	static const char *const names[] = {
		[HEALTH_HEALTHY] = "healthy", [HEALTH_SUSPENDED] = "suspended", [HEALTH_PROGRESSING] = "progressing",
		[HEALTH_DELETING] = "deleting", [HEALTH_MISSING] = "missing",	[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_DEGRADED] = "degraded",
	};

	return state < ARRAY_LEN(names) ? names[state] : "?";
}

bool health_is_fine(enum health_state state)
{
	return state == HEALTH_HEALTHY || state == HEALTH_SUSPENDED;
}

bool health_is_worse(enum health_state a, enum health_state b)
{
	return a > b;
}

bool verdict_counts(const struct verdict *verdict, int64_t now_ms)
{
	return verdict->state == HEALTH_DEGRADED && now_ms >= verdict->counts_ms;
}

enum health_state verdict_counted_state(const struct verdict *verdict, int64_t now_ms)
{
	return verdict->state == HEALTH_DEGRADED && !verdict_counts(verdict, now_ms) ? HEALTH_PROGRESSING : verdict->state;
}

void health_format_span(int64_t ms, struct buf *out)
{
	int64_t s = ms / 1000;

	if (s < 100)
		buf_addf(out, "%" PRId64 " s", s);
	else if (s < 100 * 60)
		buf_addf(out, "%" PRId64 " min", s / 60);
	else if (s < 48 * 3600)
		buf_addf(out, "%" PRId64 " h", s / 3600);
	else
		buf_addf(out, "%" PRId64 " d", s / 86400);
}

/* ---- memory ---- */

static void memory_release(struct memory *memory)
{
	free(memory->reason);
	free(memory->message);
	causes_release(&memory->verdict.causes);
	for (size_t i = 0; i < memory->nlogs; i++) {
		free(memory->logs[i].container);
		free(memory->logs[i].line);
	}
	free(memory->logs);
}

static void memory_forget(void *p, void *arg)
{
	(void)arg;
	memory_release(p);
	free(p);
}

static struct memory *memory_of(struct entry *entry)
{
	struct memory *memory = entry->memory;

	if (!memory) {
		memory = entry->memory = xcalloc(1, sizeof *memory);
		memory->restarts = -1;
		memory->verdict.rule_id = memory->verdict.reason = memory->verdict.message = "";
		memory->generation = entry->row->generation;
	}
	return memory;
}

struct health *health_create(struct store *store, const struct health_config *config)
{
	struct health *health = xcalloc(1, sizeof *health);

	health->store = store;
	if (config)
		health->config = *config;
	if (!health->config.grace_ms)
		health->config.grace_ms = 60 * SECOND_MS;
	if (!health->config.certain_grace_ms)
		health->config.certain_grace_ms = 10 * SECOND_MS;
	if (!health->config.stale_ms)
		health->config.stale_ms = 30 * SECOND_MS;
	store_set_forget(store, memory_forget, health);
	return health;
}

void health_destroy(struct health *health)
{
	if (!health)
		return;
	for (size_t n = 0; store_kind_at(health->store, n); n++) {
		struct entry *e = store_first(health->store, store_kind_at(health->store, n), NULL);

		for (; e; e = store_next(e, NULL)) {
			if (e->memory)
				memory_forget(e->memory, health);
			e->memory = NULL;
		}
	}
	store_set_forget(health->store, NULL, NULL);
	memory_release(&health->missing);
	for (size_t i = 0; i < health->nwishes; i++) {
		free(health->wishes[i].uid);
		free(health->wishes[i].container);
	}
	free(health->wishes);
	free(health);
}

struct store *health_store(const struct health *health)
{
	return health->store;
}

/* ---- what rules use ---- */

void look_say(struct look *look, enum health_state state, unsigned rule, const char *rule_id, const char *reason,
	      const char *fmt, ...)
{
	va_list ap;

	look->verdict.state = state;
	look->verdict.rule = rule;
	look->verdict.rule_id = rule_id;
	/* The arguments may lie in these very buffers. */
	AUTO_FREE char *word = xstrdup(reason);
	AUTO_RELEASE(buf) line = BUF_INIT(2 * ROW_MESSAGE_MAX);

	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	buf_reset(&look->reason);
	buf_adds(&look->reason, word);
	buf_reset(&look->message);
	buf_add_str(&look->message, buf_str(&line));
}

void look_recheck(struct look *look, int64_t at_ms)
{
	if (at_ms > look->now_ms && at_ms < look->verdict.recheck_ms)
		look->verdict.recheck_ms = at_ms;
}

const struct verdict *look_at(struct look *look, struct entry *entry)
{
	const struct verdict *verdict = health_of(look->health, entry, look->now_ms);

	look_recheck(look, verdict->recheck_ms);
	if (verdict->state == HEALTH_DEGRADED)
		look_recheck(look, verdict->counts_ms);
	return verdict;
}

const struct health_config *look_config(const struct look *look)
{
	return &look->health->config;
}

struct store *look_store(const struct look *look)
{
	return look->health->store;
}

bool health_is_fresh(const struct health *health, const struct scope *scope, int64_t now_ms)
{
	/* A watch that broke a moment ago does not make what it said before wrong. */
	bool may = scope && (scope->state == SCOPE_LIVE || scope->state == SCOPE_BROKEN || scope->state == SCOPE_LOADING);

	return may && scope->synced_ms && now_ms - scope->proof_ms <= health->config.stale_ms;
}

bool look_is_fresh(const struct look *look, const struct kind *kind)
{
	const struct scope *scope = store_scope(look->health->store, kind, look->row->namespace);

	return health_is_fresh(look->health, scope, look->now_ms);
}

/* ---- rule 1: fresh first ---- */

static const char *scope_rule(const struct scope *scope, const char **ret_reason)
{
	static const struct {
		const char *rule_id, *reason;
	} words[] = {
		[SCOPE_UNWATCHED] = { "fresh.unwatched", "NotWatched" },
		[SCOPE_LOADING] = { "fresh.loading", "Loading" },
		[SCOPE_LIVE] = { "fresh.stale", "NoData" },
		[SCOPE_BROKEN] = { "fresh.stale", "NoData" },
		[SCOPE_DOUBTED] = { "fresh.doubted", "Doubted" },
		[SCOPE_FORBIDDEN] = { "fresh.forbidden", "Forbidden" },
		[SCOPE_ABSENT] = { "fresh.absent", "NoSuchKind" },
	};
	enum scope_state state = scope ? scope->state : SCOPE_UNWATCHED;

	if (state == SCOPE_BROKEN && !scope->synced_ms)
		state = SCOPE_LOADING;
	*ret_reason = words[state].reason;
	return words[state].rule_id;
}

void health_format_scope(const struct health *health, const struct scope *scope, int64_t now_ms, struct buf *out)
{
	const char *resource = scope->kind->resource;

	if (health_is_fresh(health, scope, now_ms))
		return;
	if (scope->state == SCOPE_UNWATCHED) {
		buf_addf(out, "%s are not watched here", resource);
	} else if (scope->state == SCOPE_FORBIDDEN) {
		buf_addf(out, "no right to list or watch %s", resource);
	} else if (scope->state == SCOPE_ABSENT) {
		buf_addf(out, "the server has no %s", resource);
	} else if (scope->state == SCOPE_DOUBTED) {
		buf_addf(out, "%s may be older than shown", resource);
	} else if (!scope->synced_ms) {
		buf_addf(out, "%s are being listed", resource);
	} else {
		buf_adds(out, "no data for ");
		health_format_span(now_ms - scope->proof_ms, out);
	}
	if (*scope->why)
		buf_addf(out, ": %s", scope->why);
}

static void say_unknown(struct look *look, const struct scope *scope, const struct kind *kind)
{
	const struct scope none = { .kind = kind, .namespace = "", .why = "" };
	AUTO_RELEASE(buf) words = BUF_INIT(2 * ROW_MESSAGE_MAX);
	const char *reason, *rule_id = scope_rule(scope, &reason);

	health_format_scope(look->health, scope ? scope : &none, look->now_ms, &words);
	look_say(look, HEALTH_UNKNOWN, 1, rule_id, reason, "%s", buf_cstr(&words));
	if (scope && scope->synced_ms)
		look_recheck(look, look->now_ms + SECOND_MS); /* the age in the text */
	look->verdict.since_ms = scope && scope->proof_ms ? scope->proof_ms : look->now_ms;
	look->verdict.inputs_ms = scope ? scope->proof_ms : 0;
}

/* ---- rules 2 and 3 ---- */

static bool rule_deleting(struct look *look)
{
	const struct row *row = look->row;
	int64_t asked = row->deleted_ms - row->deletion_grace_s * SECOND_MS;
	int64_t due = asked + 5 * MINUTE_MS > row->deleted_ms ? asked + 5 * MINUTE_MS : row->deleted_ms;

	if (!row->deleted_ms)
		return false;
	if (look->now_ms >= due) {
		AUTO_RELEASE(buf) span = BUF_INIT(64);

		health_format_span(look->now_ms - asked, &span);
		look_say(look, HEALTH_DEGRADED, 2, "deleting.stuck", "StuckDeleting", "stuck deleting for %s%s%s",
			 buf_cstr(&span), *row->finalizers ? ", finalizers: " : "", row->finalizers);
		look->bad_since_ms = due;
		look->grace = GRACE_NONE;
		look_recheck(look, look->now_ms + MINUTE_MS);
	} else {
		look_say(look, HEALTH_DELETING, 2, "deleting", "Deleting", "%s%s",
			 *row->finalizers ? "waits for finalizers: " : "", row->finalizers);
		look->verdict.deadline_ms = due;
		look_recheck(look, due);
	}
	look->verdict.since_ms = asked;
	return true;
}

static bool rule_behind(struct look *look)
{
	const struct row *row = look->row;
	int64_t observed = row->observed_generation;
	int64_t since, due;

	if (observed < 0 && row->kind->shape != SHAPE_WORKLOAD)
		return false;
	if (observed >= row->generation)
		return false;
	/* When the wish was written; an older word of ours holds if the server's times make no sense. */
	since = row->managed_ms > row->created_ms ? row->managed_ms : row->created_ms;
	if (!since || since > look->now_ms)
		since = look->now_ms;
	due = since + MINUTE_MS;
	if (look->now_ms < due) {
		look_say(look, HEALTH_PROGRESSING, 3, "behind", "Behind",
			 "the controller has seen generation %" PRId64 " of %" PRId64, observed < 0 ? 0 : observed,
			 row->generation);
		look->verdict.deadline_ms = due;
		look_recheck(look, due);
	} else {
		look_say(look, HEALTH_DEGRADED, 3, "behind.silent", "NoController",
			 "controller does not answer: it has seen generation %" PRId64 " of %" PRId64,
			 observed < 0 ? 0 : observed, row->generation);
		look->bad_since_ms = due;
	}
	look->verdict.since_ms = since;
	return true;
}

/* ---- since when, and from when on it counts ---- */

static int64_t grace_ms(const struct look *look)
{
	switch (look->grace) {
	case GRACE_NONE: return 0;
	case GRACE_CERTAIN: return look->health->config.certain_grace_ms;
	case GRACE_WOBBLE: break;
	}
	return look->health->config.grace_ms;
}

static void settle_times(struct look *look)
{
	struct memory *m = look->memory;
	struct verdict *v = &look->verdict;
	bool bad = v->state == HEALTH_DEGRADED;
	int64_t since = v->since_ms;

	if (m->generation != look->row->generation) {
		m->generation = look->row->generation;
		m->bad_since_ms = m->good_since_ms = 0;
	}
	if (v->state != HEALTH_UNKNOWN && !bad) {
		if (!m->good_since_ms)
			m->good_since_ms = look->now_ms;
		if (m->bad_since_ms) {
			if (look->now_ms - m->good_since_ms >= FORGIVEN_MS)
				m->bad_since_ms = 0;
			else
				look_recheck(look, m->good_since_ms + FORGIVEN_MS);
		}
	} else if (bad) {
		/* Trouble that only paused goes on; that is how a crash loop looks. */
		if (m->bad_since_ms && m->good_since_ms && look->now_ms - m->good_since_ms >= FORGIVEN_MS)
			m->bad_since_ms = 0;
		m->good_since_ms = 0;
		if (!m->bad_since_ms)
			m->bad_since_ms = look->now_ms;
		if (look->bad_since_ms && look->bad_since_ms < m->bad_since_ms)
			m->bad_since_ms = look->bad_since_ms;
		v->counts_ms = m->bad_since_ms + grace_ms(look);
		if (look->counts_ms && look->counts_ms < v->counts_ms)
			v->counts_ms = look->counts_ms;
		if (!since)
			since = m->bad_since_ms;
		look_recheck(look, v->counts_ms);
	}
	if (!since && m->judged && m->verdict.state == v->state)
		since = m->verdict.since_ms;
	if (!since)
		since = m->judged ? look->now_ms : look->row->created_ms;
	v->since_ms = since && since < look->now_ms ? since : look->now_ms;
}

/* ---- judging ---- */

static void judge(struct look *look)
{
	const struct health_rule *rule = look->row->kind->rule;

	if (rule_deleting(look) || rule_behind(look))
		return;
	if (rule)
		rule->judge(look);
	else if (!look->row->kind->still)
		health_rule_other.judge(look);
	else
		look_say(look, HEALTH_HEALTHY, 10, "still", "", "%s", "");
}

static void memorise(struct look *look, bool fresh)
{
	struct memory *m = look->memory;

	free(m->reason);
	free(m->message);
	causes_release(&m->verdict.causes);
	m->verdict = look->verdict;
	m->verdict.reason = m->reason = buf_give(&look->reason);
	m->verdict.message = m->message = buf_give(&look->message);
	m->judged = true;
	m->fresh = fresh;
	m->tree_serial = look->entry->tree_serial;
	m->space_serial = store_sideways_serial(look->health->store, look->row->namespace);
}

static bool still_holds(const struct health *health, const struct entry *entry, const struct memory *m, bool fresh,
			int64_t now_ms)
{
	const struct health_rule *rule = entry->row->kind->rule;

	if (!m->judged || m->fresh != fresh || m->tree_serial != entry->tree_serial || now_ms >= m->verdict.recheck_ms)
		return false;
	return !rule || !rule->reads_namespace ||
	       m->space_serial == store_sideways_serial(health->store, entry->row->namespace);
}

const struct verdict *health_of(struct health *health, struct entry *entry, int64_t now_ms)
{
	const struct scope *scope = store_scope(health->store, entry->row->kind, entry->row->namespace);
	bool fresh = health_is_fresh(health, scope, now_ms);
	struct memory *memory = memory_of(entry);
	struct look look = {
		.health = health,
		.entry = entry,
		.row = entry->row,
		.memory = memory,
		.now_ms = now_ms,
		.verdict = { .rule_id = "", .recheck_ms = INT64_MAX, .inputs_ms = scope ? scope->proof_ms : 0 },
		.reason = BUF_INIT(256),
		.message = BUF_INIT(2 * ROW_MESSAGE_MAX),
	};

	if (still_holds(health, entry, memory, fresh, now_ms)) {
		memory->verdict.inputs_ms = look.verdict.inputs_ms;
		return &memory->verdict;
	}
	/* Owners that own each other cannot be (the store refuses rings), but claims and services look sideways. */
	if (health->depth > 8) {
		return &memory->verdict;
	}
	health->depth++;
	if (!fresh)
		say_unknown(&look, scope, entry->row->kind);
	else
		judge(&look);
	settle_times(&look);
	/* Before the first list is whole there is nothing to explain, and nobody to read ten thousand explanations. */
	if (!health_is_fine(look.verdict.state) && (fresh || (scope && scope->synced_ms)))
		look_explain(&look);
	health->depth--;
	memorise(&look, fresh);
	buf_release(&look.reason);
	buf_release(&look.message);
	return &memory->verdict;
}

/* ---- by name ---- */

static const struct verdict *say_missing(struct health *health, const struct kind *kind, const char *namespace,
					 const char *name, int64_t now_ms)
{
	const struct scope *scope = store_scope(health->store, kind, namespace);
	bool fresh = health_is_fresh(health, scope, now_ms);
	struct memory *m = &health->missing;
	AUTO(row) row = row_create_bare(kind, namespace, name, "");
	struct entry entry = { .row = row, .uid = "" };
	struct look look = {
		.health = health,
		.entry = &entry,
		.row = row,
		.memory = m,
		.now_ms = now_ms,
		.verdict = { .rule_id = "", .recheck_ms = INT64_MAX, .inputs_ms = scope ? scope->proof_ms : 0 },
		.reason = BUF_INIT(256),
		.message = BUF_INIT(2 * ROW_MESSAGE_MAX),
	};

	if (!scope && kind->still) {
		look_say(&look, HEALTH_HEALTHY, 10, "still", "", "%s", "");
		look.verdict.confidence = HEALTH_LIKELY;
	} else if (!fresh) {
		say_unknown(&look, scope, kind);
	} else {
		look_say(&look, HEALTH_MISSING, 12, "missing", "Missing", "not in the cluster");
		causes_add(&look.verdict.causes, CAUSE_OBJECT, kind->kind, namespace, name, "Missing", "not in the cluster");
	}
	if (!look.verdict.since_ms)
		look.verdict.since_ms = now_ms;
	m->generation = 0;
	memorise(&look, fresh);
	buf_release(&look.reason);
	buf_release(&look.message);
	return &m->verdict;
}

const struct verdict *health_of_name(struct health *health, const struct kind *kind, const char *namespace,
				     const char *name, int64_t now_ms)
{
	struct entry *entry = store_find_name(health->store, kind, namespace, name);

	return entry ? health_of(health, entry, now_ms) : say_missing(health, kind, namespace, name, now_ms);
}

/* ---- log lines ---- */

static struct log_line *log_of(struct memory *memory, const char *container)
{
	for (size_t i = 0; i < memory->nlogs; i++) {
		if (!strcmp(memory->logs[i].container, container))
			return &memory->logs[i];
	}
	LIST_PUSH(memory->logs, memory->nlogs, memory->logs_cap) =
		(struct log_line){ .container = xstrdup(container), .restarts = -1 };
	return &memory->logs[memory->nlogs - 1];
}

const char *look_log_line(struct look *look, const struct row_container *container)
{
	struct log_line *log = log_of(look->memory, container->name);

	if (log->restarts != container->restarts) {
		log->restarts = container->restarts;
		LIST_PUSH(look->health->wishes, look->health->nwishes, look->health->wishes_cap) = (struct wish){
			.uid = xstrdup(look->row->uid),
			.container = xstrdup(container->name),
			.restarts = container->restarts,
		};
	}
	/* The line of the run before is better than none while the newer one is fetched. */
	return log->known && *log->line ? log->line : NULL;
}

static void tell_wish(struct health *health, const struct wish *wish,
		      void (*fn)(const struct health_log_wish *wish, void *arg), void *arg)
{
	struct entry *entry = store_find_uid(health->store, wish->uid);

	if (!entry || entry->row->kind->shape != SHAPE_POD)
		return;
	for (size_t i = 0; i < entry->row->pod->ncontainers; i++) {
		const struct row_container *c = &entry->row->pod->containers[i];
		struct health_log_wish told = {
			.namespace = entry->row->namespace,
			.pod = entry->row->name,
			.pod_uid = entry->uid,
			.container = c->name,
			.restarts = wish->restarts,
			/* Ended and not started again: its log is still the present one. */
			.previous = c->state == ROW_RUNNING || (c->state == ROW_WAITING && c->last_finished_ms &&
								strcmp(c->reason, "CrashLoopBackOff")),
		};

		if (!strcmp(c->name, wish->container))
			fn(&told, arg);
	}
}

void health_log_wishes(struct health *health, void (*fn)(const struct health_log_wish *wish, void *arg), void *arg)
{
	struct wish *wishes = health->wishes;
	size_t n = health->nwishes;

	health->wishes = NULL;
	health->nwishes = health->wishes_cap = 0;
	for (size_t i = 0; i < n; i++) {
		tell_wish(health, &wishes[i], fn, arg);
		free(wishes[i].uid);
		free(wishes[i].container);
	}
	free(wishes);
}

void health_set_log_line(struct health *health, const char *pod_uid, const char *container, int32_t restarts,
			 const char *line)
{
	struct entry *entry = store_find_uid(health->store, pod_uid);
	struct log_line *log;

	if (!entry)
		return;
	log = log_of(memory_of(entry), container);
	log->restarts = restarts > log->restarts ? restarts : log->restarts;
	free(log->line);
	log->line = xmemdup0(line, strnlen(line, ROW_MESSAGE_MAX));
	log->known = true;
	store_touch(health->store, entry);
}

/* ---- words ---- */

void verdict_format_why(const struct verdict *verdict, int64_t now_ms, struct buf *out)
{
	const struct cause *container = NULL, *log = NULL;

	(void)now_ms;
	for (size_t i = 0; i < verdict->causes.len; i++) {
		const struct cause *c = &verdict->causes.items[i];

		if (c->what == CAUSE_CONTAINER)
			container = c;
		else if (c->what == CAUSE_LOG)
			log = c;
	}
	if (!container || (!*container->reason && container->exit_code < 0)) {
		buf_adds(out, *verdict->message ? verdict->message : verdict->reason);
		return;
	}
	buf_adds(out, *container->reason ? container->reason : verdict->reason);
	if (container->restarts > 0)
		buf_addf(out, " x%d", container->restarts);
	if (container->exit_code >= 0)
		buf_addf(out, ", exit %d", container->exit_code);
	if (log)
		buf_addf(out, ": %s", log->message);
	else if (*container->message)
		buf_addf(out, ": %s", container->message);
}

/* ---- rule 12 ---- */

void roll_up_add(struct roll_up *r, struct entry *entry, const struct verdict *verdict, int64_t now_ms)
{
	enum health_state state = verdict_counted_state(verdict, now_ms);
	bool worse = !r->total || health_is_worse(state, r->state);
	/* Of equals, the one that is really degraded (in its grace), then the one that lasts longest, says why. */
	bool instead = r->total && state == r->state && r->verdict &&
		       (verdict->state > r->verdict->state ||
			(verdict->state == r->verdict->state && verdict->since_ms < r->since_ms));

	r->counts[state]++;
	r->total++;
	if (!worse && !instead)
		return;
	r->state = state;
	r->worst = entry;
	r->verdict = verdict;
	r->since_ms = verdict->since_ms;
}
