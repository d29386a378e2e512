/*
 * state: the dashboard as a whole: what its screens share and how they are joined. Private to ui.
 *
 * A screen is one row of views[]: how it is drawn, what it does on an action, what lies under its cursor. Keys are looked up in the
 * key table (ui/keymap.h) and come to a screen as actions; what a screen does not take is done here for all (look at the object
 * under the cursor, change it, go elsewhere). Above the screen lie, in this order, a dialog, a picker, a line that is typed.
 */
#ifndef SLOTDECK_UI_STATE_H
#define SLOTDECK_UI_STATE_H

#include "base/map.h"
#include "base/queue.h"
#include "job/act.h"
#include "job/history.h"
#include "live/asked.h"
#include "live/browse.h"
#include "live/forward.h"
#include "live/task.h"
#include "model/journal.h"
#include "model/ref.h"
#include "ui/app.h"
#include "ui/dialog.h"
#include "ui/fetch.h"
#include "ui/keymap.h"
#include "ui/log_pane.h"
#include "ui/pager.h"
#include "ui/picker.h"
#include "ui/piece.h"
#include "ui/slots.h"
#include "ui/list.h"
#include "ui/term.h"
#include "ui/view_apply.h"

struct settings_action;
struct settings_file;
struct term;

/* What a key acts on. Texts are owned. */
struct target {
	char *title;		  /* of the environment; NULL: none */
	char *env, *namespace;	  /* with title; env "": not one of services.yaml */
	int64_t slot;
	struct object_ref object; /* empty: the environment as a whole */
	char *record_name, *record_namespace; /* of the slot; NULL: none */
	char *doubt;		  /* why what is shown of the object may be old; NULL: see the live model */
};
void target_release(struct target *target);
DEFINE_AUTO_RELEASE(target);

/* What an action is done to: the marked rows, and without marks what is under the cursor. */
struct targets {
	struct target at;	/* under the cursor */
	struct target *items;	/* marked; at most CHANGE_MAX of them */
	size_t len, cap;
	size_t count;		/* marked in all */
	size_t gone;		/* marks whose rows are there no more: they were dropped */
	struct list *list;	/* whose marks they are; NULL: none */
};
void targets_release(struct targets *targets);
DEFINE_AUTO_RELEASE(targets);
/* Adds one that is marked and gives it, to be filled; NULL: it was only counted. */
struct target *targets_add(struct targets *targets);

struct view_ops {
	const char *name;
	unsigned tab; /* 1 to 6; 0: none */
	void (*draw)(struct app *app, struct canvas *canvas, struct area area);
	/* False: not for me. */
	bool (*act)(struct app *app, enum action action);
	/* Fills ret (zeroed). NULL: there is never anything under the cursor. */
	void (*target)(struct app *app, struct target *ret);
	/* Adds the marked rows to ret, with the list they are of. NULL: nothing is ever marked. */
	void (*marked)(struct app *app, struct targets *ret);
	/* For / where the screen has a list or text; NULL: it has none. text NULL: ends it. */
	void (*find)(struct app *app, const char *text);
	/* The whole as text, for saving; NULL: what is on the screen. */
	void (*text)(struct app *app, struct buf *out);
	/* As it was at the start; nothing of the cluster is left. */
	void (*release)(struct app *app);
};
extern const struct view_ops *const views[VIEW_COUNT];
extern const struct view_ops envs_view_ops, slots_view_ops, work_view_ops, runs_view_ops, review_view_ops, browse_view_ops, object_view_ops, logs_view_ops, page_view_ops;

/* ---- screens ---- */

struct envs_view {
	struct list list;
};

struct slots_view {
	struct list list;
	struct slot_cards cards;
	char key[32];  /* of the row last asked for */
	long per_row;  /* cards in a row, as last drawn */
};

enum work_tab { WORK_WHY, WORK_EVENTS, WORK_CHANGES, WORK_REVISIONS, WORK_MANIFEST, WORK_TABS };

