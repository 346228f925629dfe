/* offset_index.h -- from an offset to a position nearby, in memory while a segment grows and from
 * its file afterwards.
 *
 * One entry per index.interval.bytes: the last offset of a batch and where that
 * batch begins. Both ascend, so one search serves offsets and positions.
 *
 * Memory: one appender, any number of readers without locks (chunks.h). File:
 * immutable once written; Kafka's preallocated tail of zeros is not counted.
 */
#ifndef MG_LOG_OFFSET_INDEX_H
#define MG_LOG_OFFSET_INDEX_H

#include "file/file.h"
#include "log/chunks.h"
#include "log/retired.h"

typedef struct mg_offset_entry {
    int32_t relative_offset; /* of the batch's last offset */
    int32_t position;
} mg_offset_entry;

typedef struct mg_offset_index {
    mg_retired retired;
    mg_chunks entries;
} mg_offset_index;

MG_WARN_UNUSED mg_status mg_offset_index_open(mg_offset_index **out, mg_error *error);
void mg_offset_index_close(mg_offset_index *index);

MG_WARN_UNUSED mg_status mg_offset_index_reserve(mg_offset_index *index, size_t more,
                                                 mg_error *error);
/* Needs room. Entries ascend. */
void mg_offset_index_append(mg_offset_index *index, mg_offset_entry entry);
mg_offset_entry mg_offset_index_at(const mg_offset_index *index, size_t slot);

/* The last entry whose offset and position are at most these; false where there is none. */
bool mg_offset_index_find(const mg_offset_index *index, int64_t relative_offset, int64_t position,
                          mg_offset_entry *found);

/* Writes the whole file anew. Not synced. */
MG_WARN_UNUSED mg_status mg_offset_index_write(const mg_offset_index *index, mg_files *files,
                                               const char *path, mg_error *error);

/* How many entries a file really has. `flags`: MG_FILE_NO_WAIT. */
MG_WARN_UNUSED mg_status mg_offset_file_count(mg_file *file, unsigned flags, size_t *count,
                                              mg_error *error);
/* The same search in a file of `count` entries; MG_NOT_FOUND where there is none. */
MG_WARN_UNUSED mg_status mg_offset_file_find(mg_file *file, size_t count, int64_t relative_offset,
                                             int64_t position, unsigned flags,
                                             mg_offset_entry *found, mg_error *error);
/* Takes up a file. False in `*sound` where entries do not ascend or point outside
 * [0, segment_size): the index is then empty and must be built again. */
MG_WARN_UNUSED mg_status mg_offset_index_load(mg_offset_index *index, mg_files *files,
                                              const char *path, int64_t segment_size, bool *sound,
                                              mg_error *error);

#endif
