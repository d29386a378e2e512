#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/kinds.h"
#include "model/row_private.h"

static struct row *decoded(const struct kind *kind, const char *json)
{
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_RELEASE(error) err = { 0 };
	struct row *row = NULL;

	if (!row_decode(decoder, kind, str_of(json), &row, &err))
		fail_msg("%s", err.message);
	return row;
}

static void a_deployment_keeps_what_its_rule_reads(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_deployment,
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\",\"resourceVersion\":\"42\",\"generation\":3,"
		"\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"labels\":{\"slotdeck.dev/env\":\"dev\",\"x\":\"1\"},"
		"\"annotations\":{\"deployment.kubernetes.io/revision\":\"7\",\"big\":\"dropped\"},"
		"\"managedFields\":[{\"manager\":\"slotdeck\",\"time\":\"2026-01-02T03:05:00Z\",\"fieldsV1\":{\"f:spec\":{}}},"
		"{\"manager\":\"kube-controller-manager\",\"subresource\":\"status\",\"time\":\"2026-01-02T04:00:00Z\"}]},"
		"\"spec\":{\"replicas\":2,\"progressDeadlineSeconds\":600,\"strategy\":{\"type\":\"RollingUpdate\","
		"\"rollingUpdate\":{\"maxUnavailable\":1}},\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"spec\":"
		"{\"containers\":[{\"name\":\"a\",\"image\":\"r/a:1\"},{\"name\":\"b\",\"image\":\"r/b:2\"}]}}},"
		"\"status\":{\"observedGeneration\":2,\"replicas\":3,\"updatedReplicas\":1,\"conditions\":[{\"type\":\"Progressing\","
		"\"status\":\"True\",\"reason\":\"ReplicaSetUpdated\",\"lastUpdateTime\":\"2026-01-02T03:06:00Z\"}]}}");

	assert_string_equal(row->name, "web");
	assert_int_equal(row->generation, 3);
	assert_int_equal(row->observed_generation, 2);
	assert_string_equal(row->manager, "slotdeck");
	assert_string_equal(row_label(row, "slotdeck.dev/env"), "dev");
	assert_string_equal(row_label(row, "absent"), "");
	assert_string_equal(row_annotation(row, "deployment.kubernetes.io/revision"), "7");
	assert_int_equal(row->nannotations, 1);
	assert_int_equal(row->workload->want, 2);
	assert_int_equal(row->workload->replicas, 3);
	assert_int_equal(row->workload->updated, 1);
	assert_int_equal(row->workload->available, 0);
	assert_string_equal(row->workload->max_unavailable, "1");
	assert_int_equal(row->workload->nimages, 2);
	assert_string_equal(row->workload->images[1].image, "r/b:2");
	assert_string_equal(row->workload->selector[0].value, "web");
	assert_int_equal(row_condition(row, "Progressing")->updated_ms - row->created_ms, 115000);
}

