#include "ui/osc.h"

#include "base/base64.h"

#define TITLE_MAX 120

static void add_doubled(struct buf *out, struct str sequence)
{
	for (size_t i = 0; i < sequence.len; i++) {
		if (sequence.p[i] == '\033')
			buf_addc(out, '\033');
		buf_addc(out, sequence.p[i]);
	}
}

bool osc_copy(struct buf *out, struct str text, bool tmux)
{
	AUTO_RELEASE(buf) sequence = BUF_INIT(0);

	if (!text.len || text.len > COPY_MAX_BYTES)
		return false;
	buf_adds(&sequence, "\033]52;c;");
	base64_encode(&sequence, text, BASE64_STANDARD);
	buf_adds(&sequence, "\007");
	buf_add_str(out, buf_str(&sequence));
	if (tmux) {
		buf_adds(out, "\033Ptmux;");
		add_doubled(out, buf_str(&sequence));
		buf_adds(out, "\033\\");
	}
	return true;
}

void osc_title(struct buf *out, const char *text)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);
	uint32_t rune;

	buf_add_plain(&plain, str_of(text));
	struct str rest = buf_str(&plain);

	buf_adds(out, "\033]2;");
	for (size_t i = 0; i < TITLE_MAX && utf8_next(&rest, &rune); i++)
		buf_add_rune(out, rune);
	buf_adds(out, "\007");
}
