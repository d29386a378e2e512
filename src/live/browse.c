#include "live/browse_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kube/scout.h"
#include "kube/table_feed.h"

#define KINDS_AGE_MS 600000   /* asked again after this, when somebody polls */
#define KINDS_RETRY_MS 30000 /* the same after a failure */

/* ---- tables: the net thread's side ---- */

/* Lives from browse_open() to browse_close(). feed and ended: net thread only. */
struct open_table {
	struct net_member member;
	struct browse *browse;
	struct table_feed *feed;
	struct scout *scout;
	struct feed_source source; /* texts are owned */
	struct table *table;	   /* owner's thread */
	unsigned id;
	bool ended;
};

struct message {
	unsigned table;
	struct table_batch *batch; /* NULL: state */
	enum scope_state state;
	char *why;
	int64_t retry_ms;
};

static void message_free(void *item)
{
	struct message *m = item;

	table_batch_destroy(m->batch);
	free(m->why);
	free(m);
}

static int64_t far_now_ms(void *arg)
{
	return server_clock_now_ms(&((struct open_table *)arg)->browse->server_clock);
}

static void far_on_date(int64_t date_ms, void *arg)
{
	server_clock_hear(&((struct open_table *)arg)->browse->server_clock, date_ms);
}

static void far_on_batch(struct table_batch *batch, void *arg)
{
	struct open_table *open = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->table = open->id;
	m->batch = batch;
	queue_push(open->browse->queue, m);
}

static void far_on_state(enum scope_state state, const char *why, int64_t retry_ms, void *arg)
{
	struct open_table *open = arg;
	struct message *m = xcalloc(1, sizeof *m);

	m->table = open->id;
	m->state = state;
	m->why = xstrdup(why);
	m->retry_ms = retry_ms;
	queue_push(open->browse->queue, m);
	if (state == SCOPE_BROKEN || state == SCOPE_DOUBTED || (state == SCOPE_LOADING && *why))
		scout_go(open->scout);
}

static void far_prepare(struct http_request *request, void *arg)
{
	kube_prepare(((struct open_table *)arg)->browse->kube, request);
}

static const struct table_feed_ops far_ops = { .now_ms = far_now_ms,
					       .on_batch = far_on_batch,
					       .on_state = far_on_state,
					       .on_date = far_on_date,
					       .prepare = far_prepare };

static void far_on_back(void *arg)
{
	table_feed_server_is_back(((struct open_table *)arg)->feed);
}

static const struct scout_ops scout_ops = { .on_back = far_on_back, .prepare = far_prepare };

static void far_end(struct open_table *open)
{
	scout_destroy(open->scout);
	open->scout = NULL;
	table_feed_destroy(open->feed);
	open->feed = NULL;
	open->ended = true;
}

static void far_end_with_net(struct net_member *member)
{
	far_end((struct open_table *)member); /* first in it */
}

static void far_start(void *arg)
{
	struct open_table *open = arg;
	struct kube *kube = open->browse->kube;

	open->member.end = far_end_with_net;
	net_join(kube_net(kube), &open->member);
	open->scout = scout_create(kube_net(kube), kube_http(kube), &scout_ops, open);
	open->feed = table_feed_create(kube_net(kube), kube_http(kube), &open->source, &far_ops, open);
	table_feed_start(open->feed);
}

static void far_close(void *arg)
{
	struct open_table *open = arg;

	if (open->ended)
		return;
	net_leave(kube_net(open->browse->kube), &open->member);
	far_end(open);
}

static void far_hurry(void *arg)
{
	struct browse *browse = arg;

	for (size_t i = 0; i < browse->ntables; i++)
		if (browse->tables[i]->feed)
			table_feed_hurry(browse->tables[i]->feed);
}

/* ---- tables: the owner's side ---- */

static char *copy_of(const char *text)
{
	return xstrdup(text ? text : "");
}

struct table *browse_open(struct browse *browse, const struct browse_list *list)
{
	struct open_table *open = xcalloc(1, sizeof *open);

	open->browse = browse;
	open->id = ++browse->last_table;
	open->table = table_create();
	open->source = (struct feed_source){
		.group = copy_of(list->resource->group), .version = copy_of(list->resource->version),
		.resource = copy_of(list->resource->resource), .namespace = copy_of(list->resource->namespaced ? list->namespace : ""),
		.label_selector = copy_of(list->label_selector), .field_selector = copy_of(list->field_selector),
		.chatty = true, .no_watch = !list->resource->can_watch,
	};
	LIST_PUSH(browse->tables, browse->ntables, browse->tables_cap) = open;
	net_post(kube_net(browse->kube), far_start, open);
	return open->table;
}

