#include "base/record_mask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

#define MASK	   "***"
#define MASK_BASE64 "Kioq" /* so that values of Secrets stay base64 */
#define MAX_DEPTH  64
#define MAX_STRING ((size_t)2 << 20) /* a longer one is masked as a whole */
#define MAX_LINE   ((size_t)64 << 10)
#define MAX_KEY	   128
#define MIN_TOKEN  20

enum secrecy { OPEN, DATA, STRING_DATA };

struct frame { /* one bracket */
	bool object;
	enum secrecy inside;
	bool next; /* the value to come is secret because of what stands before it */
};

struct record_mask {
	bool json, secret;
	struct buf held; /* of a string without its opening quote, or of a line */
	struct frame frames[MAX_DEPTH];
	unsigned depth;
	bool in_string, escaped, too_long, after_colon;
	char key[MAX_KEY]; /* the last one */
};

/* ---- names that speak of secrets ---- */

static const char *const words[] = { "password", "passwd",   "pwd",	  "passphrase", "token",      "secret",	    "secretkey",
				     "apikey",	 "accesskey", "privatekey", "credential", "credentials", "connectionstring" };

/* "DB_PASSWORD", "clientSecret", "--api-key": its end counts. */
static bool speaks_of_secret(struct str name)
{
	char plain[MAX_KEY];
	size_t len = 0;

	if (name.len >= sizeof plain)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (isalnum((unsigned char)name.p[i]))
			plain[len++] = (char)tolower((unsigned char)name.p[i]);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_ends((struct str){ plain, len }, str_of(words[i])))
			return true;
	return false;
}

/* ---- running text ---- */

static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || strchr("-_.+/=~", c);
}

static size_t token_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] && is_token_char(s.p[n]))
		n++;
	return n;
}

/* "eyJhbGciOi….….…" */
static size_t web_token(struct str s)
{
	size_t n = token_length(s);

	return str_starts(s, STR("eyJ")) && n >= MIN_TOKEN && memchr(s.p, '.', n) ? n : 0;
}

/* "user:password" of "://user:password@host"; s stands behind the slashes. */
static size_t user_info(struct str s)
{
	size_t n = 0;

	while (n < s.len && !isspace((unsigned char)s.p[n]) && !strchr("/?#\"'\\<>@", s.p[n]))
		n++;
	return n < s.len && s.p[n] == '@' ? n : 0;
}

/* Length of the longest word as in words[] that begins at s and ends there, with or without - _ . between its parts. */
static size_t secret_word(struct str s)
{
	size_t longest = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *w = words[i];
		size_t n = 0;

		while (*w && n < s.len) {
			if (tolower((unsigned char)s.p[n]) == *w)
				w++;
			else if (!n || !strchr("-_.", s.p[n]))
				break;
			n++;
		}
		if (!*w && n > longest && (n == s.len || !isalnum((unsigned char)s.p[n])))
			longest = n;
	}
	return longest;
}

static size_t skip(struct str s, size_t at, const char *chars)
{
	while (at < s.len && s.p[at] && strchr(chars, s.p[at]))
		at++;
	return at;
}

/* From the name's end to where its value begins; 0: no value follows. option: "--password VALUE". */
static size_t to_value(struct str s, size_t name, bool option)
{
	size_t at = skip(s, name, "\\\"'"), from;

	if (option && at == name && at < s.len && s.p[at] == ' ')
		return skip(s, at, " \\\"'");
	from = skip(s, at, " \t");
	if (from >= s.len || !strchr("=:", s.p[from]))
		return 0;
	return skip(s, from + 1, "=: \t\\\"'");
}

static size_t value_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && !isspace((unsigned char)s.p[n]) && !strchr("\"'\\,;&})", s.p[n]))
		n++;
	return n;
}

