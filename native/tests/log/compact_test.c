/* Compaction against a model in which each key has the offset of its last record. */
#include "keyed.h"

static mg_compact_report compact(keyed *k, int64_t first_dirty, int64_t now_ms)
{
    mg_compact_report report;
    mg_compact_request request = keyed_request(k, first_dirty, now_ms);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    mg_status status = mg_log_compact(k->r.log, &request, &report, &k->r.error);
    if (status != MG_OK) fprintf(stderr, "compact: %s\n", k->r.error.detail);
    CHECK(status == MG_OK);
    return report;
}

static void append_batches(keyed *k, int count)
{
    for (int i = 0; i < count; i++)
        CHECK(try_append_random(k, NOW_MS + k->end) == MG_OK);
}

static void each_key_keeps_its_last_record(void)
{
    keyed *k = keyed_make(1);
    rig_open(&k->r);
    append_batches(k, 300);
    int32_t segments = mg_log_segment_count(k->r.log);
    int64_t size = mg_log_size(k->r.log);
    int64_t end_offset = mg_log_end_offset(k->r.log);
    CHECK(segments > 5);
    mg_compact_report report = compact(k, 0, NOW_MS);
    CHECK(report.end_offset > 0 && report.end_offset < end_offset);
    CHECK(report.keys == KEYS && report.segments_before == segments - 1);
    CHECK(mg_log_segment_count(k->r.log) ==
          segments - report.segments_before + report.segments_after);
    CHECK(mg_log_size(k->r.log) < size / 2);
    CHECK(mg_log_end_offset(k->r.log) == end_offset && mg_log_start_offset(k->r.log) == 0);
    keyed_check(k, report.end_offset, false);
    int64_t clean_end = report.end_offset;

    /* Again, nothing new: nothing to do. */
    report = compact(k, clean_end, NOW_MS);
    CHECK(report.end_offset == clean_end && report.read_size == 0);

    rig_reopen(&k->r);
    keyed_check(k, clean_end, false);
    append_batches(k, 50);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    rig_abandon(&k->r);
    mg_memory_play_crash(k->r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    k->r.start.clean = false;
    rig_open(&k->r);
    CHECK(k->r.report.cut_size == 0 && k->r.report.set_aside_size == 0);
    CHECK(mg_log_end_offset(k->r.log) == k->end);
    keyed_check(k, clean_end, false);
    keyed_end(k);
}

/* First seen, they get a horizon; the pass after it takes them. */
static void tombstones_stay_until_their_horizon(void)
{
    keyed *k = keyed_make(2);
    rig_open(&k->r);
    append_batches(k, 300);
    int64_t now_ms = NOW_MS;
    int64_t clean_end = compact(k, 0, now_ms).end_offset;
    keyed_check(k, clean_end, false);
    int64_t tombstones = 0;
    for (int64_t i = 0; i < clean_end; i++)
        tombstones += k->seen[i] && k->records[i].value == TOMBSTONE;
    CHECK(tombstones > 0);

    append_batches(k, 60);
    clean_end = compact(k, clean_end, now_ms + 999).end_offset;
    keyed_check(k, clean_end, false);
    append_batches(k, 60);
    clean_end = compact(k, clean_end, now_ms + 1000).end_offset;
    keyed_check(k, clean_end, true);
    append_batches(k, 60);
    clean_end = compact(k, clean_end, now_ms + 100000).end_offset;
    keyed_check(k, clean_end, true);
    append_batches(k, 60);
    clean_end = compact(k, clean_end, now_ms + 200000).end_offset;
    keyed_check(k, clean_end, true);
    keyed_end(k);
}

static void what_does_not_fit_the_map_is_for_the_next_pass(void)
{
    enum { MANY = 3000 };
    keyed *k = keyed_make(3);
    rig_open(&k->r);
    for (int32_t key = 0; key < 2 * MANY; key += 5) {
        int32_t keys[5];
        int32_t values[5];
        for (int32_t i = 0; i < 5; i++) {
            keys[i] = (key + i) % MANY + 1000;
            values[i] = key + i;
        }
        CHECK(try_append_keyed(k, &(keyed_batch){.keys = keys,
                                                 .values = values,
                                                 .count = 5,
                                                 .timestamp = NOW_MS}) == MG_OK);
    }
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    int64_t clean_end = 0;
    int passes = 0;
    for (; clean_end < k->end; passes++) {
        mg_compact_report report;
        mg_compact_request request = keyed_request(k, clean_end, NOW_MS);
        request.map_size_max = 1; /* as small as there is: 1,024 slots */
        CHECK(mg_log_compact(k->r.log, &request, &report, &k->r.error) == MG_OK);
        CHECK(report.end_offset > clean_end && report.keys <= 1024);
        clean_end = report.end_offset;
    }
    CHECK(passes > 5);
    keyed_read(k);
    for (int64_t i = 0; i < k->end; i++)
        CHECK(k->seen[i] == (i >= MANY));
    keyed_end(k);
}

static void keyless_records_go(void)
{
    keyed *k = keyed_make(4);
    rig_open(&k->r);
    const int32_t keys[3] = {1, NO_KEY, 2};
    const int32_t values[3] = {1, 2, 3};
    keyed_batch of = {.keys = keys, .values = values, .count = 3, .timestamp = NOW_MS};
    CHECK(try_append_keyed(k, &of) == MG_OK);
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    (void)compact(k, 0, NOW_MS);
    keyed_read(k);
    CHECK(k->seen[0] && !k->seen[1] && k->seen[2]);
    keyed_end(k);
}

/* Two producers' last batches, superseded, are headers; the sequences go on after a restart. */
static void append_one(keyed *k, int32_t key, int64_t timestamp)
{
    keyed_batch of = {.keys = &key, .values = &key, .count = 1, .timestamp = timestamp};
    CHECK(try_append_keyed(k, &of) == MG_OK);
}

/* Two segments become one; its last batch is emptied, stays as its end, and was the latest of all:
 * what is left is not held to be as late, by retention or by who asks for the latest. */
static void an_emptied_end_makes_no_segment_younger(void)
{
    keyed *k = keyed_make(9);
    rig_open(&k->r);
    append_one(k, 1, NOW_MS + 3);
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    append_one(k, 2, NOW_MS + 5000);
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    int32_t segments = mg_log_segment_count(k->r.log);
    while (mg_log_segment_count(k->r.log) == segments) /* full: no third one of the group */
        append_one(k, 2, NOW_MS);
    compact(k, 0, NOW_MS);
    CHECK(mg_log_segment_count(k->r.log) == 3);
    for (int look = 0; look < 2; look++) {
        static uint8_t out[1000];
        mg_log_slice slice;
        mg_batch_header header;
        CHECK(mg_log_find_max_timestamp(k->r.log, &slice, &k->r.error) == MG_OK);
        CHECK(slice.size <= sizeof out);
        CHECK(mg_log_slice_copy(&slice, 0, slice.size, out, &k->r.error) == MG_OK);
        mg_log_slice_release(&slice);
        CHECK(mg_batch_check((mg_span){.data = out, .size = sizeof out}, &header) == MG_OK);
        CHECK(header.base_offset == 0 && header.record_count == 1);
        int64_t next_offset = 0;
        CHECK(read_bytes(&k->r, 1, 61, out, &next_offset) == MG_BATCH_HEADER_SIZE);
        CHECK(mg_batch_check((mg_span){.data = out, .size = sizeof out}, &header) == MG_OK);
        CHECK(header.base_offset == 1 && header.record_count == 0);
        rig_reopen(&k->r);
    }
    keyed_end(k);
}

static void producers_are_known_after_compaction(void)
{
    keyed *k = keyed_make(5);
    rig_open(&k->r);
    const int32_t keys[2] = {1, 2};
    const int32_t values[2] = {10, 20};
    keyed_batch of = {
        .keys = keys, .values = values, .count = 2, .timestamp = NOW_MS, .producer_id = 7};
    CHECK(try_append_keyed(k, &of) == MG_OK);
    of.base_sequence = 2;
    CHECK(try_append_keyed(k, &of) == MG_OK);
    of.producer_id = 0;
    for (int i = 0; i < 100; i++)
        CHECK(try_append_keyed(k, &of) == MG_OK);
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    (void)compact(k, 0, NOW_MS);
    keyed_check(k, mg_log_end_offset(k->r.log), false);
    uint8_t out[1000];
    int64_t next_offset = 0;
    mg_batch_header header;
    size_t size = read_bytes(&k->r, 0, 1, out, &next_offset);
    CHECK(mg_batch_check((mg_span){.data = out, .size = size}, &header) == MG_OK);
    CHECK(header.base_offset == 2 && header.record_count == 0 && header.last_offset_delta == 1);
    CHECK(header.producer_id == 7 && header.base_sequence == 2);
    CHECK(header.size == MG_BATCH_HEADER_SIZE && header.max_timestamp == NOW_MS + 1);

    rig_abandon(&k->r); /* without a snapshot at the end */
    k->r.start.clean = false;
    rig_open(&k->r);
    of.producer_id = 7;
    of.base_sequence = 2;
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory, .header = build_keyed(memory, &of)};
    CHECK(append_item(&k->r, &item, 0) == MG_OK);
    CHECK(item.verdict == MG_APPEND_DUPLICATE && item.base_offset == 2);
    of.base_sequence = 4;
    CHECK(try_append_keyed(k, &of) == MG_OK);
    keyed_end(k);
}

