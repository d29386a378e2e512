#include "registry/answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "registry/reference.h"

#define TAGS_MAX	100000
#define TOKEN_DEFAULT_S 60
#define TOKEN_LONGEST_S 86400

static json_t *read_json(struct str body)
{
	return json_loadb(body.len ? body.p : "", body.len, 0, NULL);
}

/* ---- errors ---- */

static void put_plain(char *out, size_t room, const char *text)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, str_of(text ? text : ""));
	snprintf(out, room, "%s", buf_cstr(&plain));
}

void answer_error(struct str body, struct answer_error *ret)
{
	json_t *root = read_json(body);
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code"));

	*ret = (struct answer_error){ 0 };
	put_plain(ret->code, sizeof ret->code, code);
	if (code)
		put_plain(ret->message, sizeof ret->message, json_string_value(json_object_get(first, "message")));
	json_decref(root);
}

bool answer_is_temporary(int status, struct str body)
{
	static const int statuses[] = { 408, 429, 499, 500, 502, 503, 504, 522 };
	static const char *const codes[] = { "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE" };
	struct answer_error error;

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (status == statuses[i])
			return true;
	answer_error(body, &error);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(error.code, codes[i]) == 0)
			return true;
	return false;
}

/* ---- tags ---- */

bool answer_tags(struct str body, struct answer_tags *into, struct error *err)
{
	json_t *root = read_json(body);
	const json_t *list = json_object_get(root, "tags");
	bool good = json_is_array(list) || json_is_null(list); /* null: the repository lost its last one */

	for (size_t i = 0; good && i < json_array_size(list) && into->len <= TAGS_MAX; i++) {
		const json_t *tag = json_array_get(list, i);
		struct str text = { json_string_value(tag), json_string_length(tag) };

		if (tag_is_valid(text))
			LIST_PUSH(into->items, into->len, into->cap) = str_dup(text);
	}
	json_decref(root);
	if (into->len > TAGS_MAX)
		return error_set(err, ERR_LIMIT, "the repository has more than %d tags", TAGS_MAX);
	return good || error_set(err, ERR_SERVER, "the list of tags can't be read");
}

void answer_tags_release(struct answer_tags *tags)
{
	for (size_t i = 0; i < tags->len; i++)
		free(tags->items[i]);
	free(tags->items);
	*tags = (struct answer_tags){ 0 };
}

static bool names_next(struct str parameters)
{
	struct str parameter, name;

	for (bool more = true; more;) {
		more = str_cut(&parameters, ';', &parameter);
		if (!more)
			parameter = parameters;
		if (!str_cut(&parameter, '=', &name) || !str_ieq(str_trim(name), STR("rel")))
			continue;
		parameter = str_trim(parameter);
		if (str_is(parameter, "next") || str_is(parameter, "\"next\""))
			return true;
	}
	return false;
}

/* Several links may stand in one header, separated by commas behind their parameters. */
bool answer_next_page(struct str link, struct str *ret)
{
	struct str before, target, parameters;

	while (str_cut(&link, '<', &before) && str_cut(&link, '>', &target)) {
		struct str rest = link;

		if (!str_cut(&rest, ',', &parameters))
			parameters = link;
		if (names_next(parameters) && target.len) {
			*ret = target;
			return true;
		}
	}
	return false;
}

/* ---- tokens ---- */

/* As RFC 6750 has them; anything else could end the header line that it becomes a part of. */
static bool is_token_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return text.len > 0;
}

static struct str token_text(const json_t *root)
{
	static const char *const names[] = { "token", "access_token" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *value = json_object_get(root, names[i]);
		struct str text = { json_string_value(value), json_string_length(value) };

		if (is_token_text(text))
			return text;
	}
	return (struct str){ 0 };
}

bool answer_token(struct str body, struct secret *ret, int64_t *ret_lives_ms)
{
	json_t *root = read_json(body);
	json_int_t lives_s = json_integer_value(json_object_get(root, "expires_in"));
	struct str text = token_text(root);

	if (lives_s <= 0 || lives_s > TOKEN_LONGEST_S)
		lives_s = lives_s <= 0 ? TOKEN_DEFAULT_S : TOKEN_LONGEST_S;
	if (text.len) {
		char *line = xasprintf("Bearer %.*s", STR_ARG(text));

		secret_set_take(ret, line, strlen(line));
		*ret_lives_ms = lives_s * 1000;
	}
	json_decref(root);
	return !secret_empty(ret);
}

/* ---- places ---- */

bool answer_offset(struct str range, int64_t *ret_bytes)
{
	struct str from, last = str_trim(range);
	int64_t n = 0;

	if (str_starts(last, STR("bytes=")))
		last = (struct str){ last.p + strlen("bytes="), last.len - strlen("bytes=") };
	if (!str_cut(&last, '-', &from) || !str_is(from, "0") || !last.len || last.len > 15)
		return false;
	for (size_t i = 0; i < last.len; i++) {
		if (last.p[i] < '0' || last.p[i] > '9')
			return false;
		n = n * 10 + (last.p[i] - '0');
	}
	if (!n)
		return false;
	*ret_bytes = n + 1;
	return true;
}

static bool has_scheme(struct str text)
{
	return str_starts(text, STR("https://")) || str_starts(text, STR("http://"));
}

char *answer_resolve(const char *asked, struct str reference)
{
	struct url base;
	AUTO_RELEASE(error) ignored = { 0 };

	reference = str_trim(reference);
	if (!reference.len || !url_parse(str_of(asked), &base, &ignored))
		return NULL;
	if (has_scheme(reference))
		return str_dup(reference);
	if (str_starts(reference, STR("//")))
		return xasprintf("%.*s:%.*s", STR_ARG(base.scheme), STR_ARG(reference));
	const char *host = strstr(asked, "://") + 3;
	size_t origin = (size_t)(host - asked) + strcspn(host, "/?#"), keep = strcspn(asked, "?#");

	if (reference.p[0] == '/')
		keep = origin;
	else if (reference.p[0] != '?')
		while (keep > origin && asked[keep - 1] != '/')
			keep--;
	return xasprintf("%.*s%s%.*s", (int)keep, asked, keep == origin && reference.p[0] != '/' ? "/" : "", STR_ARG(reference));
}