/* A secret that follows what stands at s: where it begins (0: none does), and how long it is. */
static size_t find_secret(struct str s, bool option, size_t *ret_length)
{
	size_t at = 0, word;

	if (str_starts(s, STR("://"))) {
		at = 3;
		*ret_length = user_info((struct str){ s.p + at, s.len - at });
		return *ret_length ? at : 0;
	}
	if (s.len > 7 && (strncasecmp(s.p, "bearer ", 7) == 0 || strncasecmp(s.p, "basic ", 6) == 0)) {
		at = (size_t)(strchr(s.p, ' ') - s.p) + 1;
		*ret_length = token_length((struct str){ s.p + at, s.len - at });
		return *ret_length >= 8 ? at : 0;
	}
	word = secret_word(s);
	if (!word || !(at = to_value(s, word, option)))
		return 0;
	struct str value = { s.p + at, s.len - at };

	*ret_length = str_starts(value, STR("(hidden")) ? 0 : value_length(value); /* we have done so ourselves */
	return *ret_length ? at : 0;
}

static bool may_begin(char c)
{
	return c == ':' || strchr("bptsacBPTSAC", c);
}

/* Most texts are names and numbers: they need no second look. */
static bool may_hold_secret(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == ':' || text.p[i] == '=' || text.p[i] == ' ' || text.p[i] == '.')
			return true;
	return false;
}

/* Without the program's own secrets. */
static void mask_shapes(struct str text, struct buf *out)
{
	size_t done = 0;
	bool option = false;

	if (!may_hold_secret(text)) {
		buf_add_str(out, text);
		return;
	}
	for (size_t i = 0; i < text.len; i++) {
		struct str rest = { text.p + i, text.len - i };
		size_t from = 0, length = 0;

		if (text.p[i] == '-')
			option |= i + 1 < text.len && text.p[i + 1] == '-';
		else if (!isalnum((unsigned char)text.p[i]))
			option = false;
		if (text.p[i] == 'e' && (length = web_token(rest)))
			from = 0;
		else if (!text.p[i] || !may_begin(text.p[i]) || !(from = find_secret(rest, option, &length)))
			continue;
		buf_add(out, text.p + done, i + from - done);
		buf_adds(out, MASK);
		done = i + from + length;
		i = done - 1;
	}
	buf_add(out, text.p + done, text.len - done);
}

void record_mask_text(struct str text, struct buf *out)
{
	AUTO_RELEASE(buf) masked = BUF_INIT(0);

	mask_shapes(text, &masked);
	log_redact(&masked);
	buf_add_str(out, buf_str(&masked));
}

/* ---- JSON ---- */

static struct frame *frame_of(struct record_mask *mask)
{
	return &mask->frames[mask->depth < MAX_DEPTH ? mask->depth : MAX_DEPTH - 1];
}

static void open_bracket(struct record_mask *mask, char bracket)
{
	enum secrecy inside = frame_of(mask)->inside;

	if (mask->secret && !inside)
		inside = strcmp(mask->key, "data") == 0 ? DATA : strcmp(mask->key, "stringData") == 0 ? STRING_DATA : OPEN;
	mask->depth++;
	*frame_of(mask) = (struct frame){ .object = bracket == '{', .inside = inside };
	mask->after_colon = false;
	mask->key[0] = '\0';
}

static void close_bracket(struct record_mask *mask)
{
	if (mask->depth)
		mask->depth--;
	mask->after_colon = false;
	mask->key[0] = '\0';
}

static void keep_key(struct record_mask *mask)
{
	size_t len = mask->held.len < MAX_KEY ? mask->held.len : 0;

	memcpy(mask->key, buf_cstr(&mask->held), len);
	mask->key[len] = '\0';
}

static bool is_secret_value(const struct record_mask *mask, const struct frame *frame)
{
	return mask->too_long || frame->inside || strcmp(mask->key, "kubectl.kubernetes.io/last-applied-configuration") == 0 ||
	       (frame->object ? speaks_of_secret(str_of(mask->key)) || (frame->next && strcmp(mask->key, "value") == 0) : frame->next);
}