struct work_view {
	char *title;		  /* of the environment; NULL: the first */
	struct object_ref object; /* the workload that is open; empty: the list of them */
	struct list workloads, pods;
	struct pager text;
	enum work_tab tab;
	bool in_text, zoomed; /* which pane has the keys */
	struct fetch fetch;   /* of the tabs that the server is asked for */
	uint64_t made_of;     /* number of the answer that text was made of */
	struct env_members members;
	struct entry **pod_entries;
	size_t npods, pods_cap;
	struct buf key; /* of the row last asked for */
};

struct runs_view {
	struct list list;
	struct entry **pods;
	size_t npods, pods_cap;
};

struct browse_view {
	const struct kube_resource *resource;
	char *namespace; /* "": all */
	struct table *table;
	struct list list;
	char *filter;
	struct list_column columns[24];
	int column_of[24]; /* of the server's table; -1: the namespace */
};

enum object_tab { OBJECT_SUMMARY, OBJECT_MANIFEST, OBJECT_EVENTS, OBJECT_TREE, OBJECT_CHANGES, OBJECT_REVISIONS, OBJECT_VALUE, OBJECT_TABS };

struct object_view {
	struct object_ref object;
	enum object_tab tab;
	struct pager text;
	struct fetch fetch;
	uint64_t made_of;
	bool shows_value;
};

struct logs_view {
	struct logs *logs; /* NULL: none are open */
	struct log_pane pane;
	struct logs_range range;
	struct target *of; /* one, or those that were marked */
	size_t nof;
	char *title; /* "Deployment users"; NULL: none were open yet */
	enum logs_save_state saved; /* as last told */
};

/* A text made from what is known, anew when that changes. */
struct page_view {
	char *title;
	void (*fill)(struct app *app, struct pager *pager);
	struct pager text;
	struct object_ref object; /* for pages about one; else empty */
	char *of;		  /* title of the environment; NULL */
	enum view_id of_view;	  /* for the help: of which view */
	struct history history;	  /* as last read */
};

struct review_view {
	struct list list;
};

/* ---- what was said and sent ---- */

struct notice {
	int64_t at_ms; /* wall clock */
	bool bad;
	char *text;
};

enum prompt_kind { PROMPT_NONE, PROMPT_FIND, PROMPT_FILTER };

/* All that belongs to the cluster on the screens. Nothing else of the dashboard knows which one that is. */
struct session {
	struct app_cluster cluster;
	struct tasks *tasks; /* questions to it, and changes */
	struct forwards *forwards;
	struct logs *logs; /* of a session that is left: they were on the screen */
	struct queue *events; /* of the job: struct job_event */
	struct job *job;
	struct app_target target;
	bool has_target;
};

/* ---- the session (ui/session.c) ---- */

/* Keeps cluster as it is, and owns none of it. */
struct session *session_create(const struct app_cluster *cluster);
/* Ends the job, and lets go of what it was given. */
void session_close_job(struct session *session, const struct app_options *options);
/* Cancels what runs and waits until that has noticed. Any thread, when no other uses it. */
void session_destroy(struct session *session, const struct app_options *options);

#define TRAIL_MAX      32
#define ASKED_KEPT_MAX 200
#define NOTICES_MAX    200

struct app {
	const struct app_options *options;
	struct settings_file *settings; /* NULL: none (a dump) */
	struct settings_action *actions; /* what keys can be given to */
	size_t nactions;
	struct session *session;
	struct live *live; /* of the session */
	struct tasks *chores; /* what no cluster keeps waiting: files, other programs, clusters that are opened and left */
	struct opening *opening; /* another cluster is being opened; NULL: none is. Its task's */
	struct app_contexts contexts; /* of the kubeconfig, as last read */
	struct asked_list asked_before; /* of other clusters' pods; newest first */
	struct term *term;
	struct canvas *canvas;

	enum view_id view, previous;
	enum view_id trail[TRAIL_MAX]; /* where Esc leads back to */
	size_t ntrail;

	struct envs_view envs;
	struct slots_view slots;
	struct work_view work;
	struct runs_view runs;
	struct deploy_view deploy;
	struct review_view review;
	struct browse_view browse;
	struct object_view object;
	struct logs_view logs;
	struct page_view page;

