/* The whole server over loopback sockets, with the test in the control plane's place. */
#include "server/server.h"

#include "kit/client.h"
#include "kit/gate.h"
#include "kit/place.h"
#include "server/kafka_error.h"

#include <poll.h>
#include <time.h>

enum {
    PARTITIONS = 3,
    PRODUCERS = 4,
    BATCHES = 1500, /* of each producer */
    WINDOW = 32,    /* requests under way on one connection */
};

typedef struct stage {
    place place;
    mg_server *server;
    mg_partition *partitions[PARTITIONS];
    uint16_t port;
    pthread_t control;
    atomic_bool stopping;
    atomic_int removed;
    atomic_int failed;
    atomic_int full; /* partitions that were told full and not yet roomy */
    atomic_int appended;
    _Atomic int64_t appended_offset;
    atomic_int appended_error;
} stage;

/* The control plane: echoes the body of every request. */
static void *run_control(void *argument)
{
    stage *s = argument;
    while (!atomic_load(&s->stopping)) {
        struct pollfd p = {.fd = mg_server_event_fd(s->server), .events = POLLIN};
        (void)poll(&p, 1, 5);
        mg_server_event event;
        while (mg_server_take(s->server, &event)) {
            switch (event.kind) {
            case MG_EVENT_REQUEST:
                mg_control_reply(event.request, event.request->body.data,
                                 event.request->body.size);
                break;
            case MG_EVENT_APPENDED:
                atomic_store(&s->appended_offset, event.base_offset);
                atomic_store(&s->appended_error, event.error);
                atomic_fetch_add(&s->appended, 1);
                break;
            case MG_EVENT_REMOVED:
                atomic_fetch_add(&s->removed, 1);
                break;
            case MG_EVENT_PARTITION_FAILED:
                CHECK(event.failure.status != MG_OK);
                atomic_fetch_add(&s->failed, 1);
                break;
            case MG_EVENT_PARTITION_FULL:
                atomic_fetch_add(&s->full, 1);
                break;
            case MG_EVENT_PARTITION_HAS_ROOM:
                atomic_fetch_sub(&s->full, 1);
                break;
            case MG_EVENT_PARTITION_ADVANCED:
                break;
            }
        }
    }
    return NULL;
}

static void start_control(stage *s)
{
    atomic_store(&s->stopping, false);
    CHECK(pthread_create(&s->control, NULL, run_control, s) == 0);
}

/* The server's calls belong to the control plane's thread: it rests while the test makes one. */
static void stop_control(stage *s)
{
    atomic_store(&s->stopping, true);
    pthread_join(s->control, NULL);
}

static void publish(stage *s, bool with_topic)
{
    const mg_topic_rules rules = {.batch_size_max = 1 << 20,
                                  .insync_min = 1,
                                  .timestamp_before_max_ms = INT64_MAX,
                                  .timestamp_after_max_ms = INT64_MAX};
    const uint8_t id[MG_UUID_SIZE] = {1};
    mg_span name = {.data = (const uint8_t *)"t", .size = 1};
    if (with_topic) {
        mg_topic *topic = mg_topic_create(name, id, &rules, PARTITIONS);
        CHECK(topic != NULL);
        for (int i = 0; i < PARTITIONS; i++) topic->partitions[i] = s->partitions[i];
        CHECK(mg_server_set_topic(s->server, topic) == MG_OK);
    } else {
        CHECK(mg_server_remove_topic(s->server, name) == MG_OK);
    }
    uint64_t version;
    CHECK(mg_server_publish(s->server, &version) == MG_OK);
}

static mg_server_config plain_server_config(void)
{
    return (mg_server_config){.reactor_count = 2,
                              .flusher_count = 2,
                              .frame_size_max = 4 << 20,
                              .connections_max = 100,
                              .idle_timeout_ms = 1 << 30,
                              .greeting_timeout_ms = 1 << 30,
                              .request_memory_max = 64 << 20,
                              .fetch_size_max = 8 << 20,
                              .fetch_sessions_max = 100};
}

