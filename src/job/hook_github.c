/* github.comment: a comment on an issue or pull request, through the REST API (docs.github.com, "Issue comments"). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/url.h"
#include "job/hook_use.h"

#define API_VERSION_HEADER "X-GitHub-Api-Version: 2022-11-28"
#define PUBLIC_API	   "https://api.github.com"
#define COMMENT_PAGES	   20 /* of 100 comments: where a marker is looked for */

struct github {
	struct http *http;
	char *repo;
};

static enum http_auth_result authorise(struct http_credential *ret, uint64_t refused_generation, bool may_block, struct error *err, void *token)
{
	AUTO_RELEASE(buf) header = BUF_INIT(0);
	struct str secret = secret_reveal(token);

	(void)may_block;
	if (refused_generation) {
		error_set(err, ERR_DENIED, "GitHub does not accept the token of CODEXCTL_GH_PAT");
		return HTTP_AUTH_FAILED;
	}
	buf_addf(&header, "Bearer %.*s", STR_ARG(secret));
	secret_set(&ret->authorization, buf_str(&header));
	secret_wipe(header.p, header.len);
	ret->generation = 1;
	return HTTP_AUTH_OK;
}

static void release_token(void *token)
{
	secret_release(token);
	free(token);
}

static bool call_github(const struct hook_call *call, struct github *github, const char *method, const char *path, struct str body,
			struct http_response *ret, struct error *err)
{
	static const char *const headers[] = { API_VERSION_HEADER, NULL };
	struct http_request request = { .method = method, .path = path, .accept = "application/vnd.github+json", .headers = headers,
					.content_type = body.len ? "application/json" : NULL, .body = body };

	if (!http_call(github->http, &request, call->run->cancel, ret, err))
		return error_wrap(err, "github.comment");
	if (http_ok(ret))
		return true;
	json_t *answer = json_loadb(buf_cstr(&ret->body), ret->body.len, 0, NULL);
	const char *message = json_string_value(json_object_get(answer, "message"));
	enum err_kind kind = ret->status == 401 || ret->status == 403 ? ERR_DENIED : ret->status == 404 ? ERR_NOT_FOUND : ERR_SERVER;

	error_set(err, kind, "github.comment: %s %s: HTTP %d%s%s", method, path, ret->status, message ? ": " : "", message ? message : "");
	json_decref(answer);
	return false;
}

static void text_body(struct str text, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	json_put_key(&w, "body");
	json_put_str(&w, text);
	json_put_end_object(&w);
}

/* Ours end with it; one that quotes ours goes on behind it. */
static bool is_marked(const char *body, const char *marker)
{
	struct str text = str_trim(str_of(body));

	return str_ends(text, str_of(marker));
}

/* The comment that carries marker, so that a repeated run changes it instead of adding one; *ret_id 0: none. */
static bool find_marked(const struct hook_call *call, struct github *github, int64_t number, const char *marker, json_int_t *ret_id, struct error *err)
{
	*ret_id = 0;
	for (int page = 1; page <= COMMENT_PAGES; page++) {
		AUTO_RELEASE(http_response) response = { 0 };
		AUTO_FREE char *path = xasprintf("/repos/%s/issues/%lld/comments?per_page=100&page=%d", github->repo, (long long)number, page);
		size_t i;
		json_t *comment;

		if (!call_github(call, github, "GET", path, STR(""), &response, err))
			return false;
		json_t *comments = json_loadb(buf_cstr(&response.body), response.body.len, 0, NULL);
		size_t n = json_array_size(comments);

		json_array_foreach(comments, i, comment) {
			const char *body = json_string_value(json_object_get(comment, "body"));

			if (!*ret_id && body && is_marked(body, marker))
				*ret_id = json_integer_value(json_object_get(comment, "id"));
		}
		json_decref(comments);
		if (*ret_id || n < 100)
			return true;
	}
	return true;
}

static void tell_where(struct run *run, struct str answer, bool changed)
{
	json_t *comment = json_loadb(answer.p, answer.len, 0, NULL);
	const char *url = json_string_value(json_object_get(comment, "html_url"));

	run_note(run, "github.comment: %s %s", changed ? "changed" : "posted", url ? url : "the comment");
	json_decref(comment);
}

