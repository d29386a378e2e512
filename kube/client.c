#include "kube/client_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/queue.h"
#include "base/url.h"
#include "kube/credential.h"

#define MAX_ANSWER_BYTES (64 << 20)
#define OLDEST_WRITABLE_MINOR 24 /* kube-client 23: server-side apply as we need it, tokens, discovery */

/* ---- opening and closing ---- */

static void add_header(struct kube *kube, const char *name, const char *value)
{
	LIST_PUSH(kube->headers, kube->nheaders, kube->headers_cap) = xasprintf("%s: %s", name, value);
}

static void add_extra_headers(struct kube *kube, const struct map *extra)
{
	for (size_t i = 0; i < extra->len; i++) {
		AUTO_RELEASE(buf) name = BUF_INIT(0);

		buf_adds(&name, "Impersonate-Extra-");
		url_escape(&name, str_of(extra->entries[i].key));
		for (char **value = extra->entries[i].value; value && *value; value++)
			add_header(kube, buf_cstr(&name), *value);
	}
}

static void impersonate(struct kube *kube, const struct kube_login *login)
{
	if (!login->impersonate_user)
		return;
	add_header(kube, "Impersonate-User", login->impersonate_user);
	if (login->impersonate_uid)
		add_header(kube, "Impersonate-Uid", login->impersonate_uid);
	for (char **group = login->impersonate_groups; group && *group; group++)
		add_header(kube, "Impersonate-Group", *group);
	add_extra_headers(kube, &login->impersonate_extra);
	LIST_PUSH(kube->headers, kube->nheaders, kube->headers_cap) = NULL;
}

static struct str str_or_empty(const char *text)
{
	return text ? str_of(text) : (struct str){ 0 };
}

/* A simulation or a proxy of our own on loopback has no one in between who could read the token. */
static bool is_loopback(const char *server)
{
	struct url url;
	AUTO_RELEASE(error) ignored = { 0 };

	return url_parse(str_of(server), &url, &ignored) && url_host_is_loopback(url.host);
}

static bool open_http(struct kube *kube, const struct kube_options *options, struct error *err)
{
	const struct kube_login *login = kube->login;
	struct str cert = { 0 }, key = { 0 };

	if (!credential_identity(kube->credential, &cert, &key, err))
		return false;
	kube->http = http_create(kube->net,
				 &(struct http_options){
					 .base_url = login->server,
					 .ca_pem = str_or_empty(login->ca_pem),
					 .client_cert_pem = cert,
					 .client_key_pem = key,
					 .tls_server_name = login->tls_server_name,
					 .insecure_skip_tls_verify = login->insecure_skip_tls_verify,
					 .proxy_url = login->proxy_url,
					 .disable_compression = login->disable_compression,
					 .read_only = options->read_only,
					 .authorise_without_tls = is_loopback(login->server),
					 .authorise = credential_authorise,
					 .authorise_release = credential_release,
					 .authorise_arg = kube->credential,
				 },
				 err);
	if (!kube->http)
		return error_wrap(err, "%s: cluster of context %s", login->source ? login->source : "kubeconfig",
				  login->context ? login->context : "(none)");
	credential_attach(kube->credential, kube->http);
	return true;
}

/* Gives. What nobody chose is what the file calls current, and kubectl's choice too. */
static char *context_flag(const char *chosen)
{
	AUTO_RELEASE(buf) flag = BUF_INIT(0);

	if (chosen && *chosen) {
		buf_adds(&flag, " --context ");
		buf_add_shell_word(&flag, chosen);
	}
	return xstrdup(buf_cstr(&flag));
}

bool kube_open(struct net *net, const struct kube_options *options, struct kube **ret, struct error *err)
{
	struct kube_login *login = NULL;

	if (!kubeconfig_load(&options->kubeconfig, &login, err))
		return false;
	AUTO(kube) kube = xcalloc(1, sizeof *kube);

	pthread_mutex_init(&kube->lock, NULL);
	kube->net = net;
	kube->arena = arena_create();
	kube->login = login;
	kube->namespace = xstrdup(login->namespace);
	kube->field_manager = xstrdup(options->field_manager ? options->field_manager : "slotdeck");
	kube->context_flag = context_flag(options->kubeconfig.context);
	kube->read_only = options->read_only;
	kube->timeout_ms = options->timeout_ms ? options->timeout_ms : 60000;
	kube->on_wait = options->on_wait;
	kube->on_wait_arg = options->on_wait_arg;
	impersonate(kube, login);
	kube->credential = credential_create(login, &(struct credential_options){
							   .clock = net_clock(net),
							   .deny_exec = options->deny_exec,
							   .stdin_is_ours = options->stdin_is_ours,
							   .on_stderr = options->on_stderr,
							   .arg = options->on_stderr_arg,
						   });
	if (!open_http(kube, options, err))
		return false;
	*ret = GIVE(kube);
	return true;
}