static void stage_open(stage *s, const mg_log_config *log_config)
{
    *s = (stage){0};
    place_open(&s->place, false);
    gate_build(s->place.files);
    mg_server_config config = plain_server_config();
    mg_error error = {0};
    CHECK(mg_server_open(&s->server, &config, &error) == MG_OK);
    for (int i = 0; i < PARTITIONS; i++) {
        mg_log *log = place_add_log(&s->place, log_config);
        CHECK(mg_server_add_partition(s->server, log, 0, &s->partitions[i], &error) == MG_OK);
    }
    publish(s, true);
    CHECK(mg_server_listen(s->server, "127.0.0.1", 0, &s->port, &error) == MG_OK);
    CHECK(s->port != 0);
    CHECK(mg_server_start(s->server, &error) == MG_OK);
    start_control(s);
}

static void stage_close(stage *s)
{
    stop_control(s);
    mg_server_close(s->server);
    place_close(&s->place);
}

static void stage_open_plain(stage *s)
{
    mg_log_config config = plain_log_config();
    stage_open(s, &config);
}

static produce_answer produce(int fd, int32_t partition, int16_t acks)
{
    frame batch = make_batch(1, 50, -1, 0);
    client_ask(fd, make_produce("t", partition, 1, acks, &batch));
    frame_free(&batch);
    frame reply = client_reply(fd);
    produce_answer answer = read_produce(reply, 0);
    frame_free(&reply);
    return answer;
}

static fetch_answer fetch(int fd, fetch_wish wish, frame *reply)
{
    client_ask(fd, make_fetch("t", 1, wish));
    *reply = client_reply(fd);
    return read_fetch(*reply);
}

/* ---- ---- */

static void every_kind_of_request_is_answered(void)
{
    stage s;
    stage_open_plain(&s);
    int fd = client_connect(s.port);
    client_ask(fd, make_control(5, "hello"));
    frame reply = client_reply(fd);
    CHECK(correlation_of(reply) == 5);
    CHECK(reply.size == 13 && memcmp(reply.data + 8, "hello", 5) == 0);
    frame_free(&reply);
    for (int i = 0; i < 4; i++) CHECK(produce(fd, 0, i % 2 == 0 ? 1 : -1).base_offset == i);
    fetch_answer a = fetch(fd, fetch_from(0), &reply);
    CHECK(check_dense(a.records, 0) == 4);
    frame_free(&reply);
    close(fd);
    mg_server_counters counters = mg_server_count(s.server);
    CHECK(counters.produce_requests == 4);
    CHECK(counters.fetch_requests == 1);
    CHECK(counters.control_requests == 1);
    CHECK(counters.connections_accepted == 1);
    stage_close(&s);
}

static void large_fetches_come_from_the_files_in_order(void)
{
    stage s;
    mg_log_config config = plain_log_config();
    config.segment_size_max = 300 * 1000;
    stage_open(&s, &config);
    int fd = client_connect(s.port);
    frame batch = make_batch(1, 40000, -1, 0);
    for (int32_t i = 0; i < 50; i++) client_ask(fd, make_produce("t", 0, i, 1, &batch));
    for (int32_t i = 0; i < 50; i++) {
        frame reply = client_reply(fd);
        CHECK(read_produce(reply, 0).base_offset == i);
        frame_free(&reply);
    }
    frame_free(&batch);
    for (int64_t offset = 0; offset < 50;) {
        frame reply;
        fetch_answer a = fetch(fd, fetch_from(offset), &reply);
        CHECK(a.records.size > 0);
        offset = check_dense(a.records, offset);
        frame_free(&reply);
    }
    close(fd);
    stage_close(&s);
}

typedef struct producer {
    pthread_t thread;
    stage *stage;
    int32_t partition;
    int16_t acks;
    bool may_be_refused;
    int64_t last_offset;
    int refused;
    bool *seen; /* offsets of the partition, shared */
} producer;

