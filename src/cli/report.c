#include "cli/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

struct report {
	struct print_options options;
	struct job_event **events;
	size_t len, cap;
	bool github; /* GITHUB_ACTIONS */
};

struct report *report_create(const struct print_options *options)
{
	struct report *report = xcalloc(1, sizeof *report);
	const char *actions = getenv("GITHUB_ACTIONS");

	report->options = *options;
	report->github = actions && strcmp(actions, "true") == 0;
	return report;
}

void report_destroy(struct report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->len; i++)
		job_event_destroy(report->events[i]);
	free(report->events);
	free(report);
}

static bool matters(enum job_event_kind kind)
{
	return kind == JOB_STARTED || kind == JOB_FINDING || kind == JOB_STEP_FINISHED || kind == JOB_OBJECT || kind == JOB_CONFLICT ||
	       kind == JOB_WAIT || kind == JOB_CAUSE || kind == JOB_FINISHED || kind == JOB_DIFF;
}

void report_event(struct report *report, const struct job_event *event)
{
	if (matters(event->kind))
		LIST_PUSH(report->events, report->len, report->cap) = job_event_copy(event);
}

static const struct job_event *find(const struct report *report, enum job_event_kind kind)
{
	for (size_t i = report->len; i-- > 0;)
		if (report->events[i]->kind == kind)
			return report->events[i];
	return NULL;
}

static void add_name(struct buf *out, const struct job_object *object)
{
	buf_addf(out, "%s/%s", object->kind, object->name ? object->name : "");
}

/* ---- JUnit ---- */

static void add_xml(struct buf *out, const char *text)
{
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	add_clean(&clean, text ? text : "", true);
	for (size_t i = 0; i < clean.len; i++) {
		char c = clean.p[i];

		if (c == '<')
			buf_adds(out, "&lt;");
		else if (c == '>')
			buf_adds(out, "&gt;");
		else if (c == '&')
			buf_adds(out, "&amp;");
		else if (c == '"')
			buf_adds(out, "&quot;");
		else
			buf_addc(out, c);
	}
}

struct junit {
	struct buf cases;
	unsigned tests, failures, skipped;
};

static void junit_case(struct junit *junit, const char *class_name, const char *name, int64_t elapsed_ms)
{
	buf_adds(&junit->cases, "    <testcase classname=\"");
	add_xml(&junit->cases, class_name);
	buf_adds(&junit->cases, "\" name=\"");
	add_xml(&junit->cases, name);
	buf_addf(&junit->cases, "\" time=\"%.3f\"", (double)elapsed_ms / 1000);
	junit->tests++;
}

static void junit_end(struct junit *junit, bool failed, bool skipped, const char *message)
{
	if (!failed && !skipped) {
		buf_adds(&junit->cases, "/>\n");
		return;
	}
	buf_addf(&junit->cases, ">\n      <%s message=\"", failed ? "failure" : "skipped");
	add_xml(&junit->cases, message);
	buf_adds(&junit->cases, "\"/>\n    </testcase>\n");
	junit->failures += failed;
	junit->skipped += skipped && !failed;
}

static bool is_failure(const struct job_event *e)
{
	return e->change == CHANGE_FAILED || e->change == CHANGE_CONFLICT;
}

/* The last state of an awaited object counts. */
static bool is_last_wait(const struct report *report, size_t at)
{
	const struct job_object *mine = &report->events[at]->object;

	for (size_t i = at + 1; i < report->len; i++) {
		const struct job_object *other = &report->events[i]->object;

		if (report->events[i]->kind == JOB_WAIT && other->kind && mine->kind && strcmp(other->kind, mine->kind) == 0 &&
		    strcmp(other->name, mine->name) == 0 && strcmp(other->namespace ? other->namespace : "", mine->namespace ? mine->namespace : "") == 0)
			return false;
	}
	return true;
}

static void junit_event(struct junit *junit, const struct report *report, size_t at)
{
	const struct job_event *e = report->events[at];
	AUTO_RELEASE(buf) name = BUF_INIT(0);

	if (e->object.kind)
		add_name(&name, &e->object);
	if (e->kind == JOB_OBJECT) {
		junit_case(junit, e->object.item && *e->object.item ? e->object.item : "apply", buf_cstr(&name), 0);
		junit_end(junit, is_failure(e), e->change == CHANGE_SKIPPED, e->text ? e->text : job_change_name(e->change));
	} else if (e->kind == JOB_WAIT && is_last_wait(report, at)) {
		bool healthy = e->state && (strcmp(e->state, "healthy") == 0 || strcmp(e->state, "suspended") == 0);

		junit_case(junit, "wait", buf_cstr(&name), e->elapsed_ms);
		junit_end(junit, !healthy, false, e->text && *e->text ? e->text : e->state);
	} else if (e->kind == JOB_STEP_FINISHED) {
		junit_case(junit, "steps", e->step ? e->step : "", e->elapsed_ms);
		junit_end(junit, !e->ok, false, e->text);
	} else if (e->kind == JOB_FINDING && e->severity == DIAG_ERROR) {
		junit_case(junit, "preflight", e->text, 0);
		junit_end(junit, true, false, e->text);
	}
}

