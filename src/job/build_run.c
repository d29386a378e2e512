#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "job/build_private.h"
#include "kube/apply.h"
#include "kube/exec.h"
#include "kube/log_reader.h"

#define LOOK_MS		 1000
#define PULL_PATIENCE_MS 60000
#define LOG_PATIENCE_MS	 5000 /* for the last lines of a log */
#define LEAVE_PATIENCE_MS 60000 /* for a pod to go */
#define PIECE		 ((size_t)64 << 10)
#define UPLOADS		 3
#define TAIL_LINES	 8
#define TAIL_BYTES	 2000
/* How much of an image's thousandths each part has. */
#define SENT_AT		 100
#define PUSHES_AT	 900

struct building { /* one image */
	struct build *b;
	struct build_image *image;
	const struct kube_resource *jobs, *secrets;
	bool began;	  /* there may be something to take away */
	struct buf login; /* docker's config.json; empty: nobody is logged in */
	char *told;	  /* what was told last */
	unsigned uploads;
	struct log_reader *log;
	bool log_ended;
	struct build_stage stage;
	int64_t pull_fails_ms; /* since when; 0: it does not */
};

static void building_release(struct building *g)
{
	secret_wipe(g->login.p, g->login.len);
	buf_release(&g->login);
	log_reader_destroy(g->log);
	free(g->stage.doing);
	free(g->told);
}
DEFINE_AUTO_RELEASE(building);

static unsigned look_ms(const struct building *g)
{
	return g->b->options->look_ms ? g->b->options->look_ms : LOOK_MS;
}

/* ---- telling ---- */

static void tell(struct building *g, unsigned thousandths, const char *doing, bool is_news)
{
	pthread_mutex_lock(&g->b->lock);
	g->image->thousandths = thousandths > g->image->thousandths ? thousandths : g->image->thousandths;
	free(g->image->doing);
	g->image->doing = xstrdup(doing);
	pthread_mutex_unlock(&g->b->lock);
	if (!is_news || (g->told && strcmp(g->told, doing) == 0))
		return;
	free(g->told);
	g->told = xstrdup(doing);
	crew_tell(&g->b->crew, g->image->of->key.text, doing);
}

static void tell_sent(struct building *g, int64_t bytes)
{
	int64_t all = build_context_size_bytes(g->image->archive);
	char sent[32], whole[32];
	AUTO_FREE char *doing = xasprintf("context: %s of %s", bytes_text(bytes, sent), bytes_text(all, whole));

	tell(g, (unsigned)(bytes * SENT_AT / all), doing, bytes == 0 || bytes == all);
}

static void tell_stage(struct building *g)
{
	AUTO_FREE char *doing = build_stage_text(&g->stage, g->image->stages);
	size_t stages = g->image->stages > g->stage.stage ? g->image->stages : g->stage.stage;
	unsigned at = g->stage.pushes ? PUSHES_AT : g->stage.stage ? SENT_AT + (unsigned)((g->stage.stage - 1) * (PUSHES_AT - SENT_AT) / stages) : SENT_AT;

	tell(g, at, doing, true);
}

/* ---- logins ---- */

static void put_login(struct json_writer *w, const char *host, const struct login *login)
{
	const struct {
		const char *key;
		const struct secret *value;
	} tokens[] = { { "identitytoken", &login->identity_token }, { "registrytoken", &login->registry_token } };

	json_put_key(w, strcmp(host, "docker.io") == 0 ? "https://index.docker.io/v1/" : host);
	json_put_object(w);
	if (login->user) {
		AUTO_RELEASE(buf) text = BUF_INIT(0), encoded = BUF_INIT(0);

		buf_addf(&text, "%s:", login->user);
		buf_add_str(&text, secret_reveal(&login->password));
		base64_encode(&encoded, buf_str(&text), BASE64_STANDARD);
		json_put_key(w, "auth");
		json_put_str(w, buf_str(&encoded));
		secret_wipe(text.p, text.len);
		secret_wipe(encoded.p, encoded.len);
	}
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		if (!secret_empty(tokens[i].value)) {
			json_put_key(w, tokens[i].key);
			json_put_str(w, secret_reveal(tokens[i].value));
		}
	json_put_end_object(w);
}

