/* Reactors on the loopback: turns, limits and the end, with a session that echoes frames. */
#include "net/reactor.h"

#include "kit/client.h"

#include <string.h>

enum { REACTORS = 2, LETTER_TICK = MG_LETTER_REACTOR_KINDS, BIG = 3 << 20 };

/* A frame is 4 bytes of size and that many bytes; it is sent back. A frame that begins with 'w'
 * waits until the test lets it go. */
typedef struct echo {
    mg_connection *connection;
    struct station *station;
    struct echo *next;
    bool waits;
} echo;

typedef struct station {
    mg_reactor *reactor;
    echo *waiting;
    mg_letter letter;
    mg_deadline deadline;
    atomic_int turns;
    atomic_int due;
    atomic_int shown; /* how often bytes were shown */
    atomic_bool finishing;
} station;

typedef struct yard {
    mg_reactor_group group;
    station stations[REACTORS];
    int listener;
    uint16_t port;
} yard;

static bool opened(void *owner, mg_connection *connection)
{
    echo *e = calloc(1, sizeof *e);
    CHECK(e != NULL);
    e->station = owner;
    e->connection = connection;
    connection->session = e;
    return true;
}

static void answer(mg_connection *connection, const uint8_t *bytes, size_t size)
{
    mg_writer writer = mg_outbox_writer(&connection->outbox, size);
    mg_write_bytes(&writer, bytes, size);
    mg_outbox_commit(&connection->outbox, &writer);
    mg_reactor_want_send(connection);
}

static mg_intake received(mg_connection *connection, uint8_t *bytes, size_t size, mg_chunk *chunk)
{
    (void)chunk;
    echo *e = connection->session;
    mg_intake intake = {0};
    atomic_fetch_add(&e->station->shown, 1);
    for (;;) {
        if (e->waits || mg_reactor_is_congested(connection)) {
            intake.blocked = true;
            return intake;
        }
        size_t left = size - intake.consumed;
        if (left < 4) return intake;
        size_t whole = 4 + (size_t)mg_load_u32(bytes + intake.consumed);
        if (left < whole) return intake;
        connection->greeted = true;
        answer(connection, bytes + intake.consumed, whole);
        if (whole > 4 && bytes[intake.consumed + 4] == 'w') {
            e->waits = true;
            e->next = e->station->waiting;
            e->station->waiting = e;
        }
        intake.consumed += whole;
    }
}

static bool busy(const mg_connection *connection)
{
    const echo *e = connection->session;
    return e->waits;
}

static void closed(mg_connection *connection)
{
    echo *e = connection->session;
    echo **link = &e->station->waiting;
    while (*link != NULL && *link != e) link = &(*link)->next;
    if (*link == e) *link = e->next;
    free(e);
}

static void let_go_all(station *s)
{
    while (s->waiting != NULL) {
        echo *e = s->waiting;
        s->waiting = e->next;
        e->waits = false;
        mg_reactor_resume(e->connection);
    }
}

static void turn_began(void *owner)
{
    station *s = owner;
    atomic_fetch_add(&s->turns, 1);
}

static void mail(void *owner, mg_letter *letter)
{
    CHECK(letter->kind == LETTER_TICK);
    let_go_all(owner);
}

static bool work(void *owner)
{
    (void)owner;
    return false;
}

static void due(void *owner, mg_deadline *deadline)
{
    station *s = owner;
    CHECK(deadline == &s->deadline);
    atomic_fetch_add(&s->due, 1);
}

static void finishing(void *owner)
{
    station *s = owner;
    atomic_store(&s->finishing, true);
}

static mg_reactor_config plain_config(void)
{
    return (mg_reactor_config){.idle_timeout_ms = 1 << 30,
                               .greeting_timeout_ms = 1 << 30,
                               .memory_max = 64 << 20,
                               .outbox_high = 1 << 20,
                               .outbox_low = 1 << 18,
                               .connections_max = 1000};
}

