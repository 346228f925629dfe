#include "net/connection.h"

#include "base/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OWN_CHUNK_MIN = 256,                  /* for the beginning of a frame; then it doubles */
    KEPT_SHARED_MAX = MG_CHUNK_SIZE / 4, /* copying that much again is the price of sharing */
};

mg_connection *mg_connection_open(int fd, int listener, const char *peer)
{
    mg_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        return NULL;
    }
    connection->fd = fd;
    connection->listener = listener;
    connection->writable = true;
    mg_outbox_init(&connection->outbox);
    mg_copy(connection->peer, MG_PEER_NAME_SIZE - 1, peer, strnlen(peer, MG_PEER_NAME_SIZE - 1));
    return connection;
}

void mg_connection_close(mg_connection *connection)
{
    MG_ASSERT(!connection->in_active);
    MG_ASSERT(!connection->in_output);
    if (connection->kept != NULL) mg_chunk_release(connection->kept);
    mg_outbox_deinit(&connection->outbox);
    close(connection->fd);
    free(connection);
}

/* The kept bytes move behind what `chunk` holds; the connection takes a reference of its own. */
static void move_kept(mg_connection *connection, mg_chunk *chunk)
{
    MG_ASSERT(chunk->capacity - chunk->used >= connection->kept_size);
    size_t begin = chunk->used;
    if (connection->kept != NULL) {
        mg_copy(chunk->data + begin, chunk->capacity - begin,
                connection->kept->data + connection->kept_begin, connection->kept_size);
        mg_chunk_release(connection->kept);
    }
    mg_chunk_retain(chunk);
    chunk->used += connection->kept_size;
    connection->kept = chunk;
    connection->kept_begin = begin;
}

/* The kept bytes move to a chunk that nobody else uses. */
static bool move_kept_apart(mg_connection *connection, mg_chunk_pool *pool, size_t size)
{
    mg_chunk *own = mg_chunk_take(pool, size);
    if (own == NULL) return false;
    move_kept(connection, own);
    mg_chunk_release(own); /* the connection's reference stays */
    return true;
}

void mg_connection_settle(mg_connection *connection, mg_chunk_pool *pool)
{
    if (connection->kept == NULL) return;
    size_t size = connection->kept_size < OWN_CHUNK_MIN ? OWN_CHUNK_MIN : connection->kept_size;
    if (!move_kept_apart(connection, pool, size)) connection->doomed = true;
}

/* Shows the session the kept bytes, which now end with the newest received. */
static void show(mg_connection *connection)
{
    mg_chunk *chunk = connection->kept;
    uint8_t *bytes = chunk->data + connection->kept_begin;
    mg_intake intake =
        connection->events->received(connection, bytes, connection->kept_size, chunk);
    MG_ASSERT(intake.consumed <= connection->kept_size);
    connection->kept_begin += intake.consumed;
    connection->kept_size -= intake.consumed;
    connection->blocked = intake.blocked;
    connection->resumed = false; /* what it resumed for was shown just now */
    if (intake.refused) connection->doomed = true;
    if (connection->kept_size == 0) {
        mg_chunk_release(chunk);
        connection->kept = NULL;
    }
}

static bool has_room(const mg_chunk *chunk, size_t size)
{
    return chunk->capacity - chunk->used >= size;
}

/* Sees to it that the kept bytes are the last ones of a chunk with room behind them. A frame's
 * beginning stays in the shared chunk while it is small beside it; a longer one gets a chunk of
 * its own, twice what has come so far. */
static bool make_room(mg_connection *connection, mg_chunk **shared, mg_chunk_pool *pool)
{
    mg_chunk *kept = connection->kept;
    if (kept != NULL && kept == *shared && has_room(kept, MG_RECEIVE_SIZE_MIN)) return true;
    if (connection->kept_size > KEPT_SHARED_MAX) {
        if (kept != *shared && has_room(kept, 1)) return true;
        return move_kept_apart(connection, pool, connection->kept_size * 2);
    }

    if (*shared != NULL && (*shared)->refs == 1) (*shared)->used = 0;
    if (*shared == NULL || !has_room(*shared, connection->kept_size + MG_RECEIVE_SIZE_MIN)) {
        mg_chunk *fresh = mg_chunk_take(pool, MG_CHUNK_SIZE);
        if (fresh == NULL) return false;
        if (*shared != NULL) mg_chunk_release(*shared);
        *shared = fresh;
    }
    move_kept(connection, *shared);
    return true;
}

void mg_connection_receive(mg_connection *connection, mg_chunk **shared, mg_chunk_pool *pool)
{
    bool resumed = connection->resumed;
    connection->resumed = false;
    if (resumed && connection->kept_size > 0) {
        show(connection);
        return;
    }
    if (!connection->readable) return;
    if (!make_room(connection, shared, pool)) {
        connection->doomed = true;
        return;
    }
    mg_chunk *chunk = connection->kept;
    size_t room = chunk->capacity - chunk->used;
    ssize_t received = recv(connection->fd, chunk->data + chunk->used, room, MSG_DONTWAIT);
    if (received <= 0) {
        connection->readable = false;
        bool later = received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        if (received < 0 && errno == EINTR) connection->readable = true;
        if (!later) connection->doomed = true;
        if (connection->kept_size == 0) {
            mg_chunk_release(chunk);
            connection->kept = NULL;
        }
        return;
    }
    chunk->used += (size_t)received;
    connection->kept_size += (size_t)received;
    /* Edge-triggered: less than was asked for means that the next bytes will ring again. But an
     * end that came with the bytes has rung already. */
    connection->readable = (size_t)received == room || connection->ended; /* N2 */
    show(connection);
}

void mg_connection_send(mg_connection *connection)
{
    if (!connection->writable) return;
    switch (mg_outbox_send(&connection->outbox, connection->fd)) {
    case MG_OUTBOX_EMPTY:
        if (connection->finishing) connection->doomed = true;
        break;
    case MG_OUTBOX_BLOCKED:
        connection->writable = false;
        break;
    case MG_OUTBOX_BROKEN:
        connection->doomed = true;
        break;
    }
}
