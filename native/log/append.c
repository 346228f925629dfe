/* append.c -- the hot path: no allocation, no lock but the append turn, one pwritev. */
#include "log/state.h"

#include "batch/batch_format.h"
#include "log/log_format.h"
#include "log/roll.h"

enum { PARTS_MAX = 256 }; /* of one pwritev: 4 KiB of stack; the kernel takes 1024 */

typedef struct gathering {
    struct iovec parts[PARTS_MAX];
    size_t count;
    int64_t position; /* where the next batch will lie */
    int64_t end_offset;
} gathering;

static int64_t timestamp_of(const mg_log *log, const mg_batch_header *header, int64_t now_ms)
{
    bool append_time = atomic_load_explicit(&log->append_time, memory_order_relaxed);
    return append_time ? now_ms : header->max_timestamp;
}

/* Kafka's rules (LogSegment.shouldRoll); an empty segment takes any batch. */
static bool must_roll(const mg_log *log, const mg_batch_header *header, int64_t position,
                      int64_t end_offset, int64_t now_ms)
{
    const mg_active *active = &log->active;
    if (position == 0) return false;
    int64_t size_max = atomic_load_explicit(&log->segment_size_max, memory_order_relaxed);
    if (header->size > size_max - position) return true;
    if (end_offset - active->segment->base_offset >
        INT32_MAX - (int64_t)header->last_offset_delta) {
        return true;
    }
    int64_t age_max = atomic_load_explicit(&log->segment_age_max_ms, memory_order_relaxed);
    int64_t timestamp = timestamp_of(log, header, now_ms);
    bool has_times = active->first_timestamp >= 0 && timestamp >= 0;
    if (has_times && timestamp - active->first_timestamp > age_max) return true;

    int64_t index_size_max = atomic_load_explicit(&log->index_size_max, memory_order_relaxed);
    const mg_offset_index *offsets =
        atomic_load_explicit(&active->segment->offset_index, memory_order_relaxed);
    const mg_time_index *times =
        atomic_load_explicit(&active->segment->time_index, memory_order_relaxed);
    int64_t offsets_max = index_size_max / MG_OFFSET_ENTRY_SIZE;
    int64_t times_max = index_size_max / MG_TIME_ENTRY_SIZE - 1; /* one is kept for sealing */
    return (int64_t)mg_chunks_count(&offsets->entries) >= offsets_max ||
           (int64_t)mg_chunks_count(&times->entries) >= times_max;
}

bool mg_log_must_roll(const mg_log *log, const mg_batch_header *header, int64_t now_ms)
{
    return must_roll(log, header, log->active.size, log->active.end_offset, now_ms);
}

static bool has_room(const mg_log *log, const mg_batch_header *header, int32_t leader_epoch,
                     int64_t now_ms, const gathering *gathered)
{
    const mg_active *active = &log->active;
    int64_t reserved_end = atomic_load_explicit(&active->reserved_end, memory_order_acquire);
    if (header->size > reserved_end - gathered->position) return false;
    const mg_offset_index *offsets =
        atomic_load_explicit(&active->segment->offset_index, memory_order_relaxed);
    const mg_time_index *times =
        atomic_load_explicit(&active->segment->time_index, memory_order_relaxed);
    if (mg_chunks_room(&offsets->entries) < 1) return false;
    if (mg_chunks_room(&times->entries) < 2) return false; /* and one for sealing */
    if (leader_epoch > mg_epochs_latest(&log->epochs) && !mg_epochs_has_room(&log->epochs)) {
        return false;
    }
    if (header->producer_id >= 0 && !mg_producers_has_room(&log->producers, header->producer_id)) {
        return false;
    }
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    if (is_control && !mg_txn_index_has_room(&log->aborted)) return false;
    return !must_roll(log, header, gathered->position, gathered->end_offset, now_ms);
}

static void stamp(const mg_log *log, mg_log_item *item, int64_t base_offset, int32_t leader_epoch,
                  int64_t now_ms)
{
    mg_batch_header *header = &item->header;
    item->base_offset = base_offset;
    item->append_time_ms = -1;
    header->base_offset = base_offset;
    header->leader_epoch = leader_epoch;
    mg_batch_stamp(item->batch, base_offset, leader_epoch);
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    if (atomic_load_explicit(&log->append_time, memory_order_relaxed) && !is_control) {
        mg_batch_stamp_append_time(item->batch, now_ms, header);
        item->append_time_ms = now_ms;
    }
}

/* Kafka's index rule, in its order: the greatest timestamp counts the batch, the distance does
 * not. Entries above the published end are never chosen by a reader. */
static void index_batch(mg_log *log, const mg_batch_header *header, int64_t position)
{
    mg_active *active = &log->active;
    int32_t relative = (int32_t)(mg_batch_last_offset(header) - active->segment->base_offset);
    if (position == 0) active->first_timestamp = header->max_timestamp;
    if (header->max_timestamp > active->max_timestamp) {
        active->max_timestamp = header->max_timestamp;
        active->max_timestamp_offset = relative;
    }
    int64_t interval = atomic_load_explicit(&log->index_interval_size, memory_order_relaxed);
    if (position - active->last_index_position <= interval) return;
    mg_offset_index_append(
        atomic_load_explicit(&active->segment->offset_index, memory_order_relaxed),
        (mg_offset_entry){.relative_offset = relative, .position = (int32_t)position});
    mg_time_index_append(atomic_load_explicit(&active->segment->time_index, memory_order_relaxed),
                         (mg_time_entry){.timestamp = active->max_timestamp,
                                         .relative_offset = active->max_timestamp_offset});
    active->last_index_position = position;
}

