/* The simulation over its socket: watches, pages, discovery, faults, the request log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sim/jx.h"
#include "sim/sim.h"

/* ---- a client that is as plain as can be ---- */

static int dial(struct sim *sim)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(sim_port(sim)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static int ask(struct sim *sim, const char *method, const char *path, const char *headers, const char *body)
{
	int fd = dial(sim);
	AUTO_FREE char *text = xasprintf("%s %s HTTP/1.1\r\nHost: x\r\nUser-Agent: test/1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
					 method, path, headers, strlen(body), body);

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

/* Reads until the peer is done, or until text contains wanted (then the rest stays). False when 10 s pass. */
static bool read_until(int fd, struct buf *into, const char *wanted)
{
	char bytes[65536];

	for (int turns = 0; turns < 10000; turns++) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (wanted && into->p && strstr(into->p, wanted))
			return true;
		if (poll(&poll_fd, 1, 10000) <= 0)
			return false;
		n = recv(fd, bytes, sizeof bytes, 0);
		if (n <= 0)
			return !wanted;
		buf_add(into, bytes, (size_t)n);
	}
	return false;
}

static char *fetch(struct sim *sim, const char *method, const char *path, const char *headers, const char *body)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	int fd = ask(sim, method, path, headers, body);

	read_until(fd, &out, NULL);
	close(fd);
	return buf_give(&out);
}

static int status_of(const char *answer)
{
	return strncmp(answer, "HTTP/1.1 ", 9) ? 0 : atoi(answer + 9);
}

static json_t *body_of(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	return at ? json_loads(at + 4, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void make_map(struct sim *sim, const char *name, const char *labels)
{
	AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\",\"labels\":{%s}}}", name,
					 labels);
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, "POST", "/api/v1/namespaces/default/configmaps", NULL, body, &status);

	(void)answer;
	assert_int_equal(status, 201);
}

static void drop_map(struct sim *sim, const char *name)
{
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/default/configmaps/%s", name);

	free(sim_request(sim, "DELETE", path, NULL, NULL, NULL));
}

static struct sim *start(const char *features_off)
{
	struct sim_options options = { .features_off = features_off };
	AUTO_RELEASE(error) err = { 0 };
	struct sim *sim = sim_start(&options, &err);

	if (!sim)
		fail_msg("%s", err.message);
	return sim;
}

#define MAPS "/api/v1/namespaces/default/configmaps"

/* ---- tests ---- */

static void a_watch_tells_what_changes_and_ends_with_its_time(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	make_map(sim, "before", "");
	int fd = ask(sim, "GET", MAPS "?watch=1&timeoutSeconds=2&allowWatchBookmarks=true", "", "");

	assert_true(read_until(fd, &out, "initial-events-end"));
	assert_non_null(strstr(out.p, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"before\""));
	make_map(sim, "later", "");
	assert_true(read_until(fd, &out, "\"name\":\"later\""));
	drop_map(sim, "later");
	assert_true(read_until(fd, &out, "DELETED"));
	assert_true(read_until(fd, &out, NULL));
	assert_non_null(strstr(out.p, "\r\n0\r\n\r\n"));
	close(fd);
}

static void a_watch_with_a_selector_sees_objects_come_and_go(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	make_map(sim, "a", "\"app\":\"web\"");
	int fd = ask(sim, "GET", MAPS "?watch=1&timeoutSeconds=30&labelSelector=app%3Dweb", "", "");

	assert_true(read_until(fd, &out, "ADDED"));
	free(sim_request(sim, "PATCH", MAPS "/a", "application/merge-patch+json", "{\"metadata\":{\"labels\":{\"app\":\"db\"}}}", NULL));
	assert_true(read_until(fd, &out, "DELETED"));
	close(fd);
}

static void a_version_that_was_compacted_is_gone(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	make_map(sim, "a", "");
	AUTO_FREE char *list = sim_request(sim, "GET", MAPS, NULL, NULL, NULL);
	json_t *tree = json_loads(list, 0, NULL);
	AUTO_FREE char *path = xasprintf(MAPS "?watch=1&resourceVersion=%s", jstr(tree, "metadata", "resourceVersion"));

	json_decref(tree);
	int open_watch = ask(sim, "GET", path, "", "");

	assert_true(read_until(open_watch, &out, "\r\n\r\n")); /* it has begun, though there is nothing to tell */
	free(fetch(sim, "POST", "/_sim/compact", "", ""));
	AUTO_FREE char *answer = fetch(sim, "GET", path, "", "");
	json_t *body = body_of(answer);

	assert_int_equal(status_of(answer), 410);
	assert_string_equal(jstr(body, "reason"), "Expired");
	json_decref(body);
	make_map(sim, "b", "");
	assert_true(read_until(open_watch, &out, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\""));
	close(open_watch);
}

