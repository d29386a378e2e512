/* The rules of services.yaml that go across fields. Each finding says what is wrong, where and what would be right. */
#include <string.h>

#include "base/asset.h"
#include "base/utc.h"
#include "model/namespace.h"
#include "model/stack_private.h"
#include "template/unicode.h"

const char *const hook_uses[] = { "kubectl.wait", "github.comment", "codex.ensure-codex-secrets",
				  "codex.reuse-dev-tls-secret", "sleep", "preflight", NULL };

static const char *const stage_names[HOOK_STAGES] = {
	[HOOK_BEFORE_ALL] = "beforeAll",	 [HOOK_AFTER_ALL] = "afterAll",
	[HOOK_BEFORE_APPLY] = "beforeApply",	 [HOOK_AFTER_APPLY] = "afterApply",
	[HOOK_BEFORE_DESTROY] = "beforeDestroy", [HOOK_AFTER_DESTROY] = "afterDestroy",
};

const char *hook_stage_name(enum hook_stage stage)
{
	return stage_names[stage];
}

static bool is_blank(struct stack_text text)
{
	return !str_trim_unicode(str_of(text.text)).len;
}

char *stack_fold_name(const char *name)
{
	struct str rest = str_trim_unicode(str_of(name));
	struct buf folded = { 0 };
	uint32_t rune;

	while (utf8_next(&rest, &rune))
		buf_add_rune(&folded, unicode_to_lower(rune));
	return buf_give(&folded);
}

/* Whether a name of this kind was there before; else it is from now on. */
static const void *seen_before(struct map *seen, const char *name, const void *what)
{
	AUTO_FREE char *key = stack_fold_name(name);
	const void *first = *key ? map_get(seen, str_of(key)) : NULL;

	if (*key && !first)
		map_set(seen, str_of(key), (void *)what);
	return first;
}

/* A finding that codexctl lets pass when it renders. */
#define FIND(stack, diags, spot, code, ...)                                                                            \
	diags_add(diags, stack_severity(stack), stack_place(stack, spot), code, __VA_ARGS__)

/* The spot of a text, or of what it stands in when it is absent. */
static struct spot spot_or(struct stack_text text, struct spot otherwise)
{
	return text.at.line ? text.at : otherwise;
}

static void check_duration(const struct stack *stack, const char *what, struct stack_text text, struct diags *diags)
{
	int64_t ms;

	if (is_blank(text) || strstr(text.text, "{{") || duration_parse(str_of(text.text), &ms))
		return;
	FIND(stack, diags, text.at, "duration", "%s: \"%s\" is no duration", what, text.text);
	diags_hint(diags, "write a number with a unit: 90s, 1h30m, 500ms");
}

/* ---- environments ---- */

static void list_environments(const struct stack *stack, struct buf *out)
{
	for (size_t i = 0; i < stack->environments.n; i++)
		buf_addf(out, "%s%s", i ? ", " : "", stack->environments.items[i].name.text);
}

static void check_environment(const struct stack *stack, const struct stack_environment *env, struct diags *diags)
{
	struct stack_environment whole;
	AUTO_RELEASE(error) err = { 0 };

	if (!stack_resolve_environment(stack, env->name.text, &whole, &err)) {
		struct str message = str_of(err.message);
		ptrdiff_t at = str_find(message, STR(": ")); /* the place is told by the finding itself */

		FIND(stack, diags, env->from.at, "environment-from", "%s", at < 0 ? message.p : message.p + at + 2);
	}
	for (size_t i = 0; i < env->slot_bootstrap_infra.n; i++) {
		const struct stack_text *name = &env->slot_bootstrap_infra.items[i];

		if (!stack_find_item(stack, true, name->text))
			FIND(stack, diags, name->at, "unknown-infra",
			     "slotBootstrapInfra of environment \"%s\" names \"%s\", which is no infrastructure item",
			     env->name.text, name->text);
	}
}

