#include "registry/registry_private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "registry/answer.h"
#include "registry/certs.h"
#include "registry/digest.h"
#include "registry/reference.h"

#define PROBE_LIMIT_MS	 3000
#define RETRIES		 3
#define RETRY_PAUSE_MS	 1000
#define TAGS_MAX_PAGES	 200

static void destroy_server(void *http)
{
	http_destroy(http);
}

struct registry *registry_create(const struct registry_options *options)
{
	struct registry *r = xcalloc(1, sizeof *r);

	r->net = options->net;
	r->host = xstrdup(options->host);
	r->endpoint = options->endpoint ? xstrdup(options->endpoint) : NULL;
	r->insecure = options->insecure;
	r->skip_tls_verify = options->skip_tls_verify;
	r->read_only = options->read_only;
	r->login = options->login;
	r->login_file = options->login.file ? xstrdup(options->login.file) : NULL;
	r->login.file = r->login_file;
	r->retry_pause_ms = options->retry_pause_ms ? options->retry_pause_ms : RETRY_PAUSE_MS;
	r->servers = (struct map)MAP_INIT(destroy_server);
	r->tokens = (struct map)MAP_INIT(token_free);
	pthread_mutex_init(&r->connect_lock, NULL);
	pthread_mutex_init(&r->login_lock, NULL);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void registry_destroy(struct registry *r)
{
	if (!r)
		return;
	map_release(&r->servers);
	map_release(&r->tokens);
	challenge_release(&r->challenge);
	pthread_mutex_destroy(&r->connect_lock);
	pthread_mutex_destroy(&r->login_lock);
	pthread_mutex_destroy(&r->lock);
	free(r->host);
	free(r->endpoint);
	free(r->login_file);
	free(r->base_url);
	free(r);
}

const char *registry_host(const struct registry *r)
{
	return r->host;
}

/* ---- servers ---- */

/* This machine, or a literal address that only has a meaning inside of somebody's network. */
static bool is_private(const struct url *url)
{
	static const struct {
		uint32_t network, mask;
	} private[] = { { 0x00000000, 0xff000000 }, { 0x0a000000, 0xff000000 }, { 0x7f000000, 0xff000000 },
			{ 0xa9fe0000, 0xffff0000 }, { 0xac100000, 0xfff00000 }, { 0xc0a80000, 0xffff0000 } };
	struct in_addr address;
	AUTO_FREE char *host = str_dup(url->host);

	if (url_host_is_loopback(url->host) || str_ends(url->host, STR(".localhost")))
		return true;
	if (url->ipv6)
		return strncasecmp(host, "fc", 2) == 0 || strncasecmp(host, "fd", 2) == 0 || strncasecmp(host, "fe80:", 5) == 0 ||
		       strncasecmp(host, "::", 2) == 0;
	/* Like the resolver, this also knows "127.1" and "0x7f000001". */
	for (size_t i = 0; inet_aton(host, &address) && i < ARRAY_LEN(private); i++)
		if ((ntohl(address.s_addr) & private[i].mask) == private[i].network)
			return true;
	return false;
}

static char *origin_of(const struct url *url)
{
	return xasprintf(url->ipv6 ? "%.*s://[%.*s]:%u" : "%.*s://%.*s:%u", STR_ARG(url->scheme), STR_ARG(url->host), url->port_number);
}

static const char *api_host(const char *host)
{
	return strcmp(host, "docker.io") == 0 ? "registry-1.docker.io" : host;
}

static bool is_own_by_tls(const struct registry *r, const char *origin)
{
	AUTO_FREE char *text = xasprintf("https://%s", api_host(r->host));
	AUTO_RELEASE(error) ignored = { 0 };
	struct url url;

	if (!url_parse(str_of(text), &url, &ignored))
		return false;
	AUTO_FREE char *own = origin_of(&url);

	return strcmp(own, origin) == 0;
}

static struct http *make_server(struct registry *r, const char *base_url, struct error *err)
{
	AUTO_RELEASE(certs) certs = { 0 };

