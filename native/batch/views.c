#include "batch/views.h"

#include "base/copy.h"
#include "batch/columns.h"

#include <stdlib.h>

enum {
    HEADERS_FIRST = 256,
    WORD_BITS = 64, /* of a validity */
    PREFIX_SIZE = 4,
};

static_assert(sizeof(mg_view) == 16, "as Arrow has it");

/* ---- Opening ---- */

static void *grow(void *memory, size_t count, size_t size, bool *ok)
{
    void *grown = realloc(memory, count * size);
    if (grown == NULL) *ok = false;
    return grown == NULL ? memory : grown;
}

static size_t words_of(size_t rows)
{
    return (rows + WORD_BITS - 1) / WORD_BITS;
}

static bool grow_column(mg_view_column *column, size_t rows, bool has_nulls)
{
    bool ok = true;
    column->views = grow(column->views, rows, sizeof *column->views, &ok);
    if (has_nulls) {
        column->validity = grow(column->validity, words_of(rows), sizeof *column->validity, &ok);
    }
    return ok;
}

static bool grow_headers(mg_views *views, size_t needed)
{
    size_t room = views->header_room == 0 ? HEADERS_FIRST : views->header_room;
    while (room < needed)
        room *= 2;
    if (!grow_column(&views->header_keys, room, false)) return false;
    if (!grow_column(&views->header_values, room, true)) return false;
    views->header_room = room;
    return true;
}

mg_status mg_views_open(mg_views **out, size_t room, unsigned columns, mg_error *error)
{
    MG_ASSERT(room > 0);
    MG_ASSERT(room < INT32_MAX);
    mg_views *views = calloc(1, sizeof *views);
    if (views == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "columns");
    views->room = room;
    bool ok = true;
    if ((columns & MG_VIEWS_OFFSETS) != 0) {
        views->offsets = grow(NULL, room, sizeof *views->offsets, &ok);
    }
    if ((columns & MG_VIEWS_TIMESTAMPS) != 0) {
        views->timestamps = grow(NULL, room, sizeof *views->timestamps, &ok);
    }
    if ((columns & MG_VIEWS_KEYS) != 0) ok = grow_column(&views->keys, room, true) && ok;
    if ((columns & MG_VIEWS_VALUES) != 0) ok = grow_column(&views->values, room, true) && ok;
    if ((columns & MG_VIEWS_HEADERS) != 0) {
        views->header_offsets = grow(NULL, room + 1, sizeof *views->header_offsets, &ok);
        if (views->header_offsets != NULL) views->header_offsets[0] = 0;
    }
    if (!ok) {
        mg_views_close(views);
        return mg_fail(error, MG_NO_MEMORY, 0, "columns of %zu rows", room);
    }
    *out = views;
    return MG_OK;
}

static void close_column(mg_view_column *column)
{
    free(column->views);
    free(column->validity);
}

void mg_views_close(mg_views *views)
{
    if (views == NULL) return;
    free(views->offsets);
    free(views->timestamps);
    free(views->header_offsets);
    close_column(&views->keys);
    close_column(&views->values);
    close_column(&views->header_keys);
    close_column(&views->header_values);
    free(views);
}

/* ---- Views ---- */

static mg_view view_of(mg_span bytes, const uint8_t *base, int32_t buffer_index)
{
    mg_view view = {.low = (uint32_t)bytes.size, .high = 0};
    uint8_t head[16] = {0};
    if (bytes.size > MG_VIEW_INLINE_MAX) {
        uint32_t prefix = __builtin_bswap32(mg_load_u32(bytes.data));
        view.low |= (uint64_t)prefix << 32;
        view.high = (uint64_t)(uint32_t)buffer_index | (uint64_t)(bytes.data - base) << 32;
        return view;
    }
    mg_copy(head, sizeof head, bytes.data, bytes.size);
    view.low |= (uint64_t)__builtin_bswap32(mg_load_u32(head)) << 32;
    view.high = __builtin_bswap64(mg_load_u64(head + PREFIX_SIZE));
    return view;
}

static void put_valid(uint64_t *validity, size_t row, bool valid)
{
    uint64_t bit = UINT64_C(1) << (row % WORD_BITS);
    uint64_t *word = &validity[row / WORD_BITS];
    if (row % WORD_BITS == 0) *word = 0;
    if (valid) *word |= bit;
}

static inline void put(mg_view_column *column, size_t row, mg_span bytes,
                       const mg_views_source *source)
{
    bool valid = bytes.data != NULL;
    column->views[row] =
        valid ? view_of(bytes, source->base, source->buffer_index) : (mg_view){.low = 0};
    column->null_count += !valid;
    put_valid(column->validity, row, valid);
}

