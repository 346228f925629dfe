#include "log/compact_swap.h"

#include "log/log_format.h"
#include "log/names.h"

enum { LIST_SPARE = 64 }; /* segments that may be rolled while names are changed */

typedef struct swap {
    mg_log *log;
    mg_segment *const *sources;
    size_t count;
    uint64_t truncations;
    mg_compact_output *output;
    const mg_compact_aborted *aborted;
    mg_segment_list *list; /* with room for more segments than there are */
    size_t list_room;
} swap;

/* ---- The list ---- */

/* `lock` held. */
static bool is_as_read(const swap *work, size_t *slot)
{
    const mg_segment_list *list = mg_log_list(work->log);
    if (work->log->truncations != work->truncations) return false;
    if (!mg_segment_list_find(list, work->sources[0]->base_offset, slot)) return false;
    if (*slot + work->count >= list->count) return false; /* the last one is active */
    for (size_t i = 0; i < work->count; i++) {
        if (list->segments[*slot + i] != work->sources[i]) return false;
    }
    return true;
}

static mg_status prepare_list(swap *work, mg_error *error)
{
    size_t slot = 0;
    (void)pthread_mutex_lock(&work->log->lock);
    bool as_read = is_as_read(work, &slot);
    work->list_room = mg_log_list(work->log)->count + LIST_SPARE;
    (void)pthread_mutex_unlock(&work->log->lock);
    if (!as_read) return mg_fail(error, MG_BUSY, 0, "the log was changed meanwhile");
    return mg_segment_list_open(&work->list, work->list_room, error);
}

