#include "log/follow.h"

#include "log/index_walk.h"
#include "log/inventory.h"
#include "log/names.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    SWAP_PAUSE_US = 1000,
    SWAP_PAUSES_MAX = 5000, /* then whoever swapped is no more, and nobody completes it */
};

/* ---- Publishing ---- */

static void publish_proven(mg_log *log)
{
    const mg_proven *last = &log->follow->last;
    mg_segment *segment = last->segment;
    int64_t grown = last->size - mg_segment_size(segment);
    uint64_t word = mg_segment_end_word(last->end_offset - segment->base_offset, last->size);
    atomic_store_explicit(&segment->end, word, memory_order_release);
    /* After the word: who sees one of these finds the bytes. */
    atomic_store_explicit(&segment->max_timestamp, last->max_timestamp, memory_order_release);
    atomic_fetch_add_explicit(&log->size, grown, memory_order_relaxed);
}

static void publish_bounds(mg_log *log)
{
    const mg_follow *follow = log->follow;
    int64_t end_offset = follow->last.end_offset;
    int64_t start_offset = mg_log_list(log)->segments[0]->base_offset;
    if (follow->start_offset > start_offset) start_offset = follow->start_offset;
    if (start_offset > end_offset) start_offset = end_offset;
    atomic_store_explicit(&log->end_offset, end_offset, memory_order_release);
    atomic_store_explicit(&log->start_offset, start_offset, memory_order_release);
}

/* ---- The names in the directory ---- */

typedef struct look {
    mg_log *log;
    mg_inventory inventory;
    mg_segment_list *list; /* as it will be; slots are filled from the first on */
    size_t filled;
    mg_proven last;
    bool drops_indexes; /* of the segment that was the last one: its files are there */
} look;

static mg_status stat_file(const mg_log *log, int64_t base, const char *suffix,
                           mg_file_facts *facts, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = mg_log_path(path, log->directory, base, suffix, error);
    if (status != MG_OK) return status;
    return mg_files_stat(log->files, path, facts, error);
}

