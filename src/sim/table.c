#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cell_context {
	const json_t *tree;
	int64_t now_ms;
};

typedef json_t *cell_fn(const struct cell_context *c);

static json_t *age_of(const char *time, int64_t now_ms)
{
	int64_t s = (now_ms - jx_time_ms(time)) / 1000;

	if (!*time)
		return json_string("<unknown>");
	if (s < 0)
		s = 0;
	if (s < 120)
		return json_sprintf("%llds", (long long)s);
	if (s < 600)
		return s % 60 ? json_sprintf("%lldm%llds", (long long)(s / 60), (long long)(s % 60)) :
				json_sprintf("%lldm", (long long)(s / 60));
	if (s < 3 * 3600)
		return json_sprintf("%lldm", (long long)(s / 60));
	if (s < 8 * 3600)
		return s / 60 % 60 ? json_sprintf("%lldh%lldm", (long long)(s / 3600), (long long)(s / 60 % 60)) :
				     json_sprintf("%lldh", (long long)(s / 3600));
	if (s < 48 * 3600)
		return json_sprintf("%lldh", (long long)(s / 3600));
	return json_sprintf("%lldd", (long long)(s / 86400));
}

static json_t *name(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "metadata", "name"));
}

static json_t *age(const struct cell_context *c)
{
	return age_of(jstr(c->tree, "metadata", "creationTimestamp"), c->now_ms);
}

static json_t *created(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "metadata", "creationTimestamp"));
}

static json_t *ready_of(const struct cell_context *c)
{
	return json_sprintf("%lld/%lld", (long long)jint(0, c->tree, "status", "readyReplicas"),
			    (long long)jint(0, c->tree, "spec", "replicas"));
}

#define STATUS_NUMBER(fn, key)                                                                                         \
	static json_t *fn(const struct cell_context *c)                                                                \
	{                                                                                                              \
		return json_integer(jint(0, c->tree, "status", key));                                                  \
	}
STATUS_NUMBER(updated, "updatedReplicas")
STATUS_NUMBER(available, "availableReplicas")
STATUS_NUMBER(current, "replicas")
STATUS_NUMBER(ready_count, "readyReplicas")
STATUS_NUMBER(ds_desired, "desiredNumberScheduled")
STATUS_NUMBER(ds_current, "currentNumberScheduled")
STATUS_NUMBER(ds_ready, "numberReady")
STATUS_NUMBER(ds_updated, "updatedNumberScheduled")
STATUS_NUMBER(ds_available, "numberAvailable")

static json_t *desired(const struct cell_context *c)
{
	return json_integer(jint(0, c->tree, "spec", "replicas"));
}

static const char *pod_reason(const json_t *tree)
{
	json_t *list = jget(tree, "status", "containerStatuses");
	const char *reason = jstr(tree, "status", "phase");

	if (*jstr(tree, "status", "reason"))
		reason = jstr(tree, "status", "reason");
	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *s = json_object_get(json_array_get(list, i), "state");

		if (*jstr(s, "waiting", "reason"))
			reason = jstr(s, "waiting", "reason");
		else if (*jstr(s, "terminated", "reason"))
			reason = jstr(s, "terminated", "reason");
	}
	return jget(tree, "metadata", "deletionTimestamp") ? "Terminating" : reason;
}

static json_t *pod_status(const struct cell_context *c)
{
	return json_string(pod_reason(c->tree));
}

static json_t *pod_ready(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "containerStatuses");
	size_t ready = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		ready += json_is_true(json_object_get(json_array_get(list, i), "ready"));
	return json_sprintf("%zu/%zu", ready, json_array_size(jget(c->tree, "spec", "containers")));
}

static json_t *pod_restarts(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "containerStatuses");
	int64_t sum = 0;
	const char *last = "";

	for (size_t i = 0; i < json_array_size(list); i++) {
		sum += jint(0, json_array_get(list, i), "restartCount");
		last = jstr(json_array_get(list, i), "lastState", "terminated", "finishedAt");
	}
	if (!*last)
		return json_sprintf("%lld", (long long)sum);
	json_t *ago = age_of(last, c->now_ms), *cell = json_sprintf("%lld (%s ago)", (long long)sum, json_string_value(ago));

	json_decref(ago);
	return cell;
}

static json_t *or_none(const char *text)
{
	return json_string(*text ? text : "<none>");
}

static json_t *pod_ip(const struct cell_context *c)
{
	return or_none(jstr(c->tree, "status", "podIP"));
}

