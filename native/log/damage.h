/* damage.h -- where a segment lost bytes, remembered by the names of the files that took them.
 *
 *     <base>.<from>-<to>.damaged     offsets [from, to) lay there, as far as anybody can tell
 *
 * The name speaks of offsets, not of positions: these move when damage before them is taken out
 * later, offsets never do. Where in the file a gap lies is found by a walk over the headers, when
 * the segment is opened; segments without damage are not walked. A file may be empty: bytes that
 * were on disk for certain are gone, and nothing is left to be moved aside.
 *
 * A name at the end of the log counts towards the end: no offset that it tells is given out again,
 * with or without a checkpoint. A truncation takes the offsets away on purpose, and the names then
 * say so: what lay above it becomes
 *
 *     <base>.truncated.<from>-<to>.damaged
 *
 * which is for people only, and what reaches beyond it is told up to it.
 */
#ifndef MG_LOG_DAMAGE_H
#define MG_LOG_DAMAGE_H

#include "file/file.h"
#include "log/log_format.h"

#define MG_TRUNCATED_SUFFIX ".truncated"

typedef struct mg_damage {
    int64_t base; /* of the segment */
    int64_t from;
    int64_t to;
} mg_damage;

/* True where `name` is one of ours. */
bool mg_damage_parse(const char *name, mg_damage *damage);
/* The name without the digits of the base; the `attempt`-th, where names are taken. */
void mg_damage_suffix(char suffix[MG_NAME_SIZE], const mg_damage *damage, int attempt);

/* Where a log ends whose last segment, `base`, has its last batch end at `end`: damage that goes on
 * from there counts. Names whose offsets no segment can hold do not. */
int64_t mg_damage_end(const mg_damage *damages, size_t count, int64_t base, int64_t end);

/* The positions, ascending, at which `file` lacks offsets that the damages name: each lies between
 * two batches, or at the end. `positions` has room for `count`; returns how many there are. What
 * is there again, or behind a header that cannot be, has none. */
MG_WARN_UNUSED mg_status mg_damage_locate(const mg_damage *damages, size_t count, mg_file *file,
                                          int32_t *positions, size_t *found, mg_error *error);

#endif
