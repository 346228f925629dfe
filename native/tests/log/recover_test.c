/* Directories as crashes, bit rot and Kafka leave them. The rows of Kafka's own behaviour in which
 * it loses acknowledged records are tests here: ours keeps them. */
#include "rig.h"

enum { BATCHES = 60, SEGMENT_SIZE = 4000, FILE_ROOM = 1 << 16 };

static uint8_t bytes[FILE_ROOM];

/* Sixty batches of two records over several segments, closed cleanly. */
static rig written(void)
{
    rig r = rig_make();
    r.config.segment_size_max = SEGMENT_SIZE;
    r.config.index_interval_size = 500;
    rig_open(&r);
    for (int i = 0; i < BATCHES; i++) {
        (void)append_at_epoch(&r,
                              (recipe){.records = 2,
                                       .value_size = 100,
                                       .timestamp = NOW_MS + i,
                                       .producer_id = 5,
                                       .base_sequence = i * 2},
                              i / 20);
    }
    CHECK(mg_log_segment_count(r.log) > 3);
    rig_close_log(&r);
    return r;
}

/* The name of the n-th segment's file; `written` rolls after as many batches each time. */
static int64_t base_of(int n)
{
    static int64_t per_segment = 0;
    if (per_segment == 0) {
        rig r = written();
        r.start.clean = true;
        rig_open(&r);
        per_segment = 2 * (SEGMENT_SIZE / (mg_log_size(r.log) / BATCHES));
        rig_end(&r);
    }
    return per_segment * n;
}

static const char *name_of(int n, const char *suffix)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "%020lld%s", (long long)base_of(n), suffix);
    return name;
}

static size_t batch_size_at(const uint8_t *data)
{
    return mg_load_u32(data + 8) + 12;
}

static void open_unclean(rig *r)
{
    r->start.clean = false;
    rig_open(r);
}

static void bare_segments_are_enough(void)
{
    rig r = written();
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        remove_file_named(&r, name_of(n, ".index"));
        remove_file_named(&r, name_of(n, ".timeindex"));
        if (n > 0) remove_file_named(&r, name_of(n, ".snapshot"));
    }
    remove_file_named(&r, "leader-epoch-checkpoint");
    remove_file_named(&r, "00000000000000000120.snapshot");
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(mg_log_latest_epoch(r.log) == 2);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    CHECK(read_all(&r, 0, 1000, false) == 120);
    CHECK(r.report.cut_size == 0 && r.report.segments_scanned > 3);
    rig_end(&r);
}

static void rebuilt_indexes_are_the_same_bytes(void)
{
    static uint8_t before[FILE_ROOM];
    rig r = written();
    const char *const suffixes[] = {".index", ".timeindex"};
    for (int s = 0; s < 2; s++) {
        size_t size = load_file(&r, name_of(1, suffixes[s]), before, sizeof before);
        CHECK(size > 0 && size != SIZE_MAX);
        remove_file_named(&r, name_of(1, suffixes[s]));
        for (int clean = 0; clean < 2; clean++) {
            r.start.clean = clean == 1;
            if (s == 1 && clean == 1) continue; /* Kafka leaves that one empty; so do we */
            rig_open(&r);
            CHECK(r.report.indexes_rebuilt > 0);
            rig_close_log(&r);
            CHECK(load_file(&r, name_of(1, suffixes[s]), bytes, sizeof bytes) == size);
            CHECK(memcmp(before, bytes, size) == 0);
            if (clean == 0 && s == 0) remove_file_named(&r, name_of(1, suffixes[s]));
        }
    }
    rig_end(&r);
}

static void a_torn_tail_is_cut(void)
{
    for (int clean = 0; clean < 2; clean++) {
        for (size_t torn = 1; torn <= 240; torn += 13) {
            rig r = written();
            int last = 0;
            while (has_file(&r, name_of(last + 1, ".log")))
                last++;
            size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
            size_t batch = batch_size_at(bytes);
            CHECK(torn < batch);
            store_file(&r, name_of(last, ".log"), bytes, size - torn);
            r.start.clean = clean == 1; /* Kafka keeps the garbage here and appends behind it */
            rig_open(&r);
            CHECK(mg_log_end_offset(r.log) == 118);
            CHECK(r.report.cut_size == (int64_t)(batch - torn));
            CHECK(append(&r, (recipe){.records = 1}).base_offset == 118);
            CHECK(read_all(&r, 0, 1000, false) == 119);
            rig_end(&r);
        }
    }
}

