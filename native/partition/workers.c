#include "partition/workers.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

struct mg_workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    mg_job *first;
    mg_job **last;
    bool closing;
    unsigned thread_count;
    pthread_t threads[];
};

static void *work(void *argument)
{
    mg_workers *workers = argument;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->first == NULL && !workers->closing)
            pthread_cond_wait(&workers->work, &workers->lock);
        mg_job *job = workers->first;
        if (job == NULL) break;
        workers->first = job->next;
        if (workers->first == NULL) workers->last = &workers->first;
        pthread_mutex_unlock(&workers->lock);
        job->run(job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static void end_threads(mg_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->thread_count; i++) pthread_join(workers->threads[i], NULL);
}

mg_status mg_workers_open(mg_workers **out, unsigned thread_count, const char *name,
                          mg_error *error)
{
    MG_ASSERT(thread_count > 0);
    MG_ASSERT(thread_count <= THREADS_MAX);

    mg_workers *workers = calloc(1, sizeof *workers + thread_count * sizeof(pthread_t));
    if (workers == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "worker threads");
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    workers->last = &workers->first;

    while (workers->thread_count < thread_count) {
        pthread_t *thread = &workers->threads[workers->thread_count];
        mg_status status = mg_thread_start(thread, work, workers, name, error);
        if (status != MG_OK) {
            mg_workers_close(workers);
            return status;
        }
        workers->thread_count++;
    }
    *out = workers;
    return MG_OK;
}

void mg_workers_close(mg_workers *workers)
{
    end_threads(workers);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

void mg_workers_submit(mg_workers *workers, mg_job *job)
{
    MG_ASSERT(job->run != NULL);
    job->next = NULL;
    pthread_mutex_lock(&workers->lock);
    *workers->last = job;
    workers->last = &job->next;
    pthread_cond_signal(&workers->work);
    pthread_mutex_unlock(&workers->lock);
}
