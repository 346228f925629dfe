#include "log/segment_list.h"

#include <stdlib.h>

static bool release(mg_retired *retired)
{
    mg_segment_list_close((mg_segment_list *)(void *)retired);
    return true;
}

mg_status mg_segment_list_open(mg_segment_list **out, size_t count, mg_error *error)
{
    MG_ASSERT(count > 0);
    mg_segment_list *list = malloc(sizeof *list + count * sizeof(mg_segment *));
    if (list == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "segment list");
    list->retired = (mg_retired){.next = NULL, .release = release};
    list->count = count;
    for (size_t i = 0; i < count; i++)
        list->segments[i] = NULL;
    *out = list;
    return MG_OK;
}

void mg_segment_list_close(mg_segment_list *list)
{
    free(list);
}

bool mg_segment_list_find(const mg_segment_list *list, int64_t offset, size_t *slot)
{
    size_t low = 0; /* segments below it begin at or below the offset */
    size_t high = list->count;
    if (list->segments[high - 1]->base_offset <= offset) low = high; /* the usual case */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->segments[middle]->base_offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return false;
    *slot = low - 1;
    return true;
}
