#include <stdlib.h>
#include <string.h>

#include "job/build_private.h"

#define BUILDERS	  2
#define PROGRESS_PAUSE_MS 200

/* ---- what is told of the plan ---- */

static void tell_difference(struct build *b, const struct build_image *image)
{
	const char *root = b->run->stack->root;
	AUTO_RELEASE(buf) text = BUF_INIT(0), effect = BUF_INIT(0);
	char size[32];

	buf_addf(&effect, "%zu file%s, %s to send, %zu stage%s", build_context_files(image->archive),
		 build_context_files(image->archive) == 1 ? "" : "s", bytes_text(build_context_size_bytes(image->archive), size), image->stages, image->stages == 1 ? "" : "s");
	buf_addf(&text, "+ %s\n", image->destination);
	buf_addf(&text, "  Dockerfile %s\n", image->dockerfile + (strlen(image->dockerfile) > strlen(root) ? strlen(root) + 1 : 0));
	buf_addf(&text, "  context %s, %s\n", strcmp(image->context, root) == 0 ? "." : image->context + strlen(root) + 1, effect.p);
	for (size_t i = 0; i < image->args.len; i++)
		buf_addf(&text, "  argument %s\n", image->args.entries[i].key);
	buf_addf(&text, "  Job in namespace %s, builder %s\n", b->namespace, b->options->builder_image ? b->options->builder_image : BUILD_BUILDER_IMAGE);
	run_emit(b->run, &(struct job_event){
				 .kind = JOB_DIFF, .object = image_object(b->run, image->of), .change = CHANGE_WOULD_CREATE, .text = text.p, .detail = effect.p });
}

static int end_of_look(struct build *b)
{
	AUTO_FREE char *verdict = xasprintf("%zu image%s to build", b->n, b->n == 1 ? "" : "s");

	return run_end(b->run, EXIT_DIFFERENCES, verdict);
}

static void tell_plan(struct build *b)
{
	int64_t bytes = 0;
	char size[32];

	for (size_t i = 0; i < b->n; i++) {
		run_emit(b->run,
			 &(struct job_event){ .kind = JOB_PLANNED, .object = image_object(b->run, b->images[i].of), .text = b->images[i].destination });
		bytes += build_context_size_bytes(b->images[i].archive);
	}
	AUTO_FREE char *summary = xasprintf("%zu image%s to build, %s to send", b->n, b->n == 1 ? "" : "s", bytes_text(bytes, size));

	run_step_end(b->run, true, summary);
}

/* ---- what is told of the building ---- */

static void tell_built(struct build *b, const struct build_image *image)
{
	AUTO_FREE char *text = xasprintf("%s, %s%s", image->destination, image->digest, image->verified ? "" : ", not checked");

	run_emit(b->run, &(struct job_event){ .kind = JOB_OBJECT, .object = image_object(b->run, image->of), .change = CHANGE_CREATED, .text = text });
}

static bool has_ended(struct build *b, const struct build_image *image)
{
	pthread_mutex_lock(&b->lock);
	bool ended = image->state == BUILD_ENDED;

	pthread_mutex_unlock(&b->lock);
	return ended;
}

/* Results come in the order of the file, whatever ended first. */
static void tell_ended(struct build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct build_image *image = &b->images[i];

		if (image->told)
			continue;
		if (!has_ended(b, image) || image->err.kind == ERR_CANCELLED)
			return; /* what was cancelled is told at the end */
		image->told = true;
		if (image->err.kind)
			image_tell_failed(b->run, image->of, &image->err);
		else
			tell_built(b, image);
	}
}

static void tell_stopped(struct build *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->images[i].told)
			run_emit(b->run, &(struct job_event){ .kind = JOB_OBJECT,
							      .object = image_object(b->run, b->images[i].of),
							      .change = CHANGE_SKIPPED,
							      .text = b->images[i].state == BUILD_ENDED ? "cancelled: its Job is away" : "not built" });
}

/* "1 of 3 images; web: stage 2 of 3: npm ci" */
static char *state_text(struct build *b, unsigned *ret_thousandths)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	size_t ended = 0, thousandths = 0;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n; i++) {
		ended += b->images[i].state == BUILD_ENDED;
		thousandths += b->images[i].thousandths;
	}
	buf_addf(&text, "%zu of %zu images", ended, b->n);
	for (size_t i = 0; i < b->n; i++)
		if (b->images[i].state == BUILD_RUNS && b->images[i].doing)
			buf_addf(&text, "; %s: %s", b->images[i].of->key.text, b->images[i].doing);
	pthread_mutex_unlock(&b->lock);
	*ret_thousandths = (unsigned)thousandths;
	return buf_give(&text);
}

