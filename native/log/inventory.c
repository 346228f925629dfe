#include "log/inventory.h"

#include "log/names.h"
#include "log/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

typedef struct name_list {
    char (*names)[MG_NAME_SIZE];
    size_t count;
    size_t capacity;
} name_list;

static mg_status note_name(void *context, const char *name, mg_error *error)
{
    name_list *list = context;
    size_t size = strlen(name) + 1;
    if (size > MG_NAME_SIZE) return MG_OK; /* none of Kafka's, none of ours */
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        void *names = realloc(list->names, capacity * MG_NAME_SIZE);
        if (names == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "listing");
        list->names = names;
        list->capacity = capacity;
    }
    for (size_t i = 0; i < size; i++)
        list->names[list->count][i] = name[i];
    list->count++;
    return MG_OK;
}

/* "<20 digits><suffix>" and nothing else. */
static bool is_of(const char *name, const char *suffix, int64_t *base)
{
    const char *rest = NULL;
    return mg_name_base(name, base, &rest) && strcmp(rest, suffix) == 0;
}

/* ---- Listing ---- */

static int compare_offsets(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

static int compare_damages(const void *left, const void *right)
{
    const mg_damage *a = left;
    const mg_damage *b = right;
    if (a->base != b->base) return (a->base > b->base) - (a->base < b->base);
    return (a->from > b->from) - (a->from < b->from);
}

static void sort(mg_inventory *inventory)
{
    if (inventory->bases_count > 1) {
        qsort(inventory->bases, inventory->bases_count, sizeof(int64_t), compare_offsets);
    }
    if (inventory->snapshots_count > 1) {
        qsort(inventory->snapshots, inventory->snapshots_count, sizeof(int64_t), compare_offsets);
    }
    if (inventory->damages_count > 1) {
        qsort(inventory->damages, inventory->damages_count, sizeof(mg_damage), compare_damages);
    }
}

static mg_status fill(mg_inventory *inventory, const name_list *list, mg_error *error)
{
    size_t room = list->count > 0 ? list->count : 1;
    inventory->bases = calloc(room, sizeof *inventory->bases);
    inventory->snapshots = calloc(room, sizeof *inventory->snapshots);
    inventory->damages = calloc(room, sizeof *inventory->damages);
    if (inventory->bases == NULL || inventory->snapshots == NULL || inventory->damages == NULL) {
        return mg_fail(error, MG_NO_MEMORY, 0, "listing");
    }
    for (size_t i = 0; i < list->count; i++) {
        int64_t base = 0;
        mg_damage damage;
        const char *name = list->names[i];
        if (is_of(name, MG_LOG_SUFFIX, &base)) {
            inventory->bases[inventory->bases_count++] = base;
        } else if (is_of(name, MG_SNAPSHOT_SUFFIX, &base)) {
            inventory->snapshots[inventory->snapshots_count++] = base;
        } else if (mg_damage_parse(name, &damage)) {
            inventory->damages[inventory->damages_count++] = damage;
        } else if (mg_name_ends_with(name, MG_SWAP_SUFFIX)) {
            inventory->is_swapping = true;
        } else if (strcmp(name, MG_DOUBT_NAME) == 0) {
            inventory->is_doubted = true;
        }
    }
    sort(inventory);
    return MG_OK;
}

mg_status mg_inventory_look(mg_inventory *inventory, mg_files *files, const char *directory,
                            mg_error *error)
{
    *inventory = (mg_inventory){.bases = NULL};
    name_list list = {.names = NULL};
    mg_status status = mg_files_list(files, directory, note_name, &list, error);
    if (status == MG_OK) status = fill(inventory, &list, error);
    free(list.names);
    if (status != MG_OK) mg_inventory_close(inventory);
    return status;
}

mg_status mg_inventory_load_damages(const mg_inventory *inventory, mg_files *files,
                                    const char *directory, int64_t base, int32_t **positions,
                                    size_t *count, mg_error *error)
{
    size_t first = 0;
    size_t named = 0;
    while (first < inventory->damages_count && inventory->damages[first].base < base)
        first++;
    while (first + named < inventory->damages_count &&
           inventory->damages[first + named].base == base)
        named++;
    *positions = NULL;
    *count = 0;
    if (named == 0) return MG_OK;
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status = mg_log_path(path, directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK) status = mg_file_open(files, path, MG_FILE_READ, &file, error);
    if (status != MG_OK) return status;
    int32_t *filled = calloc(named, sizeof *filled);
    if (filled == NULL) {
        status = mg_fail(error, MG_NO_MEMORY, 0, "listing");
    } else {
        status = mg_damage_locate(inventory->damages + first, named, file, filled, count, error);
    }
    mg_file_close(file);
    if (status == MG_OK && *count > 0) {
        *positions = filled;
    } else {
        free(filled);
    }
    return status;
}

void mg_inventory_close(mg_inventory *inventory)
{
    free(inventory->bases);
    free(inventory->snapshots);
    free(inventory->damages);
    *inventory = (mg_inventory){.bases = NULL};
}

/* ---- Leftovers ---- */

typedef struct cleanup {
    mg_files *files;
    const char *directory;
    const name_list *list;
    int64_t truncated_to;
    bool changed;
} cleanup;

static mg_status remove_name(cleanup *work, const char *name, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = mg_path_join(path, work->directory, name, error);
    if (status != MG_OK) return status;
    work->changed = true;
    return mg_files_remove(work->files, path, error);
}

static mg_status sync_names(cleanup *work, mg_error *error)
{
    return mg_files_sync_directory(work->files, work->directory, error);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* The list is sorted. */
static bool has_name(const name_list *list, const char *name)
{
    if (list->count == 0) return false;
    return bsearch(name, list->names, list->count, MG_NAME_SIZE, compare_names) != NULL;
}

/* One past the last offset of a finished output that was not yet renamed. */
static mg_status end_of_swap(cleanup *work, const char *name, int64_t *end, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status = mg_path_join(path, work->directory, name, error);
    if (status != MG_OK) return status;
    status = mg_file_open(work->files, path, MG_FILE_READ, &file, error);
    if (status != MG_OK) return status;
    int64_t size = 0;
    status = mg_file_size(file, &size, error);
    mg_walk walk;
    mg_batch_header header;
    mg_walk_init(&walk, file, 0, size, 0);
    while (status == MG_OK && (status = mg_walk_peek(&walk, &header, NULL, error)) == MG_OK) {
        *end = mg_batch_last_offset(&header) + 1;
        mg_walk_skip(&walk, &header);
    }
    mg_file_close(file);
    return status == MG_NOT_FOUND ? MG_OK : status;
}

/* A swap at or above an unfinished output belongs to a split whose sources are all still there
 * (KAFKA-6264), so it goes as well. */
static mg_status remove_unfinished(cleanup *work, mg_error *error)
{
    int64_t cleaned_min = INT64_MAX;
    for (size_t i = 0; i < work->list->count; i++) {
        const char *name = work->list->names[i];
        const char *rest = NULL;
        int64_t base = 0;
        if (mg_name_ends_with(name, MG_CLEANED_SUFFIX) && mg_name_base(name, &base, &rest) &&
            base < cleaned_min) {
            cleaned_min = base;
        }
    }
    mg_status status = MG_OK;
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        const char *name = work->list->names[i];
        const char *rest = NULL;
        int64_t base = 0;
        if (!mg_name_base(name, &base, &rest)) continue;
        bool is_split = mg_name_ends_with(name, MG_SWAP_SUFFIX) && base >= cleaned_min;
        if (is_split || mg_name_ends_with(name, MG_DELETED_SUFFIX)) {
            status = remove_name(work, name, error);
        }
    }
    /* Swaps before cleaned: a crash in between must find the mark again. */
    if (status == MG_OK && work->changed) status = sync_names(work, error);
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        const char *name = work->list->names[i];
        if (mg_name_ends_with(name, MG_CLEANED_SUFFIX)) status = remove_name(work, name, error);
    }
    return status;
}

