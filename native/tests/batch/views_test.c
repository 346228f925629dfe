#include "batch/views.h"

#include "batch/columns.h"

#include "batch/sample.h"

#include <string.h>

enum { MANY = 3000, MANY_SIZE = 700 * 1024 };

static const mg_views_range EVERYTHING = {.start_offset = 0,
                                          .end_offset = INT64_MAX,
                                          .start_time = INT64_MIN,
                                          .end_time = INT64_MAX};

static mg_views *open_views(size_t room, unsigned columns)
{
    mg_views *views = NULL;
    CHECK(mg_views_open(&views, room, columns, NULL) == MG_OK);
    CHECK(views->count == 0 && views->room == room);
    return views;
}

/* Bytes as a view names them, with one buffer; the view is decoded as Arrow's page says. */
static mg_span named_by(const mg_view *view, const uint8_t *base, int32_t buffer_index)
{
    const uint8_t *raw = (const uint8_t *)view;
    uint32_t words[4];
    for (int i = 0; i < 4; i++)
        words[i] = __builtin_bswap32(mg_load_u32(raw + 4 * i));
    if (words[0] <= 12) {
        for (uint32_t i = words[0]; i < 12; i++)
            CHECK(raw[4 + i] == 0);
        return (mg_span){.data = raw + 4, .size = words[0]};
    }
    CHECK(words[2] == (uint32_t)buffer_index);
    CHECK(memcmp(raw + 4, base + words[3], 4) == 0);
    return (mg_span){.data = base + words[3], .size = words[0]};
}

static bool is_null(const mg_view_column *column, size_t row)
{
    return (column->validity[row / 64] >> (row % 64) & 1) == 0;
}

static void same(const mg_view_column *column, size_t row, mg_span wanted, const uint8_t *base,
                 int32_t buffer_index)
{
    mg_span named = named_by(&column->views[row], base, buffer_index);
    CHECK(named.size == wanted.size);
    CHECK(wanted.size == 0 || memcmp(named.data, wanted.data, wanted.size) == 0);
    if (wanted.size > MG_VIEW_INLINE_MAX) CHECK(named.data == wanted.data); /* not copied */
    if (column->validity != NULL) CHECK(is_null(column, row) == (wanted.data == NULL));
}

/* Rows [at, views->count) are the records that the walk gives. */
static void same_as_walk(const mg_views *views, size_t at, mg_record_walk *walk,
                         const mg_batch_header *header, const uint8_t *base)
{
    mg_record record;
    for (size_t row = at; row < views->count; row++) {
        CHECK(mg_record_next(walk, &record));
        CHECK(views->offsets[row] == header->base_offset + record.offset_delta);
        CHECK(views->timestamps[row] == mg_batch_record_timestamp(header, record.timestamp_delta));
        same(&views->keys, row, record.key, base, 7);
        same(&views->values, row, record.value, base, 7);
        mg_record_header_walk headers = mg_record_header_walk_over(&record);
        mg_record_header item;
        int32_t slot = views->header_offsets[row];
        for (; mg_record_header_next(&headers, &item); slot++) {
            same(&views->header_keys, (size_t)slot, item.key, base, 7);
            same(&views->header_values, (size_t)slot, item.value, base, 7);
        }
        CHECK(views->header_offsets[row + 1] == slot);
    }
}

static void every_kind_of_null_and_header(mg_span payload, const mg_batch_header *header)
{
    const uint8_t *base = payload.data - 10;
    mg_views *views = open_views(SAMPLE_COUNT, MG_VIEWS_ALL);
    mg_views_source source = mg_views_source_over(payload, header, base, 7);
    CHECK(mg_views_add(views, &source, &EVERYTHING, NULL) == MG_OK);
    CHECK(mg_views_source_is_over(&source));
    CHECK(views->count == SAMPLE_COUNT && views->first_offset == 1000);
    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    same_as_walk(views, 0, &walk, header, base);
    CHECK(views->keys.null_count == 1 && views->values.null_count == 1);
    CHECK(views->header_count == 2 && views->header_values.null_count == 1);
    mg_views_clear(views);
    CHECK(views->count == 0 && views->keys.null_count == 0 && views->header_count == 0);
    mg_views_close(views);
    mg_views_close(NULL);
}

/* Sizes around every border: of a view, of a varint's bytes; nulls in a pattern; some headers. */
static mg_span build_many(uint8_t *memory, mg_batch_header *header)
{
    static uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    const mg_record_header item = {.key = SPAN("a longer header's name"), .value = NULL_SPAN};
    mg_builder builder = mg_builder_over(memory, MANY_SIZE, SAMPLE_NOW_MS);
    for (int32_t i = 0; i < MANY; i++) {
        mg_record_parts parts = {.timestamp = SAMPLE_NOW_MS + i * (i % 7 == 0 ? 1000 : 1),
                                 .key = {.data = bytes, .size = (size_t)(i % 20)},
                                 .value = {.data = bytes, .size = (size_t)(i % 290)},
                                 .headers = &item,
                                 .header_count = i % 10 == 0};
        if (i % 3 != 0) parts.key = NULL_SPAN;
        if (i % 11 == 0) parts.value = NULL_SPAN;
        CHECK(mg_builder_add(&builder, &parts));
    }
    *header = mg_batch_header_blank();
    header->base_offset = 5000;
    mg_builder_finish(&builder, header);
    return mg_batch_payload((mg_span){.data = memory, .size = (size_t)header->size}, header);
}