static mg_status add_headers(mg_views *views, const mg_record *record,
                             const mg_views_source *source, mg_error *error)
{
    size_t needed = views->header_count + (size_t)record->header_count;
    if (needed > INT32_MAX) return mg_fail(error, MG_TOO_LARGE, 0, "so many headers");
    if (needed > views->header_room && !grow_headers(views, needed)) {
        return mg_fail(error, MG_NO_MEMORY, 0, "columns of %zu headers", needed);
    }
    mg_record_header_walk walk = mg_record_header_walk_over(record);
    mg_record_header header;
    while (mg_record_header_next(&walk, &header)) {
        size_t row = views->header_count++;
        views->header_keys.views[row] = view_of(header.key, source->base, source->buffer_index);
        put(&views->header_values, row, header.value, source);
    }
    return MG_OK;
}

/* ---- Rows ---- */

mg_views_source mg_views_source_over(mg_span payload, const mg_batch_header *header,
                                     const uint8_t *base, int32_t buffer_index)
{
    return (mg_views_source){.header = *header,
                             .walk = mg_record_walk_over(payload, header->record_count),
                             .base = base,
                             .buffer_index = buffer_index};
}

mg_status mg_views_add(mg_views *views, mg_views_source *source, const mg_views_range *range,
                       mg_error *error)
{
    if (source->walk.cursor.end - source->base > INT32_MAX) {
        return mg_fail(error, MG_TOO_LARGE, 0, "a view reaches 2 GiB at most");
    }
    mg_record record;
    size_t row = views->count;
    while (row < views->room && mg_record_next(&source->walk, &record)) {
        if (record.offset_delta < source->delta_min ||
            record.offset_delta > source->header.last_offset_delta) {
            mg_cursor_spoil(&source->walk.cursor);
            break;
        }
        source->delta_min = record.offset_delta + 1;
        int64_t offset = source->header.base_offset + record.offset_delta;
        if (offset >= range->end_offset) {
            source->walk.left = 0;
            return MG_OK;
        }
        int64_t timestamp = mg_batch_record_timestamp(&source->header, record.timestamp_delta);
        if (offset < range->start_offset || timestamp < range->start_time ||
            timestamp >= range->end_time) {
            continue;
        }
        if (row == 0) views->first_offset = offset;
        if (views->offsets != NULL) views->offsets[row] = offset;
        if (views->timestamps != NULL) views->timestamps[row] = timestamp;
        if (views->keys.views != NULL) put(&views->keys, row, record.key, source);
        if (views->values.views != NULL) put(&views->values, row, record.value, source);
        if (views->header_offsets != NULL) {
            if (record.header_count > 0) {
                mg_status status = add_headers(views, &record, source, error);
                if (status != MG_OK) return status;
            }
            views->header_offsets[row + 1] = (int32_t)views->header_count;
        }
        row++;
        views->count = row;
    }
    if (!mg_cursor_ok(&source->walk.cursor)) {
        return mg_fail(error, MG_CORRUPT, 0, "a record contradicts itself or its batch");
    }
    bool has_rest = source->walk.left == 0 && mg_cursor_left(&source->walk.cursor) != 0;
    if (has_rest) return mg_fail(error, MG_CORRUPT, 0, "bytes behind the last record");
    return MG_OK;
}

/* ---- Copies ---- */

int64_t mg_view_column_size(const mg_view_column *column, size_t count)
{
    int64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += (int64_t)(column->views[i].low & UINT32_MAX);
    return size;
}

static const uint8_t *bytes_of(const mg_view *view, uint32_t size, const mg_span *buffers)
{
    if (size <= MG_VIEW_INLINE_MAX) return (const uint8_t *)view + sizeof(uint32_t);
    const mg_span *buffer = &buffers[view->high & UINT32_MAX];
    size_t at = (size_t)(view->high >> 32);
    MG_ASSERT(at + size <= buffer->size);
    return buffer->data + at;
}

void mg_view_column_copy(const mg_view_column *column, size_t count, const mg_span *buffers,
                         int32_t *offsets, uint8_t *data)
{
    int64_t at = 0;
    offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t size = (uint32_t)(column->views[i].low & UINT32_MAX);
        mg_copy(data + at, size, bytes_of(&column->views[i], size, buffers), size);
        at += size;
        MG_ASSERT(at <= INT32_MAX);
        offsets[i + 1] = (int32_t)at;
    }
}
