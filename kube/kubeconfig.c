#include "kube/kubeconfig.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/url.h"
#include "base/yaml.h"

/*
 *   options, KUBECONFIG, ~/.kube/config --> struct config: files in order, each a tree
 *                                              | find(section, name): the first file that has it owns it
 *                                              v
 *   context --> cluster, user --> struct kube_login       (no context in any file: the pod's service account)
 */

#define MAX_FILE_BYTES	 ((size_t)4 << 20)
#define MAX_TOKEN_BYTES	 ((size_t)64 << 10)
#define POD_FOLDER	 "/var/run/secrets/kubernetes.io/serviceaccount"
#define POD_CONTEXT	 "in-cluster"
#define EXEC_EXTENSION	 "client.authentication.k8s.io/exec"
#define MAX_NAMES_TOLD	 8

extern char **environ;

struct source_file {
	char *path;	/* as the user would name it */
	char *folder;	/* absolute: relative paths inside the file begin here */
	struct yaml_doc *doc; /* NULL: empty */
};

struct config {
	const struct kubeconfig_options *options;
	struct source_file *files;
	size_t n, cap;
	struct buf looked_at; /* "a, b": every place, for the message when nothing is anywhere */
	struct buf problems;
	size_t nproblems;
	enum err_kind problem_kind;
	char *hint;
};

/* Where one entry stands. */
struct entry {
	const struct source_file *file;
	const struct yaml_node *node;  /* the value: context, cluster, user; NULL when it is null */
	const struct yaml_node *place; /* for messages, never NULL */
};

static void config_release(struct config *config)
{
	for (size_t i = 0; i < config->n; i++) {
		free(config->files[i].path);
		free(config->files[i].folder);
		yaml_doc_destroy(config->files[i].doc);
	}
	free(config->files);
	buf_release(&config->looked_at);
	buf_release(&config->problems);
	free(config->hint);
}
DEFINE_AUTO_RELEASE(config);

/* ---- small helpers ---- */

static const char *variable(const struct kubeconfig_options *options, const char *name)
{
	size_t len = strlen(name);

	for (char *const *e = options->environment ? options->environment : environ; e && *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			return (*e)[len + 1] ? *e + len + 1 : NULL;
	return NULL;
}

static bool wrong(const struct source_file *file, const struct yaml_node *at, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static bool wrong(const struct source_file *file, const struct yaml_node *at, struct error *err, const char *fmt, ...)
{
	AUTO_RELEASE(buf) raw = BUF_INIT(0);
	AUTO_RELEASE(buf) plain = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&raw, fmt, ap);
	va_end(ap);
	buf_add_plain(&plain, buf_str(&raw)); /* names come from the file and may hold anything */
	return error_set(err, ERR_INVALID, "%s:%u:%u: %s", file->path, at->line, at->column, buf_cstr(&plain));
}

static bool is_absent(const struct yaml_node *node)
{
	return !node || node->kind == YAML_NULL;
}

/* yaml.v2, which the original reads with, has no dates in JSON: they stay texts. */
static bool is_text(const struct yaml_node *node)
{
	return node->kind == YAML_STRING || node->kind == YAML_TIMESTAMP;
}

/* Empty when absent or of another kind: for what check_file() has looked at. */
static struct str checked_text(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = yaml_map_get(map, key);

	return node && is_text(node) ? node->text : (struct str){ 0 };
}

/* Empty when absent. */
static bool text_of(const struct entry *entry, const struct yaml_node *map, const char *key, struct str *ret,
		    struct error *err)
{
	const struct yaml_node *node = yaml_map_get(map, key);

	*ret = (struct str){ 0 };
	if (is_absent(node))
		return true;
	if (!is_text(node))
		return wrong(entry->file, node, err, "%s must be a string, not %s%s", key, yaml_kind_name(node->kind),
			     node->kind == YAML_SEQUENCE || node->kind == YAML_MAPPING ? "" : ": put it in quotes");
	if (memchr(node->text.p, 0, node->text.len))
		return wrong(entry->file, node, err, "%s holds a NUL character", key);
	*ret = node->text;
	return true;
}

/* NULL when absent or empty. */
static bool read_text(const struct entry *entry, const struct yaml_node *map, const char *key, char **ret,
		      struct error *err)
{
	struct str text;

	if (!text_of(entry, map, key, &text, err))
		return false;
	if (text.len)
		*ret = str_dup(text);
	return true;
}

static bool read_bool(const struct entry *entry, const char *key, bool *ret, struct error *err)
{
	const struct yaml_node *node = yaml_map_get(entry->node, key);

	if (is_absent(node))
		return true;
	if (node->kind != YAML_BOOL)
		return wrong(entry->file, node, err, "%s must be true or false", key);
	*ret = node->b;
	return true;
}

static void texts_free(void *texts)
{
	for (char **t = texts; t && *t; t++)
		free(*t);
	free(texts);
}

static bool read_texts(const struct entry *entry, const struct yaml_node *node, const char *what, char ***ret,
		       struct error *err)
{
	char **list = NULL;
	size_t n = 0, cap = 0;

	if (is_absent(node))
		return true;
	if (node->kind != YAML_SEQUENCE)
		return wrong(entry->file, node, err, "%s must be a list of strings", what);
	for (uint32_t i = 0; i < node->seq.n; i++) {
		const struct yaml_node *item = node->seq.items[i];

		if (!is_text(item) || memchr(item->text.p, 0, item->text.len)) {
			LIST_PUSH(list, n, cap) = NULL;
			texts_free(list);
			return wrong(entry->file, item, err, "%s must be a list of strings; this one is %s", what,
				     yaml_kind_name(item->kind));
		}
		LIST_PUSH(list, n, cap) = str_dup(item->text);
	}
	LIST_PUSH(list, n, cap) = NULL;
	texts_free(*ret);
	*ret = list;
	return true;
}

/* A path of a file is relative to the file that names it. */
static bool read_path(const struct entry *entry, const char *key, char **ret, struct error *err)
{
	AUTO_FREE char *path = NULL;

	if (!read_text(entry, entry->node, key, &path, err))
		return false;
	if (path)
		*ret = path_join(entry->file->folder, path);
	return true;
}

/* The error of a file that a key names tells where that key is. */
static bool read_named_file(const struct entry *entry, const char *key, const char *path, size_t max_bytes,
			    struct buf *ret, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };

	if (file_read(path, max_bytes, ret, &why))
		return true;
	return wrong(entry->file, yaml_map_get(entry->node, key), err, "%s: %s", key, why.message);
}

