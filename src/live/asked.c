#include "live/asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/url.h"
#include "kube/client.h"

static const struct {
	const char *subresource, *verb;
} verbs[] = { { "log", "logs" }, { "exec", "exec" }, { "attach", "attach" }, { "portforward", "port-forward" } };

/* Parameters of the requests as flags; a flag that ends in '=' takes the value. */
static const struct {
	const char *parameter, *flag;
} flags[] = { { "container", "-c=" },	  { "follow", "-f" },	      { "previous", "-p" },	   { "timestamps", "--timestamps" },
	      { "tailLines", "--tail=" }, { "sinceSeconds", "--since=" }, { "sinceTime", "--since-time=" }, { "limitBytes", "--limit-bytes=" },
	      { "stdin", "-i" },	  { "tty", "-t" } };

/* Secrets are masked in the plain text: neither escapes nor quotes can hide them. */
static bool query_text(struct str query, const char *name, size_t nth, struct buf *ret)
{
	struct str value;

	buf_reset(ret);
	if (!url_query_get(query, name, nth, &value) || !url_unescape(ret, value, true))
		return false;
	log_redact(ret);
	return true;
}

static void add_flags(struct str query, struct buf *out)
{
	AUTO_RELEASE(buf) value = BUF_INIT(0);

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		bool takes = ends_with(flags[i].flag, "=");

		if (!query_text(query, flags[i].parameter, 0, &value) || (!takes && strcmp(buf_cstr(&value), "true") != 0))
			continue;
		if (strcmp(flags[i].parameter, "sinceSeconds") == 0)
			buf_addc(&value, 's');
		buf_addf(out, " %s", flags[i].flag);
		if (takes)
			buf_add_shell_word(out, buf_cstr(&value));
	}
}

static void add_arguments(struct str query, struct buf *out)
{
	AUTO_RELEASE(buf) value = BUF_INIT(0);

	for (size_t i = 0; query_text(query, "ports", i, &value); i++)
		buf_addf(out, " :%s", buf_cstr(&value));
	for (size_t i = 0; query_text(query, "command", i, &value); i++) {
		buf_adds(out, i ? " " : " -- ");
		buf_add_shell_word(out, buf_cstr(&value));
	}
}

bool asked_command(const char *path, const char *context_flag, struct buf *out)
{
	static const struct str begin = STR("/api/v1/namespaces/");
	struct str rest = str_of(path), query, namespace, word, pod;

	if (!str_starts(rest, begin))
		return false;
	rest = (struct str){ rest.p + begin.len, rest.len - begin.len };
	query = (struct str){ rest.p + rest.len, 0 };
	if (str_find_char(rest, '?') >= 0) {
		str_cut(&rest, '?', &word);
		query = rest;
		rest = word;
	}
	if (!str_cut(&rest, '/', &namespace) || !str_cut(&rest, '/', &word) || !str_is(word, "pods") || !str_cut(&rest, '/', &pod))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!str_is(rest, verbs[i].subresource))
			continue;
		buf_addf(out, "kubectl%s %s -n %.*s %.*s", context_flag, verbs[i].verb, STR_ARG(namespace), STR_ARG(pod));
		add_flags(query, out);
		add_arguments(query, out);
		return true;
	}
	return false;
}

/* ---- the list ---- */

void asked_release(struct asked *asked)
{
	free(asked->request);
	free(asked->command);
	*asked = (struct asked){ 0 };
}

void asked_list_release(struct asked_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		asked_release(&list->items[i]);
	free(list->items);
	*list = (struct asked_list){ 0 };
}

/* As it was sent, but for values that hold a secret. */
static void add_request(const char *path, struct buf *out)
{
	struct str rest = str_of(path), part;

	if (!str_cut(&rest, '?', &part)) {
		buf_adds(out, path);
		return;
	}
	buf_add_str(out, part);
	for (char before = '?'; rest.len; before = '&') {
		AUTO_RELEASE(buf) value = BUF_INIT(0);
		struct str name, plain;

		if (!str_cut(&rest, '&', &part)) {
			part = rest;
			rest = (struct str){ 0 };
		}
		plain = part;
		if (str_cut(&plain, '=', &name) && url_unescape(&value, plain, true)) {
			size_t len = value.len;

			log_redact(&value);
			if (value.len != len || str_find(buf_str(&value), STR("***")) >= 0)
				part = (struct str){ part.p, name.len + 1 };
		}
		buf_addc(out, before);
		buf_add_str(out, part);
		if (part.len && part.p[part.len - 1] == '=')
			buf_adds(out, "***");
	}
}

struct reading {
	const char *context_flag;
	struct asked_list *list;
};

static void add(const struct kube_asked *asked, void *arg)
{
	const struct reading *reading = arg;
	struct asked_list *list = reading->list;
	AUTO_RELEASE(buf) request = BUF_INIT(0);
	AUTO_RELEASE(buf) command = BUF_INIT(0);

	if (!asked_command(asked->path, reading->context_flag, &command))
		return;
	buf_adds(&request, "GET ");
	add_request(asked->path, &request);
	if (asked->upgrade)
		buf_adds(&request, "  (WebSocket)");
	LIST_PUSH(list->items, list->len, list->cap) =
		(struct asked){ .at_ms = asked->at_ms, .times = asked->times, .request = buf_give(&request), .command = buf_give(&command) };
}

void asked_read(struct kube *kube, struct asked_list *ret)
{
	kube_asked(kube, add, &(struct reading){ kube_context_flag(kube), ret });
}

const char *asked_context_flag(const struct kube *kube)
{
	return kube_context_flag(kube);
}

uint64_t asked_count(struct kube *kube)
{
	return kube_asked_count(kube);
}
