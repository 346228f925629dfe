#include "written.h"

static void an_index_that_lies_is_noticed(void)
{
    /* Preallocated tails of zeros, as Kafka leaves them when it is killed, called clean. */
    rig r = written();
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        size_t size = load_file(&r, name_of(n, ".index"), bytes, sizeof bytes);
        memset(bytes + size, 0, 8000);
        store_file(&r, name_of(n, ".index"), bytes, size + 8000);
        size = load_file(&r, name_of(n, ".timeindex"), bytes, sizeof bytes);
        memset(bytes + size, 0, 12000);
        store_file(&r, name_of(n, ".timeindex"), bytes, size + 12000);
    }
    r.start.clean = true;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(read_all(&r, 0, 700, false) == 120);
    rig_close_log(&r);

    /* Entries that point into batches, in a sealed segment and in the last. */
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        size_t size = load_file(&r, name_of(n, ".index"), bytes, sizeof bytes);
        if (size < 8) continue;
        for (size_t at = 0; at + 8 <= size; at += 8) {
            mg_store_u32(bytes + at + 4, mg_load_u32(bytes + at + 4) + 61);
        }
        store_file(&r, name_of(n, ".index"), bytes, size);
    }
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 120); /* Kafka ends at the lie */
    CHECK(read_all(&r, 0, 700, false) == 120);
    for (int64_t offset = 0; offset < 120; offset++) {
        int64_t next_offset = 0;
        CHECK(read_bytes(&r, offset, 1, bytes, &next_offset) > 0);
        CHECK((int64_t)mg_load_u64(bytes) == offset / 2 * 2);
    }
    rig_end(&r);
}

/* Called clean, so nothing checks the files but their use. */
static void any_byte_of_an_index_may_lie(void)
{
    const char *const suffixes[] = {".index", ".timeindex"};
    int last = 0;
    rig probe = written();
    while (has_file(&probe, name_of(last + 1, ".log")))
        last++;
    rig_end(&probe);
    for (int n = 0; n <= last; n += last) {
        for (int s = 0; s < 2; s++) {
            for (size_t at = 0; at < 24; at++) {
                rig r = written();
                size_t size = load_file(&r, name_of(n, suffixes[s]), bytes, sizeof bytes);
                if (at < size) bytes[at] ^= 0x81;
                store_file(&r, name_of(n, suffixes[s]), bytes, size);
                r.start.clean = true;
                rig_open(&r);
                CHECK(mg_log_end_offset(r.log) == 120);
                CHECK(read_all(&r, 0, 700, false) == 120);
                CHECK(read_all(&r, 0, 1, false) == 120);
                for (int i = 0; i < 40; i++) {
                    (void)append(&r, (recipe){.value_size = 100, .timestamp = NOW_MS * 2 + i});
                }
                rig_reopen(&r);
                CHECK(read_all(&r, 0, 700, false) == 160);
                rig_end(&r);
            }
        }
    }
}

int main(void)
{
    an_index_that_lies_is_noticed();
    any_byte_of_an_index_may_lie();
    puts("segment_test: ok");
}
