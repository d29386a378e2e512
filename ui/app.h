/*
 * app: the dashboard. One loop on the main thread; everything that changes what is shown enters by app_input().
 *
 * The program that starts it (main.c) hands in what the screens stand on, so that nothing here knows of clusters or files: the live
 * model, and a way to open the stack of an environment for a job.
 */
#ifndef SLOTDECK_UI_APP_H
#define SLOTDECK_UI_APP_H

#include "job/job.h"
#include "live/browse.h"
#include "live/live.h"

/* What a job on one environment needs; lives until app_options.close_target(). */
struct app_target {
	struct job_context context;
	struct apply_options options;
	void *handle; /* of whoever made it */
};

struct recorder;
struct replay;

/* One cluster, and what the dashboard knows of it. */
struct app_cluster {
	const char *name;    /* as shown */
	const char *context; /* of the kubeconfig; NULL: none that could be gone to */
	struct kube *kube;   /* for the jobs and changes that screens start */
	struct live *live;
	struct browse *browse; /* any kind on demand */
	void *handle;	       /* of whoever made it */
};

/* The contexts of the kubeconfig. Texts are owned. */
struct app_context {
	char *name;
	char *server; /* its host, with the port if one is given; "" */
	char *namespace;
};
struct app_contexts {
	struct app_context *items;
	size_t len;
};
void app_contexts_release(struct app_contexts *contexts);

struct app_options {
	const char *project;
	struct app_cluster cluster; /* to begin with */
	int64_t max_slots; /* 0: not told */
	bool read_only;
	bool ascii, no_colour;
	const char *theme;
	const char *screen; /* to begin with: "slots", …; NULL: the environments */
	const char *logs_of; /* the environment ("dev", "slot 3") whose logs the screen "logs" shows when open names no object; NULL: none */
	const char *open, *open_namespace; /* the kind (or KIND/NAME) to begin with; NULL: the environments. open_namespace "": all */
	const char *state_namespace; /* of slot records; "" or NULL: none */
	/* Loads the stack of an environment. False with err when its files are wrong. Main thread. */
	bool (*open_target)(const char *env, int64_t slot, struct app_target *ret, struct error *err, void *arg);
	void (*close_target)(struct app_target *target, void *arg);
	/* ---- other clusters; NULL: there is no way to them ---- */
	/* Any thread. */
	bool (*list_contexts)(struct app_contexts *ret, struct error *err, void *arg);
	/* Reads what there is to know of it and logs in, without talking to it; not watched yet (live and browse NULL). Any thread but the main one. */
	bool (*open_cluster)(const char *context, const struct cancel *cancel, struct app_cluster *ret, struct error *err, void *arg);
	/*
	 * Begins to watch an opened one, in place of that which was shown before: to which from now on nothing more is sent, and which the
	 * caller closes. What is shown when the program ends is not the caller's. Main thread; never waits.
	 */
	void (*show_cluster)(struct app_cluster *cluster, void *arg);
	/* Any thread; may wait. */
	void (*close_cluster)(struct app_cluster *cluster, void *arg);
	void *arg;
	const struct cancel *cancel; /* NULL: none; when set the program leaves */
	struct recorder *recorder;   /* what enters is recorded; NULL: it is not */
	struct replay *replay;	     /* what enters comes from a recording (ui/replay.h); NULL: it does not */
};

/* Opens the terminal and runs until the person leaves. The exit status. */
int app_run(const struct app_options *options, struct error *err);
/* Waits until the first lists, and the logs of the screen "logs", are complete (5 s at most), draws that screen at that size and appends it: svg, or text. */
bool app_dump(const struct app_options *options, int cols, int rows, bool svg, struct buf *out, struct error *err);

#endif
