/* Aborted transactions: their index, their files, what readers of committed records may see. */
#include "rig.h"

#include "log/log_format.h"
#include "log/txn_index.h"

#define FIRST_TXN "00000000000000000000.txnindex"

static mg_aborted entry_of(int64_t producer_id, int64_t first, int64_t last, int64_t stable)
{
    return (mg_aborted){.producer_id = producer_id,
                        .first_offset = first,
                        .last_offset = last,
                        .stable_offset = stable};
}

static void add(mg_txn_index *index, mg_aborted entry)
{
    CHECK(mg_txn_index_reserve(index, NULL) == MG_OK);
    mg_txn_index_add(index, &entry);
}

static void ranges_find_what_reaches_into_them(void)
{
    mg_txn_index index;
    mg_aborted out[8];
    CHECK(mg_txn_index_init(&index, NULL) == MG_OK);
    CHECK(mg_txn_index_find(&index, 0, INT64_MAX, out, 8) == 0);
    add(&index, entry_of(1, 0, 10, 5));
    add(&index, entry_of(2, 5, 20, 21));
    add(&index, entry_of(3, 30, 40, 41));
    CHECK(mg_txn_index_find(&index, 0, 5, out, 8) == 1 && out[0].producer_id == 1);
    CHECK(mg_txn_index_find(&index, 10, 11, out, 8) == 2);
    CHECK(mg_txn_index_find(&index, 11, 30, out, 8) == 1 && out[0].producer_id == 2);
    CHECK(mg_txn_index_find(&index, 21, 30, out, 8) == 0);
    CHECK(mg_txn_index_find(&index, 0, INT64_MAX, out, 1) == 3 && out[0].producer_id == 1);
    CHECK(mg_txn_index_find(&index, 41, INT64_MAX, out, 8) == 0);

    mg_aborted others[2] = {entry_of(7, 5, 12, 13), entry_of(8, 5, 20, 21)};
    CHECK(mg_txn_index_replace(&index, 11, 40, others, 2, NULL) == MG_OK);
    CHECK(mg_txn_index_find(&index, 0, INT64_MAX, out, 8) == 4 && out[1].producer_id == 7);
    CHECK(out[3].producer_id == 3);
    CHECK(mg_txn_index_replace(&index, 0, 40, NULL, 0, NULL) == MG_OK);
    CHECK(mg_txn_index_find(&index, 0, INT64_MAX, out, 8) == 1 && out[0].producer_id == 3);
    mg_txn_index_cut_start(&index, 40);
    CHECK(mg_txn_index_end(&index) == 41);
    mg_txn_index_cut_end(&index, 40);
    CHECK(mg_txn_index_end(&index) == 0);
    mg_txn_index_deinit(&index);
}

/* ---- In a log ---- */

static mg_log_item append_batch(rig *r, int64_t producer_id, int32_t sequence, int16_t attributes)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory,
                        .header = build(memory, (recipe){.records = 2,
                                                         .value_size = 50,
                                                         .producer_id = producer_id,
                                                         .base_sequence = sequence})};
    item.header.attributes = attributes;
    mg_batch_seal(memory, &item.header);
    CHECK(append_item(r, &item, 0) == MG_OK);
    return item;
}

static mg_log_item send(rig *r, int64_t producer_id, int32_t sequence)
{
    mg_log_item item = append_batch(r, producer_id, sequence, MG_BATCH_TRANSACTIONAL);
    CHECK(item.verdict == MG_APPEND_DONE);
    return item;
}

static mg_log_item mark_as(rig *r, int64_t producer_id, int16_t epoch, int16_t kind,
                           int32_t coordinator_epoch)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    uint8_t key[4] = {0, 0, 0, (uint8_t)kind};
    uint8_t value[6] = {0, 0, 0, 0, 0, (uint8_t)coordinator_epoch};
    mg_builder builder = mg_builder_over(memory, sizeof memory, NOW_MS);
    mg_record_parts parts = {.timestamp = NOW_MS,
                             .key = {.data = key, .size = sizeof key},
                             .value = {.data = value, .size = sizeof value}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    header.producer_id = producer_id;
    header.producer_epoch = epoch;
    header.attributes = MG_BATCH_CONTROL | MG_BATCH_TRANSACTIONAL;
    mg_builder_finish(&builder, &header);
    mg_log_item item = {.batch = memory, .header = header};
    CHECK(append_item(r, &item, 0) == MG_OK);
    return item;
}