static mg_status has_index_files(const mg_log *log, int64_t base, bool *answer, mg_error *error)
{
    mg_file_facts facts;
    mg_error trouble;
    mg_status status = stat_file(log, base, MG_OFFSET_INDEX_SUFFIX, &facts, &trouble);
    if (status == MG_OK) status = stat_file(log, base, MG_TIME_INDEX_SUFFIX, &facts, &trouble);
    *answer = status == MG_OK;
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

static mg_status begins_whole(const mg_log *log, int64_t base, bool *answer, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_scan scan;
    *answer = false;
    mg_status status = mg_log_path(path, log->directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK) status = mg_file_open(log->files, path, MG_FILE_READ, &file, error);
    if (status == MG_NOT_FOUND) return MG_OK; /* removed since the names were read */
    if (status != MG_OK) return status;
    status = mg_scan_open(&scan, error);
    if (status == MG_OK) {
        mg_batch_header header;
        status = mg_scan_begin(&scan, file, error);
        if (status == MG_OK) status = mg_follow_look_at(&scan, 0, &header, answer, error);
        if (status == MG_OK && *answer) *answer = header.base_offset >= base;
        mg_scan_close(&scan);
    }
    mg_file_close(file);
    return status;
}

/* Leaves in the inventory what the list will hold: nothing behind the last segment. */
static mg_status find_last(look *work, mg_error *error)
{
    mg_inventory *inventory = &work->inventory;
    mg_status status = MG_OK;
    bool answer = false;
    while (inventory->bases_count > 1 && status == MG_OK) {
        status =
            begins_whole(work->log, inventory->bases[inventory->bases_count - 1], &answer, error);
        if (status != MG_OK || answer) break;
        inventory->bases_count--;
    }
    return status;
}

static mg_segment *find_known(const mg_log *log, int64_t base)
{
    size_t slot = 0;
    const mg_segment_list *list = mg_log_list(log);
    if (list == NULL || !mg_segment_list_find(list, base, &slot)) return NULL;
    return list->segments[slot]->base_offset == base ? list->segments[slot] : NULL;
}

static bool holds(const mg_segment_list *list, const mg_segment *segment)
{
    size_t slot = 0;
    return list != NULL && mg_segment_list_find(list, segment->base_offset, &slot) &&
           list->segments[slot] == segment;
}

/* A segment that was not known, in the next slot. */
static mg_status open_segment(look *work, int64_t base, uint64_t identity, mg_segment **out,
                              mg_error *error)
{
    mg_segment *segment = NULL;
    mg_status status = mg_segment_open(&segment, work->log->files, base, error);
    if (status != MG_OK) return status;
    segment->log_file.identity = identity;
    work->list->segments[work->filled++] = segment;
    *out = segment;
    return mg_inventory_load_damages(&work->inventory, work->log->files, work->log->directory, base,
                                     &segment->damaged, &segment->damaged_count, error);
}

/* Without its index files a segment would be searched from its beginning each time. */
static mg_status index_sealed(const mg_log *log, mg_segment *segment, mg_error *error)
{
    bool has_files = false;
    mg_status status = has_index_files(log, segment->base_offset, &has_files, error);
    if (status != MG_OK || has_files) return status;
    status = mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    status = mg_segment_open_indexes(segment, error);
    mg_index_walk built;
    if (status == MG_OK) {
        status = mg_log_index_walk(segment, atomic_load(&log->index_interval_size),
                                   mg_segment_size(segment), &built, error);
        if (status == MG_CORRUPT || status == MG_UNSUPPORTED) status = MG_OK; /* reads will say */
    }
    mg_pooled_unpin(&segment->log_file);
    if (status == MG_OK) atomic_store(&segment->max_timestamp, built.max_timestamp);
    return status;
}

static uint64_t sealed_word(int64_t base, int64_t next_base, int64_t size)
{
    int64_t relative = next_base - base;
    if (relative > UINT32_MAX) relative = UINT32_MAX;
    return mg_segment_end_word(relative, size);
}

static mg_status add_sealed(look *work, size_t slot, mg_error *error)
{
    mg_log *log = work->log;
    mg_proven *last = &log->follow->last;
    int64_t base = work->inventory.bases[slot];
    mg_file_facts facts;
    mg_status status = stat_file(log, base, MG_LOG_SUFFIX, &facts, error);
    if (status == MG_NOT_FOUND) return MG_CLOSED; /* retention was faster: look again */
    if (status != MG_OK) return status;
    if (facts.size > MG_SEGMENT_SIZE_MAX) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "segment %lld has %lld bytes", (long long)base,
                       (long long)facts.size);
    }
    uint64_t word = sealed_word(base, work->inventory.bases[slot + 1], facts.size);
    mg_segment *known = find_known(log, base);
    bool same = known != NULL && known->log_file.identity == facts.identity;
    if (same && known == last->segment && facts.size >= last->size) {
        status = mg_follow_walk_on(log, last, error);
        if (status == MG_OK) status = has_index_files(log, base, &work->drops_indexes, error);
        if (status != MG_OK) return status;
        work->list->segments[work->filled++] = known;
        return MG_OK;
    }
    if (same && mg_segment_end(known) == word) {
        work->list->segments[work->filled++] = known;
        return MG_OK;
    }
    mg_segment *segment = NULL;
    status = open_segment(work, base, facts.identity, &segment, error);
    if (status != MG_OK) return status;
    atomic_store(&segment->end, word);
    return index_sealed(log, segment, error);
}

