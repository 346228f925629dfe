/* written.h -- a log of several segments, closed properly, for the tests that then damage it. */
#ifndef MG_TESTS_LOG_WRITTEN_H
#define MG_TESTS_LOG_WRITTEN_H

#include "rig.h"

enum { BATCHES = 60, SEGMENT_SIZE = 4000, FILE_ROOM = 1 << 16 };

static _Thread_local uint8_t bytes[FILE_ROOM];

/* Sixty batches of two records over several segments, closed cleanly. */
static inline rig written(void)
{
    rig r = rig_make();
    r.config.segment_size_max = SEGMENT_SIZE;
    r.config.index_interval_size = 500;
    rig_open(&r);
    for (int i = 0; i < BATCHES; i++) {
        (void)append_at_epoch(&r,
                              (recipe){.records = 2,
                                       .value_size = 100,
                                       .timestamp = NOW_MS + i,
                                       .producer_id = 5,
                                       .base_sequence = i * 2},
                              i / 20);
    }
    CHECK(mg_log_segment_count(r.log) > 3);
    rig_close_log(&r);
    return r;
}

/* The name of the n-th segment's file; `written` rolls after as many batches each time. */
static inline int64_t base_of(int n)
{
    static int64_t per_segment = 0;
    if (per_segment == 0) {
        rig r = written();
        r.start.clean = true;
        rig_open(&r);
        per_segment = 2 * (SEGMENT_SIZE / (mg_log_size(r.log) / BATCHES));
        rig_end(&r);
    }
    return per_segment * n;
}

static inline const char *name_of(int n, const char *suffix)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "%020lld%s", (long long)base_of(n), suffix);
    return name;
}

static inline size_t batch_size_at(const uint8_t *data)
{
    return mg_load_u32(data + 8) + 12;
}

static inline void open_unclean(rig *r)
{
    r->start.clean = false;
    rig_open(r);
}

#endif
