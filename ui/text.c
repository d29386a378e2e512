#include "ui/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/map.h"
#include "base/yaml.h"

#define FORMS 3

struct translation {
	const char *forms[FORMS]; /* a plain text has the first only */
};

struct language {
	const char *name;
	struct yaml_doc *doc; /* holds the texts */
	struct map by_english;
};

/* Written by text_use() on the main thread, at the start and when the settings change. NULL: English. */
static struct language *current;

static const char *const languages[] = { "auto", "en", "ru" };

const char *const *text_languages(void)
{
	return languages;
}

size_t text_language_count(void)
{
	return ARRAY_LEN(languages);
}

/* ---- looking up ---- */

static const struct translation *find(const char *english)
{
	return current ? map_get(&current->by_english, str_of(english)) : NULL;
}

const char *text_of(const char *english)
{
	const struct translation *found = find(english);

	return found ? found->forms[0] : english;
}

/* Russian: 1 object, 2 to 4, the rest; 11 to 14 are of the rest (Unicode CLDR). */
static size_t russian_form(unsigned long n)
{
	unsigned long ones = n % 10, tens = n / 10 % 10;

	return tens == 1 || ones == 0 || ones > 4 ? 2 : ones == 1 ? 0 : 1;
}

const char *text_plural(const char *one, const char *many, unsigned long n)
{
	const struct translation *found = find(one);
	const char *form = found ? found->forms[russian_form(n)] : NULL;

	return form ? form : n == 1 ? one : many;
}

/* ---- loading ---- */

static void language_destroy(struct language *language)
{
	if (!language)
		return;
	map_release(&language->by_english);
	yaml_doc_destroy(language->doc);
	free(language);
}
DEFINE_AUTO(language);

static const char *text_at(const struct yaml_node *node)
{
	struct str text = { "", 0 };

	yaml_is_string(node, &text);
	return text.p; /* a NUL follows it */
}

static void add(struct language *language, const struct yaml_pair *pair)
{
	struct translation *translation = xcalloc(1, sizeof *translation);

	for (size_t i = 0; yaml_is_seq(pair->value) && i < pair->value->seq.n && i < FORMS; i++)
		translation->forms[i] = text_at(pair->value->seq.items[i]);
	if (!yaml_is_seq(pair->value))
		translation->forms[0] = text_at(pair->value);
	map_set(&language->by_english, pair->key->text, translation);
}

/* name is one of languages[]. */
static struct language *load(const char *name)
{
	AUTO_FREE char *path = xasprintf("lang/%s.yaml", name);
	AUTO_RELEASE(error) err = { 0 };
	AUTO(language) language = xcalloc(1, sizeof *language);
	struct str text;

	language->name = name;
	language->by_english.free_value = free;
	if (!asset_find(path, &text) || !yaml_read(text, path, NULL, &language->doc, &err) || !language->doc)
		return NULL; /* a test reads every file */
	for (size_t i = 0; yaml_is_map(language->doc->root) && i < language->doc->root->map.n; i++)
		add(language, &language->doc->root->map.pairs[i]);
	return GIVE(language);
}

/* "ru_RU.UTF-8" is "ru". */
static const char *language_of_locale(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	const char *locale = NULL;

	for (size_t i = 0; i < ARRAY_LEN(variables) && (!locale || !*locale); i++)
		locale = getenv(variables[i]);
	for (size_t i = 1; locale && i < ARRAY_LEN(languages); i++) {
		size_t len = strlen(languages[i]);

		if (strncmp(locale, languages[i], len) == 0 && strchr("_.@", locale[len]))
			return languages[i]; /* the end of the text counts as one of these */
	}
	return "en";
}

void text_use(const char *language)
{
	const char *name = language_of_locale();

	for (size_t i = 1; language && i < ARRAY_LEN(languages); i++)
		if (strcmp(languages[i], language) == 0)
			name = languages[i];
	if (strcmp(name, text_language()) == 0)
		return;
	language_destroy(current);
	current = load(name);
}

const char *text_language(void)
{
	return current ? current->name : "en";
}
