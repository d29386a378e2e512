#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/ws.h"

/* What came out, as text: "binary:Hello close:1000:bye". */
static bool note(const struct ws_message *message, void *arg)
{
	static const char *const names[] = { [WS_TEXT] = "text", [WS_BINARY] = "binary", [WS_CLOSE] = "close", [WS_PING] = "ping", [WS_PONG] = "pong" };
	struct buf *out = arg;

	buf_addf(out, "%s%s:", out->len ? " " : "", names[message->opcode]);
	if (message->opcode == WS_CLOSE)
		buf_addf(out, "%u:", message->code);
	if (message->data.len > 40)
		buf_addf(out, "%zu bytes", message->data.len);
	else
		buf_add_str(out, message->data);
	return true;
}

struct outcome {
	struct buf text;
	unsigned code; /* 0: all was well */
	enum err_kind kind;
};

static struct outcome read_bytes(enum ws_side side, size_t max, struct str bytes, size_t piece)
{
	struct outcome outcome = { 0 };
	struct ws_reader reader;
	AUTO_RELEASE(error) err = { 0 };
	unsigned code;

	ws_reader_init(&reader, side, max);
	while (bytes.len) {
		size_t n = bytes.len < piece ? bytes.len : piece;

		if (!ws_reader_feed(&reader, (struct str){ bytes.p, n }, note, &outcome.text, &code, &err)) {
			outcome.code = code;
			break;
		}
		bytes = (struct str){ bytes.p + n, bytes.len - n };
	}
	outcome.kind = err.kind;
	ws_reader_release(&reader);
	return outcome;
}


static void expect(enum ws_side side, struct str bytes, const char *text, unsigned code)
{
	for (size_t piece = 1; piece <= bytes.len; piece++) {
		struct outcome outcome = read_bytes(side, 1000, bytes, piece);

		assert_string_equal(buf_cstr(&outcome.text), text);
		assert_int_equal(outcome.code, code);
		buf_release(&outcome.text);
	}
}

