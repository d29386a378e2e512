#include "model/journal.h"

#include <stdlib.h>
#include <string.h>

struct journal {
	struct journal_item *items; /* a ring */
	size_t capacity, len, next;
	uint64_t serial;
};

struct journal *journal_create(size_t capacity)
{
	struct journal *journal = xcalloc(1, sizeof *journal);

	journal->capacity = capacity ? capacity : 1;
	journal->items = xcalloc(journal->capacity, sizeof *journal->items);
	return journal;
}

static void item_release(struct journal_item *item)
{
	free(item->namespace);
	free(item->name);
	free(item->uid);
	free(item->manager);
	free(item->text);
}

void journal_destroy(struct journal *journal)
{
	if (!journal)
		return;
	for (size_t i = 0; i < journal->len; i++)
		item_release(&journal->items[i]);
	free(journal->items);
	free(journal);
}

/* ---- what differs ---- */

static void say(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct buf *out, const char *fmt, ...)
{
	va_list ap;

	if (out->len)
		buf_adds(out, "; ");
	va_start(ap, fmt);
	buf_vaddf(out, fmt, ap);
	va_end(ap);
}

static const char *image_of(const struct row_workload *w, const char *container)
{
	for (size_t i = 0; i < w->nimages; i++) {
		if (!strcmp(w->images[i].container, container))
			return w->images[i].image;
	}
	return NULL;
}

static void wish_of_workload(const struct row_workload *a, const struct row_workload *b, struct buf *out)
{
	for (size_t i = 0; i < b->nimages; i++) {
		const char *old = image_of(a, b->images[i].container);

		if (!old)
			say(out, "container %s added", b->images[i].container);
		else if (strcmp(old, b->images[i].image))
			say(out, "image %s: %s -> %s", b->images[i].container, old, b->images[i].image);
	}
	for (size_t i = 0; i < a->nimages; i++) {
		if (!image_of(b, a->images[i].container))
			say(out, "container %s removed", a->images[i].container);
	}
	if (a->paused != b->paused)
		say(out, b->paused ? "paused" : "resumed");
}

/* What a person or program wished otherwise. */
static void wish_differs(const struct row *a, const struct row *b, struct buf *out)
{
	if (a->kind->shape == SHAPE_WORKLOAD) {
		wish_of_workload(a->workload, b->workload, out);
		if (a->kind != &kind_daemon_set && a->workload->want != b->workload->want)
			say(out, "replicas %d -> %d", a->workload->want, b->workload->want);
	} else if (a->kind->shape == SHAPE_CRON_JOB && a->cron_job->suspended != b->cron_job->suspended) {
		say(out, b->cron_job->suspended ? "suspended" : "resumed");
	}
	if (strcmp(row_annotation(a, "kubectl.kubernetes.io/restartedAt"), row_annotation(b, "kubectl.kubernetes.io/restartedAt")))
		say(out, "restarted");
	if (!out->len && a->generation != b->generation)
		say(out, "spec changed");
	/* Kinds without generations: a new write by a manager is all that can be seen. */
	if (!out->len && !b->generation && b->managed_ms > a->managed_ms && b->kind->shape != SHAPE_POD)
		say(out, "content changed");
	if (!a->deleted_ms && b->deleted_ms)
		say(out, "deletion asked");
}

static int64_t restarts_of(const struct row_pod *pod)
{
	int64_t sum = 0;

	for (size_t i = 0; i < pod->ncontainers; i++)
		sum += pod->containers[i].restarts;
	return sum;
}

static const char *waiting_reason(const struct row_pod *pod)
{
	for (size_t i = 0; i < pod->ncontainers; i++) {
		if (pod->containers[i].state == ROW_WAITING && *pod->containers[i].reason)
			return pod->containers[i].reason;
	}
	return "";
}

static void word_differs(const char *what, const char *a, const char *b, struct buf *out)
{
	if (strcmp(a, b) && *b)
		say(out, "%s %s%s%s", what, a, *a ? " -> " : "", b);
}

/* What controllers report otherwise. */
static void state_differs(const struct row *a, const struct row *b, struct buf *out)
{
	if (a->kind->shape == SHAPE_POD) {
		word_differs("phase", a->pod->phase, b->pod->phase, out);
		word_differs("waits:", waiting_reason(a->pod), waiting_reason(b->pod), out);
		if (restarts_of(a->pod) != restarts_of(b->pod))
			say(out, "%lld restarts", (long long)restarts_of(b->pod));
	} else if (a->kind->shape == SHAPE_CLAIM) {
		word_differs("phase", a->claim->phase, b->claim->phase, out);
	} else if (a->kind->shape == SHAPE_NAMESPACE) {
		word_differs("phase", a->ns->phase, b->ns->phase, out);
	} else if (a->kind->shape == SHAPE_JOB) {
		if (a->job->failed != b->job->failed)
			say(out, "%d failed", b->job->failed);
		if (a->job->succeeded != b->job->succeeded)
			say(out, "%d succeeded", b->job->succeeded);
	}
}

/* ---- the ring ---- */

static void add(struct journal *journal, enum journal_what what, const struct row *row, int64_t at_ms, const char *manager,
		const char *text)
{
	struct journal_item *item = &journal->items[journal->next];

	if (journal->len == journal->capacity)
		item_release(item);
	else
		journal->len++;
	journal->next = (journal->next + 1) % journal->capacity;
	*item = (struct journal_item){
		.serial = ++journal->serial,
		.at_ms = at_ms,
		.what = what,
		.kind = row->kind,
		.namespace = xstrdup(row->namespace),
		.name = xstrdup(row->name),
		.uid = xstrdup(row->uid),
		.manager = xstrdup(manager),
		.text = xstrdup(text),
	};
}

/* Times of servers can lie in our future; a journal does not. */
static int64_t not_after(int64_t at_ms, int64_t now_ms)
{
	return at_ms && at_ms < now_ms ? at_ms : now_ms;
}

void journal_note(struct journal *journal, const struct row *before, const struct row *after, int64_t now_ms)
{
	AUTO_RELEASE(buf) text = BUF_INIT(ROW_MESSAGE_MAX);

	if ((after ? after : before)->kind == &kind_event)
		return;
	if (!before) {
		add(journal, JOURNAL_MADE, after, not_after(after->created_ms, now_ms), after->manager, "made");
	} else if (!after) {
		add(journal, JOURNAL_DELETED, before, now_ms, "", "deleted");
	} else {
		/* The status of a Job counts up with every pod and has a generation too: the wish comes first. */
		wish_differs(before, after, &text);
		if (text.len) {
			add(journal, JOURNAL_CHANGED, after, not_after(after->managed_ms, now_ms), after->manager, buf_cstr(&text));
			return;
		}
		state_differs(before, after, &text);
		if (text.len)
			add(journal, JOURNAL_STATE, after, now_ms, "", buf_cstr(&text));
	}
}

size_t journal_count(const struct journal *journal)
{
	return journal->len;
}

const struct journal_item *journal_at(const struct journal *journal, size_t n)
{
	if (n >= journal->len)
		return NULL;
	return &journal->items[(journal->next + journal->capacity - 1 - n) % journal->capacity];
}

const struct journal_item *journal_last_change(const struct journal *journal, const char *namespace,
					       const struct kind *kind, const char *name)
{
	for (size_t n = 0; n < journal->len; n++) {
		const struct journal_item *item = journal_at(journal, n);

		if (item->what == JOURNAL_STATE || strcmp(item->namespace, namespace))
			continue;
		if (!name || (kind_same(item->kind, kind) && !strcmp(item->name, name)))
			return item;
	}
	return NULL;
}
