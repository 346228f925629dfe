/* Fetch requests: parked until data, deadline, removal or the end; cold reads; sessions. */
#include "server/kafka_error.h"
#include "server/session.h"

#include "kit/bench.h"

static void append(guest *g, int32_t partition, size_t value_size)
{
    frame batch = make_batch(1, value_size, -1, 0);
    guest_ask(g, make_produce("t", partition, 1, 1, &batch));
    bench_work(g->b);
    CHECK(read_produce(guest_wait(g), 0).error == MG_KAFKA_NONE);
    frame_free(&batch);
}

static fetch_wish patient_from(int64_t offset)
{
    fetch_wish wish = fetch_from(offset);
    wish.max_wait_ms = 10000;
    return wish;
}

static mg_request *first_of(guest *g)
{
    mg_session *session = g->connection->session;
    return session->first;
}

static void what_is_there_is_answered_at_once(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    for (int i = 0; i < 10; i++) append(&g, 0, 100);
    for (int64_t from = 0; from < 10; from++) {
        guest_ask(&g, make_fetch("t", 3, patient_from(from)));
        fetch_answer a = read_fetch(guest_reply(&g));
        CHECK(a.error == 0);
        CHECK(a.high_watermark == 10);
        CHECK(check_dense(a.records, from) == 10);
    }
    guest_ask(&g, make_fetch("t", 3, fetch_from(11)));
    CHECK(read_fetch(guest_reply(&g)).partition_error == MG_KAFKA_OFFSET_OUT_OF_RANGE);
    guest_ask(&g, make_fetch("no", 3, patient_from(0)));
    CHECK(read_fetch(guest_reply(&g)).partition_error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    guest_close(&g);
    bench_close(&b);
}

static void followers_that_nobody_knows_are_told_so(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    append(&g, 0, 100);
    fetch_wish wish = patient_from(0);
    wish.replica_id = 2;
    guest_ask(&g, make_fetch("t", 3, wish));
    CHECK(read_fetch(guest_reply(&g)).partition_error == MG_KAFKA_NOT_LEADER_OR_FOLLOWER);
    wish.leader_epoch = mg_partition_leader_epoch(b.partitions[0]);
    guest_ask(&g, make_fetch("t", 3, wish));
    CHECK(read_fetch(guest_reply(&g)).partition_error == MG_KAFKA_UNKNOWN_LEADER_EPOCH);
    guest_close(&g);
    bench_close(&b);
}

static void an_unknown_isolation_level_refuses_all_that_could_be_read(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    append(&g, 0, 100);
    fetch_wish wish = patient_from(0);
    wish.isolation_level = 2;
    wish.session_epoch = 0;
    guest_ask(&g, make_fetch("t", 3, wish));
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(a.error == MG_KAFKA_UNKNOWN_SERVER_ERROR);
    CHECK(a.partition_error == MG_KAFKA_UNKNOWN_SERVER_ERROR);
    CHECK(a.session_id == 0); /* none was begun */
    guest_ask(&g, make_fetch("no", 3, wish));
    a = read_fetch(guest_reply(&g));
    CHECK(a.error == 0);
    CHECK(a.partition_error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    guest_close(&g);
    bench_close(&b);
}

static void the_first_batch_comes_whole_and_no_more(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    for (int i = 0; i < 3; i++) append(&g, 0, 500);
    fetch_wish wish = patient_from(0);
    wish.max_bytes = 10;
    guest_ask(&g, make_fetch("t", 3, wish));
    CHECK(check_dense(read_fetch(guest_reply(&g)).records, 0) == 1);
    guest_close(&g);
    bench_close(&b);
}

/* Straight into the log: clients cannot begin transactions yet, other brokers' directories hold
 * them. */
static void append_as(bench *b, int64_t producer_id, int32_t sequence, int16_t attributes)
{
    static const uint8_t ABORT[4] = {0, 0, 0, 0};
    static const uint8_t VALUE[6] = {0};
    bool is_marker = (attributes & MG_BATCH_CONTROL) != 0;
    uint8_t memory[512];
    mg_builder builder = mg_builder_over(memory, sizeof memory, 1000);
    mg_record_parts parts = {.timestamp = 1000, .value = {.data = VALUE, .size = sizeof VALUE}};
    if (is_marker) parts.key = (mg_span){.data = ABORT, .size = sizeof ABORT};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.base_sequence = sequence;
    header.attributes = attributes;
    mg_builder_finish(&builder, &header);
    mg_log_item item = {.batch = memory, .header = header};
    mg_log_item *items = &item;
    mg_log *log = mg_partition_log(b->partitions[0]);
    mg_error error;
    size_t done = 0;
    while (mg_log_append(log, &items, 1, 0, 1000, &done, &error) == MG_BUSY)
        CHECK(mg_log_make_room(log, &header, 1000, &error) == MG_OK);
    CHECK(done == 1 && item.verdict == MG_APPEND_DONE);
}

static void committed_readers_see_what_is_decided(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    append(&g, 0, 100);
    append_as(&b, 7, 0, MG_BATCH_TRANSACTIONAL); /* 1 */
    append_as(&b, 8, 0, MG_BATCH_TRANSACTIONAL); /* 2 */
    fetch_wish wish = fetch_from(0);
    wish.isolation_level = 1;
    guest_ask(&g, make_fetch("t", 3, wish));
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(a.last_stable_offset == 1 && a.high_watermark == 3 && a.aborted_count == 0);
    CHECK(check_dense(a.records, 0) == 1);
    append_as(&b, 7, -1, MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL); /* 3 */
    guest_ask(&g, make_fetch("t", 3, wish));
    a = read_fetch(guest_reply(&g));
    CHECK(a.last_stable_offset == 2 && check_dense(a.records, 0) == 2);
    CHECK(a.aborted_count == 1 && a.aborted_producer_id == 7 && a.aborted_first_offset == 1);
    wish.offset = 2; /* at the stable offset, and above it: nothing yet, and no error */
    guest_ask(&g, make_fetch("t", 3, wish));
    a = read_fetch(guest_reply(&g));
    CHECK(a.partition_error == 0 && a.records_size == 0 && a.aborted_count == 0);
    wish.offset = 3;
    guest_ask(&g, make_fetch("t", 3, wish));
    a = read_fetch(guest_reply(&g));
    CHECK(a.partition_error == 0 && a.records_size == 0);
    guest_ask(&g, make_fetch("t", 3, fetch_from(0))); /* who does not ask sees all */
    a = read_fetch(guest_reply(&g));
    CHECK(check_dense(a.records, 0) == 4 && a.aborted_count == -1 && a.last_stable_offset == 2);
    guest_close(&g);
    bench_close(&b);
}

static void many_aborted_transactions_are_named(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    for (int32_t i = 0; i < 200; i++) {
        append_as(&b, 7, i, MG_BATCH_TRANSACTIONAL);
        append_as(&b, 7, -1, MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL);
    }
    fetch_wish wish = fetch_from(0);
    wish.isolation_level = 1;
    guest_ask(&g, make_fetch("t", 3, wish));
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(check_dense(a.records, 0) == 400);
    CHECK(a.aborted_count == 200 && a.aborted_first_offset == 398);
    guest_close(&g);
    bench_close(&b);
}

/* S7 */
static void an_offset_out_of_range_is_told_though_no_room_is_left(void)
{
    bench b;
    bench_open(&b, 2);
    guest g = guest_open(&b);
    append(&g, 0, 500);
    append(&g, 0, 500);
    append(&g, 1, 500);
    fetch_wish wish = patient_from(1); /* of the first all there is, of the second the end */
    wish.partition_count = 2;
    wish.max_bytes = 10;
    guest_ask(&g, make_fetch("t", 3, wish));
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(a.records_size > 0);
    CHECK(a.partition_error == 0);
    wish.offset = 2; /* the end of the first, beyond that of the second */
    append(&g, 0, 500);
    guest_ask(&g, make_fetch("t", 3, wish));
    a = read_fetch(guest_reply(&g));
    CHECK(a.records_size > 0);
    CHECK(a.partition_error == MG_KAFKA_OFFSET_OUT_OF_RANGE);
    guest_close(&g);
    bench_close(&b);
}

static void data_wakes_a_parked_fetch(void)
{
    bench b;
    bench_open(&b, 2);
    guest consumer = guest_open(&b);
    guest producer = guest_open(&b);
    fetch_wish wish = patient_from(0);
    wish.partition_count = 2;
    guest_ask(&consumer, make_fetch("t", 3, wish));
    bench_work(&b);
    CHECK(guest_reply(&consumer).data == NULL);
    CHECK(consumer.blocked || consumer.kept_size == 0);
    append(&producer, 1, 10);
    bench_work(&b);
    fetch_answer a = read_fetch(guest_reply(&consumer));
    CHECK(check_dense(a.records, 0) == 1);
    guest_close(&producer);
    guest_close(&consumer);
    bench_close(&b);
}

static void too_little_data_parks_it_again(void)
{
    bench b;
    bench_open(&b, 1);
    guest consumer = guest_open(&b);
    guest producer = guest_open(&b);
    fetch_wish wish = patient_from(0);
    wish.min_bytes = 1000;
    guest_ask(&consumer, make_fetch("t", 3, wish));
    bench_work(&b);
    int64_t appended = 0;
    frame reply = {0};
    while ((reply = guest_reply(&consumer)).data == NULL) {
        append(&producer, 0, 200);
        appended++;
        bench_work(&b);
    }
    CHECK(appended > 3);
    CHECK(check_dense(read_fetch(reply).records, 0) == appended);
    guest_close(&producer);
    guest_close(&consumer);
    bench_close(&b);
}

static void data_between_the_look_and_the_arming_is_not_missed(void)
{
    bench b;
    bench_open(&b, 1);
    guest consumer = guest_open(&b);
    guest producer = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    guest_ask(&producer, make_produce("t", 0, 1, 1, &batch)); /* appended by the lane's work */
    guest_ask(&consumer, make_fetch("t", 3, patient_from(0)));
    CHECK(guest_reply(&consumer).data == NULL);
    bench_work(&b); /* appends first, arms after that */
    CHECK(check_dense(read_fetch(guest_reply(&consumer)).records, 0) == 1);
    frame_free(&batch);
    guest_close(&producer);
    guest_close(&consumer);
    bench_close(&b);
}

static void the_deadline_answers_with_nothing(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    guest_ask(&g, make_fetch("t", 3, patient_from(0)));
    bench_work(&b);
    mg_request *request = first_of(&g);
    CHECK(request->deadline.due_ms == 10000);
    mg_reactor_remove_deadline(b.lane.reactor, &request->deadline);
    b.events.due(&b.lane, &request->deadline);
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(a.error == 0);
    CHECK(a.partition_count == 1);
    CHECK(a.records_size == 0);
    CHECK(first_of(&g) == NULL);
    guest_close(&g);
    bench_close(&b);
}

static void a_removed_partition_wakes_it(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    guest_ask(&g, make_fetch("t", 3, patient_from(0)));
    bench_work(&b);
    bench_publish(&b, NULL, "t");
    mg_partition_shut(b.partitions[0]);
    bench_work(&b);
    CHECK(read_fetch(guest_wait(&g)).partition_error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    guest_close(&g);
    bench_close(&b);
}

static void the_end_answers_all_that_wait(void)
{
    bench b;
    bench_open(&b, 2);
    guest guests[5];
    for (int i = 0; i < 5; i++) {
        guests[i] = guest_open(&b);
        fetch_wish wish = patient_from(0);
        wish.partition_count = 1 + i % 2;
        guest_ask(&guests[i], make_fetch("t", i, wish));
    }
    bench_work(&b);
    b.events.finishing(&b.lane);
    for (int i = 0; i < 5; i++) {
        CHECK(correlation_of(guest_reply(&guests[i])) == i);
        guest_close(&guests[i]);
    }
    bench_close(&b);
}

static void a_gone_connection_abandons_its_fetch(void)
{
    bench b;
    bench_open(&b, 2);
    guest g = guest_open(&b);
    fetch_wish wish = patient_from(0);
    wish.partition_count = 2;
    guest_ask(&g, make_fetch("t", 3, wish));
    guest_close(&g); /* while its watches are still to be armed */
    bench_work(&b);
    guest h = guest_open(&b);
    guest_ask(&h, make_fetch("t", 3, wish));
    bench_work(&b);
    guest_close(&h);
    bench_work(&b);
    bench_close(&b);
}

/* ---- Cold reads ---- */

static void a_cold_read_is_warmed_by_a_worker(void)
{
    bench b;
    bench_open(&b, 2);
    guest g = guest_open(&b);
    append(&g, 0, 100);
    append(&g, 1, 100);
    mg_memory_set_cold(b.place.files, true);
    fetch_wish wish = patient_from(0);
    wish.partition_count = 2;
    guest_ask(&g, make_fetch("t", 3, wish));
    CHECK(guest_reply(&g).data == NULL);
    fetch_answer a = read_fetch(guest_wait(&g));
    CHECK(check_dense(a.records, 0) == 1); /* the first one's; the other is still cold */
    guest_close(&g);
    bench_close(&b);
}

static void a_connection_may_go_while_its_fetch_is_warmed(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    append(&g, 0, 100);
    mg_memory_set_cold(b.place.files, true);
    fetch_wish wish = patient_from(0);
    wish.min_bytes = 1 << 30; /* it would park again */
    guest_ask(&g, make_fetch("t", 3, wish));
    guest_close(&g);
    while (!mg_partition_is_quiet(b.partitions[0])) usleep(100);
    (void)bench_wait(&b, 100); /* the worker's letter */
    CHECK(mg_lane_watch_at(&b.lane, b.partitions[0])->fetches == NULL);
    bench_close(&b);
}

/* ---- Sessions ---- */

static void an_incremental_session_is_told_only_what_changed(void)
{
    bench b;
    bench_open(&b, 3);
    guest g = guest_open(&b);
    fetch_wish wish = fetch_from(0);
    wish.partition_count = 3;
    wish.session_epoch = 0;
    guest_ask(&g, make_fetch("t", 1, wish));
    fetch_answer a = read_fetch(guest_reply(&g));
    CHECK(a.session_id > 0);
    CHECK(a.partition_count == 3);

    fetch_wish more = patient_from(0);
    more.partition_count = 0;
    more.session_id = a.session_id;
    more.session_epoch = 1;
    guest_ask(&g, make_fetch("t", 2, more)); /* parks */
    bench_work(&b);
    CHECK(guest_reply(&g).data == NULL);
    guest producer = guest_open(&b);
    append(&producer, 2, 10);
    bench_work(&b);
    a = read_fetch(guest_reply(&g));
    CHECK(a.error == 0);
    CHECK(a.partition_count == 1);
    CHECK(check_dense(a.records, 0) == 1);

    more.session_epoch = 7;
    guest_ask(&g, make_fetch("t", 3, more));
    CHECK(read_fetch(guest_reply(&g)).error == MG_INVALID_FETCH_SESSION_EPOCH);
    more.session_id++;
    guest_ask(&g, make_fetch("t", 4, more));
    CHECK(read_fetch(guest_reply(&g)).error == MG_FETCH_SESSION_ID_NOT_FOUND);
    mg_fetch_sessions_check(b.lane.fetch_sessions);
    guest_close(&producer);
    guest_close(&g);
    bench_close(&b);
}

static void a_session_goes_on_after_its_parked_fetch_was_abandoned(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    fetch_wish wish = fetch_from(0);
    wish.session_epoch = 0;
    guest_ask(&g, make_fetch("t", 1, wish));
    fetch_wish more = patient_from(0);
    more.partition_count = 0;
    more.session_id = read_fetch(guest_reply(&g)).session_id;
    more.session_epoch = 1;
    guest_ask(&g, make_fetch("t", 2, more));
    bench_work(&b);
    guest_close(&g);
    bench_work(&b);
    mg_fetch_sessions_check(b.lane.fetch_sessions);
    guest h = guest_open(&b);
    more.session_epoch = 2;
    more.max_wait_ms = 0;
    guest_ask(&h, make_fetch("t", 3, more));
    CHECK(read_fetch(guest_reply(&h)).error == 0);
    guest_close(&h);
    bench_close(&b);
}

static void a_second_request_of_a_session_ends_the_first(void)
{
    bench b;
    bench_open(&b, 1);
    guest first = guest_open(&b);
    guest second = guest_open(&b);
    fetch_wish wish = fetch_from(0);
    wish.session_epoch = 0;
    guest_ask(&first, make_fetch("t", 1, wish));
    fetch_wish more = patient_from(0);
    more.partition_count = 0;
    more.session_id = read_fetch(guest_reply(&first)).session_id;
    more.session_epoch = 1;
    guest_ask(&first, make_fetch("t", 2, more));
    bench_work(&b);
    more.session_epoch = 2;
    guest_ask(&second, make_fetch("t", 3, more));
    bench_work(&b);
    guest producer = guest_open(&b);
    append(&producer, 0, 10);
    bench_work(&b);
    CHECK(read_fetch(guest_reply(&first)).error == MG_INVALID_FETCH_SESSION_EPOCH);
    CHECK(check_dense(read_fetch(guest_reply(&second)).records, 0) == 1);
    guest_close(&producer);
    guest_close(&first);
    guest_close(&second);
    bench_close(&b);
}

int main(void)
{
    what_is_there_is_answered_at_once();
    followers_that_nobody_knows_are_told_so();
    an_unknown_isolation_level_refuses_all_that_could_be_read();
    the_first_batch_comes_whole_and_no_more();
    committed_readers_see_what_is_decided();
    many_aborted_transactions_are_named();
    an_offset_out_of_range_is_told_though_no_room_is_left();
    data_wakes_a_parked_fetch();
    too_little_data_parks_it_again();
    data_between_the_look_and_the_arming_is_not_missed();
    the_deadline_answers_with_nothing();
    a_removed_partition_wakes_it();
    the_end_answers_all_that_wait();
    a_gone_connection_abandons_its_fetch();
    a_cold_read_is_warmed_by_a_worker();
    a_connection_may_go_while_its_fetch_is_warmed();
    an_incremental_session_is_told_only_what_changed();
    a_session_goes_on_after_its_parked_fetch_was_abandoned();
    a_second_request_of_a_session_ends_the_first();
    puts("fetch_request_test: ok");
}