static void buf_wipe(struct buf *b)
{
	secret_wipe(b->p, b->len);
	buf_release(b);
}

/* Bytes of KEY-data or of the file KEY, both is a contradiction. ret_file is NULL when inline. */
static bool read_bytes(const struct entry *entry, const char *key, struct buf *ret, char **ret_file, struct error *err)
{
	AUTO_FREE char *data_key = xasprintf("%s-data", key);
	AUTO_FREE char *file = NULL;
	struct str data;

	if (!read_path(entry, key, &file, err) || !text_of(entry, entry->node, data_key, &data, err))
		return false;
	if (file && data.len)
		return wrong(entry->file, yaml_map_get(entry->node, data_key), err, "%s and %s are both given", key,
			     data_key);
	if (data.len && !base64_decode(ret, data, BASE64_STANDARD))
		return wrong(entry->file, yaml_map_get(entry->node, data_key), err, "%s is no base64", data_key);
	if (file && !read_named_file(entry, key, file, MAX_FILE_BYTES, ret, err))
		return false;
	if ((file || data.len) && str_find(buf_str(ret), STR("-----BEGIN ")) < 0)
		return wrong(entry->file, yaml_map_get(entry->node, file ? key : data_key), err, "%s holds no PEM text",
			     file ? key : data_key);
	*ret_file = GIVE(file);
	return true;
}

/* ---- files ---- */

static char *absolute_folder(const char *path)
{
	AUTO_FREE char *folder = path_folder(path);
	AUTO_FREE char *here = folder[0] == '/' ? NULL : getcwd(NULL, 0);

	return path_join(here ? here : "/", folder);
}

static const char *const sections[] = { "clusters", "users", "contexts" };

static bool check_section(const struct source_file *file, const char *section, struct error *err)
{
	const struct yaml_node *list = yaml_map_get(file->doc->root, section);
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);
	struct entry entry = { .file = file };

	if (is_absent(list))
		return true;
	if (list->kind != YAML_SEQUENCE)
		return wrong(file, list, err, "%s must be a list, not %s", section, yaml_kind_name(list->kind));
	for (uint32_t i = 0; i < list->seq.n; i++) {
		const struct yaml_node *item = list->seq.items[i];
		struct str name;

		if (item->kind != YAML_MAPPING)
			return wrong(file, item, err, "an element of %s must be a mapping with a name, not %s", section,
				     yaml_kind_name(item->kind));
		if (!text_of(&entry, item, "name", &name, err))
			return false;
		if (map_has(&seen, name))
			return wrong(file, item, err, "%s has the name \"%.*s\" twice", section, STR_ARG(name));
		map_set(&seen, name, NULL);
	}
	return true;
}

static bool check_file(const struct source_file *file, struct error *err)
{
	const struct yaml_node *root = file->doc->root;
	const struct yaml_node *kind = yaml_map_get(root, "kind"), *version = yaml_map_get(root, "apiVersion");
	struct str ignored;

	if (root->kind == YAML_NULL)
		return true;
	if (root->kind != YAML_MAPPING)
		return wrong(file, root, err, "no kubeconfig: a mapping is expected, not %s",
			     yaml_kind_name(root->kind));
	if (!is_absent(kind) && kind->text.len && !str_is(kind->text, "Config"))
		return wrong(file, kind, err, "no kubeconfig: kind is \"%.*s\", not \"Config\"", STR_ARG(kind->text));
	if (!text_of(&(struct entry){ .file = file }, root, "current-context", &ignored, err))
		return false;
	if (!is_absent(version) && version->text.len && !str_is(version->text, "v1"))
		return wrong(file, version, err, "apiVersion \"%.*s\" of a kubeconfig is not known, only \"v1\"",
			     STR_ARG(version->text));
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (!check_section(file, sections[i], err))
			return false;
	return true;
}

static bool parse_file(struct source_file *file, struct error *err)
{
	const struct yaml_limits limits = { .max_bytes = MAX_FILE_BYTES,
					    .max_nodes = 100000,
					    .max_expanded_bytes = 8u << 20,
					    .max_memory_bytes = 64u << 20,
					    .max_depth = 100 };
	struct buf text = BUF_INIT(0);
	bool ok = file_read(file->path, MAX_FILE_BYTES, &text, err) &&
		  yaml_read(buf_str(&text), file->path, &limits, &file->doc, err) &&
		  (!file->doc || check_file(file, err));

	buf_wipe(&text);
	return ok;
}

