/*
 * text: what people read on screens, in their language. English is the text in the code and the key of its translation.
 *
 *     canvas_text(canvas, row, col, width, ROLE_DIM, T("no job is running"));
 *     canvas_textf(canvas, row, col, width, ROLE_TEXT, TN("%d pod", "%d pods", n), n);
 *     static const char *const names[] = { N_("Move"), N_("Look") };  … T(names[i])
 *
 * canvas_textf(), app_say(), app_notice() and pager_addf() translate their format by themselves, but not what it is filled with.
 *
 * A translation has the conversions of its English text in the same order; a test compares them, and finds texts without one. What has
 * no translation stays English. Words of Kubernetes (Pod, ReplicaSet), names and what a server said are not translated.
 */
#ifndef SLOTDECK_UI_TEXT_H
#define SLOTDECK_UI_TEXT_H

#include "base/error.h"

#define T(english)	   text_of(english)
#define TN(one, many, n)   text_plural((one), (many), (unsigned long)(n))
#define N_(english)	   english /* marks a text in a table; T() translates it where it is shown */

const char *text_of(const char *english) __attribute__((format_arg(1)));
/* The form for n; the English texts are "one" and "many", the translation is found by one. */
const char *text_plural(const char *one, const char *many, unsigned long n) __attribute__((format_arg(1), format_arg(2)));

/* "auto", "en", "ru": what settings may say. */
const char *const *text_languages(void);
size_t text_language_count(void);
/*
 * Uses language from now on. "auto" or NULL: as LC_ALL, LC_MESSAGES or LANG say (the first that is set), English if that is none of
 * ours. Main thread; texts given before are not to be used any more. A screen that can show ASCII only is to use "en".
 */
void text_use(const char *language);
const char *text_language(void);

#endif
