#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/file.h"

void check_screen_text(struct str text, const char *name, int cols, int rows)
{
	AUTO_FREE char *path = xasprintf("tests/screen/golden/%s-%dx%d.txt", name, cols, rows);
	AUTO_RELEASE(buf) want = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (getenv("UPDATE_GOLDEN")) {
		if (!file_write_atomic(path, text, 0644, &err))
			fail_msg("%s", err.message);
	} else if (!file_read(path, 0, &want, &err)) {
		fail_msg("%s; UPDATE_GOLDEN=1 writes it", err.message);
	} else if (!str_eq(text, buf_str(&want))) {
		fail_msg("%s differs; the screen is now:\n%.*s", path, STR_ARG(text));
	}
}

void check_screen(const struct canvas *canvas, const char *name)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	canvas_dump_text(canvas, &text);
	check_screen_text(buf_str(&text), name, canvas->cols, canvas->rows);
}
