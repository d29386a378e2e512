#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/builder.h"
#include "sim/log_style.h"
#include "sim/rest.h"

/*
 * Line n of a container is always the same and comes at a known moment: 20 at its start, then two a second. So a reader
 * can prove from the numbers that it lost none, and nothing needs to be kept.
 */
enum { FIRST_LINES = 20, LINE_MS = 500, KEPT_LINES = 20000 };

struct source {
	char *pod, *container, *image;
	int64_t start_ms, end_ms; /* end 0: still runs */
	int64_t rate;		  /* lines a second */
	char *pattern, *last_words;
	struct build_script *script; /* of a builder; else NULL */
	double speed;
};

static void source_release(struct source *s)
{
	free(s->pod);
	free(s->container);
	free(s->image);
	free(s->pattern);
	free(s->last_words);
	builder_script_free(s->script);
}
DEFINE_AUTO_RELEASE(source);

static int64_t line_time(const struct source *s, int64_t n)
{
	if (s->script)
		return s->start_ms + (int64_t)((double)s->script->lines[n - 1].ms / s->speed);
	return n <= FIRST_LINES ? s->start_ms : s->start_ms + (n - FIRST_LINES) * 1000 / s->rate;
}

/* How many lines there are at a moment. */
static int64_t lines_at(const struct source *s, int64_t ms)
{
	int64_t n = 0;

	if (s->script) { /* the end is told in whole seconds, maybe before the last line */
		while (n < (int64_t)s->script->n && (s->end_ms || line_time(s, n + 1) <= ms))
			n++;
		return n;
	}
	if (s->end_ms && ms > s->end_ms)
		ms = s->end_ms;
	return ms < s->start_ms ? 0 : FIRST_LINES + (ms - s->start_ms) * s->rate / 1000;
}

static void print_line(struct buf *out, const struct source *s, int64_t n, bool timestamps)
{
	if (timestamps) {
		json_t *time = jx_time(line_time(s, n));
		const char *text = json_string_value(time);

		buf_addf(out, "%.*s.%03d000000Z ", (int)strlen(text) - 1, text, (int)(line_time(s, n) % 1000));
		json_decref(time);
	}
	if (s->script) {
		buf_addf(out, "%s\n", s->script->lines[n - 1].text);
	} else if (s->pattern && *s->pattern) {
		for (const char *p = s->pattern; *p; p++) {
			if (!strncmp(p, "{n}", 3)) {
				buf_addf(out, "%lld", (long long)n);
				p += 2;
			} else if (!strncmp(p, "{pod}", 5)) {
				buf_adds(out, s->pod);
				p += 4;
			} else if (!strncmp(p, "{container}", 11)) {
				buf_adds(out, s->container);
				p += 10;
			} else {
				buf_addc(out, *p);
			}
		}
		buf_addc(out, '\n');
	} else if (log_style_line(s->image, s->pod, n, line_time(s, n), out)) {
		buf_addc(out, '\n');
	} else {
		buf_addf(out, "line %lld of %s/%s\n", (long long)n, s->pod, s->container);
	}
}

/* What a crash leaves behind the last line. */
static void print_last_words(struct buf *out, bool timestamps, const struct source *s)
{
	struct str rest = str_of(s->last_words), line;

	while (rest.len) {
		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		if (timestamps) {
			json_t *time = jx_time(s->end_ms);

			buf_addf(out, "%.*s.%03d000000Z ", (int)json_string_length(time) - 1, json_string_value(time),
				 (int)(s->end_ms % 1000));
			json_decref(time);
		}
		buf_addf(out, "%.*s\n", STR_ARG(line));
	}
}

static const json_t *container_status(const json_t *tree, const char *container)
{
	static const char *const lists[] = { "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses" };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		json_t *list = jget(tree, "status", lists[l]);
		ptrdiff_t at = jx_find(list, "name", container);

		if (at >= 0)
			return json_array_get(list, (size_t)at);
	}
	return NULL;
}

