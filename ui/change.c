#include "ui/change.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "job/evidence.h"
#include "ui/state.h"
#include "ui/text.h"

struct item { /* one object */
	struct act act;
	struct act_plan plan;
	char *name;	/* "Deployment users" */
	char *place;	/* "slot 3, namespace project-dev-3, cluster main" */
	char *title;	/* of the environment; NULL: none */
	char *word;	/* that must be typed when it is the only one; NULL: y will do */
	char *slot_namespace; /* of a slot that is freed; NULL */
	char *left_out; /* why it isn't done; NULL: it is, or was */
	struct error err;
	char *evidence;
	bool good;
};

struct change {
	struct kube *kube;
	char *cluster;
	struct item *items;
	size_t len, cap;
	size_t at; /* the one that is being done */
	struct list *marks; /* NULL: none */
	size_t gone;
	unsigned stops; /* of the app when it was begun */
	bool replayed; /* its requests are answered by a recording: nothing is kept of it */
};

struct holder { /* what a task owns: the change moves on to the dialog, and from task to task */
	struct change *change;
};

static void item_release(struct item *item)
{
	char *texts[] = { item->name, item->place, item->title, item->word, item->slot_namespace, item->left_out, item->evidence };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	act_release(&item->act);
	act_plan_release(&item->plan);
	error_release(&item->err);
}

struct change *change_create(struct app *app)
{
	struct change *change = xcalloc(1, sizeof *change);

	change->kube = app->session->cluster.kube;
	change->replayed = app->options->replay != NULL;
	change->cluster = xstrdup(app->session->cluster.name);
	return change;
}

void change_destroy(struct change *change)
{
	if (!change)
		return;
	for (size_t i = 0; i < change->len; i++)
		item_release(&change->items[i]);
	free(change->items);
	free(change->cluster);
	free(change);
}

void change_add(struct app *app, struct change *change, enum act_kind kind, const struct target *t, const char *left_out)
{
	struct item item = { .act.kind = kind, .left_out = left_out ? xstrdup(left_out) : NULL };
	struct object_ref *object = &item.act.object;

	if (kind == ACT_FREE_SLOT) {
		item.slot_namespace = xstrdup(t->namespace);
		if (t->record_name)
			object_ref_set(object, "v1", "ConfigMap", t->record_namespace, t->record_name, "");
		item.name = xstrdup(t->title ? t->title : "");
	} else {
		object_ref_copy(object, &t->object);
		item.name = xasprintf("%s %s", object->kind, object->name);
	}
	item.title = t->title ? xstrdup(t->title) : NULL;
	item.word = object->name ? app_word_for(app, t, object->name) : NULL;
	item.place = xasprintf(T("%s, namespace %s, cluster %s"), t->title ? t->title : T("no environment"),
			       object->namespace && *object->namespace ? object->namespace : T("(none)"), change->cluster);
	LIST_PUSH(change->items, change->len, change->cap) = item;
}

void change_set_number(struct change *change, int64_t number)
{
	for (size_t i = 0; i < change->len; i++)
		change->items[i].act.number = number;
}

void change_of_marks(struct change *change, struct list *list, size_t gone)
{
	change->marks = list;
	change->gone = gone;
}

static size_t count_to_do(const struct change *change)
{
	size_t n = 0;

	for (size_t i = 0; i < change->len; i++)
		n += !change->items[i].left_out;
	return n;
}

void change_release(void *change)
{
	change_destroy(change);
}

static void release_holder(void *arg)
{
	struct holder *holder = arg;

	change_destroy(holder->change);
	free(holder);
}

static void run_task(struct app *app, struct change *change, void (*work)(const struct cancel *cancel, void *arg), void (*end)(void *arg, void *owner))
{
	struct holder *holder = xcalloc(1, sizeof *holder);

	holder->change = change;
	tasks_run(app->session->tasks, &(struct task){ .work = work, .end = end, .release = release_holder, .arg = holder });
}

/* ---- doing it ---- */

static struct history_record record_of(const struct change *change, const struct item *item, const char *state)
{
	AUTO_RELEASE(buf) object = BUF_INIT(0);
	struct history_record r = { .time_ms = clock_wall_us(NULL) / 1000,
				    .cluster = xstrdup(change->cluster),
				    .action = xstrdup(act_name(item->plan.kind)),
				    .namespace = xstrdup(item->plan.object.namespace),
				    .command = xstrdup(item->plan.command),
				    .state = xstrdup(state),
				    .message = xstrdup(""),
				    .evidence = xstrdup(item->evidence ? item->evidence : "") };

