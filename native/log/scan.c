#include "log/scan.h"

#include "base/crc32c.h"
#include "batch/batch_format.h"

#include <stdlib.h>
#include <string.h>

mg_status mg_scan_open(mg_scan *scan, mg_error *error)
{
    *scan = (mg_scan){.window = malloc(MG_SCAN_WINDOW_SIZE)};
    if (scan->window == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "recovery");
    return MG_OK;
}

void mg_scan_close(mg_scan *scan)
{
    free(scan->window);
    scan->window = NULL;
}

mg_status mg_scan_begin(mg_scan *scan, mg_file *file, mg_error *error)
{
    scan->file = file;
    scan->window_at = 0;
    scan->window_size = 0;
    scan->proven_end = 0;
    scan->has_large_batches = false;
    return mg_file_size(file, &scan->size, error);
}

mg_status mg_scan_bytes(mg_scan *scan, int64_t position, size_t size, mg_span *bytes,
                        mg_error *error)
{
    MG_ASSERT(size <= MG_SCAN_WINDOW_SIZE);
    MG_ASSERT(position >= 0);
    int64_t window_end = scan->window_at + (int64_t)scan->window_size;
    if ((int64_t)size > scan->size - position) size = (size_t)(scan->size - position);
    if (position < scan->window_at || position + (int64_t)size > window_end) {
        bool is_header = position < scan->proven_end && size <= MG_SCAN_STEP_SIZE;
        size_t wanted =
            is_header && scan->has_large_batches ? MG_SCAN_STEP_SIZE : MG_SCAN_WINDOW_SIZE;
        scan->window_size = 0;
        mg_status status = mg_file_read(scan->file, position, scan->window, wanted, 0,
                                        &scan->window_size, error);
        if (status != MG_OK) return status;
        scan->window_at = position;
        if (scan->progress != NULL && position >= scan->proven_end) {
            atomic_fetch_add_explicit(scan->progress, (int64_t)scan->window_size,
                                      memory_order_relaxed);
        }
        if (scan->window_size < size) {
            return mg_fail(error, MG_IO, 0, "segment file shrank while it was read");
        }
    }
    *bytes = (mg_span){.data = scan->window + (position - scan->window_at), .size = size};
    return MG_OK;
}

static mg_status checksum(mg_scan *scan, int64_t position, int64_t end, uint32_t *crc,
                          mg_error *error)
{
    *crc = 0;
    while (position < end) {
        int64_t left = end - position;
        size_t wanted = left < MG_SCAN_WINDOW_SIZE ? (size_t)left : MG_SCAN_WINDOW_SIZE;
        mg_span bytes;
        mg_status status = mg_scan_bytes(scan, position, wanted, &bytes, error);
        if (status != MG_OK) return status;
        *crc = mg_crc32c(*crc, bytes.data, bytes.size);
        position += (int64_t)bytes.size;
    }
    return MG_OK;
}

/* ---- Formats 0 and 1: offset i64 | size i32 | crc u32 of the rest | magic i8 | ... ---- */

enum {
    OLD_AT_SIZE = 8,
    OLD_AT_CRC = 12,
    OLD_AT_MAGIC = 16,
    OLD_SIZE_MIN = 14, /* after the size field: crc, magic, attributes, two null sizes */
};

