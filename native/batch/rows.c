#include "batch/rows.h"

#include "base/bounds.h"
#include "base/copy.h"
#include "base/writer.h"
#include "batch/builder.h"

#define INLINED static inline __attribute__((always_inline))

static const uint8_t nothing[1]; /* where an empty item lies that is not null */

/* ---- Columns ---- */

INLINED int32_t load_i32(const uint8_t *p)
{
    int32_t v;
    mg_copy(&v, sizeof v, p, sizeof v);
    return v;
}

INLINED int64_t load_i64(const uint8_t *p)
{
    int64_t v;
    mg_copy(&v, sizeof v, p, sizeof v);
    return v;
}

INLINED bool is_null(const mg_row_column *column, size_t row)
{
    if (column->validity.data == NULL) return false;
    size_t bit = column->validity_offset + row;
    return (column->validity.data[bit / 8] >> (bit % 8) & 1) == 0;
}

INLINED bool between(mg_span data, int64_t begin, int64_t end, mg_span *item)
{
    if (begin < 0 || end < begin || (uint64_t)end > data.size) return false;
    item->data = data.data + begin;
    item->size = (size_t)(end - begin);
    return true;
}

INLINED bool viewed(const mg_row_column *column, size_t row, mg_span *item)
{
    const uint8_t *view = column->offsets.data + row * MG_ROW_VIEW_SIZE;
    int32_t size = load_i32(view);
    if (size < 0) return false;
    if (size <= MG_ROW_VIEW_INLINE_MAX) {
        *item = (mg_span){.data = view + 4, .size = (size_t)size};
        return true;
    }
    int32_t buffer = load_i32(view + 8);
    int32_t begin = load_i32(view + 12);
    if (buffer < 0 || (size_t)buffer >= column->buffer_count) return false;
    return between(column->buffers[buffer], begin, (int64_t)begin + size, item);
}

INLINED mg_span trimmed(mg_span item)
{
    while (item.size > 0 && item.data[item.size - 1] == 0)
        item.size--;
    return item;
}

/* One item; false where its numbers point outside. `kind` is a constant of the caller. */
INLINED bool resolve(const mg_row_column *column, mg_row_column_kind kind, size_t row,
                     mg_span *item)
{
    if (kind == MG_ROW_COLUMN_NULL || is_null(column, row)) {
        *item = (mg_span){.data = NULL, .size = 0};
        return true;
    }
    const uint8_t *offsets = column->offsets.data;
    switch (kind) {
    case MG_ROW_COLUMN_FIXED:
        *item = (mg_span){.data = column->data.data + row * column->width, .size = column->width};
        if (column->trim) *item = trimmed(*item);
        return true;
    case MG_ROW_COLUMN_OFFSETS:
        offsets += row * sizeof(int32_t);
        return between(column->data, load_i32(offsets), load_i32(offsets + sizeof(int32_t)), item);
    case MG_ROW_COLUMN_WIDE:
        offsets += row * sizeof(int64_t);
        return between(column->data, load_i64(offsets), load_i64(offsets + sizeof(int64_t)), item);
    case MG_ROW_COLUMN_VIEWS:
        return viewed(column, row, item);
    case MG_ROW_COLUMN_SPANS:
        *item = column->spans[row];
        return true;
    case MG_ROW_COLUMN_NULL:
        break;
    }
    return false;
}

/* Somebody writes to the buffers: a row is no longer as large as it was when it was measured. */
static mg_status changed(size_t row, mg_error *error)
{
    return mg_fail(error, MG_OUT_OF_RANGE, 0, "row %zu changed meanwhile", row);
}

static mg_status points_outside(size_t row, mg_error *error)
{
    return mg_fail(error, MG_OUT_OF_RANGE, 0, "row %zu lies outside of its column's data", row);
}

/* The rows at [begin, begin + count) of a selection; the number of those that could be had. */
INLINED size_t resolve_as(const mg_row_column *column, mg_row_column_kind kind, const int32_t *rows,
                          size_t begin, size_t count, mg_span *items)
{
    for (size_t i = 0; i < count; i++) {
        size_t row = rows == NULL ? begin + i : (size_t)rows[begin + i];
        MG_ASSERT(row < column->count || kind == MG_ROW_COLUMN_NULL);
        if (!resolve(column, kind, row, &items[i])) return i;
    }
    return count;
}

