#include "batch/rows.h"

#include "base/bounds.h"
#include "batch/builder.h"

#include "batch/sample.h"

#include <string.h>

enum { ROWS_MAX = 700, ROOM = 1 << 20 };

static uint32_t random_state = 1;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

/* Exactly so large that a sanitizer sees a byte read beyond it. */
static uint8_t *block(size_t size)
{
    uint8_t *data = malloc(size == 0 ? 1 : size);
    CHECK(data != NULL);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)any(256);
    return data;
}

static const mg_row_limits WIDE_OPEN = {
    .size_max = ROOM, .lone_size_max = ROOM, .count_max = INT32_MAX, .producer_id = -1};

static void set_i32(uint8_t *at, int64_t v)
{
    int32_t narrow = (int32_t)v;
    memcpy(at, &narrow, sizeof narrow);
}

/* ---- Columns of every kind with the items of `wanted` ---- */

typedef struct made {
    mg_row_column column;
    uint8_t *data;
    uint8_t *offsets;
    uint8_t *validity;
    mg_span buffers[2];
} made;

static void make_validity(made *m, const mg_span *wanted, size_t count)
{
    m->column.validity_offset = any(20);
    size_t size = (m->column.validity_offset + count + 7) / 8;
    m->validity = block(size);
    for (size_t i = 0; i < count; i++) {
        size_t bit = m->column.validity_offset + i;
        uint8_t mask = (uint8_t)(1U << bit % 8);
        m->validity[bit / 8] = (uint8_t)(m->validity[bit / 8] & ~mask);
        if (wanted[i].data != NULL) m->validity[bit / 8] |= mask;
    }
    m->column.validity = (mg_span){.data = m->validity, .size = size};
}

static made make(mg_row_column_kind kind, const mg_span *wanted, size_t count)
{
    made m = {.column = {.kind = kind, .count = count, .spans = wanted}};
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += wanted[i].size;
    size_t width = kind == MG_ROW_COLUMN_VIEWS  ? MG_ROW_VIEW_SIZE
                   : kind == MG_ROW_COLUMN_WIDE ? sizeof(int64_t)
                                                : sizeof(int32_t);
    m.data = block(total);
    /* One byte off: nobody promised alignment. */
    m.offsets = block((count + 1) * width + 1);
    uint8_t *offsets = m.offsets + 1;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].size > 0) memcpy(m.data + at, wanted[i].data, wanted[i].size);
        int64_t begin = (int64_t)at;
        if (kind == MG_ROW_COLUMN_WIDE) memcpy(offsets + i * width, &begin, sizeof begin);
        if (kind == MG_ROW_COLUMN_OFFSETS) set_i32(offsets + i * width, begin);
        if (kind == MG_ROW_COLUMN_VIEWS && wanted[i].data != NULL) {
            uint8_t *view = offsets + i * width;
            set_i32(view, (int64_t)wanted[i].size);
            if (wanted[i].size <= MG_ROW_VIEW_INLINE_MAX) {
                if (wanted[i].size > 0) memcpy(view + 4, wanted[i].data, wanted[i].size);
            } else {
                set_i32(view + 8, 1);
                set_i32(view + 12, begin);
            }
        }
        at += wanted[i].size;
    }
    int64_t end = (int64_t)at;
    if (kind == MG_ROW_COLUMN_WIDE) memcpy(offsets + count * width, &end, sizeof end);
    if (kind == MG_ROW_COLUMN_OFFSETS) set_i32(offsets + count * width, end);
    m.column.data = (mg_span){.data = m.data, .size = total};
    m.column.offsets = (mg_span){.data = offsets, .size = (count + 1) * width};
    m.buffers[0] = (mg_span){.data = NULL, .size = 0};
    m.buffers[1] = m.column.data;
    m.column.buffer_count = 2;
    if (kind != MG_ROW_COLUMN_SPANS) make_validity(&m, wanted, count);
    return m;
}

