/* The key table as a person wants it: rows of built_in_bindings[] with other keys. */
#include <stdlib.h>
#include <string.h>

#include "ui/key.h"
#include "ui/keymap.h"
#include "ui/settings.h"

/* A new action needs a row here and in docs/settings.md; a test tells. */
static const char *const names[ACTION_COUNT] = {
	[ACTION_UP] = "up",
	[ACTION_DOWN] = "down",
	[ACTION_LEFT] = "left",
	[ACTION_RIGHT] = "right",
	[ACTION_PAGE_UP] = "page-up",
	[ACTION_PAGE_DOWN] = "page-down",
	[ACTION_FIRST] = "first",
	[ACTION_LAST] = "last",
	[ACTION_NEXT_PANE] = "next-pane",
	[ACTION_PREVIOUS_PANE] = "previous-pane",
	[ACTION_NEXT_PROBLEM] = "next-problem",
	[ACTION_OPEN] = "open",
	[ACTION_BACK] = "back",
	[ACTION_PREVIOUS_VIEW] = "previous-view",
	[ACTION_PREVIOUS_TAB] = "previous-tab",
	[ACTION_NEXT_TAB] = "next-tab",
	[ACTION_ENVS] = "envs",
	[ACTION_SLOTS] = "slots",
	[ACTION_WORK] = "deploy",
	[ACTION_RUNS] = "runs",
	[ACTION_APPLY_SCREEN] = "apply-screen",
	[ACTION_REVIEW] = "review",
	[ACTION_FIND] = "find",
	[ACTION_FILTER] = "filter",
	[ACTION_NEXT_MATCH] = "next-match",
	[ACTION_PREVIOUS_MATCH] = "previous-match",
	[ACTION_PALETTE] = "palette",
	[ACTION_SORT_NEXT] = "sort-next",
	[ACTION_SORT_PREVIOUS] = "sort-previous",
	[ACTION_SORT_INVERT] = "sort-invert",
	[ACTION_FOLD] = "fold",
	[ACTION_UNFOLD] = "unfold",
	[ACTION_MARK] = "mark",
	[ACTION_MARK_RANGE] = "mark-range",
	[ACTION_MARK_ALL] = "mark-all",
	[ACTION_LOGS] = "logs",
	[ACTION_AGENT_LOGS] = "agent-logs",
	[ACTION_EVENTS] = "events",
	[ACTION_MANIFEST] = "manifest",
	[ACTION_CHANGES] = "changes",
	[ACTION_HISTORY] = "history",
	[ACTION_WHY] = "why",
	[ACTION_TREE] = "tree",
	[ACTION_TIMESTAMPS] = "timestamps",
	[ACTION_WRAP] = "wrap",
	[ACTION_FOLLOW] = "follow",
	[ACTION_PREVIOUS_CONTAINER] = "previous-container",
	[ACTION_LEVEL] = "level",
	[ACTION_ZOOM] = "zoom",
	[ACTION_BROWSER] = "browser",
	[ACTION_EDITOR] = "editor",
	[ACTION_COPY_MENU] = "copy-menu",
	[ACTION_COPY] = "copy",
	[ACTION_SAVE] = "save",
	[ACTION_JOBS] = "jobs",
	[ACTION_COMMANDS] = "commands",
	[ACTION_RETRY] = "retry",
	[ACTION_REDRAW] = "redraw",
	[ACTION_DECODE] = "decode",
	[ACTION_APPLY] = "apply",
	[ACTION_MIRROR] = "mirror",
	[ACTION_BUILD] = "build",
	[ACTION_RESTART] = "restart",
	[ACTION_SCALE] = "scale",
	[ACTION_UNDO] = "undo",
	[ACTION_DELETE] = "delete",
	[ACTION_SUSPEND_CRON] = "suspend-cron",
	[ACTION_TRIGGER_CRON] = "trigger-cron",
	[ACTION_SHELL] = "shell",
	[ACTION_FORWARD] = "forward",
	[ACTION_STOP_FORWARD] = "stop-forward",
	[ACTION_CANCEL] = "cancel",
	[ACTION_HELP] = "help",
	[ACTION_MENU] = "menu",
	[ACTION_CONTEXT] = "context",
	[ACTION_LEAVE] = "leave",
	[ACTION_QUIT] = "quit",
	[ACTION_MOUSE] = "mouse",
	[ACTION_RECORD_MARK] = "record-mark",
};

