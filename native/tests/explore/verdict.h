/* verdict.h -- opens what a crash has left and holds it against the model.
 *
 * Asked of every state: it opens; every batch that was promised is there, byte for byte; no batch
 * is there that was not taken in; where offsets jump, a read says so; each is found by its offset
 * and by its time; producers, transactions and leader epochs are what the batches make them.
 */
#ifndef MG_TESTS_EXPLORE_VERDICT_H
#define MG_TESTS_EXPLORE_VERDICT_H

#include "model.h"

#define EXPLORE_DIRECTORY "data/topic-0"
enum { EXPLORE_NOW_MS = 1000000 };

/* What a failure prints. */
typedef struct verdict_place {
    uint64_t life;
    int64_t state;
    const char *kind;
} verdict_place;

typedef struct verdict_found {
    int64_t start_offset;
    int64_t end_offset;
    int64_t gaps;
    bool lost_start; /* of what was not acknowledged */
    uint64_t digest; /* of all that was read */
    size_t batches;
} verdict_found;

/* Says what is wrong, where, and how to see it again; ends the process. */
#define VIOLATION(place, ...)                                                                      \
    do {                                                                                           \
        fprintf(stderr, "VIOLATION, %s: ", (place)->kind);                                         \
        fprintf(stderr, __VA_ARGS__);                                                              \
        verdict_fail(place);                                                                       \
    } while (0)
_Noreturn void verdict_fail(const verdict_place *place);

/* The files of the log, opened as after a crash, or after a clean shutdown. */
MG_WARN_UNUSED mg_status verdict_open(mg_log **log, mg_files *files, const mg_log_config *config,
                                      const model *m, bool clean, mg_log_report *report,
                                      mg_error *error);
/* `all`: also what was only taken in must be there: no power was cut. */
verdict_found verdict_check(mg_log *log, mg_files *files, const model *m, bool all,
                            const verdict_place *place);
/* The files have it, also where the log's start was raised above it. */
bool verdict_has_batch(mg_files *files, const model_batch *batch);
/* The first segment's name was lost: what was not acknowledged is never deleted. */
bool verdict_lost_start(mg_files *files, const model *m);
/* After a clean close: every file is sound, as `meghna log verify` sees it. */
void verdict_inspect(mg_files *files, const verdict_place *place);

#endif
