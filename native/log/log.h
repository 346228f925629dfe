/* log.h -- one partition's log: segments, indexes, producers and epochs in Kafka's own files.
 *
 * Who may call what, at the same time:
 *   the appender    one thread at a time, whoever holds the partition's append turn:
 *                   mg_log_append, mg_log_make_room, mg_log_roll, mg_log_truncate
 *   the flusher     one thread at a time: mg_log_flush. It alone moves durable_end.
 *   the maintainer  one thread at a time: mg_log_reserve_ahead, mg_log_delete_old,
 *                   mg_log_raise_start
 *   the compactor   one thread at a time: mg_log_compact (compact.h)
 *   readers         any number, without locks: everything declared under "Reading"
 * These five kinds never wait for one another, but for short list updates among the first three.
 *
 * A byte below the published end never changes in its inode. A slice pins its segment: the file
 * stays readable while the slice lives, whatever retention does meanwhile.
 *
 * A failed write or fsync poisons the log: every later append, make_room and flush answers with
 * the first error; reading of what was published goes on. An I/O error is never corruption.
 */
#ifndef MG_LOG_LOG_H
#define MG_LOG_LOG_H

#include "batch/batch.h"
#include "file/file.h"

#include <stdatomic.h>

typedef struct mg_log mg_log;
typedef struct mg_segment mg_segment;

typedef struct mg_log_config {
    int64_t segment_size_max;    /* segment.bytes */
    int64_t segment_age_max_ms;  /* segment.ms, against the first record's timestamp */
    int64_t index_size_max;      /* segment.index.bytes */
    int64_t index_interval_size; /* index.interval.bytes */
    int64_t producer_expiry_ms;  /* producer.id.expiration.ms */
    int64_t keep_free;           /* of the disk, for what is no record; 0: nothing */
    bool append_time;            /* message.timestamp.type=LogAppendTime */
} mg_log_config;

/* How to take up a directory; `clean` means that the data directory had its clean-shutdown mark. */
typedef struct mg_log_start {
    bool clean;
    int64_t recovery_point; /* 0 where no checkpoint names the partition */
    int64_t start_offset;   /* from log-start-offset-checkpoint, or 0 */
    int64_t now_ms;
    unsigned threads; /* that check segments beside the caller's; 0 and 1: the caller does it */
    _Atomic int64_t *progress; /* or NULL: grows by the bytes that are checked, as they are */
    /* For a repair: */
    bool check_all; /* every segment, whatever the recovery point and the mark say */
    bool keep_tail; /* nothing is cut: what is no batch is moved aside at the end as well */
} mg_log_start;

/* What recovery did; all zero after a clean start. */
typedef struct mg_log_report {
    int64_t cut_size;        /* bytes of a torn tail, nothing intact behind it */
    int64_t set_aside_size;  /* damaged bytes moved aside, intact batches behind them kept */
    int64_t rewritten_size;  /* written once more, because a fsync had failed before */
    int64_t scanned_size;
    int32_t segments_scanned;
    int32_t indexes_rebuilt;
} mg_log_report;

/* Opens or creates the directory `path`. `files` is kept until close. */
MG_WARN_UNUSED mg_status mg_log_open(mg_log **out, mg_files *files, const char *path,
                                     const mg_log_config *config, const mg_log_start *start,
                                     mg_log_report *report, mg_error *error);
/* Opens what another process of this host is writing, or nobody, and changes nothing on disk
 * (follow.h). Of `start`, `clean` and `start_offset` count. Whoever writes to it is refused with
 * MG_UNSUPPORTED; its producers and its durable end are not known. MG_NOT_FOUND: no directory. */
MG_WARN_UNUSED mg_status mg_log_open_read_only(mg_log **out, mg_files *files, const char *path,
                                               const mg_log_config *config,
                                               const mg_log_start *start, mg_error *error);
/* Looks at what was appended, rolled, deleted or replaced since. Any thread; a log that is not
 * read-only knows. `start_offset`: what the checkpoint says by now; never lowers. MG_NOT_FOUND:
 * the directory is gone; what was published stays readable where it is open. */
MG_WARN_UNUSED mg_status mg_log_refresh(mg_log *log, int64_t start_offset, mg_error *error);
/* Nobody may be using the log. Flushes, writes indexes and the producer snapshot, trims what was
 * reserved; frees in every case and answers with the first error. */