static void *run_producer(void *argument)
{
    producer *p = argument;
    int fd = client_connect(p->stage->port);
    frame batch = make_batch(1, 60, -1, 0);
    int sent = 0;
    for (int answered = 0; answered < BATCHES; answered++) {
        while (sent < BATCHES && sent - answered < WINDOW)
            client_ask(fd, make_produce("t", p->partition, sent++, p->acks, &batch));
        frame reply = client_reply(fd);
        CHECK(reply.data != NULL);
        CHECK(correlation_of(reply) == answered);
        produce_answer a = read_produce(reply, 0);
        frame_free(&reply);
        if (a.error != MG_KAFKA_NONE) {
            CHECK(p->may_be_refused);
            CHECK(a.error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
            p->refused++;
            continue;
        }
        CHECK(p->refused == 0);
        CHECK(a.base_offset > p->last_offset);
        p->last_offset = a.base_offset;
        CHECK(!p->seen[a.base_offset]);
        p->seen[a.base_offset] = true;
    }
    frame_free(&batch);
    close(fd);
    return NULL;
}

static void produce_from_everywhere(stage *s, producer *producers, bool *seen, bool may_be_refused)
{
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (producer){.stage = s,
                                  .acks = i % 2 == 0 ? 1 : -1,
                                  .last_offset = -1,
                                  .may_be_refused = may_be_refused,
                                  .seen = seen};
        CHECK(pthread_create(&producers[i].thread, NULL, run_producer, &producers[i]) == 0);
    }
}

/* P1: the connections lie on different reactors; the segments are tiny. */
static void reactors_append_to_one_partition_and_lose_nothing(int64_t segment_size_max)
{
    stage s;
    mg_log_config config = plain_log_config();
    config.segment_size_max = segment_size_max;
    stage_open(&s, &config);
    producer producers[PRODUCERS];
    bool *seen = calloc(PRODUCERS * BATCHES, 1);
    CHECK(seen != NULL);
    produce_from_everywhere(&s, producers, seen, false);
    /* A consumer follows them, waiting for each. */
    int fd = client_connect(s.port);
    for (int64_t offset = 0; offset < PRODUCERS * BATCHES;) {
        fetch_wish wish = fetch_from(offset);
        wish.max_wait_ms = 5000;
        frame reply;
        fetch_answer a = fetch(fd, wish, &reply);
        CHECK(a.partition_error == MG_KAFKA_NONE);
        CHECK(a.records.size > 0);
        offset = check_dense(a.records, offset);
        CHECK(a.high_watermark >= offset);
        frame_free(&reply);
    }
    for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i].thread, NULL);
    for (int i = 0; i < PRODUCERS * BATCHES; i++) CHECK(seen[i]);
    CHECK(mg_log_durable_end(s.place.logs[0]) > producers[1].last_offset);
    CHECK(mg_log_durable_end(s.place.logs[0]) > producers[3].last_offset);
    if (segment_size_max < 1 << 20) CHECK(mg_log_segment_count(s.place.logs[0]) > 10);
    free(seen);
    close(fd);
    stage_close(&s);
}

static int64_t now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_fetch_waits_for_its_deadline(void)
{
    stage s;
    stage_open_plain(&s);
    int fd = client_connect(s.port);
    fetch_wish wish = fetch_from(0);
    wish.max_wait_ms = 80;
    int64_t asked_ms = now_ms();
    client_ask(fd, make_fetch("t", 1, wish));
    frame reply = client_reply(fd);
    CHECK(now_ms() - asked_ms >= 80 - 1); /* the reactor's clock is read once a turn */
    fetch_answer a = read_fetch(reply);
    CHECK(a.partition_count == 1);
    CHECK(a.records_size == 0);
    frame_free(&reply);
    close(fd);
    stage_close(&s);
}