typedef struct span_of_offsets {
    int64_t from;
    int64_t to;
} span_of_offsets;

static mg_status span_of_swaps(cleanup *work, span_of_offsets *span, mg_error *error)
{
    *span = (span_of_offsets){.from = INT64_MAX, .to = 0};
    mg_status status = MG_OK;
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        int64_t base = 0;
        if (!is_of(work->list->names[i], MG_LOG_SUFFIX MG_SWAP_SUFFIX, &base)) continue;
        int64_t end = base + 1;
        status = end_of_swap(work, work->list->names[i], &end, error);
        if (base < span->from) span->from = base;
        if (end > span->to) span->to = end;
    }
    return status;
}

/* True for a file that a finished output replaces. Snapshots speak of offsets, not of files, and
 * stay. A transaction index goes also where it has no successor: what is finished has one wherever
 * an aborted transaction is left, and entries without their marker would hide what the same
 * producer committed later. */
static bool is_replaced(const char *name, const span_of_offsets *span)
{
    int64_t base = 0;
    bool is_part = is_of(name, MG_LOG_SUFFIX, &base) ||
                   is_of(name, MG_OFFSET_INDEX_SUFFIX, &base) ||
                   is_of(name, MG_TIME_INDEX_SUFFIX, &base) ||
                   is_of(name, MG_TXN_INDEX_SUFFIX, &base);
    return is_part && base >= span->from && base < span->to;
}

