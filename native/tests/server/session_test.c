/* Frames in any pieces, replies in the order of the requests, nonsense takes no memory. */
#include "server/session.h"

#include "kit/bench.h"

enum { REQUESTS = 12 };

/* Answers the control plane's oldest request with `payload`; NULL closes. False: none waits. */
static bool answer_control(bench *b, const char *payload)
{
    mg_letter *letter = mg_mailbox_take(&b->control);
    if (letter == NULL) return false;
    CHECK(letter->next == NULL);
    mg_control_reply(mg_control_request_of(letter), (const uint8_t *)payload,
                     payload == NULL ? 0 : strlen(payload));
    return true;
}

static frame join(const frame *parts, size_t count)
{
    frame all = {.data = malloc(FRAME_ROOM)};
    CHECK(all.data != NULL);
    for (size_t i = 0; i < count; i++) {
        CHECK(all.size + parts[i].size <= FRAME_ROOM);
        memcpy(all.data + all.size, parts[i].data, parts[i].size);
        all.size += parts[i].size;
    }
    return all;
}

/* Some of every kind. */
static frame make_conversation(void)
{
    frame parts[REQUESTS];
    frame batch = make_batch(2, 30, -1, 0);
    for (int32_t i = 0; i < REQUESTS; i++) {
        if (i % 4 == 1) {
            parts[i] = make_control(i, "what is there?");
        } else if (i % 4 == 3) {
            parts[i] = make_fetch("t", i, fetch_from(0));
        } else {
            parts[i] = make_produce("t", 0, i, i % 3 == 0 ? 0 : 1, &batch);
        }
    }
    frame all = join(parts, REQUESTS);
    for (int i = 0; i < REQUESTS; i++) frame_free(&parts[i]);
    frame_free(&batch);
    return all;
}

/* Works until the session has nothing more to do with what it was shown. */
static void carry_on(bench *b, guest *g)
{
    for (;;) {
        bench_work(b);
        if (answer_control(b, "this")) continue;
        size_t before = g->kept_size;
        guest_show(g, NULL, 0);
        if (g->kept_size == before && g->connection->session != NULL) {
            mg_session *session = g->connection->session;
            if (session->first == NULL) return;
        }
    }
}

/* Everything that was answered to the conversation, shown in pieces. */
static frame answers_in_pieces(frame conversation, unsigned seed)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    for (size_t at = 0; at < conversation.size;) {
        size_t left = conversation.size - at;
        seed = seed * 1103515245 + 12345;
        size_t size = seed % 2 == 0 ? 1 : 1 + (seed >> 16) % 300;
        if (size > left) size = left;
        guest_show(&g, conversation.data + at, size);
        at += size;
        carry_on(&b, &g);
    }
    mg_outbox *outbox = &g.connection->outbox;
    frame answers = {.data = malloc(outbox->end), .size = outbox->end};
    CHECK(answers.data != NULL);
    memcpy(answers.data, outbox->bytes, outbox->end);
    CHECK(!g.connection->finishing);
    guest_close(&g);
    bench_close(&b);
    return answers;
}

static void any_pieces_give_the_same_answers(void)
{
    frame conversation = make_conversation();
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    guest_send(&g, conversation);
    carry_on(&b, &g);
    mg_outbox *outbox = &g.connection->outbox;
    for (unsigned seed = 0; seed < 20; seed++) {
        frame answers = answers_in_pieces(conversation, seed);
        CHECK(answers.size == outbox->end);
        CHECK(memcmp(answers.data, outbox->bytes, answers.size) == 0);
        frame_free(&answers);
    }
    guest_close(&g);
    bench_close(&b);
    frame_free(&conversation);
}

/* S1, S2: a control request between two produces, and the later one is not even taken in. */
static void replies_leave_in_the_order_of_the_requests(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    guest_ask(&g, make_produce("t", 0, 1, 1, &batch));
    guest_ask(&g, make_control(2, ""));
    guest_ask(&g, make_produce("t", 0, 3, 1, &batch));
    CHECK(g.blocked);
    CHECK(g.kept_size > 0);
    bench_work(&b);
    CHECK(correlation_of(guest_reply(&g)) == 1);
    CHECK(guest_reply(&g).data == NULL);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 1);
    CHECK(answer_control(&b, "x"));
    bench_work(&b);
    CHECK(correlation_of(guest_reply(&g)) == 2);
    guest_show(&g, NULL, 0);
    CHECK(!g.blocked);
    bench_work(&b);
    CHECK(correlation_of(guest_reply(&g)) == 3);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 2);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_control_reply_waits_for_an_older_produce(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    guest_ask(&g, make_produce("t", 0, 1, 1, &batch)); /* not appended before the lane works */
    guest_ask(&g, make_control(2, ""));
    mg_letter *letter = mg_mailbox_take(&b.control);
    CHECK(letter != NULL);
    mg_session *session = g.connection->session;
    mg_control_replied(letter); /* overtakes */
    CHECK(session->request_count == 2);
    CHECK(guest_reply(&g).data == NULL);
    bench_work(&b);
    CHECK(correlation_of(guest_reply(&g)) == 1);
    CHECK(correlation_of(guest_reply(&g)) == 2);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void expect_refusal(const uint8_t *bytes, size_t size)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    size_t in_use = b.chunks.in_use;
    guest_show(&g, bytes, size);
    mg_session *session = g.connection->session;
    CHECK(session->refused);
    CHECK(g.connection->finishing);
    CHECK(g.blocked);
    CHECK(g.kept_size == 0);
    CHECK(b.chunks.in_use <= in_use + MG_CHUNK_SIZE);
    CHECK(atomic_load(&b.lane.counters.refused_frames) == 1);
    guest_show(&g, bytes, size); /* whatever follows is swallowed */
    CHECK(g.kept_size == 0);
    guest_close(&g);
    bench_close(&b);
}