static int64_t mark(rig *r, int64_t producer_id, int16_t kind)
{
    mg_log_item item = mark_as(r, producer_id, 0, kind, 0);
    CHECK(item.verdict == MG_APPEND_DONE);
    return item.base_offset;
}

static size_t aborted_in(rig *r, int64_t from, int64_t to, mg_aborted *out)
{
    return mg_log_aborted(r->log, from, to, out, 8);
}

/* Producers 1 to 3: 1 aborts [0, 4], 2 commits [2, 5], 3 aborts [6, 10], 2 is open from 8 on. */
static void write_transactions(rig *r)
{
    (void)send(r, 1, 0);
    CHECK(mg_log_last_stable_offset(r->log) == 0);
    (void)send(r, 2, 0);
    CHECK(mark(r, 1, MG_CONTROL_ABORT) == 4);
    CHECK(mg_log_last_stable_offset(r->log) == 2);
    CHECK(mark(r, 2, MG_CONTROL_COMMIT) == 5);
    CHECK(mg_log_last_stable_offset(r->log) == 6);
    (void)send(r, 3, 0);
    (void)send(r, 2, 2);
    CHECK(mg_log_last_stable_offset(r->log) == 6);
    CHECK(mark(r, 3, MG_CONTROL_ABORT) == 10);
    CHECK(mg_log_last_stable_offset(r->log) == 8);
}

static void check_transactions(rig *r)
{
    mg_aborted out[8];
    CHECK(mg_log_end_offset(r->log) == 11);
    CHECK(mg_log_last_stable_offset(r->log) == 8);
    CHECK(aborted_in(r, 0, 11, out) == 2);
    CHECK(out[0].producer_id == 1 && out[0].first_offset == 0);
    CHECK(out[0].last_offset == 4 && out[0].stable_offset == 2);
    CHECK(out[1].producer_id == 3 && out[1].first_offset == 6);
    CHECK(out[1].last_offset == 10 && out[1].stable_offset == 8);
    CHECK(aborted_in(r, 5, 11, out) == 1 && aborted_in(r, 0, 6, out) == 1);
}

static void survive(bool rolls, bool crash, bool loses_files)
{
    rig r = rig_make();
    if (rolls) r.config.segment_size_max = 200;
    rig_open(&r);
    write_transactions(&r);
    check_transactions(&r);
    if (crash) {
        CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
        rig_abandon(&r);
        mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 1);
    } else {
        rig_close_log(&r);
        CHECK(rolls || has_file(&r, FIRST_TXN));
    }
    if (loses_files && has_file(&r, FIRST_TXN)) remove_file_named(&r, FIRST_TXN);
    r.start.clean = !crash && !loses_files;
    rig_open(&r);
    check_transactions(&r);
    CHECK(mark(&r, 2, MG_CONTROL_ABORT) == 11);
    CHECK(mg_log_last_stable_offset(r.log) == 12);
    mg_aborted out[8];
    CHECK(aborted_in(&r, 8, 9, out) == 2); /* of 3, whose marker is at 10, and of 2 */
    rig_end(&r);
}

