#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asset.h"
#include "ui/theme.h"

static struct theme *load(const char *name)
{
	AUTO_RELEASE(error) err = { 0 };
	struct theme *theme = NULL;

	if (!theme_load(name, NULL, &theme, &err))
		fail_msg("%s: %s", name, err.message);
	return theme;
}

static struct style style_of(const struct theme *theme, enum depth depth, enum role role)
{
	return theme_style(theme, depth, &(struct cell){ .rune = 'x', .role = (uint8_t)role });
}

static uint32_t rgb_or(uint32_t colour, uint32_t otherwise)
{
	return colour ? colour_rgb(colour) : otherwise;
}

static void every_theme_in_the_binary_can_be_read_and_is_listed(void **state)
{
	const char *path;
	struct str bytes;
	size_t files = 0, names = 0;

	(void)state;
	for (size_t i = 0; asset_at(i, &path, &bytes); i++)
		files += starts_with(path, "themes/");
	for (const char *name; (name = theme_builtin(names)); names++)
		theme_destroy(load(name));
	assert_int_equal(files, names);
}

/* ---- contrast, as WCAG 2.1 defines it ---- */

static double linear(uint32_t channel)
{
	double c = channel / 255.0;

	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double luminance(uint32_t rgb)
{
	return 0.2126 * linear(rgb >> 16) + 0.7152 * linear(rgb >> 8 & 255) + 0.0722 * linear(rgb & 255);
}

static double contrast(uint32_t a, uint32_t b)
{
	double la = luminance(a), lb = luminance(b);

	return la > lb ? (la + 0.05) / (lb + 0.05) : (lb + 0.05) / (la + 0.05);
}

static void check_contrast(const char *name, enum depth depth, double least)
{
	AUTO(theme) theme = load(name);

	for (enum role role = 0; role < ROLE_COUNT; role++) {
		for (int selected = 0; selected < 2; selected++) {
			struct style style = theme_style(theme, depth, &(struct cell){ .rune = 'x', .role = (uint8_t)role, .selected = selected });
			double is = contrast(rgb_or(style.fg, theme_text(theme)), rgb_or(style.bg, theme_background(theme)));
			double want = role == ROLE_BORDER ? 3 : selected && least < 7 ? 3 : least; /* lines are no text */

			if (is < want)
				fail_msg("%s: role %d%s has a contrast of %.2f, not %.1f", name, role, selected ? " selected" : "", is, want);
		}
	}
}

static void every_text_can_be_read(void **state)
{
	(void)state;
	for (enum depth depth = DEPTH_256; depth <= DEPTH_DIRECT; depth++) {
		check_contrast("dark", depth, 4.5);
		check_contrast("light", depth, 4.5);
		check_contrast("colour-blind", depth, 4.5);
		check_contrast("high-contrast", depth, 7);
	}
}

/* ---- colour deficiencies: Machado, Oliveira and Fernandes 2009, severity 1 ---- */

static const double deficiencies[3][9] = {
	{ 0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998 },
	{ 0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881 },
	{ 1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900 },
};

static double lab_curve(double t)
{
	return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

/* L*, a*, b* of rgb as a person with that deficiency sees it. */
static void lab_as_seen(uint32_t rgb, const double m[9], double ret[3])
{
	double in[3] = { linear(rgb >> 16), linear(rgb >> 8 & 255), linear(rgb & 255) }, seen[3];

	for (int i = 0; i < 3; i++)
		seen[i] = fmin(fmax(m[3 * i] * in[0] + m[3 * i + 1] * in[1] + m[3 * i + 2] * in[2], 0), 1);
	double x = lab_curve((0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2]) / 0.9505);
	double y = lab_curve(0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]);
	double z = lab_curve((0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2]) / 1.089);

	ret[0] = 116 * y - 16;
	ret[1] = 500 * (x - y);
	ret[2] = 200 * (y - z);
}

