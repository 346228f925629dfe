#include "keyed.h"

static void a_lag_and_a_limit_are_kept(void)
{
    keyed *k = keyed_make(7);
    rig_open(&k->r);
    for (int i = 0; i < 300; i++)
        CHECK(try_append_random(k, NOW_MS + k->end) == MG_OK);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    mg_cleanable all;
    mg_cleanable some;
    CHECK(mg_log_cleanable(k->r.log, 0, INT64_MAX, 0, NOW_MS, true, &all, NULL) == MG_OK);
    CHECK(all.clean_size == 0 && all.cleanable_size > 0 && all.earliest_timestamp > NOW_MS);
    CHECK(all.first_uncleanable_offset < k->end);
    CHECK(mg_log_cleanable(k->r.log, 0, 300, 0, NOW_MS, false, &some, NULL) == MG_OK);
    CHECK(some.first_uncleanable_offset <= 300 && some.first_uncleanable_offset > 100);
    CHECK(mg_log_cleanable(k->r.log, 0, INT64_MAX, 1000, NOW_MS + 1300, false, &some, NULL) ==
          MG_OK);
    CHECK(some.first_uncleanable_offset <= 300 && some.first_uncleanable_offset > 100);
    CHECK(some.earliest_timestamp == -1);
    CHECK(mg_log_cleanable(k->r.log, 300, INT64_MAX, 0, NOW_MS, false, &some, NULL) == MG_OK);
    CHECK(some.clean_size > 0 && some.clean_size + some.cleanable_size > all.cleanable_size);
    CHECK(mg_log_cleanable(k->r.log, k->end + 1, INT64_MAX, 0, NOW_MS, false, &some, NULL) ==
          MG_OK);
    CHECK(some.first_dirty_offset == 0);
    keyed_end(k);
}

int main(void)
{
    a_lag_and_a_limit_are_kept();
    puts("cleanable_test: ok");
}
