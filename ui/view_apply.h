/*
 * view_apply: screen 5, one comparison or deployment, fed by job events. Knows nothing of the rest of the dashboard. Private to ui.
 */
#ifndef SLOTDECK_UI_VIEW_APPLY_H
#define SLOTDECK_UI_VIEW_APPLY_H

#include "base/map.h"
#include "job/progress.h"
#include "ui/piece.h"

struct pager;

struct deploy_row {
	char *item, *kind, *namespace, *name;
	enum job_change change;
	char *message, *diff, *effect, *state;
};

enum deploy_about { ABOUT_OBJECTS, ABOUT_MIRRORING, ABOUT_BUILDING };
enum deploy_phase { DEPLOY_IDLE, DEPLOY_COMPARING, DEPLOY_COMPARED, DEPLOY_APPLYING, DEPLOY_ENDED };

struct deploy_view {
	char *title; /* of the environment */
	char *env;
	int64_t slot;
	enum deploy_about about;
	enum deploy_phase phase;
	struct deploy_row *rows;
	size_t len, cap;
	struct map by_identity; /* "kind namespace/name" → index + 1 */
	size_t cursor;
	int scroll;	  /* of the diff */
	char **log;	  /* what the run says, newest last */
	size_t nlog, log_cap;
	char *step;
	struct progress progress;
	char *verdict;
	int exit_code;
	size_t differences, conflicts;
};
void deploy_view_release(struct deploy_view *view);
/* Begins anew for another comparison. progress is not begun: its caller knows the job. */
void deploy_view_begin(struct deploy_view *view, const char *title, const char *env, int64_t slot, enum deploy_phase phase, int64_t now_ms);
/* Takes in what a job says. */
void deploy_view_event(struct deploy_view *view, const struct job_event *event, int64_t now_ms);
bool deploy_view_runs(const struct deploy_view *view);
/* "apply dev [####....] wait, 1 of 2, 0:41, eta 0:50 (median 1:31 of 7)   c cancel", or how it ended; in one row. */
void deploy_view_draw_line(const struct deploy_view *view, struct canvas *canvas, int row, int64_t now_ms);
/* The same as text, without the bar. */
void deploy_view_line(const struct deploy_view *view, int64_t now_ms, struct buf *out);
void deploy_view_draw(const struct deploy_view *view, struct canvas *canvas, struct area area, int64_t now_ms);
void deploy_view_move(struct deploy_view *view, long by);
/* All of what the pane beside the plan shows of the object under the cursor; nothing without one. */
void deploy_view_details(const struct deploy_view *view, struct pager *pager);
/* Scrolls the difference of the row under the cursor, not beyond its last line. */
void deploy_view_scroll(struct deploy_view *view, int by);
/* To the next row that failed, conflicts or differs. */
bool deploy_view_next_problem(struct deploy_view *view);

#endif