static size_t resolve_some(const mg_row_column *column, const int32_t *rows, size_t begin,
                           size_t count, mg_span *items)
{
    switch (column->kind) {
    case MG_ROW_COLUMN_NULL:
        return resolve_as(column, MG_ROW_COLUMN_NULL, rows, begin, count, items);
    case MG_ROW_COLUMN_FIXED:
        return resolve_as(column, MG_ROW_COLUMN_FIXED, rows, begin, count, items);
    case MG_ROW_COLUMN_OFFSETS:
        return resolve_as(column, MG_ROW_COLUMN_OFFSETS, rows, begin, count, items);
    case MG_ROW_COLUMN_WIDE:
        return resolve_as(column, MG_ROW_COLUMN_WIDE, rows, begin, count, items);
    case MG_ROW_COLUMN_VIEWS:
        return resolve_as(column, MG_ROW_COLUMN_VIEWS, rows, begin, count, items);
    case MG_ROW_COLUMN_SPANS:
        return resolve_as(column, MG_ROW_COLUMN_SPANS, rows, begin, count, items);
    }
    return 0;
}

static size_t row_of(mg_row_selection selection, size_t index)
{
    return selection.rows == NULL ? index : (size_t)selection.rows[index];
}

static mg_status resolve_block(const mg_row_column *column, mg_row_selection selection,
                               size_t begin, size_t count, mg_span *items, mg_error *error)
{
    size_t found = resolve_some(column, selection.rows, begin, count, items);
    if (found == count) return MG_OK;
    return points_outside(row_of(selection, begin + found), error);
}

mg_status mg_row_column_item(const mg_row_column *column, size_t row, mg_span *item,
                             mg_error *error)
{
    MG_ASSERT(row < column->count);
    if (resolve_some(column, NULL, row, 1, item) == 1) return MG_OK;
    return points_outside(row, error);
}

static bool holds(mg_span span, size_t count, size_t width)
{
    return width == 0 || count <= span.size / width;
}

static bool is_covered(const mg_row_column *column)
{
    switch (column->kind) {
    case MG_ROW_COLUMN_FIXED:
        return holds(column->data, column->count, column->width);
    case MG_ROW_COLUMN_OFFSETS:
        return column->count == 0 || holds(column->offsets, column->count + 1, sizeof(int32_t));
    case MG_ROW_COLUMN_WIDE:
        return column->count == 0 || holds(column->offsets, column->count + 1, sizeof(int64_t));
    case MG_ROW_COLUMN_VIEWS:
        return holds(column->offsets, column->count, MG_ROW_VIEW_SIZE);
    case MG_ROW_COLUMN_NULL:
    case MG_ROW_COLUMN_SPANS:
        return true;
    }
    return false;
}

static bool is_validity_covered(const mg_row_column *column)
{
    if (column->validity.data == NULL) return true;
    size_t bits = column->validity.size * 8;
    return column->validity_offset <= bits && column->count <= bits - column->validity_offset;
}

mg_status mg_row_column_check(mg_row_column *column, mg_error *error)
{
    if (column->count > INT32_MAX) {
        return mg_fail(error, MG_TOO_LARGE, 0, "%zu rows in one column", column->count);
    }
    if (column->data.data == NULL) column->data.data = nothing;
    if (!is_covered(column)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "the column's buffer is too short for %zu rows",
                       column->count);
    }
    if (!is_validity_covered(column)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "the bitmap of nulls is too short for %zu rows",
                       column->count);
    }
    size_t largest = 0;
    if (column->kind == MG_ROW_COLUMN_FIXED) largest = column->width;
    mg_row_selection all = {.rows = NULL, .count = column->count};
    bool is_uniform = column->kind == MG_ROW_COLUMN_FIXED || column->kind == MG_ROW_COLUMN_NULL;
    for (size_t begin = 0; begin < column->count && !is_uniform; begin += MG_ROW_BLOCK) {
        mg_span items[MG_ROW_BLOCK];
        size_t count = column->count - begin < MG_ROW_BLOCK ? column->count - begin : MG_ROW_BLOCK;
        mg_status status = resolve_block(column, all, begin, count, items, error);
        if (status != MG_OK) return status;
        for (size_t i = 0; i < count; i++) {
            if (items[i].size > largest) largest = items[i].size;
        }
    }
    column->item_size_max = largest;
    return MG_OK;
}

/* ---- Headers ---- */

