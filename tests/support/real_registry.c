#include "real_registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs.h"
#include "registry/digest.h"

#define PROGRAM "build/packages/docker-registry/usr/bin/docker-registry"
#define STORED	"docker/registry/v2"

struct real_registry {
	char *folder, *host, *htpasswd;
	bool tls, forgets_uploads;
	unsigned starts;
	pid_t pid; /* 0: does not run */
};

static char *inside(const struct real_registry *r, const char *path)
{
	return xasprintf("%s/%s", r->folder, path);
}

static void put(const struct real_registry *r, const char *name, const char *text)
{
	AUTO_FREE char *path = inside(r, name);
	AUTO_RELEASE(error) err = { 0 };

	if (!file_write_atomic(path, str_of(text), 0600, &err))
		fail_msg("%s", err.message);
}

static char *read_text(const char *path)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	return file_read(path, 0, &text, &err) ? xstrdup(buf_cstr(&text)) : NULL;
}

static void wait_a_moment(int64_t due_ms, const char *what)
{
	if (clock_now_ms(NULL) > due_ms)
		fail_msg("the registry: %s", what);
	usleep(5000);
}

/* ---- its life ---- */

bool real_registry_is_there(void)
{
	if (access(PROGRAM, X_OK) == 0)
		return true;
	print_message("*** SKIPPED: %s is not there, so nothing was tried on a real registry; `make unit` unpacks it where apt has it\n", PROGRAM);
	return false;
}

static void write_config(const struct real_registry *r)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_addf(&out,
		 "version: 0.1\n"
		 "log: {level: info, accesslog: {disabled: false}}\n"
		 "storage:\n"
		 "  filesystem: {rootdirectory: %s/data}\n"
		 "  delete: {enabled: false}\n"
		 "  maintenance: {uploadpurging: {enabled: false}}\n"
		 "http:\n"
		 "  addr: %s\n"
		 "  secret: secret-%u\n",
		 r->folder, r->host ? r->host : "127.0.0.1:0", r->forgets_uploads ? r->starts : 0);
	if (r->tls)
		buf_addf(&out, "  tls: {certificate: %s/cert.pem, key: %s/key.pem}\n", r->folder, r->folder);
	if (r->htpasswd)
		buf_addf(&out, "auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n", r->folder);
	put(r, "config.yml", buf_cstr(&out));
}

static pid_t run_child(const char *config, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid_t pid = fork();

	if (pid) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(PROGRAM, PROGRAM, "serve", config, (char *)NULL);
	_exit(127);
}

/* The nth (from 1) "listening on 127.0.0.1:PORT" of the log; gives the address. NULL: it is not there yet. */
static char *find_address(const char *log, unsigned n)
{
	static const char mark[] = "listening on ";
	const char *at = log;

	for (unsigned i = 0; at && i < n; i++) {
		at = strstr(at, mark);
		at = at ? at + strlen(mark) : NULL;
	}
	size_t length = at ? strspn(at, "0123456789.:") : 0;

	return at && at[length] ? xasprintf("%.*s", (int)length, at) : NULL;
}

void real_registry_start_again(struct real_registry *r)
{
	AUTO_FREE char *config = inside(r, "config.yml"), *log = inside(r, "log");
	int64_t due_ms = clock_now_ms(NULL) + REAL_REGISTRY_LIMIT_MS;

	assert_int_equal(r->pid, 0);
	r->starts++;
	write_config(r);
	r->pid = run_child(config, log);
	for (;;) {
		AUTO_FREE char *text = read_text(log);
		char *address = text ? find_address(text, r->starts) : NULL;

		if (address) {
			free(r->host);
			r->host = address;
			return;
		}
		wait_a_moment(due_ms, text ? text : "does not start");
	}
}

struct real_registry *real_registry_start(const struct real_registry_options *options)
{
	char folder[] = "/tmp/real-registry-XXXXXX";
	struct real_registry *r = xcalloc(1, sizeof *r);

