/*
 * kubeconfig: where a cluster is and how to log in, from files, variables and the pod that we run in.
 *
 * Source of truth: kubernetes.io "Organizing cluster access using kubeconfig files"; client-go's clientcmd. Order: an
 * explicit path, the KUBECONFIG list, ~/.kube/config, and only when these are empty the pod's service account. The first
 * file that defines a name owns the whole entry; relative paths are relative to that file. A file that is present but
 * wrong is an error with file:line, never skipped. Regular files of 4 MiB at most. Any thread; nothing is cached.
 */
#ifndef SLOTDECK_KUBE_KUBECONFIG_H
#define SLOTDECK_KUBE_KUBECONFIG_H

#include "base/error.h"
#include "base/map.h"
#include "base/secret.h"

struct kube_exec { /* a credential plugin, client.authentication.k8s.io */
	char *api_version; /* …/v1 or …/v1beta1 */
	char *command;	   /* a path when the file's had a separator, else a word for PATH */
	char **args;	   /* NULL at the end; may be NULL */
	char **env;	   /* "NAME=value", NULL at the end; may be NULL */
	char *install_hint;
	char *interactive_mode; /* "Never", "IfAvailable", "Always" */
	bool provide_cluster_info;
	char *cluster_config_json; /* extension client.authentication.k8s.io/exec of the cluster; NULL */
};

/* One context, resolved: everything that kube_open() needs. Texts are NULL when absent. */
struct kube_login {
	char *context; /* name; "in-cluster" for a pod */
	char *cluster, *user;
	char *namespace;      /* never NULL: "default" when nothing says other */
	bool namespace_given; /* by the context, the pod or a flag */
	char *source;	      /* file of the context, for messages */

	char *server;  /* URL */
	char *ca_pem;  /* read or decoded; NULL: system's roots */
	char *ca_file; /* to be re-read; NULL: inline */
	bool insecure_skip_tls_verify;
	char *tls_server_name, *proxy_url;
	bool disable_compression;

	struct secret token; /* inline, or the start value of token_file */
	char *token_file;
	char *username;
	struct secret password;
	char *client_cert_pem;
	struct secret client_key_pem;
	char *client_cert_file, *client_key_file; /* to be re-read; NULL: inline */
	struct kube_exec *exec;

	char *impersonate_user, *impersonate_uid;
	char **impersonate_groups;    /* NULL at the end; may be NULL */
	struct map impersonate_extra; /* key → char ** of values, NULL at the end */
};

struct kubeconfig_options {
	const char *path;	  /* --kubeconfig; NULL: KUBECONFIG, ~/.kube/config, pod */
	const char *context;	  /* NULL: current-context */
	const char *namespace;	  /* NULL: the context's */
	const char *server;	  /* NULL: the cluster's */
	char *const *environment; /* as environ; NULL: environ */
	/* Folder that stands for /var/run/secrets/kubernetes.io/serviceaccount; NULL: that. For tests. */
	const char *service_account_folder;
};

/* Gives the login of one context. ERR_INVALID: the files are wrong (file:line) or contradict themselves; ERR_NOT_FOUND:
 * no such context, or no configuration anywhere (the message lists every place looked at). */
bool kubeconfig_load(const struct kubeconfig_options *options, struct kube_login **ret, struct error *err);
void kube_login_destroy(struct kube_login *login);
DEFINE_AUTO(kube_login);

struct kube_context_name {
	char *name, *cluster, *user, *namespace;
	char *server; /* of the cluster, as the file has it; NULL: the file names none */
	bool current;
};
/* All contexts, in order of the files. Release with kube_context_names_free(). */
bool kubeconfig_contexts(const struct kubeconfig_options *options, struct kube_context_name **ret, size_t *ret_n,
			 struct error *err);
void kube_context_names_free(struct kube_context_name *names, size_t n);

#endif
