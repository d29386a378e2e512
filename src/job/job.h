/*
 * job: work that ends, told step by step, the same for a person at a key and a CI job at a prompt.
 *
 * A job function runs top to bottom on one thread: the caller's (command line) or its own (job_start()). Everything it has to say is a
 * struct job_event given to the sink, in order, on that thread; event and texts are borrowed during the call, job_event_copy()
 * keeps them. Words of enums (job_…_name) are stable: they are the JSON output. Texts may hold what servers and children said:
 * whoever prints to a terminal sanitises. No event ever holds a secret value.
 */
#ifndef SLOTDECK_JOB_JOB_H
#define SLOTDECK_JOB_JOB_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/diag.h"
#include "model/render.h"

struct kube;
struct net;
struct stack;
struct map;

/* ---- exit codes (docs/exit-codes in the man page) ---- */

enum job_exit {
	EXIT_DONE = 0,
	EXIT_DEGRADED = 1,    /* an object or step failed */
	EXIT_USAGE = 2,	      /* usage or configuration */
	EXIT_DIFFERENCES = 3, /* diff found some */
	EXIT_DENIED = 4,      /* not allowed or not logged in */
	EXIT_DEADLINE = 5,    /* time is over, still progressing */
	EXIT_PART_DONE = 6,   /* some applied, others not */
	EXIT_CONFLICT = 7,    /* field owner or lease */
	EXIT_PENDING = 8,     /* status: progressing */
	EXIT_SIGINT = 130,
	EXIT_SIGTERM = 143
};
/* The code that an error which ended everything stands for. signal_number: cancel_signal(). */
int job_exit_of_error(const struct error *err, int signal_number);

/* ---- events ---- */

enum job_event_kind {
	JOB_STARTED,	   /* text: what ("apply"), detail: env, namespace, slot as "ai-staging in project-ai-staging" */
	JOB_FINDING,	   /* preflight or configuration: severity, place, text, detail: hint */
	JOB_STEP_STARTED,  /* step: "namespace", "preflight", "hooks before", "layer 1", "hooks after", "prune", "wait" */
	JOB_STEP_FINISHED, /* step, ok, elapsed_ms, text: summary */
	JOB_PLANNED,	   /* once per object of the plan, in order: object, layer */
	JOB_OBJECT,	   /* outcome of one object: object, change, text: message */
	JOB_CONFLICT,	   /* object, field, theirs, ours, text: manager */
	JOB_DIFF,	   /* object, change (what apply would do), text: unified diff (secrets masked), detail: effect */
	JOB_HOOK,	   /* hook about to run or skipped: text: name, detail: "afterApply of echo-probe", change */
	JOB_LINE,	   /* one line of a hook's output: text; ok false: its stderr */
	JOB_WAIT,	   /* state of one awaited object changed: object, state, text: why in one line, deadline_ms */
	JOB_CAUSE,	   /* one line of a cause chain, after the JOB_WAIT or JOB_OBJECT it explains: depth, text */
	JOB_PROGRESS,	   /* done of total objects in step; with text: of total bytes, text: what that is in words */
	JOB_NOTE,	   /* something worth a line: text */
	JOB_RETRY,	   /* object or server is waited for: text: why, elapsed_ms: pause */
	JOB_FINISHED	   /* exit_code, text: verdict in one line, elapsed_ms; counts[] */
};
const char *job_event_name(enum job_event_kind kind); /* "started", "finding", … */

enum job_change {
	CHANGE_NONE,
	CHANGE_CREATED,
	CHANGE_CONFIGURED,
	CHANGE_UNCHANGED,
	CHANGE_PRUNED,
	CHANGE_CONFLICT,
	CHANGE_FAILED,
	CHANGE_SKIPPED,	       /* not reached, or dropped by a condition */
	CHANGE_WOULD_CREATE,   /* diff, dry run */
	CHANGE_WOULD_CONFIGURE,
	CHANGE_WOULD_PRUNE,
	CHANGE_WOULD_RECREATE, /* an immutable field differs */
	CHANGE_UNKNOWN,	       /* could not be compared: text says why */
	CHANGE_COUNT
};
const char *job_change_name(enum job_change change); /* "created", "would-create", … */

