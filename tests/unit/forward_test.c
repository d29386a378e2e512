/* Port-forwards, on the simulation: kube/port_forward and the list of src/live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "kube/port_forward.h"
#include "live/forward.h"
#include "live/live.h"
#include "pods.h"

#define LIMIT_MS 20000

/* ---- a client on this machine ---- */

static int dial(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval limit = { .tv_sec = LIMIT_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void say(int fd, struct str text)
{
	while (text.len) {
		ssize_t n = send(fd, text.p, text.len, MSG_NOSIGNAL);

		assert_true(n > 0);
		text = (struct str){ text.p + n, text.len - (size_t)n };
	}
}

/* Reads until text is there (NULL: until the end); gives the errno of how it ended, 0 for an end or text. */
static int hear(int fd, struct buf *into, const char *text)
{
	char bytes[65536];

	while (!text || str_find(buf_str(into), str_of(text)) < 0) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);

		if (n < 0)
			return errno;
		if (n == 0)
			return text ? ENODATA : 0;
		buf_add(into, bytes, (size_t)n);
	}
	return 0;
}

static void hear_bytes(int fd, struct buf *into, size_t wanted)
{
	char bytes[65536];

	while (into->len < wanted) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);

		assert_true(n > 0);
		buf_add(into, bytes, (size_t)n);
	}
}

/* What a GET gives; "" when the connection is reset or ends at once. */
static char *fetch(unsigned port, const char *path)
{
	AUTO_FREE char *request = xasprintf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	struct buf answer = BUF_INIT(0);
	int fd = dial(port);

	buf_adds(&answer, "");
	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL); /* it may be reset already */
	hear(fd, &answer, NULL);
	close(fd);
	return buf_give(&answer);
}

static struct port_forward *start(struct kube_bed *bed, const char *pod, uint16_t port, unsigned *ret_local_port)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(port_forward_state) state = { 0 };
	struct port_forward *forward = port_forward_start(bed->kube, &(struct port_forward_options){ .namespace = "default", .pod = pod, .port = port }, &err);

	if (!forward)
		fail_msg("%s", err.message);
	port_forward_state(forward, &state);
	*ret_local_port = state.local_port;
	return forward;
}

/* Waits until no connection is open any more. */
static void await_quiet(struct port_forward *forward, struct port_forward_state *ret)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;

	do {
		usleep(1000);
		port_forward_state(forward, ret);
	} while (ret->open && clock_now_ms(NULL) < end);
	assert_int_equal(ret->open, 0);
}

/* ---- one forward ---- */

static void a_forwarded_port_answers_as_the_pod_does(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(port_forward_state) numbers = { 0 };
	unsigned port;

	(void)state;
	pods_make(&bed, "web", "");
	AUTO(port_forward) forward = start(&bed, "web", 80, &port);
	AUTO_FREE char *answer = fetch(port, "/hello");

	assert_non_null(strstr(answer, "hello from web, port 80: GET /hello\n"));
	await_quiet(forward, &numbers);
	assert_int_equal(numbers.connections, 1);
	assert_int_equal(numbers.failed, 0);
	assert_int_equal(numbers.received_bytes, strlen(answer));
	assert_null(numbers.last_error);
}

