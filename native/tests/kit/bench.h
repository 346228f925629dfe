/* bench.h -- one lane by hand: a reactor that is never started, a connection that nobody reads
 * from, and the test in the place of the poller.
 *
 * Everything happens on the test's thread but the jobs of the pools, so that what a unit does in
 * one step can be seen. Bytes are shown to the session as mg_connection would show them; what it
 * answers lies in the connection's outbox.
 */
#ifndef MG_TESTS_KIT_BENCH_H
#define MG_TESTS_KIT_BENCH_H

#include "server/control.h"
#include "server/session.h"

#include "kit/codecs.h"
#include "kit/frames.h"
#include "kit/place.h"

#include <poll.h>
#include <sys/socket.h>

enum { BENCH_PARTITIONS_MAX = 4 };

typedef struct bench {
    place place;
    mg_reactor_group group;
    mg_lane lane;
    mg_reactor_events events;
    mg_mailbox control;
    mg_partition_pools pools;
    mg_codecs codecs; /* LZ4 is the turning one's */
    mg_image_draft draft;
    _Atomic(mg_image *) published;
    mg_partition *partitions[BENCH_PARTITIONS_MAX];
    int partition_count;
    mg_chunk_pool chunks;
    mg_chunk *chunk; /* where bytes are shown */
} bench;

/* A client at the bench. */
typedef struct guest {
    bench *b;
    mg_connection *connection;
    uint8_t *kept; /* shown and not consumed */
    size_t kept_size;
    bool blocked;
    int other_fd;
} guest;

static inline mg_topic_rules plain_rules(void)
{
    return (mg_topic_rules){.batch_size_max = 1 << 20,
                            .insync_min = 1,
                            .timestamp_before_max_ms = INT64_MAX,
                            .timestamp_after_max_ms = INT64_MAX};
}

static inline void bench_publish(bench *b, mg_topic *topic, const char *name)
{
    mg_span span = {.data = (const uint8_t *)name, .size = strlen(name)};
    if (topic != NULL) CHECK(mg_image_draft_set(&b->draft, topic) == MG_OK);
    if (topic == NULL) CHECK(mg_image_draft_remove(&b->draft, span) == MG_OK);
    mg_image *previous = atomic_load(&b->published);
    mg_image *next = NULL;
    CHECK(mg_image_draft_publish(&b->draft, previous, &next) == MG_OK);
    atomic_store(&b->published, next);
    b->events.turn_began(&b->lane);
    if (previous != NULL) mg_image_free(previous);
}

static inline void bench_set_topic(bench *b, const char *name, const mg_topic_rules *rules)
{
    mg_span span = {.data = (const uint8_t *)name, .size = strlen(name)};
    uint8_t id[MG_UUID_SIZE] = {7, (uint8_t)strlen(name)};
    mg_topic *topic = mg_topic_create(span, id, rules, b->partition_count);
    CHECK(topic != NULL);
    for (int i = 0; i < b->partition_count; i++) topic->partitions[i] = b->partitions[i];
    bench_publish(b, topic, name);
}

static inline void bench_open_with(bench *b, bool in_memory, int partition_count,
                                   const mg_log_config *config)
{
    *b = (bench){0};
    place_open(&b->place, in_memory);
    CHECK(mg_mailbox_init(&b->control, NULL) == MG_OK);
    CHECK(mg_workers_open(&b->pools.storage, 2, "storage", NULL) == MG_OK);
    CHECK(mg_workers_open(&b->pools.flushers, 1, "flusher", NULL) == MG_OK);
    CHECK(mg_workers_open(&b->pools.openers, 1, "opener", NULL) == MG_OK);
    b->codecs = turning_codecs();
    b->pools.codecs = &b->codecs;
    b->group.count = 1;
    b->lane = (mg_lane){
        .control = &b->control,
        .storage = b->pools.storage,
        .published = &b->published,
        .config = {.frame_size_max = 1 << 20,
                   .fetch_size_max = 1 << 20,
                   .fetch_sessions_max = 10,
                   .fetch_session_partitions_max = 1000},
    };
    b->events = mg_lane_events(&b->lane);
    mg_reactor_config reactor = {.outbox_high = 1 << 20,
                                 .outbox_low = 1 << 18,
                                 .memory_max = 1 << 26,
                                 .connections_max = 100,
                                 .idle_timeout_ms = 1 << 30,
                                 .greeting_timeout_ms = 1 << 30};
    CHECK(mg_reactor_open(&b->lane.reactor, &b->group, &reactor, &b->events, NULL) == MG_OK);
    b->group.reactors[0] = b->lane.reactor;
    b->lane.mailbox = mg_reactor_mailbox(b->lane.reactor);
    mg_mailbox_adopt(b->lane.mailbox);
    CHECK(mg_lane_init(&b->lane, NULL) == MG_OK);
    mg_chunk_pool_init(&b->chunks);
    for (int i = 0; i < partition_count; i++) {
        mg_log *log = place_add_log(&b->place, config);
        /* Room for the first appends, so that they need no worker. */
        mg_batch_header first = mg_batch_header_blank();
        first.size = 60000 < config->segment_size_max ? 60000 : (int32_t)config->segment_size_max;
        CHECK(mg_log_make_room(log, &first, 0, NULL) == MG_OK);
        CHECK(mg_partition_open(&b->partitions[i], log, 0, b->pools, NULL) == MG_OK);
        b->partition_count++;
    }
    mg_topic_rules rules = plain_rules();
    bench_set_topic(b, "t", &rules);
}

