#include "log/markers.h"

#include "keyed.h"

static mg_batch_header build_marker(uint8_t *memory, int64_t producer_id, int64_t offset,
                                    int16_t type)
{
    const uint8_t key[4] = {0, 0, 0, (uint8_t)type};
    const uint8_t value[6] = {0};
    mg_builder builder = mg_builder_over(memory, BATCH_SIZE_MAX, NOW_MS);
    mg_record_parts parts = {.timestamp = NOW_MS,
                             .key = {.data = key, .size = sizeof key},
                             .value = {.data = value, .size = sizeof value}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    header.producer_id = producer_id;
    header.base_offset = offset;
    header.attributes |= MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL;
    mg_builder_finish(&builder, &header);
    return header;
}

static void a_batch_belongs_to_its_producers_next_marker(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_markers markers;
    mg_markers_init(&markers);
    for (int64_t offset = 999; offset >= 0; offset--) {
        mg_batch_header header = build_marker(memory, offset % 7, offset, offset % 2 == 0);
        mg_span bytes = {.data = memory, .size = (size_t)header.size};
        CHECK(mg_markers_add(&markers, &header, bytes, NULL) == MG_OK);
    }
    /* Neither the end of a transaction nor whole: passed over. */
    mg_batch_header header = build_marker(memory, 1, 2000, 5);
    mg_span bytes = {.data = memory, .size = (size_t)header.size};
    CHECK(mg_markers_add(&markers, &header, bytes, NULL) == MG_OK);
    bytes.size = MG_BATCH_HEADER_SIZE;
    CHECK(mg_markers_add(&markers, &header, bytes, NULL) == MG_OK);
    CHECK(markers.count == 1000);

    mg_markers_sort(&markers);
    for (int64_t producer = 0; producer < 7; producer++) {
        for (int64_t offset = 0; offset < 990; offset++) {
            const mg_marker *marker = mg_markers_find(&markers, producer, offset);
            CHECK(marker != NULL && marker->producer_id == producer);
            CHECK(marker->offset >= offset && marker->offset < offset + 7);
            CHECK(marker->offset % 7 == producer && marker->is_abort == (marker->offset % 2 != 0));
        }
    }
    CHECK(mg_markers_find(&markers, 3, 999) == NULL && mg_markers_find(&markers, 7, 0) == NULL);
    mg_markers_deinit(&markers);
}

int main(void)
{
    a_batch_belongs_to_its_producers_next_marker();
    puts("markers_test: ok");
}
