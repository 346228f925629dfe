/* produce.c -- the produce load.
 *
 * Each connection has a ring of as many frames as may be in flight, built before the run; a frame's
 * correlation id is its slot, so nothing is written into a frame while it is sent. Answers come in
 * order and all have one size; correlation id and error code are read, the rest is not.
 *
 *   replied ≤ written / frame size ≤ queued ≤ replied + in flight
 *
 * Closed loop: an answer queues the next request, whose latency begins then. Open loop (--rate):
 * requests are due by a schedule, and latency begins when a request was due, however late it could
 * be queued: a stalled broker is charged for everything that it delayed.
 */
#include "load/connection.h"
#include "load/frames.h"
#include "load/loads.h"
#include "load/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,
    RECEIVE_SIZE = 64 * 1024,
    REPLY_SIZE_MAX = 256,     /* the longest topic's is shorter */
    RING_TOTAL_MAX = 1 << 30, /* bytes of all rings */
    DRAIN_SECONDS = 30,       /* for what is in flight at the end */
};

typedef struct producer {
    uint8_t *ring;
    int64_t *begun_ns; /* by slot: when its request was due or queued */
    uint64_t queued;   /* requests, since the beginning; likewise below */
    uint64_t replied;
    uint64_t written; /* bytes */
    size_t partial_size;
    uint8_t partial[REPLY_SIZE_MAX]; /* of an answer that came in pieces */
    int fd;
    bool wants_room; /* the socket was full */
} producer;

typedef struct produce_load {
    const load_options *options;
    producer *producers;
    report *report;
    size_t frame_size;
    size_t batch_size;
    size_t reply_size;  /* of an answer, its size field included */
    size_t error_at;    /* where in it the error code stands */
    uint64_t queue_max; /* requests, by --count; else none */
    uint64_t queued;
    int64_t start_ns;
    int64_t stop_ns;
    int epoll;
    int version;
    bool stopping;
} produce_load;

static report result;
static uint8_t received[RECEIVE_SIZE];

/* An answer to one topic and one partition; from version 9 on with compact counts and tags. */
static void plan_reply(produce_load *load)
{
    size_t name_size = strlen(load->options->topic);
    bool flexible = load->version >= PRODUCE_VERSION_FLEXIBLE;
    size_t head = flexible ? 8 + 1 + 1 + 1 + name_size + 1 : 8 + 4 + 2 + name_size + 4;
    size_t body = 4 + 2 + 8 + 8;
    if (load->version >= 5) body += 8;
    if (flexible) {
        body += 1 + 1 + 1 + 1; /* record errors, message, tags of partition and topic */
    } else if (load->version == 8) {
        body += 4 + 2;
    }
    load->error_at = head + 4;
    load->reply_size = head + body + 4 + (flexible ? 1 : 0);
    if (load->reply_size > REPLY_SIZE_MAX) die("answers of %zu bytes", load->reply_size);
}

static void open_producer(produce_load *load, int number, mg_span batch)
{
    const load_options *options = load->options;
    producer *p = &load->producers[number];
    size_t slots = (size_t)options->in_flight;
    size_t room = slots * (batch.size + FRAME_OVERHEAD_MAX);
    p->ring = malloc(room);
    p->begun_ns = calloc(slots, sizeof *p->begun_ns);
    if (p->ring == NULL || p->begun_ns == NULL) die("no memory");
    mg_writer writer = mg_writer_over(p->ring, room);
    for (int slot = 0; slot < options->in_flight; slot++) {
        frame_produce(&writer, options, load->version, slot, (number + slot) % options->partitions,
                      batch);
    }
    load->frame_size = mg_writer_size(&writer) / slots;
    p->fd = connection_open(options);
    connection_set_nonblocking(p->fd);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, p->fd, &event) != 0) die("epoll_ctl");
}

static void watch_room(produce_load *load, producer *p, bool wanted)
{
    if (p->wants_room == wanted) return;
    p->wants_room = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0U), .data.ptr = p};
    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, p->fd, &event) != 0) die("epoll_ctl");
}

