/* workers.h -- threads for whatever waits on a disk.
 *
 * A job is embedded in the object that it works on, and is queued at most once
 * at a time: nothing is allocated. Jobs run in the order of their submission,
 * several at once where the pool has several threads. A pool is for one kind of
 * waiting: flushes must not stand in the way of reservations, so they have
 * their own.
 */
#ifndef MG_PARTITION_WORKERS_H
#define MG_PARTITION_WORKERS_H

#include "base/status.h"

typedef struct mg_workers mg_workers;

typedef struct mg_job {
    struct mg_job *next; /* the pool's, while queued */
    void (*run)(struct mg_job *job);
} mg_job;

MG_WARN_UNUSED mg_status mg_workers_open(mg_workers **out, unsigned thread_count, const char *name,
                                         mg_error *error);
/* Runs what is queued, then ends the threads. Nobody but the jobs themselves may submit any more;
 * what they submit is run as well. */
void mg_workers_close(mg_workers *workers);
void mg_workers_submit(mg_workers *workers, mg_job *job);

#endif