struct job_object {
	const char *item;      /* of services.yaml; "" for what belongs to none */
	bool is_infra;
	unsigned layer;	       /* 0 to 5 */
	const char *api_version, *kind, *namespace, *name;
	const char *file;      /* manifest; "" if unknown */
	unsigned line;
};

struct job_event {
	enum job_event_kind kind;
	uint64_t seq;	 /* from 1 */
	int64_t time_ms; /* wall clock */
	const char *run; /* run id */
	const char *step, *text, *detail; /* NULL when the kind has none */
	const char *field, *theirs, *ours;
	struct job_object object; /* kind NULL: none */
	struct place place;
	enum diag_severity severity;
	enum job_change change;
	const char *state; /* health_state_name(); NULL: none */
	bool ok;
	unsigned depth;
	size_t done, total;
	int64_t elapsed_ms, deadline_ms;
	size_t counts[CHANGE_COUNT];
	int exit_code;
};
/* Gives a copy that owns its texts. */
struct job_event *job_event_copy(const struct job_event *event);
void job_event_destroy(struct job_event *event);
DEFINE_AUTO(job_event);

typedef void job_sink_fn(const struct job_event *event, void *arg);

/* ---- what every job is given ---- */

struct job_context {	       /* all borrowed */
	struct net *net;
	struct kube *kube;     /* NULL for jobs without a cluster */
	const struct stack *stack;
	struct clock *clock;   /* NULL: the system's */
	struct cancel *cancel; /* NULL: never */
	job_sink_fn *sink;
	void *sink_arg;
	const char *run_id;    /* NULL: made anew */
};

/* ---- mirror ---- */

struct mirror_options { /* zero: every image of type external, as `slotdeck images mirror` */
	const char *const *only; /* names of services.yaml, NULL at the end; NULL: all */
	const char *platform;	 /* "linux/amd64": only that one of each index, whose digest then is the image's; NULL: all, as they are */
	bool insecure;		 /* the destination may be asked by plain http */
	bool skip_tls_verify, skip_tls_verify_pull; /* of the destination, of the sources */
	bool deny_exec, read_only;
	unsigned parallel;	 /* blobs at a time; 0: 6 */
	const char *endpoint;	 /* URL behind which all registries are, each below its name; NULL: where their names say. For simulations */
	const char *login_file;	 /* NULL: registry/login.h says where logins are looked for */
	unsigned retry_pause_ms; /* 0: 1 s */
};

/* ---- build ---- */

struct build_options { /* zero: every image of type build, as `slotdeck images build` */
	const char *const *only; /* names of services.yaml, NULL at the end; NULL: all */
	bool insecure, skip_tls_verify, skip_tls_verify_pull; /* as the builder's flags of these names */
	bool deny_exec, read_only;
	unsigned parallel;	 /* builds at a time; 0: 2 */
	const char *builder_image; /* kaniko with a shell and tar beside it; NULL: BUILD_BUILDER_IMAGE */
	const char *namespace;	 /* where Jobs run; NULL: the stack's */
	const char *cpu, *memory; /* that a build asks for, memory being its limit, too; NULL: nothing is said */
	unsigned build_timeout_ms; /* of one build, kept by the cluster; 0: 1 h */
	unsigned look_ms;	 /* between two looks at a Job; 0: 1 s */
	unsigned pull_patience_ms; /* so long may the builder's image fail to be pulled; 0: 60 s */
	const char *endpoint;	 /* as of mirror_options */
	const char *login_file;
	unsigned retry_pause_ms;
};
/* The fork of kaniko that lives on, in the flavour with busybox. */
#define BUILD_BUILDER_IMAGE                                                                                            \
	"ghcr.io/osscontainertools/kaniko:v1.28.5-debug@sha256:d6d74217dc077acfd3094992e917c357080a2d3fdd1042a49e34e29a7e57c572"

