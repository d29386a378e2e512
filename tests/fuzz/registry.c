/*
 * Whatever a registry or a token service answers. The first byte says as what the rest is read; what is taken from it must be fit for
 * the places where it goes: URLs, header lines, lines of text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "registry/answer.h"
#include "registry/challenge.h"
#include "registry/manifest.h"
#include "registry/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool claim)
{
	if (!claim)
		abort();
}

static void check_error(const struct error *err)
{
	must(err->kind && err->message && !strpbrk(err->message, "\r\n\033"));
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Read once more behind itself nothing better is found. */
static void read_challenge(struct str text)
{
	struct challenge once = { 0 }, twice = { 0 };

	challenge_read(&once, text);
	challenge_read(&twice, text);
	challenge_read(&twice, text);
	must(once.scheme == twice.scheme && same(once.realm, twice.realm) && same(once.service, twice.service) && same(once.scope, twice.scope));
	must(once.scheme || !once.realm);
	challenge_release(&once);
	challenge_release(&twice);
}

/* The first line is the Content-Type. */
static void read_manifest(struct str text)
{
	AUTO_RELEASE(manifest) manifest = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);
	struct str type;

	if (!str_cut(&text, '\n', &type))
		return;
	buf_add_str(&bytes, text);
	if (!manifest_parse(&bytes, type, NULL, &manifest, &err)) {
		check_error(&err);
		return;
	}
	must(str_eq(buf_str(&manifest.bytes), text) && digest_is_valid(str_of(manifest.digest)));
	for (size_t i = 0; i < manifest.n; i++)
		must(digest_is_valid(str_of(manifest.items[i].digest)) && manifest.items[i].size_bytes >= 0 && manifest.items[i].media_type && manifest.items[i].platform);
	must(!manifest.is_index || !manifest.n || !*manifest.items[0].platform || manifest_for_platform(&manifest, manifest.items[0].platform));
}

static void read_tags(struct str text)
{
	AUTO_RELEASE(answer_tags) tags = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!answer_tags(text, &tags, &err))
		check_error(&err);
	for (size_t i = 0; i < tags.len; i++)
		must(tag_is_valid(str_of(tags.items[i])));
}

/* Absolute references stay; all others lead to the server that was asked. */
static void read_link(struct str text)
{
	static const char *const asked[] = { "http://h:5000/v2/a/tags/list?n=1", "https://[::1]", "http://h?x=/", "https://h/#a/b" };
	struct str target = text;
	struct url url, base;
	AUTO_RELEASE(error) err = { 0 };

	if (answer_next_page(text, &target))
		must(target.len && target.p >= text.p && target.p + target.len <= text.p + text.len);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		AUTO_FREE char *whole = answer_resolve(asked[i], target);
		struct str plain = str_trim(target);

		if (!whole || !url_parse(str_of(whole), &url, &err) || !url_parse(str_of(asked[i]), &base, &err))
			continue;
		if (!str_starts(plain, STR("http")) && !str_starts(plain, STR("//")))
			must(str_eq(url.host, base.host) && str_eq(url.scheme, base.scheme) && str_eq(url.port, base.port));
	}
}

static void read_token(struct str text)
{
	AUTO_RELEASE(secret) secret = { 0 };
	int64_t lives_ms = 0;

	if (!answer_token(text, &secret, &lives_ms))
		return;
	struct str line = secret_reveal(&secret);

	must(lives_ms >= 1000 && str_starts(line, STR("Bearer ")));
	for (size_t i = strlen("Bearer "); i < line.len; i++)
		must(line.p[i] > ' ' && line.p[i] <= '~');
}

static void read_error(struct str text)
{
	struct answer_error said;

	answer_error(text, &said);
	answer_is_temporary(400, text);
	must(!strpbrk(said.code, "\r\n\033") && !strpbrk(said.message, "\r\n\033"));
}

static void read_offset(struct str text)
{
	int64_t bytes = 0;

	if (answer_offset(text, &bytes))
		must(bytes > 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct str text) = { read_challenge, read_manifest, read_tags, read_link, read_token, read_error, read_offset };

	if (size)
		readers[data[0] % ARRAY_LEN(readers)]((struct str){ (const char *)data + 1, size - 1 });
	return 0;
}
