/* apply, diff, wait, status, images mirror, images build: the command line's way into src/job. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/print.h"

static const char **list_of(const struct options *o, enum option_id id)
{
	const struct option_value *value = &o->values[id];
	const char **list = xcalloc(value->n + 1, sizeof *list);

	if (value->n)
		memcpy(list, value->list, value->n * sizeof *list);
	return list;
}

static unsigned ms_or(const struct options *o, enum option_id id, unsigned otherwise)
{
	long long ms = option_number(o, id, otherwise);

	return ms > UINT_MAX - 1 ? (ms == otherwise ? otherwise : UINT_MAX - 1) : (unsigned)ms;
}

/* As codexctl: nothing and less counts as one. */
static unsigned count_or(const struct options *o, enum option_id id, unsigned otherwise)
{
	long long n = option_number(o, id, otherwise);

	return option_given(o, id) && n < 1 ? 1 : (unsigned)n;
}

static struct apply_options apply_options_from(const struct options *o, const char *operation, const char *const *prune_also)
{
	bool ci = strcmp(operation, "ci apply") == 0; /* codexctl waits up to three times there, with pauses */

	return (struct apply_options){ .filters = filters_from(o),
				       .operation = operation,
				       .preflight = option_flag(o, OPT_PREFLIGHT),
				       .wait = option_flag(o, OPT_WAIT),
				       .dry_run = option_flag(o, OPT_DRY_RUN),
				       .prune = option_flag(o, OPT_PRUNE),
				       .prune_also = prune_also,
				       .force_conflicts = option_flag(o, OPT_FORCE_CONFLICTS),
				       .hooks_of_all = option_flag(o, OPT_HOOKS_OF_ALL),
				       .no_hooks = option_flag(o, OPT_NO_HOOKS),
				       .parallel = count_or(o, OPT_PARALLEL, 0),
				       .apply_timeout_ms = ms_or(o, OPT_TIMEOUT, 0),
				       .wait_timeout_ms = ms_or(o, OPT_WAIT_TIMEOUT, 0),
				       .wait_times = ci ? count_or(o, OPT_WAIT_RETRIES, 3) : 1,
				       .wait_pause_ms = ci ? ms_or(o, OPT_WAIT_BACKOFF, 5000) : 0,
				       .settle_ms = ms_or(o, OPT_SETTLE, UINT_MAX),
				       .grace_ms = ms_or(o, OPT_GRACE, UINT_MAX),
				       .lease_wait_ms = ms_or(o, OPT_LEASE_WAIT, 0),
				       .attempts = count_or(o, OPT_APPLY_RETRIES, 0),
				       .retry_pause_ms = ms_or(o, OPT_APPLY_BACKOFF, 0) };
}

static int fail(const struct error *err, const struct cancel *cancel)
{
	command_print_error(err);
	return job_exit_of_error(err, cancel_signal(cancel));
}

static bool check_output(const char *output, bool *ret_json_lines, struct error *err)
{
	*ret_json_lines = output && strcmp(output, "jsonl") == 0;
	if (!output || *ret_json_lines || strcmp(output, "text") == 0)
		return true;
	error_set(err, ERR_INVALID, "--output: \"%s\" is none of text, jsonl", output);
	return false;
}

static void print_findings(const struct diags *diags)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	for (size_t i = 0; i < diags->len; i++)
		diag_format(&diags->items[i], &text);
	add_clean(&clean, buf_cstr(&text), true);
	fputs(buf_cstr(&clean), stderr);
}

struct deployment { /* what a deploy command holds while it runs */
	struct net *net;
	struct kube *kube;
	struct stack *stack;
};

static void deployment_release(struct deployment *d)
{
	kube_close(d->kube);
	stack_destroy(d->stack);
	net_destroy(d->net);
}
DEFINE_AUTO_RELEASE(deployment);

static struct mirror_options mirror_options_from(const struct options *o, const char *const *only)
{
	return (struct mirror_options){ .only = only,
					.platform = option_text(o, OPT_PLATFORM),
					.insecure = option_flag(o, OPT_INSECURE),
					.skip_tls_verify = option_flag(o, OPT_SKIP_TLS_VERIFY),
					.skip_tls_verify_pull = option_flag(o, OPT_SKIP_TLS_VERIFY_PULL),
					.deny_exec = option_flag(o, OPT_DENY_EXEC),
					.read_only = option_flag(o, OPT_READ_ONLY),
					.parallel = (unsigned)option_number(o, OPT_PARALLEL, 0) };
}

static bool flag_or(const struct options *o, enum option_id id, bool otherwise)
{
	return option_given(o, id) ? option_flag(o, id) : otherwise;
}

static struct build_options build_options_from(const struct options *o, const char *const *only)
{
	return (struct build_options){ .only = only,
				       .insecure = option_flag(o, OPT_INSECURE),
				       .skip_tls_verify = option_flag(o, OPT_SKIP_TLS_VERIFY),
				       .skip_tls_verify_pull = option_flag(o, OPT_SKIP_TLS_VERIFY_PULL),
				       .deny_exec = option_flag(o, OPT_DENY_EXEC),
				       .read_only = option_flag(o, OPT_READ_ONLY),
				       .parallel = count_or(o, OPT_PARALLEL, 0),
				       .builder_image = option_text(o, OPT_BUILDER_IMAGE),
				       .namespace = option_text(o, OPT_BUILDER_NAMESPACE),
				       .cpu = option_text(o, OPT_BUILDER_CPU),
				       .memory = option_text(o, OPT_BUILDER_MEMORY),
				       .build_timeout_ms = ms_or(o, OPT_BUILD_TIMEOUT, 0) };
}

