/* segment_list.h -- all segments of a log, by base offset: an immutable value that readers follow
 * without locks. A change makes a new list and retires the old one (retired.h).
 *
 * The last segment is the active one; there is always at least one.
 */
#ifndef MG_LOG_SEGMENT_LIST_H
#define MG_LOG_SEGMENT_LIST_H

#include "log/segment.h"

typedef struct mg_segment_list {
    mg_retired retired;
    size_t count;
    mg_segment *segments[];
} mg_segment_list;

/* A list of `count` slots that the caller fills before publishing it. */
MG_WARN_UNUSED mg_status mg_segment_list_open(mg_segment_list **out, size_t count, mg_error *error);
void mg_segment_list_close(mg_segment_list *list); /* the segments stay */

static inline mg_segment *mg_segment_list_last(const mg_segment_list *list)
{
    MG_ASSERT(list->count > 0);
    return list->segments[list->count - 1];
}

/* The slot of the last segment whose base is at most `offset`; false where all lie above. */
bool mg_segment_list_find(const mg_segment_list *list, int64_t offset, size_t *slot);

#endif
