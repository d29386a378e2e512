#include "kube/exec.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/queue.h"
#include "base/url.h"
#include "kube/websocket.h"

#define WAITING_MAX ((size_t)1 << 20) /* bytes of output that the caller has not taken */
#define EVENT_COST 128		      /* what an event weighs beside its bytes */
#define MESSAGE_BYTES 32768
#define STATUS_MAX ((size_t)64 << 10)
#define LAST_OUTPUT_MS 5000 /* how long output may follow the status */

enum channel { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE, CHANNEL_CLOSE = 255 };

struct exec {
	atomic_uint refs; /* the caller's, the connection's, those of orders under way */
	struct net *net;
	char *what; /* for messages */
	bool attach, must_end_input;
	struct queue *events;
	atomic_size_t waiting_bytes; /* output not taken out yet */
	atomic_bool paused;	     /* because of it */
	atomic_size_t posted_bytes, unsent_bytes; /* input on its way to the net thread, and waiting there */
	atomic_bool hungry;			  /* the caller waits for EXEC_DRAINED */

	/* Net thread only. */
	struct websocket *ws; /* NULL: not any more */
	bool open, v5, input_ended;
	struct buf early; /* input from before it opened */
	unsigned columns, rows;
	struct buf status;
	struct timer last_output;
};

static void unref(struct exec *exec)
{
	if (atomic_fetch_sub(&exec->refs, 1) != 1)
		return;
	queue_destroy(exec->events);
	buf_release(&exec->early);
	buf_release(&exec->status);
	free(exec->what);
	free(exec);
}

static struct exec *ref(struct exec *exec)
{
	atomic_fetch_add(&exec->refs, 1);
	return exec;
}

/* ---- events ---- */

void exec_event_release(struct exec_event *event)
{
	buf_release(&event->bytes);
	error_release(&event->error);
	*event = (struct exec_event){ 0 };
}

static void free_event(void *event)
{
	exec_event_release(event);
	free(event);
}

/* Takes what is in err. */
static void push(struct exec *exec, enum exec_event_kind kind, struct str bytes, int exit_code, struct error *err)
{
	struct exec_event *event = xcalloc(1, sizeof *event);

	event->kind = kind;
	buf_add_str(&event->bytes, bytes);
	event->exit_code = exit_code;
	if (err)
		error_move(&event->error, err);
	queue_push(exec->events, event);
}

int exec_fd(const struct exec *exec)
{
	return queue_fd(exec->events);
}

/* ---- the result ---- */

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && strcmp(text, wanted) == 0;
}

static bool find_exit_code(const json_t *status, int *ret)
{
	size_t i;
	json_t *cause;

	if (!is_text(status, "reason", "NonZeroExitCode"))
		return false;
	json_array_foreach(json_object_get(json_object_get(status, "details"), "causes"), i, cause) {
		const char *text = json_string_value(json_object_get(cause, "message"));

		if (!is_text(cause, "reason", "ExitCode") || !text)
			continue;
		*ret = atoi(text);
		return *ret != 0;
	}
	return false;
}

/* What the words of kubelet and runtime mean for a person. */
static const struct {
	const char *words, *hint;
} hints[] = {
	{ "executable file not found", "the image has no such program; many have no shell at all" },
	{ "no such file or directory", "the image has no such program; many have no shell at all" },
	{ "container not found", "the container does not run now; its log, or that of its former run, may say why" },
	{ "is not running", "the container does not run now; its log, or that of its former run, may say why" },
};

static bool refuse_status(const json_t *status, struct error *err)
{
	const char *text = json_string_value(json_object_get(status, "message"));
	AUTO_RELEASE(buf) plain = BUF_INIT(2048);

	buf_add_plain(&plain, str_of(text ? text : "the server gives no reason"));
	error_set(err, ERR_SERVER, "%s", buf_cstr(&plain));
	for (size_t i = 0; text && i < ARRAY_LEN(hints); i++)
		if (strstr(text, hints[i].words))
			error_hint(err, "%s", hints[i].hint);
	return false;
}

