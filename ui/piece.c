#include "ui/piece.h"
#include "ui/text.h"

#include <time.h>

enum role role_of_state(enum health_state state)
{
	static const enum role roles[] = { [HEALTH_HEALTHY] = ROLE_HEALTHY,	[HEALTH_SUSPENDED] = ROLE_DIM, [HEALTH_PROGRESSING] = ROLE_PROGRESS,
					   [HEALTH_DELETING] = ROLE_PROGRESS,	[HEALTH_MISSING] = ROLE_BAD,   [HEALTH_UNKNOWN] = ROLE_UNKNOWN,
					   [HEALTH_DEGRADED] = ROLE_BAD };

	return roles[state];
}

const char *mark_of_state(enum health_state state)
{
	static const char *const marks[] = { [HEALTH_HEALTHY] = "✓",  [HEALTH_SUSPENDED] = "-", [HEALTH_PROGRESSING] = "~", [HEALTH_DELETING] = "~",
					     [HEALTH_MISSING] = "✗", [HEALTH_UNKNOWN] = "?",	[HEALTH_DEGRADED] = "✗" };

	return marks[state];
}

void add_age(struct buf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 0)
		s = 0;
	if (s < 60)
		buf_addf(out, "%llds", (long long)s);
	else if (s < 3600)
		buf_addf(out, "%lldm", (long long)(s / 60));
	else if (s < 48 * 3600)
		buf_addf(out, "%lldh", (long long)(s / 3600));
	else
		buf_addf(out, "%lldd", (long long)(s / 86400));
}

void add_clock(struct buf *out, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;

	localtime_r(&seconds, &local);
	buf_addf(out, "%02d:%02d:%02d", local.tm_hour, local.tm_min, local.tm_sec);
}

void draw_causes(const struct causes *causes, enum health_state state, struct canvas *canvas, int *row, int end)
{
	for (size_t i = 0; i < causes->len && *row < end; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);
		int indent = 1 + 2 * (int)i;

		cause_format(&causes->items[i], &line);
		if (i)
			canvas_text(canvas, *row, indent, 2, ROLE_DIM, "└ ");
		canvas_text(canvas, *row, indent + (i ? 2 : 0), canvas->cols - indent - 2, i ? ROLE_TEXT : role_of_state(state), buf_cstr(&line));
		++*row;
	}
}

void draw_tabs(struct canvas *canvas, int row, const char *const *names, size_t n, size_t current, const char *note)
{
	int col = 2;

	canvas_rule(canvas, row, "", note);
	for (size_t i = 0; i < n; i++)
		col += canvas_textf(canvas, row, col, canvas->cols - col, i == current ? ROLE_TITLE : ROLE_DIM, i == current ? "[%s] " : " %s  ", T(names[i]));
}