static void source_release(struct feed_source *source)
{
	free((char *)source->group);
	free((char *)source->version);
	free((char *)source->resource);
	free((char *)source->namespace);
	free((char *)source->label_selector);
	free((char *)source->field_selector);
}

void browse_close(struct browse *browse, struct table *table)
{
	for (size_t i = 0; i < browse->ntables; i++) {
		struct open_table *open = browse->tables[i];

		if (open->table != table)
			continue;
		net_post_and_wait(kube_net(browse->kube), far_close, open);
		browse->tables[i] = browse->tables[--browse->ntables];
		table_destroy(open->table);
		source_release(&open->source);
		free(open);
		return;
	}
}

/* What a closed table still had on the way is dropped. True when something can be seen of it. */
static bool take(struct browse *browse, struct message *m)
{
	bool seen = false;

	for (size_t i = 0; i < browse->ntables; i++) {
		struct open_table *open = browse->tables[i];

		if (open->id != m->table)
			continue;
		uint64_t serial = table_serial(open->table);

		if (m->batch)
			table_apply(open->table, m->batch);
		else
			table_set_state(open->table, m->state, m->why, m->retry_ms);
		m->batch = NULL;
		seen = table_serial(open->table) != serial;
		break;
	}
	message_free(m);
	return seen;
}

/* ---- kinds ---- */

struct discovery {
	struct kube *kube;
	struct error error, no_writes;
};

static void discovery_work(const struct cancel *cancel, void *arg)
{
	struct discovery *d = arg;

	if (kube_discover(d->kube, cancel, &d->error))
		kube_may_write(d->kube, cancel, &d->no_writes);
}

/* The same kind in a version that comes earlier: the server's order is that of preference. */
static bool is_listed(const struct browse *browse, const struct kube_resource *resource)
{
	for (size_t i = 0; i < browse->nkinds; i++)
		if (!strcmp(browse->kinds[i]->group, resource->group) && !strcmp(browse->kinds[i]->resource, resource->resource))
			return true;
	return false;
}

static int compare_kinds(const void *a, const void *b)
{
	const struct kube_resource *x = *(const struct kube_resource *const *)a, *y = *(const struct kube_resource *const *)b;
	int c = strcmp(x->group, y->group);

	return c ? c : strcmp(x->kind, y->kind);
}

static void collect_kinds(struct browse *browse)
{
	const struct kube_resource *resource;

	browse->nkinds = 0;
	for (int preferred = 1; preferred >= 0; preferred--)
		for (size_t n = 0; kube_resource_at(browse->kube, n, &resource); n++)
			if (resource->preferred == preferred && resource->can_list && !is_listed(browse, resource))
				LIST_PUSH(browse->kinds, browse->nkinds, browse->kinds_cap) = resource;
	if (browse->nkinds)
		qsort(browse->kinds, browse->nkinds, sizeof *browse->kinds, compare_kinds);
}

static void discovery_end(void *arg, void *owner)
{
	struct discovery *d = arg;
	struct browse *browse = owner;

	browse->kinds_asked = false;
	free(browse->kinds_why);
	if (d->error.kind) {
		browse->kinds_why = xstrdup(d->error.message);
		if (browse->kinds_state == KINDS_ASKED)
			browse->kinds_state = KINDS_FAILED;
		return;
	}
	AUTO_FREE char *failed = kube_failed_groups(browse->kube);

	browse->kinds_why = *failed ? xasprintf("these groups do not answer: %s", failed) : xstrdup("");
	browse->kinds_state = KINDS_KNOWN;
	collect_kinds(browse);
	free(browse->only_looks);
	browse->only_looks = xstrdup(d->no_writes.kind == ERR_DENIED ? d->no_writes.message : "");
}

static void discovery_release(void *arg)
{
	struct discovery *d = arg;

	error_release(&d->error);
	error_release(&d->no_writes);
	free(d);
}

void browse_refresh_kinds(struct browse *browse)
{
	struct discovery *d;

	if (browse->kinds_asked)
		return;
	d = xcalloc(1, sizeof *d);
	d->kube = browse->kube;
	browse->kinds_asked = true;
	browse->kinds_asked_ms = clock_now_ms(browse->clock);
	tasks_run(browse->tasks, &(struct task){ .work = discovery_work, .end = discovery_end, .release = discovery_release, .arg = d });
}

