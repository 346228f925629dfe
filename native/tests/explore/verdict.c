#include "verdict.h"

#include "batch/batch_format.h"
#include "log/inspect.h"
#include "log/log_format.h"
#include "log/names.h"

#include "check.h"

#include <string.h>

enum { READ_ROOM = 1 << 20 };

_Noreturn void verdict_fail(const verdict_place *place)
{
    unsigned long long life = (unsigned long long)place->life;
    if (place->state < 0)
        fprintf(stderr, "\nagain: power_explorer lives 1 %llu\n", life);
    else
        fprintf(stderr, "\nagain: SEED=%llu STATE=%lld\n", life, (long long)place->state);
    fflush(stderr);
    if (getenv("EXPLORE_ABORT") != NULL) abort();
    exit(1);
}

mg_status verdict_open(mg_log **log, mg_files *files, const mg_log_config *config, const model *m,
                       bool clean, mg_log_report *report, mg_error *error)
{
    mg_log_start start = {.clean = clean,
                          .recovery_point = m->recovery_point,
                          .start_offset = m->start_checkpoint,
                          .now_ms = EXPLORE_NOW_MS};
    return mg_log_open(log, files, EXPLORE_DIRECTORY, config, &start, report, error);
}

/* ---- Segments ---- */

typedef struct bases {
    int64_t base[1024];
    size_t count;
} bases;

static mg_status note_base(void *context, const char *name, mg_error *error)
{
    (void)error;
    bases *list = context;
    int64_t base = 0;
    const char *rest = NULL;
    if (mg_name_base(name, &base, &rest) && strcmp(rest, ".log") == 0 && list->count < 1024) {
        list->base[list->count++] = base;
    }
    return MG_OK;
}

static const bases *list_bases(mg_files *files)
{
    static bases list;
    list.count = 0;
    mg_status status = mg_files_list(files, EXPLORE_DIRECTORY, note_base, &list, NULL);
    CHECK(status == MG_OK || status == MG_NOT_FOUND); /* a cut may have taken it */
    return &list;
}

/* The greatest at or below `offset`, -1: none. */
static int64_t base_below(mg_files *files, int64_t offset)
{
    const bases *list = list_bases(files);
    int64_t found = -1;
    for (size_t i = 0; i < list->count; i++) {
        int64_t base = list->base[i];
        if (base <= offset && base > found) found = base;
    }
    return found;
}

static int64_t first_base(mg_files *files)
{
    const bases *list = list_bases(files);
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < list->count; i++)
        if (list->base[i] < first) first = list->base[i];
    return first;
}

static bool is_same(const model_batch *batch, const uint8_t *bytes, const mg_batch_header *header)
{
    return batch->header.size == header->size &&
           memcmp(batch->bytes, bytes, (size_t)header->size) == 0;
}

bool verdict_has_batch(mg_files *files, const model_batch *batch)
{
    int64_t offset = batch->header.base_offset;
    int64_t base = base_below(files, offset);
    if (base < 0) return false;
    char path[MG_PATH_SIZE];
    uint8_t *data = NULL;
    size_t size = 0;
    CHECK(mg_log_path(path, EXPLORE_DIRECTORY, base, MG_LOG_SUFFIX, NULL) == MG_OK);
    CHECK(mg_files_load(files, path, INT32_MAX, &data, &size, NULL) == MG_OK);
    bool found = false;
    mg_batch_header header;
    for (size_t at = 0; at < size && !found; at += (size_t)header.size) {
        mg_span rest = {.data = data + at, .size = size - at};
        if (mg_batch_check(rest, &header) != MG_OK) break;
        found = header.base_offset == offset && is_same(batch, data + at, &header);
    }
    free(data);
    return found;
}

bool verdict_lost_start(mg_files *files, const model *m)
{
    int64_t first = first_base(files);
    for (size_t i = 0; i < m->count; i++) {
        const mg_batch_header *header = &m->batches[i].header;
        bool promised = mg_batch_last_offset(header) < m->durable_end;
        if (!promised && header->base_offset < first) return true;
    }
    return false;
}

/* ---- Batches ---- */

typedef struct walk {
    mg_log *log;
    mg_files *files;
    const model *m;
    const verdict_place *place;
    verdict_found found;
    bool all;
    int64_t offset;
    uint8_t *room;
} walk;

/* Where a segment is shorter than it was there are no bytes that could be called damaged, and
 * compaction leaves the same: offsets go on at the next segment, and nobody can tell. */
static bool is_base(const walk *w, int64_t offset)
{
    char path[MG_PATH_SIZE];
    mg_file_facts facts;
    return mg_log_path(path, EXPLORE_DIRECTORY, offset, MG_LOG_SUFFIX, NULL) == MG_OK &&
           mg_files_stat(w->files, path, &facts, NULL) == MG_OK;
}