static bool add_login(struct building *g, struct json_writer *w, const char *host, const char *repository, bool *any, struct error *err)
{
	const struct login_options options = { .file = g->b->options->login_file, .deny_exec = g->b->options->deny_exec, .on_note = crew_note, .arg = &g->b->crew };
	AUTO_RELEASE(login) login = { 0 };

	if (!login_find(&options, host, repository, g->b->crew.stop, &login, err))
		return false;
	if (login_is_anonymous(&login))
		return true;
	put_login(w, host, &login);
	*any = true;
	return true;
}

/* Of the registry that is pushed to, and of those that the Dockerfile pulls from. */
static bool find_logins(struct building *g, struct error *err)
{
	struct json_writer w = JSON_WRITER_INIT(&g->login);
	const struct build_image *image = g->image;
	bool any = false, good;

	json_put_object(&w);
	json_put_key(&w, "auths");
	json_put_object(&w);
	good = add_login(g, &w, image->to.registry, image->to.repository, &any, err);
	for (size_t i = 0; good && i < image->pulls.len; i++)
		if (strcmp(image->pulls.entries[i].key, image->to.registry) != 0)
			good = add_login(g, &w, image->pulls.entries[i].key, image->pulls.entries[i].value, &any, err);
	if (!good)
		return false;
	json_put_end_object(&w);
	json_put_end_object(&w);
	if (!any)
		buf_reset(&g->login);
	return true;
}

/* ---- objects ---- */

static bool send_object(struct building *g, const struct kube_resource *resource, struct str body, char **ret_uid, struct error *err)
{
	struct kube_apply apply = { .resource = resource, .namespace = g->b->namespace, .name = g->image->name, .body = body, .force = true };
	bool good = kube_apply_many(g->b->run->kube, &apply, 1, 1, g->b->crew.stop, NULL, err);

	if (good && !apply.ok)
		good = apply.status.code ? kube_status_error(&apply.status, g->image->name, err) : error_move(err, &apply.error);
	if (good && ret_uid)
		*ret_uid = xstrdup(apply.uid ? apply.uid : "");
	kube_apply_release(&apply);
	return good;
}

/* The Job first: what it owns goes with it, whatever becomes of us. Its pod waits for the Secret. */
static bool begin(struct building *g, struct error *err)
{
	AUTO_RELEASE(buf) job = BUF_INIT(0), secret = BUF_INIT(0);
	AUTO_FREE char *uid = NULL;
	struct kube *kube = g->b->run->kube;

	g->jobs = kube_find_kind(kube, "batch/v1", "Job", g->b->crew.stop, err);
	g->secrets = g->jobs ? kube_find_kind(kube, "v1", "Secret", g->b->crew.stop, err) : NULL;
	if (!g->secrets)
		return err->kind ? false : error_set(err, ERR_SERVER, "the cluster has no Jobs");
	build_job_json(g->b, g->image, g->login.len > 0, &job);
	g->began = true;
	if (!send_object(g, g->jobs, buf_str(&job), &uid, err)) {
		g->began = err->kind != ERR_DENIED && err->kind != ERR_INVALID; /* those are refusals, anything else may have been executed */
		return error_wrap(err, "create the Job %s", g->image->name);
	}
	if (!g->login.len)
		return true;
	build_secret_json(g->b, g->image, uid, buf_str(&g->login), &secret);
	bool good = send_object(g, g->secrets, buf_str(&secret), NULL, err);

	secret_wipe(secret.p, secret.len);
	return good || error_wrap(err, "create the Secret %s", g->image->name);
}

/* ---- the context ---- */

/* What exec says, until it has ended. */
static bool take_exec(struct exec *exec, struct buf *complaint, bool *ret_ended, int *ret_code, struct error *err)
{
	AUTO_RELEASE(exec_event) event = { 0 };

	while (!*ret_ended && exec_next(exec, &event)) {
		if (event.kind == EXEC_STDERR && complaint->len < TAIL_BYTES)
			buf_add_plain(complaint, buf_str(&event.bytes));
		if (event.kind != EXEC_ENDED)
			continue;
		*ret_ended = true;
		*ret_code = event.exit_code;
		if (event.error.kind)
			return error_move(err, &event.error);
	}
	return true;
}

