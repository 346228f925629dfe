/* first_ack.c -- how long a broker takes from its start to the first acknowledged record: connects
 * until it is let in, has the topic created by asking for its metadata, produces one record. */
#include "load/connection.h"
#include "load/frames.h"
#include "load/loads.h"
#include "load/meter.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, PAUSE_US = 500, GIVE_UP_SECONDS = 60 };

static void pause_briefly(int64_t started_ns)
{
    if (now_ns() - started_ns > (int64_t)GIVE_UP_SECONDS * 1000000000) {
        die("nothing acknowledged in %d seconds", GIVE_UP_SECONDS);
    }
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000}, NULL);
}

/* Metadata 4: throttling, brokers, cluster, controller, topics { error name internal
 * partitions { error … } }. True: the topic's first partition has no error. */
static bool topic_is_ready(mg_cursor answer)
{
    (void)mg_read_i32(&answer);
    int32_t broker_count = mg_read_i32(&answer);
    for (int32_t i = 0; i < broker_count && mg_cursor_ok(&answer); i++) {
        (void)mg_read_i32(&answer);
        (void)mg_read_span(&answer, mg_read_i16(&answer));
        (void)mg_read_i32(&answer);
        int16_t rack_size = mg_read_i16(&answer);
        if (rack_size > 0) (void)mg_read_span(&answer, rack_size);
    }
    int16_t cluster_size = mg_read_i16(&answer);
    if (cluster_size > 0) (void)mg_read_span(&answer, cluster_size);
    (void)mg_read_i32(&answer);
    if (mg_read_i32(&answer) != 1) return false;
    int16_t topic_error = mg_read_i16(&answer);
    (void)mg_read_span(&answer, mg_read_i16(&answer));
    (void)mg_read_i8(&answer);
    int32_t partition_count = mg_read_i32(&answer);
    int16_t partition_error = mg_read_i16(&answer);
    return mg_cursor_ok(&answer) && topic_error == 0 && partition_count > 0 && partition_error == 0;
}

/* Produce 7: topics { name partitions { index error … } }. */
static bool is_acknowledged(mg_cursor answer)
{
    int32_t topic_count = mg_read_i32(&answer);
    (void)mg_read_span(&answer, mg_read_i16(&answer));
    (void)mg_read_i32(&answer);
    (void)mg_read_i32(&answer);
    int16_t error = mg_read_i16(&answer);
    return mg_cursor_ok(&answer) && topic_count == 1 && error == 0;
}

int run_first_ack(const load_options *options)
{
    int64_t begun_ns = now_ns();
    int64_t since_ns = options->since_ns != 0 ? options->since_ns : begun_ns;
    load_options one = *options;
    one.records_per_batch = 1;
    static uint8_t request[ROOM];
    static uint8_t room[ROOM];
    static uint8_t batch_room[ROOM];
    mg_span batch = batch_build(&one, batch_room, sizeof batch_room);
    int64_t accepted_ns = 0;
    for (;; pause_briefly(begun_ns)) {
        int fd = connection_try(options);
        if (fd < 0) continue;
        if (accepted_ns == 0) accepted_ns = now_ns();
        mg_writer writer = mg_writer_over(request, sizeof request);
        frame_metadata(&writer, options);
        bool done = topic_is_ready(connection_exchange(fd, &writer, room, sizeof room));
        if (done) {
            writer = mg_writer_over(request, sizeof request);
            frame_produce(&writer, &one, PRODUCE_VERSION_DEFAULT, 2, 0, batch);
            done = is_acknowledged(connection_exchange(fd, &writer, room, sizeof room));
        }
        close(fd);
        if (done) break;
    }
    int64_t done_ns = now_ns();
    printf("{\"load\": \"first-ack\", \"accepted_ms\": %.1f, \"ms\": %.1f}\n",
           (double)(accepted_ns - since_ns) / 1e6, (double)(done_ns - since_ns) / 1e6);
    return 0;
}