const char *action_name(enum action action)
{
	return names[action];
}

struct settings_action *keymap_actions(size_t *ret_n)
{
	struct settings_action *actions = xcalloc(ACTION_COUNT, sizeof *actions);

	*ret_n = 0;
	for (unsigned a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		bool changes = false;

		for (size_t i = 0; i < nbuilt_in_bindings; i++)
			changes |= built_in_bindings[i].action == (enum action)a && built_in_bindings[i].group == GROUP_CHANGE;
		if (names[a])
			actions[(*ret_n)++] = (struct settings_action){ names[a], changes };
	}
	return actions;
}

/* ---- the chosen table ---- */

/* Written by keymap_choose() on the main thread, at the start and when the settings change. */
static struct chosen {
	struct binding *rows;
	char **labels; /* of the rows, NULL: the built-in one */
	size_t len, rows_cap, labels_len, labels_cap;
} chosen;

static void release(void)
{
	for (size_t i = 0; i < chosen.labels_len; i++)
		free(chosen.labels[i]);
	free(chosen.labels);
	free(chosen.rows);
	chosen = (struct chosen){ 0 };
}

static void set_keys(struct binding *row, const uint32_t *keys, size_t n)
{
	AUTO_RELEASE(buf) label = BUF_INIT(0);

	row->key = n > 0 ? keys[0] : 0;
	row->other_key = n > 1 ? keys[1] : 0;
	for (size_t i = 0; i < n && i < 2; i++) {
		if (i)
			buf_addc(&label, ' ');
		key_add_name(&label, keys[i]);
	}
	row->label = LIST_PUSH(chosen.labels, chosen.labels_len, chosen.labels_cap) = buf_give(&label);
}

/* The last one counts: a person's own stands behind that of the preset. NULL: the action keeps its keys. */
static const struct key_choice *choice_of(enum action action, const struct key_choice *choices, size_t n)
{
	while (names[action] && n--)
		if (strcmp(choices[n].action, names[action]) == 0)
			return &choices[n];
	return NULL;
}

/* Whether an earlier row of the table has the action of row i on one of its screens. */
static bool is_second_row(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (built_in_bindings[k].action == built_in_bindings[i].action && (built_in_bindings[k].views & built_in_bindings[i].views))
			return true;
	return false;
}

/* Two keys are in a row; what has more has more rows. */
static void add_chosen(const struct binding *row, const struct key_choice *choice)
{
	for (size_t k = 0; k == 0 || k < choice->n; k += 2) {
		struct binding *copy = &LIST_PUSH(chosen.rows, chosen.len, chosen.rows_cap);

		*copy = *row;
		if (k)
			copy->hint = NULL;
		set_keys(copy, choice->keys + k, choice->n - k);
	}
}

static bool is_taken(const struct binding *row, uint32_t key, const struct key_choice *choices, size_t n)
{
	for (size_t i = 0; i < chosen.len; i++) {
		const struct binding *other = &chosen.rows[i];

		if (other != row && (other->views & row->views) && choice_of(other->action, choices, n) && (other->key == key || other->other_key == key))
			return true;
	}
	return false;
}

/* A key that was given to another action on the same screen is no longer this row's. */
static void give_up_taken(struct binding *row, const struct key_choice *choices, size_t n)
{
	uint32_t keys[2];
	size_t kept = 0, had = (row->key != 0) + (row->other_key != 0);

	if (choice_of(row->action, choices, n))
		return;
	if (row->key && !is_taken(row, row->key, choices, n))
		keys[kept++] = row->key;
	if (row->other_key && !is_taken(row, row->other_key, choices, n))
		keys[kept++] = row->other_key;
	if (kept < had)
		set_keys(row, keys, kept);
}

void keymap_choose(const struct key_choice *choices, size_t n)
{
	release();
	for (size_t i = 0; n && i < nbuilt_in_bindings; i++) {
		const struct binding *row = &built_in_bindings[i];
		const struct key_choice *choice = choice_of(row->action, choices, n);

		if (!choice)
			LIST_PUSH(chosen.rows, chosen.len, chosen.rows_cap) = *row;
		else if (!is_second_row(i))
			add_chosen(row, choice);
	}
	for (size_t i = 0; i < chosen.len; i++)
		give_up_taken(&chosen.rows[i], choices, n);
	bindings = n ? chosen.rows : built_in_bindings;
	nbindings = n ? chosen.len : nbuilt_in_bindings;
}