static void listen_on_loopback(yard *y)
{
    y->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(y->listener >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(bind(y->listener, (const struct sockaddr *)(const void *)&address, size) == 0);
    CHECK(listen(y->listener, 512) == 0);
    CHECK(getsockname(y->listener, (struct sockaddr *)(void *)&address, &size) == 0);
    y->port = ntohs(address.sin_port);
}

static void yard_open(yard *y, unsigned count, mg_reactor_config config)
{
    *y = (yard){.group.count = count};
    for (unsigned i = 0; i < count; i++) {
        station *s = &y->stations[i];
        config.index = i;
        mg_reactor_events events = {
            .owner = s,
            .connection = {.received = received, .busy = busy, .closed = closed},
            .opened = opened,
            .turn_began = turn_began,
            .mail = mail,
            .work = work,
            .due = due,
            .finishing = finishing,
        };
        s->letter.kind = LETTER_TICK;
        CHECK(mg_reactor_open(&s->reactor, &y->group, &config, &events, NULL) == MG_OK);
        CHECK(mg_reactor_index(s->reactor) == i);
        y->group.reactors[i] = s->reactor;
    }
    listen_on_loopback(y);
    CHECK(mg_reactor_listen(y->stations[0].reactor, y->listener, 0, NULL) == MG_OK);
    for (unsigned i = 0; i < count; i++)
        CHECK(mg_reactor_start(y->stations[i].reactor, NULL) == MG_OK);
}

static void yard_close(yard *y)
{
    for (unsigned i = 0; i < y->group.count; i++) mg_reactor_finish(y->stations[i].reactor, 0);
    for (unsigned i = 0; i < y->group.count; i++) mg_reactor_join(y->stations[i].reactor);
    for (unsigned i = 0; i < y->group.count; i++) mg_reactor_settle(y->stations[i].reactor);
    CHECK(atomic_load(&y->group.connections) == 0);
    for (unsigned i = 0; i < y->group.count; i++) mg_reactor_close(y->stations[i].reactor);
    close(y->listener);
}

static frame make_echo(size_t size, uint8_t value)
{
    frame f = {.data = malloc(4 + size), .size = 4 + size};
    CHECK(f.data != NULL);
    mg_store_u32(f.data, (uint32_t)size);
    memset(f.data + 4, value, size);
    return f;
}

static void expect_echo(int fd, size_t size, uint8_t value)
{
    frame f = client_reply(fd);
    CHECK(f.size == 4 + size);
    for (size_t i = 0; i < size; i++) CHECK(f.data[4 + i] == value);
    frame_free(&f);
}

static void connections_are_dealt_out_and_served(void)
{
    yard y;
    yard_open(&y, REACTORS, plain_config());
    enum { CLIENTS = 150 }; /* more than one turn accepts */
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) fds[i] = client_connect(y.port);
    for (int i = 0; i < CLIENTS; i++) client_ask(fds[i], make_echo(100, (uint8_t)(i % 100)));
    for (int i = 0; i < CLIENTS; i++) expect_echo(fds[i], 100, (uint8_t)(i % 100));
    CHECK(atomic_load(&y.group.connections) == CLIENTS);
    CHECK(atomic_load(&y.group.accepted) == CLIENTS);
    for (unsigned i = 0; i < REACTORS; i++) CHECK(atomic_load(&y.stations[i].shown) > 10);
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    for (int i = 0; i < 10000 && atomic_load(&y.group.connections) > 0; i++) usleep(1000);
    CHECK(atomic_load(&y.group.connections) == 0);
    yard_close(&y);
}

/* N2 */
static void a_client_that_sends_and_closes_is_heard_and_forgotten(void)
{
    yard y;
    yard_open(&y, 1, plain_config());
    for (int i = 0; i < 200; i++) {
        int fd = client_connect(y.port);
        client_ask(fd, make_echo(10, 1));
        if (i % 2 == 0) CHECK(shutdown(fd, SHUT_WR) == 0);
        close(fd);
    }
    for (int i = 0; i < 10000; i++) {
        if (atomic_load(&y.group.accepted) == 200 && atomic_load(&y.group.connections) == 0) break;
        usleep(1000);
    }
    CHECK(atomic_load(&y.group.connections) == 0);
    CHECK(atomic_load(&y.stations[0].shown) >= 190);
    yard_close(&y);
}

