#include "base/ws.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/base64.h"

#define CONTROL_MAX 125
#define FINAL_BIT 0x80
#define RESERVED_BITS 0x70
#define MASK_BIT 0x80

void ws_reader_init(struct ws_reader *reader, enum ws_side side, size_t max_message_bytes)
{
	*reader = (struct ws_reader){ .side = side, .max_message_bytes = max_message_bytes };
}

void ws_reader_release(struct ws_reader *reader)
{
	buf_release(&reader->head);
	buf_release(&reader->control);
	buf_release(&reader->message);
}

static bool is_control(enum ws_opcode opcode)
{
	return opcode >= WS_CLOSE;
}

static bool is_known(enum ws_opcode opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* Codes that may stand in a close frame: those that the RFC defines for it, and the ranges left to others. */
static bool is_code(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) || (code >= 3000 && code <= 4999);
}

/* ---- reading ---- */

struct feed { /* one call of ws_reader_feed() */
	struct ws_reader *reader;
	ws_message_fn *on_message;
	void *arg;
	unsigned *code;
	struct error *err;
};

static bool broken(struct feed *feed, const char *what)
{
	*feed->code = WS_CODE_PROTOCOL;
	return error_set(feed->err, ERR_SERVER, "the other side breaks the WebSocket protocol: %s", what);
}

static bool deliver(struct feed *feed, enum ws_opcode opcode, struct str data, unsigned code)
{
	struct ws_message message = { .opcode = opcode, .data = data, .code = code };

	*feed->code = WS_CODE_NORMAL;
	return feed->on_message(&message, feed->arg);
}

static bool end_close(struct feed *feed, struct str data)
{
	unsigned code = WS_CODE_NONE;

	if (data.len == 1)
		return broken(feed, "a close frame of one byte");
	if (data.len) {
		code = (unsigned)(uint8_t)data.p[0] << 8 | (uint8_t)data.p[1];
		data = (struct str){ data.p + 2, data.len - 2 };
		if (!is_code(code))
			return broken(feed, "a close frame with a code that does not exist");
		if (!utf8_valid(data))
			return broken(feed, "a close reason that is not UTF-8");
	}
	feed->reader->closed = true;
	return deliver(feed, WS_CLOSE, data, code);
}

static bool end_message(struct feed *feed)
{
	struct ws_reader *r = feed->reader;
	enum ws_opcode opcode = r->fragmented;

	r->fragmented = WS_CONTINUATION;
	if (opcode == WS_TEXT && !utf8_valid(buf_str(&r->message))) {
		*feed->code = WS_CODE_INVALID;
		return error_set(feed->err, ERR_SERVER, "the other side sent a text message that is not UTF-8");
	}
	bool good = deliver(feed, opcode, buf_str(&r->message), 0);

	buf_reset(&r->message);
	return good;
}

static bool end_frame(struct feed *feed)
{
	struct ws_reader *r = feed->reader;

	r->in_frame = false;
	if (!is_control(r->opcode))
		return !r->final || end_message(feed);
	bool good = r->opcode == WS_CLOSE ? end_close(feed, buf_str(&r->control)) : deliver(feed, r->opcode, buf_str(&r->control), 0);

	buf_reset(&r->control);
	return good;
}

/* How long the header is, as far as its first two bytes tell. */
static size_t head_length(struct str head)
{
	unsigned length = (uint8_t)head.p[1] & 0x7f;

	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + ((uint8_t)head.p[1] & MASK_BIT ? 4 : 0);
}

static uint64_t payload_length(struct str head)
{
	unsigned length = (uint8_t)head.p[1] & 0x7f, bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | (uint8_t)head.p[2 + i];
	return bytes ? n : length;
}

static bool check_order(struct feed *feed)
{
	struct ws_reader *r = feed->reader;

	if (r->opcode == WS_CONTINUATION && r->fragmented == WS_CONTINUATION)
		return broken(feed, "a fragment of no message");
	if (r->opcode != WS_CONTINUATION && r->fragmented != WS_CONTINUATION)
		return broken(feed, "a message inside the fragments of another");
	if (r->opcode != WS_CONTINUATION)
		r->fragmented = r->opcode;
	return true;
}

static bool check_size(struct feed *feed)
{
	struct ws_reader *r = feed->reader;

	if (r->frame_bytes >> 63)
		return broken(feed, "a length over 2^63");
	if (r->frame_bytes <= r->max_message_bytes - r->message.len)
		return true;
	*feed->code = WS_CODE_TOO_LARGE;
	return error_set(feed->err, ERR_LIMIT, "the other side sent a message of more than %zu bytes", r->max_message_bytes);
}