mg_status mg_log_close(mg_log *log, mg_error *error);
/* Frees without writing anything: for a deleted partition, and to play a crash in tests. */
void mg_log_abandon(mg_log *log);
void mg_log_configure(mg_log *log, const mg_log_config *config); /* any thread; takes effect soon */

/* ---- Appending (the appender) ---- */

typedef enum mg_append_verdict {
    MG_APPEND_DONE = 0,
    MG_APPEND_DUPLICATE,             /* base_offset is that of the original */
    MG_APPEND_OUT_OF_ORDER_SEQUENCE, /* OUT_OF_ORDER_SEQUENCE_NUMBER 45 */
    MG_APPEND_INVALID_PRODUCER_EPOCH, /* INVALID_PRODUCER_EPOCH 47 */
    MG_APPEND_INVALID_TXN_STATE,      /* INVALID_TXN_STATE 48 */
    MG_APPEND_COORDINATOR_FENCED      /* TRANSACTION_COORDINATOR_FENCED 52; of a marker */
} mg_append_verdict;

/* One batch on its way in. The caller's memory, until mg_log_append has counted it done. */
typedef struct mg_log_item {
    uint8_t *batch;         /* validated; stamped in place */
    mg_batch_header header; /* as validated; offsets and times are filled in */
    /* answers */
    mg_append_verdict verdict;
    int64_t base_offset;
    int64_t append_time_ms; /* -1 unless LogAppendTime */
} mg_log_item;

/* Appends in order: producer check, offsets, stamp, one pwritev, index, publish. `*done` items
 * have their answers; the rest were not touched. MG_BUSY: the next item needs mg_log_make_room
 * (its size is in header.size) by a thread that may wait for a disk. Anything else but MG_OK:
 * poisoned, and items that are not done never will be. Makes no allocation and no system call
 * but the pwritev. leader_epoch never falls. */
MG_WARN_UNUSED mg_status mg_log_append(mg_log *log, mg_log_item *const *items, size_t count,
                                       int32_t leader_epoch, int64_t now_ms, size_t *done,
                                       mg_error *error);

/* Reserves or rolls until a batch of `size` bytes fits. May wait for a disk. MG_NO_SPACE changes
 * nothing and may be tried again. It comes while keep_free bytes are left, less on a small disk: so
 * a log can be closed, retention applied and a topic deleted on a disk that is full. */
MG_WARN_UNUSED mg_status mg_log_make_room(mg_log *log, const mg_batch_header *next, int64_t now_ms,
                                          mg_error *error);

/* Seals the active segment and begins another, unless it is empty: retention leaves the active
 * one alone. The append turn; may wait for a disk. MG_NO_SPACE changes nothing. */
MG_WARN_UNUSED mg_status mg_log_roll(mg_log *log, mg_error *error);

/* Cuts the log so that end_offset becomes `offset` (a new file and a rename where bytes below the
 * published end go). Who keeps a recovery point lowers it first: an end below it is taken for a
 * loss by the next start. */
MG_WARN_UNUSED mg_status mg_log_truncate(mg_log *log, int64_t offset, mg_error *error);

/* ---- Upkeep ---- */

/* True when less than half of a reservation is left: someone should call mg_log_reserve_ahead. */
bool mg_log_wants_room(const mg_log *log);
MG_WARN_UNUSED mg_status mg_log_reserve_ahead(mg_log *log, mg_error *error);

/* fdatasync of everything published when it began; then durable_end says so. */
MG_WARN_UNUSED mg_status mg_log_flush(mg_log *log, mg_error *error);
/* True when much was appended, or a segment sealed, since a flush last began: without one every
 * sealed segment keeps its descriptor, and a recovery has to check all that was never flushed.
 * Any thread. */
bool mg_log_wants_flush(const mg_log *log);
/* Bytes that were appended since the open and made durable, and those that were not. Any thread. */
int64_t mg_log_flushed_size(const mg_log *log);
int64_t mg_log_unsynced_size(const mg_log *log);

/* Deletes whole sealed segments older than retention_ms (-1: never) or beyond retention_size
 * (-1: never), none above `limit_offset`; an expired active segment is rolled by the appender
 * first. Files go when the last slice lets go. */
MG_WARN_UNUSED mg_status mg_log_delete_old(mg_log *log, int64_t retention_ms,
                                           int64_t retention_size, int64_t limit_offset,
                                           int64_t now_ms, int32_t *deleted, mg_error *error);
/* DeleteRecords: nothing below `offset` is readable from now on. Never lowers. */
MG_WARN_UNUSED mg_status mg_log_raise_start(mg_log *log, int64_t offset, mg_error *error);

