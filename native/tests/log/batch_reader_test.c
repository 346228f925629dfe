#include "log/batch_reader.h"

#include "keyed.h"

static void every_batch_is_given_whole_and_what_is_not_one_is_refused(void)
{
    static uint8_t data[1 << 16];
    keyed *k = keyed_make(1);
    rig_open(&k->r);
    for (int i = 0; i < 20; i++)
        CHECK(try_append_random(k, NOW_MS) == MG_OK);
    rig_close_log(&k->r);
    size_t size = load_file(&k->r, FIRST_LOG, data, sizeof data);

    mg_batch_reader reader;
    mg_span batch;
    mg_batch_header header;
    mg_error error;
    mg_batch_reader_init(&reader);
    for (size_t end = 0; end <= size; end++) {
        char path[MG_PATH_SIZE];
        mg_file *file = NULL;
        CHECK(mg_path_join(path, DIRECTORY, FIRST_LOG, NULL) == MG_OK);
        CHECK(mg_file_open(k->r.files, path, MG_FILE_READ, &file, NULL) == MG_OK);
        mg_batch_reader_begin(&reader, file, 0, (int64_t)end);
        mg_status status = MG_OK;
        size_t position = 0;
        while ((status = mg_batch_reader_next(&reader, &batch, &header, &error)) == MG_OK) {
            CHECK(memcmp(batch.data, data + position, batch.size) == 0);
            position += batch.size;
        }
        mg_file_close(file);
        CHECK(status == (position == end ? MG_NOT_FOUND : MG_CORRUPT));
    }
    mg_batch_reader_deinit(&reader);
    keyed_end(k);
}

int main(void)
{
    every_batch_is_given_whole_and_what_is_not_one_is_refused();
    puts("batch_reader_test: ok");
}
