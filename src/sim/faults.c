#include "sim/faults.h"

#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct rule {
	json_t *source;
	enum fault_action action;
	bool after, has_path, has_agent;
	regex_t path, agent;
	unsigned long seen;
};

struct faults {
	pthread_mutex_t lock;
	struct rule *rules;
	size_t n;
};

static const char *const names[] = {
	[FAULT_NONE] = "", [FAULT_DELAY] = "delay", [FAULT_DRIP] = "drip", [FAULT_CUT] = "cut", [FAULT_RESET] = "reset",
	[FAULT_CLOSE] = "close", [FAULT_GARBAGE] = "garbage", [FAULT_STATUS] = "status", [FAULT_HANG] = "hang",
	[FAULT_HEADER] = "header", [FAULT_PAUSE] = "pause", [FAULT_DIE] = "die", [FAULT_FLOOD] = "flood",
};

const char *fault_name(enum fault_action action)
{
	return names[action];
}

struct faults *faults_create(void)
{
	struct faults *f = xcalloc(1, sizeof *f);

	pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void rules_free(struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (rules[i].has_path)
			regfree(&rules[i].path);
		if (rules[i].has_agent)
			regfree(&rules[i].agent);
		json_decref(rules[i].source);
	}
	free(rules);
}

void faults_destroy(struct faults *f)
{
	if (!f)
		return;
	rules_free(f->rules, f->n);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static bool compile(const json_t *source, const char *key, regex_t *regex, bool *ret_has, struct error *err)
{
	const char *pattern = json_string_value(json_object_get(source, key));
	char why[128];
	int code;

	if (!pattern)
		return true;
	code = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (code) {
		regerror(code, regex, why, sizeof why);
		return error_set(err, ERR_INVALID, "fault rule: %s \"%s\": %s", key, pattern, why);
	}
	*ret_has = true;
	return true;
}

static bool read_rule(const json_t *source, struct rule *rule, struct error *err)
{
	const char *action = jstr(source, "action");

	rule->source = json_deep_copy(source);
	if (!*action && json_object_get(source, "status"))
		action = "status";
	for (size_t i = FAULT_DELAY; i < ARRAY_LEN(names); i++)
		if (!strcmp(action, names[i]))
			rule->action = (enum fault_action)i;
	if (!rule->action)
		return error_set(err, ERR_INVALID, "fault rule: unknown action \"%s\"", action);
	rule->after = !strcmp(jstr(source, "when"), "after") || rule->action == FAULT_DRIP || rule->action == FAULT_CUT ||
		      rule->action == FAULT_HEADER || (rule->action == FAULT_DIE && strcmp(jstr(source, "when"), "before"));
	return compile(source, "path", &rule->path, &rule->has_path, err) &&
	       compile(source, "userAgent", &rule->agent, &rule->has_agent, err);
}

bool faults_load(struct faults *f, const json_t *list, struct error *err)
{
	size_t n = json_array_size(list);
	struct rule *rules;

	if (!json_is_array(list))
		return error_set(err, ERR_INVALID, "fault rules are a list of objects");
	rules = xcalloc(n + 1, sizeof *rules);
	for (size_t i = 0; i < n; i++)
		if (!read_rule(json_array_get(list, i), &rules[i], err)) {
			rules_free(rules, n);
			return false;
		}
	pthread_mutex_lock(&f->lock);
	struct rule *old = f->rules;
	size_t old_n = f->n;

	f->rules = rules;
	f->n = n;
	pthread_mutex_unlock(&f->lock);
	rules_free(old, old_n);
	return true;
}

json_t *faults_list(struct faults *f)
{
	json_t *list = json_array();

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list, json_deep_copy(f->rules[i].source));
	pthread_mutex_unlock(&f->lock);
	return list;
}

static bool strikes(struct rule *r, unsigned long number, const char *method, const char *uri, const char *agent)
{
	const char *wanted = jstr(r->source, "method");
	int64_t request = jint(0, r->source, "request"), from = jint(1, r->source, "from"), count = jint(0, r->source, "count");

	if (*wanted && strcmp(wanted, method))
		return false;
	if (r->has_path && regexec(&r->path, uri, 0, NULL, 0))
		return false;
	if (r->has_agent && regexec(&r->agent, agent, 0, NULL, 0))
		return false;
	r->seen++;
	if (request)
		return (int64_t)number == request;
	return (int64_t)r->seen >= from && (!count || (int64_t)r->seen < from + count);
}

struct fault faults_match(struct faults *f, unsigned long number, const char *method, const char *uri, const char *agent)
{
	struct fault fault = { 0 };

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++)
		if (strikes(&f->rules[i], number, method, uri, agent) && !fault.action)
			fault = (struct fault){ f->rules[i].action, f->rules[i].after, json_deep_copy(f->rules[i].source) };
	pthread_mutex_unlock(&f->lock);
	return fault;
}

void fault_release(struct fault *fault)
{
	json_decref(fault->rule);
	*fault = (struct fault){ 0 };
}