static bool headers_of(const mg_row_headers *headers, size_t row, size_t *begin, size_t *end)
{
    const uint8_t *offsets = headers->offsets.data + row * sizeof(int32_t);
    int32_t from = load_i32(offsets);
    int32_t to = load_i32(offsets + sizeof(int32_t));
    if (from < 0 || to < from || (size_t)to > headers->keys.count) return false;
    *begin = (size_t)from;
    *end = (size_t)to;
    return true;
}

mg_status mg_row_headers_check(const mg_row_headers *headers, size_t row_count, mg_error *error)
{
    if (!holds(headers->offsets, row_count + 1, sizeof(int32_t))) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "the offsets of headers are too few for %zu rows",
                       row_count);
    }
    if (headers->keys.count != headers->values.count) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "%zu keys of headers and %zu values",
                       headers->keys.count, headers->values.count);
    }
    for (size_t row = 0; row < row_count; row++) {
        size_t begin, end;
        if (!headers_of(headers, row, &begin, &end)) return points_outside(row, error);
    }
    for (size_t i = 0; i < headers->keys.count; i++) {
        mg_span key;
        mg_status status = mg_row_column_item(&headers->keys, i, &key, error);
        if (status != MG_OK) return status;
        if (key.data == NULL) {
            return mg_fail(error, MG_OUT_OF_RANGE, 0, "header %zu has no key", i);
        }
    }
    return MG_OK;
}

/* ---- Sizes ---- */

/* What a record without headers takes beside its key and value: six numbers and a byte. */
enum { RECORD_OVERHEAD_MAX = 6 * MG_VARLONG_SIZE_MAX + 1 };

static inline size_t size_of_size(size_t size) /* zigzag doubles what is not negative */
{
    return mg_uvarlong_size((uint64_t)size << 1);
}

static inline size_t nullable_size(mg_span item)
{
    return item.data == NULL ? 1 : size_of_size(item.size) + item.size;
}

/* The count of a row's headers and all of them. */
static mg_status size_headers(const mg_row_headers *headers, size_t row, size_t *size,
                              mg_error *error)
{
    size_t begin, end;
    if (!headers_of(headers, row, &begin, &end)) return points_outside(row, error);
    size_t total = size_of_size(end - begin);
    for (size_t i = begin; i < end; i++) {
        mg_span key, value;
        mg_status status = mg_row_column_item(&headers->keys, i, &key, error);
        if (status == MG_OK) status = mg_row_column_item(&headers->values, i, &value, error);
        if (status != MG_OK) return status;
        total += nullable_size(key) + nullable_size(value);
    }
    *size = total;
    return MG_OK;
}

/* A record's own bytes: `delta_sizes` are those of its two deltas. */
static inline size_t size_record(mg_span key, mg_span value, size_t delta_sizes,
                                 size_t headers_size)
{
    size_t body =
        sizeof(int8_t) + delta_sizes + nullable_size(key) + nullable_size(value) + headers_size;
    return size_of_size(body) + body;
}

enum { LONE_DELTA_SIZES = 2 }; /* the first record of a batch has two deltas of 0 */

static mg_status check_fit(size_t record_size, const mg_row_limits *limits, size_t row,
                           mg_error *error)
{
    if (record_size <= (size_t)limits->lone_size_max - MG_BATCH_HEADER_SIZE) return MG_OK;
    return mg_fail(error, MG_TOO_LARGE, 0, "row %zu makes a batch of %zu bytes; the limit is %d",
                   row, record_size + MG_BATCH_HEADER_SIZE, limits->lone_size_max);
}

/* Walks over the rows: whether each fits, and the sum of their sizes with the largest deltas. */
static mg_status walk(const mg_rows *rows, mg_row_selection selection, const mg_row_limits *limits,
                      size_t delta_sizes, size_t *sum, mg_error *error)
{
    size_t total = 0;
    mg_status status = MG_OK;
    for (size_t begin = 0; begin < selection.count; begin += MG_ROW_BLOCK) {
        mg_span keys[MG_ROW_BLOCK];
        mg_span values[MG_ROW_BLOCK];
        size_t left = selection.count - begin;
        size_t count = left < MG_ROW_BLOCK ? left : MG_ROW_BLOCK;
        status = resolve_block(&rows->keys, selection, begin, count, keys, error);
        if (status != MG_OK) return status;
        status = resolve_block(&rows->values, selection, begin, count, values, error);
        if (status != MG_OK) return status;
        for (size_t i = 0; i < count; i++) {
            size_t row = row_of(selection, begin + i);
            size_t headers_size = 1;
            if (rows->headers != NULL) {
                status = size_headers(rows->headers, row, &headers_size, error);
                if (status != MG_OK) return status;
            }
            size_t size = size_record(keys[i], values[i], LONE_DELTA_SIZES, headers_size);
            status = check_fit(size, limits, row, error);
            if (status != MG_OK) return status;
            total += size_record(keys[i], values[i], delta_sizes, headers_size);
        }
    }
    *sum = total;
    return MG_OK;
}