/* False: the context can't be read. */
static bool feed(struct building *g, struct exec *exec, int64_t *sent, struct error *err)
{
	AUTO_RELEASE(buf) piece = BUF_INIT(0);

	while (*sent < build_context_size_bytes(g->image->archive) && exec_unsent(exec) < EXEC_UNSENT_MAX) {
		buf_reset(&piece);
		if (!build_context_read(g->image->archive, PIECE, &piece, err))
			return false;
		exec_write(exec, buf_str(&piece));
		*sent += (int64_t)piece.len;
	}
	return true;
}

/*
 * Streams the archive into the waiting container. A connection that broke is no failure yet: *ret_again. What reads there takes exactly
 * as many bytes as it is told, since not every server can tell it the end.
 */
static bool upload_once(struct building *g, const char *pod, bool *ret_again, struct error *err)
{
	AUTO_FREE char *script = xasprintf("cd " BUILD_VOLUME " && mkdir new-%u && head -c %lld | tar -xf - -C new-%u && [ -e new-%u/whole ] && "
					   "{ [ -e src ] || mv new-%u src; }",
					   g->uploads, (long long)build_context_size_bytes(g->image->archive), g->uploads, g->uploads, g->uploads);
	const char *const command[] = { "sh", "-c", script, NULL };
	AUTO_RELEASE(buf) complaint = BUF_INIT(TAIL_BYTES * 2);
	AUTO(exec) exec = exec_open(
		g->b->run->kube,
		&(struct exec_options){ .namespace = g->b->namespace, .pod = pod, .container = BUILD_UPLOADER, .command = command, .input = true }, err);
	bool ended = false;
	int64_t sent = 0;
	int code = 0;

	if (!exec)
		return false;
	build_context_rewind(g->image->archive);
	while (!ended) {
		if (!feed(g, exec, &sent, err) || !cancel_check(g->b->crew.stop, err))
			return false;
		tell_sent(g, sent - (int64_t)exec_unsent(exec));
		clock_wait_fd(NULL, g->b->crew.stop, exec_fd(exec), clock_now_ms(NULL) + LOOK_MS / 4);
		if (!take_exec(exec, &complaint, &ended, &code, err)) {
			*ret_again = err->kind == ERR_NETWORK || err->kind == ERR_SERVER || err->kind == ERR_NOT_FOUND;
			return false;
		}
	}
	if (code)
		return error_set(err, ERR_SERVER, "the context could not be unpacked (exit code %d): %s", code, buf_cstr(&complaint));
	tell_sent(g, build_context_size_bytes(g->image->archive));
	return true;
}

static bool upload(struct building *g, const char *pod, struct error *err)
{
	bool again = false;

	g->uploads++;
	tell_sent(g, 0);
	if (upload_once(g, pod, &again, err))
		return true;
	if (!again || g->uploads >= UPLOADS)
		return error_wrap(err, "send the context");
	crew_retry(&g->b->crew, g->image->of->key.text, err->message, look_ms(g));
	error_release(err);
	return true;
}

/* ---- the log ---- */

static void open_log(struct building *g, const struct build_look *look)
{
	struct kube *kube = g->b->run->kube;

	g->log = log_reader_create(
		&(struct watcher_options){ .net = g->b->run->context->net, .http = kube_http(kube), .prepare = watcher_prepare_kube, .prepare_arg = kube });
	log_reader_add(g->log, 0,
		       &(struct log_follow_options){ .namespace = g->b->namespace,
						     .pod = look->pod,
						     .uid = look->pod_uid,
						     .container = BUILD_BUILDER,
						     .state = ROW_RUNNING });
	tell_stage(g);
}

static void take_line(struct building *g, struct str text)
{
	AUTO_FREE char *line = str_dup(text);

	crew_line(&g->b->crew, g->image->of->key.text, line);
	if (build_stage_line(&g->stage, text))
		tell_stage(g);
}

static void take_log(struct building *g)
{
	struct log_news news = { 0 };

	while (g->log && log_reader_next(g->log, &news)) {
		struct log_cursor at = { 0 };
		struct log_line line;

		while (news.block && log_block_next(news.block, &at, &line))
			if (line.kind == LOG_LINE)
				take_line(g, line.text);
		g->log_ended |= !news.block && news.state == LOG_FOLLOW_ENDED;
	}
	log_news_release(&news);
}

/* Sleeps, but for lines. False: cancelled. */
static bool wait_until(struct building *g, int64_t due_ms, bool for_log, struct error *err)
{
	int woken = 1;

	while (woken > 0 && !(for_log && g->log_ended)) {
		woken = clock_wait_fd(NULL, g->b->crew.stop, g->log ? log_reader_fd(g->log) : -1, due_ms);
		take_log(g);
	}
	return woken >= 0 || cancel_check(g->b->crew.stop, err);
}

