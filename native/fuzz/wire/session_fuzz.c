/* Arbitrary bytes as a story of fetch sessions: requests of three clients, some parked and
 * overtaken, answers of a changing world, a clock that jumps.
 * Properties: every invariant of the cache holds after every step, limits hold, a context that is
 * current never sees a freed slot (ASan), and nothing leaks (LSan). */
#include "wire/fetch_session.h"

#include <stdlib.h>

enum {
    CLIENTS = 3,
    SESSIONS_MAX = 3,
    PARTITIONS_MAX = 24,
    ITEMS_MAX = 64,
    STEPS_MAX = 200,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct client {
    mg_fetch_context context;
    bool parked;
    int32_t session_id;
    int32_t epoch;
    uint8_t raw[512]; /* the frame that a parked fetch borrows */
} client;

static void must(bool claim)
{
    if (!claim) abort();
}

static void write_topic(mg_writer *writer, bool by_id, uint8_t topic)
{
    if (by_id) {
        for (int i = 0; i < MG_UUID_SIZE; i++)
            mg_write_i8(writer, (int8_t)topic);
    } else {
        uint8_t name[] = {(uint8_t)('a' + topic % 3)};
        mg_write_string(writer, true, (mg_span){.data = name, .size = topic == 7 ? 0 : 1});
    }
}

/* A request of version 12 or 13; its asks and forgets come from the story. */
static mg_fetch_request make_request(client *c, mg_cursor *story)
{
    uint8_t shape = (uint8_t)mg_read_i8(story);
    bool by_id = (shape & 1) != 0;
    int32_t ask_count = shape >> 1 & 7;
    int32_t forget_count = shape >> 4 & 3;
    int32_t session_id = (shape & 0x40) != 0 ? c->session_id : 0;
    int32_t epoch = (shape & 0x80) != 0 ? c->epoch : (int32_t)mg_read_i8(story);
    mg_writer writer = mg_writer_over(c->raw, sizeof c->raw);
    mg_write_i32(&writer, mg_read_i8(story) > 100 ? 1 : -1);
    for (int i = 0; i < 3; i++)
        mg_write_i32(&writer, 1);
    mg_write_i8(&writer, 0);
    mg_write_i32(&writer, session_id);
    mg_write_i32(&writer, epoch);
    mg_write_count(&writer, true, ask_count);
    for (int32_t i = 0; i < ask_count; i++) {
        uint8_t what = (uint8_t)mg_read_i8(story);
        write_topic(&writer, by_id, what >> 5);
        mg_write_count(&writer, true, 1);
        mg_write_i32(&writer, what & 0x1f);
        mg_write_i32(&writer, -1);
        mg_write_i64(&writer, what);
        mg_write_i32(&writer, -1);
        mg_write_i64(&writer, -1);
        mg_write_i32(&writer, 1);
        mg_write_i16(&writer, 0); /* both tag sections */
    }
    mg_write_count(&writer, true, forget_count);
    for (int32_t i = 0; i < forget_count; i++) {
        uint8_t what = (uint8_t)mg_read_i8(story);
        write_topic(&writer, by_id, what >> 5);
        mg_write_count(&writer, true, 1);
        mg_write_i32(&writer, what & 0x1f);
        mg_write_i8(&writer, 0);
    }
    mg_write_i16(&writer, 0x0100); /* an empty rack, no tags */
    must(mg_writer_ok(&writer));
    mg_fetch_request request;
    mg_span body = {.data = c->raw, .size = mg_writer_size(&writer)};
    must(mg_fetch_parse(body, by_id ? 13 : 12, &request) == MG_OK);
    return request;
}

static void answer_all(client *c, mg_cursor *story, int64_t now_ms)
{
    static mg_fetch_item items[ITEMS_MAX];
    int32_t count = 0;
    mg_fetch_context_rewind(&c->context);
    while (mg_fetch_context_next(&c->context, &items[count])) {
        must(items[count].part.topic.id != NULL || items[count].part.topic.name.size <= 1);
        count++;
        must(count < ITEMS_MAX);
    }
    must(!mg_fetch_context_is_current(&c->context) || count == mg_fetch_context_count(&c->context));
    for (int32_t i = 0; i < count; i++) {
        int8_t what = mg_read_i8(story);
        mg_fetch_result result =
            mg_fetch_found(items[i].part.index, what & 3, 0, what >> 2 & 1, what >> 3 & 1);
        if (what < 0) result.error = 1;
        bool included = mg_fetch_context_answer(&c->context, &items[i], &result, now_ms);
        must(included || (result.error == 0 && result.records_size == 0));
    }
    int32_t session_id;
    int16_t error = mg_fetch_context_finish(&c->context, now_ms, &session_id);
    if (error == 0) {
        c->epoch = session_id != c->session_id ? 1 : c->epoch + 1;
        c->session_id = session_id;
    }
}

static void step(client *c, mg_fetch_sessions *sessions, mg_cursor *story, int64_t now_ms)
{
    uint8_t what = (uint8_t)mg_read_i8(story);
    if (!c->parked) {
        mg_fetch_request request = make_request(c, story);
        if (mg_fetch_context_begin(&c->context, sessions, &request, now_ms) != 0) return;
        c->parked = true;
    }
    if ((what & 3) == 0) return; /* waits for data */
    if ((what & 3) != 1) answer_all(c, story, now_ms);
    mg_fetch_context_end(&c->context); /* answered, or the client went away */
    c->parked = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mg_fetch_sessions_config config = {
        .sessions_max = SESSIONS_MAX,
        .partitions_max = PARTITIONS_MAX,
        .idle_max_ms = 10,
        .id_prefix = 1,
        .id_prefix_bits = 1,
        .seed = size,
    };
    mg_fetch_sessions *sessions;
    must(mg_fetch_sessions_open(&sessions, &config) == MG_OK);
    static client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (client){.epoch = 0};
    mg_cursor story = mg_cursor_over(data, size);
    int64_t now_ms = 0;
    for (int i = 0; i < STEPS_MAX && mg_cursor_left(&story) > 0; i++) {
        uint8_t who = (uint8_t)mg_read_i8(&story);
        now_ms += who >> 4;
        step(&clients[who % CLIENTS], sessions, &story, now_ms);
        mg_fetch_sessions_check(sessions);
        must(mg_fetch_sessions_count(sessions) <= SESSIONS_MAX);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].parked) mg_fetch_context_end(&clients[i].context);
    }
    mg_fetch_sessions_close(sessions);
    return 0;
}
