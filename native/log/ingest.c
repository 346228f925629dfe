#include "log/ingest.h"

mg_status mg_log_count_batches(mg_span batches, size_t *count, mg_error *error)
{
    size_t found = 0;
    for (size_t at = 0; at < batches.size;) {
        mg_batch_header header;
        mg_span rest = {.data = batches.data + at, .size = batches.size - at};
        mg_status status = mg_batch_header_decode(rest, &header);
        if (status != MG_OK || (size_t)header.size > rest.size) {
            return mg_fail(error, MG_CORRUPT, 0, "no whole batch at byte %zu of %zu", at,
                           batches.size);
        }
        at += (size_t)header.size;
        found++;
    }
    *count = found;
    return MG_OK;
}

mg_status mg_log_split(uint8_t *batches, size_t size, mg_log_item *items, size_t count,
                       mg_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        mg_span rest = {.data = batches + at, .size = size - at};
        items[i] = (mg_log_item){.batch = batches + at, .base_offset = -1, .append_time_ms = -1};
        if (mg_batch_check(rest, &items[i].header) != MG_OK) {
            return mg_fail(error, MG_CORRUPT, 0, "corrupt batch at byte %zu of %zu", at, size);
        }
        at += (size_t)items[i].header.size;
    }
    MG_ASSERT(at == size);
    return MG_OK;
}

enum { POINTERS_MAX = 256 };

mg_status mg_log_append_all(mg_log *log, mg_log_item *items, size_t count, int32_t leader_epoch,
                            int64_t now_ms, size_t *done, mg_error *error)
{
    *done = 0;
    while (*done < count) {
        mg_log_item *pointers[POINTERS_MAX];
        size_t left = count - *done < POINTERS_MAX ? count - *done : POINTERS_MAX;
        for (size_t i = 0; i < left; i++)
            pointers[i] = &items[*done + i];
        size_t appended = 0;
        mg_status status =
            mg_log_append(log, pointers, left, leader_epoch, now_ms, &appended, error);
        *done += appended;
        if (status == MG_BUSY) {
            status = mg_log_make_room(log, &items[*done].header, now_ms, error);
        }
        if (status != MG_OK) return status;
    }
    return MG_OK;
}