static void drop(made *m)
{
    free(m->data);
    free(m->offsets);
    free(m->validity);
}

static const mg_row_column_kind KINDS[] = {MG_ROW_COLUMN_OFFSETS, MG_ROW_COLUMN_WIDE,
                                           MG_ROW_COLUMN_VIEWS, MG_ROW_COLUMN_SPANS};
enum { KIND_COUNT = 4 };

static uint8_t filler[5000];

static void choose_items(mg_span *items, size_t count, size_t size_max)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = any(10) == 0 ? any((uint32_t)size_max) : any(150);
        items[i] = (mg_span){.data = filler + any(50), .size = size};
        if (any(6) == 0) items[i] = (mg_span){.data = NULL, .size = 0};
    }
}

/* ---- Against the builder ---- */

typedef struct scene {
    mg_span keys[ROWS_MAX];
    mg_span values[ROWS_MAX];
    int64_t timestamps[ROWS_MAX];
    int32_t chosen[ROWS_MAX];
    mg_record_header headers[3 * ROWS_MAX];
    int32_t header_begins[ROWS_MAX + 1];
    bool keyed, timed, headed;
    mg_row_selection selection;
} scene;

static mg_record_parts parts_of(const scene *s, size_t index)
{
    size_t row = s->selection.rows == NULL ? index : (size_t)s->selection.rows[index];
    mg_record_parts parts = {.timestamp = s->timed ? s->timestamps[row] : 77,
                             .value = s->values[row]};
    if (s->keyed) parts.key = s->keys[row];
    if (s->headed) {
        parts.headers = &s->headers[s->header_begins[row]];
        parts.header_count = (size_t)(s->header_begins[row + 1] - s->header_begins[row]);
    }
    return parts;
}

/* Walks over the batches of the encoder: each is what the builder makes of the same records, and
 * no record more would have fitted it. */
static size_t compare(const scene *s, const mg_rows *rows, const mg_row_limits *limits)
{
    static uint8_t expected[ROOM];
    static mg_row_encoder encoder;
    size_t batches = 0;
    size_t index = 0;
    mg_error error;
    mg_row_encoder_init(&encoder, rows, s->selection, limits);
    size_t sum = 0, foretold;
    CHECK(mg_rows_measure(rows, s->selection, limits, &foretold, &error) == MG_OK);
    while (mg_row_encoder_left(&encoder) > 0) {
        size_t room;
        CHECK(mg_row_encoder_room(&encoder, &room, &error) == MG_OK);
        uint8_t *memory = malloc(room);
        CHECK(memory != NULL);
        mg_batch_header header = {.leader_epoch = 5};
        CHECK(mg_row_encoder_next(&encoder, memory, room, &header, &error) == MG_OK);

        mg_builder builder = mg_builder_over(expected, ROOM, parts_of(s, index).timestamp);
        size_t next = index;
        for (int32_t i = 0; i < header.record_count; i++) {
            mg_record_parts parts = parts_of(s, next++);
            CHECK(mg_builder_add(&builder, &parts));
        }
        CHECK(header.record_count <= limits->count_max);
        CHECK(header.size <= limits->size_max || header.record_count == 1);
        if (next < s->selection.count && header.record_count < limits->count_max) {
            mg_record_parts parts = parts_of(s, next);
            size_t size;
            CHECK(mg_record_size_of(&parts, builder.base_timestamp, header.record_count, &size) ==
                  MG_OK);
            CHECK(header.size + (int64_t)size > limits->size_max);
        }
        mg_batch_header model = mg_batch_header_blank();
        model.leader_epoch = 5;
        mg_builder_finish(&builder, &model);
        CHECK(model.size == header.size && model.crc == header.crc);
        CHECK(memcmp(memory, expected, (size_t)model.size) == 0);
        index = next;
        sum += (size_t)header.size;
        batches++;
        free(memory);
    }
    CHECK(index == s->selection.count && sum <= foretold);
    return batches;
}

