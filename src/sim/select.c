#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_MISSING, OP_GT, OP_LT };

struct requirement {
	char *key;
	enum op op;
	json_t *values;
};

struct selector {
	struct requirement *items;
	size_t n, cap;
};

void selector_destroy(struct selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].key);
		json_decref(s->items[i].values);
	}
	free(s->items);
	free(s);
}

static struct requirement *require(struct selector *s, struct str key, enum op op)
{
	struct requirement *r = &LIST_PUSH(s->items, s->n, s->cap);

	*r = (struct requirement){ str_dup(str_trim(key)), op, json_array() };
	return r;
}

static void add_value(struct requirement *r, struct str value)
{
	value = str_trim(value);
	json_array_append_new(r->values, json_stringn(value.p ? value.p : "", value.len));
}

/* "key in (a,b)" and "key notin (a,b)" */
static bool parse_set(struct selector *s, struct str term, struct error *err)
{
	struct str key = term, rest = term, value;
	bool is_not = str_find(term, STR(" notin ")) >= 0 || str_find(term, STR(" notin(")) >= 0;
	ptrdiff_t open = str_find_char(term, '('), close = str_find_char(term, ')');

	if (open < 0 || close < open)
		return error_set(err, ERR_INVALID, "unable to parse requirement: found '', expected: '('");
	str_cut(&rest, ' ', &key);
	struct requirement *r = require(s, key, is_not ? OP_NOT_IN : OP_IN);

	rest = (struct str){ term.p + open + 1, (size_t)(close - open - 1) };
	while (str_cut(&rest, ',', &value))
		add_value(r, value);
	add_value(r, rest);
	return true;
}

static bool parse_term(struct selector *s, struct str term, struct error *err)
{
	struct str key = term, value = term;
	ptrdiff_t at;

	term = str_trim(term);
	if (!term.len)
		return true;
	if (str_find(term, STR(" in ")) >= 0 || str_find(term, STR(" in(")) >= 0 || str_find(term, STR(" notin")) >= 0)
		return parse_set(s, term, err);
	if ((at = str_find(term, STR("!="))) >= 0) {
		key = (struct str){ term.p, (size_t)at };
		value = (struct str){ term.p + at + 2, term.len - (size_t)at - 2 };
		add_value(require(s, key, OP_NOT_IN), value);
		return true;
	}
	if ((at = str_find_char(term, '=')) >= 0) {
		size_t skip = (size_t)at + 1 < term.len && term.p[at + 1] == '=' ? 2 : 1;

		key = (struct str){ term.p, (size_t)at };
		value = (struct str){ term.p + at + skip, term.len - (size_t)at - skip };
		if (value.len && value.p[0] == '=')
			return error_set(err, ERR_INVALID, "unable to parse requirement: found '=', expected: identifier");
		add_value(require(s, key, OP_IN), value);
		return true;
	}
	if ((at = str_find_char(term, '>')) > 0 || (at = str_find_char(term, '<')) > 0) {
		add_value(require(s, (struct str){ term.p, (size_t)at }, term.p[at] == '>' ? OP_GT : OP_LT),
			  (struct str){ term.p + at + 1, term.len - (size_t)at - 1 });
		return true;
	}
	if (term.p[0] == '!')
		require(s, (struct str){ term.p + 1, term.len - 1 }, OP_MISSING);
	else
		require(s, term, OP_EXISTS);
	return true;
}

bool selector_parse(const char *text, struct selector **ret, struct error *err)
{
	struct selector *s = xcalloc(1, sizeof *s);
	size_t depth = 0, start = 0, i;
	bool good = true;

	*ret = NULL;
	for (i = 0; text && good && i <= strlen(text); i++) {
		if (text[i] == '(')
			depth++;
		if (text[i] == ')' && depth)
			depth--;
		if ((text[i] == ',' && !depth) || !text[i]) {
			good = parse_term(s, (struct str){ text + start, i - start }, err);
			start = i + 1;
		}
	}
	if (!good || !s->n) {
		selector_destroy(s);
		return good;
	}
	*ret = s;
	return true;
}