static mg_status add_last(look *work, mg_error *error)
{
    mg_log *log = work->log;
    const mg_proven *last = &log->follow->last;
    int64_t base = work->inventory.bases[work->inventory.bases_count - 1];
    mg_file_facts facts;
    mg_status status = stat_file(log, base, MG_LOG_SUFFIX, &facts, error);
    if (status == MG_NOT_FOUND) return MG_CLOSED;
    if (status != MG_OK) return status;
    bool same = last->has_file && last->segment->base_offset == base &&
                last->segment->log_file.identity == facts.identity && facts.size >= last->size;
    if (same) {
        work->last = *last;
        work->list->segments[work->filled++] = last->segment;
        return mg_follow_walk_on(log, &work->last, error);
    }
    mg_segment *segment = NULL;
    status = open_segment(work, base, facts.identity, &segment, error);
    if (status != MG_OK) return status;
    status = mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    status = mg_follow_walk_segment(log, segment, facts.size, &work->last, error);
    if (status != MG_OK) {
        mg_pooled_unpin(&segment->log_file);
        return status;
    }
    atomic_store(&segment->end, mg_segment_end_word(work->last.end_offset - base, work->last.size));
    atomic_store(&segment->max_timestamp, work->last.max_timestamp);
    return MG_OK;
}

/* The writer has made the directory and nothing in it: a segment that no reader will open. */
static mg_status add_nothing(look *work, mg_error *error)
{
    mg_segment *segment = NULL;
    int64_t base = work->log->follow->start_offset;
    mg_status status = open_segment(work, base, 0, &segment, error);
    if (status != MG_OK) return status;
    status = mg_segment_open_indexes(segment, error);
    mg_follow_begin_walk(&work->last, segment);
    work->last.has_file = false;
    atomic_store(&segment->max_timestamp, MG_TIMESTAMP_NONE);
    return status;
}

static mg_status fill_list(look *work, mg_error *error)
{
    size_t count = work->inventory.bases_count;
    mg_status status = mg_segment_list_open(&work->list, count > 0 ? count : 1, error);
    if (status != MG_OK) return status;
    if (count == 0) return add_nothing(work, error);
    for (size_t slot = 0; slot + 1 < count && status == MG_OK; slot++)
        status = add_sealed(work, slot, error);
    return status == MG_OK ? add_last(work, error) : status;
}

/* ---- Taking the names over ---- */

/* `lock` held. What was the last segment is sealed now, or gone. */
static void let_go_of_last(look *work)
{
    mg_log *log = work->log;
    const mg_proven *last = &log->follow->last;
    mg_segment *segment = last->segment;
    if (segment == NULL || segment == work->last.segment) return;
    size_t slot = 0;
    if (holds(work->list, segment) &&
        mg_segment_list_find(work->list, segment->base_offset, &slot)) {
        int64_t size = last->size;
        int64_t file_size = 0;
        /* Bytes behind the proven end are damage now: reading them says so. */
        if (mg_file_size(segment->log_file.file, &file_size, NULL) == MG_OK && file_size > size &&
            file_size <= MG_SEGMENT_SIZE_MAX) {
            size = file_size;
        }
        int64_t next_base = work->list->segments[slot + 1]->base_offset;
        atomic_store(&segment->max_timestamp, last->max_timestamp);
        atomic_store(&segment->end, sealed_word(segment->base_offset, next_base, size));
        if (work->drops_indexes) {
            mg_offset_index *offset_index = atomic_exchange(&segment->offset_index, NULL);
            mg_time_index *time_index = atomic_exchange(&segment->time_index, NULL);
            mg_log_retire(log, &offset_index->retired);
            mg_log_retire(log, &time_index->retired);
        }
    }
    if (last->has_file) mg_pooled_unpin(&segment->log_file);
}

