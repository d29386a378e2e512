/* Who we are to a registry: challenges answered, tokens kept until they are old. */
#include "registry/registry_private.h"

#include <stdlib.h>
#include <string.h>

#include "registry/answer.h"

#define TOKEN_MAX_BYTES	   ((size_t)64 << 10)

void token_free(void *arg)
{
	struct token *token = arg;

	if (!token)
		return;
	secret_release(&token->authorization);
	free(token);
}

/* The push scope first: some registries read only the first. */
static char *scopes_of(const char *repository, const struct registry_call *call)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_addf(&out, "repository:%s:%s", repository, call->writes ? "pull,push" : "pull");
	if (call->mount_from)
		buf_addf(&out, " repository:%s:pull", call->mount_from);
	return buf_give(&out);
}

static int64_t now_ms(const struct registry *r)
{
	return clock_now_ms(net_clock(r->net));
}

static void keep_token(struct registry *r, const char *scopes, struct secret *authorization, int64_t lives_ms)
{
	struct token *token = xcalloc(1, sizeof *token);

	secret_copy(&token->authorization, authorization);
	token->expires_ms = lives_ms < 0 ? INT64_MAX : now_ms(r) + lives_ms / 5 * 4;
	pthread_mutex_lock(&r->lock);
	token->serial = ++r->serial;
	map_set(&r->tokens, str_of(scopes), token);
	pthread_mutex_unlock(&r->lock);
}

static bool find_token(struct registry *r, const char *scopes, struct secret *ret, unsigned *ret_serial)
{
	pthread_mutex_lock(&r->lock);
	const struct token *token = map_get(&r->tokens, str_of(scopes));
	bool good = token && now_ms(r) < token->expires_ms;

	if (good) {
		secret_copy(ret, &token->authorization);
		*ret_serial = token->serial;
	}
	pthread_mutex_unlock(&r->lock);
	return good;
}

/* ---- the token service ---- */

static void add_scopes(struct buf *out, struct str scopes, bool form)
{
	struct str scope;

	if (form) { /* one parameter, the scopes separated by spaces */
		buf_adds(out, "&scope=");
		url_escape(out, scopes);
		return;
	}
	while (str_cut(&scopes, ' ', &scope))
		url_add_query(out, "scope", scope);
	url_add_query(out, "scope", scopes);
}

static bool split_realm(const struct challenge *challenge, struct buf *path, struct error *err)
{
	struct url url;

	if (!challenge->realm || !url_parse(str_of(challenge->realm), &url, err))
		return error_set(err, ERR_SERVER, "it wants a token, but names no service that gives one");
	buf_add_str(path, url.path.len ? url.path : STR("/"));
	if (url.query.len)
		buf_addf(path, "?%.*s", STR_ARG(url.query));
	return true;
}

static bool ask_by_get(struct http *http, const char *path, const char *scopes, const struct challenge *challenge, const struct login *login,
		       const struct cancel *cancel, struct http_response *ret, struct error *err)
{
	AUTO_RELEASE(buf) target = BUF_INIT(0);
	AUTO_RELEASE(secret) basic = { 0 };
	AUTO_FREE char *line = NULL;
	const char *headers[2] = { 0 };

	buf_adds(&target, path);
	if (challenge->service)
		url_add_query(&target, "service", str_of(challenge->service));
	add_scopes(&target, str_of(scopes), false);
	if (login_basic(login, &basic))
		headers[0] = line = xasprintf("Authorization: %s", secret_reveal(&basic).p);
	bool good = http_call(http, &(struct http_request){ .path = buf_cstr(&target), .headers = headers, .max_body_bytes = TOKEN_MAX_BYTES }, cancel,
			      ret, err);

	if (line)
		secret_wipe(line, strlen(line));
	return good;
}

static bool ask_by_post(struct http *http, const char *path, const char *scopes, const struct challenge *challenge, const struct login *login,
			const struct cancel *cancel, struct http_response *ret, struct error *err)
{
	AUTO_RELEASE(buf) form = BUF_INIT(0);

	buf_adds(&form, "grant_type=refresh_token&client_id=slotdeck&service=");
	url_escape(&form, str_of(challenge->service));
	add_scopes(&form, str_of(scopes), true);
	buf_adds(&form, "&refresh_token=");
	url_escape(&form, secret_reveal(&login->identity_token));
	bool good = http_call(http,
			      &(struct http_request){ .method = "POST",
						      .path = path,
						      .content_type = "application/x-www-form-urlencoded",
						      .body = buf_str(&form),
						      .max_body_bytes = TOKEN_MAX_BYTES },
			      cancel, ret, err);

	secret_wipe(form.p, form.len);
	return good;
}

static bool take_token(struct registry *r, const char *scopes, const struct http_response *response, struct error *err)
{
	AUTO_RELEASE(secret) authorization = { 0 };
	int64_t lives_ms;

	if (!answer_token(buf_str(&response->body), &authorization, &lives_ms))
		return error_set(err, ERR_SERVER, "its answer holds no token");
	keep_token(r, scopes, &authorization, lives_ms);
	return true;
}