static void note_place(struct config *config, const char *place)
{
	buf_addf(&config->looked_at, "%s%s", config->looked_at.len ? ", " : "", place);
}

/* Every broken file is told, not only the first. */
static void note_problem(struct config *config, struct error *err)
{
	buf_addf(&config->problems, "%s%s", config->nproblems++ ? "; " : "", err->message);
	if (!config->problem_kind)
		config->problem_kind = err->kind;
	if (!config->hint && err->hint)
		config->hint = GIVE(err->hint);
}

static void add_file(struct config *config, const char *path, bool must_exist)
{
	AUTO_RELEASE(error) err = { 0 };
	struct source_file file = { .path = xstrdup(path), .folder = absolute_folder(path) };

	note_place(config, path);
	if (parse_file(&file, &err)) {
		LIST_PUSH(config->files, config->n, config->cap) = file;
		return;
	}
	if (err.kind != ERR_NOT_FOUND || must_exist)
		note_problem(config, &err);
	free(file.path);
	free(file.folder);
	yaml_doc_destroy(file.doc);
}

static void add_list(struct config *config, const char *list)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);
	struct str rest = str_of(list), item;

	for (bool more = true; more;) {
		more = str_cut(&rest, ':', &item);
		if (!more)
			item = rest;
		if (!item.len || map_has(&seen, item))
			continue;
		map_set(&seen, item, NULL);
		AUTO_FREE char *path = str_dup(item);

		add_file(config, path, false);
	}
}

static bool open_config(struct config *config, struct error *err)
{
	const struct kubeconfig_options *options = config->options;
	const char *list = variable(options, "KUBECONFIG"), *home = variable(options, "HOME");

	if (options->path && options->path[0]) {
		add_file(config, options->path, true);
	} else if (list) {
		add_list(config, list);
	} else if (home) {
		AUTO_FREE char *path = path_join(home, ".kube/config");

		add_file(config, path, false);
	} else {
		note_place(config, "~/.kube/config (HOME is not set)");
	}
	if (!config->nproblems)
		return true;
	error_set(err, config->problem_kind, "%s", buf_cstr(&config->problems));
	if (config->hint)
		error_hint(err, "%s", config->hint);
	return false;
}

static const struct yaml_node *root_of(const struct source_file *file)
{
	return file->doc ? file->doc->root : NULL;
}

/* As client-go: without any entry and without a current context there is no configuration. */
static bool config_is_empty(const struct config *config)
{
	for (size_t i = 0; i < config->n; i++) {
		const struct yaml_node *root = root_of(&config->files[i]);

		for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
			const struct yaml_node *list = yaml_map_get(root, sections[s]);

			if (yaml_is_seq(list) && list->seq.n)
				return false;
		}
		if (checked_text(root, "current-context").len)
			return false;
	}
	return true;
}

static bool find_in(const struct source_file *file, const char *section, const char *key, struct str name,
		    struct entry *ret)
{
	const struct yaml_node *list = yaml_map_get(root_of(file), section);

	for (uint32_t i = 0; yaml_is_seq(list) && i < list->seq.n; i++) {
		const struct yaml_node *item = list->seq.items[i], *value = yaml_map_get(item, key);

		if (!str_eq(checked_text(item, "name"), name))
			continue;
		*ret = (struct entry){ file, is_absent(value) ? NULL : value, is_absent(value) ? item : value };
		return true;
	}
	return false;
}

static bool find(const struct config *config, const char *section, const char *key, struct str name, struct entry *ret)
{
	for (size_t i = 0; i < config->n; i++)
		if (find_in(&config->files[i], section, key, name, ret))
			return true;
	return false;
}

static bool check_is_map(const struct entry *entry, const char *what, struct error *err)
{
	if (!entry->node || entry->node->kind == YAML_MAPPING)
		return true;
	return wrong(entry->file, entry->node, err, "%s must be a mapping, not %s", what,
		     yaml_kind_name(entry->node->kind));
}

/* Names of all contexts: name → the file that owns it. */
static void list_contexts(const struct config *config, struct map *ret)
{
	for (size_t i = 0; i < config->n; i++) {
		const struct yaml_node *list = yaml_map_get(root_of(&config->files[i]), "contexts");

		for (uint32_t k = 0; yaml_is_seq(list) && k < list->seq.n; k++) {
			struct str name = checked_text(list->seq.items[k], "name");

			if (name.len && !map_has(ret, name))
				map_set(ret, name, &config->files[i]);
		}
	}
}

/* ---- a user ---- */