static void large_bodies_pass_both_ways_side_by_side(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	unsigned port, echo_port;

	(void)state;
	pods_make(&bed, "web", "");
	AUTO(port_forward) forward = start(&bed, "web", 8080, &port);
	AUTO(port_forward) echo = start(&bed, "web", 7, &echo_port);
	AUTO_RELEASE(buf) chunk = BUF_INIT(0);
	AUTO_RELEASE(buf) back = BUF_INIT(0);
	AUTO_RELEASE(buf) page = BUF_INIT(0);
	int slow = dial(port), fd = dial(echo_port);

	/* A download that nobody reads yet must not hold up the other one. */
	say(slow, STR("GET /bytes/20000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	for (unsigned i = 0; i < 100000; i++)
		buf_addf(&chunk, "%09u\n", i);
	for (size_t at = 0; at < chunk.len; at += 100000) {
		say(fd, (struct str){ chunk.p + at, 100000 });
		hear_bytes(fd, &back, at + 100000);
	}
	assert_memory_equal(back.p, chunk.p, chunk.len);
	close(fd);
	assert_int_equal(hear(slow, &page, NULL), 0);
	assert_in_range(page.len, 20000000, 20000200);
	close(slow);
}

static void a_port_on_which_nobody_listens_resets_the_caller_and_is_told(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(port_forward_state) numbers = { 0 };
	AUTO_RELEASE(buf) heard = BUF_INIT(0);
	unsigned port;

	(void)state;
	pods_make(&bed, "web", "'testbed/closed-ports':'8081,9090'");
	AUTO(port_forward) forward = start(&bed, "web", 9090, &port);
	int fd = dial(port);

	assert_int_equal(hear(fd, &heard, NULL), ECONNRESET);
	close(fd);
	await_quiet(forward, &numbers);
	assert_int_equal(numbers.failed, 1);
	assert_true(numbers.failing);
	assert_non_null(strstr(numbers.last_error, "forward to pod web, port 9090: "));
	assert_non_null(strstr(numbers.last_error, "connection refused"));
}

static void a_pod_that_is_gone_is_told_and_another_one_can_be_set(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(port_forward_state) numbers = { 0 };
	unsigned port;

	(void)state;
	pods_make(&bed, "second", "");
	AUTO(port_forward) forward = start(&bed, "first", 80, &port);
	AUTO_FREE char *nothing = fetch(port, "/");

	assert_string_equal(nothing, "");
	await_quiet(forward, &numbers);
	assert_non_null(strstr(numbers.last_error, "pods \"first\" not found"));
	port_forward_set_pod(forward, "second");
	AUTO_FREE char *answer = fetch(port, "/");

	assert_non_null(strstr(answer, "hello from second"));
	await_quiet(forward, &numbers);
	assert_false(numbers.failing);
}

static void missing_rights_and_read_only_are_told(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(kube_bed) locked = pods_bed(&(struct kube_bed_options){ .read_only = true });
	AUTO_RELEASE(port_forward_state) numbers = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	unsigned port;

	(void)state;
	pods_make(&bed, "web", "");
	kube_bed_deny(&bed, "[{'verb':'create','resource':'pods/portforward'}]");
	AUTO(port_forward) forward = start(&bed, "web", 80, &port);
	AUTO_FREE char *nothing = fetch(port, "/");

	await_quiet(forward, &numbers);
	assert_non_null(strstr(numbers.last_error, "create on pods/portforward"));
	assert_null(port_forward_start(locked.kube, &(struct port_forward_options){ .namespace = "default", .pod = "web", .port = 80 }, &err));
	assert_int_equal(err.kind, ERR_DENIED);
}

static void a_local_port_that_is_taken_is_a_conflict(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(error) err = { 0 };
	unsigned port;

	(void)state;
	AUTO(port_forward) forward = start(&bed, "web", 80, &port);

	assert_null(port_forward_start(bed.kube, &(struct port_forward_options){ .namespace = "default", .pod = "web", .port = 80, .local_port = (uint16_t)port }, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.message, "in use"));
}

static void stopping_closes_what_is_open_and_frees_the_port(void **state)
{
	AUTO_RELEASE(kube_bed) bed = pods_bed(NULL);
	AUTO_RELEASE(buf) heard = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	unsigned port;

	(void)state;
	pods_make(&bed, "web", "");
	struct port_forward *forward = start(&bed, "web", 7, &port);
	int fd = dial(port), other = dial(port);

	say(fd, STR("ping"));
	assert_int_equal(hear(fd, &heard, "ping"), 0);
	port_forward_stop(forward);
	assert_int_equal(hear(fd, &heard, NULL), ECONNRESET);
	close(fd);
	close(other);
	forward = port_forward_start(bed.kube, &(struct port_forward_options){ .namespace = "default", .pod = "web", .port = 7, .local_port = (uint16_t)port }, &err);
	assert_non_null(forward);
	port_forward_stop(forward);
}

/* ---- the list ---- */

struct room {
	struct kube_bed bed;
	struct live *live;
	struct forwards *forwards;
};

static void room_open(struct room *room)
{
	room->bed = pods_bed(NULL);
	room->live = live_create(&(struct live_options){
		.watcher = { .net = room->bed.net, .http = kube_http(room->bed.kube), .prepare = watcher_prepare_kube, .prepare_arg = room->bed.kube } });
	room->forwards = forwards_create(room->bed.kube, live_store(room->live));
}

static void room_release(struct room *room)
{
	forwards_destroy(room->forwards);
	live_destroy(room->live);
	kube_bed_release(&room->bed);
}
DEFINE_AUTO_RELEASE(room);

static void take_in(struct room *room)
{
	struct pollfd fd = { .fd = live_fd(room->live), .events = POLLIN };

	poll(&fd, 1, 20);
	live_poll(room->live, 0);
	forwards_poll(room->forwards);
}

/* Waits until the nth forward goes to that pod ("": any). */
static const struct forward *await_pod(struct room *room, size_t n, const char *pod, enum forward_state state)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;
	const struct forward *forward = forwards_at(room->forwards, n);

	while (clock_now_ms(NULL) < end && (forward->state != state || (*pod && strcmp(forward->pod, pod) != 0))) {
		take_in(room);
		forward = forwards_at(room->forwards, n);
	}
	if (forward->state != state || (*pod && strcmp(forward->pod, pod) != 0))
		fail_msg("state %d, pod \"%s\": %s", forward->state, forward->pod, forward->last_error);
	return forward;
}

static void await_known(struct room *room, const struct kind *kind, const char *name)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;
	const struct entry *entry = NULL;

	while (clock_now_ms(NULL) < end && !(entry = store_find_name(live_store(room->live), kind, "default", name)))
		take_in(room);
	assert_non_null(entry);
}

