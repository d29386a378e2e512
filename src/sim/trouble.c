#include "sim/trouble.h"

#include <string.h>

#include "base/asset.h"
#include "sim/rest.h"

static json_t *read_scripts(void)
{
	struct str text;

	return asset_find("sim/trouble.json", &text) ? json_loadb(text.p, text.len, 0, NULL) : json_array();
}

json_t *trouble_list(void)
{
	json_t *scripts = read_scripts();

	for (size_t i = 0; i < json_array_size(scripts); i++)
		json_object_del(json_array_get(scripts, i), "objects");
	return scripts;
}

/* Gives the objects of a script. */
static json_t *objects_of(const char *name, struct error *err)
{
	json_t *scripts = read_scripts(), *objects = NULL;
	ptrdiff_t at = jx_find(scripts, "name", name);

	if (at >= 0)
		objects = json_incref(json_object_get(json_array_get(scripts, (size_t)at), "objects"));
	else
		error_set(err, ERR_NOT_FOUND, "there is no trouble \"%s\"", name);
	json_decref(scripts);
	return objects;
}

static char *path_of(struct sim *sim, const json_t *object, const char *ns, const char *query)
{
	const struct resource *r = kinds_kind(sim, jstr(object, "apiVersion"), jstr(object, "kind"));
	AUTO_FREE char *space = r->namespaced ? xasprintf("/namespaces/%s", ns) : xstrdup("");

	return xasprintf("%s/%s%s/%s/%s%s", *r->group ? "/apis" : "/api", r->api_version, space, r->plural,
			 jstr(object, "metadata", "name"), query);
}

static bool call(struct sim *sim, const char *method, const char *path, const char *body, struct error *err)
{
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, method, path, body ? "application/apply-patch+yaml" : NULL, body, &status);

	return status < 300 || error_set(err, status == 404 ? ERR_NOT_FOUND : ERR_INVALID, "%s %s: %u: %s", method, path, status, answer);
}

static bool make_namespace(struct sim *sim, const char *ns, struct error *err)
{
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/%s?fieldManager=kubectl", ns);
	AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", ns);

	return call(sim, "PATCH", path, body, err);
}

bool sim_play(struct sim *sim, const char *name, const char *ns, struct error *err)
{
	json_t *objects = objects_of(name, err);
	bool good = objects && make_namespace(sim, ns, err);

	for (size_t i = 0; good && i < json_array_size(objects); i++) {
		json_t *object = json_array_get(objects, i);
		AUTO_FREE char *path = path_of(sim, object, ns, "?fieldManager=kubectl&force=true");
		AUTO_RELEASE(buf) body = BUF_INIT(0);

		jx_dump(object, &body);
		good = call(sim, "PATCH", path, body.p, err);
	}
	json_decref(objects);
	return good;
}

bool trouble_end(struct sim *sim, const char *name, const char *ns, struct error *err)
{
	json_t *objects = objects_of(name, err);
	bool good = objects != NULL;

	for (size_t i = 0; good && i < json_array_size(objects); i++) {
		AUTO_FREE char *path = path_of(sim, json_array_get(objects, i), ns, "?propagationPolicy=Background");
		AUTO_RELEASE(error) why = { 0 };

		if (!call(sim, "DELETE", path, NULL, &why) && why.kind != ERR_NOT_FOUND)
			good = error_set(err, why.kind, "%s", why.message);
	}
	json_decref(objects);
	return good;
}