static json_t *pod_node(const struct cell_context *c)
{
	return or_none(jstr(c->tree, "spec", "nodeName"));
}

static json_t *service_type(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "spec", "type"));
}

static json_t *service_ip(const struct cell_context *c)
{
	return or_none(jstr(c->tree, "spec", "clusterIP"));
}

static json_t *external_ip(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "loadBalancer", "ingress");

	if (json_array_size(list))
		return json_string(jstr(json_array_get(list, 0), "ip"));
	return json_string(strcmp(jstr(c->tree, "spec", "type"), "LoadBalancer") ? "<none>" : "<pending>");
}

static json_t *service_ports(const struct cell_context *c)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	json_t *list = jget(c->tree, "spec", "ports");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		buf_addf(&out, "%s%lld", i ? "," : "", (long long)jint(0, p, "port"));
		if (jint(0, p, "nodePort"))
			buf_addf(&out, ":%lld", (long long)jint(0, p, "nodePort"));
		buf_addf(&out, "/%s", jstr(p, "protocol"));
	}
	return or_none(buf_cstr(&out));
}

static json_t *phase(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "status", "phase"));
}

static json_t *claim_volume(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "spec", "volumeName"));
}

static json_t *claim_capacity(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "status", "capacity", "storage"));
}

static json_t *claim_class(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "spec", "storageClassName"));
}

static json_t *job_status(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "conditions");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_object_get(json_array_get(list, i), "status"), "True") &&
		    (jx_is(json_object_get(json_array_get(list, i), "type"), "Complete") ||
		     jx_is(json_object_get(json_array_get(list, i), "type"), "Failed")))
			return json_string(jstr(json_array_get(list, i), "type"));
	return json_string("Running");
}

static json_t *job_completions(const struct cell_context *c)
{
	return json_sprintf("%lld/%lld", (long long)jint(0, c->tree, "status", "succeeded"),
			    (long long)jint(1, c->tree, "spec", "completions"));
}

static json_t *schedule(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "spec", "schedule"));
}

static json_t *hosts(const struct cell_context *c)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	json_t *list = jget(c->tree, "spec", "rules");

	for (size_t i = 0; i < json_array_size(list); i++)
		buf_addf(&out, "%s%s", i ? "," : "", jstr(json_array_get(list, i), "host"));
	return json_string(out.len ? out.p : "*");
}

static json_t *ingress_class(const struct cell_context *c)
{
	return or_none(jstr(c->tree, "spec", "ingressClassName"));
}

static json_t *ingress_address(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "loadBalancer", "ingress");

	return json_string(json_array_size(list) ? jstr(json_array_get(list, 0), "ip") : "");
}

static json_t *data_count(const struct cell_context *c)
{
	return json_integer((json_int_t)(json_object_size(json_object_get(c->tree, "data")) +
					 json_object_size(json_object_get(c->tree, "binaryData"))));
}

static json_t *secret_type(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "type"));
}

static json_t *event_seen(const struct cell_context *c)
{
	const char *seen = jstr(c->tree, "lastTimestamp");

	if (!*seen)
		seen = jstr(c->tree, "series", "lastObservedTime");
	return age_of(*seen ? seen : jstr(c->tree, "eventTime"), c->now_ms);
}

static json_t *event_type_cell(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "type"));
}

static json_t *event_reason(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "reason"));
}

static json_t *event_object(const struct cell_context *c)
{
	AUTO_FREE char *kind = xstrdup(jstr(c->tree, "involvedObject", "kind"));

	for (char *p = kind; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	return json_sprintf("%s/%s", kind, jstr(c->tree, "involvedObject", "name"));
}

static json_t *event_message(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "message"));
}

static json_t *node_status(const struct cell_context *c)
{
	json_t *list = jget(c->tree, "status", "conditions");
	ptrdiff_t at = jx_find(list, "type", "Ready");

	return json_string(at >= 0 && jx_is(json_object_get(json_array_get(list, (size_t)at), "status"), "True") ? "Ready" : "NotReady");
}

static json_t *node_version(const struct cell_context *c)
{
	return json_string(jstr(c->tree, "status", "nodeInfo", "kubeletVersion"));
}

#define NAME { "Name", "string", "name", 0, name }
#define AGE { "Age", "string", "", 0, age }

