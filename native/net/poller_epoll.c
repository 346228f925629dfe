/* poller_epoll.c -- the poller over Linux's epoll.
 *
 * EPOLLRDHUP and EPOLLHUP are told as "readable": only a receive shows whether
 * bytes are left before the end of the stream, and those bytes may be requests
 * that deserve an answer. A descriptor leaves the set by itself when it is
 * closed, but only if no duplicate is open anywhere, which fork can make: so it
 * is removed by name.
 */
#include "net/poller.h"

#if defined(__linux__) && !defined(MG_KQUEUE)

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 }; /* a turn's worth: more wait in the kernel */

struct mg_poller {
    int fd;
    struct epoll_event events[EVENTS_MAX];
};

mg_status mg_poller_open(mg_poller **out, mg_error *error)
{
    mg_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a poller");
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        int os_error = errno;
        free(poller);
        return mg_fail(error, MG_IO, os_error, "epoll_create1");
    }
    *out = poller;
    return MG_OK;
}

void mg_poller_close(mg_poller *poller)
{
    close(poller->fd);
    free(poller);
}

mg_status mg_poller_add(mg_poller *poller, int fd, void *subject, mg_error *error)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = subject};
    if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0) return MG_OK;
    return mg_fail(error, errno == ENOMEM || errno == ENOSPC ? MG_NO_MEMORY : MG_IO, errno,
                   "epoll_ctl");
}

void mg_poller_remove(mg_poller *poller, int fd)
{
    /* It can only fail for a descriptor that is not in the set. */
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL);
}

size_t mg_poller_wait(mg_poller *poller, int timeout_ms, mg_poller_event *events, size_t room)
{
    int limit = room < EVENTS_MAX ? (int)room : EVENTS_MAX;
    int count = epoll_wait(poller->fd, poller->events, limit, timeout_ms);
    if (count < 0) {
        MG_ASSERT(errno == EINTR);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        uint32_t what = poller->events[i].events;
        events[i] = (mg_poller_event){
            .subject = poller->events[i].data.ptr,
            .readable = (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
            .writable = (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
            .ended = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
        };
    }
    return (size_t)count;
}

#endif