static bool send_comment(const struct hook_call *call, struct github *github, int64_t number, struct str text, struct error *err)
{
	struct str marker = hook_text(call, "marker");
	AUTO_FREE char *hidden = marker.len ? xasprintf("<!-- %.*s -->", STR_ARG(marker)) : NULL;
	AUTO_RELEASE(buf) whole = BUF_INIT(0);
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	json_int_t id = 0;

	buf_add_str(&whole, text);
	if (hidden)
		buf_addf(&whole, "\n\n%s", hidden);
	text_body(buf_str(&whole), &body);
	if (hidden && !find_marked(call, github, number, hidden, &id, err))
		return false;
	AUTO_FREE char *path = id ? xasprintf("/repos/%s/issues/comments/%lld", github->repo, (long long)id)
				  : xasprintf("/repos/%s/issues/%lld/comments", github->repo, (long long)number);

	if (!call_github(call, github, id ? "PATCH" : "POST", path, buf_str(&body), &response, err))
		return false;
	tell_where(call->run, buf_str(&response.body), id != 0);
	return true;
}

static const char *repo_of(const struct hook_call *call)
{
	struct str repo = hook_variable(call, "CODEXCTL_REPO");

	return vars_text(&call->run->stack->env_map, repo.len ? "CODEXCTL_REPO" : "GITHUB_REPOSITORY");
}

static bool is_repo(const char *repo)
{
	size_t slashes = 0;

	for (const char *c = repo; *c; c++) {
		slashes += *c == '/';
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./", *c))
			return false;
	}
	return slashes == 1 && repo[0] != '/' && repo[strlen(repo) - 1] != '/' && !strstr(repo, "..");
}

/* The token goes nowhere where others could read it. */
static bool check_api(const char *api, bool *ret_loopback, struct error *err)
{
	struct url url;

	if (!url_parse(str_of(api), &url, err))
		return error_wrap(err, "github.comment: GITHUB_API_URL");
	*ret_loopback = url_host_is_loopback(url.host);
	return str_is(url.scheme, "https") || *ret_loopback ||
	       error_set(err, ERR_INVALID, "github.comment: GITHUB_API_URL is %s: the token is sent over https only", api);
}

bool hook_github_comment(const struct hook_call *call, struct error *err)
{
	struct str token = hook_variable(call, "CODEXCTL_GH_PAT");
	const char *repo = repo_of(call), *api = vars_text(&call->run->stack->env_map, "GITHUB_API_URL");
	int64_t number = hook_number(call, "pr") ? hook_number(call, "pr") : hook_number(call, "issue");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct github github;
	bool loopback = false;

	if (!token.len)
		return error_set(err, ERR_DENIED, "github.comment: CODEXCTL_GH_PAT is not set");
	if (!stack_render_text(call->run->stack, "github-comment-body", call->hook->body, &text, NULL, err))
		return stack_wrap_place(call->run->stack, call->hook->body.at, err);
	if (!str_trim(buf_str(&text)).len)
		return error_set(err, ERR_INVALID, "github.comment: with.body is empty");
	if (number <= 0)
		return error_set(err, ERR_INVALID, "github.comment: with.issue or with.pr must be a number");
	if (!repo || !is_repo(repo))
		return error_set(err, ERR_INVALID, "github.comment: no repository: set CODEXCTL_REPO to OWNER/NAME");
	api = api && *api ? api : PUBLIC_API;
	if (!check_api(api, &loopback, err))
		return false;
	if (str_find(hook_text(call, "marker"), STR("-->")) >= 0)
		return error_set(err, ERR_INVALID, "github.comment: with.marker must not hold \"-->\"");
	struct secret *held = xcalloc(1, sizeof *held);

	secret_set(held, token);
	github.repo = xstrdup(repo);
	github.http = http_create(call->run->context->net,
				  &(struct http_options){ .base_url = api, .authorise = authorise,
							  .authorise_release = release_token, .authorise_arg = held,
							  .authorise_without_tls = loopback, .probe_path = "" },
				  err);
	bool good = github.http && send_comment(call, &github, number, str_trim(buf_str(&text)), err);

	if (github.http)
		http_destroy(github.http);
	else
		release_token(held);
	free(github.repo);
	return good;
}
