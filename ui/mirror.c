/* M: looks which images are missing, shows it on screen 5, asks, and mirrors. The job is job_mirror(); nothing is computed here. */
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

char *mirror_reason_against(const struct app *app, const struct target *t)
{
	if (app->view == VIEW_APPLY)
		return app->deploy.title ? NULL : xstrdup(T("nothing was compared yet"));
	if (!t->title)
		return xstrdup(T("no environment is under the cursor"));
	return *t->env ? NULL : xasprintf(T("%s is no environment of services.yaml"), t->title);
}

const char *app_what_stays(void)
{
	return T("uploads that are open are taken back; blobs and tags that arrived stay, and no tag is left broken");
}

static void on_yes(struct app *app, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	app_start_job(app, job_mirror, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_APPLYING);
}

static void add_images(struct app *app, enum job_change change, enum role role, const char *what)
{
	for (size_t i = 0; i < app->deploy.len; i++) {
		const struct deploy_row *row = &app->deploy.rows[i];

		if (row->change == change)
			pager_addf(&app->dialog.body, role, "%s %s%s%s", what, row->name, row->effect ? ": " : "", row->effect ? row->effect : "");
	}
}

static void ask(struct app *app)
{
	const struct target target = { .title = app->deploy.title, .env = app->deploy.env };
	bool slot = strcmp(app->deploy.env, "ai") == 0;
	AUTO_FREE char *word = app_word_for(app, &target, slot ? app->deploy.title : app->deploy.env);
	AUTO_FREE char *title = xasprintf(T("Mirror images for %s"), app->deploy.title);

	dialog_open(&app->dialog, word ? DIALOG_TYPE : DIALOG_CONFIRM, title, on_yes, NULL, NULL);
	app->dialog.word = GIVE(word);
	pager_addf(&app->dialog.body, ROLE_TEXT, "%s: %s", app->deploy.title, app->deploy.verdict);
	add_images(app, CHANGE_WOULD_CREATE, ROLE_TEXT, T("copies"));
	add_images(app, CHANGE_WOULD_CONFIGURE, ROLE_TEXT, T("replaces"));
	add_images(app, CHANGE_UNCHANGED, ROLE_DIM, T("is there:"));
	add_images(app, CHANGE_FAILED, ROLE_BAD, T("will fail:"));
	pager_add(&app->dialog.body, ROLE_DIM, T("only what is missing is sent: blobs, then manifests, then the tag"));
}

static void look(struct app *app, const struct target *t)
{
	bool again = app->view == VIEW_APPLY;

	app_start_job(app, job_mirror, again ? app->deploy.title : t->title, again ? app->deploy.env : t->env, again ? app->deploy.slot : t->slot,
		      DEPLOY_COMPARING);
}

void app_mirror(struct app *app, const struct target *t)
{
	bool looked = app->view == VIEW_APPLY && app->deploy.mirrors && app->deploy.phase == DEPLOY_COMPARED;

	if (app_job_runs(app))
		app_say(app, "a job is running on %s: c cancels it", app->deploy.title);
	else if (!looked)
		look(app, t);
	else if (!app->deploy.differences)
		app_say(app, "every image is there: nothing to mirror");
	else if (app->options->read_only)
		app_say(app, "read-only: nothing is mirrored (the program was started with --read-only)");
	else
		ask(app);
}
