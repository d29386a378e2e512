/* M and B: looks which images are to be mirrored or built, shows it on screen 5, asks, and does it. The jobs are job_mirror() and job_build();
 * nothing is computed here. */
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

struct image_work { /* what is said of it */
	job_fn *job;
	const char *nothing, *read_only, *creates, *how, *stays;
};

static const struct image_work works[] = {
	[ABOUT_MIRRORING] = { .job = job_mirror,
			      .nothing = N_("every image is there: nothing to mirror"),
			      .read_only = N_("read-only: nothing is mirrored (the program was started with --read-only)"),
			      .creates = N_("copies"),
			      .how = N_("only what is missing is sent: blobs, then manifests, then the tag"),
			      .stays = N_("uploads that are open are taken back; blobs and tags that arrived stay, and no tag is left broken") },
	[ABOUT_BUILDING] = { .job = job_build,
			     .nothing = N_("there is no image of type build: nothing to build"),
			     .read_only = N_("read-only: nothing is built (the program was started with --read-only)"),
			     .creates = N_("builds"),
			     .how = N_("each as a Job in the cluster; it gets its files from here"),
			     .stays = N_("the Jobs of builds are removed; images that were pushed stay, and no tag is left broken") },
};

char *images_reason_against(const struct app *app, const struct target *t)
{
	if (app->view == VIEW_APPLY)
		return app->deploy.title ? NULL : xstrdup(T("nothing was compared yet"));
	if (!t->title)
		return xstrdup(T("no environment is under the cursor"));
	return *t->env ? NULL : xasprintf(T("%s is no environment of services.yaml"), t->title);
}

const char *app_what_stays(const struct app *app, const char *of_an_apply)
{
	const char *stays = works[app->deploy.about].stays;

	return app_job_runs(app) && stays ? T(stays) : of_an_apply;
}

static void on_yes(struct app *app, void *arg, const char *text)
{
	const struct image_work *work = arg;

	(void)text;
	app_start_job(app, work->job, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_APPLYING);
}

static void add_images(struct app *app, enum job_change change, enum role role, const char *what)
{
	for (size_t i = 0; i < app->deploy.len; i++) {
		const struct deploy_row *row = &app->deploy.rows[i];

		if (row->change == change)
			pager_addf(&app->dialog.body, role, "%s %s%s%s", what, row->name, row->effect ? ": " : "", row->effect ? row->effect : "");
	}
}

static void ask(struct app *app, const struct image_work *work)
{
	const struct target target = { .title = app->deploy.title, .env = app->deploy.env };
	bool slot = strcmp(app->deploy.env, "ai") == 0;
	AUTO_FREE char *word = app_word_for(app, &target, slot ? app->deploy.title : app->deploy.env);
	AUTO_FREE char *title = work->job == job_build ? xasprintf(T("Build images for %s"), app->deploy.title) :
						       xasprintf(T("Mirror images for %s"), app->deploy.title);

	dialog_open(&app->dialog, word ? DIALOG_TYPE : DIALOG_CONFIRM, title, on_yes, (void *)work, NULL);
	app->dialog.word = GIVE(word);
	pager_addf(&app->dialog.body, ROLE_TEXT, "%s: %s", app->deploy.title, app->deploy.verdict);
	add_images(app, CHANGE_WOULD_CREATE, ROLE_TEXT, T(work->creates));
	add_images(app, CHANGE_WOULD_CONFIGURE, ROLE_TEXT, T("replaces"));
	add_images(app, CHANGE_UNCHANGED, ROLE_DIM, T("is there:"));
	add_images(app, CHANGE_FAILED, ROLE_BAD, T("will fail:"));
	pager_add(&app->dialog.body, ROLE_DIM, T(work->how));
}

static void look(struct app *app, const struct image_work *work, const struct target *t)
{
	bool again = app->view == VIEW_APPLY;

	app_start_job(app, work->job, again ? app->deploy.title : t->title, again ? app->deploy.env : t->env, again ? app->deploy.slot : t->slot,
		      DEPLOY_COMPARING);
}

void app_images(struct app *app, enum deploy_about about, const struct target *t)
{
	const struct image_work *work = &works[about];
	bool looked = app->view == VIEW_APPLY && app->deploy.about == about && app->deploy.phase == DEPLOY_COMPARED;

	if (app_job_runs(app))
		app_say(app, "a job is running on %s: c cancels it", app->deploy.title);
	else if (!looked)
		look(app, work, t);
	else if (!app->deploy.differences)
		app_say(app, "%s", T(work->nothing));
	else if (app->options->read_only)
		app_say(app, "%s", T(work->read_only));
	else
		ask(app, work);
}