static bool begin_frame(struct feed *feed)
{
	struct ws_reader *r = feed->reader;
	struct str head = buf_str(&r->head);
	uint8_t first = (uint8_t)head.p[0];
	bool masked = (uint8_t)head.p[1] & MASK_BIT;

	r->opcode = first & 0x0f;
	r->final = first & FINAL_BIT;
	r->frame_bytes = r->left = payload_length(head);
	if (masked)
		memcpy(r->mask, head.p + head.len - 4, 4);
	buf_reset(&r->head);
	r->in_frame = true;
	if (first & RESERVED_BITS)
		return broken(feed, "a reserved bit is set");
	if (!is_known(r->opcode))
		return broken(feed, "an unknown opcode");
	if (masked != (r->side == WS_SERVER))
		return broken(feed, masked ? "a masked frame from a server" : "a frame without mask from a client");
	if (!is_control(r->opcode))
		return check_order(feed) && check_size(feed);
	if (!r->final || r->frame_bytes > CONTROL_MAX)
		return broken(feed, "a control frame that is fragmented or too long");
	return true;
}

/* Takes bytes into the header until it is whole. */
static bool take_head(struct feed *feed, struct str *bytes)
{
	struct ws_reader *r = feed->reader;

	while (bytes->len && (r->head.len < 2 || r->head.len < head_length(buf_str(&r->head)))) {
		buf_addc(&r->head, bytes->p[0]);
		*bytes = (struct str){ bytes->p + 1, bytes->len - 1 };
	}
	if (r->head.len < 2 || r->head.len < head_length(buf_str(&r->head)))
		return true;
	return begin_frame(feed);
}

static void mask_bytes(char *bytes, size_t len, const uint8_t mask[4], uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)((uint8_t)bytes[i] ^ mask[(offset + i) & 3]);
}

static void take_payload(struct ws_reader *r, struct str *bytes)
{
	struct buf *into = is_control(r->opcode) ? &r->control : &r->message;
	size_t n = bytes->len < r->left ? bytes->len : (size_t)r->left, from = into->len;

	buf_add(into, bytes->p, n);
	if (r->side == WS_SERVER && n)
		mask_bytes(into->p + from, n, r->mask, r->frame_bytes - r->left);
	r->left -= n;
	*bytes = (struct str){ bytes->p + n, bytes->len - n };
}

bool ws_reader_feed(struct ws_reader *reader, struct str bytes, ws_message_fn *on_message, void *arg, unsigned *ret_code,
		    struct error *err)
{
	struct feed feed = { .reader = reader, .on_message = on_message, .arg = arg, .code = ret_code, .err = err };

	while (bytes.len && !reader->closed) {
		if (!reader->in_frame && !take_head(&feed, &bytes))
			return false;
		if (!reader->in_frame)
			break;
		take_payload(reader, &bytes);
		if (!reader->left && !end_frame(&feed))
			return false;
	}
	return true;
}

/* ---- writing ---- */

static void put_length(struct buf *out, uint64_t length, uint8_t mask_bit)
{
	unsigned bytes = length <= CONTROL_MAX ? 0 : length <= 0xffff ? 2 : 8;

	buf_addc(out, (char)(mask_bit | (bytes == 0 ? (uint8_t)length : bytes == 2 ? 126 : 127)));
	while (bytes--)
		buf_addc(out, (char)(uint8_t)(length >> (8 * bytes)));
}

void ws_put_frame(struct buf *out, enum ws_opcode opcode, struct str head, struct str data, const uint8_t mask[4])
{
	buf_addc(out, (char)(FINAL_BIT | opcode));
	put_length(out, (uint64_t)head.len + data.len, mask ? MASK_BIT : 0);
	if (mask)
		buf_add(out, (const char *)mask, 4);
	size_t from = out->len;

	buf_add_str(out, head);
	buf_add_str(out, data);
	if (mask && out->len > from)
		mask_bytes(out->p + from, out->len - from, mask, 0);
}

void ws_put_close(struct buf *out, unsigned code, struct str reason, const uint8_t mask[4])
{
	char number[2] = { (char)(uint8_t)(code >> 8), (char)(uint8_t)code };

	if (reason.len > CONTROL_MAX - sizeof number)
		reason.len = CONTROL_MAX - sizeof number;
	while (reason.len && !utf8_valid(reason))
		reason.len--;
	ws_put_frame(out, WS_CLOSE, (struct str){ number, sizeof number }, reason, mask);
}

void ws_accept(struct buf *out, struct str key)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_add_str(&text, key);
	buf_adds(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	SHA1((const unsigned char *)text.p, text.len, digest);
	base64_encode(out, (struct str){ (const char *)digest, sizeof digest }, BASE64_STANDARD);
}
