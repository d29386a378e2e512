#include "registry/login.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/process.h"

#define HUB_KEY		"https://index.docker.io/v1/"
#define FILE_MAX_BYTES	((size_t)4 << 20)
#define HELPER_MAX	((size_t)64 << 10)
#define HELPER_LIMIT_MS 30000

struct search {
	const struct login_options *options;
	const char *registry, *repository;
	const struct cancel *cancel;
	struct login *login;
};

static void note(const struct search *s, const char *text)
{
	if (s->options->on_note)
		s->options->on_note(text, s->options->arg);
}

static bool is_hub(const char *registry)
{
	return strcmp(registry, "docker.io") == 0;
}

static void set_secret(struct secret *secret, const json_t *value)
{
	if (json_is_string(value) && json_string_length(value))
		secret_set(secret, (struct str){ json_string_value(value), json_string_length(value) });
}

static void set_user(struct login *login, struct str user)
{
	free(login->user);
	login->user = str_dup(user);
}

/* ---- helpers ---- */

static bool is_helper_name(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
}

static void take_helper_answer(struct login *login, struct str text)
{
	json_t *answer = json_loadb(text.p, text.len, 0, NULL);
	const char *user = json_string_value(json_object_get(answer, "Username"));

	if (user && strcmp(user, "<token>") == 0) {
		set_secret(&login->identity_token, json_object_get(answer, "Secret"));
	} else if (user) {
		set_user(login, str_of(user));
		set_secret(&login->password, json_object_get(answer, "Secret"));
	}
	json_decref(answer);
}

static bool ask_helper(const struct search *s, const char *name, struct error *err)
{
	AUTO_FREE char *program = xasprintf("docker-credential-%s", name);
	const char *const argv[] = { program, "get", NULL };
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) why = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	const char *server = is_hub(s->registry) ? HUB_KEY : s->registry;
	bool ran = is_helper_name(name) && !s->options->deny_exec &&
		   process_run(&(struct process_options){ .argv = argv,
							  .stdin_text = str_of(server),
							  .max_output_bytes = HELPER_MAX,
							  .limit_is_error = true,
							  .timeout_ms = HELPER_LIMIT_MS },
			       s->cancel, &result, &why);

	if (why.kind == ERR_CANCELLED)
		return error_move(err, &why);
	if (ran && result.exit_code == 0) {
		take_helper_answer(s->login, buf_str(&result.out));
	} else if (!ran || str_find(buf_str(&result.out), STR("credentials not found")) < 0) {
		buf_addf(&text, "no login for %s from the credential helper docker-credential-", s->registry);
		buf_add_plain(&text, str_of(name));
		buf_addf(&text, ": %s; going on without", s->options->deny_exec ? "--deny-exec forbids to run it" : ran ? "it failed" : why.message ? why.message : "its name is none");
		note(s, buf_cstr(&text));
	}
	if (result.out.p)
		secret_wipe(result.out.p, result.out.len);
	return true;
}

/* ---- auths ---- */

/* "https://host/v2/" is the same as "host". */
static struct str plain_key(struct str key)
{
	static const char *const heads[] = { "https://", "http://" }, *const tails[] = { "/v1", "/v2" };

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (str_starts(key, str_of(heads[i])))
			key = (struct str){ key.p + strlen(heads[i]), key.len - strlen(heads[i]) };
	while (key.len && key.p[key.len - 1] == '/')
		key.len--;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++)
		if (str_ends(key, str_of(tails[i])))
			key.len -= strlen(tails[i]);
	return str_is(key, "index.docker.io") || str_is(key, "registry-1.docker.io") ? STR("docker.io") : key;
}

/* How much of the name a key covers, 0: not meant. */
static size_t covers(struct str key, struct str name)
{
	if (!key.len || !str_starts(name, key) || (name.len > key.len && name.p[key.len] != '/'))
		return 0;
	return key.len;
}

static json_t *best_entry(const struct search *s, json_t *auths)
{
	AUTO_FREE char *name = xasprintf("%s/%s", s->registry, s->repository);
	json_t *entry, *best = NULL;
	const char *key;
	size_t most = 0;

	json_object_foreach(auths, key, entry) {
		size_t length = covers(plain_key(str_of(key)), str_of(name));

		if (length > most && json_object_size(entry)) {
			most = length;
			best = entry;
		}
	}
	return best;
}

