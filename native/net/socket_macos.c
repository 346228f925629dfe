/* socket_macos.c -- macOS's ways with sockets. See socket.h.
 *
 * Options of a socket are set one by one after it is made, so a fork between
 * may inherit it. `more` has no counterpart: with TCP_NODELAY a header may go in
 * a packet of its own.
 */
#include "net/socket.h"

#if defined(__APPLE__)

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int prepared(int fd)
{
    if (fd < 0) return fd;
    const int on = 1;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0)
        return fd;
    int os_error = errno;
    close(fd);
    errno = os_error;
    return -1;
}

int mg_socket_open(int family)
{
    return prepared(socket(family, SOCK_STREAM, 0));
}

int mg_socket_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return prepared(accept(fd, address, size));
}

ssize_t mg_socket_send(int fd, const void *data, size_t size, bool more)
{
    (void)more;
    return send(fd, data, size, MSG_DONTWAIT);
}

ssize_t mg_socket_send_file(int fd, int file_fd, off_t position, size_t size)
{
    off_t sent = (off_t)size; /* 0 would mean "to the end of the file" */
    if (size == 0) return 0;
    int result = sendfile(file_fd, fd, position, &sent, NULL, 0);
    /* With EAGAIN and EINTR it also tells what went before. */
    if (result != 0 && !((errno == EAGAIN || errno == EINTR) && sent > 0)) return -1;
    return (ssize_t)sent;
}

#endif
