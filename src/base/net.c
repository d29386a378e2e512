#include "base/net.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

struct net {
	struct loop *loop;
	pthread_t thread;
	struct net_member *members; /* net thread only */
	unsigned working;	    /* net_work() calls under way; net thread only */
	bool stopping;
	struct recorder *recorder;
	struct player *player;
};

static void *run(void *arg)
{
	struct net *net = arg;

	loop_run(net->loop);
	return NULL;
}

/* Signals are the main thread's; a helper thread that took one would run its handler beside everybody. */
static int start_thread(struct net *net)
{
	sigset_t all, kept;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &kept);
	int code = pthread_create(&net->thread, NULL, run, net);

	pthread_sigmask(SIG_SETMASK, &kept, NULL);
	return code;
}

struct net *net_create(struct clock *clock, struct error *err)
{
	struct net *net = xcalloc(1, sizeof *net);

	net->loop = loop_create(clock);
	int code = start_thread(net);

	if (code) {
		loop_destroy(net->loop);
		free(net);
		error_set(err, ERR_IO, "cannot start the network thread (error %d)", code);
		return NULL;
	}
	pthread_setname_np(net->thread, "net");
	return net;
}

static void stop_when_idle(struct net *net)
{
	if (net->stopping && !net->working)
		loop_stop(net->loop);
}

static void stop(void *arg)
{
	struct net *net = arg;

	net->stopping = true;
	stop_when_idle(net);
}

static void end_all(void *arg)
{
	struct net *net = arg;

	while (net->members) {
		struct net_member *member = net->members;

		net_leave(net, member);
		member->end(member);
	}
	/* Behind what others posted before their member was closed, so that none of it is lost. */
	net_post(net, stop, net);
}

void net_destroy(struct net *net)
{
	if (!net)
		return;
	net_post(net, end_all, net);
	pthread_join(net->thread, NULL);
	loop_destroy(net->loop);
	free(net);
}

void net_join(struct net *net, struct net_member *member)
{
	member->next = net->members;
	member->prev = &net->members;
	if (net->members)
		net->members->prev = &member->next;
	net->members = member;
}

void net_leave(struct net *net, struct net_member *member)
{
	(void)net;
	if (!member->prev)
		return;
	*member->prev = member->next;
	if (member->next)
		member->next->prev = member->prev;
	member->prev = NULL;
	member->next = NULL;
}

struct loop *net_loop(struct net *net)
{
	return net->loop;
}

struct clock *net_clock(const struct net *net)
{
	return loop_clock(net->loop);
}

void net_set_recorder(struct net *net, struct recorder *recorder)
{
	net->recorder = recorder;
}

void net_set_player(struct net *net, struct player *player)
{
	net->player = player;
}

struct recorder *net_recorder(const struct net *net)
{
	return net->recorder;
}

struct player *net_player(const struct net *net)
{
	return net->player;
}

void net_post(struct net *net, void (*fn)(void *arg), void *arg)
{
	loop_post(net->loop, fn, arg);
}

bool net_is_mine(const struct net *net)
{
	return pthread_equal(net->thread, pthread_self());
}

struct waiting {
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void run_waiting(void *arg)
{
	struct waiting *waiting = arg;

	waiting->fn(waiting->arg);
	sem_post(&waiting->done);
}

void net_post_and_wait(struct net *net, void (*fn)(void *arg), void *arg)
{
	struct waiting waiting = { .fn = fn, .arg = arg };

	if (net_is_mine(net)) {
		fn(arg);
		return;
	}
	sem_init(&waiting.done, 0, 0);
	net_post(net, run_waiting, &waiting);
	while (sem_wait(&waiting.done) < 0)
		;
	sem_destroy(&waiting.done);
}

struct work {
	uv_work_t request;
	struct net *net;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void do_work(uv_work_t *request)
{
	struct work *work = request->data;

	work->work(work->arg);
}

static void end_work(uv_work_t *request, int status)
{
	struct work *work = request->data;
	struct net *net = work->net;

	(void)status;
	work->done(work->arg);
	free(work);
	net->working--;
	stop_when_idle(net);
}

void net_work(struct net *net, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct work *w = xcalloc(1, sizeof *w);

	*w = (struct work){ .net = net, .work = work, .done = done, .arg = arg };
	w->request.data = w;
	net->working++;
	uv_queue_work(loop_uv(net->loop), &w->request, do_work, end_work);
}