static void a_zero_tail_is_cut(void)
{
    for (int clean = 0; clean < 2; clean++) { /* Kafka dies of it when clean */
        rig r = written();
        int last = 0;
        while (has_file(&r, name_of(last + 1, ".log")))
            last++;
        size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
        memset(bytes + size, 0, 3000);
        store_file(&r, name_of(last, ".log"), bytes, size + 3000);
        r.start.clean = clean == 1;
        rig_open(&r);
        CHECK(mg_log_end_offset(r.log) == 120 && r.report.cut_size == 3000);
        CHECK(read_all(&r, 0, 1000, false) == 120);
        rig_end(&r);
    }
}

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
        (void)snprintf(suffix, sizeof suffix, ".%zu.damaged", hit * batch);
        CHECK(load_file(&r, name_of(1, suffix), bytes, sizeof bytes) == batch);
        rig_end(&r);
    }
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

static void a_segment_begun_by_the_crash_goes(void)
{
    rig r = written();
    int last = 0;
    while (has_file(&r, name_of(last + 1, ".log")))
        last++;
    size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
    store_file(&r, name_of(last, ".log"), bytes, size - 5);
    store_file(&r, "00000000000000000120.log", bytes, 0);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 118 && !has_file(&r, "00000000000000000120.log"));
    rig_end(&r);
}

static void an_index_that_lies_is_noticed(void)
{
    /* Preallocated tails of zeros, as Kafka leaves them when it is killed, called clean. */
    rig r = written();
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        size_t size = load_file(&r, name_of(n, ".index"), bytes, sizeof bytes);
        memset(bytes + size, 0, 8000);
        store_file(&r, name_of(n, ".index"), bytes, size + 8000);
        size = load_file(&r, name_of(n, ".timeindex"), bytes, sizeof bytes);
        memset(bytes + size, 0, 12000);
        store_file(&r, name_of(n, ".timeindex"), bytes, size + 12000);
    }
    r.start.clean = true;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(read_all(&r, 0, 700, false) == 120);
    rig_close_log(&r);

    /* Entries that point into batches, in a sealed segment and in the last. */
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        size_t size = load_file(&r, name_of(n, ".index"), bytes, sizeof bytes);
        if (size < 8) continue;
        for (size_t at = 0; at + 8 <= size; at += 8) {
            mg_store_u32(bytes + at + 4, mg_load_u32(bytes + at + 4) + 61);
        }
        store_file(&r, name_of(n, ".index"), bytes, size);
    }
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 120); /* Kafka ends at the lie */
    CHECK(read_all(&r, 0, 700, false) == 120);
    for (int64_t offset = 0; offset < 120; offset++) {
        int64_t next_offset = 0;
        CHECK(read_bytes(&r, offset, 1, bytes, &next_offset) > 0);
        CHECK((int64_t)mg_load_u64(bytes) == offset / 2 * 2);
    }
    rig_end(&r);
}

/* Called clean, so nothing checks the files but their use. */
static void any_byte_of_an_index_may_lie(void)
{
    const char *const suffixes[] = {".index", ".timeindex"};
    int last = 0;
    rig probe = written();
    while (has_file(&probe, name_of(last + 1, ".log")))
        last++;
    rig_end(&probe);
    for (int n = 0; n <= last; n += last) {
        for (int s = 0; s < 2; s++) {
            for (size_t at = 0; at < 24; at++) {
                rig r = written();
                size_t size = load_file(&r, name_of(n, suffixes[s]), bytes, sizeof bytes);
                if (at < size) bytes[at] ^= 0x81;
                store_file(&r, name_of(n, suffixes[s]), bytes, size);
                r.start.clean = true;
                rig_open(&r);
                CHECK(mg_log_end_offset(r.log) == 120);
                CHECK(read_all(&r, 0, 700, false) == 120);
                CHECK(read_all(&r, 0, 1, false) == 120);
                for (int i = 0; i < 40; i++) {
                    (void)append(&r, (recipe){.value_size = 100, .timestamp = NOW_MS * 2 + i});
                }
                rig_reopen(&r);
                CHECK(read_all(&r, 0, 700, false) == 160);
                rig_end(&r);
            }
        }
    }
}

static void a_damaged_snapshot_is_passed_over(void)
{
    rig r = written();
    size_t size = load_file(&r, "00000000000000000120.snapshot", bytes, sizeof bytes);
    bytes[size - 1] ^= 1;
    store_file(&r, "00000000000000000120.snapshot", bytes, size);
    r.start.clean = true;
    rig_open(&r);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    rig_end(&r);
}

