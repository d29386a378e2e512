#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/yaml.h"
#include "ui/key.h"
#include "ui/keymap.h"
#include "ui/settings.h"
#include "ui/term.h"

static struct settings_action *actions;
static size_t nactions;

/* A folder of settings that is gone at the end. */
struct home {
	char *folder, *path;
};

static int make_home(void **state)
{
	struct home *home = xcalloc(1, sizeof *home);
	char name[] = "/tmp/settings-XXXXXX";

	assert_non_null(mkdtemp(name));
	home->folder = xstrdup(name);
	home->path = xasprintf("%s/config.yaml", name);
	*state = home;
	return 0;
}

static int remove_home(void **state)
{
	struct home *home = *state;
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", home->folder);

	assert_int_equal(system(command), 0);
	free(home->folder);
	free(home->path);
	free(home);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!file_write_atomic(path, str_of(text), 0600, &err))
		fail_msg("%s", err.message);
}

static struct settings_file *opened(const struct home *home, const char *text)
{
	AUTO_RELEASE(error) err = { 0 };
	struct settings_file *file;

	write_file(home->path, text);
	if (!settings_open(home->path, actions, nactions, &file, &err))
		fail_msg("%s", err.message);
	return file;
}

static void without_a_file_the_defaults_hold(void **state)
{
	struct home *home = *state;
	AUTO(settings_file) file = NULL;
	AUTO_RELEASE(error) err = { 0 };

	setenv("XDG_CONFIG_HOME", home->folder, 1);
	assert_true(settings_open(NULL, NULL, 0, &file, &err));
	AUTO_FREE char *want = xasprintf("%s/slotdeck/config.yaml", home->folder);

	assert_string_equal(settings_path(file), want);
	assert_string_equal(settings_get(file)->theme, "dark");
	assert_string_equal(settings_get(file)->language, "auto");
	assert_true(settings_get(file)->mouse);
	assert_int_equal(settings_get(file)->refresh_ms, 20);
	assert_int_equal(settings_get(file)->nkeys, 0);
	assert_false(settings_asks_name(settings_get(file), "slot 3"));
	assert_int_equal(settings_check(file, &err), SETTINGS_SAME);
}

static void a_relative_config_home_is_ignored(void **state)
{
	AUTO(settings_file) file = NULL;
	AUTO_RELEASE(error) err = { 0 };
	struct home *home = *state;

	setenv("XDG_CONFIG_HOME", "somewhere", 1);
	setenv("HOME", home->folder, 1);
	assert_true(settings_open(NULL, NULL, 0, &file, &err));
	AUTO_FREE char *want = xasprintf("%s/.config/slotdeck/config.yaml", home->folder);

	assert_string_equal(settings_path(file), want);
}

