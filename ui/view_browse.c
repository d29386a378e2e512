/* Any kind of the server as a living table, with the server's own columns. */
#include <stdlib.h>
#include <string.h>

#include "model/table.h"
#include "ui/state.h"
#include "ui/settings.h"
#include "ui/text.h"

#define CELL_WIDTH_MIN 24
#define CELL_WIDTH_MAX 60
#define COLUMNS_MAX    24

/* ---- opening ---- */

static void close_table(struct app *app)
{
	struct browse_view *view = &app->browse;

	if (view->table)
		browse_close(app->session->cluster.browse, GIVE(view->table));
	list_release(&view->list);
	free(GIVE(view->filter));
}

bool app_open_kind(struct app *app, const char *word, const char *namespace)
{
	struct browse_view *view = &app->browse;
	const struct kube_resource *resource = browse_find_kind(app->session->cluster.browse, word);
	AUTO_FREE char *kept = xstrdup(namespace ? namespace : "");

	if (!resource) {
		app_say(app, "the server has no kind \"%s\"", word);
		return false;
	}
	if (!view->table || view->resource != resource || strcmp(view->namespace, kept) != 0) {
		close_table(app);
		free(view->namespace);
		view->resource = resource;
		view->namespace = GIVE(kept);
		view->table = browse_open(app->session->cluster.browse, &(struct browse_list){ .resource = resource, .namespace = view->namespace });
	}
	app_go(app, VIEW_BROWSE);
	return true;
}

void app_open_wanted(struct app *app, const char *word, const char *namespace)
{
	const char *slash = strchr(word, '/'), *why;
	AUTO_FREE char *kind = slash ? xmemdup0(word, (size_t)(slash - word)) : xstrdup(word);
	const struct kube_resource *resource = browse_find_kind(app->session->cluster.browse, kind);

	if (!resource && browse_kinds(app->session->cluster.browse, &why) == KINDS_ASKED) {
		app->wanted = xstrdup(word);
		app->wanted_namespace = xstrdup(namespace);
		return;
	}
	if (!resource || !slash) {
		app_open_kind(app, kind, namespace);
		return;
	}
	AUTO_RELEASE(target) target = { 0 };
	AUTO_FREE char *api_version = xasprintf("%s%s%s", resource->group, *resource->group ? "/" : "", resource->version);

	object_ref_set(&target.object, api_version, resource->kind, resource->namespaced ? namespace : "", slash + 1, "");
	if (app_begins_with_logs(app))
		app_open_logs(app, &target);
	else if (app_open_kind(app, kind, namespace))
		app_open_object(app, &target.object, OBJECT_SUMMARY);
}

/* ---- the source of the list ---- */

enum { FIRST_SERVER_COLUMN = 1 }; /* before them: the namespace, when all are shown */

static size_t count(void *app)
{
	return table_shown(((struct app *)app)->browse.table);
}

static const char *key(void *app, size_t n)
{
	return table_shown_at(((struct app *)app)->browse.table, n)->uid;
}

static enum role role_of_cell(const char *text)
{
	static const struct {
		const char *text;
		enum role role;
	} known[] = { { "Running", ROLE_HEALTHY },	  { "Bound", ROLE_HEALTHY },   { "Active", ROLE_HEALTHY },	   { "Ready", ROLE_HEALTHY },
		      { "Completed", ROLE_DIM },	  { "Pending", ROLE_PROGRESS }, { "ContainerCreating", ROLE_PROGRESS }, { "Terminating", ROLE_PROGRESS },
		      { "CrashLoopBackOff", ROLE_BAD }, { "Error", ROLE_BAD },	       { "ImagePullBackOff", ROLE_BAD },   { "ErrImagePull", ROLE_BAD },
		      { "Failed", ROLE_BAD },		  { "Evicted", ROLE_BAD },     { "Lost", ROLE_BAD },		   { "NotReady", ROLE_BAD },
		      { "OOMKilled", ROLE_BAD },	  { "Warning", ROLE_BAD },     { "Unknown", ROLE_UNKNOWN } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].text, text) == 0)
			return known[i].role;
	return ROLE_TEXT;
}

