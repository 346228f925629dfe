#include "written.h"

static void empty_batches_and_gaps_are_read_over(void)
{
    /* What compaction leaves: a header without records, offsets that jump. */
    rig r = rig_make();
    rig_open(&r);
    rig_close_log(&r);
    size_t size = 0;
    const int64_t offsets[] = {5, 100, 2000};
    for (int i = 0; i < 3; i++) {
        static uint8_t memory[BATCH_SIZE_MAX];
        mg_batch_header header = build(memory, (recipe){.records = 3});
        if (i == 1) { /* keeps its offsets, has no records */
            header.record_count = 0;
            header.size = MG_BATCH_HEADER_SIZE;
            mg_batch_seal(memory, &header);
        }
        mg_batch_stamp(memory, offsets[i], 4);
        memcpy(bytes + size, memory, (size_t)header.size);
        size += (size_t)header.size;
    }
    store_file(&r, FIRST_LOG, bytes, size);
    open_unclean(&r);
    CHECK(r.report.set_aside_size == 0 && r.report.cut_size == 0);
    CHECK(mg_log_end_offset(r.log) == 2003);
    CHECK(read_all(&r, 0, 1, true) == 6);
    rig_reopen(&r);
    CHECK(mg_log_end_offset(r.log) == 2003);
    CHECK(read_all(&r, 0, 1000, true) == 6);
    rig_end(&r);
}

int main(void)
{
    empty_batches_and_gaps_are_read_over();
    puts("walk_test: ok");
}
