/* What only the kernel's files can do; the rest is in file_test.c. */
#include "check.h"
#include "file/file.h"

#include <errno.h>
#include <unistd.h>

static void a_read_that_may_not_wait(mg_files *files, const char *root)
{
    mg_file *file = NULL;
    char path[MG_PATH_SIZE];
    CHECK(mg_files_make_directory(files, root, NULL) == MG_OK);
    CHECK(mg_path_join(path, root, "a", NULL) == MG_OK);
    CHECK(mg_files_replace(files, path, "123", 3, NULL) == MG_OK);
    CHECK(mg_file_open(files, path, MG_FILE_READ, &file, NULL) == MG_OK);
    char out[8];
    size_t got = 0;
    mg_status status = mg_file_read(file, 0, out, 3, MG_FILE_NO_WAIT, &got, NULL);
    /* Written just now; yet whether it is still in memory is the kernel's affair. */
    CHECK(status == MG_WOULD_BLOCK || (status == MG_OK && got == 3));
    CHECK(mg_file_fd(file) >= 0);
    mg_file_close(file);
    CHECK(mg_files_remove(files, path, NULL) == MG_OK);
    CHECK(mg_files_remove(files, root, NULL) == MG_OK);
}

static void a_full_device_says_so(mg_files *files)
{
    mg_file *file = NULL;
    mg_error error;
    if (mg_file_open(files, "/dev/full", MG_FILE_WRITE, &file, &error) != MG_OK) return;
    CHECK(mg_file_write_bytes(file, 0, "x", 1, &error) == MG_NO_SPACE);
    CHECK(error.os_error == ENOSPC);
    mg_file_close(file);
}

static void a_disk_tells_its_space(mg_files *files)
{
    mg_file *file = NULL;
    mg_file_space space;
    CHECK(mg_file_open(files, "/proc/self/exe", MG_FILE_READ, &file, NULL) == MG_OK);
    CHECK(mg_file_find_space(file, &space, NULL) == MG_OK);
    CHECK(space.total > 0 && space.free >= 0 && space.free <= space.total);
    mg_file_close(file);
}

int main(void)
{
    mg_files *files = NULL;
    char root[] = "posix-XXXXXX";
    CHECK(mkdtemp(root) != NULL);
    CHECK(rmdir(root) == 0);
    CHECK(mg_files_open_posix(&files, NULL) == MG_OK);
    a_read_that_may_not_wait(files, root);
    a_full_device_says_so(files);
    a_disk_tells_its_space(files);
    mg_files_close(files);
    puts("posix_test: ok");
}
