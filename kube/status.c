#include "kube/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_BODY_MAX 200

static const struct {
	int code;
	const char *reason;
	enum err_kind kind;
} codes[] = {
	{ 400, "BadRequest", ERR_SERVER },	 { 401, "Unauthorized", ERR_DENIED },
	{ 403, "Forbidden", ERR_DENIED },	 { 404, "NotFound", ERR_NOT_FOUND },
	{ 405, "MethodNotAllowed", ERR_SERVER }, { 406, "NotAcceptable", ERR_SERVER },
	{ 409, "Conflict", ERR_CONFLICT },	 { 410, "Expired", ERR_SERVER },
	{ 413, "RequestEntityTooLarge", ERR_LIMIT }, { 415, "UnsupportedMediaType", ERR_SERVER },
	{ 422, "Invalid", ERR_SERVER },		 { 429, "TooManyRequests", ERR_SERVER },
	{ 500, "InternalError", ERR_SERVER },	 { 503, "ServiceUnavailable", ERR_SERVER },
	{ 504, "Timeout", ERR_TIMEOUT },
};

void kube_status_release(struct kube_status *status)
{
	for (size_t i = 0; i < status->ncauses; i++) {
		free(status->causes[i].reason);
		free(status->causes[i].field);
		free(status->causes[i].message);
	}
	free(status->causes);
	free(status->reason);
	free(status->message);
	free(status->name);
	free(status->kind);
	*status = (struct kube_status){ 0 };
}

static char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return xstrdup(text ? text : "");
}

static void decode_details(const json_t *details, struct kube_status *ret)
{
	const json_t *causes = json_object_get(details, "causes"), *retry = json_object_get(details, "retryAfterSeconds");
	size_t i;
	json_t *cause;

	ret->name = text_of(details, "name");
	ret->kind = text_of(details, "kind");
	if (json_is_integer(retry))
		ret->retry_after_s = (int)json_integer_value(retry);
	json_array_foreach(causes, i, cause) {
		LIST_PUSH(ret->causes, ret->ncauses, ret->cap) = (struct kube_cause){
			text_of(cause, "reason"), text_of(cause, "field"), text_of(cause, "message")
		};
	}
}

static const char *reason_of_code(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == code)
			return codes[i].reason;
	return "Unknown";
}

/* A proxy's answer: its first words, on one line, printable bytes only. */
static char *quote_body(const struct http_response *response)
{
	struct buf text = BUF_INIT(0);
	struct str body = str_trim(buf_str(&response->body));

	buf_addf(&text, "HTTP %d", response->status);
	if (body.len)
		buf_adds(&text, ": ");
	for (size_t i = 0; i < body.len && i < QUOTED_BODY_MAX; i++)
		buf_addc(&text, body.p[i] >= ' ' && body.p[i] < 0x7f ? body.p[i] : ' ');
	if (body.len > QUOTED_BODY_MAX)
		buf_adds(&text, " …");
	return buf_give(&text);
}

void kube_status_decode(const struct http_response *response, struct kube_status *ret)
{
	json_t *body = response->body.len ? json_loadb(response->body.p, response->body.len, 0, NULL) : NULL;
	const char *kind = json_string_value(json_object_get(body, "kind"));

	kube_status_release(ret);
	ret->code = response->status;
	ret->retry_after_s = -1;
	if (kind && strcmp(kind, "Status") == 0) {
		ret->reason = text_of(body, "reason");
		ret->message = text_of(body, "message");
		decode_details(json_object_get(body, "details"), ret);
	} else {
		ret->message = quote_body(response);
		ret->name = xstrdup("");
		ret->kind = xstrdup("");
	}
	if (!ret->reason || !*ret->reason) {
		free(ret->reason);
		ret->reason = xstrdup(reason_of_code(response->status));
	}
	json_decref(body);
}

bool kube_status_is(const struct kube_status *status, const char *reason)
{
	return status->reason && strcmp(status->reason, reason) == 0;
}

const struct kube_cause *kube_status_cause(const struct kube_status *status, const char *reason)
{
	for (size_t i = 0; i < status->ncauses; i++)
		if (strcmp(status->causes[i].reason, reason) == 0)
			return &status->causes[i];
	return NULL;
}

static enum err_kind kind_of_code(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == code)
			return codes[i].kind;
	return ERR_SERVER;
}

bool kube_status_error(const struct kube_status *status, const char *what, struct error *err)
{
	error_set(err, kind_of_code(status->code), "%s%s%s (%s, HTTP %d)", what ? what : "", what ? ": " : "",
		  status->message && *status->message ? status->message : "no message", status->reason, status->code);
	if (status->code == 401)
		error_hint(err, "the server does not know this login: log in again, or check the user of the kubeconfig context");
	return false;
}