/* The last lines, read by themselves: a followed log may have missed them. */
static void add_tail(struct building *g, const struct build_look *look, struct error *why)
{
	AUTO_RELEASE(buf) tail = BUF_INIT(TAIL_BYTES), text = BUF_INIT(0);
	AUTO_RELEASE(error) ignored = { 0 };
	const char *container = look->started ? BUILD_BUILDER : BUILD_UPLOADER;
	struct str rest, line;

	if (!look->wants_log || !look->pod ||
	    !kube_log_tail(g->b->run->kube, g->b->namespace, look->pod, container, false, TAIL_LINES, TAIL_BYTES, g->b->crew.stop, &tail, &ignored))
		return;
	for (rest = buf_str(&tail); rest.len;) {
		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		if (str_trim(line).len)
			buf_addf(&text, "%s%.*s", text.len ? " | " : "", STR_ARG(str_trim(line)));
	}
	if (text.len) {
		AUTO_FREE char *before = xstrdup(why->message);

		error_set(why, why->kind, "%s: %s", before, buf_cstr(&text));
	}
}

/* ---- watching ---- */

static bool check_pull(struct building *g, const struct build_look *look, struct error *err)
{
	int64_t now = clock_now_ms(NULL);
	unsigned patience_ms = g->b->options->pull_patience_ms ? g->b->options->pull_patience_ms : PULL_PATIENCE_MS;

	if (!look->pull_fails) {
		g->pull_fails_ms = 0;
		return true;
	}
	if (!g->pull_fails_ms)
		g->pull_fails_ms = now;
	if (now - g->pull_fails_ms < patience_ms)
		return true;
	error_set(err, ERR_NOT_FOUND, "the builder's image can't be pulled: %s", look->waiting ? look->waiting : "");
	return error_hint(err, "--builder-image or SLOTDECK_BUILDER_IMAGE names one that the cluster can pull");
}

/* One look, and what follows from it. *ret_over: the Job is complete. */
static bool look_once(struct building *g, struct build_look *look, bool *ret_over, struct error *err)
{
	if (!build_look(g->b, g->image, g->b->crew.stop, look, err))
		return err->kind == ERR_NOT_FOUND ? error_set(err, ERR_CONFLICT, "somebody deleted the Job %s", g->image->name) : false;
	if (look->started && !g->log)
		open_log(g, look);
	take_log(g);
	if (look->failed) {
		add_tail(g, look, &look->end);
		return error_move(err, &look->end);
	}
	*ret_over = look->complete;
	if (!look->started && look->waiting)
		tell(g, 0, look->waiting, true);
	if (!check_pull(g, look, err))
		return false;
	return !look->wants_context || upload(g, look->pod, err);
}

static bool watch(struct building *g, struct build_look *look, struct error *err)
{
	bool over = false;

	while (!over) {
		if (!look_once(g, look, &over, err) || (!over && !wait_until(g, clock_now_ms(NULL) + look_ms(g), false, err)))
			return false;
	}
	return !g->log || wait_until(g, clock_now_ms(NULL) + LOG_PATIENCE_MS, true, err);
}

/* ---- the result ---- */

/* Registries of the cluster often answer only there, and some let nobody look: that is told, and no failure. */
static bool verify(struct building *g, struct error *err)
{
	const struct build_options *o = g->b->options;
	const struct reference *to = &g->image->to;
	AUTO_FREE char *endpoint = o->endpoint ? xasprintf("%s/%s", o->endpoint, to->registry) : NULL;
	struct crew_voice voice = { &g->b->crew, g->image->of->key.text };
	AUTO(registry) registry = registry_create(
		&(struct registry_options){ .net = g->b->run->context->net,
					    .host = to->registry,
					    .endpoint = endpoint,
					    .insecure = o->insecure,
					    .skip_tls_verify = o->skip_tls_verify,
					    .read_only = true,
					    .login = { .file = o->login_file, .deny_exec = o->deny_exec, .on_note = crew_note, .arg = &g->b->crew },
					    .retry_pause_ms = o->retry_pause_ms });
	AUTO_RELEASE(registry_head) head = { 0 };

	if (!registry_head_manifest(registry, to->repository, to->tag, &(struct registry_call){ .cancel = g->b->crew.stop, .on_retry = crew_on_retry, .arg = &voice },
				    &head, err)) {
		if (err->kind == ERR_CANCELLED)
			return false;
		AUTO_FREE char *text = xasprintf("%s: what the registry has was not checked: %s", g->image->of->key.text, err->message);

		error_release(err);
		crew_note(text, &g->b->crew);
		return true;
	}
	if (!head.found || !head.digest)
		return error_set(err, ERR_SERVER, "the builder has pushed %s, but the registry has no %s", g->image->digest, g->image->destination);
	if (strcmp(head.digest, g->image->digest) != 0)
		return error_set(err, ERR_CONFLICT, "the builder has pushed %s, but %s leads to %s", g->image->digest, g->image->destination, head.digest);
	g->image->verified = true;
	return true;
}

