/* What a power cut makes of one file's changes. */
#include "file/memory_content.h"

#include "check.h"

#include <string.h>

static void write_all(mg_memory_content *content, size_t at, char letter, size_t size,
                      uint64_t order)
{
    uint8_t bytes[4096];
    memset(bytes, letter, size);
    CHECK(mg_memory_content_write(content, at, bytes, size, order));
}

static mg_memory_cut cut_of(uint64_t seed, uint64_t order_max)
{
    return (mg_memory_cut){
        .sector_size = 512, .order_max = order_max, .kept_in_16 = 8, .state = seed};
}

static void what_was_synced_stays(void)
{
    mg_memory_content content = {.first = NULL};
    write_all(&content, 0, 'a', 1000, 1);
    CHECK(mg_memory_content_sync(&content));
    write_all(&content, 1000, 'b', 1000, 2);
    CHECK(content.now.size == 2000);
    CHECK(mg_memory_content_crash(&content, NULL));
    CHECK(content.now.size == 1000 && content.now.data[999] == 'a');
    mg_memory_content_deinit(&content);
}

/* Each sector has bytes that it had at some time, or none; a size is one that it had on the way. */
static void sectors_and_sizes_part(void)
{
    bool saw_hole = false;
    bool saw_middle = false;
    for (uint64_t seed = 0; seed < 200; seed++) {
        mg_memory_content content = {.first = NULL};
        write_all(&content, 0, 'a', 2048, 1);
        write_all(&content, 512, 'b', 512, 2);
        write_all(&content, 512, 'c', 512, 3);
        mg_memory_cut cut = cut_of(seed, UINT64_MAX);
        CHECK(mg_memory_content_crash(&content, &cut));
        CHECK(content.now.size <= 2048 && content.first == NULL);
        for (size_t at = 0; at < content.now.size; at++) {
            uint8_t byte = content.now.data[at];
            bool is_middle = at / 512 == 1;
            CHECK(byte == 0 || byte == 'a' || (is_middle && (byte == 'b' || byte == 'c')));
            CHECK(at % 512 == 0 || byte == content.now.data[at - 1] || byte == 0);
            saw_hole = saw_hole || byte == 0;
            saw_middle = saw_middle || byte == 'b';
        }
        mg_memory_content_deinit(&content);
    }
    CHECK(saw_hole && saw_middle);
}

/* A disk writes a sector as it is at that moment: nothing of it is older than something else. */
static void a_sector_is_of_one_moment(void)
{
    bool saw[4] = {false};
    for (uint64_t seed = 0; seed < 100; seed++) {
        mg_memory_content content = {.first = NULL};
        write_all(&content, 0, 'a', 100, 1);
        write_all(&content, 100, 'b', 100, 2);
        write_all(&content, 200, 'c', 400, 3);
        mg_memory_cut cut = cut_of(seed, UINT64_MAX);
        CHECK(mg_memory_content_crash(&content, &cut));
        size_t writes = 0;
        for (size_t at = 0; at < 300 && at < content.now.size; at += 100)
            if (content.now.data[at] != 0) writes++;
        for (size_t at = 0; at < 300 && at < content.now.size; at += 100)
            CHECK((content.now.data[at] != 0) == (at / 100 < writes));
        saw[writes] = true;
        mg_memory_content_deinit(&content);
    }
    CHECK(saw[0] && saw[1] && saw[2] && saw[3]);
}

static void cuts_keep_the_order_of_a_journal(void)
{
    mg_memory_content content = {.first = NULL};
    write_all(&content, 0, 'a', 1024, 1);
    CHECK(mg_memory_content_sync(&content));
    CHECK(mg_memory_content_cut(&content, 700, 2));
    CHECK(mg_memory_content_cut(&content, 100, 3));
    mg_memory_content copy = {.first = NULL};
    CHECK(mg_memory_content_copy(&copy, &content));
    mg_memory_cut cut = cut_of(1, 2);
    CHECK(mg_memory_content_crash(&copy, &cut));
    CHECK(copy.now.size == 700 && content.now.size == 100);
    mg_memory_content_deinit(&copy);
    mg_memory_content_deinit(&content);
}

/* Linux marks pages clean when their write failed; the next fdatasync says that all is well. */
static void what_a_failed_sync_dropped_is_never_written(void)
{
    mg_memory_content content = {.first = NULL};
    write_all(&content, 0, 'a', 1000, 1);
    mg_memory_content_fail_sync(&content);
    write_all(&content, 1000, 'b', 1000, 2);
    CHECK(mg_memory_content_sync(&content));
    CHECK(content.now.data[0] == 'a');
    CHECK(mg_memory_content_crash(&content, NULL));
    CHECK(content.now.size == 2000 && content.now.data[0] == 0 && content.now.data[1000] == 'b');
    mg_memory_content_deinit(&content);
}

int main(void)
{
    what_was_synced_stays();
    sectors_and_sizes_part();
    a_sector_is_of_one_moment();
    cuts_keep_the_order_of_a_journal();
    what_a_failed_sync_dropped_is_never_written();
    puts("memory_content_test: ok");
}
