/* Power cuts in memory: logs live at random (life.h), and at every moment at which something
 * changed the file system is copied, cut in several ways, recovered and held against the model;
 * some of the recoveries are cut as well, and some of the recovered logs live on.
 *
 *     power_explorer COUNT [SEED]      so many crash states; the seed of the first life
 *     power_explorer lives COUNT SEED  so many lives for themselves, with their own cuts only:
 *                                      each costs a few of such states, and no two are alike
 *     power_explorer replay SEED STATE one state of one life, as a failure prints it
 *
 * Two processes share the work. Before it begins, a life that lies (it calls durable what it did
 * not sync) must be found out. */
#include "life.h"
#include "verdict.h"

#include "file/memory.h"
#include "file/memory_content.h"

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 2, STATES_A_MOMENT = 8, STEPS_MAX = 150 };

typedef struct exploration {
    life *life;
    int64_t states;      /* of this life so far */
    int64_t states_most; /* of all lives of this process */
    int64_t only;        /* -1: all */
    int64_t explored;
    int64_t cut_recoveries;
    int64_t with_gaps;
    int64_t lived_on;
    uint64_t seed; /* of the state */
    verdict_place place;
} exploration;

typedef struct crash_kind {
    mg_memory_crash crash;
    size_t sector_size;
    const char *name;
} crash_kind;

static const crash_kind KINDS[STATES_A_MOMENT] = {
    {MG_MEMORY_CRASH_FORGET, 512, "power cut, nothing unsynced is left"},
    {MG_MEMORY_CRASH_PROCESS, 512, "the process is killed"},
    {MG_MEMORY_CRASH_TEAR, 512, "power cut, sectors of 512"},
    {MG_MEMORY_CRASH_TEAR, 512, "power cut, sectors of 512"},
    {MG_MEMORY_CRASH_TEAR, 512, "power cut, sectors of 512"},
    {MG_MEMORY_CRASH_TEAR, 4096, "power cut, sectors of 4096"},
    {MG_MEMORY_CRASH_TEAR, 4096, "power cut, sectors of 4096"},
    {MG_MEMORY_CRASH_TEAR, 4096, "power cut, sectors of 4096"},
};

static uint64_t draw(exploration *e, uint64_t below)
{
    return mg_memory_draw(&e->seed) % below;
}

/* A recovery that ends at a random operation, by a power cut or by the process's death. */
static void cut_recovery(exploration *e, mg_files *files, bool *cut_power)
{
    mg_log *log = NULL;
    mg_log_report report;
    mg_error error;
    int64_t at = (int64_t)draw(e, 1U << (1 + draw(e, 7)));
    mg_memory_fail_at(files, MG_MEMORY_FAULT_STOP, at, draw(e, 2) == 0 ? EIO : ENOSPC);
    mg_status status =
        verdict_open(&log, files, &e->life->config, &e->life->model, false, &report, &error);
    if (status == MG_OK) mg_log_abandon(log);
    bool kills = draw(e, 3) == 0;
    mg_memory_play_crash(files, kills ? MG_MEMORY_CRASH_PROCESS : MG_MEMORY_CRASH_TEAR,
                         draw(e, 2) == 0 ? 512 : 4096, mg_memory_draw(&e->seed));
    *cut_power = *cut_power || !kills;
    e->cut_recoveries++;
}

/* What recovery called durable is there after another cut. */
static void cut_again(exploration *e, mg_files *files, const verdict_found *before)
{
    mg_log *log = NULL;
    mg_log_report report;
    mg_error error;
    const life *l = e->life;
    bool forgets = draw(e, 2) == 0;
    mg_memory_play_crash(files, forgets ? MG_MEMORY_CRASH_FORGET : MG_MEMORY_CRASH_TEAR, 512,
                         mg_memory_draw(&e->seed));
    if (verdict_open(&log, files, &l->config, &l->model, false, &report, &error) != MG_OK) {
        VIOLATION(&e->place, "after a second cut: %s", error.detail);
    }
    verdict_found after = verdict_check(log, files, &l->model, false, &e->place);
    if (after.digest != before->digest || after.end_offset != before->end_offset) {
        VIOLATION(&e->place, "recovered up to %lld (%zu batches), after a second cut %lld (%zu)",
                  (long long)before->end_offset, before->batches, (long long)after.end_offset,
                  after.batches);
    }
    mg_log_abandon(log);
}

/* The recovered log takes in more, closes, opens, and every file is sound. */
static void live_on(exploration *e, mg_files *files, mg_log *log)
{
    life next = *e->life;
    mg_log_report report;
    next.files = files;
    next.log = log;
    next.state = e->seed;
    next.explored = e->place.state;
    model_copy(&next.model, &e->life->model);
    life_learn(&next);
    mg_status status = life_append_some(&next);
    if (status == MG_OK) status = life_close(&next);
    if (status != MG_OK) VIOLATION(&e->place, "it does not live on: %s", next.error.detail);
    verdict_inspect(files, &e->place);
    mg_memory_play_crash(files, MG_MEMORY_CRASH_FORGET, 512, 0);
    status = verdict_open(&log, files, &next.config, &next.model, true, &report, &next.error);
    if (status != MG_OK) VIOLATION(&e->place, "after a clean end: %s", next.error.detail);
    (void)verdict_check(log, files, &next.model, true, &e->place);
    mg_log_abandon(log);
    model_deinit(&next.model);
    e->lived_on++;
}

