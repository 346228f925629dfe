#include "file/memory.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static mg_files *begin(void)
{
    mg_files *files = NULL;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    CHECK(mg_files_make_directory(files, "d", NULL) == MG_OK);
    return files;
}

static void write_to(mg_files *files, const char *path, const char *text, bool synced)
{
    mg_file *file = NULL;
    CHECK(mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE, &file, NULL) == MG_OK);
    CHECK(mg_file_write_bytes(file, 0, text, strlen(text), NULL) == MG_OK);
    if (synced) CHECK(mg_file_sync(file, NULL) == MG_OK);
    mg_file_close(file);
}

/* The text of a file, or NULL. */
static const char *read_from(mg_files *files, const char *path)
{
    static char text[100];
    mg_file *file = NULL;
    size_t got = 0;
    if (mg_file_open(files, path, MG_FILE_READ, &file, NULL) != MG_OK) return NULL;
    CHECK(mg_file_read(file, 0, text, sizeof text - 1, 0, &got, NULL) == MG_OK);
    text[got] = '\0';
    mg_file_close(file);
    return text;
}

static void forgetting_takes_what_was_not_synced(void)
{
    mg_files *files = begin();
    write_to(files, "d/a", "old", true);
    write_to(files, "d/b", "never named", true);
    CHECK(mg_files_sync_directory(files, "d", NULL) == MG_OK);
    write_to(files, "d/a", "new", false);
    write_to(files, "d/c", "synced without a name", true);
    mg_memory_play_crash(files, MG_MEMORY_CRASH_FORGET, 512, 0);
    CHECK(strcmp(read_from(files, "d/a"), "old") == 0);
    CHECK(read_from(files, "d/b") != NULL && read_from(files, "d/c") == NULL);
    mg_files_close(files);
}

static void a_rename_is_forgotten_whole(void)
{
    mg_files *files = begin();
    write_to(files, "d/a", "old", true);
    CHECK(mg_files_sync_directory(files, "d", NULL) == MG_OK);
    write_to(files, "d/a.tmp", "new", true);
    CHECK(mg_files_rename(files, "d/a.tmp", "d/a", NULL) == MG_OK);
    CHECK(strcmp(read_from(files, "d/a"), "new") == 0);
    mg_memory_play_crash(files, MG_MEMORY_CRASH_FORGET, 512, 0);
    CHECK(strcmp(read_from(files, "d/a"), "old") == 0);
    mg_files_close(files);
}

static void tearing_mixes_sectors(void)
{
    bool saw_mixed = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        static char old[8 * 512 + 1], new[8 * 512 + 1], out[8 * 512];
        memset(old, 'o', sizeof old - 1);
        memset(new, 'n', sizeof new - 1);
        mg_files *files = begin();
        write_to(files, "d/a", old, true);
        CHECK(mg_files_sync_directory(files, "d", NULL) == MG_OK);
        write_to(files, "d/a", new, false);
        mg_memory_play_crash(files, MG_MEMORY_CRASH_TEAR, 512, seed);
        mg_file *file = NULL;
        size_t got = 0;
        CHECK(mg_file_open(files, "d/a", MG_FILE_READ, &file, NULL) == MG_OK);
        CHECK(mg_file_read(file, 0, out, sizeof out, 0, &got, NULL) == MG_OK);
        CHECK(got == sizeof out);
        int news = 0;
        for (int sector = 0; sector < 8; sector++) {
            CHECK(memcmp(out + sector * 512, old, 512) == 0 ||
                  memcmp(out + sector * 512, new, 512) == 0);
            news += out[sector * 512] == 'n';
        }
        saw_mixed = saw_mixed || (news > 0 && news < 8);
        mg_file_close(file);
        mg_files_close(files);
    }
    CHECK(saw_mixed);
}

