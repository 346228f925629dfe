#include "model.h"

#include "batch/batch_format.h"

#include "check.h"

#include <string.h>

void model_init(model *m)
{
    *m = (model){.start_limit = 0, .truncated_to = INT64_MAX, .maybe_from = SIZE_MAX};
}

void model_deinit(model *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->batches[i].bytes);
    free(m->batches);
    m->batches = NULL;
}

void model_add(model *m, const mg_batch_header *header, const uint8_t *bytes, bool is_abort)
{
    CHECK(header->base_offset >= model_end(m));
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 64 : m->capacity * 2;
        /* Not by a function that the explorer of faults makes fail. */
        m->batches = reallocarray(m->batches, m->capacity, sizeof *m->batches);
        CHECK(m->batches != NULL);
    }
    model_batch *batch = &m->batches[m->count++];
    *batch = (model_batch){.header = *header, .is_abort = is_abort};
    batch->bytes = reallocarray(NULL, (size_t)header->size, 1);
    CHECK(batch->bytes != NULL);
    memcpy(batch->bytes, bytes, (size_t)header->size);
}

void model_cut(model *m, int64_t offset)
{
    while (m->count > 0 && mg_batch_last_offset(&m->batches[m->count - 1].header) >= offset)
        free(m->batches[--m->count].bytes);
    if (m->maybe_from > m->count) m->maybe_from = SIZE_MAX;
    if (m->durable_end > model_end(m)) m->durable_end = model_end(m);
    if (m->recovery_point > offset) m->recovery_point = offset;
}

int64_t model_end_below(const model *m, int64_t offset)
{
    size_t count = m->count;
    while (count > 0 && mg_batch_last_offset(&m->batches[count - 1].header) >= offset)
        count--;
    return count == 0 ? 0 : mg_batch_last_offset(&m->batches[count - 1].header) + 1;
}

int64_t model_end(const model *m)
{
    return m->count == 0 ? 0 : mg_batch_last_offset(&m->batches[m->count - 1].header) + 1;
}

const model_batch *model_find(const model *m, int64_t offset)
{
    size_t low = 0;
    size_t high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->batches[middle].header.base_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < m->count && m->batches[low].header.base_offset == offset;
    return found ? &m->batches[low] : NULL;
}

model_producer model_producer_at(const model *m, int64_t producer_id, int64_t end)
{
    model_producer found = {.last_offset = -1, .open_since = -1, .last_sequence = -1};
    for (size_t i = 0; i < m->count; i++) {
        const mg_batch_header *header = &m->batches[i].header;
        /* The end may lie within a batch that is lost: an empty log begins at a start that was
         * raised there. */
        if (header->producer_id != producer_id || mg_batch_last_offset(header) >= end) continue;
        bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
        if (header->producer_epoch != found.epoch) found.last_offset = found.last_sequence = -1;
        found.epoch = header->producer_epoch;
        if (is_control) {
            found.open_since = -1;
            continue;
        }
        found.last_offset = mg_batch_last_offset(header);
        found.last_sequence = header->base_sequence + header->last_offset_delta;
        bool is_part = (header->attributes & MG_BATCH_TRANSACTIONAL) != 0;
        if (is_part && found.open_since < 0) found.open_since = header->base_offset;
    }
    return found;
}

void model_copy(model *to, const model *from)
{
    model_init(to);
    for (size_t i = 0; i < from->count; i++) {
        const model_batch *batch = &from->batches[i];
        model_add(to, &batch->header, batch->bytes, batch->is_abort);
    }
    to->start_offset = from->start_offset;
    to->start_limit = from->start_limit;
    to->durable_end = from->durable_end;
    to->truncated_to = from->truncated_to;
    to->end_seen = from->end_seen;
    to->recovery_point = from->recovery_point;
    to->start_checkpoint = from->start_checkpoint;
    to->maybe_from = from->maybe_from;
}
