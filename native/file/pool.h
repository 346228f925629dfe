/* pool.h -- file handles that may be closed behind their owner's back and opened again.
 *
 * Sealed segments are many and mostly idle; descriptors are few. Their owner
 * embeds an `mg_pooled_file`, pins it for as long as it uses the handle, and the
 * pool of the file system closes those that nobody pins, the longest unused
 * first, when more than its limit are open.
 *
 * Pinning an open handle is one compare-and-swap, without a lock; opening takes
 * the pool's mutex for a moment, never during a system call.
 *
 *   pins:  -1 closed   0 open, may be closed   n > 0 open, in use
 */
#ifndef MG_FILE_POOL_H
#define MG_FILE_POOL_H

#include "file/file.h"

#include <stdatomic.h>

enum { MG_FILE_POOL_OPEN_MAX = 256 }; /* handles kept open when nobody pins them */

typedef struct mg_pooled_file {
    _Atomic int32_t pins;
    _Atomic bool touched; /* pinned since the hand of the clock last passed */
    int32_t slot;         /* in the pool, or -1; the pool's */
    uint64_t identity;    /* of the only file that may be opened, or 0: any; set before pinning */
    mg_file *file;        /* valid while pinned */
} mg_pooled_file;

MG_WARN_UNUSED mg_status mg_file_pool_open(mg_file_pool **out);
void mg_file_pool_close(mg_file_pool *pool);

void mg_pooled_init(mg_pooled_file *pooled);
/* Gives an open handle to the pooled file, with one pin on it. */
void mg_pooled_adopt(mg_pooled_file *pooled, mg_file *file);

/* True and one pin more when the handle is open. Never waits. */
bool mg_pooled_try_pin(mg_pooled_file *pooled);
/* Opens `path` for reading when it is closed. May wait for a disk. MG_CLOSED: another file than
 * the one of `identity` has the name now, or none. */
MG_WARN_UNUSED mg_status mg_pooled_pin(mg_pooled_file *pooled, mg_files *files, const char *path,
                                       mg_error *error);
void mg_pooled_unpin(mg_pooled_file *pooled);

/* From now on the pool may close the adopted handle once nobody pins it. */
void mg_pooled_enroll(mg_pooled_file *pooled, mg_files *files);
/* Closes the handle for good when nobody pins it; false when somebody does. No new pin may be
 * attempted meanwhile. */
bool mg_pooled_retire(mg_pooled_file *pooled, mg_files *files);

#endif
