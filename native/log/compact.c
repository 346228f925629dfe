#include "log/compact.h"

#include "batch/batch_format.h"
#include "batch/opened.h"
#include "batch/record.h"
#include "log/batch_reader.h"
#include "log/compact_batch.h"
#include "log/compact_output.h"
#include "log/compact_swap.h"
#include "log/log_format.h"
#include "log/state.h"
#include "log/walk.h"

#include <stdlib.h>

/* Segments that one output may replace: each of them is held open until the swap. */
enum {
    GROUP_MAX = 64,
    TOGETHER = 16, /* keys that are hashed before the first is put: memory answers meanwhile */
};

typedef struct pass {
    mg_log *log;
    const mg_compact_request *request;
    mg_compact_report *report;
    mg_clean_source *sources; /* all sealed segments below the first uncleanable offset */
    size_t count;
    uint64_t truncations;
    mg_cleanable cleanable;
    bool has_transactions; /* some batch belongs to one */
    mg_markers markers;
    mg_offset_map map;
    int64_t map_end;
    mg_producer_view *producers;
    size_t producers_count;
    mg_batch_reader reader;
    int64_t paced; /* what of the reader's bytes was told */
    mg_compact_filter filter;
} pass;

/* ---- Reading ---- */

static mg_status pace(pass *work, int64_t size)
{
    const mg_compact_request *request = work->request;
    if (request->pace == NULL || size == 0) return MG_OK;
    return request->pace(request->pace_state, size);
}

static mg_status next_batch(pass *work, mg_span *batch, mg_batch_header *header, mg_error *error)
{
    mg_status status = mg_batch_reader_next(&work->reader, batch, header, error);
    int64_t fresh = work->reader.read_size - work->paced;
    work->paced = work->reader.read_size;
    work->report->read_size = work->reader.read_size;
    mg_status paced = pace(work, fresh);
    if (status != MG_OK || paced == MG_OK) return status;
    return mg_fail(error, paced, 0, "compaction was told to stop");
}

static mg_status refuse_damaged(const mg_segment *segment, mg_error *error)
{
    if (segment->damaged_count == 0) return MG_OK;
    return mg_fail(error, MG_CORRUPT, 0, "damage left a gap in segment %lld",
                   (long long)segment->base_offset);
}

/* ---- Markers ---- */

static mg_status walk_markers(pass *work, mg_segment *segment, int64_t size, mg_error *error)
{
    mg_walk walk;
    mg_batch_header header;
    mg_span bytes;
    mg_status status = MG_OK;
    mg_walk_init(&walk, segment->log_file.file, 0, size, 0);
    while ((status = mg_walk_peek(&walk, &header, &bytes, error)) == MG_OK) {
        if ((header.attributes & MG_BATCH_CONTROL) != 0) {
            status = mg_markers_add(&work->markers, &header, bytes, error);
            if (status != MG_OK) return status;
        } else if ((header.attributes & MG_BATCH_TRANSACTIONAL) != 0) {
            work->has_transactions = true;
        }
        mg_walk_skip(&walk, &header);
    }
    return status == MG_NOT_FOUND ? MG_OK : status;
}

/* A transaction may begin in what is compacted and end above it. */
static mg_status load_markers_above(pass *work, mg_error *error)
{
    mg_log *log = work->log;
    mg_status status = MG_OK;
    mg_readers_enter(&log->readers);
    const mg_segment_list *list = mg_log_list(log);
    for (size_t i = 0; i < list->count && status == MG_OK; i++) {
        mg_segment *segment = list->segments[i];
        int64_t size = mg_segment_size(segment);
        if (segment->base_offset < work->sources[work->count - 1].end) continue;
        if (segment->base_offset >= work->request->limit_offset || size == 0) continue;
        status =
            mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
        if (status != MG_OK) break;
        status = walk_markers(work, segment, size, error);
        mg_pooled_unpin(&segment->log_file);
    }
    mg_readers_leave(&log->readers);
    if (status == MG_CLOSED) return mg_fail(error, MG_BUSY, 0, "the log was changed meanwhile");
    return status;
}

static mg_status load_markers(pass *work, mg_error *error)
{
    for (size_t i = 0; i < work->count; i++) {
        mg_segment *segment = NULL;
        mg_status status = mg_clean_source_pin(work->log, &work->sources[i], &segment, error);
        if (status == MG_NOT_FOUND) continue;
        if (status != MG_OK) return status;
        status = refuse_damaged(segment, error);
        if (status == MG_OK) status = walk_markers(work, segment, work->sources[i].size, error);
        mg_clean_source_unpin(segment);
        if (status != MG_OK) return status;
    }
    mg_status status = MG_OK;
    if (work->has_transactions) status = load_markers_above(work, error);
    mg_markers_sort(&work->markers);
    return status;
}

