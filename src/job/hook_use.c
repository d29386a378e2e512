#include "job/hook_use.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utc.h"
#include "base/yaml.h"
#include "job/preflight.h"

#define WAIT_DEFAULT_MS (1200 * 1000)
#define POLL_MS		1000

struct str hook_text(const struct hook_call *call, const char *key)
{
	struct str text = STR("");

	yaml_is_string(yaml_map_get(call->hook->with, key), &text);
	return str_trim(text);
}

int64_t hook_number(const struct hook_call *call, const char *key)
{
	const struct yaml_node *node = yaml_map_get(call->hook->with, key);
	struct str text = STR("");

	if (!node)
		return 0;
	if (node->kind == YAML_INT)
		return node->i;
	if (node->kind == YAML_FLOAT)
		return (int64_t)node->f;
	if (!yaml_is_string(node, &text))
		return 0;
	AUTO_FREE char *copy = str_dup(str_trim(text));
	char *end;
	long long number = strtoll(copy, &end, 10);

	return *end || end == copy ? 0 : number;
}

struct str hook_variable(const struct hook_call *call, const char *name)
{
	return str_trim(str_of(vars_text(&call->run->stack->env_map, name)));
}

static bool check_limit(const struct hook_call *call, struct error *err)
{
	return clock_now_ms(call->run->clock) < call->due_ms || error_set(err, ERR_TIMEOUT, "the hook's timeout of %s is over", call->hook->timeout.text);
}

bool hook_sleep(const struct hook_call *call, int64_t ms, struct error *err)
{
	int64_t left_ms = call->due_ms == INT64_MAX ? ms : call->due_ms - clock_now_ms(call->run->clock);

	return clock_sleep(call->run->clock, call->cancel, ms < left_ms ? ms : left_ms > 0 ? left_ms : 0, err) && (ms <= left_ms || check_limit(call, err));
}

/* ---- sleep ---- */

static bool use_sleep(const struct hook_call *call, struct error *err)
{
	struct str text = hook_text(call, "duration");
	int64_t ms;

	if (!text.len)
		return error_set(err, ERR_INVALID, "sleep: with.duration is missing");
	if (!duration_parse(text, &ms) || ms < 0)
		return error_set(err, ERR_INVALID, "sleep: \"%.*s\" is no duration such as 10s", STR_ARG(text));
	return hook_sleep(call, ms, err);
}

/* ---- kubectl.wait ---- */

static bool has_condition(const json_t *object, struct str wanted)
{
	size_t i;
	json_t *condition;

	json_array_foreach(json_object_get(json_object_get(object, "status"), "conditions"), i, condition) {
		const char *type = json_string_value(json_object_get(condition, "type"));
		const char *status = json_string_value(json_object_get(condition, "status"));

		if (type && status && str_ieq(str_of(type), wanted))
			return strcmp(status, "True") == 0;
	}
	return false;
}

/* A condition of an older generation is about what was there before. */
static bool is_observed(const json_t *object)
{
	const json_t *generation = json_object_get(json_object_get(object, "metadata"), "generation");
	const json_t *observed = json_object_get(json_object_get(object, "status"), "observedGeneration");

	return !json_is_integer(generation) || !json_is_integer(observed) || json_integer_value(observed) >= json_integer_value(generation);
}

static bool use_kubectl_wait(const struct hook_call *call, struct error *err)
{
	struct str condition = hook_text(call, "condition"), limit = hook_text(call, "timeout"), namespace = hook_text(call, "namespace");
	AUTO_FREE char *kind = str_dup(hook_text(call, "kind")), *name = str_dup(hook_text(call, "name"));
	AUTO_FREE char *where = namespace.len ? str_dup(namespace) : xstrdup(call->run->stack->namespace);
	int64_t limit_ms = WAIT_DEFAULT_MS, due_ms;

	if (!*kind || !*name)
		return error_set(err, ERR_INVALID, "kubectl.wait: with.%s is missing", *kind ? "name" : "kind");
	if (limit.len && !duration_parse(limit, &limit_ms))
		return error_set(err, ERR_INVALID, "kubectl.wait: \"%.*s\" is no duration", STR_ARG(limit));
	if (!condition.len)
		condition = STR("Available");
	const struct kube_resource *resource = kube_find_word(call->run->kube, kind, call->cancel, err);

	if (!resource)
		return err->kind ? false : error_set(err, ERR_INVALID, "kubectl.wait: the server has no kind \"%s\"", kind);
	due_ms = clock_now_ms(call->run->clock) + limit_ms;
	for (;;) {
		json_t *object;

		if (!kube_get(call->run->kube, resource, where, name, call->cancel, &object, err))
			return error_wrap(err, "kubectl.wait");
		bool done = has_condition(object, condition) && is_observed(object);

		json_decref(object);
		if (done)
			return true;
		if (clock_now_ms(call->run->clock) >= due_ms)
			return error_set(err, ERR_TIMEOUT, "kubectl.wait: %s %s has no condition %.*s after %lld s", kind, name, STR_ARG(condition),
					 (long long)limit_ms / 1000);
		if (!hook_sleep(call, POLL_MS, err))
			return error_wrap(err, "kubectl.wait: %s %s", kind, name);
	}
}

