#include "cli/cluster.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

extern char **environ;

/* Written once by signals_watch(), before the handler can run; read by the handler. */
static struct cancel *_Atomic signal_cancel;

static void on_signal(int number)
{
	if (cancel_requested(signal_cancel))
		_exit(128 + number);
	cancel_request(signal_cancel, number);
}

struct cancel *signals_watch(void)
{
	struct cancel *cancel = cancel_create();
	struct sigaction action = { .sa_handler = on_signal };

	signal_cancel = cancel;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	return cancel;
}

struct stack_options stack_options_from(const struct options *o)
{
	return (struct stack_options){ .config = option_text(o, OPT_CONFIG),
				       .env = o->values[OPT_ENV].text,
				       .namespace = option_text(o, OPT_NAMESPACE),
				       .slot = option_number(o, OPT_SLOT, 0),
				       .inline_vars = option_text(o, OPT_VARS),
				       .one_vars = o->values[OPT_VAR].list,
				       .n_one_vars = o->values[OPT_VAR].n,
				       .var_file = option_text(o, OPT_VAR_FILE),
				       .environment = environ,
				       .lenient = option_flag(o, OPT_LENIENT) };
}

struct render_filters filters_from(const struct options *o)
{
	return (struct render_filters){ .only_infra = option_text(o, OPT_ONLY_INFRA),
					.skip_infra = option_text(o, OPT_SKIP_INFRA),
					.only_services = option_text(o, OPT_ONLY_SERVICES),
					.skip_services = option_text(o, OPT_SKIP_SERVICES) };
}

/* What is short is not worth a line. */
static void on_wait(const struct http_wait *wait, void *arg)
{
	(void)arg;
	if (wait->wait_ms >= 1000)
		log_info("a request is tried again", LOG_TEXT("reason", wait->reason), LOG_INT("attempt", wait->attempt), LOG_MS("in", wait->wait_ms));
}

/* A plugin may ask a person to open a page, so at once; its last line is also in the error when it fails. */
static void on_stderr(const char *line, void *arg)
{
	(void)arg;
	if (*line)
		log_info("the credential plugin says", LOG_TEXT("line", line));
}

struct kube_options kube_options_from(const struct options *o)
{
	return (struct kube_options){ .kubeconfig = { .path = option_text(o, OPT_KUBECONFIG), .context = option_text(o, OPT_CONTEXT) },
				      .read_only = option_flag(o, OPT_READ_ONLY),
				      .deny_exec = option_flag(o, OPT_DENY_EXEC),
				      .stdin_is_ours = isatty(STDIN_FILENO),
				      .timeout_ms = (unsigned)option_number(o, OPT_REQUEST_TIMEOUT, 60000) };
}

bool cluster_open(struct net *net, const struct options *options, struct kube **ret, struct error *err)
{
	struct kube_options kube_options = kube_options_from(options);

	kube_options.on_wait = on_wait;
	kube_options.on_stderr = on_stderr;
	if (kube_open(net, &kube_options, ret, err))
		return true;
	if (err->kind == ERR_NOT_FOUND || err->kind == ERR_IO)
		err->kind = ERR_INVALID;
	return false;
}