mg_status mg_rows_fit(const mg_rows *rows, mg_row_selection selection, const mg_row_limits *limits,
                      mg_error *error)
{
    enum { OVERHEAD_MAX = MG_BATCH_HEADER_SIZE + RECORD_OVERHEAD_MAX };
    size_t key_size = rows->keys.item_size_max;
    size_t value_size = rows->values.item_size_max;
    size_t room = (size_t)limits->lone_size_max;
    if (rows->headers == NULL && room >= OVERHEAD_MAX && key_size <= room - OVERHEAD_MAX &&
        value_size <= room - OVERHEAD_MAX - key_size) {
        return MG_OK;
    }
    size_t sum;
    return walk(rows, selection, limits, LONE_DELTA_SIZES, &sum, error);
}

mg_status mg_rows_measure(const mg_rows *rows, mg_row_selection selection,
                          const mg_row_limits *limits, size_t *size, mg_error *error)
{
    size_t count = selection.count;
    size_t count_max = (size_t)limits->count_max < count ? (size_t)limits->count_max : count;
    size_t delta_sizes = rows->timestamps == NULL ? 1 : MG_VARLONG_SIZE_MAX;
    delta_sizes += size_of_size(count_max);
    size_t sum = 0;
    mg_status status = walk(rows, selection, limits, delta_sizes, &sum, error);
    if (status != MG_OK) return status;
    /* Two batches that follow one another are together larger than one may be; three more for the
     * last one and where positions cut. */
    size_t payload_max = (size_t)limits->size_max > 2 * MG_BATCH_HEADER_SIZE
                             ? (size_t)limits->size_max - MG_BATCH_HEADER_SIZE
                             : MG_BATCH_HEADER_SIZE;
    size_t batches = 3 + 2 * (sum / payload_max);
    if (count_max > 0) batches += count / count_max;
    if (batches > count) batches = count;
    *size = sum + batches * MG_BATCH_HEADER_SIZE;
    return MG_OK;
}

/* ---- Encoding ---- */

void mg_row_encoder_init(mg_row_encoder *encoder, const mg_rows *rows, mg_row_selection selection,
                         const mg_row_limits *limits)
{
    MG_ASSERT(limits->size_max > 0 && limits->size_max <= MG_BATCH_SIZE_MAX);
    MG_ASSERT(limits->lone_size_max >= MG_BATCH_HEADER_SIZE);
    MG_ASSERT(limits->lone_size_max <= MG_BATCH_SIZE_MAX);
    MG_ASSERT(limits->count_max > 0);
    MG_ASSERT(selection.count <= rows->count);
    encoder->rows = rows;
    encoder->selection = selection;
    encoder->limits = *limits;
    encoder->next = 0;
    encoder->block_begin = 0;
    encoder->block_end = 0;
}

/* Makes the block hold the next row. */
static mg_status load_block(mg_row_encoder *encoder, mg_error *error)
{
    if (encoder->next < encoder->block_end) return MG_OK;
    size_t left = mg_row_encoder_left(encoder);
    size_t count = left < MG_ROW_BLOCK ? left : MG_ROW_BLOCK;
    const mg_rows *rows = encoder->rows;
    if (rows->keys.kind != MG_ROW_COLUMN_NULL) {
        mg_status status = resolve_block(&rows->keys, encoder->selection, encoder->next, count,
                                         encoder->keys, error);
        if (status != MG_OK) return status;
    }
    mg_status status = resolve_block(&rows->values, encoder->selection, encoder->next, count,
                                     encoder->values, error);
    if (status != MG_OK) return status;
    encoder->block_begin = encoder->next;
    encoder->block_end = encoder->next + count;
    return MG_OK;
}

