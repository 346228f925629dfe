/* Every byte is shown once, in order, in whatever pieces it comes, beside other connections. */
#include "net/connection.h"

#include "check.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    GUESTS = 3,
    STREAM_SIZE = 3 << 19,
    BLOCK_MAX = 700 * 1000,
};

/* A session that consumes blocks: four bytes of size, then so many bytes of a counting stream. */
typedef struct reader {
    size_t block_min; /* nothing is consumed before so many bytes are there */
    size_t seen;      /* of the stream */
    size_t shown_max;
    bool blocks;
    mg_chunk *held; /* as an append would */
} reader;

static uint8_t stream_at(size_t position)
{
    return (uint8_t)(position * 7 % 253);
}

static mg_intake received(mg_connection *connection, uint8_t *bytes, size_t size, mg_chunk *chunk)
{
    reader *r = connection->session;
    CHECK(bytes >= chunk->data);
    CHECK(bytes + size == chunk->data + chunk->used); /* the newest bytes are the chunk's last */
    if (size > r->shown_max) r->shown_max = size;
    for (size_t i = 0; i < size; i++) CHECK(bytes[i] == stream_at(r->seen + i));
    if (r->blocks) return (mg_intake){.blocked = true};
    size_t consumed = r->block_min == 0 ? size : size / r->block_min * r->block_min;
    r->seen += consumed;
    if (consumed > 0) memset(bytes, 0xff, consumed); /* it may write to what it consumed */
    return (mg_intake){.consumed = consumed};
}

static const mg_connection_events EVENTS = {.received = received};

static mg_connection *open_guest(reader *r, int *other_fd)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    mg_connection *connection = mg_connection_open(fds[0], 2, "somebody");
    CHECK(connection != NULL);
    CHECK(strcmp(connection->peer, "somebody") == 0);
    CHECK(connection->listener == 2);
    connection->events = &EVENTS;
    connection->session = r;
    connection->readable = true;
    *other_fd = fds[1];
    return connection;
}

static size_t send_stream(int fd, size_t from, size_t size)
{
    static uint8_t bytes[1 << 16];
    if (size > sizeof bytes) size = sizeof bytes;
    for (size_t i = 0; i < size; i++) bytes[i] = stream_at(from + i);
    ssize_t sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

/* As the reactor: whoever else's bytes may lie in the shared chunk gets them out first. */
static void receive(mg_connection *connection, mg_connection **last, mg_chunk **shared,
                    mg_chunk_pool *pool)
{
    if (*last != NULL && *last != connection && (*last)->kept == *shared && *shared != NULL)
        mg_connection_settle(*last, pool);
    mg_connection_receive(connection, shared, pool);
    CHECK(!connection->doomed);
    *last = connection;
}

static void many_streams_share_a_chunk(unsigned seed, const size_t block_sizes[GUESTS])
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *shared = NULL;
    mg_connection *last = NULL;
    reader readers[GUESTS];
    mg_connection *guests[GUESTS];
    int fds[GUESTS];
    size_t sent[GUESTS] = {0};
    for (int i = 0; i < GUESTS; i++) {
        readers[i] = (reader){.block_min = block_sizes[i]};
        guests[i] = open_guest(&readers[i], &fds[i]);
    }
    for (bool going = true; going;) {
        going = false;
        for (int i = 0; i < GUESTS; i++) {
            seed = seed * 1103515245 + 12345;
            size_t size = 1 + (seed >> 8) % (seed % 4 == 0 ? 100 : 60000);
            if (size > STREAM_SIZE - sent[i]) size = STREAM_SIZE - sent[i];
            sent[i] += send_stream(fds[i], sent[i], size);
            guests[i]->readable = true;
            receive(guests[i], &last, &shared, &pool);
            if (sent[i] < STREAM_SIZE) going = true;
        }
    }
    for (int i = 0; i < GUESTS; i++) {
        while (readers[i].seen + guests[i]->kept_size < STREAM_SIZE) {
            guests[i]->readable = true;
            receive(guests[i], &last, &shared, &pool);
        }
        CHECK(guests[i]->kept_size < (block_sizes[i] == 0 ? 1 : block_sizes[i]));
        CHECK(pool.in_use <= 8u * MG_CHUNK_SIZE);
        mg_connection_close(guests[i]);
        close(fds[i]);
    }
    if (shared != NULL) mg_chunk_release(shared);
    mg_chunk_pool_deinit(&pool);
}

