#include "net/reactor.h"

#include "base/copy.h"
#include "base/thread.h"
#include "net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    ACCEPTS_MAX = 64,         /* a turn; the rest wait for the next */
    ACCEPT_PAUSE_MS = 100,    /* after EMFILE and the like: the machine may recover */
    WORK_ROUNDS_MAX = 16,     /* a turn: a busy partition must not keep replies from being sent */
    LETTER_CONNECTION = 1,    /* an accepted connection on its way to us */
    LETTER_FINISH = 2,
};

typedef struct listening {
    int fd;
    int listener;
    bool readable;
} listening;

struct mg_reactor {
    mg_reactor_group *group;
    mg_reactor_config config;
    mg_reactor_events events;
    mg_poller *poller;
    mg_mailbox mailbox;
    pthread_t thread;
    bool started;

    mg_reactor_clock now;
    mg_chunk_pool pool;
    mg_chunk *shared;          /* where bytes are received */
    mg_connection *shared_last; /* whose kept bytes may lie in it */
    mg_connection *all;
    mg_connection *active;
    mg_connection **active_last;
    mg_connection *output;
    mg_connection *favoured; /* who may receive although memory is short */
    bool has_work;           /* left over from this turn */
    mg_deadlines deadlines; /* the layer above's */
    mg_deadlines lives;     /* one a connection */
    int64_t accept_after_ms;

    listening listeners[MG_LISTENERS_MAX];
    unsigned listener_count;

    mg_letter finish_letter;
    atomic_bool finish_asked;
    _Atomic int64_t finish_grace_ms;
    bool finishing;
    int64_t finish_by_ms;
};

/* ---- Life ---- */

mg_status mg_reactor_open(mg_reactor **out, mg_reactor_group *group,
                          const mg_reactor_config *config, const mg_reactor_events *events,
                          mg_error *error)
{
    MG_ASSERT(config->index < MG_REACTORS_MAX);
    mg_reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a reactor");
    mg_status status = mg_poller_open(&reactor->poller, error);
    if (status != MG_OK) {
        free(reactor);
        return status;
    }
    status = mg_mailbox_init(&reactor->mailbox, error);
    if (status != MG_OK) {
        mg_poller_close(reactor->poller);
        free(reactor);
        return status;
    }
    reactor->group = group;
    reactor->config = *config;
    reactor->events = *events;
    reactor->active_last = &reactor->active;
    reactor->finish_letter.kind = LETTER_FINISH;
    mg_chunk_pool_init(&reactor->pool);
    mg_deadlines_init(&reactor->deadlines);
    mg_deadlines_init(&reactor->lives);
    status = mg_poller_add(reactor->poller, reactor->mailbox.wake_fd, &reactor->mailbox, error);
    if (status != MG_OK) {
        mg_reactor_close(reactor);
        return status;
    }
    *out = reactor;
    return MG_OK;
}

void mg_reactor_close(mg_reactor *reactor)
{
    MG_ASSERT(reactor->all == NULL);
    if (reactor->shared != NULL) mg_chunk_release(reactor->shared);
    mg_chunk_pool_deinit(&reactor->pool);
    mg_deadlines_deinit(&reactor->deadlines);
    mg_deadlines_deinit(&reactor->lives);
    mg_mailbox_deinit(&reactor->mailbox);
    mg_poller_close(reactor->poller);
    free(reactor);
}

mg_status mg_reactor_listen(mg_reactor *reactor, int fd, int listener, mg_error *error)
{
    MG_ASSERT(!reactor->started);
    MG_ASSERT(reactor->listener_count < MG_LISTENERS_MAX);
    listening *l = &reactor->listeners[reactor->listener_count];
    mg_status status = mg_poller_add(reactor->poller, fd, l, error);
    if (status != MG_OK) return status;
    *l = (listening){.fd = fd, .listener = listener, .readable = true};
    reactor->listener_count++;
    return MG_OK;
}

/* ---- What sessions and the layer above ask ---- */

mg_mailbox *mg_reactor_mailbox(mg_reactor *reactor)
{
    return &reactor->mailbox;
}

