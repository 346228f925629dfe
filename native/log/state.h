/* state.h -- what a log is made of; for the files of this folder only.
 *
 *   log.c      open, close, health, small questions      roll.c     room, rolling
 *   append.c   appending                                 flush.c    what is durable
 *   read.c     reading by offset                         upkeep.c   retention, start, truncation
 *   find.c     reading by timestamp                      recover.c  taking up a directory
 *   follow.c   reading what another process writes      compact.c  the last record of each key
 *
 * Locks, in the order in which they may be taken:
 *   room_lock   the appender in make_room, roll and truncate, the maintainer in reserve_ahead:
 *               one of them at a time extends the active segment. Held during disk work.
 *   names_lock  retention, truncation and the swap of a compaction: whoever takes segments out of
 *               the list and changes the names of their files. Held during disk work.
 *   lock        the list, retired objects, marks for the flusher. Never held during disk work.
 */
#ifndef MG_LOG_STATE_H
#define MG_LOG_STATE_H

#include "log/epochs.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/segment_list.h"
#include "log/txn_index.h"

#include <pthread.h>

enum {
    MG_RESERVE_FIRST = 64 * 1024,      /* of the first append to a segment; then it doubles */
    MG_RESERVE_MAX = 64 * 1024 * 1024, /* ahead of the data at most, so of a disk lost at worst */
    MG_RESERVE_GRAIN = 4096,           /* file systems reserve blocks */
    MG_KEEP_FREE_SHARE = 64,           /* of the disk is kept free at most: one part in so many */
    MG_UNSYNCED_MAX = 1024 * 1024 * 1024, /* then a flush is due; a sealed segment's is at once */
    MG_LOOKS_MAX = 256, /* at segments that change under a reader; each look saw a change */
};

/* The growing end. The appender's, but for what is atomic. */
typedef struct mg_active {
    mg_segment *segment;
    int64_t size;
    int64_t end_offset;
    int64_t last_index_position;
    int64_t first_timestamp;      /* of the first batch; MG_TIMESTAMP_UNKNOWN while not looked up */
    int64_t max_timestamp;        /* the greatest so far, -1: none */
    int32_t max_timestamp_offset; /* relative: the last offset of the batch that has it */
    _Atomic int64_t reserved_end; /* space is claimed up to it */
    _Atomic int64_t reserve_step; /* what was claimed last; 0: nothing yet */
    _Atomic int64_t published_size; /* as `size`, for mg_log_wants_room */
} mg_active;

typedef struct mg_follow mg_follow;

struct mg_log {
    mg_files *files;
    char *directory;

    _Atomic int64_t segment_size_max;
    _Atomic int64_t segment_age_max_ms;
    _Atomic int64_t index_size_max;
    _Atomic int64_t index_interval_size;
    _Atomic int64_t producer_expiry_ms;
    _Atomic int64_t keep_free;
    _Atomic bool append_time;

    mg_readers readers;
    _Atomic(mg_segment_list *) list;
    _Atomic int64_t start_offset;
    _Atomic int64_t end_offset; /* follows the active segment's word */
    _Atomic int64_t durable_end;
    _Atomic int64_t size;
    _Atomic int64_t appended_size; /* since the open; the appender's */
    _Atomic int64_t flush_size;    /* of it, when the latest flush began; the flusher's */
    _Atomic int64_t flushed_size;  /* of it, what is durable; the flusher's */
    _Atomic bool has_unsynced;     /* a segment was sealed since the latest flush began */
    _Atomic bool is_poisoned;

    pthread_mutex_t room_lock;
    mg_active active;
    mg_producers producers;
    mg_epochs epochs;
    mg_txn_index aborted;
    _Atomic uint64_t swaps;     /* see mg_log_swaps */
    _Atomic int64_t first_open; /* first offset of the oldest open transaction; -1: none */
    bool is_changed; /* since the index files and the snapshot were last written; the appender's */

    pthread_mutex_t names_lock;

    pthread_mutex_t lock;
    mg_retired *retired;
    uint64_t truncations; /* so that a flush does not call durable what was cut meanwhile */
    bool directory_dirty; /* names were made or removed since its last fsync */
    bool parent_dirty;
    mg_error first_error; /* why it is poisoned */

    mg_follow *follow; /* of a log that is only read (follow.h); poisoned, so nothing is written */
};

static inline mg_segment_list *mg_log_list(const mg_log *log)
{
    return atomic_load(&log->list);
}

/* Remembers the first error for good and answers with `status`. Where a fsync failed, the next
 * process is to know (doubt.h). */
mg_status mg_log_poison(mg_log *log, mg_status status, mg_error *cause);
MG_WARN_UNUSED mg_status mg_log_healthy(const mg_log *log, mg_error *error);

/* `lock` held. Replaces the list; `old` and what is retired goes once no reader is inside. */
void mg_log_publish_list(mg_log *log, mg_segment_list *list);
void mg_log_retire(mg_log *log, mg_retired *retired); /* may be NULL */
/* `lock` held. The segment is in no list any more; its names go or change from now on. */
void mg_log_leave_list(mg_log *log, mg_segment *segment);
/* Gives back what no reader can see any more. Any thread that may wait for a disk. */
void mg_log_reap(mg_log *log);

/* Sets up the appender's view of the segment that is now the last: `size` and `end_offset` are
 * published already, its indexes are in memory and its file is open for writing. */
void mg_log_begin_active(mg_log *log, mg_segment *segment);

/* Seals the active segment and begins one at `base_offset`. The append turn and room_lock. */
MG_WARN_UNUSED mg_status mg_log_roll_to(mg_log *log, int64_t base_offset, mg_error *error);
/* A new, empty segment with its file and indexes. */
MG_WARN_UNUSED mg_status mg_log_create_segment(mg_log *log, int64_t base_offset, mg_segment **out,
                                               mg_error *error);

/* The last header whose batch can hold `offset`, found by index and walk; MG_NOT_FOUND where all
 * batches of the segment end below it. The log file is pinned. */
struct mg_walk;
MG_WARN_UNUSED mg_status mg_log_seek(const mg_log *log, mg_segment *segment, int64_t offset,
                                     unsigned flags, struct mg_walk *walk, mg_batch_header *header,
                                     mg_error *error);

/* fdatasync of the state of the producers before `offset`, if there is one. */
MG_WARN_UNUSED mg_status mg_log_sync_snapshot(mg_log *log, int64_t offset, mg_error *error);
/* After a crash: what was found is called durable, and so must its names and its epochs be, which
 * whoever was killed may have left in memory alone. */
MG_WARN_UNUSED mg_status mg_log_settle(mg_log *log, mg_error *error);

/* Takes up what is in the directory; see recover.c. */
MG_WARN_UNUSED mg_status mg_log_recover(mg_log *log, const mg_log_start *start,
                                        mg_log_report *report, mg_error *error);
/* The state of the producers before `offset`, from the newest snapshot at or below it and a walk
 * over the segments of `list`. */
MG_WARN_UNUSED mg_status mg_log_load_producers(mg_log *log, const mg_segment_list *list,
                                               int64_t offset, int64_t now_ms, mg_error *error);
/* Writes the index files of the segment, whose offsets end below `end_offset`. Not synced. */
MG_WARN_UNUSED mg_status mg_log_write_indexes(mg_log *log, mg_segment *segment, int64_t end_offset,
                                              mg_error *error);
/* Removes snapshots at or above `from` but those at a segment's base, and `keep`. */
MG_WARN_UNUSED mg_status mg_log_tidy_snapshots(mg_log *log, int64_t from, int64_t keep,
                                               mg_error *error);

#endif
