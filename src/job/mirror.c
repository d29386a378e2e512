#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "job/mirror_private.h"

#define COPIERS	  6
#define PROGRESS_PAUSE_MS 200

static char *route_text(const struct mirror_image *image)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	reference_format(&image->from, &out);
	buf_adds(&out, " -> ");
	reference_format(&image->to, &out);
	return buf_give(&out);
}

struct sums { /* of one image */
	size_t blobs, sent, mounted, there;
	int64_t bytes; /* not there when we came */
};

static struct sums sums_of(const struct mirror *m, const struct mirror_image *image)
{
	struct sums sums = { .blobs = image->nparts };

	for (size_t i = 0; image->blobs && i < image->nparts; i++) {
		const struct mirror_blob *blob = &m->blobs[image->blobs[i]];

		sums.there += blob->there;
		sums.mounted += blob->mounted;
		sums.sent += !blob->there && !blob->mounted;
		sums.bytes += blob->there ? 0 : blob->size_bytes;
	}
	return sums;
}

/* ---- what is told of the plan ---- */

static void tell_unchanged(struct mirror *m, struct mirror_image *image)
{
	AUTO_FREE char *route = route_text(image), *text = xasprintf("%s, %s is there", route, image->digest);

	run_emit(m->run, &(struct job_event){ .kind = JOB_OBJECT, .object = image_object(m->run, image->of), .change = CHANGE_UNCHANGED, .text = text });
	image->told = true;
}

static void tell_failed(struct mirror *m, struct mirror_image *image)
{
	image_tell_failed(m->run, image->of, &image->err);
	image->told = true;
}

static void tell_difference(struct mirror *m, struct mirror_image *image)
{
	AUTO_RELEASE(buf) parts = BUF_INIT(0);
	struct sums sums = sums_of(m, image);
	AUTO_FREE char *route = route_text(image);
	char size[32];
	AUTO_FREE char *effect = xasprintf("%s to send, %zu of %zu blobs there", bytes_text(sums.bytes, size), sums.there, sums.blobs);

	buf_addf(&parts, "  %s\n", route);
	if (image->was)
		buf_addf(&parts, "- %s\n", image->was);
	buf_addf(&parts, "+ %s\n", image->digest);
	for (size_t i = 0; i < image->nparts; i++)
		buf_addf(&parts, "%s %s %s\n", m->blobs[image->blobs[i]].there ? " " : "+", image->parts[i].digest, bytes_text(image->parts[i].size_bytes, size));
	run_emit(m->run, &(struct job_event){ .kind = JOB_DIFF,
					      .object = image_object(m->run, image->of),
					      .change = image->was ? CHANGE_WOULD_CONFIGURE : CHANGE_WOULD_CREATE,
					      .text = buf_cstr(&parts),
					      .detail = effect });
}

/* ---- what is told of the copying ---- */

static void tell_copied(struct mirror *m, struct mirror_image *image)
{
	struct sums sums = sums_of(m, image);
	AUTO_FREE char *route = route_text(image);
	char size[32];
	AUTO_FREE char *text = xasprintf("%s, %s: %s in %zu blobs, %zu mounted, %zu there", route, image->digest, bytes_text(sums.bytes, size), sums.sent,
					 sums.mounted, sums.there);

	run_emit(m->run, &(struct job_event){
				 .kind = JOB_OBJECT, .object = image_object(m->run, image->of), .change = image->was ? CHANGE_CONFIGURED : CHANGE_CREATED, .text = text });
	image->told = true;
}

/* Results come in the order of the file, whatever ended first. */
static void tell_ended(struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct mirror_image *image = &m->images[i];

		if (image->told)
			continue;
		pthread_mutex_lock(&m->lock);
		bool ended = image->state == IMAGE_ENDED || !mirror_may_go(image);

		pthread_mutex_unlock(&m->lock);
		if (!ended)
			return;
		if (image->err.kind == ERR_CANCELLED)
			return; /* told at the end */
		if (image->err.kind)
			tell_failed(m, image);
		else
			tell_copied(m, image);
	}
}

static void tell_progress(struct mirror *m)
{
	int64_t done = atomic_load(&m->done_bytes);
	size_t ended = 0, all = 0;

	for (size_t i = 0; i < m->n; i++) {
		ended += m->images[i].told && !m->images[i].there;
		all += !m->images[i].there;
	}
	AUTO_FREE char *text = xasprintf("%zu of %zu images", ended, all);

	run_emit(m->run, &(struct job_event){ .kind = JOB_PROGRESS,
					      .done = (size_t)(done < 0 ? 0 : done > m->total_bytes ? m->total_bytes : done),
					      .total = (size_t)m->total_bytes,
					      .text = text });
}

/* Only what is new, and at most five times a second. */
static void on_turn(void *mirror)
{
	struct mirror *m = mirror;
	int64_t now = clock_now_ms(NULL), done = atomic_load(&m->done_bytes);

	tell_ended(m);
	if (m->told_bytes == done || now - m->told_ms < PROGRESS_PAUSE_MS)
		return;
	m->told_bytes = done;
	m->told_ms = now;
	tell_progress(m);
}

/* ---- the verdict ---- */

static int exit_of_failures(const struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->images[i].err.kind)
			return job_exit_of_error(&m->images[i].err, 0);
	return EXIT_DEGRADED;
}