static bool may_queue(const produce_load *load, const producer *p)
{
    return !load->stopping && p->queued - p->replied < (uint64_t)load->options->in_flight &&
           (load->queue_max == 0 || load->queued < load->queue_max);
}

/* When the next request of this connection is due: requests go round the connections. */
static int64_t due_ns(const produce_load *load, const producer *p)
{
    uint64_t number =
        p->queued * (uint64_t)load->options->connections + (uint64_t)(p - load->producers);
    return load->start_ns + (int64_t)((double)number * 1e9 / load->options->rate);
}

static void queue_requests(produce_load *load, producer *p, int64_t now)
{
    while (may_queue(load, p)) {
        int64_t begun = now;
        if (load->options->rate > 0) {
            begun = due_ns(load, p);
            if (begun > now) return;
        }
        p->begun_ns[p->queued % (uint64_t)load->options->in_flight] = begun;
        p->queued++;
        load->queued++;
    }
}

static void count_done(produce_load *load, uint64_t requests)
{
    load->report->requests += requests;
    load->report->records += requests * (uint64_t)load->options->records_per_batch;
    load->report->bytes += requests * load->batch_size;
}

static void write_queued(produce_load *load, producer *p)
{
    size_t ring_size = load->frame_size * (size_t)load->options->in_flight;
    while (p->written < p->queued * load->frame_size) {
        size_t left = (size_t)(p->queued * load->frame_size - p->written);
        size_t from = (size_t)(p->written % ring_size);
        size_t to_end = ring_size - from;
        struct iovec pieces[2] = {
            {.iov_base = p->ring + from, .iov_len = left < to_end ? left : to_end},
            {.iov_base = p->ring, .iov_len = left < to_end ? 0 : left - to_end},
        };
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = pieces[1].iov_len > 0 ? 2 : 1};
        ssize_t sent = sendmsg(p->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch_room(load, p, true);
            break;
        }
        if (sent < 0) die("send: %s", strerror(errno));
        p->written += (uint64_t)sent;
    }
    if (p->written == p->queued * load->frame_size) watch_room(load, p, false);
    if (load->options->acks == 0) { /* nobody answers: sent is done */
        uint64_t done = p->written / load->frame_size - p->replied;
        p->replied += done;
        count_done(load, done);
    }
}

static void take_reply(produce_load *load, producer *p, const uint8_t *reply, int64_t now)
{
    uint64_t slot = p->replied % (uint64_t)load->options->in_flight;
    if (mg_load_u32(reply + 4) != slot) die("answers are out of order");
    if (mg_load_u32(reply) + 4 != load->reply_size) {
        die("an answer of %u bytes, not %zu: code %d?", mg_load_u32(reply) + 4, load->reply_size,
            (int16_t)mg_load_u16(reply + load->error_at));
    }
    int16_t error = (int16_t)mg_load_u16(reply + load->error_at);
    p->replied++;
    if (error != 0) {
        report_error(load->report, error);
        return;
    }
    histogram_add(&load->report->latency, now - p->begun_ns[slot], 1);
    count_done(load, 1);
}