static scene *choose_scene(size_t count)
{
    static scene s;
    s = (scene){.keyed = any(2) == 0, .timed = any(2) == 0, .headed = any(4) == 0};
    choose_items(s.keys, count, 400);
    choose_items(s.values, count, 4000);
    s.selection.count = count;
    if (any(3) == 0) {
        s.selection.rows = s.chosen;
        s.selection.count = 0;
        for (size_t i = 0; i < count; i++) {
            if (any(3) > 0) s.chosen[s.selection.count++] = (int32_t)i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        s.timestamps[i] = (int64_t)any(1000000) << any(20);
        int32_t begin = s.header_begins[i];
        int32_t more = s.headed ? (int32_t)any(4) : 0;
        for (int32_t j = begin; j < begin + more; j++)
            s.headers[j] = (mg_record_header){.key = {.data = filler, .size = any(5)},
                                              .value = {.data = filler, .size = any(9)}};
        s.header_begins[i + 1] = begin + more;
    }
    return &s;
}

static void batches_are_those_of_the_builder(void)
{
    for (int round = 0; round < 300; round++) {
        size_t count = any(ROWS_MAX);
        scene *s = choose_scene(count);
        made keys = make(KINDS[any(KIND_COUNT)], s->keys, count);
        made values = make(KINDS[any(KIND_COUNT)], s->values, count);
        keys.column.buffers = keys.buffers;
        values.column.buffers = values.buffers;

        size_t header_count = (size_t)s->header_begins[count];
        static mg_span names[3 * ROWS_MAX], contents[3 * ROWS_MAX];
        for (size_t i = 0; i < header_count; i++) {
            names[i] = s->headers[i].key;
            contents[i] = s->headers[i].value;
        }
        mg_row_headers headers = {
            .offsets = {.data = (const uint8_t *)s->header_begins,
                        .size = (count + 1) * sizeof(int32_t)},
            .keys = {.kind = MG_ROW_COLUMN_SPANS, .count = header_count, .spans = names},
            .values = {.kind = MG_ROW_COLUMN_SPANS, .count = header_count, .spans = contents}};
        CHECK(mg_row_headers_check(&headers, count, NULL) == MG_OK);

        mg_rows rows = {.count = count, .timestamp = 77};
        CHECK(mg_row_column_check(&keys.column, NULL) == MG_OK);
        CHECK(mg_row_column_check(&values.column, NULL) == MG_OK);
        if (s->keyed) rows.keys = keys.column;
        rows.values = values.column;
        if (s->timed) rows.timestamps = (const uint8_t *)s->timestamps;
        if (s->headed) rows.headers = &headers;

        mg_row_limits limits = WIDE_OPEN;
        if (any(2) == 0) limits.size_max = 100 + (int32_t)any(20000);
        if (any(4) == 0) limits.count_max = 1 + (int32_t)any(300);
        CHECK(mg_rows_fit(&rows, s->selection, &limits, NULL) == MG_OK);
        (void)compare(s, &rows, &limits);
        drop(&keys);
        drop(&values);
    }
}

static void fixed_items_lose_their_nuls_where_asked(void)
{
    const uint8_t data[] = "ab\0\0\0\0x\0\0\0\0\0\0abcd";
    mg_row_column column = {.kind = MG_ROW_COLUMN_FIXED, .count = 4, .width = 4, .trim = true};
    column.data = (mg_span){.data = data, .size = 16};
    const size_t sizes[] = {2, 3, 0, 4};
    CHECK(mg_row_column_check(&column, NULL) == MG_OK);
    for (size_t i = 0; i < 4; i++) {
        mg_span item;
        CHECK(mg_row_column_item(&column, i, &item, NULL) == MG_OK);
        CHECK(item.data == data + 4 * i);
        CHECK(item.size == (i == 3 ? 4 : sizes[i]));
        column.trim = false;
        CHECK(mg_row_column_item(&column, i, &item, NULL) == MG_OK && item.size == 4);
        column.trim = true;
    }
    column.width = 0; /* empty, not null */
    mg_span item;
    column.data = (mg_span){.data = NULL, .size = 0};
    CHECK(mg_row_column_check(&column, NULL) == MG_OK);
    CHECK(mg_row_column_item(&column, 3, &item, NULL) == MG_OK);
    CHECK(item.data != NULL && item.size == 0);
}

/* ---- What is refused ---- */

static void short_buffers_are_out_of_range(void)
{
    enum { COUNT = 20 };
    mg_span items[COUNT];
    choose_items(items, COUNT, 100);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        if (KINDS[k] == MG_ROW_COLUMN_SPANS) continue;
        made m = make(KINDS[k], items, COUNT);
        m.column.buffers = m.buffers;
        CHECK(mg_row_column_check(&m.column, NULL) == MG_OK);
        m.column.offsets.size -= KINDS[k] == MG_ROW_COLUMN_VIEWS ? MG_ROW_VIEW_SIZE + 1 : 1;
        CHECK(mg_row_column_check(&m.column, NULL) == MG_OUT_OF_RANGE);
        m.column.offsets.size += MG_ROW_VIEW_SIZE + 1;
        m.column.validity.size--;
        CHECK(mg_row_column_check(&m.column, NULL) == MG_OUT_OF_RANGE);
        m.column.validity.size++;
        m.column.validity_offset = SIZE_MAX;
        CHECK(mg_row_column_check(&m.column, NULL) == MG_OUT_OF_RANGE);
        drop(&m);
    }
    mg_row_column fixed = {.kind = MG_ROW_COLUMN_FIXED, .count = 3, .width = SIZE_MAX / 2};
    CHECK(mg_row_column_check(&fixed, NULL) == MG_OUT_OF_RANGE);
    fixed.count = (size_t)INT32_MAX + 1;
    CHECK(mg_row_column_check(&fixed, NULL) == MG_TOO_LARGE);
}

