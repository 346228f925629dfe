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

/* The file answers as the memory does, with Kafka's preallocated tail and without. */
static void the_file_finds_the_same(void)
{
    const int counts[] = {0, 1, 2, 511, 512, 513, 3000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (int zeros = 0; zeros < 3; zeros++) {
            mg_files *files = NULL;
            mg_file *file = NULL;
            CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
            mg_offset_index *index = filled(counts[c]);
            CHECK(mg_offset_index_write(index, files, "i", NULL) == MG_OK);
            CHECK(mg_file_open(files, "i", MG_FILE_WRITE, &file, NULL) == MG_OK);
            CHECK(mg_file_truncate(file, counts[c] * 8 + zeros * 4000, NULL) == MG_OK);
            size_t count = 99;
            CHECK(mg_offset_file_count(file, 0, &count, NULL) == MG_OK);
            CHECK(count == (size_t)counts[c]);
            for (int64_t offset = 0; offset < counts[c] * 10 + 20; offset += 7) {
                mg_offset_entry here;
                mg_offset_entry there;
                bool found = mg_offset_index_find(index, offset, offset * 600, &here);
                mg_status status =
                    mg_offset_file_find(file, count, offset, offset * 600, 0, &there, NULL);
                CHECK(status == (found ? MG_OK : MG_NOT_FOUND));
                if (found) CHECK(here.position == there.position);
            }
            bool sound = false;
            mg_offset_index *loaded = NULL;
            CHECK(mg_offset_index_open(&loaded, NULL) == MG_OK);
            CHECK(mg_offset_index_load(loaded, files, "i", INT32_MAX, &sound, NULL) == MG_OK);
            CHECK(sound && mg_chunks_count(&loaded->entries) == count);
            mg_offset_index_close(loaded);
            mg_offset_index_close(index);
            mg_file_close(file);
            mg_files_close(files);
        }
    }
}

int main(void)
{
    the_file_finds_the_same();
    puts("entry_file_test: ok");
}