static bool header_safe(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

static bool read_token(const struct entry *user, struct kube_login *login, struct error *err)
{
	struct str token;

	if (!text_of(user, user->node, "token", &token, err) || !read_path(user, "tokenFile", &login->token_file, err))
		return false;
	if (token.len && !header_safe(token))
		return wrong(user->file, yaml_map_get(user->node, "token"), err,
			     "token holds spaces or control characters, which no request can carry");
	secret_set(&login->token, token);
	if (token.len || !login->token_file)
		return true;

	struct buf text = BUF_INIT(0);
	bool ok = read_named_file(user, "tokenFile", login->token_file, MAX_TOKEN_BYTES, &text, err);
	struct str trimmed = str_trim(buf_str(&text));

	if (ok && !trimmed.len)
		ok = wrong(user->file, yaml_map_get(user->node, "tokenFile"), err, "tokenFile: %s is empty",
			   login->token_file);
	if (ok && !header_safe(trimmed))
		ok = wrong(user->file, yaml_map_get(user->node, "tokenFile"), err,
			   "tokenFile: %s holds spaces or control characters, which no request can carry",
			   login->token_file);
	if (ok)
		secret_set(&login->token, trimmed);
	buf_wipe(&text);
	return ok;
}

static bool read_basic(const struct entry *user, struct kube_login *login, struct error *err)
{
	struct str password;

	if (!read_text(user, user->node, "username", &login->username, err) ||
	    !text_of(user, user->node, "password", &password, err))
		return false;
	secret_set(&login->password, password);
	if (password.len && !login->username)
		login->username = xstrdup("");
	if (login->username && !secret_empty(&login->token))
		return wrong(user->file, user->place, err,
			     "more than one way to log in: token and username/password; keep one");
	return true;
}

static bool read_client_cert(const struct entry *user, struct kube_login *login, struct error *err)
{
	struct buf cert = BUF_INIT(0), key = BUF_INIT(0);
	bool ok = read_bytes(user, "client-certificate", &cert, &login->client_cert_file, err) &&
		  read_bytes(user, "client-key", &key, &login->client_key_file, err);

	if (ok && cert.len && !key.len)
		ok = wrong(user->file, user->place, err, "a client certificate without client-key or client-key-data");
	if (ok && cert.len) {
		login->client_cert_pem = buf_give(&cert);
		secret_set(&login->client_key_pem, buf_str(&key));
	}
	if (!login->client_cert_pem) { /* a key alone is not used, as in the original */
		free(GIVE(login->client_cert_file));
		free(GIVE(login->client_key_file));
	}
	buf_release(&cert);
	buf_wipe(&key);
	return ok;
}

static bool read_extra(const struct entry *user, struct kube_login *login, struct error *err)
{
	const struct yaml_node *extra = yaml_map_get(user->node, "as-user-extra");

	if (is_absent(extra))
		return true;
	if (extra->kind != YAML_MAPPING)
		return wrong(user->file, extra, err, "as-user-extra must be a mapping of lists");
	for (uint32_t i = 0; i < extra->map.n; i++) {
		char **values = NULL;

		if (!is_text(extra->map.pairs[i].key))
			return wrong(user->file, extra->map.pairs[i].key, err, "a key of as-user-extra must be a string");
		if (!read_texts(user, extra->map.pairs[i].value, "a value of as-user-extra", &values, err))
			return false;
		map_set(&login->impersonate_extra, extra->map.pairs[i].key->text, values);
	}
	return true;
}

static bool read_impersonation(const struct entry *user, struct kube_login *login, struct error *err)
{
	if (!read_text(user, user->node, "as", &login->impersonate_user, err) ||
	    !read_text(user, user->node, "as-uid", &login->impersonate_uid, err) ||
	    !read_texts(user, yaml_map_get(user->node, "as-groups"), "as-groups", &login->impersonate_groups, err) ||
	    !read_extra(user, login, err))
		return false;
	if (!login->impersonate_user &&
	    (login->impersonate_uid || (login->impersonate_groups && *login->impersonate_groups) ||
	     login->impersonate_extra.len))
		return wrong(user->file, user->place, err, "as-uid, as-groups and as-user-extra need \"as\"");
	return true;
}

static bool read_exec_env(const struct entry *user, const struct yaml_node *list, struct kube_exec *exec,
			  struct error *err)
{
	size_t n = 0, cap = 0;

	if (is_absent(list))
		return true;
	if (list->kind != YAML_SEQUENCE)
		return wrong(user->file, list, err, "env of exec must be a list of name and value");
	for (uint32_t i = 0; i < list->seq.n; i++) {
		const struct yaml_node *item = list->seq.items[i];
		struct str name = { 0 }, value = { 0 };

		if (item->kind != YAML_MAPPING)
			return wrong(user->file, item, err, "an element of env must be a mapping of name and value");
		if (!text_of(user, item, "name", &name, err) || !text_of(user, item, "value", &value, err))
			return false;
		if (!name.len || str_find_char(name, '=') >= 0)
			return wrong(user->file, item, err, "an element of env needs a name without \"=\"");
		char *pair = xasprintf("%.*s=%.*s", STR_ARG(name), STR_ARG(value));

		LIST_PUSH(exec->env, n, cap) = pair;
		LIST_PUSH(exec->env, n, cap) = NULL; /* ended at all times: it may be freed after any error */
		n--;
	}
	return true;
}

static bool check_exec(const struct entry *user, const struct yaml_node *node, struct kube_exec *exec,
		       struct error *err)
{
	static const char v1[] = "client.authentication.k8s.io/v1", v1beta1[] = "client.authentication.k8s.io/v1beta1";
	static const char *const modes[] = { "Never", "IfAvailable", "Always" };

	if (!exec->command)
		return wrong(user->file, node, err, "exec has no command");
	if (!exec->api_version)
		return wrong(user->file, node, err, "exec has no apiVersion: %s or %s", v1, v1beta1);
	if (strcmp(exec->api_version, v1) != 0 && strcmp(exec->api_version, v1beta1) != 0)
		return wrong(user->file, yaml_map_get(node, "apiVersion"), err,
			     "apiVersion \"%s\" of exec is not supported, only %s and %s: renew this entry with the "
			     "tool that made it",
			     exec->api_version, v1, v1beta1);
	if (!exec->interactive_mode && !strcmp(exec->api_version, v1))
		return wrong(user->file, node, err, "exec needs interactiveMode: Never, IfAvailable or Always");
	if (!exec->interactive_mode)
		exec->interactive_mode = xstrdup("IfAvailable");
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(exec->interactive_mode, modes[i]))
			return true;
	return wrong(user->file, yaml_map_get(node, "interactiveMode"), err,
		     "interactiveMode \"%s\" is not known: Never, IfAvailable or Always", exec->interactive_mode);
}

