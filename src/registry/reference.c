#include "registry/reference.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255
#define TAG_MAX_BYTES  128

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789abcdef", text.p[i]) || !text.p[i])
			return false;
	return true;
}

bool digest_is_valid(struct str digest)
{
	struct str rest = digest, algorithm;

	if (!str_cut(&rest, ':', &algorithm) || !is_hex(rest))
		return false;
	return (str_is(algorithm, "sha256") && rest.len == 64) || (str_is(algorithm, "sha512") && rest.len == 128);
}

/* Runs of letters and digits, joined by ".", "_", "__" or any number of "-". */
static bool is_component(struct str text)
{
	size_t i = 0;

	for (;;) {
		size_t word = i;

		while (i < text.len && is_lower_alnum(text.p[i]))
			i++;
		if (i == word)
			return false;
		if (i == text.len)
			return true;
		size_t joint = i;

		while (i < text.len && strchr("._-", text.p[i]) && text.p[i] == text.p[joint])
			i++;
		size_t len = i - joint;

		if (!len || (text.p[joint] == '.' && len > 1) || (text.p[joint] == '_' && len > 2))
			return false;
	}
}

static bool is_repository(struct str text)
{
	struct str component;

	while (str_cut(&text, '/', &component))
		if (!is_component(component))
			return false;
	return is_component(text);
}

bool tag_is_valid(struct str text)
{
	if (!text.len || text.len > TAG_MAX_BYTES || !is_word(text.p[0]))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_word(text.p[i]) && text.p[i] != '.' && text.p[i] != '-')
			return false;
	return true;
}

static bool is_port(struct str text)
{
	unsigned port = 0;

	for (size_t i = 0; i < text.len && i < 6; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.p[i] - '0');
	}
	return text.len && port > 0 && port < 65536;
}

static bool is_host_text(struct str host, const char *others)
{
	for (size_t i = 0; i < host.len; i++)
		if ((!is_word(host.p[i]) && !strchr(others, host.p[i])) || host.p[i] == '_' || !host.p[i])
			return false;
	return host.len > 0 && host.p[0] != '.' && host.p[0] != '-';
}

static bool is_registry(struct str text)
{
	struct str rest = text, host;

	if (rest.len && rest.p[0] == '[') {
		rest = (struct str){ rest.p + 1, rest.len - 1 };
		if (!str_cut(&rest, ']', &host) || !host.len || strspn(host.p, "0123456789abcdefABCDEF:") < host.len)
			return false;
		return !rest.len || (rest.p[0] == ':' && is_port((struct str){ rest.p + 1, rest.len - 1 }));
	}
	if (!str_cut(&rest, ':', &host))
		return is_host_text(text, ".-");
	return is_host_text(host, ".-") && is_port(rest);
}

static bool names_registry(struct str head)
{
	return str_find_char(head, '.') >= 0 || str_find_char(head, ':') >= 0 || str_is(head, "localhost");
}

static ptrdiff_t last_colon(struct str text)
{
	for (size_t i = text.len; i-- > 0 && text.p[i] != '/';)
		if (text.p[i] == ':')
			return (ptrdiff_t)i;
	return -1;
}

static bool refuse(struct str text, struct error *err, const char *why)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, text);
	error_set(err, ERR_INVALID, "\"%s\" is no image reference: %s", buf_cstr(&plain), why);
	return error_hint(err, "wanted is [REGISTRY/]REPOSITORY[:TAG][@DIGEST], for example docker.io/library/redis:7.4");
}

bool reference_parse(struct str text, struct reference *ret, struct error *err)
{
	struct str whole = str_trim(text), rest = whole, registry = STR("docker.io"), head, digest = { 0 }, tag = { 0 };
	struct str name = rest;

	if (str_cut(&name, '/', &head) && names_registry(head)) {
		registry = head;
		rest = name;
	}
	if (str_cut(&rest, '@', &head)) {
		digest = rest;
		rest = head;
		if (!digest_is_valid(digest))
			return refuse(whole, err, "its digest is neither sha256 nor sha512 in small hexadecimal digits");
	}
	ptrdiff_t colon = last_colon(rest);

	if (colon >= 0) {
		tag = (struct str){ rest.p + colon + 1, rest.len - (size_t)colon - 1 };
		rest.len = (size_t)colon;
		if (!tag_is_valid(tag))
			return refuse(whole, err, "its tag is not made of at most 128 letters, digits, \"_\", \".\", \"-\"");
	}
	if (!is_registry(registry))
		return refuse(whole, err, "its registry is no host with an optional port");
	if (!is_repository(rest))
		return refuse(whole, err, "its repository is not made of small letters and digits joined by \".\", \"_\", \"-\" and \"/\"");
	if (registry.len + rest.len > NAME_MAX_BYTES)
		return refuse(whole, err, "it is longer than 255 characters");
	bool hub = str_is(registry, "docker.io") || str_is(registry, "index.docker.io");

	*ret = (struct reference){ .registry = hub ? xstrdup("docker.io") : str_dup(registry),
				   .repository = hub && str_find_char(rest, '/') < 0 ? xasprintf("library/%.*s", STR_ARG(rest)) : str_dup(rest),
				   .tag = tag.len ? str_dup(tag) : digest.len ? NULL : xstrdup("latest"),
				   .digest = digest.len ? str_dup(digest) : NULL };
	return true;
}

void reference_release(struct reference *reference)
{
	free(reference->registry);
	free(reference->repository);
	free(reference->tag);
	free(reference->digest);
	*reference = (struct reference){ 0 };
}

const char *reference_target(const struct reference *reference)
{
	return reference->digest ? reference->digest : reference->tag;
}

void reference_format(const struct reference *reference, struct buf *out)
{
	buf_addf(out, "%s/%s", reference->registry, reference->repository);
	if (reference->tag)
		buf_addf(out, ":%s", reference->tag);
	if (reference->digest)
		buf_addf(out, "@%s", reference->digest);
}
