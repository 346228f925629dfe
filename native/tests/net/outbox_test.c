/* Bytes and slices leave in order, whatever the socket takes at a time, in bounded memory. */
#include "net/outbox.h"

#include "kit/place.h"

#include "batch/builder.h"

#include <sys/socket.h>

static void put(mg_outbox *outbox, uint8_t value, size_t size)
{
    mg_writer writer = mg_outbox_writer(outbox, size);
    uint8_t *room = mg_writer_take(&writer, size);
    CHECK(room != NULL);
    memset(room, value, size);
    mg_outbox_commit(outbox, &writer);
}

static void open_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
}

static size_t drain(int fd, uint8_t *out, size_t room)
{
    size_t got = 0;
    while (got < room) {
        ssize_t n = recv(fd, out + got, room - got, MSG_DONTWAIT);
        if (n <= 0) break;
        got += (size_t)n;
    }
    return got;
}

static void what_was_put_in_comes_out(void)
{
    int fds[2];
    open_pair(fds);
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    CHECK(mg_outbox_send(&outbox, fds[0]) == MG_OUTBOX_EMPTY);
    put(&outbox, 1, 10);
    put(&outbox, 2, 20);
    CHECK(mg_outbox_pending(&outbox) == 30);
    CHECK(mg_outbox_send(&outbox, fds[0]) == MG_OUTBOX_EMPTY);
    CHECK(mg_outbox_pending(&outbox) == 0);
    uint8_t bytes[64];
    CHECK(drain(fds[1], bytes, sizeof bytes) == 30);
    for (size_t i = 0; i < 30; i++) CHECK(bytes[i] == (i < 10 ? 1 : 2));
    mg_outbox_deinit(&outbox);
    close(fds[0]);
    close(fds[1]);
}

static void what_was_not_committed_is_not_sent(void)
{
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    mg_writer writer = mg_outbox_writer(&outbox, 100);
    CHECK(mg_writer_take(&writer, 50) != NULL);
    mg_outbox_cancel(&outbox);
    CHECK(mg_outbox_pending(&outbox) == 0);
    put(&outbox, 3, 5);
    CHECK(mg_outbox_pending(&outbox) == 5);
    CHECK(outbox.bytes[0] == 3);
    mg_outbox_deinit(&outbox);
}

static void a_full_socket_blocks_and_a_closed_one_breaks(void)
{
    int fds[2];
    open_pair(fds);
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    put(&outbox, 9, 8 << 20);
    CHECK(mg_outbox_send(&outbox, fds[0]) == MG_OUTBOX_BLOCKED);
    size_t pending = mg_outbox_pending(&outbox);
    CHECK(pending > 0 && pending < 8 << 20);
    close(fds[1]);
    CHECK(mg_outbox_send(&outbox, fds[0]) == MG_OUTBOX_BROKEN);
    mg_outbox_deinit(&outbox);
    close(fds[0]);
}

/* N4: the reader never catches up, so the outbox is never empty. */
static void a_slow_reader_costs_bounded_memory(void)
{
    int fds[2];
    open_pair(fds);
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    static uint8_t bytes[1 << 16];
    uint8_t next_in = 0;
    uint8_t next_out = 0;
    size_t out_in_run = 0;
    enum { RUN = 1000, BACKLOG = 400 * 1000 };
    for (int round = 0; round < 2000; round++) {
        while (mg_outbox_pending(&outbox) < BACKLOG) put(&outbox, next_in++, RUN);
        (void)mg_outbox_send(&outbox, fds[0]);
        size_t got = drain(fds[1], bytes, sizeof bytes);
        for (size_t i = 0; i < got; i++) {
            CHECK(bytes[i] == next_out);
            if (++out_in_run == RUN) {
                out_in_run = 0;
                next_out++;
            }
        }
        CHECK(outbox.capacity <= 4 * BACKLOG);
    }
    mg_outbox_deinit(&outbox);
    close(fds[0]);
    close(fds[1]);
}