static void memory_grows_with_what_came_not_with_what_was_promised(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *shared = NULL;
    reader r = {.block_min = 100 << 20};
    int fd;
    mg_connection *connection = open_guest(&r, &fd);
    size_t sent = send_stream(fd, 0, 10);
    mg_connection_receive(connection, &shared, &pool);
    mg_connection_settle(connection, &pool);
    CHECK(connection->kept_size == sent);
    CHECK(pool.in_use < MG_CHUNK_SIZE + 1000);
    while (sent < BLOCK_MAX) {
        sent += send_stream(fd, sent, 40000);
        connection->readable = true;
        mg_connection_receive(connection, &shared, &pool);
        CHECK(pool.in_use <= MG_CHUNK_SIZE * 2 + 2 * sent);
    }
    mg_connection_close(connection);
    close(fd);
    mg_chunk_release(shared);
    mg_chunk_pool_deinit(&pool);
}

static void kept_bytes_are_shown_again_after_a_block(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *shared = NULL;
    reader r = {.blocks = true};
    int fd;
    mg_connection *connection = open_guest(&r, &fd);
    CHECK(send_stream(fd, 0, 1000) == 1000);
    mg_connection_receive(connection, &shared, &pool);
    CHECK(connection->blocked);
    CHECK(connection->kept_size == 1000);
    r.blocks = false;
    connection->blocked = false;
    connection->resumed = true;
    connection->readable = false;
    mg_connection_receive(connection, &shared, &pool);
    CHECK(r.seen == 1000);
    CHECK(connection->kept == NULL);
    CHECK(!connection->resumed);
    mg_connection_close(connection);
    close(fd);
    mg_chunk_release(shared);
    mg_chunk_pool_deinit(&pool);
}

/* N2: the end was told together with the last bytes, and will not be told again. */
static void an_end_behind_the_last_bytes_is_found(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *shared = NULL;
    reader r = {0};
    int fd;
    mg_connection *connection = open_guest(&r, &fd);
    CHECK(send_stream(fd, 0, 100) == 100);
    close(fd);
    connection->ended = true; /* as the poller tells it */
    mg_connection_receive(connection, &shared, &pool);
    CHECK(r.seen == 100);
    CHECK(!connection->doomed);
    CHECK(connection->readable);
    mg_connection_receive(connection, &shared, &pool);
    CHECK(connection->doomed);
    mg_connection_close(connection);
    mg_chunk_release(shared);
    mg_chunk_pool_deinit(&pool);
}

static void a_short_receive_waits_for_the_next_ring(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *shared = NULL;
    reader r = {0};
    int fd;
    mg_connection *connection = open_guest(&r, &fd);
    mg_connection_receive(connection, &shared, &pool); /* nothing there */
    CHECK(!connection->readable);
    CHECK(!connection->doomed);
    CHECK(connection->kept == NULL);
    connection->readable = true;
    CHECK(send_stream(fd, 0, 5) == 5);
    mg_connection_receive(connection, &shared, &pool);
    CHECK(r.seen == 5);
    CHECK(!connection->readable);
    mg_connection_close(connection);
    close(fd);
    mg_chunk_release(shared);
    mg_chunk_pool_deinit(&pool);
}

static void a_finishing_connection_closes_when_everything_is_sent(void)
{
    reader r = {0};
    int fd;
    mg_connection *connection = open_guest(&r, &fd);
    mg_writer writer = mg_outbox_writer(&connection->outbox, 4 << 20);
    memset(mg_writer_take(&writer, 4 << 20), 1, 4 << 20);
    mg_outbox_commit(&connection->outbox, &writer);
    connection->finishing = true;
    mg_connection_send(connection);
    CHECK(!connection->writable);
    CHECK(!connection->doomed);
    static uint8_t bytes[1 << 20];
    for (int i = 0; i < 1000 && !connection->doomed; i++) {
        while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
        connection->writable = true;
        mg_connection_send(connection);
    }
    CHECK(connection->doomed);
    mg_connection_close(connection);
    close(fd);
}

int main(void)
{
    many_streams_share_a_chunk(1, (const size_t[]){0, 0, 0});
    many_streams_share_a_chunk(2, (const size_t[]){100, 1000, 10000});
    many_streams_share_a_chunk(3, (const size_t[]){1, 200 * 1000, 262144});
    many_streams_share_a_chunk(4, (const size_t[]){BLOCK_MAX, 300 * 1000, 1000});
    memory_grows_with_what_came_not_with_what_was_promised();
    kept_bytes_are_shown_again_after_a_block();
    an_end_behind_the_last_bytes_is_found();
    a_short_receive_waits_for_the_next_ring();
    a_finishing_connection_closes_when_everything_is_sent();
    puts("connection_test: ok");
}