static enum role cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	struct browse_view *view = &app->browse;
	const struct table_row *row = table_shown_at(view->table, n);
	const struct table_column *columns;

	table_columns_of(view->table, &columns);
	if (view->column_of[column] < 0) {
		buf_adds(out, row->namespace);
		return ROLE_DIM;
	}
	if (columns[view->column_of[column]].is_age) {
		if (row->created_ms)
			add_age(out, browse_now_ms(app->session->cluster.browse) - row->created_ms);
		return ROLE_DIM;
	}
	buf_adds(out, table_cell(row, (size_t)view->column_of[column]));
	return row->completed ? ROLE_DIM : role_of_cell(buf_cstr(out));
}

static bool is_number(const struct table_column *column)
{
	return strcmp(column->type, "integer") == 0 || strcmp(column->type, "number") == 0;
}

static int width_of(const struct browse_view *view, size_t column, size_t first, size_t rows)
{
	const struct table_column *columns;
	int width;

	table_columns_of(view->table, &columns);
	width = text_width(columns[column].name);
	for (size_t i = first; i < first + rows && i < table_shown(view->table); i++) {
		int cells = text_width(table_cell(table_shown_at(view->table, i), column));

		width = cells > width ? cells : width;
	}
	return width > CELL_WIDTH_MAX ? CELL_WIDTH_MAX : width;
}

static const struct column_choice *chosen_columns(const struct app *app)
{
	const struct kube_resource *resource = app->browse.resource;

	return app->settings ? settings_columns(settings_get(app->settings), resource->resource, resource->group) : NULL;
}

/* Which of the server's columns are shown, in which order: the chosen ones, without a choice all. */
static size_t order_columns(const struct column_choice *choice, const struct table_column *columns, size_t n, size_t *ret)
{
	size_t used = 0;

	for (size_t i = 0; !choice && i < n && i < COLUMNS_MAX; i++)
		ret[used++] = i;
	for (size_t c = 0; choice && c < choice->n; c++)
		for (size_t i = 0; i < n && used < COLUMNS_MAX; i++)
			if (strcasecmp(columns[i].name, choice->columns[c]) == 0)
				ret[used++] = i;
	return used;
}

/* Names stay longest, then what the settings or the server want to be seen, then what the server shows where there is room. */
static int rank_of(const struct table_column *column, bool name, bool chosen, size_t place)
{
	return (int)(name ? 1 : column->priority && !chosen ? 100 + place : 3 + place);
}

/* The server's columns as the list wants them; widths by what is on the screen. */
static struct list_source source_of(struct app *app)
{
	struct browse_view *view = &app->browse;
	const struct table_column *columns;
	size_t n = table_columns_of(view->table, &columns), used = 0, rows = (size_t)app->canvas->rows, order[COLUMNS_MAX];
	const struct column_choice *choice = chosen_columns(app);
	size_t shown = order_columns(choice, columns, n, order);

	if (view->resource->namespaced && !*view->namespace) {
		view->columns[used] = (struct list_column){ .title = N_("NAMESPACE"), .min = 15, .want = 24, .rank = 2, .cut = CUT_MIDDLE };
		view->column_of[used++] = -1;
	}
	for (size_t k = 0; k < shown && used < COLUMNS_MAX; k++) {
		size_t i = order[k];
		bool name = strcasecmp(columns[i].name, "name") == 0, right = columns[i].is_age || is_number(&columns[i]);
		int width = columns[i].is_age ? 4 : width_of(view, i, view->list.first, rows);

		view->columns[used] = (struct list_column){ .title = columns[i].name,
							    .min = width < CELL_WIDTH_MIN ? width : CELL_WIDTH_MIN,
							    .want = width,
							    .rank = rank_of(&columns[i], name, choice != NULL, k),
							    .grow = name,
							    .right = right,
							    .cut = name ? CUT_MIDDLE : CUT_END };
		view->column_of[used++] = (int)i;
	}
	view->list.presorted = true; /* by the table */
	return (struct list_source){ view->columns, used, count, key, cell, NULL, app };
}