/* Aborted data goes at once; its marker in the second pass after, when the horizon is over. */
static void transactions_are_honoured(void)
{
    keyed *k = keyed_make(6);
    rig_open(&k->r);
    const int32_t keys[1] = {3};
    const int32_t others[1] = {4};
    const int32_t values[1] = {30};
    keyed_batch of = {.keys = keys,
                      .values = values,
                      .count = 1,
                      .timestamp = NOW_MS,
                      .producer_id = 9,
                      .is_transactional = true};
    CHECK(try_append_keyed(k, &of) == MG_OK); /* 0: committed */
    CHECK(try_append_marker(k, 9, true) == MG_OK);
    of.base_sequence = 1;
    CHECK(try_append_keyed(k, &of) == MG_OK); /* 2: aborted, so that 0 is the last of its key */
    k->records[2].is_aborted = true;
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    CHECK(try_append_marker(k, 9, false) == MG_OK); /* 3, above what is compacted first */
    keyed_batch plain = {.keys = others, .values = values, .count = 1, .timestamp = NOW_MS};
    CHECK(try_append_keyed(k, &plain) == MG_OK);
    int64_t clean_end = compact(k, 0, NOW_MS).end_offset;
    CHECK(clean_end == 3);
    keyed_read(k);
    CHECK(k->seen[0] && k->seen[1] && !k->seen[2] && k->seen[3] && k->seen[4]);

    /* The last batch of the producer stays as a header, which keeps the marker. */
    of.base_sequence = 2;
    of.keys = others;
    CHECK(try_append_keyed(k, &of) == MG_OK); /* 5 */
    CHECK(try_append_marker(k, 9, true) == MG_OK);
    for (int pass = 0; pass < 3; pass++) {
        CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
        clean_end = compact(k, clean_end, NOW_MS + pass * 2000).end_offset;
        CHECK(clean_end == k->end);
        keyed_read(k);
        CHECK(k->seen[0] && k->seen[1] && !k->seen[2]);
        /* Met with its data; given a horizon; gone. */
        if (pass == 0) CHECK(k->seen[3]);
        CHECK(k->seen[3] == (pass < 2));
        CHECK(try_append_keyed(k, &plain) == MG_OK);
    }
    keyed_end(k);
}