static void check_environments(const struct stack *stack, struct diags *diags)
{
	for (size_t i = 0; i < stack->environments.n; i++)
		check_environment(stack, &stack->environments.items[i], diags);
	if (stack->environments.n && *stack->env && !stack_find_environment(stack, stack->env)) {
		AUTO_RELEASE(buf) known = { 0 };

		list_environments(stack, &known);
		diags_add(diags, stack_severity(stack), (struct place){ stack->config_path, 0, 0 }, "unknown-env",
			  "there is no environment \"%s\"", stack->env);
		diags_hint(diags, "the file declares %s", buf_cstr(&known));
	}
}

/* ---- images ---- */

static void want_text(const struct stack *stack, struct stack_text text, struct spot at, const char *what,
		      const char *name, const char *key, struct diags *diags)
{
	if (is_blank(text))
		FIND(stack, diags, spot_or(text, at), "missing-field", "%s \"%s\" needs `%s`", what, name, key);
}

/* "reg:5000/x" has none. */
static bool has_tag(const char *repository)
{
	const char *slash = strrchr(repository, '/');

	return strchr(slash ? slash : repository, ':') != NULL;
}

static void check_image(const struct stack *stack, const struct stack_image *image, struct diags *diags)
{
	const char *name = image->key.text;

	if (image->type == IMAGE_UNKNOWN) {
		FIND(stack, diags, spot_or(image->type_text, image->at), "image-type",
		     "image \"%s\" has the type \"%s\"; there are external and build", name, image->type_text.text);
	} else if (image->type == IMAGE_EXTERNAL) {
		want_text(stack, image->from, image->at, "external image", name, "from", diags);
		want_text(stack, image->local, image->at, "external image", name, "local", diags);
	} else {
		want_text(stack, image->repository, image->at, "build image", name, "repository", diags);
		if (has_tag(image->repository.text))
			FIND(stack, diags, image->repository.at, "image-tag",
			     "the repository of build image \"%s\" has a tag of its own; `tag` and `tagTemplate` are for that", name);
		if (is_blank(image->tag))
			want_text(stack, image->tag_template, image->at, "build image", name, "tag or tagTemplate",
				  diags);
	}
}

static enum stack_image_type image_type(struct stack_text text)
{
	struct str word = str_trim_unicode(str_of(text.text));

	return str_ieq(word, STR("external")) ? IMAGE_EXTERNAL : str_ieq(word, STR("build")) ? IMAGE_BUILD : IMAGE_UNKNOWN;
}

/* ---- hooks ---- */

static const char *with_text(const struct stack_hook *hook, const char *key)
{
	struct str text;

	return yaml_is_string(yaml_map_get(hook->with, key), &text) ? text.p : "";
}

static void want_with(const struct stack *stack, const struct stack_hook *hook, const char *key, struct diags *diags)
{
	if (!*with_text(hook, key))
		FIND(stack, diags, hook->at, "hook-with", "`%s` needs the text `with.%s`", hook->use.text, key);
}

static void check_wait(const struct stack *stack, const struct stack_hook *hook, struct diags *diags)
{
	want_with(stack, hook, "kind", diags);
	want_with(stack, hook, "name", diags);
	check_duration(stack, "with.timeout", (struct stack_text){ with_text(hook, "timeout"), hook->at }, diags);
}

static void check_comment(const struct stack *stack, const struct stack_hook *hook, struct diags *diags)
{
	if (is_blank(hook->body))
		FIND(stack, diags, hook->at, "hook-with", "`github.comment` needs the text `with.body`");
	if (!yaml_map_get(hook->with, "issue") && !yaml_map_get(hook->with, "pr"))
		FIND(stack, diags, hook->at, "hook-with", "`github.comment` needs `with.issue` or `with.pr`");
}

static void check_sleep(const struct stack *stack, const struct stack_hook *hook, struct diags *diags)
{
	want_with(stack, hook, "duration", diags);
	check_duration(stack, "with.duration", (struct stack_text){ with_text(hook, "duration"), hook->at }, diags);
}

