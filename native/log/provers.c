#include "log/provers.h"

#include "base/thread.h"
#include "log/names.h"
#include "log/scan.h"

#include <stdlib.h>

enum {
    PROVERS_MAX = 64,
    AHEAD_EACH = 2, /* segments a thread may be ahead of recovery: of a gigabyte each, as a rule */
    NOT_YET = -1,
};

struct mg_provers {
    mg_files *files;
    const char *directory;
    const int64_t *bases;
    size_t count;
    _Atomic int64_t *progress;

    pthread_mutex_t lock;
    pthread_cond_t moved;
    int64_t *proven;  /* a segment, or NOT_YET */
    size_t next;      /* to be taken by a thread */
    size_t asked;     /* by recovery */
    atomic_bool stop; /* read without the lock as well */

    unsigned thread_count;
    pthread_t threads[PROVERS_MAX];
};

static void prove_file(mg_provers *provers, mg_scan *scan, int64_t *proven)
{
    while (!atomic_load_explicit(&provers->stop, memory_order_relaxed)) {
        mg_scan_verdict verdict;
        mg_batch_header header;
        mg_status status = mg_scan_check(scan, *proven, &verdict, &header, NULL);
        if (status != MG_OK || verdict != MG_SCAN_INTACT) return;
        *proven += header.size;
    }
}

static int64_t prove(mg_provers *provers, mg_scan *scan, size_t index)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    int64_t proven = 0;
    mg_status status =
        mg_log_path(path, provers->directory, provers->bases[index], MG_LOG_SUFFIX, NULL);
    if (status == MG_OK) status = mg_file_open(provers->files, path, MG_FILE_READ, &file, NULL);
    if (status != MG_OK) return 0;
    if (mg_scan_begin(scan, file, NULL) == MG_OK) prove_file(provers, scan, &proven);
    mg_file_close(file);
    return proven;
}

/* The next segment that nobody has taken and recovery will come to soon. */
static bool take(mg_provers *provers, size_t *index)
{
    bool taken = false;
    (void)pthread_mutex_lock(&provers->lock);
    size_t ahead_max = (size_t)provers->thread_count * AHEAD_EACH;
    while (!provers->stop && provers->next < provers->count && !taken) {
        taken = provers->next < provers->asked + ahead_max;
        if (!taken) (void)pthread_cond_wait(&provers->moved, &provers->lock);
    }
    if (taken) *index = provers->next++;
    (void)pthread_mutex_unlock(&provers->lock);
    return taken;
}

static void set_proven(mg_provers *provers, size_t index, int64_t proven)
{
    (void)pthread_mutex_lock(&provers->lock);
    provers->proven[index] = proven;
    (void)pthread_cond_broadcast(&provers->moved);
    (void)pthread_mutex_unlock(&provers->lock);
}

static void *run(void *argument)
{
    mg_provers *provers = argument;
    mg_scan scan;
    size_t index = 0;
    bool can = mg_scan_open(&scan, NULL) == MG_OK;
    if (can) scan.progress = provers->progress;
    while (take(provers, &index))
        set_proven(provers, index, can ? prove(provers, &scan, index) : 0);
    if (can) mg_scan_close(&scan);
    return NULL;
}

mg_status mg_provers_open(mg_provers **out, mg_files *files, const char *directory,
                          const int64_t *bases, size_t count, unsigned thread_count,
                          _Atomic int64_t *progress, mg_error *error)
{
    MG_ASSERT(thread_count > 0);
    mg_provers *provers = calloc(1, sizeof *provers);
    int64_t *proven = calloc(count + 1, sizeof *proven);
    if (provers == NULL || proven == NULL) {
        free(provers);
        free(proven);
        return mg_fail(error, MG_NO_MEMORY, 0, "recovery");
    }
    for (size_t i = 0; i < count; i++)
        proven[i] = NOT_YET;
    provers->files = files;
    provers->directory = directory;
    provers->bases = bases;
    provers->count = count;
    provers->progress = progress;
    provers->proven = proven;
    (void)pthread_mutex_init(&provers->lock, NULL);
    (void)pthread_cond_init(&provers->moved, NULL);
    if (thread_count > PROVERS_MAX) thread_count = PROVERS_MAX;
    if (thread_count > count) thread_count = (unsigned)count;
    provers->thread_count = thread_count; /* read by the first thread already */
    unsigned started = 0;
    while (started < thread_count &&
           mg_thread_start(&provers->threads[started], run, provers, "mg-prover", NULL) ==
               MG_OK)
        started++;
    /* Fewer than asked for are slower and no less right; none leave all to recovery. */
    (void)pthread_mutex_lock(&provers->lock);
    provers->thread_count = started;
    (void)pthread_mutex_unlock(&provers->lock);
    *out = provers;
    return MG_OK;
}

void mg_provers_close(mg_provers *provers)
{
    if (provers == NULL) return;
    (void)pthread_mutex_lock(&provers->lock);
    atomic_store(&provers->stop, true);
    (void)pthread_cond_broadcast(&provers->moved);
    (void)pthread_mutex_unlock(&provers->lock);
    for (unsigned i = 0; i < provers->thread_count; i++)
        (void)pthread_join(provers->threads[i], NULL);
    (void)pthread_cond_destroy(&provers->moved);
    (void)pthread_mutex_destroy(&provers->lock);
    free(provers->proven);
    free(provers);
}

int64_t mg_provers_wait(mg_provers *provers, size_t index)
{
    if (provers == NULL || provers->thread_count == 0) return 0;
    MG_ASSERT(index < provers->count);
    MG_ASSERT(index >= provers->asked);
    (void)pthread_mutex_lock(&provers->lock);
    provers->asked = index;
    (void)pthread_cond_broadcast(&provers->moved);
    while (provers->proven[index] == NOT_YET)
        (void)pthread_cond_wait(&provers->moved, &provers->lock);
    int64_t proven = provers->proven[index];
    (void)pthread_mutex_unlock(&provers->lock);
    return proven;
}
