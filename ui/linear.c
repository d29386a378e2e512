#include "ui/linear.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "ui/piece.h"
#include "ui/strip.h"
#include "ui/text.h"

#define POLL_MS	   1000
#define QUIET_MS   400
#define LINE_MAX_B 1024

struct linear {
	const struct app_options *options;
	struct live *live;
	struct map told; /* title → what was said of it last */
	char *trouble; /* with the record of health, as last told */
	struct buf input;
	bool ended, quit; /* no more input; leave */
};

static void say(const char *text)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, str_of(text));
	puts(buf_cstr(&plain));
	fflush(stdout);
}

static void say_env(struct linear *l, const struct environment *env, const char *word)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	add_clock(&line, live_now_ms(l->live));
	buf_addf(&line, " %s %s%s%s", env->title, word, *env->why ? ": " : "", env->why);
	say(buf_cstr(&line));
}

static void say_cause(struct linear *l, const struct environment *env)
{
	const struct cause *cause = causes_deepest(env->causes);
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	if (!cause)
		return;
	add_clock(&line, live_now_ms(l->live));
	buf_addf(&line, " %s ", T("cause:"));
	cause_format(cause, &line);
	say(buf_cstr(&line));
}

/* What changed in a word or a reason; not each "4 of 9". */
static void tell_changes(struct linear *l)
{
	const struct environment *env;

	for (size_t i = 0; (env = envs_at(live_envs(l->live), i)); i++) {
		AUTO_FREE char *now = xasprintf("%s %s", health_state_name(env->shown), env->shown == HEALTH_DEGRADED ? env->rule_id : "");
		const char *before = map_text(&l->told, env->title);

		if (before && strcmp(before, now) == 0)
			continue;
		map_set_text(&l->told, env->title, now);
		say_env(l, env, T(health_state_name(env->shown)));
		if (env->shown == HEALTH_DEGRADED)
			say_cause(l, env);
	}
}

static void tell_trouble(struct linear *l)
{
	const char *trouble = health_strip_trouble(live_strip(l->live));

	if (!*trouble || (l->trouble && strcmp(l->trouble, trouble) == 0))
		return;
	free(l->trouble);
	l->trouble = xstrdup(trouble);
	say(trouble);
}

/* ---- commands ---- */

static void list(struct linear *l, const char *rest)
{
	const struct environment *env;

	(void)rest;
	for (size_t i = 0; (env = envs_at(live_envs(l->live), i)); i++)
		say_env(l, env, T(health_state_name(env->shown)));
}

/* In words; the cells themselves for who looks at them. */
static void say_strip(struct linear *l, const struct environment *env)
{
	char cells[HEALTH_STRIP_CELLS + 1];
	AUTO_RELEASE(buf) words = BUF_INIT(0);
	AUTO_FREE char *line = NULL;

	health_strip_cells(live_strip(l->live), env->title, live_now_ms(l->live), cells);
	strip_words(cells, &words);
	line = xasprintf(T("  last 6 h: %s |%s|"), buf_cstr(&words), cells);
	say(line);
}

static void why(struct linear *l, const char *title)
{
	const struct environment *env = envs_find(live_envs(l->live), title);

	if (!env) {
		AUTO_FREE char *text = xasprintf(T("\"%s\" is no environment; l lists them"), title);

		say(text);
		return;
	}
	say_env(l, env, T(health_state_name(env->shown)));
	for (size_t i = 0; i < env->causes->len; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		buf_adds(&line, "  ");
		cause_format(&env->causes->items[i], &line);
		say(buf_cstr(&line));
	}
	say_strip(l, env);
}

static void quit(struct linear *l, const char *rest)
{
	(void)rest;
	l->quit = true;
}

static void help(struct linear *l, const char *rest);

static const struct {
	char letter;
	const char *help;
	void (*run)(struct linear *l, const char *rest);
} commands[] = {
	{ 'l', N_("l: all environments, worst first"), list },
	{ 'w', N_("w NAME: why an environment is in its state"), why },
	{ 'h', N_("h: this help"), help },
	{ 'q', N_("q: leave"), quit },
};

static void help(struct linear *l, const char *rest)
{
	(void)l;
	(void)rest;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		say(T(commands[i].help));
}

static void run_command(struct linear *l, char *line)
{
	line += strspn(line, " \t");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (*line != commands[i].letter || (line[1] && line[1] != ' '))
			continue;
		commands[i].run(l, line + 1 + strspn(line + 1, " "));
		return;
	}
	if (*line)
		say(T("no such command; h lists them"));
}

static void prompt(const struct linear *l)
{
	if (isatty(STDIN_FILENO) && !l->quit && !l->ended) {
		fputs(T("command (h for help): "), stdout);
		fflush(stdout);
	}
}

static void take_input(struct linear *l)
{
	char bytes[LINE_MAX_B];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
	char *end;

	if (n <= 0) {
		l->ended = true;
		return;
	}
	buf_add(&l->input, bytes, (size_t)n);
	while (!l->quit && l->input.len && (end = memchr(l->input.p, '\n', l->input.len))) {
		*end = '\0';
		run_command(l, l->input.p);
		buf_consume(&l->input, (size_t)(end - l->input.p) + 1);
		prompt(l);
	}
	if (l->input.len > LINE_MAX_B)
		buf_reset(&l->input);
}

/* ---- the loop ---- */

int linear_run(const struct app_options *options, struct error *err)
{
	struct linear l = { .options = options, .live = options->cluster.live, .told = MAP_INIT(free) };
	struct live_status status;
	int64_t changed_ms = clock_now_ms(NULL);
	bool ready = false;

	(void)err;
	text_use(NULL);
	while (!l.quit && !cancel_requested(options->cancel)) {
		struct pollfd fds[] = { { .fd = live_fd(l.live), .events = POLLIN },
					{ .fd = cancel_fd(options->cancel), .events = POLLIN },
					{ .fd = ready && !l.ended ? STDIN_FILENO : -1, .events = POLLIN } };

		poll(fds, ARRAY_LEN(fds), ready ? POLL_MS : QUIET_MS);
		if (live_poll(l.live, 0))
			changed_ms = clock_now_ms(NULL);
		live_status(l.live, &status);
		/* The first lists, and what they mean together. */
		if (!ready && status.state != LIVE_LOADING && !status.loading && clock_now_ms(NULL) - changed_ms >= QUIET_MS) {
			ready = true;
			tell_changes(&l);
			prompt(&l);
		} else if (ready) {
			tell_changes(&l);
		}
		tell_trouble(&l);
		if (fds[2].fd >= 0 && fds[2].revents)
			take_input(&l);
	}
	map_release(&l.told);
	free(l.trouble);
	buf_release(&l.input);
	return cancel_requested(options->cancel) && cancel_signal(options->cancel) ? 128 + cancel_signal(options->cancel) : EXIT_DONE;
}
