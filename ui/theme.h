/*
 * theme: what each role looks like, and how its colours come down to what a terminal has.
 *
 * Themes are YAML: those below assets/themes, and NAME.yaml in a folder of the person. Colours go down a ladder: as written on a
 * terminal with direct colours, the nearest of the 256, the named one of 16, its plain form of 8, none. A selected cell gets the
 * colour of the theme or is shown reversed. Made once, then only read; any thread.
 */
#ifndef SLOTDECK_UI_THEME_H
#define SLOTDECK_UI_THEME_H

#include "base/error.h"
#include "ui/canvas.h"

enum depth { DEPTH_MONO, DEPTH_8, DEPTH_16, DEPTH_256, DEPTH_DIRECT };

struct theme;
/*
 * Gives the theme called name (NULL: "dark"); folder is looked into first, NULL: none. ERR_INVALID for a name that nothing has (the
 * hint lists those there are) and for a file that is wrong, with line and column.
 */
bool theme_load(const char *name, const char *folder, struct theme **ret_theme, struct error *err);
void theme_destroy(struct theme *theme);
DEFINE_AUTO(theme);
/* The built-in themes, sorted; NULL past the end. */
const char *theme_builtin(size_t n);

/* How a cell is shown with the colours of depth; COLOUR_OF_ROLE in the result is the terminal's own colour. */
struct style theme_style(const struct theme *theme, enum depth depth, const struct cell *cell);
/* 0xrrggbb, for pictures. */
uint32_t theme_text(const struct theme *theme);
uint32_t theme_background(const struct theme *theme);

/* What a colour is as 0xrrggbb: entries of the 256 by xterm's palette. Not for COLOUR_OF_ROLE. */
uint32_t colour_rgb(uint32_t colour);

#endif