static mg_status complete_rename(cleanup *work, const char *name, mg_error *error)
{
    char from[MG_PATH_SIZE];
    char to[MG_PATH_SIZE];
    mg_status status = mg_path_join(from, work->directory, name, error);
    if (status == MG_OK) status = mg_path_join(to, work->directory, name, error);
    if (status != MG_OK) return status;
    to[strlen(to) - strlen(MG_SWAP_SUFFIX)] = '\0';
    work->changed = true;
    return mg_files_rename(work->files, from, to, error);
}

static mg_status rename_swaps(cleanup *work, bool logs, mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        const char *name = work->list->names[i];
        const char *rest = NULL;
        int64_t base = 0;
        if (!mg_name_ends_with(name, MG_SWAP_SUFFIX)) continue;
        if (is_of(name, MG_LOG_SUFFIX MG_SWAP_SUFFIX, &base) != logs) continue;
        if (mg_name_base(name, &base, &rest)) status = complete_rename(work, name, error);
    }
    return status;
}

/* What is replaced goes before its successor gets its name, the log's name comes before those of
 * its indexes, and each step is on disk before the next: a crash finds the same work again, or the
 * rest of it. */
static mg_status complete_swaps(cleanup *work, mg_error *error)
{
    span_of_offsets span;
    bool removed = false;
    mg_status status = span_of_swaps(work, &span, error);
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        const char *name = work->list->names[i];
        if (!is_replaced(name, &span)) continue;
        status = remove_name(work, name, error);
        removed = true;
    }
    if (status == MG_OK && removed) status = sync_names(work, error);
    if (status == MG_OK) status = rename_swaps(work, true, error);
    if (status == MG_OK && span.from < INT64_MAX) status = sync_names(work, error);
    if (status == MG_OK) status = rename_swaps(work, false, error);
    return status;
}

static mg_status remove_orphans(cleanup *work, mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        const char *name = work->list->names[i];
        int64_t base = 0;
        if (mg_name_ends_with(name, MG_TEMPORARY_SUFFIX)) {
            const char *rest = NULL;
            bool is_ours = mg_name_base(name, &base, &rest) ||
                           strcmp(name, MG_EPOCHS_NAME MG_TEMPORARY_SUFFIX) == 0;
            if (is_ours) status = remove_name(work, name, error);
            continue;
        }
        bool is_index = is_of(name, MG_OFFSET_INDEX_SUFFIX, &base) ||
                        is_of(name, MG_TIME_INDEX_SUFFIX, &base) ||
                        is_of(name, MG_TXN_INDEX_SUFFIX, &base);
        if (!is_index) continue;
        char log_name[MG_NAME_SIZE];
        for (size_t c = 0; c < MG_BASE_DIGITS; c++)
            log_name[c] = name[c];
        for (size_t c = 0; c < sizeof MG_LOG_SUFFIX; c++) {
            log_name[MG_BASE_DIGITS + c] = MG_LOG_SUFFIX[c];
        }
        if (!has_name(work->list, log_name)) status = remove_name(work, name, error);
    }
    return status;
}