static mg_span key_of(const mg_row_encoder *encoder, size_t index)
{
    if (encoder->rows->keys.kind == MG_ROW_COLUMN_NULL) return (mg_span){.data = NULL, .size = 0};
    return encoder->keys[index - encoder->block_begin];
}

INLINED int64_t timestamp_of(const mg_rows *rows, size_t row)
{
    if (rows->timestamps == NULL) return rows->timestamp;
    return load_i64(rows->timestamps + row * sizeof(int64_t));
}

/* The bytes of the next record, first in a batch. */
static mg_status size_next(mg_row_encoder *encoder, size_t *size, mg_error *error)
{
    MG_ASSERT(mg_row_encoder_left(encoder) > 0);
    mg_status status = load_block(encoder, error);
    if (status != MG_OK) return status;
    size_t row = row_of(encoder->selection, encoder->next);
    size_t headers_size = 1;
    if (encoder->rows->headers != NULL) {
        status = size_headers(encoder->rows->headers, row, &headers_size, error);
        if (status != MG_OK) return status;
    }
    mg_span value = encoder->values[encoder->next - encoder->block_begin];
    *size = size_record(key_of(encoder, encoder->next), value, LONE_DELTA_SIZES, headers_size);
    return check_fit(*size, &encoder->limits, row, error);
}

/* A batch of all rows that are left takes no more than this. */
static size_t bound_left(const mg_row_encoder *encoder)
{
    const mg_rows *rows = encoder->rows;
    if (rows->headers != NULL) return SIZE_MAX;
    size_t row_max = RECORD_OVERHEAD_MAX + rows->keys.item_size_max + rows->values.item_size_max;
    size_t bound;
    if (__builtin_mul_overflow(mg_row_encoder_left(encoder), row_max, &bound)) return SIZE_MAX;
    return bound > SIZE_MAX - MG_BATCH_HEADER_SIZE ? SIZE_MAX : bound + MG_BATCH_HEADER_SIZE;
}

mg_status mg_row_encoder_room(mg_row_encoder *encoder, size_t *room, mg_error *error)
{
    size_t size;
    mg_status status = size_next(encoder, &size, error);
    if (status != MG_OK) return status;
    size_t size_max = bound_left(encoder);
    if (size_max > (size_t)encoder->limits.size_max) size_max = (size_t)encoder->limits.size_max;
    *room = MG_BATCH_HEADER_SIZE + size > size_max ? MG_BATCH_HEADER_SIZE + size : size_max;
    return MG_OK;
}

/* A batch that is being written. */
typedef struct writing {
    uint8_t *next;
    uint8_t *end;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t record_count;
    bool is_full; /* the next row belongs to another batch */
} writing;