static void a_fetch_on_another_reactor_is_woken(void)
{
    stage s;
    stage_open_plain(&s);
    int consumers[4];
    for (int i = 0; i < 4; i++) {
        consumers[i] = client_connect(s.port);
        fetch_wish wish = fetch_from(0);
        wish.max_wait_ms = 15000;
        wish.partition_count = PARTITIONS;
        client_ask(consumers[i], make_fetch("t", 1, wish));
    }
    usleep(5000);
    int fd = client_connect(s.port);
    CHECK(produce(fd, 1, 1).error == MG_KAFKA_NONE);
    for (int i = 0; i < 4; i++) {
        frame reply = client_reply(consumers[i]);
        CHECK(check_dense(read_fetch(reply).records, 0) == 1);
        frame_free(&reply);
        close(consumers[i]);
    }
    close(fd);
    stage_close(&s);
}

/* S5 */
static void a_flush_keeps_nobody_but_those_who_asked_for_it(void)
{
    stage s;
    stage_open_plain(&s);
    int patient[3];
    int quick = client_connect(s.port);
    CHECK(produce(quick, 0, 1).base_offset == 0);
    gate_set(true);
    frame batch = make_batch(1, 50, -1, 0);
    for (int i = 0; i < 3; i++) {
        patient[i] = client_connect(s.port);
        client_ask(patient[i], make_produce("t", 0, 1, -1, &batch));
    }
    gate_wait_for_sync();
    for (int i = 0; i < 20; i++) CHECK(produce(quick, 0, 1).error == MG_KAFKA_NONE);
    for (int i = 0; i < 3; i++) CHECK(client_hears_nothing(patient[i], 5));
    gate_set(false);
    for (int i = 0; i < 3; i++) {
        frame reply = client_reply(patient[i]);
        produce_answer a = read_produce(reply, 0);
        CHECK(a.error == MG_KAFKA_NONE);
        CHECK(mg_log_durable_end(s.place.logs[0]) > a.base_offset);
        frame_free(&reply);
        close(patient[i]);
    }
    frame_free(&batch);
    close(quick);
    stage_close(&s);
}

static void the_control_plane_appends_too(void)
{
    stage s;
    stage_open_plain(&s);
    frame batch = make_batch(3, 20, -1, 0);
    mg_span bytes = {.data = batch.data, .size = batch.size};
    for (int i = 0; i < 10; i++) {
        stop_control(&s);
        CHECK(mg_server_append(s.server, s.partitions[2], bytes, 9, i % 2 == 0, 1000) == MG_OK);
        start_control(&s);
        while (atomic_load(&s.appended) == i) usleep(100);
        CHECK(atomic_load(&s.appended_error) == 0);
        CHECK(atomic_load(&s.appended_offset) == i * 3);
        if (i % 2 == 0) CHECK(mg_log_durable_end(s.place.logs[2]) >= i * 3 + 3);
    }
    stop_control(&s);
    batch.data[batch.size - 1] ^= 1;
    CHECK(mg_server_append(s.server, s.partitions[2], bytes, 9, true, 1000) == MG_CORRUPT);
    start_control(&s);
    frame_free(&batch);
    stage_close(&s);
}

/* S8: requests of every kind are at the partition while it goes. */
static void a_partition_is_removed_under_load(void)
{
    stage s;
    mg_log_config config = plain_log_config();
    config.segment_size_max = 20000;
    stage_open(&s, &config);
    producer producers[PRODUCERS];
    bool *seen = calloc(PRODUCERS * BATCHES, 1);
    CHECK(seen != NULL);
    produce_from_everywhere(&s, producers, seen, true);
    int consumer = client_connect(s.port);
    fetch_wish wish = fetch_from(0);
    wish.partition_count = PARTITIONS;
    wish.max_wait_ms = 15000;
    wish.min_bytes = 1 << 30;
    client_ask(consumer, make_fetch("t", 1, wish));
    while (mg_log_end_offset(s.place.logs[0]) < 500) usleep(100);
    stop_control(&s);
    publish(&s, false);
    for (uint64_t i = 0; i < PARTITIONS; i++)
        CHECK(mg_server_remove_partition(s.server, s.partitions[i], i) == MG_OK);
    CHECK(mg_server_append(s.server, s.partitions[0], (mg_span){0}, 1, true, 0) == MG_CLOSED);
    start_control(&s);
    frame reply = client_reply(consumer);
    CHECK(read_fetch(reply).partition_error == MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    frame_free(&reply);
    while (atomic_load(&s.removed) < PARTITIONS) usleep(100);
    for (int i = 0; i < s.place.log_count; i++) mg_log_abandon(s.place.logs[i]); /* nobody's now */
    s.place.log_count = 0;
    for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i].thread, NULL);
    free(seen);
    close(consumer);
    stage_close(&s);
}