/* Whatever stands in the numbers, nothing is read outside (the sanitizer's part), and a failure
 * names the row. */
static void hostile_numbers_are_out_of_range(void)
{
    enum { COUNT = 40 };
    static uint8_t memory[ROOM];
    static mg_row_encoder encoder;
    mg_span items[COUNT];
    int refused = 0;
    for (int round = 0; round < 4000; round++) {
        choose_items(items, COUNT, 100);
        mg_row_column_kind kind = KINDS[any(3)];
        made m = make(kind, items, COUNT);
        m.column.buffers = m.buffers;
        CHECK(mg_row_column_check(&m.column, NULL) == MG_OK);
        mg_rows rows = {.count = COUNT, .values = m.column, .keys = m.column};

        /* Somebody changes the numbers after they were checked. */
        size_t hit = any((uint32_t)m.column.offsets.size);
        m.offsets[1 + hit] = (uint8_t)any(256);
        mg_error error = {.status = MG_OK};
        mg_row_encoder_init(&encoder, &rows, (mg_row_selection){.count = COUNT}, &WIDE_OPEN);
        mg_status status = MG_OK;
        while (status == MG_OK && mg_row_encoder_left(&encoder) > 0) {
            size_t room;
            mg_batch_header header = {.leader_epoch = 0};
            status = mg_row_encoder_room(&encoder, &room, &error);
            if (status == MG_OK && room > ROOM) status = MG_TOO_LARGE;
            if (status != MG_OK) break;
            status = mg_row_encoder_next(&encoder, memory, room, &header, &error);
        }
        CHECK(status == MG_OK || status == MG_OUT_OF_RANGE || status == MG_TOO_LARGE);
        mg_status checked = mg_row_column_check(&m.column, &error);
        CHECK(checked == MG_OK || checked == MG_OUT_OF_RANGE);
        if (checked == MG_OUT_OF_RANGE) {
            CHECK(strstr(error.detail, "row ") != NULL);
            refused++;
        }
        drop(&m);
    }
    CHECK(refused > 100);
}