bool exec_read_status(struct str json, int *ret_exit_code, struct error *err)
{
	json_t *status = json_loadb(json.p ? json.p : "", json.len, 0, NULL);
	bool good = true;

	if (is_text(status, "status", "Success"))
		*ret_exit_code = 0;
	else if (!status)
		good = error_set(err, ERR_SERVER, "the command's result is no Status: its end is unknown");
	else if (!find_exit_code(status, ret_exit_code))
		good = refuse_status(status, err);
	json_decref(status);
	return good;
}

/* ---- net thread: the connection ---- */

/* Nothing follows. The status decides, if there is one; else err (taken) says why there is none. */
static void conclude(struct exec *exec, struct error *err)
{
	AUTO_RELEASE(error) failure = { 0 };
	int exit_code = 0;

	if (exec->status.len) {
		if (!exec_read_status(buf_str(&exec->status), &exit_code, &failure))
			error_wrap(&failure, "%s", exec->what);
	} else {
		error_move(&failure, err);
	}
	loop_timer_clear(net_loop(exec->net), &exec->last_output);
	websocket_close(GIVE(exec->ws), WS_CODE_NORMAL);
	push(exec, EXEC_ENDED, STR(""), exit_code, &failure);
	unref(exec);
}

static void on_end(const struct websocket_end *end, void *arg)
{
	struct exec *exec = arg;
	AUTO_RELEASE(error) err = { 0 };

	websocket_explain(end, exec->what, exec->attach ? "attach" : "exec", &err);
	if (exec->open)
		error_hint(&err, "what became of the command is unknown");
	conclude(exec, &err);
}

static void on_last_output(void *arg)
{
	AUTO_RELEASE(error) none = { 0 };

	conclude(arg, &none);
}

/* The other streams are copied side by side with the status by the server, so some output may still follow. */
static void take_status(struct exec *exec, struct str bytes)
{
	if (exec->status.len + bytes.len <= STATUS_MAX)
		buf_add_str(&exec->status, bytes);
	loop_timer_set(net_loop(exec->net), &exec->last_output, LAST_OUTPUT_MS, on_last_output, exec);
}

static void take_output(struct exec *exec, enum exec_event_kind kind, struct str bytes)
{
	push(exec, kind, bytes, 0, NULL);
	if (atomic_fetch_add(&exec->waiting_bytes, bytes.len + EVENT_COST) < WAITING_MAX)
		return;
	websocket_pause(exec->ws, true);
	atomic_store(&exec->paused, true);
	/* The caller may have taken all of it meanwhile, and seen no pause. */
	if (atomic_load(&exec->waiting_bytes) < WAITING_MAX / 2 && atomic_exchange(&exec->paused, false))
		websocket_pause(exec->ws, false);
}

static void on_message(struct str message, void *arg)
{
	struct exec *exec = arg;

	if (message.len < 2) /* an empty one says that the channel is ready */
		return;
	struct str bytes = { message.p + 1, message.len - 1 };

	switch ((uint8_t)message.p[0]) {
	case CHANNEL_STDOUT:
		take_output(exec, EXEC_STDOUT, bytes);
		break;
	case CHANNEL_STDERR:
		take_output(exec, EXEC_STDERR, bytes);
		break;
	case CHANNEL_ERROR:
		take_status(exec, bytes);
		break;
	default:
		break;
	}
}

static void note_unsent(struct exec *exec)
{
	atomic_store(&exec->unsent_bytes, exec->early.len + (exec->ws ? websocket_unsent(exec->ws) : 0));
	if (exec->open && atomic_load(&exec->posted_bytes) + atomic_load(&exec->unsent_bytes) < EXEC_UNSENT_MAX / 2 &&
	    atomic_exchange(&exec->hungry, false))
		push(exec, EXEC_DRAINED, STR(""), 0, NULL);
}

