/* Choosing by typing: the palette over everything, the menu of actions, what to copy; and copies and saves themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utc.h"
#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"

/* ---- the menu of actions ---- */

static void pick_action(struct app *app, const struct pick_item *item)
{
	app_do(app, (enum action)item->tag);
}

static void add_actions(struct app *app, struct picker *picker, unsigned groups)
{
	AUTO_RELEASE(targets) targets = { 0 };

	app_targets(app, &targets);
	app_heed_rights(app, &targets);
	for (size_t i = 0; i < nbindings; i++) {
		const struct binding *b = &bindings[i];

		if (!(groups & 1u << b->group) || !(b->views & 1u << app->view) || b->action == ACTION_MENU || b->action == ACTION_PALETTE)
			continue;
		AUTO_FREE char *reason = app_reason_against_all(app, &targets, b->action);

		picker_add(picker, (int)b->action, T(b->help), key_group_name(b->group), b->label, reason, NULL);
	}
}

void app_open_menu(struct app *app)
{
	AUTO_RELEASE(targets) targets = { 0 };
	AUTO_RELEASE(buf) title = BUF_INIT(0);

	app_targets(app, &targets);
	buf_adds(&title, T("actions on "));
	if (targets.count)
		buf_addf(&title, T("what is marked: %zu"), targets.count);
	else if (!object_ref_is_empty(&targets.at.object))
		object_ref_format(&targets.at.object, &title);
	else
		buf_adds(&title, targets.at.title ? targets.at.title : T("nothing"));
	picker_open(&app->picker, buf_cstr(&title), pick_action);
	add_actions(app, &app->picker, 1u << GROUP_CHANGE | 1u << GROUP_LOOK);
}

/* ---- the palette ---- */

enum { PICK_OBJECT = -1, PICK_ENVIRONMENT = -2, PICK_KIND = -3, PICK_CONTEXT = -4 }; /* else an action */

/* "apps/v1 Deployment namespace name", as picked texts carry an object. */
static bool parse_object(const char *text, struct object_ref *ret)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *parts[4] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		parts[i] = strsep(&rest, "\t");
	if (!parts[3])
		return false;
	object_ref_set(ret, parts[0], parts[1], parts[2], parts[3], "");
	return true;
}

static void pick_anything(struct app *app, const struct pick_item *item)
{
	AUTO_RELEASE(object_ref) object = { 0 };

	if (item->tag >= 0) {
		app_do(app, (enum action)item->tag);
	} else if (item->tag == PICK_ENVIRONMENT) {
		work_show(app, item->text, NULL);
		app_go(app, VIEW_WORK);
	} else if (item->tag == PICK_CONTEXT) {
		app_pick_context(app, item);
	} else if (item->tag == PICK_KIND) {
		app_open_kind(app, item->text, NULL);
	} else if (parse_object(item->text, &object)) {
		app_open_object(app, &object, OBJECT_SUMMARY);
	}
}

static void add_environments(struct app *app, struct picker *picker)
{
	const struct environment *env;

	for (size_t i = 0; (env = envs_at(live_envs(app->live), i)); i++)
		picker_add(picker, PICK_ENVIRONMENT, env->title, T(health_state_name(env->shown)), "", NULL, env->title);
}

static void add_objects(struct app *app, struct picker *picker, const struct kind *kind)
{
	for (struct entry *e = store_first(live_store(app->live), kind, NULL); e; e = store_next(e, NULL)) {
		AUTO_RELEASE(buf) api_version = BUF_INIT(0);
		AUTO_FREE char *label = NULL, *text = NULL;

		if (!e->row)
			continue;
		kind_api_version(kind, &api_version);
		label = xasprintf("%s %s", kind->singular, e->row->name);
		text = xasprintf("%s\t%s\t%s\t%s", buf_cstr(&api_version), kind->kind, e->row->namespace, e->row->name);
		picker_add(picker, PICK_OBJECT, label, e->row->namespace, "", NULL, text);
	}
}

static bool lacks_kinds(const struct app *app)
{
	return !browse_kind_at(app->session->cluster.browse, 0);
}