static void refresh_when_old(struct browse *browse)
{
	int64_t age_ms = clock_now_ms(browse->clock) - browse->kinds_asked_ms;

	if (age_ms >= (browse->kinds_state == KINDS_KNOWN ? KINDS_AGE_MS : KINDS_RETRY_MS))
		browse_refresh_kinds(browse);
}

enum browse_kinds browse_kinds(const struct browse *browse, const char **ret_why)
{
	*ret_why = browse->kinds_why;
	return browse->kinds_state;
}

const struct kube_resource *browse_kind_at(const struct browse *browse, size_t n)
{
	return n < browse->nkinds ? browse->kinds[n] : NULL;
}

/* A kind that the program knows by heart, for the time before the server has told. */
static const struct kube_resource *builtin(struct browse *browse, const struct kind *kind)
{
	struct kube_resource *r;

	for (size_t i = 0; i < browse->nbuiltin; i++)
		if (!strcmp(browse->builtin[i]->resource, kind->resource) && !strcmp(browse->builtin[i]->group, kind->group))
			return browse->builtin[i];
	r = arena_alloc(browse->arena, sizeof *r);
	*r = (struct kube_resource){ .group = (char *)kind->group, .version = (char *)kind->version, .kind = (char *)kind->kind,
				     .resource = (char *)kind->resource, .singular = (char *)kind->singular,
				     .namespaced = kind->namespaced, .preferred = true, .can_list = true, .can_watch = true,
				     .can_patch = true, .can_create = true, .can_delete = true };
	LIST_PUSH(browse->builtin, browse->nbuiltin, browse->builtin_cap) = r;
	return r;
}

static const struct kube_resource *listable(const struct kube_resource *resource)
{
	return resource && resource->can_list ? resource : NULL;
}

const struct kube_resource *browse_find_kind(struct browse *browse, const char *word)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kind *kind;

	if (browse->kinds_state == KINDS_KNOWN)
		return listable(kube_find_word(browse->kube, word, NULL, &ignored));
	kind = kind_find_word(word);
	return kind ? builtin(browse, kind) : NULL;
}

const struct kube_resource *browse_find_api(struct browse *browse, const char *api_version, const char *kind)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kind *known;

	if (browse->kinds_state == KINDS_KNOWN)
		return kube_find_kind(browse->kube, api_version, kind, NULL, &ignored);
	known = kind_find_api(api_version, kind);
	return known ? builtin(browse, known) : NULL;
}

/* ---- life ---- */

bool browse_poll(struct browse *browse, int64_t budget_ms)
{
	int64_t until = clock_now_us(NULL) + budget_ms * 1000; /* how long we work is real time, also in tests */
	bool any = tasks_poll(browse->tasks, browse);
	struct message *m;

	refresh_when_old(browse);
	while ((m = queue_pop(browse->queue))) {
		any |= take(browse, m);
		if (budget_ms && clock_now_us(NULL) >= until)
			break;
	}
	return any;
}

int browse_fd(const struct browse *browse)
{
	return browse->poll_fd;
}

void browse_hurry(struct browse *browse)
{
	net_post_and_wait(kube_net(browse->kube), far_hurry, browse);
	if (browse->kinds_state != KINDS_KNOWN)
		browse_refresh_kinds(browse);
}

int64_t browse_now_ms(const struct browse *browse)
{
	return server_clock_now_ms(&browse->server_clock);
}

static void watch_fd(int poll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

struct browse *browse_create(const struct browse_options *options)
{
	struct browse *browse = xcalloc(1, sizeof *browse);

	browse->kube = options->kube;
	browse->clock = options->clock;
	server_clock_init(&browse->server_clock, options->clock);
	browse->queue = queue_create(message_free);
	browse->tasks = tasks_create();
	browse->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch_fd(browse->poll_fd, queue_fd(browse->queue));
	watch_fd(browse->poll_fd, tasks_fd(browse->tasks));
	browse->arena = arena_create();
	browse->kinds_why = xstrdup("");
	browse->only_looks = xstrdup("");
	browse->rights = (struct map)MAP_INIT(browse_right_free);
	browse_refresh_kinds(browse);
	return browse;
}

void browse_destroy(struct browse *browse)
{
	if (!browse)
		return;
	tasks_destroy(browse->tasks);
	while (browse->ntables)
		browse_close(browse, browse->tables[0]->table);
	queue_destroy(browse->queue);
	close(browse->poll_fd);
	map_release(&browse->rights);
	arena_destroy(browse->arena);
	free(browse->tables);
	free(browse->kinds);
	free(browse->kinds_why);
	free(browse->only_looks);
	free(browse->builtin);
	free(browse->asks);
	free(browse);
}