static bool has_images(const struct stack *stack, enum stack_image_type type)
{
	for (size_t i = 0; i < stack->images.n; i++)
		if (stack->images.items[i].type == type)
			return true;
	return false;
}

/* Looking at files needs no cluster. */
static bool needs_cluster(job_fn *fn, const struct stack *stack, const struct options *o)
{
	return fn != job_mirror && (fn != job_build || (!option_flag(o, OPT_DRY_RUN) && has_images(stack, IMAGE_BUILD)));
}

static bool is_build(const struct stack *stack, const char *name)
{
	for (size_t i = 0; i < stack->images.n; i++)
		if (strcmp(stack->images.items[i].key.text, name) == 0)
			return stack->images.items[i].type == IMAGE_BUILD;
	return false;
}

/* Of --only-images each of two jobs gets the names that are its own; false: there are none. */
static bool split_names(job_fn *fn, const struct stack *stack, const struct options *o, const char **ret)
{
	const struct option_value *names = &o->values[OPT_ONLY_IMAGES];
	size_t n = 0;

	for (size_t i = 0; i < names->n; i++)
		if (is_build(stack, names->list[i]) == (fn == job_build))
			ret[n++] = names->list[i];
	ret[n] = NULL;
	return n > 0 || !names->n;
}

struct jobs { /* one after the other, until one does not end well; told and reported as one */
	job_fn *fns[2];
	size_t n;
};

/* The stack first: what is wrong in files needs no cluster to be told. */
static bool deployment_open(struct deployment *d, const struct jobs *jobs, const struct options *o, struct error *err)
{
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	struct stack_options stack_options = stack_options_from(o);
	bool good = stack_load(&stack_options, &d->stack, &diags, err);

	print_findings(&diags);
	if (!good)
		return false;
	d->net = net_create(NULL, err);
	for (size_t i = 0; d->net && i < jobs->n; i++)
		if (!d->kube && needs_cluster(jobs->fns[i], d->stack, o) && !cluster_open(d->net, o, &d->kube, err))
			return false;
	return d->net != NULL;
}

static int run_one(job_fn *fn, struct job_context *context, struct apply_options *options, struct progress *progress)
{
	progress_begin_job(progress, fn, context, options, clock_now_ms(NULL));
	if (progress->trouble)
		log_warn(progress->trouble);
	return fn(context, options);
}

static int run_jobs(const struct jobs *jobs, const struct command *command, const struct options *o)
{
	AUTO(cancel) cancel = signals_watch();
	AUTO_RELEASE(deployment) d = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(progress) progress = { 0 };
	AUTO_FREE const char **prune_also = list_of(o, OPT_PRUNE_ALSO), **only_images = list_of(o, OPT_ONLY_IMAGES);
	int code = EXIT_DONE;
	bool json_lines;

	if (!check_output(option_text(o, OPT_OUTPUT), &json_lines, &err) || !deployment_open(&d, jobs, o, &err))
		return fail(&err, cancel);
	struct apply_options options = apply_options_from(o, command->words, prune_also);
	struct mirror_options mirror = mirror_options_from(o, only_images);
	struct build_options build = build_options_from(o, only_images);

	options.mirror = &mirror;
	options.build = &build;
	struct printers *printers = printers_create(&(struct print_options){ .command = command->words,
									     .json_lines = json_lines,
									     .junit = option_text(o, OPT_JUNIT),
									     .explain_objects = jobs->fns[0] == job_status,
									     .env = d.stack->env,
									     .namespace = d.stack->namespace,
									     .slot = d.stack->slot,
									     .progress = &progress });
	struct job_context context = { .net = d.net,
				       .kube = d.kube,
				       .stack = d.stack,
				       .cancel = cancel,
				       .sink = printers_sink,
				       .sink_arg = printers };

	for (size_t i = 0; i < jobs->n && (code == EXIT_DONE || code == EXIT_DIFFERENCES); i++) {
		if (jobs->n > 1 && !split_names(jobs->fns[i], d.stack, o, only_images))
			continue;
		int its = run_one(jobs->fns[i], &context, &options, &progress);

		code = its ? its : code;
	}
	if (!printers_finish(printers, &err)) {
		command_print_error(&err);
		return code ? code : EXIT_DEGRADED;
	}
	return code;
}

static int run_job(job_fn *fn, const struct command *command, const struct options *o)
{
	return run_jobs(&(struct jobs){ { fn }, 1 }, command, o);
}

int cmd_apply(const struct command *command, const struct options *options)
{
	return run_job(job_apply, command, options);
}

int cmd_diff(const struct command *command, const struct options *options)
{
	return run_job(job_diff, command, options);
}

int cmd_wait(const struct command *command, const struct options *options)
{
	return run_job(job_wait, command, options);
}

int cmd_status(const struct command *command, const struct options *options)
{
	return run_job(job_status, command, options);
}

int cmd_mirror(const struct command *command, const struct options *options)
{
	return run_job(job_mirror, command, options);
}

int cmd_build(const struct command *command, const struct options *options)
{
	return run_job(job_build, command, options);
}

int cmd_ci_images(const struct command *command, const struct options *options)
{
	struct jobs jobs = { .n = 0 };

	if (flag_or(options, OPT_MIRROR, true))
		jobs.fns[jobs.n++] = job_mirror;
	if (flag_or(options, OPT_BUILD, true))
		jobs.fns[jobs.n++] = job_build;
	return jobs.n ? run_jobs(&jobs, command, options) : EXIT_DONE;
}
