/* cleanable.h -- how much of a log compaction could go through, and where it must end.
 *
 *   | clean | dirty, sealed | not yet: above the limit, too young, the active segment |
 *           ^ first_dirty   ^ first_uncleanable
 *
 * Also the segments as a pass sees them: as they were when it began, looked up again when their
 * bytes are wanted, because retention goes on meanwhile.
 */
#ifndef MG_LOG_CLEANABLE_H
#define MG_LOG_CLEANABLE_H

#include "log/log.h"

/* What there would be to do. */
typedef struct mg_cleanable {
    int64_t first_dirty_offset; /* as asked, or the log's start where that cannot be */
    int64_t first_uncleanable_offset;
    int64_t clean_size; /* bytes below the first dirty offset */
    int64_t cleanable_size;
    int64_t earliest_timestamp; /* of the dirty segments' first batches; -1: none, or not asked */
    bool waits_for_flush;       /* there would be more if all that is sealed were durable */
} mg_cleanable;

/* `limit_offset`: nothing at or above it, the last stable offset. `min_lag_ms`: what is younger is
 * not touched, nor what comes after it. `asks_time`: the earliest timestamp is wanted, a read per
 * dirty segment. */
MG_WARN_UNUSED mg_status mg_log_cleanable(mg_log *log, int64_t first_dirty_offset,
                                          int64_t limit_offset, int64_t min_lag_ms, int64_t now_ms,
                                          bool asks_time, mg_cleanable *found, mg_error *error);

/* ---- For a pass ---- */

/* A sealed segment. */
typedef struct mg_clean_source {
    int64_t base;
    int64_t end; /* where the next segment begins */
    int64_t size;
} mg_clean_source;

/* All sealed segments that end at or below `limit_offset` and on disk, in fresh memory. */
MG_WARN_UNUSED mg_status mg_clean_sources_load(mg_log *log, int64_t limit_offset,
                                               mg_clean_source **sources, size_t *count,
                                               mg_error *error);
/* Cuts `*count` where the lag says so, and tells what is left. */
MG_WARN_UNUSED mg_status mg_clean_sources_cut(mg_log *log, const mg_clean_source *sources,
                                              size_t *count, int64_t first_dirty_offset,
                                              int64_t min_lag_ms, int64_t now_ms,
                                              mg_cleanable *found, mg_error *error);
/* The segment, its file open until it is unpinned; MG_NOT_FOUND where the log has another by now,
 * or none. */
MG_WARN_UNUSED mg_status mg_clean_source_pin(mg_log *log, const mg_clean_source *wanted,
                                             mg_segment **segment, mg_error *error);
void mg_clean_source_unpin(mg_segment *segment);

#endif
