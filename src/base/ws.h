/*
 * ws: the frames of the WebSocket protocol, for both ends.
 *
 * Source of truth: RFC 6455. No sockets here: bytes go in and whole messages come out, messages go in and bytes come out.
 * Extensions are never negotiated, so reserved bits are an error. One thread at a time.
 */
#ifndef SLOTDECK_BASE_WS_H
#define SLOTDECK_BASE_WS_H

#include "base/error.h"
#include "base/str.h"

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum ws_code { /* why a connection is closed, RFC 6455 7.4.1 */
	WS_CODE_NORMAL = 1000,
	WS_CODE_AWAY = 1001,
	WS_CODE_PROTOCOL = 1002,
	WS_CODE_UNSUPPORTED = 1003,
	WS_CODE_NONE = 1005, /* never on the wire: the close frame had no code */
	WS_CODE_INVALID = 1007,
	WS_CODE_TOO_LARGE = 1009,
	WS_CODE_INTERNAL = 1011
};

enum ws_side { WS_CLIENT, WS_SERVER };

/* Fragments are joined; control messages come at once, also between the fragments of another one. */
struct ws_message {
	enum ws_opcode opcode; /* never WS_CONTINUATION */
	struct str data;       /* borrowed; of WS_CLOSE the reason */
	unsigned code;	       /* of WS_CLOSE; WS_CODE_NONE when there was none */
};
/* False stops reading; the reader then says so, too. */
typedef bool ws_message_fn(const struct ws_message *message, void *arg);

struct ws_reader {
	enum ws_side side; /* that reads: a client takes unmasked frames only, a server masked ones only */
	struct buf head;   /* bytes of a frame header that is not whole yet */
	struct buf control, message;
	enum ws_opcode opcode, fragmented; /* of this frame; of the message that goes on, or WS_CONTINUATION */
	bool in_frame, final, closed;
	uint8_t mask[4];
	uint64_t frame_bytes, left; /* of this frame's payload */
	size_t max_message_bytes;
};

void ws_reader_init(struct ws_reader *reader, enum ws_side side, size_t max_message_bytes);
void ws_reader_release(struct ws_reader *reader);
/*
 * Takes the next bytes. False: the other side breaks the protocol (ERR_SERVER), sends more than we accept (ERR_LIMIT), or
 * on_message said no (err stays empty); *ret_code is what to close with, and nothing more may be read. What follows a close
 * frame is ignored.
 */
bool ws_reader_feed(struct ws_reader *reader, struct str bytes, ws_message_fn *on_message, void *arg, unsigned *ret_code,
		    struct error *err);

/* Appends one whole frame whose payload is head and then data. mask: as a client must; NULL: as a server must. */
void ws_put_frame(struct buf *out, enum ws_opcode opcode, struct str head, struct str data, const uint8_t mask[4]);
/* Appends a close frame; the reason is cut to what fits. */
void ws_put_close(struct buf *out, unsigned code, struct str reason, const uint8_t mask[4]);
/* Appends what Sec-WebSocket-Accept must say for a Sec-WebSocket-Key. */
void ws_accept(struct buf *out, struct str key);

#endif
