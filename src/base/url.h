/*
 * url: building and taking apart the URLs that we send (RFC 3986).
 */
#ifndef SLOTDECK_BASE_URL_H
#define SLOTDECK_BASE_URL_H

#include "base/error.h"
#include "base/str.h"

/*
 * Appends "/" and the escaped segment. False (nothing appended) for names that no Kubernetes object can have and that
 * would change the path: empty, ".", "..", or holding "/" or "%".
 */
bool url_add_segment(struct buf *url, struct str segment);
/* Appends "?" or "&" (whichever is due), name and escaped value. */
void url_add_query(struct buf *url, const char *name, struct str value);
/* Percent-encodes everything but unreserved characters. */
void url_escape(struct buf *out, struct str text);
/* False for a bad escape. plus_is_space: as in a form's query. */
bool url_unescape(struct buf *out, struct str text, bool plus_is_space);

struct url { /* views into the parsed text */
	struct str scheme, user, host, port, path, query,
		fragment; /* host without [ ] of IPv6; path starts with "/" or is empty */
	bool ipv6;
	unsigned port_number; /* the scheme's default (http, https, socks5) when none is written */
};
/* Absolute URLs with a host only. Control characters and spaces are refused. */
bool url_parse(struct str text, struct url *ret, struct error *err);
/* Raw (still escaped) value of a query parameter; nth from 0. */
bool url_query_get(struct str query, const char *name, size_t nth, struct str *ret_value);
/* localhost, 127.0.0.0/8, ::1. */
bool url_host_is_loopback(struct str host);

#endif
