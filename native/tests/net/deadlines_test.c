/* The heap gives back in time order, whatever was removed in between. */
#include "net/deadlines.h"

#include "check.h"

enum { COUNT = 2000 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void gives_back_in_order_of_time(void)
{
    static mg_deadline all[COUNT];
    mg_deadlines deadlines;
    mg_deadlines_init(&deadlines);
    uint32_t seed = 7;
    for (int i = 0; i < COUNT; i++)
        CHECK(mg_deadlines_add(&deadlines, &all[i], (int64_t)(next_random(&seed) % 500)));
    for (int i = 0; i < COUNT; i += 3) mg_deadlines_remove(&deadlines, &all[i]);
    mg_deadlines_remove(&deadlines, &all[0]); /* once more is nothing */

    int64_t last_ms = -1;
    int taken = 0;
    for (;;) {
        mg_deadline *first = mg_deadlines_take_due(&deadlines, INT64_MAX);
        if (first == NULL) break;
        CHECK(first->due_ms >= last_ms);
        CHECK(first->slot == 0);
        CHECK((first - all) % 3 != 0);
        last_ms = first->due_ms;
        taken++;
    }
    CHECK(taken == COUNT - (COUNT + 2) / 3);
    mg_deadlines_deinit(&deadlines);
}

static void nothing_is_due_before_its_time(void)
{
    mg_deadlines deadlines;
    mg_deadlines_init(&deadlines);
    CHECK(mg_deadlines_next_ms(&deadlines) == INT64_MAX);
    CHECK(mg_deadlines_take_due(&deadlines, INT64_MAX - 1) == NULL);
    mg_deadline one = {0};
    CHECK(mg_deadlines_add(&deadlines, &one, 100));
    CHECK(mg_deadlines_take_due(&deadlines, 99) == NULL);
    CHECK(mg_deadlines_next_ms(&deadlines) == 100);
    CHECK(mg_deadlines_take_due(&deadlines, 100) == &one);
    mg_deadlines_deinit(&deadlines);
}

int main(void)
{
    gives_back_in_order_of_time();
    nothing_is_due_before_its_time();
    puts("deadlines_test: ok");
}