/* ---- Keys ---- */

static mg_status put_keys(pass *work, const mg_offset_key *keys, const int64_t *offsets,
                          size_t count, mg_error *error)
{
    for (size_t i = 0; i < count; i++) {
        mg_status status = mg_offset_map_put(&work->map, &keys[i], offsets[i], error);
        if (status == MG_TOO_LARGE) work->map_end = offsets[i];
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

/* MG_TOO_LARGE: the map is full; `map_end` is then the first record that it does not know. */
static mg_status map_batch(pass *work, mg_span batch, const mg_batch_header *header,
                           mg_error *error)
{
    int64_t first_dirty = work->cleanable.first_dirty_offset;
    bool has_keys = (header->attributes & MG_BATCH_CONTROL) == 0 && header->record_count > 0;
    if (!has_keys || mg_batch_last_offset(header) < first_dirty) return MG_OK;
    if (mg_compact_is_aborted(&work->markers, header)) return MG_OK;
    mg_span records;
    mg_status status = mg_batch_open(work->request->codecs, &work->filter.plain, batch, header,
                                     &records, error);
    if (status != MG_OK) return status;
    mg_offset_key keys[TOGETHER];
    int64_t offsets[TOGETHER];
    size_t count = 0;
    mg_record record;
    mg_record_walk walk = mg_record_walk_over(records, header->record_count);
    while (mg_record_next(&walk, &record)) {
        int64_t offset = header->base_offset + record.offset_delta;
        if (record.key.data == NULL || offset < first_dirty) continue;
        keys[count] = mg_offset_map_hash(&work->map, record.key);
        offsets[count++] = offset;
        if (count < TOGETHER) continue;
        status = put_keys(work, keys, offsets, count, error);
        if (status != MG_OK) return status;
        count = 0;
    }
    status = put_keys(work, keys, offsets, count, error);
    if (status != MG_OK) return status;
    status = mg_record_walk_end(&walk);
    if (status == MG_OK) return MG_OK;
    return mg_fail(error, status, 0, "the records of the batch at offset %lld are malformed",
                   (long long)header->base_offset);
}

static mg_status map_source(pass *work, const mg_clean_source *from, mg_error *error)
{
    mg_segment *segment = NULL;
    mg_status status = mg_clean_source_pin(work->log, from, &segment, error);
    if (status == MG_NOT_FOUND) return MG_OK; /* retention took it, and all that came before */
    if (status != MG_OK) return status;
    mg_batch_reader_begin(&work->reader, segment->log_file.file, 0, from->size);
    while (status == MG_OK) {
        mg_span batch;
        mg_batch_header header;
        status = next_batch(work, &batch, &header, error);
        if (status == MG_OK) status = map_batch(work, batch, &header, error);
    }
    mg_clean_source_unpin(segment);
    return status == MG_NOT_FOUND ? MG_OK : status;
}

static mg_status fill_map(pass *work, mg_error *error)
{
    work->map_end = work->cleanable.first_dirty_offset;
    for (size_t i = 0; i < work->count; i++) {
        const mg_clean_source *from = &work->sources[i];
        if (from->end <= work->map_end) continue;
        mg_status status = map_source(work, from, error);
        if (status == MG_TOO_LARGE) break;
        if (status != MG_OK) return status;
        work->map_end = from->end;
    }
    work->report->keys = (int64_t)work->map.count;
    work->report->map_size = (int64_t)(work->map.capacity * sizeof(mg_offset_slot));
    return MG_OK;
}

/* ---- Producers ---- */

static int compare_producers(const void *left, const void *right)
{
    const mg_producer_view *a = left;
    const mg_producer_view *b = right;
    return (a->producer_id > b->producer_id) - (a->producer_id < b->producer_id);
}

/* Whoever comes later appends above what is compacted. */
static mg_status load_producers(pass *work, mg_error *error)
{
    size_t room = mg_log_producers(work->log, NULL, 0);
    work->producers = calloc(room + 1, sizeof *work->producers);
    if (work->producers == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "compaction");
    size_t count = mg_log_producers(work->log, work->producers, room);
    work->producers_count = count < room ? count : room;
    if (work->producers_count > 1) {
        qsort(work->producers, work->producers_count, sizeof *work->producers, compare_producers);
    }
    return MG_OK;
}

/* ---- Groups ---- */

typedef struct group {
    mg_segment *segments[GROUP_MAX]; /* pinned */
    mg_clean_source sources[GROUP_MAX];
    size_t count;
    int64_t last_base; /* of the source with the last batch, -1: all are empty */
    bool changed;      /* something goes, or several become one */
} group;

static bool fits(const pass *work, const group *into, const mg_clean_source *next, int64_t size)
{
    const mg_log *log = work->log;
    if (into->count == GROUP_MAX) return false;
    if (size + next->size > atomic_load(&log->segment_size_max)) return false;
    int64_t interval = atomic_load(&log->index_interval_size);
    int64_t entries = (size + next->size) / (interval + 1) + 2;
    if (entries * MG_TIME_ENTRY_SIZE > atomic_load(&log->index_size_max)) return false;
    return next->end - 1 - into->sources[0].base <= INT32_MAX;
}

static void unpin_group(group *pinned)
{
    for (size_t i = 0; i < pinned->count; i++)
        mg_clean_source_unpin(pinned->segments[i]);
    pinned->count = 0;
}

/* The next sources from `*next` on that become one segment; none where all are done. */
static mg_status pin_group(pass *work, size_t *next, group *into, mg_error *error)
{
    int64_t size = 0;
    *into = (group){.last_base = -1};
    for (; *next < work->count; ++*next) {
        const mg_clean_source *from = &work->sources[*next];
        if (from->base >= work->map_end) break;
        if (into->count > 0 && !fits(work, into, from, size)) break;
        mg_status status =
            mg_clean_source_pin(work->log, from, &into->segments[into->count], error);
        if (status == MG_NOT_FOUND && into->count == 0) continue; /* deleted meanwhile */
        if (status == MG_NOT_FOUND) status = mg_fail(error, MG_BUSY, 0, "the log was changed");
        if (status != MG_OK) {
            unpin_group(into);
            return status;
        }
        into->sources[into->count++] = *from;
        size += from->size;
        if (from->size > 0) into->last_base = from->base;
    }
    into->changed = into->count > 1;
    return MG_OK;
}

static mg_status write_source(pass *work, group *from, size_t slot, mg_compact_output *output,
                              mg_error *error)
{
    const mg_clean_source *here = &from->sources[slot];
    mg_batch_reader *reader = &work->reader;
    /* The last batch of an output says how far it reaches, also to a start that completes the
     * swap; that of the whole pass, where the log goes on. */
    bool ends_pass = here->end == work->sources[work->count - 1].end;
    bool keeps_last = here->base == from->last_base && (from->count > 1 || ends_pass);
    mg_batch_reader_begin(reader, from->segments[slot]->log_file.file, 0, here->size);
    for (;;) {
        mg_span batch;
        mg_span left;
        mg_batch_header header;
        mg_batch_header left_header;
        mg_status status = next_batch(work, &batch, &header, error);
        if (status == MG_NOT_FOUND) return MG_OK;
        if (status != MG_OK) return status;
        bool is_last = keeps_last && reader->position == reader->end;
        /* The last of a pass is as late as it was in Kafka, too. */
        work->filter.end_timestamp_max = ends_pass ? 0 : output->max_timestamp;
        status =
            mg_compact_batch(&work->filter, batch, &header, is_last, &left, &left_header, error);
        if (status != MG_OK) return status;
        if (left.data != batch.data) from->changed = true;
        if (left.size == 0) continue;
        status = mg_compact_output_add(output, left, &left_header, error);
        if (status != MG_OK) return status;
        work->report->written_size += (int64_t)left.size;
        mg_status paced = pace(work, (int64_t)left.size);
        if (paced != MG_OK) return mg_fail(error, paced, 0, "compaction was told to stop");
    }
}

static mg_status write_output(pass *work, group *from, mg_compact_output *output, mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t i = 0; i < from->count && status == MG_OK; i++)
        status = write_source(work, from, i, output, error);
    for (size_t i = 0; i < from->count && status == MG_OK; i++) {
        status = mg_compact_output_add_transactions(output, from->sources[i].base, &work->markers,
                                                    error);
    }
    if (status != MG_OK || !from->changed) return status;
    return mg_compact_output_finish(output, from->sources[from->count - 1].end, error);
}

/* What the log remembers of aborted transactions, after the files of the group forgot it. */
static mg_status load_kept_aborted(pass *work, const group *from, mg_aborted **kept, size_t *count,
                                   mg_error *error)
{
    int64_t begin = from->sources[0].base;
    int64_t end = from->sources[from->count - 1].end;
    mg_txn_index *index = &work->log->aborted;
    size_t room = mg_txn_index_find(index, begin, end, NULL, 0);
    mg_aborted *found = calloc(room + 1, sizeof *found);
    if (found == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "compaction");
    size_t n = mg_txn_index_find(index, begin, end, found, room);
    if (n > room) n = room;
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        if (found[i].last_offset < begin || found[i].last_offset >= end) continue;
        const mg_marker *marker =
            mg_markers_find(&work->markers, found[i].producer_id, found[i].last_offset);
        bool is_known = marker != NULL && marker->offset == found[i].last_offset;
        if (is_known && !marker->seen) continue;
        found[(*count)++] = found[i];
    }
    *kept = found;
    return MG_OK;
}

