/* Whatever a kubeconfig holds: a login that is whole, or an error of one line that says where. Once as one file, once
 * merged behind a good one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] = "current-context: a\n"
			   "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
			   "clusters: [{name: a, cluster: {server: \"https://a\"}}]\n";

static void check_error(const struct error *err)
{
	if (!err->kind || !err->message || strpbrk(err->message, "\n\033"))
		abort();
}

static void check_login(const struct kube_login *login)
{
	if (!login->namespace || !login->namespace[0] || !login->server)
		abort();
	if (login->exec && (!login->exec->command || !login->exec->api_version || !login->exec->interactive_mode))
		abort();
	if (login->client_cert_pem && secret_empty(&login->client_key_pem))
		abort();
}

static void load(const struct kubeconfig_options *options)
{
	struct kube_login *loaded = NULL;
	struct kube_context_name *names;
	size_t n;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(error) list_err = { 0 };

	if (kubeconfig_load(options, &loaded, &err)) {
		AUTO(kube_login) login = loaded;

		check_login(login);
	} else {
		check_error(&err);
	}
	if (kubeconfig_contexts(options, &names, &n, &list_err))
		kube_context_names_free(names, n);
	else
		check_error(&list_err);
}

static bool put(const char *folder, const char *name, struct str bytes)
{
	AUTO_FREE char *path = path_join(folder, name);
	FILE *file = fopen(path, "w"); /* file_write_atomic() waits for the disk */

	if (!file)
		return false;
	fwrite(bytes.p, 1, bytes.len, file);
	return fclose(file) == 0;
}

static void drop(const char *folder, const char *name)
{
	AUTO_FREE char *path = path_join(folder, name);

	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[] = "/tmp/fuzz-kubeconfig-XXXXXX";

	if (!mkdtemp(folder))
		return 0;
	AUTO_FREE char *list = xasprintf("KUBECONFIG=%s/good:%s/config", folder, folder);
	AUTO_FREE char *path = path_join(folder, "config");
	const char *const environment[] = { list, NULL };
	struct kubeconfig_options options = { .environment = (char *const *)environment,
					      .service_account_folder = "/nonexistent" };

	if (put(folder, "good", STR(good)) && put(folder, "config", (struct str){ (const char *)data, size })) {
		load(&options);
		options.path = path;
		load(&options);
	}
	drop(folder, "good");
	drop(folder, "config");
	rmdir(folder);
	return 0;
}
