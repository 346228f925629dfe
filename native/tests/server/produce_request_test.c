/* Produce requests: what is refused and how, who waits for a flush, duplicates, no allocation. */
#include "base/crc32c.h"
#include "log/producer_state.h"
#include "server/kafka_error.h"
#include "server/session.h"

#include "kit/allocations.h"
#include "kit/bench.h"
#include "kit/gate.h"

enum { STEADY_APPENDS = 10000 };

static produce_answer ask(guest *g, frame f)
{
    guest_ask(g, f);
    bench_work(g->b);
    return read_produce(guest_wait(g), 0);
}

static void offsets_are_dense_and_records_come_back(void)
{
    bench b;
    bench_open(&b, 2);
    guest g = guest_open(&b);
    for (int32_t i = 0; i < 50; i++) {
        frame batch = make_batch(1 + i % 3, 20, -1, 0);
        produce_answer a = ask(&g, make_produce("t", 1, i, 1, &batch));
        CHECK(a.error == MG_KAFKA_NONE);
        CHECK(a.base_offset == mg_log_end_offset(b.place.logs[1]) - 1 - i % 3);
        CHECK(a.log_start_offset == 0);
        frame_free(&batch);
    }
    fetch_wish wish = fetch_from(0);
    wish.partition_count = 2;
    guest_ask(&g, make_fetch("t", 7, wish));
    fetch_answer f = read_fetch(guest_wait(&g));
    CHECK(check_dense(f.records, 0) == mg_log_end_offset(b.place.logs[1]));
    guest_close(&g);
    bench_close(&b);
}

