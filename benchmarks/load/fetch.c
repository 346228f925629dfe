/* fetch.c -- the fetch load: the same chunks of a topic again and again, without a session.
 *
 * Before the run each partition is read once, every CRC checked, and where each answer begins and
 * how many records it holds is written down. So requests can be pipelined, and during the run an
 * answer needs no more than its head: what follows is thrown away inside the kernel (--copy: copied
 * out), but for a sample, which is copied, its CRCs checked again. A partition that an answer would
 * leave the run's memory is not read to its end: CHUNKS_MAX bounds the cycle.
 */
#include "load/connection.h"
#include "load/fetch_reply.h"
#include "load/frames.h"
#include "load/loads.h"
#include "load/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,
    CHUNKS_MAX = 65536,
    SAMPLE_EVERY = 256, /* answers */
    DISCARD_SIZE = 1 << 20,
    DRAIN_SECONDS = 30,
};

typedef struct chunk {
    int64_t offset;
    int64_t records_size;
    uint64_t records;
    int partition;
} chunk;

typedef struct consumer {
    uint8_t head[FETCH_HEAD_MAX];
    size_t head_have;
    fetch_reply reply;
    size_t left;     /* bytes of the answer that are still to come, once its head is known */
    uint8_t *sample; /* where a sampled answer's records go; NULL: thrown away */
    size_t sample_have;
    uint64_t asked; /* requests; request i of a connection asks for chunk (first + i) */
    uint64_t replied;
    int64_t *begun_ns; /* by slot */
    size_t first;
    int fd;
} consumer;

typedef struct fetch_load {
    const load_options *options;
    chunk *chunks;
    size_t chunk_count;
    consumer *consumers;
    uint8_t *sample_room; /* one answer at a time is sampled */
    bool sampling;
    uint8_t *discard;
    uint64_t answers;
    batch_count sampled;
    int epoll;
    int version;
    bool stopping;
} fetch_load;

static report result;

/* Writes down the chunks of one partition. */
static void survey(fetch_load *load, int fd, int partition)
{
    batch_count all = {.next_offset = 0};
    for (;;) {
        fetch_reply reply;
        int64_t asked = all.next_offset;
        uint64_t records_before = all.records;
        mg_span records = fetch_exchange(load->options, load->version, fd, partition, asked,
                                         load->sample_room, fetch_room(load->options), &reply);
        if (reply.error != 0) die("partition %d: error %d", partition, reply.error);
        batch_count_add(&all, records, true);
        if (all.damaged > 0 || all.gaps > 0) die("partition %d is damaged", partition);
        if (all.next_offset == asked || load->chunk_count == CHUNKS_MAX) return;
        load->chunks[load->chunk_count++] = (chunk){
            .offset = asked,
            .records_size = (int64_t)records.size,
            .records = all.records - records_before,
            .partition = partition,
        };
        if (all.next_offset >= reply.high_watermark) return;
    }
}

static const chunk *chunk_at(const fetch_load *load, const consumer *c, uint64_t request)
{
    return &load->chunks[(c->first + request) % load->chunk_count];
}