typedef void check_use_fn(const struct stack *stack, const struct stack_hook *hook, struct diags *diags);

static const struct {
	const char *use;
	check_use_fn *check;
} use_checks[] = {
	{ "kubectl.wait", check_wait },
	{ "github.comment", check_comment },
	{ "sleep", check_sleep },
};

static bool is_known_use(const char *use)
{
	for (size_t i = 0; hook_uses[i]; i++)
		if (strcmp(hook_uses[i], use) == 0)
			return true;
	return false;
}

static void unknown_use(const struct stack *stack, const struct stack_hook *hook, struct diags *diags)
{
	const char *nearest = str_nearest(hook->use.text, hook_uses, ARRAY_LEN(hook_uses) - 1);
	AUTO_RELEASE(buf) known = { 0 };

	for (size_t i = 0; hook_uses[i]; i++)
		buf_addf(&known, "%s%s", i ? ", " : "", hook_uses[i]);
	diags_add(diags, hook->continue_on_error.value ? DIAG_WARNING : stack_severity(stack),
		  stack_place(stack, hook->use.at), "hook-use", "there is no built-in action \"%s\"", hook->use.text);
	if (nearest)
		diags_hint(diags, "did you mean \"%s\"?", nearest);
	else
		diags_hint(diags, "there are %s", buf_cstr(&known));
}

/* A template that runs later is parsed now. */
static void check_template(const struct stack *stack, const char *name, struct stack_text text, struct diags *diags)
{
	struct template *template = NULL;
	AUTO_RELEASE(error) err = { 0 };

	if (!strstr(text.text, "{{"))
		return;
	if (!template_parse(name, str_of(text.text), TEMPLATE_FUNCTIONS_PROJECT, NULL, &template, &err))
		stack_add_error(diags, stack_severity(stack), stack_place(stack, text.at), "template", &err);
	template_destroy(template);
}

static void check_hook(const struct stack *stack, const struct stack_hook *hook, struct diags *diags)
{
	bool run = !is_blank(hook->run), use = !is_blank(hook->use);

	check_duration(stack, "timeout", hook->timeout, diags);
	check_template(stack, "when", hook->when, diags);
	check_template(stack, "hook-run", hook->run, diags);
	check_template(stack, "github-comment-body", hook->body, diags);
	if (run && use)
		FIND(stack, diags, hook->use.at, "hook-both", "a hook step has either `run` or `use`, not both");
	else if (!run && !use)
		diags_add(diags, DIAG_WARNING, stack_place(stack, hook->at), "hook-empty",
			  "this hook step has neither `run` nor `use` and does nothing");
	if (!use)
		return;
	if (!is_known_use(hook->use.text)) {
		unknown_use(stack, hook, diags);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(use_checks); i++)
		if (strcmp(use_checks[i].use, hook->use.text) == 0)
			use_checks[i].check(stack, hook, diags);
}

static void check_hooks(const struct stack *stack, const struct stack_hook_list *lists, struct diags *diags)
{
	for (size_t stage = 0; stage < HOOK_STAGES; stage++)
		for (size_t i = 0; i < lists[stage].n; i++)
			check_hook(stack, &lists[stage].items[i], diags);
}

static void unmask_tree(struct stack_private *p, struct yaml_node *node)
{
	if (node->kind == YAML_STRING)
		node->text = mask_remove(&p->mask, p->arena, node->text);
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->seq.n; i++)
		unmask_tree(p, node->seq.items[i]);
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->map.n; i++)
		unmask_tree(p, node->map.pairs[i].value);
}

static void finish_hooks(struct stack *stack, struct stack_hook_list *lists)
{
	for (size_t stage = 0; stage < HOOK_STAGES; stage++)
		for (size_t i = 0; i < lists[stage].n; i++) {
			struct stack_hook *hook = &lists[stage].items[i];

			hook->body = (struct stack_text){ with_text(hook, "body"), hook->at };
			if (hook->with && stack->private->masked)
				unmask_tree(stack->private, hook->with);
			if (is_blank(hook->timeout) || !duration_parse(str_of(hook->timeout.text), &hook->timeout_ms))
				hook->timeout_ms = 0;
		}
}