/* N2: the last bytes and the end ring once, while nothing is taken in. */
static void a_client_that_stops_sending_is_answered_and_closed(void)
{
    yard y;
    yard_open(&y, 1, plain_config());
    for (int i = 0; i < 5; i++) {
        int fd = client_connect(y.port);
        client_ask(fd, make_echo(3, 'w'));
        expect_echo(fd, 3, 'w');
        client_ask(fd, make_echo(10, 1));
        CHECK(shutdown(fd, SHUT_WR) == 0);
        CHECK(client_hears_nothing(fd, 5));
        mg_mailbox_post(mg_reactor_mailbox(y.stations[0].reactor), &y.stations[0].letter);
        expect_echo(fd, 10, 1);
        CHECK(client_sees_close(fd));
        close(fd);
    }
    yard_close(&y);
}

static void more_than_the_limit_are_turned_away(void)
{
    yard y;
    mg_reactor_config config = plain_config();
    config.connections_max = 3;
    yard_open(&y, 1, config);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(y.port);
        client_ask(fds[i], make_echo(1, 1));
        expect_echo(fds[i], 1, 1);
    }
    for (int i = 0; i < 200; i++) {
        int fd = client_connect(y.port);
        CHECK(client_sees_close(fd));
        close(fd);
    }
    CHECK(atomic_load(&y.group.turned_away) == 200);
    close(fds[0]);
    while (atomic_load(&y.group.connections) == 3) usleep(100);
    fds[0] = client_connect(y.port);
    client_ask(fds[0], make_echo(1, 2));
    expect_echo(fds[0], 1, 2);
    for (int i = 0; i < 3; i++) close(fds[i]);
    yard_close(&y);
}

static void who_says_nothing_is_shown_out(void)
{
    yard y;
    mg_reactor_config config = plain_config();
    config.greeting_timeout_ms = 500;
    config.idle_timeout_ms = 600;
    yard_open(&y, 1, config);
    int mute = client_connect(y.port);
    int stammering = client_connect(y.port);
    int idle = client_connect(y.port);
    client_send(stammering, (const uint8_t *)"\0\0", 2);
    client_ask(idle, make_echo(5, 1));
    expect_echo(idle, 5, 1);
    CHECK(client_sees_close(mute));
    CHECK(client_sees_close(stammering));
    CHECK(client_sees_close(idle)); /* later */
    close(mute);
    close(stammering);
    close(idle);
    yard_close(&y);
}

/* In some twentieth of a second at most one turn is made: whoever spins never has such a one. */
static bool sleeps(yard *y)
{
    for (int i = 0; i < 60; i++) {
        int turns = atomic_load(&y->stations[0].turns);
        usleep(50000);
        if (atomic_load(&y->stations[0].turns) <= turns + 1) return true;
    }
    return false;
}

static void an_idle_reactor_sleeps(void)
{
    yard y;
    yard_open(&y, 1, plain_config());
    int fd = client_connect(y.port);
    client_ask(fd, make_echo(5, 1));
    expect_echo(fd, 5, 1);
    CHECK(sleeps(&y));
    client_send(fd, (const uint8_t *)"\0\0\0\5a", 5); /* half a frame is no reason to spin */
    CHECK(sleeps(&y));
    close(fd);
    yard_close(&y);
}

/* A fence: what came behind it is shown after the letter that lifts it. */
static void a_blocked_connection_goes_on_when_resumed(void)
{
    yard y;
    yard_open(&y, 1, plain_config());
    int fd = client_connect(y.port);
    for (int round = 0; round < 20; round++) {
        client_ask(fd, make_echo(3, 'w'));
        client_ask(fd, make_echo(1000, 2));
        expect_echo(fd, 3, 'w');
        CHECK(client_hears_nothing(fd, 2));
        mg_mailbox_post(mg_reactor_mailbox(y.stations[0].reactor), &y.stations[0].letter);
        expect_echo(fd, 1000, 2);
    }
    close(fd);
    yard_close(&y);
}

static void a_slow_reader_blocks_only_itself(void)
{
    yard y;
    mg_reactor_config config = plain_config();
    config.outbox_high = 100 * 1000;
    config.outbox_low = 50 * 1000;
    yard_open(&y, 1, config);
    int slow = client_connect(y.port);
    int quick = client_connect(y.port);
    frame f = make_echo(50 * 1000, 7);
    size_t count = 0;
    size_t offered = 0;
    while (count < 400) { /* 20 MB, more than sockets hold */
        ssize_t sent = send(slow, f.data + offered, f.size - offered, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) break; /* it takes no more */
        offered += (size_t)sent;
        if (offered < f.size) continue;
        offered = 0;
        count++;
    }
    CHECK(count < 400);
    for (int i = 0; i < 20; i++) {
        client_ask(quick, make_echo(100, (uint8_t)(i % 100)));
        expect_echo(quick, 100, (uint8_t)i);
    }
    for (size_t i = 0; i < count; i++) expect_echo(slow, 50 * 1000, 7);
    if (offered > 0) {
        client_send(slow, f.data + offered, f.size - offered);
        expect_echo(slow, 50 * 1000, 7);
    }
    frame_free(&f);
    close(slow);
    close(quick);
    yard_close(&y);
}

