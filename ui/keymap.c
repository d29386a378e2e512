#include "ui/keymap.h"

#include "ui/term.h"

#define ENVS  (1u << VIEW_ENVS)
#define APPLY (1u << VIEW_APPLY)
#define ALL   (ENVS | APPLY | 1u << VIEW_HELP)

const struct binding bindings[] = {
	{ KEY_TERM_UP, 'k', "up k", "Move", "up", ALL, ACTION_UP },
	{ KEY_TERM_DOWN, 'j', "down j", "Move", "down", ALL, ACTION_DOWN },
	{ KEY_TERM_PAGE_UP, 21, "PgUp Ctrl-U", "Move", "a page up", ALL, ACTION_PAGE_UP },
	{ KEY_TERM_PAGE_DOWN, 4, "PgDn Ctrl-D", "Move", "a page down", ALL, ACTION_PAGE_DOWN },
	{ KEY_TERM_HOME, 'g', "g", "Move", "to the first", ALL, ACTION_FIRST },
	{ KEY_TERM_END, 'G', "G", "Move", "to the last", ALL, ACTION_LAST },
	{ '!', 0, "!", "Move", "to the next problem, worst first", ENVS, ACTION_NEXT_PROBLEM },
	{ '1', 0, "1", "Move", "the environments", ALL, ACTION_ENVS },
	{ '5', 0, "5", "Move", "the apply screen", ALL, ACTION_APPLY_SCREEN },
	{ KEY_TERM_ESCAPE, 0, "Esc", "Move", "back; closes a question first", ALL, ACTION_BACK },
	{ '[', KEY_TERM_LEFT, "[", "Look", "scroll the diff up", APPLY, ACTION_SCROLL_UP },
	{ ']', KEY_TERM_RIGHT, "]", "Look", "scroll the diff down", APPLY, ACTION_SCROLL_DOWN },
	{ 'r', 0, "r", "Look", "try to reach the cluster again now", ENVS, ACTION_RETRY },
	{ 12, 0, "Ctrl-L", "Look", "draw everything anew", ALL, ACTION_REDRAW },
	{ 'A', 0, "A", "Change", "compare the stack with the cluster, then ask whether to apply it", ENVS | APPLY, ACTION_APPLY },
	{ 'c', 0, "c", "Change", "cancel the running job (what is applied stays)", APPLY, ACTION_CANCEL },
	{ '?', KEY_TERM_F1, "? F1", "Program", "the keys", ALL, ACTION_HELP },
	{ 'q', 0, "q", "Program", "leave the view; on the first screen leave the program", ALL, ACTION_LEAVE },
	{ 'Q', KEY_TERM_F1 + 9, "Q F10", "Program", "leave the program", ALL, ACTION_QUIT },
	{ 3, 0, "Ctrl-C", "Program", "leave the program", ALL, ACTION_QUIT },
};
const size_t nbindings = sizeof bindings / sizeof *bindings;

/* ЙЦУКЕН: the letter at the same place on a Latin keyboard. */
static uint32_t latin_of(uint32_t key)
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

enum action keymap_find(enum view_id view, uint32_t key)
{
	key = latin_of(key);
	for (size_t i = 0; i < nbindings; i++)
		if ((bindings[i].views & 1u << view) && (bindings[i].key == key || (bindings[i].other_key && bindings[i].other_key == key)))
			return bindings[i].action;
	return ACTION_NONE;
}

enum view_id keymap_view_of(uint32_t key)
{
	key = latin_of(key);
	for (size_t i = 0; i < nbindings; i++)
		for (unsigned v = 0; v < VIEW_COUNT; v++)
			if ((bindings[i].views & 1u << v) && (bindings[i].key == key || (bindings[i].other_key && bindings[i].other_key == key)))
				return (enum view_id)v;
	return VIEW_COUNT;
}

const char *view_name(enum view_id view)
{
	static const char *const names[VIEW_COUNT] = { "Envs", "Apply", "Help" };

	return names[view];
}