mg_reactor_clock mg_reactor_now(const mg_reactor *reactor)
{
    return reactor->now;
}

unsigned mg_reactor_index(const mg_reactor *reactor)
{
    return reactor->config.index;
}

bool mg_reactor_is_finishing(const mg_reactor *reactor)
{
    return reactor->finishing;
}

static void activate(mg_connection *connection)
{
    if (connection->in_active) return;
    mg_reactor *reactor = connection->reactor;
    connection->in_active = true;
    connection->active_next = NULL;
    *reactor->active_last = connection;
    reactor->active_last = &connection->active_next;
}

void mg_reactor_want_send(mg_connection *connection)
{
    if (connection->in_output) return;
    mg_reactor *reactor = connection->reactor;
    connection->in_output = true;
    connection->output_next = reactor->output;
    reactor->output = connection;
}

void mg_reactor_resume(mg_connection *connection)
{
    /* Answered while its bytes are being shown: the session sees for itself that it may go on. */
    if (!connection->blocked) return;
    connection->blocked = false;
    connection->resumed = true;
    activate(connection);
}

bool mg_reactor_is_congested(const mg_connection *connection)
{
    return mg_outbox_pending(&connection->outbox) > connection->reactor->config.outbox_high;
}

bool mg_reactor_add_deadline(mg_reactor *reactor, mg_deadline *deadline, int64_t due_ms)
{
    return mg_deadlines_add(&reactor->deadlines, deadline, due_ms);
}

void mg_reactor_remove_deadline(mg_reactor *reactor, mg_deadline *deadline)
{
    mg_deadlines_remove(&reactor->deadlines, deadline);
}

/* ---- Connections ---- */

static void read_clock(mg_reactor *reactor)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    reactor->now.monotonic_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    clock_gettime(CLOCK_REALTIME, &t);
    reactor->now.wall_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void forget(mg_connection *connection)
{
    atomic_fetch_sub(&connection->reactor->group->connections, 1);
    mg_connection_close(connection);
}

static void adopt(mg_reactor *reactor, mg_connection *connection)
{
    connection->reactor = reactor;
    connection->events = &reactor->events.connection;
    connection->opened_ms = connection->active_ms = reactor->now.monotonic_ms;
    connection->readable = true;
    if (reactor->finishing || !reactor->events.opened(reactor->events.owner, connection)) {
        forget(connection);
        return;
    }
    connection->next = reactor->all;
    if (reactor->all != NULL) reactor->all->previous = connection;
    reactor->all = connection;
    int64_t patience_ms = reactor->config.greeting_timeout_ms;
    if (reactor->config.idle_timeout_ms < patience_ms)
        patience_ms = reactor->config.idle_timeout_ms;
    int64_t look_ms = connection->opened_ms + patience_ms;
    if (!mg_deadlines_add(&reactor->lives, &connection->life, look_ms)) connection->doomed = true;
    if (mg_poller_add(reactor->poller, connection->fd, connection, NULL) != MG_OK)
        connection->doomed = true;
    activate(connection); /* also when doomed: the end of the turn finds it there */
}

static void name_peer(const struct sockaddr_storage *address, char peer[MG_PEER_NAME_SIZE])
{
    peer[0] = '\0';
    const void *host = NULL;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->ss_family == AF_INET) {
        mg_copy(&v4, sizeof v4, address, sizeof v4);
        host = &v4.sin_addr;
    } else if (address->ss_family == AF_INET6) {
        mg_copy(&v6, sizeof v6, address, sizeof v6);
        host = &v6.sin6_addr;
    }
    if (host != NULL) (void)inet_ntop(address->ss_family, host, peer, MG_PEER_NAME_SIZE);
}

