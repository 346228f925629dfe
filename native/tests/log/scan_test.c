#include "written.h"

static void old_formats_are_refused(void)
{
    /* Format 1, made by hand: offset 0, size 22, crc, magic 1, attributes 0, time, nulls. */
    uint8_t old[34] = {0};
    mg_store_u32(old + 8, 22);
    old[16] = 1;
    mg_store_u32(old + 26, UINT32_MAX);
    mg_store_u32(old + 30, UINT32_MAX);
    uint32_t crc = UINT32_MAX;
    for (size_t i = 16; i < sizeof old; i++) {
        crc ^= old[i];
        for (int b = 0; b < 8; b++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
    }
    mg_store_u32(old + 12, ~crc);
    for (int clean = 0; clean < 2; clean++) {
        rig r = rig_make();
        rig_open(&r);
        rig_close_log(&r);
        store_file(&r, FIRST_LOG, old, sizeof old);
        r.start.clean = clean == 1;
        CHECK(rig_try_open(&r) == MG_UNSUPPORTED);
        CHECK(load_file(&r, FIRST_LOG, bytes, sizeof bytes) == sizeof old);
        rig_end(&r);
    }
}

int main(void)
{
    old_formats_are_refused();
    puts("scan_test: ok");
}
