/* Both file systems answer alike. */
#include "check.h"
#include "file/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static mg_status note(void *context, const char *name, mg_error *error)
{
    (void)error;
    CHECK(strcmp(name, "b") == 0);
    ++*(int *)context;
    return MG_OK;
}

static void both_do_the_same(mg_files *files, const char *root)
{
    mg_error error;
    mg_file *file = NULL;
    char a[MG_PATH_SIZE];
    char b[MG_PATH_SIZE];
    CHECK(mg_path_join(a, root, "a", NULL) == MG_OK && mg_path_join(b, root, "b", NULL) == MG_OK);
    CHECK(mg_files_make_directory(files, root, &error) == MG_OK);
    CHECK(mg_files_make_directory(files, root, &error) == MG_BUSY);
    CHECK(mg_file_open(files, a, MG_FILE_READ, &file, &error) == MG_NOT_FOUND);
    CHECK(error.os_error == ENOENT);
    unsigned create = MG_FILE_WRITE | MG_FILE_CREATE;
    CHECK(mg_file_open(files, a, create, &file, &error) == MG_OK);
    CHECK(mg_file_reserve(file, 0, 100000, &error) == MG_OK);
    int64_t size = -1;
    CHECK(mg_file_size(file, &size, &error) == MG_OK && size == 0);
    char first[] = "hello ";
    char second[] = "world";
    struct iovec parts[] = {{first, 6}, {second, 0}, {second, 5}};
    CHECK(mg_file_write(file, 10, parts, 3, &error) == MG_OK);
    char out[64];
    size_t got = 0;
    CHECK(mg_file_read(file, 8, out, sizeof out, 0, &got, &error) == MG_OK);
    CHECK(got == 13 && memcmp(out, "\0\0hello world", 13) == 0);
    CHECK(mg_file_read(file, 100, out, sizeof out, 0, &got, &error) == MG_OK && got == 0);
    CHECK(mg_file_sync(file, &error) == MG_OK);
    CHECK(mg_file_truncate(file, 15, &error) == MG_OK);
    CHECK(mg_files_rename(files, a, b, &error) == MG_OK);
    CHECK(mg_files_rename(files, a, b, &error) == MG_NOT_FOUND);
    CHECK(mg_file_write_bytes(file, 0, "x", 1, &error) == MG_OK); /* the handle follows */
    mg_file_close(file);
    CHECK(mg_file_open(files, b, create | MG_FILE_EXCLUSIVE, &file, &error) == MG_BUSY);
    mg_file_facts facts;
    CHECK(mg_files_stat(files, b, &facts, &error) == MG_OK);
    CHECK(facts.size == 15 && !facts.is_directory);
    CHECK(mg_files_stat(files, root, &facts, &error) == MG_OK && facts.is_directory);
    int names = 0;
    CHECK(mg_files_list(files, root, note, &names, &error) == MG_OK && names == 1);
    CHECK(mg_files_sync_directory(files, root, &error) == MG_OK);

    /* A removed file lives while it is open. */
    CHECK(mg_file_open(files, b, MG_FILE_READ, &file, &error) == MG_OK);
    CHECK(mg_files_remove(files, b, &error) == MG_OK);
    CHECK(mg_files_remove(files, b, &error) == MG_NOT_FOUND);
    CHECK(mg_file_read(file, 0, out, 1, 0, &got, &error) == MG_OK && out[0] == 'x');
    mg_file_close(file);

    CHECK(mg_files_replace(files, b, "123", 3, &error) == MG_OK);
    uint8_t *data = NULL;
    CHECK(mg_files_load(files, b, 2, &data, &got, &error) == MG_TOO_LARGE);
    CHECK(mg_files_load(files, b, 3, &data, &got, &error) == MG_OK && got == 3);
    free(data);
    CHECK(mg_files_remove(files, b, &error) == MG_OK);
    CHECK(mg_files_remove(files, root, &error) == MG_OK);
}

int main(void)
{
    mg_files *files = NULL;
    char root[] = "file-XXXXXX";
    CHECK(mkdtemp(root) != NULL);
    CHECK(rmdir(root) == 0);
    CHECK(mg_files_open_posix(&files, NULL) == MG_OK);
    both_do_the_same(files, root);
    mg_files_close(files);
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    both_do_the_same(files, "root");
    mg_files_close(files);
    puts("file_test: ok");
}
