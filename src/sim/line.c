#include "sim/line.h"

#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/socket.h>

struct line {
	pthread_mutex_t lock;
	int *fds;
	size_t nfds, fds_cap;
	regex_t pattern;
	bool frozen, later;
	unsigned long number;
};

struct line *line_create(void)
{
	struct line *line = xcalloc(1, sizeof *line);

	pthread_mutex_init(&line->lock, NULL);
	return line;
}

void line_destroy(struct line *line)
{
	if (!line)
		return;
	line_thaw(line);
	pthread_mutex_destroy(&line->lock);
	free(line->fds);
	free(line);
}

void line_opened(struct line *line, int fd)
{
	pthread_mutex_lock(&line->lock);
	LIST_PUSH(line->fds, line->nfds, line->fds_cap) = fd;
	pthread_mutex_unlock(&line->lock);
}

void line_closed(struct line *line, int fd)
{
	pthread_mutex_lock(&line->lock);
	for (size_t i = 0; i < line->nfds; i++)
		if (line->fds[i] == fd) {
			line->fds[i] = line->fds[--line->nfds];
			break;
		}
	pthread_mutex_unlock(&line->lock);
}

void line_reset(struct line *line)
{
	pthread_mutex_lock(&line->lock);
	for (size_t i = 0; i < line->nfds; i++) {
		struct linger at_once = { .l_onoff = 1 };

		setsockopt(line->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		shutdown(line->fds[i], SHUT_RDWR);
	}
	pthread_mutex_unlock(&line->lock);
}

bool line_freeze(struct line *line, const char *pattern, unsigned long number, bool later, struct error *err)
{
	regex_t regex;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return error_set(err, ERR_INVALID, "freeze: \"%s\" is no regular expression", pattern);
	line_thaw(line);
	pthread_mutex_lock(&line->lock);
	line->pattern = regex;
	line->number = number;
	line->later = later;
	line->frozen = true;
	pthread_mutex_unlock(&line->lock);
	return true;
}

void line_thaw(struct line *line)
{
	pthread_mutex_lock(&line->lock);
	if (line->frozen)
		regfree(&line->pattern);
	line->frozen = false;
	pthread_mutex_unlock(&line->lock);
}

bool line_is_frozen(struct line *line, const char *uri, unsigned long number)
{
	bool frozen;

	pthread_mutex_lock(&line->lock);
	frozen = line->frozen && (line->later || number <= line->number) && !regexec(&line->pattern, uri, 0, NULL, 0);
	pthread_mutex_unlock(&line->lock);
	return frozen;
}