	if (is_own_by_tls(r, base_url) && !certs_find(r->host, &certs, err))
		return error_wrap(err, "certificates for registry %s", r->host), NULL;
	return http_create(r->net,
			   &(struct http_options){ .base_url = base_url,
						   .ca_pem = buf_str(&certs.ca_pem),
						   .client_cert_pem = buf_str(&certs.client_pem),
						   .client_key_pem = secret_reveal(&certs.client_key_pem),
						   .insecure_skip_tls_verify = r->skip_tls_verify,
						   .disable_compression = true, /* digests are those of the bytes on the wire */
						   .read_only = r->read_only,
						   .rate_per_s = 200,
						   .burst = 400,
						   .probe_path = "" },
			   err);
}

/* The server of an origin; r->lock is not held. */
static bool server_of(struct registry *r, const char *origin, struct http **ret, struct error *err)
{
	pthread_mutex_lock(&r->lock);
	*ret = map_get(&r->servers, str_of(origin));
	if (!*ret && (*ret = make_server(r, origin, err)))
		map_set(&r->servers, str_of(origin), *ret);
	pthread_mutex_unlock(&r->lock);
	return *ret != NULL;
}

bool registry_server(struct registry *r, const char *text, struct http **ret, struct error *err)
{
	struct url url, own;

	if (!url_parse(str_of(text), &url, err))
		return error_wrap(err, "registry %s points elsewhere", r->host);
	AUTO_FREE char *origin = origin_of(&url);

	if (!url_parse(str_of(r->base_url), &own, err))
		return false;
	AUTO_FREE char *own_origin = origin_of(&own);
	bool same = strcmp(origin, own_origin) == 0;

	if (!same && is_private(&url) && !is_private(&own) && !r->insecure)
		return error_set(err, ERR_DENIED, "registry %s points to the private address %s, which is not asked", r->host, origin);
	if (!same && !str_is(url.scheme, "https") && str_is(own.scheme, "https"))
		return error_set(err, ERR_DENIED, "registry %s points to %s, which is not encrypted", r->host, origin);
	if (!same && !str_is(url.scheme, "https") && !r->insecure && !is_private(&url))
		return error_set(err, ERR_DENIED, "registry %s points to %s, which is not encrypted", r->host, origin);
	return server_of(r, origin, ret, err);
}

/* ---- first contact ---- */

/* It speaks TLS, so that plain http is not what it wants. */
static bool is_about_certificate(const struct error *err)
{
	return err->kind == ERR_NETWORK && strstr(err->message, "certificate");
}

static bool hint_certificate(const struct registry *r, struct error *err)
{
	if (is_about_certificate(err))
		error_hint(err, "put the certificate of its authority into ~/.config/containers/certs.d/%s/ca.crt", r->host);
	return false;
}

static bool answers(struct registry *r, const char *base_url, const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	struct http *http;

	if (!server_of(r, base_url, &http, err))
		return false;
	return http_call(http, &(struct http_request){ .path = "/v2/", .attempts = 1, .timeout_ms = PROBE_LIMIT_MS }, cancel, &response, err);
}

static char *choose_url(struct registry *r, const struct cancel *cancel, struct error *err)
{
	AUTO_FREE char *safe = xasprintf("https://%s", api_host(r->host));
	struct url url;

	if (r->endpoint)
		return xstrdup(r->endpoint);
	if (!url_parse(str_of(safe), &url, err))
		return NULL;
	if (!r->insecure && !is_private(&url))
		return GIVE(safe);
	AUTO_FREE char *origin = origin_of(&url);

	if (answers(r, origin, cancel, err))
		return GIVE(safe);
	if (err->kind == ERR_CANCELLED)
		return NULL;
	if (is_about_certificate(err))
		return hint_certificate(r, err), NULL;
	error_release(err);
	return xasprintf("http://%s", r->host);
}

static bool first_contact(struct registry *r, const struct cancel *cancel, struct error *err)
{
	bool known;

	pthread_mutex_lock(&r->connect_lock);
	if (!r->base_url) {
		char *url = choose_url(r, cancel, err);

		pthread_mutex_lock(&r->lock);
		r->base_url = url;
		pthread_mutex_unlock(&r->lock);
	}
	known = r->base_url != NULL;
	pthread_mutex_unlock(&r->connect_lock);
	return known;
}

/* ---- places ---- */

void registry_place_release(struct registry_place *place)
{
	free(place->path);
	*place = (struct registry_place){ 0 };
}

bool registry_find_place(struct registry *r, const struct registry_request *request, const struct registry_call *call, struct registry_place *ret,
			 struct error *err)
{
	struct url url, base;