static void deal_out(mg_reactor *reactor, int fd, int listener, const char *peer)
{
    mg_reactor_group *group = reactor->group;
    if (atomic_fetch_add(&group->connections, 1) >= reactor->config.connections_max) {
        atomic_fetch_sub(&group->connections, 1);
        atomic_fetch_add(&group->turned_away, 1);
        close(fd);
        return;
    }
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    mg_connection *connection = mg_connection_open(fd, listener, peer);
    if (connection == NULL) {
        atomic_fetch_sub(&group->connections, 1);
        atomic_fetch_add(&group->turned_away, 1);
        return;
    }
    atomic_fetch_add(&group->accepted, 1);
    unsigned index = atomic_fetch_add(&group->next, 1) % group->count;
    if (index == reactor->config.index) {
        adopt(reactor, connection);
        return;
    }
    connection->reactor = group->reactors[index];
    connection->letter.kind = LETTER_CONNECTION;
    mg_mailbox_post(&group->reactors[index]->mailbox, &connection->letter);
}

static void accept_some(mg_reactor *reactor, listening *l)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = mg_socket_accept(l->fd, (struct sockaddr *)&address, &size);
        if (fd >= 0) {
            char peer[MG_PEER_NAME_SIZE];
            name_peer(&address, peer);
            deal_out(reactor, fd, l->listener, peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            l->readable = false;
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            reactor->accept_after_ms = reactor->now.monotonic_ms + ACCEPT_PAUSE_MS;
            return;
        }
        /* Anything else is about that one connection: the next may be fine. */
    }
}

static void accept_all(mg_reactor *reactor)
{
    if (reactor->finishing || reactor->now.monotonic_ms < reactor->accept_after_ms) return;
    for (unsigned i = 0; i < reactor->listener_count; i++)
        if (reactor->listeners[i].readable) accept_some(reactor, &reactor->listeners[i]);
}

static bool is_starved(const mg_reactor *reactor)
{
    const mg_chunk *shared = reactor->shared;
    size_t idle = shared != NULL && shared->refs == 1 ? shared->capacity : 0;
    return reactor->pool.in_use - idle > reactor->config.memory_max;
}

static bool wants_to_receive(const mg_connection *connection)
{
    if (connection->blocked || connection->doomed || connection->finishing) return false;
    return connection->readable || (connection->resumed && connection->kept_size > 0);
}

/* While memory is short, kept bytes may still be shown, and one connection goes on receiving the
 * frame that it is in: were all to stop in the middle of theirs, nothing would ever be freed. */
static bool may_receive(mg_reactor *reactor, mg_connection *connection)
{
    if (!wants_to_receive(connection)) return false;
    if (!is_starved(reactor)) return true;
    if (connection->kept_size == 0) return false;
    if (connection->resumed) return true;
    if (reactor->favoured == NULL || !wants_to_receive(reactor->favoured))
        reactor->favoured = connection;
    return reactor->favoured == connection; /* N3 */
}

static void receive(mg_reactor *reactor, mg_connection *connection)
{
    mg_connection *last = reactor->shared_last;
    if (last != NULL && last != connection && last->kept == reactor->shared) {
        mg_connection_settle(last, &reactor->pool);
        if (last->doomed) activate(last);
    }
    reactor->shared_last = NULL;
    mg_connection_receive(connection, &reactor->shared, &reactor->pool);
    if (connection->kept != NULL && connection->kept == reactor->shared)
        reactor->shared_last = connection;
    connection->active_ms = reactor->now.monotonic_ms;
}

static void receive_all(mg_reactor *reactor)
{
    mg_connection *connection = reactor->active;
    reactor->active = NULL;
    reactor->active_last = &reactor->active;
    while (connection != NULL) {
        mg_connection *next = connection->active_next;
        connection->in_active = false;
        if (may_receive(reactor, connection)) receive(reactor, connection);
        if (wants_to_receive(connection) || connection->doomed) activate(connection);
        connection = next;
    }
}

static void send_all(mg_reactor *reactor)
{
    while (reactor->output != NULL) {
        mg_connection *connection = reactor->output;
        reactor->output = connection->output_next;
        connection->in_output = false;
        size_t before = mg_outbox_pending(&connection->outbox);
        if (!connection->doomed) mg_connection_send(connection);
        size_t after = mg_outbox_pending(&connection->outbox);
        if (after < before) connection->active_ms = reactor->now.monotonic_ms;
        /* Whoever was congested has been above the low mark. */
        size_t low = reactor->config.outbox_low;
        if (before > low && after <= low) mg_reactor_resume(connection);
        if (connection->doomed) activate(connection);
    }
}