static mg_status swap_group(pass *work, group *from, mg_compact_output *output, bool *swapped,
                            mg_error *error)
{
    mg_aborted *kept = NULL;
    size_t count = 0;
    mg_status status = load_kept_aborted(work, from, &kept, &count, error);
    if (status != MG_OK) return status;
    mg_compact_aborted aborted = {.begin = from->sources[0].base,
                                  .end = from->sources[from->count - 1].end,
                                  .entries = kept,
                                  .count = count};
    status = mg_compact_swap(work->log, from->segments, from->count, work->truncations, output,
                             &aborted, swapped, error);
    free(kept);
    return status;
}

static mg_status compact_group(pass *work, group *from, mg_error *error)
{
    bool swapped = false;
    mg_compact_output output;
    mg_status status = mg_compact_output_open(&output, work->log, from->sources[0].base, error);
    if (status != MG_OK) return status;
    status = write_output(work, from, &output, error);
    if (status == MG_OK && from->changed) {
        status = swap_group(work, from, &output, &swapped, error);
    }
    if (swapped) {
        mg_compact_output_deinit(&output);
    } else {
        mg_compact_output_discard(&output);
    }
    work->report->segments_before += (int32_t)from->count;
    work->report->segments_after += swapped ? 1 : (int32_t)from->count;
    return status;
}

