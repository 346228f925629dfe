/* opening.h -- a look at the records of a compressed batch before it is appended.
 *
 * Some topics want something of every record: a compacted one wants a key. What
 * a batch keeps closed has to be opened to see it, which takes as long as many
 * appends and happens on a thread of its own. See mg_partition_submit.
 */
#ifndef MG_PARTITION_OPENING_H
#define MG_PARTITION_OPENING_H

#include "batch/opened.h"

typedef struct mg_opening {
    mg_batch_rules rules;       /* asked */
    mg_batch_finding finding;   /* answered */
    mg_batch_refusal *refusals; /* answered: the first of them (mg_batch_named_count), for free()
                                 * by whoever asked; NULL where there was no memory for them */
} mg_opening;

/* Opens the batch and answers. Records whose bytes are not of the codec are a fault of the batch,
 * MG_BATCH_INVALID_RECORD, because it would be the same the next time. A fine batch has its
 * maximum timestamp corrected (mg_batch_correct_time). Any other status: there is no answer. */
MG_WARN_UNUSED mg_status mg_opening_look(mg_opening *opening, const mg_codecs *codecs,
                                         mg_scratch *plain, uint8_t *batch,
                                         mg_batch_header *header);

#endif
