#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/map.h"
#include "base/yaml.h"
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

/* A C string literal at p, or several side by side; false when there is none. */
static bool take_literal(const char **p, struct buf *ret)
{
	const char *at = *p;
	bool any = false;

	buf_reset(ret);
	for (;; any = true) {
		while (isspace((unsigned char)*at))
			at++;
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
	}
	*p = at;
	return any;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Adds what stands in T(), TN() and N_() of one file; the value tells whether there are plural forms. */
static void add_texts(const char *path, struct map *texts)
{
	static const struct {
		const char *call;
		bool plural;
	} calls[] = { { "T(", false }, { "TN(", true }, { "N_(", false } };
	AUTO_RELEASE(buf) code = BUF_INIT(0), literal = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_read(path, 0, &code, &err));
	for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
		for (const char *p = code.p; (p = strstr(p, calls[c].call));) {
			bool whole = p == code.p || !is_word(p[-1]);

			p += strlen(calls[c].call);
			if (whole && take_literal(&p, &literal))
				map_set(texts, buf_str(&literal), (void *)(calls[c].plural ? "plural" : "plain"));
		}
	}
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
	if (missing.len)
		fail_msg("without a translation:%s", buf_cstr(&missing));
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
	if (unused.len)
		fail_msg("nothing says this:%s", buf_cstr(&unused));
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
	if (!plural)
		skip();
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
