#include "life.h"

#include "batch/batch_format.h"
#include "batch/builder.h"
#include "file/memory.h"
#include "file/memory_content.h"
#include "log/log_format.h"
#include "verdict.h"

#include "check.h"

#include <errno.h>
#include <string.h>

enum { ITEMS_MAX = 3, ITEM_ROOM = 16 * 1024 };

static uint64_t draw(life *l, uint64_t below)
{
    return mg_memory_draw(&l->state) % below;
}

void life_begin(life *l, uint64_t seed, mg_files *files)
{
    static const int64_t SEGMENT_SIZES[] = {700, 1500, 4000, 12000};
    static const int64_t INTERVALS[] = {0, 200, 700, 4096};
    memset(l, 0, sizeof *l);
    l->seed = seed;
    l->state = seed;
    l->explored = -1;
    l->now = EXPLORE_NOW_MS;
    l->files = files;
    l->cuts_power = files == NULL;
    if (files == NULL) {
        CHECK(mg_files_open_memory(&l->files, NULL) == MG_OK);
        CHECK(mg_files_make_directory(l->files, "data", NULL) == MG_OK);
    }
    l->config = (mg_log_config){.segment_size_max = SEGMENT_SIZES[draw(l, 4)],
                                .segment_age_max_ms = INT64_MAX,
                                .index_size_max = 1 << 20,
                                .index_interval_size = INTERVALS[draw(l, 4)],
                                .producer_expiry_ms = INT64_MAX};
    model_init(&l->model);
}

mg_status life_open(life *l)
{
    mg_log_report report;
    bool clean = l->is_clean;
    l->is_clean = false; /* the mark goes before anything is opened */
    mg_status status =
        verdict_open(&l->log, l->files, &l->config, &l->model, clean, &report, &l->error);
    if (status != MG_OK) l->log = NULL;
    return status;
}

/* ---- Appending ---- */

typedef struct draft {
    mg_log_item items[ITEMS_MAX];
    bool is_abort[ITEMS_MAX];
    size_t count;
    uint8_t memory[ITEMS_MAX][ITEM_ROOM];
} draft;

static void add_random_records(life *l, mg_builder *builder)
{
    uint8_t value[6000];
    uint64_t records = 1 + draw(l, 3);
    for (uint64_t i = 0; i < records; i++) {
        size_t size = (size_t)(draw(l, 16) == 0 ? draw(l, sizeof value) : draw(l, 300));
        for (size_t k = 0; k < size; k++)
            value[k] = (uint8_t)mg_memory_draw(&l->state);
        mg_record_parts parts = {.timestamp = l->now++, .value = {.data = value, .size = size}};
        if (!mg_builder_add(builder, &parts)) break;
    }
}

static void draft_data(life *l, draft *d, int64_t producer_id)
{
    uint8_t *memory = d->memory[d->count];
    mg_builder builder = mg_builder_over(memory, ITEM_ROOM, ++l->now);
    add_random_records(l, &builder);
    mg_batch_header header = mg_batch_header_blank();
    if (producer_id > 0) {
        model_producer producer = model_producer_at(&l->model, producer_id, INT64_MAX);
        header.producer_id = producer_id;
        header.producer_epoch = producer.epoch;
        header.base_sequence = producer.last_sequence + 1;
        bool is_part = producer_id > MODEL_PRODUCERS - 2;
        if (is_part) header.attributes = MG_BATCH_TRANSACTIONAL;
        if (!is_part && draw(l, 20) == 0) {
            header.producer_epoch++;
            header.base_sequence = 0;
        }
    }
    mg_builder_finish(&builder, &header);
    d->items[d->count] = (mg_log_item){.batch = memory, .header = header};
    d->is_abort[d->count++] = false;
}