struct login {
	struct credential *credential;
	struct queue *over;
	enum http_auth_result result;
	struct error err;
};

static void keep_item(void *item)
{
	(void)item;
}

static void *log_in(void *arg)
{
	struct login *login = arg;
	struct http_credential credential = { 0 };

	login->result = credential_authorise(&credential, 0, true, &login->err, login->credential);
	secret_release(&credential.authorization);
	queue_push(login->over, login);
	return NULL;
}

bool kube_log_in(struct kube *kube, const struct cancel *cancel, struct error *err)
{
	struct login login = { .credential = kube->credential, .over = queue_create(keep_item) };
	AUTO_RELEASE(error) why = { 0 };
	pthread_t thread;
	bool good = true;

	if (pthread_create(&thread, NULL, log_in, &login) != 0) {
		queue_destroy(login.over);
		return error_set(err, ERR_IO, "cannot start a thread to log in");
	}
	if (!queue_wait(login.over, NULL, cancel, INT64_MAX, &why))
		credential_detach(kube->credential); /* ends a plugin */
	pthread_join(thread, NULL);
	queue_destroy(login.over);
	if (why.kind)
		good = error_move(err, &why);
	else if (login.result == HTTP_AUTH_FAILED)
		good = error_move(err, &login.err);
	error_release(&login.err);
	return good;
}

void kube_shut(struct kube *kube)
{
	http_shut(kube->http);
}

void kube_close(struct kube *kube)
{
	if (!kube)
		return;
	if (kube->http) {
		credential_detach(kube->credential);
		http_destroy(kube->http); /* releases the credential when its hook can run no more */
	} else if (kube->credential) {
		credential_release(kube->credential);
	}
	for (size_t i = 0; i < kube->nheaders; i++)
		free(kube->headers[i]);
	free(kube->headers);
	free(kube->known);
	free(kube->namespace);
	free(kube->field_manager);
	free(kube->context_flag);
	for (size_t i = 0; i < KUBE_ROOTS; i++) {
		free(kube->roots[i].items);
		free(kube->roots[i].etag);
		buf_release(&kube->roots[i].failed);
	}
	arena_destroy(kube->arena);
	kube_asked_release(&kube->asked);
	pthread_mutex_destroy(&kube->lock);
	free(kube);
}

struct http *kube_http(const struct kube *kube)
{
	return kube->http;
}

struct net *kube_net(const struct kube *kube)
{
	return kube->net;
}

const struct kube_login *kube_login_of(const struct kube *kube)
{
	return kube->login;
}

const char *kube_namespace(const struct kube *kube)
{
	return kube->namespace;
}

const char *kube_context_flag(const struct kube *kube)
{
	return kube->context_flag;
}

const char *kube_field_manager(const struct kube *kube)
{
	return kube->field_manager;
}

bool kube_is_read_only(const struct kube *kube)
{
	return kube->read_only;
}

/* ---- calls ---- */

void kube_tell_changes(struct kube *kube, void (*on_change)(const char *method, const char *path, void *arg), void *arg)
{
	pthread_mutex_lock(&kube->lock);
	kube->on_change = on_change;
	kube->on_change_arg = arg;
	pthread_mutex_unlock(&kube->lock);
}

static void tell_change(struct kube *kube, const struct http_request *request)
{
	if (!request->method || strcmp(request->method, "GET") == 0 || request->safe || kube->read_only)
		return;
	pthread_mutex_lock(&kube->lock);
	if (kube->on_change)
		kube->on_change(request->method, request->path, kube->on_change_arg);
	pthread_mutex_unlock(&kube->lock);
}

void kube_prepare(struct kube *kube, struct http_request *request)
{
	if (!request->headers)
		request->headers = (const char *const *)kube->headers;
	if (!request->timeout_ms)
		request->timeout_ms = kube->timeout_ms;
	if (!request->on_wait) {
		request->on_wait = kube->on_wait;
		request->on_wait_arg = kube->on_wait_arg;
	}
	kube_asked_note(kube, request);
	tell_change(kube, request);
}

bool kube_call(struct kube *kube, const struct http_request *request, const char *what, const struct cancel *cancel,
	       struct http_response *ret, struct kube_status *ret_status, struct error *err)
{
	struct http_request prepared = *request;
	AUTO_RELEASE(kube_status) status = { 0 };

	kube_prepare(kube, &prepared);
	if (!http_call(kube->http, &prepared, cancel, ret, err))
		return error_wrap(err, "%s", what);
	if (ret->status < 400)
		return true;
	kube_status_decode(ret, &status);
	kube_status_error(&status, what, err);
	if (ret_status) {
		kube_status_release(ret_status);
		*ret_status = status;
		status = (struct kube_status){ 0 };
	}
	return false;
}

