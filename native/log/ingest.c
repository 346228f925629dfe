#include "log/ingest.h"

#include "base/bounds.h"
#include "log/state.h"

#include <stdlib.h>

mg_status mg_log_count_batches(mg_span batches, size_t *count, mg_error *error)
{
    size_t found = 0;
    for (size_t at = 0; at < batches.size;) {
        mg_batch_header header;
        mg_span rest = {.data = batches.data + at, .size = batches.size - at};
        mg_status status = mg_batch_header_decode(rest, &header);
        if (status != MG_OK || (size_t)header.size > rest.size) {
            return mg_fail(error, MG_CORRUPT, 0, "no whole batch at byte %zu of %zu", at,
                           batches.size);
        }
        at += (size_t)header.size;
        found++;
    }
    *count = found;
    return MG_OK;
}

mg_status mg_log_split(uint8_t *batches, size_t size, mg_log_item *items, size_t count,
                       mg_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        mg_span rest = {.data = batches + at, .size = size - at};
        items[i] = (mg_log_item){.batch = batches + at, .base_offset = -1, .append_time_ms = -1};
        if (mg_batch_check(rest, &items[i].header) != MG_OK) {
            return mg_fail(error, MG_CORRUPT, 0, "corrupt batch at byte %zu of %zu", at, size);
        }
        at += (size_t)items[i].header.size;
    }
    MG_ASSERT(at == size);
    return MG_OK;
}

enum { POINTERS_MAX = 256 };

mg_status mg_log_append_all(mg_log *log, mg_log_item *items, size_t count, int32_t leader_epoch,
                            int64_t now_ms, size_t *done, mg_error *error)
{
    *done = 0;
    while (*done < count) {
        mg_log_item *pointers[POINTERS_MAX];
        size_t left = count - *done < POINTERS_MAX ? count - *done : POINTERS_MAX;
        for (size_t i = 0; i < left; i++)
            pointers[i] = &items[*done + i];
        size_t appended = 0;
        mg_status status =
            mg_log_append(log, pointers, left, leader_epoch, now_ms, &appended, error);
        *done += appended;
        if (status == MG_BUSY) {
            status = mg_log_make_room(log, &items[*done].header, now_ms, error);
        }
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

/* ---- Rows ---- */

enum {
    MEMORY_SIZE = 1024 * 1024, /* bytes: what a second cache holds */
    ITEMS_MAX = 64,            /* batches of a write: 6 KiB of stack */
};

void mg_ingest_memory_deinit(mg_ingest_memory *memory)
{
    free(memory->batches);
    free(memory->plain);
}

static mg_status grow(uint8_t **memory, size_t *size, size_t wanted, mg_error *error)
{
    if (wanted < MEMORY_SIZE) wanted = MEMORY_SIZE;
    if (*size >= wanted) return MG_OK;
    uint8_t *fresh = malloc(wanted);
    if (fresh == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a batch of %zu bytes", wanted);
    free(*memory);
    *memory = fresh;
    *size = wanted;
    return MG_OK;
}

mg_status mg_ingest_check(mg_ingest_request *request, mg_error *error)
{
    mg_row_limits *limits = &request->limits;
    if ((unsigned)request->codec >= MG_CODEC_COUNT) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "codec %d", (int)request->codec);
    }
    int32_t wall = MG_BATCH_SIZE_MAX;
    if (request->codec != MG_CODEC_NONE) wall = MG_BATCH_OPENED_SIZE_MAX;
    if (limits->size_max < MG_BATCH_HEADER_SIZE || limits->count_max < 1) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "batches of %d bytes and %d records",
                       limits->size_max, limits->count_max);
    }
    if (limits->size_max > wall) limits->size_max = wall;
    if (limits->lone_size_max < limits->size_max) limits->lone_size_max = limits->size_max;
    if (limits->lone_size_max > wall) limits->lone_size_max = wall;

    if (limits->producer_id == -1) return MG_OK;
    if (!mg_producer_is_named(limits->producer_id)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "producer id %lld is not a named producer's",
                       (long long)limits->producer_id);
    }
    int64_t first_max = MG_PRODUCER_POSITION_END - (int64_t)request->rows->count;
    if (limits->position_first < 0 || limits->position_first > first_max) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "%zu rows at position %lld, the end is %lld",
                       request->rows->count, (long long)limits->position_first,
                       (long long)MG_PRODUCER_POSITION_END);
    }
    return MG_OK;
}

/* The next batch into `size` bytes; MG_BUSY where it may take more, `*wanted` bytes. */
static mg_status encode_next(mg_row_encoder *encoder, const mg_ingest_request *request,
                             mg_ingest_memory *memory, uint8_t *out, size_t size, size_t *wanted,
                             mg_batch_header *header, mg_error *error)
{
    bool is_packed = request->codec != MG_CODEC_NONE;
    size_t room;
    mg_status status = mg_row_encoder_room(encoder, &room, error);
    if (status != MG_OK) return status;
    *wanted = is_packed ? mg_row_packed_room(room) : room;
    if (*wanted > size) return MG_BUSY;
    if (!is_packed) return mg_row_encoder_next(encoder, out, size, header, error);

    status = grow(&memory->plain, &memory->plain_size, room, error);
    if (status != MG_OK) return status;
    return mg_row_encoder_next_packed(encoder, memory->plain, memory->plain_size, request->codecs,
                                      request->codec, out, size, header, error);
}

