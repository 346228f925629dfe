/* Every operation fails: logs live at random on the kernel's files; in each run one system call or
 * allocation fails, once or from then on, the process gives up where the log does, and the next one
 * opens what is there: nothing that was taken in may be missing, every file is sound. The start
 * after the failure may fail as well, at any of its calls.
 *
 *     fault_explorer COUNT [SEED]    at least so many runs; the seed of the first life
 *
 * A failure prints the life and the run; `fault_explorer replay SEED RUN` repeats it. */
#include "faults.h"
#include "life.h"
#include "verdict.h"

#include "file/memory_content.h"

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS = 40 };

typedef struct exploration {
    uint64_t seed;
    int64_t runs; /* of this life */
    int64_t only; /* -1: all */
    int64_t done;
    int64_t most;
    int64_t second_faults;
    int64_t lives_on; /* runs in which the log went on after the fault */
    int64_t kinds[4];
} exploration;

static const fault KINDS[] = {
    {.kind = FAULT_ERROR, .os_error = EIO},
    {.kind = FAULT_ERROR, .os_error = EIO, .lasts = true},
    {.kind = FAULT_ERROR, .os_error = ENOSPC},
    {.kind = FAULT_ERROR, .os_error = ENOSPC, .lasts = true},
    {.kind = FAULT_INTERRUPTED},
    {.kind = FAULT_INTERRUPTED, .lasts = true},
    {.kind = FAULT_SHORT},
    {.kind = FAULT_SHORT, .lasts = true},
    {.kind = FAULT_NO_MEMORY},
    {.kind = FAULT_NO_MEMORY, .lasts = true},
};
enum { KINDS_COUNT = sizeof KINDS / sizeof *KINDS };

/* ---- One life with one fault ---- */

/* Nobody may notice: the call is made again. */
static bool is_hidden(const fault *ordered)
{
    return ordered->kind == FAULT_INTERRUPTED || ordered->kind == FAULT_SHORT;
}

/* A step that failed and has poisoned nothing has changed nothing; the life goes on. */
static bool goes_on(life *l)
{
    if (l->log == NULL || mg_log_health(l->log, NULL) != MG_OK) return false;
    model *m = &l->model;
    if (mg_log_end_offset(l->log) != model_end(m)) return false;
    m->truncated_to = INT64_MAX;
    m->maybe_from = SIZE_MAX;
    return true;
}

/* How many calls the fault could have had. */
static int64_t live(exploration *e, life *l, const fault *ordered, const verdict_place *place)
{
    bool went_on = false;
    faults_arm(ordered);
    mg_status status = life_open(l);
    for (int i = 0; i < STEPS && (status == MG_OK || goes_on(l)); i++) {
        went_on = went_on || status != MG_OK;
        status = life_step(l);
    }
    if (status == MG_OK) status = life_close(l);
    int64_t calls = faults_disarm();
    if (status != MG_OK && is_hidden(ordered)) {
        VIOLATION(place, "call %lld: %s", (long long)ordered->at, l->error.detail);
    }
    if (went_on) e->lives_on++;
    life_abandon(l);
    return calls;
}

static void recover_with_fault(exploration *e, life *l, uint64_t *state)
{
    fault second = KINDS[mg_memory_draw(state) % KINDS_COUNT];
    second.at = (int64_t)(mg_memory_draw(state) % (UINT64_C(1) << (mg_memory_draw(state) % 9)));
    mg_log *log = NULL;
    mg_log_report report;
    mg_error error;
    faults_arm(&second);
    mg_status status =
        verdict_open(&log, l->files, &l->config, &l->model, false, &report, &error);
    (void)faults_disarm();
    verdict_place place = {.life = e->seed, .state = e->runs, .kind = "a fault in recovery"};
    if (status != MG_OK && is_hidden(&second)) VIOLATION(&place, "%s", error.detail);
    if (status == MG_OK) mg_log_abandon(log);
    e->second_faults++;
}

static void check_what_is_left(life *l, const verdict_place *place)
{
    l->is_clean = false;
    mg_status status = life_open(l);
    if (status != MG_OK) VIOLATION(place, "it does not open: %s", l->error.detail);
    verdict_found found = verdict_check(l->log, l->files, &l->model, true, place);
    bool may_jump = l->model.start_limit > 0 || found.start_offset < l->model.start_offset;
    if (found.gaps > 0 && !may_jump) VIOLATION(place, "there are gaps");
    life_learn(l);
    status = life_append_some(l);
    if (status == MG_OK) status = life_close(l);
    if (status != MG_OK) VIOLATION(place, "it does not live on: %s", l->error.detail);
    verdict_inspect(l->files, place);
}

