/* What the keys of a ResourceQuota count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "job/quota_key.h"

static json_t *json(const char *text)
{
	json_t *tree = json_loads(text, 0, NULL);

	assert_non_null(tree);
	return tree;
}

static void a_key_takes_from_a_spec_what_the_server_reckons(void **state)
{
	(void)state;
	static const struct {
		const char *key, *word, *spec, *takes;
	} table[] = {
		{ "pods", "pods", "{}", "1" },
		{ "count/deployments.apps", "deployments.apps", "{}", "1" },
		{ "requests.cpu", "pods", "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"250m\"}}}]}", "1250m" },
		{ "cpu", "pods", "{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"0.5\"}}}]}", "500m" },
		{ "limits.cpu", "pods", "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "0" },
		{ "limits.memory", "pods", "{\"containers\":[{\"resources\":{\"limits\":{\"memory\":\"1.5Gi\"}}}]}", "1536Mi" },
		{ "requests.memory", "pods", "{\"containers\":[{\"resources\":{\"requests\":{\"memory\":1000}}}]}", "1000" },
		{ "requests.nvidia.com/gpu", "pods", "{\"containers\":[{\"resources\":{\"limits\":{\"nvidia.com/gpu\":2}}}]}", "2" },
		/* an init container before, one that stays */
		{ "requests.cpu", "pods", "{\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}],\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "3" },
		{ "requests.cpu", "pods", "{\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}},"
		  "{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}],\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1500m\"}}}]}", "3" },
		{ "requests.cpu", "pods", "{\"resources\":{\"requests\":{\"cpu\":\"2\"}},\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "2" },
		{ "requests.storage", "persistentvolumeclaims", "{\"resources\":{\"requests\":{\"storage\":\"10Gi\"}}}", "10Gi" },
		{ "fast.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims",
		  "{\"storageClassName\":\"fast\",\"resources\":{\"requests\":{\"storage\":\"10Gi\"}}}", "10Gi" },
		{ "fast.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims",
		  "{\"storageClassName\":\"slow\",\"resources\":{\"requests\":{\"storage\":\"10Gi\"}}}", "0" },
		{ "fast.storageclass.storage.k8s.io/persistentvolumeclaims", "persistentvolumeclaims", "{\"storageClassName\":\"fast\"}", "1" },
		{ "services.loadbalancers", "services", "{\"type\":\"LoadBalancer\"}", "1" },
		{ "services.loadbalancers", "services", "{}", "0" },
		{ "services.nodeports", "services", "{\"type\":\"NodePort\",\"ports\":[{\"port\":1},{\"port\":2}]}", "2" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		json_t *spec = json(table[i].spec);
		AUTO_RELEASE(buf) text = BUF_INIT(0);
		struct quota_key key;

		assert_true(quota_key_parse(table[i].key, &key));
		assert_string_equal(key.word, table[i].word);
		quota_key_format(&key, quota_key_takes(&key, spec), &text);
		assert_string_equal(buf_cstr(&text), table[i].takes);
		quota_key_release(&key);
		json_decref(spec);
	}
}

static void a_key_that_is_not_known_is_left_alone(void **state)
{
	(void)state;
	static const char *const keys[] = { "", "cpus", "fast.storageclass.storage.k8s.io/nonsense", "hugepages-2Mi" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct quota_key key;

		assert_false(quota_key_parse(keys[i], &key));
	}
}

static void a_container_is_silent_when_neither_request_nor_limit_speaks(void **state)
{
	(void)state;
	static const struct {
		const char *key, *spec, *name;
	} table[] = {
		{ "requests.cpu", "{\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"cpu\":\"1\"}}}]}", NULL },
		{ "limits.cpu", "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "a" },
		{ "memory", "{\"containers\":[{\"name\":\"a\"}]}", "a" },
		{ "cpu", "{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "i" },
		{ "cpu", "{\"resources\":{\"requests\":{\"cpu\":\"1\"}},\"containers\":[{\"name\":\"a\"}]}", NULL },
		{ "requests.ephemeral-storage", "{\"containers\":[{\"name\":\"a\"}]}", NULL },
		{ "pods", "{\"containers\":[{\"name\":\"a\"}]}", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		json_t *spec = json(table[i].spec);
		struct quota_key key;

		assert_true(quota_key_parse(table[i].key, &key));
		const char *name = quota_key_silent_container(&key, spec);

		assert_string_equal(name ? name : "(none)", table[i].name ? table[i].name : "(none)");
		quota_key_release(&key);
		json_decref(spec);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_takes_from_a_spec_what_the_server_reckons),
		cmocka_unit_test(a_key_that_is_not_known_is_left_alone),
		cmocka_unit_test(a_container_is_silent_when_neither_request_nor_limit_speaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