static void draft_marker(life *l, draft *d, int64_t producer_id, bool aborts)
{
    uint8_t *memory = d->memory[d->count];
    uint8_t key[4] = {0, 0, 0, aborts ? MG_CONTROL_ABORT : MG_CONTROL_COMMIT};
    uint8_t value[6] = {0};
    mg_builder builder = mg_builder_over(memory, ITEM_ROOM, ++l->now);
    mg_record_parts parts = {.timestamp = l->now,
                             .key = {.data = key, .size = sizeof key},
                             .value = {.data = value, .size = sizeof value}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    header.producer_id = producer_id;
    header.producer_epoch = model_producer_at(&l->model, producer_id, INT64_MAX).epoch;
    header.attributes = MG_BATCH_CONTROL | MG_BATCH_TRANSACTIONAL;
    mg_builder_finish(&builder, &header);
    d->items[d->count] = (mg_log_item){.batch = memory, .header = header};
    d->is_abort[d->count++] = aborts;
}

static void learn_items(life *l, const draft *d, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (d->items[i].verdict != MG_APPEND_DONE) {
            const mg_batch_header *header = &d->items[i].header;
            verdict_place place = {.life = l->seed, .state = l->explored, .kind = "appending"};
            VIOLATION(&place, "verdict %d for producer %lld, epoch %d, sequence %d",
                      (int)d->items[i].verdict, (long long)header->producer_id,
                      header->producer_epoch, header->base_sequence);
        }
        model_add(&l->model, &d->items[i].header, d->items[i].batch, d->is_abort[i]);
    }
}

/* What was on its way when the write failed may be there, wholly or not. */
static void learn_maybe(life *l, const draft *d, size_t from)
{
    l->model.maybe_from = l->model.count;
    for (size_t i = from; i < d->count; i++) {
        const mg_log_item *item = &d->items[i];
        int64_t base = (int64_t)mg_load_u64(item->batch);
        if (base < model_end(&l->model) || item->header.base_offset != base) return;
        if (i == from && base != mg_log_end_offset(l->log)) return;
        model_add(&l->model, &item->header, item->batch, d->is_abort[i]);
    }
}