/* The two states that look most alike, for the person who has it hardest. */
static double least_difference(const struct theme *theme)
{
	static const enum role states[] = { ROLE_HEALTHY, ROLE_PROGRESS, ROLE_BAD, ROLE_UNKNOWN };
	double least = 1000;

	for (size_t d = 0; d < 3; d++) {
		for (size_t i = 0; i < ARRAY_LEN(states); i++) {
			for (size_t k = i + 1; k < ARRAY_LEN(states); k++) {
				double a[3], b[3];

				lab_as_seen(rgb_or(style_of(theme, DEPTH_DIRECT, states[i]).fg, theme_text(theme)), deficiencies[d], a);
				lab_as_seen(rgb_or(style_of(theme, DEPTH_DIRECT, states[k]).fg, theme_text(theme)), deficiencies[d], b);
				least = fmin(least, sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2)));
			}
		}
	}
	return least;
}

static void the_states_stay_apart_for_the_colour_blind(void **state)
{
	(void)state;
	AUTO(theme) safe = load("colour-blind");
	AUTO(theme) dark = load("dark");

	if (least_difference(safe) < 25 || least_difference(safe) <= least_difference(dark))
		fail_msg("two states differ by %.1f only (dark: %.1f)", least_difference(safe), least_difference(dark));
}

/* ---- the ladder ---- */

static void colours_come_down_a_ladder(void **state)
{
	(void)state;
	AUTO(theme) theme = load("dark");

	assert_int_equal(style_of(theme, DEPTH_DIRECT, ROLE_HEALTHY).fg, COLOUR_RGB(0x23, 0xd1, 0x8b));
	assert_int_equal(style_of(theme, DEPTH_256, ROLE_HEALTHY).fg, COLOUR_INDEX(42));
	assert_int_equal(style_of(theme, DEPTH_16, ROLE_HEALTHY).fg, COLOUR_INDEX(2));
	assert_int_equal(style_of(theme, DEPTH_8, ROLE_BAD).fg, COLOUR_INDEX(1));
	assert_int_equal(style_of(theme, DEPTH_8, ROLE_DIM).fg, COLOUR_OF_ROLE);
	assert_int_equal(style_of(theme, DEPTH_8, ROLE_DIM).attributes, STYLE_DIM);
	assert_int_equal(style_of(theme, DEPTH_MONO, ROLE_HEALTHY).fg, COLOUR_OF_ROLE);
}

static void the_256_lose_nothing_against_their_own_palette(void **state)
{
	(void)state;
	AUTO(theme) theme = load("dark");

	for (uint32_t i = 16; i < 256; i++) {
		uint32_t rgb = colour_rgb(COLOUR_INDEX(i));
		struct cell cell = { .rune = 'x', .style.fg = COLOUR_RGB(rgb >> 16, rgb >> 8 & 255, rgb & 255) };

		assert_int_equal(colour_rgb(theme_style(theme, DEPTH_256, &cell).fg), rgb);
	}
}

static void colours_of_a_program_come_down_too(void **state)
{
	(void)state;
	AUTO(theme) theme = load("dark");
	struct cell cell = { .rune = 'x', .style = { COLOUR_INDEX(196), COLOUR_RGB(0, 0, 0), STYLE_ITALIC } };

	assert_int_equal(theme_style(theme, DEPTH_DIRECT, &cell).fg, COLOUR_RGB(255, 0, 0));
	assert_int_equal(theme_style(theme, DEPTH_256, &cell).fg, COLOUR_INDEX(196));
	assert_int_equal(theme_style(theme, DEPTH_16, &cell).fg, COLOUR_INDEX(9));
	assert_int_equal(theme_style(theme, DEPTH_16, &cell).bg, COLOUR_INDEX(0));
	assert_int_equal(theme_style(theme, DEPTH_8, &cell).fg, COLOUR_INDEX(1));
	assert_int_equal(theme_style(theme, DEPTH_MONO, &cell).fg, COLOUR_OF_ROLE);
	assert_int_equal(theme_style(theme, DEPTH_MONO, &cell).attributes, STYLE_ITALIC);
}

static void a_selected_cell_never_looks_like_its_neighbours(void **state)
{
	(void)state;
	for (size_t n = 0; theme_builtin(n); n++) {
		AUTO(theme) theme = load(theme_builtin(n));

		for (enum depth depth = DEPTH_MONO; depth <= DEPTH_DIRECT; depth++) {
			for (enum role role = 0; role < ROLE_COUNT; role++) {
				struct style plain = style_of(theme, depth, role);
				struct style selected = theme_style(theme, depth, &(struct cell){ .rune = 'x', .role = (uint8_t)role, .selected = true });

				assert_true(plain.bg != selected.bg || ((plain.attributes ^ selected.attributes) & STYLE_REVERSE));
			}
		}
	}
}

