#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pattern.h"

static void patterns_match_what_they_say(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text, *found; /* NULL: no match */
	} cases[] = {
		{ "error", "an Error here", "Error" },	   { "Error", "an error here", NULL },
		{ "ошибка", "ОШИБКА: нет", "ОШИБКА" },	   { "a.c", "a\xd1\x8f" "c", "a\xd1\x8f" "c" },
		{ "^b", "ab", NULL },			   { "^a", "ab", "a" },
		{ "b$", "ab", "b" },			   { "a$", "ab", NULL },
		{ "^$", "x", NULL },			   { "a|bc|d", "xbcd", "bc" },
		{ "(ab)+", "xababa", "abab" },		   { "a{2,3}", "aaaa", "aaa" },
		{ "a{2}", "aba", NULL },		   { "a{2,}b", "aaaab", "aaaab" },
		{ "x(a|b)?y", "xy", "xy" },		   { "[0-9]+ms", "took 153ms", "153ms" },
		{ "[^ ]+=5", "a b=5", "b=5" },		   { "\\d+\\.\\d", "v1.2", "1.2" },
		{ "\\[x\\]", "a[x]", "[x]" },		   { "[]a]+", "b]a]", "]a]" },
		{ "[a-]+", "b-a-", "-a-" },		   { "\\x41", "xA", "A" },
		{ "\\S+@\\S+", "to a@b now", "a@b" },	   { "(?:a|b)c", "bc", "bc" },
		{ "status=(4|5)\\d\\d", "status=503", "status=503" }, { "[а-я]+", "abc Привет", "Привет" },
		{ "a\xff", "a\xfe", "a\xfe" },		   { "^$", "", NULL },
		{ "timeout.*retry", "timeout; will retry", "timeout; will retry" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO(pattern) pattern = pattern_create(cases[i].pattern, &err);
		struct str found = { 0 };

		if (!pattern)
			fail_msg("%s: %s", cases[i].pattern, err.message);
		bool any = pattern_find(pattern, str_of(cases[i].text), 0, &found);

		if (any != (cases[i].found != NULL) || (any && !str_is(found, cases[i].found)))
			fail_msg("/%s/ on \"%s\" finds \"%.*s\"", cases[i].pattern, cases[i].text, STR_ARG(found));
	}
}

static void an_empty_text_matches_what_needs_nothing(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO(pattern) both_ends = pattern_create("^$", &err);
	AUTO(pattern) some = pattern_create("a", &err);

	assert_true(pattern_matches(both_ends, (struct str){ 0 }));
	assert_false(pattern_matches(some, (struct str){ 0 }));
	assert_false(pattern_matches(both_ends, STR("x")));
}

static void a_wrong_pattern_is_refused_with_its_place(void **state)
{
	(void)state;
	static const char *const wrong[] = { "(", "a)", "[a", "*a", "a{", "a{3,2}", "a{999}", "\\", "[z-a]", "(a)\\1", "\\xg1", "a\\b", "((((a{200}){200}){200}){200})" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_RELEASE(error) err = { 0 };
		struct pattern *pattern = pattern_create(wrong[i], &err);

		if (pattern)
			fail_msg("/%s/ is accepted", wrong[i]);
		assert_non_null(strstr(err.message, "the pattern"));
	}
}

static void the_next_match_is_found_from_a_place_on(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO(pattern) pattern = pattern_create("ab|^a", &err);
	struct str text = STR("aXabYab"), found;
	size_t from = 0, n = 0;

	for (; pattern_find(pattern, text, from, &found); n++)
		from = (size_t)(found.p - text.p) + found.len;
	assert_int_equal(n, 3);
}

/* Whatever stands for itself here also does in POSIX, so the C library says what is right. */
static void random_patterns_match_as_the_c_library_does(void **state)
{
	(void)state;
	static const char pieces[] = "ab.()|*+?^$[]ab(a|b)";
	unsigned seed = 12345, compared = 0;

	for (unsigned round = 0; round < 30000; round++) {
		AUTO_RELEASE(error) err = { 0 };
		char text[16] = "", shape[12] = "";
		regex_t posix;
		regmatch_t where;

		for (size_t i = rand_r(&seed) % 10; i-- > 0;)
			shape[i] = pieces[rand_r(&seed) % (sizeof pieces - 1)] ? pieces[rand_r(&seed) % (sizeof pieces - 1)] : 'a';
		for (size_t i = 1 + rand_r(&seed) % 12; i-- > 0;)
			text[i] = "abAc"[rand_r(&seed) % 4] == 'A' ? 'c' : "abc"[rand_r(&seed) % 3];
		/* POSIX leaves open what these mean. */
		if (strstr(shape, "||") || strstr(shape, "(|") || strstr(shape, "|)") || strstr(shape, "()") || strchr(shape, '[') || *shape == '|' || ends_with(shape, "|"))
			continue;
		AUTO(pattern) pattern = pattern_create(shape, &err);

		if (!pattern || regcomp(&posix, shape, REG_EXTENDED) != 0)
			continue;
		bool want = regexec(&posix, text, 1, &where, 0) == 0, got = pattern_matches(pattern, str_of(text));
		struct str found;

		if (want != got)
			fail_msg("/%s/ on \"%s\": %d, not %d", shape, text, got, want);
		if (want && where.rm_eo > where.rm_so && pattern_find(pattern, str_of(text), (size_t)where.rm_so, &found) &&
		    (found.p - text != where.rm_so || found.len != (size_t)(where.rm_eo - where.rm_so)))
			fail_msg("/%s/ on \"%s\" finds \"%.*s\"", shape, text, STR_ARG(found));
		compared++;
		regfree(&posix);
	}
	assert_true(compared > 3000);
}

/* With a backtracking matcher this would outlast the sun. */
static void no_pattern_takes_more_than_its_texts_length(void **state)
{
	(void)state;
	static const char *const evil[] = { "(a*)*b", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)x", "(a?){100}a{100}c", ".*.*.*=.*;", "[ab]*a[ab]{100}c" };
	AUTO_FREE char *text = xmalloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		text[i] = i % 7 == 3 && i > 1000 ? 'b' : 'a';
	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO(pattern) pattern = pattern_create(evil[i], &err);
		int64_t before_us = clock_now_us(NULL);

		if (!pattern)
			fail_msg("%s: %s", evil[i], err.message);
		(void)pattern_matches(pattern, (struct str){ text, 1 << 20 });
		assert_true(clock_now_us(NULL) - before_us < 20000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_what_they_say),
		cmocka_unit_test(an_empty_text_matches_what_needs_nothing),
		cmocka_unit_test(a_wrong_pattern_is_refused_with_its_place),
		cmocka_unit_test(the_next_match_is_found_from_a_place_on),
		cmocka_unit_test(random_patterns_match_as_the_c_library_does),
		cmocka_unit_test(no_pattern_takes_more_than_its_texts_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