/* What lies below is being deleted, or was: of its files, any may be left. */
static int64_t first_wanted(const model *m)
{
    return m->start_limit > m->start_offset ? m->start_limit : m->start_offset;
}

/* [walk->offset, to) is not there: it may be so, and a read must have said so. */
static void check_gap(walk *w, int64_t to, bool reported)
{
    const model *m = w->m;
    int64_t wanted = first_wanted(m);
    for (size_t i = 0; i < m->count; i++) {
        const mg_batch_header *header = &m->batches[i].header;
        int64_t last = mg_batch_last_offset(header);
        if (last < w->offset || header->base_offset >= to) continue;
        if (last < wanted || header->base_offset >= m->truncated_to) continue;
        bool promised = last < m->durable_end || (w->all && i < m->maybe_from);
        if (promised) {
            VIOLATION(w->place, "batch %lld is lost, durable end %lld, [%lld, %lld) is not there",
                      (long long)header->base_offset, (long long)m->durable_end,
                      (long long)w->offset, (long long)to);
        }
    }
    w->found.gaps++;
    if (to <= wanted || w->offset >= m->truncated_to) return;
    if (!reported && !is_base(w, to)) {
        VIOLATION(w->place, "nothing was said of the gap [%lld, %lld)", (long long)w->offset,
                  (long long)to);
    }
}

static void take_batch(walk *w, const uint8_t *bytes, const mg_batch_header *header)
{
    const model_batch *batch = model_find(w->m, header->base_offset);
    if (batch == NULL || !is_same(batch, bytes, header)) {
        VIOLATION(w->place, "a batch was found at %lld that was never taken in",
                  (long long)header->base_offset);
    }
    w->found.batches++;
    w->found.digest = (w->found.digest ^ (uint64_t)header->base_offset) * 0x100000001b3U;
    w->found.digest = (w->found.digest ^ (uint64_t)header->crc) * 0x100000001b3U;
}

static void take_slice(walk *w, const mg_log_slice *slice)
{
    const verdict_place *place = w->place;
    mg_error error;
    if (slice->size > READ_ROOM) VIOLATION(place, "a slice of %zu bytes", slice->size);
    if (mg_log_slice_copy(slice, 0, slice->size, w->room, &error) != MG_OK) {
        VIOLATION(place, "a slice cannot be copied: %s", error.detail);
    }
    for (size_t at = 0; at < slice->size;) {
        mg_batch_header header;
        mg_span rest = {.data = w->room + at, .size = slice->size - at};
        if (mg_batch_check(rest, &header) != MG_OK) {
            VIOLATION(place, "no batch where %lld should be", (long long)w->offset);
        }
        bool repeats = header.base_offset < w->offset && at > 0;
        if (repeats) VIOLATION(place, "offset %lld comes again", (long long)header.base_offset);
        if (header.base_offset > w->offset) check_gap(w, header.base_offset, false);
        take_batch(w, rest.data, &header);
        w->offset = mg_batch_last_offset(&header) + 1;
        at += (size_t)header.size;
    }
    if (slice->next_offset > w->offset) check_gap(w, slice->next_offset, false);
    w->offset = slice->next_offset;
}

static void walk_all(walk *w)
{
    int64_t gap_from = -1;
    while (w->offset < w->found.end_offset) {
        mg_log_slice slice;
        mg_error error;
        mg_status status = mg_log_read(w->log, w->offset, INT64_MAX, READ_ROOM,
                                       MG_READ_AT_LEAST_ONE, &slice, &error);
        if (status == MG_CORRUPT) {
            if (gap_from < 0) gap_from = w->offset;
            w->offset++;
            continue;
        }
        if (status != MG_OK) {
            VIOLATION(w->place, "reading at %lld: %s", (long long)w->offset, error.detail);
        }
        if (gap_from >= 0) {
            int64_t to = w->offset;
            w->offset = gap_from;
            check_gap(w, to, true);
            w->offset = to;
            gap_from = -1;
        }
        if (slice.size == 0 && slice.next_offset <= w->offset) {
            VIOLATION(w->place, "nothing at %lld, and the end is %lld", (long long)w->offset,
                      (long long)w->found.end_offset);
        }
        take_slice(w, &slice);
        mg_log_slice_release(&slice);
    }
    if (gap_from >= 0) {
        w->offset = gap_from;
        check_gap(w, w->found.end_offset, true);
    }
}

/* ---- Ends ---- */