static mg_status append_draft(life *l, draft *d)
{
    mg_log_item *pointers[ITEMS_MAX];
    for (size_t i = 0; i < d->count; i++)
        pointers[i] = &d->items[i];
    size_t all = 0;
    while (all < d->count) {
        size_t done = 0;
        mg_status status = mg_log_append(l->log, pointers + all, d->count - all, l->leader_epoch,
                                         EXPLORE_NOW_MS, &done, &l->error);
        learn_items(l, d, all, all + done);
        all += done;
        if (status != MG_OK && status != MG_BUSY) {
            learn_maybe(l, d, all);
            return status;
        }
        if (all == d->count) break;
        status = mg_log_make_room(l->log, &d->items[all].header, EXPLORE_NOW_MS, &l->error);
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

static mg_status append(life *l)
{
    draft d;
    d.count = 0;
    uint64_t count = 1 + draw(l, ITEMS_MAX);
    uint64_t first = draw(l, MODEL_PRODUCERS + 1);
    for (uint64_t i = 0; i < count; i++) {
        int64_t producer_id = (int64_t)((first + i) % (MODEL_PRODUCERS + 1));
        model_producer producer = model_producer_at(&l->model, producer_id, INT64_MAX);
        if (producer_id > 0 && producer.open_since >= 0 && draw(l, 3) == 0) {
            draft_marker(l, &d, producer_id, draw(l, 2) == 0);
        } else {
            draft_data(l, &d, producer_id);
        }
    }
    return append_draft(l, &d);
}

mg_status life_append_some(life *l)
{
    mg_status status = MG_OK;
    for (int i = 0; i < 3 && status == MG_OK; i++)
        status = append(l);
    return status;
}

/* ---- The rest of a life ---- */

static mg_status flush(life *l)
{
    if (l->lies) {
        l->model.durable_end = mg_log_end_offset(l->log);
        return MG_OK;
    }
    mg_status status = mg_log_flush(l->log, &l->error);
    if (status == MG_OK) l->model.durable_end = mg_log_durable_end(l->log);
    return status;
}

static mg_status delete_old(life *l)
{
    int32_t deleted = 0;
    int64_t size = (int64_t)draw(l, (uint64_t)mg_log_size(l->log) + 1);
    l->model.start_limit = l->model.durable_end;
    mg_status status = mg_log_delete_old(l->log, -1, size, l->model.durable_end, EXPLORE_NOW_MS,
                                         &deleted, &l->error);
    int64_t start_offset = mg_log_start_offset(l->log);
    if (start_offset > l->model.start_offset) l->model.start_offset = start_offset;
    if (status == MG_OK) l->model.start_limit = 0;
    return status;
}

static mg_status raise_start(life *l)
{
    int64_t start_offset = mg_log_start_offset(l->log);
    int64_t room = mg_log_end_offset(l->log) - start_offset;
    int64_t offset = start_offset + (int64_t)draw(l, (uint64_t)room / 2 + 1);
    mg_status status = mg_log_raise_start(l->log, offset, &l->error);
    if (status == MG_OK && offset > l->model.start_offset) l->model.start_offset = offset;
    return status;
}

static mg_status truncate(life *l)
{
    model *m = &l->model;
    uint64_t back = 1 + draw(l, 10);
    if (m->count < back) return MG_OK;
    int64_t offset = m->batches[m->count - back].header.base_offset;
    if (offset < mg_log_start_offset(l->log)) return MG_OK;
    if (m->recovery_point > offset) m->recovery_point = offset;
    m->truncated_to = offset;
    mg_status status = mg_log_truncate(l->log, offset, &l->error);
    if (status != MG_OK) return status;
    model_cut(m, offset);
    m->end_seen = offset;
    m->truncated_to = INT64_MAX;
    return MG_OK;
}

static void save_checkpoints(life *l)
{
    model *m = &l->model;
    m->recovery_point = m->durable_end;
    m->start_checkpoint = mg_log_start_offset(l->log);
}

void life_abandon(life *l)
{
    if (l->log != NULL) mg_log_abandon(l->log);
    l->log = NULL;
}

mg_status life_close(life *l)
{
    mg_status status = mg_log_close(l->log, &l->error);
    l->log = NULL;
    if (status != MG_OK) return status;
    l->model.durable_end = l->lies ? l->model.durable_end : model_end(&l->model);
    l->is_clean = true;
    return MG_OK;
}

/* Batches that are not in the log any more. */
static void forget_lost(life *l)
{
    model *m = &l->model;
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        int64_t base = m->batches[i].header.base_offset;
        mg_log_slice slice = {.size = 0};
        mg_error error;
        int64_t last = mg_batch_last_offset(&m->batches[i].header);
        int64_t start_offset = mg_log_start_offset(l->log);
        /* Deleted, and not forgotten: what it said of producers stands. Only what is durable is
         * deleted; the rest, below a start that was raised or lost, is there or is not. */
        bool is_there = last < start_offset &&
                        (last < m->durable_end || verdict_has_batch(l->files, &m->batches[i]));
        bool is_within = last >= start_offset && last < mg_log_end_offset(l->log);
        if (is_within) {
            int64_t offset = base > start_offset ? base : start_offset;
            mg_status status =
                mg_log_read(l->log, offset, INT64_MAX, 1, MG_READ_AT_LEAST_ONE, &slice, &error);
            uint8_t found[8];
            is_there = status == MG_OK && slice.size > sizeof found &&
                       mg_log_slice_copy(&slice, 0, sizeof found, found, &error) == MG_OK &&
                       (int64_t)mg_load_u64(found) == base;
            if (status == MG_OK) mg_log_slice_release(&slice);
        }
        if (is_there) {
            m->batches[kept++] = m->batches[i];
        } else {
            free(m->batches[i].bytes);
        }
    }
    m->count = kept;
    m->maybe_from = SIZE_MAX;
}

static void learn_ends(life *l)
{
    model *m = &l->model;
    /* Files of what was being deleted may be back; nothing is asked of them. */
    if (m->start_offset < m->start_limit) m->start_offset = m->start_limit;
    int64_t start_offset = mg_log_start_offset(l->log);
    if (m->start_offset < start_offset) m->start_offset = start_offset;
    m->start_limit = 0;
    m->truncated_to = INT64_MAX;
    m->durable_end = mg_log_durable_end(l->log);
    m->end_seen = mg_log_end_offset(l->log);
    int32_t latest = mg_log_latest_epoch(l->log);
    if (latest >= l->leader_epoch) l->leader_epoch = latest + 1; /* as every unclean start */
}

void life_learn(life *l)
{
    forget_lost(l);
    learn_ends(l);
}

/* No journal leaves that, and the next segment's snapshot would know more than there is. */
static bool loses_start(const life *l, uint64_t cut)
{
    mg_files *files = NULL;
    CHECK(mg_memory_copy(l->files, &files, NULL) == MG_OK);
    mg_memory_play_crash(files, MG_MEMORY_CRASH_TEAR, 512, cut);
    bool answer = verdict_lost_start(files, &l->model);
    mg_files_close(files);
    return answer;
}

static mg_status restart(life *l, bool cuts_power)
{
    verdict_place place = {.life = l->seed, .state = l->explored, .kind = "a restart"};
    if (cuts_power && l->lies) return MG_OK;
    life_abandon(l);
    uint64_t cut = cuts_power ? mg_memory_draw(&l->state) : 0;
    cuts_power = cuts_power && !loses_start(l, cut);
    l->is_cut = cuts_power;
    if (cuts_power) mg_memory_play_crash(l->files, MG_MEMORY_CRASH_TEAR, 512, cut);
    mg_status status = life_open(l);
    if (status != MG_OK) return status;
    if (l->cuts_power) {
        (void)verdict_check(l->log, l->files, &l->model, !cuts_power, &place);
        life_learn(l);
    } else {
        learn_ends(l); /* a fault may be waiting for whoever reads */
    }
    l->is_cut = false;
    return MG_OK;
}

/* Of what an fsync loses the cache goes on showing, and the next process is to write it. */
static mg_status lose_sync(life *l)
{
    if (l->lies) return MG_OK;
    mg_memory_fail_at(l->files, MG_MEMORY_FAULT_ONCE, (int64_t)draw(l, 4), EIO);
    l->loses_sync = true;
    mg_status status = flush(l);
    l->loses_sync = false;
    mg_memory_fail_at(l->files, MG_MEMORY_FAULT_NONE, 0, 0);
    return status == MG_OK ? MG_OK : restart(l, false);
}

static mg_status close_and_open(life *l)
{
    mg_status status = life_close(l);
    if (status == MG_OK) status = life_open(l);
    return status;
}

mg_status life_step(life *l)
{
    uint64_t choice = draw(l, 100);
    if (choice < 58) return append(l);
    if (choice < 72) return flush(l);
    if (choice < 76) return mg_log_reserve_ahead(l->log, &l->error);
    if (choice < 80) return mg_log_roll(l->log, &l->error);
    if (choice < 83) return delete_old(l);
    if (choice < 86) return raise_start(l);
    if (choice < 89) return truncate(l);
    if (choice < 92) {
        l->leader_epoch++;
    } else if (choice < 94) {
        save_checkpoints(l);
    } else if (choice < 96) {
        return close_and_open(l);
    } else if (choice < 98) {
        return restart(l, false);
    } else if (l->cuts_power) {
        return draw(l, 3) == 0 ? lose_sync(l) : restart(l, true);
    }
    return MG_OK;
}

void life_end(life *l)
{
    life_abandon(l);
    model_deinit(&l->model);
    mg_files_close(l->files);
}
