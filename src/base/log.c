#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/utc.h"

#define REDACT_MIN_BYTES 6
#define LINE_MAX_BYTES	 ((size_t)64 << 10)

/* The program's one log, as STYLE 12 allows: level, form and sink are written by main before threads start. */
static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_form = LOG_FORM_TEXT;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink)(struct str line, void *arg);
static void *sink_arg;

/* Live secrets, longest first so that one that holds another is masked whole. Under its own lock. */
static pthread_mutex_t redact_lock = PTHREAD_MUTEX_INITIALIZER;
static struct redaction {
	char *bytes;
	size_t len;
	unsigned count;
} * redactions;
static size_t nredactions, cap_redactions;

static const struct {
	const char *name, *tag, *upper, *colour;
} levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", "DBG", "DEBUG", "\033[2m" },
	[LOG_LEVEL_INFO] = { "info", "INF", "INFO", "\033[92m" },
	[LOG_LEVEL_WARN] = { "warn", "WRN", "WARN", "\033[93m" },
	[LOG_LEVEL_ERROR] = { "error", "ERR", "ERROR", "\033[91m" },
};

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	if (!strcasecmp(text, "warning"))
		text = "warn";
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (!strcasecmp(text, levels[i].name)) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load(&current_level);
}

void log_set_form(enum log_form form)
{
	atomic_store(&current_form, (int)form);
}

void log_set_sink(void (*write_line)(struct str line, void *arg), void *arg)
{
	pthread_mutex_lock(&log_lock);
	sink = write_line;
	sink_arg = arg;
	pthread_mutex_unlock(&log_lock);
}

void log_redact_add(struct str value)
{
	size_t at = 0;

	if (value.len < REDACT_MIN_BYTES)
		return;
	pthread_mutex_lock(&redact_lock);
	for (; at < nredactions && redactions[at].len >= value.len; at++)
		if (redactions[at].len == value.len && !memcmp(redactions[at].bytes, value.p, value.len)) {
			redactions[at].count++;
			pthread_mutex_unlock(&redact_lock);
			return;
		}
	(void)LIST_PUSH(redactions, nredactions, cap_redactions);
	memmove(redactions + at + 1, redactions + at, (nredactions - 1 - at) * sizeof *redactions);
	redactions[at] = (struct redaction){ xmemdup0(value.p, value.len), value.len, 1 };
	pthread_mutex_unlock(&redact_lock);
}

static void forget(size_t at)
{
	secret_wipe(redactions[at].bytes, redactions[at].len);
	free(redactions[at].bytes);
	memmove(redactions + at, redactions + at + 1, (nredactions - at - 1) * sizeof *redactions);
	if (--nredactions)
		return;
	free(redactions);
	redactions = NULL;
	cap_redactions = 0;
}

void log_redact_remove(struct str value)
{
	pthread_mutex_lock(&redact_lock);
	for (size_t at = 0; at < nredactions; at++)
		if (redactions[at].len == value.len && !memcmp(redactions[at].bytes, value.p, value.len)) {
			if (--redactions[at].count == 0)
				forget(at);
			break;
		}
	pthread_mutex_unlock(&redact_lock);
}

void log_redact(struct buf *text)
{
	pthread_mutex_lock(&redact_lock);
	for (size_t i = 0; i < nredactions && text->len; i++) {
		struct str secret = { redactions[i].bytes, redactions[i].len };
		ptrdiff_t at;

		while ((at = str_find(buf_str(text), secret)) >= 0) {
			size_t behind = (size_t)at + secret.len;

			memcpy(text->p + at, "***", 3);
			memmove(text->p + at + 3, text->p + behind, text->len - behind + 1);
			secret_wipe(text->p + text->len - secret.len + 4, secret.len - 4);
			text->len -= secret.len - 3;
		}
	}
	pthread_mutex_unlock(&redact_lock);
}

static void add_json_text(struct buf *out, struct str text)
{
	buf_addc(out, '"');
	while (text.len) {
		const char *start = text.p;
		uint32_t rune;
		size_t width = utf8_next(&text, &rune);

		if (rune == '"' || rune == '\\')
			buf_addf(out, "\\%c", (char)rune);
		else if (rune == '\n')
			buf_adds(out, "\\n");
		else if (rune == '\t')
			buf_adds(out, "\\t");
		else if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0))
			buf_addf(out, "\\u%04x", (unsigned)rune);
		else if (rune == 0xfffd)
			buf_adds(out, "\xef\xbf\xbd");
		else
			buf_add(out, start, width);
	}
	buf_addc(out, '"');
}

/* Masked before it is escaped: an escaped secret would not be found any more. */
static struct str masked(struct str text, struct buf *scratch)
{
	buf_reset(scratch);
	buf_add_str(scratch, text);
	log_redact(scratch);
	return buf_str(scratch);
}