static void mono_has_no_colours_and_tells_states_apart_by_style(void **state)
{
	(void)state;
	AUTO(theme) mono = load("mono");

	for (enum role role = 0; role < ROLE_COUNT; role++) {
		assert_int_equal(style_of(mono, DEPTH_DIRECT, role).fg, COLOUR_OF_ROLE);
		assert_int_equal(style_of(mono, DEPTH_DIRECT, role).bg, COLOUR_OF_ROLE);
	}
	assert_int_not_equal(style_of(mono, DEPTH_MONO, ROLE_BAD).attributes, style_of(mono, DEPTH_MONO, ROLE_HEALTHY).attributes);
}

/* ---- themes of a person ---- */

static void check_own(const char *yaml, const char *want_in_message)
{
	char folder[] = "/tmp/theme-XXXXXX";
	AUTO_RELEASE(error) err = { 0 };
	AUTO(theme) theme = NULL;

	assert_non_null(mkdtemp(folder));
	AUTO_FREE char *path = xasprintf("%s/own.yaml", folder);
	FILE *file = fopen(path, "w");

	fputs(yaml, file);
	fclose(file);
	bool good = theme_load("own", folder, &theme, &err);

	unlink(path);
	rmdir(folder);
	if (!want_in_message) {
		assert_true(good);
		assert_int_equal(style_of(theme, DEPTH_DIRECT, ROLE_BAD).fg, COLOUR_RGB(1, 2, 3));
		return;
	}
	assert_false(good);
	assert_int_equal(err.kind, ERR_INVALID);
	AUTO_FREE char *all = xasprintf("%s (%s)", err.message, err.hint ? err.hint : "");

	if (!strstr(all, want_in_message))
		fail_msg("\"%s\" is not in: %s", want_in_message, all);
}

static void a_wrong_theme_is_told_with_its_place_and_what_was_meant(void **state)
{
	(void)state;
	check_own("roles:\n  bad: { colour: \"#010203\" }\n", NULL);
	check_own("roles:\n  baad: { colour: \"#010203\" }\n", "own.yaml:2:");
	check_own("roles:\n  baad: { colour: \"#010203\" }\n", "did you mean \"bad\"?");
	check_own("roles:\n  bad: { colour: \"red\" }\n", "own.yaml:2:18: \"red\" is no colour");
	check_own("roles:\n  bad: { colour: \"#-10203\" }\n", "is no colour");
	check_own("roles:\n  bad: { basic: brightred }\n", "did you mean \"bright-red\"?");
	check_own("roles:\n  bad: { style: [blod] }\n", "did you mean \"bold\"?");
	check_own("rols: {}\n", "unknown key \"rols\"");
	check_own("- a\n", "expected a mapping");
}

static void an_unknown_theme_names_those_there_are(void **state)
{
	static const char *const names[] = { "drak", "../themes/dark", "/etc/passwd" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_RELEASE(error) err = { 0 };
		struct theme *theme = NULL;

		assert_false(theme_load(names[i], "/nowhere", &theme, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		assert_non_null(strstr(err.hint, "dark, high-contrast, light"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_theme_in_the_binary_can_be_read_and_is_listed),
		cmocka_unit_test(every_text_can_be_read),
		cmocka_unit_test(the_states_stay_apart_for_the_colour_blind),
		cmocka_unit_test(colours_come_down_a_ladder),
		cmocka_unit_test(the_256_lose_nothing_against_their_own_palette),
		cmocka_unit_test(colours_of_a_program_come_down_too),
		cmocka_unit_test(a_selected_cell_never_looks_like_its_neighbours),
		cmocka_unit_test(mono_has_no_colours_and_tells_states_apart_by_style),
		cmocka_unit_test(a_wrong_theme_is_told_with_its_place_and_what_was_meant),
		cmocka_unit_test(an_unknown_theme_names_those_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
