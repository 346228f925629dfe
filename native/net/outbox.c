#include "net/outbox.h"

#include "base/copy.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>

enum {
    BYTES_FIRST = 16 * 1024, /* room for a turn's small replies */
    BYTES_KEPT_MAX = 64 * 1024,
    INSERTS_FIRST = 8,
};

void mg_outbox_init(mg_outbox *outbox)
{
    *outbox = (mg_outbox){0};
}

void mg_outbox_deinit(mg_outbox *outbox)
{
    for (size_t i = outbox->insert_begin; i < outbox->insert_end; i++)
        mg_log_slice_release(&outbox->inserts[i].slice);
    free(outbox->inserts);
    free(outbox->bytes);
    *outbox = (mg_outbox){0};
}

/* Unsent bytes move to the front, where what was sent leaves room for that and for `size` more. A
 * connection that never catches up would grow without end otherwise. */
static bool move_bytes_down(mg_outbox *outbox, size_t size)
{
    size_t unsent = outbox->end - outbox->begin;
    if (outbox->begin < unsent || outbox->capacity - unsent < size) return false;
    MG_ASSERT(outbox->insert_committed == outbox->insert_end);
    if (unsent > 0)
        mg_copy(outbox->bytes, outbox->begin, outbox->bytes + outbox->begin, unsent);
    for (size_t i = outbox->insert_begin; i < outbox->insert_end; i++) {
        MG_ASSERT(outbox->inserts[i].at >= outbox->begin); /* N4 */
        outbox->inserts[i].at -= outbox->begin;
    }
    outbox->begin = 0;
    outbox->end = unsent;
    return true;
}

static bool grow_bytes(mg_outbox *outbox, size_t size)
{
    if (move_bytes_down(outbox, size)) return true;
    size_t capacity = outbox->capacity == 0 ? BYTES_FIRST : outbox->capacity;
    while (capacity - outbox->end < size) capacity *= 2;
    uint8_t *bytes = realloc(outbox->bytes, capacity);
    if (bytes == NULL) return false;
    outbox->bytes = bytes;
    outbox->capacity = capacity;
    return true;
}

mg_writer mg_outbox_writer(mg_outbox *outbox, size_t size)
{
    bool has_room = outbox->capacity - outbox->end >= size || grow_bytes(outbox, size);
    mg_writer writer = mg_writer_over(outbox->bytes == NULL ? NULL : outbox->bytes + outbox->end,
                                      has_room ? outbox->capacity - outbox->end : 0);
    if (!has_room) writer.full = true;
    return writer;
}

void mg_outbox_commit(mg_outbox *outbox, const mg_writer *writer)
{
    MG_ASSERT(mg_writer_ok(writer));
    MG_ASSERT(writer->begin == outbox->bytes + outbox->end);
    size_t size = mg_writer_size(writer);
    outbox->end += size;
    outbox->pending += size;
    MG_ASSERT(outbox->end <= outbox->capacity);
    for (; outbox->insert_committed < outbox->insert_end; outbox->insert_committed++)
        outbox->pending += outbox->inserts[outbox->insert_committed].slice.size;
}

void mg_outbox_cancel(mg_outbox *outbox)
{
    while (outbox->insert_end > outbox->insert_committed)
        mg_log_slice_release(&outbox->inserts[--outbox->insert_end].slice);
}

static bool grow_inserts(mg_outbox *outbox)
{
    size_t gone = outbox->insert_begin;
    if (gone > 0 && gone >= outbox->insert_end / 2) { /* as with the bytes */
        for (size_t i = gone; i < outbox->insert_end; i++)
            outbox->inserts[i - gone] = outbox->inserts[i];
        outbox->insert_begin = 0;
        outbox->insert_end -= gone;
        outbox->insert_committed -= gone;
        return true;
    }
    size_t capacity = outbox->insert_capacity == 0 ? INSERTS_FIRST : outbox->insert_capacity * 2;
    mg_outbox_insert *inserts = realloc(outbox->inserts, capacity * sizeof *inserts);
    if (inserts == NULL) return false;
    outbox->inserts = inserts;
    outbox->insert_capacity = capacity;
    return true;
}

bool mg_outbox_take_slice(mg_outbox *outbox, const mg_writer *writer, mg_log_slice *slice)
{
    MG_ASSERT(writer->begin == outbox->bytes + outbox->end);
    if (outbox->insert_end == outbox->insert_capacity && !grow_inserts(outbox)) return false;
    MG_ASSERT(slice->fd >= 0);
    MG_ASSERT(slice->segment != NULL); /* N1 */
    outbox->inserts[outbox->insert_end++] =
        (mg_outbox_insert){.at = (size_t)(writer->next - outbox->bytes), .slice = *slice};
    *slice = (mg_log_slice){.fd = -1};
    return true;
}

size_t mg_outbox_pending(const mg_outbox *outbox)
{
    return outbox->pending;
}

static void give_back_memory(mg_outbox *outbox)
{
    MG_ASSERT(outbox->pending == 0);
    outbox->begin = outbox->end = 0;
    outbox->insert_begin = outbox->insert_end = outbox->insert_committed = 0;
    if (outbox->capacity > BYTES_KEPT_MAX) {
        free(outbox->bytes);
        outbox->bytes = NULL;
        outbox->capacity = 0;
    }
}

/* One system call's worth. */
static ssize_t send_some(mg_outbox *outbox, int socket_fd)
{
    mg_outbox_insert *insert = outbox->insert_begin < outbox->insert_end
                                   ? &outbox->inserts[outbox->insert_begin]
                                   : NULL;
    size_t bytes_end = insert == NULL ? outbox->end : insert->at;
    if (outbox->begin < bytes_end) {
        ssize_t sent = mg_socket_send(socket_fd, outbox->bytes + outbox->begin,
                                      bytes_end - outbox->begin, insert != NULL);
        if (sent > 0) outbox->begin += (size_t)sent;
        return sent;
    }
    MG_ASSERT(insert != NULL);
    off_t position = (off_t)(insert->slice.position + (int64_t)insert->sent);
    ssize_t sent = mg_socket_send_file(socket_fd, insert->slice.fd, position,
                                       insert->slice.size - insert->sent);
    if (sent <= 0) return sent;
    insert->sent += (size_t)sent;
    if (insert->sent == insert->slice.size) {
        mg_log_slice_release(&insert->slice);
        outbox->insert_begin++;
    }
    return sent;
}

mg_outbox_result mg_outbox_send(mg_outbox *outbox, int socket_fd)
{
    while (outbox->pending > 0) {
        ssize_t sent = send_some(outbox, socket_fd);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return MG_OUTBOX_BLOCKED;
        /* 0 from sendfile: somebody cut the file under us; the reply can't be completed. */
        if (sent <= 0) return MG_OUTBOX_BROKEN;
        MG_ASSERT((size_t)sent <= outbox->pending);
        outbox->pending -= (size_t)sent;
    }
    give_back_memory(outbox);
    return MG_OUTBOX_EMPTY;
}
