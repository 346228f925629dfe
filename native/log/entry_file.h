/* entry_file.h -- what the files of both indexes have in common: fixed entries, ascending, perhaps
 * with a tail of zeros where Kafka had preallocated the file and did not close it.
 *
 * A search reads single entries until a page of them is left, then that page:
 * ten small reads for a file of a million entries, and no memory.
 */
#ifndef MG_LOG_ENTRY_FILE_H
#define MG_LOG_ENTRY_FILE_H

#include "file/file.h"
#include "log/log_format.h"

enum { MG_ENTRY_SIZE_MAX = 16 };

typedef void (*mg_entry_encode)(const void *context, size_t slot, uint8_t *out);
/* True for a beginning of the file, false for the rest of it. */
typedef bool (*mg_entry_claim)(const void *key, const uint8_t *bytes);

MG_WARN_UNUSED mg_status mg_entry_file_write(mg_files *files, const char *path, size_t count,
                                             size_t entry_size, mg_entry_encode encode,
                                             const void *context, mg_error *error);
/* Entries before the zeros; the first may itself be zero. */
MG_WARN_UNUSED mg_status mg_entry_file_count(mg_file *file, size_t entry_size, unsigned flags,
                                             size_t *count, mg_error *error);
/* The last entry for which `claim` is true, or MG_NOT_FOUND. */
MG_WARN_UNUSED mg_status mg_entry_file_find(mg_file *file, size_t count, size_t entry_size,
                                            mg_entry_claim claim, const void *key, unsigned flags,
                                            uint8_t found[MG_ENTRY_SIZE_MAX], mg_error *error);
/* One entry; MG_CORRUPT where the file is shorter than it was. */
MG_WARN_UNUSED mg_status mg_entry_file_read(mg_file *file, size_t slot, size_t entry_size,
                                            unsigned flags, uint8_t entry[MG_ENTRY_SIZE_MAX],
                                            mg_error *error);
/* All entries in fresh memory, without the zeros; the caller frees `*data`. */
MG_WARN_UNUSED mg_status mg_entry_file_load(mg_files *files, const char *path, size_t entry_size,
                                            uint8_t **data, size_t *count, mg_error *error);

#endif
