#include "written.h"

static void rebuilt_indexes_are_the_same_bytes(void)
{
    static uint8_t before[FILE_ROOM];
    rig r = written();
    const char *const suffixes[] = {".index", ".timeindex"};
    for (int s = 0; s < 2; s++) {
        size_t size = load_file(&r, name_of(1, suffixes[s]), before, sizeof before);
        CHECK(size > 0 && size != SIZE_MAX);
        remove_file_named(&r, name_of(1, suffixes[s]));
        for (int clean = 0; clean < 2; clean++) {
            r.start.clean = clean == 1;
            if (s == 1 && clean == 1) continue; /* Kafka leaves that one empty; so do we */
            rig_open(&r);
            CHECK(r.report.indexes_rebuilt > 0);
            rig_close_log(&r);
            CHECK(load_file(&r, name_of(1, suffixes[s]), bytes, sizeof bytes) == size);
            CHECK(memcmp(before, bytes, size) == 0);
            if (clean == 0 && s == 0) remove_file_named(&r, name_of(1, suffixes[s]));
        }
    }
    rig_end(&r);
}

int main(void)
{
    rebuilt_indexes_are_the_same_bytes();
    puts("index_walk_test: ok");
}