/* N3: more unfinished frames than memory is allowed for, and still all of them end. */
static void short_memory_stops_nobody_for_ever(void)
{
    yard y;
    mg_reactor_config config = plain_config();
    config.memory_max = 4 << 20;
    yard_open(&y, 1, config);
    enum { CLIENTS = 6 };
    int fds[CLIENTS];
    size_t sent[CLIENTS] = {0};
    size_t got[CLIENTS] = {0};
    frame f = make_echo(BIG, 5);
    static uint8_t sink[1 << 16];
    for (int i = 0; i < CLIENTS; i++) fds[i] = client_connect(y.port);
    for (int done = 0, idle = 0; done < CLIENTS;) {
        bool moved = false;
        done = 0;
        for (int i = 0; i < CLIENTS; i++) {
            size_t more = f.size - sent[i] < 100000 ? f.size - sent[i] : 100000;
            ssize_t n = send(fds[i], f.data + sent[i], more, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (more > 0 && n > 0) sent[i] += (size_t)n;
            ssize_t m = recv(fds[i], sink, sizeof sink, MSG_DONTWAIT);
            CHECK(m != 0);
            if (m > 0) got[i] += (size_t)m;
            if ((more > 0 && n > 0) || m > 0) moved = true;
            if (got[i] == f.size) done++;
        }
        idle = moved ? 0 : idle + 1;
        CHECK(idle < 5000);
        if (!moved) usleep(1000);
    }
    frame_free(&f);
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    yard_close(&y);
}

static void what_was_taken_in_is_answered_before_the_end(void)
{
    yard y;
    yard_open(&y, REACTORS, plain_config());
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = client_connect(y.port);
        client_ask(fds[i], make_echo(3, 'w'));
        expect_echo(fds[i], 3, 'w');
    }
    for (int i = 0; i < REACTORS; i++) mg_reactor_finish(y.stations[i].reactor, 20000);
    for (int i = 0; i < REACTORS; i++)
        while (!atomic_load(&y.stations[i].finishing)) usleep(100);
    for (int i = 0; i < 8; i++) CHECK(client_hears_nothing(fds[i], 1)); /* still busy */
    for (int i = 0; i < REACTORS; i++)
        mg_mailbox_post(mg_reactor_mailbox(y.stations[i].reactor), &y.stations[i].letter);
    for (int i = 0; i < REACTORS; i++) mg_reactor_join(y.stations[i].reactor);
    for (int i = 0; i < 8; i++) {
        CHECK(client_sees_close(fds[i]));
        close(fds[i]);
    }
    yard_close(&y);
}

static void the_end_waits_no_longer_than_its_grace(void)
{
    yard y;
    yard_open(&y, 1, plain_config());
    int fd = client_connect(y.port);
    client_ask(fd, make_echo(3, 'w'));
    expect_echo(fd, 3, 'w');
    mg_reactor_finish(y.stations[0].reactor, 30);
    mg_reactor_join(y.stations[0].reactor);
    CHECK(client_sees_close(fd));
    close(fd);
    yard_close(&y);
}

int main(void)
{
    connections_are_dealt_out_and_served();
    a_client_that_sends_and_closes_is_heard_and_forgotten();
    a_client_that_stops_sending_is_answered_and_closed();
    more_than_the_limit_are_turned_away();
    who_says_nothing_is_shown_out();
    an_idle_reactor_sleeps();
    a_blocked_connection_goes_on_when_resumed();
    a_slow_reader_blocks_only_itself();
    short_memory_stops_nobody_for_ever();
    what_was_taken_in_is_answered_before_the_end();
    the_end_waits_no_longer_than_its_grace();
    puts("reactor_test: ok");
}