static void what_is_refused_is_refused_by_kafkas_code(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    const int16_t unknown = MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    CHECK(ask(&g, make_produce("no", 0, 1, 1, &batch)).error == unknown);
    CHECK(ask(&g, make_produce("t", 1, 2, 1, &batch)).error == unknown);
    CHECK(ask(&g, make_produce("t", -1, 3, 1, &batch)).error == unknown);
    CHECK(ask(&g, make_produce("t", 0, 4, 2, &batch)).error == MG_KAFKA_INVALID_REQUIRED_ACKS);
    CHECK(ask(&g, make_produce("t", 0, 5, 1, &batch)).error == MG_KAFKA_NONE);

    frame malformed = make_batch(1, 10, -1, 0);
    malformed.data[16] = 3; /* the format: known before any topic is */
    CHECK(ask(&g, make_produce("no", 0, 1, 1, &malformed)).error == MG_KAFKA_CORRUPT_MESSAGE);
    frame_free(&malformed);
    frame transactional = make_batch(1, 10, -1, 0);
    transactional.data[22] |= 1 << 4; /* attributes; the request names no transactional id */
    CHECK(ask(&g, make_produce("no", 0, 1, 1, &transactional)).error ==
          MG_KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    frame_free(&transactional);

    frame bad = make_batch(1, 10, -1, 0);
    bad.data[bad.size - 1] ^= 1;
    produce_answer a = ask(&g, make_produce("t", 0, 6, 1, &bad));
    CHECK(a.error == MG_KAFKA_CORRUPT_MESSAGE);
    CHECK(a.base_offset == -1);
    frame_free(&bad);

    mg_topic_rules rules = plain_rules();
    a = ask(&g, make_produce("no", 0, 6, 1, &batch));
    CHECK(a.log_start_offset == -1);
    frame counted = make_batch(1, 10, -1, 0);
    counted.data[60]++; /* the count of records */
    mg_store_u32(counted.data + 17, mg_crc32c(0, counted.data + 21, counted.size - 21));
    a = ask(&g, make_produce("t", 0, 6, 1, &counted));
    CHECK(a.error == MG_KAFKA_INVALID_RECORD);
    CHECK(a.log_start_offset == 0); /* a rule of the log's was broken, and so it is told of */
    frame_free(&counted);

    rules.batch_size_max = 70;
    bench_set_topic(&b, "t", &rules);
    CHECK(ask(&g, make_produce("t", 0, 7, 1, &batch)).error == MG_KAFKA_MESSAGE_TOO_LARGE);
    rules = plain_rules();
    rules.insync_min = 2;
    bench_set_topic(&b, "t", &rules);
    CHECK(ask(&g, make_produce("t", 0, 8, -1, &batch)).error == MG_KAFKA_NOT_ENOUGH_REPLICAS);
    CHECK(ask(&g, make_produce("t", 0, 9, 1, &batch)).error == MG_KAFKA_NONE);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 2);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_request_of_many_partitions_answers_each(void)
{
    bench b;
    bench_open(&b, 3);
    guest g = guest_open(&b);
    frame batch = make_batch(2, 10, -1, 0);
    guest_ask(&g, make_produce_to("t", 1, 3, 9, 1, 1000, &batch)); /* 1, 2, and 3 that is not */
    bench_work(&b);
    frame reply = guest_wait(&g);
    CHECK(read_produce(reply, 0).partition_count == 3);
    CHECK(read_produce(reply, 0).error == MG_KAFKA_NONE);
    CHECK(read_produce(reply, 1).error == MG_KAFKA_NONE);
    CHECK(read_produce(reply, 2).error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK(atomic_load(&b.lane.counters.produce_errors) == 1);
    CHECK(atomic_load(&b.lane.counters.produced_batches) == 2);
    CHECK(atomic_load(&b.lane.counters.produced_records) == 4);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void the_ids_of_named_producers_are_not_for_clients(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame named = make_batch(1, 10, MG_PRODUCER_NAMED, 0);
    frame ordinary = make_batch(1, 10, MG_PRODUCER_NAMED - 1, 0);
    CHECK(ask(&g, make_produce("t", 0, 1, 1, &named)).error ==
          MG_KAFKA_INVALID_PRODUCER_ID_MAPPING);
    CHECK(ask(&g, make_produce("t", 0, 2, 1, &ordinary)).error == MG_KAFKA_NONE);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 1);
    frame_free(&named);
    frame_free(&ordinary);
    guest_close(&g);
    bench_close(&b);
}

static void keys_are_wanted_of_compressed_records_too(void)
{
    bench b;
    bench_open(&b, 1);
    mg_topic_rules rules = plain_rules();
    rules.requires_keys = true;
    bench_set_topic(&b, "t", &rules);
    guest g = guest_open(&b);
    frame keyed = close_batch(make_batch_with_keys(3, 0, 20, -1, 0));
    frame keyless = close_batch(make_batch_with_keys(3, 0x5, 20, -1, 0));
    guest_ask(&g, make_produce("t", 0, 1, 1, &keyed));
    guest_ask(&g, make_produce("t", 0, 2, 1, &keyless));
    guest_ask(&g, make_produce("t", 0, 3, 1, &keyed));
    bench_work(&b);
    produce_answer answers[3];
    for (int i = 0; i < 3; i++) answers[i] = read_produce(guest_wait(&g), 0);
    CHECK(answers[0].error == MG_KAFKA_NONE && answers[0].base_offset == 0);
    CHECK(answers[1].error == MG_KAFKA_INVALID_RECORD && answers[1].base_offset == -1);
    CHECK(answers[1].log_start_offset == 0);
    CHECK(answers[2].error == MG_KAFKA_NONE && answers[2].base_offset == 3);
    frame_free(&keyed);
    frame_free(&keyless);
    guest_close(&g);
    bench_close(&b);
}

static pthread_mutex_t bolt = PTHREAD_MUTEX_INITIALIZER; /* the opener waits for it */

static mg_status turn_back_when_let(void *state, mg_span bytes, mg_writer *out)
{
    pthread_mutex_lock(&bolt);
    pthread_mutex_unlock(&bolt);
    return turn_back(state, bytes, out);
}

/* The room that all connections share is not one connection's to fill. */
static void who_has_enough_batches_opened_is_not_read_from(void)
{
    bench b;
    bench_open(&b, 1);
    b.codecs.by_id[MG_CODEC_LZ4].decompress = turn_back_when_let;
    mg_topic_rules rules = plain_rules();
    rules.requires_keys = true;
    bench_set_topic(&b, "t", &rules);
    guest g = guest_open(&b);
    frame keyed = close_batch(make_batch_with_keys(1, 0, 20, -1, 0));
    pthread_mutex_lock(&bolt);
    for (int32_t i = 0; i < MG_OPENING_MAX + 2; i++) {
        CHECK(g.blocked == (i >= MG_OPENING_MAX));
        guest_ask(&g, make_produce("t", 0, i, 1, &keyed));
    }
    CHECK(g.blocked && g.kept_size > 0);
    pthread_mutex_unlock(&bolt);
    bench_work(&b);
    for (int32_t i = 0; i < MG_OPENING_MAX; i++) CHECK(read_produce(guest_wait(&g), 0).error == 0);
    guest_show(&g, NULL, 0); /* what was kept */
    bench_work(&b);
    for (int32_t i = 0; i < 2; i++) CHECK(read_produce(guest_wait(&g), 0).error == 0);
    CHECK(mg_log_end_offset(b.place.logs[0]) == MG_OPENING_MAX + 2);
    frame_free(&keyed);
    guest_close(&g);
    bench_close(&b);
}

static void acks_0_is_silent_and_a_refusal_closes(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    guest_ask(&g, make_produce("t", 0, 1, 0, &batch));
    bench_work(&b);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 1);
    CHECK(guest_reply(&g).data == NULL);
    CHECK(!g.connection->finishing);
    guest_ask(&g, make_produce("none", 0, 1, 0, &batch));
    bench_work(&b);
    CHECK(guest_reply(&g).data == NULL);
    CHECK(g.connection->finishing);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_duplicate_is_answered_with_the_original_offset(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    for (int32_t i = 0; i < 5; i++) {
        frame batch = make_batch(2, 10, 77, i * 2);
        CHECK(ask(&g, make_produce("t", 0, i, 1, &batch)).base_offset == i * 2);
        frame_free(&batch);
    }
    for (int32_t i = 0; i < 5; i++) {
        frame batch = make_batch(2, 10, 77, i * 2);
        produce_answer a = ask(&g, make_produce("t", 0, i, -1, &batch));
        CHECK(a.error == MG_KAFKA_NONE);
        CHECK(a.base_offset == i * 2);
        frame_free(&batch);
    }
    frame gap = make_batch(1, 10, 77, 90);
    CHECK(ask(&g, make_produce("t", 0, 1, 1, &gap)).error == MG_KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    frame_free(&gap);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 10);
    guest_close(&g);
    bench_close(&b);
}

static void a_duplicate_in_the_same_turn_too(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(3, 10, 5, 0);
    for (int32_t i = 0; i < 4; i++) guest_ask(&g, make_produce("t", 0, i, 1, &batch));
    bench_work(&b);
    for (int32_t i = 0; i < 4; i++) {
        frame reply = guest_wait(&g);
        CHECK(correlation_of(reply) == i);
        CHECK(read_produce(reply, 0).error == MG_KAFKA_NONE);
        CHECK(read_produce(reply, 0).base_offset == 0);
    }
    CHECK(mg_log_end_offset(b.place.logs[0]) == 3);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

/* S5 */
static void acks_all_waits_for_the_flush_and_acks_1_does_not(void)
{
    bench b;
    bench_open(&b, 2);
    gate_build(b.place.files);
    mg_log_config config = plain_log_config();
    mg_log *gated = place_add_log(&b.place, &config); /* its files stand behind the gate */
    CHECK(mg_partition_open(&b.partitions[2], gated, 0, b.pools, NULL) == MG_OK);
    b.partition_count++;
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&b, "t", &rules);
    guest slow = guest_open(&b);
    guest quick = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);

    gate_set(true);
    guest_ask(&slow, make_produce("t", 2, 1, -1, &batch));
    guest_ask(&slow, make_produce("t", 0, 2, 1, &batch)); /* waits behind it for its turn */
    bench_work(&b);
    while (mg_log_end_offset(gated) == 0) CHECK(bench_wait(&b, 5000));
    gate_wait_for_sync();
    guest_ask(&quick, make_produce("t", 2, 3, 1, &batch)); /* the same partition */
    bench_work(&b);
    CHECK(read_produce(guest_wait(&quick), 0).base_offset == 1);
    CHECK(guest_reply(&slow).data == NULL);
    CHECK(mg_log_durable_end(gated) == 0);
    gate_set(false);
    CHECK(correlation_of(guest_wait(&slow)) == 1);
    CHECK(mg_log_durable_end(gated) >= 1);
    CHECK(correlation_of(guest_wait(&slow)) == 2);
    frame_free(&batch);
    guest_close(&slow);
    guest_close(&quick);
    bench_close(&b);
}

static void a_flush_that_takes_too_long_times_out(void)
{
    bench b;
    bench_open(&b, 0);
    gate_build(b.place.files);
    mg_log_config config = plain_log_config();
    mg_log *gated = place_add_log(&b.place, &config);
    CHECK(mg_partition_open(&b.partitions[0], gated, 0, b.pools, NULL) == MG_OK);
    b.partition_count++;
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&b, "t", &rules);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    gate_set(true);
    guest_ask(&g, make_produce_to("t", 0, 1, 1, -1, 50, &batch));
    bench_work(&b);
    mg_session *session = g.connection->session;
    while (session->first->deadline.slot == 0) CHECK(bench_wait(&b, 5000));
    CHECK(session->first->deadline.due_ms == 50); /* the bench's clock stands at 0 */
    mg_reactor_remove_deadline(b.lane.reactor, &session->first->deadline);
    b.events.due(&b.lane, &session->first->deadline);
    CHECK(read_produce(guest_wait(&g), 0).error == MG_KAFKA_REQUEST_TIMED_OUT);
    gate_set(false);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_poisoned_log_answers_a_storage_error(void)
{
    bench b;
    bench_open(&b, 0);
    gate_build(b.place.files);
    mg_log_config config = plain_log_config();
    mg_log *gated = place_add_log(&b.place, &config);
    CHECK(mg_partition_open(&b.partitions[0], gated, 0, b.pools, NULL) == MG_OK);
    b.partition_count++;
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&b, "t", &rules);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    CHECK(ask(&g, make_produce("t", 0, 1, 1, &batch)).error == MG_KAFKA_NONE);
    atomic_store(&the_gate.sync_failure, MG_IO); /* the second kind of failure: a flush */
    CHECK(ask(&g, make_produce("t", 0, 2, -1, &batch)).error == MG_KAFKA_STORAGE_ERROR);
    atomic_store(&the_gate.sync_failure, MG_OK);
    CHECK(ask(&g, make_produce("t", 0, 3, 1, &batch)).error == MG_KAFKA_STORAGE_ERROR);
    CHECK(ask(&g, make_produce("t", 0, 4, -1, &batch)).error == MG_KAFKA_STORAGE_ERROR);
    guest_ask(&g, make_fetch("t", 5, fetch_from(0))); /* what is there can be read */
    CHECK(check_dense(read_fetch(guest_wait(&g)).records, 0) == 2);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

/* S6 */
static void the_steady_state_allocates_nothing(void)
{
    bench b;
    mg_log_config config = plain_log_config();
    bench_open_with(&b, false, 1, &config); /* files in memory grow by allocation */
    guest g = guest_open(&b);
    frame batch = make_batch(1, 100, -1, 0);
    frame f = make_produce("t", 0, 1, 1, &batch);
    size_t allocated = 0;
    for (int i = 0; i < STEADY_APPENDS + 100; i++) {
        if (i >= 100) allocations_begin();
        guest_send(&g, f);
        bench_work(&b);
        if (i >= 100) allocated += allocations_end();
        CHECK(read_produce(guest_wait(&g), 0).base_offset == i);
        mg_outbox *outbox = &g.connection->outbox;
        CHECK(outbox->pending == 0);
        outbox->begin = outbox->end = 0; /* as after a send */
    }
    CHECK(allocated == 0);
    frame_free(&f);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

int main(void)
{
    allocations_install();
    offsets_are_dense_and_records_come_back();
    what_is_refused_is_refused_by_kafkas_code();
    a_request_of_many_partitions_answers_each();
    the_ids_of_named_producers_are_not_for_clients();
    keys_are_wanted_of_compressed_records_too();
    who_has_enough_batches_opened_is_not_read_from();
    acks_0_is_silent_and_a_refusal_closes();
    a_duplicate_is_answered_with_the_original_offset();
    a_duplicate_in_the_same_turn_too();
    acks_all_waits_for_the_flush_and_acks_1_does_not();
    a_flush_that_takes_too_long_times_out();
    a_poisoned_log_answers_a_storage_error();
    the_steady_state_allocates_nothing();
    puts("produce_request_test: ok");
}
