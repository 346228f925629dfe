/* provers.h -- threads that check the segments of one log ahead of its recovery.
 *
 * Recovery goes through the segments in order, since producers and epochs do. Most of its work
 * is reading and checksums, which need no order: the provers do them, each a segment at a time,
 * and say how far from its beginning a segment is batch after intact batch. Recovery believes
 * that and reads headers only; from there on it looks for itself.
 *
 * They stay a few segments ahead, so that what they read is still in memory when recovery comes.
 * A prover that fails proves less, and recovery meets whatever it was. They change nothing.
 */
#ifndef MG_LOG_PROVERS_H
#define MG_LOG_PROVERS_H

#include "file/file.h"

#include <stdatomic.h>

typedef struct mg_provers mg_provers;

/* Starts at most `thread_count` threads over the segments of `bases`, in their order. `directory`
 * and `bases` are borrowed until close; so is `progress`, to which the bytes read are added; it
 * may be NULL. */
MG_WARN_UNUSED mg_status mg_provers_open(mg_provers **out, mg_files *files, const char *directory,
                                         const int64_t *bases, size_t count, unsigned thread_count,
                                         _Atomic int64_t *progress, mg_error *error);
/* Ends them wherever they are. NULL is none. */
void mg_provers_close(mg_provers *provers);

/* Waits for segment `index`; how many of its bytes are proven. Ask in order, once each. 0 where
 * there are no provers. */
int64_t mg_provers_wait(mg_provers *provers, size_t index);

#endif
