#include "job/history.h"

#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define FILE_MAX (4 << 20)

void history_record_release(struct history_record *r)
{
	char **texts[] = { &r->id, &r->cluster, &r->action, &r->object, &r->namespace, &r->who, &r->command, &r->state, &r->message, &r->evidence };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(*texts[i]);
	for (size_t i = 0; i < r->nrequests; i++)
		free(r->requests[i]);
	free(r->requests);
	*r = (struct history_record){ 0 };
}

void history_release(struct history *history)
{
	for (size_t i = 0; i < history->len; i++)
		history_record_release(&history->items[i]);
	free(history->items);
	*history = (struct history){ 0 };
}

/* ---- writing ---- */

char *history_who(void)
{
	const char *actor = getenv("GITHUB_ACTOR");
	char host[256] = "unknown", room[1024];
	struct passwd user, *found = NULL;

	if (actor && !*actor)
		actor = NULL;
	if (!actor && getpwuid_r(getuid(), &user, room, sizeof room, &found) == 0 && found)
		actor = user.pw_name;
	gethostname(host, sizeof host - 1);
	return xasprintf("%s@%s pid %d", actor ? actor : "user", host, (int)getpid());
}

static char *line_of(const struct history_record *r)
{
	json_t *requests = json_array(), *object;
	AUTO_FREE char *self = r->who ? NULL : history_who();
	char *line;

	for (size_t i = 0; i < r->nrequests; i++)
		json_array_append_new(requests, json_string(r->requests[i]));
	object = json_pack("{s:s, s:I, s:s, s:s*, s:s*, s:s*, s:s*, s:s, s:s*, s:o, s:s*, s:s*}", "id", r->id, "time_ms", (json_int_t)r->time_ms, "state",
			   r->state, "cluster", r->cluster, "action", r->action, "object", r->object, "namespace", r->namespace, "who", self ? self : r->who, "command", r->command,
			   "requests", requests, "message", r->message, "evidence", r->evidence);
	line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return line;
}

static bool turn_over(const char *path, struct error *err)
{
	struct stat info;
	AUTO_FREE char *old = xasprintf("%s.1", path);

	if (stat(path, &info) != 0 || info.st_size < FILE_MAX || rename(path, old) == 0)
		return true;
	return error_errno(err, "rename %s", path);
}

static bool append(const char *path, const char *line, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	AUTO_FREE char *whole = xasprintf("%s\n", line);
	size_t len = strlen(whole);
	bool good;

	if (fd < 0)
		return error_errno(err, "open %s", path);
	good = write(fd, whole, len) == (ssize_t)len && fdatasync(fd) == 0;
	if (!good)
		error_errno(err, "write %s", path);
	close(fd);
	return good;
}

bool history_write(const struct history_record *record, struct error *err)
{
	AUTO_FREE char *folder = state_folder(err), *path = NULL, *line = NULL;

	if (!folder)
		return false;
	path = xasprintf("%s/history.jsonl", folder);
	line = line_of(record);
	if (!line)
		return error_set(err, ERR_INVALID, "a text of the change is not UTF-8");
	return turn_over(path, err) && append(path, line, err);
}

/* ---- reading ---- */

static char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return xstrdup(text ? text : "");
}

static struct history_record record_of(const json_t *o)
{
	struct history_record r = { .id = text_of(o, "id"),	      .time_ms = json_integer_value(json_object_get(o, "time_ms")),
				    .cluster = text_of(o, "cluster"), .action = text_of(o, "action"),
				    .object = text_of(o, "object"),   .namespace = text_of(o, "namespace"),
				    .who = text_of(o, "who"),
				    .command = text_of(o, "command"), .state = text_of(o, "state"),
				    .message = text_of(o, "message"), .evidence = text_of(o, "evidence") };
	size_t i;
	json_t *request;

	json_array_foreach(json_object_get(o, "requests"), i, request)
		if (json_is_string(request))
			LIST_PUSH(r.requests, r.nrequests, r.requests_cap) = xstrdup(json_string_value(request));
	return r;
}

/* The lines from the end on; the later line of a change is the one that counts. */
static void take_line(struct history *history, struct str line)
{
	json_t *object = json_loadb(line.p, line.len, 0, NULL);
	struct history_record record = object ? record_of(object) : (struct history_record){ 0 };
	bool known = !object || !*record.id;

	json_decref(object);
	for (size_t i = 0; i < history->len && !known; i++)
		known = strcmp(history->items[i].id, record.id) == 0;
	if (known)
		history_record_release(&record);
	else
		LIST_PUSH(history->items, history->len, history->cap) = record;
}

bool history_refresh(size_t most, struct history *history, struct error *err)
{
	AUTO_FREE char *folder = state_folder(err), *path = NULL;
	struct state_mark now;

	if (!folder)
		return false;
	path = xasprintf("%s/history.jsonl", folder);
	state_mark_of(path, &now);
	if (state_mark_eq(&now, &history->seen))
		return true;
	history_release(history);
	if (!history_read(most, history, err))
		return false;
	history->seen = now; /* what came in between is read the next time */
	return true;
}

bool history_read(size_t most, struct history *ret, struct error *err)
{
	AUTO_FREE char *folder = state_folder(err), *path = NULL;
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (!folder)
		return false;
	path = xasprintf("%s/history.jsonl", folder);
	if (!file_exists(path))
		return true;
	if (!file_read(path, 2 * FILE_MAX, &text, err))
		return false;
	for (size_t end = text.len; end > 0 && ret->len < most;) {
		size_t begin = end - 1;

		while (begin > 0 && text.p[begin - 1] != '\n')
			begin--;
		take_line(ret, (struct str){ text.p + begin, end - begin });
		end = begin;
	}
	return true;
}
