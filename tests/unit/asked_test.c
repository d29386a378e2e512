#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kube_bed.h"
#include "live/asked.h"
#include "kube/exec.h"

#define POD "/api/v1/namespaces/shop/pods/web-1"

static void requests_have_a_kubectl_command_that_asks_the_same(void **state)
{
	static const struct {
		const char *path, *command;
	} rows[] = {
		{ POD "/log?container=web&timestamps=true&follow=true&sinceTime=2026-07-14T03%3A33%3A20Z",
		  "kubectl logs -n shop web-1 -c=web -f --timestamps --since-time=2026-07-14T03:33:20Z" },
		{ POD "/log?container=web&tailLines=20&limitBytes=60000&previous=true", "kubectl logs -n shop web-1 -c=web -p --tail=20 --limit-bytes=60000" },
		{ POD "/log?sinceSeconds=900", "kubectl logs -n shop web-1 --since=900s" },
		{ POD "/exec?command=sh&command=-c&command=echo%20it%27s&container=web&stdin=true&stdout=true&tty=true",
		  "kubectl exec -n shop web-1 -c=web -i -t -- sh -c 'echo it'\\''s'" },
		{ POD "/exec?command=ls&stdin=false", "kubectl exec -n shop web-1 -- ls" },
		{ POD "/attach?container=web&stdin=true", "kubectl attach -n shop web-1 -c=web -i" },
		{ POD "/portforward?ports=8080", "kubectl port-forward -n shop web-1 :8080" },
		{ POD, NULL },
		{ POD "/status", NULL },
		{ "/api/v1/namespaces/shop/services/web/log", NULL },
		{ "/api/v1/pods?watch=1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(buf) command = BUF_INIT(0);

		assert_int_equal(asked_command(rows[i].path, "", &command), rows[i].command != NULL);
		assert_string_equal(buf_cstr(&command), rows[i].command ? rows[i].command : "");
	}
}

static void ask_log(struct kube *kube, unsigned lines)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	kube_log_tail(kube, "shop", "web-1", "web", false, lines, 1000, NULL, &text, &err);
}

static void what_was_asked_of_pods_is_listed_newest_first_and_counted(void **state)
{
	(void)state;
	struct kube_bed bed = kube_bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(asked_list) list = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	static const char *const sh[] = { "sh", NULL };
	uint64_t before = asked_count(bed.kube);

	ask_log(bed.kube, 20);
	ask_log(bed.kube, 50);
	ask_log(bed.kube, 20);
	exec_close(exec_open(bed.kube, &(struct exec_options){ .namespace = "shop", .pod = "web-1", .container = "web", .command = sh, .tty = true }, &err));
	assert_int_equal(asked_count(bed.kube) - before, 4);
	asked_read(bed.kube, &list);
	assert_int_equal(list.len, 3);
	assert_string_equal(list.items[0].command, "kubectl exec -n shop web-1 -c=web -t -- sh");
	assert_true(starts_with(list.items[0].request, "GET " POD "/exec?"));
	assert_true(ends_with(list.items[0].request, "  (WebSocket)"));
	assert_string_equal(list.items[1].request, "GET " POD "/log?container=web&tailLines=20&limitBytes=1000");
	assert_int_equal(list.items[1].times, 2);
	assert_int_equal(list.items[2].times, 1);
	kube_bed_release(&bed);
}

static void the_oldest_are_forgotten(void **state)
{
	(void)state;
	struct kube_bed bed = kube_bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(asked_list) list = { 0 };

	for (unsigned i = 1; i <= 250; i++)
		ask_log(bed.kube, i);
	asked_read(bed.kube, &list);
	assert_int_equal(list.len, 200);
	assert_non_null(strstr(list.items[0].request, "tailLines=250&"));
	assert_non_null(strstr(list.items[199].request, "tailLines=51&"));
	kube_bed_release(&bed);
}

static void secrets_are_masked(void **state)
{
	(void)state;
	struct kube_bed bed = kube_bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(asked_list) list = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	static const char *const login[] = { "login", "--password", "sword & fish", "", NULL };

	log_redact_add(STR("sword & fish"));
	exec_close(exec_open(bed.kube, &(struct exec_options){ .namespace = "shop", .pod = "web-1", .command = login }, &err));
	asked_read(bed.kube, &list);
	log_redact_remove(STR("sword & fish"));
	assert_string_equal(list.items[0].command, "kubectl exec -n shop web-1 -- login --password '***' ''");
	assert_true(starts_with(list.items[0].request, "GET " POD "/exec?command=login&command=--password&command=***&"));
	assert_null(strstr(list.items[0].request, "fish"));
	kube_bed_release(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_a_kubectl_command_that_asks_the_same),
		cmocka_unit_test(what_was_asked_of_pods_is_listed_newest_first_and_counted),
		cmocka_unit_test(the_oldest_are_forgotten),
		cmocka_unit_test(secrets_are_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
