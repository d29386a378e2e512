#include "base/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void url_escape(struct buf *out, struct str text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_unreserved((char)c)) {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, hex[c >> 4]);
		buf_addc(out, hex[c & 15]);
	}
}

bool url_add_segment(struct buf *url, struct str segment)
{
	if (!segment.len || str_is(segment, ".") || str_is(segment, "..") || str_find_char(segment, '/') >= 0 ||
	    str_find_char(segment, '%') >= 0)
		return false;
	buf_addc(url, '/');
	url_escape(url, segment);
	return true;
}

void url_add_query(struct buf *url, const char *name, struct str value)
{
	buf_addc(url, str_find_char(buf_str(url), '?') >= 0 ? '&' : '?');
	url_escape(url, str_of(name));
	buf_addc(url, '=');
	url_escape(url, value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_unescape(struct buf *out, struct str text, bool plus_is_space)
{
	size_t start = out->len;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '+' && plus_is_space) {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.p[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;

			if (low < 0)
				goto bad;
			c = (char)(high << 4 | low);
			i += 2;
		}
		buf_addc(out, c);
	}
	return true;
bad:
	buf_truncate(out, start);
	return false;
}

static struct str tail(struct str s, size_t from)
{
	return (struct str){ s.p + from, s.len - from };
}

static struct str head(struct str s, size_t len)
{
	return (struct str){ s.p, len };
}

/* Cuts what follows the first of c off s; the empty view when there is none. */
static struct str split_behind(struct str *s, char c)
{
	ptrdiff_t at = str_find_char(*s, c);

	if (at < 0)
		return (struct str){ s->p + s->len, 0 };
	struct str behind = tail(*s, (size_t)at + 1);

	*s = head(*s, (size_t)at);
	return behind;
}

static bool parse_port(struct str text, unsigned *ret_port)
{
	unsigned port = 0;

	if (!text.len || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.p[i] - '0');
	}
	*ret_port = port;
	return port > 0 && port < 65536;
}

static unsigned default_port(struct str scheme)
{
	static const struct {
		const char *scheme;
		unsigned port;
	} table[] = { { "http", 80 },	   { "https", 443 }, { "socks5", 1080 },
		      { "socks5h", 1080 }, { "ws", 80 },     { "wss", 443 } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (str_ieq(scheme, str_of(table[i].scheme)))
			return table[i].port;
	return 0;
}

static bool parse_authority(struct str authority, struct url *url)
{
	for (size_t i = authority.len; i > 0; i--)
		if (authority.p[i - 1] == '@') {
			url->user = head(authority, i - 1);
			authority = tail(authority, i);
			break;
		}
	if (authority.len && authority.p[0] == '[') {
		ptrdiff_t end = str_find_char(authority, ']');

		if (end < 2)
			return false;
		url->ipv6 = true;
		url->host = (struct str){ authority.p + 1, (size_t)end - 1 };
		authority = tail(authority, (size_t)end + 1);
		if (authority.len && authority.p[0] != ':')
			return false;
	} else {
		ptrdiff_t colon = str_find_char(authority, ':');

		url->host = colon < 0 ? authority : head(authority, (size_t)colon);
		authority = colon < 0 ? tail(authority, authority.len) : tail(authority, (size_t)colon);
	}
	url->port_number = default_port(url->scheme);
	if (authority.len > 1) {
		url->port = tail(authority, 1);
		if (!parse_port(url->port, &url->port_number))
			return false;
	}
	return url->host.len > 0;
}

bool url_parse(struct str text, struct url *ret, struct error *err)
{
	struct url url = { 0 };
	struct str rest = text;

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return error_set(err, ERR_INVALID, "URL holds a space or control character");
	ptrdiff_t colon = str_find(rest, STR("://"));

	if (colon <= 0)
		return error_set(err, ERR_INVALID, "\"%.*s\" is no absolute URL", STR_ARG(text));
	url.scheme = head(rest, (size_t)colon);
	rest = tail(rest, (size_t)colon + 3);
	url.fragment = split_behind(&rest, '#');
	url.query = split_behind(&rest, '?');
	ptrdiff_t slash = str_find_char(rest, '/');

	url.path = slash < 0 ? (struct str){ rest.p + rest.len, 0 } : tail(rest, (size_t)slash);
	if (!parse_authority(slash < 0 ? rest : head(rest, (size_t)slash), &url))
		return error_set(err, ERR_INVALID, "\"%.*s\": bad host or port", STR_ARG(text));
	*ret = url;
	return true;
}

bool url_query_get(struct str query, const char *name, size_t nth, struct str *ret_value)
{
	while (query.len) {
		struct str pair;

		if (!str_cut(&query, '&', &pair)) {
			pair = query;
			query.len = 0;
		}
		struct str value = split_behind(&pair, '=');

		if (str_is(pair, name) && nth-- == 0) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

bool url_host_is_loopback(struct str host)
{
	AUTO_FREE char *text = str_dup(host);
	struct in_addr v4;
	struct in6_addr v6;

	if (!strcasecmp(text, "localhost"))
		return true;
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
