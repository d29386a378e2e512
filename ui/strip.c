#include "ui/strip.h"

#include <string.h>

#include "ui/text.h"

static const struct {
	char sign;
	enum role role;
	const char *name;
} signs[] = { { '#', ROLE_BAD, N_("degraded") }, { '-', ROLE_PROGRESS, N_("progressing") }, { '_', ROLE_HEALTHY, N_("healthy") }, { ' ', ROLE_DIM, N_("no data") } };

static enum role role_of_sign(char sign)
{
	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (signs[i].sign == sign)
			return signs[i].role;
	return ROLE_DIM;
}

void strip_draw(struct canvas *canvas, int row, int col, int width, const char *cells)
{
	int n = (int)strlen(cells), skip = n > width ? n - width : 0;

	for (int i = skip; i < n; i++)
		canvas_text(canvas, row, col + width - n + i, 1, role_of_sign(cells[i]), (const char[]){ cells[i], '\0' });
}

void strip_words(const char *cells, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		long minutes = 0;

		for (const char *c = cells; *c; c++)
			minutes += *c == signs[i].sign ? HEALTH_STRIP_CELL_MS / 60000 : 0;
		if (!minutes)
			continue;
		buf_addf(out, "%s%s ", out->len ? ", " : "", T(signs[i].name));
		if (minutes >= 60)
			buf_addf(out, "%ldh", minutes / 60);
		if (minutes % 60)
			buf_addf(out, "%ldm", minutes % 60);
	}
}