	assert_non_null(mkdtemp(folder));
	r->folder = xstrdup(folder);
	r->forgets_uploads = options->forgets_uploads;
	r->tls = options->cert != NULL;
	r->htpasswd = options->htpasswd ? xstrdup(options->htpasswd) : NULL;
	if (r->htpasswd)
		put(r, "htpasswd", r->htpasswd);
	if (r->tls) {
		put(r, "cert.pem", options->cert->cert_pem);
		put(r, "key.pem", options->cert->key_pem);
	}
	real_registry_start_again(r);
	return r;
}

void real_registry_kill(struct real_registry *r)
{
	int status;

	if (!r->pid)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	r->pid = 0;
}

void real_registry_stop(struct real_registry *r)
{
	if (!r)
		return;
	real_registry_kill(r);
	AUTO_FREE char *command = xasprintf("rm -rf %s", r->folder);

	assert_int_equal(system(command), 0);
	free(r->folder);
	free(r->host);
	free(r->htpasswd);
	free(r);
}

bool real_registry_runs(const struct real_registry *r)
{
	return r->pid != 0;
}

const char *real_registry_host(const struct real_registry *r)
{
	return r->host;
}

/* ---- what it answered ---- */

/* 127.0.0.1 - - [24/Nov/2026:21:00:00 +0000] "PUT /v2/a/manifests/1 HTTP/1.1" 201 0 "" "agent" */
static bool read_access(struct str line, struct buf *out)
{
	struct str head, request, status;

	if (!str_cut(&line, '"', &head) || str_find(head, STR(" - ")) < 0 || !str_cut(&line, '"', &request))
		return false;
	line = str_trim(line);
	if (!str_cut(&line, ' ', &status) || !str_ends(request, STR(" HTTP/1.1")))
		return false;
	buf_addf(out, "%.*s %.*s", (int)(request.len - strlen(" HTTP/1.1")), request.p, STR_ARG(status));
	return true;
}

static char *log_of(const struct real_registry *r, const char *text, const char *and_text, unsigned *ret_n)
{
	AUTO_FREE char *path = inside(r, "log"), *log = read_text(path);
	AUTO_RELEASE(buf) out = BUF_INIT(0), answered = BUF_INIT(0);
	struct str rest = str_of(log ? log : ""), line;

	buf_adds(&out, "");
	*ret_n = 0;
	while (str_cut(&rest, '\n', &line)) {
		buf_reset(&answered);
		if (!read_access(line, &answered) || (text && !strstr(answered.p, text)) || (and_text && !strstr(answered.p, and_text)))
			continue;
		buf_addf(&out, "%s\n", answered.p);
		++*ret_n;
	}
	return buf_give(&out);
}

unsigned real_registry_count(const struct real_registry *r, const char *text, const char *and_text)
{
	unsigned n;

	free(log_of(r, text, and_text, &n));
	return n;
}

char *real_registry_log(const struct real_registry *r, const char *text)
{
	unsigned n;

	return log_of(r, text, NULL, &n);
}

/* ---- what is on its disk ---- */

static char *repository_path(const struct real_registry *r, const char *repository, const char *rest)
{
	return xasprintf("%s/data/" STORED "/repositories/%s/%s", r->folder, repository, rest);
}

static char *blob_text(const struct real_registry *r, const char *digest, size_t *ret_len)
{
	const char *hex = strchr(digest, ':') ? strchr(digest, ':') + 1 : digest;
	AUTO_FREE char *path = xasprintf("%s/data/" STORED "/blobs/sha256/%.2s/%s/data", r->folder, hex, hex);
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (!file_read(path, 0, &bytes, &err))
		return NULL;
	AUTO_FREE char *is = digest_of("sha256:", buf_str(&bytes));

	*ret_len = bytes.len;
	buf_adds(&bytes, "");
	return strcmp(is, digest) == 0 ? buf_give(&bytes) : NULL;
}

