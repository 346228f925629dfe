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

static void entries_keep_their_place_while_it_grows(void)
{
    mg_offset_index *index = filled(1);
    const uint8_t *first = mg_chunks_at(&index->entries, 0);
    for (int i = 1; i < 10000; i++) {
        CHECK(mg_offset_index_reserve(index, 1, NULL) == MG_OK);
        mg_offset_index_append(
            index, (mg_offset_entry){.relative_offset = i * 10 + 9, .position = (i + 1) * 5000});
        CHECK(mg_offset_index_at(index, (size_t)i).relative_offset == i * 10 + 9);
    }
    CHECK(mg_chunks_at(&index->entries, 0) == first);
    mg_offset_index_close(index);
}

int main(void)
{
    entries_keep_their_place_while_it_grows();
    puts("chunks_test: ok");
}