typedef mg_status (*cleanup_step)(cleanup *work, mg_error *error);

static mg_status run_step(cleanup *work, cleanup_step step, mg_error *error)
{
    name_list list = {.names = NULL};
    mg_status status = mg_files_list(work->files, work->directory, note_name, &list, error);
    if (list.count > 1) qsort(list.names, list.count, MG_NAME_SIZE, compare_names);
    work->list = &list;
    if (status == MG_OK) status = step(work, error);
    work->list = NULL;
    free(list.names);
    return status;
}

static bool is_leftover(const char *name)
{
    return mg_name_ends_with(name, MG_DELETED_SUFFIX) ||
           mg_name_ends_with(name, MG_CLEANED_SUFFIX) || mg_name_ends_with(name, MG_SWAP_SUFFIX);
}

/* Notes in `changed` that there is work for the steps that follow; without any, orphans are all
 * that is left to look for. With a swap pending an index may only seem to be one. */
static mg_status look_for_leftovers(cleanup *work, mg_error *error)
{
    for (size_t i = 0; i < work->list->count; i++) {
        if (is_leftover(work->list->names[i])) work->changed = true;
    }
    return work->changed ? MG_OK : remove_orphans(work, error);
}

mg_status mg_inventory_open(mg_inventory *inventory, mg_files *files, const char *directory,
                            mg_error *error)
{
    cleanup work = {.files = files, .directory = directory};
    mg_status status = run_step(&work, look_for_leftovers, error);
    if (status == MG_OK && work.changed) {
        status = run_step(&work, remove_unfinished, error);
        if (status == MG_OK) status = run_step(&work, complete_swaps, error);
        if (status == MG_OK) status = run_step(&work, remove_orphans, error);
    }
    if (status == MG_OK) status = mg_inventory_look(inventory, files, directory, error);
    if (status == MG_OK) inventory->changed = work.changed;
    return status;
}

/* ---- Truncation ---- */

static mg_status free_name(cleanup *work, const mg_damage *damage, char path[MG_PATH_SIZE],
                           mg_error *error)
{
    enum { NAMES_MAX = 1000 };
    bool is_gone = damage->from >= work->truncated_to;
    mg_damage left = *damage;
    if (!is_gone) left.to = work->truncated_to;
    for (int attempt = 0; attempt < NAMES_MAX; attempt++) {
        char range[MG_NAME_SIZE];
        char suffix[2 * MG_NAME_SIZE];
        mg_file_facts facts;
        mg_error trouble;
        mg_damage_suffix(range, &left, attempt);
        (void)snprintf(suffix, sizeof suffix, "%s%s", is_gone ? MG_TRUNCATED_SUFFIX : "", range);
        mg_status status = mg_log_path(path, work->directory, damage->base, suffix, error);
        if (status != MG_OK) return status;
        status = mg_files_stat(work->files, path, &facts, &trouble);
        if (status == MG_NOT_FOUND) return MG_OK;
        if (status == MG_OK) continue;
        if (error != NULL) *error = trouble;
        return status;
    }
    return mg_fail(error, MG_IO, 0, "too many damaged files in %.100s", work->directory);
}

static mg_status truncate_damages(cleanup *work, mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t i = 0; i < work->list->count && status == MG_OK; i++) {
        char from[MG_PATH_SIZE];
        char to[MG_PATH_SIZE];
        mg_damage damage;
        const char *name = work->list->names[i];
        if (!mg_damage_parse(name, &damage)) continue;
        if (damage.to <= work->truncated_to && damage.from < work->truncated_to) continue;
        status = mg_path_join(from, work->directory, name, error);
        if (status == MG_OK) status = free_name(work, &damage, to, error);
        if (status == MG_OK) status = mg_files_rename(work->files, from, to, error);
    }
    return status;
}

mg_status mg_inventory_truncate_damages(mg_files *files, const char *directory, int64_t offset,
                                        mg_error *error)
{
    cleanup work = {.files = files, .directory = directory, .truncated_to = offset};
    return run_step(&work, truncate_damages, error);
}
