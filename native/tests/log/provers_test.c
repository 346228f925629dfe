#include "log/provers.h"

#include "log/names.h"
#include "rig.h"

#include <errno.h>

enum { SEGMENTS = 12 };

/* Three batches a segment. */
static void fill(rig *r, int64_t bases[SEGMENTS])
{
    r->config.segment_size_max = 1000;
    r->start.clean = true;
    rig_open(r);
    for (int i = 0; i < SEGMENTS; i++) {
        bases[i] = mg_log_end_offset(r->log);
        for (int k = 0; k < 3; k++) append(r, (recipe){.value_size = 200});
        if (i + 1 < SEGMENTS) CHECK(mg_log_roll(r->log, &r->error) == MG_OK);
    }
    CHECK(mg_log_flush(r->log, &r->error) == MG_OK);
}

static int64_t size_of(rig *r, int64_t base)
{
    char path[MG_PATH_SIZE];
    mg_file_facts facts;
    CHECK(mg_log_path(path, DIRECTORY, base, MG_LOG_SUFFIX, NULL) == MG_OK);
    CHECK(mg_files_stat(r->files, path, &facts, NULL) == MG_OK);
    return facts.size;
}

static void flip(rig *r, int64_t base, int64_t position)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    uint8_t byte = 0;
    size_t got = 0;
    CHECK(mg_log_path(path, DIRECTORY, base, MG_LOG_SUFFIX, NULL) == MG_OK);
    CHECK(mg_file_open(r->files, path, MG_FILE_WRITE, &file, NULL) == MG_OK);
    CHECK(mg_file_read(file, position, &byte, 1, 0, &got, NULL) == MG_OK);
    byte ^= 1;
    CHECK(mg_file_write_bytes(file, position, &byte, 1, NULL) == MG_OK);
    mg_file_close(file);
}

static void what_is_intact_is_proven_and_no_more(void)
{
    rig r = rig_make();
    int64_t bases[SEGMENTS];
    fill(&r, bases);
    rig_abandon(&r);
    int64_t size = size_of(&r, bases[4]);
    flip(&r, bases[4], size - 1); /* in the last of its three batches */
    flip(&r, bases[7], 100);      /* in the first */

    _Atomic int64_t progress = 0;
    mg_provers *provers = NULL;
    CHECK(mg_provers_open(&provers, r.files, DIRECTORY, bases, SEGMENTS, 3, &progress, NULL) ==
          MG_OK);
    int64_t total = 0;
    for (size_t i = 0; i < SEGMENTS; i++) {
        int64_t proven = mg_provers_wait(provers, i);
        int64_t expected = size_of(&r, bases[i]);
        total += expected;
        if (i == 4) expected = expected / 3 * 2;
        if (i == 7) expected = 0;
        CHECK(proven == expected);
    }
    mg_provers_close(provers);
    CHECK(atomic_load(&progress) == total);
    rig_end(&r);
}

static void they_end_when_nobody_waits(void)
{
    rig r = rig_make();
    int64_t bases[SEGMENTS];
    mg_provers *provers = NULL;
    fill(&r, bases);
    rig_abandon(&r);
    CHECK(mg_provers_open(&provers, r.files, DIRECTORY, bases, SEGMENTS, 2, NULL, NULL) == MG_OK);
    mg_provers_close(provers);
    mg_provers_close(NULL);
    CHECK(mg_provers_wait(NULL, 3) == 0);
    rig_end(&r);
}

/* The memory disk fails one operation in turn, whichever thread it is that meets it. */
static void a_file_that_cannot_be_read_proves_nothing(void)
{
    for (int k = 1; k < 30; k++) {
        rig r = rig_make();
        int64_t bases[SEGMENTS];
        mg_provers *provers = NULL;
        fill(&r, bases);
        rig_abandon(&r);
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, k, EIO);
        CHECK(mg_provers_open(&provers, r.files, DIRECTORY, bases, SEGMENTS, 2, NULL, NULL) ==
              MG_OK);
        int64_t proven[SEGMENTS];
        for (size_t i = 0; i < SEGMENTS; i++) proven[i] = mg_provers_wait(provers, i);
        mg_provers_close(provers);
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_NONE, 0, 0);
        for (size_t i = 0; i < SEGMENTS; i++)
            CHECK(proven[i] == 0 || proven[i] == size_of(&r, bases[i]));
        rig_end(&r);
    }
}

int main(void)
{
    what_is_intact_is_proven_and_no_more();
    they_end_when_nobody_waits();
    a_file_that_cannot_be_read_proves_nothing();
    puts("provers_test: ok");
}