/* S3 */
static void hostile_frames_close_the_connection(void)
{
    const uint8_t negative[] = {0xff, 0xff, 0xff, 0xff};
    const uint8_t lowest[] = {0x80, 0, 0, 0};
    const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff};
    const uint8_t empty[] = {0, 0, 0, 0};
    const uint8_t short_header[] = {0, 0, 0, 3, 0, 0, 0};
    const uint8_t unknown_key[] = {0, 0, 0, 10, 0x70, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t old_produce[] = {0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t old_fetch[] = {0, 0, 0, 10, 0, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t produce_without_body[] = {0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0xff, 0xff};
    expect_refusal(negative, sizeof negative);
    expect_refusal(lowest, sizeof lowest);
    expect_refusal(huge, sizeof huge);
    expect_refusal(empty, sizeof empty);
    expect_refusal(short_header, sizeof short_header);
    expect_refusal(unknown_key, sizeof unknown_key);
    expect_refusal(old_produce, sizeof old_produce);
    expect_refusal(old_fetch, sizeof old_fetch);
    expect_refusal(produce_without_body, sizeof produce_without_body);
}

static void the_largest_frame_is_awaited_and_one_byte_more_refused(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    uint8_t size[4];
    mg_store_u32(size, (uint32_t)b.lane.config.frame_size_max);
    guest_show(&g, size, sizeof size);
    mg_session *session = g.connection->session;
    CHECK(!session->refused);
    CHECK(g.kept_size == 4);
    guest_close(&g);
    guest h = guest_open(&b);
    mg_store_u32(size, (uint32_t)b.lane.config.frame_size_max + 1);
    guest_show(&h, size, sizeof size);
    session = h.connection->session;
    CHECK(session->refused);
    guest_close(&h);
    bench_close(&b);
}

static void nonsense_closes_after_what_was_asked_before_is_answered(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 10, -1, 0);
    const uint8_t nonsense[] = {0xff, 0xff, 0xff, 0xff};
    guest_ask(&g, make_produce("t", 0, 1, 1, &batch));
    guest_show(&g, nonsense, sizeof nonsense);
    CHECK(!g.connection->finishing);
    bench_work(&b);
    CHECK(correlation_of(guest_reply(&g)) == 1);
    CHECK(g.connection->finishing);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_full_pipeline_takes_nothing_in_until_one_is_answered(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    frame batch = make_batch(1, 1, -1, 0);
    frame f = make_produce("t", 0, 1, 1, &batch);
    for (int i = 0; i < MG_PIPELINE_MAX; i++) guest_send(&g, f);
    mg_session *session = g.connection->session;
    CHECK(session->request_count == MG_PIPELINE_MAX);
    CHECK(g.blocked);
    CHECK(g.kept_size == 0);
    guest_send(&g, f);
    CHECK(g.kept_size == f.size);
    g.connection->blocked = true; /* as mg_connection would have it */
    bench_work(&b);
    while (session->request_count > 0) CHECK(bench_wait(&b, 5000));
    CHECK(g.connection->resumed);
    guest_show(&g, NULL, 0);
    CHECK(g.kept_size == 0);
    bench_work(&b);
    while (session->request_count > 0) CHECK(bench_wait(&b, 5000));
    CHECK(mg_log_end_offset(b.place.logs[0]) == MG_PIPELINE_MAX + 1);
    frame_free(&f);
    frame_free(&batch);
    guest_close(&g);
    bench_close(&b);
}

static void a_congested_connection_takes_nothing_in(void)
{
    bench b;
    bench_open(&b, 1);
    guest g = guest_open(&b);
    mg_writer writer = mg_outbox_writer(&g.connection->outbox, 2 << 20);
    CHECK(mg_writer_take(&writer, 2 << 20) != NULL);
    mg_outbox_commit(&g.connection->outbox, &writer);
    guest_ask(&g, make_control(1, ""));
    CHECK(g.blocked);
    CHECK(g.kept_size > 0);
    CHECK(mg_mailbox_is_empty(&b.control));
    guest_close(&g);
    bench_close(&b);
}

/* S4: requests that are elsewhere end when they come back, and the session with the last. */
static void a_session_outlives_its_connection_while_requests_are_elsewhere(void)
{
    bench b;
    bench_open(&b, 1);
    frame batch = make_batch(1, 10, -1, 0);
    guest g = guest_open(&b);
    guest_ask(&g, make_produce("t", 0, 1, -1, &batch));
    guest_ask(&g, make_control(2, ""));
    guest_close(&g);
    bench_work(&b);
    CHECK(mg_log_end_offset(b.place.logs[0]) == 1);
    CHECK(answer_control(&b, "too late"));
    bench_work(&b);
    while (mg_log_durable_end(b.place.logs[0]) == 0) CHECK(bench_wait(&b, 5000));
    frame_free(&batch);
    bench_close(&b); /* a leak would be reported */
}

int main(void)
{
    any_pieces_give_the_same_answers();
    replies_leave_in_the_order_of_the_requests();
    a_control_reply_waits_for_an_older_produce();
    hostile_frames_close_the_connection();
    the_largest_frame_is_awaited_and_one_byte_more_refused();
    nonsense_closes_after_what_was_asked_before_is_answered();
    a_full_pipeline_takes_nothing_in_until_one_is_answered();
    a_congested_connection_takes_nothing_in();
    a_session_outlives_its_connection_while_requests_are_elsewhere();
    puts("session_test: ok");
}
