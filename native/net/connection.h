/* connection.h -- one socket: its received and not yet understood bytes, and what is to be sent.
 *
 * The session above is fed every byte once, in place, in whatever pieces the
 * network brings; what it does not consume (the beginning of a frame, or frames
 * behind one that must be answered first) is kept and shown again together with
 * what follows. The kept bytes lie in the reactor's chunk while nobody else
 * needs it, else in a chunk of the connection's own, which grows with the bytes
 * received and never with a promised size.
 *
 * A connection belongs to its reactor's thread.
 */
#ifndef MG_NET_CONNECTION_H
#define MG_NET_CONNECTION_H

#include "net/chunk.h"
#include "net/deadlines.h"
#include "net/outbox.h"
#include "partition/mailbox.h"

enum {
    MG_PEER_NAME_SIZE = 46, /* INET6_ADDRSTRLEN */
    MG_RECEIVE_SIZE_MIN = 64 * 1024, /* free room in a chunk that makes a receive worth while */
};

typedef struct mg_reactor mg_reactor;
typedef struct mg_connection mg_connection;

/* What a session makes of the bytes that it is shown. */
typedef struct mg_intake {
    size_t consumed; /* of the bytes shown; the rest is kept */
    size_t wanted;   /* how many bytes the rest must become before it makes sense; 0: unknown */
    bool blocked;    /* nothing more can be taken in until mg_connection_resume */
    bool refused;    /* the peer does not speak the protocol: close */
} mg_intake;

typedef struct mg_connection_events {
    /* `bytes` may be used, and written to, until the call returns; for longer, retain `chunk`. */
    mg_intake (*received)(mg_connection *connection, uint8_t *bytes, size_t size, mg_chunk *chunk);
    /* Whether requests were taken in and not yet answered. */
    bool (*busy)(const mg_connection *connection);
    /* The connection is gone when this returns. */
    void (*closed)(mg_connection *connection);
} mg_connection_events;

struct mg_connection {
    mg_letter letter; /* on its way to its reactor */
    mg_connection *previous; /* the reactor's list of all */
    mg_connection *next;
    mg_connection *active_next; /* the reactor's list of those with something to do */
    mg_connection *output_next;
    mg_reactor *reactor;
    const mg_connection_events *events;
    void *session;

    mg_chunk *kept; /* where the kept bytes lie; NULL when there are none */
    size_t kept_begin;
    size_t kept_size;

    mg_outbox outbox;
    mg_deadline life;  /* when to look whether it is still alive */
    int64_t opened_ms;
    int64_t active_ms; /* when bytes last came or went */
    int fd;
    int listener;
    bool readable;  /* the socket may hold bytes */
    bool writable;  /* the socket may take bytes */
    bool ended;     /* its end was told: readable until it is received */
    bool blocked;   /* the session takes nothing in for now */
    bool greeted;   /* a first whole frame has come */
    bool resumed;   /* show the kept bytes before receiving more */
    bool finishing; /* nothing more is taken in; closes when everything is sent */
    bool doomed;    /* closes at the end of the turn */
    bool in_active;
    bool in_output;
    char peer[MG_PEER_NAME_SIZE];
};

/* Takes the socket. NULL: no memory, and the socket is closed. */
mg_connection *mg_connection_open(int fd, int listener, const char *peer);
/* Closes the socket, frees everything. The session was told before. */
void mg_connection_close(mg_connection *connection);

/* Receives once and shows the session what there is. */
void mg_connection_receive(mg_connection *connection, mg_chunk **shared, mg_chunk_pool *pool);
/* Moves kept bytes out of the shared chunk, so that another connection can receive into it. */
void mg_connection_settle(mg_connection *connection, mg_chunk_pool *pool);
/* Sends what it can. */
void mg_connection_send(mg_connection *connection);

#endif