	if (!first_contact(r, call->cancel, err) || !url_parse(str_of(r->base_url), &base, err))
		return false;
	AUTO_FREE char *text = request->location ? xstrdup(request->location) :
						   xasprintf("%s/v2/%s%s", r->base_url, request->repository, request->path);
	AUTO_RELEASE(registry_place) place = { 0 };

	if (!url_parse(str_of(text), &url, err) || !registry_server(r, text, &place.http, err))
		return false;
	AUTO_FREE char *origin = origin_of(&url), *own = origin_of(&base);

	place.ours = strcmp(origin, own) == 0;
	place.path = url.query.len ? xasprintf("%.*s?%.*s", STR_ARG(url.path), STR_ARG(url.query)) : str_dup(url.path.len ? url.path : STR("/"));
	*ret = place;
	place = (struct registry_place){ 0 };
	return true;
}

char *registry_location(const struct registry_place *asked, const struct http_response *response)
{
	struct str where;
	AUTO_FREE char *url = xasprintf("%s%s", http_base_url(asked->http), asked->path);

	return http_response_header(response, "Location", 0, &where) ? answer_resolve(url, where) : NULL;
}

/* ---- what answers mean ---- */

static const struct meaning {
	int status;
	enum err_kind kind;
	const char *before, *after; /* the registry's name, in the hint */
} meanings[] = {
	{ 401, ERR_DENIED, "log in: docker login ", ", or name a file with logins in DOCKER_CONFIG or REGISTRY_AUTH_FILE" },
	{ 403, ERR_DENIED, "the login for ", " lacks the right to this repository" },
	{ 404, ERR_NOT_FOUND, "look at the spelling; ", " also says so of what is private, to those who are not logged in" },
	{ 413, ERR_LIMIT, "a proxy before ", " takes no requests of that size" },
	{ 429, ERR_SERVER, "", " limits how often it is asked: log in, or wait" },
	{ 507, ERR_SERVER, "the disk of ", " is full" },
};

bool registry_refused(struct registry *r, const struct registry_request *request, const struct http_response *response, struct error *err)
{
	struct answer_error said;
	const struct meaning *meaning = NULL;

	answer_error(buf_str(&response->body), &said);
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].status == response->status)
			meaning = &meanings[i];
	error_set(err, meaning ? meaning->kind : ERR_SERVER, "asked registry %s for %s: it answered %d%s%s%s%s%s", r->host, request->what, response->status,
		  *said.code ? " " : "", said.code, *said.message ? " (" : "", said.message, *said.message ? ")" : "");
	return meaning ? error_hint(err, "%s%s%s", meaning->before, r->host, meaning->after) : false;
}

/* ---- asking ---- */

bool registry_pause(struct registry *r, unsigned n, const char *why, const struct cancel *cancel,
		    void (*on_retry)(const char *why, int64_t pause_ms, void *arg), void *arg, struct error *err)
{
	int64_t pause_ms = r->retry_pause_ms;

	for (unsigned i = 0; i < n; i++)
		pause_ms *= 3;
	if (on_retry)
		on_retry(why, pause_ms, arg);
	return cancel_sleep(cancel, (unsigned)pause_ms, err);
}

static void pass_wait(const struct http_wait *wait, void *arg)
{
	const struct registry_call *call = arg;

	if (call->on_retry)
		call->on_retry(wait->reason, wait->wait_ms, call->arg);
}

static bool send_request(struct registry *r, const struct registry_request *request, const struct registry_call *call, struct secret *authorization,
		 struct http_response *ret, struct error *err)
{
	AUTO_RELEASE(registry_place) place = { 0 };
	AUTO_FREE char *line = NULL;
	const char *headers[3] = { 0 };
	size_t n = 0;

