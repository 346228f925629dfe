/* opened.h -- the records of a batch as they were before they were compressed. */
#ifndef MG_BATCH_OPENED_H
#define MG_BATCH_OPENED_H

#include "base/scratch.h"
#include "batch/batch.h"
#include "batch/codec.h"

/* Opens a batch that was checked. `*records` lies in `plain`, or in the batch itself where it is
 * not compressed. MG_CORRUPT: the bytes are not of the codec. MG_TOO_LARGE: they open to more than
 * MG_BATCH_OPENED_SIZE_MAX. MG_UNSUPPORTED: a codec that is not there; `codecs` NULL: none is. */
MG_WARN_UNUSED mg_status mg_batch_open(const mg_codecs *codecs, mg_scratch *plain, mg_span batch,
                                       const mg_batch_header *header, mg_span *records,
                                       mg_error *error);

#endif
