#include "model/stack_source.h"

#include <stdlib.h>
#include <string.h>

static void lines_find(struct text_lines *lines, struct str text)
{
	if (lines->n)
		return;
	lines->text = text;
	lines->offset = 0;
	lines->at = (struct spot){ 1, 1 };
	LIST_PUSH(lines->starts, lines->n, lines->cap) = 0;
	for (const char *p = text.p, *end = p + text.len; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		LIST_PUSH(lines->starts, lines->n, lines->cap) = (uint32_t)(p + 1 - text.p);
}

void source_map_release(struct source_map *map)
{
	free(map->segments);
	free(map->source.starts);
	free(map->output.starts);
	*map = (struct source_map){ 0 };
}

void source_map_reset(struct source_map *map, struct str source)
{
	map->n = map->source.n = map->output.n = 0;
	map->source.text = source;
}

void source_map_add(struct source_map *map, size_t out, size_t source, bool literal)
{
	struct source_segment *last = map->n ? &map->segments[map->n - 1] : NULL;

	if (last && last->out == out) /* what came before printed nothing */
		*last = (struct source_segment){ (uint32_t)out, (uint32_t)source, literal };
	else
		LIST_PUSH(map->segments, map->n, map->cap) =
			(struct source_segment){ (uint32_t)out, (uint32_t)source, literal };
}

static bool is_inside_character(struct str text, size_t at)
{
	return at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80;
}

/* Makes the last place one of this line, at its start unless it is there already. */
static void enter_line(struct text_lines *lines, unsigned line)
{
	if (lines->at.line == line)
		return;
	lines->offset = lines->starts[line - 1];
	lines->at = (struct spot){ line, 1 };
}

static void step_forward(struct text_lines *lines)
{
	lines->offset++;
	while (is_inside_character(lines->text, lines->offset))
		lines->offset++;
	lines->at.column++;
}

static void step_back(struct text_lines *lines)
{
	lines->offset--;
	while (is_inside_character(lines->text, lines->offset))
		lines->offset--;
	lines->at.column--;
}

static struct spot spot_of_offset(struct text_lines *lines, size_t offset)
{
	size_t low = 0, high = lines->n;

	if (offset > lines->text.len)
		offset = lines->text.len;
	while (low < high) { /* the last line that starts at or before offset */
		size_t mid = low + (high - low) / 2;

		if (lines->starts[mid] <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	enter_line(lines, (unsigned)low);
	while (lines->offset < offset)
		step_forward(lines);
	while (lines->offset > offset && lines->at.column > 1)
		step_back(lines);
	return lines->at;
}

/* Not past the end of the line. */
static size_t offset_of_spot(struct text_lines *lines, unsigned line, unsigned column)
{
	enter_line(lines, line);
	while (lines->at.column < column && lines->offset < lines->text.len && lines->text.p[lines->offset] != '\n')
		step_forward(lines);
	while (lines->at.column > column && lines->at.column > 1)
		step_back(lines);
	return lines->offset;
}

struct spot source_map_find(struct source_map *map, struct str output, unsigned line, unsigned column)
{
	size_t low = 0, high = map->n, at;

	if (!line)
		return (struct spot){ 0 };
	lines_find(&map->source, map->source.text);
	lines_find(&map->output, output);
	if (line > map->output.n)
		line = (unsigned)map->output.n;
	at = offset_of_spot(&map->output, line, column ? column : 1);
	while (low < high) { /* the last segment that starts at or before at */
		size_t mid = low + (high - low) / 2;

		if (map->segments[mid].out <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return spot_of_offset(&map->source, at);
	const struct source_segment *segment = &map->segments[low - 1];

	return spot_of_offset(&map->source, segment->source + (segment->literal ? at - segment->out : 0));
}
