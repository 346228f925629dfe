#include "log/markers.h"

#include "log/producer_state.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

void mg_markers_init(mg_markers *markers)
{
    *markers = (mg_markers){.entries = NULL};
}

void mg_markers_deinit(mg_markers *markers)
{
    free(markers->entries);
    mg_markers_init(markers);
}

mg_status mg_markers_add(mg_markers *markers, const mg_batch_header *header, mg_span batch,
                         mg_error *error)
{
    mg_control control = mg_control_decode(batch, header);
    if (!control.known || header->producer_id < 0) return MG_OK;
    if (markers->count == markers->capacity) {
        size_t capacity = markers->capacity == 0 ? CAPACITY_FIRST : markers->capacity * 2;
        mg_marker *entries = realloc(markers->entries, capacity * sizeof *entries);
        if (entries == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "markers");
        markers->entries = entries;
        markers->capacity = capacity;
    }
    markers->entries[markers->count++] = (mg_marker){.producer_id = header->producer_id,
                                                     .offset = header->base_offset,
                                                     .is_abort = !control.commit};
    return MG_OK;
}

static int compare(const void *left, const void *right)
{
    const mg_marker *a = left;
    const mg_marker *b = right;
    if (a->producer_id != b->producer_id) {
        return (a->producer_id > b->producer_id) - (a->producer_id < b->producer_id);
    }
    return (a->offset > b->offset) - (a->offset < b->offset);
}

void mg_markers_sort(mg_markers *markers)
{
    if (markers->count > 1) {
        qsort(markers->entries, markers->count, sizeof *markers->entries, compare);
    }
}

mg_marker *mg_markers_find(mg_markers *markers, int64_t producer_id, int64_t offset)
{
    mg_marker wanted = {.producer_id = producer_id, .offset = offset};
    size_t low = 0; /* every entry below it comes before what is wanted */
    size_t high = markers->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&markers->entries[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == markers->count || markers->entries[low].producer_id != producer_id) return NULL;
    return &markers->entries[low];
}