static void headers_that_point_outside_are_out_of_range(void)
{
    mg_span names[3] = {SPAN("a"), SPAN("b"), SPAN("")};
    int32_t begins[3] = {0, 1, 3};
    mg_row_headers headers = {.offsets = {.data = (const uint8_t *)begins, .size = sizeof begins},
                              .keys = {.kind = MG_ROW_COLUMN_SPANS, .count = 3, .spans = names},
                              .values = {.kind = MG_ROW_COLUMN_NULL, .count = 3}};
    CHECK(mg_row_headers_check(&headers, 2, NULL) == MG_OK);
    CHECK(mg_row_headers_check(&headers, 3, NULL) == MG_OUT_OF_RANGE);
    const int32_t bad[][3] = {{0, 1, 4}, {-1, 1, 3}, {0, 3, 2}, {0, INT32_MAX, INT32_MAX}};
    for (size_t i = 0; i < 4; i++) {
        memcpy(begins, bad[i], sizeof begins);
        CHECK(mg_row_headers_check(&headers, 2, NULL) == MG_OUT_OF_RANGE);
    }
    memcpy(begins, (int32_t[]){0, 0, 3}, sizeof begins);
    names[1] = NULL_SPAN;
    CHECK(mg_row_headers_check(&headers, 2, NULL) == MG_OUT_OF_RANGE);
    names[1] = names[0];
    headers.values.count = 2;
    CHECK(mg_row_headers_check(&headers, 2, NULL) == MG_OUT_OF_RANGE);
}

/* The writer of the headers' numbers may be at work: never more than was measured is written. */
static void headers_that_change_after_they_were_measured_are_noticed(void)
{
    static mg_row_encoder encoder;
    mg_span names[3] = {SPAN("a"), SPAN("bcdefgh"), SPAN("")};
    int32_t begins[3] = {0, 1, 3};
    mg_row_headers headers = {.offsets = {.data = (const uint8_t *)begins, .size = sizeof begins},
                              .keys = {.kind = MG_ROW_COLUMN_SPANS, .count = 3, .spans = names},
                              .values = {.kind = MG_ROW_COLUMN_NULL, .count = 3}};
    mg_rows rows = {.count = 2, .headers = &headers};
    mg_row_limits limits = WIDE_OPEN;
    limits.size_max = 70;
    mg_row_encoder_init(&encoder, &rows, (mg_row_selection){.count = 2}, &limits);
    size_t room;
    mg_error error;
    mg_batch_header header = {.leader_epoch = 0};
    CHECK(mg_row_encoder_room(&encoder, &room, &error) == MG_OK);
    uint8_t *memory = malloc(room);
    CHECK(memory != NULL);
    begins[1] = 3;
    CHECK(mg_row_encoder_next(&encoder, memory, room, &header, &error) == MG_OUT_OF_RANGE);
    CHECK(strstr(error.detail, "row 0 changed") != NULL);
    begins[1] = 4;
    CHECK(mg_row_encoder_next(&encoder, memory, room, &header, &error) == MG_OUT_OF_RANGE);
    free(memory);
}

