#include "log/offset_index.h"

#include "base/cursor.h"
#include "check.h"
#include "file/memory.h"

static mg_offset_index *filled(int count)
{
    mg_offset_index *index = NULL;
    CHECK(mg_offset_index_open(&index, NULL) == MG_OK);
    for (int i = 0; i < count; i++) {
        CHECK(mg_offset_index_reserve(index, 1, NULL) == MG_OK);
        mg_offset_index_append(
            index, (mg_offset_entry){.relative_offset = i * 10 + 9, .position = (i + 1) * 5000});
    }
    return index;
}

static void a_search_keeps_both_limits(void)
{
    mg_offset_index *index = filled(1000);
    mg_offset_entry found;
    CHECK(!mg_offset_index_find(index, 8, INT64_MAX, &found));
    CHECK(!mg_offset_index_find(index, INT64_MAX, 4999, &found));
    for (int64_t offset = 9; offset < 10100; offset += 3) {
        int64_t slot = (offset - 9) / 10 < 999 ? (offset - 9) / 10 : 999;
        CHECK(mg_offset_index_find(index, offset, INT64_MAX, &found));
        CHECK(found.relative_offset == slot * 10 + 9);
        CHECK(mg_offset_index_find(index, INT64_MAX, (slot + 1) * 5000, &found));
        CHECK(found.relative_offset == slot * 10 + 9);
        CHECK(mg_offset_index_find(index, offset, 5000, &found) && found.position == 5000);
    }
    mg_offset_index_close(index);
}

static void what_does_not_ascend_is_not_sound(void)
{
    const uint8_t bad[][16] = {
        {0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 10}, /* the same offset */
        {0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 0, 9}, /* the same position */
        {0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 1, 0}, /* behind the segment */
        {0xff, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 10},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mg_files *files = NULL;
        mg_file *file = NULL;
        CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
        CHECK(mg_file_open(files, "i", MG_FILE_WRITE | MG_FILE_CREATE, &file, NULL) == MG_OK);
        CHECK(mg_file_write_bytes(file, 0, bad[i], sizeof bad[i], NULL) == MG_OK);
        mg_file_close(file);
        mg_offset_index *index = NULL;
        bool sound = true;
        CHECK(mg_offset_index_open(&index, NULL) == MG_OK);
        CHECK(mg_offset_index_load(index, files, "i", 200, &sound, NULL) == MG_OK);
        CHECK(!sound && mg_chunks_count(&index->entries) == 0);
        mg_offset_index_close(index);
        mg_files_close(files);
    }
}

int main(void)
{
    a_search_keeps_both_limits();
    what_does_not_ascend_is_not_sound();
    puts("offset_index_test: ok");
}
