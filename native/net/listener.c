#include "net/listener.h"

#include "base/copy.h"
#include "net/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 512 }; /* connections that wait to be accepted; the kernel may hold fewer */

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->ss_family == AF_INET) {
        mg_copy(&v4, sizeof v4, address, sizeof v4);
        v4.sin_port = htons(port);
        mg_copy(address, sizeof *address, &v4, sizeof v4);
    } else {
        mg_copy(&v6, sizeof v6, address, sizeof v6);
        v6.sin6_port = htons(port);
        mg_copy(address, sizeof *address, &v6, sizeof v6);
    }
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char service[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
    if (getnameinfo((struct sockaddr *)&address, size, NULL, 0, service, sizeof service,
                    NI_NUMERICSERV) != 0)
        return 0;
    return (uint16_t)strtoul(service, NULL, 10);
}

static void set_options(int fd, int family, int buffer_size)
{
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6) /* the other family has a socket of its own */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (buffer_size <= 0) return;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size);
}

static mg_status listen_on(mg_listener *listener, const struct addrinfo *found, int buffer_size,
                           mg_error *error)
{
    if (listener->count == MG_LISTENER_ADDRESSES_MAX)
        return mg_fail(error, MG_TOO_LARGE, 0, "at most %d addresses", MG_LISTENER_ADDRESSES_MAX);
    int fd = mg_socket_open(found->ai_family);
    if (fd < 0) return mg_fail(error, MG_IO, errno, "socket");
    set_options(fd, found->ai_family, buffer_size);
    struct sockaddr_storage address = {0};
    mg_copy(&address, sizeof address, found->ai_addr, found->ai_addrlen);
    set_port(&address, listener->port);
    if (bind(fd, (const struct sockaddr *)&address, found->ai_addrlen) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0) {
        int os_error = errno;
        close(fd);
        return mg_fail(error, os_error == EADDRINUSE ? MG_BUSY : MG_IO, os_error, "bind");
    }
    listener->fds[listener->count++] = fd;
    listener->port = port_of(fd);
    return MG_OK;
}

static bool is_missing_family(const mg_error *error)
{
    return error->os_error == EADDRNOTAVAIL || error->os_error == EAFNOSUPPORT;
}

mg_status mg_listener_open(mg_listener *listener, const char *host, uint16_t port, int buffer_size,
                           mg_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int failed = getaddrinfo(host[0] == '\0' ? NULL : host, "0", &hints, &found);
    if (failed != 0)
        return mg_fail(error, MG_NOT_FOUND, 0, "cannot resolve %s: %s", host, gai_strerror(failed));
    mg_listener opened = {.port = port};
    mg_error failure = {.status = MG_OK};
    for (const struct addrinfo *address = found; address != NULL; address = address->ai_next) {
        if (listen_on(&opened, address, buffer_size, &failure) == MG_OK) continue;
        if (!is_missing_family(&failure)) break;
    }
    freeaddrinfo(found);
    bool failed_for_good = failure.status != MG_OK && !is_missing_family(&failure);
    if (opened.count == 0 || failed_for_good) {
        mg_listener_close(&opened);
        if (error != NULL) *error = failure;
        return failure.status;
    }
    *listener = opened;
    return MG_OK;
}

void mg_listener_close(mg_listener *listener)
{
    while (listener->count > 0) close(listener->fds[--listener->count]);
}