	if (!registry_find_place(r, request, call, &place, err))
		return false;
	if (place.ours && !secret_empty(authorization))
		headers[n++] = line = xasprintf("Authorization: %s", secret_reveal(authorization).p);
	if (request->header)
		headers[n] = request->header;
	bool good = http_call(place.http,
			      &(struct http_request){ .method = request->method,
						      .path = place.path,
						      .accept = request->accept,
						      .content_type = request->content_type,
						      .body = request->body,
						      .headers = headers,
						      .max_body_bytes = request->max_body_bytes,
						      .timeout_ms = request->timeout_ms,
						      .attempts = request->once ? 2 : 4,
						      .idempotent = !request->once,
						      .on_wait = pass_wait,
						      .on_wait_arg = (void *)call },
			      call->cancel, ret, err);

	if (line)
		secret_wipe(line, strlen(line));
	return good || hint_certificate(r, err) || error_wrap(err, "registry %s", r->host);
}

static bool ask_with_login(struct registry *r, const struct registry_request *request, const struct registry_call *call, struct http_response *ret,
			   struct error *err)
{
	for (unsigned attempt = 0;; attempt++) {
		AUTO_RELEASE(secret) authorization = { 0 };
		unsigned serial;

		if (!first_contact(r, call->cancel, err) || !token_get(r, request->repository, call, &authorization, &serial, err) ||
		    !send_request(r, request, call, &authorization, ret, err))
			return false;
		if (ret->status != 401)
			return true;
		if (attempt)
			return registry_refused(r, request, ret, err);
		if (!token_refused(r, request->repository, call, ret, serial, err))
			return false;
	}
}

/* http repeats 502 to 504 by itself; what registries and the proxies before them say by these is as temporary. */
static bool is_passing(int status)
{
	return status == 408 || status == 499 || status == 500 || status == 522;
}

bool registry_ask(struct registry *r, const struct registry_request *request, const struct registry_call *call, struct http_response *ret,
		  struct error *err)
{
	for (unsigned n = 0;; n++) {
		if (!ask_with_login(r, request, call, ret, err))
			return false;
		AUTO_FREE char *why = xasprintf("HTTP %d", ret->status);

		if (request->once || n == RETRIES || !is_passing(ret->status))
			return true;
		if (!registry_pause(r, n, why, call->cancel, call->on_retry, call->arg, err))
			return false;
	}
}

/* ---- manifests ---- */

static char *manifest_path(const char *target)
{
	return xasprintf("/manifests/%s", target);
}

static char *name_of(const char *what, const char *repository, const char *target)
{
	return xasprintf("%s %s%s%s", what, repository, strchr(target, ':') ? "@" : ":", target);
}

void registry_head_release(struct registry_head *head)
{
	free(head->digest);
	*head = (struct registry_head){ 0 };
}

bool registry_head_manifest(struct registry *r, const char *repository, const char *target, const struct registry_call *call,
			    struct registry_head *ret, struct error *err)
{
	AUTO_FREE char *path = manifest_path(target), *what = name_of("the manifest", repository, target);
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(manifest) manifest = { 0 };
	const struct registry_request request = { .method = "HEAD", .repository = repository, .path = path, .accept = manifest_accept, .what = what };
	struct str digest;

	if (!registry_ask(r, &request, call, &response, err))
		return false;
	*ret = (struct registry_head){ .found = http_ok(&response) };
	if (response.status == 404)
		return true;
	if (!ret->found)
		return registry_refused(r, &request, &response, err);
	if (http_response_header(&response, "Docker-Content-Digest", 0, &digest) && digest_is_valid(digest)) {
		ret->digest = str_dup(digest);
		return true;
	}
	if (!registry_get_manifest(r, repository, target, call, &manifest, err))
		return false;
	ret->digest = xstrdup(manifest.digest);
	return true;
}

bool registry_get_manifest(struct registry *r, const char *repository, const char *target, const struct registry_call *call, struct manifest *ret,
			   struct error *err)
{
	AUTO_FREE char *path = manifest_path(target), *what = name_of("the manifest", repository, target);
	AUTO_RELEASE(http_response) response = { 0 };
	const struct registry_request request = { .repository = repository,
						  .path = path,
						  .accept = manifest_accept,
						  .max_body_bytes = MANIFEST_MAX_BYTES + 1,
						  .what = what };
	struct str type = { 0 };

