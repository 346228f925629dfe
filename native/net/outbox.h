/* outbox.h -- what is to be sent on one connection: bytes, and ranges of files between them.
 *
 *   bytes   ┌─reply 1─┬─head of reply 2─┬─tail─┬─reply 3─┐
 *                                       ▲
 *   inserts                          slice of a segment, by sendfile
 *
 * Replies are encoded straight into the bytes, so that all small replies of a
 * turn leave in one system call. A slice stays pinned until it is sent. The
 * byte buffer is taken at the first reply; what was sent makes room for what
 * follows, and a buffer that grew large is given back when everything is sent.
 *
 * An outbox belongs to one thread.
 */
#ifndef MG_NET_OUTBOX_H
#define MG_NET_OUTBOX_H

#include "base/writer.h"
#include "log/log.h"

typedef struct mg_outbox_insert {
    size_t at; /* before this byte, counted from the start of the buffer */
    size_t sent;
    mg_log_slice slice;
} mg_outbox_insert;

typedef struct mg_outbox {
    uint8_t *bytes;
    size_t begin; /* first unsent byte */
    size_t end;
    size_t capacity;
    mg_outbox_insert *inserts;
    size_t insert_begin;
    size_t insert_end;
    size_t insert_committed;
    size_t insert_capacity;
    size_t pending; /* bytes and slices, unsent */
} mg_outbox;

typedef enum mg_outbox_result {
    MG_OUTBOX_EMPTY,   /* everything went */
    MG_OUTBOX_BLOCKED, /* the socket is full; again when it is writable */
    MG_OUTBOX_BROKEN,  /* the connection is of no more use */
} mg_outbox_result;

void mg_outbox_init(mg_outbox *outbox);
void mg_outbox_deinit(mg_outbox *outbox); /* releases what was not sent */

/* A writer over at least `size` free bytes; commit what was written, before anything else.
 * Full from the start when memory is short. */
mg_writer mg_outbox_writer(mg_outbox *outbox, size_t size);
void mg_outbox_commit(mg_outbox *outbox, const mg_writer *writer);
/* The slice goes behind what `writer` has written so far, and its pin with it; false when memory is
 * short (the pin stays the caller's). Commit or cancel the writer afterwards. */
MG_WARN_UNUSED bool mg_outbox_take_slice(mg_outbox *outbox, const mg_writer *writer,
                                         mg_log_slice *slice);
/* Forgets what was written and taken since the last commit. */
void mg_outbox_cancel(mg_outbox *outbox);
/* How many bytes were put in since it was last empty: a mark to measure a reply with. */
size_t mg_outbox_pending(const mg_outbox *outbox);

/* Sends to a non-blocking socket until it is full or nothing is left. */
mg_outbox_result mg_outbox_send(mg_outbox *outbox, int socket_fd);

#endif
