#include "kube/credential.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/utc.h"

/*
 *   hook, net thread:     is what we keep still good? --> give it         (lock only, never work)
 *                                    | no
 *                                    v
 *                         HTTP_AUTH_WAIT
 *   hook, helper thread:  work { look again; read files, run the plugin; lock { keep } } --> give it
 *
 * A credential refused with 401 is fetched anew if it is still the one we keep. When that gives the same one, its number
 * (generation) stays and http lets the 401 be the answer. Refusals that follow within a second are not asked for again:
 * a hundred requests that get 401 together make one run of the plugin, not a hundred.
 */

#define TOKEN_FILE_MS	  50000 /* client-go: a minute less ten seconds */
#define FILES_MS	  300000
#define FAILED_READ_MS	  5000
#define REFUSAL_PAUSE_MS  1000
#define FAILURE_PAUSE_MS  1000
#define EXEC_MS		  60000
#define INTERACTIVE_MS	  300000
#define MAX_TOKEN_BYTES	  ((size_t)64 << 10)
#define MAX_FILE_BYTES	  ((size_t)4 << 20)
#define MAX_ANSWER_BYTES  ((size_t)1 << 20)
#define MAX_STDERR_BYTES  ((size_t)64 << 10)
#define MAX_LINE_BYTES	  ((size_t)4 << 10)
#define MAX_TOLD_BYTES	  300

enum method { METHOD_NONE, METHOD_TOKEN, METHOD_BASIC, METHOD_TOKEN_FILE, METHOD_EXEC };

struct credential {
	struct kube_login *login; /* never changed */
	struct credential_options options;
	enum method method;
	bool has_files;		/* of certificates */
	struct cancel *cancel;	/* set when detached: nobody waits for the plugin any more */
	pthread_mutex_t work;	/* whoever fetches; taken before the others */
	pthread_mutex_t attach; /* http */
	struct http *http;
	pthread_mutex_t lock; /* all below; held for moments only */
	struct secret authorization;
	uint64_t generation;
	bool fetched; /* the plugin gave something */
	int64_t expires_us; /* wall */
	int64_t token_due_ms, files_due_ms;
	int64_t refusal_ms; /* when a 401 last made us fetch */
	struct error failure; /* of the plugin */
	int64_t failure_until_ms;
	struct secret cert, key;
	bool identity_moved; /* before there was an http */
	bool token_failed, files_failed; /* told already */
};

static void buf_wipe(struct buf *b)
{
	secret_wipe(b->p, b->len);
	buf_release(b);
}

/* ---- the header ---- */

static bool header_safe(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
	return text.len > 0;
}

static void make_bearer(struct secret *ret, struct str token)
{
	struct buf text = BUF_INIT(0);

	buf_adds(&text, "Bearer ");
	buf_add_str(&text, token);
	secret_set(ret, token.len ? buf_str(&text) : (struct str){ 0 });
	buf_wipe(&text);
}

static void make_basic(struct secret *ret, const struct kube_login *login)
{
	struct buf pair = BUF_INIT(0), text = BUF_INIT(0);

	buf_addf(&pair, "%s:", login->username);
	buf_add_str(&pair, secret_reveal(&login->password));
	buf_adds(&text, "Basic ");
	base64_encode(&text, buf_str(&pair), BASE64_STANDARD);
	secret_set(ret, buf_str(&text));
	buf_wipe(&pair);
	buf_wipe(&text);
}

/* Keeps a new header; the generation moves only when it differs. lock is held. */
static void keep_authorization(struct credential *c, const struct secret *authorization)
{
	if (secret_equal(&c->authorization, authorization))
		return;
	secret_copy(&c->authorization, authorization);
	c->generation++;
}

/* ---- making and freeing ---- */

static enum method method_of(const struct kube_login *login)
{
	if (login->token_file)
		return METHOD_TOKEN_FILE;
	if (!secret_empty(&login->token))
		return METHOD_TOKEN;
	if (login->username)
		return METHOD_BASIC;
	return login->exec ? METHOD_EXEC : METHOD_NONE;
}