static void faults_come_where_they_were_ordered(void)
{
    mg_files *files = begin();
    mg_error error;
    mg_file *file = NULL;
    CHECK(mg_file_open(files, "d/a", MG_FILE_WRITE | MG_FILE_CREATE, &file, NULL) == MG_OK);
    mg_memory_fail_at(files, MG_MEMORY_FAULT_ONCE, 1, EIO);
    CHECK(mg_file_write_bytes(file, 0, "1234", 4, &error) == MG_OK);
    CHECK(mg_file_write_bytes(file, 4, "5678", 4, &error) == MG_IO && error.os_error == EIO);
    CHECK(mg_file_sync(file, &error) == MG_OK);
    mg_file_close(file);
    CHECK(strcmp(read_from(files, "d/a"), "123456") == 0); /* a short write */
    mg_memory_fail_at(files, MG_MEMORY_FAULT_STOP, 0, ENOSPC);
    CHECK(mg_files_sync_directory(files, "d", &error) == MG_NO_SPACE);
    CHECK(mg_files_sync_directory(files, "d", &error) == MG_NO_SPACE);
    mg_files_close(files);
}

static void a_full_disk_refuses_to_reserve(void)
{
    mg_files *files = begin();
    mg_file *file = NULL;
    mg_memory_set_capacity(files, 100);
    CHECK(mg_file_open(files, "d/a", MG_FILE_WRITE | MG_FILE_CREATE, &file, NULL) == MG_OK);
    CHECK(mg_file_reserve(file, 0, 101, NULL) == MG_NO_SPACE);
    CHECK(mg_file_reserve(file, 0, 100, NULL) == MG_OK);
    CHECK(mg_file_write_bytes(file, 50, "1234", 4, NULL) == MG_OK);
    CHECK(mg_file_write_bytes(file, 98, "1234", 4, NULL) == MG_NO_SPACE);
    mg_file_close(file);
    mg_files_close(files);
}

/* A directory that was never synced takes along what is in it, however durable that is. */
static void a_lost_directory_takes_its_files_along(void)
{
    mg_files *files = begin();
    CHECK(mg_files_make_directory(files, "d/e", NULL) == MG_OK);
    write_to(files, "d/e/a", "synced", true);
    CHECK(mg_files_sync_directory(files, "d/e", NULL) == MG_OK);
    mg_files *copy = NULL;
    CHECK(mg_memory_copy(files, &copy, NULL) == MG_OK);
    mg_memory_play_crash(files, MG_MEMORY_CRASH_FORGET, 512, 0);
    CHECK(read_from(files, "d/e/a") == NULL);
    CHECK(mg_files_sync_directory(copy, "d", NULL) == MG_OK);
    mg_memory_play_crash(copy, MG_MEMORY_CRASH_FORGET, 512, 0);
    CHECK(strcmp(read_from(copy, "d/e/a"), "synced") == 0);
    mg_files_close(files);
    mg_files_close(copy);
}

/* A rename whose file was not synced: the old one, the new one, or a new one without bytes. */
static void a_renamed_file_may_be_empty(void)
{
    int olds = 0;
    int news = 0;
    int empties = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        mg_files *files = begin();
        write_to(files, "d/a", "old", true);
        CHECK(mg_files_sync_directory(files, "d", NULL) == MG_OK);
        write_to(files, "d/a.tmp", "new", false);
        CHECK(mg_files_rename(files, "d/a.tmp", "d/a", NULL) == MG_OK);
        mg_memory_play_crash(files, MG_MEMORY_CRASH_TEAR, 512, seed);
        const char *text = read_from(files, "d/a");
        CHECK(text != NULL);
        olds += strcmp(text, "old") == 0;
        news += strcmp(text, "new") == 0;
        empties += text[0] == '\0';
        mg_files_close(files);
    }
    CHECK(olds > 0 && news > 0 && empties > 0);
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void a_watcher_sees_each_change_once(void)
{
    mg_files *files = begin();
    int calls = 0;
    mg_memory_watch(files, count_call, &calls);
    write_to(files, "d/a", "1", true); /* makes, writes, syncs */
    CHECK(calls == 2);
    CHECK(read_from(files, "d/a") != NULL && calls == 3);
    CHECK(read_from(files, "d/a") != NULL && calls == 3);
    mg_files_close(files);
}

int main(void)
{
    a_lost_directory_takes_its_files_along();
    a_renamed_file_may_be_empty();
    a_watcher_sees_each_change_once();
    forgetting_takes_what_was_not_synced();
    a_rename_is_forgotten_whole();
    tearing_mixes_sectors();
    faults_come_where_they_were_ordered();
    a_full_disk_refuses_to_reserve();
    puts("memory_test: ok");
}