static void check_ends(walk *w)
{
    const model *m = w->m;
    int64_t start = w->found.start_offset;
    int64_t end = w->found.end_offset;
    int64_t start_max = first_wanted(m);
    if (start > start_max) { /* a name was lost, but not those of the segments behind it */
        w->offset = start_max;
        check_gap(w, start, true);
        w->offset = start;
    }
    w->found.lost_start = verdict_lost_start(w->files, m);
    if (start < m->start_checkpoint) {
        VIOLATION(w->place, "it starts at %lld below the checkpoint %lld", (long long)start,
                  (long long)m->start_checkpoint);
    }
    int64_t durable = m->durable_end;
    if (w->all && m->maybe_from >= m->count) durable = model_end(m);
    if (durable > m->truncated_to) durable = m->truncated_to;
    /* The end of the last batch that stays: a truncation may have ended in a gap, and only the
     * recovery point tells of offsets that no batch has. */
    int64_t promised = model_end_below(m, durable);
    if (promised < m->recovery_point) promised = m->recovery_point;
    if (end < promised) {
        VIOLATION(w->place, "it ends at %lld, promised %lld", (long long)end, (long long)promised);
    }
    int64_t end_max = model_end(m) > start_max ? model_end(m) : start_max;
    if (end_max < m->recovery_point) end_max = m->recovery_point;
    if (end_max < m->end_seen) end_max = m->end_seen;
    if (end > end_max) {
        VIOLATION(w->place, "it ends at %lld, and %lld is all there was", (long long)end,
                  (long long)end_max);
    }
}

/* ---- Look-ups ---- */

static void check_look_ups(const walk *w, uint64_t seed)
{
    const model *m = w->m;
    mg_log_slice slice;
    mg_error error;
    for (int i = 0; i < 4 && m->count > 0; i++) {
        const model_batch *batch = &m->batches[(seed >> (8 * i)) % m->count];
        int64_t offset = batch->header.base_offset;
        if (offset < w->found.start_offset || offset >= w->found.end_offset) continue;
        mg_status status =
            mg_log_read(w->log, offset, INT64_MAX, 1, MG_READ_AT_LEAST_ONE, &slice, &error);
        bool same = status == MG_OK && slice.size == (size_t)batch->header.size;
        if (status == MG_OK) mg_log_slice_release(&slice);
        if (!same) VIOLATION(w->place, "batch %lld is not found", (long long)offset);

        /* Times ascend and differ in a life, so each is one batch's. */
        status = mg_log_find_timestamp(w->log, batch->header.max_timestamp, &slice, &error);
        same = status == MG_OK && slice.size == (size_t)batch->header.size;
        if (status == MG_OK) mg_log_slice_release(&slice);
        if (!same) VIOLATION(w->place, "batch %lld is not found by time", (long long)offset);
    }
}

/* ---- What batches make ---- */

static void check_producers(const walk *w)
{
    mg_producer_view views[MODEL_PRODUCERS + 4];
    size_t count = mg_log_producers(w->log, views, MODEL_PRODUCERS + 4);
    if (count > MODEL_PRODUCERS) VIOLATION(w->place, "%zu producers", count);
    for (int64_t id = 1; id <= MODEL_PRODUCERS; id++) {
        model_producer is = model_producer_at(w->m, id, w->found.end_offset);
        const mg_producer_view *view = NULL;
        for (size_t i = 0; i < count; i++)
            if (views[i].producer_id == id) view = &views[i];
        if (is.last_offset < w->found.start_offset) continue; /* may be known, may be forgotten */
        if (view == NULL) {
            VIOLATION(w->place, "producer %lld is not known, last offset %lld", (long long)id,
                      (long long)is.last_offset);
        }
        bool same = view->last_offset == is.last_offset &&
                    view->last_sequence == is.last_sequence && view->epoch == is.epoch;
        if (!same) {
            VIOLATION(w->place, "producer %lld: epoch %d, sequence %d, offset %lld; not %d %d %lld",
                      (long long)id, view->epoch, view->last_sequence,
                      (long long)view->last_offset, is.epoch, is.last_sequence,
                      (long long)is.last_offset);
        }
        if (view->transaction_first_offset != is.open_since) {
            VIOLATION(w->place, "producer %lld: open since %lld, not %lld", (long long)id,
                      (long long)view->transaction_first_offset, (long long)is.open_since);
        }
    }
}

