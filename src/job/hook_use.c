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
		return node->f >= 0 && node->f < 1e15 ? (int64_t)node->f : 0;
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

/* ---- sleep ---- */

static bool use_sleep(const struct hook_call *call, struct error *err)
{
	struct str text = hook_text(call, "duration");
	int64_t ms;

	if (!text.len)
		return error_set(err, ERR_INVALID, "sleep: with.duration is missing");
	if (!duration_parse(text, &ms) || ms < 0)
		return error_set(err, ERR_INVALID, "sleep: \"%.*s\" is no duration such as 10s", STR_ARG(text));
	return clock_sleep(call->run->clock, call->run->cancel, ms, err);
}

/* ---- kubectl.wait ---- */

struct awaited_condition {
	const char *kind, *name, *namespace;
	struct str type, status; /* "Available", "True" */
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* A condition of an older generation is about what was there before. */
static bool is_observed(const json_t *object)
{
	const json_t *generation = json_object_get(json_object_get(object, "metadata"), "generation");
	const json_t *observed = json_object_get(json_object_get(object, "status"), "observedGeneration");

	return !json_is_integer(generation) || !json_is_integer(observed) || json_integer_value(observed) >= json_integer_value(generation);
}

/* Whether the condition holds; else what is instead goes to state. */
static bool holds(const json_t *object, const struct awaited_condition *wanted, struct buf *state)
{
	size_t i;
	json_t *condition;

	json_array_foreach(json_object_get(json_object_get(object, "status"), "conditions"), i, condition) {
		if (!str_ieq(str_of(text_of(condition, "type")), wanted->type))
			continue;
		if (str_ieq(str_of(text_of(condition, "status")), wanted->status) && is_observed(object))
			return true;
		buf_addf(state, "its condition %.*s is %s%s%s", STR_ARG(wanted->type), text_of(condition, "status"),
			 *text_of(condition, "message") ? ": " : "", text_of(condition, "message"));
		return false;
	}
	buf_addf(state, "it has no condition %.*s", STR_ARG(wanted->type));
	return false;
}

/* As kubectl since 1.31, waits also for the object itself. */
static bool look_at(const struct hook_call *call, const struct kube_resource *resource, const struct awaited_condition *wanted, bool *ret_holds,
		    struct buf *state, struct error *err)
{
	json_t *object;

	*ret_holds = false;
	if (!kube_get(call->run->kube, resource, wanted->namespace, wanted->name, call->run->cancel, &object, err)) {
		if (err->kind != ERR_NOT_FOUND)
			return false;
		error_release(err);
		buf_adds(state, "it is not there");
		return true;
	}
	*ret_holds = holds(object, wanted, state);
	json_decref(object);
	return true;
}

static bool wait_for_condition(const struct hook_call *call, const struct awaited_condition *wanted, int64_t limit_ms, struct error *err)
{
	const struct kube_resource *resource = kube_find_word(call->run->kube, wanted->kind, call->run->cancel, err);
	int64_t due_ms = clock_now_ms(call->run->clock) + limit_ms, pause_ms = POLL_MS / 8;

	if (!resource)
		return err->kind ? false : error_set(err, ERR_INVALID, "the server has no kind \"%s\"", wanted->kind);
	for (;;) {
		AUTO_RELEASE(buf) state = BUF_INIT(0);
		bool done;

		if (!look_at(call, resource, wanted, &done, &state, err))
			return false;
		if (done)
			return true;
		if (clock_now_ms(call->run->clock) >= due_ms)
			return error_set(err, ERR_TIMEOUT, "%s after %lld s", buf_cstr(&state), (long long)limit_ms / 1000);
		if (!clock_sleep(call->run->clock, call->run->cancel, pause_ms, err))
			return error_wrap(err, "%s", buf_cstr(&state));
		pause_ms = pause_ms < POLL_MS ? pause_ms * 2 : POLL_MS;
	}
}

static bool use_kubectl_wait(const struct hook_call *call, struct error *err)
{
	struct str condition = hook_text(call, "condition"), limit = hook_text(call, "timeout"), namespace = hook_text(call, "namespace");
	AUTO_FREE char *kind = str_dup(hook_text(call, "kind")), *name = str_dup(hook_text(call, "name"));
	AUTO_FREE char *where = namespace.len ? str_dup(namespace) : xstrdup(call->run->stack->namespace);
	struct awaited_condition wanted = { .kind = kind, .name = name, .namespace = where, .type = STR("Available"), .status = STR("True") };
	int64_t limit_ms = WAIT_DEFAULT_MS;

	if (!*kind || !*name)
		return error_set(err, ERR_INVALID, "kubectl.wait: with.%s is missing", *kind ? "name" : "kind");
	if (limit.len && !duration_parse(limit, &limit_ms))
		return error_set(err, ERR_INVALID, "kubectl.wait: \"%.*s\" is no duration", STR_ARG(limit));
	if (condition.len && str_cut(&condition, '=', &wanted.type))
		wanted.status = condition;
	else if (condition.len)
		wanted.type = condition;
	return wait_for_condition(call, &wanted, limit_ms, err) || error_wrap(err, "kubectl.wait: %s %s", kind, name);
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
	const struct kube_resource *resource = kube_find_kind(call->run->kube, "v1", kind, call->run->cancel, err);

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
	AUTO_RELEASE(buf) summary = BUF_INIT(0);
	struct kube_version version;

	if (!kube_server_version(call->run->kube, call->run->cancel, &version, err))
		return error_wrap(err, "preflight");
	if (!preflight_full(call->run, &summary, err))
		return false;
	run_note(call->run, "preflight: server %s answers, %s", version.git_version, buf_cstr(&summary));
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
