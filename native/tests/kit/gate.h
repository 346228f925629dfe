/* gate.h -- a file system whose syncs wait at a gate, and whose writes and syncs fail on request.
 *
 * It stands around another one: the tables of the file system and of each file that is opened are
 * replaced by a copy in which some calls stop here first. One gate a process.
 */
#ifndef MG_TESTS_KIT_GATE_H
#define MG_TESTS_KIT_GATE_H

#include "file/file.h"

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct gate {
    mg_files_table table;
    const mg_files_table *inner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut;        /* syncs of files wait */
    bool is_write_shut;  /* writes wait */
    int waiting;         /* syncs at the gate */
    int writes_waiting;
    atomic_int sync_count;
    atomic_int write_failure;   /* mg_status of every write from now on */
    atomic_int sync_failure;    /* of every sync of a file */
    atomic_int reserve_failure; /* of every reservation */
    atomic_bool is_cold;        /* reads that may not wait would have to */
} gate;

static gate the_gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline mg_status gate_open_file(mg_files *files, const char *path, unsigned flags,
                                       mg_file **out, mg_error *error)
{
    mg_status status = the_gate.inner->open(files, path, flags, out, error);
    if (status == MG_OK) (*out)->table = &the_gate.table;
    return status;
}

static inline mg_status gate_sync(mg_file *file, mg_error *error)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.waiting++;
    pthread_cond_broadcast(&the_gate.changed);
    while (the_gate.is_shut) pthread_cond_wait(&the_gate.changed, &the_gate.lock);
    the_gate.waiting--;
    pthread_mutex_unlock(&the_gate.lock);
    atomic_fetch_add(&the_gate.sync_count, 1);
    mg_status failure = (mg_status)atomic_load(&the_gate.sync_failure);
    if (failure != MG_OK) return mg_fail(error, failure, 5, "sync, as the test asked");
    return the_gate.inner->sync(file, error);
}

static inline mg_status gate_write(mg_file *file, int64_t position, struct iovec *parts,
                                   size_t count, mg_error *error)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.writes_waiting++;
    pthread_cond_broadcast(&the_gate.changed);
    while (the_gate.is_write_shut) pthread_cond_wait(&the_gate.changed, &the_gate.lock);
    the_gate.writes_waiting--;
    pthread_mutex_unlock(&the_gate.lock);
    mg_status failure = (mg_status)atomic_load(&the_gate.write_failure);
    if (failure != MG_OK) return mg_fail(error, failure, 5, "write, as the test asked");
    return the_gate.inner->write(file, position, parts, count, error);
}

static inline mg_status gate_reserve(mg_file *file, int64_t position, int64_t size, mg_error *error)
{
    mg_status failure = (mg_status)atomic_load(&the_gate.reserve_failure);
    if (failure != MG_OK) return mg_fail(error, failure, 28, "reserve, as the test asked");
    return the_gate.inner->reserve(file, position, size, error);
}

static inline mg_status gate_read(mg_file *file, int64_t position, void *out, size_t size,
                                  unsigned flags, size_t *got, mg_error *error)
{
    if ((flags & MG_FILE_NO_WAIT) != 0 && atomic_load(&the_gate.is_cold)) return MG_WOULD_BLOCK;
    return the_gate.inner->read(file, position, out, size, flags, got, error);
}

/* Puts the gate before `files`. */
static inline void gate_build(mg_files *files)
{
    the_gate.inner = files->table;
    the_gate.table = *files->table;
    the_gate.table.open = gate_open_file;
    the_gate.table.sync = gate_sync;
    the_gate.table.write = gate_write;
    the_gate.table.reserve = gate_reserve;
    the_gate.table.read = gate_read;
    files->table = &the_gate.table;
    atomic_store(&the_gate.write_failure, MG_OK);
    atomic_store(&the_gate.sync_failure, MG_OK);
    atomic_store(&the_gate.reserve_failure, MG_OK);
    atomic_store(&the_gate.is_cold, false);
}

static inline void gate_set(bool is_shut)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.is_shut = is_shut;
    pthread_cond_broadcast(&the_gate.changed);
    pthread_mutex_unlock(&the_gate.lock);
}

static inline void gate_set_for_writes(bool is_shut)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.is_write_shut = is_shut;
    pthread_cond_broadcast(&the_gate.changed);
    pthread_mutex_unlock(&the_gate.lock);
}

static inline void gate_wait_for_write(void)
{
    pthread_mutex_lock(&the_gate.lock);
    while (the_gate.writes_waiting == 0) pthread_cond_wait(&the_gate.changed, &the_gate.lock);
    pthread_mutex_unlock(&the_gate.lock);
}

/* Returns when a sync waits at the gate. */
static inline void gate_wait_for_sync(void)
{
    pthread_mutex_lock(&the_gate.lock);
    while (the_gate.waiting == 0) pthread_cond_wait(&the_gate.changed, &the_gate.lock);
    pthread_mutex_unlock(&the_gate.lock);
}

#endif