static void a_pod_joins_specification_and_status_of_its_containers(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_pod,
		"{\"metadata\":{\"name\":\"p\",\"ownerReferences\":[{\"uid\":\"o0\",\"kind\":\"X\",\"name\":\"x\"},"
		"{\"uid\":\"o1\",\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"controller\":true}]},\"spec\":{\"initContainers\":["
		"{\"name\":\"i\",\"image\":\"r/i\"},{\"name\":\"s\",\"image\":\"r/s\",\"restartPolicy\":\"Always\"}],\"containers\":[{\"name\":"
		"\"c\",\"image\":\"r/c\",\"readinessProbe\":{\"initialDelaySeconds\":5,\"periodSeconds\":10,\"failureThreshold\":3},"
		"\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"1Ki\"}}},{\"name\":\"d\",\"resources\":{\"requests\":{\"cpu\":1}}}],"
		"\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},{\"name\":\"w\",\"emptyDir\":{}}]},"
		"\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\"},{\"type\":\"Ready\","
		"\"status\":\"False\"}],\"containerStatuses\":[{\"name\":\"c\",\"restartCount\":4,\"ready\":false,\"state\":{\"waiting\":"
		"{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}},\"lastState\":{\"terminated\":{\"exitCode\":137,\"reason\":"
		"\"OOMKilled\",\"finishedAt\":\"2026-01-02T03:04:05Z\"}}}]}}");
	const struct row_pod *pod = row->pod;

	assert_string_equal(row->owner_uid, "o1");
	assert_int_equal(pod->ncontainers, 4);
	assert_int_equal(pod->nclaims, 1);
	assert_string_equal(pod->claims[0].value, "data");
	assert_int_equal(pod->cpu_request_m, 1250);
	assert_int_equal(pod->memory_request_b, 1024);
	assert_int_equal(row->nconditions, 1);
	for (size_t i = 0; i < pod->ncontainers; i++) {
		const struct row_container *c = &pod->containers[i];

		if (!strcmp(c->name, "s"))
			assert_int_equal(c->role, ROW_SIDECAR);
		if (!strcmp(c->name, "i"))
			assert_int_equal(c->role, ROW_INIT);
		if (strcmp(c->name, "c"))
			continue;
		assert_string_equal(c->image, "r/c");
		assert_int_equal(c->state, ROW_WAITING);
		assert_string_equal(c->reason, "CrashLoopBackOff");
		assert_int_equal(c->restarts, 4);
		assert_int_equal(c->last_exit_code, 137);
		assert_string_equal(c->last_reason, "OOMKilled");
		assert_int_equal(c->readiness_window_s, 35);
	}
}

static void an_event_takes_its_newest_time(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_event,
		"{\"metadata\":{\"name\":\"e\",\"creationTimestamp\":\"2026-01-02T03:00:00Z\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":"
		"\"p\",\"uid\":\"pu\"},\"type\":\"Warning\",\"reason\":\"BackOff\",\"message\":\"m\",\"firstTimestamp\":null,\"lastTimestamp\":"
		"null,\"eventTime\":\"2026-01-02T03:00:01.5Z\",\"series\":{\"count\":7,\"lastObservedTime\":\"2026-01-02T03:10:00Z\"}}");

	assert_int_equal(row->event->last_ms - row->created_ms, 600000);
	assert_int_equal(row->event->count, 7);
	assert_string_equal(row->event->about_uid, "pu");
}

static void a_slot_record_is_read_from_its_config_map(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_config_map, "{\"metadata\":{\"name\":\"codex-env-7\"},\"data\":{\"slot\":\"7\",\"env\":\"ai\","
						  "\"namespace\":\"p-dev-7\",\"issue\":\"12\",\"other\":\"x\"}}");

	assert_string_equal(row->record->slot, "7");
	assert_string_equal(row->record->namespace, "p-dev-7");
	assert_string_equal(row->record->pr, "");
}

static void values_of_a_wrong_type_are_ignored(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_deployment,
		"{\"metadata\":{\"name\":\"web\",\"labels\":[1,2],\"generation\":\"x\",\"creationTimestamp\":5},\"spec\":{\"replicas\":"
		"\"many\",\"selector\":null,\"paused\":\"yes\"},\"status\":{\"conditions\":{\"type\":\"Ready\"},\"replicas\":99999999999}}");

	assert_int_equal(row->workload->want, 1);
	assert_int_equal(row->workload->replicas, INT32_MAX);
	assert_int_equal(row->nlabels, 0);
	assert_int_equal(row->nconditions, 0);
}

static void what_is_no_object_is_an_error(void **state)
{
	(void)state;
	static const char *const table[] = { "", "{", "[]", "null", "{\"metadata\":{}}", "{\"metadata\":{\"name\":\"a\"}", "{\"a\":}" };
	AUTO(row_decoder) decoder = row_decoder_create();

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(error) err = { 0 };
		struct row *row = NULL;

		if (row_decode(decoder, &kind_pod, str_of(table[i]), &row, &err))
			fail_msg("accepted: %s", table[i]);
		assert_int_equal(err.kind, ERR_SERVER);
		assert_null(row);
	}
}