	struct dialog dialog;
	struct picker picker;
	bool palette_lacks_kinds; /* it was opened before the server said which it has */
	struct line_edit prompt;
	enum prompt_kind prompting;
	bool find_is_filter;  /* what is typed hides lines of a text, instead of being searched */
	char *filtered[VIEW_COUNT]; /* by what text; NULL: not. Esc ends the filter or search of a view first */

	size_t changing;   /* changes (ui/change.h) that are being done */
	unsigned stops; /* how often all of them were cancelled: what was not begun by then is left out */

	struct notice notices[NOTICES_MAX]; /* a ring; nnotices counts all that ever were */
	size_t nnotices;
	char *message; /* one line, until the next key */
	bool message_is_bad;
	char *strip_trouble; /* with the record of health, as last told; NULL: nothing */
	bool dirty, quit;
	bool behind; /* the last turn could not take in all that had come */
	int64_t drawn_ms, key_ms; /* monotonic */
	uint64_t asked;		  /* requests so far */
	struct mouse mouse;	  /* of the last KEY_TERM_MOUSE */
	char *pasted;		  /* of the last KEY_TERM_PASTE */
	size_t nmarks;		  /* set in the recording */
	bool job_replayed;	  /* a recorded job has not ended yet */
	char *wanted, *wanted_namespace; /* to be opened when the server has said which kinds it has; NULL: nothing is */
};

/* ---- what the person has chosen (ui/setup.c) ---- */

/* Reads the settings and takes them over; a file that is wrong is said. term: what they mean for term_open(). */
struct term_options;
void setup_begin(struct app *app, struct term_options *ret_term);
/* After term_open(). */
void setup_take_over(struct app *app);
/* The terminal's title names project and cluster, if the settings want one. */
void setup_title(struct app *app);
/* Once a second: takes over what has changed. */
void setup_check(struct app *app);
void setup_end(struct app *app);
/* For a replay: what was recorded instead of the person's own settings. term may be NULL. */
void setup_replay(struct app *app, const char *text, struct term_options *ret_term);
/* Gives the theme of that name, for pictures; the person's own ones are known too. */
struct theme;
bool setup_theme(const char *name, struct theme **ret_theme, struct error *err);
/* Between two draws that no key asked for. */
int64_t setup_frame_ms(const struct app *app);

/* ---- the whole (ui/app.c); tests play it without a terminal ---- */

void app_init(struct app *app, const struct app_options *options, int cols, int rows);
void app_release(struct app *app);
void app_key(struct app *app, uint32_t key);
/* Takes in what has arrived. True: something that is shown may have changed. */
bool app_poll(struct app *app, int64_t budget_ms);
void app_draw(struct app *app);
/* Goes to what --screen and --open name. */
bool app_begin(struct app *app, struct error *err);
void app_job_event(struct app *app, const struct job_event *event);
/* This is a replay, in which what is not ours does not happen; said if so. what: "a shell". */
bool app_replays(struct app *app, const char *what);

/* ---- going places (ui/go.c) ---- */