/* `testbed/crash-log`, else what such a program says, else a panic. The kernel, that kills for want of memory, leaves none. */
static const char *last_words(const json_t *tree, const json_t *ended, const char *image)
{
	const char *usual = log_style_last_words(image);
	const char *own = jstr(tree, "metadata", "annotations", "testbed/crash-log");

	if (!jint(0, ended, "exitCode") || !strcmp(jstr(ended, "reason"), "OOMKilled"))
		return "";
	return *own ? own : usual ? usual : "panic: runtime error: the fault of this pod is a crash\n\ngoroutine 1 [running]:\nmain.main()\n"
			    "\t/src/main.go:42 +0x1d\nexit status 2";
}

static bool read_source(const struct sim *sim, const json_t *tree, const char *container, bool previous, struct source *s)
{
	const json_t *status = container_status(tree, container);
	const json_t *state = json_object_get(status, previous ? "lastState" : "state");
	const json_t *running = json_object_get(state, "running"), *ended = json_object_get(state, "terminated");

	if (!previous && !running && !ended) { /* waiting for its next start: the last run is what there is to read */
		state = json_object_get(status, "lastState");
		ended = json_object_get(state, "terminated");
	}
	if (!running && !ended)
		return false;
	const char *image = jstr(status, "image"), *rate = jstr(tree, "metadata", "annotations", "testbed/log-rate");

	*s = (struct source){ .pod = xstrdup(jstr(tree, "metadata", "name")), .container = xstrdup(container),
			      .image = xstrdup(image),
			      .start_ms = jx_time_ms(jstr(running ? running : ended, "startedAt")),
			      .end_ms = ended ? jx_time_ms(jstr(ended, "finishedAt")) : 0,
			      .rate = *rate ? strtol(rate, NULL, 10) : 1000 / LINE_MS,
			      .last_words = xstrdup(last_words(tree, ended, image)),
			      .pattern = xstrdup(jstr(tree, "metadata", "annotations", "testbed/log-line")) };
	if (s->rate < 1)
		s->rate = 1;
	s->speed = sim->speed;
	if (builder_is(tree) && container_status(tree, container) == json_array_get(jget(tree, "status", "containerStatuses"), 0)) {
		s->script = builder_script(tree);
		*s->last_words = 0;
	}
	return true;
}

bool rest_choose_container(const struct request *request, const struct target *t, const json_t *tree, const char **ret,
			   struct reply *reply)
{
	json_t *list = jget(tree, "spec", "containers"), *init = jget(tree, "spec", "initContainers");
	const char *wanted = query_text(request, "container"), *fallback = jstr(tree, "metadata", "annotations",
										"kubectl.kubernetes.io/default-container");
	AUTO_RELEASE(buf) names = BUF_INIT(0);

	(void)fallback;
	if (!*wanted && json_array_size(list) == 1 && !json_array_size(init)) {
		*ret = jstr(json_array_get(list, 0), "name");
		return true;
	}
	if (!*wanted) {
		for (size_t i = 0; i < json_array_size(list); i++)
			buf_addf(&names, "%s%s", i ? " " : "", jstr(json_array_get(list, i), "name"));
		reply_status(reply, 400, "BadRequest", NULL,
			     "a container name must be specified for pod %s, choose one of: [%s]", t->name, buf_cstr(&names));
		return false;
	}
	if (jx_find(list, "name", wanted) < 0 && jx_find(init, "name", wanted) < 0 && jx_find(jget(tree, "spec", "ephemeralContainers"), "name", wanted) < 0) {
		reply_status(reply, 400, "BadRequest", NULL, "container %s is not valid for pod %s", wanted, t->name);
		return false;
	}
	*ret = wanted;
	return true;
}

static void refuse(const struct target *t, const json_t *tree, const char *container, bool previous, struct reply *reply)
{
	const json_t *status = container_status(tree, container);
	const char *reason = jstr(status, "state", "waiting", "reason");

	if (previous)
		reply_status(reply, 400, "BadRequest", NULL, "previous terminated container \"%s\" in pod \"%s\" not found", container,
			     t->name);
	else
		reply_status(reply, 400, "BadRequest", NULL, "container \"%s\" in pod \"%s\" is waiting to start: %s", container,
			     t->name, *reason ? reason : "ContainerCreating");
}