/* A command with a separator belongs to the folder of the file, a bare word to PATH. */
static void place_command(const struct entry *user, struct kube_exec *exec)
{
	if (!exec->command || !strchr(exec->command, '/'))
		return;
	char *path = path_join(user->file->folder, exec->command);

	free(exec->command);
	exec->command = path;
}

static bool read_exec(const struct entry *user, struct kube_login *login, struct error *err)
{
	const struct yaml_node *node = yaml_map_get(user->node, "exec");
	struct entry inner = { user->file, node, node };

	if (is_absent(node))
		return true;
	if (node->kind != YAML_MAPPING)
		return wrong(user->file, node, err, "exec must be a mapping, not %s", yaml_kind_name(node->kind));
	struct kube_exec *exec = login->exec = xcalloc(1, sizeof *exec);

	if (!read_text(user, node, "apiVersion", &exec->api_version, err) ||
	    !read_text(user, node, "command", &exec->command, err) ||
	    !read_texts(user, yaml_map_get(node, "args"), "args", &exec->args, err) ||
	    !read_exec_env(user, yaml_map_get(node, "env"), exec, err) ||
	    !read_text(user, node, "installHint", &exec->install_hint, err) ||
	    !read_text(user, node, "interactiveMode", &exec->interactive_mode, err) ||
	    !read_bool(&inner, "provideClusterInfo", &exec->provide_cluster_info, err))
		return false;
	place_command(user, exec);
	return check_exec(user, node, exec, err);
}

static void exec_destroy(struct kube_exec *exec)
{
	if (!exec)
		return;
	free(exec->api_version);
	free(exec->command);
	texts_free(exec->args);
	texts_free(exec->env);
	free(exec->install_hint);
	free(exec->interactive_mode);
	free(exec->cluster_config_json);
	free(exec);
}

static bool has_credential(const struct kube_login *login)
{
	return !secret_empty(&login->token) || login->token_file || login->username || login->client_cert_pem;
}

/* The logins that kubectl once had built in: say what took their place. */
static bool refuse_auth_provider(const struct entry *user, struct error *err)
{
	static const struct {
		const char *name, *hint;
	} successors[] = {
		{ "gcp", "install gke-gcloud-auth-plugin, then run: gcloud container clusters get-credentials CLUSTER" },
		{ "azure", "install kubelogin (Azure), then run: kubelogin convert-kubeconfig" },
		{ "oidc", "use a login plugin such as kubelogin (kubectl oidc-login) in an exec entry" },
	};
	const struct yaml_node *node = yaml_map_get(user->node, "auth-provider");
	struct str name = yaml_map_text(node, "name");

	if (is_absent(node))
		return true;
	wrong(user->file, node, err, "auth-provider \"%.*s\" is not supported: such logins are exec plugins now",
	      STR_ARG(name));
	for (size_t i = 0; i < ARRAY_LEN(successors); i++)
		if (str_is(name, successors[i].name))
			error_hint(err, "%s", successors[i].hint);
	return false;
}

static bool read_user(const struct entry *user, struct kube_login *login, struct error *err)
{
	if (!check_is_map(user, "user", err) || !read_token(user, login, err) || !read_basic(user, login, err) ||
	    !read_client_cert(user, login, err) || !read_exec(user, login, err) ||
	    !read_impersonation(user, login, err))
		return false;
	if (has_credential(login)) { /* the plugin is for those who have nothing else */
		exec_destroy(login->exec);
		login->exec = NULL;
		return true;
	}
	return login->exec || refuse_auth_provider(user, err);
}

/* ---- a cluster ---- */

/* Query and fragment go; without a scheme it is https when the entry speaks of TLS, as in the original. */
static bool set_server(struct kube_login *login, struct str text, bool tls, struct error *err)
{
	size_t end = 0;
	struct url url;

	while (end < text.len && text.p[end] != '?' && text.p[end] != '#')
		end++;
	text.len = end;
	AUTO_FREE char *full =
		xasprintf("%s%.*s", str_find(text, STR("://")) >= 0 ? "" : tls ? "https://" : "http://", STR_ARG(text));

	if (!url_parse(str_of(full), &url, err))
		return false;
	if (!str_ieq(url.scheme, STR("https")) && !str_ieq(url.scheme, STR("http")))
		return error_set(err, ERR_INVALID, "scheme \"%.*s\" is not supported, only https and http",
				 STR_ARG(url.scheme));
	if (url.user.len)
		return error_set(err, ERR_INVALID, "a URL with a user or password in it is not supported");
	free(login->server);
	login->server = GIVE(full);
	return true;
}

static bool read_server(const struct entry *cluster, struct kube_login *login, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	struct str server;
	bool tls = login->ca_pem || login->insecure_skip_tls_verify || login->client_cert_pem;

	if (!text_of(cluster, cluster->node, "server", &server, err))
		return false;
	if (!server.len || set_server(login, server, tls, &why))
		return true;
	return wrong(cluster->file, yaml_map_get(cluster->node, "server"), err, "server: %s", why.message);
}

