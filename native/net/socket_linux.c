/* socket_linux.c -- Linux's ways with sockets. See socket.h. */
#include "net/socket.h"

#if defined(__linux__)

#include <sys/sendfile.h>

int mg_socket_open(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int mg_socket_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

ssize_t mg_socket_send(int fd, const void *data, size_t size, bool more)
{
    return send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
}

ssize_t mg_socket_send_file(int fd, int file_fd, off_t position, size_t size)
{
    return sendfile(fd, file_fd, &position, size);
}

#endif
