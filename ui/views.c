/* The table of screens, and what screen 5 (ui/view_apply.h), which knows nothing of the rest, needs to be one of them. */
#include "ui/state.h"
#include "ui/text.h"

static void draw_apply(struct app *app, struct canvas *canvas, struct area area)
{
	deploy_view_draw(&app->deploy, canvas, area, live_now_ms(app->live));
}

static void page_details(struct app *app, struct pager *pager)
{
	deploy_view_details(&app->deploy, pager);
}

/* At its whole width, and wrapped: the pane beside the plan cuts. */
static void open_details(struct app *app)
{
	if (app->deploy.cursor >= app->deploy.len)
		return;
	app_open_page(app, T("details"), page_details, NULL, app->deploy.title);
	app->page.text.wrap = true;
}

static bool act_apply(struct app *app, enum action action)
{
	long by;
	int page = app->canvas->rows / 2;

	if (move_of(action, page, &by)) {
		deploy_view_move(&app->deploy, by);
		return true;
	}
	if (action == ACTION_PREVIOUS_TAB || action == ACTION_NEXT_TAB)
		deploy_view_scroll(&app->deploy, action == ACTION_NEXT_TAB ? page / 2 : -page / 2);
	else if (action == ACTION_NEXT_PROBLEM && !deploy_view_next_problem(&app->deploy))
		app_say_no_problem(app);
	else if (action == ACTION_OPEN)
		open_details(app);
	else
		return action == ACTION_NEXT_PROBLEM;
	return true;
}

static void release_apply(struct app *app)
{
	deploy_view_release(&app->deploy);
}

const struct view_ops *const views[VIEW_COUNT] = {
	[VIEW_ENVS] = &envs_view_ops,
	[VIEW_SLOTS] = &slots_view_ops,
	[VIEW_WORK] = &work_view_ops,
	[VIEW_RUNS] = &runs_view_ops,
	[VIEW_APPLY] = &(const struct view_ops){ .name = N_("Apply"), .tab = 5, .draw = draw_apply, .act = act_apply, .release = release_apply },
	[VIEW_REVIEW] = &review_view_ops,
	[VIEW_BROWSE] = &browse_view_ops,
	[VIEW_OBJECT] = &object_view_ops,
	[VIEW_LOGS] = &logs_view_ops,
	[VIEW_PAGE] = &page_view_ops,
};
