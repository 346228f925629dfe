/* A control request reaches the control plane whole, and its answer the client. */
#include "server/control.h"

#include "kit/bench.h"

static mg_control_request *taken(bench *b)
{
    mg_letter *letter = mg_mailbox_take(&b->control);
    CHECK(letter != NULL);
    CHECK(letter->next == NULL);
    CHECK(letter->kind == MG_LETTER_CONTROL_REQUEST);
    return mg_control_request_of(letter);
}

static bool span_says(mg_span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static void the_request_is_a_copy_of_the_frame(void)
{
    bench b;
    bench_open(&b, 0);
    guest g = guest_open(&b);
    frame f = make_control(17, "body of it");
    guest_send(&g, f);
    memset(b.chunk->data, 0xee, b.chunk->used); /* the connection's memory is free at once */
    frame_free(&f);
    mg_control_request *request = taken(&b);
    CHECK(request->api_key == METADATA_KEY);
    CHECK(request->base.api_version == METADATA_VERSION);
    CHECK(request->base.correlation_id == 17);
    CHECK(span_says(request->client_id, "test"));
    CHECK(span_says(request->body, "body of it"));
    CHECK(strcmp(request->peer, "guest") == 0);
    mg_control_reply(request, (const uint8_t *)"answer", 6);
    bench_work(&b);
    frame reply = guest_reply(&g);
    CHECK(reply.size == 14);
    CHECK(correlation_of(reply) == 17);
    CHECK(memcmp(reply.data + 8, "answer", 6) == 0);
    CHECK(atomic_load(&b.lane.counters.control_requests) == 1);
    guest_close(&g);
    bench_close(&b);
}

static void a_null_client_id_is_told_from_an_empty_one(void)
{
    bench b;
    bench_open(&b, 0);
    guest g = guest_open(&b);
    const uint8_t null_id[] = {0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff};
    guest_show(&g, null_id, sizeof null_id);
    mg_control_request *request = taken(&b);
    CHECK(request->client_id.data == NULL);
    CHECK(request->body.size == 0);
    mg_control_reply(request, (const uint8_t *)"", 0);
    bench_work(&b);
    CHECK(guest_reply(&g).size == 8);
    const uint8_t empty_id[] = {0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0, 0};
    guest_show(&g, empty_id, sizeof empty_id);
    request = taken(&b);
    CHECK(request->client_id.data != NULL);
    CHECK(request->client_id.size == 0);
    mg_control_reply(request, (const uint8_t *)"", 0);
    bench_work(&b);
    guest_close(&g);
    bench_close(&b);
}

static void no_payload_closes_the_connection(void)
{
    bench b;
    bench_open(&b, 0);
    guest g = guest_open(&b);
    guest_ask(&g, make_control(1, ""));
    mg_control_reply(taken(&b), NULL, 0);
    bench_work(&b);
    CHECK(guest_reply(&g).data == NULL);
    CHECK(g.connection->finishing);
    guest_close(&g);
    bench_close(&b);
}

int main(void)
{
    the_request_is_a_copy_of_the_frame();
    a_null_client_id_is_told_from_an_empty_one();
    no_payload_closes_the_connection();
    puts("control_test: ok");
}