/* CRC-32 of zlib, a bit at a time: it runs on the first message of an old segment only. */
static uint32_t old_checksum(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

static mg_status check_old(mg_scan *scan, int64_t position, mg_scan_verdict *verdict,
                           mg_error *error)
{
    mg_span bytes;
    mg_status status = mg_scan_bytes(scan, position, MG_BATCH_HEADER_SIZE, &bytes, error);
    if (status != MG_OK) return status;
    if (bytes.size < OLD_AT_MAGIC + 1) return MG_OK;
    uint32_t size = mg_load_u32(bytes.data + OLD_AT_SIZE);
    int64_t whole = (int64_t)size + OLD_AT_CRC;
    if (size < OLD_SIZE_MIN || whole > scan->size - position || whole > MG_SCAN_WINDOW_SIZE) {
        return MG_OK;
    }
    status = mg_scan_bytes(scan, position, (size_t)whole, &bytes, error);
    if (status != MG_OK) return status;
    uint32_t crc = old_checksum(bytes.data + OLD_AT_MAGIC, bytes.size - OLD_AT_MAGIC);
    if (crc == mg_load_u32(bytes.data + OLD_AT_CRC)) *verdict = MG_SCAN_OLD_FORMAT;
    return MG_OK;
}

static bool is_sane(const mg_batch_header *header)
{
    return header->base_offset >= 0 && header->last_offset_delta >= 0 &&
           header->record_count >= 0 &&
           header->base_offset <= INT64_MAX - 1 - (int64_t)header->last_offset_delta;
}

mg_status mg_scan_check(mg_scan *scan, int64_t position, mg_scan_verdict *verdict,
                        mg_batch_header *header, mg_error *error)
{
    *verdict = MG_SCAN_BAD;
    if (position >= scan->size) return MG_OK;
    mg_span bytes;
    mg_status status = mg_scan_bytes(scan, position, MG_BATCH_HEADER_SIZE, &bytes, error);
    if (status != MG_OK) return status;
    mg_batch_header found;
    status = mg_batch_header_decode(bytes, &found);
    bool is_old = bytes.size > OLD_AT_MAGIC && bytes.data[OLD_AT_MAGIC] < MG_BATCH_MAGIC;
    if (status != MG_OK && is_old) return check_old(scan, position, verdict, error);
    if (status != MG_OK || !is_sane(&found) || found.size > scan->size - position) return MG_OK;

    scan->has_large_batches = found.size > MG_SCAN_STEP_SIZE;
    if (position + found.size <= scan->proven_end) {
        *verdict = MG_SCAN_INTACT;
        *header = found;
        return MG_OK;
    }
    uint32_t crc = 0;
    status = checksum(scan, position + MG_BATCH_CRC_FROM, position + found.size, &crc, error);
    if (status != MG_OK) return status;
    if (crc != found.crc) return MG_OK;
    *verdict = MG_SCAN_INTACT;
    *header = found;
    return MG_OK;
}

/* ---- Behind damage ---- */

static mg_status is_next(mg_scan *scan, int64_t position, const mg_scan_bounds *bounds,
                         mg_batch_header *header, bool *answer, mg_error *error)
{
    mg_scan_verdict verdict;
    mg_status status = mg_scan_check(scan, position, &verdict, header, error);
    if (status != MG_OK) return status;
    *answer = verdict == MG_SCAN_INTACT && mg_scan_is_within(bounds, header);
    return MG_OK;
}

/* What the damaged batch says of itself: its end in the file, if that can be, and the offset
 * behind its last, or -1. */
typedef struct claim {
    int64_t end;
    int64_t next_offset;
    bool is_last; /* it says that it ends with the file */
} claim;

static mg_status read_claim(mg_scan *scan, int64_t position, claim *claimed, mg_error *error)
{
    mg_span bytes;
    mg_batch_header header = {.size = 0};
    *claimed = (claim){.end = scan->size, .next_offset = -1};
    mg_status status = mg_scan_bytes(scan, position, MG_BATCH_HEADER_SIZE, &bytes, error);
    if (status != MG_OK) return status;
    status = mg_batch_header_decode(bytes, &header);
    if (status == MG_OUT_OF_RANGE || header.size < MG_BATCH_HEADER_SIZE) return MG_OK;
    if (header.size < scan->size - position) claimed->end = position + header.size;
    claimed->is_last = header.size == scan->size - position;
    if (status == MG_OK && is_sane(&header))
        claimed->next_offset = mg_batch_last_offset(&header) + 1;
    return MG_OK;
}

/* The next position at or after `position` whose bytes look like a header within bounds. */
static mg_status find_candidate(mg_scan *scan, int64_t position, const mg_scan_bounds *bounds,
                                int64_t *found, mg_error *error)
{
    while (scan->size - position >= MG_BATCH_HEADER_SIZE) {
        mg_span bytes;
        mg_status status = mg_scan_bytes(scan, position, MG_BATCH_HEADER_SIZE, &bytes, error);
        if (status != MG_OK) return status;
        /* All of the window that is left, not only the header asked for. */
        size_t left = scan->window_size - (size_t)(position - scan->window_at);
        const uint8_t *next = bytes.data;
        const uint8_t *end = bytes.data + left - MG_BATCH_HEADER_SIZE + 1;
        while (next < end) {
            const uint8_t *magic =
                memchr(next + MG_BATCH_AT_MAGIC, MG_BATCH_MAGIC, (size_t)(end - next));
            if (magic == NULL) break;
            next = magic - MG_BATCH_AT_MAGIC;
            mg_batch_header header;
            mg_span seen = {.data = next, .size = MG_BATCH_HEADER_SIZE};
            int64_t at = scan->window_at + (next - scan->window);
            if (mg_batch_header_decode(seen, &header) == MG_OK && is_sane(&header) &&
                header.size <= scan->size - at && mg_scan_is_within(bounds, &header)) {
                *found = at;
                return MG_OK;
            }
            next++;
        }
        position += end - bytes.data;
    }
    return MG_NOT_FOUND;
}

/* From `position` on one batch follows the other up to the end of the file. */
static mg_status reaches_end(mg_scan *scan, int64_t position, const mg_scan_bounds *bounds,
                             bool *answer, mg_error *error)
{
    *answer = true;
    while (*answer && position < scan->size) {
        mg_batch_header header;
        mg_status status = is_next(scan, position, bounds, &header, answer, error);
        if (status != MG_OK) return status;
        if (*answer) position += header.size;
    }
    return MG_OK;
}

mg_status mg_scan_find_next(mg_scan *scan, int64_t position, const mg_scan_bounds *bounds,
                            int64_t *found, mg_error *error)
{
    bool follows = false;
    claim claimed;
    mg_batch_header header;
    mg_status status = read_claim(scan, position, &claimed, error);
    if (status == MG_OK) status = is_next(scan, claimed.end, bounds, &header, &follows, error);
    if (status != MG_OK) return status;
    if (follows && header.base_offset == claimed.next_offset) {
        *found = claimed.end;
        return MG_OK;
    }
    int64_t candidate = position;
    while ((status = find_candidate(scan, candidate + 1, bounds, &candidate, error)) == MG_OK) {
        bool answer = false;
        status = is_next(scan, candidate, bounds, &header, &answer, error);
        /* Where the damaged one is the last, what lies in it is a record's, unless it is all that
         * follows: then the size is what is damaged. */
        if (status == MG_OK && answer && claimed.is_last)
            status = reaches_end(scan, candidate, bounds, &answer, error);
        if (status != MG_OK) return status;
        if (!answer) continue;
        *found = candidate;
        return MG_OK;
    }
    return status;
}