static const struct table_row *current(struct app *app)
{
	struct list_source source;
	size_t at;

	if (!app->browse.table)
		return NULL;
	source = source_of(app);
	list_update(&app->browse.list, &source, false);
	at = list_current(&app->browse.list);
	return at == SIZE_MAX ? NULL : table_shown_at(app->browse.table, at);
}

/* ---- drawing ---- */

static void add_state(struct app *app, struct buf *out, enum role *ret_role)
{
	static const struct {
		const char *word;
		enum role role;
	} words[] = { [SCOPE_UNWATCHED] = { N_("asking"), ROLE_PROGRESS }, [SCOPE_LOADING] = { N_("loading"), ROLE_PROGRESS }, [SCOPE_LIVE] = { N_("live"), ROLE_HEALTHY },
		      [SCOPE_DOUBTED] = { N_("doubted"), ROLE_PROGRESS },
		      [SCOPE_BROKEN] = { N_("broken"), ROLE_BAD },		 [SCOPE_FORBIDDEN] = { N_("forbidden"), ROLE_BAD },	 [SCOPE_ABSENT] = { N_("absent"), ROLE_BAD } };
	const struct table_state *state = table_state(app->browse.table);

	*ret_role = words[state->state].role;
	buf_adds(out, T(words[state->state].word));
	if (state->state == SCOPE_LOADING)
		buf_addf(out, T(" %zu of about %zu"), table_count(app->browse.table), table_expected(app->browse.table));
	if (state->state == SCOPE_BROKEN && state->proof_ms) {
		buf_adds(out, T(", shown is from "));
		add_age(out, browse_now_ms(app->session->cluster.browse) - state->proof_ms);
		buf_adds(out, T(" ago"));
	}
	if (*state->why)
		buf_addf(out, ": %s", state->why);
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	struct browse_view *view = &app->browse;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct list_source source;
	enum role role;
	int used;

	if (!view->table) {
		canvas_text(canvas, area.top, 1, canvas->cols - 2, ROLE_DIM, T(": opens a kind: pods, services, secrets, ..."));
		return;
	}
	current(app);
	source = source_of(app);
	used = canvas_textf(canvas, area.top, 1, canvas->cols - 2, ROLE_TITLE, "%s%s%s  %s  ", view->resource->resource, *view->resource->group ? "." : "",
			    view->resource->group, *view->namespace ? view->namespace : view->resource->namespaced ? T("all namespaces") : "");
	if (view->filter)
		buf_addf(&text, "/%s: ", view->filter);
	buf_addf(&text, T("%zu of %zu  "), table_shown(view->table), table_count(view->table));
	if (view->list.marks.len)
		buf_addf(&text, T("%zu marked  "), view->list.marks.len);
	add_state(app, &text, &role);
	canvas_text(canvas, area.top, 1 + used, canvas->cols - used - 2, role, buf_cstr(&text));
	list_draw(&view->list, &source, canvas, area.top + 1, area.bottom - area.top - 1, 0, canvas->cols);
	table_set_window(view->table, view->list.first, (size_t)(area.bottom - area.top));
}

/* ---- acting ---- */

static void sort_step(struct browse_view *view, const struct list_source *source, int by)
{
	int count = (int)source->ncolumns + 1, at = ((int)view->list.sort + count + by) % count;
	const struct table_column *columns;

	table_columns_of(view->table, &columns);
	view->list.sort = (unsigned)at;
	int column = at ? view->column_of[at - 1] : TABLE_BY_NAME;

	table_sort(view->table, column < 0 ? TABLE_BY_NAME : columns[column].is_age ? TABLE_BY_AGE : column, view->list.inverted);
}

