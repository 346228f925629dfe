/* topics.c -- creates and deletes the topic of a load, as any broker since Kafka 4.0 understands
 * it: CreateTopics 2, ListOffsets 1, DeleteTopics 1. A topic counts as created when the leader of
 * each partition answers for it: Kafka's answer to CreateTopics comes a little earlier. */
#include "load/connection.h"
#include "load/frames.h"
#include "load/loads.h"
#include "load/meter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CREATE_VERSION = 2,
    LIST_OFFSETS_VERSION = 1,
    DELETE_VERSION = 1,
    TIMEOUT_MS = 30000,
    PAUSE_MS = 5,
    ROOM = 16 * 1024,
};

static void write_span(mg_writer *writer, const char *data, size_t size)
{
    mg_write_i16(writer, (int16_t)size);
    mg_write_bytes(writer, data, size);
}

/* "name=value,name=value" as an array of pairs. */
static void write_configs(mg_writer *writer, const char *configs)
{
    int32_t count = *configs == '\0' ? 0 : 1;
    for (const char *c = configs; *c != '\0'; c++)
        count += *c == ',';
    mg_write_i32(writer, count);
    for (int32_t i = 0; i < count; i++) {
        size_t size = strcspn(configs, ",");
        const char *equals = memchr(configs, '=', size);
        if (equals == NULL) die("--configs: name=value");
        write_span(writer, configs, (size_t)(equals - configs));
        write_span(writer, equals + 1, (size_t)(configs + size - equals - 1));
        configs += size + 1;
    }
}

static int16_t offset_error(const load_options *options, int fd, int partition)
{
    uint8_t room[ROOM];
    mg_writer writer = mg_writer_over(room, sizeof room);
    frame_begin(&writer, API_LIST_OFFSETS, LIST_OFFSETS_VERSION, 1, false);
    mg_write_i32(&writer, -1); /* a consumer */
    mg_write_i32(&writer, 1);
    frame_string(&writer, false, options->topic);
    mg_write_i32(&writer, 1);
    mg_write_i32(&writer, partition);
    mg_write_i64(&writer, -1); /* the end */
    frame_end(&writer, 0);
    uint8_t answer_room[ROOM];
    mg_cursor answer = connection_exchange(fd, &writer, answer_room, sizeof answer_room);
    (void)mg_read_i32(&answer);
    (void)mg_read_span(&answer, mg_read_i16(&answer));
    (void)mg_read_i32(&answer);
    (void)mg_read_i32(&answer);
    int16_t error = mg_read_i16(&answer);
    if (!mg_cursor_ok(&answer)) die("the broker does not answer ListOffsets");
    return error;
}

static void wait_usable(const load_options *options, int fd)
{
    int64_t give_up_ns = now_ns() + (int64_t)TIMEOUT_MS * 1000000;
    for (int partition = 0; partition < options->partitions; partition++) {
        while (offset_error(options, fd, partition) != 0) {
            if (now_ns() > give_up_ns) die("partition %d has no leader", partition);
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
        }
    }
}

static int finish(const load_options *options, const mg_writer *request, const char *verb,
                  bool waits)
{
    uint8_t room[ROOM];
    int fd = connection_open(options);
    mg_cursor answer = connection_exchange(fd, request, room, sizeof room);
    (void)mg_read_i32(&answer); /* throttling */
    int32_t count = mg_read_i32(&answer);
    (void)mg_read_span(&answer, mg_read_i16(&answer));
    int16_t error = mg_read_i16(&answer);
    if (!mg_cursor_ok(&answer) || count != 1) die("%s: no answer", verb);
    if (waits && error == 0) wait_usable(options, fd);
    close(fd);
    printf("{\"load\": \"%s\", \"topic\": \"%s\", \"error\": %d}\n", verb, options->topic, error);
    return error == 0 ? 0 : 1;
}

int run_create(const load_options *options)
{
    uint8_t room[ROOM];
    mg_writer writer = mg_writer_over(room, sizeof room);
    frame_begin(&writer, API_CREATE_TOPICS, CREATE_VERSION, 1, false);
    mg_write_i32(&writer, 1);
    frame_string(&writer, false, options->topic);
    mg_write_i32(&writer, options->partitions);
    mg_write_i16(&writer, 1); /* replica */
    mg_write_i32(&writer, 0); /* no assignment by hand */
    write_configs(&writer, options->configs);
    mg_write_i32(&writer, TIMEOUT_MS);
    mg_write_i8(&writer, 0); /* not only to validate */
    frame_end(&writer, 0);
    return finish(options, &writer, "create", true);
}

int run_delete(const load_options *options)
{
    uint8_t room[ROOM];
    mg_writer writer = mg_writer_over(room, sizeof room);
    frame_begin(&writer, API_DELETE_TOPICS, DELETE_VERSION, 1, false);
    mg_write_i32(&writer, 1);
    frame_string(&writer, false, options->topic);
    mg_write_i32(&writer, TIMEOUT_MS);
    frame_end(&writer, 0);
    return finish(options, &writer, "delete", false);
}