static bool read_proxy(const struct entry *cluster, struct kube_login *login, struct error *err)
{
	static const char *const schemes[] = { "http", "https", "socks5" };
	const struct yaml_node *node = yaml_map_get(cluster->node, "proxy-url");
	AUTO_RELEASE(error) why = { 0 };
	struct url url;

	if (!read_text(cluster, cluster->node, "proxy-url", &login->proxy_url, err))
		return false;
	if (!login->proxy_url)
		return true;
	if (!url_parse(str_of(login->proxy_url), &url, &why))
		return wrong(cluster->file, node, err, "proxy-url: %s", why.message);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_is(url.scheme, schemes[i]))
			return true;
	return wrong(cluster->file, node, err, "proxy-url: scheme \"%.*s\" is not supported, only http, https and socks5",
		     STR_ARG(url.scheme));
}

static bool read_ca(const struct entry *cluster, struct kube_login *login, struct error *err)
{
	AUTO_RELEASE(buf) ca = BUF_INIT(0);

	if (!read_bytes(cluster, "certificate-authority", &ca, &login->ca_file, err) ||
	    !read_bool(cluster, "insecure-skip-tls-verify", &login->insecure_skip_tls_verify, err))
		return false;
	if (ca.len)
		login->ca_pem = buf_give(&ca);
	if (login->insecure_skip_tls_verify && login->ca_pem)
		return wrong(cluster->file, cluster->place, err,
			     "insecure-skip-tls-verify contradicts certificate-authority; keep one");
	return true;
}

static bool read_cluster(const struct entry *cluster, struct kube_login *login, struct error *err)
{
	return check_is_map(cluster, "cluster", err) && read_ca(cluster, login, err) &&
	       read_server(cluster, login, err) && read_proxy(cluster, login, err) &&
	       read_text(cluster, cluster->node, "tls-server-name", &login->tls_server_name, err) &&
	       read_bool(cluster, "disable-compression", &login->disable_compression, err);
}

/* What the cluster wants to tell the plugin: extensions[name=client.authentication.k8s.io/exec].extension. */
static bool read_cluster_config(const struct entry *cluster, struct kube_exec *exec, struct error *err)
{
	const struct yaml_node *list = yaml_map_get(cluster->node, "extensions");
	AUTO_RELEASE(error) why = { 0 };
	AUTO_RELEASE(buf) json = BUF_INIT(MAX_FILE_BYTES);

	for (uint32_t i = 0; yaml_is_seq(list) && i < list->seq.n; i++) {
		const struct yaml_node *value = yaml_map_get(list->seq.items[i], "extension");

		if (!str_is(yaml_map_text(list->seq.items[i], "name"), EXEC_EXTENSION) || is_absent(value))
			continue;
		if (!yaml_to_json(value, &json, &why))
			return wrong(cluster->file, value, err, "extension %s: %s", EXEC_EXTENSION, why.message);
		exec->cluster_config_json = buf_give(&json);
		return true;
	}
	return true;
}

/* ---- the pod that we run in ---- */

static const char *pod_folder(const struct kubeconfig_options *options)
{
	return options->service_account_folder ? options->service_account_folder : POD_FOLDER;
}

