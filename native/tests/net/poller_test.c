/* Readiness is told once, when it begins, and an end together with the bytes before it. */
#include "net/poller.h"

#include "check.h"

#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 16 };

static void open_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
}

static void tells_what_is_ready_and_whose_it_is(void)
{
    mg_poller *poller;
    CHECK(mg_poller_open(&poller, NULL) == MG_OK);
    int fds[2];
    open_pair(fds);
    int subject;
    mg_poller_event events[ROOM];
    CHECK(mg_poller_wait(poller, 0, events, ROOM) == 0);
    CHECK(mg_poller_add(poller, fds[0], &subject, NULL) == MG_OK);
    CHECK(mg_poller_wait(poller, 1000, events, ROOM) == 1);
    CHECK(events[0].subject == &subject);
    CHECK(events[0].writable);
    CHECK(!events[0].readable);
    CHECK(mg_poller_wait(poller, 0, events, ROOM) == 0); /* told already */
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(mg_poller_wait(poller, 1000, events, ROOM) == 1);
    CHECK(events[0].readable);
    CHECK(!events[0].ended);
    CHECK(mg_poller_wait(poller, 0, events, ROOM) == 0); /* although nobody read it */
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(mg_poller_wait(poller, 1000, events, ROOM) == 1); /* more came */
    mg_poller_remove(poller, fds[0]);
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(mg_poller_wait(poller, 0, events, ROOM) == 0);
    close(fds[0]);
    close(fds[1]);
    mg_poller_close(poller);
}

static void an_end_is_told_once_even_with_bytes_before_it(void)
{
    mg_poller *poller;
    CHECK(mg_poller_open(&poller, NULL) == MG_OK);
    int fds[2];
    open_pair(fds);
    CHECK(mg_poller_add(poller, fds[0], NULL, NULL) == MG_OK);
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(shutdown(fds[1], SHUT_WR) == 0);
    mg_poller_event events[ROOM];
    CHECK(mg_poller_wait(poller, 1000, events, ROOM) == 1);
    CHECK(events[0].readable);
    CHECK(events[0].ended);
    char byte[8];
    CHECK(read(fds[0], byte, sizeof byte) == 1);
    CHECK(mg_poller_wait(poller, 10, events, ROOM) == 0); /* so whoever is told must remember */
    close(fds[0]);
    close(fds[1]);
    mg_poller_close(poller);
}

static void no_more_events_than_there_is_room(void)
{
    mg_poller *poller;
    CHECK(mg_poller_open(&poller, NULL) == MG_OK);
    int fds[5][2];
    for (int i = 0; i < 5; i++) {
        open_pair(fds[i]);
        CHECK(mg_poller_add(poller, fds[i][0], &fds[i], NULL) == MG_OK);
    }
    mg_poller_event events[ROOM];
    CHECK(mg_poller_wait(poller, 0, events, 3) == 3);
    CHECK(mg_poller_wait(poller, 0, events, 3) == 2);
    CHECK(mg_poller_wait(poller, 0, events, 3) == 0);
    for (int i = 0; i < 5; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    mg_poller_close(poller);
}

static void a_descriptor_that_cannot_be_polled_is_an_error(void)
{
    mg_poller *poller;
    CHECK(mg_poller_open(&poller, NULL) == MG_OK);
    mg_error error = {0};
    CHECK(mg_poller_add(poller, -1, NULL, &error) == MG_IO);
    CHECK(error.os_error != 0);
    mg_poller_close(poller);
}

int main(void)
{
    tells_what_is_ready_and_whose_it_is();
    an_end_is_told_once_even_with_bytes_before_it();
    no_more_events_than_there_is_room();
    a_descriptor_that_cannot_be_polled_is_an_error();
    puts("poller_test: ok");
}
