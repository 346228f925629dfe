/* kernel.h -- what kernels do each in their own way with files; posix.c is the rest.
 *
 * One file a kernel: kernel_linux.c, kernel_macos.c. Calls answer as system
 * calls do, with errno, and may be interrupted.
 */
#ifndef MG_FILE_KERNEL_H
#define MG_FILE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* As pread, but only bytes that are in memory: EAGAIN where it would wait, or cannot tell. */
ssize_t mg_kernel_read_now(int fd, void *out, size_t size, off_t position);
/* The data, and as much else as is needed to read it again, are on the device. */
int mg_kernel_sync_data(int fd);
/* The same of a directory's names. */
int mg_kernel_sync_directory(int fd);
/* Claims space; the file's size stays. EOPNOTSUPP where the file system cannot. */
int mg_kernel_reserve(int fd, off_t position, off_t size);
/* One mapped page. False also where it lies beyond the file's end. */
bool mg_kernel_is_in_memory(void *page, size_t page_size);
/* Reads mapped bytes in, whole pages. EFAULT: they cannot be read; EOPNOTSUPP where a kernel has no
 * way to say so before they are touched. */
int mg_kernel_populate(void *data, size_t size);
int64_t mg_kernel_modified_ns(const struct stat *facts);

#endif
