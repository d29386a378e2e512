#include "base/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_RATE	   50
#define DEFAULT_BURST	   100
#define DEFAULT_CONNECT_MS 10000

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- identity ---- */

static struct str copy_bytes(struct str bytes)
{
	return (struct str){ bytes.len ? xmemdup0(bytes.p, bytes.len) : NULL, bytes.len };
}

static struct identity *identity_create(struct str ca_pem, struct str cert_pem, struct str key_pem)
{
	struct identity *identity = xcalloc(1, sizeof *identity);

	atomic_init(&identity->refs, 1);
	identity->ca_pem = copy_bytes(ca_pem);
	secret_set(&identity->cert_pem, cert_pem);
	secret_set(&identity->key_pem, key_pem);
	return identity;
}

struct identity *identity_ref(struct identity *identity)
{
	atomic_fetch_add(&identity->refs, 1);
	return identity;
}

void identity_unref(struct identity *identity)
{
	if (!identity || atomic_fetch_sub(&identity->refs, 1) != 1)
		return;
	free((char *)identity->ca_pem.p);
	secret_release(&identity->cert_pem);
	secret_release(&identity->key_pem);
	free(identity);
}

/* ---- the object ---- */

struct http *http_ref(struct http *http)
{
	atomic_fetch_add(&http->refs, 1);
	return http;
}

void http_unref(struct http *http)
{
	if (!http || atomic_fetch_sub(&http->refs, 1) != 1)
		return;
	if (http->authorise_release)
		http->authorise_release(http->authorise_arg);
	identity_unref(http->identity);
	free(http->base_url);
	free(http->origin);
	free(http->prefix);
	free(http->check_name);
	free(http->connect_to);
	free(http->host_header);
	free(http->proxy);
	secret_release(&http->proxy_user);
	free(http->user_agent);
	free(http->probe_path);
	pthread_mutex_destroy(&http->lock);
	free(http);
}

bool http_post(struct http *http, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&http->lock);
	bool open = !http->closed;

	if (open)
		net_post(http->net, fn, arg);
	pthread_mutex_unlock(&http->lock);
	return open;
}

int64_t http_now_ms(const struct http *http)
{
	return clock_now_ms(net_clock(http->net));
}

