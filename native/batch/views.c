#include "batch/views.h"

#include "base/copy.h"
#include "batch/columns.h"

#include <stdlib.h>

enum {
    HEADERS_FIRST = 256,
    WORD_BITS = 64, /* of a validity */
    LINE_SIZE = 64, /* what Arrow recommends for the beginning of a column */
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

static bool grow_headers(mg_views *views, size_t needed)
{
    size_t room = views->header_room == 0 ? HEADERS_FIRST : views->header_room;
    while (room < needed)
        room *= 2;
    bool ok = true;
    mg_view_column *keys = &views->header_keys;
    mg_view_column *values = &views->header_values;
    keys->views = grow(keys->views, room, sizeof *keys->views, &ok);
    values->views = grow(values->views, room, sizeof *values->views, &ok);
    values->validity = grow(values->validity, words_of(room), sizeof *values->validity, &ok);
    if (ok) views->header_room = room;
    return ok;
}

/* The columns of a row each lie in one block, each at the beginning of a cache line. */
typedef struct layout {
    uint8_t *block; /* NULL: only the size is asked for */
    size_t size;
} layout;

static void *place(layout *at, size_t count, size_t size)
{
    void *column = at->block == NULL ? NULL : at->block + at->size;
    at->size += (count * size + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE;
    return column;
}

static void place_views(layout *at, size_t room, mg_view_column *column)
{
    column->views = place(at, room, sizeof *column->views);
    column->validity = place(at, words_of(room), sizeof *column->validity);
}

static void place_columns(mg_views *views, layout *at, unsigned columns)
{
    size_t room = views->room;
    if ((columns & MG_VIEWS_OFFSETS) != 0) {
        views->offsets = place(at, room, sizeof *views->offsets);
    }
    if ((columns & MG_VIEWS_TIMESTAMPS) != 0) {
        views->timestamps = place(at, room, sizeof *views->timestamps);
    }
    if ((columns & MG_VIEWS_KEYS) != 0) place_views(at, room, &views->keys);
    if ((columns & MG_VIEWS_VALUES) != 0) place_views(at, room, &views->values);
    if ((columns & MG_VIEWS_HEADERS) != 0) {
        views->header_offsets = place(at, room + 1, sizeof *views->header_offsets);
    }
}

mg_status mg_views_open(mg_views **out, size_t room, unsigned columns, mg_error *error)
{
    MG_ASSERT(room > 0);
    MG_ASSERT(room < INT32_MAX);
    mg_views *views = calloc(1, sizeof *views);
    if (views == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "columns");
    views->room = room;
    layout at = {.block = NULL, .size = 0};
    place_columns(views, &at, columns);
    views->block = aligned_alloc(LINE_SIZE, at.size + LINE_SIZE);
    bool ok = views->block != NULL;
    if (ok && (columns & MG_VIEWS_HEADERS) != 0) ok = grow_headers(views, 1);
    if (!ok) {
        mg_views_close(views);
        return mg_fail(error, MG_NO_MEMORY, 0, "columns of %zu rows", room);
    }
    at = (layout){.block = views->block, .size = 0};
    place_columns(views, &at, columns);
    mg_views_clear(views);
    *out = views;
    return MG_OK;
}

void mg_views_clear(mg_views *views)
{
    views->count = 0;
    views->keys.null_count = 0;
    views->values.null_count = 0;
    views->header_count = 0;
    views->header_values.null_count = 0;
    if (views->header_offsets != NULL) views->header_offsets[0] = 0;
}

void mg_views_close(mg_views *views)
{
    if (views == NULL) return;
    free(views->block);
    free(views->header_keys.views);
    free(views->header_values.views);
    free(views->header_values.validity);
    free(views);
}

/* ---- Views ---- */

static inline uint32_t load_low_u32(const uint8_t *p)
{
    return __builtin_bswap32(mg_load_u32(p));
}

/* Up to 7 bytes as a number, the first the lowest; two loads that may overlap instead of a loop. */
static inline uint64_t load_few(const uint8_t *p, size_t size)
{
    if (size >= 4) {
        uint64_t low = load_low_u32(p);
        uint64_t high = load_low_u32(p + size - 4);
        return low | high << (8 * (size - 4));
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

static inline mg_view view_of(mg_span bytes, const uint8_t *base, int32_t buffer_index)
{
    mg_view view = {.low = (uint32_t)bytes.size, .high = 0};
    if (bytes.size > MG_VIEW_INLINE_MAX) {
        view.low |= (uint64_t)load_low_u32(bytes.data) << 32;
        view.high = (uint64_t)(uint32_t)buffer_index | (uint64_t)(bytes.data - base) << 32;
        return view;
    }
    if (bytes.size < 8) {
        uint64_t few = load_few(bytes.data, bytes.size);
        view.low |= few << 32;
        view.high = few >> 32;
        return view;
    }
    view.low |= (uint64_t)load_low_u32(bytes.data) << 32;
    uint64_t rest = __builtin_bswap64(mg_load_u64(bytes.data + bytes.size - 8));
    view.high = rest >> (8 * (MG_VIEW_INLINE_MAX - bytes.size)); /* what is behind the prefix */
    return view;
}

/* Validity is gathered a word at a time: its rows are decided in a register. */
typedef struct gathered {
    mg_view *views;
    uint64_t *validity;
    uint64_t word; /* of the rows since the last whole word */
    size_t null_count;
} gathered;

static gathered gather(const mg_view_column *column, size_t row)
{
    gathered into = {.views = column->views,
                     .validity = column->validity,
                     .null_count = column->null_count};
    if (into.views != NULL && row % WORD_BITS != 0) into.word = into.validity[row / WORD_BITS];
    return into;
}

static inline void put(gathered *into, size_t row, mg_span bytes, const uint8_t *base,
                       int32_t buffer_index)
{
    bool valid = bytes.data != NULL;
    into->views[row] =
        valid ? view_of(bytes, base, buffer_index) : (mg_view){.low = 0, .high = 0};
    into->null_count += !valid;
    into->word |= (uint64_t)valid << (row % WORD_BITS);
}

/* After `row` was the last of its word. */
static inline void put_word(gathered *into, size_t row)
{
    if (into->views == NULL) return;
    into->validity[row / WORD_BITS] = into->word;
    into->word = 0;
}

/* After the last row, of `rows`. */
static void put_rest(gathered *into, mg_view_column *column, size_t rows)
{
    column->null_count = into->null_count;
    if (into->views != NULL && rows % WORD_BITS != 0) put_word(into, rows);
}

static mg_status add_headers(mg_views *views, const mg_record *record,
                             const mg_views_source *source, mg_error *error)
{
    size_t needed = views->header_count + (size_t)record->header_count;
    if (needed > INT32_MAX) return mg_fail(error, MG_TOO_LARGE, 0, "so many headers");
    if (needed > views->header_room && !grow_headers(views, needed)) {
        return mg_fail(error, MG_NO_MEMORY, 0, "columns of %zu headers", needed);
    }
    gathered values = gather(&views->header_values, views->header_count);
    mg_record_header_walk walk = mg_record_header_walk_over(record);
    mg_record_header header;
    while (mg_record_header_next(&walk, &header)) {
        size_t row = views->header_count++;
        views->header_keys.views[row] = view_of(header.key, source->base, source->buffer_index);
        put(&values, row, header.value, source->base, source->buffer_index);
        if (row % WORD_BITS == WORD_BITS - 1) put_word(&values, row);
    }
    put_rest(&values, &views->header_values, views->header_count);
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

/* A value of up to three bytes, zigzag; `*next` stands behind it. False for longer ones. */
static inline bool read_short(const uint8_t **next, int32_t *value)
{
    const uint8_t *p = *next;
    uint32_t zigzag = p[0];
    *next = p + 1;
    if (zigzag >= 0x80) {
        zigzag = (zigzag & 0x7f) | (uint32_t)(p[1] & 0x7f) << 7;
        *next = p + 2;
        if (p[1] >= 0x80) {
            if (p[2] >= 0x80) return false;
            zigzag |= (uint32_t)p[2] << 14;
            *next = p + 3;
        }
    }
    *value = (int32_t)((zigzag >> 1) ^ (0U - (zigzag & 1)));
    return true;
}

enum {
    SHORT_SIZE = 3,                      /* of what read_short reads at most */
    BEFORE_KEY_SIZE = 1 + 4 * SHORT_SIZE /* size, attributes, two deltas, the key's size */
};

/* What mg_record_next does, for the record that most are: short numbers and no headers. A bound is
 * checked for all numbers before the key, and one for that behind it: they may pass the record's
 * end, which is seen then, but never the walk's. False, and nothing moved, for other records. */
static inline bool next_plain(mg_record_walk *walk, mg_record *record)
{
    const uint8_t *next = walk->cursor.next;
    const uint8_t *end = walk->cursor.end;
    if (end - next < BEFORE_KEY_SIZE + SHORT_SIZE || walk->left <= 0) return false;
    int32_t size, timestamp_delta, offset_delta, key_size, value_size;
    if (!read_short(&next, &size) || size < 0 || size > end - next) return false;
    const uint8_t *record_end = next + size;
    next++; /* attributes */
    if (!read_short(&next, &timestamp_delta)) return false;
    if (!read_short(&next, &offset_delta)) return false;
    if (!read_short(&next, &key_size)) return false;
    record->key = (mg_span){.data = NULL, .size = 0};
    if (key_size != -1) {
        if (key_size < 0 || key_size > record_end - next || key_size > end - next - SHORT_SIZE) {
            return false;
        }
        record->key = (mg_span){.data = next, .size = (size_t)key_size};
        next += key_size;
    }
    if (!read_short(&next, &value_size)) return false;
    bool is_null = value_size == -1;
    if (is_null) value_size = 0;
    /* Exactly the value is left, and a count of headers that is zero. */
    if (value_size < 0 || record_end - next != value_size + 1 || record_end[-1] != 0) return false;
    record->value = (mg_span){.data = is_null ? NULL : next, .size = (size_t)value_size};
    record->timestamp_delta = timestamp_delta;
    record->offset_delta = offset_delta;
    record->header_count = 0;
    walk->cursor.next = record_end;
    walk->left--;
    return true;
}

static inline bool next_record(mg_record_walk *walk, mg_record *record)
{
    if (__builtin_expect(next_plain(walk, record), 1)) return true;
    return mg_record_next(walk, record);
}

static inline bool is_within(const mg_views_range *range, int64_t offset, int64_t timestamp)
{
    return offset >= range->start_offset && timestamp >= range->start_time &&
           timestamp < range->end_time;
}

/* All state of the loop in locals: the columns could alias it for all that the compiler knows. */
static inline __attribute__((always_inline)) mg_status
add_rows(mg_views *views, mg_views_source *source, const mg_views_range *range, bool is_partial,
         mg_error *error)
{
    mg_status status = MG_OK;
    mg_record record;
    mg_record_walk walk = source->walk;
    const mg_batch_header header = source->header;
    const uint8_t *base = source->base;
    int32_t buffer_index = source->buffer_index;
    int32_t delta_min = source->delta_min;
    int64_t *offsets = views->offsets;
    int64_t *timestamps = views->timestamps;
    int32_t *header_offsets = views->header_offsets;
    size_t row = views->count;
    size_t room = views->room;
    gathered keys = gather(&views->keys, row);
    gathered values = gather(&views->values, row);

    while (row < room && next_record(&walk, &record)) {
        if (__builtin_expect(record.offset_delta < delta_min ||
                                 record.offset_delta > header.last_offset_delta,
                             0)) {
            mg_cursor_spoil(&walk.cursor);
            break;
        }
        delta_min = record.offset_delta + 1;
        int64_t offset = header.base_offset + record.offset_delta;
        int64_t timestamp = mg_batch_record_timestamp(&header, record.timestamp_delta);
        if (is_partial && offset >= range->end_offset) {
            walk.left = 0;
            walk.cursor.next = walk.cursor.end; /* the rest is not looked at */
            break;
        }
        if (is_partial && !is_within(range, offset, timestamp)) continue;
        if (row == 0) views->first_offset = offset;
        if (offsets != NULL) offsets[row] = offset;
        if (timestamps != NULL) timestamps[row] = timestamp;
        if (keys.views != NULL) put(&keys, row, record.key, base, buffer_index);
        if (values.views != NULL) put(&values, row, record.value, base, buffer_index);
        if (header_offsets != NULL) {
            if (__builtin_expect(record.header_count > 0, 0)) {
                status = add_headers(views, &record, source, error);
                if (status != MG_OK) break;
            }
            header_offsets[row + 1] = (int32_t)views->header_count;
        }
        if (row % WORD_BITS == WORD_BITS - 1) {
            put_word(&keys, row);
            put_word(&values, row);
        }
        row++;
    }
    put_rest(&keys, &views->keys, row);
    put_rest(&values, &views->values, row);
    views->count = row;
    source->walk = walk;
    source->delta_min = delta_min;
    return status;
}

static bool is_partial(const mg_views_source *source, const mg_views_range *range)
{
    return source->header.base_offset < range->start_offset ||
           mg_batch_last_offset(&source->header) >= range->end_offset ||
           range->start_time != INT64_MIN || range->end_time != INT64_MAX;
}

mg_status mg_views_add(mg_views *views, mg_views_source *source, const mg_views_range *range,
                       mg_error *error)
{
    if (source->walk.cursor.end - source->base > INT32_MAX) {
        return mg_fail(error, MG_TOO_LARGE, 0, "a view reaches 2 GiB at most");
    }
    mg_status status = is_partial(source, range) ? add_rows(views, source, range, true, error)
                                                 : add_rows(views, source, range, false, error);
    if (status != MG_OK) return status;
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