/* Quoted when a reader could take it for something else; escaped in any case. */
static void add_value(struct buf *out, struct str text)
{
	bool plain = text.len > 0;

	for (size_t i = 0; i < text.len && plain; i++) {
		unsigned char c = (unsigned char)text.p[i];

		plain = c > ' ' && c != '"' && c != '=' && c != 0x7f && c < 0x80;
	}
	if (plain)
		buf_add_str(out, text);
	else
		add_json_text(out, text);
}

/* The message is for people: no quotes around it, but no control characters either. */
static void add_message(struct buf *out, struct str text)
{
	struct buf quoted = BUF_INIT(0);

	add_json_text(&quoted, text);
	struct str inner = { quoted.p + 1, quoted.len - 2 };

	for (size_t i = 0; i < inner.len; i++) {
		if (inner.p[i] == '\\' && i + 1 < inner.len && (inner.p[i + 1] == '"' || inner.p[i + 1] == '\\'))
			i++;
		buf_addc(out, inner.p[i]);
	}
	buf_release(&quoted);
}

static struct str field_text(const struct log_field *field, char *scratch)
{
	switch (field->kind) {
	case LOG_FIELD_INT:
		snprintf(scratch, UTC_TEXT_MAX, "%lld", (long long)field->number);
		return str_of(scratch);
	case LOG_FIELD_BOOL:
		return field->number ? STR("true") : STR("false");
	case LOG_FIELD_MS:
		return str_of(duration_format(field->number, scratch));
	default:
		return field->text;
	}
}

static void format_text(struct buf *line, enum log_level level, const char *message, const struct log_field *fields,
			size_t nfields, bool colour)
{
	static const char *const weekdays[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	struct timeval now;
	struct tm local;
	char scratch[UTC_TEXT_MAX];
	AUTO_RELEASE(buf) mask = BUF_INIT(0);

	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &local);
	buf_addf(line, "%s%s %2d %02d:%02d:%02d.%03d%s %s%s%s ", colour ? "\033[2m" : "", weekdays[local.tm_wday],
		 local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, (int)(now.tv_usec / 1000),
		 colour ? "\033[0m" : "", colour ? levels[level].colour : "", levels[level].tag,
		 colour ? "\033[0m" : "");
	add_message(line, masked(str_of(message), &mask));
	for (size_t i = 0; i < nfields; i++) {
		if (fields[i].kind == LOG_FIELD_NONE)
			continue;
		buf_addf(line, " %s%s=%s", colour ? "\033[2m" : "", fields[i].key, colour ? "\033[0m" : "");
		add_value(line, masked(field_text(&fields[i], scratch), &mask));
	}
}

static void format_json(struct buf *line, enum log_level level, const char *message, const struct log_field *fields,
			size_t nfields)
{
	struct timeval now;
	char scratch[UTC_TEXT_MAX];
	AUTO_RELEASE(buf) mask = BUF_INIT(0);

	gettimeofday(&now, NULL);
	buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":",
		 utc_format_micro(now.tv_sec * INT64_C(1000000) + now.tv_usec, scratch), levels[level].upper);
	add_json_text(line, masked(str_of(message), &mask));
	for (size_t i = 0; i < nfields; i++) {
		if (fields[i].kind == LOG_FIELD_NONE)
			continue;
		buf_addc(line, ',');
		add_json_text(line, str_of(fields[i].key));
		buf_addc(line, ':');
		struct str text = field_text(&fields[i], scratch);

		if (fields[i].kind == LOG_FIELD_INT || fields[i].kind == LOG_FIELD_BOOL)
			buf_add_str(line, text);
		else
			add_json_text(line, masked(text, &mask));
	}
	buf_addc(line, '}');
}

static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_colour && *no_colour) && !(term && !strcmp(term, "dumb")) && isatty(STDERR_FILENO);
}

static void write_stderr(struct str line)
{
	while (line.len) {
		ssize_t n = write(STDERR_FILENO, line.p, line.len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			line = (struct str){ line.p + n, line.len - (size_t)n };
	}
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t nfields)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	if (!message)
		message = "";
	pthread_mutex_lock(&log_lock);
	if (atomic_load(&current_form) == LOG_FORM_JSON)
		format_json(&line, level, message, fields, nfields);
	else
		format_text(&line, level, message, fields, nfields, !sink && wants_colour());
	if (line.len > LINE_MAX_BYTES) {
		buf_truncate(&line, LINE_MAX_BYTES);
		buf_adds(&line, "…");
	}
	buf_addc(&line, '\n');
	if (sink)
		sink((struct str){ line.p, line.len - 1 }, sink_arg);
	else
		write_stderr(buf_str(&line));
	pthread_mutex_unlock(&log_lock);
}
