/* place.h -- logs for tests, each in a directory of its own: the kernel's files or memory's. */
#ifndef MG_TESTS_KIT_PLACE_H
#define MG_TESTS_KIT_PLACE_H

#include "file/memory.h"
#include "log/log.h"

#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACE_LOGS_MAX = 8 };

typedef struct place {
    mg_files *files;
    char directory[256];
    mg_log *logs[PLACE_LOGS_MAX];
    int log_count;
    bool in_memory;
} place;

static inline mg_log_config plain_log_config(void)
{
    return (mg_log_config){
        .segment_size_max = 1 << 30,
        .segment_age_max_ms = INT64_MAX / 2,
        .index_size_max = 10 << 20,
        .index_interval_size = 4096,
        .producer_expiry_ms = INT64_MAX / 2,
    };
}

static inline void place_open(place *p, bool in_memory)
{
    *p = (place){.in_memory = in_memory};
    if (in_memory) {
        CHECK(mg_files_open_memory(&p->files, NULL) == MG_OK);
        snprintf(p->directory, sizeof p->directory, "data");
        CHECK(mg_files_make_directory(p->files, p->directory, NULL) == MG_OK);
        return;
    }
    CHECK(mg_files_open_posix(&p->files, NULL) == MG_OK);
    const char *parent = getenv("TMPDIR");
    snprintf(p->directory, sizeof p->directory, "%s/meghna-XXXXXX", parent == NULL ? "." : parent);
    CHECK(mkdtemp(p->directory) != NULL);
}

static inline mg_log *place_add_log(place *p, const mg_log_config *config)
{
    CHECK(p->log_count < PLACE_LOGS_MAX);
    char path[512];
    snprintf(path, sizeof path, "%s/topic-%d", p->directory, p->log_count);
    mg_log_start start = {.clean = true};
    mg_log_report report;
    mg_log *log = NULL;
    mg_error error = {0};
    mg_status status = mg_log_open(&log, p->files, path, config, &start, &report, &error);
    if (status != MG_OK) fprintf(stderr, "%s\n", error.detail);
    CHECK(status == MG_OK);
    p->logs[p->log_count++] = log;
    return log;
}

static inline int place_remove_one(const char *path, const struct stat *facts, int kind,
                                   struct FTW *walk)
{
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* Closes the logs, too; what is in them is forgotten. */
static inline void place_close(place *p)
{
    for (int i = 0; i < p->log_count; i++) mg_log_abandon(p->logs[i]);
    mg_files_close(p->files);
    if (!p->in_memory) CHECK(nftw(p->directory, place_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

#endif