static void a_row_over_the_limit_is_too_large_and_named(void)
{
    static uint8_t memory[ROOM];
    static mg_row_encoder encoder;
    mg_span items[3] = {{filler, 10}, {filler, 3000}, {filler, 10}};
    mg_rows rows = {.count = 3};
    rows.values = (mg_row_column){.kind = MG_ROW_COLUMN_SPANS, .count = 3, .spans = items};
    CHECK(mg_row_column_check(&rows.values, NULL) == MG_OK);
    CHECK(rows.values.item_size_max == 3000);
    mg_row_selection all = {.count = 3};
    mg_row_limits limits = {
        .size_max = 500, .lone_size_max = 2000, .count_max = 10, .producer_id = -1};
    mg_error error;
    CHECK(mg_rows_fit(&rows, all, &limits, &error) == MG_TOO_LARGE);
    CHECK(strstr(error.detail, "row 1 ") != NULL);
    CHECK(mg_rows_fit(&rows, (mg_row_selection){.count = 1}, &limits, &error) == MG_OK);

    mg_record_parts parts = {.value = items[1]};
    size_t size, room;
    CHECK(mg_record_size_of(&parts, 0, 0, &size) == MG_OK);
    limits.lone_size_max = (int32_t)size + MG_BATCH_HEADER_SIZE - 1;
    CHECK(mg_rows_fit(&rows, all, &limits, &error) == MG_TOO_LARGE);
    limits.lone_size_max++;
    CHECK(mg_rows_fit(&rows, all, &limits, &error) == MG_OK);
    mg_row_encoder_init(&encoder, &rows, all, &limits);
    const int32_t sizes[3] = {78, limits.lone_size_max, 78};
    for (size_t i = 0; i < 3; i++) {
        mg_batch_header header = {.leader_epoch = -1};
        CHECK(mg_row_encoder_room(&encoder, &room, &error) == MG_OK);
        CHECK(mg_row_encoder_next(&encoder, memory, room, &header, &error) == MG_OK);
        CHECK(header.size == sizes[i] && header.record_count == 1);
    }
}

static void timestamps_too_far_apart_go_into_batches_of_their_own(void)
{
    static uint8_t memory[ROOM];
    static mg_row_encoder encoder;
    const int64_t times[] = {INT64_MAX, INT64_MAX - 1, -5, INT64_MIN, INT64_MIN + 9};
    mg_rows rows = {.count = 5, .timestamps = (const uint8_t *)times};
    mg_row_encoder_init(&encoder, &rows, (mg_row_selection){.count = 5}, &WIDE_OPEN);
    const int32_t counts[] = {2, 3};
    for (size_t i = 0; i < 2; i++) {
        size_t room;
        mg_batch_header header = {.leader_epoch = 0}, read;
        CHECK(mg_row_encoder_room(&encoder, &room, NULL) == MG_OK);
        CHECK(mg_row_encoder_next(&encoder, memory, room, &header, NULL) == MG_OK);
        CHECK(header.record_count == counts[i]);
        mg_span batch = {.data = memory, .size = (size_t)header.size};
        CHECK(mg_batch_check(batch, &read) == MG_OK);
        CHECK(read.max_timestamp == (i == 0 ? INT64_MAX : MG_TIMESTAMP_NONE));
    }
    CHECK(mg_row_encoder_left(&encoder) == 0);
}

/* ---- Named producers ---- */

static void a_batch_crosses_no_multiple_of_the_sequences(void)
{
    static uint8_t memory[ROOM];
    static mg_row_encoder encoder;
    const int64_t turn = INT64_C(1) << 31;
    const int32_t chosen[] = {0, 2, 3, 9, 11, 15, 16, 17};
    for (int64_t first = 3 * turn - 20; first <= 3 * turn; first++) {
        mg_rows rows = {.count = 20};
        mg_row_limits limits = WIDE_OPEN;
        limits.producer_id = 9;
        limits.position_first = first;
        limits.count_max = 4;
        mg_row_selection selection = {.rows = chosen, .count = 8};
        mg_row_encoder_init(&encoder, &rows, selection, &limits);
        int64_t last = -1;
        while (mg_row_encoder_left(&encoder) > 0) {
            int64_t begin = first + chosen[encoder.next];
            mg_batch_header header = {.leader_epoch = 0};
            size_t room;
            CHECK(mg_row_encoder_room(&encoder, &room, NULL) == MG_OK);
            CHECK(mg_row_encoder_next(&encoder, memory, room, &header, NULL) == MG_OK);
            int64_t end = first + chosen[encoder.next - 1];
            CHECK(header.producer_id == 9 && header.base_sequence >= 0);
            CHECK(begin / turn == end / turn && header.producer_epoch == end / turn);
            int64_t base = header.producer_epoch * turn + header.base_sequence;
            CHECK(base > last && base >= begin);
            CHECK(base + header.last_offset_delta == end);
            last = end;
        }
    }
}