static void a_full_disk_is_told_and_so_is_its_end(void)
{
    stage s;
    stage_open_plain(&s);
    int fd = client_connect(s.port);
    atomic_store(&the_gate.reserve_failure, MG_NO_SPACE);
    CHECK(produce(fd, 0, 1).error == MG_KAFKA_STORAGE_ERROR);
    while (atomic_load(&s.full) != 1) usleep(100);
    CHECK(produce(fd, 0, 1).error == MG_KAFKA_STORAGE_ERROR);
    usleep(10000);
    CHECK(atomic_load(&s.full) == 1); /* once, however many are refused */
    atomic_store(&the_gate.reserve_failure, MG_OK);
    CHECK(produce(fd, 0, -1).base_offset == 0);
    while (atomic_load(&s.full) != 0) usleep(100);
    CHECK(atomic_load(&s.failed) == 0);
    close(fd);
    stage_close(&s);
}

static void a_poisoned_log_is_told_once_and_still_read(void)
{
    stage s;
    stage_open_plain(&s);
    int fd = client_connect(s.port);
    CHECK(produce(fd, 0, 1).base_offset == 0);
    atomic_store(&the_gate.write_failure, MG_IO);
    CHECK(produce(fd, 0, 1).error == MG_KAFKA_STORAGE_ERROR);
    atomic_store(&the_gate.write_failure, MG_OK);
    CHECK(produce(fd, 0, -1).error == MG_KAFKA_STORAGE_ERROR);
    CHECK(produce(fd, 1, -1).error == MG_KAFKA_NONE);
    frame reply;
    fetch_answer a = fetch(fd, fetch_from(0), &reply);
    CHECK(check_dense(a.records, 0) == 1);
    frame_free(&reply);
    while (atomic_load(&s.failed) == 0) usleep(100);
    CHECK(produce(fd, 0, 1).error == MG_KAFKA_STORAGE_ERROR);
    usleep(10000);
    CHECK(atomic_load(&s.failed) == 1);
    close(fd);
    stage_close(&s);
}