static mg_status remove_one(void *context, const char *name, mg_error *error)
{
    char path[MG_PATH_SIZE];
    CHECK(mg_path_join(path, EXPLORE_DIRECTORY, name, NULL) == MG_OK);
    return mg_files_remove(context, path, error);
}

static void remove_tree(mg_files *files)
{
    mg_status status = mg_files_list(files, EXPLORE_DIRECTORY, remove_one, files, NULL);
    CHECK(status == MG_OK || status == MG_NOT_FOUND);
    if (status == MG_OK) CHECK(rmdir(EXPLORE_DIRECTORY) == 0);
    CHECK(rmdir("data") == 0);
}

/* The calls that the fault could have had in the life. */
static int64_t run(exploration *e, const fault *ordered)
{
    static const char *const NAMES[] = {"a call fails", "a call is interrupted",
                                        "a call does half", "no memory"};
    verdict_place place = {.life = e->seed, .state = e->runs, .kind = NAMES[ordered->kind]};
    life l;
    mg_files *files = NULL;
    CHECK(mg_files_open_posix(&files, NULL) == MG_OK);
    CHECK(mkdir("data", 0755) == 0);
    life_begin(&l, e->seed, files);
    int64_t calls = live(e, &l, ordered, &place);
    uint64_t state = e->seed * 7919 + (uint64_t)e->runs;
    for (uint64_t again = mg_memory_draw(&state) % 4; again > 0; again--)
        recover_with_fault(e, &l, &state);
    check_what_is_left(&l, &place);
    life_abandon(&l);
    remove_tree(files);
    life_end(&l);
    e->kinds[ordered->kind]++;
    e->done++;
    return calls;
}

static void explore_life(exploration *e)
{
    e->runs = 0;
    for (int kind = 0; kind < KINDS_COUNT; kind++) {
        fault ordered = KINDS[kind];
        int64_t calls = INT64_MAX;
        for (ordered.at = 0; ordered.at < calls; ordered.at++, e->runs++) {
            if (e->only >= 0 && e->runs > e->only) return;
            bool is_first = ordered.at == 0; /* tells how many there are to come */
            if (e->only >= 0 && e->runs != e->only && !is_first) continue;
            int64_t seen = run(e, &ordered);
            if (!ordered.lasts || is_hidden(&ordered)) calls = seen > calls ? calls : seen;
            if (ordered.lasts && seen <= ordered.at) break; /* it was over before */
        }
    }
}

int main(int argc, char **argv)
{
    bool replays = argc == 4;
    exploration e = {.only = replays ? atoll(argv[3]) : -1};
    e.most = argc == 2 || argc == 3 ? atoll(argv[1]) : 1;
    e.seed = replays ? (uint64_t)atoll(argv[2]) : argc == 3 ? (uint64_t)atoll(argv[2]) : 1;
    /* In memory where there is such a place, eight times as fast: what the calls do is not in
     * question, only which of them fail. Else in the build's own folder. */
    char in_memory[] = "/dev/shm/explore-XXXXXX";
    char here[] = "explore-XXXXXX";
    char *place = mkdtemp(in_memory) != NULL ? in_memory : mkdtemp(here);
    CHECK(place != NULL);
    char home[4096];
    CHECK(getcwd(home, sizeof home) != NULL && chdir(place) == 0);
    int64_t lives = 0;
    for (; e.done < e.most; lives++, e.seed++)
        explore_life(&e);
    CHECK(chdir(home) == 0 && rmdir(place) == 0);
    printf("fault_explorer: %lld runs of %lld lives: %lld with a call that failed, %lld "
           "interrupted, %lld cut short, %lld without memory; %lld faults in recovery, "
           "%lld went on\n",
           (long long)e.done, (long long)lives, (long long)e.kinds[FAULT_ERROR],
           (long long)e.kinds[FAULT_INTERRUPTED], (long long)e.kinds[FAULT_SHORT],
           (long long)e.kinds[FAULT_NO_MEMORY], (long long)e.second_faults,
           (long long)e.lives_on);
}