bool kube_parse(const struct http_response *response, const char *what, json_t **ret, struct error *err)
{
	json_error_t why;
	json_t *body = json_loadb(buf_cstr(&response->body), response->body.len, JSON_ALLOW_NUL, &why);

	if (!body)
		return error_set(err, ERR_SERVER, "%s: the answer is no JSON: %s (byte %d of %zu)", what, why.text,
				 why.position, response->body.len);
	*ret = body;
	return true;
}

/* "deployments web in namespace shop", for messages. */
static char *describe(const char *verb, const struct kube_resource *resource, const char *namespace, const char *name)
{
	struct buf text = BUF_INIT(0);

	buf_addf(&text, "%s %s%s%s", verb, resource->resource, *resource->group ? "." : "", resource->group);
	if (name)
		buf_addf(&text, " %s", name);
	if (namespace && *namespace)
		buf_addf(&text, " in namespace %s", namespace);
	return buf_give(&text);
}

bool kube_path(const struct kube_resource *resource, const char *namespace, const char *name, struct buf *out,
	       struct error *err)
{
	bool good;

	if (*resource->group)
		buf_addf(out, "/apis/%s/%s", resource->group, resource->version);
	else
		buf_addf(out, "/api/%s", resource->version);
	good = true;
	if (resource->namespaced && namespace && *namespace) {
		buf_adds(out, "/namespaces");
		good = url_add_segment(out, str_of(namespace));
	}
	if (!good)
		return error_set(err, ERR_INVALID, "\"%s\" can be no namespace's name", namespace);
	good = url_add_segment(out, str_of(resource->resource));
	if (good && name)
		good = url_add_segment(out, str_of(name));
	if (!good)
		return error_set(err, ERR_INVALID, "\"%s\" can be no %s's name", name ? name : resource->resource,
				 resource->kind);
	return true;
}

bool kube_may_write(struct kube *kube, const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct kube_version version;

	/* A server that does not tell its version is none of the old ones' making: its own answer to the write counts. */
	if (!kube_server_version(kube, cancel, &version, &ignored))
		return cancel_check(cancel, err);
	if (version.major != 1 || version.minor >= OLDEST_WRITABLE_MINOR)
		return true;
	error_set(err, ERR_DENIED, "the server is %s: nothing is changed on servers before 1.%d", version.git_version, OLDEST_WRITABLE_MINOR);
	return error_hint(err, "status, diff and the dashboard work as far as the server lets them");
}

bool kube_send(struct kube *kube, const struct kube_resource *resource, const struct kube_send *call, const struct cancel *cancel,
	       struct http_response *ret, struct kube_status *ret_status, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_FREE char *what = describe(call->verb, resource, call->namespace, call->name);

	if (strcmp(call->method, "GET") != 0 && !call->dry_run && !kube_may_write(kube, cancel, err))
		return error_wrap(err, "%s", what);
	if (!kube_path(resource, call->namespace, call->name, &path, err))
		return false;
	if (call->subresource)
		buf_addf(&path, "/%s", call->subresource);
	if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "DELETE") != 0)
		url_add_query(&path, "fieldManager", str_of(kube->field_manager));
	if (call->dry_run)
		url_add_query(&path, "dryRun", STR("All"));
	struct http_request request = {
		.method = call->method,
		.path = buf_cstr(&path),
		.content_type = call->content_type,
		.body = call->body,
		.max_body_bytes = MAX_ANSWER_BYTES,
		.idempotent = call->idempotent,
		.safe = call->dry_run,
		.timeout_ms = call->timeout_ms,
	};

	return kube_call(kube, &request, what, cancel, ret, ret_status, err);
}

/* Parses the answer when ret is given. */
static bool object_call(struct kube *kube, const struct kube_resource *resource, const struct kube_send *call,
			const struct cancel *cancel, json_t **ret, struct kube_status *ret_status, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *what = describe(call->verb, resource, call->namespace, call->name);

	return kube_send(kube, resource, call, cancel, &response, ret_status, err) && (!ret || kube_parse(&response, what, ret, err));
}

bool kube_get(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
	      const struct cancel *cancel, json_t **ret, struct error *err)
{
	struct kube_send call = { .method = "GET", .verb = "get", .namespace = namespace, .name = name, .idempotent = true };

	return object_call(kube, resource, &call, cancel, ret, NULL, err);
}

