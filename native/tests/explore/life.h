/* life.h -- a log that lives at random, as a seed has it: producers, transactions, leader epochs,
 * flushes, rolls, retention, truncation, fsyncs that fail, restarts; and the model of it.
 *
 * The life ends at its last step, or at the first call that fails. What it does does not depend on
 * who watches the file system meanwhile.
 */
#ifndef MG_TESTS_EXPLORE_LIFE_H
#define MG_TESTS_EXPLORE_LIFE_H

#include "model.h"

typedef struct life {
    mg_files *files;
    mg_log *log; /* NULL: not open */
    mg_log_config config;
    model model;
    uint64_t seed;
    uint64_t state; /* of the generator */
    int64_t now;
    int32_t leader_epoch;
    int64_t explored; /* the state from which it goes on; -1: the life itself */
    bool is_clean; /* closed; the mark of a clean shutdown is on disk */
    bool lies;     /* a canary: calls durable what was only written */
    bool is_cut;     /* the power was cut, and what is left is not learned yet */
    bool cuts_power; /* restarts may be power cuts; the files are in memory */
    bool loses_sync; /* a fsync is failing, and its mark is not left yet */
    mg_error error;
} life;

/* On files in memory, or on others where `files` is given; "data" is there. */
void life_begin(life *l, uint64_t seed, mg_files *files);
MG_WARN_UNUSED mg_status life_open(life *l);
/* One thing after the other; anything but MG_OK: it failed, and the log is of no more use. */
MG_WARN_UNUSED mg_status life_step(life *l);
MG_WARN_UNUSED mg_status life_close(life *l);
/* Gives up what is open; the files stay. */
void life_abandon(life *l);
/* The model learns what recovery, after a crash, has found. */
void life_learn(life *l);
void life_end(life *l);

/* What a restart of the process may ask of a log that was just opened: it goes on. */
MG_WARN_UNUSED mg_status life_append_some(life *l);

#endif
