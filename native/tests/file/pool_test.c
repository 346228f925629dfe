#include "file/pool.h"

#include "check.h"
#include "file/memory.h"

#include <unistd.h>

static void the_pool_closes_the_idle(mg_files *files, const char *root)
{
    enum { COUNT = MG_FILE_POOL_OPEN_MAX + 50 };
    static mg_pooled_file pooled[COUNT];
    char path[MG_PATH_SIZE];
    mg_error error;
    CHECK(mg_files_make_directory(files, root, &error) == MG_OK);
    CHECK(mg_path_join(path, root, "a", NULL) == MG_OK);
    CHECK(mg_files_replace(files, path, "123", 3, &error) == MG_OK);
    for (int i = 0; i < COUNT; i++) {
        mg_pooled_init(&pooled[i]);
        CHECK(!mg_pooled_try_pin(&pooled[i]));
        CHECK(mg_pooled_pin(&pooled[i], files, path, &error) == MG_OK);
        CHECK(mg_pooled_try_pin(&pooled[i]));
        mg_pooled_unpin(&pooled[i]);
        if (i >= 20) mg_pooled_unpin(&pooled[i]); /* the first twenty stay in use */
    }
    int open = 0;
    for (int i = 0; i < COUNT; i++) {
        bool is_open = mg_pooled_try_pin(&pooled[i]);
        if (is_open) mg_pooled_unpin(&pooled[i]);
        if (i < 20) CHECK(is_open);
        open += is_open;
    }
    CHECK(open == MG_FILE_POOL_OPEN_MAX);
    for (int i = 0; i < COUNT; i++) {
        if (i < 20) {
            CHECK(!mg_pooled_retire(&pooled[i], files));
            mg_pooled_unpin(&pooled[i]);
        }
        CHECK(mg_pooled_retire(&pooled[i], files));
    }
    CHECK(mg_files_remove(files, path, &error) == MG_OK);
    CHECK(mg_files_remove(files, root, &error) == MG_OK);
}

int main(void)
{
    mg_files *files = NULL;
    char root[] = "file-XXXXXX";
    CHECK(mkdtemp(root) != NULL);
    CHECK(rmdir(root) == 0);
    CHECK(mg_files_open_posix(&files, NULL) == MG_OK);
    the_pool_closes_the_idle(files, root);
    mg_files_close(files);
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    the_pool_closes_the_idle(files, "root");
    mg_files_close(files);
    puts("pool_test: ok");
}