/* Only what is new, and at most five times a second. */
static void on_turn(void *build)
{
	struct build *b = build;
	int64_t now = clock_now_ms(NULL);
	unsigned thousandths;

	tell_ended(b);
	AUTO_FREE char *text = state_text(b, &thousandths);

	if (now - b->told_ms < PROGRESS_PAUSE_MS || (b->told_doing && thousandths == b->told_thousandths && strcmp(text, b->told_doing) == 0))
		return;
	b->told_ms = now;
	b->told_thousandths = thousandths;
	free(b->told_doing);
	b->told_doing = GIVE(text);
	run_emit(b->run, &(struct job_event){ .kind = JOB_PROGRESS, .done = thousandths, .total = 1000 * b->n, .text = b->told_doing });
}

/* ---- the verdict ---- */

static int exit_of_failures(const struct build *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->images[i].err.kind)
			return job_exit_of_error(&b->images[i].err, 0);
	return EXIT_DEGRADED;
}

static int end(struct build *b)
{
	struct run *run = b->run;
	size_t failed = run->counts[CHANGE_FAILED], built = run->counts[CHANGE_CREATED];
	AUTO_RELEASE(buf) verdict = BUF_INIT(0);
	bool stopped = cancel_requested(b->crew.stop);
	AUTO_RELEASE(error) why = { 0 };

	if (stopped)
		buf_addf(&verdict, "%s: ", b->crew.timed_out ? "the time is over" : "cancelled");
	buf_addf(&verdict, "%zu image%s built, %zu failed", built, built == 1 ? "" : "s", failed);
	if (stopped) {
		buf_adds(&verdict, "; the Jobs of the others are away, and a tag is the old or the new image, whole");
		error_set(&why, b->crew.timed_out ? ERR_TIMEOUT : ERR_CANCELLED, "stopped");
		return run_end(run, job_exit_of_error(&why, cancel_signal(b->crew.stop)), buf_cstr(&verdict));
	}
	return run_end(run, !failed ? EXIT_DONE : built ? EXIT_PART_DONE : exit_of_failures(b), buf_cstr(&verdict));
}

/* ---- the job ---- */

static int cancelled_early(struct build *b, const struct error *err)
{
	return run_end(b->run, job_exit_of_error(err, cancel_signal(b->run->cancel)), "cancelled before anything was begun");
}

static void begin_record(struct build *b)
{
	char **planned = xcalloc(b->n, sizeof *planned);

	for (size_t i = 0; i < b->n; i++)
		planned[i] = xasprintf("PATCH /apis/batch/v1/namespaces/%s/jobs/%s, which pushes %s", b->namespace, b->images[i].name, b->images[i].destination);
	run_record_begin(b->run, "build", "images build", planned, b->n);
}

static int work(struct build *b)
{
	struct run *run = b->run;
	unsigned parallel = b->options->parallel ? b->options->parallel : BUILDERS;
	AUTO_RELEASE(error) err = { 0 };

	run_step(run, "plan");
	if (!build_choose(b, &err)) {
		run_step_end(run, false, "nothing is begun");
		return err.kind == ERR_CANCELLED ? cancelled_early(b, &err) : run_end(run, EXIT_USAGE, "nothing was built: services.yaml is wrong");
	}
	tell_plan(b);
	if (!b->n)
		return run_end(run, EXIT_DONE, "services.yaml has no image of type build: nothing to build");
	for (size_t i = 0; run->options->dry_run && i < b->n; i++)
		tell_difference(b, &b->images[i]);
	if (run->options->dry_run)
		return end_of_look(b);
	begin_record(b);
	run_step(run, "build");
	crew_run(&b->crew, parallel, build_work, on_turn, b);
	tell_ended(b);
	tell_stopped(b);
	run_step_end(run, !cancel_requested(b->crew.stop) && !run->counts[CHANGE_FAILED], "each as a Job in the cluster");
	return end(b);
}

int job_build(const struct job_context *context, const struct apply_options *options)
{
	static const struct build_options none;
	struct run run;
	struct build b = { .run = &run, .options = options->build ? options->build : &none };
	int code;

	run_begin(&run, context, options, "build");
	b.namespace = b.options->namespace ? b.options->namespace : context->stack->namespace;
	crew_init(&b.crew, &run, options->apply_timeout_ms);
	pthread_mutex_init(&b.lock, NULL);
	code = work(&b);
	build_images_release(&b);
	free(b.told_doing);
	pthread_mutex_destroy(&b.lock);
	crew_release(&b.crew);
	return code;
}