static void streaming_lists_can_be_switched_off(void **state)
{
	static const char path[] = MAPS "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
	AUTO(sim) with = start("controllers");
	AUTO(sim) without = start("controllers,watchlist");
	AUTO_FREE char *good = fetch(with, "GET", path, "", "");
	AUTO_FREE char *bad = fetch(without, "GET", path, "", "");

	(void)state;
	assert_int_equal(status_of(good), 200);
	assert_non_null(strstr(good, "k8s.io/initial-events-end"));
	assert_int_equal(status_of(bad), 422);
}

static void pages_show_one_snapshot(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	size_t seen = 0, pages = 0;
	char name[16];

	(void)state;
	for (int i = 0; i < 25; i++) {
		snprintf(name, sizeof name, "m%02d", i);
		make_map(sim, name, "");
	}
	buf_adds(&path, MAPS "?limit=10");
	for (bool more = true; more && pages < 10; pages++) {
		AUTO_FREE char *answer = sim_request(sim, "GET", path.p, NULL, NULL, NULL);
		json_t *tree = json_loads(answer, 0, NULL);
		const char *next = jstr(tree, "metadata", "continue");

		seen += json_array_size(json_object_get(tree, "items"));
		more = *next;
		buf_reset(&path);
		buf_addf(&path, MAPS "?limit=10&continue=%s", next);
		json_decref(tree);
		make_map(sim, pages ? "m99" : "m98", ""); /* not seen: the list is of one moment */
		drop_map(sim, pages ? "m99" : "m98");
	}
	assert_int_equal(seen, 25);
	assert_int_equal(pages, 3);
}

static void a_continue_token_that_is_too_old_offers_another(void **state)
{
	AUTO(sim) sim = start("controllers");

	(void)state;
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof name, "m%02d", i);
		make_map(sim, name, "");
	}
	AUTO_FREE char *first = sim_request(sim, "GET", MAPS "?limit=2", NULL, NULL, NULL);
	json_t *tree = json_loads(first, 0, NULL);
	AUTO_FREE char *path = xasprintf(MAPS "?limit=2&continue=%s", jstr(tree, "metadata", "continue"));
	unsigned status;

	json_decref(tree);
	free(fetch(sim, "POST", "/_sim/compact", "", ""));
	AUTO_FREE char *gone = sim_request(sim, "GET", path, NULL, NULL, &status);

	assert_int_equal(status, 410);
	tree = json_loads(gone, 0, NULL);
	assert_string_equal(jstr(tree, "reason"), "Expired");
	AUTO_FREE char *again = xasprintf(MAPS "?limit=2&continue=%s", jstr(tree, "metadata", "continue"));

	json_decref(tree);
	AUTO_FREE char *rest = sim_request(sim, "GET", again, NULL, NULL, &status);

	assert_int_equal(status, 200);
	tree = json_loads(rest, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(tree, "items")), 2);
	json_decref(tree);
}