static void look_at_lives(mg_reactor *reactor)
{
    int64_t now_ms = reactor->now.monotonic_ms;
    for (;;) {
        mg_deadline *life = mg_deadlines_take_due(&reactor->lives, now_ms);
        if (life == NULL) return;
        mg_connection *connection =
            (mg_connection *)(void *)((char *)life - offsetof(mg_connection, life));
        int64_t idle_ms = connection->active_ms + reactor->config.idle_timeout_ms;
        if (!connection->greeted || idle_ms <= now_ms) {
            connection->doomed = true;
            activate(connection);
        } else if (!mg_deadlines_add(&reactor->lives, life, idle_ms)) {
            connection->doomed = true;
            activate(connection);
        }
    }
}

static void close_connection(mg_reactor *reactor, mg_connection *connection)
{
    MG_ASSERT(!connection->in_active);
    connection->events->closed(connection);
    if (connection->in_output) {
        mg_connection **link = &reactor->output;
        while (*link != connection) link = &(*link)->output_next;
        *link = connection->output_next;
        connection->in_output = false;
    }
    if (connection->next != NULL) connection->next->previous = connection->previous;
    if (connection->previous != NULL) connection->previous->next = connection->next;
    if (reactor->all == connection) reactor->all = connection->next;
    if (reactor->shared_last == connection) reactor->shared_last = NULL;
    if (reactor->favoured == connection) reactor->favoured = NULL;
    mg_deadlines_remove(&reactor->lives, &connection->life);
    mg_poller_remove(reactor->poller, connection->fd);
    forget(connection);
}

static void close_doomed(mg_reactor *reactor)
{
    mg_connection **link = &reactor->active;
    while (*link != NULL) {
        mg_connection *connection = *link;
        if (!connection->doomed) {
            link = &connection->active_next;
            continue;
        }
        *link = connection->active_next;
        connection->in_active = false;
        if (reactor->active_last == &connection->active_next) reactor->active_last = link;
        close_connection(reactor, connection);
    }
}

/* ---- The end ---- */

static void begin_to_finish(mg_reactor *reactor)
{
    reactor->finishing = true;
    reactor->finish_by_ms = reactor->now.monotonic_ms + atomic_load(&reactor->finish_grace_ms);
    for (unsigned i = 0; i < reactor->listener_count; i++)
        mg_poller_remove(reactor->poller, reactor->listeners[i].fd);
    reactor->listener_count = 0;
    reactor->events.finishing(reactor->events.owner);
}

static void finish_connections(mg_reactor *reactor)
{
    bool out_of_time = reactor->now.monotonic_ms >= reactor->finish_by_ms;
    for (mg_connection *c = reactor->all; c != NULL; c = c->next) {
        c->finishing = true;
        bool done = !c->events->busy(c) && mg_outbox_pending(&c->outbox) == 0;
        if (!done && !out_of_time) continue;
        c->doomed = true;
        activate(c);
    }
}

/* ---- The loop ---- */

static void read_mail(mg_reactor *reactor)
{
    mg_letter *letter = mg_mailbox_take(&reactor->mailbox);
    while (letter != NULL) {
        mg_letter *next = letter->next;
        if (letter->kind == LETTER_CONNECTION) {
            adopt(reactor, (mg_connection *)(void *)((char *)letter -
                                                     offsetof(mg_connection, letter)));
        } else if (letter->kind == LETTER_FINISH) {
            begin_to_finish(reactor);
        } else {
            MG_ASSERT(letter->kind >= MG_LETTER_REACTOR_KINDS);
            reactor->events.mail(reactor->events.owner, letter);
        }
        letter = next;
    }
}

static bool has_something_to_do(mg_reactor *reactor)
{
    if (reactor->has_work) return true;
    for (mg_connection *c = reactor->active; c != NULL; c = c->active_next)
        if (may_receive(reactor, c)) return true;
    if (reactor->finishing || reactor->accept_after_ms > reactor->now.monotonic_ms) return false;
    for (unsigned i = 0; i < reactor->listener_count; i++)
        if (reactor->listeners[i].readable) return true;
    return false;
}

