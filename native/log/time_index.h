/* time_index.h -- from a timestamp to an offset nearby; the sibling of offset_index.h.
 *
 * An entry says: no batch up to the one that ends with this offset has a greater
 * timestamp, and that one has it. Timestamps ascend strictly, so an entry is
 * only made when the greatest timestamp grew.
 */
#ifndef MG_LOG_TIME_INDEX_H
#define MG_LOG_TIME_INDEX_H

#include "file/file.h"
#include "log/chunks.h"
#include "log/retired.h"

typedef struct mg_time_entry {
    int64_t timestamp;
    int32_t relative_offset; /* of the last offset of the batch that has it */
} mg_time_entry;

typedef struct mg_time_index {
    mg_retired retired;
    mg_chunks entries;
} mg_time_index;

MG_WARN_UNUSED mg_status mg_time_index_open(mg_time_index **out, mg_error *error);
void mg_time_index_close(mg_time_index *index);

MG_WARN_UNUSED mg_status mg_time_index_reserve(mg_time_index *index, size_t more, mg_error *error);
/* Appends when the timestamp is above the last one and not MG_TIMESTAMP_NONE. Needs room. */
void mg_time_index_append(mg_time_index *index, mg_time_entry entry);
mg_time_entry mg_time_index_at(const mg_time_index *index, size_t slot);

/* The last entry whose timestamp is at most `timestamp`; false where there is none. */
bool mg_time_index_find(const mg_time_index *index, int64_t timestamp, mg_time_entry *found);

MG_WARN_UNUSED mg_status mg_time_index_write(const mg_time_index *index, mg_files *files,
                                             const char *path, mg_error *error);

MG_WARN_UNUSED mg_status mg_time_file_count(mg_file *file, unsigned flags, size_t *count,
                                            mg_error *error);
MG_WARN_UNUSED mg_status mg_time_file_at(mg_file *file, size_t slot, mg_time_entry *entry,
                                         mg_error *error);
MG_WARN_UNUSED mg_status mg_time_file_find(mg_file *file, size_t count, int64_t timestamp,
                                           mg_time_entry *found, mg_error *error);
MG_WARN_UNUSED mg_status mg_time_index_load(mg_time_index *index, mg_files *files, const char *path,
                                            bool *sound, mg_error *error);

#endif
