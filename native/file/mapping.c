#include "file/mapping.h"

#include "file/kernel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    /* As in log/read.c: what is evicted goes in larger pieces. Populating what is in memory costs
     * twice what the faults cost that it saves. */
    PROBE_STEP = 512 * 1024,
    /* So many times what is waited for is asked of a disk, which then has something to do. */
    AHEAD = 5,
};

struct mg_mapping {
    _Atomic int32_t references; /* 0: the bytes are gone */
    _Atomic int32_t watchers;   /* and one for all references together */
    uint8_t *data;
    int64_t begin; /* in the file */
    int64_t size;
    bool is_copy;
};

static mg_mapping *open_empty(int64_t begin, int64_t size)
{
    MG_ASSERT(begin >= 0);
    MG_ASSERT(size > 0);
    mg_mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL) return NULL;
    atomic_init(&mapping->references, 1);
    atomic_init(&mapping->watchers, 1);
    mapping->data = NULL;
    mapping->begin = begin;
    mapping->size = size;
    mapping->is_copy = false;
    return mapping;
}

mg_status mg_mapping_open(mg_mapping **out, mg_file *file, int64_t size, mg_error *error)
{
    int fd = mg_file_fd(file);
    if (fd < 0) return mg_fail(error, MG_UNSUPPORTED, 0, "only the kernel's files can be mapped");
    mg_mapping *mapping = open_empty(0, size);
    if (mapping == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "mapping");
    void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        int os_error = errno;
        free(mapping);
        mg_status status = os_error == ENOMEM ? MG_NO_MEMORY : MG_IO;
        return mg_fail(error, status, os_error, "mmap: %s", strerror(os_error));
    }
    mapping->data = data;
    *out = mapping;
    return MG_OK;
}

mg_status mg_mapping_open_copy(mg_mapping **out, mg_file *file, int64_t position, int64_t size,
                               mg_error *error)
{
    mg_mapping *mapping = open_empty(position, size);
    if (mapping == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "copying");
    mapping->is_copy = true;
    mapping->data = malloc((size_t)size);
    mg_status status = MG_OK;
    size_t got = 0;
    if (mapping->data == NULL) {
        status = mg_fail(error, MG_NO_MEMORY, 0, "copying %lld bytes", (long long)size);
    } else {
        status = mg_file_read(file, position, mapping->data, (size_t)size, 0, &got, error);
    }
    if (status == MG_OK && got != (size_t)size) {
        status = mg_fail(error, MG_IO, 0, "segment file ends early");
    }
    if (status != MG_OK) {
        free(mapping->data);
        free(mapping);
        return status;
    }
    *out = mapping;
    return MG_OK;
}

void mg_mapping_keep(mg_mapping *mapping)
{
    int32_t before = atomic_fetch_add_explicit(&mapping->references, 1, memory_order_relaxed);
    MG_ASSERT(before > 0);
}

void mg_mapping_release(mg_mapping *mapping)
{
    if (mapping == NULL) return;
    /* Whoever unmaps has seen every other's last touch. */
    int32_t before = atomic_fetch_sub_explicit(&mapping->references, 1, memory_order_acq_rel);
    MG_ASSERT(before > 0);
    if (before > 1) return;
    if (mapping->is_copy) {
        free(mapping->data);
    } else {
        int result = munmap(mapping->data, (size_t)mapping->size);
        MG_ASSERT(result == 0);
    }
    mapping->data = NULL;
    mg_mapping_unwatch(mapping);
}

void mg_mapping_watch(mg_mapping *mapping)
{
    int32_t before = atomic_fetch_add_explicit(&mapping->watchers, 1, memory_order_relaxed);
    MG_ASSERT(before > 0);
}

void mg_mapping_unwatch(mg_mapping *mapping)
{
    if (mapping == NULL) return;
    int32_t before = atomic_fetch_sub_explicit(&mapping->watchers, 1, memory_order_acq_rel);
    MG_ASSERT(before > 0);
    if (before == 1) free(mapping);
}

bool mg_mapping_try_keep(mg_mapping *mapping)
{
    int32_t references = atomic_load_explicit(&mapping->references, memory_order_relaxed);
    while (references > 0) {
        if (atomic_compare_exchange_weak_explicit(&mapping->references, &references, references + 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

int64_t mg_mapping_begin(const mg_mapping *mapping)
{
    return mapping->begin;
}

int64_t mg_mapping_end(const mg_mapping *mapping)
{
    return mapping->begin + mapping->size;
}

const uint8_t *mg_mapping_at(const mg_mapping *mapping, int64_t position)
{
    MG_ASSERT(position >= mapping->begin);
    MG_ASSERT(position - mapping->begin <= mapping->size);
    return mapping->data + (position - mapping->begin);
}

/* False where a page is not in memory, be it that it was never read, or that it is cut off. A byte
 * in so many is asked for, and the last one: a cut is always seen. */
static bool is_resident(uint8_t *data, size_t size, size_t page)
{
    MG_ASSERT(size > 0);
    size_t last = (size - 1) / page * page;
    for (size_t at = 0; at < last; at += PROBE_STEP) {
        if (!mg_kernel_is_in_memory(data + at, page)) return false;
    }
    return mg_kernel_is_in_memory(data + last, page);
}

mg_status mg_mapping_prepare(const mg_mapping *mapping, int64_t position, int64_t size,
                             mg_error *error)
{
    MG_ASSERT(position >= mapping->begin);
    MG_ASSERT(size <= mapping->begin + mapping->size - position);
    if (mapping->is_copy || size == 0) return MG_OK;
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t from = position / page * page;
    size_t bytes = (size_t)(position + size - from);
    if (is_resident(mapping->data + from, bytes, (size_t)page)) return MG_OK;
    int64_t ahead = mapping->size - from;
    if (ahead > (int64_t)bytes * AHEAD) ahead = (int64_t)bytes * AHEAD;
    (void)posix_madvise(mapping->data + from, (size_t)ahead, POSIX_MADV_WILLNEED);
    int result = 0;
    do {
        result = mg_kernel_populate(mapping->data + from, bytes);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result == 0 || errno == EOPNOTSUPP) return MG_OK; /* it faults as it goes */
    if (errno == EFAULT) {
        return mg_fail(error, MG_IO, errno, "bytes at position %lld cannot be read any more",
                       (long long)position);
    }
    return mg_fail(error, errno == ENOMEM ? MG_NO_MEMORY : MG_IO, errno, "madvise: %s",
                   strerror(errno));
}
