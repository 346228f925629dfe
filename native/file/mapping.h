/* mapping.h -- bytes of a file in memory, for as long as anybody refers to them.
 *
 * A mapping depends on nothing: the file may be closed and removed, its owner freed; the bytes
 * stay until the last reference is released. References are counted; any thread may keep and
 * release. A watcher holds the mapping's name without holding its bytes: it can find a live
 * mapping again, and keeps none alive.
 *
 *     opened, keep   +1      the bytes live while it is above 0
 *     release        -1
 *     watch/unwatch          the small object lives on until the last watcher left
 *
 * The bytes must be such as never change: where another process cuts the file under a mapping,
 * whoever touches what was cut off is sent SIGBUS. mg_mapping_prepare makes that an error of its
 * own call for what it brings in, but not for what is cut afterwards.
 */
#ifndef MG_FILE_MAPPING_H
#define MG_FILE_MAPPING_H

#include "file/file.h"

typedef struct mg_mapping mg_mapping;

/* The first `size` bytes of the file, read-only. The file may be shorter and grow: what is beyond
 * its end must not be touched, and is there once the file has it. One reference, the caller's.
 * MG_UNSUPPORTED: not the kernel's file. */
MG_WARN_UNUSED mg_status mg_mapping_open(mg_mapping **out, mg_file *file, int64_t size,
                                         mg_error *error);
/* A copy of [position, position + size) in fresh memory. MG_IO where the file ends before. */
MG_WARN_UNUSED mg_status mg_mapping_open_copy(mg_mapping **out, mg_file *file, int64_t position,
                                              int64_t size, mg_error *error);

void mg_mapping_keep(mg_mapping *mapping);    /* by who holds a reference */
void mg_mapping_release(mg_mapping *mapping); /* may be NULL */

void mg_mapping_watch(mg_mapping *mapping);    /* by who holds a reference */
void mg_mapping_unwatch(mg_mapping *mapping);  /* may be NULL */
bool mg_mapping_try_keep(mg_mapping *mapping); /* by a watcher; false: the bytes are gone */

/* What of the file it holds: [begin, end). */
int64_t mg_mapping_begin(const mg_mapping *mapping);
int64_t mg_mapping_end(const mg_mapping *mapping);
/* The byte at `position` of the file, which lies within. */
const uint8_t *mg_mapping_at(const mg_mapping *mapping, int64_t position);

/* Brings [position, position + size) into memory where a few probes say that it is not. MG_IO: the
 * disk failed, or the file is shorter. */
MG_WARN_UNUSED mg_status mg_mapping_prepare(const mg_mapping *mapping, int64_t position,
                                            int64_t size, mg_error *error);

#endif
