#include "registry/certs.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

/* Gives the folder, or NULL. */
static char *find_folder(const char *host)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	AUTO_FREE char *own = config && *config ? xstrdup(config) : xasprintf("%s/.config", home ? home : "");
	const struct {
		const char *root, *rest;
	} places[] = { { own, "/containers" }, { own, "/docker" }, { "/etc", "/containers" }, { "/etc", "/docker" } };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *folder = xasprintf("%s%s/certs.d/%s", places[i].root, places[i].rest, host);

		if (file_exists(folder))
			return GIVE(folder);
	}
	return NULL;
}

static bool add_authority(const char *path, struct certs *into, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (!file_read(path, FILE_MAX_BYTES, &text, err))
		return false;
	buf_add_str(&into->ca_pem, buf_str(&text));
	buf_addc(&into->ca_pem, '\n');
	return true;
}

static bool set_client(const char *path, struct certs *into, struct error *err)
{
	AUTO_FREE char *key = xasprintf("%.*skey", (int)(strlen(path) - strlen("cert")), path);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (!file_read(path, FILE_MAX_BYTES, &into->client_pem, err) || !file_read(key, FILE_MAX_BYTES, &text, err))
		return false;
	secret_set(&into->client_key_pem, buf_str(&text));
	secret_wipe(text.p, text.len);
	return true;
}

static bool take_file(const char *folder, const char *name, struct certs *into, struct error *err)
{
	AUTO_FREE char *path = path_join(folder, name);

	if (ends_with(name, ".crt"))
		return add_authority(path, into, err);
	if (ends_with(name, ".cert") && !into->client_pem.len)
		return set_client(path, into, err);
	return true;
}

bool certs_find(const char *host, struct certs *ret, struct error *err)
{
	AUTO_FREE char *folder = find_folder(host);
	struct dirent **entries;
	int n = folder ? scandir(folder, &entries, NULL, alphasort) : 0;
	bool good = true;

	if (n < 0)
		return error_set(err, ERR_DENIED, "%s: can't be read", folder);
	for (int i = 0; i < n; i++) {
		good = good && take_file(folder, entries[i]->d_name, ret, err);
		free(entries[i]);
	}
	if (folder)
		free(entries);
	return good;
}

void certs_release(struct certs *certs)
{
	buf_release(&certs->ca_pem);
	buf_release(&certs->client_pem);
	secret_release(&certs->client_key_pem);
}