/* ---- apply, diff, wait, status ---- */

struct apply_options { /* zero: as `slotdeck apply --env E` */
	struct render_filters filters;
	const char *operation; /* name for hooks: "apply"; NULL: that */
	bool preflight;	       /* the full list of findings; what would break for certain is looked for always */
	bool wait;
	bool dry_run;	       /* server-side; nothing is written, no hook runs */
	bool prune;
	const char *const *prune_also; /* guarded objects that may go, "Kind/name", NULL at the end */
	bool force_conflicts;
	bool hooks_of_all;     /* codexctl's way: hooks of items that filters left out run too (W-09) */
	bool no_hooks;
	unsigned parallel;     /* 0: 32 */
	unsigned apply_timeout_ms; /* writes of all layers with their retries; 0: 10 min, more for large plans */
	unsigned wait_timeout_ms;  /* 0: codex.timeouts.deployWait, else 600 s */
	unsigned settle_ms;	   /* how long ready must last; UINT_MAX: default 10 s */
	unsigned grace_ms;	   /* of wobble; UINT_MAX: default 60 s */
	unsigned lease_wait_ms;    /* wait for another deployer; 0: fail at once */
	unsigned wait_times;	   /* the wait lasts at most so many times its limit; 0: once */
	unsigned wait_pause_ms;	   /* and so much longer between two of them, doubled each time */
	unsigned attempts;	   /* of one object for one transient cause; 0: as the cause allows */
	unsigned retry_pause_ms;   /* before the second attempt, doubled each time; 0: 250 ms, at most 5 s */
	const struct mirror_options *mirror; /* of job_mirror(); NULL: as if zero */
	const struct build_options *build;   /* of job_build(); NULL: as if zero */
};
/* Each returns an exit code and has sent JOB_FINISHED. */
int job_apply(const struct job_context *context, const struct apply_options *options);
int job_diff(const struct job_context *context, const struct apply_options *options);
/* Waits for the objects that the stack renders, without applying. */
int job_wait(const struct job_context *context, const struct apply_options *options);
/* One look: JOB_WAIT for each object, 0 healthy, 1 degraded, 8 progressing, 4 no right. */
int job_status(const struct job_context *context, const struct apply_options *options);
/*
 * Copies the external images of services.yaml to their local names: as they are, all platforms, same digest. Looks first what is
 * there; blobs go before manifests, the tag last, so that at any moment each tag is the old or the new image, whole. The same order
 * in each run. Of the options dry_run (look only; EXIT_DIFFERENCES when something is to be copied), apply_timeout_ms and mirror count.
 * Needs no cluster. JOB_OBJECT for each image in the file's order; JOB_PROGRESS counts bytes.
 */
int job_mirror(const struct job_context *context, const struct apply_options *options);
/*
 * Builds the images of type build, each as a Job in the cluster that gets its context through exec (job/build_private.h). In the file's
 * order, some at a time. Of the options dry_run (look at the files only; EXIT_DIFFERENCES when there is something to build),
 * apply_timeout_ms and build count. However it ends, no Job, pod or Secret of it stays. JOB_OBJECT for each image in the file's order,
 * a JOB_NOTE with it tells each new stage, JOB_LINE what the builder writes; JOB_PROGRESS counts thousandths of each image.
 */
int job_build(const struct job_context *context, const struct apply_options *options);

/* ---- on a thread of its own, for the screens ---- */

struct job;
typedef int job_fn(const struct job_context *context, const struct apply_options *options);
/* Copies context and options (their pointers stay borrowed); uses a cancel flag of its own. The sink runs on the job's thread. */
struct job *job_start(job_fn *fn, const struct job_context *context, const struct apply_options *options);
void job_cancel(struct job *job);
bool job_ended(const struct job *job, int *ret_exit_code);
/* Cancels if it still runs, waits for its end and frees it. NULL is fine. */
void job_destroy(struct job *job);
DEFINE_AUTO(job);

#endif