bool kube_create(struct kube *kube, const struct kube_resource *resource, const char *namespace, struct str body,
		 const struct cancel *cancel, json_t **ret, struct kube_status *ret_status, struct error *err)
{
	struct kube_send call = { .method = "POST", .verb = "create", .namespace = namespace,
				    .content_type = "application/json", .body = body };

	return object_call(kube, resource, &call, cancel, ret, ret_status, err);
}

bool kube_patch(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
		const char *subresource, const char *content_type, struct str body, bool dry_run,
		const struct cancel *cancel, json_t **ret, struct kube_status *ret_status, struct error *err)
{
	struct kube_send call = { .method = "PATCH", .verb = "patch", .namespace = namespace, .name = name,
				    .subresource = subresource, .content_type = content_type, .body = body,
				    .idempotent = dry_run, .dry_run = dry_run };

	return object_call(kube, resource, &call, cancel, ret, ret_status, err);
}

static void delete_body(const struct kube_delete_options *options, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	json_put_key(&w, "kind");
	json_put_text(&w, "DeleteOptions");
	json_put_key(&w, "apiVersion");
	json_put_text(&w, "v1");
	json_put_key(&w, "propagationPolicy");
	json_put_text(&w, options->propagation ? options->propagation : "Background");
	if (options->uid || options->resource_version) {
		json_put_key(&w, "preconditions");
		json_put_object(&w);
		if (options->uid) {
			json_put_key(&w, "uid");
			json_put_text(&w, options->uid);
		}
		if (options->resource_version) {
			json_put_key(&w, "resourceVersion");
			json_put_text(&w, options->resource_version);
		}
		json_put_end_object(&w);
	}
	json_put_end_object(&w);
}

bool kube_delete(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
		 const struct kube_delete_options *options, const struct cancel *cancel, struct kube_status *ret_status,
		 struct error *err)
{
	AUTO_RELEASE(buf) body = BUF_INIT(0);

	delete_body(options, &body);
	struct kube_send call = { .method = "DELETE", .verb = "delete", .namespace = namespace, .name = name,
				    .content_type = "application/json", .body = buf_str(&body),
				    .idempotent = options->uid != NULL, .dry_run = options->dry_run };

	if (object_call(kube, resource, &call, cancel, NULL, ret_status, err))
		return true;
	if (err->kind != ERR_NOT_FOUND)
		return false;
	error_release(err);
	return true;
}

/* ---- server ---- */

bool kube_server_version(struct kube *kube, const struct cancel *cancel, struct kube_version *ret, struct error *err)
{
	pthread_mutex_lock(&kube->lock);
	bool known = kube->version_known;

	*ret = kube->version;
	pthread_mutex_unlock(&kube->lock);
	if (known)
		return true;
	AUTO_RELEASE(http_response) response = { 0 };
	json_t *body;

	if (!kube_call(kube, &(struct http_request){ .path = "/version" }, "get the server's version", cancel, &response,
		       NULL, err) ||
	    !kube_parse(&response, "get the server's version", &body, err))
		return false;
	const char *major = json_string_value(json_object_get(body, "major"));
	const char *minor = json_string_value(json_object_get(body, "minor"));
	const char *git = json_string_value(json_object_get(body, "gitVersion"));

	*ret = (struct kube_version){ major ? atoi(major) : 0, minor ? atoi(minor) : 0, "" };
	snprintf(ret->git_version, sizeof ret->git_version, "%s", git ? git : "");
	json_decref(body);
	pthread_mutex_lock(&kube->lock);
	kube->version = *ret;
	kube->version_known = true;
	pthread_mutex_unlock(&kube->lock);
	return true;
}

bool kube_log_tail(struct kube *kube, const char *namespace, const char *pod, const char *container, bool previous,
		   unsigned lines, size_t max_bytes, const struct cancel *cancel, struct buf *ret, struct error *err)
{
	static const struct kube_resource pods = { .group = (char *)"", .version = (char *)"v1", .kind = (char *)"Pod",
						   .resource = (char *)"pods", .namespaced = true };
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	char number[24];

	if (!kube_path(&pods, namespace, pod, &path, err))
		return false;
	buf_adds(&path, "/log");
	if (container)
		url_add_query(&path, "container", str_of(container));
	if (previous)
		url_add_query(&path, "previous", STR("true"));
	snprintf(number, sizeof number, "%u", lines);
	url_add_query(&path, "tailLines", str_of(number));
	snprintf(number, sizeof number, "%zu", max_bytes);
	url_add_query(&path, "limitBytes", str_of(number));
	if (!kube_call(kube, &(struct http_request){ .path = buf_cstr(&path), .accept = "*/*", .timeout_ms = 10000, .attempts = 2,
						      .max_body_bytes = max_bytes + 4096 },
		       "read the log", cancel, &response, NULL, err))
		return false;
	buf_add_str(ret, buf_str(&response.body));
	return true;
}
