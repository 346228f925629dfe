/* reactor.h -- a thread, its poller and its connections, turn by turn.
 *
 *   wait ─▶ accept ─▶ receive ─▶ work ─▶ send ─▶ what is due ─▶ close the doomed ─▶ wait
 *              each connection    │
 *              once: the session  └ the layer above: append, mail, replies
 *              is shown its bytes
 *
 * A reactor never waits but in the poller. Whatever happens on other threads
 * reaches it as a letter in its mailbox. Connections accepted by one reactor
 * are dealt out to all in turn.
 */
#ifndef MG_NET_REACTOR_H
#define MG_NET_REACTOR_H

#include "net/connection.h"
#include "net/deadlines.h"
#include "net/poller.h"
#include "partition/mailbox.h"

enum {
    MG_REACTORS_MAX = 32,
    MG_LISTENERS_MAX = 64, /* sockets: a listener has one for each address of its name */
    MG_LETTER_REACTOR_KINDS = 16, /* letter kinds below it are the reactor's own */
};

typedef struct mg_reactor_config {
    unsigned index;
    int64_t idle_timeout_ms;     /* a connection on which nothing moves */
    int64_t greeting_timeout_ms; /* a connection that never sent a whole request */
    size_t memory_max;           /* received and not yet answered; above it nothing is received */
    size_t outbox_high;          /* more waiting to be sent blocks the connection's requests */
    size_t outbox_low;           /* less lets it go on */
    int socket_buffer_size;      /* SO_SNDBUF and SO_RCVBUF; 0: the kernel's */
    int connections_max;         /* of all reactors together */
} mg_reactor_config;

typedef struct mg_reactor_clock {
    int64_t monotonic_ms;
    int64_t wall_ms;
} mg_reactor_clock;

/* The layer above. All calls come on the reactor's thread. */
typedef struct mg_reactor_events {
    void *owner;
    mg_connection_events connection;
    /* A new connection: sets connection->session; false closes it. */
    bool (*opened)(void *owner, mg_connection *connection);
    void (*turn_began)(void *owner);
    void (*mail)(void *owner, mg_letter *letter);
    /* Everything was received and all mail is read: time to append and to answer. True: it made
     * new mail for itself, which is to be read in this turn. */
    bool (*work)(void *owner);
    void (*due)(void *owner, mg_deadline *deadline);
    /* Requests that wait for more to come are to be answered with what there is. */
    void (*finishing)(void *owner);
} mg_reactor_events;

/* What all reactors of a server share. */
typedef struct mg_reactor_group {
    mg_reactor *reactors[MG_REACTORS_MAX];
    unsigned count;
    atomic_uint next;       /* who gets the next connection */
    atomic_int connections; /* open now */
    _Atomic uint64_t accepted;
    _Atomic uint64_t turned_away; /* over connections_max, or no memory */
} mg_reactor_group;

MG_WARN_UNUSED mg_status mg_reactor_open(mg_reactor **out, mg_reactor_group *group,
                                         const mg_reactor_config *config,
                                         const mg_reactor_events *events, mg_error *error);
void mg_reactor_close(mg_reactor *reactor); /* its thread has ended; closes what is open */

/* Before start: accept on this listening socket (borrowed). */
MG_WARN_UNUSED mg_status mg_reactor_listen(mg_reactor *reactor, int fd, int listener,
                                           mg_error *error);
MG_WARN_UNUSED mg_status mg_reactor_start(mg_reactor *reactor, mg_error *error);

/* Any thread: no more connections and no more requests; what was taken in is answered, then every
 * connection is closed, and the thread ends. After `grace_ms` it ends all the same. */
void mg_reactor_finish(mg_reactor *reactor, int64_t grace_ms);
void mg_reactor_join(mg_reactor *reactor);
/* After join: reads what came into the mailbox since, on the calling thread. */
void mg_reactor_settle(mg_reactor *reactor);

/* ---- On the reactor's thread ---- */

mg_mailbox *mg_reactor_mailbox(mg_reactor *reactor);
mg_reactor_clock mg_reactor_now(const mg_reactor *reactor); /* as of this turn */
unsigned mg_reactor_index(const mg_reactor *reactor);
bool mg_reactor_is_finishing(const mg_reactor *reactor);

/* Something was put into the outbox: send at the end of the turn. */
void mg_reactor_want_send(mg_connection *connection);
/* The session takes bytes in again: show it the kept ones. No-op while it is not blocked. */
void mg_reactor_resume(mg_connection *connection);
/* Whether so much waits to be sent that the session should take nothing in. */
bool mg_reactor_is_congested(const mg_connection *connection);

MG_WARN_UNUSED bool mg_reactor_add_deadline(mg_reactor *reactor, mg_deadline *deadline,
                                            int64_t due_ms);
void mg_reactor_remove_deadline(mg_reactor *reactor, mg_deadline *deadline);

#endif