static void frames_of_the_rfc_are_read_however_they_are_cut(void **state)
{
	(void)state;
	expect(WS_CLIENT, STR("\x81\x05Hello"), "text:Hello", 0);
	expect(WS_SERVER, STR("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text:Hello", 0);
	expect(WS_CLIENT, STR("\x01\x03Hel\x80\x02lo"), "text:Hello", 0);
	expect(WS_CLIENT, STR("\x89\x05Hello"), "ping:Hello", 0);
	expect(WS_SERVER, STR("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "pong:Hello", 0);
}

static void control_frames_come_between_the_fragments_of_a_message(void **state)
{
	(void)state;
	expect(WS_CLIENT, STR("\x02\x01""a\x89\x02hi\x00\x01""b\x8a\x00\x80\x01""c"), "ping:hi pong: binary:abc", 0);
}

static void lengths_of_all_three_forms_are_read(void **state)
{
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);
	static const size_t lengths[] = { 0, 125, 126, 65535, 65536, 70000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		AUTO_RELEASE(buf) data = BUF_INIT(0);
		AUTO_FREE char *text = xasprintf(lengths[i] > 40 ? "binary:%zu bytes" : "binary:", lengths[i]);

		buf_add_repeat(&data, 'x', lengths[i]);
		buf_reset(&bytes);
		ws_put_frame(&bytes, WS_BINARY, buf_str(&data), STR(""), (const uint8_t *)"\x01\x02\x03\x04");
		struct outcome outcome = read_bytes(WS_SERVER, 1 << 20, buf_str(&bytes), 4096);

		assert_int_equal(outcome.code, 0);
		assert_string_equal(buf_cstr(&outcome.text), text);
		buf_release(&outcome.text);
	}
}

static void a_close_frame_ends_what_is_read(void **state)
{
	(void)state;
	expect(WS_CLIENT, STR("\x88\x05\x03\xe8""bye\x82\x01x"), "close:1000:bye", 0);
	expect(WS_CLIENT, STR("\x88\x00"), "close:1005:", 0);
	expect(WS_CLIENT, STR("\x88\x02\x0f\xa0"), "close:4000:", 0);
}

static void what_breaks_the_protocol_is_refused_with_its_code(void **state)
{
	static const struct {
		enum ws_side side;
		struct str bytes;
		unsigned code;
	} rows[] = {
		{ WS_CLIENT, STR("\xc2\x01x"), 1002 },			/* reserved bit */
		{ WS_CLIENT, STR("\x83\x01x"), 1002 },			/* unknown opcode */
		{ WS_CLIENT, STR("\x8b\x01x"), 1002 },			/* unknown control opcode */
		{ WS_CLIENT, STR("\x82\x81\x01\x02\x03\x04x"), 1002 },	/* masked by a server */
		{ WS_SERVER, STR("\x82\x01x"), 1002 },			/* not masked by a client */
		{ WS_CLIENT, STR("\x09\x01x"), 1002 },			/* a ping in fragments */
		{ WS_CLIENT, STR("\x89\x7e\x00\x7e"), 1002 },		/* a ping of 126 bytes */
		{ WS_CLIENT, STR("\x80\x01x"), 1002 },			/* a fragment of nothing */
		{ WS_CLIENT, STR("\x02\x01x\x82\x01x"), 1002 },		/* a message within another */
		{ WS_CLIENT, STR("\x88\x01x"), 1002 },			/* half a close code */
		{ WS_CLIENT, STR("\x88\x02\x03\xed"), 1002 },		/* 1005 */
		{ WS_CLIENT, STR("\x88\x02\x00\x01"), 1002 },		/* 1 */
		{ WS_CLIENT, STR("\x88\x04\x03\xe8\xc3\x28"), 1002 },	/* a reason that is not UTF-8 */
		{ WS_CLIENT, STR("\x81\x02\xc3\x28"), 1007 },		/* text that is not UTF-8 */
		{ WS_CLIENT, STR("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), 1002 }, /* over 2^63 */
		{ WS_CLIENT, STR("\x82\x7e\x03\xe9"), 1009 },		/* 1001 bytes of 1000 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(rows[i].side, rows[i].bytes, "", rows[i].code);
}

static void fragments_count_together_against_the_limit(void **state)
{
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);

	(void)state;
	buf_add_str(&bytes, STR("\x02\x7e\x02\x58"));
	buf_add_repeat(&bytes, 'x', 600);
	buf_add_str(&bytes, STR("\x80\x7e\x02\x58"));
	struct outcome outcome = read_bytes(WS_CLIENT, 1000, buf_str(&bytes), 7);

	assert_int_equal(outcome.code, WS_CODE_TOO_LARGE);
	assert_int_equal(outcome.kind, ERR_LIMIT);
	buf_release(&outcome.text);
}

static void a_client_masks_what_it_writes(void **state)
{
	AUTO_RELEASE(buf) bytes = BUF_INIT(0);
	static const uint8_t mask[] = { 0x37, 0xfa, 0x21, 0x3d };

	(void)state;
	ws_put_frame(&bytes, WS_TEXT, STR("He"), STR("llo"), mask);
	assert_int_equal(bytes.len, 11);
	assert_memory_equal(bytes.p, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
}

static void a_close_reason_is_cut_to_what_a_control_frame_holds(void **state)
{
	AUTO_RELEASE(buf) bytes = BUF_INIT(0), reason = BUF_INIT(0);

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_adds(&reason, "é");
	ws_put_close(&bytes, 1000, buf_str(&reason), NULL);
	assert_int_equal((uint8_t)bytes.p[1], 2 + 122);
	struct outcome outcome = read_bytes(WS_CLIENT, 1000, buf_str(&bytes), bytes.len);

	assert_int_equal(outcome.code, 0);
	buf_release(&outcome.text);
}

static void the_handshake_key_is_answered_as_the_rfc_says(void **state)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)state;
	ws_accept(&out, STR("dGhlIHNhbXBsZSBub25jZQ=="));
	assert_string_equal(buf_cstr(&out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_the_rfc_are_read_however_they_are_cut),
		cmocka_unit_test(control_frames_come_between_the_fragments_of_a_message),
		cmocka_unit_test(lengths_of_all_three_forms_are_read),
		cmocka_unit_test(a_close_frame_ends_what_is_read),
		cmocka_unit_test(what_breaks_the_protocol_is_refused_with_its_code),
		cmocka_unit_test(fragments_count_together_against_the_limit),
		cmocka_unit_test(a_client_masks_what_it_writes),
		cmocka_unit_test(a_close_reason_is_cut_to_what_a_control_frame_holds),
		cmocka_unit_test(the_handshake_key_is_answered_as_the_rfc_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
