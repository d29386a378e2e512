#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/map.h"
#include "base/yaml.h"
#include "job/job.h"
#include "model/health.h"
#include "ui/keymap.h"
#include "ui/text.h"

static struct yaml_doc *read_language(const char *name)
{
	AUTO_FREE char *path = xasprintf("lang/%s.yaml", name);
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *doc = NULL;
	struct str text;

	assert_true(asset_find(path, &text));
	if (!yaml_read(text, path, NULL, &doc, &err))
		fail_msg("%s", err.message);
	return doc;
}

/* The conversions of a format, as "zu s"; "%%" is none. */
static void add_conversions(struct str format, struct buf *out)
{
	for (size_t i = 0; i + 1 < format.len; i++) {
		if (format.p[i] != '%')
			continue;
		size_t end = ++i;

		if (format.p[i] == '%')
			continue;
		while (end < format.len && !strchr("diouxXeEfgGcspn", format.p[end]))
			end++;
		buf_addf(out, "%.*s ", (int)(end + 1 - i), format.p + i);
		i = end;
	}
}

static void check_conversions(struct str english, struct str translated)
{
	AUTO_RELEASE(buf) here = BUF_INIT(0), there = BUF_INIT(0);

	add_conversions(english, &here);
	add_conversions(translated, &there);
	if (!str_eq(buf_str(&here), buf_str(&there)))
		fail_msg("\"%.*s\" has %s, its translation \"%.*s\" has %s", STR_ARG(english), buf_cstr(&here), STR_ARG(translated), buf_cstr(&there));
}

static void every_translation_has_the_conversions_of_its_text(void **state)
{
	(void)state;
	for (size_t l = 2; l < text_language_count(); l++) {
		AUTO(yaml_doc) doc = read_language(text_languages()[l]);

		for (size_t i = 0; i < doc->root->map.n; i++) {
			const struct yaml_pair *pair = &doc->root->map.pairs[i];
			size_t n = yaml_is_seq(pair->value) ? pair->value->seq.n : 1;

			assert_true(n == 1 || n == 3);
			for (size_t k = 0; k < n; k++) {
				const struct yaml_node *form = yaml_is_seq(pair->value) ? pair->value->seq.items[k] : pair->value;
				struct str text;

				if (!yaml_is_string(form, &text) || !text.len)
					fail_msg("line %u: no text", form->line);
				check_conversions(pair->key->text, text);
			}
		}
	}
}

/* ---- the texts of the code ---- */

