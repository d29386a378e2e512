#include "pods.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define PODS "/api/v1/namespaces/default/pods"
#define LIMIT_MS 20000

/* Waits until a GET gives that status and, unless NULL, that text. */
static void await(struct kube_bed *bed, const char *path, unsigned wanted, const char *text)
{
	int64_t end = clock_now_ms(NULL) + LIMIT_MS;

	while (clock_now_ms(NULL) < end) {
		unsigned status;
		AUTO_FREE char *answer = sim_request(bed->sim, "GET", path, NULL, NULL, &status);

		if (status == wanted && (!text || strstr(answer, text)))
			return;
		usleep(2000);
	}
	fail_msg("%s: not %u %s after %d s", path, wanted, text ? text : "", LIMIT_MS / 1000);
}

struct kube_bed pods_bed(const struct kube_bed_options *options)
{
	struct kube_bed bed = kube_bed_create(options ? options : &(struct kube_bed_options){ 0 });

	await(&bed, "/api/v1/namespaces/default/serviceaccounts/default", 200, NULL);
	return bed;
}

static void create(struct kube_bed *bed, const char *name, const char *labels, const char *annotations)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','labels':{%s},'annotations':{%s}},'spec':{'containers':"
					 "[{'name':'main','image':'example.test/main:1','env':[{'name':'COLOUR','value':'green'}]}]}}",
					 name, labels, annotations);

	free(kube_bed_send(bed, "POST", PODS, json));
}

void pods_make(struct kube_bed *bed, const char *name, const char *annotations)
{
	AUTO_FREE char *path = xasprintf(PODS "/%s", name);

	create(bed, name, "'app':'web'", annotations);
	await(bed, path, 200, "\"running\":");
}

void pods_make_pending(struct kube_bed *bed, const char *name)
{
	create(bed, name, "'testbed/fault':'pending'", "");
}

void pods_make_unpullable(struct kube_bed *bed, const char *name)
{
	AUTO_FREE char *path = xasprintf(PODS "/%s", name);

	create(bed, name, "'testbed/fault':'imagepull'", "");
	await(bed, path, 200, "ImagePull");
}

void pods_drop(struct kube_bed *bed, const char *name)
{
	AUTO_FREE char *path = xasprintf(PODS "/%s", name);
	AUTO_FREE char *force = xasprintf("%s?gracePeriodSeconds=0", path);

	free(kube_bed_send(bed, "DELETE", force, NULL));
	await(bed, path, 404, NULL);
}