static void on_drain(void *arg)
{
	note_unsent(arg);
}

static void send_channel(struct exec *exec, enum channel channel, struct str bytes)
{
	char head = (char)(uint8_t)channel;

	websocket_send(exec->ws, (struct str){ &head, 1 }, bytes);
}

static void send_input(struct exec *exec, struct str bytes)
{
	while (bytes.len) {
		size_t n = bytes.len < MESSAGE_BYTES ? bytes.len : MESSAGE_BYTES;

		send_channel(exec, CHANNEL_STDIN, (struct str){ bytes.p, n });
		bytes = (struct str){ bytes.p + n, bytes.len - n };
	}
}

static void send_end(struct exec *exec)
{
	char which = CHANNEL_STDIN;

	if (exec->v5)
		send_channel(exec, CHANNEL_CLOSE, (struct str){ &which, 1 });
}

static void send_size(struct exec *exec)
{
	AUTO_FREE char *text = xasprintf("{\"Width\":%u,\"Height\":%u}", exec->columns, exec->rows);

	if (exec->columns && exec->rows)
		send_channel(exec, CHANNEL_RESIZE, str_of(text));
}

static void on_open(const char *protocol, void *arg)
{
	struct exec *exec = arg;
	AUTO_RELEASE(error) err = { 0 };

	exec->v5 = starts_with(protocol, "v5.");
	if (exec->must_end_input && !exec->v5) {
		error_set(&err, ERR_SERVER, "%s: this server's protocol (v4; Kubernetes before 1.30) has no word for the end of the input",
			  exec->what);
		error_hint(&err, "run a command that ends by itself, like `head -c BYTES`");
		conclude(exec, &err);
		return;
	}
	exec->open = true;
	send_size(exec);
	send_input(exec, buf_str(&exec->early));
	buf_release(&exec->early);
	if (exec->input_ended)
		send_end(exec);
	push(exec, EXEC_OPENED, STR(""), 0, NULL);
	note_unsent(exec);
}

static const struct websocket_ops ops = { on_open, on_message, on_drain, on_end };

/* ---- orders: what the caller asks of the net thread ---- */

struct order {
	struct exec *exec;
	void (*run)(struct order *order);
	struct buf bytes;
	unsigned columns, rows;
	/* Of opening. */
	struct kube *kube;
	const char *path;
};

static void run_order(void *arg)
{
	struct order *order = arg;

	order->run(order);
	unref(order->exec);
	buf_release(&order->bytes);
	free(order);
}

static struct order *order_create(struct exec *exec, void (*run)(struct order *order))
{
	struct order *order = xcalloc(1, sizeof *order);

	order->exec = ref(exec);
	order->run = run;
	return order;
}

static void do_write(struct order *order)
{
	struct exec *exec = order->exec;

	if (exec->ws && !exec->input_ended) {
		if (exec->open)
			send_input(exec, buf_str(&order->bytes));
		else
			buf_add_str(&exec->early, buf_str(&order->bytes));
	}
	atomic_fetch_sub(&exec->posted_bytes, order->bytes.len);
	note_unsent(exec);
}

static void do_end_input(struct order *order)
{
	struct exec *exec = order->exec;

	if (exec->open && exec->ws && !exec->input_ended)
		send_end(exec);
	exec->input_ended = true;
}

static void do_resize(struct order *order)
{
	struct exec *exec = order->exec;

	exec->columns = order->columns;
	exec->rows = order->rows;
	if (exec->open && exec->ws)
		send_size(exec);
}

static void do_resume(struct order *order)
{
	if (order->exec->ws)
		websocket_pause(order->exec->ws, false);
}

static void do_close(struct order *order)
{
	struct exec *exec = order->exec;

	if (!exec->ws)
		return;
	loop_timer_clear(net_loop(exec->net), &exec->last_output);
	websocket_close(GIVE(exec->ws), WS_CODE_NORMAL);
	unref(exec);
}

