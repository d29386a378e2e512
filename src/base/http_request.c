#include "base/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_BODY_BYTES	   ((size_t)16 << 20)
#define DEFAULT_TIMEOUT_MS	   60000
#define DEFAULT_ATTEMPTS	   6
#define DEFAULT_RETRY_AFTER_MAX_MS 60000

static bool is_line_safe(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' && *text != '\t')
			return false;
	return true;
}

static bool is_path_safe(const char *path)
{
	if (path[0] != '/')
		return false;
	for (; *path; path++)
		if ((unsigned char)*path <= ' ' || *path == 0x7f || *path == '#')
			return false;
	return true;
}

static bool is_method(const char *method)
{
	size_t len = strlen(method);

	return len > 0 && len < 16 && strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool check_request(const struct http_request *r, struct error *err)
{
	if (!r->path || !is_path_safe(r->path))
		return error_set(err, ERR_INVALID, "\"%s\" is no path of a request", r->path ? r->path : "");
	if (r->method && !is_method(r->method))
		return error_set(err, ERR_INVALID, "\"%s\" is no HTTP method", r->method);
	if ((r->accept && !is_line_safe(r->accept)) || (r->content_type && !is_line_safe(r->content_type)))
		return error_set(err, ERR_INVALID, "a header of the request holds a control character");
	for (const char *const *h = r->headers; h && *h; h++)
		if (!is_line_safe(*h) || !strchr(*h, ':'))
			return error_set(err, ERR_INVALID,
					 "a header of the request holds a control character or no colon");
	return true;
}

static bool is_reading(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD") || !strcmp(method, "OPTIONS");
}

/* "/api/v1/namespaces/shop/pods/web/exec" gives "exec": what follows the object's name. */
static struct str subresource(struct str path, const char *resource)
{
	ptrdiff_t at = str_find(path, str_of(resource));
	struct str rest, name;

	if (at < 0)
		return STR("");
	rest = (struct str){ path.p + at + strlen(resource), path.len - (size_t)at - strlen(resource) };
	return str_cut(&rest, '/', &name) ? rest : STR("");
}

/* GETs that change something: they open a shell or a tunnel into a pod, or are passed on to whatever listens there. */
static bool is_tunnel(struct str escaped)
{
	static const char *const owners[] = { "/pods/", "/services/", "/nodes/" };
	static const char *const ways[] = { "exec", "attach", "portforward", "proxy" };
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	if (!url_unescape(&path, escaped, false))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		struct str sub = subresource(buf_str(&path), owners[i]), head;

		if (!str_cut(&sub, '/', &head))
			head = sub;
		for (size_t j = 0; j < ARRAY_LEN(ways); j++)
			if (str_is(head, ways[j]))
				return true;
	}
	return false;
}

static bool is_self_review(struct str path)
{
	static const char *const reviews[] = {
		"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		"/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
		"/apis/authentication.k8s.io/v1/selfsubjectreviews",
	};

	for (size_t i = 0; i < ARRAY_LEN(reviews); i++)
		if (str_is(path, reviews[i]))
			return true;
	return false;
}

static bool is_allowed_read_only(const struct http_request *r, const char *method)
{
	struct str path = str_of(r->path), head, value;
	struct str query = STR("");

	if (str_cut(&path, '?', &head)) {
		query = path;
		path = head;
	}
	if (is_reading(method))
		return !is_tunnel(path);
	if (!r->safe)
		return false;
	if (!strcmp(method, "POST") && is_self_review(path))
		return true;
	return url_query_get(query, "dryRun", 0, &value) && str_is(value, "All") &&
	       !url_query_get(query, "dryRun", 1, &value);
}

static void copy_headers(struct transfer *t, const char *const *headers)
{
	for (; headers && *headers; headers++) {
		LIST_PUSH(t->headers, t->nheaders, t->headers_cap) = xstrdup(*headers);
		t->has_authorization |= !strncasecmp(*headers, "Authorization:", 14);
	}
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value ? value : otherwise;
}

struct transfer *transfer_create(struct http *http, const struct http_request *r, struct error *err)
{
	const char *method = r->method ? r->method : "GET";

	if (!check_request(r, err))
		return NULL;
	if (http->read_only && !is_allowed_read_only(r, method)) {
		error_set(err, ERR_DENIED, "%s %s%s: refused, because --read-only forbids every change", method,
			  http->base_url, r->path);
		return NULL;
	}
	struct transfer *t = xcalloc(1, sizeof *t);

	t->http = http_ref(http);
	t->method = xstrdup(method);
	t->path = xstrdup(r->path);
	t->accept = xstrdup(r->accept ? r->accept : "application/json");
	t->content_type = xstrdup(r->content_type ? r->content_type : "application/json");
	copy_headers(t, r->headers);
	buf_add_str(&t->body, r->body);
	t->max_body_bytes = r->max_body_bytes ? r->max_body_bytes : DEFAULT_BODY_BYTES;
	t->timeout_ms = or_default(r->timeout_ms, DEFAULT_TIMEOUT_MS);
	t->attempt_timeout_ms = r->attempt_timeout_ms;
	t->attempts = or_default(r->attempts, DEFAULT_ATTEMPTS);
	t->retry_after_max_ms = or_default(r->retry_after_max_ms, DEFAULT_RETRY_AFTER_MAX_MS);
	t->idempotent = r->idempotent || is_reading(method);
	t->mode = r->mode;
	t->chatty = r->chatty && r->mode == HTTP_WATCH;
	t->on_wait = r->on_wait;
	t->on_wait_arg = r->on_wait_arg;
	t->response.retry_after_ms = -1;
	return t;
}