/* Requests are small: what does not fit into an empty socket buffer is not expected. */
static void ask(fetch_load *load, consumer *c, int64_t now)
{
    uint8_t request[4096];
    mg_writer writer = mg_writer_over(request, sizeof request);
    while (!load->stopping && c->asked - c->replied < (uint64_t)load->options->in_flight &&
           mg_writer_left(&writer) >= FRAME_OVERHEAD_MAX) {
        const chunk *wanted = chunk_at(load, c, c->asked);
        frame_fetch(&writer, load->options, load->version, (int32_t)(c->asked & INT32_MAX),
                    wanted->partition, wanted->offset);
        c->begun_ns[c->asked % (uint64_t)load->options->in_flight] = now;
        c->asked++;
    }
    size_t size = mg_writer_size(&writer);
    if (size > 0 && send(c->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) {
        die("send: %s", strerror(errno));
    }
}

static void begin_body(fetch_load *load, consumer *c)
{
    const chunk *wanted = chunk_at(load, c, c->replied);
    if (c->reply.correlation_id != (uint32_t)(c->replied & INT32_MAX)) {
        die("answers are out of order");
    }
    if (c->reply.error != 0) {
        report_error(&result, c->reply.error);
    } else if (c->reply.records_size != wanted->records_size) {
        die("offset %lld: %lld bytes of records, %lld before", (long long)wanted->offset,
            (long long)c->reply.records_size, (long long)wanted->records_size);
    }
    c->left = c->reply.frame_size - c->head_have;
    c->sample = NULL;
    if (load->answers++ % SAMPLE_EVERY == 0 && !load->sampling) {
        c->sample = load->sample_room;
        c->sample_have = c->head_have - c->reply.head_size;
        memcpy(c->sample, c->head + c->reply.head_size, c->sample_have);
        load->sampling = true;
    }
}

static void check_sample(fetch_load *load, consumer *c)
{
    load->sampling = false;
    load->sampled.next_offset = chunk_at(load, c, c->replied)->offset;
    mg_span records = {.data = c->sample, .size = (size_t)c->reply.records_size};
    batch_count_add(&load->sampled, records, true);
    c->sample = NULL;
}

static void end_reply(fetch_load *load, consumer *c, int64_t now)
{
    if (c->sample != NULL) check_sample(load, c);
    const chunk *wanted = chunk_at(load, c, c->replied);
    histogram_add(&result.latency,
                  now - c->begun_ns[c->replied % (uint64_t)load->options->in_flight], 1);
    result.requests++;
    result.records += wanted->records;
    result.bytes += (uint64_t)wanted->records_size;
    c->replied++;
    c->head_have = 0;
}

/* One step through an answer. False: the socket is empty. */
static bool read_some(fetch_load *load, consumer *c)
{
    ssize_t got;
    bool in_head = c->left == 0;
    if (in_head) {
        /* No more than the frame's size at first: the next answer's bytes must stay where they
         * are, since what is in `head` can't be put back. */
        size_t known = c->head_have < 4 ? 4 : (size_t)mg_load_u32(c->head) + 4;
        size_t upto = known < FETCH_HEAD_MAX ? known : FETCH_HEAD_MAX;
        got = recv(c->fd, c->head + c->head_have, upto - c->head_have, 0);
    } else if (c->sample != NULL) {
        got = recv(c->fd, c->sample + c->sample_have, c->left, 0);
    } else {
        size_t piece = c->left < DISCARD_SIZE ? c->left : DISCARD_SIZE;
        got = recv(c->fd, load->discard, load->options->copy ? piece : c->left,
                   load->options->copy ? 0 : MSG_TRUNC);
    }
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) die("the broker closed a connection");
    if (in_head) {
        c->head_have += (size_t)got;
        if (c->head_have < 4 ||
            !fetch_reply_decode(load->options, load->version, c->head, c->head_have, &c->reply)) {
            return true;
        }
        begin_body(load, c);
    } else {
        c->left -= (size_t)got;
        if (c->sample != NULL) c->sample_have += (size_t)got;
    }
    if (c->left == 0) {
        int64_t now = now_ns();
        end_reply(load, c, now);
        ask(load, c, now);
    }
    return true;
}

static bool all_replied(const fetch_load *load)
{
    for (int i = 0; i < load->options->connections; i++) {
        if (load->consumers[i].replied < load->consumers[i].asked) return false;
    }
    return true;
}

static void turn(fetch_load *load)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(load->epoll, events, EVENTS_MAX, 100);
    if (count < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        consumer *c = events[i].data.ptr;
        while (read_some(load, c)) {
        }
    }
}

static void run_for(fetch_load *load, double seconds, bool counted)
{
    load->stopping = false;
    int64_t stop_ns = now_ns() + (int64_t)(seconds * 1e9);
    for (int i = 0; i < load->options->connections; i++)
        ask(load, &load->consumers[i], now_ns());
    while (now_ns() < stop_ns)
        turn(load);
    if (counted) report_end(&result);
    load->stopping = true;
    int64_t drain_until = now_ns() + (int64_t)DRAIN_SECONDS * 1000000000;
    while (!all_replied(load)) {
        if (now_ns() > drain_until) die("no answer for %d seconds", DRAIN_SECONDS);
        turn(load);
    }
}

static void open_consumer(fetch_load *load, int number)
{
    consumer *c = &load->consumers[number];
    c->first = load->chunk_count * (size_t)number / (size_t)load->options->connections;
    c->begun_ns = calloc((size_t)load->options->in_flight, sizeof *c->begun_ns);
    if (c->begun_ns == NULL) die("no memory");
    c->fd = connection_open(load->options);
    connection_set_nonblocking(c->fd);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
}

int run_fetch(const load_options *options)
{
    fetch_load load = {.options = options};
    load.version = options->version == 0 ? FETCH_VERSION_DEFAULT : options->version;
    if (load.version != FETCH_VERSION_DEFAULT && load.version != FETCH_VERSION_FLEXIBLE) {
        die("--version %d: Fetch %d or %d", load.version, FETCH_VERSION_DEFAULT,
            FETCH_VERSION_FLEXIBLE);
    }
    load.chunks = calloc(CHUNKS_MAX, sizeof *load.chunks);
    load.consumers = calloc((size_t)options->connections, sizeof *load.consumers);
    load.sample_room = malloc(fetch_room(options));
    load.discard = malloc(DISCARD_SIZE);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.chunks == NULL || load.consumers == NULL || load.sample_room == NULL ||
        load.discard == NULL || load.epoll < 0) {
        die("no memory");
    }
    int fd = connection_open(options);
    for (int partition = 0; partition < options->partitions; partition++) {
        survey(&load, fd, partition);
    }
    close(fd);
    if (load.chunk_count == 0) die("%s holds nothing", options->topic);
    for (int i = 0; i < options->connections; i++)
        open_consumer(&load, i);

    report_begin(&result, "fetch", options);
    if (options->warmup_seconds > 0) {
        run_for(&load, options->warmup_seconds, false);
        report_restart(&result);
    }
    run_for(&load, options->seconds, true);
    result.errors += load.sampled.damaged + load.sampled.gaps;
    report_print(&result);
    return report_status(&result);
}