static mg_status stop_at_once(void *state, int64_t size)
{
    int64_t *left = state;
    *left -= size;
    return *left < 0 ? MG_CLOSED : MG_OK;
}

/* Readers in flight, a stop in the middle, damage: what is there stays readable. */
static void what_is_read_meanwhile_stays(void)
{
    keyed *k = keyed_make(8);
    rig_open(&k->r);
    append_batches(k, 300);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    mg_log_slice slice;
    static uint8_t before[4000];
    static uint8_t after[4000];
    CHECK(mg_log_read(k->r.log, 0, INT64_MAX, sizeof before, 0, &slice, NULL) == MG_OK);
    CHECK(mg_log_slice_copy(&slice, 0, slice.size, before, NULL) == MG_OK);

    mg_compact_report report;
    mg_compact_request request = keyed_request(k, 0, NOW_MS);
    int64_t left = 30000;
    request.pace = stop_at_once;
    request.pace_state = &left;
    CHECK(mg_log_compact(k->r.log, &request, &report, &k->r.error) == MG_CLOSED);
    keyed_check(k, 0, false);
    (void)compact(k, 0, NOW_MS);
    CHECK(mg_log_slice_copy(&slice, 0, slice.size, after, NULL) == MG_OK);
    CHECK(memcmp(before, after, slice.size) == 0);
    mg_log_slice_release(&slice);
    keyed_end(k);
}

