/*
 * state_file: what this user's programs remember between runs: files of whole lines in $XDG_STATE_HOME/slotdeck.
 *
 *     state_file_open(path, 0, &file, &err)  ─►  read, append, replace  ─►  state_file_release()
 *
 * While it is open a file is locked (flock), so that several programs never mix their lines and none is lost when one of them writes
 * the file anew. What was appended survives kill -9; a line that does not fit on the disk is taken back as a whole. Files belong to this
 * user alone (0600). Any thread.
 */
#ifndef SLOTDECK_BASE_STATE_FILE_H
#define SLOTDECK_BASE_STATE_FILE_H

#include "base/error.h"
#include "base/str.h"

/* $XDG_STATE_HOME/slotdeck, else ~/.local/state/slotdeck; made when missing (0700). Gives; NULL with err. */
char *state_folder(struct error *err);
/* FOLDER/WORD-WORD-HASH.txt of that folder: words (NULL at the end) as they can stand in a name, the hash of what they are. Both given. */
char *state_path(const char *folder, const char *const *words, struct error *err);

/*
 * Removes files of a folder that nobody has written to for max_age_s, and of the others the oldest beyond max_files. What a program has
 * open stays. Only files as state_path() names them, and what state_file_set_aside() left of them; what can't be removed stays.
 */
void state_folder_trim(const char *folder, int64_t max_age_s, size_t max_files);

struct state_mark { /* tells whether a file is as it was; zero: no file is */
	uint64_t inode, size;
	int64_t written_ns;
};

struct state_file {
	int fd;
	char *path;
	size_t size; /* bytes now */
};
/*
 * Makes the file when it is missing (its folder is there). Waits patience_ms at most while another program has it: then false with
 * ERR_CONFLICT.
 */
bool state_file_open(const char *path, unsigned patience_ms, struct state_file *ret, struct error *err);
void state_file_mark(const struct state_file *file, struct state_mark *ret);
bool state_file_is(const struct state_file *file, const struct state_mark *mark);
/* The same without opening it; zero when there is none. */
void state_mark_of(const char *path, struct state_mark *ret);
bool state_mark_eq(const struct state_mark *a, const struct state_mark *b);
/* Unlocks and closes. */
void state_file_release(struct state_file *file);
DEFINE_AUTO_RELEASE(state_file);
/* The whole of it. ERR_LIMIT: more than max_bytes. */
bool state_file_read(struct state_file *file, size_t max_bytes, struct buf *ret, struct error *err);
/* All of the lines, or none. */
bool state_file_append(struct state_file *file, struct str lines, struct error *err);
/* Text instead of all there was; the file can only be released after that. */
bool state_file_replace(struct state_file *file, struct str text, struct error *err);
/* Keeps it as PATH.damaged, instead of an earlier one; the file can only be released after that. */
bool state_file_set_aside(struct state_file *file, struct error *err);

#endif