/* ---- Reading (any thread) ---- */

int64_t mg_log_start_offset(const mg_log *log);
int64_t mg_log_end_offset(const mg_log *log);
int64_t mg_log_durable_end(const mg_log *log); /* everything below it survives a power cut */
/* Below it every transaction is decided: as far as a reader of committed records may see. The first
 * offset of the oldest open transaction, or the end. Read-only: the end. */
int64_t mg_log_last_stable_offset(const mg_log *log);
int64_t mg_log_size(const mg_log *log);        /* bytes in all segments */
int32_t mg_log_segment_count(const mg_log *log);
mg_status mg_log_health(const mg_log *log, mg_error *error); /* MG_OK, or why it is poisoned */

/* Whole batches in one segment, as they lie on disk. */
typedef struct mg_log_slice {
    mg_segment *segment;  /* pinned until mg_log_slice_release */
    int fd;               /* for sendfile; -1 where the files are not the kernel's */
    int64_t position;
    size_t size;          /* 0: nothing there yet */
    int64_t next_offset;  /* one past the last offset in it; the asked offset where it is empty */
} mg_log_slice;

typedef enum mg_read_flags {
    MG_READ_DEFAULT = 0,
    MG_READ_AT_LEAST_ONE = 1, /* the first batch comes whole even if it is larger than size_max */
    MG_READ_NO_WAIT = 2,      /* MG_WOULD_BLOCK instead of waiting for a disk */
} mg_read_flags;

/* The batches from the one that holds `offset` on, below `end_offset` (exclusive; INT64_MAX: all
 * published), at most size_max bytes, within one segment. MG_OUT_OF_RANGE: offset below the start
 * or above the end. MG_CORRUPT: the offset lies in a gap that damage left. */
MG_WARN_UNUSED mg_status mg_log_read(mg_log *log, int64_t offset, int64_t end_offset,
                                     size_t size_max, unsigned flags, mg_log_slice *slice,
                                     mg_error *error);
/* Copies [from, from + size) of the slice. */
MG_WARN_UNUSED mg_status mg_log_slice_copy(const mg_log_slice *slice, size_t from, size_t size,
                                           uint8_t *out, mg_error *error);
void mg_log_slice_release(mg_log_slice *slice);

/* The first batch whose max_timestamp is at least `timestamp`, as a slice of that one batch; the
 * record inside is the caller's to find. MG_NOT_FOUND: none. */
MG_WARN_UNUSED mg_status mg_log_find_timestamp(mg_log *log, int64_t timestamp, mg_log_slice *batch,
                                               mg_error *error);
/* The same among the batches that end at or above `offset`. */
MG_WARN_UNUSED mg_status mg_log_find_timestamp_from(mg_log *log, int64_t offset, int64_t timestamp,
                                                    mg_log_slice *batch, mg_error *error);
/* The first batch that holds the greatest timestamp of the log (ListOffsets -3). */
MG_WARN_UNUSED mg_status mg_log_find_max_timestamp(mg_log *log, mg_log_slice *batch,
                                                   mg_error *error);

typedef struct mg_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;   /* of the abort marker */
    int64_t stable_offset; /* what lay open beside it; see txn_index.h */
} mg_aborted;
/* The aborted transactions that reach into [from, to), by their markers: fills at most `room` and
 * returns how many there are. Waits for no disk. None where the log is read-only. */
size_t mg_log_aborted(const mg_log *log, int64_t from, int64_t to, mg_aborted *out, size_t room);
/* Counts twice each compaction and each deletion that readers see, odd for the moment in which it
 * takes place. What was read and what was aborted belong together where it is even and the same
 * before the one and after the other: records and their entries go at once. */
uint64_t mg_log_swaps(const mg_log *log);

/* OffsetForLeaderEpoch: the largest epoch <= `epoch` and where it ends. -1, -1 where unknown. */
void mg_log_epoch_end(const mg_log *log, int32_t epoch, int32_t *found, int64_t *end_offset);
int32_t mg_log_latest_epoch(const mg_log *log); /* -1: none yet */

typedef struct mg_producer_view {
    int64_t producer_id;
    int64_t last_offset;
    int64_t last_timestamp;
    int64_t transaction_first_offset; /* -1: none open */
    int32_t last_sequence;
    int32_t coordinator_epoch;
    int16_t epoch;
} mg_producer_view;
/* Fills at most `room` and returns how many there are. */
size_t mg_log_producers(const mg_log *log, mg_producer_view *out, size_t room);

#endif