static mg_status compact_groups(pass *work, mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t next = 0; status == MG_OK;) {
        group pinned;
        status = pin_group(work, &next, &pinned, error);
        if (status != MG_OK || pinned.count == 0) break;
        status = compact_group(work, &pinned, error);
        unpin_group(&pinned);
        mg_log_reap(work->log);
    }
    return status;
}

/* ---- The whole ---- */

static mg_status begin(pass *work, mg_error *error)
{
    mg_log *log = work->log;
    const mg_compact_request *request = work->request;
    (void)pthread_mutex_lock(&log->lock);
    work->truncations = log->truncations;
    (void)pthread_mutex_unlock(&log->lock);
    mg_status status =
        mg_clean_sources_load(log, request->limit_offset, &work->sources, &work->count, error);
    if (status != MG_OK) return status;
    return mg_clean_sources_cut(log, work->sources, &work->count, request->first_dirty_offset,
                                request->min_lag_ms, request->now_ms, &work->cleanable, error);
}

static mg_status run(pass *work, mg_error *error)
{
    const mg_compact_request *request = work->request;
    mg_status status = load_markers(work, error);
    if (status == MG_OK) status = load_producers(work, error);
    if (status == MG_OK) {
        status = mg_offset_map_open(&work->map, request->map_size_max,
                                    work->cleanable.first_dirty_offset, &request->seed, error);
    }
    if (status == MG_OK) status = fill_map(work, error);
    if (status != MG_OK) return status;
    work->filter.map = &work->map;
    work->filter.map_end = work->map_end;
    work->filter.now_ms = request->now_ms;
    work->filter.delete_retention_ms = request->delete_retention_ms;
    work->filter.codecs = request->codecs;
    work->filter.markers = &work->markers;
    work->filter.producers = work->producers;
    work->filter.producers_count = work->producers_count;
    status = compact_groups(work, error);
    if (status == MG_OK) work->report->end_offset = work->map_end;
    return status;
}

mg_status mg_log_compact(mg_log *log, const mg_compact_request *request, mg_compact_report *report,
                         mg_error *error)
{
    *report = (mg_compact_report){.end_offset = request->first_dirty_offset};
    mg_status status = mg_log_healthy(log, error); /* also refuses a log that is only read */
    if (status != MG_OK) return status;
    pass work = {.log = log, .request = request, .report = report};
    mg_markers_init(&work.markers);
    mg_batch_reader_init(&work.reader);
    status = begin(&work, error);
    if (status == MG_OK) {
        report->end_offset = work.cleanable.first_dirty_offset;
        bool is_due = work.cleanable.first_uncleanable_offset > work.cleanable.first_dirty_offset;
        if (is_due) status = run(&work, error);
    }
    report->records_read = work.filter.records_read;
    report->records_kept = work.filter.records_kept;
    mg_offset_map_close(&work.map);
    mg_compact_filter_deinit(&work.filter);
    mg_batch_reader_deinit(&work.reader);
    mg_markers_deinit(&work.markers);
    free(work.producers);
    free(work.sources);
    mg_log_reap(log);
    return status;
}
