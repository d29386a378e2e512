#include "ui/keymap.h"

#include "ui/term.h"
#include "ui/text.h"

#define ENVS	(1u << VIEW_ENVS)
#define SLOTS	(1u << VIEW_SLOTS)
#define WORK	(1u << VIEW_WORK)
#define RUNS	(1u << VIEW_RUNS)
#define APPLY	(1u << VIEW_APPLY)
#define REVIEW	(1u << VIEW_REVIEW)
#define BROWSE	(1u << VIEW_BROWSE)
#define OBJECT	(1u << VIEW_OBJECT)
#define LOGS	(1u << VIEW_LOGS)
#define PAGE	(1u << VIEW_PAGE)
#define ALL	((1u << VIEW_COUNT) - 1)
#define LISTS	(ENVS | SLOTS | WORK | RUNS | BROWSE | REVIEW)
#define OBJECTS (WORK | RUNS | BROWSE | OBJECT) /* the cursor is on one object of the cluster */
#define MARKS	(ENVS | SLOTS | WORK | BROWSE)
#define TEXTS	(OBJECT | LOGS | PAGE)
#define PLACES	(ENVS | SLOTS) /* the cursor is on an environment */

#define CTRL(letter) ((letter) & 31)

const struct binding built_in_bindings[] = {
	{ KEY_TERM_UP, 'k', "up k", NULL, "up", ALL, GROUP_MOVE, ACTION_UP },
	{ KEY_TERM_DOWN, 'j', "down j", NULL, "down", ALL, GROUP_MOVE, ACTION_DOWN },
	{ KEY_TERM_LEFT, 'h', "left h", NULL, "left; on the slots board: the slot before", ALL & ~APPLY, GROUP_MOVE, ACTION_LEFT },
	{ KEY_TERM_RIGHT, 0, "right", NULL, "right; on the slots board: the slot behind", ALL & ~APPLY, GROUP_MOVE, ACTION_RIGHT },
	{ KEY_TERM_PAGE_UP, CTRL('u'), "PgUp Ctrl-U", NULL, "a page up", ALL, GROUP_MOVE, ACTION_PAGE_UP },
	{ CTRL('b'), 0, "Ctrl-B", NULL, "a page up", ALL, GROUP_MOVE, ACTION_PAGE_UP },
	{ KEY_TERM_PAGE_DOWN, CTRL('d'), "PgDn Ctrl-D", NULL, "a page down", ALL, GROUP_MOVE, ACTION_PAGE_DOWN },
	{ CTRL('f'), 0, "Ctrl-F", NULL, "a page down", ALL, GROUP_MOVE, ACTION_PAGE_DOWN },
	{ KEY_TERM_HOME, 'g', "g Home", NULL, "to the first", ALL, GROUP_MOVE, ACTION_FIRST },
	{ KEY_TERM_END, 'G', "G End", NULL, "to the last", ALL, GROUP_MOVE, ACTION_LAST },
	{ KEY_TERM_ENTER, 0, "Enter", "open", "open what is under the cursor", LISTS, GROUP_MOVE, ACTION_OPEN },
	{ KEY_TERM_ENTER, 0, "Enter", "details", "all that is said about what is under the cursor", APPLY, GROUP_MOVE, ACTION_OPEN },
	{ KEY_TERM_ENTER, 0, "Enter", NULL, "fold or unfold; on a key of Value: show its value", OBJECT, GROUP_MOVE, ACTION_OPEN },
	{ KEY_TERM_ENTER, 0, "Enter", "containers", "choose one container, or all", LOGS, GROUP_MOVE, ACTION_OPEN },
	{ KEY_TERM_ESCAPE, 0, "Esc", "back", "back; closes a filter or a question first", ALL & ~ENVS, GROUP_MOVE, ACTION_BACK },
	{ KEY_TERM_ESCAPE, 0, "Esc", NULL, "closes a filter or a question", ENVS, GROUP_MOVE, ACTION_BACK },
	{ '-', 0, "-", NULL, "the view before, and back again", ALL, GROUP_MOVE, ACTION_PREVIOUS_VIEW },
	{ '!', 0, "!", "next problem", "to the next problem, worst first", ALL & ~TEXTS, GROUP_MOVE, ACTION_NEXT_PROBLEM },
	{ '\t', 0, "Tab", NULL, "the next pane or tab", WORK | OBJECT, GROUP_MOVE, ACTION_NEXT_PANE },
	{ KEY_TERM_BACKTAB, 0, "Shift-Tab", NULL, "the pane or tab before", WORK | OBJECT, GROUP_MOVE, ACTION_PREVIOUS_PANE },
	{ '[', 0, "[", NULL, "the tab before; on Apply: scroll the difference up", WORK | OBJECT | APPLY, GROUP_MOVE, ACTION_PREVIOUS_TAB },
	{ ']', 0, "]", NULL, "the next tab; on Apply: scroll the difference down", WORK | OBJECT | APPLY, GROUP_MOVE, ACTION_NEXT_TAB },
	{ '1', 0, "1", NULL, "Envs: environments and their health", ALL, GROUP_MOVE, ACTION_ENVS },
	{ '2', 0, "2", NULL, "Slots: the board of slots", ALL, GROUP_MOVE, ACTION_SLOTS },
	{ '3', 0, "3", NULL, "Deploy: the workloads of the environment", ALL, GROUP_MOVE, ACTION_WORK },
	{ '4', 0, "4", NULL, "Runs: agents at work", ALL, GROUP_MOVE, ACTION_RUNS },
	{ '5', 0, "5", NULL, "Apply: the last comparison or deployment", ALL, GROUP_MOVE, ACTION_APPLY_SCREEN },
	{ '6', 0, "6", NULL, "Review: slots with a pull request", ALL, GROUP_MOVE, ACTION_REVIEW },

	{ '/', KEY_TERM_F1 + 2, "/ F3", "find", "filter a list, search in a text", ALL & ~APPLY, GROUP_FIND, ACTION_FIND },
	{ '&', KEY_TERM_F1 + 3, "& F4", NULL, "keep only lines with a text", TEXTS, GROUP_FIND, ACTION_FILTER },
	{ 'n', 0, "n", NULL, "the next match", TEXTS, GROUP_FIND, ACTION_NEXT_MATCH },
	{ 'N', 0, "N", NULL, "the match before", TEXTS, GROUP_FIND, ACTION_PREVIOUS_MATCH },
	{ ':', 0, ":", "jump", "jump to any object, kind, environment or action", ALL, GROUP_FIND, ACTION_PALETTE },
	{ '>', KEY_TERM_F1 + 5, "> F6", NULL, "sort by the next column", LISTS, GROUP_FIND, ACTION_SORT_NEXT },
	{ '<', 0, "<", NULL, "sort by the column before", LISTS, GROUP_FIND, ACTION_SORT_PREVIOUS },
	{ 'i', 0, "i", NULL, "invert the order", LISTS, GROUP_FIND, ACTION_SORT_INVERT },
	{ '>', 0, ">", "more", "further back: 200 lines, 1 min … 24 h, all", LOGS, GROUP_FIND, ACTION_SORT_NEXT },
	{ '<', 0, "<", NULL, "not so far back", LOGS, GROUP_FIND, ACTION_SORT_PREVIOUS },
	{ 'i', 0, "i", NULL, "the filter shows, hides, or dims the rest", LOGS, GROUP_FIND, ACTION_SORT_INVERT },
	{ '+', 0, "+", NULL, "unfold", OBJECT, GROUP_FIND, ACTION_UNFOLD },
	{ KEY_TERM_F1 + 4, 'F', "F5 F", "fold", "fold or unfold; in logs: JSON lines to columns", OBJECT | LOGS, GROUP_FIND, ACTION_FOLD },

	{ ' ', 0, "Space", NULL, "mark; another Space takes it off; changes and logs are of all that is marked", MARKS, GROUP_MARK, ACTION_MARK },
	{ 'v', KEY_TERM_CTRL_SPACE, "v Ctrl-Space", NULL, "mark from the last mark to here", MARKS, GROUP_MARK, ACTION_MARK_RANGE },
	{ '*', 0, "*", NULL, "mark all that is shown, or none", MARKS, GROUP_MARK, ACTION_MARK_ALL },

	{ 'w', 0, "w", "why", "why it is in this state, and by which rule", ENVS | SLOTS | WORK | RUNS, GROUP_LOOK, ACTION_WHY },
	{ 'l', 0, "l", "logs", "logs, also of all that is marked", PLACES | OBJECTS, GROUP_LOOK, ACTION_LOGS },
	{ 'L', 0, "L", NULL, "log of its running job, or of its agent", PLACES | WORK | RUNS | REVIEW, GROUP_LOOK, ACTION_AGENT_LOGS },
	{ 'e', 0, "e", "events", "events", PLACES | OBJECTS, GROUP_LOOK, ACTION_EVENTS },
	{ 'm', 0, "m", "manifest", "the manifest as YAML", OBJECTS, GROUP_LOOK, ACTION_MANIFEST },
	{ 'd', 0, "d", "changes", "what changed, by whom and when", PLACES | OBJECTS, GROUP_LOOK, ACTION_CHANGES },
	{ 'H', 0, "H", NULL, "history: revisions of a workload; what was done from here", PLACES | OBJECTS, GROUP_LOOK, ACTION_HISTORY },
	{ 'O', 0, "O", NULL, "owners and what is owned, as a tree", OBJECTS, GROUP_LOOK, ACTION_TREE },
	{ 'b', 0, "b", "values", "values of a Secret or ConfigMap; on a key: show its value", OBJECT, GROUP_LOOK, ACTION_DECODE },
	{ 't', 0, "t", "times", "timestamps", LOGS, GROUP_LOOK, ACTION_TIMESTAMPS },
	{ 'W', 0, "W", "wrap", "wrap long lines", TEXTS, GROUP_LOOK, ACTION_WRAP },
	{ 'f', 0, "f", "follow", "follow the end", LOGS, GROUP_LOOK, ACTION_FOLLOW },
	{ 'p', 0, "p", "previous", "with the container's former run", LOGS, GROUP_LOOK, ACTION_PREVIOUS_CONTAINER },
	{ 'v', 0, "v", "level", "levels: all, from info on, from warn on, only errors", LOGS, GROUP_LOOK, ACTION_LEVEL },
	{ 'z', 0, "z", NULL, "zoom the pane", WORK, GROUP_LOOK, ACTION_ZOOM },
	{ 'o', 0, "o", NULL, "open its public address in the browser", PLACES | OBJECTS, GROUP_LOOK, ACTION_BROWSER },
	{ 'E', 0, "E", NULL, "open the text in $EDITOR (a copy)", TEXTS, GROUP_LOOK, ACTION_EDITOR },
	{ 'y', 0, "y", NULL, "copy: choose what", PLACES | OBJECTS | PAGE, GROUP_LOOK, ACTION_COPY_MENU },
	{ 'Y', 0, "Y", NULL, "copy the name", PLACES | OBJECTS, GROUP_LOOK, ACTION_COPY },
	{ 's', 0, "s", NULL, "save this view as text", ALL, GROUP_LOOK, ACTION_SAVE },
	{ 'J', 0, "J", NULL, "jobs and port-forwards", ALL, GROUP_LOOK, ACTION_JOBS },
	{ '@', 0, "@", NULL, "what was sent, with an equal command", ALL, GROUP_LOOK, ACTION_COMMANDS },
	{ 'r', 0, "r", NULL, "try to reach the cluster again now", ALL, GROUP_LOOK, ACTION_RETRY },
	{ CTRL('l'), 0, "Ctrl-L", NULL, "draw everything anew", ALL, GROUP_LOOK, ACTION_REDRAW },

	{ 'A', 0, "A", "apply", "compare the stack with the cluster, then ask whether to apply it", PLACES | WORK | APPLY, GROUP_CHANGE, ACTION_APPLY },
	{ 'M', 0, "M", NULL, "look which images are missing, then ask whether to mirror them", PLACES | WORK, GROUP_CHANGE, ACTION_MIRROR },
	{ 'M', 0, "M", "mirror", "look which images are missing, then ask whether to mirror them", APPLY, GROUP_CHANGE, ACTION_MIRROR },
	{ 'B', 0, "B", NULL, "look which images are to be built, then ask whether to build them", PLACES | WORK | APPLY, GROUP_CHANGE, ACTION_BUILD },
	{ 'R', 0, "R", "restart", "restart a workload, pod by pod", OBJECTS, GROUP_CHANGE, ACTION_RESTART },
	{ 0, 0, "", NULL, "scale: how many pods a workload wants", OBJECTS, GROUP_CHANGE, ACTION_SCALE },
	{ 'U', 0, "U", "undo", "go back to an earlier revision", OBJECTS, GROUP_CHANGE, ACTION_UNDO },
	{ 'D', 0, "D", NULL, "delete; on a slot: free it", SLOTS | OBJECTS, GROUP_CHANGE, ACTION_DELETE },
	{ 0, 0, "", NULL, "suspend a CronJob, or let it run again", OBJECTS, GROUP_CHANGE, ACTION_SUSPEND_CRON },
	{ 0, 0, "", NULL, "run a CronJob now", OBJECTS, GROUP_CHANGE, ACTION_TRIGGER_CRON },
	{ 'X', 0, "X", "shell", "a shell in a container", OBJECTS, GROUP_CHANGE, ACTION_SHELL },
	{ 0, 0, "", NULL, "forward a port to this machine", OBJECTS, GROUP_CHANGE, ACTION_FORWARD },
	{ 0, 0, "", NULL, "stop a port-forward", ALL, GROUP_CHANGE, ACTION_STOP_FORWARD },
	{ 'c', 0, "c", NULL, "cancel the running job (what is applied stays)", ALL & ~LOGS, GROUP_CHANGE, ACTION_CANCEL },

	{ 'a', KEY_TERM_F1 + 7, "a F8", "actions", "all actions on what is under the cursor", ALL & ~LOGS, GROUP_PROGRAM, ACTION_MENU },
	{ '?', KEY_TERM_F1, "? F1", "keys", "the keys of this view", ALL, GROUP_PROGRAM, ACTION_HELP },
	{ 'K', 0, "K", NULL, "context: go to another cluster", ALL, GROUP_PROGRAM, ACTION_CONTEXT },
	{ KEY_TERM_F1 + 6, 0, "F7", NULL, "give the mouse to the terminal, and take it back", ALL, GROUP_PROGRAM, ACTION_MOUSE },
	{ KEY_TERM_F1 + 8, 0, "F9", NULL, "set a mark in the recording (--record)", ALL, GROUP_PROGRAM, ACTION_RECORD_MARK },
	{ 'q', 0, "q", NULL, "leave the view; on the first screen leave the program", ALL, GROUP_PROGRAM, ACTION_LEAVE },
	{ 'Q', KEY_TERM_F1 + 9, "Q F10", NULL, "leave the program", ALL, GROUP_PROGRAM, ACTION_QUIT },
	{ CTRL('c'), 0, "Ctrl-C", NULL, "leave the program", ALL, GROUP_PROGRAM, ACTION_QUIT },
};
const size_t nbuilt_in_bindings = sizeof built_in_bindings / sizeof *built_in_bindings;

