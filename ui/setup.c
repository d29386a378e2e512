/* Settings, taken over into the running dashboard. */
#include <stdlib.h>

#include "ui/record.h"
#include "ui/settings.h"
#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"
#include "ui/theme.h"

static void say_wrong(struct app *app, const struct error *err)
{
	app_notice(app, true, "%s%s%s", err->message, err->hint ? ": " : "", err->hint ? err->hint : "");
}

static const char *theme_of(const struct app *app)
{
	return app->options->theme ? app->options->theme : settings_get(app->settings)->theme;
}

static void fill_term(struct app *app, struct term_options *ret_term)
{
	const struct settings *settings = settings_get(app->settings);

	*ret_term = (struct term_options){ .ascii = app->options->ascii || settings->ascii,
					   .no_colour = app->options->no_colour,
					   .no_mouse = !settings->mouse,
					   .theme = theme_of(app),
					   .theme_folder = settings_theme_folder(app->settings) };
}

void setup_begin(struct app *app, struct term_options *ret_term)
{
	AUTO_RELEASE(error) err = { 0 };

	app->actions = keymap_actions(&app->nactions);
	if (!settings_open(NULL, app->actions, app->nactions, &app->settings, &err))
		say_wrong(app, &err);
	fill_term(app, ret_term);
	record_settings(app);
}

void setup_replay(struct app *app, const char *text, struct term_options *ret_term)
{
	AUTO_RELEASE(error) err = { 0 };

	settings_file_destroy(app->settings);
	free(app->actions);
	app->actions = keymap_actions(&app->nactions);
	if (!settings_open_text(text, app->actions, app->nactions, &app->settings, &err))
		say_wrong(app, &err);
	keymap_choose(settings_get(app->settings)->keys, settings_get(app->settings)->nkeys);
	text_use(app->term && term_is_ascii(app->term) ? "en" : settings_get(app->settings)->language);
	if (ret_term)
		fill_term(app, ret_term);
}

void setup_title(struct app *app)
{
	if (!app->term || !settings_get(app->settings)->title)
		return;
	AUTO_FREE char *title = xasprintf("slotdeck: %s @ %s", app->options->project, app->session->cluster.name);

	term_set_title(app->term, title);
}

void setup_take_over(struct app *app)
{
	const struct settings *settings = settings_get(app->settings);

	text_use(term_is_ascii(app->term) ? "en" : settings->language);
	keymap_choose(settings->keys, settings->nkeys);
	setup_title(app);
}

void setup_check(struct app *app)
{
	AUTO_RELEASE(error) err = { 0 };
	bool mouse = settings_get(app->settings)->mouse;
	enum settings_news news = settings_check(app->settings, &err);

	if (news == SETTINGS_NEW) {
		record_settings(app);
		setup_take_over(app);
		/* The file decides only when it has changed its mind: F7 may have said otherwise since. */
		if (settings_get(app->settings)->mouse != mouse)
			term_set_mouse(app->term, !mouse);
		if (term_set_theme(app->term, theme_of(app), settings_theme_folder(app->settings), &err))
			app_say(app, "the settings have changed");
	}
	if (err.kind)
		say_wrong(app, &err);
}

void setup_end(struct app *app)
{
	keymap_choose(NULL, 0);
	text_use("en");
	settings_file_destroy(app->settings);
	free(app->actions);
}

bool setup_theme(const char *name, struct theme **ret_theme, struct error *err)
{
	AUTO(settings_file) file = NULL;
	AUTO_RELEASE(error) ignored = { 0 }; /* a picture does not depend on settings, only on the folder beside them */

	settings_open(NULL, NULL, 0, &file, &ignored);
	return theme_load(name, settings_theme_folder(file), ret_theme, err);
}

int64_t setup_frame_ms(const struct app *app)
{
	return settings_get(app->settings)->refresh_ms;
}
