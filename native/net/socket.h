/* socket.h -- what kernels do each in their own way with sockets.
 *
 * One file a kernel: socket_linux.c, socket_macos.c. Sockets made here never
 * make a call wait, are closed by an exec, and send no SIGPIPE. Calls answer as
 * system calls do, with errno, and may be interrupted.
 */
#ifndef MG_NET_SOCKET_H
#define MG_NET_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* For a stream; -1 on failure. */
int mg_socket_open(int family);
/* A connection to the listening `fd`; -1 on failure. */
int mg_socket_accept(int fd, struct sockaddr *address, socklen_t *size);
/* `more`: another send follows at once, so a packet need not go for this one alone. */
ssize_t mg_socket_send(int fd, const void *data, size_t size, bool more);
/* From the page cache, without a copy; 0: the file ends before `position`. */
ssize_t mg_socket_send_file(int fd, int file_fd, off_t position, size_t size);

#endif
