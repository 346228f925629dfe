/* follow.h -- a log that another process of this host is writing, or nobody: read, never touched.
 *
 * Nothing on disk changes: no recovery, no index, no snapshot, no reservation.
 * A writer that lives tells nobody how far it has got, so the end is proven:
 *
 *   sealed segments     believed as they are; their indexes are on disk
 *   the last segment    walked from the last proven place on: whole batches, checksums right,
 *                       offsets ascending; at the first that is not, quietly until the next look
 *
 * Every batch of the last segment is checked, not only those near its end: a
 * pwritev of many batches may show later ones before earlier ones, and nobody
 * knows from outside how much was written at once; after a power cut that no
 * writer has recovered from yet, anything behind its last fsync may be missing.
 * A log that was closed in order left its index: the walk begins at the last entry.
 *
 * The last segment is the last that begins with a whole batch: a writer makes
 * the next file before it seals this one, and may yet take it back. Once the
 * next one has a batch this one grows no more, and its indexes are complete.
 *
 * A file that was replaced or cut below what was proven is another segment: it
 * is taken up anew, while slices of the old one stay readable. Files are opened
 * by name only while the name leads to the same file (pool.h); a reader that
 * finds otherwise looks at the directory itself.
 *
 * While a compaction puts its output in the place of its sources (compact_swap.h),
 * the names in the directory are not the whole log: whoever looks then waits
 * for the few syncs that it takes.
 *
 * One mutex keeps refreshing threads apart; readers never see it.
 */
#ifndef MG_LOG_FOLLOW_H
#define MG_LOG_FOLLOW_H

#include "log/scan.h"
#include "log/state.h"

/* The last segment, as far as it is proven. */
typedef struct mg_proven {
    mg_segment *segment;
    bool has_file; /* pinned then; false in a directory without a segment */
    int64_t size;
    int64_t end_offset;
    int64_t last_index_position;
    int64_t max_timestamp;
    int32_t max_timestamp_offset; /* relative */
} mg_proven;

struct mg_follow {
    pthread_mutex_t lock;
    mg_proven last;
    int64_t start_offset; /* the greatest that the log was told of */
    uint64_t directory;   /* its identity */
    int64_t listed_ns;    /* when its names had changed last, before they were read */
    int64_t swapping_ns;  /* the same, when a swap was met */
    int64_t stuck_ns;     /* and when it was waited for in vain: it is not again */
    bool was_clean;       /* while it is opened: index files of the last segment are believed */
};

/* For a log without a list. */
MG_WARN_UNUSED mg_status mg_follow_open(mg_log *log, const mg_log_start *start, mg_error *error);
/* Takes the pin from the last segment. */
void mg_follow_close(mg_log *log);

/* ---- follow_walk.c ---- */

/* What is whole at `position`; what shrinks while it is looked at is not. */
MG_WARN_UNUSED mg_status mg_follow_look_at(mg_scan *scan, int64_t position, mg_batch_header *header,
                                           bool *whole, mg_error *error);
/* Nothing of the segment is proven. */
void mg_follow_begin_walk(mg_proven *last, mg_segment *segment);
/* From the last proven batch on. */
MG_WARN_UNUSED mg_status mg_follow_walk_on(mg_log *log, mg_proven *last, mg_error *error);
/* All of a segment whose file is pinned and whose indexes are not there yet. */
MG_WARN_UNUSED mg_status mg_follow_walk_segment(mg_log *log, mg_segment *segment, int64_t size,
                                                mg_proven *last, mg_error *error);

#endif