static void object_of(const struct browse_view *view, const struct table_row *row, struct object_ref *ret)
{
	AUTO_FREE char *api_version = xasprintf("%s%s%s", view->resource->group, *view->resource->group ? "/" : "", view->resource->version);

	object_ref_set(ret, api_version, view->resource->kind, row->namespace, row->name, row->uid);
}

static bool act(struct app *app, enum action action)
{
	struct browse_view *view = &app->browse;
	const struct table_row *row = current(app);
	struct list_source source;

	if (!view->table)
		return false;
	source = source_of(app);
	if (action == ACTION_OPEN && row) {
		AUTO_RELEASE(object_ref) object = { 0 };

		object_of(view, row, &object);
		app_open_object(app, &object, OBJECT_SUMMARY);
	} else if (action == ACTION_SORT_NEXT || action == ACTION_SORT_PREVIOUS) {
		sort_step(view, &source, action == ACTION_SORT_NEXT ? 1 : -1);
	} else if (action == ACTION_SORT_INVERT) {
		view->list.inverted = !view->list.inverted;
		sort_step(view, &source, 0);
	} else if (action == ACTION_RETRY) {
		browse_hurry(app->session->cluster.browse);
		app_say(app, "trying to reach the cluster again");
	} else {
		return list_act(&view->list, &source, action, app->canvas->rows - 6);
	}
	return true;
}

/* What the live model does not know, the table alone vouches for. */
static char *doubt_of(struct app *app)
{
	enum scope_state state = table_state(app->browse.table)->state;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	enum role role;

	if (state != SCOPE_DOUBTED && state != SCOPE_BROKEN)
		return NULL;
	add_state(app, &text, &role);
	return buf_give(&text);
}

static void fill_target(struct app *app, const struct table_row *row, struct target *ret)
{
	const struct environment *env = app_environment_in(app, row->namespace);

	object_of(&app->browse, row, &ret->object);
	ret->doubt = doubt_of(app);
	if (env)
		target_of_environment(app, ret, env);
}

static void target(struct app *app, struct target *ret)
{
	const struct table_row *row = current(app);

	if (row)
		fill_target(app, row, ret);
}

/* By the table as a whole: a filter hides rows from the list, but they are there. */
static void marked(struct app *app, struct targets *ret)
{
	struct map *marks = &app->browse.list.marks;

	ret->list = &app->browse.list;
	for (size_t i = 0; app->browse.table && i < marks->len;) {
		const struct table_row *row = table_find(app->browse.table, marks->entries[i].key);
		struct target *target = row ? targets_add(ret) : NULL;

		if (target)
			fill_target(app, row, target);
		if (row) {
			i++;
			continue;
		}
		ret->gone++;
		map_remove(marks, str_of(marks->entries[i].key));
	}
}

static bool passes(const struct table_row *row, void *arg)
{
	const struct browse_view *view = arg;

	if (strcasestr(row->name, view->filter) || strcasestr(row->namespace, view->filter))
		return true;
	for (size_t i = 0; i < row->ncells; i++)
		if (strcasestr(row->cells[i], view->filter))
			return true;
	return false;
}

static void find(struct app *app, const char *text)
{
	struct browse_view *view = &app->browse;

	free(view->filter);
	view->filter = text && *text ? xstrdup(text) : NULL;
	app_note_filter(app, VIEW_BROWSE, view->filter);
	if (view->table)
		table_filter(view->table, view->filter ? passes : NULL, view);
}

static void release(struct app *app)
{
	close_table(app);
	free(GIVE(app->browse.namespace));
	app->browse.resource = NULL;
}

const struct view_ops browse_view_ops = { .name = N_("Browse"), .draw = draw, .act = act, .target = target, .marked = marked, .find = find, .release = release };