static inline void bench_open(bench *b, int partition_count)
{
    mg_log_config config = plain_log_config();
    bench_open_with(b, true, partition_count, &config);
}

/* Reads the mail and works until both have nothing left. */
static inline void bench_work(bench *b)
{
    b->events.turn_began(&b->lane);
    do {
        for (mg_letter *l = mg_mailbox_take(b->lane.mailbox); l != NULL;) {
            mg_letter *next = l->next;
            b->events.mail(&b->lane, l);
            l = next;
        }
    } while (b->events.work(&b->lane));
}

/* Waits for a letter from another thread, then works. False: none came. */
static inline bool bench_wait(bench *b, int timeout_ms)
{
    struct pollfd p = {.fd = b->lane.mailbox->wake_fd, .events = POLLIN};
    bool came = !mg_mailbox_is_empty(b->lane.mailbox) || poll(&p, 1, timeout_ms) == 1;
    mg_mailbox_hush(b->lane.mailbox);
    bench_work(b);
    return came;
}

static inline void bench_close(bench *b)
{
    for (int i = 0; i < b->partition_count; i++) mg_partition_shut(b->partitions[i]);
    mg_workers_close(b->pools.openers);
    mg_workers_close(b->pools.storage);
    mg_workers_close(b->pools.flushers);
    for (mg_letter *l = mg_mailbox_take(&b->control); l != NULL;) {
        mg_letter *next = l->next;
        if (l->kind == MG_LETTER_CONTROL_REQUEST)
            mg_control_reply(mg_control_request_of(l), NULL, 0);
        l = next;
    }
    bench_work(b);
    mg_lane_deinit(&b->lane);
    if (b->chunk != NULL) mg_chunk_release(b->chunk);
    mg_chunk_pool_deinit(&b->chunks);
    mg_reactor_close(b->lane.reactor);
    for (int i = 0; i < b->partition_count; i++) mg_partition_close(b->partitions[i]);
    mg_image_free(atomic_load(&b->published));
    mg_image_draft_deinit(&b->draft);
    mg_mailbox_deinit(&b->control);
    place_close(&b->place);
}

/* ---- Guests ---- */

static inline guest guest_open(bench *b)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    guest g = {.b = b, .other_fd = fds[1], .connection = mg_connection_open(fds[0], 0, "guest")};
    CHECK(g.connection != NULL);
    g.connection->reactor = b->lane.reactor;
    g.connection->events = &b->events.connection;
    CHECK(b->events.opened(&b->lane, g.connection));
    return g;
}

/* The reactor must not look at its lists again after this; a bench's never does. */
static inline void guest_close(guest *g)
{
    g->connection->events->closed(g->connection);
    g->connection->in_active = false;
    g->connection->in_output = false;
    mg_connection_close(g->connection);
    close(g->other_fd);
    free(g->kept);
    *g = (guest){0};
}

/* Shows what is kept, with more bytes behind it. */
static inline void guest_show(guest *g, const uint8_t *data, size_t size)
{
    bench *b = g->b;
    size_t whole = g->kept_size + size;
    if (whole == 0) return;
    if (b->chunk != NULL && b->chunk->refs == 1) b->chunk->used = 0;
    if (b->chunk == NULL || b->chunk->capacity - b->chunk->used < whole) {
        if (b->chunk != NULL) mg_chunk_release(b->chunk);
        b->chunk = mg_chunk_take(&b->chunks, whole < MG_CHUNK_SIZE ? MG_CHUNK_SIZE : whole);
        CHECK(b->chunk != NULL);
    }
    uint8_t *bytes = b->chunk->data + b->chunk->used;
    if (g->kept_size > 0) memcpy(bytes, g->kept, g->kept_size);
    if (size > 0) memcpy(bytes + g->kept_size, data, size);
    b->chunk->used += whole;
    mg_intake intake = g->connection->events->received(g->connection, bytes, whole, b->chunk);
    CHECK(intake.consumed <= whole);
    g->blocked = intake.blocked;
    g->kept_size = whole - intake.consumed;
    if (g->kept_size > 0) {
        g->kept = realloc(g->kept, g->kept_size);
        CHECK(g->kept != NULL);
        memcpy(g->kept, bytes + intake.consumed, g->kept_size);
    }
}

static inline void guest_send(guest *g, frame f)
{
    guest_show(g, f.data, f.size);
}

/* Sends, and frees the frame. */
static inline void guest_ask(guest *g, frame f)
{
    guest_send(g, f);
    frame_free(&f);
}

/* The next reply in the outbox; data NULL: none. Borrowed until more is answered. */
static inline frame guest_reply(guest *g)
{
    mg_outbox *outbox = &g->connection->outbox;
    CHECK(outbox->insert_begin == outbox->insert_end); /* the bench reads no slices */
    if (outbox->end - outbox->begin < 4) return (frame){0};
    frame f = {.data = outbox->bytes + outbox->begin};
    f.size = 4 + (size_t)mg_load_u32(f.data);
    CHECK(outbox->end - outbox->begin >= f.size);
    outbox->begin += f.size;
    outbox->pending -= f.size;
    return f;
}

/* Works until there is a reply. */
static inline frame guest_wait(guest *g)
{
    for (;;) {
        frame f = guest_reply(g);
        if (f.data != NULL) return f;
        CHECK(bench_wait(g->b, 5000));
    }
}

#endif
