#include "net/deadlines.h"

#include <stdlib.h>

enum { HEAP_FIRST = 64 };

void mg_deadlines_init(mg_deadlines *deadlines)
{
    *deadlines = (mg_deadlines){0};
}

void mg_deadlines_deinit(mg_deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (mg_deadlines){0};
}

static void place(mg_deadlines *deadlines, mg_deadline *deadline, size_t slot)
{
    deadlines->heap[slot] = deadline;
    deadline->slot = slot;
}

static void sift_up(mg_deadlines *deadlines, mg_deadline *deadline, size_t slot)
{
    while (slot > 1 && deadlines->heap[slot / 2]->due_ms > deadline->due_ms) {
        place(deadlines, deadlines->heap[slot / 2], slot);
        slot /= 2;
    }
    place(deadlines, deadline, slot);
}

static void sift_down(mg_deadlines *deadlines, mg_deadline *deadline, size_t slot)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > deadlines->count) break;
        if (child < deadlines->count &&
            deadlines->heap[child + 1]->due_ms < deadlines->heap[child]->due_ms)
            child++;
        if (deadlines->heap[child]->due_ms >= deadline->due_ms) break;
        place(deadlines, deadlines->heap[child], slot);
        slot = child;
    }
    place(deadlines, deadline, slot);
}

bool mg_deadlines_add(mg_deadlines *deadlines, mg_deadline *deadline, int64_t due_ms)
{
    MG_ASSERT(deadline->slot == 0);
    if (deadlines->count + 1 >= deadlines->capacity) {
        size_t capacity = deadlines->capacity == 0 ? HEAP_FIRST : deadlines->capacity * 2;
        mg_deadline **heap = realloc(deadlines->heap, capacity * sizeof *heap);
        if (heap == NULL) return false;
        deadlines->heap = heap;
        deadlines->capacity = capacity;
    }
    deadline->due_ms = due_ms;
    deadlines->count++;
    sift_up(deadlines, deadline, deadlines->count);
    return true;
}

void mg_deadlines_remove(mg_deadlines *deadlines, mg_deadline *deadline)
{
    size_t slot = deadline->slot;
    if (slot == 0) return;
    MG_ASSERT(slot <= deadlines->count);
    MG_ASSERT(deadlines->heap[slot] == deadline);
    deadline->slot = 0;
    mg_deadline *moved = deadlines->heap[deadlines->count--];
    if (moved == deadline) return;
    if (slot > 1 && deadlines->heap[slot / 2]->due_ms > moved->due_ms)
        sift_up(deadlines, moved, slot);
    else
        sift_down(deadlines, moved, slot);
}

int64_t mg_deadlines_next_ms(const mg_deadlines *deadlines)
{
    return deadlines->count == 0 ? INT64_MAX : deadlines->heap[1]->due_ms;
}

mg_deadline *mg_deadlines_take_due(mg_deadlines *deadlines, int64_t now_ms)
{
    if (deadlines->count == 0 || mg_deadlines_next_ms(deadlines) > now_ms) return NULL;
    mg_deadline *first = deadlines->heap[1];
    mg_deadlines_remove(deadlines, first);
    return first;
}
