/* names.h -- makes and parses the file names of a partition directory. */
#ifndef MG_LOG_NAMES_H
#define MG_LOG_NAMES_H

#include "file/file.h"
#include "log/log_format.h"

/* "<directory>/<20 digits><suffix>" */
MG_WARN_UNUSED mg_status mg_log_path(char path[MG_PATH_SIZE], const char *directory, int64_t base,
                                     const char *suffix, mg_error *error);

/* True and the number when `name` begins with 20 digits that fit an offset; `*rest` is what
 * follows them. */
bool mg_name_base(const char *name, int64_t *base, const char **rest);
bool mg_name_ends_with(const char *name, const char *suffix);

#endif