static bool write_junit(struct report *report, struct error *err)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct junit junit = { .cases = BUF_INIT(0) };
	const struct job_event *end = find(report, JOB_FINISHED);

	for (size_t i = 0; i < report->len; i++)
		junit_event(&junit, report, i);
	buf_addf(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"slotdeck %s\" tests=\"%u\" failures=\"%u\" "
		       "errors=\"0\" skipped=\"%u\" time=\"%.3f\">\n",
		 report->options.command, junit.tests, junit.failures, junit.skipped, end ? (double)end->elapsed_ms / 1000 : 0);
	buf_add_str(&out, buf_str(&junit.cases));
	buf_adds(&out, "  </testsuite>\n</testsuites>\n");
	buf_release(&junit.cases);
	log_redact(&out);
	return file_write_atomic(report->options.junit, buf_str(&out), 0644, err);
}

/* ---- GitHub ---- */

static void append(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "ae");

	log_redact(text);
	if (!file) {
		log_warn("cannot write", LOG_TEXT("file", path));
		return;
	}
	fwrite(buf_cstr(text), 1, text->len, file);
	fclose(file);
}

static void add_cell(struct buf *out, const char *text)
{
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	add_clean(&clean, text ? text : "", false);
	for (size_t i = 0; i < clean.len; i++) {
		if (strchr("|<>`*_\\", clean.p[i]))
			buf_addc(out, '\\');
		buf_addc(out, clean.p[i]);
	}
}

static void write_summary(struct report *report, const char *path)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	const struct job_event *start = find(report, JOB_STARTED), *end = find(report, JOB_FINISHED);

	buf_addf(&out, "### slotdeck %s ", report->options.command);
	add_cell(&out, start ? start->detail : "");
	buf_adds(&out, "\n\n");
	if (end) {
		buf_addf(&out, "**exit %d**: ", end->exit_code);
		add_cell(&out, end->text);
		buf_adds(&out, "\n\n");
	}
	buf_adds(&out, "| object | result | message |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < report->len; i++) {
		const struct job_event *e = report->events[i];
		bool wait = e->kind == JOB_WAIT && is_last_wait(report, i);

		if ((e->kind != JOB_OBJECT || e->change == CHANGE_UNCHANGED) && !wait && e->kind != JOB_DIFF)
			continue;
		buf_adds(&out, "| ");
		add_cell(&out, e->object.kind);
		buf_addc(&out, ' ');
		add_cell(&out, e->object.name);
		buf_adds(&out, " | ");
		add_cell(&out, wait ? e->state : job_change_name(e->change));
		buf_adds(&out, " | ");
		add_cell(&out, e->kind == JOB_DIFF ? e->detail : e->text);
		buf_adds(&out, " |\n");
	}
	buf_addc(&out, '\n');
	append(path, &out);
}

/* "::error file=F,line=N::message"; data is escaped as the workflow commands page says. */
static void annotate(FILE *out, const struct job_event *e, const char *level)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	const char *file = e->place.file ? e->place.file : e->object.file;
	unsigned number = e->place.file ? e->place.line : e->object.line;

	buf_addf(&line, "::%s", level);
	if (file && *file) {
		buf_addf(&line, " file=%s", file);
		if (number)
			buf_addf(&line, ",line=%u", number);
	}
	buf_adds(&line, "::");
	if (e->object.kind) {
		add_name(&line, &e->object);
		buf_adds(&line, ": ");
	}
	for (const char *c = e->text ? e->text : ""; *c; c++) {
		if (*c == '%')
			buf_adds(&line, "%25");
		else if (*c == '\n')
			buf_adds(&line, "%0A");
		else if (*c == '\r')
			buf_adds(&line, "%0D");
		else
			buf_addc(&line, (unsigned char)*c < ' ' ? '?' : *c);
	}
	log_redact(&line);
	fprintf(out, "%s\n", buf_cstr(&line));
}

static void annotate_all(struct report *report)
{
	for (size_t i = 0; i < report->len; i++) {
		const struct job_event *e = report->events[i];

		if (e->kind == JOB_FINDING)
			annotate(report->options.err, e, e->severity == DIAG_ERROR ? "error" : "warning");
		else if (e->kind == JOB_OBJECT && is_failure(e))
			annotate(report->options.err, e, "error");
		else if (e->kind == JOB_WAIT && e->state && strcmp(e->state, "degraded") == 0 && is_last_wait(report, i))
			annotate(report->options.err, e, "error");
	}
}

static void add_output(struct buf *out, const char *key, const char *value)
{
	/* The delimiter must not be a line of the value; values here have no line breaks. */
	buf_addf(out, "%s<<slotdeck_end_of_value\n%s\nslotdeck_end_of_value\n", key, value);
}

static void write_outputs(struct report *report, const char *path)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_FREE char *slot = xasprintf("%lld", report->options.slot);

	if (report->options.slot)
		add_output(&out, "slot", slot);
	if (report->options.namespace && *report->options.namespace)
		add_output(&out, "namespace", report->options.namespace);
	if (report->options.env && *report->options.env)
		add_output(&out, "env", report->options.env);
	append(path, &out);
}

bool report_write(struct report *report, struct error *err)
{
	const char *summary = getenv("GITHUB_STEP_SUMMARY"), *outputs = getenv("GITHUB_OUTPUT");

	if (report->github)
		annotate_all(report);
	if (summary && *summary)
		write_summary(report, summary);
	if (outputs && *outputs)
		write_outputs(report, outputs);
	if (!report->options.junit)
		return true;
	return write_junit(report, err) || error_wrap(err, "write the JUnit report");
}
