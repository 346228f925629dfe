#include "log/segment_list.h"

#include "check.h"
#include "file/memory.h"

enum { COUNT = 9 };

static void the_segment_that_holds_an_offset_is_found(void)
{
    mg_files *files = NULL;
    mg_segment_list *list = NULL;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    CHECK(mg_segment_list_open(&list, COUNT, NULL) == MG_OK);
    for (size_t i = 0; i < COUNT; i++) { /* bases 100, 110, 120, ... */
        int64_t base = 100 + 10 * (int64_t)i;
        CHECK(mg_segment_open(&list->segments[i], files, base, NULL) == MG_OK);
    }
    size_t slot = 77;
    CHECK(!mg_segment_list_find(list, 99, &slot) && slot == 77);
    for (int64_t offset = 100; offset < 300; offset++) {
        size_t expected = offset < 190 ? (size_t)(offset - 100) / 10 : COUNT - 1;
        CHECK(mg_segment_list_find(list, offset, &slot) && slot == expected);
    }
    CHECK(mg_segment_list_last(list)->base_offset == 180);
    for (size_t i = 0; i < COUNT; i++) mg_segment_close(list->segments[i]);
    mg_segment_list_close(list);
    mg_files_close(files);
}

int main(void)
{
    the_segment_that_holds_an_offset_is_found();
    puts("segment_list_test: ok");
}
