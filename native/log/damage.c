#include "log/damage.h"

#include "log/names.h"
#include "log/walk.h"

#include <stdio.h>
#include <stdlib.h>

static bool parse_number(const char **next, char ends, int64_t *number)
{
    char *end = NULL;
    if (**next < '0' || **next > '9') return false;
    *number = strtoll(*next, &end, 10);
    if (*end != ends) return false;
    *next = end + 1;
    return true;
}

bool mg_damage_parse(const char *name, mg_damage *damage)
{
    const char *rest = NULL;
    if (!mg_name_ends_with(name, MG_DAMAGED_SUFFIX)) return false;
    if (!mg_name_base(name, &damage->base, &rest) || *rest != '.') return false;
    rest++;
    return parse_number(&rest, '-', &damage->from) && parse_number(&rest, '.', &damage->to) &&
           damage->from >= damage->base && damage->to >= damage->from;
}

void mg_damage_suffix(char suffix[MG_NAME_SIZE], const mg_damage *damage, int attempt)
{
    long long from = (long long)damage->from;
    long long to = (long long)damage->to;
    if (attempt == 0) {
        (void)snprintf(suffix, MG_NAME_SIZE, ".%lld-%lld%s", from, to, MG_DAMAGED_SUFFIX);
    } else {
        (void)snprintf(suffix, MG_NAME_SIZE, ".%lld-%lld.%d%s", from, to, attempt,
                       MG_DAMAGED_SUFFIX);
    }
}

int64_t mg_damage_end(const mg_damage *damages, size_t count, int64_t base, int64_t end)
{
    int64_t reached = end;
    for (size_t i = 0; i < count; i++) { /* by base, then `from`: each may go on from the last */
        const mg_damage *damage = &damages[i];
        bool is_tail = damage->base == base && damage->from >= end && damage->from <= reached;
        if (is_tail && damage->to > reached && damage->to - base <= INT32_MAX) reached = damage->to;
    }
    return reached;
}

/* Notes `position` where one of the damages lacks an offset of [from, to). */
static void note(const mg_damage *damages, size_t count, int64_t from, int64_t to, int64_t position,
                 int32_t *positions, size_t *found)
{
    bool is_here = false;
    for (size_t i = 0; i < count; i++) {
        int64_t end = damages[i].to > damages[i].from ? damages[i].to : damages[i].from + 1;
        is_here = is_here || (damages[i].from < to && end > from);
    }
    if (is_here && *found < count) positions[(*found)++] = (int32_t)position;
}

mg_status mg_damage_locate(const mg_damage *damages, size_t count, mg_file *file,
                           int32_t *positions, size_t *found, mg_error *error)
{
    int64_t size = 0;
    *found = 0;
    if (count == 0) return MG_OK;
    mg_status status = mg_file_size(file, &size, error);
    if (status != MG_OK) return status;
    int64_t next_offset = damages[0].base;
    mg_walk walk;
    mg_batch_header header;
    mg_error trouble;
    mg_walk_init(&walk, file, 0, size, 0);
    while ((status = mg_walk_peek(&walk, &header, NULL, &trouble)) == MG_OK) {
        if (header.base_offset > next_offset) {
            note(damages, count, next_offset, header.base_offset, walk.position, positions, found);
        }
        next_offset = mg_batch_last_offset(&header) + 1;
        mg_walk_skip(&walk, &header);
    }
    if (status == MG_NOT_FOUND) {
        note(damages, count, next_offset, INT64_MAX, walk.position, positions, found);
        return MG_OK;
    }
    if (status == MG_CORRUPT || status == MG_UNSUPPORTED) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}
