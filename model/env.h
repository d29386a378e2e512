/*
 * env: environments as rows, the way people think of a cluster: what belongs together, how it is, why, since when.
 *
 * What an environment is comes from three places, in this order: named places (services.yaml: environment and namespace),
 * slot records (ConfigMaps of the state namespace, slots-and-state 1), labels slotdeck.dev/{project,env,slot} of
 * objects. With none of them each namespace that holds workloads is an environment of its own name. An object belongs
 * to the environment of its namespace; where several share one (an ai-repair slot inside ai-staging), its labels
 * decide, and what has no labels belongs to the one without a slot.
 *
 * Thread: the store's. Everything given out is borrowed until the next envs_update().
 */
#ifndef SLOTDECK_MODEL_ENV_H
#define SLOTDECK_MODEL_ENV_H

#include "model/health.h"

struct envs;

struct envs_options { /* all is copied; NULL texts are "" */
	const char *project;		/* only its objects and namespaces; "": all of them */
	const char *state_namespace;	/* of slot records; "": there are none */
	const char *record_prefix;	/* "codex-env-" */
	bool show_other_namespaces;	/* also namespaces that are no environment of the project */
};

struct environment {
	const char *title;     /* "ai-staging", "slot 3" */
	const char *env;       /* "ai"; "" for plain namespaces */
	const char *namespace;
	int64_t slot;	       /* 0: none */
	/* Of its record; "" or 0 when there is none. */
	const char *owner, *record_name;
	int64_t issue, pr;
	bool has_record, has_namespace;
	int64_t created_ms;    /* of the record, else of the namespace; 0: unknown */

	enum health_state state; /* rolled up (rule 12), grace counted as progressing */
	enum health_state shown; /* of the worst member, degraded also within its grace */
	int64_t since_ms;
	int64_t counts_ms;     /* the worst member is degraded and counts from then on; 0 */
	int64_t deadline_ms;   /* of the worst member */
	unsigned ready, total; /* workloads: healthy, all */
	size_t counts[HEALTH_DEGRADED + 1]; /* members by counted state */
	size_t members;
	const char *why;       /* one line: the deepest cause of the worst member; "" */
	const char *rule_id;   /* what decided */
	const struct kind *worst_kind; /* NULL: none */
	const char *worst_name;
	const struct causes *causes; /* its chain; never NULL */
	const char *changed;   /* newest change of a wish: "Deployment users by kubectl-edit: replicas 1 -> 3"; "" */
	int64_t changed_ms;    /* when; 0 */
	const char *finding;   /* a contradiction between record, namespace and objects; "" */
	int64_t proof_ms;      /* the oldest proof among what was read; 0: never */
};

/* Borrows store and health until envs_destroy(). */
struct envs *envs_create(struct store *store, struct health *health, const struct envs_options *options);
void envs_destroy(struct envs *envs);
DEFINE_AUTO(envs);
/* A place that services.yaml names. The same env and slot again changes its namespace. */
void envs_add_place(struct envs *envs, const char *env, int64_t slot, const char *namespace);
/* An object that must be there (from a rendered stack); it counts as missing when it is not. */
void envs_expect(struct envs *envs, const struct kind *kind, const char *namespace, const char *name);
/*
 * The answer of an environment's public address (rule 13): with one, it is healthy only while the last good answer is at most
 * 60 s old. text says what was wrong ("HTTP 502", "connection refused"). title as in struct environment.
 */
void envs_set_site(struct envs *envs, const char *title, bool answers, const char *text, int64_t at_ms);
/* Looks again at what may have changed. True: something is different from before. Cheap when nothing is. */
bool envs_update(struct envs *envs, int64_t now_ms);
/* When envs_update() has something to do although nothing changes; INT64_MAX: never. */
int64_t envs_recheck_ms(const struct envs *envs);
size_t envs_count(const struct envs *envs);
/* Worst first; equals by title. NULL past the end. */
const struct environment *envs_at(const struct envs *envs, size_t n);
const struct environment *envs_find(const struct envs *envs, const char *title);

/* The members of one environment, worst first, for the screens below it. */
struct env_member {
	struct entry *entry;	   /* NULL: missing */
	const struct kind *kind;
	const char *name, *item;   /* item of services.yaml by label; "" */
	enum health_state state, counted;
	bool is_workload;
};
struct env_members {
	struct env_member *items;
	size_t len, cap;
};
/* Whether it stands in a list of workloads: they do, and so does whatever else is broken, missing or under way. */
bool env_member_is_listed(const struct env_member *member);
void env_members_release(struct env_members *members);
DEFINE_AUTO_RELEASE(env_members);
/* Fills members (emptied first). Entries are borrowed until the next change of the store. */
void envs_members(struct envs *envs, const struct environment *environment, struct env_members *members, int64_t now_ms);
/* The namespaces that must be watched for what is known now, "" not among them. NULL past the end. */
const char *envs_namespace_at(const struct envs *envs, size_t n);

#endif