static void a_damaged_batch_stops_it(void)
{
    static uint8_t data[1 << 16];
    keyed *k = keyed_make(9);
    rig_open(&k->r);
    append_batches(k, 300);
    rig_close_log(&k->r);
    size_t size = load_file(&k->r, FIRST_LOG, data, sizeof data);
    data[size / 2] ^= 1;
    store_file(&k->r, FIRST_LOG, data, size);
    k->r.start.clean = true;
    rig_open(&k->r);
    mg_compact_report report;
    mg_compact_request request = keyed_request(k, 0, NOW_MS);
    int32_t segments = mg_log_segment_count(k->r.log);
    CHECK(mg_log_compact(k->r.log, &request, &report, &k->r.error) == MG_CORRUPT);
    CHECK(mg_log_segment_count(k->r.log) == segments && report.end_offset == 0);
    CHECK(mg_log_health(k->r.log, NULL) == MG_OK);
    data[size / 2] ^= 1;
    rig_close_log(&k->r);
    store_file(&k->r, FIRST_LOG, data, size);
    rig_open(&k->r);
    keyed_check(k, 0, false);
    keyed_end(k);
}

static void many_lives(uint64_t seed)
{
    keyed *k = keyed_make(seed);
    rig_open(&k->r);
    int64_t clean_end = 0;
    int64_t now_ms = NOW_MS;
    bool tombstones_gone = false;
    for (int round = 0; round < 12; round++) {
        append_batches(k, (int)keyed_draw(k, 120) + 1);
        if (keyed_draw(k, 3) == 0) CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
        now_ms += (int64_t)keyed_draw(k, 900);
        if (now_ms >= NOW_MS + 1000) tombstones_gone = true;
        clean_end = compact(k, clean_end, now_ms).end_offset;
        keyed_check(k, clean_end, tombstones_gone);
        if (keyed_draw(k, 3) == 0) {
            rig_reopen(&k->r);
            keyed_check(k, clean_end, tombstones_gone);
        }
    }
    keyed_end(k);
}

int main(void)
{
    each_key_keeps_its_last_record();
    tombstones_stay_until_their_horizon();
    what_does_not_fit_the_map_is_for_the_next_pass();
    keyless_records_go();
    an_emptied_end_makes_no_segment_younger();
    producers_are_known_after_compaction();
    transactions_are_honoured();
    what_is_read_meanwhile_stays();
    a_damaged_batch_stops_it();
    for (uint64_t seed = 100; seed < 140; seed++)
        many_lives(seed);
    puts("compact_test: ok");
}