/* ---- Compression ---- */

/* Takes every second byte away, or doubles them. */
static mg_status halve(void *state, mg_span plain, mg_writer *out)
{
    CHECK(state == filler);
    for (size_t i = 0; i < plain.size; i += 2)
        mg_write_bytes(out, plain.data + i, 1);
    return MG_OK;
}

static mg_status grow_twofold(void *state, mg_span plain, mg_writer *out)
{
    (void)state;
    mg_write_bytes(out, plain.data, plain.size);
    mg_write_bytes(out, plain.data, plain.size);
    return MG_OK;
}

static void a_compressed_batch_is_sealed_over_what_the_codec_gave(void)
{
    enum { COUNT = 200 };
    static uint8_t plain[ROOM], memory[ROOM];
    static mg_row_encoder encoder;
    static mg_codecs codecs;
    codecs.by_id[MG_CODEC_LZ4] = (mg_codec){.state = filler, .compress = halve};
    codecs.by_id[MG_CODEC_ZSTD] = (mg_codec){.compress = grow_twofold};
    mg_span items[COUNT];
    choose_items(items, COUNT, 100);
    mg_rows rows = {.count = COUNT};
    rows.values = (mg_row_column){.kind = MG_ROW_COLUMN_SPANS, .count = COUNT, .spans = items};
    CHECK(mg_row_column_check(&rows.values, NULL) == MG_OK);
    mg_row_selection all = {.count = COUNT};
    mg_batch_header header = {.leader_epoch = 4}, read;
    size_t room;
    mg_row_encoder_init(&encoder, &rows, all, &WIDE_OPEN);
    CHECK(mg_row_encoder_room(&encoder, &room, NULL) == MG_OK);
    CHECK(mg_row_encoder_next_packed(&encoder, plain, room, &codecs, MG_CODEC_LZ4, memory,
                                     mg_row_packed_room(room), &header, NULL) == MG_OK);
    CHECK(mg_batch_check((mg_span){.data = memory, .size = (size_t)header.size}, &read) == MG_OK);
    CHECK(read.record_count == COUNT && mg_batch_codec(&read) == MG_CODEC_LZ4);
    CHECK(read.leader_epoch == 4);
    for (int32_t i = 0; i < header.size - MG_BATCH_HEADER_SIZE; i++)
        CHECK(memory[MG_BATCH_HEADER_SIZE + i] == plain[MG_BATCH_HEADER_SIZE + 2 * i]);

    const mg_codec_id failing[] = {MG_CODEC_ZSTD, MG_CODEC_GZIP};
    const mg_status answers[] = {MG_TOO_LARGE, MG_UNSUPPORTED};
    for (size_t i = 0; i < 2; i++) {
        mg_row_encoder_init(&encoder, &rows, all, &WIDE_OPEN);
        CHECK(mg_row_encoder_next_packed(&encoder, plain, room, &codecs, failing[i], memory,
                                         mg_row_packed_room(room) / 2, &header,
                                         NULL) == answers[i]);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)any(256);
    batches_are_those_of_the_builder();
    fixed_items_lose_their_nuls_where_asked();
    short_buffers_are_out_of_range();
    hostile_numbers_are_out_of_range();
    headers_that_point_outside_are_out_of_range();
    headers_that_change_after_they_were_measured_are_noticed();
    a_row_over_the_limit_is_too_large_and_named();
    timestamps_too_far_apart_go_into_batches_of_their_own();
    a_batch_crosses_no_multiple_of_the_sequences();
    a_compressed_batch_is_sealed_over_what_the_codec_gave();
    puts("rows_test: ok");
}
