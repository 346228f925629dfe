#include "load/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int connection_try(const load_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options->port)};
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) {
        die("--host %s: an IPv4 address, please", options->host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    int yes = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
        die("TCP_NODELAY: %s", strerror(errno));
    }
    return fd;
}

int connection_open(const load_options *options)
{
    int fd = connection_try(options);
    if (fd < 0) die("%s:%d: %s", options->host, options->port, strerror(errno));
    return fd;
}

void connection_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) die("fcntl: %s", strerror(errno));
}

static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *room, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(fd, room, size, MSG_WAITALL);
        if (got <= 0) return false;
        room += got;
        size -= (size_t)got;
    }
    return true;
}

mg_cursor connection_exchange(int fd, const mg_writer *request, uint8_t *room, size_t room_size)
{
    mg_cursor hung_up = {.bad = true};
    if (!mg_writer_ok(request)) die("a request does not fit its buffer");
    if (!send_all(fd, request->begin, mg_writer_size(request))) return hung_up;
    uint8_t head[8];
    if (!receive_all(fd, head, sizeof head)) return hung_up;
    size_t size = mg_load_u32(head) - 4;
    if (size > room_size) die("an answer of %zu bytes", size);
    if (mg_load_u32(head + 4) != mg_load_u32(request->begin + 8))
        die("an answer to another request");
    if (!receive_all(fd, room, size)) return hung_up;
    return mg_cursor_over(room, size);
}