static int end(struct mirror *m)
{
	struct run *run = m->run;
	size_t failed = run->counts[CHANGE_FAILED], copied = run->counts[CHANGE_CREATED] + run->counts[CHANGE_CONFIGURED];
	size_t there = run->counts[CHANGE_UNCHANGED];
	AUTO_RELEASE(buf) verdict = BUF_INIT(0);
	char size[32];
	bool stopped = cancel_requested(m->crew.stop);
	AUTO_RELEASE(error) why = { 0 };

	if (stopped)
		buf_addf(&verdict, "%s: ", m->crew.timed_out ? "the time is over" : "cancelled");
	buf_addf(&verdict, "%zu image%s mirrored, %zu there, %zu failed; %s copied", copied, copied == 1 ? "" : "s", there, failed,
		 bytes_text(atomic_load(&m->done_bytes) < 0 ? 0 : atomic_load(&m->done_bytes), size));
	if (stopped) {
		buf_adds(&verdict, "; every tag is the old or the new image, whole; blobs that arrived stay and are not sent again");
		error_set(&why, m->crew.timed_out ? ERR_TIMEOUT : ERR_CANCELLED, "stopped");
		return run_end(run, job_exit_of_error(&why, cancel_signal(m->crew.stop)), buf_cstr(&verdict));
	}
	return run_end(run, !failed ? EXIT_DONE : copied || there ? EXIT_PART_DONE : exit_of_failures(m), buf_cstr(&verdict));
}

static int end_of_look(struct mirror *m)
{
	size_t failed = m->run->counts[CHANGE_FAILED], differ = m->run->counts[CHANGE_WOULD_CREATE] + m->run->counts[CHANGE_WOULD_CONFIGURE];
	char size[32];
	AUTO_RELEASE(buf) verdict = BUF_INIT(0);

	buf_addf(&verdict, "%zu of %zu images to copy, %s", differ, m->n, bytes_text(m->total_bytes, size));
	if (failed)
		buf_addf(&verdict, "; %zu can't be looked at", failed);
	return run_end(m->run, failed ? exit_of_failures(m) : differ ? EXIT_DIFFERENCES : EXIT_DONE, buf_cstr(&verdict));
}

static void tell_skipped(struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->images[i].told)
			run_emit(m->run, &(struct job_event){ .kind = JOB_OBJECT,
							      .object = image_object(m->run, m->images[i].of),
							      .change = CHANGE_SKIPPED,
							      .text = "not mirrored: its tag is as it was" });
}

/* ---- the job ---- */

static void tell_plan(struct mirror *m)
{
	size_t failed = 0, there = 0;
	char size[32];

	for (size_t i = 0; i < m->n; i++) {
		struct mirror_image *image = &m->images[i];

		if (image->there) {
			tell_unchanged(m, image);
			there++;
		} else if (image->err.kind && image->err.kind != ERR_CANCELLED) {
			failed++;
			tell_failed(m, image);
		} else if (mirror_may_go(image) && m->run->options->dry_run) {
			tell_difference(m, image);
		}
	}
	AUTO_FREE char *summary = xasprintf("%zu of %zu images to copy, %s", m->n - there - failed, m->n, bytes_text(m->total_bytes, size));

	run_step_end(m->run, !failed, summary);
}

static void begin_record(struct mirror *m)
{
	char **planned = xcalloc(m->n, sizeof *planned);
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct mirror_image *image = &m->images[i];

		if (!image->there && mirror_may_go(image))
			planned[n++] = mirror_put(image, image->to.digest ? image->digest : image->to.tag);
	}
	run_record_begin(m->run, "mirror", "images mirror", planned, n);
}

static int work(struct mirror *m)
{
	struct run *run = m->run;
	unsigned parallel = m->options->parallel ? m->options->parallel : COPIERS;

	if (!m->n)
		return run_end(run, EXIT_DONE, "services.yaml has no image of type external: nothing to mirror");
	run_step(run, "plan");
	for (size_t i = 0; i < m->n; i++)
		run_emit(run, &(struct job_event){ .kind = JOB_PLANNED, .object = image_object(m->run, m->images[i].of), .text = m->images[i].of->from.text });
	mirror_look(m);
	tell_plan(m);
	if (run->options->dry_run && !cancel_requested(m->crew.stop))
		return end_of_look(m);
	if (!cancel_requested(m->crew.stop) && run->counts[CHANGE_UNCHANGED] + run->counts[CHANGE_FAILED] < m->n) {
		begin_record(m);
		run_step(run, "copy");
		m->next = 0;
		crew_run(&m->crew, parallel, copy_work, on_turn, m);
		tell_ended(m);
		tell_progress(m);
		run_step_end(run, !cancel_requested(m->crew.stop) && !run->counts[CHANGE_FAILED], "blobs, then manifests, then tags");
	}
	tell_skipped(m);
	return end(m);
}

int job_mirror(const struct job_context *context, const struct apply_options *options)
{
	static const struct mirror_options none;
	struct run run;
	struct mirror m = { .run = &run, .options = options->mirror ? options->mirror : &none, .registries = MAP_INIT(NULL) };
	int code;

	run_begin(&run, context, options, "mirror");
	crew_init(&m.crew, &run, options->apply_timeout_ms);
	pthread_mutex_init(&m.lock, NULL);
	pthread_cond_init(&m.changed, NULL);
	code = mirror_choose(&m) ? work(&m) : run_end(&run, EXIT_USAGE, "nothing was mirrored: services.yaml is wrong");
	mirror_release(&m);
	return code;
}
