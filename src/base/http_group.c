#include "base/http_internal.h"

#include <stdlib.h>

#define DEFAULT_PARALLEL 32

static void free_letter(void *item)
{
	struct letter *letter = item;

	http_result_release(&letter->result);
	free(letter->wait_reason);
	free(letter);
}

static struct mailbox *mailbox_create(void)
{
	struct mailbox *mailbox = xcalloc(1, sizeof *mailbox);

	atomic_init(&mailbox->refs, 1);
	mailbox->letters = queue_create(free_letter);
	return mailbox;
}

struct mailbox *mailbox_ref(struct mailbox *mailbox)
{
	atomic_fetch_add(&mailbox->refs, 1);
	return mailbox;
}

void mailbox_unref(struct mailbox *mailbox)
{
	if (!mailbox || atomic_fetch_sub(&mailbox->refs, 1) != 1)
		return;
	queue_destroy(mailbox->letters);
	free(mailbox);
}

struct http_group {
	struct http *http;
	const struct cancel *cancel;
	struct mailbox *mailbox;
	struct transfer *first, **last; /* not yet submitted */
	size_t on_wire;
	unsigned parallel;
	char *trouble; /* why the last attempt of some call failed, while it is not known to be over; or NULL */
};

void http_result_release(struct http_result *result)
{
	http_response_release(&result->response);
	error_release(&result->error);
	result->tag = NULL;
}

struct http_group *http_group_create(struct http *http, unsigned parallel, const struct cancel *cancel)
{
	struct http_group *group = xcalloc(1, sizeof *group);

	group->http = http_ref(http);
	group->cancel = cancel;
	group->mailbox = mailbox_create();
	group->last = &group->first;
	group->parallel = parallel ? parallel : DEFAULT_PARALLEL;
	return group;
}

struct recall {
	struct http *http;
	struct mailbox *mailbox;
};

static void recall_posted(void *arg)
{
	struct recall *recall = arg;

	for (struct transfer *t = recall->http->transfers, *next; t; t = next) {
		next = t->next;
		if (t->mailbox == recall->mailbox)
			transfer_abort(t);
	}
	mailbox_unref(recall->mailbox);
	http_unref(recall->http);
	free(recall);
}

static void recall_all(struct http_group *group)
{
	struct recall *recall = xcalloc(1, sizeof *recall);

	*recall = (struct recall){ http_ref(group->http), mailbox_ref(group->mailbox) };
	if (http_post(group->http, recall_posted, recall))
		return;
	mailbox_unref(recall->mailbox);
	http_unref(recall->http);
	free(recall);
}

void http_group_destroy(struct http_group *group)
{
	if (!group)
		return;
	while (group->first)
		transfer_free(line_pop(&group->first, &group->last));
	queue_close(group->mailbox->letters);
	if (group->on_wire)
		recall_all(group);
	mailbox_unref(group->mailbox);
	http_unref(group->http);
	free(group->trouble);
	free(group);
}

static void answer_at_once(struct http_group *group, void *tag, struct error *err)
{
	struct letter *letter = xcalloc(1, sizeof *letter);

	letter->result.tag = tag;
	error_move(&letter->result.error, err);
	group->on_wire++;
	queue_push(group->mailbox->letters, letter);
}

void http_group_add(struct http_group *group, const struct http_request *request, void *tag)
{
	AUTO_RELEASE(error) err = { 0 };
	struct transfer *t = transfer_create(group->http, request, &err);

	if (!t) {
		answer_at_once(group, tag, &err);
		return;
	}
	t->tag = tag;
	t->mailbox = mailbox_ref(group->mailbox);
	line_push(&group->last, t);
}

static void submit_some(struct http_group *group)
{
	while (group->first && group->on_wire < group->parallel) {
		struct transfer *t = line_pop(&group->first, &group->last);

		if (http_post(group->http, transfer_start_posted, t)) {
			group->on_wire++;
			continue;
		}
		AUTO_RELEASE(error) err = { 0 };

		error_set(&err, ERR_CANCELLED, "the connection to the server was closed by us");
		transfer_wrap(t, &err);
		answer_at_once(group, t->tag, &err);
		transfer_free(t);
	}
}

