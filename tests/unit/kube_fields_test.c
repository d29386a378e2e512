#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kube/fields.h"

#define DEPLOYMENT_FIELDS                                                                                               \
	"{'f:metadata':{'f:labels':{'f:app':{}}},'f:spec':{'f:replicas':{},'f:selector':{},'f:template':{'f:metadata':{'f:labels':{'f:app':{}}}," \
	"'f:spec':{'f:containers':{'k:{\\\"name\\\":\\\"web\\\"}':{'.':{},'f:image':{},'f:name':{},'f:args':{},'f:ports':{"                       \
	"'k:{\\\"containerPort\\\":80,\\\"protocol\\\":\\\"TCP\\\"}':{'.':{},'f:containerPort':{}}},'f:resources':{'f:limits':{'f:cpu':{}}}}}}}}}"
#define DEPLOYMENT(cpu_, image_, extra_)                                                                                \
	"'apiVersion':'apps/v1','kind':'Deployment','spec':{'replicas':1,'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':"  \
	"{'app':'web'}},'spec':{'containers':[{'name':'web','image':'" image_ "','args':['a','b'],'ports':[{'containerPort':80" extra_                \
	"}],'resources':{'limits':{'cpu':'" cpu_ "'}}}]}}}"

/* JSON with ' for ". Gives. */
static json_t *json(const char *text)
{
	char *copy = strdup(text);
	json_error_t why;

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	json_t *value = json_loads(copy, 0, &why);

	if (!value)
		fail_msg("%s at %d of %s", why.text, why.position, copy);
	free(copy);
	return value;
}

static bool unchanged(const char *wanted, const char *live)
{
	json_t *a = json(wanted), *b = json(live);
	bool same = fields_unchanged(a, b, "slotdeck");

	json_decref(a);
	json_decref(b);
	return same;
}

static const char live_deployment[] =
	"{'metadata':{'name':'web','namespace':'n','labels':{'app':'web'},'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'apps/v1',"
	"'fieldsV1':" DEPLOYMENT_FIELDS "}]}," DEPLOYMENT("1", "i:1", ",'protocol':'TCP'") "}";
#define WANTED(cpu_, image_) "{'metadata':{'name':'web','namespace':'n','labels':{'app':'web'}}," DEPLOYMENT(cpu_, image_, "") "}"

static void what_was_applied_is_proven_unchanged_through_defaults_and_quantities(void **state)
{
	(void)state;
	assert_true(unchanged(WANTED("1000m", "i:1"), live_deployment));
}

static void another_value_is_not_proven(void **state)
{
	(void)state;
	assert_false(unchanged(WANTED("1", "i:2"), live_deployment));
	assert_false(unchanged(WANTED("2", "i:1"), live_deployment));
}

static void a_field_that_was_left_out_is_not_proven(void **state)
{
	(void)state;
	assert_false(unchanged("{'metadata':{'name':'web','namespace':'n'}," DEPLOYMENT("1", "i:1", "") "}", live_deployment));
}

static void a_key_taken_out_of_an_atomic_map_is_not_proven(void **state)
{
	(void)state;
	assert_false(unchanged("{'apiVersion':'v1','kind':'X','spec':{'selector':{'a':'1'}}}",
			       "{'apiVersion':'v1','kind':'X','metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1',"
			       "'fieldsV1':{'f:spec':{'f:selector':{}}}}]},'spec':{'selector':{'a':'1','b':'2'}}}"));
}

#define ORDERED(a_, b_)                                                                                                 \
	"'spec':{'initContainers':[{'name':'" a_ "'},{'name':'" b_ "'}]}"
static const char live_ordered[] =
	"{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:spec':{'f:initContainers':{"
	"'k:{\\\"name\\\":\\\"a\\\"}':{'.':{},'f:name':{}},'k:{\\\"name\\\":\\\"b\\\"}':{'.':{},'f:name':{}}}}}}]}," ORDERED("a", "b") "}";

static void another_order_of_a_keyed_list_is_not_proven(void **state)
{
	(void)state;
	assert_true(unchanged("{'apiVersion':'v1','kind':'Pod'," ORDERED("a", "b") "}", live_ordered));
	assert_false(unchanged("{'apiVersion':'v1','kind':'Pod'," ORDERED("b", "a") "}", live_ordered));
}

static void texts_that_look_like_quantities_are_texts_outside_of_resources(void **state)
{
	(void)state;
	assert_false(unchanged("{'apiVersion':'v1','kind':'ConfigMap','data':{'max':'1000m'}}",
			       "{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:data':{'f:max':{}}}}]},"
			       "'data':{'max':'1'}}"));
	assert_false(unchanged("{'apiVersion':'x.test/v1','kind':'X','resources':{'limits':{'cpu':'1000m'}}}",
			       "{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'x.test/v1','fieldsV1':{'f:resources':"
			       "{'f:limits':{'f:cpu':{}}}}}]},'resources':{'limits':{'cpu':'1'}}}"));
}

static void labels_on_an_object_that_had_none_are_not_proven(void **state)
{
	(void)state;
	assert_false(unchanged("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','labels':{'x':'y'}},'data':{'a':'1'}}",
			       "{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:data':{'f:a':{}}}}]},"
			       "'data':{'a':'1'}}"));
}

