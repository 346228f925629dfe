/* The lane: a baton ends every wait at a partition, letters that come late find nobody. */
#include "server/lane.h"

#include "server/baton.h"
#include "server/kafka_error.h"

#include "kit/bench.h"
#include "kit/gate.h"

static void send_round(bench *b, mg_baton *baton, unsigned rounds)
{
    mg_baton_pass_on(baton, (unsigned)-1);
    bench_work(b);
    CHECK(mg_mailbox_take(&b->control) == &baton->letter);
    CHECK(baton->letter.kind == MG_LETTER_CONTROL_BATON);
    CHECK(baton->rounds == rounds);
}

/* S8 */
static void after_a_baton_nobody_waits_for_the_partition(void)
{
    bench b;
    bench_open(&b, 1);
    gate_build(b.place.files);
    mg_log_config config = plain_log_config();
    mg_log *gated = place_add_log(&b.place, &config);
    CHECK(mg_partition_open(&b.partitions[1], gated, 0, b.pools, NULL) == MG_OK);
    b.partition_count++;
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&b, "t", &rules);
    guest producer = guest_open(&b);
    guest consumer = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    fetch_wish wish = fetch_from(0);
    wish.partition_count = 2;
    wish.max_wait_ms = 10000;
    wish.min_bytes = 1 << 20;
    guest_ask(&consumer, make_fetch("t", 1, wish));
    gate_set(true);
    guest_ask(&producer, make_produce("t", 1, 2, -1, &batch));
    bench_work(&b);
    while (mg_log_end_offset(gated) == 0) CHECK(bench_wait(&b, 5000));
    gate_wait_for_sync();
    CHECK(guest_reply(&producer).data == NULL);

    bench_publish(&b, NULL, "t");
    mg_baton baton = {.group = &b.group, .home = &b.control, .partition = b.partitions[1]};
    mg_partition_shut(b.partitions[1]);
    send_round(&b, &baton, 1);
    CHECK(read_produce(guest_reply(&producer), 0).error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK(read_fetch(guest_reply(&consumer)).partition_error ==
          MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK(!mg_partition_is_quiet(b.partitions[1])); /* the flush is still under way */
    gate_set(false);
    while (!mg_partition_is_quiet(b.partitions[1])) usleep(100);
    send_round(&b, &baton, 2);
    mg_partition_close(b.partitions[1]);
    b.partition_count--;
    bench_work(&b); /* the other partition goes on */
    frame_free(&batch);
    guest_close(&producer);
    guest_close(&consumer);
    bench_close(&b);
}

static void a_fetch_that_is_warmed_keeps_the_partition(void)
{
    bench b;
    bench_open(&b, 0);
    gate_build(b.place.files);
    mg_log_config config = plain_log_config();
    mg_log *log = place_add_log(&b.place, &config);
    CHECK(mg_partition_open(&b.partitions[0], log, 0, b.pools, NULL) == MG_OK);
    b.partition_count++;
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&b, "t", &rules);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    guest_ask(&g, make_produce("t", 0, 2, 1, &batch));
    bench_work(&b);
    (void)guest_wait(&g);
    while (!mg_partition_is_quiet(b.partitions[0])) usleep(100);
    mg_partition_retain(b.partitions[0]); /* as a fetch does while a worker reads for it */
    mg_partition_shut(b.partitions[0]);
    usleep(1000);
    CHECK(!mg_partition_is_quiet(b.partitions[0]));
    mg_partition_release(b.partitions[0]);
    while (!mg_partition_is_quiet(b.partitions[0])) usleep(100);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_baton_waits_for_no_image_and_takes_the_newest(void)
{
    bench b;
    bench_open(&b, 1);
    uint64_t before = b.lane.image->version;
    mg_image *previous = atomic_load(&b.published);
    mg_image *next = NULL;
    CHECK(mg_image_draft_publish(&b.draft, previous, &next) == MG_OK);
    atomic_store(&b.published, next);
    mg_baton baton = {.group = &b.group, .home = &b.control, .image = previous};
    send_round(&b, &baton, 1);
    CHECK(b.lane.image->version == before + 1);
    mg_image_free(previous);
    bench_close(&b);
}

static void a_watch_is_made_once(void)
{
    bench b;
    bench_open(&b, 2);
    mg_lane_watch *watch = mg_lane_watch_at(&b.lane, b.partitions[0]);
    CHECK(watch != NULL);
    CHECK(mg_lane_watch_at(&b.lane, b.partitions[0]) == watch);
    CHECK(mg_lane_watch_at(&b.lane, b.partitions[1]) != watch);
    mg_lane_touch_watch(&b.lane, watch);
    mg_lane_touch_watch(&b.lane, watch);
    CHECK(b.lane.touched == watch);
    CHECK(watch->touched_next == NULL);
    bench_work(&b);
    CHECK(b.lane.touched == NULL);
    bench_close(&b);
}

static void many_partitions_are_drained_in_one_turn(void)
{
    bench b;
    bench_open(&b, 4);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    for (int32_t i = 0; i < 400; i++) guest_ask(&g, make_produce("t", i % 4, i, 1, &batch));
    bench_work(&b);
    for (int32_t i = 0; i < 400; i++) {
        frame reply = guest_wait(&g);
        CHECK(correlation_of(reply) == i);
        CHECK(read_produce(reply, 0).base_offset == i / 4);
    }
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

int main(void)
{
    after_a_baton_nobody_waits_for_the_partition();
    a_fetch_that_is_warmed_keeps_the_partition();
    a_baton_waits_for_no_image_and_takes_the_newest();
    a_watch_is_made_once();
    many_partitions_are_drained_in_one_turn();
    puts("lane_test: ok");
}