char *real_registry_tag(const struct real_registry *r, const char *repository, const char *tag)
{
	AUTO_FREE char *rest = xasprintf("_manifests/tags/%s/current/link", tag), *path = repository_path(r, repository, rest);

	return read_text(path);
}

bool real_registry_holds_blob(const struct real_registry *r, const char *repository, const char *digest)
{
	AUTO_FREE char *rest = xasprintf("_layers/sha256/%s/link", strchr(digest, ':') + 1), *path = repository_path(r, repository, rest);
	size_t length;
	AUTO_FREE char *text = file_exists(path) ? blob_text(r, digest, &length) : NULL;

	return text != NULL;
}

static void check_manifest(const struct real_registry *r, const char *repository, const char *digest, struct buf *out)
{
	AUTO_FREE char *rest = xasprintf("_manifests/revisions/sha256/%s/link", *digest ? strchr(digest, ':') + 1 : ""), *path = repository_path(r, repository, rest);
	size_t length = 0, i;
	AUTO_FREE char *text = file_exists(path) ? blob_text(r, digest, &length) : NULL;
	json_t *root = text ? json_loadb(text, length, 0, NULL) : NULL, *part;

	if (!root)
		buf_addf(out, "%s lacks the manifest %s\n", repository, digest);
	json_array_foreach(json_object_get(root, "manifests"), i, part)
		check_manifest(r, repository, json_string_value(json_object_get(part, "digest")), out);
	json_t *blobs = json_copy(json_object_get(root, "layers"));

	if (json_object_get(root, "config"))
		json_array_append(blobs, json_object_get(root, "config"));
	json_array_foreach(blobs, i, part)
		if (!real_registry_holds_blob(r, repository, json_string_value(json_object_get(part, "digest"))))
			buf_addf(out, "%s lacks the blob %s\n", repository, json_string_value(json_object_get(part, "digest")));
	json_decref(blobs);
	json_decref(root);
}

static void check_tags(const struct real_registry *r, const char *repository, const char *folder, struct buf *out)
{
	DIR *dir = opendir(folder);

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		AUTO_FREE char *digest = real_registry_tag(r, repository, entry->d_name);

		if (digest && *digest)
			check_manifest(r, repository, digest, out);
		else
			buf_addf(out, "%s:%s leads nowhere\n", repository, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void check_folder(const struct real_registry *r, const char *repository, struct buf *out)
{
	AUTO_FREE char *path = repository_path(r, repository, ""), *tags = repository_path(r, repository, "_manifests/tags");
	DIR *dir = opendir(path);

	check_tags(r, repository, tags, out);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || entry->d_name[0] == '_')
			continue;
		AUTO_FREE char *below = xasprintf("%s/%s", repository, entry->d_name);

		check_folder(r, below, out);
	}
	if (dir)
		closedir(dir);
}

char *real_registry_broken(const struct real_registry *r, const char *folder)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	check_folder(r, folder, &out);
	return buf_give(&out);
}

void real_registry_await_whole(const struct real_registry *r, const char *folder)
{
	for (int64_t due_ms = clock_now_ms(NULL) + REAL_REGISTRY_LIMIT_MS;;) {
		AUTO_FREE char *broken = real_registry_broken(r, folder);

		if (!*broken)
			return;
		wait_a_moment(due_ms, broken);
	}
}

static size_t count_uploads(const struct real_registry *r, const char *repository)
{
	AUTO_FREE char *path = repository_path(r, repository, "_uploads");
	DIR *dir = opendir(path);
	size_t n = 0;

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		AUTO_FREE char *data = xasprintf("%s/%s/data", path, entry->d_name);

		n += file_exists(data); /* of one that was taken back it keeps an empty folder */
	}
	if (dir)
		closedir(dir);
	return n;
}

void real_registry_await_uploads(const struct real_registry *r, const char *repository, size_t n)
{
	int64_t due_ms = clock_now_ms(NULL) + REAL_REGISTRY_LIMIT_MS;

	while (count_uploads(r, repository) != n)
		wait_a_moment(due_ms, "its uploads are not as many as expected");
}