static void recover_and_check(exploration *e, mg_files *files, bool cut_power)
{
    mg_log *log = NULL;
    mg_log_report report;
    mg_error error;
    const life *l = e->life;
    for (uint64_t cuts = draw(e, 8); cuts >= 6; cuts--)
        cut_recovery(e, files, &cut_power);
    mg_status status = verdict_open(&log, files, &l->config, &l->model, false, &report, &error);
    if (status != MG_OK) VIOLATION(&e->place, "it does not recover: %s", error.detail);
    verdict_found found = verdict_check(log, files, &l->model, !cut_power, &e->place);
    if (found.gaps > 0) e->with_gaps++;
    uint64_t choice = draw(e, 8);
    /* Where the first segment's name was lost, and not the next one's, more is known of producers
     * than there is. No journal leaves that. */
    if (choice == 0 && !found.lost_start) {
        live_on(e, files, log);
        return;
    }
    mg_log_abandon(log);
    if (choice <= 2) cut_again(e, files, &found);
}

static void explore_state(exploration *e, const crash_kind *kind)
{
    e->seed = e->life->seed * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)e->states;
    e->place = (verdict_place){.life = e->life->seed, .state = e->states, .kind = kind->name};
    e->states++;
    if (e->only >= 0 && e->states - 1 != e->only) return;
    /* Killed between the failure and its mark, nobody tells the next process. */
    if (e->life->loses_sync && kind->crash == MG_MEMORY_CRASH_PROCESS) return;
    mg_files *files = NULL;
    CHECK(mg_memory_copy(e->life->files, &files, NULL) == MG_OK);
    mg_memory_play_crash(files, kind->crash, kind->sector_size, mg_memory_draw(&e->seed));
    recover_and_check(e, files, e->life->is_cut || kind->crash != MG_MEMORY_CRASH_PROCESS);
    mg_files_close(files);
    e->explored++;
}

static void explore_moment(void *context)
{
    exploration *e = context;
    for (int i = 0; i < STATES_A_MOMENT && e->explored < e->states_most; i++)
        explore_state(e, &KINDS[i]);
}

static void explore_life(exploration *e, uint64_t seed, bool lies)
{
    life l;
    life_begin(&l, seed, NULL);
    l.lies = lies;
    e->life = &l;
    e->states = 0;
    mg_memory_watch(l.files, explore_moment, e);
    mg_status status = life_open(&l);
    uint64_t steps = 20 + seed % STEPS_MAX;
    for (uint64_t i = 0; i < steps && status == MG_OK && e->explored < e->states_most; i++)
        status = life_step(&l);
    if (status == MG_OK) status = life_close(&l);
    verdict_place place = {.life = seed, .state = e->states, .kind = "no crash"};
    if (status != MG_OK) VIOLATION(&place, "the life itself failed: %s", l.error.detail);
    mg_memory_watch(l.files, NULL, NULL);
    life_end(&l);
}

static void live(int64_t count, uint64_t seed, int worker)
{
    exploration e = {.states_most = INT64_MAX, .only = INT64_MAX};
    for (int64_t i = worker; i < count; i += WORKERS) explore_life(&e, seed + (uint64_t)i, false);
}

static void work(int64_t count, uint64_t seed, int worker)
{
    exploration e = {.states_most = count, .only = -1};
    uint64_t lives = 0;
    for (; e.explored < count; lives++)
        explore_life(&e, seed + lives * WORKERS + (uint64_t)worker, false);
    printf("power_explorer: %lld states of %llu lives, %lld recoveries cut, %lld lived on, "
           "%lld with gaps of what was not acknowledged\n",
           (long long)e.explored, (unsigned long long)lives, (long long)e.cut_recoveries,
           (long long)e.lived_on, (long long)e.with_gaps);
    fflush(stdout);
}

/* The child finds nothing wrong, or does. */
static bool is_caught(uint64_t seed)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        exploration e = {.states_most = 20000, .only = -1};
        if (freopen("/dev/null", "w", stderr) == NULL) exit(2);
        for (uint64_t i = 0; e.explored < e.states_most; i++)
            explore_life(&e, seed + i, true);
        exit(0);
    }
    int answer = 0;
    CHECK(waitpid(child, &answer, 0) == child);
    return WIFEXITED(answer) && WEXITSTATUS(answer) == 1;
}

/* In as many processes as there are workers; 1 when any of them failed. */
static int share(void (*job)(int64_t count, uint64_t seed, int worker), int64_t count,
                 uint64_t seed)
{
    pid_t children[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            job(count, seed, i);
            exit(0);
        }
    }
    int failed = 0;
    for (int i = 0; i < WORKERS; i++) {
        int answer = 0;
        CHECK(waitpid(children[i], &answer, 0) == children[i]);
        failed |= !WIFEXITED(answer) || WEXITSTATUS(answer) != 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "lives") == 0) {
        int failed = share(live, atoll(argv[2]), (uint64_t)atoll(argv[3]));
        if (!failed) printf("power_explorer: %s lives from seed %s\n", argv[2], argv[3]);
        return failed;
    }
    if (argc == 4) {
        exploration e = {.states_most = INT64_MAX, .only = atoll(argv[3])};
        explore_life(&e, (uint64_t)atoll(argv[2]), false);
        printf("power_explorer: nothing wrong, %lld states\n", (long long)e.explored);
        return 0;
    }
    int64_t count = argc > 1 ? atoll(argv[1]) : 3000;
    uint64_t seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    CHECK(is_caught(seed));
    printf("power_explorer: %lld states, seed %llu; the canary was found out\n", (long long)count,
           (unsigned long long)seed);
    fflush(NULL);
    return share(work, count / WORKERS, seed);
}
