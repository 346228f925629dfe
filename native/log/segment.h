/* segment.h -- one file of batches with its two indexes, sealed or active.
 *
 * Published state is one atomic word, so that a reader never sees an end offset
 * without the bytes below it:
 *
 *     63            32 31             0
 *     | relative end  |     size      |   relative end = next offset - base
 *
 * An active segment has its indexes in memory and its file open. Sealed, it has
 * neither: index memory was retired, and files are opened when asked for and
 * closed again by the pool. A slice pins `log_file`; that is all it holds.
 *
 * `removed` is set before the names on disk go or change: a reader that opened a
 * file afterwards may hold another segment's bytes and must look again.
 */
#ifndef MG_LOG_SEGMENT_H
#define MG_LOG_SEGMENT_H

#include "batch/batch.h"
#include "file/mapping.h"
#include "file/pool.h"
#include "log/log.h"
#include "log/offset_index.h"
#include "log/time_index.h"

enum {
    MG_SEGMENT_SIZE_MAX = INT32_MAX, /* positions are int32 in Kafka's index */
    MG_SEGMENT_HINTS = 8,            /* sequential readers that never search; 8 bytes each */
};
#define MG_TIMESTAMP_UNKNOWN INT64_MIN /* not yet read from the index */

struct mg_segment {
    mg_retired retired;
    mg_files *files;
    int64_t base_offset;
    _Atomic uint64_t end;
    _Atomic int64_t max_timestamp; /* MG_TIMESTAMP_UNKNOWN, or -1 where no batch has one */
    _Atomic bool removed;
    bool is_unsynced; /* sealed, and the flusher's pin is on it; under the log's lock */

    mg_pooled_file log_file;
    mg_pooled_file offset_file;
    mg_pooled_file time_file;
    _Atomic(mg_offset_index *) offset_index; /* NULL once sealed */
    _Atomic(mg_time_index *) time_index;
    _Atomic int64_t offset_count; /* entries in the sealed file; -1: not yet known */
    _Atomic int64_t time_count;

    /* Where an earlier slice ended: (relative next offset << 32 | position) + 1; 0: nothing. */
    _Atomic uint64_t hints[MG_SEGMENT_HINTS];

    mg_mapping *mapping; /* watched, not kept: who reads through it keeps it; log's lock */

    int32_t *damaged; /* positions at which recovery took bytes out, ascending; or NULL */
    size_t damaged_count;
};

MG_WARN_UNUSED mg_status mg_segment_open(mg_segment **out, mg_files *files, int64_t base_offset,
                                         mg_error *error);
/* Closes the handles and frees; nobody may pin it. */
void mg_segment_close(mg_segment *segment);

static inline uint64_t mg_segment_end_word(int64_t relative_end, int64_t size)
{
    return (uint64_t)relative_end << 32 | (uint64_t)size;
}
static inline int64_t mg_segment_word_size(uint64_t word)
{
    return (int64_t)(word & UINT32_MAX);
}
static inline int64_t mg_segment_word_relative_end(uint64_t word)
{
    return (int64_t)(word >> 32);
}
static inline uint64_t mg_segment_end(const mg_segment *segment)
{
    return atomic_load_explicit(&segment->end, memory_order_acquire);
}
static inline int64_t mg_segment_size(const mg_segment *segment)
{
    return mg_segment_word_size(mg_segment_end(segment));
}
static inline int64_t mg_segment_end_offset(const mg_segment *segment)
{
    return segment->base_offset + mg_segment_word_relative_end(mg_segment_end(segment));
}

/* Pins one of the segment's files; in `directory` when it must be opened. MG_WOULD_BLOCK with
 * MG_FILE_NO_WAIT; MG_CLOSED when the segment was removed meanwhile: look again. */
MG_WARN_UNUSED mg_status mg_segment_pin(mg_segment *segment, mg_pooled_file *file,
                                        const char *directory, const char *suffix, unsigned flags,
                                        mg_error *error);

/* The last index entry at or below both limits; (0, 0) where there is none. */
MG_WARN_UNUSED mg_status mg_segment_find(mg_segment *segment, const char *directory,
                                         int64_t relative_offset, int64_t position, unsigned flags,
                                         mg_offset_entry *found, mg_error *error);
/* The last time index entry at or before `timestamp`; MG_NOT_FOUND. */
MG_WARN_UNUSED mg_status mg_segment_find_time(mg_segment *segment, const char *directory,
                                              int64_t timestamp, mg_time_entry *found,
                                              mg_error *error);
/* From memory, from the last entry of the time index, or by a walk over the whole segment. */
MG_WARN_UNUSED mg_status mg_segment_max_timestamp(mg_segment *segment, const char *directory,
                                                  int64_t *timestamp, mg_error *error);

void mg_segment_remember(mg_segment *segment, int64_t next_offset, int64_t position);
bool mg_segment_recall(const mg_segment *segment, int64_t offset, int64_t *position);
bool mg_segment_is_damaged_at(const mg_segment *segment, int64_t position);

/* Empty indexes in memory, in place of those that it had. Nobody else may be using them. */
MG_WARN_UNUSED mg_status mg_segment_open_indexes(mg_segment *segment, mg_error *error);
/* Writes both index files as they are in memory. Not synced. */
MG_WARN_UNUSED mg_status mg_segment_write_indexes(mg_segment *segment, const char *directory,
                                                  mg_error *error);
/* Fdatasync of all index files; missing ones are not needed. */
MG_WARN_UNUSED mg_status mg_segment_sync_indexes(mg_segment *segment, const char *directory,
                                                 mg_error *error);
/* Removes every file of the segment, the batches first. */
MG_WARN_UNUSED mg_status mg_segment_remove_files(const mg_segment *segment, const char *directory,
                                                 mg_error *error);

#endif
