#include "base/base64.h"

#include <string.h>

static const char alphabets[2][65] = {
	[BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void base64_encode(struct buf *out, struct str bytes, enum base64_kind kind)
{
	const char *alphabet = alphabets[kind];
	const unsigned char *p = (const unsigned char *)bytes.p;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		unsigned v = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
		char four[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63] };

		if (n < 3 && kind == BASE64_STANDARD)
			memset(four + n + 1, '=', 3 - n);
		buf_add(out, four, kind == BASE64_STANDARD ? 4 : n + 1);
	}
}

static int digit(char c, enum base64_kind kind)
{
	const char *at = c ? strchr(alphabets[kind], c) : NULL;

	return at ? (int)(at - alphabets[kind]) : -1;
}

bool base64_decode(struct buf *out, struct str text, enum base64_kind kind)
{
	size_t start = out->len, ndigits = 0, npad = 0;
	unsigned v = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '\n' || c == '\r')
			continue;
		if (c == '=') {
			npad++;
			continue;
		}
		int d = digit(c, kind);

		if (d < 0 || npad)
			goto bad;
		v = v << 6 | (unsigned)d;
		if (++ndigits % 4 == 0) {
			char three[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };

			buf_add(out, three, 3);
			v = 0;
		}
	}
	if (ndigits % 4 == 1 || npad > 2 || (npad && (ndigits + npad) % 4))
		goto bad;
	if (ndigits % 4 == 2) {
		buf_addc(out, (char)(v >> 4));
	} else if (ndigits % 4 == 3) {
		buf_addc(out, (char)(v >> 10));
		buf_addc(out, (char)(v >> 2));
	}
	return true;
bad:
	buf_truncate(out, start);
	return false;
}