static void malformed_epochs_are_derived_again(void)
{
    const char *const texts[] = {"",
                                 "0\n",
                                 "1\n0\n",
                                 "0\n2\n0 0\n",
                                 "0\n1\n0 x\n",
                                 "x",
                                 "0\n2\n1 0\n0 40\n",
                                 "0\n1\n99999999999 0\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rig r = written();
        store_file(&r, "leader-epoch-checkpoint", (const uint8_t *)texts[i], strlen(texts[i]));
        r.start.clean = true;
        rig_open(&r);
        bool is_empty = i == 0; /* no epochs, says Kafka; nothing is malformed */
        CHECK(mg_log_latest_epoch(r.log) == (is_empty ? -1 : 2));
        rig_end(&r);
    }
    rig r = written(); /* ahead of the log: cut to it */
    const char *ahead = "0\n2\n0 0\n7 500\n";
    store_file(&r, "leader-epoch-checkpoint", (const uint8_t *)ahead, strlen(ahead));
    r.start.clean = true;
    rig_open(&r);
    CHECK(mg_log_latest_epoch(r.log) == 0);
    rig_end(&r);
}

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
    store_file(&r, "00000000000000000000.txnindex", bytes, 34);
    r.start.clean = true;
    rig_open(&r);
    CHECK(!has_file(&r, "00000000000000000000.log.swap") && !has_file(&r, name_of(1, ".log")));
    CHECK(has_file(&r, "00000000000000000000.txnindex"));
    CHECK(mg_log_end_offset(r.log) == 120 && mg_log_start_offset(r.log) == 0);
    CHECK(read_all(&r, 0, 700, true) == 118);
    int64_t next_offset = 0;
    CHECK(read_bytes(&r, 0, 1, bytes, &next_offset) > 0 && next_offset == 4); /* a legal gap */
    rig_end(&r);
}

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

static void old_formats_are_refused(void)
{
    /* Format 1, made by hand: offset 0, size 22, crc, magic 1, attributes 0, time, nulls. */
    uint8_t old[34] = {0};
    mg_store_u32(old + 8, 22);
    old[16] = 1;
    mg_store_u32(old + 26, UINT32_MAX);
    mg_store_u32(old + 30, UINT32_MAX);
    uint32_t crc = UINT32_MAX;
    for (size_t i = 16; i < sizeof old; i++) {
        crc ^= old[i];
        for (int b = 0; b < 8; b++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
    }
    mg_store_u32(old + 12, ~crc);
    for (int clean = 0; clean < 2; clean++) {
        rig r = rig_make();
        rig_open(&r);
        rig_close_log(&r);
        store_file(&r, FIRST_LOG, old, sizeof old);
        r.start.clean = clean == 1;
        CHECK(rig_try_open(&r) == MG_UNSUPPORTED);
        CHECK(load_file(&r, FIRST_LOG, bytes, sizeof bytes) == sizeof old);
        rig_end(&r);
    }
}

static void a_start_above_the_end_goes_on_from_there(void)
{
    for (int clean = 0; clean < 2; clean++) {
        rig r = written();
        r.start.start_offset = 500;
        r.start.clean = clean == 1;
        rig_open(&r);
        CHECK(mg_log_start_offset(r.log) == 500 && mg_log_end_offset(r.log) == 500);
        CHECK(append(&r, (recipe){.records = 1}).base_offset == 500);
        CHECK(has_file(&r, FIRST_LOG)); /* nothing was deleted for it */
        int32_t deleted = 0;
        CHECK(mg_log_delete_old(r.log, -1, -1, 501, NOW_MS, &deleted, &r.error) == MG_OK);
        CHECK(deleted > 3 && !has_file(&r, FIRST_LOG));
        rig_end(&r);
    }
}

static void recovery_starts_at_its_point(void)
{
    rig r = written();
    r.start.recovery_point = base_of(2) + 3;
    open_unclean(&r);
    int64_t below = 0;
    for (int n = 0; n < 2; n++) {
        below += (int64_t)load_file(&r, name_of(n, ".log"), bytes, sizeof bytes);
    }
    CHECK(r.report.scanned_size == mg_log_size(r.log) - below);
    CHECK(mg_log_latest_epoch(r.log) == 2);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    rig_end(&r);
}

/* The ENOSPC hazard: Kafka empties a segment and deletes what follows. */
static void a_full_disk_during_recovery_loses_nothing(void)
{
    rig r = written();
    mg_memory_set_capacity(r.files, 1);
    r.start.clean = false;
    CHECK(rig_try_open(&r) == MG_NO_SPACE);
    mg_memory_set_capacity(r.files, 0);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120 && read_all(&r, 0, 700, false) == 120);
    rig_end(&r);
}

int main(void)
{
    bare_segments_are_enough();
    rebuilt_indexes_are_the_same_bytes();
    a_torn_tail_is_cut();
    a_zero_tail_is_cut();
    a_torn_tail_that_was_synced_is_set_aside();
    a_flipped_bit_costs_one_batch();
    damage_does_not_reach_the_next_segment();
    a_segment_begun_by_the_crash_goes();
    an_index_that_lies_is_noticed();
    any_byte_of_an_index_may_lie();
    a_damaged_snapshot_is_passed_over();
    malformed_epochs_are_derived_again();
    leftovers_of_kafka_are_dealt_with();
    a_swap_is_completed();
    empty_batches_and_gaps_are_read_over();
    an_offset_that_is_contradicted_is_damage();
    old_formats_are_refused();
    a_start_above_the_end_goes_on_from_there();
    recovery_starts_at_its_point();
    a_full_disk_during_recovery_loses_nothing();
    puts("recover_test: ok");
}