static void take_auth(struct login *login, struct str encoded)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct str rest, user;

	if (base64_decode(&text, encoded, BASE64_STANDARD)) {
		rest = buf_str(&text);
		if (str_cut(&rest, ':', &user)) {
			set_user(login, user);
			secret_set(&login->password, rest);
		}
	}
	if (text.p)
		secret_wipe(text.p, text.len);
}

static void take_entry(struct login *login, const json_t *entry)
{
	const char *user = json_string_value(json_object_get(entry, "username"));
	const char *auth = json_string_value(json_object_get(entry, "auth"));

	if (auth && *auth)
		take_auth(login, str_of(auth));
	if (user && *user) {
		set_user(login, str_of(user));
		set_secret(&login->password, json_object_get(entry, "password"));
	}
	set_secret(&login->identity_token, json_object_get(entry, "identitytoken"));
	set_secret(&login->registry_token, json_object_get(entry, "registrytoken"));
}

/* ---- files ---- */

static const char *helper_of(const struct search *s, const json_t *config)
{
	const char *helper = json_string_value(json_object_get(json_object_get(config, "credHelpers"), s->registry));

	if (!helper && is_hub(s->registry))
		helper = json_string_value(json_object_get(json_object_get(config, "credHelpers"), "index.docker.io"));
	return helper ? helper : json_string_value(json_object_get(config, "credsStore"));
}

static bool search_file(const struct search *s, const char *path, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	json_error_t where;

	if (!file_exists(path))
		return true;
	if (!file_read(path, FILE_MAX_BYTES, &text, err))
		return error_wrap(err, "logins of registries");
	json_t *config = json_loadb(buf_cstr(&text), text.len, 0, &where);

	secret_wipe(text.p, text.len);
	if (!config)
		return error_set(err, ERR_INVALID, "%s:%d:%d: logins of registries: this is no JSON", path, where.line, where.column);
	const char *helper = helper_of(s, config);
	bool good = !helper || !*helper || ask_helper(s, helper, err);

	if (good && login_is_anonymous(s->login))
		take_entry(s->login, best_entry(s, json_object_get(config, "auths")));
	json_decref(config);
	return good;
}

/* Where such files lie: a variable and what comes behind it. */
static const struct {
	const char *variable, *behind;
	bool instead; /* the row before is not looked at when this one's variable is set */
} places[] = {
	{ "HOME", "/.docker/config.json", false },
	{ "DOCKER_CONFIG", "/config.json", true },
	{ "REGISTRY_AUTH_FILE", "", false },
	{ "XDG_RUNTIME_DIR", "/containers/auth.json", false },
	{ "HOME", "/.config/containers/auth.json", false },
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

bool login_find(const struct login_options *options, const char *registry, const char *repository, const struct cancel *cancel, struct login *ret,
		struct error *err)
{
	struct search search = { options, registry, repository, cancel, ret };

	login_release(ret);
	if (options->file)
		return search_file(&search, options->file, err);
	for (size_t i = 0; i < ARRAY_LEN(places) && login_is_anonymous(ret); i++) {
		const char *value = variable(places[i].variable);

		if (!value || (i + 1 < ARRAY_LEN(places) && places[i + 1].instead && variable(places[i + 1].variable)))
			continue;
		AUTO_FREE char *path = xasprintf("%s%s", value, places[i].behind);

		if (!search_file(&search, path, err))
			return false;
	}
	return true;
}

bool login_is_anonymous(const struct login *login)
{
	return !login->user && secret_empty(&login->identity_token) && secret_empty(&login->registry_token);
}

bool login_basic(const struct login *login, struct secret *ret)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	if (!login->user)
		return false;
	buf_addf(&plain, "%s:", login->user);
	buf_add_str(&plain, secret_reveal(&login->password));
	buf_adds(&line, "Basic ");
	base64_encode(&line, buf_str(&plain), BASE64_STANDARD);
	secret_set(ret, buf_str(&line));
	secret_wipe(plain.p, plain.len);
	secret_wipe(line.p, line.len);
	return true;
}

void login_release(struct login *login)
{
	free(login->user);
	secret_release(&login->password);
	secret_release(&login->identity_token);
	secret_release(&login->registry_token);
	*login = (struct login){ 0 };
}
