#include "log/compact_output.h"

#include "keyed.h"
#include "log/log_format.h"

static void add(mg_compact_output *output, int64_t offset, int64_t timestamp)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_batch_header header =
        build(memory, (recipe){.records = 2, .value_size = 200, .timestamp = timestamp});
    header.base_offset = offset;
    mg_batch_stamp(memory, offset, 0);
    mg_span batch = {.data = memory, .size = (size_t)header.size};
    CHECK(mg_compact_output_add(output, batch, &header, NULL) == MG_OK);
}

static void an_output_has_all_files_of_a_segment(void)
{
    static uint8_t data[1 << 16];
    rig r = rig_make();
    r.config.index_interval_size = 600;
    rig_open(&r);
    mg_compact_output output;
    CHECK(mg_compact_output_open(&output, r.log, 100, &r.error) == MG_OK);
    for (int i = 0; i < 10; i++)
        add(&output, 100 + i * 20, NOW_MS + i % 6);
    CHECK(mg_compact_output_finish(&output, 1000, &r.error) == MG_OK);
    CHECK(mg_segment_end_offset(output.segment) == 1000);
    CHECK(mg_segment_size(output.segment) == output.size);
    size_t size = load_file(&r, "00000000000000000100.log.cleaned", data, sizeof data);
    CHECK((int64_t)size == output.size);
    /* An entry after each 600 bytes, and no two of one time. */
    size = load_file(&r, "00000000000000000100.index.cleaned", data, sizeof data);
    CHECK(size > 0 && size % MG_OFFSET_ENTRY_SIZE == 0);
    CHECK(mg_load_u32(data) == 41 && mg_load_u32(data + 4) == (uint32_t)(output.size / 10 * 2));
    size = load_file(&r, "00000000000000000100.timeindex.cleaned", data, sizeof data);
    CHECK(size > 0 && size % MG_TIME_ENTRY_SIZE == 0);
    CHECK(mg_load_u64(data + size - MG_TIME_ENTRY_SIZE) == NOW_MS + 5);
    CHECK(!has_file(&r, "00000000000000000100.txnindex.cleaned"));
    mg_compact_output_discard(&output);
    CHECK(!has_file(&r, "00000000000000000100.log.cleaned"));
    CHECK(!has_file(&r, "00000000000000000100.index.cleaned"));
    CHECK(!has_file(&r, "00000000000000000100.timeindex.cleaned"));
    rig_end(&r);
}

static void put_entry(uint8_t *at, int64_t producer_id, int64_t last_offset)
{
    mg_store_u16(at, 0);
    mg_store_u64(at + 2, (uint64_t)producer_id);
    mg_store_u64(at + 10, (uint64_t)last_offset - 5);
    mg_store_u64(at + 18, (uint64_t)last_offset);
    mg_store_u64(at + 26, (uint64_t)last_offset + 1);
}

static void aborted_transactions_of_which_nothing_is_left_are_forgotten(void)
{
    uint8_t index[3 * MG_TXN_ENTRY_SIZE];
    uint8_t kept[4 * MG_TXN_ENTRY_SIZE];
    rig r = rig_make();
    rig_open(&r);
    for (size_t i = 0; i < 3; i++)
        put_entry(index + i * MG_TXN_ENTRY_SIZE, 7, 110 + (int64_t)i * 10);
    store_file(&r, "00000000000000000100.txnindex", index, sizeof index);
    store_file(&r, "00000000000000000200.txnindex", index, MG_TXN_ENTRY_SIZE);
    mg_marker entries[3] = {{.producer_id = 7, .offset = 110, .is_abort = true, .seen = true},
                            {.producer_id = 7, .offset = 120, .is_abort = true},
                            {.producer_id = 7, .offset = 130, .is_abort = true, .seen = true}};
    mg_markers markers = {.entries = entries, .count = 3};
    mg_compact_output output;
    CHECK(mg_compact_output_open(&output, r.log, 100, &r.error) == MG_OK);
    CHECK(mg_compact_output_add_transactions(&output, 100, &markers, &r.error) == MG_OK);
    CHECK(mg_compact_output_add_transactions(&output, 200, &markers, &r.error) == MG_OK);
    CHECK(mg_compact_output_add_transactions(&output, 300, &markers, &r.error) == MG_OK);
    CHECK(output.has_transactions);
    size_t size = load_file(&r, "00000000000000000100.txnindex.cleaned", kept, sizeof kept);
    CHECK(size == sizeof index);
    CHECK(memcmp(kept, index, MG_TXN_ENTRY_SIZE) == 0);
    CHECK(memcmp(kept + MG_TXN_ENTRY_SIZE, index + sizeof index - MG_TXN_ENTRY_SIZE,
                 MG_TXN_ENTRY_SIZE) == 0);
    mg_compact_output_discard(&output);
    CHECK(!has_file(&r, "00000000000000000100.txnindex.cleaned"));
    remove_file_named(&r, "00000000000000000100.txnindex");
    remove_file_named(&r, "00000000000000000200.txnindex");
    rig_end(&r);
}

int main(void)
{
    an_output_has_all_files_of_a_segment();
    aborted_transactions_of_which_nothing_is_left_are_forgotten();
    puts("compact_output_test: ok");
}