/* A C string literal at p, or several side by side (PRId64 among them); false when there is none. */
static bool take_literal(const char **p, struct buf *ret)
{
	const char *at = *p;
	bool any = false;

	buf_reset(ret);
	for (;;) {
		at += strspn(at, " \t\n");
		if (any && starts_with(at, "PRId64")) {
			buf_adds(ret, PRId64);
			at += strlen("PRId64");
			continue;
		}
		if (*at != '"')
			break;
		for (at++; *at && *at != '"'; at++) {
			if (*at == '\\') {
				at++;
				buf_addc(ret, *at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
			} else {
				buf_addc(ret, *at);
			}
		}
		at++;
		any = true;
	}
	*p = at;
	return any;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Two small letters in a row outside of conversions: something to read. */
static bool has_words(struct str text)
{
	for (size_t i = 0, small = 0; i < text.len; i++) {
		if (text.p[i] == '%') {
			i += strspn(text.p + i + 1, "-+ #0123456789.*lhz") + 1;
			small = 0;
		} else {
			small = islower((unsigned char)text.p[i]) ? small + 1 : 0;
		}
		if (small == 2)
			return true;
	}
	return false;
}

static void add_text(struct map *texts, struct str text, bool plural)
{
	if (!map_has(texts, text))
		map_set(texts, text, (void *)(plural ? "plural" : "plain"));
}

/* The literals of argument number wanted of the call whose parenthesis was just opened; not those of calls within it. */
static void add_argument(struct map *texts, const char *p, int wanted)
{
	AUTO_RELEASE(buf) literal = BUF_INIT(0);
	int depth = 0, argument = 0;

	while (*p && depth >= 0) {
		if (*p == '"') {
			take_literal(&p, &literal);
			if (depth == 0 && argument == wanted && has_words(buf_str(&literal)))
				add_text(texts, buf_str(&literal), false);
			continue;
		}
		depth += strchr("([{", *p) != NULL;
		depth -= strchr(")]}", *p) != NULL;
		argument += *p == ',' && depth == 0;
		p++;
	}
}

/* Adds what stands in T(), TN() and N_() of one file, and what functions that translate their format are given. */
static void add_texts(const char *path, struct map *texts)
{
	static const struct {
		const char *call;
		bool plural;
		int argument; /* of a function that translates it by itself; -1: none */
	} calls[] = { { "T(", false, -1 },	 { "TN(", true, -1 },	  { "N_(", false, -1 },	     { "canvas_textf(", false, 5 },
		      { "app_say(", false, 1 }, { "app_notice(", false, 2 }, { "pager_addf(", false, 2 } };
	AUTO_RELEASE(buf) code = BUF_INIT(0), literal = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_read(path, 0, &code, &err));
	for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
		for (const char *p = code.p; (p = strstr(p, calls[c].call));) {
			bool whole = p == code.p || !is_word(p[-1]);

			p += strlen(calls[c].call);
			if (whole && calls[c].argument >= 0)
				add_argument(texts, p, calls[c].argument);
			else if (whole && take_literal(&p, &literal))
				add_text(texts, buf_str(&literal), calls[c].plural);
		}
	}
}

/* Texts of tables elsewhere, which are shown through T(). */
static void add_tables(struct map *texts)
{
	for (size_t i = 0; i < nbuilt_in_bindings; i++) {
		const char *const both[] = { built_in_bindings[i].hint, built_in_bindings[i].help };

		for (size_t k = 0; k < 2; k++)
			if (both[k] && has_words(str_of(both[k])))
				add_text(texts, str_of(both[k]), false);
	}
	for (unsigned s = 0; strcmp(health_state_name((enum health_state)s), "?") != 0; s++)
		add_text(texts, str_of(health_state_name((enum health_state)s)), false);
	for (unsigned c = CHANGE_NONE + 1; c < CHANGE_COUNT; c++)
		add_text(texts, str_of(job_change_name((enum job_change)c)), false);
}

static void add_all_texts(struct map *texts)
{
	DIR *folder = opendir("ui");
	struct dirent *entry;

	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		AUTO_FREE char *path = xasprintf("ui/%s", entry->d_name);

		if (ends_with(path, ".c"))
			add_texts(path, texts);
	}
	closedir(folder);
	add_tables(texts);
	assert_true(texts->len > 200); /* the search itself works */
}

/* cmocka cuts a long message. */
static void fail_with_list(const char *what, const struct buf *list)
{
	if (!list->len)
		return;
	print_error("%s:", what);
	for (size_t at = 0; at < list->len; at += 500)
		print_error("%.*s", (int)(list->len - at < 500 ? list->len - at : 500), list->p + at);
	print_error("\n");
	fail_msg("%s; see assets/lang", what);
}

static void every_text_of_the_screens_is_translated(void **state)
{
	AUTO_RELEASE(map) texts = MAP_INIT(NULL);
	AUTO_RELEASE(buf) missing = BUF_INIT(0);

	(void)state;
	add_all_texts(&texts);
	for (size_t l = 2; l < text_language_count(); l++) {
		AUTO(yaml_doc) doc = read_language(text_languages()[l]);

		for (size_t i = 0; i < texts.len; i++) {
			struct str english = { texts.entries[i].key, texts.entries[i].key_len };
			const struct yaml_node *found = yaml_map_get_str(doc->root, english);
			bool plural = strcmp(texts.entries[i].value, "plural") == 0;

			if (!found || (plural && !(yaml_is_seq(found) && found->seq.n == 3)))
				buf_addf(&missing, "\n  %s: \"%.*s\"%s", text_languages()[l], STR_ARG(english), plural ? " with 3 forms" : "");
		}
	}
	fail_with_list("texts without a translation", &missing);
}

