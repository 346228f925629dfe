#include "log/names.h"

#include <stdio.h>
#include <string.h>

mg_status mg_log_path(char path[MG_PATH_SIZE], const char *directory, int64_t base,
                      const char *suffix, mg_error *error)
{
    MG_ASSERT(base >= 0);
    int written = snprintf(path, MG_PATH_SIZE, "%s/%0*lld%s", directory, MG_BASE_DIGITS,
                           (long long)base, suffix);
    if (written < 0 || written >= MG_PATH_SIZE) {
        return mg_fail(error, MG_TOO_LARGE, 0, "path too long: %.100s", directory);
    }
    return MG_OK;
}

bool mg_name_base(const char *name, int64_t *base, const char **rest)
{
    int64_t value = 0;
    for (int i = 0; i < MG_BASE_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        int digit = name[i] - '0';
        if (value > (INT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *base = value;
    *rest = name + MG_BASE_DIGITS;
    return true;
}

bool mg_name_ends_with(const char *name, const char *suffix)
{
    size_t name_size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return name_size >= suffix_size && strcmp(name + name_size - suffix_size, suffix) == 0;
}
