/* listener.h -- listening sockets on every address that a name stands for.
 *
 * A name such as localhost has an address of each family, and a client may
 * choose either: so each gets a socket, all on one port. A machine may lack a
 * family altogether; that alone is no failure. The sockets do not block and are
 * closed on exec; connections inherit their buffer sizes.
 */
#ifndef MG_NET_LISTENER_H
#define MG_NET_LISTENER_H

#include "base/status.h"

#include <stdint.h>

enum { MG_LISTENER_ADDRESSES_MAX = 4 }; /* more than any name of this machine should have */

typedef struct mg_listener {
    int fds[MG_LISTENER_ADDRESSES_MAX];
    unsigned count;
    uint16_t port;
} mg_listener;

/* `host` empty: every address of the machine. `port` 0: a free one, the same for all addresses.
 * MG_NOT_FOUND: the name means nothing; MG_BUSY: the port is taken; MG_IO: see os_error. */
MG_WARN_UNUSED mg_status mg_listener_open(mg_listener *listener, const char *host, uint16_t port,
                                          int buffer_size, mg_error *error);
void mg_listener_close(mg_listener *listener);

#endif
