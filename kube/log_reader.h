/*
 * log_reader: follows the logs of many containers on the net thread and hands their lines over in blocks, merged by time.
 *
 * One thread owns it. What waits to be taken is bounded (LOG_READER_WAITING_MAX): beyond it the streams are held back by TCP, so nothing is lost and
 * nothing grows while the owner does not take. At most LOG_READER_STREAMS are followed at once, begun ten a second; others
 * wait until one ends.
 */
#ifndef SLOTDECK_KUBE_LOG_READER_H
#define SLOTDECK_KUBE_LOG_READER_H

#include "kube/log_follow.h"
#include "kube/watcher.h"

#define LOG_READER_STREAMS     50
#define LOG_READER_WAITING_MAX (4u << 20) /* bytes; one block more at most */

struct log_reader;

/* Borrows what options name until log_reader_destroy(). */
struct log_reader *log_reader_create(const struct watcher_options *options);
/* Waits for one turn of the net thread, never for a socket. NULL is fine. */
void log_reader_destroy(struct log_reader *reader);
DEFINE_AUTO(log_reader);
/* Follows one more container; source is any number not used before. options are copied. */
void log_reader_add(struct log_reader *reader, uint16_t source, const struct log_follow_options *options);
/* Ends the pauses of the source. */
void log_reader_hurry(struct log_reader *reader, uint16_t source);

struct log_news { /* a block of lines, or a new state of one source */
	struct log_block *block;
	uint16_t source;
	enum log_follow_state state;
	char *why;
};
void log_news_release(struct log_news *news);
DEFINE_AUTO_RELEASE(log_news);
/* False: nothing waits. ret is released first. */
bool log_reader_next(struct log_reader *reader, struct log_news *ret);
/* Readable while something waits; borrowed, never read from it. */
int log_reader_fd(const struct log_reader *reader);
bool log_reader_has_more(const struct log_reader *reader);
/* Bytes of the blocks that wait. */
size_t log_reader_waiting_bytes(const struct log_reader *reader);

#endif
