#include "ui/key.h"

#include <string.h>
#include <strings.h>

#include "ui/term.h"

static const struct {
	const char *name;
	uint32_t key;
} names[] = {
	{ "Space", ' ' },		{ "Tab", KEY_TERM_TAB },	  { "Shift-Tab", KEY_TERM_BACKTAB }, { "Enter", KEY_TERM_ENTER },
	{ "Esc", KEY_TERM_ESCAPE },	{ "Backspace", KEY_TERM_BACKSPACE }, { "Delete", KEY_TERM_DELETE },  { "Insert", KEY_TERM_INSERT },
	{ "Up", KEY_TERM_UP },		{ "Down", KEY_TERM_DOWN },	  { "Left", KEY_TERM_LEFT },	     { "Right", KEY_TERM_RIGHT },
	{ "PgUp", KEY_TERM_PAGE_UP },	{ "PgDn", KEY_TERM_PAGE_DOWN },	  { "Home", KEY_TERM_HOME },	     { "End", KEY_TERM_END },
	{ "Ctrl-Space", KEY_TERM_CTRL_SPACE },
};

/* "Ctrl-D" but not the letters that terminals send for other keys: Tab, Enter, Backspace, Esc. */
static bool parse_control(const char *text, uint32_t *ret_key)
{
	char letter = text[5] & ~0x20;

	if (strncasecmp(text, "ctrl-", 5) != 0 || letter < 'A' || letter > 'Z' || text[6] || strchr("HIJM", letter))
		return false;
	*ret_key = KEY_CTRL(letter);
	return true;
}

static bool parse_function(const char *text, uint32_t *ret_key)
{
	unsigned number = 0;

	if ((*text | 0x20) != 'f' || !text[1] || text[1] == '0')
		return false;
	for (text++; *text >= '0' && *text <= '9' && number < 100; text++)
		number = number * 10 + (unsigned)(*text - '0');
	if (*text || number < 1 || number > 12)
		return false;
	*ret_key = KEY_TERM_F1 + number - 1;
	return true;
}

bool key_parse(const char *text, uint32_t *ret_key)
{
	struct str rest = str_of(text);
	uint32_t rune;

	if (utf8_next(&rest, &rune) && !rest.len) {
		if (rune <= ' ' || (rune >= 0x7f && rune < 0xa0) || rune == 0xfffd)
			return false;
		*ret_key = rune;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(names[i].name, text) == 0) {
			*ret_key = names[i].key;
			return true;
		}
	return parse_function(text, ret_key) || (strlen(text) == 6 && parse_control(text, ret_key));
}

void key_add_name(struct buf *out, uint32_t key)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].key == key) {
			buf_adds(out, names[i].name);
			return;
		}
	if (key >= KEY_TERM_F1 && key <= KEY_TERM_F12)
		buf_addf(out, "F%u", key - KEY_TERM_F1 + 1);
	else if (key_is_control(key))
		buf_addf(out, "Ctrl-%c", (char)('A' + key - 1));
	else
		buf_add_rune(out, key);
}

bool key_is_control(uint32_t key)
{
	return key >= 1 && key <= 26 && key != KEY_TERM_TAB;
}