INLINED uint8_t *put_uvarlong(uint8_t *p, uint64_t v)
{
    while (__builtin_expect(v >= 0x80, 0)) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

/* The two lengths that sizes have, without a loop that is hard to predict. */
INLINED uint8_t *put_size(uint8_t *p, size_t size)
{
    uint64_t v = (uint64_t)size << 1;
    if (v < 0x80) {
        *p = (uint8_t)v;
        return p + 1;
    }
    if (v < 0x4000) {
        p[0] = (uint8_t)(v | 0x80);
        p[1] = (uint8_t)(v >> 7);
        return p + 2;
    }
    return put_uvarlong(p, v);
}

INLINED uint8_t *put_nullable(uint8_t *p, const uint8_t *end, mg_span item)
{
    enum { NULL_SIZE = 1 }; /* -1 in zigzag */
    if (item.data == NULL) {
        *p = NULL_SIZE;
        return p + 1;
    }
    p = put_size(p, item.size);
    mg_copy_record(p, (size_t)(end - p), item.data, item.size);
    return p + item.size;
}

/* The headers of a row into exactly `size` bytes: somebody may have changed them since they were
 * measured. */
static mg_status write_headers(const mg_row_headers *headers, size_t row, uint8_t *memory,
                               size_t size, mg_error *error)
{
    mg_writer writer = mg_writer_over(memory, size);
    size_t begin, end;
    if (!headers_of(headers, row, &begin, &end)) return points_outside(row, error);
    mg_write_uvarlong(&writer, (uint64_t)(end - begin) << 1);
    for (size_t i = begin; i < end; i++) {
        mg_span key, value;
        mg_status status = mg_row_column_item(&headers->keys, i, &key, error);
        if (status == MG_OK) status = mg_row_column_item(&headers->values, i, &value, error);
        if (status != MG_OK) return status;
        mg_write_uvarlong(&writer, (uint64_t)key.size << 1);
        mg_write_bytes(&writer, key.data, key.size);
        if (value.data == NULL) {
            mg_write_varint(&writer, -1);
        } else {
            mg_write_uvarlong(&writer, (uint64_t)value.size << 1);
            mg_write_bytes(&writer, value.data, value.size);
        }
    }
    if (mg_writer_ok(&writer) && mg_writer_left(&writer) == 0) return MG_OK;
    return changed(row, error);
}

/* Rows [encoder->next, end) of the block, as far as they fit. The flags are constants of the
 * caller: what a batch has not is not asked of every row. */
INLINED mg_status write_rows(mg_row_encoder *encoder, size_t end, writing *batch, bool keyed,
                             bool timed, bool headed, mg_error *error)
{
    const mg_rows *rows = encoder->rows;
    size_t block_begin = encoder->block_begin;
    uint8_t *p = batch->next;
    int32_t count = batch->record_count;
    int64_t max_timestamp = batch->max_timestamp;
    size_t i = encoder->next;
    mg_status status = MG_OK;
    for (; i < end; i++) {
        size_t row = 0;
        if (timed || headed) row = row_of(encoder->selection, i);
        int64_t timestamp = rows->timestamp;
        int64_t delta = 0;
        if (timed) {
            timestamp = timestamp_of(rows, row);
            if (__builtin_sub_overflow(timestamp, batch->base_timestamp, &delta)) break;
        }
        mg_span key = {.data = NULL, .size = 0};
        if (keyed) key = encoder->keys[i - block_begin];
        mg_span value = encoder->values[i - block_begin];
        size_t headers_size = 1;
        if (headed) {
            status = size_headers(rows->headers, row, &headers_size, error);
            if (status != MG_OK) return status;
        }
        size_t delta_sizes = size_of_size((size_t)count) + (timed ? mg_varlong_size(delta) : 1);
        size_t body =
            sizeof(int8_t) + delta_sizes + nullable_size(key) + nullable_size(value) + headers_size;
        if (size_of_size(body) + body > (size_t)(batch->end - p)) break;

        p = put_size(p, body);
        const uint8_t *record_end = p + body;
        *p++ = 0;
        if (timed) {
            p = put_uvarlong(p, mg_zigzag64(delta));
        } else {
            *p++ = 0;
        }
        p = put_size(p, (size_t)count);
        p = put_nullable(p, batch->end, key);
        p = put_nullable(p, batch->end, value);
        if (headed) {
            status = write_headers(rows->headers, row, p, headers_size, error);
            if (status != MG_OK) return status;
            p += headers_size;
        } else {
            *p++ = 0;
        }
        MG_ASSERT(p == record_end); /* B2 */
        count++;
        if (timestamp > max_timestamp) max_timestamp = timestamp;
    }
    batch->is_full = i < end;
    batch->next = p;
    batch->record_count = count;
    batch->max_timestamp = max_timestamp;
    encoder->next = i;
    return MG_OK;
}

static mg_status write_block(mg_row_encoder *encoder, size_t end, writing *batch, mg_error *error)
{
    bool keyed = encoder->rows->keys.kind != MG_ROW_COLUMN_NULL;
    bool timed = encoder->rows->timestamps != NULL;
    if (encoder->rows->headers != NULL) {
        if (keyed) return write_rows(encoder, end, batch, true, timed, true, error);
        return write_rows(encoder, end, batch, false, timed, true, error);
    }
    if (keyed && timed) return write_rows(encoder, end, batch, true, true, false, error);
    if (keyed) return write_rows(encoder, end, batch, true, false, false, error);
    if (timed) return write_rows(encoder, end, batch, false, true, false, error);
    return write_rows(encoder, end, batch, false, false, false, error);
}

/* A named producer's batch has one epoch, so it crosses no multiple of 2^31: where in the
 * selection, at or below `end`, the rows of the next one begin. */
static size_t cut_at_epoch(const mg_row_encoder *encoder, size_t end)
{
    if (encoder->limits.producer_id < 0) return end;
    int64_t first = encoder->limits.position_first;
    int64_t epoch = (first + (int64_t)row_of(encoder->selection, encoder->next)) >> 31;
    int64_t row_limit = ((epoch + 1) << 31) - first;
    size_t low = encoder->next + 1;
    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if ((int64_t)row_of(encoder->selection, middle) < row_limit) {
            low = middle + 1;
        } else {
            end = middle;
        }
    }
    return end;
}