	object_ref_format(&item->plan.object, &object);
	r.object = buf_give(&object);
	r.id = xasprintf("%lld-%d-%zu", (long long)r.time_ms, getpid(), change->at);
	for (size_t i = 0; i < item->plan.nrequests; i++)
		LIST_PUSH(r.requests, r.nrequests, r.requests_cap) = xasprintf("%s %s", item->plan.requests[i].method, item->plan.requests[i].path);
	return r;
}

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

/* What evidence is about: of a slot, the namespace that goes with its record. */
static bool keep_evidence(struct kube *kube, struct item *item, const struct cancel *cancel)
{
	AUTO_RELEASE(object_ref) object = { 0 };

	object_ref_copy(&object, &item->plan.object);
	if (item->slot_namespace && item->plan.nrequests > 1)
		object_ref_set(&object, "v1", "Namespace", "", item->slot_namespace, "");
	item->evidence = evidence_save(kube, &object, cancel, &item->err);
	return item->evidence != NULL;
}

/* Nothing is sent that the history does not hold before, nothing destroyed whose traces could not be kept. */
static void perform_work(const struct cancel *cancel, void *arg)
{
	struct change *change = ((struct holder *)arg)->change;
	struct item *item = &change->items[change->at];
	AUTO_RELEASE(history_record) record = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (change->replayed) {
		item->good = act_perform(change->kube, &item->plan, cancel, &item->err);
		return;
	}
	if (item->plan.destructive && !keep_evidence(change->kube, item, cancel)) {
		error_wrap(&item->err, "evidence could not be kept, so nothing was done");
		return;
	}
	record = record_of(change, item, "begun");
	if (!history_write(&record, &item->err)) {
		error_wrap(&item->err, "the history could not be written, so nothing was done");
		return;
	}
	item->good = act_perform(change->kube, &item->plan, cancel, &item->err);
	if (item->err.kind == ERR_CANCELLED)
		return; /* the program or its cluster was left meanwhile: it stays begun, its end is not known */
	set_text(&record.state, item->good ? "done" : "failed");
	if (!item->good)
		set_text(&record.message, item->err.message);
	history_write(&record, &err);
}

static void tell(struct app *app, const struct item *item)
{
	if (item->good)
		app_notice(app, false, "%s: done%s%s", item->plan.title, item->evidence ? T("; evidence in ") : "", item->evidence ? item->evidence : "");
	else
		app_notice_error(app, item->plan.title, &item->err);
}

static void tell_all(struct app *app, const struct change *change)
{
	size_t good = 0, tried = count_to_do(change);

	for (size_t i = 0; i < change->len; i++)
		good += change->items[i].good;
	app_notice(app, good < tried, "%s: %zu done, %zu failed, %zu left out; J tells of each", T(act_name(change->items[0].act.kind)), good, tried - good,
		   change->len - tried);
}

static void perform_end(void *arg, void *owner);

static void leave_out_the_rest(struct change *change)
{
	for (size_t i = change->at; i < change->len; i++)
		if (!change->items[i].left_out)
			change->items[i].left_out = xstrdup(T("cancelled before it was begun"));
}

/* The first that is to be done from change->at on. False: none is left. Takes change when it says true. */
static bool perform_next(struct app *app, struct change *change)
{
	if (change->stops != app->stops)
		leave_out_the_rest(change);
	while (change->at < change->len && change->items[change->at].left_out)
		change->at++;
	if (change->at == change->len)
		return false;
	app_say(app, "%s …", change->items[change->at].plan.title);
	run_task(app, change, perform_work, perform_end);
	return true;
}

/* One that failed does not keep the others from being done. */
static void perform_end(void *arg, void *owner)
{
	struct holder *holder = arg;
	struct change *change = holder->change;
	struct app *app = owner;

	tell(app, &change->items[change->at]);
	live_hurry(app->live);
	change->at++;
	if (perform_next(app, change)) {
		holder->change = NULL;
		return;
	}
	if (change->len > 1)
		tell_all(app, change);
	app->changing--;
}

static void on_yes(struct app *app, void *arg, const char *text)
{
	struct change *change = arg;

	(void)text;
	if (change->marks)
		map_release(&change->marks->marks);
	app->changing++;
	change->stops = app->stops;
	perform_next(app, change); /* there is one, or it would not have been asked */
}

/* ---- asking ---- */

