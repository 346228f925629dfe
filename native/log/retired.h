/* retired.h -- how memory that lock-free readers may still see is given back.
 *
 * A reader brackets its work with mg_readers_enter and mg_readers_leave and
 * follows the log's published pointers in between. Whoever replaces a pointer
 * retires the old object; it is released at a later moment at which no reader
 * is inside: a reader that enters after the replacement cannot find it.
 *
 *   reader:  enter (count + 1), load pointer, use, leave (count - 1)
 *   writer:  store new pointer, retire old; later: count == 0 -> release
 *
 * The stores and loads that carry this are sequentially consistent.
 */
#ifndef MG_LOG_RETIRED_H
#define MG_LOG_RETIRED_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* First member of whatever can be retired. `release` frees it, or answers false: try again. */
typedef struct mg_retired {
    struct mg_retired *next;
    bool (*release)(struct mg_retired *retired);
} mg_retired;

typedef struct mg_readers {
    _Atomic int32_t inside;
} mg_readers;

static inline void mg_readers_enter(mg_readers *readers)
{
    atomic_fetch_add(&readers->inside, 1);
}

static inline void mg_readers_leave(mg_readers *readers)
{
    int32_t before = atomic_fetch_sub_explicit(&readers->inside, 1, memory_order_release);
    MG_ASSERT(before > 0);
}

#endif
