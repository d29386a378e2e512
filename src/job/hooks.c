#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "job/deadline.h"
#include "job/hook_use.h"

#define LINE_MAX_BYTES 16384

struct place_of_hook { /* for messages and the environment of scripts */
	const char *stage, *owner; /* item name; "" for root hooks */
};

/* ---- what no line of a script may show ---- */

static bool holds_secret(struct str name)
{
	static const char *const endings[] = { "TOKEN", "PAT", "KEY", "PASSWORD", "PASSWD", "SECRET", "CREDENTIALS" };

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t len = strlen(endings[i]);
		struct str tail = { name.p + name.len - len, len };

		if (name.len >= len && str_ieq(tail, str_of(endings[i])) && (name.len == len || name.p[name.len - len - 1] == '_'))
			return true;
	}
	return false;
}

/* Calls fn for each line of each variable that holds a secret by its name: scripts print line by line. */
static void each_secret(const struct run *run, void (*fn)(struct str value))
{
	const struct map *vars = &run->stack->env_map.map;

	for (size_t i = 0; i < vars->len; i++) {
		struct str rest = ((const struct var *)vars->entries[i].value)->value, line;

		if (!holds_secret((struct str){ vars->entries[i].key, vars->entries[i].key_len }))
			continue;
		while (str_cut(&rest, '\n', &line))
			fn(line);
		fn(rest);
	}
}

/* ---- run: scripts ---- */

static void on_line(enum process_stream stream, struct str line, bool truncated, void *arg)
{
	struct run *run = arg;
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_add_str(&text, line);
	if (truncated)
		buf_adds(&text, " …");
	log_redact(&text);
	run_emit(run, &(struct job_event){ .kind = JOB_LINE, .text = buf_cstr(&text), .ok = stream == PROCESS_STDOUT });
}

struct environment {
	char **items; /* NULL at the end */
	size_t len, cap;
};

static void add(struct environment *env, const char *name, const char *value)
{
	LIST_PUSH(env->items, env->len, env->cap) = xasprintf("%s=%s", name, value);
}

static void environment_release(struct environment *env)
{
	for (size_t i = 0; i < env->len; i++)
		free(env->items[i]);
	free(env->items);
}
DEFINE_AUTO_RELEASE(environment);

/* The merged variables first, then what we know; later ones win. Names that no shell can take are left out. */
static void fill_environment(const struct run *run, struct place_of_hook place, struct environment *env)
{
	const struct stack *stack = run->stack;
	char slot[24];

	for (size_t i = 0; i < stack->env_map.map.len; i++) {
		const struct map_entry *e = &stack->env_map.map.entries[i];
		const struct var *var = e->value;

		if (e->key_len && !memchr(e->key, '=', e->key_len) && !memchr(var->value.p, '\0', var->value.len))
			add(env, e->key, var->value.p);
	}
	snprintf(slot, sizeof slot, "%lld", stack->slot);
	add(env, "CODEXCTL_ENV", stack->env);
	add(env, "CODEXCTL_NAMESPACE", stack->namespace);
	add(env, "CODEXCTL_SLOT", slot);
	add(env, "CODEXCTL_PROJECT", stack->project.text);
	add(env, "SLOTDECK_PROJECT_ROOT", stack->root);
	add(env, "SLOTDECK_RUN_ID", run->id);
	add(env, "SLOTDECK_OPERATION", run->options->operation ? run->options->operation : "apply");
	add(env, "SLOTDECK_STAGE", place.stage);
	add(env, "SLOTDECK_ITEM", place.owner);
	LIST_PUSH(env->items, env->len, env->cap) = NULL;
}

static bool run_script(const struct hook_call *call, struct place_of_hook place, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(environment) env = { 0 };
	AUTO_RELEASE(process_result) result = { 0 };

	if (!stack_render_text(call->run->stack, "hook-run", call->hook->run, &text, NULL, err))
		return stack_wrap_place(call->run->stack, call->hook->run.at, err);
	if (!str_trim(buf_str(&text)).len)
		return true;
	AUTO_FREE char *script = str_dup(str_trim(buf_str(&text)));
	const char *const argv[] = { "bash", "-lc", script, NULL };

	fill_environment(call->run, place, &env);
	struct process_options options = { .argv = argv,
					   .env = (const char *const *)env.items,
					   .cwd = call->run->stack->root,
					   .on_line = on_line,
					   .arg = call->run,
					   .max_line_bytes = LINE_MAX_BYTES,
					   .timeout_ms = (unsigned)call->hook->timeout_ms,
					   .clock = call->run->clock };

	if (!process_run(&options, call->run->cancel, &result, err))
		return false;
	if (result.signal_number)
		return error_set(err, ERR_IO, "the script was ended by signal %d", result.signal_number);
	return result.exit_code == 0 || error_set(err, ERR_IO, "the script ended with status %d", result.exit_code);
}

