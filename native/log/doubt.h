/* doubt.h -- what a failed fsync leaves behind for the next process.
 *
 * When a write-back fails, kernels call the pages clean that never reached the
 * disk: whoever reads them sees the right bytes in the cache, the next fsync
 * succeeds and writes nothing, and they are gone when the machine restarts. The
 * process that was told poisons its log; the one that is started after it could
 * not know. So the first leaves a mark in the log's directory:
 *
 *   fsync fails ─▶ leave ─▶ ... ─▶ next open: every segment from the recovery
 *                                  point on is written once more, synced, and
 *                                  checked like after any crash; the mark goes
 *
 * Into a new file: written in place, the bytes would reach the disk, but ext4
 * still takes the extents whose write failed for empty ones. The mark is not
 * synced: it speaks of this machine's cache, and goes with it.
 */
#ifndef MG_LOG_DOUBT_H
#define MG_LOG_DOUBT_H

#include "file/file.h"

/* As well as it can: a disk that failed may fail again. */
void mg_doubt_leave(mg_files *files, const char *directory);
/* As well as it can: where it stays, the next start writes everything once more. */
void mg_doubt_dispel(mg_files *files, const char *directory);

/* Writes a segment's bytes, as they are in the cache, into a new file of that name, synced; the
 * name is not. Adds their number to `written`. MG_NO_SPACE: nothing was changed. */
MG_WARN_UNUSED mg_status mg_doubt_rewrite(mg_files *files, const char *directory, int64_t base,
                                          int64_t *written, mg_error *error);

#endif
