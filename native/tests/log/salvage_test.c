#include "written.h"

static void a_torn_tail_that_was_synced_is_set_aside(void)
{
    rig r = written();
    int last = 0;
    while (has_file(&r, name_of(last + 1, ".log")))
        last++;
    size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
    bytes[size - 1] ^= 1;
    store_file(&r, name_of(last, ".log"), bytes, size);
    r.start.recovery_point = 120;
    open_unclean(&r);
    CHECK(r.report.cut_size == 0 && r.report.set_aside_size > 0);
    CHECK(mg_log_end_offset(r.log) == 120); /* its offsets are not given out again */
    CHECK(append(&r, (recipe){.records = 1}).base_offset == 120);
    mg_log_slice slice;
    CHECK(mg_log_read(r.log, 118, INT64_MAX, 1000, 0, &slice, &r.error) == MG_CORRUPT);
    CHECK(mg_log_read(r.log, 116, INT64_MAX, 1 << 20, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.next_offset == 118);
    mg_log_slice_release(&slice);
    rig_end(&r);
}

/* One bit anywhere in a segment, sealed or active, with intact batches behind it. */
static void a_flipped_bit_costs_one_batch(void)
{
    for (size_t at = 0; at < 900; at += 3) {
        rig r = written();
        size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
        size_t batch = batch_size_at(bytes);
        size_t hit = at / batch;
        bool outside_crc = at % batch >= 12 && at % batch < 16; /* the leader epoch */
        bytes[at] ^= 0x10;
        store_file(&r, name_of(1, ".log"), bytes, size);
        open_unclean(&r);
        CHECK(mg_log_end_offset(r.log) == 120);
        CHECK(r.report.cut_size == 0);
        if (outside_crc) {
            CHECK(r.report.set_aside_size == 0);
            rig_end(&r);
            continue;
        }
        CHECK(r.report.set_aside_size == (int64_t)batch);
        CHECK(read_all(&r, 0, 700, true) == 118);
        int64_t lost = base_of(1) + 2 * (int64_t)hit;
        mg_log_slice slice;
        for (int round = 0; round < 2; round++) {
            for (int64_t offset = lost; offset < lost + 2; offset++) {
                CHECK(mg_log_read(r.log, offset, INT64_MAX, 1000, 0, &slice, &r.error) ==
                      MG_CORRUPT);
            }
            CHECK(mg_log_read(r.log, lost + 2, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OK);
            mg_log_slice_release(&slice);
            rig_reopen(&r); /* the gap is remembered */
        }
        char suffix[40];
        (void)snprintf(suffix, sizeof suffix, ".%d-%d.damaged", (int)lost, (int)lost + 2);
        CHECK(load_file(&r, name_of(1, suffix), bytes, sizeof bytes) == batch);
        rig_end(&r);
    }
}

/* The size is what was damaged, and it happens to reach to the end of the next batch. */
static void a_size_that_covers_the_next_batch_costs_one_batch(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
    size_t batch = batch_size_at(bytes);
    mg_store_u32(bytes + 8, (uint32_t)(2 * batch - 12));
    store_file(&r, name_of(1, ".log"), bytes, size);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(r.report.cut_size == 0);
    CHECK(r.report.set_aside_size == (int64_t)batch);
    CHECK(read_all(&r, 0, 700, true) == 118);
    rig_end(&r);
}

/* In the last segment too: a tail is only what nothing intact follows. */
static void damage_in_the_active_segment_is_not_its_end(void)
{
    rig r = written();
    int last = 0;
    while (has_file(&r, name_of(last + 1, ".log"))) last++;
    size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
    size_t batch = batch_size_at(bytes);
    CHECK(size > 3 * batch);
    bytes[batch + 100] ^= 1;
    store_file(&r, name_of(last, ".log"), bytes, size - 10); /* and torn at its end */
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 118);
    CHECK(r.report.set_aside_size == (int64_t)batch);
    CHECK(r.report.cut_size == (int64_t)batch - 10);
    CHECK(read_all(&r, 0, 700, true) == 116);
    CHECK(is_in_gap(&r, base_of(last) + 2) && is_in_gap(&r, base_of(last) + 3));
    CHECK(append(&r, (recipe){.records = 1}).base_offset == 118);
    rig_end(&r);
}

static void damage_does_not_reach_the_next_segment(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
    store_file(&r, name_of(1, ".log"), bytes, size - 10); /* torn, but segments follow */
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(r.report.set_aside_size > 0 && r.report.cut_size == 0);
    CHECK(read_all(&r, 0, 700, true) == 118);
    mg_log_slice slice;
    CHECK(mg_log_read(r.log, base_of(2) - 1, INT64_MAX, 1000, 0, &slice, &r.error) == MG_CORRUPT);
    rig_end(&r);
}

/* The base offset is outside the checksum. */
static void an_offset_that_is_contradicted_is_damage(void)
{
    for (int bit = 0; bit < 20; bit++) {
        rig r = written();
        size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
        size_t batch = batch_size_at(bytes);
        size_t at = batch * 3;
        uint64_t offset = mg_load_u64(bytes + at) ^ UINT64_C(1) << bit;
        mg_store_u64(bytes + at, offset);
        store_file(&r, name_of(1, ".log"), bytes, size);
        open_unclean(&r);
        CHECK(r.report.set_aside_size == (int64_t)batch);
        CHECK(read_all(&r, 0, 700, true) == 118);
        rig_end(&r);
    }
}

/* The sectors in front of a batch were not written before the power went, nor were the first
 * `lost` bytes of its base offset, 301: with 7 of them lost it reads as 45. */
static void an_offset_of_a_lost_sector_is_not_believed(int lost, bool follows)
{
    enum { BORDER = 8 * 512 };
    rig r = rig_make();
    rig_open(&r);
    int32_t empty = build(bytes, (recipe){.value_size = 500}).size - 500;
    int32_t first = append(&r, (recipe){.records = 300}).header.size;
    (void)append(&r, (recipe){.value_size = BORDER - lost - first - empty});
    CHECK(mg_log_size(r.log) == BORDER - lost);
    CHECK(append(&r, (recipe){.records = 2}).base_offset == 301);
    if (follows) (void)append(&r, (recipe){.records = 2});
    rig_abandon(&r);
    size_t size = load_file(&r, FIRST_LOG, bytes, sizeof bytes);
    memset(bytes, 0, BORDER);
    store_file(&r, FIRST_LOG, bytes, size);
    open_unclean(&r);
    bool is_believed = lost <= 4 || (follows && lost <= 6); /* there only zeros were lost */
    int64_t from = is_believed ? 301 : 303;
    CHECK(mg_log_end_offset(r.log) == (follows ? 305 : is_believed ? 303 : 0));
    for (int64_t offset = 0; offset < mg_log_end_offset(r.log); offset++)
        CHECK(is_in_gap(&r, offset) == (offset < from));
    rig_reopen(&r);
    CHECK(mg_log_end_offset(r.log) == (follows ? 305 : is_believed ? 303 : 0));
    rig_end(&r);
}

/* A record may hold whole batches: they are none of this log, also where nothing follows. */
static void a_batch_inside_the_last_ones_record_is_not_taken(void)
{
    static uint8_t inner[BATCH_SIZE_MAX];
    static uint8_t outer[BATCH_SIZE_MAX];
    mg_batch_header forged = build(inner, (recipe){.value_size = 50});
    mg_batch_stamp(inner, 700, 0);
    static uint8_t value[2000];
    memset(value, 'x', sizeof value);
    memcpy(value + 1500, inner, (size_t)forged.size);
    mg_builder builder = mg_builder_over(outer, sizeof outer, NOW_MS);
    mg_record_parts parts = {.timestamp = NOW_MS,
                             .value = {.data = value, .size = sizeof value}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    mg_builder_finish(&builder, &header);
    for (int at = MG_BATCH_AT_LENGTH + 8; at < 1000; at += 200) {
        rig r = rig_make();
        rig_open(&r);
        (void)append(&r, (recipe){.value_size = 100});
        int64_t begin = mg_log_size(r.log);
        mg_log_item item = {.header = header, .batch = outer};
        CHECK(append_item(&r, &item, 0) == MG_OK);
        rig_abandon(&r);
        size_t size = load_file(&r, "00000000000000000000.log", bytes, sizeof bytes);
        bytes[begin + at] ^= 1; /* the checksum tells, the size is right */
        store_file(&r, "00000000000000000000.log", bytes, size);
        rig_open(&r);
        CHECK(mg_log_end_offset(r.log) == 1);
        CHECK(r.report.cut_size == header.size && r.report.set_aside_size == 0);
        rig_end(&r);
    }
}

int main(void)
{
    for (rig_threads = 0; rig_threads <= 3; rig_threads += 3) {
        a_torn_tail_that_was_synced_is_set_aside();
        a_flipped_bit_costs_one_batch();
        a_size_that_covers_the_next_batch_costs_one_batch();
        damage_in_the_active_segment_is_not_its_end();
        damage_does_not_reach_the_next_segment();
        an_offset_that_is_contradicted_is_damage();
        for (int lost = 1; lost <= 8; lost++) {
            an_offset_of_a_lost_sector_is_not_believed(lost, false);
            an_offset_of_a_lost_sector_is_not_believed(lost, true);
        }
    }
    a_batch_inside_the_last_ones_record_is_not_taken();
    puts("salvage_test: ok");
}