void app_go(struct app *app, enum view_id view);
void app_back(struct app *app);
void app_quit(struct app *app);
/* Makes the view VIEW_WORK show the workloads of an environment, or one workload (object NULL or empty: the list). */
void work_show(struct app *app, const char *title, const struct object_ref *object);
/* The revision under the cursor of a list of revisions; 0: none is. */
int64_t work_revision(struct app *app);
int64_t object_revision(const struct app *app);
/* "agent 41", "-": the agent of an environment, in a word or two. */
void run_of_environment(struct app *app, const struct environment *env, struct buf *out);
/* word: as a person types it (po, pods, deployments.apps); namespace NULL or "": all. False, said: there is no such kind. */
bool app_open_kind(struct app *app, const char *word, const char *namespace);
/* KIND or KIND/NAME, as --open takes it; again and again until the server's kinds are known. */
void app_open_wanted(struct app *app, const char *word, const char *namespace);
void app_open_object(struct app *app, const struct object_ref *object, enum object_tab tab);
/* Logs of an environment (no object), a workload or a pod. */
void app_open_logs(struct app *app, const struct target *target);
/* Of all that is marked, as one stream; what has no logs is left out, and said. */
void app_open_marked_logs(struct app *app, const struct targets *targets);
/* Of the agent in the environment of target; while a job runs for that environment, the screen of the job. */
void app_open_agent_logs(struct app *app, const struct target *target);
/* --screen logs: --open names whose. */
bool app_begins_with_logs(const struct app *app);
/* Every container that is known has been asked for its log, and what came is in the store. */
bool logs_view_is_settled(const struct app *app);
/* As live_poll() and live_fd(), for the logs that are open; the descriptor is -1 when nothing is to be waited for. */
bool logs_view_poll(struct app *app, int64_t budget_ms);
int logs_view_fd(const struct app *app);
/* When logs_view_poll() is due although nothing arrives, by the monotonic clock. */
int64_t logs_view_due_ms(const struct app *app, int64_t now_ms);
/* object, of: may be NULL. */
void app_open_page(struct app *app, const char *title, void (*fill)(struct app *app, struct pager *pager), const struct object_ref *object, const char *of);
void app_do(struct app *app, enum action action);
/* What lies under the cursor of the present view; ret is zeroed. */
void app_target(struct app *app, struct target *ret);
void target_of_environment(struct app *app, struct target *target, const struct environment *env);
/* With the environment of its namespace. */
void target_of_entry(struct app *app, struct target *target, const struct entry *entry);
/* NULL: not known (any more). */
const struct environment *app_environment(struct app *app, const char *title);
/* The first one in a namespace. */
const struct environment *app_environment_in(struct app *app, const char *namespace);
struct entry *app_entry(struct app *app, const struct object_ref *object);
/* Why a list of kind in namespace ("": anywhere) may have nothing although there is something: "pods are being listed"; nothing is added
 * when what is shown is known to be all. */
void app_add_doubt(struct app *app, const struct kind *kind, const char *namespace, struct buf *out);

