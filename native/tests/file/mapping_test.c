/* Files in a directory of its own under the current one; the kernel's and memory's. */
#include "file/mapping.h"

#include "file/memory.h"

#include "check.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 3 * 1024 * 1024 + 77, THREADS = 4, ROUNDS = 2000 };

typedef struct place {
    mg_files *files;
    char path[64];
    uint8_t *bytes; /* what the file holds */
} place;

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 4096);
    return bytes;
}

static mg_file *open_file(const place *p, unsigned flags)
{
    mg_file *file = NULL;
    CHECK(mg_file_open(p->files, p->path, flags, &file, NULL) == MG_OK);
    return file;
}

static void write_file(const place *p)
{
    mg_file *file = open_file(p, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY);
    CHECK(mg_file_write_bytes(file, 0, p->bytes, SIZE, NULL) == MG_OK);
    mg_file_close(file);
}

static void the_bytes_outlive_the_file(const place *p)
{
    write_file(p);
    mg_file *file = open_file(p, MG_FILE_READ);
    mg_mapping *mapping = NULL;
    CHECK(mg_mapping_open(&mapping, file, SIZE, NULL) == MG_OK);
    CHECK(mg_mapping_begin(mapping) == 0 && mg_mapping_end(mapping) == SIZE);
    mg_file_close(file);
    CHECK(mg_files_remove(p->files, p->path, NULL) == MG_OK);
    mg_mapping_keep(mapping);
    mg_mapping_release(mapping);
    CHECK(mg_mapping_prepare(mapping, 100, SIZE - 100, NULL) == MG_OK);
    CHECK(memcmp(mg_mapping_at(mapping, 0), p->bytes, SIZE) == 0);
    mg_mapping_release(mapping);
}

static void a_file_grows_under_its_mapping(const place *p)
{
    mg_file *file = open_file(p, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY);
    CHECK(mg_file_write_bytes(file, 0, p->bytes, 1000, NULL) == MG_OK);
    mg_mapping *mapping = NULL;
    CHECK(mg_mapping_open(&mapping, file, SIZE, NULL) == MG_OK);
    CHECK(memcmp(mg_mapping_at(mapping, 0), p->bytes, 1000) == 0);
    CHECK(mg_file_write_bytes(file, 1000, p->bytes + 1000, SIZE - 1000, NULL) == MG_OK);
    CHECK(mg_mapping_prepare(mapping, 1000, SIZE - 1000, NULL) == MG_OK);
    CHECK(memcmp(mg_mapping_at(mapping, 0), p->bytes, SIZE) == 0);
    mg_mapping_release(mapping);
    mg_file_close(file);
}

static void a_cut_file_is_an_error_of_prepare(const place *p)
{
    write_file(p);
    mg_file *file = open_file(p, MG_FILE_WRITE);
    mg_mapping *mapping = NULL;
    mg_error error;
    CHECK(mg_mapping_open(&mapping, file, SIZE, NULL) == MG_OK);
    CHECK(mg_file_truncate(file, 10000, NULL) == MG_OK);
    CHECK(mg_mapping_prepare(mapping, 0, SIZE, &error) == MG_IO);
    CHECK(mg_mapping_prepare(mapping, SIZE - 1, 1, &error) == MG_IO);
    CHECK(mg_mapping_prepare(mapping, 0, 10000, &error) == MG_OK);
    CHECK(memcmp(mg_mapping_at(mapping, 0), p->bytes, 10000) == 0);
    mg_mapping_release(mapping);
    mg_file_close(file);
}

static void a_watcher_keeps_nothing_alive(const place *p)
{
    write_file(p);
    mg_file *file = open_file(p, MG_FILE_READ);
    mg_mapping *mapping = NULL;
    CHECK(mg_mapping_open(&mapping, file, SIZE, NULL) == MG_OK);
    mg_file_close(file);
    mg_mapping_watch(mapping);
    CHECK(mg_mapping_try_keep(mapping));
    mg_mapping_release(mapping);
    mg_mapping_release(mapping);
    CHECK(!mg_mapping_try_keep(mapping));
    CHECK(mg_mapping_end(mapping) == SIZE); /* the name is still there */
    mg_mapping_unwatch(mapping);
    mg_mapping_unwatch(NULL);
    mg_mapping_release(NULL);
}

static void *keep_and_release(void *context)
{
    mg_mapping *mapping = context;
    uint8_t seen = 0;
    for (int i = 0; i < ROUNDS && mg_mapping_try_keep(mapping); i++) {
        seen ^= *mg_mapping_at(mapping, i * 100);
        mg_mapping_release(mapping);
    }
    mg_mapping_unwatch(mapping);
    return seen == 0 ? NULL : mapping;
}

static void threads_may_keep_and_release(const place *p)
{
    write_file(p);
    mg_file *file = open_file(p, MG_FILE_READ);
    mg_mapping *mapping = NULL;
    CHECK(mg_mapping_open(&mapping, file, SIZE, NULL) == MG_OK);
    mg_file_close(file);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        mg_mapping_watch(mapping);
        CHECK(pthread_create(&threads[i], NULL, keep_and_release, mapping) == 0);
    }
    usleep(1000); /* then it goes away under some of them, or not: both are right */
    mg_mapping_release(mapping);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void what_cannot_be_mapped_is_copied(const place *p)
{
    write_file(p);
    mg_file *file = open_file(p, MG_FILE_READ);
    mg_mapping *mapping = NULL;
    mg_error error;
    if (mg_file_fd(file) < 0) {
        CHECK(mg_mapping_open(&mapping, file, SIZE, &error) == MG_UNSUPPORTED);
    }
    CHECK(mg_mapping_open_copy(&mapping, file, 1000, SIZE - 1000 + 1, &error) == MG_IO);
    CHECK(mapping == NULL);
    CHECK(mg_mapping_open_copy(&mapping, file, 1000, SIZE - 1000, &error) == MG_OK);
    mg_file_close(file);
    CHECK(mg_mapping_begin(mapping) == 1000 && mg_mapping_end(mapping) == SIZE);
    CHECK(mg_mapping_prepare(mapping, 2000, 10, &error) == MG_OK);
    CHECK(memcmp(mg_mapping_at(mapping, 1000), p->bytes + 1000, SIZE - 1000) == 0);
    mg_mapping_release(mapping);
}

static void in_memory(uint8_t *bytes)
{
    place p = {.bytes = bytes, .path = "file"};
    CHECK(mg_files_open_memory(&p.files, NULL) == MG_OK);
    what_cannot_be_mapped_is_copied(&p);
    mg_files_close(p.files);
}

int main(void)
{
    uint8_t *bytes = pattern(SIZE);
    place p = {.bytes = bytes};
    char root[] = "mapping-XXXXXX";
    CHECK(mkdtemp(root) != NULL);
    snprintf(p.path, sizeof p.path, "%s/file", root);
    CHECK(mg_files_open_posix(&p.files, NULL) == MG_OK);
    the_bytes_outlive_the_file(&p);
    a_file_grows_under_its_mapping(&p);
    a_cut_file_is_an_error_of_prepare(&p);
    a_watcher_keeps_nothing_alive(&p);
    threads_may_keep_and_release(&p);
    what_cannot_be_mapped_is_copied(&p);
    CHECK(mg_files_remove(p.files, p.path, NULL) == MG_OK);
    mg_files_close(p.files);
    CHECK(rmdir(root) == 0);
    in_memory(bytes);
    free(bytes);
    puts("mapping_test: ok");
}