static mg_log *log_with_records(place *p, size_t size)
{
    mg_log_config config = plain_log_config();
    mg_log *log = place_add_log(p, &config);
    uint8_t *memory = malloc(size + 200);
    CHECK(memory != NULL);
    memset(memory, 0, size + 200);
    mg_builder builder = mg_builder_over(memory, size + 200, 1000);
    uint8_t *value = malloc(size);
    CHECK(value != NULL);
    for (size_t i = 0; i < size; i++) value[i] = (uint8_t)(i % 251);
    mg_record_parts parts = {.timestamp = 1000, .value = {.data = value, .size = size}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    mg_builder_finish(&builder, &header);
    mg_log_item item = {.batch = memory, .header = header};
    mg_log_item *items[] = {&item};
    size_t done;
    CHECK(mg_log_make_room(log, &header, 0, NULL) == MG_OK);
    CHECK(mg_log_append(log, items, 1, 0, 0, &done, NULL) == MG_OK);
    free(value);
    free(memory);
    return log;
}

static mg_log_slice slice_of(mg_log *log)
{
    mg_log_slice slice;
    CHECK(mg_log_read(log, 0, INT64_MAX, INT32_MAX, MG_READ_DEFAULT, &slice, NULL) == MG_OK);
    CHECK(slice.fd >= 0);
    return slice;
}

static void slices_leave_between_the_bytes(void)
{
    place p;
    place_open(&p, false);
    mg_log *log = log_with_records(&p, 300 * 1000);
    mg_log_slice whole = slice_of(log);
    uint8_t *records = malloc(whole.size);
    CHECK(records != NULL);
    CHECK(mg_log_slice_copy(&whole, 0, whole.size, records, NULL) == MG_OK);
    size_t slice_size = whole.size;
    mg_log_slice_release(&whole);

    int fds[2];
    open_pair(fds);
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    enum { REPLIES = 40, HEAD = 100, TAIL = 7 };
    size_t reply_size = HEAD + TAIL + slice_size;
    size_t expected = REPLIES * reply_size;
    uint8_t *bytes = malloc(expected);
    CHECK(bytes != NULL);
    size_t got = 0;
    for (int i = 0; i < REPLIES; i++) {
        mg_writer writer = mg_outbox_writer(&outbox, HEAD + TAIL);
        memset(mg_writer_take(&writer, HEAD), i, HEAD);
        mg_log_slice slice = slice_of(log);
        CHECK(mg_outbox_take_slice(&outbox, &writer, &slice));
        CHECK(slice.segment == NULL);
        memset(mg_writer_take(&writer, TAIL), 200 + i, TAIL);
        mg_outbox_commit(&outbox, &writer);
        (void)mg_outbox_send(&outbox, fds[0]);
        got += drain(fds[1], bytes + got, 150 * 1000); /* half of what comes in */
    }
    while (got < expected) {
        CHECK(mg_outbox_send(&outbox, fds[0]) != MG_OUTBOX_BROKEN);
        got += drain(fds[1], bytes + got, expected - got);
    }
    CHECK(mg_outbox_pending(&outbox) == 0);
    for (size_t i = 0; i < REPLIES; i++) {
        const uint8_t *reply = bytes + i * reply_size;
        for (size_t k = 0; k < HEAD; k++) CHECK(reply[k] == i);
        CHECK(memcmp(reply + HEAD, records, slice_size) == 0);
        for (size_t k = 0; k < TAIL; k++) CHECK(reply[HEAD + slice_size + k] == 200 + i);
    }
    free(bytes);
    free(records);
    mg_outbox_deinit(&outbox);
    close(fds[0]);
    close(fds[1]);
    place_close(&p);
}

/* N1 */
static void slices_that_are_not_sent_are_let_go(void)
{
    place p;
    place_open(&p, false);
    mg_log *log = log_with_records(&p, 1000);
    mg_outbox outbox;
    mg_outbox_init(&outbox);
    mg_writer writer = mg_outbox_writer(&outbox, 10);
    mg_log_slice slice = slice_of(log);
    CHECK(mg_outbox_take_slice(&outbox, &writer, &slice));
    mg_outbox_cancel(&outbox);
    CHECK(mg_outbox_pending(&outbox) == 0);
    writer = mg_outbox_writer(&outbox, 10);
    slice = slice_of(log);
    CHECK(mg_outbox_take_slice(&outbox, &writer, &slice));
    mg_outbox_commit(&outbox, &writer);
    CHECK(mg_outbox_pending(&outbox) > 1000);
    mg_outbox_deinit(&outbox); /* the log's closing would report a pin */
    place_close(&p);
}

int main(void)
{
    what_was_put_in_comes_out();
    what_was_not_committed_is_not_sent();
    a_full_socket_blocks_and_a_closed_one_breaks();
    a_slow_reader_costs_bounded_memory();
    slices_leave_between_the_bytes();
    slices_that_are_not_sent_are_let_go();
    puts("outbox_test: ok");
}