static void rooms_of_every_size(mg_span payload, const mg_batch_header *header)
{
    const size_t rooms[] = {1, 63, 64, 65, 1000, MANY, MANY + 1};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        mg_views *views = open_views(rooms[i], MG_VIEWS_ALL);
        mg_views_source source = mg_views_source_over(payload, header, payload.data, 7);
        mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
        size_t rows = 0;
        while (!mg_views_source_is_over(&source)) {
            CHECK(mg_views_add(views, &source, &EVERYTHING, NULL) == MG_OK);
            CHECK(views->count > 0);
            CHECK(views->first_offset == 5000 + (int64_t)rows);
            same_as_walk(views, 0, &walk, header, payload.data);
            rows += views->count;
            mg_views_clear(views);
        }
        CHECK(rows == MANY);
        mg_views_close(views);
    }
}

static void batches_follow_one_another(mg_span payload, const mg_batch_header *header)
{
    mg_views *views = open_views(2 * MANY, MG_VIEWS_ALL);
    for (size_t i = 0; i < 2; i++) {
        mg_views_source source = mg_views_source_over(payload, header, payload.data, 7);
        CHECK(mg_views_add(views, &source, &EVERYTHING, NULL) == MG_OK);
        mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
        same_as_walk(views, i * MANY, &walk, header, payload.data);
    }
    CHECK(views->count == 2 * MANY);
    mg_views_close(views);
}

static void columns_that_nobody_wants(mg_span payload, const mg_batch_header *header)
{
    for (unsigned columns = 0; columns <= MG_VIEWS_ALL; columns++) {
        mg_views *views = open_views(MANY, columns);
        CHECK((views->offsets != NULL) == ((columns & MG_VIEWS_OFFSETS) != 0));
        CHECK((views->values.views != NULL) == ((columns & MG_VIEWS_VALUES) != 0));
        mg_views_source source = mg_views_source_over(payload, header, payload.data, 7);
        CHECK(mg_views_add(views, &source, &EVERYTHING, NULL) == MG_OK);
        CHECK(views->count == MANY && views->first_offset == 5000);
        mg_views_close(views);
    }
}

static void ranges_are_exact(mg_span payload, const mg_batch_header *header)
{
    mg_views *all = open_views(MANY, MG_VIEWS_ALL);
    mg_views_source source = mg_views_source_over(payload, header, payload.data, 7);
    CHECK(mg_views_add(all, &source, &EVERYTHING, NULL) == MG_OK);
    const int64_t now = SAMPLE_NOW_MS;
    const mg_views_range ranges[] = {
        {5000, 5000 + MANY, INT64_MIN, INT64_MAX}, {5001, 5100, INT64_MIN, INT64_MAX},
        {0, 5001, INT64_MIN, INT64_MAX},           {5000 + MANY, INT64_MAX, INT64_MIN, INT64_MAX},
        {0, INT64_MAX, now + 500, INT64_MAX},      {0, INT64_MAX, INT64_MIN, now + 500},
        {5200, 6000, now + 300, now + 700000},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const mg_views_range *range = &ranges[i];
        mg_views *views = open_views(100, MG_VIEWS_ALL);
        size_t row = 0;
        source = mg_views_source_over(payload, header, payload.data, 7);
        while (!mg_views_source_is_over(&source)) {
            mg_views_clear(views);
            CHECK(mg_views_add(views, &source, range, NULL) == MG_OK);
            for (size_t j = 0; j < views->count; j++, row++) {
                while (all->offsets[row] < range->start_offset ||
                       all->timestamps[row] < range->start_time ||
                       all->timestamps[row] >= range->end_time)
                    row++;
                CHECK(all->offsets[row] < range->end_offset);
                CHECK(views->offsets[j] == all->offsets[row]);
                CHECK(views->timestamps[j] == all->timestamps[row]);
                CHECK(memcmp(&views->values.views[j], &all->values.views[row], 16) == 0);
                CHECK(is_null(&views->keys, j) == is_null(&all->keys, row));
            }
        }
        for (; row < MANY; row++) {
            CHECK(all->offsets[row] < range->start_offset ||
                  all->offsets[row] >= range->end_offset ||
                  all->timestamps[row] < range->start_time ||
                  all->timestamps[row] >= range->end_time);
        }
        mg_views_close(views);
    }
    mg_views_close(all);
}

