/* json_scan: finding the end of a JSON string fast. Only the json files include it. */
#ifndef SLOTDECK_BASE_JSON_SCAN_H
#define SLOTDECK_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_ends_run(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20;
}

/* The first quote, backslash or control character in p..end; end if there is none. */
static inline const char *json_string_run(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes);
		__m128i hit = _mm_or_si128(low, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
		int mask = _mm_movemask_epi8(hit);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && !json_ends_run((unsigned char)*p))
		p++;
	return p;
}

static inline bool json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

#endif
