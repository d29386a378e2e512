/*
 * view: what screens share: the state they draw from, and the pieces that all of them have. Private to ui.
 */
#ifndef SLOTDECK_UI_VIEW_H
#define SLOTDECK_UI_VIEW_H

#include "base/map.h"
#include "base/queue.h"
#include "ui/app.h"
#include "ui/canvas.h"
#include "ui/keymap.h"

/* ---- screen 5: one comparison or deployment, fed by job events ---- */

struct deploy_row {
	char *item, *kind, *namespace, *name;
	enum job_change change;
	char *message, *diff, *effect, *state;
};

enum deploy_phase { DEPLOY_IDLE, DEPLOY_COMPARING, DEPLOY_COMPARED, DEPLOY_APPLYING, DEPLOY_ENDED };

struct deploy_view {
	char *title; /* of the environment */
	char *env;
	int64_t slot;
	enum deploy_phase phase;
	struct deploy_row *rows;
	size_t len, cap;
	struct map by_identity; /* "kind namespace/name" → index + 1 */
	size_t cursor;
	int scroll;	  /* of the diff */
	char **log;	  /* what the run says, newest last */
	size_t nlog, log_cap;
	char *step;
	size_t done, total;
	char *verdict;
	int exit_code;
	int64_t started_ms;
	size_t differences, conflicts;
};
void deploy_view_release(struct deploy_view *view);
/* Begins anew for another comparison. */
void deploy_view_begin(struct deploy_view *view, const char *title, const char *env, int64_t slot, enum deploy_phase phase, int64_t now_ms);
/* Takes in what a job says. */
void deploy_view_event(struct deploy_view *view, const struct job_event *event);
void deploy_view_draw(const struct deploy_view *view, struct canvas *canvas, int top, int64_t now_ms);

/* ---- screen 1 ---- */

struct envs_view {
	char *selected; /* title of the environment under the cursor: it stays there while rows move */
	size_t cursor;
};
void envs_view_draw(const struct envs_view *view, struct live *live, struct canvas *canvas, int top);
/* The environment under the cursor; NULL: there is none. */
const struct environment *envs_view_current(struct envs_view *view, struct live *live);
void envs_view_move(struct envs_view *view, struct live *live, long by);
void envs_view_next_problem(struct envs_view *view, struct live *live);

void help_view_draw(struct canvas *canvas, int top, size_t scroll);

/* ---- pieces ---- */

enum role role_of_state(enum health_state state);
/* One cell: healthy, progressing, degraded, … */
const char *mark_of_state(enum health_state state);
/* "0:41", "3m", "2h", "12d" */
void add_age(struct buf *out, int64_t ms);

#endif