static void post(struct order *order)
{
	net_post(order->exec->net, run_order, order);
}

void exec_write(struct exec *exec, struct str bytes)
{
	struct order *order = order_create(exec, do_write);

	buf_add_str(&order->bytes, bytes);
	atomic_fetch_add(&exec->posted_bytes, bytes.len);
	post(order);
}

size_t exec_unsent(const struct exec *exec)
{
	struct exec *e = (struct exec *)exec;
	size_t n = atomic_load(&e->posted_bytes) + atomic_load(&e->unsent_bytes);

	if (n < EXEC_UNSENT_MAX)
		return n;
	/* Looked at again, because it may have been sent before this could be seen. */
	atomic_store(&e->hungry, true);
	return atomic_load(&e->posted_bytes) + atomic_load(&e->unsent_bytes);
}

void exec_end_input(struct exec *exec)
{
	post(order_create(exec, do_end_input));
}

void exec_resize(struct exec *exec, unsigned columns, unsigned rows)
{
	struct order *order = order_create(exec, do_resize);

	order->columns = columns;
	order->rows = rows;
	post(order);
}

bool exec_next(struct exec *exec, struct exec_event *ret)
{
	struct exec_event *event = queue_pop(exec->events);

	if (!event)
		return false;
	exec_event_release(ret);
	*ret = *event;
	free(event);
	if (ret->kind != EXEC_STDOUT && ret->kind != EXEC_STDERR)
		return true;
	size_t cost = ret->bytes.len + EVENT_COST, left = atomic_fetch_sub(&exec->waiting_bytes, cost) - cost;

	if (left < WAITING_MAX / 2 && atomic_exchange(&exec->paused, false))
		post(order_create(exec, do_resume));
	return true;
}

/* ---- opening and closing ---- */

static void add_flag(struct buf *path, const char *name, bool value)
{
	if (value)
		url_add_query(path, name, STR("true"));
}

static bool make_path(const struct exec_options *options, struct buf *path, struct error *err)
{
	if (!websocket_pod_path(options->namespace, options->pod, options->command ? "exec" : "attach", path, err))
		return false;
	for (const char *const *word = options->command; word && *word; word++)
		url_add_query(path, "command", str_of(*word));
	if (options->container && *options->container)
		url_add_query(path, "container", str_of(options->container));
	add_flag(path, "stdin", options->input);
	add_flag(path, "stdout", true);
	add_flag(path, "stderr", !options->tty);
	add_flag(path, "tty", options->tty);
	return true;
}

/* Nothing that runs later on the net thread may know of kube: the caller may close it as soon as this has run. */
static void do_open(struct order *order)
{
	static const char *const protocols[] = { "v5.channel.k8s.io", "v4.channel.k8s.io", NULL };

	order->exec->ws = websocket_open(order->kube, order->path, protocols, &ops, order->exec);
}

struct exec *exec_open(struct kube *kube, const struct exec_options *options, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	if (!make_path(options, &path, err))
		return NULL;
	struct exec *exec = xcalloc(1, sizeof *exec);

	atomic_init(&exec->refs, 2);
	exec->net = kube_net(kube);
	exec->what = xasprintf("%s pod %s", options->command ? "run a command in" : "attach to", options->pod);
	exec->attach = !options->command;
	exec->must_end_input = options->must_end_input;
	exec->columns = options->columns;
	exec->rows = options->rows;
	exec->events = queue_create(free_event);
	struct order *order = order_create(exec, do_open);

	order->kube = kube;
	order->path = buf_cstr(&path);
	net_post_and_wait(exec->net, run_order, order);
	return exec;
}

void exec_close(struct exec *exec)
{
	if (!exec)
		return;
	queue_close(exec->events);
	post(order_create(exec, do_close));
	unref(exec);
}
