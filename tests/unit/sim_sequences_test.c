/* Plays tests/sim/sequences/ (recorded from a real API server by tests/sim/record) and wants the same answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/jx.h"
#include "sim/sim.h"

static const char folder[] = "tests/sim/sequences";

static void mask(json_t *value)
{
	static const char *const masked[] = { "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "clusterIP",
					      "clusterIPs" };
	const char *key;
	json_t *child;

	if (json_is_array(value))
		for (size_t i = 0; i < json_array_size(value); i++)
			mask(json_array_get(value, i));
	if (!json_is_object(value))
		return;
	if (json_is_null(json_object_get(value, "conditions")))
		json_object_del(value, "conditions");
	for (size_t i = 0; i < ARRAY_LEN(masked); i++) {
		child = json_object_get(value, masked[i]);
		if (!child || json_is_null(child) || (i >= 5 && jx_empty(child)))
			continue;
		json_object_set_new(value, masked[i], json_string("*"));
	}
	json_object_foreach(value, key, child)
		mask(child);
}

static void join(json_t *into, const json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)from, key, value) {
		if (json_object_get(into, key))
			join(json_object_get(into, key), value);
		else
			json_object_set(into, key, value);
	}
}

/* The JSON patch by which a deploy tool takes over what client-side apply owned. */
static char *migration(struct sim *sim, const char *path)
{
	AUTO_FREE char *object = xmemdup0(path, strcspn(path, "?"));
	AUTO_FREE char *text = sim_request(sim, "GET", object, NULL, NULL, NULL);
	json_t *live = json_loads(text, 0, NULL), *list = jget(live, "metadata", "managedFields"), *kept = json_array(), *patch, *ours = NULL;
	char *out;

	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_object_get(json_array_get(list, i), "manager"), "slotdeck"))
			ours = json_array_get(list, i);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = json_array_get(list, i);

		if (jx_is(json_object_get(entry, "manager"), "kubectl-client-side-apply"))
			join(json_object_get(ours, "fieldsV1"), json_object_get(entry, "fieldsV1"));
		else
			json_array_append(kept, entry);
	}
	patch = json_pack("[{s:s,s:s,s:o},{s:s,s:s,s:s}]", "op", "replace", "path", "/metadata/managedFields", "value", kept, "op", "replace",
			  "path", "/metadata/resourceVersion", "value", jstr(live, "metadata", "resourceVersion"));
	out = json_dumps(patch, 0);
	json_decref(patch);
	json_decref(live);
	return out;
}

static bool served(struct sim *sim, const char *path)
{
	struct timespec moment = { 0, 5000000 };
	unsigned status = 0;

	for (int i = 0; i < 2000 && status != 200; i++) {
		free(sim_request(sim, "GET", path, NULL, NULL, &status));
		nanosleep(&moment, NULL);
	}
	return status == 200;
}

static bool play(struct sim *sim, const char *name, const json_t *step, size_t number)
{
	const char *path = jstr(step, "path");
	json_t *body = json_object_get(step, "body"), *answer;
	char *text = jx_is(body, "MIGRATE") ? migration(sim, path) : json_is_null(body) ? NULL : json_dumps(body, 0);
	unsigned status;

	if (!strcmp(jstr(step, "method"), "WAIT"))
		return served(sim, path);
	AUTO_FREE char *got = sim_request(sim, jstr(step, "method"), path, jstr(step, "type"), text, &status);
	bool same;

	free(text);
	answer = json_loads(got, 0, NULL);
	mask(answer);
	same = (int64_t)status == jint(0, step, "status") && json_equal(answer, json_object_get(step, "answer"));
	if (!same) {
		char *want = json_dumps(json_object_get(step, "answer"), JSON_SORT_KEYS | JSON_INDENT(1));
		char *have = json_dumps(answer, JSON_SORT_KEYS | JSON_INDENT(1));

		printf("%s step %zu: %s %s\nwanted %lld %s\ngot %u %s\n", name, number, jstr(step, "method"), path,
		       (long long)jint(0, step, "status"), want, status, have);
		free(want);
		free(have);
	}
	json_decref(answer);
	return same;
}

static void the_answers_are_those_of_a_real_server(void **state)
{
	struct sim_options options = { .features_off = "controllers" };
	AUTO_RELEASE(error) err = { 0 };
	AUTO(sim) sim = sim_start(&options, &err);
	DIR *dir = opendir(folder);
	size_t steps = 0, bad = 0;

	(void)state;
	assert_non_null(sim);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, e->d_name);
		json_t *sequence;

		if (!ends_with(e->d_name, ".json"))
			continue;
		sequence = json_load_file(path, 0, NULL);
		assert_non_null(sequence);
		AUTO_FREE char *ns = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}",
					       jstr(sequence, "namespace"));
		free(sim_request(sim, "POST", "/api/v1/namespaces", NULL, ns, NULL));
		for (size_t i = 0; i < json_array_size(json_object_get(sequence, "steps")); i++, steps++)
			bad += !play(sim, e->d_name, json_array_get(json_object_get(sequence, "steps"), i), i);
		json_decref(sequence);
	}
	closedir(dir);
	assert_true(steps >= 70);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_answers_are_those_of_a_real_server) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
