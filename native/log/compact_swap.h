/* compact_swap.h -- puts a finished output in the place of its sources.
 *
 *   names on disk                                          a crash here leaves
 *   *.cleaned, synced, and the directory                   the sources
 *   indexes renamed to *.swap, the directory synced        the sources
 *   .log.cleaned renamed to .log.swap, directory synced    the output: from here on it counts
 *   [the list is switched: readers see the output]
 *   other sources removed, and a transaction index that
 *   has no successor, directory synced                     the output
 *   .log.swap renamed to .log, directory synced            the output
 *   indexes renamed to their names, directory synced       the output
 *
 * So a log file called .swap is whole, and has its indexes beside it; sources and output never
 * lie under final names together; and Kafka, too, completes or undoes what it finds.
 */
#ifndef MG_LOG_COMPACT_SWAP_H
#define MG_LOG_COMPACT_SWAP_H

#include "log/compact_output.h"

/* The entries of the transaction index that stay, of those whose marker lies in [begin, end), which
 * is the sources'. They change when readers see the output, and not before. */
typedef struct mg_compact_aborted {
    int64_t begin;
    int64_t end;
    const mg_aborted *entries;
    size_t count;
} mg_compact_aborted;

/* The sources stand next to each other in the list, are sealed, and are pinned by the caller, who
 * unpins them afterwards in every case. `truncations` is what the log had when they were read.
 *
 * MG_OK: the output's segment is the log's; `*swapped` is true. MG_BUSY: the list is another by
 * now. Any failure with `*swapped` false: nothing was changed, the output is the caller's to
 * discard. With `*swapped` true: the output counts, but names are not as they should be; the log
 * is poisoned and the next start puts them right. */
MG_WARN_UNUSED mg_status mg_compact_swap(mg_log *log, mg_segment *const *sources, size_t count,
                                         uint64_t truncations, mg_compact_output *output,
                                         const mg_compact_aborted *aborted, bool *swapped,
                                         mg_error *error);

#endif
