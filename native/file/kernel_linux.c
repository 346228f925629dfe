/* kernel_linux.c -- Linux's ways with files. See kernel.h.
 *
 * preadv2(RWF_NOWAIT) is how residency is probed: it answers EAGAIN where the
 * page cache has not got the bytes (man 2 preadv2). A file system that does not
 * know the flag answers EOPNOTSUPP; that counts as "would wait", so a caller
 * who must not wait never does. It is called by number: musl has it since 1.2.5
 * only, and a wheel is to run on those before.
 *
 * fallocate with KEEP_SIZE makes ENOSPC a question asked before offsets are
 * assigned. Delayed allocation would otherwise let a write succeed and fail at
 * writeback.
 */
#include "file/kernel.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    NO_WAIT = 8,        /* RWF_NOWAIT of <linux/fs.h> */
    POPULATE_READ = 22, /* MADV_POPULATE_READ, Linux 5.14; older headers do not name it */
};

ssize_t mg_kernel_read_now(int fd, void *out, size_t size, off_t position)
{
    struct iovec part = {.iov_base = out, .iov_len = size};
    /* The position in two halves; where a long holds it, the kernel shifts the upper one out. */
    long upper = (long)((int64_t)position >> 32);
    ssize_t n = syscall(SYS_preadv2, fd, &part, 1L, (long)position, upper, NO_WAIT);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) errno = EAGAIN;
    return n;
}

int mg_kernel_sync_data(int fd)
{
    return fdatasync(fd);
}

int mg_kernel_sync_directory(int fd)
{
    return fsync(fd);
}

int mg_kernel_reserve(int fd, off_t position, off_t size)
{
    int result = fallocate(fd, FALLOC_FL_KEEP_SIZE, position, size);
    if (result != 0 && errno == ENOSYS) errno = EOPNOTSUPP;
    return result;
}

bool mg_kernel_is_in_memory(void *page, size_t page_size)
{
    unsigned char answer = 0;
    return mincore(page, page_size, &answer) == 0 && (answer & 1) != 0;
}

int mg_kernel_populate(void *data, size_t size)
{
    int result = madvise(data, size, POPULATE_READ);
    if (result != 0 && errno == EINVAL) errno = EOPNOTSUPP;
    return result;
}

int64_t mg_kernel_modified_ns(const struct stat *facts)
{
    return (int64_t)facts->st_mtim.tv_sec * 1000000000 + facts->st_mtim.tv_nsec;
}

#endif