static void discovery_speaks_both_forms(void **state)
{
	static const char accept[] =
		"Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json\r\n";
	AUTO(sim) sim = start("controllers");
	AUTO(sim) old = start("controllers,aggregated-discovery");
	AUTO_FREE char *new_form = fetch(sim, "GET", "/apis", accept, "");
	AUTO_FREE char *plain = fetch(old, "GET", "/apis", accept, "");
	AUTO_FREE char *list = fetch(sim, "GET", "/apis/apps/v1", "", "");
	const char *etag = strstr(new_form, "ETag: ");

	(void)state;
	assert_non_null(strstr(new_form, "Content-Type: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
	assert_non_null(strstr(new_form, "\"kind\":\"APIGroupDiscoveryList\""));
	assert_non_null(strstr(plain, "\"kind\":\"APIGroupList\""));
	assert_non_null(strstr(list, "\"name\":\"deployments/scale\""));
	assert_non_null(etag);
	AUTO_FREE char *tag = xmemdup0(etag + 6, strcspn(etag + 6, "\r"));
	AUTO_FREE char *headers = xasprintf("%sIf-None-Match: %s\r\n", accept, tag);
	AUTO_FREE char *same = fetch(sim, "GET", "/apis", headers, "");

	assert_int_equal(status_of(same), 304);
}

static void metadata_alone_keeps_secrets_out(void **state)
{
	AUTO(sim) sim = start("controllers");

	(void)state;
	free(sim_request(sim, "POST", "/api/v1/namespaces/default/secrets", NULL,
			 "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},\"stringData\":{\"k\":\"canary\"}}", NULL));
	AUTO_FREE char *list = fetch(sim, "GET", "/api/v1/secrets",
				     "Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json\r\n", "");

	assert_non_null(strstr(list, "\"kind\":\"PartialObjectMetadataList\""));
	assert_non_null(strstr(list, "\"name\":\"s\""));
	assert_null(strstr(list, "Y2FuYXJ5"));
}

static void faults_strike_by_path_and_number(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	make_map(sim, "a", "");
	assert_true(sim_set_faults(sim, "[{\"method\":\"GET\",\"path\":\"configmaps/a\",\"from\":2,\"count\":1,\"status\":503,\"retryAfter\":\"7\"}]", &err));
	AUTO_FREE char *one = fetch(sim, "GET", MAPS "/a", "", "");
	AUTO_FREE char *two = fetch(sim, "GET", MAPS "/a", "", "");
	AUTO_FREE char *three = fetch(sim, "GET", MAPS "/a", "", "");

	assert_int_equal(status_of(one), 200);
	assert_int_equal(status_of(two), 503);
	assert_non_null(strstr(two, "Retry-After: 7"));
	assert_int_equal(status_of(three), 200);
	assert_false(sim_set_faults(sim, "[{\"action\":\"explode\"}]", &err));
}

static void connections_break_as_the_script_says(void **state)
{
	static const struct {
		const char *rules;
		int status;
		const char *holds, *lacks;
	} table[] = {
		{ "[{\"action\":\"reset\"}]", 0, NULL, "HTTP" },
		{ "[{\"action\":\"close\"}]", 0, NULL, "HTTP" },
		{ "[{\"action\":\"garbage\"}]", 0, "this is no HTTP", NULL },
		{ "[{\"action\":\"cut\",\"at\":20}]", 200, "\"kind\"", "\"name\":\"a\"" },
		{ "[{\"action\":\"garbage\",\"body\":\"{]\"}]", 200, "{]", NULL },
		{ "[{\"action\":\"header\",\"headers\":{\"X-Odd\":\"1\"}}]", 200, "X-Odd: 1", NULL },
		{ "[{\"action\":\"flood\",\"bytes\":100000}]", 200, "          ", "kind" },
		{ "[{\"action\":\"drip\",\"bytes\":100,\"ms\":1}]", 200, "\"name\":\"a\"", NULL },
	};
	AUTO(sim) sim = start("controllers");

	(void)state;
	make_map(sim, "a", "");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(error) err = { 0 };

		assert_true(sim_set_faults(sim, table[i].rules, &err));
		AUTO_FREE char *answer = fetch(sim, "GET", MAPS "/a", "", "");

		if (status_of(answer) != table[i].status || (table[i].holds && !strstr(answer, table[i].holds)) ||
		    (table[i].lacks && strstr(answer, table[i].lacks)))
			fail_msg("%s gave: %s", table[i].rules, answer);
	}
}

static void a_write_can_be_executed_without_an_answer(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(error) err = { 0 };
	unsigned status;

	(void)state;
	assert_true(sim_set_faults(sim, "[{\"method\":\"POST\",\"action\":\"reset\",\"when\":\"after\"}]", &err));
	AUTO_FREE char *answer = fetch(sim, "POST", MAPS, "Content-Type: application/json\r\n",
				       "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"lost\"}}");
	AUTO_FREE char *there = sim_request(sim, "GET", MAPS "/lost", NULL, NULL, &status);

	assert_int_equal(status_of(answer), 0);
	assert_non_null(there);
	assert_int_equal(status, 200);
}

static void a_paused_request_waits_for_its_release(void **state)
{
	AUTO(sim) sim = start("controllers");
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	assert_true(sim_set_faults(sim, "[{\"action\":\"pause\"}]", &err));
	int fd = ask(sim, "GET", "/version", "", "");
	struct pollfd early = { .fd = fd, .events = POLLIN };
	AUTO_FREE char *paused = fetch(sim, "GET", "/_sim/paused", "", "");

	assert_int_equal(status_of(paused), 200);
	assert_int_equal(poll(&early, 1, 0), 0);
	free(fetch(sim, "POST", "/_sim/release", "", ""));
	assert_true(read_until(fd, &out, "v1.35"));
	close(fd);
}

static void stopping_does_not_wait_for_those_that_hang(void **state)
{
	struct sim *sim = start("controllers");
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	assert_true(sim_set_faults(sim, "[{\"path\":\"version\",\"action\":\"hang\"}]", &err));
	int hanging = ask(sim, "GET", "/version", "", ""), watching = ask(sim, "GET", MAPS "?watch=1&allowWatchBookmarks=true", "", "");

	assert_true(read_until(watching, &out, "BOOKMARK"));
	int64_t begin = now_ms();

	sim_stop(sim);
	assert_true(now_ms() - begin < 5000);
	close(hanging);
	close(watching);
}

static void requests_are_logged_in_their_order(void **state)
{
	AUTO(sim) sim = start("controllers");

	(void)state;
	free(fetch(sim, "GET", "/version", "", ""));
	free(fetch(sim, "GET", MAPS "/none?a=b", "", ""));
	AUTO_FREE char *log = sim_requests(sim);

	assert_string_equal(log,
			    "{\"n\":1,\"method\":\"GET\",\"path\":\"/version\",\"query\":\"\",\"userAgent\":\"test/1\",\"status\":200}\n"
			    "{\"n\":2,\"method\":\"GET\",\"path\":\"/api/v1/namespaces/default/configmaps/none\",\"query\":\"a=b\",\"userAgent\":\"test/1\",\"status\":404}\n");
	assert_int_equal(sim_request_count(sim), 2);
}

static void a_denied_verb_is_forbidden_and_the_review_says_so(void **state)
{
	static const char review[] =
		"{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"%s\",\"resource\":\"secrets\"}}}";
	AUTO(sim) sim = start("controllers");

	(void)state;
	free(fetch(sim, "POST", "/_sim/deny", "", "[{\"verb\":\"create\",\"resource\":\"secrets\",\"namespace\":\"default\"}]"));
	AUTO_FREE char *answer = fetch(sim, "POST", "/api/v1/namespaces/default/secrets", "Content-Type: application/json\r\n",
				       "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}");
	const char *path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
	AUTO_FREE char *create = xasprintf(review, "create"), *get = xasprintf(review, "get");
	AUTO_FREE char *no = sim_request(sim, "POST", path, NULL, create, NULL), *yes = sim_request(sim, "POST", path, NULL, get, NULL);

	assert_int_equal(status_of(answer), 403);
	assert_non_null(strstr(answer, "secrets is forbidden: User \\\"sim-admin\\\" cannot create resource \\\"secrets\\\" in API group \\\"\\\" in the namespace \\\"default\\\""));
	assert_non_null(strstr(no, "\"allowed\":false"));
	assert_non_null(strstr(yes, "\"allowed\":true"));
	free(fetch(sim, "POST", "/_sim/deny", "", "{\"requireToken\":[\"good\"]}"));
	AUTO_FREE char *anonymous = fetch(sim, "GET", "/version", "", "");
	AUTO_FREE char *known = fetch(sim, "GET", "/version", "Authorization: Bearer good\r\n", "");

	assert_int_equal(status_of(anonymous), 401);
	assert_int_equal(status_of(known), 200);
}

struct load {
	struct sim *sim;
	int number;
	int bad;
};

static void *write_many(void *arg)
{
	struct load *load = arg;

	for (int i = 0; i < 10; i++) {
		AUTO_FREE char *name = xasprintf("p%d-%d", load->number, i);
		AUTO_FREE char *path = xasprintf(MAPS "/%s?fieldManager=load", name);
		AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},\"data\":{\"a\":\"b\"}}",
						 name);
		AUTO_FREE char *answer = fetch(load->sim, "PATCH", path, "Content-Type: application/apply-patch+yaml\r\n", body);

		load->bad += status_of(answer) != 201;
	}
	return NULL;
}

