/* copy.h -- copying bytes into a room whose size is known.
 *
 * The one way to copy outside base/ and batch/: the bound stands beside the
 * copy, and is checked. The ranges do not overlap.
 */
#ifndef MG_BASE_COPY_H
#define MG_BASE_COPY_H

#include "base/status.h"

#include <string.h>

static inline void mg_copy(void *to, size_t room, const void *from, size_t size)
{
    MG_ASSERT(size <= room);
    if (size > 0) memcpy(to, from, size); /* NULL is allowed for nothing */
}

#endif
