/*
 * golden: a drawn screen against its file below tests/screen/golden. UPDATE_GOLDEN=1 writes the file instead.
 */
#ifndef SLOTDECK_TEST_GOLDEN_H
#define SLOTDECK_TEST_GOLDEN_H

#include "ui/canvas.h"

/* The file is NAME-COLSxROWS.txt. Fails the test, with the screen, when it differs or is missing. */
void check_screen(const struct canvas *canvas, const char *name);

/* The same for a screen as text that was made free of what differs from run to run. */
void check_screen_text(struct str text, const char *name, int cols, int rows);

#endif