bool selector_of_object(const json_t *object, struct selector **ret)
{
	static const struct {
		const char *word;
		enum op op;
	} words[] = { { "In", OP_IN }, { "NotIn", OP_NOT_IN }, { "Exists", OP_EXISTS }, { "DoesNotExist", OP_MISSING } };
	json_t *labels = json_object_get(object, "matchLabels"), *expressions = json_object_get(object, "matchExpressions");
	struct selector *s = xcalloc(1, sizeof *s);
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value)
		add_value(require(s, str_of(key), OP_IN), str_of(json_string_value(value)));
	for (size_t i = 0; i < json_array_size(expressions); i++) {
		json_t *e = json_array_get(expressions, i), *values = json_object_get(e, "values");

		for (size_t w = 0; w < ARRAY_LEN(words); w++)
			if (!strcmp(jstr(e, "operator"), words[w].word)) {
				struct requirement *r = require(s, str_of(jstr(e, "key")), words[w].op);

				json_array_extend(r->values, values ? values : r->values);
			}
	}
	*ret = s;
	return s->n > 0;
}

static bool holds(const struct requirement *r, const char *value)
{
	bool among = false;

	for (size_t i = 0; value && i < json_array_size(r->values); i++)
		among = among || jx_is(json_array_get(r->values, i), value);
	switch (r->op) {
	case OP_IN: return among;
	case OP_NOT_IN: return !among;
	case OP_EXISTS: return value != NULL;
	case OP_MISSING: return value == NULL;
	case OP_GT:
	case OP_LT: break;
	}
	if (!value)
		return false;
	long long have = strtoll(value, NULL, 10), want = strtoll(json_string_value(json_array_get(r->values, 0)), NULL, 10);

	return r->op == OP_GT ? have > want : have < want;
}

bool selector_labels(const struct selector *s, const json_t *labels)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (!holds(&s->items[i], json_string_value(json_object_get(labels, s->items[i].key))))
			return false;
	return true;
}

static const struct {
	const char *kind, *fields;
} selectable[] = {
	{ "Pod", " spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork status.phase status.podIP status.nominatedNodeName " },
	{ "Event", " involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason reportingComponent source type regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion regarding.fieldPath reportingController " },
	{ "Secret", " type " },
	{ "Namespace", " status.phase " },
	{ "Node", " spec.unschedulable " },
	{ "ReplicaSet", " status.replicas " },
	{ "Job", " status.successful " },
};

bool selector_fields_ok(const struct selector *s, const struct resource *resource, struct error *err)
{
	for (size_t i = 0; s && i < s->n; i++) {
		const char *key = s->items[i].key;
		AUTO_FREE char *word = xasprintf(" %s ", key);
		bool known = !strcmp(key, "metadata.name") || (!strcmp(key, "metadata.namespace") && resource->namespaced);

		for (size_t k = 0; k < ARRAY_LEN(selectable); k++)
			known = known || (!strcmp(selectable[k].kind, resource->kind) && strstr(selectable[k].fields, word));
		if (!known)
			return error_set(err, ERR_INVALID, "field label not supported: %s", key);
	}
	return true;
}

static const char *field_text(const json_t *tree, const char *path, char number[32])
{
	const json_t *at = tree;
	struct str rest = str_of(path), step;

	while (rest.len) {
		if (!str_cut(&rest, '.', &step)) {
			step = rest;
			rest.len = 0;
		}
		if (str_is(step, "regarding"))
			step = STR("involvedObject");
		else if (str_is(step, "reportingController"))
			step = STR("reportingComponent");
		AUTO_FREE char *key = str_dup(step);

		at = json_object_get(at, key);
	}
	if (json_is_integer(at)) {
		snprintf(number, 32, "%lld", (long long)json_integer_value(at));
		return number;
	}
	if (json_is_boolean(at))
		return json_is_true(at) ? "true" : "false";
	if (json_is_object(at))
		return jstr(at, "component");
	return json_is_string(at) ? json_string_value(at) : "";
}

bool selector_fields(const struct selector *s, const struct version *version)
{
	json_t *tree = NULL;
	bool good = true;

	for (size_t i = 0; s && good && i < s->n; i++) {
		const struct requirement *r = &s->items[i];
		char number[32];

		if (!strcmp(r->key, "metadata.name")) {
			good = holds(r, version->name);
		} else if (!strcmp(r->key, "metadata.namespace")) {
			good = holds(r, version->ns);
		} else {
			if (!tree)
				tree = version_tree(version);
			good = holds(r, field_text(tree, r->key, number));
		}
	}
	json_decref(tree);
	return good;
}
