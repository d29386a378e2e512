#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "job/inventory.h"
#include "job/job.h"
#include "job/layers.h"
#include "job/text_diff.h"

static char *diff(const char *before, const char *after)
{
	struct buf out = BUF_INIT(0);

	text_diff(str_of(before), str_of(after), 1, &out);
	return buf_give(&out);
}

static void a_diff_shows_what_changed_with_context(void **state)
{
	(void)state;
	static const struct {
		const char *before, *after, *diff;
	} table[] = {
		{ "a\nb\n", "a\nb\n", "" },
		{ "a\nb\nc\nd\n", "a\nX\nc\nd\n", "@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n" },
		{ "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
		{ "a\n", "", "@@ -1,1 +0,0 @@\n-a\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\nx\n3\n4\n5\n6\n7\ny\n9\n", "@@ -1,3 +1,3 @@\n 1\n-2\n+x\n 3\n@@ -7,3 +7,3 @@\n 7\n-8\n+y\n 9\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_FREE char *shown = diff(table[i].before, table[i].after);

		assert_string_equal(shown, table[i].diff);
	}
}

/* Applies what a diff says and compares: for many random texts. */
static void a_diff_leads_from_one_text_to_the_other(void **state)
{
	(void)state;
	unsigned seed = 7;

	for (int round = 0; round < 300; round++) {
		AUTO_RELEASE(buf) a = BUF_INIT(0);
		AUTO_RELEASE(buf) b = BUF_INIT(0);
		AUTO_RELEASE(buf) kept = BUF_INIT(0);
		AUTO_RELEASE(buf) out = BUF_INIT(0);

		for (int i = 0; i < 12; i++) {
			if (rand_r(&seed) % 3)
				buf_addf(&a, "%d\n", rand_r(&seed) % 5);
			if (rand_r(&seed) % 3)
				buf_addf(&b, "%d\n", rand_r(&seed) % 5);
		}
		text_diff(buf_str(&a), buf_str(&b), 100, &out);
		if (!out.len) {
			assert_string_equal(buf_cstr(&a), buf_cstr(&b));
			continue;
		}
		struct str rest = buf_str(&out), line;

		while (str_cut(&rest, '\n', &line))
			if (line.len && (line.p[0] == ' ' || line.p[0] == '+'))
				buf_addf(&kept, "%.*s\n", (int)line.len - 1, line.p + 1);
		assert_string_equal(buf_cstr(&kept), buf_cstr(&b));
	}
}

static void namespaces_come_first_and_webhooks_last(void **state)
{
	(void)state;
	assert_int_equal(layer_of("v1", "Namespace"), 0);
	assert_int_equal(layer_of("v1", "Secret"), 1);
	assert_int_equal(layer_of("v1", "Service"), 2);
	assert_int_equal(layer_of("apps/v1", "Deployment"), 3);
	assert_int_equal(layer_of("networking.k8s.io/v1", "Ingress"), 4);
	assert_int_equal(layer_of("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"), 5);
	assert_int_equal(layer_of("serving.knative.dev/v1", "Service"), 3);
}

static void label_values_are_made_valid(void **state)
{
	(void)state;
	static const char *const table[][2] = { { "web", "web" }, { "my item/x", "my-item-x" }, { "--a--", "a" }, { "привет", "" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(buf) out = BUF_INIT(0);

		label_value(&out, str_of(table[i][0]));
		assert_string_equal(buf_cstr(&out), table[i][1]);
	}
}

static void an_inventory_line_splits_into_its_words(void **state)
{
	(void)state;
	struct str w[4];

	assert_true(inventory_split("apps/v1 Deployment shop web", w));
	assert_true(str_is(w[0], "apps/v1") && str_is(w[3], "web"));
	assert_true(inventory_split("v1 Namespace - shop", w));
	assert_true(str_is(w[2], ""));
	assert_false(inventory_split("broken", w));
}

static void errors_end_with_the_documented_code(void **state)
{
	(void)state;
	static const struct {
		enum err_kind kind;
		int signal, code;
	} table[] = { { ERR_INVALID, 0, 2 }, { ERR_DENIED, 0, 4 }, { ERR_TIMEOUT, 0, 5 }, { ERR_CONFLICT, 0, 7 }, { ERR_CANCELLED, SIGINT, 130 },
		      { ERR_CANCELLED, SIGTERM, 143 }, { ERR_NETWORK, 0, 1 }, { ERR_SERVER, 0, 1 } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(job_exit_of_error(&(struct error){ .kind = table[i].kind }, table[i].signal), table[i].code);
}

static void a_copied_event_owns_its_texts(void **state)
{
	(void)state;
	char text[] = "hello";
	AUTO(job_event) copy = job_event_copy(&(struct job_event){ .kind = JOB_NOTE, .text = text, .object = { .kind = "Pod", .name = "p" } });

	text[0] = 'X';
	assert_string_equal(copy->text, "hello");
	assert_string_equal(copy->object.name, "p");
}

static void an_event_is_one_json_object_without_control_characters(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	event_to_json(&(struct job_event){ .kind = JOB_OBJECT, .seq = 3, .run = "r", .change = CHANGE_CREATED, .text = "a\033[31m\n\"b\"",
					   .object = { .api_version = "v1", .kind = "Secret", .name = "s", .item = "web", .file = "" } },
		      &out);
	json_t *event = json_loadb(out.p, out.len, 0, NULL);

	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "object");
	assert_string_equal(json_string_value(json_object_get(event, "change")), "created");
	assert_null(memchr(out.p, 27, out.len));
	json_decref(event);
}

static void text_for_people_is_cleaned(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	add_clean(&out, "a\033[2Jb\xc2\x9b" "c\nd\xe2\x80\xae" "e", false);
	assert_string_equal(buf_cstr(&out), "a?[2Jb?c d?e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diff_shows_what_changed_with_context),
		cmocka_unit_test(a_diff_leads_from_one_text_to_the_other),
		cmocka_unit_test(namespaces_come_first_and_webhooks_last),
		cmocka_unit_test(label_values_are_made_valid),
		cmocka_unit_test(an_inventory_line_splits_into_its_words),
		cmocka_unit_test(errors_end_with_the_documented_code),
		cmocka_unit_test(a_copied_event_owns_its_texts),
		cmocka_unit_test(an_event_is_one_json_object_without_control_characters),
		cmocka_unit_test(text_for_people_is_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
