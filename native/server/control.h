/* control.h -- the seam to the control plane: what it is told, what it asks.
 *
 * One thread, the control plane's, takes events and answers requests. Events
 * come as letters into one mailbox with one eventfd. A request's bytes are its
 * own copy, so that the connection's memory is free at once.
 */
#ifndef MG_SERVER_CONTROL_H
#define MG_SERVER_CONTROL_H

#include "server/session.h"

typedef struct mg_control_request {
    mg_request base; /* first */
    mg_letter letter; /* to the control plane, and back with the reply */
    mg_mailbox *home; /* the lane's */
    int16_t api_key;
    int listener;
    bool closes;       /* the answer is to close the connection */
    uint8_t *payload;  /* the answer: what follows the correlation id; malloc'ed */
    size_t payload_size;
    char peer[MG_PEER_NAME_SIZE];
    mg_span client_id; /* over bytes[] */
    mg_span body;
    uint8_t bytes[];
} mg_control_request;

static inline mg_control_request *mg_control_request_of(mg_letter *letter)
{
    return (mg_control_request *)(void *)((char *)letter - offsetof(mg_control_request, letter));
}

/* The control plane's: copies `payload` and sends the answer to the request's lane, whose the
 * request is from then on. `payload` NULL closes the connection. MG_NO_MEMORY: closes it, too. */
void mg_control_reply(mg_control_request *request, const uint8_t *payload, size_t size);

#endif