static void every_prefix_of_an_object_is_refused_without_harm(void **state)
{
	(void)state;
	static const char text[] = "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"\\u00e9\"}},\"status\":{\"containerStatuses\":[{\"name\":"
				   "\"c\",\"state\":{\"running\":{\"startedAt\":\"2026-01-02T03:04:05Z\"}}}]}}";
	AUTO(row_decoder) decoder = row_decoder_create();

	for (size_t n = 0; n < sizeof text - 1; n++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO_FREE char *part = xmemdup0(text, n);
		struct row *row = NULL;

		assert_false(row_decode(decoder, &kind_pod, (struct str){ part, n }, &row, &err));
	}
}

static void long_messages_are_cut_and_copies_are_equal(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) json = BUF_INIT(0);
	AUTO(row) row = NULL;
	AUTO(row) copy = NULL;

	buf_adds(&json, "{\"metadata\":{\"name\":\"p\"},\"status\":{\"message\":\"");
	buf_add_repeat(&json, 'x', 5000);
	buf_adds(&json, "\"}}");
	row = decoded(&kind_pod, buf_cstr(&json));
	assert_int_equal(strlen(row->pod->message), ROW_MESSAGE_MAX);
	copy = row_copy(row);
	assert_string_equal(copy->pod->message, row->pod->message);
	assert_ptr_not_equal(copy->pod->message, row->pod->message);
	assert_int_equal(copy->size_bytes, row->size_bytes);
}

static void common_words_are_found_and_take_no_room(void **state)
{
	(void)state;
	static const char *const words[] = { "", "0", "Running", "Pod", "app", "CrashLoopBackOff", "standard", "slotdeck.dev/slot",
					     "Error", "ErrImagePull", "Progressing" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!row_common_text(str_of(words[i])))
			fail_msg("not found: \"%s\"", words[i]);
	}
	assert_null(row_common_text(STR("zzz")));
}

static void kinds_are_found_by_what_people_type(void **state)
{
	(void)state;
	assert_ptr_equal(kind_find_word("po"), &kind_pod);
	assert_ptr_equal(kind_find_word("Deployment"), &kind_deployment);
	assert_ptr_equal(kind_find_word("deployments.apps"), &kind_deployment);
	assert_ptr_equal(kind_find_word("pvc"), &kind_claim);
	assert_null(kind_find_word("pods.apps"));
	assert_null(kind_find_word(""));
	assert_ptr_equal(kind_find_api("networking.k8s.io/v1", "Ingress"), &kind_ingress);
	assert_ptr_equal(kind_find_api("v1", "Service"), &kind_service);
	assert_null(kind_find_api("serving.knative.dev/v1", "Service"));
}

static void cells_say_what_kubectl_says(void **state)
{
	(void)state;
	AUTO(row) row = decoded(&kind_pod,
		"{\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]},"
		"\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"c\",\"restartCount\":2,\"state\":{\"waiting\":{\"reason\":"
		"\"CrashLoopBackOff\"}}}]}}");
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	for (size_t i = 0; i < 5; i++) {
		row->kind->columns[i].cell(row, row->created_ms + 90000, &line);
		buf_addc(&line, ' ');
	}
	assert_string_equal(buf_cstr(&line), "p 0/1 CrashLoopBackOff 2 1m30s ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deployment_keeps_what_its_rule_reads),
		cmocka_unit_test(a_pod_joins_specification_and_status_of_its_containers),
		cmocka_unit_test(an_event_takes_its_newest_time),
		cmocka_unit_test(a_slot_record_is_read_from_its_config_map),
		cmocka_unit_test(values_of_a_wrong_type_are_ignored),
		cmocka_unit_test(what_is_no_object_is_an_error),
		cmocka_unit_test(every_prefix_of_an_object_is_refused_without_harm),
		cmocka_unit_test(long_messages_are_cut_and_copies_are_equal),
		cmocka_unit_test(common_words_are_found_and_take_no_room),
		cmocka_unit_test(kinds_are_found_by_what_people_type),
		cmocka_unit_test(cells_say_what_kubectl_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
