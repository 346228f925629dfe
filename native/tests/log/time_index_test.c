#include "log/time_index.h"

#include "check.h"
#include "file/memory.h"

static void only_growth_makes_an_entry(void)
{
    mg_time_index *index = NULL;
    CHECK(mg_time_index_open(&index, NULL) == MG_OK);
    CHECK(mg_time_index_reserve(index, 10, NULL) == MG_OK);
    const int64_t times[] = {-1, 5, 5, 4, 6};
    for (int i = 0; i < 5; i++) {
        mg_time_index_append(index, (mg_time_entry){.timestamp = times[i], .relative_offset = i});
    }
    CHECK(mg_chunks_count(&index->entries) == 2);
    CHECK(mg_time_index_at(index, 0).relative_offset == 1);
    CHECK(mg_time_index_at(index, 1).relative_offset == 4);
    mg_time_index_close(index);
}

static void memory_and_file_find_the_same(void)
{
    mg_files *files = NULL;
    mg_file *file = NULL;
    mg_time_index *index = NULL;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    CHECK(mg_time_index_open(&index, NULL) == MG_OK);
    CHECK(mg_time_index_reserve(index, 900, NULL) == MG_OK);
    for (int i = 0; i < 900; i++) {
        mg_time_index_append(index, (mg_time_entry){.timestamp = i * 3 + 1, .relative_offset = i});
    }
    CHECK(mg_time_index_write(index, files, "t", NULL) == MG_OK);
    CHECK(mg_file_open(files, "t", MG_FILE_READ, &file, NULL) == MG_OK);
    size_t count = 0;
    CHECK(mg_time_file_count(file, 0, &count, NULL) == MG_OK && count == 900);
    for (int64_t t = 0; t < 2800; t++) {
        mg_time_entry here;
        mg_time_entry there;
        bool found = mg_time_index_find(index, t, &here);
        CHECK(found == (t >= 1));
        CHECK(mg_time_file_find(file, count, t, &there, NULL) == (found ? MG_OK : MG_NOT_FOUND));
        if (!found) continue;
        int64_t slot = (t - 1) / 3 < 899 ? (t - 1) / 3 : 899;
        CHECK(here.relative_offset == slot && there.relative_offset == slot);
    }
    mg_time_entry last;
    CHECK(mg_time_file_at(file, 899, &last, NULL) == MG_OK && last.timestamp == 899 * 3 + 1);
    mg_file_close(file);
    bool sound = false;
    mg_time_index *loaded = NULL;
    CHECK(mg_time_index_open(&loaded, NULL) == MG_OK);
    CHECK(mg_time_index_load(loaded, files, "t", &sound, NULL) == MG_OK && sound);
    CHECK(mg_chunks_count(&loaded->entries) == 900);
    mg_time_index_close(loaded);
    mg_time_index_close(index);
    mg_files_close(files);
}

int main(void)
{
    only_growth_makes_an_entry();
    memory_and_file_find_the_same();
    puts("time_index_test: ok");
}