/* ---- items ---- */

static void check_mounts(const struct stack *stack, const struct stack_overlay *overlay, struct diags *diags)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < overlay->pvc_mounts.n; i++) {
		struct stack_pvc_mount *mount = &overlay->pvc_mounts.items[i];
		const struct stack_pvc_mount *other;

		want_text(stack, mount->name, mount->at, "a pvcMount of overlay", overlay->env.text, "name", diags);
		want_text(stack, mount->claim_name, mount->at, "a pvcMount of overlay", overlay->env.text,
			  "claimName", diags);
		want_text(stack, mount->mount_path, mount->at, "a pvcMount of overlay", overlay->env.text,
			  "mountPath", diags);
		other = is_blank(mount->name) ? NULL : map_get(&seen, str_of(mount->name.text));
		if (!other) {
			map_set(&seen, str_of(mount->name.text), mount);
			continue;
		}
		bool same = strcmp(mount->claim_name.text, other->claim_name.text) == 0;

		diags_add(diags, same ? DIAG_WARNING : stack_severity(stack), stack_place(stack, mount->name.at),
			  "mount-name", "two pvcMounts are called \"%s\"; the API server refuses two volumes of one name",
			  mount->name.text);
		diags_hint(diags, same ? "apply and `render --modern` make one volume with two mounts of it"
				       : "the claims differ: give each its own name");
	}
}

static void check_item(const struct stack *stack, const struct stack_item *item, struct diags *diags)
{
	const char *what = item->is_infra ? "infrastructure item" : "service";

	if (is_blank(item->name))
		FIND(stack, diags, spot_or(item->name, item->at), "missing-field", "this %s has no `name`", what);
	for (size_t i = 0; i < item->manifests.n; i++)
		want_text(stack, item->manifests.items[i].path, item->manifests.items[i].at, what, item->name.text,
			  "path in each manifest", diags);
	for (size_t i = 0; i < item->overlays.n; i++) {
		const struct stack_overlay *overlay = &item->overlays.items[i];

		if (stack->environments.n && !stack_find_environment(stack, overlay->env.text))
			diags_add(diags, DIAG_WARNING, stack_place(stack, overlay->env.at), "unknown-env",
				  "service \"%s\" has an overlay for \"%s\", which is no environment",
				  item->name.text, overlay->env.text);
		check_mounts(stack, overlay, diags);
	}
	check_hooks(stack, item->hooks, diags);
}

static void check_items(const struct stack *stack, const struct stack_item_list *list, struct diags *diags)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < list->n; i++) {
		const struct stack_item *item = &list->items[i], *first = seen_before(&seen, item->name.text, item);

		check_item(stack, item, diags);
		if (first)
			FIND(stack, diags, item->name.at, "duplicate-name",
			     "%s \"%s\" is there twice; the first is in line %u",
			     item->is_infra ? "infrastructure item" : "service", item->name.text,
			     first->name.at.line);
	}
}

/* ---- state and codex ---- */

static void check_state(const struct stack *stack, const struct stack_state_config *state, struct diags *diags)
{
	if (!is_blank(state->backend) && strcmp(state->backend.text, "configmap") != 0)
		FIND(stack, diags, state->backend.at, "state-backend",
		     "state.backend is \"%s\"; there is only configmap", state->backend.text);
	if (is_blank(state->configmap_namespace))
		FIND(stack, diags, spot_or(state->configmap_namespace, state->at), "missing-field",
		     "state needs `configmapNamespace`");
	else if (!namespace_is_valid(str_of(state->configmap_namespace.text)))
		FIND(stack, diags, state->configmap_namespace.at, "namespace",
		     "\"%s\" is no valid name of a namespace", state->configmap_namespace.text);
}