static void copies_are_the_same_bytes(mg_span payload, const mg_batch_header *header)
{
    mg_views *views = open_views(MANY, MG_VIEWS_ALL);
    mg_views_source source = mg_views_source_over(payload, header, payload.data, 1);
    CHECK(mg_views_add(views, &source, &EVERYTHING, NULL) == MG_OK);
    const mg_span buffers[] = {{.data = NULL, .size = 0}, payload};
    int64_t size = mg_view_column_size(&views->values, MANY);
    int32_t *offsets = malloc((MANY + 1) * sizeof *offsets);
    uint8_t *data = malloc((size_t)size);
    CHECK(offsets != NULL && data != NULL);
    mg_view_column_copy(&views->values, MANY, buffers, offsets, data);
    CHECK(offsets[0] == 0 && offsets[MANY] == size);
    for (size_t i = 0; i < MANY; i++) {
        mg_span named = named_by(&views->values.views[i], payload.data, 1);
        CHECK((int32_t)named.size == offsets[i + 1] - offsets[i]);
        CHECK(named.size == 0 || memcmp(named.data, data + offsets[i], named.size) == 0);
    }
    free(offsets);
    free(data);
    mg_views_close(views);
}

/* ---- Hostile bytes, in memory of their exact size: a sanitizer sees one read too many ---- */

static mg_status add_exact(const uint8_t *data, size_t size, const mg_batch_header *header)
{
    uint8_t *exact = malloc(size + 1);
    CHECK(exact != NULL);
    if (size > 0) memcpy(exact + 1, data, size);
    mg_span payload = {.data = exact + 1, .size = size};
    mg_views *views = open_views(SAMPLE_COUNT + 1, MG_VIEWS_ALL);
    mg_views_source source = mg_views_source_over(payload, header, payload.data, 0);
    mg_status status = mg_views_add(views, &source, &EVERYTHING, NULL);
    CHECK(views->count <= SAMPLE_COUNT);
    mg_views_close(views);
    free(exact);
    return status;
}

static void damage_is_found_or_harmless(mg_span payload, const mg_batch_header *header)
{
    uint8_t bytes[SAMPLE_SIZE_MAX];
    for (size_t cut = 0; cut < payload.size; cut++)
        CHECK(add_exact(payload.data, cut, header) == MG_CORRUPT);
    for (size_t at = 0; at < payload.size; at++) {
        for (int value = 0; value < 256; value++) {
            memcpy(bytes, payload.data, payload.size);
            bytes[at] = (uint8_t)value;
            mg_status status = add_exact(bytes, payload.size, header);
            mg_record_walk walk = mg_record_walk_over(
                (mg_span){.data = bytes, .size = payload.size}, header->record_count);
            mg_record record;
            while (mg_record_next(&walk, &record)) continue;
            /* What the careful walk refuses, the quick one refuses, too. */
            if (mg_record_walk_end(&walk) != MG_OK) CHECK(status == MG_CORRUPT);
        }
    }
    memcpy(bytes, payload.data, payload.size);
    bytes[payload.size] = 0;
    CHECK(add_exact(bytes, payload.size + 1, header) == MG_CORRUPT);
}

static void offsets_ascend_within_their_batch(void)
{
    const struct {
        uint8_t deltas[3];
        mg_status status;
    } cases[] = {
        {{0, 2, 4}, MG_OK},      {{0, 2, 6}, MG_CORRUPT}, {{0, 0, 2}, MG_CORRUPT},
        {{2, 0, 4}, MG_CORRUPT}, {{1, 2, 4}, MG_CORRUPT}, {{0, 4, 2}, MG_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[24];
        for (size_t j = 0; j < 3; j++) {
            const uint8_t record[] = {14, 0, 0, cases[i].deltas[j], 1, 2, 'x', 0};
            memcpy(bytes + 8 * j, record, sizeof record);
        }
        const mg_batch_header header = {.record_count = 3, .last_offset_delta = 2};
        CHECK(add_exact(bytes, sizeof bytes, &header) == cases[i].status);
    }
}

int main(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    mg_batch_header header = mg_batch_header_blank();
    header.base_offset = 1000;
    mg_span sample = sample_build(memory, &header);
    CHECK(mg_batch_check(sample, &header) == MG_OK);
    mg_span payload = mg_batch_payload(sample, &header);
    every_kind_of_null_and_header(payload, &header);
    damage_is_found_or_harmless(payload, &header);
    offsets_ascend_within_their_batch();

    uint8_t *many = malloc(MANY_SIZE);
    CHECK(many != NULL);
    payload = build_many(many, &header);
    rooms_of_every_size(payload, &header);
    batches_follow_one_another(payload, &header);
    columns_that_nobody_wants(payload, &header);
    ranges_are_exact(payload, &header);
    copies_are_the_same_bytes(payload, &header);
    free(many);
    puts("views_test: ok");
}