static void large_numbers_are_compared_exactly(void **state)
{
	(void)state;
	static const char live[] = "{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:n':{}}}]},"
				   "'n':9007199254740993}";

	assert_true(unchanged("{'apiVersion':'v1','kind':'X','n':9007199254740993}", live));
	assert_false(unchanged("{'apiVersion':'v1','kind':'X','n':9007199254740992}", live));
}

static void without_an_entry_of_ours_nothing_is_proven(void **state)
{
	(void)state;
	assert_false(unchanged("{'apiVersion':'v1','kind':'ConfigMap','data':{'a':'1'}}",
			       "{'metadata':{'managedFields':[{'manager':'other','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:data':{'f:a':{}}}}]},"
			       "'data':{'a':'1'}}"));
}

static void string_data_of_a_secret_is_compared_with_what_became_of_it(void **state)
{
	(void)state;
	static const char live[] = "{'metadata':{'managedFields':[{'manager':'slotdeck','operation':'Apply','apiVersion':'v1','fieldsV1':{'f:stringData':"
				   "{'f:a':{}}}}]},'data':{'a':'MQ=='}}";

	assert_true(unchanged("{'apiVersion':'v1','kind':'Secret','stringData':{'a':'1'}}", live));
	assert_false(unchanged("{'apiVersion':'v1','kind':'Secret','stringData':{'a':'2'}}", live));
}

static const char client_side[] =
	"{'metadata':{'annotations':{'kubectl.kubernetes.io/last-applied-configuration':'{}'},'managedFields':["
	"{'manager':'kubectl-client-side-apply','operation':'Update','apiVersion':'v1','time':'2026-01-01T00:00:00Z','fieldsV1':{'f:data':{'.':{},'f:a':{},"
	"'f:b':{}},'f:metadata':{'f:annotations':{'f:kubectl.kubernetes.io/last-applied-configuration':{}}}}},"
	"{'manager':'controller','operation':'Update','apiVersion':'v1','fieldsV1':{'f:data':{'f:c':{}}}},"
	"{'manager':'kubectl-client-side-apply','operation':'Update','subresource':'status','apiVersion':'v1','fieldsV1':{'f:status':{}}}]},"
	"'data':{'a':'1','b':'2','c':'3'}}";

static void fields_of_client_side_apply_become_ours_and_others_stay(void **state)
{
	(void)state;
	json_t *live = json(client_side);

	assert_true(fields_made_by_client_side_apply(live));
	json_t *managed = fields_migrated(live, "slotdeck", "v1"), *entry;
	const json_t *ours = NULL;
	size_t i;

	assert_int_equal(json_array_size(managed), 3);
	json_array_foreach(managed, i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "manager")), "slotdeck") == 0)
			ours = entry;
	assert_non_null(ours);
	assert_string_equal(json_string_value(json_object_get(ours, "operation")), "Apply");
	assert_non_null(json_object_get(json_object_get(json_object_get(ours, "fieldsV1"), "f:data"), "f:b"));
	assert_null(json_object_get(json_object_get(json_object_get(ours, "fieldsV1"), "f:data"), "f:c"));
	json_decref(managed);
	json_decref(live);
}

static void an_object_of_ours_is_not_migrated(void **state)
{
	(void)state;
	json_t *live = json(live_deployment);

	assert_false(fields_made_by_client_side_apply(live));
	assert_null(fields_migrated(live, "slotdeck", "apps/v1"));
	json_decref(live);
}

static void a_conflict_path_finds_its_value_and_owner(void **state)
{
	(void)state;
	json_t *live = json(live_deployment);
	const char *time;

	assert_string_equal(json_string_value(fields_value_at(live, ".spec.template.spec.containers[name=\"web\"].image")), "i:1");
	assert_int_equal(json_integer_value(fields_value_at(live, ".spec.template.spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].containerPort")), 80);
	assert_null(fields_value_at(live, ".spec.template.spec.containers[name=\"no\"].image"));
	assert_string_equal(fields_owner(live, ".spec.template.spec.containers[name=\"web\"].image", &time), "slotdeck");
	json_decref(live);
	live = json("{'data':{'app.conf':'x','app':{'conf':'y'}}}");
	assert_string_equal(json_string_value(fields_value_at(live, ".data.app.conf")), "y");
	json_decref(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_applied_is_proven_unchanged_through_defaults_and_quantities),
		cmocka_unit_test(another_value_is_not_proven),
		cmocka_unit_test(a_field_that_was_left_out_is_not_proven),
		cmocka_unit_test(a_key_taken_out_of_an_atomic_map_is_not_proven),
		cmocka_unit_test(another_order_of_a_keyed_list_is_not_proven),
		cmocka_unit_test(texts_that_look_like_quantities_are_texts_outside_of_resources),
		cmocka_unit_test(labels_on_an_object_that_had_none_are_not_proven),
		cmocka_unit_test(large_numbers_are_compared_exactly),
		cmocka_unit_test(without_an_entry_of_ours_nothing_is_proven),
		cmocka_unit_test(string_data_of_a_secret_is_compared_with_what_became_of_it),
		cmocka_unit_test(fields_of_client_side_apply_become_ours_and_others_stay),
		cmocka_unit_test(an_object_of_ours_is_not_migrated),
		cmocka_unit_test(a_conflict_path_finds_its_value_and_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