static void a_hundred_writers_at_once_are_served(void **state)
{
	AUTO(sim) sim = start("controllers");
	struct load loads[100];
	pthread_t threads[100];
	int bad = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		loads[i] = (struct load){ sim, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &loads[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		pthread_join(threads[i], NULL);
		bad += loads[i].bad;
	}
	assert_int_equal(bad, 0);
	AUTO_FREE char *list = sim_request(sim, "GET", MAPS, NULL, NULL, NULL);
	json_t *tree = json_loads(list, 0, NULL);

	assert_int_equal(json_array_size(json_object_get(tree, "items")), 1000);
	json_decref(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_tells_what_changes_and_ends_with_its_time),
		cmocka_unit_test(a_watch_with_a_selector_sees_objects_come_and_go),
		cmocka_unit_test(a_version_that_was_compacted_is_gone),
		cmocka_unit_test(streaming_lists_can_be_switched_off),
		cmocka_unit_test(pages_show_one_snapshot),
		cmocka_unit_test(a_continue_token_that_is_too_old_offers_another),
		cmocka_unit_test(discovery_speaks_both_forms),
		cmocka_unit_test(metadata_alone_keeps_secrets_out),
		cmocka_unit_test(faults_strike_by_path_and_number),
		cmocka_unit_test(connections_break_as_the_script_says),
		cmocka_unit_test(a_write_can_be_executed_without_an_answer),
		cmocka_unit_test(a_paused_request_waits_for_its_release),
		cmocka_unit_test(stopping_does_not_wait_for_those_that_hang),
		cmocka_unit_test(requests_are_logged_in_their_order),
		cmocka_unit_test(a_denied_verb_is_forbidden_and_the_review_says_so),
		cmocka_unit_test(a_hundred_writers_at_once_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
