/* compact.h -- leaves of each key its last record.
 *
 * One pass reads the dirty stretch (cleanable.h) into a map of keys (offset_map.h), then goes
 * through all segments below its end, sieves each batch (compact_batch.h), and puts what is left in
 * the place of groups of segments (compact_swap.h). Sources are never written to; readers keep what
 * they read.
 *
 * The compactor is one thread at a time, and neither the appender, the flusher, the maintainer nor
 * a reader waits for it, but for retention and truncation while names are swapped. A failure
 * leaves the groups that were swapped before, which are good for themselves, and the rest as it
 * was.
 */
#ifndef MG_LOG_COMPACT_H
#define MG_LOG_COMPACT_H

#include "base/siphash.h"
#include "batch/codec.h"
#include "log/cleanable.h"

/* Called after each piece of reading and writing; may sleep. Anything but MG_OK ends the pass with
 * that status. */
typedef mg_status (*mg_compact_pace)(void *state, int64_t size);

typedef struct mg_compact_request {
    int64_t first_dirty_offset;
    int64_t limit_offset;
    int64_t min_lag_ms;
    int64_t delete_retention_ms; /* how long a null value stays once it was seen */
    int64_t now_ms;
    int64_t map_size_max; /* bytes; what does not fit is for the next pass */
    mg_siphash_key seed;  /* random: keys are a stranger's */
    const mg_codecs *codecs;
    mg_compact_pace pace; /* or NULL */
    void *pace_state;
} mg_compact_request;

typedef struct mg_compact_report {
    int64_t end_offset; /* the first dirty offset of the next pass */
    int64_t read_size;  /* bytes, the dirty ones twice */
    int64_t written_size;
    int64_t records_read;
    int64_t records_kept;
    int64_t keys;
    int64_t map_size; /* bytes that the map had at its largest */
    int32_t segments_before;
    int32_t segments_after;
} mg_compact_report;

/* MG_BUSY: the log was truncated meanwhile; try again. MG_CORRUPT: a batch is damaged, or damage
 * left a gap; nothing is compacted beyond it. `report` is filled in any case. */
MG_WARN_UNUSED mg_status mg_log_compact(mg_log *log, const mg_compact_request *request,
                                        mg_compact_report *report, mg_error *error);

#endif