static unsigned add(struct room *room, const struct kind *kind, const char *name, uint16_t port)
{
	AUTO_RELEASE(error) err = { 0 };
	unsigned id;

	await_known(room, kind, name);
	if (!forwards_add(room->forwards, &(struct forward_target){ .kind = kind, .namespace = "default", .name = name, .port = port }, &id, &err))
		fail_msg("%s", err.message);
	return id;
}

static void a_forward_to_a_workload_outlives_its_pods(void **state)
{
	AUTO_RELEASE(room) room;

	(void)state;
	room_open(&room);
	kube_bed_deployment(&room.bed, "default", "api");
	add(&room, &kind_deployment, "api", 80);
	const struct forward *forward = await_pod(&room, 0, "", FORWARD_READY);
	AUTO_FREE char *first = xstrdup(forward->pod);
	AUTO_FREE char *answer = fetch(forward->local_port, "/");

	assert_non_null(strstr(answer, first));
	pods_drop(&room.bed, first);
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;

	while ((!*forward->pod || strcmp(forward->pod, first) == 0) && clock_now_ms(NULL) < end) {
		take_in(&room);
		forward = forwards_at(room.forwards, 0);
	}
	forward = await_pod(&room, 0, "", FORWARD_READY);
	assert_string_not_equal(forward->pod, first);
	AUTO_FREE char *again = fetch(forward->local_port, "/");

	assert_non_null(strstr(again, forward->pod));
	take_in(&room);
	assert_int_equal(forwards_at(room.forwards, 0)->connections, 2);
	assert_int_equal(forwards_at(room.forwards, 0)->failed, 0);
}

static void a_service_port_is_translated(void **state)
{
	AUTO_RELEASE(room) room;
	AUTO_RELEASE(error) err = { 0 };
	unsigned id;

	(void)state;
	room_open(&room);
	free(kube_bed_send(&room.bed, "POST", "/api/v1/namespaces/default/services",
			   "{'apiVersion':'v1','kind':'Service','metadata':{'name':'web'},'spec':{'selector':{'app':'web'},'ports':["
			   "{'name':'a','port':80,'targetPort':8080},{'name':'b','port':443,'targetPort':'https'}]}}"));
	pods_make(&room.bed, "web", "");
	add(&room, &kind_service, "web", 80);
	const struct forward *forward = await_pod(&room, 0, "web", FORWARD_READY);
	AUTO_FREE char *answer = fetch(forward->local_port, "/");

	assert_int_equal(forward->port, 8080);
	assert_non_null(strstr(answer, "hello from web, port 8080"));
	assert_false(forwards_add(room.forwards, &(struct forward_target){ .kind = &kind_service, .namespace = "default", .name = "web", .port = 443 }, &id, &err));
	assert_non_null(strstr(err.message, "\"https\""));
	assert_false(forwards_add(room.forwards, &(struct forward_target){ .kind = &kind_service, .namespace = "default", .name = "web", .port = 81 }, &id, &err));
	assert_non_null(strstr(err.message, "has no port 81"));
	assert_false(forwards_add(room.forwards, &(struct forward_target){ .kind = &kind_pod, .namespace = "default", .name = "nobody", .port = 81 }, &id, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(forwards_count(room.forwards), 1);
}

static void a_forward_without_a_running_pod_says_so_and_is_removed_by_its_id(void **state)
{
	AUTO_RELEASE(room) room;

	(void)state;
	room_open(&room);
	pods_make(&room.bed, "web", "");
	unsigned id = add(&room, &kind_pod, "web", 80);

	add(&room, &kind_pod, "web", 81);
	await_pod(&room, 0, "web", FORWARD_READY);
	pods_drop(&room.bed, "web");
	const struct forward *forward = await_pod(&room, 0, "", FORWARD_NO_POD);
	AUTO_FREE char *nothing = fetch(forward->local_port, "/");

	assert_string_equal(nothing, "");
	take_in(&room);
	forward = forwards_at(room.forwards, 0);
	assert_string_equal(forward->last_error, "there is no running pod to forward to");
	assert_true(forward->last_error_ms > 0);
	forwards_remove(room.forwards, id);
	forwards_remove(room.forwards, 77);
	assert_int_equal(forwards_count(room.forwards), 1);
	assert_int_equal(forwards_at(room.forwards, 0)->port, 81);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forwarded_port_answers_as_the_pod_does),
		cmocka_unit_test(large_bodies_pass_both_ways_side_by_side),
		cmocka_unit_test(a_port_on_which_nobody_listens_resets_the_caller_and_is_told),
		cmocka_unit_test(a_pod_that_is_gone_is_told_and_another_one_can_be_set),
		cmocka_unit_test(missing_rights_and_read_only_are_told),
		cmocka_unit_test(a_local_port_that_is_taken_is_a_conflict),
		cmocka_unit_test(stopping_closes_what_is_open_and_frees_the_port),
		cmocka_unit_test(a_forward_to_a_workload_outlives_its_pods),
		cmocka_unit_test(a_service_port_is_translated),
		cmocka_unit_test(a_forward_without_a_running_pod_says_so_and_is_removed_by_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