/* What the log knows of a producer and its transactions, one batch on. */
static void record_producer(mg_log *log, const mg_batch_header *header, const mg_control *control)
{
    mg_aborted aborted;
    if (mg_producers_aborts(&log->producers, header, control, &aborted)) {
        mg_txn_index_add(&log->aborted, &aborted);
    }
    mg_producers_record(&log->producers, header, control);
}

/* Decides about one item, and makes it part of the write where it is taken in. */
static mg_status take(mg_log *log, mg_log_item *item, int32_t leader_epoch, int64_t now_ms,
                      gathering *gathered)
{
    mg_batch_header *header = &item->header;
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    mg_append_verdict verdict = MG_APPEND_DONE;
    int64_t original = -1;
    mg_control control = {.known = false};
    if (header->producer_id >= 0 && is_control) {
        mg_span bytes = {.data = item->batch, .size = (size_t)header->size};
        control = mg_control_decode(bytes, header);
        verdict = mg_producers_decide_control(&log->producers, header, &control);
    } else if (header->producer_id >= 0) {
        verdict = mg_producers_decide(&log->producers, header, &original);
    }
    if (verdict != MG_APPEND_DONE) {
        item->verdict = verdict;
        item->base_offset = original;
        item->append_time_ms = -1;
        return MG_OK;
    }
    if (!has_room(log, header, leader_epoch, now_ms, gathered)) return MG_BUSY;

    item->verdict = MG_APPEND_DONE;
    stamp(log, item, gathered->end_offset, leader_epoch, now_ms);
    if (leader_epoch > mg_epochs_latest(&log->epochs)) {
        mg_epochs_assign(&log->epochs, leader_epoch, item->base_offset);
    }
    if (header->producer_id >= 0) record_producer(log, header, &control);
    index_batch(log, header, gathered->position);
    gathered->parts[gathered->count++] =
        (struct iovec){.iov_base = item->batch, .iov_len = (size_t)header->size};
    gathered->position += header->size;
    gathered->end_offset = mg_batch_last_offset(header) + 1;
    return MG_OK;
}

static void publish(mg_log *log, const gathering *gathered)
{
    mg_active *active = &log->active;
    mg_segment *segment = active->segment;
    int64_t grown = gathered->position - active->size;
    active->size = gathered->position;
    active->end_offset = gathered->end_offset;
    atomic_store_explicit(&active->published_size, active->size, memory_order_relaxed);
    log->is_changed = true;
    atomic_store_explicit(
        &segment->end, mg_segment_end_word(active->end_offset - segment->base_offset, active->size),
        memory_order_release);
    /* After the word: who sees one of these finds the bytes. */
    atomic_store_explicit(&segment->max_timestamp, active->max_timestamp, memory_order_release);
    atomic_fetch_add_explicit(&log->size, grown, memory_order_relaxed);
    int64_t appended = atomic_load_explicit(&log->appended_size, memory_order_relaxed);
    atomic_store_explicit(&log->appended_size, appended + grown, memory_order_relaxed);
    /* Before the end: who sees the first record of a transaction sees that it is open. */
    atomic_store_explicit(&log->first_open, mg_producers_first_open(&log->producers),
                          memory_order_release);
    atomic_store_explicit(&log->end_offset, active->end_offset, memory_order_release);
}

/* Not through a mapping: 1,000,000 rows of 100 bytes built into one (64 MiB at a time, fallocate,
 * MADV_RANDOM, MADV_POPULATE_WRITE) went in at 6 M rows/s, as the kernel fills whole pages that are
 * then overwritten; built in the second cache and written by pwritev, at 42 M. With the populating
 * left out of the sum, as if another core did it ahead, the mapping made 46 M. */
static mg_status write_out(mg_log *log, gathering *gathered, mg_error *error)
{
    mg_error cause;
    mg_status status = mg_file_write(log->active.segment->log_file.file, log->active.size,
                                     gathered->parts, gathered->count, &cause);
    if (status == MG_OK) return MG_OK;
    status = mg_log_poison(log, status, &cause);
    if (error != NULL) *error = cause;
    return status;
}

mg_status mg_log_append(mg_log *log, mg_log_item *const *items, size_t count, int32_t leader_epoch,
                        int64_t now_ms, size_t *done, mg_error *error)
{
    *done = 0;
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK) return status;

    while (*done < count && status == MG_OK) {
        gathering gathered;
        gathered.count = 0;
        gathered.position = log->active.size;
        gathered.end_offset = log->active.end_offset;
        size_t next = *done;
        while (next < count && gathered.count < PARTS_MAX) {
            status = take(log, items[next], leader_epoch, now_ms, &gathered);
            if (status != MG_OK) break;
            next++;
        }
        if (gathered.count > 0) {
            mg_status written = write_out(log, &gathered, error);
            if (written != MG_OK) return written;
            publish(log, &gathered);
        }
        *done = next;
    }
    return status;
}