struct credential *credential_create(struct kube_login *login, const struct credential_options *options)
{
	struct credential *c = xcalloc(1, sizeof *c);

	c->login = login;
	c->options = *options;
	c->method = method_of(login);
	c->has_files = login->ca_file || login->client_cert_file || login->client_key_file;
	c->cancel = cancel_create();
	pthread_mutex_init(&c->work, NULL);
	pthread_mutex_init(&c->attach, NULL);
	pthread_mutex_init(&c->lock, NULL);
	c->generation = 1;
	c->expires_us = INT64_MAX;
	c->refusal_ms = c->failure_until_ms = INT64_MIN / 2;
	c->files_due_ms = clock_now_ms(options->clock) + FILES_MS;
	c->token_due_ms = INT64_MIN; /* the file wins over the start value from the first request on */
	make_bearer(&c->authorization, secret_reveal(&login->token));
	if (c->method == METHOD_BASIC)
		make_basic(&c->authorization, login);
	secret_set(&c->cert, str_of(login->client_cert_pem));
	secret_copy(&c->key, &login->client_key_pem);
	return c;
}

void credential_release(void *credential)
{
	struct credential *c = credential;

	if (!c)
		return;
	secret_release(&c->authorization);
	secret_release(&c->cert);
	secret_release(&c->key);
	error_release(&c->failure);
	kube_login_destroy(c->login);
	cancel_destroy(c->cancel);
	pthread_mutex_destroy(&c->work);
	pthread_mutex_destroy(&c->attach);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool refuse_exec(const struct credential *c, struct error *err)
{
	AUTO_RELEASE(buf) command = BUF_INIT(0);

	buf_add_plain(&command, str_of(c->login->exec->command));
	error_set(err, ERR_DENIED, "user \"%s\" logs in by running the program %s, which --deny-exec forbids",
		  c->login->user ? c->login->user : "", buf_cstr(&command));
	return error_hint(err, "allow it, or use a context with a token or a client certificate");
}

bool credential_identity(struct credential *c, struct str *ret_cert_pem, struct str *ret_key_pem, struct error *err)
{
	if (c->method == METHOD_EXEC && c->options.deny_exec)
		return refuse_exec(c, err);
	pthread_mutex_lock(&c->lock);
	*ret_cert_pem = secret_reveal(&c->cert);
	*ret_key_pem = secret_reveal(&c->key);
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* ---- certificates ---- */

/* Hands a certificate to http (when there is one) and keeps it. work is held. */
static bool move_identity(struct credential *c, const struct secret *cert, const struct secret *key, struct str ca_pem,
			  struct error *err)
{
	pthread_mutex_lock(&c->attach);
	bool ok = !c->http ||
		  http_set_identity(c->http, secret_reveal(cert), secret_reveal(key), ca_pem, err);
	bool early = !c->http;

	pthread_mutex_unlock(&c->attach);
	if (!ok)
		return false;
	pthread_mutex_lock(&c->lock);
	if (!secret_equal(&c->cert, cert) || !secret_equal(&c->key, key)) {
		secret_copy(&c->cert, cert);
		secret_copy(&c->key, key);
		c->generation++;
		c->identity_moved |= early;
	}
	pthread_mutex_unlock(&c->lock);
	return true;
}

void credential_attach(struct credential *c, struct http *http)
{
	AUTO_RELEASE(error) err = { 0 };

	pthread_mutex_lock(&c->attach);
	c->http = http;
	pthread_mutex_lock(&c->lock);
	if (c->identity_moved &&
	    !http_set_identity(http, secret_reveal(&c->cert), secret_reveal(&c->key), (struct str){ 0 }, &err))
		log_warn("client certificate is not usable", LOG_ERROR_FIELD(&err));
	c->identity_moved = false;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&c->attach);
}

void credential_detach(struct credential *c)
{
	pthread_mutex_lock(&c->attach);
	c->http = NULL;
	pthread_mutex_unlock(&c->attach);
	cancel_request(c->cancel, 0);
}

/* Nothing changes when there is no file. */
static bool read_pem(const char *path, struct secret *pem, struct error *err)
{
	struct buf text = BUF_INIT(0);
	bool ok = true;

	if (!path)
		return true;
	ok = file_read(path, MAX_FILE_BYTES, &text, err);
	if (ok && !text.len)
		ok = error_set(err, ERR_INVALID, "%s is empty", path);
	if (ok)
		secret_set(pem, buf_str(&text));
	buf_wipe(&text);
	return ok;
}

static bool read_files(struct credential *c, struct error *err)
{
	const struct kube_login *login = c->login;
	AUTO_RELEASE(secret) cert = { 0 };
	AUTO_RELEASE(secret) key = { 0 };
	AUTO_RELEASE(secret) ca = { 0 };

	secret_copy(&cert, &c->cert); /* only who holds work writes them */
	secret_copy(&key, &c->key);
	return read_pem(login->ca_file, &ca, err) && read_pem(login->client_cert_file, &cert, err) &&
	       read_pem(login->client_key_file, &key, err) && move_identity(c, &cert, &key, secret_reveal(&ca), err);
}

/* The former ones stay in use when the new ones cannot be read, also when only one of a pair was replaced yet. */
static void refresh_files(struct credential *c)
{
	AUTO_RELEASE(error) err = { 0 };
	bool ok = read_files(c, &err);
	int64_t now = clock_now_ms(c->options.clock);

	pthread_mutex_lock(&c->lock);
	bool tell = !ok && !c->files_failed;

	c->files_failed = !ok;
	c->files_due_ms = now + (ok ? FILES_MS : FAILED_READ_MS);
	pthread_mutex_unlock(&c->lock);
	if (tell)
		log_warn("certificate files cannot be read again, the former ones stay in use", LOG_ERROR_FIELD(&err));
}

/* ---- token files ---- */

static bool read_token_file(const char *path, struct secret *ret_authorization, struct error *err)
{
	struct buf text = BUF_INIT(0);
	bool ok = file_read(path, MAX_TOKEN_BYTES, &text, err);
	struct str token = str_trim(buf_str(&text));

	if (ok && !token.len)
		ok = error_set(err, ERR_DENIED, "%s is empty: no token to log in with", path);
	else if (ok && !header_safe(token))
		ok = error_set(err, ERR_DENIED, "%s holds no token: spaces or control characters are in it", path);
	if (ok)
		make_bearer(ret_authorization, token);
	buf_wipe(&text);
	return ok;
}

static bool refresh_token_file(struct credential *c, struct error *err)
{
	AUTO_RELEASE(secret) authorization = { 0 };
	AUTO_RELEASE(error) why = { 0 };
	bool ok = read_token_file(c->login->token_file, &authorization, &why), tell;
	int64_t now = clock_now_ms(c->options.clock);

	pthread_mutex_lock(&c->lock);
	if (ok)
		keep_authorization(c, &authorization);
	tell = !ok && !c->token_failed;
	c->token_failed = !ok;
	c->token_due_ms = now + (ok ? TOKEN_FILE_MS : FAILED_READ_MS);
	ok = !secret_empty(&c->authorization);
	pthread_mutex_unlock(&c->lock);
	if (!ok) {
		error_set(err, ERR_DENIED, "token of user \"%s\": %s", c->login->user ? c->login->user : "",
			  why.message);
		return false;
	}
	if (tell)
		log_warn("token file cannot be read again, the former token stays in use", LOG_ERROR_FIELD(&why));
	return true;
}

/* ---- plugins ---- */

struct run { /* of a plugin */
	struct credential *c;
	struct buf command;   /* for messages */
	struct buf last_line; /* of its stderr */
	size_t stderr_bytes;
	bool stderr_cut;
};

static void run_release(struct run *run)
{
	buf_release(&run->command);
	buf_release(&run->last_line);
}
DEFINE_AUTO_RELEASE(run);

static void tell_line(const struct run *run, const char *line)
{
	if (run->c->options.on_stderr)
		run->c->options.on_stderr(line, run->c->options.arg);
}

static void on_line(enum process_stream stream, struct str line, bool truncated, void *arg)
{
	struct run *run = arg;
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	(void)truncated;
	if (stream != PROCESS_STDERR || run->stderr_cut)
		return;
	run->stderr_bytes += line.len + 1;
	if (run->stderr_bytes > MAX_STDERR_BYTES) {
		run->stderr_cut = true;
		tell_line(run, "(more is not shown)");
		return;
	}
	buf_add_plain(&plain, line);
	log_redact(&plain);
	tell_line(run, buf_cstr(&plain));
	if (!str_trim(buf_str(&plain)).len)
		return;
	buf_reset(&run->last_line);
	buf_add_str(&run->last_line, str_trim(buf_str(&plain)));
}

/* "login of user "me": plugin aws exited with 1: its last line on stderr". */
static bool plugin_failed(const struct run *run, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static bool plugin_failed(const struct run *run, struct error *err, const char *fmt, ...)
{
	const struct kube_login *login = run->c->login;
	AUTO_RELEASE(buf) what = BUF_INIT(0);
	struct str line = buf_str(&run->last_line);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&what, fmt, ap);
	va_end(ap);
	if (line.len > MAX_TOLD_BYTES)
		line.len = MAX_TOLD_BYTES;
	while (line.len && line.len == MAX_TOLD_BYTES && ((unsigned char)line.p[line.len] & 0xc0) == 0x80)
		line.len--;
	return error_set(err, ERR_DENIED, "login of user \"%s\": plugin %s %s%s%.*s", login->user ? login->user : "",
			 buf_cstr(&run->command), buf_cstr(&what), line.len ? ": " : "", STR_ARG(line));
}

static void put_cluster(struct json_writer *w, const struct kube_login *login, bool with_config)
{
	AUTO_RELEASE(buf) ca = BUF_INIT(0);

	json_put_key(w, "cluster");
	json_put_object(w);
	json_put_key(w, "server");
	json_put_text(w, login->server);
	if (login->tls_server_name) {
		json_put_key(w, "tls-server-name");
		json_put_text(w, login->tls_server_name);
	}
	if (login->insecure_skip_tls_verify) {
		json_put_key(w, "insecure-skip-tls-verify");
		json_put_bool(w, true);
	}
	if (login->ca_pem) {
		base64_encode(&ca, str_of(login->ca_pem), BASE64_STANDARD);
		json_put_key(w, "certificate-authority-data");
		json_put_str(w, buf_str(&ca));
	}
	if (login->proxy_url) {
		json_put_key(w, "proxy-url");
		json_put_text(w, login->proxy_url);
	}
	if (login->disable_compression) {
		json_put_key(w, "disable-compression");
		json_put_bool(w, true);
	}
	if (with_config) {
		json_put_key(w, "config");
		json_put_raw(w, str_of(login->exec->cluster_config_json));
	}
	json_put_end_object(w);
}

/* KUBERNETES_EXEC_INFO. */
static void write_exec_info(const struct kube_login *login, bool interactive, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);

	json_put_object(&w);
	json_put_key(&w, "kind");
	json_put_text(&w, "ExecCredential");
	json_put_key(&w, "apiVersion");
	json_put_text(&w, login->exec->api_version);
	json_put_key(&w, "spec");
	json_put_object(&w);
	if (login->exec->provide_cluster_info)
		put_cluster(&w, login, login->exec->cluster_config_json != NULL);
	json_put_key(&w, "interactive");
	json_put_bool(&w, interactive);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

static const char **command_line(const struct kube_exec *exec)
{
	const char **argv = NULL;
	size_t n = 0, cap = 0;

	LIST_PUSH(argv, n, cap) = exec->command;
	for (char **arg = exec->args; arg && *arg; arg++)
		LIST_PUSH(argv, n, cap) = *arg;
	LIST_PUSH(argv, n, cap) = NULL;
	return argv;
}

static const char **command_env(const struct kube_exec *exec, const char *info)
{
	const char **env = NULL;
	size_t n = 0, cap = 0;

	for (char **pair = exec->env; pair && *pair; pair++)
		LIST_PUSH(env, n, cap) = *pair;
	LIST_PUSH(env, n, cap) = info;
	LIST_PUSH(env, n, cap) = NULL;
	return env;
}

static bool may_ask(const struct credential *c)
{
	return strcmp(c->login->exec->interactive_mode, "Never") != 0 && c->options.stdin_is_ours &&
	       isatty(STDIN_FILENO);
}

static bool explain_no_run(const struct run *run, struct error *why, struct error *err)
{
	const char *install_hint = run->c->login->exec->install_hint;
	AUTO_RELEASE(buf) hint = BUF_INIT(0);

	switch (why->kind) {
	case ERR_CANCELLED:
		return error_move(err, why);
	case ERR_TIMEOUT:
		return plugin_failed(run, err, "gave no answer in time and was stopped");
	case ERR_LIMIT:
		return plugin_failed(run, err, "wrote more than %zu KiB and was stopped", MAX_ANSWER_BYTES >> 10);
	case ERR_NOT_FOUND:
		plugin_failed(run, err, "is not installed (or not in PATH)");
		break;
	default:
		plugin_failed(run, err, "cannot be run: %s", why->message);
	}
	buf_add_plain(&hint, str_of(install_hint));
	if (hint.len)
		error_hint(err, "%s", buf_cstr(&hint));
	return false;
}

static bool run_plugin(struct run *run, struct process_result *result, struct error *err)
{
	const struct kube_exec *exec = run->c->login->exec;
	bool interactive = may_ask(run->c);
	AUTO_RELEASE(error) why = { 0 };
	AUTO_RELEASE(buf) info = BUF_INIT(0);

	if (!interactive && !strcmp(exec->interactive_mode, "Always"))
		return plugin_failed(run, err, "must ask at the terminal (interactiveMode Always), which is %s",
				     run->c->options.stdin_is_ours ? "not there" : "taken by the screen");
	buf_adds(&info, "KUBERNETES_EXEC_INFO=");
	write_exec_info(run->c->login, interactive, &info);
	const char **argv = command_line(exec), **env = command_env(exec, buf_cstr(&info));
	bool ok = process_run(&(struct process_options){ .argv = argv,
							 .env = env,
							 .inherit_stdin = interactive,
							 .on_line = on_line,
							 .arg = run,
							 .max_line_bytes = MAX_LINE_BYTES,
							 .max_output_bytes = MAX_ANSWER_BYTES,
							 .limit_is_error = true,
							 .timeout_ms = interactive ? INTERACTIVE_MS : EXEC_MS,
							 .clock = run->c->options.clock },
			      run->c->cancel, result, &why);

	free(argv);
	free(env);
	if (!ok)
		return explain_no_run(run, &why, err);
	if (result->signal_number)
		return plugin_failed(run, err, "was ended by signal %d", result->signal_number);
	if (result->exit_code)
		return plugin_failed(run, err, "ended with exit code %d", result->exit_code);
	return true;
}

enum { ANSWER_KIND, ANSWER_VERSION, ANSWER_STATUS, ANSWER_TOKEN, ANSWER_CERT, ANSWER_KEY, ANSWER_EXPIRES, ANSWER_FIELDS };

static const char *const answer_paths[ANSWER_FIELDS] = {
	[ANSWER_KIND] = "kind",
	[ANSWER_VERSION] = "apiVersion",
	[ANSWER_STATUS] = "status",
	[ANSWER_TOKEN] = "status.token",
	[ANSWER_CERT] = "status.clientCertificateData",
	[ANSWER_KEY] = "status.clientKeyData",
	[ANSWER_EXPIRES] = "status.expirationTimestamp",
};

struct answer {
	struct secret texts[ANSWER_FIELDS];
	bool has_status;
};

static void answer_release(struct answer *answer)
{
	for (size_t i = 0; i < ANSWER_FIELDS; i++)
		secret_release(&answer->texts[i]);
}
DEFINE_AUTO_RELEASE(answer);

static bool on_answer_field(const struct json_field *field, void *arg, struct error *err)
{
	struct answer *answer = arg;

	if (field->kind == JSON_IS_NULL)
		return true;
	if (field->path == ANSWER_STATUS) {
		answer->has_status = field->kind == JSON_IS_OBJECT;
		return true;
	}
	if (field->kind != JSON_IS_STRING)
		return error_set(err, ERR_SERVER, "%s is no string", answer_paths[field->path]);
	secret_set(&answer->texts[field->path], field->text);
	return true;
}

static struct str answered(const struct answer *answer, unsigned field)
{
	return secret_reveal(&answer->texts[field]);
}

/* The answer itself is never told: it holds the credential. */
static bool read_answer(const struct run *run, struct str text, struct answer *answer, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	AUTO(json_fields) fields = json_fields_create(answer_paths, ANSWER_FIELDS);
	const char *version = run->c->login->exec->api_version;

	if (!str_trim(text).len)
		return plugin_failed(run, err, "wrote no credential");
	if (!json_visit(fields, text, on_answer_field, answer, &why))
		return plugin_failed(run, err, "gave no ExecCredential: %s", why.message);
	if (!str_is(answered(answer, ANSWER_KIND), "ExecCredential"))
		return plugin_failed(run, err, "gave JSON whose kind is not ExecCredential");
	if (!str_is(answered(answer, ANSWER_VERSION), version))
		return plugin_failed(run, err, "gave another apiVersion than %s", version);
	if (!answer->has_status)
		return plugin_failed(run, err, "gave an ExecCredential without status");
	return true;
}

static bool check_answer(const struct run *run, const struct answer *answer, int64_t *ret_expires_us, struct error *err)
{
	struct str token = answered(answer, ANSWER_TOKEN), cert = answered(answer, ANSWER_CERT);
	struct str key = answered(answer, ANSWER_KEY), expires = answered(answer, ANSWER_EXPIRES);
	int64_t now_us = clock_wall_us(run->c->options.clock);
	char then_text[UTC_TEXT_MAX], now_text[UTC_TEXT_MAX];

	*ret_expires_us = INT64_MAX;
	if (!token.len && !cert.len && !key.len)
		return plugin_failed(run, err, "gave neither a token nor a client certificate");
	if (!cert.len != !key.len)
		return plugin_failed(run, err, "gave a client %s", cert.len ? "certificate without its key"
									     : "key without its certificate");
	if (token.len && !header_safe(token))
		return plugin_failed(run, err, "gave a token with spaces or control characters in it");
	if (!expires.len)
		return true;
	if (!utc_parse_rfc3339(expires, ret_expires_us))
		return plugin_failed(run, err, "gave an expirationTimestamp that is no RFC 3339 time");
	if (*ret_expires_us > now_us)
		return true;
	return plugin_failed(run, err, "gave a credential that expired at %s; the clock here says %s",
			     utc_format(*ret_expires_us, then_text), utc_format(now_us, now_text));
}

static bool keep_answer(const struct run *run, const struct answer *answer, int64_t expires_us, struct error *err)
{
	struct credential *c = run->c;
	AUTO_RELEASE(secret) authorization = { 0 };
	AUTO_RELEASE(error) why = { 0 };

	if (!move_identity(c, &answer->texts[ANSWER_CERT], &answer->texts[ANSWER_KEY], (struct str){ 0 }, &why))
		return plugin_failed(run, err, "gave a client certificate that cannot be used: %s", why.message);
	make_bearer(&authorization, answered(answer, ANSWER_TOKEN));
	pthread_mutex_lock(&c->lock);
	keep_authorization(c, &authorization);
	c->fetched = true;
	c->expires_us = expires_us;
	pthread_mutex_unlock(&c->lock);
	return true;
}

static bool ask_plugin(struct credential *c, struct error *err)
{
	AUTO_RELEASE(run) run = { .c = c };
	AUTO_RELEASE(answer) answer = { 0 };
	struct process_result result = { 0 };
	int64_t expires_us;

	buf_add_plain(&run.command, str_of(c->login->exec->command));
	bool ok = run_plugin(&run, &result, err) && read_answer(&run, buf_str(&result.out), &answer, err) &&
		  check_answer(&run, &answer, &expires_us, err) && keep_answer(&run, &answer, expires_us, err);

	secret_wipe(result.out.p, result.out.len);
	process_result_release(&result);
	return ok;
}

static bool refresh_exec(struct credential *c, struct error *err)
{
	bool ok = ask_plugin(c, err);

	pthread_mutex_lock(&c->lock);
	error_release(&c->failure);
	c->failure = (struct error){ 0 };
	c->failure_until_ms = INT64_MIN / 2;
	if (!ok && err->kind != ERR_CANCELLED) {
		error_copy(&c->failure, err);
		c->failure_until_ms = clock_now_ms(c->options.clock) + FAILURE_PAUSE_MS;
	}
	pthread_mutex_unlock(&c->lock);
	return ok;
}

/* ---- the hook ---- */

struct needs {
	bool token, files, because_refused;
};

/* lock is held. */
static struct needs look(const struct credential *c, uint64_t refused_generation)
{
	int64_t now = clock_now_ms(c->options.clock);
	struct needs needs = { .because_refused = refused_generation && refused_generation == c->generation &&
						  now >= c->refusal_ms + REFUSAL_PAUSE_MS };

	needs.files = c->has_files && (needs.because_refused || now >= c->files_due_ms);
	if (c->method == METHOD_TOKEN_FILE)
		needs.token = needs.because_refused || now >= c->token_due_ms;
	if (c->method == METHOD_EXEC)
		needs.token = needs.because_refused || !c->fetched ||
			      clock_wall_us(c->options.clock) >= c->expires_us;
	return needs;
}

/* What can be answered without waiting. lock is held. */
static enum http_auth_result answer_now(struct credential *c, struct needs needs, struct http_credential *ret,
					struct error *err)
{
	if (needs.token && clock_now_ms(c->options.clock) < c->failure_until_ms) {
		error_copy(err, &c->failure);
		return HTTP_AUTH_FAILED;
	}
	if (needs.token || needs.files)
		return HTTP_AUTH_WAIT;
	secret_copy(&ret->authorization, &c->authorization);
	ret->generation = c->generation;
	return HTTP_AUTH_OK;
}

static bool fetch(struct credential *c, struct needs needs, struct error *err)
{
	bool ok = true;

	if (needs.files)
		refresh_files(c);
	if (needs.token)
		ok = c->method == METHOD_EXEC ? refresh_exec(c, err) : refresh_token_file(c, err);
	if (needs.because_refused) { /* from its end: those who waited for it ask again now */
		pthread_mutex_lock(&c->lock);
		c->refusal_ms = clock_now_ms(c->options.clock);
		pthread_mutex_unlock(&c->lock);
	}
	return ok;
}

static enum http_auth_result look_and_answer(struct credential *c, uint64_t refused_generation, struct needs *ret_needs,
					     struct http_credential *ret, struct error *err)
{
	pthread_mutex_lock(&c->lock);
	*ret_needs = look(c, refused_generation);
	enum http_auth_result result = answer_now(c, *ret_needs, ret, err);

	pthread_mutex_unlock(&c->lock);
	return result;
}

static enum http_auth_result fetch_and_answer(struct credential *c, struct needs needs, struct http_credential *ret,
					      struct error *err)
{
	if (!fetch(c, needs, err))
		return HTTP_AUTH_FAILED;
	pthread_mutex_lock(&c->lock);
	/* Given as it is, also when its time is over since: it is what there is. */
	enum http_auth_result result = answer_now(c, (struct needs){ 0 }, ret, err);

	pthread_mutex_unlock(&c->lock);
	return result;
}

enum http_auth_result credential_authorise(struct http_credential *ret, uint64_t refused_generation, bool may_block,
					   struct error *err, void *arg)
{
	struct credential *c = arg;
	struct needs needs;

	if (c->method == METHOD_EXEC && c->options.deny_exec) {
		refuse_exec(c, err);
		return HTTP_AUTH_FAILED;
	}
	enum http_auth_result result = look_and_answer(c, refused_generation, &needs, ret, err);

	if (result != HTTP_AUTH_WAIT || !may_block)
		return result;
	pthread_mutex_lock(&c->work);
	result = look_and_answer(c, refused_generation, &needs, ret, err); /* another may have been quicker */
	if (result == HTTP_AUTH_WAIT)
		result = fetch_and_answer(c, needs, ret, err);
	pthread_mutex_unlock(&c->work);
	return result;
}