static void read_replies(produce_load *load, producer *p)
{
    memcpy(received, p->partial, p->partial_size);
    ssize_t got = recv(p->fd, received + p->partial_size, sizeof received - p->partial_size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the broker closed a connection");
    int64_t now = now_ns();
    size_t have = p->partial_size + (size_t)got;
    size_t count = have / load->reply_size;
    for (size_t i = 0; i < count; i++) {
        take_reply(load, p, received + i * load->reply_size, now);
    }
    p->partial_size = have - count * load->reply_size;
    memcpy(p->partial, received + count * load->reply_size, p->partial_size);
    queue_requests(load, p, now);
    write_queued(load, p);
}

static bool all_replied(const produce_load *load)
{
    for (int i = 0; i < load->options->connections; i++) {
        const producer *p = &load->producers[i];
        if (p->replied < p->queued) return false;
    }
    return true;
}

/* Open loop: queues what is due, and says how long until the next is. */
static int64_t keep_schedule(produce_load *load, int64_t now)
{
    int64_t wait = (int64_t)100 * 1000 * 1000;
    if (load->options->acks == 0) return 0; /* no answer wakes anybody */
    if (load->options->rate <= 0) return wait;
    for (int i = 0; i < load->options->connections; i++) {
        producer *p = &load->producers[i];
        uint64_t before = p->queued;
        queue_requests(load, p, now);
        if (p->queued != before && !p->wants_room) write_queued(load, p);
        int64_t until = due_ns(load, p) - now;
        if (may_queue(load, p) && until < wait) wait = until;
    }
    int64_t tick = (int64_t)load->options->tick_us * 1000;
    return wait < tick ? tick : wait;
}

static void turn(produce_load *load, int64_t now)
{
    int64_t wait = keep_schedule(load, now);
    if (!load->stopping && load->stop_ns - now < wait) wait = load->stop_ns - now;
    if (wait < 0) wait = 0;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        producer *p = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0) write_queued(load, p);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) read_replies(load, p);
    }
    if (load->options->acks == 0 && !load->stopping) {
        for (int i = 0; i < load->options->connections; i++) {
            queue_requests(load, &load->producers[i], now);
            if (!load->producers[i].wants_room) write_queued(load, &load->producers[i]);
        }
    }
}

static void start_schedule(produce_load *load, double seconds)
{
    load->start_ns = now_ns();
    load->stop_ns = seconds > 0 ? load->start_ns + (int64_t)(seconds * 1e9) : INT64_MAX;
}

static void run_for(produce_load *load, double seconds, bool counted)
{
    for (int i = 0; i < load->options->connections; i++) {
        load->producers[i].queued = load->producers[i].replied = load->producers[i].written = 0;
    }
    load->queued = 0;
    load->stopping = false;
    start_schedule(load, seconds);
    for (int i = 0; i < load->options->connections; i++) {
        queue_requests(load, &load->producers[i], load->start_ns);
        write_queued(load, &load->producers[i]);
    }
    for (;;) {
        int64_t now = now_ns();
        bool counted_out = load->queue_max > 0 && load->queued == load->queue_max;
        if (now >= load->stop_ns || (counted_out && all_replied(load))) break;
        turn(load, now);
    }
    if (counted) report_end(load->report);
    load->stopping = true;
    int64_t drain_until = now_ns() + (int64_t)DRAIN_SECONDS * 1000000000;
    while (!all_replied(load)) {
        int64_t now = now_ns();
        if (now > drain_until) die("no answer for %d seconds", DRAIN_SECONDS);
        turn(load, now);
    }
}

int run_produce(const load_options *options)
{
    produce_load load = {.options = options, .report = &result};
    load.version = options->version == 0 ? PRODUCE_VERSION_DEFAULT : options->version;
    if (load.version < PRODUCE_VERSION_MIN || load.version > PRODUCE_VERSION_MAX) {
        die("--version %d: Produce %d to %d", load.version, PRODUCE_VERSION_MIN,
            PRODUCE_VERSION_MAX);
    }
    size_t batch_room = batch_size_max(options);
    size_t ring_room = (batch_room + FRAME_OVERHEAD_MAX) * (size_t)options->in_flight;
    if (ring_room * (size_t)options->connections > RING_TOTAL_MAX) {
        die("so many connections, requests in flight and records take over 1 GiB of frames");
    }
    load.producers = calloc((size_t)options->connections, sizeof *load.producers);
    uint8_t *batch_bytes = malloc(batch_room);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.producers == NULL || batch_bytes == NULL || load.epoll < 0) die("no memory");
    mg_span batch = batch_build(options, batch_bytes, batch_room);
    load.batch_size = batch.size;
    plan_reply(&load);
    for (int i = 0; i < options->connections; i++)
        open_producer(&load, i, batch);

    report_begin(&result, "produce", options);
    if (options->warmup_seconds > 0) {
        run_for(&load, options->warmup_seconds, false);
        report_restart(&result);
    }
    if (options->count > 0) {
        uint64_t each = (uint64_t)options->records_per_batch;
        load.queue_max = ((uint64_t)options->count + each - 1) / each;
    }
    run_for(&load, options->count > 0 ? 0 : options->seconds, true);
    report_print(&result);
    return report_status(&result);
}