/* The aborted transactions whose markers were found, in their order. */
static void check_aborted(const walk *w)
{
    enum { ROOM = 512 };
    static mg_aborted found[ROOM];
    size_t count = mg_log_aborted(w->log, w->found.start_offset, w->found.end_offset, found, ROOM);
    size_t next = 0;
    int64_t from = w->found.start_offset;
    if (from < first_wanted(w->m)) from = first_wanted(w->m);
    while (next < count && found[next].last_offset < from)
        next++;
    for (size_t i = 0; i < w->m->count; i++) {
        const model_batch *batch = &w->m->batches[i];
        int64_t offset = batch->header.base_offset;
        if (!batch->is_abort || offset < from || offset >= w->found.end_offset) continue;
        int64_t producer_id = batch->header.producer_id;
        int64_t first = model_producer_at(w->m, producer_id, offset).open_since;
        if (first < 0) continue;
        bool same = next < count && found[next].producer_id == producer_id &&
                    found[next].first_offset == first && found[next].last_offset == offset;
        if (!same) {
            VIOLATION(w->place, "of %lld, [%lld, %lld] is aborted; told is of %lld, [%lld, %lld]",
                      (long long)producer_id, (long long)first, (long long)offset,
                      next < count ? (long long)found[next].producer_id : -1,
                      next < count ? (long long)found[next].first_offset : -1,
                      next < count ? (long long)found[next].last_offset : -1);
        }
        next++;
    }
    if (next < count) {
        VIOLATION(w->place, "producer %lld aborted nothing at %lld",
                  (long long)found[next].producer_id, (long long)found[next].last_offset);
    }
}

static void check_epochs(const walk *w)
{
    const model *m = w->m;
    int32_t latest = -1;
    int64_t last_base = -1;
    int64_t from = w->found.start_offset;
    if (from < first_wanted(m)) from = first_wanted(m);
    for (size_t i = 0; i < m->count; i++) {
        const mg_batch_header *header = &m->batches[i].header;
        if (header->base_offset >= w->found.end_offset) break;
        if (header->leader_epoch <= latest) continue;
        if (latest >= 0 && header->base_offset > from) {
            int32_t found = -1;
            int64_t end = -1;
            mg_log_epoch_end(w->log, latest, &found, &end);
            bool knows = last_base >= from;
            if (end != header->base_offset || (knows && found != latest)) {
                VIOLATION(w->place, "epoch %d ends at %lld, not %lld", latest, (long long)end,
                          (long long)header->base_offset);
            }
        }
        latest = header->leader_epoch;
        last_base = header->base_offset;
    }
    if (mg_log_latest_epoch(w->log) != latest && last_base >= from) {
        VIOLATION(w->place, "the latest epoch is %d, not %d", mg_log_latest_epoch(w->log), latest);
    }
}

/* ---- The whole ---- */

verdict_found verdict_check(mg_log *log, mg_files *files, const model *m, bool all,
                            const verdict_place *place)
{
    static uint8_t room[READ_ROOM];
    walk w = {.log = log, .files = files, .m = m, .place = place, .all = all, .room = room};
    w.found.start_offset = mg_log_start_offset(log);
    w.found.end_offset = mg_log_end_offset(log);
    w.offset = w.found.start_offset;
    check_ends(&w);
    walk_all(&w);
    if (w.found.gaps > 0) return w.found; /* what was lost may have said more */
    check_look_ups(&w, w.found.digest);
    check_producers(&w);
    check_aborted(&w);
    check_epochs(&w);
    return w.found;
}

/* ---- Files ---- */

static void inspect_segment(mg_files *files, const mg_inspect_range *range,
                            const verdict_place *place)
{
    static mg_inspect inspect;
    mg_error error;
    if (mg_inspect_open(&inspect, files, EXPLORE_DIRECTORY, range, &error) != MG_OK) {
        VIOLATION(place, "inspecting %lld: %s", (long long)range->base_offset, error.detail);
    }
    while (!inspect.is_done) {
        if (mg_inspect_step(&inspect, INT64_MAX, &error) != MG_OK) {
            VIOLATION(place, "inspecting %lld: %s", (long long)range->base_offset, error.detail);
        }
        for (size_t i = 0; i < inspect.finds_count; i++) {
            const mg_inspect_find *find = &inspect.finds[i];
            if (find->kind < MG_INSPECT_DAMAGED) continue;
            VIOLATION(place, "segment %lld: fault %d at position %lld, offset %lld, %lld %lld",
                      (long long)range->base_offset, (int)find->kind, (long long)find->position,
                      (long long)find->offset, (long long)find->a, (long long)find->b);
        }
    }
    mg_inspect_close(&inspect);
}

void verdict_inspect(mg_files *files, const verdict_place *place)
{
    const bases *list = list_bases(files);
    for (size_t i = 0; i < list->count; i++) {
        mg_inspect_range range = {
            .base_offset = list->base[i], .next_base = INT64_MAX, .checks_indexes = true};
        for (size_t k = 0; k < list->count; k++) {
            bool is_next = list->base[k] > list->base[i] && list->base[k] < range.next_base;
            if (is_next) range.next_base = list->base[k];
        }
        inspect_segment(files, &range, place);
    }
}