static void take_letter(struct letter *letter, struct http_result *ret)
{
	http_result_release(ret);
	*ret = letter->result;
	letter->result = (struct http_result){ 0 };
}

/* Frees letter. False when it only told of a wait. */
static bool open_letter(struct http_group *group, struct letter *letter, struct http_result *ret)
{
	bool is_wait = letter->is_wait;

	free(group->trouble);
	group->trouble = is_wait ? xstrdup(letter->wait.reason) : NULL;
	if (is_wait && letter->on_wait)
		letter->on_wait(&letter->wait, letter->on_wait_arg);
	if (!is_wait) {
		take_letter(letter, ret);
		group->on_wire--;
	}
	free_letter(letter);
	return !is_wait;
}

/* A cancel amid retries hides what was wrong, unless it says so. */
static bool say_trouble(const struct http_group *group, struct error *err)
{
	if (err->kind == ERR_CANCELLED && group->trouble)
		error_set(err, ERR_CANCELLED, "cancelled amid retries, the last of which ended with: %s", group->trouble);
	return false;
}

bool http_group_next(struct http_group *group, struct http_result *ret, struct error *err)
{
	for (;;) {
		if (!cancel_check(group->cancel, err))
			return say_trouble(group, err);
		submit_some(group);
		if (!group->on_wire)
			return false;
		/* Deadlines are the net thread's; only a cancel ends this sleep earlier. */
		struct letter *letter = queue_wait(group->mailbox->letters, NULL, group->cancel, INT64_MAX, err);

		if (!letter)
			return say_trouble(group, err);
		if (open_letter(group, letter, ret))
			return true;
	}
}

bool http_group_drain(struct http_group *group, struct clock *clock, int64_t due_ms, struct http_result *ret)
{
	AUTO_RELEASE(error) late = { 0 };

	if (group->first) {
		struct transfer *t = line_pop(&group->first, &group->last);

		http_result_release(ret);
		ret->tag = t->tag;
		error_set(&ret->error, ERR_CANCELLED, "not sent");
		transfer_free(t);
		return true;
	}
	while (group->on_wire) {
		struct letter *letter = queue_wait(group->mailbox->letters, clock, NULL, due_ms, &late);

		if (!letter)
			return false;
		if (open_letter(group, letter, ret))
			return true;
	}
	return false;
}

bool http_call(struct http *http, const struct http_request *request, const struct cancel *cancel,
	       struct http_response *ret, struct error *err)
{
	AUTO(http_group) group = http_group_create(http, 1, cancel);
	AUTO_RELEASE(http_result) result = { 0 };

	http_group_add(group, request, NULL);
	if (!http_group_next(group, &result, err))
		return false;
	if (result.error.kind)
		return error_move(err, &result.error);
	http_response_release(ret);
	*ret = result.response;
	result.response = (struct http_response){ 0 };
	return true;
}

bool http_call_group(struct http *http, struct http_call *calls, size_t n, unsigned parallel,
		     const struct cancel *cancel, void (*on_done)(struct http_call *call, void *arg), void *arg,
		     struct error *err)
{
	AUTO(http_group) group = http_group_create(http, parallel, cancel);
	AUTO_RELEASE(error) why = { 0 };

	for (size_t i = 0; i < n; i++) {
		calls[i].done = false;
		http_group_add(group, &calls[i].request, &calls[i]);
	}
	for (;;) {
		AUTO_RELEASE(http_result) result = { 0 };

		if (!http_group_next(group, &result, &why))
			break;
		struct http_call *call = result.tag;

		http_response_release(&call->response);
		call->response = result.response;
		result.response = (struct http_response){ 0 };
		error_move(&call->error, &result.error);
		call->done = true;
		if (on_done)
			on_done(call, arg);
	}
	return why.kind ? error_move(err, &why) : true;
}