/* From here on readers find the output. The sources' memory goes when nobody reads them. */
static mg_status switch_list(swap *work, mg_error *error)
{
    mg_log *log = work->log;
    mg_segment *fresh = work->output->segment;
    size_t slot = 0;
    (void)pthread_mutex_lock(&log->lock);
    const mg_segment_list *old = mg_log_list(log);
    bool as_read = is_as_read(work, &slot);
    MG_ASSERT(as_read); /* names_lock is held, and rolls only add */
    size_t count = old->count - work->count + 1;
    mg_status status = MG_OK;
    if (count > work->list_room) {
        mg_segment_list_close(work->list);
        work->list = NULL;
        status = mg_segment_list_open(&work->list, count, error);
    }
    if (status == MG_OK) {
        mg_segment_list *list = work->list;
        list->count = count;
        for (size_t i = 0; i < slot; i++)
            list->segments[i] = old->segments[i];
        list->segments[slot] = fresh;
        for (size_t i = slot + 1; i < count; i++)
            list->segments[i] = old->segments[i + work->count - 1];
        atomic_fetch_add(&log->swaps, 1);
        for (size_t i = 0; i < work->count; i++)
            mg_log_leave_list(log, work->sources[i]);
        atomic_fetch_add_explicit(&log->size, mg_segment_size(fresh), memory_order_relaxed);
        mg_log_publish_list(log, list);
        work->list = NULL;
        const mg_compact_aborted *stay = work->aborted;
        mg_status replaced = mg_txn_index_replace(&log->aborted, stay->begin, stay->end,
                                                  stay->entries, stay->count, NULL);
        MG_ASSERT(replaced == MG_OK); /* by no more than there were */
        atomic_fetch_add(&log->swaps, 1);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (status != MG_OK) return status;
    /* The pool does not know them yet: they stay open, whatever their names are. */
    mg_pooled_unpin(&fresh->log_file);
    mg_pooled_unpin(&fresh->offset_file);
    mg_pooled_unpin(&fresh->time_file);
    return MG_OK;
}

/* ---- Names ---- */

static mg_status rename_part(const swap *work, const char *from_suffix, const char *to_suffix,
                             mg_error *error)
{
    char from[MG_PATH_SIZE];
    char to[MG_PATH_SIZE];
    const mg_log *log = work->log;
    int64_t base = work->sources[0]->base_offset;
    mg_status status = mg_log_path(from, log->directory, base, from_suffix, error);
    if (status == MG_OK) status = mg_log_path(to, log->directory, base, to_suffix, error);
    if (status == MG_OK) status = mg_files_rename(log->files, from, to, error);
    return status;
}

static mg_status sync_names(const swap *work, mg_error *error)
{
    return mg_files_sync_directory(work->log->files, work->log->directory, error);
}

static mg_status rename_indexes_to_swap(const swap *work, mg_error *error)
{
    mg_status status = rename_part(work, MG_OFFSET_INDEX_SUFFIX MG_CLEANED_SUFFIX,
                                   MG_OFFSET_INDEX_SUFFIX MG_SWAP_SUFFIX, error);
    if (status == MG_OK) {
        status = rename_part(work, MG_TIME_INDEX_SUFFIX MG_CLEANED_SUFFIX,
                             MG_TIME_INDEX_SUFFIX MG_SWAP_SUFFIX, error);
    }
    if (status == MG_OK && work->output->has_transactions) {
        status = rename_part(work, MG_TXN_INDEX_SUFFIX MG_CLEANED_SUFFIX,
                             MG_TXN_INDEX_SUFFIX MG_SWAP_SUFFIX, error);
    }
    return status;
}

/* Up to the rename that makes the output count, with it. */
static mg_status commit(const swap *work, mg_error *error)
{
    mg_status status = sync_names(work, error);
    if (status == MG_OK) status = rename_indexes_to_swap(work, error);
    if (status == MG_OK) status = sync_names(work, error);
    if (status == MG_OK) {
        status =
            rename_part(work, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, MG_LOG_SUFFIX MG_SWAP_SUFFIX, error);
    }
    if (status == MG_OK) status = sync_names(work, error);
    return status;
}

static mg_status remove_part(const swap *work, const char *suffix, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_error trouble;
    const mg_log *log = work->log;
    mg_status status =
        mg_log_path(path, log->directory, work->sources[0]->base_offset, suffix, error);
    if (status != MG_OK) return status;
    status = mg_files_remove(log->files, path, &trouble);
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

/* Takes every name of the output back, the log first: without it the others mean nothing. */
static mg_status undo(const swap *work, mg_error *error)
{
    static const char *const SWAPS[] = {
        MG_LOG_SUFFIX MG_SWAP_SUFFIX,
        MG_OFFSET_INDEX_SUFFIX MG_SWAP_SUFFIX,
        MG_TIME_INDEX_SUFFIX MG_SWAP_SUFFIX,
        MG_TXN_INDEX_SUFFIX MG_SWAP_SUFFIX,
    };
    /* Under this name, as long as a .swap of an index is there, the next start undoes as well. */
    mg_status status =
        rename_part(work, MG_LOG_SUFFIX MG_SWAP_SUFFIX, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, error);
    if (status == MG_NOT_FOUND) status = MG_OK;
    for (size_t i = 0; i < sizeof SWAPS / sizeof *SWAPS && status == MG_OK; i++)
        status = remove_part(work, SWAPS[i], error);
    if (status == MG_OK) status = sync_names(work, error);
    return status;
}

static mg_status rename_indexes_to_final(const swap *work, mg_error *error)
{
    mg_status status =
        rename_part(work, MG_OFFSET_INDEX_SUFFIX MG_SWAP_SUFFIX, MG_OFFSET_INDEX_SUFFIX, error);
    if (status == MG_OK) {
        status =
            rename_part(work, MG_TIME_INDEX_SUFFIX MG_SWAP_SUFFIX, MG_TIME_INDEX_SUFFIX, error);
    }
    if (status != MG_OK) return status;
    if (!work->output->has_transactions) return MG_OK;
    return rename_part(work, MG_TXN_INDEX_SUFFIX MG_SWAP_SUFFIX, MG_TXN_INDEX_SUFFIX, error);
}

static mg_status complete(const swap *work, mg_error *error)
{
    mg_log *log = work->log;
    mg_status status = MG_OK;
    for (size_t i = 1; i < work->count && status == MG_OK; i++)
        status = mg_segment_remove_files(work->sources[i], log->directory, error);
    /* As long as the log is a .swap: afterwards nothing says that this one is not the output's. */
    if (status == MG_OK && !work->output->has_transactions) {
        status = remove_part(work, MG_TXN_INDEX_SUFFIX, error);
    }
    if (status == MG_OK) status = sync_names(work, error);
    if (status == MG_OK) {
        status = rename_part(work, MG_LOG_SUFFIX MG_SWAP_SUFFIX, MG_LOG_SUFFIX, error);
    }
    if (status == MG_OK) status = sync_names(work, error);
    if (status == MG_OK) status = rename_indexes_to_final(work, error);
    if (status == MG_OK) status = sync_names(work, error);
    return status;
}

/* ---- The whole ---- */

static void retire_sources(swap *work)
{
    (void)pthread_mutex_lock(&work->log->lock);
    for (size_t i = 0; i < work->count; i++)
        mg_log_retire(work->log, &work->sources[i]->retired);
    (void)pthread_mutex_unlock(&work->log->lock);
}

static mg_status run(swap *work, bool *swapped, mg_error *error)
{
    mg_log *log = work->log;
    mg_error cause;
    mg_error second;
    mg_status status = prepare_list(work, error);
    if (status != MG_OK) return status;
    status = commit(work, &cause);
    if (status == MG_OK) status = switch_list(work, &cause);
    if (status != MG_OK) {
        if (error != NULL) *error = cause;
        mg_status undone = undo(work, &second);
        /* It may count at the next start, which must then be the next thing that happens. */
        work->output->keeps_names = undone != MG_OK;
        return undone == MG_OK ? status : mg_log_poison(log, undone, &second);
    }
    *swapped = true;
    mg_segment *fresh = work->output->segment;
    status = complete(work, &cause);
    retire_sources(work);
    if (status != MG_OK) {
        if (error != NULL) *error = cause;
        return mg_log_poison(log, status, &cause);
    }
    mg_pooled_enroll(&fresh->log_file, log->files);
    mg_pooled_enroll(&fresh->offset_file, log->files);
    mg_pooled_enroll(&fresh->time_file, log->files);
    return MG_OK;
}

mg_status mg_compact_swap(mg_log *log, mg_segment *const *sources, size_t count,
                          uint64_t truncations, mg_compact_output *output,
                          const mg_compact_aborted *aborted, bool *swapped, mg_error *error)
{
    MG_ASSERT(count > 0);
    MG_ASSERT(output->segment->base_offset == sources[0]->base_offset);
    swap work = {.log = log,
                 .sources = sources,
                 .count = count,
                 .truncations = truncations,
                 .output = output,
                 .aborted = aborted};
    *swapped = false;
    (void)pthread_mutex_lock(&log->names_lock);
    mg_status status = run(&work, swapped, error);
    (void)pthread_mutex_unlock(&log->names_lock);
    mg_segment_list_close(work.list); /* NULL where it is the log's */
    return status;
}