static bool in_pod(const struct kubeconfig_options *options)
{
	AUTO_FREE char *token = path_join(pod_folder(options), "token");
	struct stat status;

	return variable(options, "KUBERNETES_SERVICE_HOST") && variable(options, "KUBERNETES_SERVICE_PORT") &&
	       stat(token, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* NULL: the pod does not say. */
static char *pod_namespace(const struct kubeconfig_options *options)
{
	AUTO_FREE char *path = path_join(pod_folder(options), "namespace");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) ignored = { 0 };
	const char *given = variable(options, "POD_NAMESPACE");

	if (given)
		return xstrdup(given);
	if (!file_read(path, 4096, &text, &ignored) || !str_trim(buf_str(&text)).len)
		return NULL;
	return str_dup(str_trim(buf_str(&text)));
}

static bool read_pod_token(struct kube_login *login, struct error *err)
{
	struct buf text = BUF_INIT(0);
	bool ok = file_read(login->token_file, MAX_TOKEN_BYTES, &text, err);
	struct str token = str_trim(buf_str(&text));

	if (ok && (!token.len || !header_safe(token)))
		ok = error_set(err, ERR_INVALID, "%s: no token in it", login->token_file);
	if (ok)
		secret_set(&login->token, token);
	buf_wipe(&text);
	return ok;
}

static bool login_to_pod(const struct kubeconfig_options *options, struct kube_login *login, struct error *err)
{
	const char *host = variable(options, "KUBERNETES_SERVICE_HOST");
	const char *port = variable(options, "KUBERNETES_SERVICE_PORT");
	bool ipv6 = strchr(host, ':') && host[0] != '[';
	AUTO_FREE char *server = xasprintf("https://%s%s%s:%s", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
	AUTO_FREE char *ca_file = path_join(pod_folder(options), "ca.crt");
	AUTO_RELEASE(buf) ca = BUF_INIT(0);
	AUTO_RELEASE(error) no_ca = { 0 };

	login->context = xstrdup(POD_CONTEXT);
	login->cluster = xstrdup(POD_CONTEXT);
	login->user = xstrdup(POD_CONTEXT);
	login->source = xstrdup(pod_folder(options));
	login->token_file = path_join(pod_folder(options), "token");
	if (!set_server(login, str_of(server), true, err))
		return error_wrap(err, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT");
	/* Without a usable CA the system's roots decide, as in the original; the handshake then tells the truth. */
	if (file_read(ca_file, MAX_FILE_BYTES, &ca, &no_ca) && ca.len) {
		login->ca_pem = buf_give(&ca);
		login->ca_file = GIVE(ca_file);
	}
	return read_pod_token(login, err);
}

/* ---- a context ---- */

static bool is_dns_label(struct str s)
{
	if (!s.len || s.len > 63 || s.p[0] == '-' || s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
			return false;
	return true;
}

/* "a, b, c and 4 more". */
static void tell_names(const struct map *names, struct buf *out)
{
	for (size_t i = 0; i < names->len && i < MAX_NAMES_TOLD; i++) {
		buf_adds(out, i ? ", " : "");
		buf_add_plain(out, (struct str){ names->entries[i].key, names->entries[i].key_len });
	}
	if (names->len > MAX_NAMES_TOLD)
		buf_addf(out, " and %zu more", names->len - MAX_NAMES_TOLD);
}

static const char *nearest_name(const struct map *names, const char *typed)
{
	const char **list = xcalloc(names->len + 1, sizeof *list);

	for (size_t i = 0; i < names->len; i++)
		list[i] = names->entries[i].key;
	const char *nearest = str_nearest(typed, list, names->len);

	free(list);
	return nearest;
}

static bool no_such_context(const struct config *config, const char *name, struct error *err)
{
	AUTO_RELEASE(map) names = MAP_INIT(NULL);
	AUTO_RELEASE(buf) told = BUF_INIT(0);
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	list_contexts(config, &names);
	tell_names(&names, &told);
	buf_add_plain(&plain, str_of(name));
	error_set(err, ERR_NOT_FOUND, "context \"%s\" is not in %s", buf_cstr(&plain), buf_cstr(&config->looked_at));
	const char *nearest = nearest_name(&names, name);
	AUTO_RELEASE(buf) near = BUF_INIT(0);

	buf_add_plain(&near, str_of(nearest));
	if (nearest)
		return error_hint(err, "did you mean \"%s\"? contexts: %s", buf_cstr(&near), buf_cstr(&told));
	return error_hint(err, names.len ? "contexts: %s" : "these files have no contexts%s", buf_cstr(&told));
}

static bool nothing_selected(const struct config *config, struct error *err)
{
	AUTO_RELEASE(map) names = MAP_INIT(NULL);
	AUTO_RELEASE(buf) told = BUF_INIT(0);

	list_contexts(config, &names);
	tell_names(&names, &told);
	error_set(err, ERR_NOT_FOUND, "no context is selected: current-context is not set in %s",
		  buf_cstr(&config->looked_at));
	if (names.len)
		error_hint(err, "select one with --context: %s", buf_cstr(&told));
	return false;
}

static bool nothing_anywhere(struct config *config, struct error *err)
{
	AUTO_FREE char *token = path_join(pod_folder(config->options), "token");

	note_place(config, token);
	error_set(err, ERR_NOT_FOUND, "no cluster is configured; looked at %s", buf_cstr(&config->looked_at));
	return error_hint(err, "give a file with --kubeconfig or KUBECONFIG");
}

/* The first file that names one. NULL: none does. */
static char *current_context(const struct config *config)
{
	if (config->options->context && config->options->context[0])
		return xstrdup(config->options->context);
	for (size_t i = 0; i < config->n; i++) {
		struct str name = checked_text(root_of(&config->files[i]), "current-context");

		if (name.len)
			return str_dup(name);
	}
	return NULL;
}

static bool read_context_namespace(const struct entry *context, struct kube_login *login, struct error *err)
{
	if (!read_text(context, context->node, "namespace", &login->namespace, err))
		return false;
	if (login->namespace && !is_dns_label(str_of(login->namespace)))
		return wrong(context->file, yaml_map_get(context->node, "namespace"), err,
			     "namespace \"%s\" is no name that a namespace can have", login->namespace);
	login->namespace_given = login->namespace != NULL;
	return true;
}

static bool login_to_context(const struct config *config, const struct entry *context, struct kube_login *login,
			     struct error *err)
{
	struct entry cluster = { 0 }, user = { 0 };

	login->source = xstrdup(context->file->path);
	if (!check_is_map(context, "context", err) ||
	    !read_text(context, context->node, "cluster", &login->cluster, err) ||
	    !read_text(context, context->node, "user", &login->user, err) ||
	    !read_context_namespace(context, login, err))
		return false;
	if (login->cluster && !find(config, "clusters", "cluster", str_of(login->cluster), &cluster))
		return wrong(context->file, yaml_map_get(context->node, "cluster"), err,
			     "context \"%s\": no cluster \"%s\" in %s", login->context, login->cluster,
			     buf_cstr(&config->looked_at));
	if (login->user && !find(config, "users", "user", str_of(login->user), &user))
		return wrong(context->file, yaml_map_get(context->node, "user"), err,
			     "context \"%s\": no user \"%s\" in %s", login->context, login->user,
			     buf_cstr(&config->looked_at));
	if ((user.file && !read_user(&user, login, err)) || (cluster.file && !read_cluster(&cluster, login, err)))
		return false;
	if (login->exec && cluster.file && !read_cluster_config(&cluster, login->exec, err))
		return false;
	if (login->server || config->options->server)
		return true;
	if (cluster.file)
		return wrong(cluster.file, cluster.place, err, "cluster \"%s\" has no server", login->cluster);
	return wrong(context->file, context->place, err, "context \"%s\" names no cluster", login->context);
}

/* ---- flags over all ---- */

static bool override_server(struct kube_login *login, const struct kubeconfig_options *options, struct error *err)
{
	bool tls = login->ca_pem || login->insecure_skip_tls_verify || login->client_cert_pem;

	if (!options->server || !options->server[0])
		return true;
	if (!set_server(login, str_of(options->server), tls, err))
		return error_wrap(err, "--server");
	free(login->tls_server_name); /* it named the other server */
	login->tls_server_name = NULL;
	return true;
}

static bool settle_namespace(struct kube_login *login, const struct kubeconfig_options *options, struct error *err)
{
	if (options->namespace && options->namespace[0]) {
		free(login->namespace);
		login->namespace = xstrdup(options->namespace);
		login->namespace_given = true;
	}
	/* Also with a kubeconfig whose context names none: client-go then takes the pod's. */
	if (!login->namespace && in_pod(options)) {
		login->namespace = pod_namespace(options);
		login->namespace_given = login->namespace != NULL;
	}
	if (!login->namespace)
		login->namespace = xstrdup("default");
	if (is_dns_label(str_of(login->namespace)))
		return true;
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, str_of(login->namespace));
	return error_set(err, ERR_INVALID, "namespace \"%s\" is no name that a namespace can have", buf_cstr(&plain));
}

/* ---- the interface ---- */

void kube_login_destroy(struct kube_login *login)
{
	if (!login)
		return;
	char *texts[] = { login->context,	   login->cluster,	    login->user,
			  login->namespace,	   login->source,	    login->server,
			  login->ca_pem,	   login->ca_file,	    login->tls_server_name,
			  login->proxy_url,	   login->token_file,	    login->username,
			  login->client_cert_pem,  login->client_cert_file, login->client_key_file,
			  login->impersonate_user, login->impersonate_uid };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	secret_release(&login->token);
	secret_release(&login->password);
	secret_release(&login->client_key_pem);
	exec_destroy(login->exec);
	texts_free(login->impersonate_groups);
	map_release(&login->impersonate_extra);
	free(login);
}

static bool resolve(struct config *config, struct kube_login *login, struct error *err)
{
	const struct kubeconfig_options *options = config->options;
	AUTO_FREE char *name = current_context(config);
	bool empty = config_is_empty(config), server = options->server && options->server[0];
	struct entry context;

	if (empty && !server && (!name || !strcmp(name, POD_CONTEXT)))
		return in_pod(options) ? login_to_pod(options, login, err) : nothing_anywhere(config, err);
	if (!name)
		return server || nothing_selected(config, err);
	if (!find(config, "contexts", "context", str_of(name), &context))
		return no_such_context(config, name, err);
	login->context = GIVE(name);
	return login_to_context(config, &context, login, err);
}

bool kubeconfig_load(const struct kubeconfig_options *options, struct kube_login **ret, struct error *err)
{
	AUTO_RELEASE(config) config = { .options = options };
	AUTO(kube_login) login = xcalloc(1, sizeof *login);

	login->impersonate_extra = (struct map)MAP_INIT(texts_free);
	if (!open_config(&config, err) || !resolve(&config, login, err) || !override_server(login, options, err) ||
	    !settle_namespace(login, options, err))
		return false;
	*ret = GIVE(login);
	return true;
}

void kube_context_names_free(struct kube_context_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(names[i].name);
		free(names[i].cluster);
		free(names[i].user);
		free(names[i].namespace);
		free(names[i].server);
	}
	free(names);
}

/* A cluster that is not there is told when somebody goes to it. */
static bool name_server(const struct config *config, struct kube_context_name *name, struct error *err)
{
	struct entry cluster = { 0 };

	if (!name->cluster || !find(config, "clusters", "cluster", str_of(name->cluster), &cluster))
		return true;
	return check_is_map(&cluster, "cluster", err) && read_text(&cluster, cluster.node, "server", &name->server, err);
}

static bool name_context(const struct config *config, const struct entry *context, struct kube_context_name *name, struct error *err)
{
	return check_is_map(context, "context", err) &&
	       read_text(context, context->node, "cluster", &name->cluster, err) &&
	       read_text(context, context->node, "user", &name->user, err) &&
	       read_text(context, context->node, "namespace", &name->namespace, err) && name_server(config, name, err);
}

bool kubeconfig_contexts(const struct kubeconfig_options *options, struct kube_context_name **ret, size_t *ret_n,
			 struct error *err)
{
	AUTO_RELEASE(config) config = { .options = options };
	AUTO_RELEASE(map) names = MAP_INIT(NULL);

	if (!open_config(&config, err))
		return false;
	list_contexts(&config, &names);
	AUTO_FREE char *current = current_context(&config);
	struct kube_context_name *list = xcalloc(names.len + 1, sizeof *list);
	size_t n = names.len;

	for (size_t i = 0; i < n; i++) {
		struct str name = { names.entries[i].key, names.entries[i].key_len };
		struct entry context = { 0 };

		list[i].name = str_dup(name);
		list[i].current = current && str_is(name, current);
		if (find_in(names.entries[i].value, "contexts", "context", name, &context) &&
		    name_context(&config, &context, &list[i], err))
			continue;
		kube_context_names_free(list, n);
		return false;
	}
	if (config_is_empty(&config) && in_pod(options)) {
		list[n++] = (struct kube_context_name){ .name = xstrdup(POD_CONTEXT),
							.cluster = xstrdup(POD_CONTEXT),
							.user = xstrdup(POD_CONTEXT),
							.namespace = pod_namespace(options),
							.current = true };
	}
	*ret = list;
	*ret_n = n;
	return true;
}