mg_status mg_ingest_encode(mg_row_encoder *encoder, const mg_ingest_request *request,
                           mg_ingest_memory *memory, uint8_t *out, size_t size, size_t *used,
                           size_t *wanted, mg_error *error)
{
    while (mg_row_encoder_left(encoder) > 0) {
        mg_batch_header header = {.leader_epoch = request->leader_epoch};
        mg_status status = encode_next(encoder, request, memory, out + *used, size - *used, wanted,
                                       &header, error);
        if (status != MG_OK) return status;
        *used += (size_t)header.size;
    }
    return MG_OK;
}

/* How many of the rows the named producer had appended before; positions rise with rows. */
static size_t count_skipped(const mg_log *log, const mg_ingest_request *request)
{
    if (request->limits.producer_id < 0) return 0;
    int64_t last = mg_producers_position(&log->producers, request->limits.producer_id);
    const int32_t *rows = request->selection.rows;
    size_t low = 0;
    size_t high = request->selection.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t row = rows == NULL ? (int64_t)middle : rows[middle];
        if (request->limits.position_first + row <= last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Fills the memory with batches. */
static mg_status fill(mg_row_encoder *encoder, const mg_ingest_request *request,
                      mg_ingest_memory *memory, mg_log_item *items, size_t *count, mg_error *error)
{
    size_t used = 0;
    *count = 0;
    while (mg_row_encoder_left(encoder) > 0 && *count < ITEMS_MAX) {
        size_t wanted = 0;
        mg_log_item *item = &items[*count];
        *item = (mg_log_item){.batch = memory->batches + used, .base_offset = -1};
        item->header.leader_epoch = request->leader_epoch;
        mg_status status = encode_next(encoder, request, memory, item->batch,
                                       memory->batches_size - used, &wanted, &item->header, error);
        if (status == MG_BUSY && *count > 0) return MG_OK;
        if (status == MG_BUSY) {
            status = grow(&memory->batches, &memory->batches_size, wanted, error);
            if (status != MG_OK) return status;
            continue;
        }
        if (status != MG_OK) return status;
        used += (size_t)item->header.size;
        (*count)++;
    }
    return MG_OK;
}

static void count_appended(const mg_log_item *items, size_t done, mg_ingest_answer *answer)
{
    for (size_t i = 0; i < done; i++) {
        /* Its position is above the last, and the append turn is the caller's. */
        MG_ASSERT(items[i].verdict == MG_APPEND_DONE);
        if (answer->count == 0) answer->base_offset = items[i].base_offset;
        answer->last_offset = mg_batch_last_offset(&items[i].header);
        answer->count += (size_t)items[i].header.record_count;
    }
}

static mg_status append_encoded(mg_log *log, mg_row_encoder *encoder,
                                const mg_ingest_request *request, mg_ingest_memory *memory,
                                mg_ingest_answer *answer, mg_error *error)
{
    while (mg_row_encoder_left(encoder) > 0) {
        mg_log_item items[ITEMS_MAX];
        size_t count;
        size_t done = 0;
        mg_status status = fill(encoder, request, memory, items, &count, error);
        if (status != MG_OK) return status;
        status = mg_log_append_all(log, items, count, request->leader_epoch, request->now_ms, &done,
                                   error);
        count_appended(items, done, answer);
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

mg_status mg_log_append_rows(mg_log *log, const mg_ingest_request *given, mg_ingest_memory *memory,
                             mg_ingest_answer *answer, mg_error *error)
{
    *answer = (mg_ingest_answer){.base_offset = -1, .last_offset = -1};
    mg_ingest_request request = *given;
    mg_status status = mg_ingest_check(&request, error);
    if (status != MG_OK) return status;
    status = mg_log_healthy(log, error);
    if (status != MG_OK) return status;
    status = mg_rows_fit(request.rows, request.selection, &request.limits, error);
    if (status != MG_OK) return status;

    mg_row_encoder encoder;
    mg_row_encoder_init(&encoder, request.rows, request.selection, &request.limits);
    size_t skipped = count_skipped(log, &request);
    mg_row_encoder_skip(&encoder, skipped);
    answer->skipped = skipped;
    mg_error cause = {.status = MG_OK};
    status = append_encoded(log, &encoder, &request, memory, answer, &cause);
    if (status == MG_OK || error == NULL) return status;
    *error = cause;
    if (answer->count == 0) return status;
    return mg_fail(error, status, cause.os_error, "%.120s (after %zu rows, up to offset %lld)",
                   cause.detail, answer->count, (long long)answer->last_offset);
}
