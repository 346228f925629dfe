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

static void a_name_may_be_held_to_its_file(mg_files *files, const char *root)
{
    char path[MG_PATH_SIZE];
    mg_error error;
    mg_file_facts facts;
    mg_file_facts directory;
    mg_file_facts changed;
    mg_pooled_file pooled;
    CHECK(mg_files_make_directory(files, root, &error) == MG_OK);
    CHECK(mg_path_join(path, root, "a", NULL) == MG_OK);
    CHECK(mg_files_replace(files, path, "123", 3, &error) == MG_OK);
    CHECK(mg_files_stat(files, path, &facts, &error) == MG_OK);
    CHECK(mg_files_stat(files, root, &directory, &error) == MG_OK);
    CHECK(facts.identity != 0 && facts.identity != directory.identity);
    mg_pooled_init(&pooled);
    pooled.identity = facts.identity;
    CHECK(mg_pooled_pin(&pooled, files, path, &error) == MG_OK);

    /* Open, it stays what it was; closed, it does not become another. */
    CHECK(mg_files_replace(files, path, "45", 2, &error) == MG_OK);
    CHECK(mg_files_stat(files, path, &changed, &error) == MG_OK);
    CHECK(changed.identity != facts.identity);
    CHECK(mg_files_stat(files, root, &changed, &error) == MG_OK);
    CHECK(changed.identity == directory.identity);
    CHECK(changed.modified_ns >= directory.modified_ns);
    int64_t size = 0;
    CHECK(mg_file_size(pooled.file, &size, &error) == MG_OK && size == 3);
    mg_pooled_unpin(&pooled);
    CHECK(mg_pooled_retire(&pooled, files));
    CHECK(mg_pooled_pin(&pooled, files, path, &error) == MG_CLOSED);
    CHECK(mg_files_remove(files, path, &error) == MG_OK);
    CHECK(mg_pooled_pin(&pooled, files, path, &error) == MG_CLOSED);
    pooled.identity = 0;
    CHECK(mg_pooled_pin(&pooled, files, path, &error) == MG_NOT_FOUND);
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
    a_name_may_be_held_to_its_file(files, root);
    mg_files_close(files);
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    the_pool_closes_the_idle(files, "root");
    a_name_may_be_held_to_its_file(files, "root");
    mg_files_close(files);
    puts("pool_test: ok");
}
