/* poller.h -- which of many file descriptors have something to do.
 *
 * Edge-triggered: readiness is told once, when it begins, so whoever is told
 * remembers it until a call comes back short. That saves a system call for
 * every change of mind about what to wait for. Belongs to one thread.
 */
#ifndef MG_NET_POLLER_H
#define MG_NET_POLLER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct mg_poller mg_poller;

typedef struct mg_poller_event {
    void *subject; /* as given to add */
    bool readable; /* bytes, an end of the stream, or an error: a receive will tell */
    bool writable;
    bool ended;    /* the peer sends no more: told once, maybe together with the last bytes */
} mg_poller_event;

MG_WARN_UNUSED mg_status mg_poller_open(mg_poller **out, mg_error *error);
void mg_poller_close(mg_poller *poller);
MG_WARN_UNUSED mg_status mg_poller_add(mg_poller *poller, int fd, void *subject, mg_error *error);
void mg_poller_remove(mg_poller *poller, int fd);
/* Waits at most timeout_ms (-1: for ever; 0: not at all) and fills at most `room` events. */
size_t mg_poller_wait(mg_poller *poller, int timeout_ms, mg_poller_event *events, size_t room);

#endif
