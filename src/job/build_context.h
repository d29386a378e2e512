/*
 * build_context: what a builder is sent, as one tar archive that is never whole in memory or on the disk.
 *
 *     context/…               the files of the context, without those that .dockerignore leaves out
 *     Dockerfile              wherever it was; Dockerfile.dockerignore beside it if there is one of its own
 *     whole                   empty, last: who finds it has got everything
 *
 * In byte order of the paths, owner 0, times and modes as they are, so that the same files give the same bytes. Symbolic links
 * are kept as links; sockets, FIFOs and devices are left out. GNU tar's form, whose long names busybox reads, too. The size is
 * known before the first byte; a file that changes while it is read is an error. One thread.
 */
#ifndef SLOTDECK_JOB_BUILD_CONTEXT_H
#define SLOTDECK_JOB_BUILD_CONTEXT_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/str.h"

#define BUILD_CONTEXT_FILES_MAX 500000

struct build_context;

/*
 * Looks at all files of folder; dockerfile: its path. Of two ignore files DOCKERFILE.dockerignore counts before the folder's
 * .dockerignore. Errors name the file.
 */
bool build_context_open(const char *folder, const char *dockerfile, const struct cancel *cancel, struct build_context **ret, struct error *err);
void build_context_destroy(struct build_context *context);
DEFINE_AUTO(build_context);
size_t build_context_files(const struct build_context *context); /* of the context itself, folders not counted */
int64_t build_context_size_bytes(const struct build_context *context); /* of the archive */
struct str build_context_dockerfile(const struct build_context *context); /* its text, borrowed */
/* Appends the next bytes to out, about as many as wanted; nothing at the end. */
bool build_context_read(struct build_context *context, size_t wanted_bytes, struct buf *out, struct error *err);
/* Begins anew. */
void build_context_rewind(struct build_context *context);

#endif