static void take_over(look *work)
{
    mg_log *log = work->log;
    int64_t size = 0;
    (void)pthread_mutex_lock(&log->lock);
    mg_segment_list *old = mg_log_list(log);
    let_go_of_last(work);
    log->follow->last = work->last;
    publish_proven(log);
    for (size_t i = 0; old != NULL && i < old->count; i++) {
        if (!holds(work->list, old->segments[i])) atomic_store(&old->segments[i]->removed, true);
    }
    mg_log_publish_list(log, work->list);
    for (size_t i = 0; old != NULL && i < old->count; i++) {
        if (!holds(work->list, old->segments[i])) mg_log_retire(log, &old->segments[i]->retired);
    }
    for (size_t i = 0; i < work->list->count; i++)
        size += mg_segment_size(work->list->segments[i]);
    atomic_store_explicit(&log->size, size, memory_order_relaxed);
    publish_bounds(log);
    (void)pthread_mutex_unlock(&log->lock);
    mg_epochs_cut_end(&log->epochs, log->follow->last.end_offset);
}

static void give_up(look *work)
{
    for (size_t i = 0; i < work->filled; i++) {
        mg_segment *segment = work->list->segments[i];
        if (!holds(mg_log_list(work->log), segment)) mg_segment_close(segment);
    }
    mg_segment_list_close(work->list);
}

/* Names that changed while they were read are those of no moment. */
static mg_status check_unchanged(const mg_log *log, const mg_file_facts *before, mg_error *error)
{
    mg_file_facts now;
    mg_status status = mg_files_stat(log->files, log->directory, &now, error);
    if (status != MG_OK) return status;
    return now.modified_ns == before->modified_ns ? MG_OK : MG_CLOSED;
}

/* MG_WOULD_BLOCK: a compaction is being completed. */
static mg_status take_names(mg_log *log, const mg_file_facts *directory, mg_error *error)
{
    look work = {.log = log};
    mg_follow *follow = log->follow;
    mg_status status = mg_inventory_look(&work.inventory, log->files, log->directory, error);
    if (status != MG_OK) return status;
    status = check_unchanged(log, directory, error);
    if (status == MG_OK && work.inventory.is_swapping) {
        follow->swapping_ns = directory->modified_ns;
        status = MG_WOULD_BLOCK;
    }
    if (status == MG_OK && work.inventory.bases_count == 0 && follow->last.has_file) {
        status = mg_fail(error, MG_NOT_FOUND, 0, "%.120s was emptied", log->directory);
    }
    if (status == MG_OK) status = find_last(&work, error);
    if (status == MG_OK) status = fill_list(&work, error);
    if (status == MG_OK) {
        take_over(&work);
        follow->listed_ns = directory->modified_ns;
    } else {
        give_up(&work);
    }
    mg_inventory_close(&work.inventory);
    return status;
}

/* ---- Refreshing ---- */

/* The next segment begins where this one ends, but for a jump of the start offset; so one question
 * finds it even where the directory's clock has not ticked since its names were read. */
static mg_status has_successor(const mg_log *log, bool *answer, mg_error *error)
{
    const mg_proven *last = &log->follow->last;
    mg_file_facts facts = {.size = 0};
    mg_error trouble;
    *answer = false;
    if (last->size == 0) return MG_OK;
    mg_status status = stat_file(log, last->end_offset, MG_LOG_SUFFIX, &facts, &trouble);
    *answer = status == MG_OK && facts.size > 0;
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

/* The last segment's growth. `*same` false: the names must be read again. */
static mg_status go_on(mg_log *log, bool *same, mg_error *error)
{
    mg_proven *last = &log->follow->last;
    mg_file_facts facts;
    *same = false;
    mg_status status = stat_file(log, last->segment->base_offset, MG_LOG_SUFFIX, &facts, error);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) return status;
    bool grew_only = facts.identity == last->segment->log_file.identity && facts.size >= last->size;
    if (!grew_only) return MG_OK;
    if (facts.size > last->size) status = mg_follow_walk_on(log, last, error);
    publish_proven(log); /* what was proven before a failure is proven */
    publish_bounds(log);
    if (status != MG_OK) return status;
    bool has_next = false;
    status = has_successor(log, &has_next, error);
    *same = !has_next;
    return status;
}

