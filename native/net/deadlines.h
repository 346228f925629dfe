/* deadlines.h -- what is due next: a binary heap of embedded deadlines.
 *
 * Adding and removing cost O(log n) and no allocation but the heap's growth.
 * Belongs to one thread. Times are milliseconds of the monotonic clock.
 */
#ifndef MG_NET_DEADLINES_H
#define MG_NET_DEADLINES_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct mg_deadline {
    int64_t due_ms;
    size_t slot; /* 1-based place in the heap; 0 while in none */
} mg_deadline;

typedef struct mg_deadlines {
    mg_deadline **heap; /* heap[0] is not used */
    size_t count;
    size_t capacity;
} mg_deadlines;

void mg_deadlines_init(mg_deadlines *deadlines);
void mg_deadlines_deinit(mg_deadlines *deadlines);

/* False when memory is short. The deadline is in no heap. */
MG_WARN_UNUSED bool mg_deadlines_add(mg_deadlines *deadlines, mg_deadline *deadline,
                                     int64_t due_ms);
void mg_deadlines_remove(mg_deadlines *deadlines, mg_deadline *deadline); /* no-op if in none */
/* INT64_MAX when nothing is due ever. */
int64_t mg_deadlines_next_ms(const mg_deadlines *deadlines);
/* Takes out one deadline that is due by `now_ms`, or returns NULL. */
mg_deadline *mg_deadlines_take_due(mg_deadlines *deadlines, int64_t now_ms);

#endif