static const struct column {
	const char *title, *type, *format;
	int priority;
	cell_fn *cell;
} pods[] = { NAME, { "Ready", "string", "", 0, pod_ready }, { "Status", "string", "", 0, pod_status },
	     { "Restarts", "string", "", 0, pod_restarts }, AGE, { "IP", "string", "", 1, pod_ip },
	     { "Node", "string", "", 1, pod_node } },
  deployments[] = { NAME, { "Ready", "string", "", 0, ready_of }, { "Up-to-date", "integer", "", 0, updated },
		    { "Available", "integer", "", 0, available }, AGE },
  replica_sets[] = { NAME, { "Desired", "integer", "", 0, desired }, { "Current", "integer", "", 0, current },
		     { "Ready", "integer", "", 0, ready_count }, AGE },
  stateful_sets[] = { NAME, { "Ready", "string", "", 0, ready_of }, AGE },
  daemon_sets[] = { NAME, { "Desired", "integer", "", 0, ds_desired }, { "Current", "integer", "", 0, ds_current },
		    { "Ready", "integer", "", 0, ds_ready }, { "Up-to-date", "integer", "", 0, ds_updated },
		    { "Available", "integer", "", 0, ds_available }, AGE },
  services[] = { NAME, { "Type", "string", "", 0, service_type }, { "Cluster-IP", "string", "", 0, service_ip },
		 { "External-IP", "string", "", 0, external_ip }, { "Port(s)", "string", "", 0, service_ports }, AGE },
  claims[] = { NAME, { "Status", "string", "", 0, phase }, { "Volume", "string", "", 0, claim_volume },
	       { "Capacity", "string", "", 0, claim_capacity }, { "StorageClass", "string", "", 0, claim_class }, AGE },
  jobs[] = { NAME, { "Status", "string", "", 0, job_status }, { "Completions", "string", "", 0, job_completions }, AGE },
  cron_jobs[] = { NAME, { "Schedule", "string", "", 0, schedule }, AGE },
  ingresses[] = { NAME, { "Class", "string", "", 0, ingress_class }, { "Hosts", "string", "", 0, hosts },
		  { "Address", "string", "", 0, ingress_address }, AGE },
  config_maps[] = { NAME, { "Data", "integer", "", 0, data_count }, AGE },
  secrets[] = { NAME, { "Type", "string", "", 0, secret_type }, { "Data", "integer", "", 0, data_count }, AGE },
  namespaces[] = { NAME, { "Status", "string", "", 0, phase }, AGE },
  nodes[] = { NAME, { "Status", "string", "", 0, node_status }, AGE, { "Version", "string", "", 0, node_version } },
  events[] = { { "Last Seen", "string", "", 0, event_seen }, { "Type", "string", "", 0, event_type_cell },
	       { "Reason", "string", "", 0, event_reason }, { "Object", "string", "", 0, event_object },
	       { "Message", "string", "", 0, event_message }, { "Name", "string", "name", 1, name } },
  others[] = { NAME, { "Created At", "date", "", 0, created } };

#define TABLE(kind, columns) { kind, columns, ARRAY_LEN(columns) }

static const struct {
	const char *kind;
	const struct column *columns;
	size_t n;
} tables[] = {
	TABLE("Pod", pods), TABLE("Deployment", deployments), TABLE("ReplicaSet", replica_sets),
	TABLE("StatefulSet", stateful_sets), TABLE("DaemonSet", daemon_sets), TABLE("Service", services),
	TABLE("PersistentVolumeClaim", claims), TABLE("Job", jobs), TABLE("CronJob", cron_jobs), TABLE("Ingress", ingresses),
	TABLE("ConfigMap", config_maps), TABLE("Secret", secrets), TABLE("Namespace", namespaces), TABLE("Node", nodes),
	TABLE("Event", events),
};

static const struct column *columns_of(const struct resource *r, size_t *n)
{
	for (size_t i = 0; i < ARRAY_LEN(tables) && !(r->flags & KIND_CUSTOM); i++)
		if (!strcmp(tables[i].kind, r->kind)) {
			*n = tables[i].n;
			return tables[i].columns;
		}
	*n = ARRAY_LEN(others);
	return others;
}

json_t *table_columns(const struct resource *resource)
{
	size_t n;
	const struct column *columns = columns_of(resource, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:i}", "name", columns[i].title, "type", columns[i].type,
						      "format", columns[i].format, "description", columns[i].title, "priority",
						      columns[i].priority));
	return list;
}

json_t *table_cells(const struct resource *resource, const json_t *tree, int64_t now_ms)
{
	size_t n;
	const struct column *columns = columns_of(resource, &n);
	struct cell_context c = { tree, now_ms };
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, columns[i].cell(&c));
	return list;
}
