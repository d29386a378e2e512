#include <stdlib.h>
#include <string.h>

#include "live/browse_private.h"

#define AGE_MS 300000
#define RETRY_MS 30000 /* after a question that got no answer */

struct right { /* all rules of a namespace, or the answer to a single question */
	bool under_way;
	int64_t due_ms; /* when it is asked again; 0: at once */
	bool told;	/* once, at least */
	struct kube_rules *rules;
	enum browse_right state;
};

struct right_ask { /* between the owner and a worker */
	struct kube *kube;
	char *key, *namespace;
	struct kube_access question; /* verb NULL: all of the namespace. Its texts are owned */
	struct kube_rules *rules;
	struct error error;
};

void browse_right_free(void *item)
{
	struct right *right = item;

	kube_rules_destroy(right->rules);
	free(right);
}

/* ---- asking ---- */

static void right_work(const struct cancel *cancel, void *arg)
{
	struct right_ask *ask = arg;

	if (ask->question.verb)
		kube_can(ask->kube, &ask->question, 1, cancel, &ask->error);
	else
		kube_rules_ask(ask->kube, ask->namespace, cancel, &ask->rules, &ask->error);
}

/* Without an answer what was known before holds. */
static void right_end(void *arg, void *owner)
{
	struct right_ask *ask = arg;
	struct browse *browse = owner;
	struct right *right = map_get(&browse->rights, str_of(ask->key));

	right->under_way = false;
	right->told = true;
	right->due_ms = clock_now_ms(browse->clock) + (ask->error.kind ? RETRY_MS : AGE_MS);
	if (ask->error.kind)
		return;
	if (ask->question.verb) {
		right->state = ask->question.allowed ? RIGHT_YES : RIGHT_NO;
	} else {
		kube_rules_destroy(right->rules);
		right->rules = GIVE(ask->rules);
	}
}

static void right_release(void *arg)
{
	struct right_ask *ask = arg;
	const char *texts[] = { ask->question.verb, ask->question.group, ask->question.resource, ask->question.subresource, ask->question.name };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free((char *)texts[i]);
	free(ask->question.reason);
	free(ask->key);
	free(ask->namespace);
	kube_rules_destroy(ask->rules);
	error_release(&ask->error);
	free(ask);
}

static char *copy_or_null(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

/* question NULL: all of the namespace. */
static void ask_when_due(struct browse *browse, const char *key, const char *namespace, const struct kube_access *question)
{
	struct right *right = map_get(&browse->rights, str_of(key));
	struct right_ask *ask;

	if (!right) {
		right = xcalloc(1, sizeof *right);
		map_set(&browse->rights, str_of(key), right);
	}
	if (right->under_way || (right->due_ms && clock_now_ms(browse->clock) < right->due_ms))
		return;
	right->under_way = true;
	ask = xcalloc(1, sizeof *ask);
	ask->kube = browse->kube;
	ask->key = xstrdup(key);
	ask->namespace = xstrdup(namespace);
	if (question)
		ask->question = (struct kube_access){ .verb = xstrdup(question->verb),
						      .group = xstrdup(question->group),
						      .resource = xstrdup(question->resource),
						      .subresource = copy_or_null(question->subresource),
						      .namespace = ask->namespace,
						      .name = copy_or_null(question->name) };
	tasks_run(browse->tasks, &(struct task){ .work = right_work, .end = right_end, .release = right_release, .arg = ask });
}

/* ---- knowing ---- */

static const char *namespace_of(const struct kube_access *question)
{
	return question->namespace ? question->namespace : "";
}

static char *rules_key(const struct kube_access *question)
{
	return xasprintf("all of %s", namespace_of(question));
}

/* Names have no spaces. */
static char *single_key(const struct kube_access *q, const char *name)
{
	return xasprintf("%s %s %s/%s %s %s", q->verb, q->group, q->resource, q->subresource ? q->subresource : "", namespace_of(q), name);
}

static const struct right *find(const struct browse *browse, const char *key)
{
	return map_get(&browse->rights, str_of(key));
}

static const struct right *find_rules(const struct browse *browse, const struct kube_access *question)
{
	AUTO_FREE char *key = rules_key(question);

	return find(browse, key);
}

/* What the rules of its namespace say; what an incomplete list does not hold is left open. */
static enum browse_right by_rules(const struct right *right, const struct kube_access *question)
{
	if (!right || !right->rules)
		return RIGHT_UNKNOWN;
	if (kube_rules_allow(right->rules, question))
		return RIGHT_YES;
	return kube_rules_are_complete(right->rules) ? RIGHT_NO : RIGHT_UNKNOWN;
}

static enum browse_right by_single(const struct browse *browse, const struct kube_access *question, const char *name)
{
	AUTO_FREE char *key = single_key(question, name);
	const struct right *right = find(browse, key);

	return right ? right->state : RIGHT_UNKNOWN;
}

enum browse_right browse_may(const struct browse *browse, const struct kube_access *question)
{
	enum browse_right state = by_rules(find_rules(browse, question), question);

	if (state != RIGHT_UNKNOWN)
		return state;
	state = by_single(browse, question, "");
	return state == RIGHT_NO && question->name ? by_single(browse, question, question->name) : state;
}

/* For all names first: most rights are not bound to one, and then one question serves for all objects of the kind. */
void browse_ask_right(struct browse *browse, const struct kube_access *question)
{
	AUTO_FREE char *key = rules_key(question), *single = single_key(question, ""), *named = single_key(question, question->name ? question->name : "");
	struct kube_access unnamed = *question;
	const struct right *right;

	unnamed.name = NULL;
	if (*namespace_of(question)) {
		ask_when_due(browse, key, namespace_of(question), NULL);
		right = find(browse, key);
		if (!right->told || by_rules(right, question) != RIGHT_UNKNOWN)
			return;
	}
	ask_when_due(browse, single, namespace_of(question), &unnamed);
	if (question->name && by_single(browse, question, "") == RIGHT_NO)
		ask_when_due(browse, named, namespace_of(question), question);
}

void browse_doubt_rights(struct browse *browse)
{
	for (size_t i = 0; i < browse->rights.len; i++)
		((struct right *)browse->rights.entries[i].value)->due_ms = 0;
}

const char *browse_only_looks(const struct browse *browse)
{
	return browse->only_looks;
}
