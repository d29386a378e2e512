#include <string.h>

#include "ui/view.h"

void help_view_draw(struct canvas *canvas, int top, size_t scroll)
{
	const char *group = "";
	size_t line = 0;
	int row = top;

	for (size_t i = 0; i < nbindings && row < canvas->rows - 1; i++) {
		if (strcmp(group, bindings[i].group) != 0) {
			group = bindings[i].group;
			if (line++ >= scroll)
				canvas_text(canvas, row++, 1, canvas->cols - 2, ROLE_TITLE, group);
		}
		if (line++ < scroll || row >= canvas->rows - 1)
			continue;
		canvas_text(canvas, row, 3, 14, ROLE_KEY, bindings[i].label);
		canvas_text(canvas, row++, 18, canvas->cols - 19, ROLE_TEXT, bindings[i].help);
	}
}