static void transactions_survive_every_end(void)
{
    for (int i = 0; i < 8; i++)
        survive((i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
}

static void the_file_is_kafkas(void)
{
    rig r = rig_make();
    rig_open(&r);
    write_transactions(&r);
    rig_close_log(&r);
    uint8_t data[100];
    CHECK(load_file(&r, FIRST_TXN, data, sizeof data) == 68);
    static const uint8_t FIRST[34] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                      0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2};
    CHECK(memcmp(data, FIRST, sizeof FIRST) == 0);

    /* One that contradicts the log is made again, also after a clean end. */
    for (size_t size = 1; size <= 69; size++) {
        if (size % 34 == 0) continue;
        store_file(&r, FIRST_TXN, data, size);
        r.start.clean = true;
        rig_open(&r);
        check_transactions(&r);
        rig_close_log(&r);
    }
    data[33 + 26] = 77; /* a marker above the end */
    store_file(&r, FIRST_TXN, data, 68);
    rig_open(&r);
    check_transactions(&r);
    rig_end(&r);
}

static void truncation_opens_a_transaction_again(void)
{
    rig r = rig_make();
    rig_open(&r);
    write_transactions(&r);
    mg_aborted out[8];
    CHECK(mg_log_truncate(r.log, 10, &r.error) == MG_OK);
    CHECK(mg_log_last_stable_offset(r.log) == 6 && aborted_in(&r, 0, 10, out) == 1);
    CHECK(mg_log_truncate(r.log, 4, &r.error) == MG_OK);
    CHECK(mg_log_last_stable_offset(r.log) == 0 && aborted_in(&r, 0, 4, out) == 0);
    rig_reopen(&r);
    CHECK(!has_file(&r, FIRST_TXN));
    CHECK(mg_log_last_stable_offset(r.log) == 0 && aborted_in(&r, 0, 4, out) == 0);
    CHECK(mark(&r, 1, MG_CONTROL_COMMIT) == 4);
    CHECK(mg_log_last_stable_offset(r.log) == 2);
    rig_end(&r);
}

static void entries_go_with_their_segment(void)
{
    rig r = rig_make();
    rig_open(&r);
    write_transactions(&r);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    CHECK(has_file(&r, FIRST_TXN));
    CHECK(mark(&r, 2, MG_CONTROL_ABORT) == 11);
    int32_t deleted = 0;
    CHECK(mg_log_raise_start(r.log, 11, &r.error) == MG_OK);
    CHECK(mg_log_delete_old(r.log, -1, -1, 12, NOW_MS, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 1 && !has_file(&r, FIRST_TXN));
    CHECK(mg_log_swaps(r.log) == 2);
    mg_aborted out[8];
    CHECK(aborted_in(&r, 0, 20, out) == 1 && out[0].first_offset == 8);
    rig_reopen(&r);
    CHECK(aborted_in(&r, 0, 20, out) == 1 && out[0].first_offset == 8);
    CHECK(mg_log_last_stable_offset(r.log) == 12);
    rig_end(&r);
}

static void a_start_above_an_open_transaction_is_stable(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)send(&r, 1, 0);
    (void)send(&r, 2, 0);
    CHECK(mg_log_raise_start(r.log, 3, &r.error) == MG_OK);
    CHECK(mg_log_last_stable_offset(r.log) == 3);
    rig_end(&r);
}

static void markers_have_rules(void)
{
    rig r = rig_make();
    rig_open(&r);
    CHECK(mark(&r, 9, MG_CONTROL_ABORT) == 0); /* of nothing: no entry */
    mg_aborted out[8];
    CHECK(aborted_in(&r, 0, 10, out) == 0);
    CHECK(!has_file(&r, FIRST_TXN));
    (void)send(&r, 1, 0);
    CHECK(append_batch(&r, 1, 2, 0).verdict == MG_APPEND_INVALID_TXN_STATE);
    CHECK(mark_as(&r, 1, 3, MG_CONTROL_COMMIT, 5).verdict == MG_APPEND_DONE);
    CHECK(mark_as(&r, 1, 2, MG_CONTROL_COMMIT, 5).verdict == MG_APPEND_INVALID_PRODUCER_EPOCH);
    CHECK(mark_as(&r, 1, 3, MG_CONTROL_COMMIT, 4).verdict == MG_APPEND_COORDINATOR_FENCED);
    CHECK(append_batch(&r, 1, 2, 0).verdict == MG_APPEND_INVALID_PRODUCER_EPOCH);
    CHECK(mg_log_end_offset(r.log) == 4);
    rig_end(&r);
}

static void many_markers_find_room(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 3000;
    rig_open(&r);
    for (int32_t i = 0; i < 200; i++) {
        (void)send(&r, 1, i * 2);
        (void)mark(&r, 1, MG_CONTROL_ABORT);
    }
    CHECK(mg_log_aborted(r.log, 0, INT64_MAX, NULL, 0) == 200);
    CHECK(mg_log_segment_count(r.log) > 3);
    r.start.clean = false;
    rig_abandon(&r);
    rig_open(&r);
    CHECK(mg_log_aborted(r.log, 0, INT64_MAX, NULL, 0) == 200);
    CHECK(mg_log_aborted(r.log, 300, 303, NULL, 0) == 1);
    rig_end(&r);
}

int main(void)
{
    ranges_find_what_reaches_into_them();
    transactions_survive_every_end();
    the_file_is_kafkas();
    truncation_opens_a_transaction_again();
    entries_go_with_their_segment();
    a_start_above_an_open_transaction_is_stable();
    markers_have_rules();
    many_markers_find_room();
    puts("txn_index_test: ok");
}
