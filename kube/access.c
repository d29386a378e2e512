#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kube/client_private.h"

#define REVIEW_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define RULES_PATH  "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

struct kube_rules {
	json_t *list; /* resourceRules, as the server sent them */
	bool complete;
};

static void put(struct json_writer *w, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	json_put_key(w, key);
	json_put_text(w, text);
}

static void review_body(const struct kube_access *question, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	put(&w, "apiVersion", "authorization.k8s.io/v1");
	put(&w, "kind", "SelfSubjectAccessReview");
	json_put_key(&w, "spec");
	json_put_object(&w);
	json_put_key(&w, "resourceAttributes");
	json_put_object(&w);
	put(&w, "namespace", question->namespace);
	put(&w, "verb", question->verb);
	put(&w, "group", question->group);
	put(&w, "resource", question->resource);
	put(&w, "subresource", question->subresource);
	put(&w, "name", question->name);
	json_put_end_object(&w);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

static bool review_answer(const struct http_response *response, struct kube_access *question, struct error *err)
{
	json_t *body;

	if (!http_ok(response)) {
		AUTO_RELEASE(kube_status) status = { 0 };

		kube_status_decode(response, &status);
		return kube_status_error(&status, "ask for our rights", err);
	}
	if (!kube_parse(response, "ask for our rights", &body, err))
		return false;
	const json_t *status = json_object_get(body, "status");
	const char *reason = json_string_value(json_object_get(status, "reason"));

	question->allowed = json_is_true(json_object_get(status, "allowed"));
	free(question->reason);
	question->reason = reason && *reason ? xstrdup(reason) : NULL;
	json_decref(body);
	return true;
}

bool kube_can(struct kube *kube, struct kube_access *questions, size_t n, const struct cancel *cancel, struct error *err)
{
	struct http_call *calls = xcalloc(n, sizeof *calls);
	struct buf *bodies = xcalloc(n, sizeof *bodies);

	for (size_t i = 0; i < n; i++) {
		review_body(&questions[i], &bodies[i]);
		calls[i].request = (struct http_request){ .method = "POST",
							  .path = REVIEW_PATH,
							  .content_type = "application/json",
							  .body = buf_str(&bodies[i]),
							  .idempotent = true,
							  .safe = true };
		kube_prepare(kube, &calls[i].request);
	}
	bool good = http_call_group(kube->http, calls, n, 8, cancel, NULL, NULL, err);

	for (size_t i = 0; i < n; i++) {
		if (good && calls[i].error.kind)
			good = error_move(err, &calls[i].error);
		else if (good)
			good = review_answer(&calls[i].response, &questions[i], err);
		http_response_release(&calls[i].response);
		error_release(&calls[i].error);
		buf_release(&bodies[i]);
	}
	free(calls);
	free(bodies);
	return good;
}

/* ---- all of a namespace ---- */

static void rules_body(const char *namespace, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	put(&w, "apiVersion", "authorization.k8s.io/v1");
	put(&w, "kind", "SelfSubjectRulesReview");
	json_put_key(&w, "spec");
	json_put_object(&w);
	put(&w, "namespace", namespace);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

bool kube_rules_ask(struct kube *kube, const char *namespace, const struct cancel *cancel, struct kube_rules **ret, struct error *err)
{
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	json_t *answer;

	rules_body(namespace, &body);
	if (!kube_call(kube,
		       &(struct http_request){ .method = "POST",
					       .path = RULES_PATH,
					       .content_type = "application/json",
					       .body = buf_str(&body),
					       .idempotent = true,
					       .safe = true },
		       "ask for our rights", cancel, &response, NULL, err) ||
	    !kube_parse(&response, "ask for our rights", &answer, err))
		return false;
	const json_t *status = json_object_get(answer, "status");
	struct kube_rules *rules = xcalloc(1, sizeof *rules);

	rules->list = json_incref(json_object_get(status, "resourceRules"));
	rules->complete = json_is_false(json_object_get(status, "incomplete")) && json_is_array(rules->list);
	json_decref(answer);
	*ret = rules;
	return true;
}

void kube_rules_destroy(struct kube_rules *rules)
{
	if (!rules)
		return;
	json_decref(rules->list);
	free(rules);
}

bool kube_rules_are_complete(const struct kube_rules *rules)
{
	return rules->complete;
}

static bool lists(const json_t *rule, const char *key, const char *value, const char *wildcard)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(rule, key), i, item) {
		const char *text = json_string_value(item);

		if (text && (strcmp(text, "*") == 0 || strcmp(text, value) == 0 || (wildcard && strcmp(text, wildcard) == 0)))
			return true;
	}
	return false;
}

static bool rule_allows(const json_t *rule, const struct kube_access *q)
{
	bool has_subresource = q->subresource && *q->subresource;
	AUTO_FREE char *whole = has_subresource ? xasprintf("%s/%s", q->resource, q->subresource) : xstrdup(q->resource);
	AUTO_FREE char *any = has_subresource ? xasprintf("*/%s", q->subresource) : NULL;

	if (!lists(rule, "verbs", q->verb, NULL) || !lists(rule, "apiGroups", q->group, NULL) || !lists(rule, "resources", whole, any))
		return false;
	return !json_array_size(json_object_get(rule, "resourceNames")) || (q->name && lists(rule, "resourceNames", q->name, NULL));
}

bool kube_rules_allow(const struct kube_rules *rules, const struct kube_access *question)
{
	size_t i;
	json_t *rule;

	json_array_foreach(rules->list, i, rule)
		if (rule_allows(rule, question))
			return true;
	return false;
}

/* ---- who ---- */

bool kube_whoami(struct kube *kube, const struct cancel *cancel, char **ret, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(kube_status) status = { 0 };
	json_t *body;
	struct http_request request = {
		.method = "POST",
		.path = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
		.content_type = "application/json",
		.body = STR("{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}"),
		.idempotent = true,
		.safe = true,
	};

	if (!kube_call(kube, &request, "ask who we are", cancel, &response, &status, err)) {
		if (status.code != 404)
			return false;
		error_release(err);
		*ret = xstrdup("");
		return true;
	}
	if (!kube_parse(&response, "ask who we are", &body, err))
		return false;
	const char *name = json_string_value(
		json_object_get(json_object_get(json_object_get(body, "status"), "userInfo"), "username"));

	*ret = xstrdup(name ? name : "");
	json_decref(body);
	return true;
}