static void sign(const mg_row_encoder *encoder, mg_batch_header *header)
{
    if (encoder->limits.producer_id < 0) return;
    int64_t last =
        encoder->limits.position_first + (int64_t)row_of(encoder->selection, encoder->next - 1);
    int32_t last_sequence = (int32_t)(last & INT32_MAX);
    MG_ASSERT(last >> 31 <= INT16_MAX);
    MG_ASSERT(last_sequence >= header->last_offset_delta);
    header->producer_id = encoder->limits.producer_id;
    header->producer_epoch = (int16_t)(last >> 31);
    header->base_sequence = last_sequence - header->last_offset_delta;
}

/* Everything but the seal. */
static mg_status write_batch(mg_row_encoder *encoder, uint8_t *memory, size_t room,
                             mg_batch_header *header, mg_error *error)
{
    size_t size;
    mg_status status = size_next(encoder, &size, error);
    if (status != MG_OK) return status;
    size_t size_max = (size_t)encoder->limits.size_max;
    size_t count_max = (size_t)encoder->limits.count_max;
    if (MG_BATCH_HEADER_SIZE + size > size_max) {
        size_max = MG_BATCH_HEADER_SIZE + size;
        count_max = 1;
    }
    size_t row = row_of(encoder->selection, encoder->next);
    if (MG_BATCH_HEADER_SIZE + size > room) return changed(row, error);
    if (size_max > room) size_max = room; /* then all that is left fits it */

    size_t left = mg_row_encoder_left(encoder);
    size_t end = cut_at_epoch(encoder, encoder->next + (left < count_max ? left : count_max));
    writing batch = {
        .next = memory + MG_BATCH_HEADER_SIZE,
        .end = memory + size_max,
        .base_timestamp = timestamp_of(encoder->rows, row),
        .max_timestamp = MG_TIMESTAMP_NONE, /* of records before 1970, too, as in Kafka */
    };
    while (encoder->next < end && !batch.is_full) {
        status = load_block(encoder, error);
        if (status != MG_OK) return status;
        size_t block_end = encoder->block_end < end ? encoder->block_end : end;
        status = write_block(encoder, block_end, &batch, error);
        if (status != MG_OK) return status;
    }
    if (batch.record_count == 0) return changed(row, error);
    int32_t leader_epoch = header->leader_epoch;
    *header = mg_batch_header_blank();
    header->leader_epoch = leader_epoch;
    header->size = (int32_t)(batch.next - memory);
    header->record_count = batch.record_count;
    header->last_offset_delta = batch.record_count - 1;
    header->base_timestamp = batch.base_timestamp;
    header->max_timestamp = batch.max_timestamp;
    sign(encoder, header);
    return MG_OK;
}

mg_status mg_row_encoder_next(mg_row_encoder *encoder, uint8_t *memory, size_t room,
                              mg_batch_header *header, mg_error *error)
{
    mg_status status = write_batch(encoder, memory, room, header, error);
    if (status != MG_OK) return status;
    mg_batch_seal(memory, header);
    return MG_OK;
}

mg_status mg_row_encoder_next_packed(mg_row_encoder *encoder, uint8_t *plain, size_t plain_room,
                                     const mg_codecs *codecs, mg_codec_id codec, uint8_t *memory,
                                     size_t room, mg_batch_header *header, mg_error *error)
{
    MG_ASSERT(room >= MG_BATCH_HEADER_SIZE);
    mg_status status = write_batch(encoder, plain, plain_room, header, error);
    if (status != MG_OK) return status;
    mg_span payload = {.data = plain + MG_BATCH_HEADER_SIZE,
                       .size = (size_t)header->size - MG_BATCH_HEADER_SIZE};
    mg_writer writer = mg_writer_over(memory + MG_BATCH_HEADER_SIZE, room - MG_BATCH_HEADER_SIZE);
    status = mg_codec_compress(codecs, codec, payload, &writer);
    if (status != MG_OK) return mg_fail(error, status, 0, "compressing with codec %d", (int)codec);
    header->size = (int32_t)(MG_BATCH_HEADER_SIZE + mg_writer_size(&writer));
    header->attributes = (int16_t)codec;
    mg_batch_seal(memory, header);
    return MG_OK;
}
