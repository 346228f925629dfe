/* client.h -- a blocking socket on the loopback, with a deadline instead of patience. */
#ifndef MG_TESTS_KIT_CLIENT_H
#define MG_TESTS_KIT_CLIENT_H

#include "base/cursor.h"

#include "check.h"
#include "kit/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_PATIENCE_MS = 20000 }; /* a test that waits so long has failed */

static inline int client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) == 0);
    const int on = 1;
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return fd;
}

static inline void client_send(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        CHECK(sent > 0);
        data += sent;
        size -= (size_t)sent;
    }
}

static inline void client_ask(int fd, frame f)
{
    client_send(fd, f.data, f.size);
    frame_free(&f);
}

/* False: the peer closed, or (with timeout_ms below the patience) nothing came in time. */
static inline bool client_read(int fd, uint8_t *out, size_t size, int timeout_ms)
{
    while (size > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, timeout_ms);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) {
            CHECK(timeout_ms < CLIENT_PATIENCE_MS);
            return false;
        }
        ssize_t got = recv(fd, out, size, 0);
        if (got <= 0) return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

/* The next reply, to be freed; data NULL: the connection was closed. */
static inline frame client_reply(int fd)
{
    uint8_t head[4];
    if (!client_read(fd, head, sizeof head, CLIENT_PATIENCE_MS)) return (frame){0};
    frame f = {.size = 4 + (size_t)mg_load_u32(head)};
    CHECK(f.size < 64 << 20);
    f.data = malloc(f.size);
    CHECK(f.data != NULL);
    memcpy(f.data, head, 4);
    CHECK(client_read(fd, f.data + 4, f.size - 4, CLIENT_PATIENCE_MS));
    return f;
}

/* Whether the peer closes, without having sent anything more. */
static inline bool client_sees_close(int fd)
{
    uint8_t byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, CLIENT_PATIENCE_MS) == 1);
    return recv(fd, &byte, 1, 0) <= 0;
}

static inline bool client_hears_nothing(int fd, int for_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, for_ms) == 0;
}

#endif