static void hostile_sizes_close_and_take_no_memory(void)
{
    stage s;
    stage_open_plain(&s);
    const uint8_t sizes[][4] = {
        {0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}, {0x7f, 0xff, 0xff, 0xff}, {0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int fd = client_connect(s.port);
        client_send(fd, sizes[i], 4);
        CHECK(client_sees_close(fd));
        close(fd);
    }
    CHECK(mg_server_count(s.server).refused_frames == 4);
    stage_close(&s);
}

static void one_byte_at_a_time_is_as_good_as_all(void)
{
    stage s;
    stage_open_plain(&s);
    int fd = client_connect(s.port);
    frame batch = make_batch(1, 10, -1, 0);
    for (int32_t i = 0; i < 3; i++) {
        frame f = i == 1 ? make_control(i, "x") : make_produce("t", 0, i, 1, &batch);
        for (size_t k = 0; k < f.size; k++) client_send(fd, f.data + k, 1);
        frame_free(&f);
    }
    for (int32_t i = 0; i < 3; i++) {
        frame reply = client_reply(fd);
        CHECK(correlation_of(reply) == i);
        frame_free(&reply);
    }
    frame_free(&batch);
    close(fd);
    stage_close(&s);
}

static void draining_answers_what_was_taken_in(void)
{
    stage s;
    stage_open_plain(&s);
    int waiting = client_connect(s.port);
    fetch_wish wish = fetch_from(0);
    wish.max_wait_ms = 15000;
    client_ask(waiting, make_fetch("t", 1, wish));
    int flushing = client_connect(s.port);
    CHECK(produce(flushing, 1, 1).error == MG_KAFKA_NONE);
    gate_set(true);
    frame batch = make_batch(1, 50, -1, 0);
    client_ask(flushing, make_produce("t", 1, 2, -1, &batch));
    frame_free(&batch);
    gate_wait_for_sync();
    while (mg_server_count(s.server).fetch_requests == 0) usleep(100);
    gate_set(false);
    mg_server_drain(s.server, 15000);
    frame reply = client_reply(waiting);
    CHECK(read_fetch(reply).partition_count == 1);
    frame_free(&reply);
    reply = client_reply(flushing);
    CHECK(read_produce(reply, 0).error == MG_KAFKA_NONE);
    frame_free(&reply);
    CHECK(client_sees_close(waiting));
    CHECK(client_sees_close(flushing));
    close(waiting);
    close(flushing);
    stage_close(&s);
}

/* S4: at no moment may the end find something that leaks, or that speaks to what is gone. */
static void closing_under_load_is_clean(void)
{
    for (int round = 0; round < 6; round++) {
        stage s;
        mg_log_config config = plain_log_config();
        config.segment_size_max = 3000;
        stage_open(&s, &config);
        int fds[6];
        frame batch = make_batch(1, 100, -1, 0);
        for (int i = 0; i < 6; i++) {
            fds[i] = client_connect(s.port);
            for (int32_t k = 0; k < 100; k++) {
                client_ask(fds[i], make_produce("t", i % PARTITIONS, k, -1, &batch));
                if (k == 50 && i == 5) client_ask(fds[i], make_control(k, "x"));
            }
            fetch_wish wish = fetch_from(0);
            wish.max_wait_ms = 10000;
            wish.min_bytes = 1 << 30;
            if (i % 2 == 0) client_ask(fds[i], make_fetch("t", 7, wish));
        }
        usleep((useconds_t)round * 700);
        stop_control(&s);
        publish(&s, false);
        if (round % 2 == 0)
            CHECK(mg_server_remove_partition(s.server, s.partitions[0], 1) == MG_OK);
        mg_server_close(s.server);
        frame_free(&batch);
        for (int i = 0; i < 6; i++) close(fds[i]);
        place_close(&s.place);
    }
}

static void a_port_in_use_is_an_error(void)
{
    stage s;
    stage_open_plain(&s);
    mg_server_config config = plain_server_config();
    mg_server *other;
    mg_error error = {0};
    uint16_t port;
    CHECK(mg_server_open(&other, &config, &error) == MG_OK);
    CHECK(mg_server_listen(other, "127.0.0.1", s.port, &port, &error) == MG_BUSY);
    CHECK(mg_server_listen(other, "no.such.host.invalid", 0, &port, &error) == MG_NOT_FOUND);
    mg_server_close(other);
    stage_close(&s);
}

int main(void)
{
    every_kind_of_request_is_answered();
    large_fetches_come_from_the_files_in_order();
    reactors_append_to_one_partition_and_lose_nothing(1 << 30);
    reactors_append_to_one_partition_and_lose_nothing(20000);
    a_fetch_waits_for_its_deadline();
    a_fetch_on_another_reactor_is_woken();
    a_flush_keeps_nobody_but_those_who_asked_for_it();
    the_control_plane_appends_too();
    a_partition_is_removed_under_load();
    a_full_disk_is_told_and_so_is_its_end();
    a_poisoned_log_is_told_once_and_still_read();
    hostile_sizes_close_and_take_no_memory();
    one_byte_at_a_time_is_as_good_as_all();
    draining_answers_what_was_taken_in();
    closing_under_load_is_clean();
    a_port_in_use_is_an_error();
    puts("server_test: ok");
}