static mg_status refresh_once(mg_log *log, mg_error *error)
{
    mg_follow *follow = log->follow;
    mg_file_facts directory;
    mg_status status = mg_files_stat(log->files, log->directory, &directory, error);
    if (status != MG_OK) return status;
    if (directory.identity != follow->directory) {
        return mg_fail(error, MG_NOT_FOUND, 0, "%.120s was deleted and made anew", log->directory);
    }
    bool same = false;
    bool may_be_same = follow->last.has_file && directory.modified_ns == follow->listed_ns;
    if (may_be_same) status = go_on(log, &same, error);
    if (status != MG_OK || same) return status;
    return take_names(log, &directory, error);
}

mg_status mg_log_refresh(mg_log *log, int64_t start_offset, mg_error *error)
{
    mg_follow *follow = log->follow;
    if (follow == NULL) return MG_OK; /* who writes knows */
    mg_status status = MG_CLOSED;
    (void)pthread_mutex_lock(&follow->lock);
    if (start_offset > follow->start_offset) follow->start_offset = start_offset;
    int pauses = 0;
    for (int i = 0; i < MG_LOOKS_MAX && status == MG_CLOSED; i++) {
        status = refresh_once(log, error);
        for (; status == MG_WOULD_BLOCK && pauses < SWAP_PAUSES_MAX; pauses++) {
            if (follow->swapping_ns == follow->stuck_ns) break;
            usleep(SWAP_PAUSE_US);
            status = refresh_once(log, error);
        }
    }
    if (status == MG_WOULD_BLOCK) follow->stuck_ns = follow->swapping_ns;
    (void)pthread_mutex_unlock(&follow->lock);
    mg_log_reap(log);
    if (status == MG_CLOSED) return mg_fail(error, MG_BUSY, 0, "segments change all the time");
    if (status == MG_WOULD_BLOCK) {
        return mg_fail(error, MG_BUSY, 0,
                       "a compaction of %.120s was cut off; opening it for writing ends it",
                       log->directory);
    }
    return status;
}

/* ---- Opening ---- */

static mg_status load_epochs(mg_log *log, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = mg_path_join(path, log->directory, MG_EPOCHS_NAME, error);
    if (status != MG_OK) return status;
    status = mg_epochs_load(&log->epochs, log->files, path, error);
    return status == MG_CORRUPT ? MG_OK : status; /* the batches know theirs */
}

static mg_status refuse_writing(mg_log *log)
{
    mg_error why;
    mg_status status =
        mg_fail(&why, MG_UNSUPPORTED, 0, "%.120s was opened read-only", log->directory);
    return mg_log_poison(log, status, &why);
}

mg_status mg_follow_open(mg_log *log, const mg_log_start *start, mg_error *error)
{
    mg_file_facts directory;
    mg_status status = mg_files_stat(log->files, log->directory, &directory, error);
    if (status != MG_OK) return status;
    if (!directory.is_directory) {
        return mg_fail(error, MG_NOT_FOUND, 0, "%.120s is no directory", log->directory);
    }
    mg_follow *follow = calloc(1, sizeof *follow);
    if (follow == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "log");
    if (pthread_mutex_init(&follow->lock, NULL) != 0) {
        free(follow);
        return mg_fail(error, MG_NO_MEMORY, 0, "log");
    }
    follow->start_offset = start->start_offset;
    follow->was_clean = start->clean;
    follow->directory = directory.identity;
    log->follow = follow;
    status = load_epochs(log, error);
    if (status != MG_OK) return status;
    status = refuse_writing(log);
    MG_ASSERT(status == MG_UNSUPPORTED);
    status = mg_log_refresh(log, start->start_offset, error);
    follow->was_clean = false;
    return status;
}

void mg_follow_close(mg_log *log)
{
    mg_follow *follow = log->follow;
    if (follow == NULL) return;
    if (follow->last.has_file) mg_pooled_unpin(&follow->last.segment->log_file);
    (void)pthread_mutex_destroy(&follow->lock);
    free(follow);
    log->follow = NULL;
}
