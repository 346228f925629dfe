/* kernel_macos.c -- macOS's ways with files. See kernel.h.
 *
 * fsync leaves bytes in the device's own cache there; F_FULLFSYNC empties that,
 * too (man 2 fsync). A file system that does not know it, such as a network's,
 * is asked for fsync.
 *
 * Nothing tells whether a read would wait, so a reader who must not wait always
 * hears that it would, and a storage worker reads in its place.
 *
 * F_PREALLOCATE counts from where the file's blocks end, not from a position:
 * what is to be claimed is the difference.
 */
#include "file/kernel.h"

#if defined(__APPLE__)

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_SIZE = 512 }; /* the unit of st_blocks */

ssize_t mg_kernel_read_now(int fd, void *out, size_t size, off_t position)
{
    (void)fd;
    (void)out;
    (void)size;
    (void)position;
    errno = EAGAIN;
    return -1;
}

int mg_kernel_sync_data(int fd)
{
    int result = fcntl(fd, F_FULLFSYNC);
    if (result == 0 || errno == EINTR || errno == EIO || errno == ENOSPC) return result;
    return fsync(fd);
}

int mg_kernel_sync_directory(int fd)
{
    return mg_kernel_sync_data(fd);
}

int mg_kernel_reserve(int fd, off_t position, off_t size)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) return -1;
    off_t missing = position + size - (off_t)facts.st_blocks * BLOCK_SIZE;
    if (missing <= 0) return 0;
    fstore_t claim = {
        .fst_flags = F_ALLOCATEALL,
        .fst_posmode = F_PEOFPOSMODE,
        .fst_length = missing,
    };
    int result = fcntl(fd, F_PREALLOCATE, &claim);
    if (result != 0 && (errno == ENOTSUP || errno == EINVAL)) errno = EOPNOTSUPP;
    return result;
}

bool mg_kernel_is_in_memory(void *page, size_t page_size)
{
    char answer = 0;
    return mincore(page, page_size, &answer) == 0 && (answer & MINCORE_INCORE) != 0;
}

int mg_kernel_populate(void *data, size_t size)
{
    (void)madvise(data, size, MADV_WILLNEED);
    errno = EOPNOTSUPP;
    return -1;
}

int64_t mg_kernel_modified_ns(const struct stat *facts)
{
    return (int64_t)facts->st_mtimespec.tv_sec * 1000000000 + facts->st_mtimespec.tv_nsec;
}

#endif