/* Written by keymap_choose() on the main thread. */
const struct binding *bindings = built_in_bindings;
size_t nbindings = sizeof built_in_bindings / sizeof *built_in_bindings;

const char *key_group_name(enum key_group group)
{
	static const char *const names[GROUP_COUNT] = { N_("Move"), N_("Find"), N_("Mark"), N_("Look"), N_("Change"), N_("Program") };

	return T(names[group]);
}

/* ЙЦУКЕН: the letter at the same place on a Latin keyboard. */
uint32_t keymap_latin(uint32_t key)
{
	static const uint32_t lower[] = { /* U+0430 … U+044F */
		'f', ',', 'd', 'u', 'l', 't', ';', 'p', 'b', 'q', 'r', 'k', 'v', 'y', 'j', 'g', 'h', 'c', 'n', 'e', 'a', '[', 'w', 'x', 'i', 'o', ']',
		's', 'm', '\'', '.', 'z' };

	if (key >= 0x430 && key <= 0x44f)
		return lower[key - 0x430];
	if (key >= 0x410 && key <= 0x42f) {
		uint32_t letter = lower[key - 0x410];

		return letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter;
	}
	return key;
}

static bool has_key(const struct binding *b, uint32_t key)
{
	return b->key && (b->key == key || (b->other_key && b->other_key == key));
}

const struct binding *keymap_find(enum view_id view, uint32_t key)
{
	key = keymap_latin(key);
	for (size_t i = 0; i < nbindings; i++)
		if ((bindings[i].views & 1u << view) && has_key(&bindings[i], key))
			return &bindings[i];
	return NULL;
}

enum view_id keymap_view_of(uint32_t key)
{
	for (unsigned v = 0; v < VIEW_COUNT; v++)
		if (keymap_find((enum view_id)v, key))
			return (enum view_id)v;
	return VIEW_COUNT;
}

const struct binding *keymap_of_action(enum view_id view, enum action action)
{
	for (size_t i = 0; i < nbindings; i++)
		if ((bindings[i].views & 1u << view) && bindings[i].action == action)
			return &bindings[i];
	return NULL;
}
