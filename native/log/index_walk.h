/* index_walk.h -- builds the indexes of a segment from its headers, without checksums: for bytes
 * that are believed. */
#ifndef MG_LOG_INDEX_WALK_H
#define MG_LOG_INDEX_WALK_H

#include "log/segment.h"

typedef struct mg_index_walk {
    int64_t max_timestamp;        /* -1: none */
    int32_t max_timestamp_offset; /* relative */
} mg_index_walk;

/* Over the first `size` bytes; the log file is pinned, the indexes are in memory and empty.
 * MG_CORRUPT where a header cannot be: `*built` and the indexes then hold what came before. */
MG_WARN_UNUSED mg_status mg_log_index_walk(mg_segment *segment, int64_t interval, int64_t size,
                                           mg_index_walk *built, mg_error *error);

#endif