static bool take_digest(struct building *g, const struct build_look *look, struct error *err)
{
	if (!look->digest)
		return error_set(err, ERR_SERVER, "the Job is complete, but its pod is gone or does not tell the digest");
	if (!digest_is_valid(str_of(look->digest)))
		return error_set(err, ERR_SERVER, "the Job is complete, but \"%.100s\" is no digest", look->digest);
	g->image->digest = xstrdup(look->digest);
	run_record_note(g->b->run, "pushed %s, %s", g->image->destination, look->digest);
	return verify(g, err);
}

/* ---- away with it ---- */

static bool count_pod(struct str object, void *arg, struct error *err)
{
	size_t *pods = arg;

	(void)object, (void)err;
	++*pods;
	return true;
}

/* Its pods are away, and what they ran has ended. */
static bool is_gone(struct building *g, struct error *err)
{
	AUTO_FREE char *selector = xasprintf(BUILD_LABEL "=%s", g->image->name);
	const struct kube_list_options options = { .namespace = g->b->namespace, .label_selector = selector, .metadata_only = true };
	const struct kube_resource *pods = kube_find_kind(g->b->run->kube, "v1", "Pod", NULL, err);
	size_t n = 0;

	return pods && kube_list(g->b->run->kube, pods, &options, NULL, count_pod, &n, NULL, err) && n == 0;
}

static void clean_up(struct building *g)
{
	const struct kube_resource *const kinds[] = { g->secrets, g->jobs };
	int64_t end = clock_now_ms(NULL) + LEAVE_PATIENCE_MS;
	AUTO_RELEASE(error) err = { 0 };
	bool gone = false;

	if (!g->began)
		return;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		kube_delete(g->b->run->kube, kinds[i], g->b->namespace, g->image->name, &(struct kube_delete_options){ 0 }, NULL, NULL, &err);
	while (!err.kind && !(gone = is_gone(g, &err)) && clock_now_ms(NULL) < end)
		cancel_sleep(NULL, look_ms(g) < 200 ? look_ms(g) : 200, &err);
	if (gone)
		return;
	AUTO_FREE char *text = xasprintf("%s: not all is gone%s%s; kubectl -n %s delete job,secret,pod -l " BUILD_LABEL "=%s", g->image->of->key.text,
					 err.message ? ": " : "", err.message ? err.message : "", g->b->namespace, g->image->name);

	crew_note(text, &g->b->crew);
}

static void build_one(struct build *b, struct build_image *image)
{
	AUTO_RELEASE(building) g = { .b = b, .image = image, .login = BUF_INIT(0) };
	AUTO_RELEASE(build_look) look = { 0 };

	tell(&g, 0, "waits for a pod", true);
	if (find_logins(&g, &image->err) && begin(&g, &image->err) && watch(&g, &look, &image->err))
		take_digest(&g, &look, &image->err);
	log_reader_destroy(GIVE(g.log));
	clean_up(&g);
}

bool build_work(void *build)
{
	struct build *b = build;

	pthread_mutex_lock(&b->lock);
	struct build_image *image = b->next < b->n && !cancel_requested(b->crew.stop) ? &b->images[b->next++] : NULL;

	if (image)
		image->state = BUILD_RUNS;
	pthread_mutex_unlock(&b->lock);
	if (!image)
		return false;
	build_one(b, image);
	pthread_mutex_lock(&b->lock);
	image->state = BUILD_ENDED;
	image->thousandths = 1000;
	pthread_mutex_unlock(&b->lock);
	return true;
}