static int wait_ms(mg_reactor *reactor)
{
    if (has_something_to_do(reactor)) return 0;
    int64_t next_ms = mg_deadlines_next_ms(&reactor->deadlines);
    int64_t life_ms = mg_deadlines_next_ms(&reactor->lives);
    if (life_ms < next_ms) next_ms = life_ms;
    if (reactor->accept_after_ms > reactor->now.monotonic_ms && reactor->accept_after_ms < next_ms)
        next_ms = reactor->accept_after_ms;
    if (reactor->finishing && reactor->finish_by_ms < next_ms) next_ms = reactor->finish_by_ms;
    if (next_ms == INT64_MAX) return -1;
    int64_t left_ms = next_ms - reactor->now.monotonic_ms;
    if (left_ms <= 0) return 0;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

static void poll(mg_reactor *reactor)
{
    mg_poller_event events[EVENTS_MAX];
    size_t count = mg_poller_wait(reactor->poller, wait_ms(reactor), events, EVENTS_MAX);
    read_clock(reactor);
    for (size_t i = 0; i < count; i++) {
        void *subject = events[i].subject;
        if (subject == &reactor->mailbox) {
            mg_mailbox_hush(&reactor->mailbox);
            continue;
        }
        listening *l = subject;
        if (l >= reactor->listeners && l < reactor->listeners + MG_LISTENERS_MAX) {
            l->readable = true;
            continue;
        }
        mg_connection *connection = subject;
        if (events[i].ended) connection->ended = true;
        if (events[i].readable) {
            connection->readable = true;
            activate(connection);
        }
        if (events[i].writable) {
            connection->writable = true;
            if (mg_outbox_pending(&connection->outbox) > 0) mg_reactor_want_send(connection);
        }
    }
}

static void turn(mg_reactor *reactor)
{
    poll(reactor);
    reactor->events.turn_began(reactor->events.owner);
    accept_all(reactor);
    receive_all(reactor);
    reactor->has_work = true;
    for (int i = 0; i < WORK_ROUNDS_MAX && reactor->has_work; i++) {
        read_mail(reactor);
        reactor->has_work = reactor->events.work(reactor->events.owner);
    }
    send_all(reactor);
    for (;;) {
        mg_deadline *due =
            mg_deadlines_take_due(&reactor->deadlines, reactor->now.monotonic_ms);
        if (due == NULL) break;
        reactor->events.due(reactor->events.owner, due);
    }
    look_at_lives(reactor);
    send_all(reactor);
    if (reactor->finishing) finish_connections(reactor);
    close_doomed(reactor);
}

static void *run(void *argument)
{
    mg_reactor *reactor = argument;
    mg_mailbox_adopt(&reactor->mailbox);
    read_clock(reactor);
    while (!reactor->finishing || reactor->all != NULL) turn(reactor);
    return NULL;
}

mg_status mg_reactor_start(mg_reactor *reactor, mg_error *error)
{
    MG_ASSERT(!reactor->started);
    mg_status status = mg_thread_start(&reactor->thread, run, reactor, "mg-reactor", error);
    if (status != MG_OK) return status;
    reactor->started = true;
    return MG_OK;
}

void mg_reactor_finish(mg_reactor *reactor, int64_t grace_ms)
{
    if (atomic_exchange(&reactor->finish_asked, true)) return;
    atomic_store(&reactor->finish_grace_ms, grace_ms);
    mg_mailbox_post(&reactor->mailbox, &reactor->finish_letter);
}

void mg_reactor_join(mg_reactor *reactor)
{
    if (!reactor->started) return;
    pthread_join(reactor->thread, NULL);
    reactor->started = false;
}

void mg_reactor_settle(mg_reactor *reactor)
{
    MG_ASSERT(!reactor->started);
    MG_ASSERT(reactor->finishing || reactor->all == NULL);
    reactor->finishing = true; /* a connection that was still on its way is closed */
    reactor->events.turn_began(reactor->events.owner);
    do {
        read_mail(reactor);
    } while (reactor->events.work(reactor->events.owner));
}