double http_chance(struct http *http)
{
	/* splitmix64; jitter needs to differ between us and our neighbours, no more. */
	uint64_t z = http->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

struct identity *http_identity(struct http *http)
{
	pthread_mutex_lock(&http->lock);
	struct identity *identity = identity_ref(http->identity);

	pthread_mutex_unlock(&http->lock);
	return identity;
}

static char *host_and_port(struct str host, bool ipv6, unsigned port)
{
	return xasprintf(ipv6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(host), port);
}

static struct str without_slashes(struct str path)
{
	while (path.len && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

static char *choose_proxy(const struct http_options *options, const struct url *url)
{
	const char *upper = getenv("HTTP_PROXY");

	if (options->proxy_url && options->proxy_url[0])
		return xstrdup(options->proxy_url);
	if (url_host_is_loopback(url->host))
		return xstrdup(""); /* as Go: a proxy named by the environment is never asked for the own machine */
	/* curl takes http_proxy in small letters only, because CGI fills HTTP_PROXY from a header; we are no CGI. */
	if (str_is(url->scheme, "http") && !getenv("http_proxy") && upper && *upper && !getenv("no_proxy") &&
	    !getenv("NO_PROXY"))
		return xstrdup(upper);
	return NULL;
}

static void set_names(struct http *http, const struct http_options *options, const struct url *url)
{
	AUTO_FREE char *real = host_and_port(url->host, url->ipv6, url->port_number);
	const char *name = options->tls_server_name;
	struct str base = without_slashes(str_of(options->base_url));

	http->base_url = str_dup(base);
	http->prefix = str_dup(without_slashes(url->path));
	http->check_name = name && *name ? xstrdup(name) : str_dup(url->host);
	if (!http->tls || !name || !*name) {
		http->origin = xasprintf("%.*s://%s", STR_ARG(url->scheme), real);
		return;
	}
	http->origin = xasprintf("https://%s:%u", name, url->port_number);
	http->connect_to = xasprintf("%s:%u:%s", name, url->port_number, real);
	http->host_header = xstrdup(real);
}

static bool check_url(const struct http_options *options, struct url *ret, struct error *err)
{
	if (!options->base_url || !url_parse(str_of(options->base_url), ret, err))
		return options->base_url ? false : error_set(err, ERR_INVALID, "no server URL");
	if (!str_is(ret->scheme, "http") && !str_is(ret->scheme, "https"))
		return error_set(err, ERR_INVALID, "\"%s\": the scheme must be http or https", options->base_url);
	if (ret->query.len || ret->fragment.len)
		return error_set(err, ERR_INVALID, "\"%s\": a server URL has no query or fragment", options->base_url);
	if (ret->user.len)
		return error_set(err, ERR_INVALID, "a server URL must not hold a user name or password");
	return true;
}

static bool check_proxy(const char *text, struct error *err)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h" };
	struct url url;

	if (!text || !*text)
		return true;
	if (!url_parse(str_of(text), &url, err))
		return error_wrap(err, "proxy");
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_is(url.scheme, schemes[i]))
			return true;
	return error_set(err, ERR_INVALID, "proxy: unknown scheme \"%.*s\" (http, https, socks5)", STR_ARG(url.scheme));
}

static void end_member(struct net_member *member);

static void begin(void *arg)
{
	struct http *http = arg;

	http->joined = true;
	net_join(http->net, &http->member);
	http_unref(http);
}

struct http *http_create(struct net *net, const struct http_options *options, struct error *err)
{
	struct url url, proxy;
	AUTO_RELEASE(error) ignored = { 0 };

	if (!check_url(options, &url, err) || !check_proxy(options->proxy_url, err))
		return NULL;
	pthread_once(&curl_once, start_curl);
	if (!tls_check_pem(options->ca_pem, options->client_cert_pem, options->client_key_pem, err))
		return NULL;
	struct http *http = xcalloc(1, sizeof *http);

	atomic_init(&http->refs, 2); /* the caller's and that of begin() */
	http->net = net;
	http->tls = str_is(url.scheme, "https");
	set_names(http, options, &url);
	http->proxy = choose_proxy(options, &url);
	if (http->proxy && url_parse(str_of(http->proxy), &proxy, &ignored))
		secret_set(&http->proxy_user, proxy.user);
	http->user_agent =
		xstrdup(options->user_agent ? options->user_agent : "slotdeck/" SLOTDECK_VERSION " (linux/" ARCH ")");
	http->probe_path = xstrdup(options->probe_path ? options->probe_path : "/version");
	http->insecure = options->insecure_skip_tls_verify;
	http->disable_compression = options->disable_compression;
	http->http1_only = options->http1_only;
	http->read_only = options->read_only;
	http->authorise_without_tls = options->authorise_without_tls;
	http->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : DEFAULT_CONNECT_MS;
	http->authorise = options->authorise;
	http->authorise_release = options->authorise_release;
	http->authorise_arg = options->authorise_arg;
	http->rate_per_ms = (options->rate_per_s ? options->rate_per_s : DEFAULT_RATE) / 1000.0;
	http->burst = http->tokens = options->burst ? options->burst : DEFAULT_BURST;
	http->tokens_at_us = clock_now_us(net_clock(net));
	http->line_last = &http->line_first;
	http->auth_last = &http->auth_first;
	http->seed = net_player(net) ? 0 : (uint64_t)clock_now_us(NULL) ^ (uint64_t)(uintptr_t)http; /* a replay is always the same */
	http->member.end = end_member;
	pthread_mutex_init(&http->lock, NULL);
	http->identity = identity_create(options->ca_pem, options->client_cert_pem, options->client_key_pem);
	net_post(net, begin, http);
	return http;
}

/* Net thread: ends all that is under way. */
static void wind_up(struct http *http)
{
	http->dead = true;
	while (http->transfers) {
		AUTO_RELEASE(error) err = { 0 };

		error_set(&err, ERR_CANCELLED, "the connection to the server was closed by us");
		transfer_fail(http->transfers, &err);
	}
	while (http->lanes)
		lane_retire(http->lanes);
	loop_timer_clear(net_loop(http->net), &http->bucket);
}

/* The network ends before its users have let go. */
static void end_member(struct net_member *member)
{
	struct http *http = (struct http *)((char *)member - offsetof(struct http, member));

	http_ref(http);
	pthread_mutex_lock(&http->lock);
	http->closed = true;
	pthread_mutex_unlock(&http->lock);
	wind_up(http);
	http_unref(http);
}

static void end_posted(void *arg)
{
	struct http *http = arg;

	net_leave(http->net, &http->member);
	wind_up(http);
	http_unref(http);
}

void http_shut(struct http *http)
{
	pthread_mutex_lock(&http->lock);
	if (!http->closed) {
		http->closed = true;
		net_post(http->net, end_posted, http_ref(http));
	}
	pthread_mutex_unlock(&http->lock);
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	http_shut(http);
	http_unref(http);
}

static void retire_posted(void *arg)
{
	struct http *http = arg;
	struct identity *identity = http_identity(http);

	lane_retire_stale(http, identity);
	identity_unref(identity);
	http_unref(http);
}

bool http_set_identity(struct http *http, struct str cert_pem, struct str key_pem, struct str ca_pem, struct error *err)
{
	if (!tls_check_pem(ca_pem, cert_pem, key_pem, err))
		return false;
	pthread_mutex_lock(&http->lock);
	struct identity *old = http->identity;
	struct identity *new = identity_create(ca_pem.len ? ca_pem : old->ca_pem, cert_pem, key_pem);
	bool same = str_eq(old->ca_pem, new->ca_pem) && secret_equal(&old->cert_pem, &new->cert_pem) &&
		    secret_equal(&old->key_pem, &new->key_pem);

	http->identity = same ? old : new;
	pthread_mutex_unlock(&http->lock);
	identity_unref(same ? new : old);
	if (same)
		return true;
	http_ref(http);
	if (!http_post(http, retire_posted, http))
		http_unref(http);
	return true;
}

struct drop {
	struct http *http;
	char *why;
};

static void drop_posted(void *arg)
{
	struct drop *drop = arg;

	while (drop->http->lanes)
		lane_break(drop->http->lanes, drop->why);
	http_unref(drop->http);
	free(drop->why);
	free(drop);
}

void http_drop_connections(struct http *http, const char *reason)
{
	struct drop *drop = xcalloc(1, sizeof *drop);

	drop->http = http_ref(http);
	drop->why = xasprintf("connections dropped: %s", reason);
	if (http_post(http, drop_posted, drop))
		return;
	http_unref(drop->http);
	free(drop->why);
	free(drop);
}

const char *http_base_url(const struct http *http)
{
	return http->base_url;
}

bool http_is_read_only(const struct http *http)
{
	return http->read_only;
}

/* ---- token bucket ---- */

static void serve_line(void *arg);

static void fill_bucket(struct http *http)
{
	int64_t now_us = clock_now_us(net_clock(http->net));

	http->tokens += (double)(now_us - http->tokens_at_us) / 1000.0 * http->rate_per_ms;
	if (http->tokens > http->burst)
		http->tokens = http->burst;
	http->tokens_at_us = now_us;
}

static void await_token(struct http *http)
{
	double missing = 1 - http->tokens;

	if (!http->line_first)
		return;
	loop_timer_set(net_loop(http->net), &http->bucket, (int64_t)(missing / http->rate_per_ms) + 1, serve_line,
		       http);
}

struct transfer *line_pop(struct transfer **first, struct transfer ***last)
{
	struct transfer *t = *first;

	*first = t->next_waiting;
	if (!*first)
		*last = first;
	t->next_waiting = NULL;
	return t;
}

void line_push(struct transfer ***last, struct transfer *t)
{
	t->next_waiting = NULL;
	**last = t;
	*last = &t->next_waiting;
}

static void drop_from_line(struct transfer **first, struct transfer ***last, struct transfer *t)
{
	for (struct transfer **at = first; *at; at = &(*at)->next_waiting)
		if (*at == t) {
			*at = t->next_waiting;
			if (*last == &t->next_waiting)
				*last = at;
			t->next_waiting = NULL;
			return;
		}
}

static void serve_line(void *arg)
{
	struct http *http = arg;

	http_ref(http);
	fill_bucket(http);
	while (http->line_first && http->tokens >= 1) {
		http->tokens -= 1;
		transfer_go(line_pop(&http->line_first, &http->line_last));
	}
	await_token(http);
	http_unref(http);
}

void http_take_token(struct http *http, struct transfer *t)
{
	line_push(&http->line_last, t);
	serve_line(http);
}

void http_forget_waiting(struct http *http, struct transfer *t)
{
	if (t->state == TRANSFER_QUEUED)
		drop_from_line(&http->line_first, &http->line_last, t);
	else if (t->state == TRANSFER_AUTHORISING)
		drop_from_line(&http->auth_first, &http->auth_last, t);
}

struct rate {
	struct http *http;
	unsigned rate_per_s, burst;
};

static void set_rate_posted(void *arg)
{
	struct rate *rate = arg;
	struct http *http = rate->http;

	fill_bucket(http);
	http->rate_per_ms = (rate->rate_per_s ? rate->rate_per_s : DEFAULT_RATE) / 1000.0;
	double burst = rate->burst ? rate->burst : DEFAULT_BURST;

	if (burst > http->burst)
		http->tokens += burst - http->burst;
	http->burst = burst;
	serve_line(http);
	http_unref(http);
	free(rate);
}

void http_set_rate(struct http *http, unsigned rate_per_s, unsigned burst)
{
	struct rate *rate = xcalloc(1, sizeof *rate);

	*rate = (struct rate){ http_ref(http), rate_per_s, burst };
	if (http_post(http, set_rate_posted, rate))
		return;
	http_unref(rate->http);
	free(rate);
}

/* ---- credentials ---- */

/* One blocking call of the hook, for all that wait for it. */
struct errand {
	struct http *http;
	uint64_t refused_generation;
	struct http_credential credential;
	enum http_auth_result result;
	struct error err;
};

static void ask_hook(void *arg)
{
	struct errand *errand = arg;
	struct http *http = errand->http;

	errand->result = http->authorise(&errand->credential, errand->refused_generation, true, &errand->err,
					 http->authorise_arg);
}

/* A hook that says no without saying why, or waits although it may block. */
static enum http_auth_result mend_result(enum http_auth_result result, struct error *err)
{
	if (result == HTTP_AUTH_OK)
		return result;
	if (!err->kind)
		error_set(err, ERR_DENIED, "there is no credential");
	return HTTP_AUTH_FAILED;
}

static void errand_done(void *arg);

static void send_errand(struct http *http, uint64_t refused_generation)
{
	struct errand *errand = xcalloc(1, sizeof *errand);

	errand->http = http_ref(http);
	errand->refused_generation = refused_generation;
	http->auth_running = true;
	net_work(http->net, ask_hook, errand_done, errand);
}

static void authorise_now(struct http *http, struct transfer *t)
{
	struct http_credential credential = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	enum http_auth_result result =
		http->authorise(&credential, t->refused_generation, false, &err, http->authorise_arg);

	if (result == HTTP_AUTH_WAIT) {
		line_push(&http->auth_last, t);
		if (!http->auth_running)
			send_errand(http, t->refused_generation);
	} else {
		transfer_authorised(t, mend_result(result, &err), &credential, &err);
	}
	secret_release(&credential.authorization);
}

static void fail_waiting(struct http *http, const struct error *why)
{
	while (http->auth_first) {
		AUTO_RELEASE(error) err = { 0 };
		struct http_credential none = { 0 };

		error_copy(&err, why);
		transfer_authorised(line_pop(&http->auth_first, &http->auth_last), HTTP_AUTH_FAILED, &none, &err);
	}
}

/* Those that waited ask the hook again: it has the credential at hand now. The first is served with what was got, so
 * that a hook which keeps nothing cannot send us round for ever. */
static void serve_waiting(struct http *http, struct errand *errand)
{
	struct transfer *list = http->auth_first;

	http->auth_first = NULL;
	http->auth_last = &http->auth_first;
	for (bool first = true; list; first = false) {
		struct transfer *t = list;

		list = t->next_waiting;
		t->next_waiting = NULL;
		if (first)
			transfer_authorised(t, HTTP_AUTH_OK, &errand->credential, &errand->err);
		else
			authorise_now(http, t);
	}
}

static void errand_done(void *arg)
{
	struct errand *errand = arg;
	struct http *http = errand->http;

	http->auth_running = false;
	if (mend_result(errand->result, &errand->err) == HTTP_AUTH_OK)
		serve_waiting(http, errand);
	else
		fail_waiting(http, &errand->err);
	secret_release(&errand->credential.authorization);
	error_release(&errand->err);
	http_unref(http);
	free(errand);
}

void http_authorise(struct http *http, struct transfer *t)
{
	if (http->authorise && !t->has_authorization && (http->tls || http->authorise_without_tls)) {
		authorise_now(http, t);
		return;
	}
	struct http_credential none = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	transfer_authorised(t, HTTP_AUTH_OK, &none, &err);
}

/* ---- responses ---- */

void http_response_release(struct http_response *response)
{
	buf_release(&response->body);
	buf_release(&response->head);
	*response = (struct http_response){ .retry_after_ms = -1 };
}

bool http_response_header(const struct http_response *response, const char *name, size_t nth, struct str *ret_value)
{
	struct str rest = buf_str(&response->head), line, key;

	while (str_cut(&rest, '\n', &line))
		if (str_cut(&line, ':', &key) && str_ieq(key, str_of(name)) && nth-- == 0) {
			*ret_value = str_trim(line);
			return true;
		}
	return false;
}

bool http_ok(const struct http_response *response)
{
	return response->status >= 200 && response->status < 300;
}
