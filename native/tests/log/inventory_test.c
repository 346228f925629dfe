#include "written.h"

static void leftovers_of_kafka_are_dealt_with(void)
{
    rig r = written();
    store_file(&r, "00000000000000000000.log.deleted", bytes, 10);
    store_file(&r, "00000000000000000900.log.cleaned", bytes, 10);
    store_file(&r, "00000000000000000900.index", bytes, 8);
    store_file(&r, "foo.log", bytes, 10);
    store_file(&r, "partition.metadata", bytes, 10);
    r.start.clean = true;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(!has_file(&r, "00000000000000000000.log.deleted"));
    CHECK(!has_file(&r, "00000000000000000900.log.cleaned"));
    CHECK(!has_file(&r, "00000000000000000900.index"));
    CHECK(has_file(&r, "foo.log") && has_file(&r, "partition.metadata"));
    rig_end(&r);
}

/* A compaction that had finished: its output replaces what it was made from. */
static void a_swap_is_completed(void)
{
    rig r = written();
    size_t first = load_file(&r, name_of(0, ".log"), bytes, sizeof bytes);
    size_t second = load_file(&r, name_of(1, ".log"), bytes + first, sizeof bytes - first);
    size_t batch = batch_size_at(bytes);
    /* Without its first batch: offsets 0 and 1 were compacted away. */
    store_file(&r, "00000000000000000000.log.swap", bytes + batch, first + second - batch);
    static const uint8_t ABORTED[34] = {0}; /* of producer 0, from 0 to 0: sound enough */
    store_file(&r, "00000000000000000000.txnindex", ABORTED, sizeof ABORTED);
    r.start.clean = true;
    rig_open(&r);
    CHECK(!has_file(&r, "00000000000000000000.log.swap") && !has_file(&r, name_of(1, ".log")));
    CHECK(!has_file(&r, "00000000000000000000.txnindex")); /* a finished output without any */
    CHECK(mg_log_end_offset(r.log) == 120 && mg_log_start_offset(r.log) == 0);
    CHECK(read_all(&r, 0, 700, true) == 118);
    int64_t next_offset = 0;
    CHECK(read_bytes(&r, 0, 1, bytes, &next_offset) > 0 && next_offset == 4); /* a legal gap */
    rig_end(&r);
}

int main(void)
{
    leftovers_of_kafka_are_dealt_with();
    a_swap_is_completed();
    puts("inventory_test: ok");
}
