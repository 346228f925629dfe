#include "rig.h"

static void what_was_appended_is_read(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 100; i++) {
        mg_log_item item = append(&r, (recipe){.records = 3, .value_size = 100});
        CHECK(item.base_offset == i * 3);
    }
    CHECK(mg_log_end_offset(r.log) == 300);
    const size_t sizes[] = {1, 500, 4096, 10000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(read_all(&r, 0, sizes[i], false) == 300);
        CHECK(read_all(&r, 0, sizes[i], false) == 300); /* now with hints */
    }
    /* From within a batch: the whole batch comes. */
    static uint8_t out[1 << 20];
    int64_t next_offset = 0;
    for (int64_t offset = 0; offset < 300; offset++) {
        (void)read_bytes(&r, offset, 1, out, &next_offset);
        CHECK((int64_t)mg_load_u64(out) == offset / 3 * 3);
        CHECK(next_offset == offset / 3 * 3 + 3);
    }
    rig_end(&r);
}

static void limits_of_a_read_are_kept(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 200; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 300});
    mg_log_slice slice;
    for (int64_t end = 0; end <= 400; end++) {
        CHECK(mg_log_read(r.log, 0, end, 1 << 20, 0, &slice, &r.error) == MG_OK);
        CHECK(slice.next_offset == end / 2 * 2);
        CHECK((slice.size == 0) == (end < 2));
        mg_log_slice_release(&slice);
    }
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 10, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.size == 0 && slice.next_offset == 0);
    CHECK(mg_log_read(r.log, 401, INT64_MAX, 10, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_read(r.log, -1, INT64_MAX, 10, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_read(r.log, 400, INT64_MAX, 10, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.size == 0 && slice.segment == NULL);
    rig_end(&r);
}

static void a_cold_read_does_not_wait(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 100});
    mg_log_slice slice;
    mg_memory_set_cold(r.files, true);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) ==
          MG_WOULD_BLOCK);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    mg_memory_set_cold(r.files, false);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    (void)append(&r, (recipe){.value_size = 100});
    rig_reopen(&r); /* the sealed segment is closed now */
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) ==
          MG_WOULD_BLOCK);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    rig_end(&r);
}

int main(void)
{
    what_was_appended_is_read();
    limits_of_a_read_are_kept();
    a_cold_read_does_not_wait();
    puts("read_test: ok");
}