static void a_file_that_was_asked_for_must_be_there(void **state)
{
	AUTO(settings_file) file = NULL;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_false(settings_open("/nowhere/config.yaml", NULL, 0, &file, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(settings_get(file)->theme, "dark");
}

static void every_key_of_the_file_is_read(void **state)
{
	AUTO(settings_file) file = opened(*state, "theme: light\nlanguage: ru\npreset: vim\nascii: yes\nmouse: false\ntitle: no\n"
						  "refresh: 250ms\nconfirm: { type-name: [slot 1, 'slot [3-5]'] }\n"
						  "keys: { logs: [L, F12, Ctrl-L], manifest: y, delete: [] }\n"
						  "columns: { pods: [Name, Ready], deployments.apps: [Name] }\n");
	const struct settings *s = settings_get(file);

	assert_string_equal(s->theme, "light");
	assert_string_equal(s->language, "ru");
	assert_string_equal(s->preset, "vim");
	assert_true(s->ascii && !s->mouse && !s->title);
	assert_int_equal(s->refresh_ms, 250);
	assert_true(settings_asks_name(s, "slot 1") && settings_asks_name(s, "slot 4") && !settings_asks_name(s, "slot 2"));
	const struct key_choice *own = &s->keys[s->nkeys - 3];

	assert_true(s->nkeys > 3); /* those of the preset come first */
	assert_string_equal(own[0].action, "logs");
	assert_int_equal(own[0].n, 3);
	assert_int_equal(own[0].keys[1], KEY_TERM_F12);
	assert_int_equal(own[0].keys[2], KEY_CTRL('l'));
	assert_int_equal(own[1].keys[0], 'y');
	assert_int_equal(own[2].n, 0);
	assert_int_equal(settings_columns(s, "pods", "")->n, 2);
	assert_string_equal(settings_columns(s, "pods", "")->columns[1], "Ready");
	assert_null(settings_columns(s, "nodes", ""));
	assert_non_null(settings_columns(s, "deployments", "apps"));
	assert_null(settings_columns(s, "deployments", "example.com"));
}

static void a_preset_changes_what_looks_and_never_what_changes(void **state)
{
	static const char *const files[] = { "preset: k9s\n", "preset: vim\n" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(settings_file) file = opened(*state, files[i]);
		const struct settings *s = settings_get(file);

		assert_true(s->nkeys > 0);
		for (size_t k = 0; k < s->nkeys; k++) {
			for (size_t a = 0; a < nactions; a++)
				assert_false(actions[a].changes && strcmp(actions[a].name, s->keys[k].action) == 0);
			assert_true(s->keys[k].n > 0);
		}
	}
}

static void a_mistake_is_told_with_its_place_and_what_was_meant(void **state)
{
	static const struct {
		const char *text, *place, *says;
	} cases[] = {
		{ "theme: drak\n", ":1:8:", "dark" },
		{ "thme: dark\n", ":1:1:", "did you mean \"theme\"?" },
		{ "mouse: true\npreset: vims\n", ":2:9:", "did you mean \"vim\"?" },
		{ "language: de\n", ":1:11:", "no language" },
		{ "mouse: maybe\n", ":1:8:", "expected true or false" },
		{ "refresh: soon\n", ":1:10:", "no length of time" },
		{ "refresh: 1ms\n", ":1:10:", "20ms to 10s" },
		{ "keys:\n  lgos: l\n", ":2:3:", "did you mean \"logs\"?" },
		{ "keys:\n  logs: Hyper-L\n", ":2:9:", "\"Hyper-L\" is no key" },
		{ "keys:\n  logs: [l, Ctrl-M]\n", ":2:13:", "no key" },
		{ "keys:\n  delete: Ctrl-D\n", ":2:11:", "must not hang on Ctrl-D" },
		{ "keys:\n  logs: [[l]]\n", ":2:10:", "expected text" },
		{ "keys: [l]\n", ":1:7:", "expected a mapping" },
		{ "columns: { pods: [] }\n", ":1:12:", "no columns" },
		{ "theme: [dark\n", ":2:1:", "" },
		{ "- theme\n", ":1:1:", "expected a mapping" },
		{ "theme: dark\ntheme: light\n", ":2:", "theme" },
	};
	struct home *home = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(settings_file) file = NULL;
		AUTO_RELEASE(error) err = { 0 };

		write_file(home->path, cases[i].text);
		assert_false(settings_open(home->path, actions, nactions, &file, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		AUTO_FREE char *want = xasprintf("%s%s", home->path, cases[i].place), *all = xasprintf("%s (%s)", err.message, err.hint ? err.hint : "");

		if (!strstr(all, want) || !strstr(all, cases[i].says))
			fail_msg("%s: \"%s\" and \"%s\" are not both in: %s", cases[i].text, want, cases[i].says, all);
		assert_string_equal(settings_get(file)->theme, "dark");
	}
}

static void a_change_is_seen_and_a_wrong_one_told_once(void **state)
{
	struct home *home = *state;
	AUTO(settings_file) file = opened(home, "theme: light\n");
	AUTO_RELEASE(error) err = { 0 };

	write_file(home->path, "theme: mono\n");
	assert_int_equal(settings_check(file, &err), SETTINGS_NEW);
	assert_string_equal(settings_get(file)->theme, "mono");
	assert_int_equal(settings_check(file, &err), SETTINGS_SAME);
	write_file(home->path, "theme: nonsense\n");
	assert_int_equal(settings_check(file, &err), SETTINGS_WRONG);
	assert_string_equal(settings_get(file)->theme, "mono");
	assert_int_equal(settings_check(file, &err), SETTINGS_SAME);
	write_file(home->path, "theme: dark\n");
	assert_int_equal(settings_check(file, &err), SETTINGS_NEW);
}

static void an_own_theme_is_found_and_its_changes_are_seen(void **state)
{
	struct home *home = *state;
	AUTO_FREE char *folder = xasprintf("%s/themes", home->folder), *path = xasprintf("%s/mine.yaml", folder);
	AUTO_RELEASE(error) err = { 0 };

	mkdir(folder, 0700);
	write_file(path, "roles: {}\n");
	AUTO(settings_file) file = opened(home, "theme: mine\n");

	assert_string_equal(settings_theme_folder(file), folder);
	assert_int_equal(settings_check(file, &err), SETTINGS_SAME);
	write_file(path, "roles: { bad: { style: [bold] } }\n");
	assert_int_equal(settings_check(file, &err), SETTINGS_NEW);
	write_file(path, "roles: { bad: { style: [blod] } }\n");
	assert_int_equal(settings_check(file, &err), SETTINGS_WRONG);
	assert_non_null(strstr(err.message, "mine.yaml:1:"));
	assert_int_equal(settings_check(file, &err), SETTINGS_SAME);
}

static void a_file_that_goes_gives_the_defaults_back(void **state)
{
	struct home *home = *state;
	AUTO(settings_file) file = NULL;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *folder = xasprintf("%s/slotdeck", home->folder), *path = xasprintf("%s/config.yaml", folder);

	mkdir(folder, 0700);
	write_file(path, "theme: mono\n");
	setenv("XDG_CONFIG_HOME", home->folder, 1);
	assert_true(settings_open(NULL, NULL, 0, &file, &err));
	assert_string_equal(settings_get(file)->theme, "mono");
	unlink(path);
	assert_int_equal(settings_check(file, &err), SETTINGS_NEW);
	assert_string_equal(settings_get(file)->theme, "dark");
}

static void hostile_files_are_refused(void **state)
{
	struct home *home = *state;
	AUTO_RELEASE(buf) large = BUF_INIT(0);
	AUTO(settings_file) file = NULL;
	AUTO(settings_file) second = NULL;
	AUTO_RELEASE(error) err = { 0 };

	buf_add_repeat(&large, '#', 300 << 10);
	write_file(home->path, buf_cstr(&large));
	assert_false(settings_open(home->path, NULL, 0, &file, &err));
	unlink(home->path);
	assert_int_equal(mkfifo(home->path, 0600), 0);
	assert_false(settings_open(home->path, NULL, 0, &second, &err)); /* and does not wait for a writer */
}

static void names_of_keys_go_both_ways(void **state)
{
	static const char *const names[] = { "A", "!", "й", "中", "Space", "Tab", "Shift-Tab", "Enter", "Esc", "PgUp", "F1", "F12", "Ctrl-A", "Ctrl-Z", "Ctrl-Space" };
	static const char *const none[] = { "", "F0", "F13", "F01", "Fx", "Ctrl-", "Ctrl-1", "Ctrl-H", "Ctrl-AB", "AB", "\t", " ", "\xff" };
	uint32_t key;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_RELEASE(buf) back = BUF_INIT(0);

		assert_true(key_parse(names[i], &key));
		key_add_name(&back, key);
		assert_string_equal(buf_cstr(&back), names[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (key_parse(none[i], &key))
			fail_msg("\"%s\" is taken for a key", none[i]);
}

/* The example of docs/settings.md is a file that can be used. */
static void the_example_of_the_page_is_right(void **state)
{
	struct home *home = *state;
	AUTO_RELEASE(buf) page = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	AUTO(settings_file) file = NULL;

	assert_true(file_read("docs/settings.md", 0, &page, &err));
	char *start = strstr(page.p, "```yaml\n") + strlen("```yaml\n"), *end = strstr(start, "```");

	*end = '\0';
	write_file(home->path, start);
	if (!settings_open(home->path, actions, nactions, &file, &err))
		fail_msg("%s", err.message);
	assert_int_equal(settings_get(file)->nkeys, 2);
	assert_int_equal(settings_columns(settings_get(file), "pods", "")->n, 6);
}

/* ---- what chosen keys do ---- */

static enum action action_on(enum view_id view, uint32_t key)
{
	const struct binding *binding = keymap_find(view, key);

	return binding ? binding->action : ACTION_NONE;
}

static void every_action_has_a_name_that_the_page_lists(void **state)
{
	AUTO_RELEASE(buf) page = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(file_read("docs/settings.md", 0, &page, &err));
	for (unsigned a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		if (!action_name((enum action)a))
			fail_msg("action %u of ui/keymap.h has no name in ui/keymap_choose.c", a);
	for (size_t i = 0; i < nactions; i++) {
		AUTO_FREE char *quoted = xasprintf("`%s`", actions[i].name);

		if (!strstr(page.p, quoted))
			fail_msg("docs/settings.md does not list %s", quoted);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(actions[i].name, actions[k].name);
	}
}

static void a_chosen_key_replaces_those_of_its_action_and_is_taken_from_others(void **state)
{
	AUTO(settings_file) file = opened(*state, "keys: { events: [l, F12, Ctrl-E], jobs: [], manifest: M }\n");

	keymap_choose(settings_get(file)->keys, settings_get(file)->nkeys);
	assert_int_equal(action_on(VIEW_BROWSE, 'l'), ACTION_EVENTS);
	assert_int_equal(action_on(VIEW_BROWSE, KEY_TERM_F12), ACTION_EVENTS);
	assert_int_equal(action_on(VIEW_BROWSE, KEY_CTRL('e')), ACTION_EVENTS);
	assert_int_equal(action_on(VIEW_BROWSE, 'e'), ACTION_NONE);
	assert_int_equal(action_on(VIEW_BROWSE, 'M'), ACTION_MANIFEST);
	assert_int_equal(action_on(VIEW_BROWSE, 'm'), ACTION_NONE);
	assert_int_equal(action_on(VIEW_ENVS, 'J'), ACTION_NONE);
	assert_non_null(keymap_of_action(VIEW_ENVS, ACTION_JOBS)); /* still in menu and palette */
	assert_string_equal(keymap_of_action(VIEW_BROWSE, ACTION_EVENTS)->label, "l F12");
	assert_int_equal(keymap_of_action(VIEW_BROWSE, ACTION_LOGS)->key, 0);
	keymap_choose(NULL, 0);
	assert_int_equal(action_on(VIEW_BROWSE, 'l'), ACTION_LOGS);
}

static void no_key_stands_for_two_things_whatever_was_chosen(void **state)
{
	static const char *const files[] = { "preset: k9s\n", "preset: vim\n", "keys: { logs: A, apply: l, page-up: q, quit: [k, j, x] }\n" };

	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		AUTO(settings_file) file = opened(*state, files[f]);

		keymap_choose(settings_get(file)->keys, settings_get(file)->nkeys);
		for (size_t i = 0; i < nbindings; i++)
			for (size_t k = 0; k < i; k++) {
				const struct binding *a = &bindings[i], *b = &bindings[k];

				if (!(a->views & b->views) || a->action == b->action || !a->key || !b->key)
					continue;
				if (a->key == b->key || a->key == b->other_key || (a->other_key && (a->other_key == b->key || a->other_key == b->other_key)))
					fail_msg("%s: %s and %s are both on %s or %s", files[f], action_name(a->action), action_name(b->action), a->label, b->label);
			}
		keymap_choose(NULL, 0);
	}
}

static int take_actions(void **state)
{
	(void)state;
	actions = keymap_actions(&nactions);
	return 0;
}

static int drop_actions(void **state)
{
	(void)state;
	free(actions);
	return 0;
}

int main(void)
{
#define IN_A_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)
	const struct CMUnitTest tests[] = {
		IN_A_HOME(without_a_file_the_defaults_hold),
		IN_A_HOME(a_relative_config_home_is_ignored),
		cmocka_unit_test(a_file_that_was_asked_for_must_be_there),
		IN_A_HOME(every_key_of_the_file_is_read),
		IN_A_HOME(a_preset_changes_what_looks_and_never_what_changes),
		IN_A_HOME(a_mistake_is_told_with_its_place_and_what_was_meant),
		IN_A_HOME(a_change_is_seen_and_a_wrong_one_told_once),
		IN_A_HOME(an_own_theme_is_found_and_its_changes_are_seen),
		IN_A_HOME(a_file_that_goes_gives_the_defaults_back),
		IN_A_HOME(hostile_files_are_refused),
		cmocka_unit_test(names_of_keys_go_both_ways),
		IN_A_HOME(the_example_of_the_page_is_right),
		cmocka_unit_test(every_action_has_a_name_that_the_page_lists),
		IN_A_HOME(a_chosen_key_replaces_those_of_its_action_and_is_taken_from_others),
		IN_A_HOME(no_key_stands_for_two_things_whatever_was_chosen),
	};

	return cmocka_run_group_tests(tests, take_actions, drop_actions);
}