/* ---- codex.ensure-codex-secrets ---- */

static void secret_body(const char *namespace, const char *name, const char *key, struct str value, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	json_put_key(&w, "apiVersion");
	json_put_text(&w, "v1");
	json_put_key(&w, "kind");
	json_put_text(&w, "Secret");
	json_put_key(&w, "type");
	json_put_text(&w, "Opaque");
	json_put_key(&w, "metadata");
	json_put_object(&w);
	json_put_key(&w, "name");
	json_put_text(&w, name);
	json_put_key(&w, "namespace");
	json_put_text(&w, namespace);
	json_put_end_object(&w);
	json_put_key(&w, "stringData");
	json_put_object(&w);
	json_put_key(&w, key);
	json_put_str(&w, value);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

static bool apply_body(const struct hook_call *call, const char *kind, const char *name, struct str body, struct error *err)
{
	const struct kube_resource *resource = kube_find_kind(call->run->kube, "v1", kind, call->cancel, err);

	if (!resource)
		return err->kind ? false : error_set(err, ERR_SERVER, "the server has no kind %s", kind);
	return run_apply(call->run, resource, call->run->stack->namespace, name, body, kind, err) || error_wrap(err, "%s %s", kind, name);
}

static bool use_ensure_codex_secrets(const struct hook_call *call, struct error *err)
{
	static const struct {
		const char *variable, *secret;
		bool wanted;
	} rows[] = { { "OPENAI_API_KEY", "openai-secret", false },
		     { "CODEXCTL_GH_PAT", "github-secret", true },
		     { "CONTEXT7_API_KEY", "context7-secret", false } };
	const char *namespace = call->run->stack->namespace;

	if (!*namespace) {
		run_note(call->run, "codex.ensure-codex-secrets: there is no namespace, nothing to do");
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str value = hook_variable(call, rows[i].variable);
		AUTO_RELEASE(buf) body = BUF_INIT(0);

		if (!value.len) {
			if (rows[i].wanted)
				run_note(call->run, "warning: %s is not set, Secret %s is left as it is", rows[i].variable, rows[i].secret);
			continue;
		}
		secret_body(namespace, rows[i].secret, rows[i].variable, value, &body);
		bool good = apply_body(call, "Secret", rows[i].secret, buf_str(&body), err);

		secret_wipe(body.p, body.len);
		if (!good)
			return false;
	}
	return true;
}

/* ---- preflight ---- */

static bool use_preflight(const struct hook_call *call, struct error *err)
{
	struct kube_version version;

	if (!kube_server_version(call->run->kube, call->cancel, &version, err))
		return error_wrap(err, "preflight");
	if (!preflight_full(call->run, err))
		return false;
	run_note(call->run, "preflight: server %s answers, nothing is in the way", version.git_version);
	return true;
}

static const struct hook_use uses[] = {
	{ "kubectl.wait", use_kubectl_wait },
	{ "github.comment", hook_github_comment },
	{ "codex.ensure-codex-secrets", use_ensure_codex_secrets },
	{ "codex.reuse-dev-tls-secret", hook_reuse_dev_tls_secret },
	{ "sleep", use_sleep },
	{ "preflight", use_preflight },
};

const struct hook_use *hook_use_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (strcmp(uses[i].name, name) == 0)
			return &uses[i];
	return NULL;
}
