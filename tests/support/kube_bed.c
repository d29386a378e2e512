#include "kube_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kube_bed kube_bed_create(const struct kube_bed_options *options)
{
	struct kube_bed bed = { .clock = options->clock, .folder = "/tmp/kube-bed-XXXXXX" };
	AUTO_RELEASE(error) err = { 0 };

	if (!mkdtemp(bed.folder))
		fail_msg("mkdtemp");
	AUTO_FREE char *file = xasprintf("%s/kubeconfig", bed.folder);

	bed.sim = sim_start(&(struct sim_options){ .speed = 10, .kubeconfig = file, .features_off = options->features_off, .registry = options->registry }, &err);
	if (!bed.sim)
		fail_msg("%s", err.message);
	bed.net = net_create(bed.clock, &err);
	if (!bed.net ||
	    !kube_open(bed.net, &(struct kube_options){ .kubeconfig = { .path = file }, .read_only = options->read_only }, &bed.kube, &err))
		fail_msg("%s", err.message);
	unlink(file);
	rmdir(bed.folder);
	return bed;
}

void kube_bed_release(struct kube_bed *bed)
{
	kube_close(bed->kube);
	net_destroy(bed->net);
	sim_stop(bed->sim);
}

static char *in_quotes(const char *json)
{
	char *text = json ? xstrdup(json) : NULL;

	for (char *p = text; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return text;
}

char *kube_bed_send(struct kube_bed *bed, const char *method, const char *path, const char *json)
{
	AUTO_FREE char *body = in_quotes(json);
	unsigned status;
	char *answer = sim_request(bed->sim, method, path, strcmp(method, "PATCH") ? "application/json" : "application/merge-patch+json",
				   body, &status);

	if (status >= 400)
		fail_msg("%s %s: %u %s", method, path, status, answer);
	return answer;
}

static void post(struct kube_bed *bed, const char *path, const char *json)
{
	free(kube_bed_send(bed, "POST", path, json));
}

void kube_bed_namespace(struct kube_bed *bed, const char *name)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", name);

	post(bed, "/api/v1/namespaces", json);
}

void kube_bed_config_maps(struct kube_bed *bed, const char *namespace, const char *name, unsigned from, unsigned n)
{
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/%s/configmaps", namespace);

	for (unsigned i = from; i < from + n; i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'%s-%u'},'data':{'a':'b'}}", name, i);

		post(bed, path, json);
	}
}

void kube_bed_deployment(struct kube_bed *bed, const char *namespace, const char *name)
{
	AUTO_FREE char *path = xasprintf("/apis/apps/v1/namespaces/%s/deployments", namespace);
	AUTO_FREE char *json = xasprintf("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s'},'spec':{'replicas':1,'selector':"
					 "{'matchLabels':{'app':'%s'}},'template':{'metadata':{'labels':{'app':'%s'}},'spec':{'containers':"
					 "[{'name':'main','image':'registry.local/%s:1'}]}}}}",
					 name, name, name, name);

	post(bed, path, json);
}

void kube_bed_control(struct kube_bed *bed, const char *what, const char *json)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *body = in_quotes(json), *path = xasprintf("/_sim/%s", what);
	AUTO(http) http = http_create(bed->net, &(struct http_options){ .base_url = sim_url(bed->sim) }, &err);
	struct http_request request = { .method = "POST", .path = path, .content_type = "application/json", .body = str_of(body) };

	if (!http || !http_call(http, &request, NULL, &response, &err))
		fail_msg("%s", err.message);
	if (!http_ok(&response))
		fail_msg("%s: %d %s", path, response.status, buf_cstr(&response.body));
}

void kube_bed_deny(struct kube_bed *bed, const char *json)
{
	kube_bed_control(bed, "deny", json);
}

void kube_bed_faults(struct kube_bed *bed, const char *json)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *text = in_quotes(json);

	if (!sim_set_faults(bed->sim, text, &err))
		fail_msg("%s", err.message);
}

unsigned kube_bed_requests(struct kube_bed *bed, const char *text, const char *and_text)
{
	AUTO_FREE char *log = sim_requests(bed->sim);
	struct str rest = str_of(log), line;
	unsigned n = 0;

	while (str_cut(&rest, '\n', &line))
		n += str_find(line, str_of(text)) >= 0 && (!and_text || str_find(line, str_of(and_text)) >= 0);
	return n;
}
