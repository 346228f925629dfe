/* copy.h -- copying bytes into a room whose size is known.
 *
 * The one way to copy outside base/ and batch/: the bound stands beside the
 * copy, and is checked. The ranges do not overlap.
 */
#ifndef MG_BASE_COPY_H
#define MG_BASE_COPY_H

#include "base/status.h"

#include <stdint.h>
#include <string.h>

static inline void mg_copy(void *to, size_t room, const void *from, size_t size)
{
    MG_ASSERT(size <= room);
    if (size > 0) memcpy(to, from, size); /* NULL is allowed for nothing */
}

/* The same for a record's bytes, inline: a call for every hundred bytes costs as much as the bytes.
 * Whole words, and a last one that overlaps the one before, so neither end is passed. */
static inline void mg_copy_record(uint8_t *to, size_t room, const uint8_t *from, size_t size)
{
    enum { WORD = 32, INLINE_MAX = 256 };
    MG_ASSERT(size <= room);
    if (size >= WORD && size <= INLINE_MAX) {
        for (size_t at = 0; at < size - WORD; at += WORD)
            memcpy(to + at, from + at, WORD);
        memcpy(to + size - WORD, from + size - WORD, WORD);
    } else if (size > 0) {
        memcpy(to, from, size);
    }
}

#endif
