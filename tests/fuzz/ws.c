/*
 * The first byte says who reads and how the rest is cut. Messages are the same however the stream is cut, none is larger than
 * allowed, and what was read can be written and read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/ws.h"

#define MESSAGE_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages as frames of the other direction, which is also their canonical form. */
static bool keep(const struct ws_message *message, void *arg)
{
	if (message->data.len > MESSAGE_MAX)
		abort();
	if (message->opcode == WS_CLOSE && message->code != WS_CODE_NONE)
		ws_put_close(arg, message->code, message->data, NULL);
	else
		ws_put_frame(arg, message->opcode, message->data, STR(""), NULL);
	return true;
}

static bool read_all(enum ws_side side, struct str bytes, size_t piece, struct buf *out)
{
	struct ws_reader reader;
	AUTO_RELEASE(error) err = { 0 };
	unsigned code = 0;
	bool good = true;

	ws_reader_init(&reader, side, MESSAGE_MAX);
	while (good && bytes.len) {
		size_t n = bytes.len < piece ? bytes.len : piece;

		good = ws_reader_feed(&reader, (struct str){ bytes.p, n }, keep, out, &code, &err);
		bytes = (struct str){ bytes.p + n, bytes.len - n };
	}
	if (!good && (!err.kind || code < WS_CODE_PROTOCOL))
		abort();
	ws_reader_release(&reader);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_RELEASE(buf) whole = BUF_INIT(0);
	AUTO_RELEASE(buf) cut = BUF_INIT(0);
	AUTO_RELEASE(buf) again = BUF_INIT(0);

	if (!size)
		return 0;
	struct str bytes = { (const char *)data + 1, size - 1 };
	enum ws_side side = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	bool good = read_all(side, bytes, size, &whole);

	if (read_all(side, bytes, (size_t)(data[0] >> 1) + 1, &cut) != good || !str_eq(buf_str(&whole), buf_str(&cut)))
		abort();
	if (!read_all(WS_CLIENT, buf_str(&whole), size, &again) || !str_eq(buf_str(&whole), buf_str(&again)))
		abort();
	return 0;
}