/* {"name":"DB_PASSWORD","value":…}, ["--password",…] */
static void look_ahead(struct record_mask *mask, struct frame *frame)
{
	struct str value = buf_str(&mask->held);

	if (!frame->object)
		frame->next = str_starts(value, STR("-")) && speaks_of_secret(value);
	else if (strcmp(mask->key, "name") == 0)
		frame->next = speaks_of_secret(value);
}

static void end_string(struct record_mask *mask, struct buf *out)
{
	struct frame *frame = frame_of(mask);
	bool is_key = mask->depth && frame->object && !mask->after_colon;

	mask->in_string = false;
	if (is_key) {
		keep_key(mask);
		mask_shapes(buf_str(&mask->held), out);
	} else if (is_secret_value(mask, frame) && mask->held.len) {
		buf_adds(out, frame->inside == DATA ? MASK_BASE64 : MASK);
		frame->next = false;
	} else {
		mask_shapes(buf_str(&mask->held), out);
		look_ahead(mask, frame);
	}
	buf_addc(out, '"');
	buf_reset(&mask->held);
	mask->too_long = false;
}

static void in_string(struct record_mask *mask, char c, struct buf *out)
{
	if (c == '"' && !mask->escaped) {
		end_string(mask, out);
		return;
	}
	mask->escaped = c == '\\' && !mask->escaped;
	if (mask->held.len < MAX_STRING)
		buf_addc(&mask->held, c);
	else
		mask->too_long = true;
}

static void between(struct record_mask *mask, char c, struct buf *out)
{
	buf_addc(out, c);
	if (c == '"') {
		mask->in_string = true;
		mask->escaped = false;
	} else if (c == '{' || c == '[') {
		open_bracket(mask, c);
	} else if (c == '}' || c == ']') {
		close_bracket(mask);
	} else if (c == ':') {
		mask->after_colon = true;
	} else if (c == ',') {
		mask->after_colon = false;
	}
}

static void feed_json(struct record_mask *mask, struct str bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (mask->in_string)
			in_string(mask, bytes.p[i], out);
		else
			between(mask, bytes.p[i], out);
}

/* ---- lines ---- */

/* Up to the last whole line; a line that is too long is cut where no secret can be. */
static size_t sure_length(struct str held)
{
	const char *end = memrchr(held.p, '\n', held.len);

	if (end)
		return (size_t)(end - held.p) + 1;
	if (held.len < MAX_LINE)
		return 0;
	for (size_t n = held.len; n > held.len / 2; n--)
		if (strchr(" \t,;", held.p[n - 1]))
			return n;
	return held.len;
}

static void feed_lines(struct record_mask *mask, struct str bytes, struct buf *out)
{
	buf_add_str(&mask->held, bytes);
	size_t sure = mask->held.len ? sure_length(buf_str(&mask->held)) : 0;

	if (sure)
		mask_shapes((struct str){ mask->held.p, sure }, out);
	buf_consume(&mask->held, sure);
}

/* ---- the whole ---- */

struct record_mask *record_mask_create(bool json, bool secret)
{
	struct record_mask *mask = xcalloc(1, sizeof *mask);

	mask->json = json;
	mask->secret = secret;
	return mask;
}

void record_mask_destroy(struct record_mask *mask)
{
	if (!mask)
		return;
	buf_release(&mask->held);
	free(mask);
}

void record_mask_feed(struct record_mask *mask, struct str bytes, struct buf *out)
{
	AUTO_RELEASE(buf) masked = BUF_INIT(0);

	if (mask->json)
		feed_json(mask, bytes, &masked);
	else
		feed_lines(mask, bytes, &masked);
	log_redact(&masked); /* strings and lines are whole in it */
	buf_add_str(out, buf_str(&masked));
}

/* Half a string of JSON may be half a secret. */
void record_mask_finish(struct record_mask *mask, struct buf *out)
{
	if (mask->json && mask->in_string)
		buf_adds(out, MASK);
	else if (mask->held.len)
		record_mask_text(buf_str(&mask->held), out);
	buf_reset(&mask->held);
	mask->in_string = false;
}