static bool hint_login(const struct registry *r, struct error *err)
{
	return error_hint(err, "log in: docker login %s, or name a file with logins in DOCKER_CONFIG or REGISTRY_AUTH_FILE", r->host);
}

static bool ask_service(struct registry *r, const struct challenge *challenge, const char *scopes, const struct login *login,
			const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	struct http *http;
	bool by_post = !secret_empty(&login->identity_token);

	if (!split_realm(challenge, &path, err) || !registry_server(r, challenge->realm, &http, err))
		return false;
	if (by_post && !ask_by_post(http, buf_cstr(&path), scopes, challenge, login, cancel, &response, err))
		return false;
	if ((!by_post || response.status == 404 || response.status == 405) &&
	    !ask_by_get(http, buf_cstr(&path), scopes, challenge, login, cancel, &response, err))
		return false;
	if (http_ok(&response))
		return take_token(r, scopes, &response, err);
	if (response.status == 401 || response.status == 403) {
		error_set(err, ERR_DENIED, "it answered %d: %s", response.status,
			  login_is_anonymous(login) ? "nobody is logged in" : "it does not accept our login");
		return hint_login(r, err);
	}
	return error_set(err, ERR_SERVER, "it answered %d", response.status);
}

/* ---- the whole ---- */

static bool may_send_password(const struct registry *r)
{
	struct url url;
	AUTO_RELEASE(error) ignored = { 0 };

	return r->insecure || !url_parse(str_of(r->base_url), &url, &ignored) || str_is(url.scheme, "https") || url_host_is_loopback(url.host);
}

static bool fetch(struct registry *r, const char *repository, const char *scopes, const struct challenge *challenge, const struct cancel *cancel,
		  struct error *err)
{
	AUTO_RELEASE(login) login = { 0 };
	AUTO_RELEASE(secret) line = { 0 };

	if (!login_find(&r->login, r->host, repository, cancel, &login, err))
		return false;
	if (!login_is_anonymous(&login) && !may_send_password(r))
		return error_set(err, ERR_DENIED, "registry %s speaks plain http, over which no password is sent", r->host);
	if (challenge->scheme == CHALLENGE_BEARER && secret_empty(&login.registry_token)) {
		if (ask_service(r, challenge, scopes, &login, cancel, err))
			return true;
		return error_wrap(err, "asked the token service of registry %s for %s", r->host, scopes);
	}
	if (!secret_empty(&login.registry_token)) {
		char *text = xasprintf("Bearer %s", secret_reveal(&login.registry_token).p);

		secret_set_take(&line, text, strlen(text));
	} else if (!login_basic(&login, &line)) {
		error_set(err, ERR_DENIED, "registry %s wants a login", r->host);
		return hint_login(r, err);
	}
	keep_token(r, scopes, &line, -1);
	return true;
}

static void copy_challenge(struct registry *r, struct challenge *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = (struct challenge){ .scheme = r->challenge.scheme,
				   .realm = r->challenge.realm ? xstrdup(r->challenge.realm) : NULL,
				   .service = r->challenge.service ? xstrdup(r->challenge.service) : NULL };
	pthread_mutex_unlock(&r->lock);
}

bool token_get(struct registry *r, const char *repository, const struct registry_call *call, struct secret *ret, unsigned *ret_serial,
	       struct error *err)
{
	AUTO_FREE char *scopes = scopes_of(repository, call);
	AUTO_RELEASE(challenge) challenge = { 0 };

	*ret_serial = 0;
	copy_challenge(r, &challenge);
	if (challenge.scheme == CHALLENGE_NONE || find_token(r, scopes, ret, ret_serial))
		return true;
	pthread_mutex_lock(&r->login_lock);
	bool good = find_token(r, scopes, ret, ret_serial) ||
		    (fetch(r, repository, scopes, &challenge, call->cancel, err) && find_token(r, scopes, ret, ret_serial));

	pthread_mutex_unlock(&r->login_lock);
	return good || (err->kind ? false : error_set(err, ERR_SERVER, "registry %s: the token is over before it was used", r->host));
}

bool token_refused(struct registry *r, const char *repository, const struct registry_call *call, const struct http_response *response,
		   unsigned serial, struct error *err)
{
	AUTO_FREE char *scopes = scopes_of(repository, call);
	struct challenge found = { 0 };
	struct str header;

	for (size_t i = 0; http_response_header(response, "WWW-Authenticate", i, &header); i++)
		challenge_read(&found, header);
	if (found.scheme == CHALLENGE_NONE) {
		challenge_release(&found);
		error_set(err, ERR_DENIED, "registry %s wants a login, but not Basic or Bearer", r->host);
		return hint_login(r, err);
	}
	pthread_mutex_lock(&r->lock);
	challenge_release(&r->challenge);
	r->challenge = found;
	const struct token *token = map_get(&r->tokens, str_of(scopes));

	if (token && token->serial == serial)
		map_remove(&r->tokens, str_of(scopes));
	pthread_mutex_unlock(&r->lock);
	return true;
}