/* assets/agents.txt: lines "model NAME" and "effort NAME". */
static bool is_allowed(const char *kind, struct str word, struct buf *ret_known)
{
	struct str list, line;
	bool found = false;

	if (!word.len || !asset_find("agents.txt", &list))
		return true;
	while (str_cut(&list, '\n', &line)) {
		struct str head;

		if (!str_cut(&line, ' ', &head) || !str_is(head, kind))
			continue;
		found |= str_ieq(line, word);
		buf_addf(ret_known, "%s%.*s", ret_known->len ? ", " : "", STR_ARG(line));
	}
	return found;
}

/* Only running an agent refuses these: the list grows faster than this program. */
static void check_agent(const struct stack *stack, const char *kind, struct stack_text text, struct diags *diags)
{
	AUTO_RELEASE(buf) known = { 0 };

	if (is_allowed(kind, str_trim_unicode(str_of(text.text)), &known))
		return;
	diags_add(diags, DIAG_WARNING, stack_place(stack, text.at), "agent", "the %s \"%s\" is not in our list", kind,
		  text.text);
	diags_hint(diags, "known: %s", buf_cstr(&known));
}

static void check_block(const struct stack *stack, const struct stack_config_block *block, size_t number,
			struct diags *diags)
{
	AUTO_FREE char *label = is_blank(block->name) ? xasprintf("config_block_%zu", number) : xstrdup(block->name.text);
	bool toml = !is_blank(block->toml), file = !is_blank(block->file);

	if (toml == file)
		FIND(stack, diags, block->at, "config-block", "config block \"%s\" needs %s", label,
		     toml ? "only one of `toml` and `file`" : "`toml` or `file`");
}

static void check_values(const struct stack *stack, const struct stack_mcp_values *values, struct diags *diags)
{
	for (size_t i = 0; i < values->n; i++) {
		const struct stack_mcp_value *v = &values->items[i];
		int set = !is_blank(v->value) + !is_blank(v->env_ref) + !is_blank(v->var_ref);

		if (set > 1 || (set == 0 && !v->optional.value))
			FIND(stack, diags, v->at, "mcp-value", "\"%s\" needs %s of value, envRef and varRef",
			     v->key.text, set ? "only one" : "one");
	}
}

static const struct {
	const char *name;
	bool command, endpoint, service;
} mcp_types[] = { { "stdio", true, false, false },
		  { "http", false, true, false },
		  { "https", false, true, false },
		  { "cluster", false, false, true } };

static void check_server(const struct stack *stack, const struct stack_mcp_server *s, struct diags *diags)
{
	struct str type = str_trim_unicode(str_of(s->type.text));
	size_t i = 0;

	want_text(stack, s->name, s->at, "MCP server", s->name.text, "name", diags);
	while (i < ARRAY_LEN(mcp_types) && !str_ieq(type, str_of(mcp_types[i].name)))
		i++;
	if (i == ARRAY_LEN(mcp_types)) {
		FIND(stack, diags, spot_or(s->type, s->at), "mcp-type",
		     "MCP server \"%s\" has the type \"%s\"; there are stdio, http, https and cluster", s->name.text,
		     s->type.text);
		return;
	}
	if (mcp_types[i].command)
		want_text(stack, s->command, s->at, "MCP server", s->name.text, "command", diags);
	if (mcp_types[i].endpoint)
		want_text(stack, s->endpoint, s->at, "MCP server", s->name.text, "endpoint", diags);
	if (mcp_types[i].service)
		want_text(stack, s->service ? s->service->name : (struct stack_text){ "", { 0 } }, s->at, "MCP server",
			  s->name.text, "service.name", diags);
	if (mcp_types[i].service && !is_blank(s->bearer_token_env_var))
		diags_add(diags, DIAG_WARNING, stack_place(stack, s->bearer_token_env_var.at), "mcp-ignored",
			  "bearer_token_env_var does nothing for the type cluster");
	check_values(stack, &s->env, diags);
	check_values(stack, &s->headers, diags);
}

