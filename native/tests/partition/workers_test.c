/* Jobs all run, in order on one thread, and close waits for them. */
#include "partition/workers.h"

#include "check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { JOBS = 1000 };

typedef struct counted {
    mg_job job;
    int number;
    bool repeats;
} counted;

static atomic_int ran;
static int order[JOBS];

static void run_counted(mg_job *job)
{
    const counted *c = (const counted *)(const void *)job;
    order[atomic_fetch_add(&ran, 1)] = c->number;
}

static void one_thread_runs_in_order(void)
{
    static counted jobs[JOBS];
    mg_workers *workers;
    CHECK(mg_workers_open(&workers, 1, "test", NULL) == MG_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (counted){.job = {.run = run_counted}, .number = i};
        mg_workers_submit(workers, &jobs[i].job);
    }
    mg_workers_close(workers);
    CHECK(atomic_load(&ran) == JOBS);
    for (int i = 0; i < JOBS; i++) CHECK(order[i] == i);
}

static void many_threads_run_each_once(void)
{
    static counted jobs[JOBS];
    static bool seen[JOBS];
    atomic_store(&ran, 0);
    mg_workers *workers;
    CHECK(mg_workers_open(&workers, 4, "test", NULL) == MG_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (counted){.job = {.run = run_counted}, .number = i};
        mg_workers_submit(workers, &jobs[i].job);
    }
    mg_workers_close(workers);
    CHECK(atomic_load(&ran) == JOBS);
    for (int i = 0; i < JOBS; i++) {
        CHECK(!seen[order[i]]);
        seen[order[i]] = true;
    }
}

typedef struct begetter {
    mg_job job;
    mg_workers *workers;
    int left;
} begetter;

static void run_begetter(mg_job *job)
{
    begetter *b = (begetter *)(void *)job;
    if (--b->left > 0) mg_workers_submit(b->workers, &b->job);
}

static void what_a_job_submits_is_run_although_the_pool_closes(void)
{
    begetter b = {.job = {.run = run_begetter}, .left = 1000};
    CHECK(mg_workers_open(&b.workers, 2, "test", NULL) == MG_OK);
    mg_workers_submit(b.workers, &b.job);
    mg_workers_close(b.workers);
    CHECK(b.left == 0);
}

int main(void)
{
    what_a_job_submits_is_run_although_the_pool_closes();
    one_thread_runs_in_order();
    many_threads_run_each_once();
    puts("workers_test: ok");
}