static void fill_palette(struct app *app)
{
	const struct kind *kind;
	const struct kube_resource *resource;

	app->palette_lacks_kinds = lacks_kinds(app);
	add_environments(app, &app->picker);
	add_actions(app, &app->picker, (1u << GROUP_COUNT) - 1 - (1u << GROUP_MOVE));
	app_add_contexts(app, &app->picker, PICK_CONTEXT);
	for (size_t i = 0; (resource = browse_kind_at(app->session->cluster.browse, i)); i++)
		picker_add(&app->picker, PICK_KIND, resource->resource, *resource->group ? resource->group : "core",
			   resource->short_names ? resource->short_names[0] : "", NULL, resource->resource);
	for (size_t i = 0; (kind = store_kind_at(live_store(app->live), i)); i++)
		if (kind->shape != SHAPE_EVENT)
			add_objects(app, &app->picker, kind);
}

void app_open_palette(struct app *app)
{
	picker_open(&app->picker, T("jump to, or do"), pick_anything);
	fill_palette(app);
	app_read_contexts(app);
}

void app_refresh_palette(struct app *app)
{
	if (!app->picker.open || app->picker.pick != pick_anything || !app->palette_lacks_kinds || lacks_kinds(app))
		return;
	picker_clear(&app->picker);
	fill_palette(app);
	picker_look(&app->picker);
}

void app_refresh_reasons(struct app *app)
{
	struct picker *picker = &app->picker;
	AUTO_RELEASE(targets) targets = { 0 };

	if (!picker->open || (picker->pick != pick_action && picker->pick != pick_anything))
		return;
	app_targets(app, &targets);
	app_heed_rights(app, &targets);
	for (size_t i = 0; i < picker->len; i++) {
		if (picker->items[i].tag < 0)
			continue;
		free(picker->items[i].reason);
		picker->items[i].reason = app_reason_against_all(app, &targets, (enum action)picker->items[i].tag);
	}
}

/* ---- copying, saving ---- */

static void pick_copy(struct app *app, const struct pick_item *item)
{
	app_copy(app, item->text, item->label);
}

void app_open_copy_menu(struct app *app, const struct target *target)
{
	struct picker *picker = &app->picker;
	const struct environment *env = app_environment(app, target->title);

	picker_open(picker, T("copy"), pick_copy);
	if (!object_ref_is_empty(&target->object)) {
		AUTO_FREE char *reference = xasprintf("%s/%s", target->object.kind, target->object.name);
		AUTO_FREE char *command = xasprintf("kubectl%s -n %s get %s %s -o yaml", asked_context_flag(app->session->cluster.kube), target->object.namespace, target->object.kind, target->object.name);

		picker_add(picker, 0, T("name"), target->object.name, "Y", NULL, target->object.name);
		picker_add(picker, 0, "kind/name", reference, "", NULL, reference);
		picker_add(picker, 0, T("kubectl command"), command, "", NULL, command);
		if (*target->object.uid)
			picker_add(picker, 0, "uid", target->object.uid, "", NULL, target->object.uid);
	}
	if (target->namespace)
		picker_add(picker, 0, T("namespace"), target->namespace, "", NULL, target->namespace);
	if (env && *env->why)
		picker_add(picker, 0, T("why it is so"), env->why, "", NULL, env->why);
}

void app_copy(struct app *app, const char *text, const char *what)
{
	if (app->options->replay || (app->term && term_copy(app->term, text)))
		app_say(app, "copied: %s", what);
	else
		app_say(app, "this terminal takes no copies (or not that long): %s", text);
}

/* Never over an existing file. */
static char *free_name(const char *view)
{
	char when[UTC_TEXT_MAX];

	utc_format(clock_wall_us(NULL), when);
	for (char *c = when; *c; c++)
		*c = *c == ':' ? '.' : *c;
	return xasprintf("slotdeck-%s-%s.txt", view, when);
}

void app_save(struct app *app)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (app_replays(app, T("saving")))
		return;
	AUTO_FREE char *name = free_name(views[app->view]->name);

	if (views[app->view]->text)
		views[app->view]->text(app, &text);
	else
		canvas_dump_text(app->canvas, &text);
	if (file_exists(name))
		app_say(app, "%s is there already: press s again in a second", name);
	else if (file_write_atomic(name, buf_str(&text), 0600, &err))
		app_notice(app, false, "saved as %s", name);
	else
		app_notice(app, true, "%s: %s", name, err.message);
}