/* One line below, until the next key. */
void app_say(struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and kept among the notices. */
void app_notice(struct app *app, bool bad, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The newest first; NULL past the oldest. */
const struct notice *app_notice_at(const struct app *app, size_t n);
/* A key is answered at once, so rows hold still for a moment behind it. */
bool app_holds_still(const struct app *app);

/* That ! found nothing. */
void app_say_no_problem(struct app *app);
/* Environments, pods, and what owns pods; Secrets and ConfigMaps. */
bool app_has_logs(const struct target *target);
bool app_has_values(const struct object_ref *object);

/* What lists and texts have in common: true when the action was one of theirs. */
/* How far an action moves a cursor, page rows being a page. False: it is no move. */
bool move_of(enum action action, int page, long *ret_by);
bool list_act(struct list *list, const struct list_source *source, enum action action, int page);
void list_find(struct app *app, struct list *list, const char *text);
/* That a view is filtered or searched by text (kept; NULL or empty: no longer). */
void app_note_filter(struct app *app, enum view_id view, const char *text);
bool pager_act(struct app *app, struct pager *pager, enum action action);
void text_find(struct app *app, struct pager *pager, const char *text);

/* ---- choosing (ui/palette.c) ---- */

void app_open_palette(struct app *app);
void app_open_menu(struct app *app);
/* Something became known that may stand against an action: what is open says so. */
void app_refresh_reasons(struct app *app);
/* Puts the kinds of the server into an open palette once they are known. */
void app_refresh_palette(struct app *app);
void app_open_copy_menu(struct app *app, const struct target *target);
/* Writes the view as text into the present folder. */
void app_save(struct app *app);

/* ---- other clusters (ui/clusters.c) ---- */

/* A list of the contexts, to choose the one whose cluster is shown. */
void app_open_contexts(struct app *app);
/* Adds "context NAME" for each, with app_pick_context() to go there. */
void app_add_contexts(struct app *app, struct picker *picker, int tag);
/* Opens it beside the screen; then it is shown, or why it can't be is said. The item's text is the context. */
void app_pick_context(struct app *app, const struct pick_item *item);
/* Reads the kubeconfig again, beside the screen. */
void app_read_contexts(struct app *app);
/* Why no other cluster can be shown now; NULL: one can. Gives. */
char *app_reason_against_leaving(const struct app *app);
/* Waits until clusters that were left are closed. */
void clusters_end(struct app *app);

/* ---- changes (ui/act.c) ---- */

/* Prepares, asks, does: to what is marked, else to what is under the cursor. Actions that change nothing are not known here. */
void app_act(struct app *app, enum action action);
/* ret is zeroed. Says it when marked ones are gone. */
void app_targets(struct app *app, struct targets *ret);
/* As app_reason_against(): NULL when one of the marked can be done. */
char *app_reason_against_all(struct app *app, const struct targets *targets, enum action action);
/* Sees to it that the rights on the targets get known; asks beside the screen, and not each time. */
void app_heed_rights(struct app *app, const struct targets *targets);
/* The same for what is under the cursor or marked now; once a second. */
void app_heed_targets(struct app *app);
/* Says what failed and why, with its hint, among the notices; a refusal makes the rights be asked anew. */
void app_notice_error(struct app *app, const char *what, const struct error *err);
/* Why an action can't be done on target, as far as that is known now; NULL: it can. Gives. */
char *app_reason_against(struct app *app, const struct target *target, enum action action);
bool app_job_runs(const struct app *app);
/* A job, or changes. */
bool app_is_at_work(const struct app *app);
void app_ask_leave(struct app *app);
void app_ask_cancel(struct app *app);

/* What must be typed to confirm a change to name in target's environment; NULL: it is a slot, y will do. Gives. */
char *app_word_for(const struct app *app, const struct target *target, const char *name);

/* Starts a job on an environment and shows it on screen 5. */
void app_start_job(struct app *app, job_fn *fn, const char *title, const char *env, int64_t slot, enum deploy_phase phase);

/* ---- mirroring and building images (ui/images.c) ---- */

/* Looks what is to be done; on screen 5, when it has looked, asks and then does it. */
void app_images(struct app *app, enum deploy_about about, const struct target *target);
char *images_reason_against(const struct app *app, const struct target *target);
/* Of a job that ends before its time; of an apply it is said in the other words. */
const char *app_what_stays(const struct app *app, const char *of_an_apply);

/* ---- what leaves the dashboard and comes back (ui/outside.c) ---- */

/* A shell in a running pod of the object; asks first, and which container if there are several. */
void app_shell(struct app *app, const struct target *target);
/* Asks for the port. */
void app_forward(struct app *app, const struct target *target);
void app_stop_forward(struct app *app);
/* The text of the view, as a copy, in $VISUAL or $EDITOR. */
void app_edit(struct app *app);
/* The public address of the environment; without a display it is copied instead. */
void app_browser(struct app *app, const struct target *target);
/* Puts text on the clipboard of the terminal; what is said of it. */
void app_copy(struct app *app, const char *text, const char *what);

/* ---- pages (ui/pages.c) ---- */

void page_help(struct app *app, struct pager *pager);
void page_why(struct app *app, struct pager *pager);
/* How an environment is and was, and each object of it that is not healthy. */
void add_why_environment(struct app *app, struct pager *pager, const struct environment *env);
void page_jobs(struct app *app, struct pager *pager);
void page_commands(struct app *app, struct pager *pager);
void page_events(struct app *app, struct pager *pager);
void page_changes(struct app *app, struct pager *pager);
/* Lines about one object, or about all in a namespace (object NULL), from the store. */
void add_events(struct app *app, struct pager *pager, const struct object_ref *object, const char *namespace);
void add_changes(struct app *app, struct pager *pager, const struct object_ref *object, const char *namespace);
/* Of all environments, each with its own. */
void add_newest_events(struct app *app, struct pager *pager);

#endif