static void check_codex(const struct stack *stack, const struct stack_codex *codex, struct diags *diags)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	check_duration(stack, "codex.timeouts.exec", codex->timeouts.exec, diags);
	check_duration(stack, "codex.timeouts.rollout", codex->timeouts.rollout, diags);
	check_duration(stack, "codex.timeouts.deployWait", codex->timeouts.deploy_wait, diags);
	check_agent(stack, "model", codex->model, diags);
	check_agent(stack, "effort", codex->model_reasoning_effort, diags);
	for (size_t i = 0; i < codex->config_blocks.n; i++)
		check_block(stack, &codex->config_blocks.items[i], i + 1, diags);
	for (size_t i = 0; i < codex->mcp.servers.n; i++) {
		const struct stack_mcp_server *server = &codex->mcp.servers.items[i];

		check_server(stack, server, diags);
		if (seen_before(&seen, server->name.text, server))
			FIND(stack, diags, server->name.at, "duplicate-name", "MCP server \"%s\" is there twice",
			     server->name.text);
	}
}

/* ---- versions that nobody declares ---- */

static bool has_version(const struct stack *stack, struct str name)
{
	for (size_t i = 0; i < stack->versions.n; i++)
		if (str_is(name, stack->versions.items[i].name.text))
			return true;
	return false;
}

void stack_check_versions(const struct stack *stack, struct str text, const char *file, struct diags *diags)
{
	struct str rest = text, needle = STR("index .Versions \"");
	struct place place = { file, 1, 1 };
	ptrdiff_t at;

	while ((at = str_find(rest, needle)) >= 0) {
		struct str name = { rest.p + at + needle.len, rest.len - (size_t)at - needle.len }, head;

		for (ptrdiff_t i = 0; i < at; i++) {
			place.column = rest.p[i] == '\n' ? 1 : place.column + 1;
			place.line += rest.p[i] == '\n';
		}
		place.column += (unsigned)needle.len;
		rest = name;
		if (str_cut(&name, '"', &head) && !has_version(stack, head))
			diags_add(diags, DIAG_WARNING, place, "unknown-version",
				  "no version of \"%.*s\" is declared; this gives nothing", STR_ARG(head));
	}
}

/* ---- all of them ---- */

static void index_items(struct map *map, const struct stack_item_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		seen_before(map, list->items[i].name.text, &list->items[i]);
}

void stack_finish(struct stack *stack)
{
	struct stack_private *p = stack->private;

	for (size_t i = 0; i < stack->environments.n; i++) {
		struct stack_environment *env = &stack->environments.items[i];

		if (!map_has(&p->environments, str_of(env->name.text)))
			map_set(&p->environments, str_of(env->name.text), env);
	}
	index_items(&p->infra, &stack->infrastructure);
	index_items(&p->services, &stack->services);
	for (size_t i = 0; i < stack->images.n; i++)
		stack->images.items[i].type = image_type(stack->images.items[i].type_text);
	for (size_t i = 0; i < stack->infrastructure.n; i++) {
		stack->infrastructure.items[i].is_infra = true;
		finish_hooks(stack, stack->infrastructure.items[i].hooks);
	}
	for (size_t i = 0; i < stack->services.n; i++)
		finish_hooks(stack, stack->services.items[i].hooks);
	finish_hooks(stack, stack->hooks);
}

void stack_check(const struct stack *stack, struct diags *diags)
{
	check_environments(stack, diags);
	for (size_t i = 0; i < stack->images.n; i++)
		check_image(stack, &stack->images.items[i], diags);
	check_items(stack, &stack->infrastructure, diags);
	check_items(stack, &stack->services, diags);
	check_hooks(stack, stack->hooks, diags);
	if (stack->state)
		check_state(stack, stack->state, diags);
	check_codex(stack, &stack->codex, diags);
	stack_check_versions(stack, buf_str(&stack->private->source), stack->config_path, diags);
}