static int64_t first_line(const struct request *request, const struct source *s, int64_t now)
{
	int64_t total = lines_at(s, now), first = 1, since = 0;

	if (*query_text(request, "sinceSeconds"))
		since = now - strtoll(query_text(request, "sinceSeconds"), NULL, 10) * 1000;
	if (*query_text(request, "sinceTime"))
		since = jx_time_ms(query_text(request, "sinceTime")) / 1000 * 1000;
	while (since && first <= total && line_time(s, first) < since)
		first = s->script ? first + 1 : first <= FIRST_LINES ? FIRST_LINES + 1 + (since > s->start_ms ? (since - s->start_ms) * s->rate / 1000 : 0) :
					       first + 1;
	while (since && !s->script && first > FIRST_LINES + 1 && line_time(s, first - 1) >= since)
		first--;
	if (*query_text(request, "tailLines")) {
		int64_t tail = total - strtoll(query_text(request, "tailLines"), NULL, 10) + 1;

		if (tail > first)
			first = tail;
	}
	if (first < total - KEPT_LINES) /* the rest was rotated away */
		first = total - KEPT_LINES;
	return first < 1 ? 1 : first;
}

void rest_log(struct sim *sim, const struct request *request, const struct target *t, struct reply *reply)
{
	struct object *o = store_find(t->resource, t->ns, t->name);
	bool previous = query_is(request, "previous"), timestamps = query_is(request, "timestamps");
	int64_t now = sim_wall_ms(), limit = strtoll(query_text(request, "limitBytes"), NULL, 10);
	AUTO_RELEASE(source) s = { 0 };
	const char *container;
	json_t *tree;

	if (!o) {
		reply_not_found(reply, t->resource, t->name);
		return;
	}
	tree = store_tree(o);
	if (!rest_choose_container(request, t, tree, &container, reply)) {
		;
	} else if (!read_source(sim, tree, container, previous, &s)) {
		refuse(t, tree, container, previous, reply);
	} else {
		int64_t first = first_line(request, &s, now), total = lines_at(&s, now);

		buf_reset(&reply->body);
		buf_adds(&reply->body, "");
		for (int64_t n = first; n <= total && (!limit || reply->body.len < (size_t)limit); n++)
			print_line(&reply->body, &s, n, timestamps);
		print_last_words(&reply->body, timestamps, &s);
		if (limit > 0)
			buf_truncate(&reply->body, (size_t)limit);
		reply->status = 200;
		reply->content_type = "text/plain";
		if (query_is(request, "follow") && !s.end_ms) {
			struct follow *f = xcalloc(1, sizeof *f);

			*f = (struct follow){ .sim = sim, .ns = xstrdup(t->ns), .pod = xstrdup(t->name),
					      .container = xstrdup(container), .uid = xstrdup(o->uid),
					      .next_line = (first > total ? first : total + 1), .timestamps = timestamps };
			f->out = reply->body;
			reply->body = (struct buf){ 0 };
			reply->follow = f;
		}
	}
	json_decref(tree);
}

bool follow_fill(struct follow *f)
{
	const struct resource *pods;
	struct object *o;

	if (f->over)
		return f->out.len > 0;
	pthread_mutex_lock(&f->sim->lock);
	pods = kinds_plural(f->sim, "", "v1", "pods");
	o = f->sim->stopping ? NULL : store_find(pods, f->ns, f->pod);
	if (!o || strcmp(o->uid, f->uid)) {
		f->over = true;
	} else {
		AUTO_RELEASE(source) s = { 0 };
		json_t *tree = store_tree(o);

		if (!read_source(f->sim, tree, f->container, false, &s)) {
			f->over = true;
		} else {
			int64_t total = lines_at(&s, sim_wall_ms());

			for (; f->next_line <= total && f->out.len < 256 * 1024; f->next_line++)
				print_line(&f->out, &s, f->next_line, f->timestamps);
			if (s.end_ms) {
				print_last_words(&f->out, f->timestamps, &s);
				f->over = true;
			}
		}
		json_decref(tree);
	}
	pthread_mutex_unlock(&f->sim->lock);
	return f->out.len || !f->over;
}

void follow_destroy(struct follow *f)
{
	if (!f)
		return;
	free(f->ns);
	free(f->pod);
	free(f->container);
	free(f->uid);
	buf_release(&f->out);
	free(f);
}
