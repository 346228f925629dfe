/* scratch.h -- memory that is used again and again, and grows when more of it is needed. What was
 * in it is lost then. */
#ifndef MG_BASE_SCRATCH_H
#define MG_BASE_SCRATCH_H

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>

typedef struct mg_scratch {
    uint8_t *data;
    size_t size;
} mg_scratch;

MG_WARN_UNUSED static inline mg_status mg_scratch_reserve(mg_scratch *scratch, size_t size,
                                                          mg_error *error)
{
    if (size <= scratch->size) return MG_OK;
    uint8_t *data = malloc(size);
    if (data == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "%zu bytes", size);
    free(scratch->data);
    *scratch = (mg_scratch){.data = data, .size = size};
    return MG_OK;
}

static inline void mg_scratch_deinit(mg_scratch *scratch)
{
    free(scratch->data);
    *scratch = (mg_scratch){.data = NULL, .size = 0};
}

#endif