	if (!registry_ask(r, &request, call, &response, err))
		return false;
	if (!http_ok(&response))
		return registry_refused(r, &request, &response, err);
	http_response_header(&response, "Content-Type", 0, &type);
	AUTO_RELEASE(buf) body = response.body;

	response.body = (struct buf){ 0 };
	return manifest_parse(&body, type, strchr(target, ':') ? target : NULL, ret, err) || error_wrap(err, "registry %s: %s", r->host, what + 4);
}

bool registry_put_manifest(struct registry *r, const char *repository, const char *target, const struct manifest *manifest,
			   const struct registry_call *call, struct error *err)
{
	AUTO_FREE char *path = manifest_path(target), *what = name_of("taking the manifest", repository, target);
	AUTO_RELEASE(http_response) response = { 0 };
	const struct registry_request request = { .method = "PUT",
						  .repository = repository,
						  .path = path,
						  .content_type = manifest->media_type,
						  .body = buf_str(&manifest->bytes),
						  .what = what };
	struct str digest;

	if (!registry_ask(r, &request, call, &response, err))
		return false;
	if (!http_ok(&response))
		return registry_refused(r, &request, &response, err);
	if (http_response_header(&response, "Docker-Content-Digest", 0, &digest) && digest_is_valid(digest) && !str_is(digest, manifest->digest))
		return error_set(err, ERR_SERVER, "registry %s took the manifest %s:%s as %.*s, but its digest is %s", r->host, repository, target,
				 STR_ARG(digest), manifest->digest);
	return true;
}

bool registry_has_blob(struct registry *r, const char *repository, const char *digest, const struct registry_call *call, bool *ret, struct error *err)
{
	AUTO_FREE char *path = xasprintf("/blobs/%s", digest), *what = name_of("the blob", repository, digest);
	AUTO_RELEASE(http_response) response = { 0 };
	const struct registry_request request = { .method = "HEAD", .repository = repository, .path = path, .accept = "*/*", .what = what };

	if (!registry_ask(r, &request, call, &response, err))
		return false;
	*ret = http_ok(&response) || response.status == 307 || response.status == 302;
	return *ret || response.status == 404 || registry_refused(r, &request, &response, err);
}

/* ---- tags ---- */

void registry_free_tags(char **tags)
{
	for (char **tag = tags; tag && *tag; tag++)
		free(*tag);
	free(tags);
}

/* Gives the URL of the page behind the one that was asked; NULL: that was the last. */
static char *next_page(const char *asked, const struct http_response *response)
{
	struct str link, target;

	for (size_t i = 0; http_response_header(response, "Link", i, &link); i++)
		if (answer_next_page(link, &target))
			return answer_resolve(asked, target);
	return NULL;
}

static bool read_pages(struct registry *r, const char *repository, const struct registry_call *call, struct answer_tags *tags, struct error *err)
{
	AUTO_FREE char *what = xasprintf("the tags of %s", repository), *page = NULL;

	for (unsigned n = 0; n < TAGS_MAX_PAGES; n++) {
		AUTO_RELEASE(http_response) response = { 0 };
		const struct registry_request request = { .repository = repository, .path = "/tags/list?n=1000", .location = page, .what = what };

		if (!registry_ask(r, &request, call, &response, err))
			return false;
		if (!http_ok(&response))
			return registry_refused(r, &request, &response, err);
		if (!answer_tags(buf_str(&response.body), tags, err))
			return error_wrap(err, "registry %s: %s", r->host, what);
		AUTO_FREE char *asked = page ? page : xasprintf("%s/v2/%s/tags/list", r->base_url, repository);

		page = next_page(asked, &response);
		if (!page)
			return true;
	}
	return error_set(err, ERR_LIMIT, "registry %s: %s come in more than %d pages", r->host, what, TAGS_MAX_PAGES);
}

bool registry_list_tags(struct registry *r, const char *repository, const struct registry_call *call, char ***ret, struct error *err)
{
	AUTO_RELEASE(answer_tags) tags = { 0 };

	if (!read_pages(r, repository, call, &tags, err))
		return false;
	LIST_PUSH(tags.items, tags.len, tags.cap) = NULL;
	*ret = tags.items;
	tags = (struct answer_tags){ 0 };
	return true;
}
