#include "ui/fetch.h"

#include <stdlib.h>

#include "ui/state.h"

struct request {
	struct fetch *fetch;
	uint64_t number;
	struct kube *kube;
	enum inspect_what what;
	struct object_ref object;
	char *key;
	struct buf text;
	struct error err;
	bool good;
};

void fetch_reset(struct fetch *fetch)
{
	free(fetch->text);
	free(fetch->failure);
	fetch->text = fetch->failure = NULL;
	fetch->number = 0;
	fetch->under_way = false;
}

static void work(const struct cancel *cancel, void *arg)
{
	struct request *r = arg;

	if (r->fetch->number != r->number)
		return; /* asked for again meanwhile, or given up */
	r->good = inspect(r->kube, r->what, &r->object, r->key, cancel, &r->text, &r->err);
}

static void end(void *arg, void *owner)
{
	struct request *r = arg;
	struct fetch *fetch = r->fetch;

	(void)owner;
	if (fetch->number != r->number)
		return;
	fetch->under_way = false;
	free(GIVE(fetch->failure));
	if (r->good) {
		free(fetch->text);
		fetch->text = buf_give(&r->text);
	} else {
		fetch->failure = xstrdup(r->err.message);
	}
}

static void release(void *arg)
{
	struct request *r = arg;

	object_ref_release(&r->object);
	free(r->key);
	buf_release(&r->text);
	error_release(&r->err);
	free(r);
}

void fetch_start(struct app *app, struct fetch *fetch, enum inspect_what what, const struct object_ref *object, const char *key)
{
	struct request *r = xcalloc(1, sizeof *r);

	fetch->number = ++app->asked;
	fetch->under_way = true;
	*r = (struct request){ .fetch = fetch, .number = fetch->number, .kube = app->session->cluster.kube, .what = what, .key = key ? xstrdup(key) : NULL };
	object_ref_copy(&r->object, object);
	tasks_run(app->session->tasks, &(struct task){ .work = work, .end = end, .release = release, .arg = r });
}