/* ---- one hook ---- */

/* Within the hook's timeout, wherever the action waits. */
static bool run_action(const struct hook_call *call, const struct hook_use *use, struct error *err)
{
	struct run *run = call->run;
	struct cancel *whole = run->cancel;

	if (!call->hook->timeout_ms)
		return use->fn(call, err);
	struct deadline *deadline = deadline_create(run->clock, whole, clock_now_ms(run->clock) + call->hook->timeout_ms);

	if (!deadline)
		return error_set(err, ERR_IO, "no thread for the hook's timeout");
	run->cancel = deadline_cancel(deadline);
	bool good = use->fn(call, err);

	run->cancel = whole;
	if (!good && err->kind == ERR_CANCELLED && deadline_is_over(deadline)) {
		AUTO_FREE char *where = xstrdup(err->message);

		error_release(err);
		error_set(err, ERR_TIMEOUT, "the hook's timeout of %s is over: %s", call->hook->timeout.text, where);
	}
	deadline_destroy(deadline);
	return good;
}

static bool execute(struct run *run, const struct stack_hook *hook, struct place_of_hook place, struct error *err)
{
	struct hook_call call = { .run = run, .hook = hook };

	if (*hook->run.text)
		return run_script(&call, place, err);
	if (!*hook->use.text)
		return true;
	const struct hook_use *use = hook_use_find(hook->use.text);

	return use ? run_action(&call, use, err) : error_set(err, ERR_INVALID, "unknown action \"%s\"", hook->use.text);
}

static const char *name_of(const struct stack_hook *hook)
{
	return *hook->name.text ? hook->name.text : *hook->use.text ? hook->use.text : "(script)";
}

static void tell(struct run *run, const struct stack_hook *hook, struct place_of_hook place, enum job_change change)
{
	AUTO_FREE char *where = *place.owner ? xasprintf("%s of %s", place.stage, place.owner) : xstrdup(place.stage);

	run_emit(run, &(struct job_event){ .kind = JOB_HOOK, .text = name_of(hook), .detail = where, .change = change,
					   .place = stack_place(run->stack, hook->at) });
}

static bool run_one(struct run *run, const struct stack_hook *hook, struct place_of_hook place, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	bool wanted = true, good = stack_when(run->stack, "when", hook->when, false, &wanted, NULL, &why) ||
				   stack_wrap_place(run->stack, hook->when.at, &why);

	/* A hook without a condition runs; one whose condition renders blank does not. */
	if (good && !*hook->when.text)
		wanted = true;
	if (good && !wanted) {
		tell(run, hook, place, CHANGE_SKIPPED);
		return true;
	}
	if (good) {
		tell(run, hook, place, CHANGE_NONE);
		run->hooks_ran++;
		good = execute(run, hook, place, &why);
	}
	if (good)
		return true;
	struct place at = stack_place(run->stack, hook->at);

	error_wrap(&why, "%s:%u: hook %s (%s%s%s)", at.file, at.line, name_of(hook), place.stage, *place.owner ? " of " : "", place.owner);
	if (!hook->continue_on_error.value || why.kind == ERR_CANCELLED || cancel_requested(run->cancel))
		return error_move(err, &why);
	run_note(run, "warning: %s (continueOnError)", why.message);
	return true;
}

static bool run_list(struct run *run, const struct stack_hook_list *list, struct place_of_hook place, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (!run_may_write(run, err) || !run_one(run, &list->items[i], place, err))
			return false;
	return true;
}

static bool run_items(struct run *run, enum hook_stage stage, const struct stack_item_list *items, struct error *err)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct stack_item *item = &items->items[i];
		struct place_of_hook place = { hook_stage_name(stage), item->name.text };

		if ((run->options->hooks_of_all || selection_has(run->plan->selection, item)) && !run_list(run, &item->hooks[stage], place, err))
			return false;
	}
	return true;
}

static bool run_stage(struct run *run, enum hook_stage stage, struct error *err)
{
	if (stage == HOOK_BEFORE_ALL || stage == HOOK_AFTER_ALL)
		return run_list(run, &run->stack->hooks[stage], (struct place_of_hook){ hook_stage_name(stage), "" }, err);
	return run_items(run, stage, &run->stack->infrastructure, err) && run_items(run, stage, &run->stack->services, err);
}

bool hooks_run(struct run *run, enum hook_stage stage, struct error *err)
{
	each_secret(run, log_redact_add);
	bool good = run_stage(run, stage, err);

	each_secret(run, log_redact_remove);
	return good;
}