static void no_translation_is_left_over(void **state)
{
	AUTO_RELEASE(map) texts = MAP_INIT(NULL);
	AUTO_RELEASE(buf) unused = BUF_INIT(0);

	(void)state;
	add_all_texts(&texts);
	for (size_t l = 2; l < text_language_count(); l++) {
		AUTO(yaml_doc) doc = read_language(text_languages()[l]);

		for (size_t i = 0; i < doc->root->map.n; i++)
			if (!map_has(&texts, doc->root->map.pairs[i].key->text))
				buf_addf(&unused, "\n  %s:%u: \"%.*s\"", text_languages()[l], doc->root->map.pairs[i].key->line, STR_ARG(doc->root->map.pairs[i].key->text));
	}
	fail_with_list("translations that nothing says", &unused);
}

/* ---- choosing ---- */

static void the_language_is_that_of_the_locale_unless_chosen(void **state)
{
	static const struct {
		const char *all, *messages, *lang, *chosen, *want;
	} cases[] = {
		{ "", "", "ru_RU.UTF-8", NULL, "ru" },	    { "", "", "ru_RU.UTF-8", "auto", "ru" }, { "", "ru_UA", "en_GB", NULL, "ru" },
		{ "C", "ru_RU", "ru_RU", NULL, "en" },	    { "", "", "ru", NULL, "ru" },	     { "", "", "rum_XX", NULL, "en" },
		{ "", "", "", NULL, "en" },		    { "", "", "de_DE", NULL, "en" },	     { "", "", "en_US", "ru", "ru" },
		{ "ru_RU.UTF-8", "", "", "en", "en" },	    { "", "", "ru@x", "nonsense", "ru" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setenv("LC_ALL", cases[i].all, 1);
		setenv("LC_MESSAGES", cases[i].messages, 1);
		setenv("LANG", cases[i].lang, 1);
		text_use(cases[i].chosen);
		assert_string_equal(text_language(), cases[i].want);
	}
	text_use("en");
}

static void numbers_choose_their_form(void **state)
{
	static const struct {
		unsigned long n;
		size_t form;
	} cases[] = { { 1, 0 }, { 2, 1 }, { 4, 1 }, { 5, 2 }, { 0, 2 }, { 11, 2 }, { 12, 2 }, { 14, 2 }, { 21, 0 }, { 22, 1 }, { 111, 2 }, { 1001, 0 } };
	AUTO(yaml_doc) doc = read_language("ru");
	const struct yaml_pair *plural = NULL;

	(void)state;
	for (size_t i = 0; i < doc->root->map.n && !plural; i++)
		if (yaml_is_seq(doc->root->map.pairs[i].value))
			plural = &doc->root->map.pairs[i];
	assert_non_null(plural);
	AUTO_FREE char *one = str_dup(plural->key->text);

	text_use("en");
	assert_string_equal(TN("a pod", "pods", 1), "a pod");
	assert_string_equal(TN("a pod", "pods", 2), "pods");
	text_use("ru");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(str_is(plural->value->seq.items[cases[i].form]->text, text_plural(one, "", cases[i].n)));
	text_use("en");
}

static void what_nobody_translated_stays_english(void **state)
{
	(void)state;
	text_use("ru");
	assert_string_equal(T("a text that is nowhere"), "a text that is nowhere");
	assert_string_equal(TN("one that is nowhere", "many that are nowhere", 7), "many that are nowhere");
	text_use("en");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_translation_has_the_conversions_of_its_text),
		cmocka_unit_test(every_text_of_the_screens_is_translated),
		cmocka_unit_test(no_translation_is_left_over),
		cmocka_unit_test(the_language_is_that_of_the_locale_unless_chosen),
		cmocka_unit_test(numbers_choose_their_form),
		cmocka_unit_test(what_nobody_translated_stays_english),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
