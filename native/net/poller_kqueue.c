/* poller_kqueue.c -- the poller over kqueue, for macOS and the BSDs.
 *
 * A descriptor has two filters in the set, one for reading and one for writing,
 * both with EV_CLEAR: edge-triggered. Each tells an event of its own; those of
 * one descriptor that stand beside each other are told as one.
 *
 * EV_EOF of the reading filter is what epoll calls EPOLLRDHUP, and comes with
 * the last bytes. Of the writing filter it means that a send would fail: the
 * send is to find that out. A descriptor leaves the set by itself when it is
 * closed; it is removed by name all the same, as with epoll.
 *
 * With MG_KQUEUE it is what Linux polls with, too, over libkqueue: for tests.
 */
#include "net/poller.h"

#if !defined(__linux__) || defined(MG_KQUEUE)

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 }; /* a turn's worth: more wait in the kernel */

struct mg_poller {
    int fd;
    struct kevent events[EVENTS_MAX];
};

mg_status mg_poller_open(mg_poller **out, mg_error *error)
{
    mg_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a poller");
    poller->fd = kqueue(); /* not inherited by a fork, says man 2 kqueue */
    if (poller->fd < 0) {
        int os_error = errno;
        free(poller);
        return mg_fail(error, MG_IO, os_error, "kqueue");
    }
    *out = poller;
    return MG_OK;
}

void mg_poller_close(mg_poller *poller)
{
    close(poller->fd);
    free(poller);
}

static int change(mg_poller *poller, int fd, short filter, unsigned short flags, void *subject)
{
    struct kevent event;
    EV_SET(&event, (uintptr_t)fd, filter, flags, 0, 0, subject);
    return kevent(poller->fd, &event, 1, NULL, 0, NULL);
}

mg_status mg_poller_add(mg_poller *poller, int fd, void *subject, mg_error *error)
{
    if (change(poller, fd, EVFILT_READ, EV_ADD | EV_CLEAR, subject) == 0 &&
        change(poller, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, subject) == 0)
        return MG_OK;
    int os_error = errno;
    mg_poller_remove(poller, fd);
    return mg_fail(error, os_error == ENOMEM ? MG_NO_MEMORY : MG_IO, os_error, "kevent");
}

void mg_poller_remove(mg_poller *poller, int fd)
{
    /* They can only fail for a filter that is not in the set. */
    (void)change(poller, fd, EVFILT_READ, EV_DELETE, NULL);
    (void)change(poller, fd, EVFILT_WRITE, EV_DELETE, NULL);
}

static void tell(const struct kevent *found, mg_poller_event *event)
{
    bool at_end = (found->flags & EV_EOF) != 0;
    bool reading = found->filter == EVFILT_READ;
    event->subject = found->udata;
    event->readable |= reading;
    event->writable |= !reading;
    event->ended |= reading && at_end;
}

size_t mg_poller_wait(mg_poller *poller, int timeout_ms, mg_poller_event *events, size_t room)
{
    int limit = room < EVENTS_MAX ? (int)room : EVENTS_MAX;
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = timeout_ms % 1000 * 1000000L};
    int found = kevent(poller->fd, NULL, 0, poller->events, limit,
                       timeout_ms < 0 ? NULL : &timeout);
    if (found < 0) {
        MG_ASSERT(errno == EINTR);
        return 0;
    }
    size_t count = 0;
    for (int i = 0; i < found; i++) {
        bool same = i > 0 && poller->events[i].ident == poller->events[i - 1].ident;
        if (!same) events[count++] = (mg_poller_event){.subject = NULL};
        tell(&poller->events[i], &events[count - 1]);
    }
    return count;
}

#endif