/* What stands for all of them: their environment, their namespace, else the act itself with their number. */
static char *word_for_several(const struct change *change)
{
	const struct item *first = NULL;
	bool needed = false, title = true, namespace = true;

	for (size_t i = 0; i < change->len; i++) {
		const struct item *item = &change->items[i];

		if (item->left_out)
			continue;
		first = first ? first : item;
		needed = needed || item->word;
		title = title && item->title && first->title && strcmp(item->title, first->title) == 0;
		namespace = namespace && *item->act.object.namespace && strcmp(item->act.object.namespace, first->act.object.namespace) == 0;
	}
	if (!needed)
		return NULL;
	return title ? xstrdup(first->title) : namespace ? xstrdup(first->act.object.namespace) : xasprintf("%s %zu", act_name(first->act.kind), count_to_do(change));
}

static void add_plan(struct pager *body, const struct act_plan *plan, const char *indent)
{
	for (size_t i = 0; i < plan->nlines; i++)
		pager_addf(body, starts_with(plan->lines[i], "will send") ? ROLE_DIM : ROLE_TEXT, "%s%s", indent, plan->lines[i]);
}

static void add_items(struct pager *body, const struct change *change)
{
	const char *place = "";

	for (size_t i = 0; i < change->len; i++) {
		const struct item *item = &change->items[i];

		if (item->left_out)
			continue;
		if (strcmp(place, item->place) != 0)
			pager_add(body, ROLE_TEXT, item->place);
		place = item->place;
		pager_add(body, ROLE_TITLE, item->plan.title);
		add_plan(body, &item->plan, "  ");
	}
	for (size_t i = 0; i < change->len; i++)
		if (change->items[i].left_out)
			pager_addf(body, ROLE_BAD, "left out: %s: %s", change->items[i].name, change->items[i].left_out);
	if (change->gone)
		pager_addf(body, ROLE_PROGRESS, "marked objects that are gone by now: %zu", change->gone);
	pager_add(body, ROLE_DIM, T("one after another; one that fails does not stop the others"));
}

/* Takes change. */
static void ask(struct app *app, struct change *change)
{
	bool several = change->len > 1;
	AUTO_FREE char *word = several ? word_for_several(change) : change->items[0].word ? xstrdup(change->items[0].word) : NULL;
	AUTO_FREE char *title = several ? xasprintf(T("%s, objects: %zu"), T(act_name(change->items[0].act.kind)), count_to_do(change)) :
					  xstrdup(change->items[0].plan.title);
	struct pager *body = &app->dialog.body;
	bool destructive = false;

	dialog_open(&app->dialog, word ? DIALOG_TYPE : DIALOG_CONFIRM, title, on_yes, change, change_release);
	app->dialog.word = GIVE(word);
	if (several) {
		add_items(body, change);
	} else {
		pager_add(body, ROLE_TEXT, change->items[0].place);
		add_plan(body, &change->items[0].plan, "");
	}
	for (size_t i = 0; i < change->len; i++)
		destructive = destructive || change->items[i].plan.destructive;
	if (destructive)
		pager_add(body, ROLE_DIM, T("before it: manifests, events and logs are kept as evidence"));
}

static void prepare_work(const struct cancel *cancel, void *arg)
{
	struct change *change = ((struct holder *)arg)->change;

	for (size_t i = 0; i < change->len && !cancel_requested(cancel); i++) {
		struct item *item = &change->items[i];

		if (!item->left_out && !act_prepare(change->kube, &item->act, cancel, &item->plan, &item->err))
			item->left_out = xasprintf("%s%s%s", item->err.message, item->err.hint ? "; " : "", item->err.hint ? item->err.hint : "");
	}
}

static void prepare_end(void *arg, void *owner)
{
	struct holder *holder = arg;
	const struct change *change = holder->change;
	struct app *app = owner;

	for (size_t i = 0; i < change->len; i++)
		if (change->items[i].err.kind == ERR_DENIED)
			browse_doubt_rights(app->session->cluster.browse);
	if (count_to_do(change)) {
		free(GIVE(app->message));
		ask(app, GIVE(holder->change));
		return;
	}
	for (size_t i = 0; i < change->len; i++)
		app_notice(app, true, "%s: %s", change->items[i].plan.title ? change->items[i].plan.title : change->items[i].name, change->items[i].left_out);
}

void change_begin(struct app *app, struct change *change)
{
	app_say(app, "asking the cluster …");
	run_task(app, change, prepare_work, prepare_end);
}
