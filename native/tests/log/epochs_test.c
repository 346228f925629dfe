#include "log/epochs.h"

#include "check.h"
#include "file/memory.h"

#include <string.h>

static mg_epochs filled(void)
{
    mg_epochs epochs;
    CHECK(mg_epochs_init(&epochs, NULL) == MG_OK);
    for (int32_t i = 0; i < 10; i++) {
        CHECK(mg_epochs_reserve(&epochs, NULL) == MG_OK);
        CHECK(mg_epochs_has_room(&epochs));
        mg_epochs_assign(&epochs, i * 2, i * 100);
    }
    CHECK(mg_epochs_latest(&epochs) == 18);
    return epochs;
}

static void check_end(mg_epochs *epochs, int32_t epoch, int32_t found, int64_t end_offset)
{
    int32_t seen_epoch = 0;
    int64_t seen_end = 0;
    mg_epochs_end_of(epochs, epoch, 5000, &seen_epoch, &seen_end);
    CHECK(seen_epoch == found && seen_end == end_offset);
}

static void ends_are_found(void)
{
    mg_epochs epochs = filled();
    check_end(&epochs, 0, 0, 100);
    check_end(&epochs, 1, 0, 100);
    check_end(&epochs, 17, 16, 900);
    check_end(&epochs, 18, 18, 5000);
    check_end(&epochs, 19, -1, -1);
    mg_epochs_assign(&epochs, 18, 950); /* not higher: nothing */
    mg_epochs_assign(&epochs, 3, 950);
    check_end(&epochs, 18, 18, 5000);
    mg_epochs_deinit(&epochs);
}

static void both_ends_are_cut(void)
{
    mg_epochs epochs = filled();
    mg_epochs_cut_end(&epochs, 500);
    CHECK(mg_epochs_latest(&epochs) == 8);
    mg_epochs_raise_start(&epochs, 250);
    check_end(&epochs, 4, 4, 300);
    check_end(&epochs, 3, 3, 250); /* ended before what is known */
    CHECK(epochs.count == 3 && epochs.entries[0].start_offset == 250);
    mg_epochs_raise_start(&epochs, 10000);
    CHECK(epochs.count == 1 && epochs.entries[0].epoch == 8);
    mg_epochs_cut_end(&epochs, 0);
    CHECK(mg_epochs_latest(&epochs) == -1);
    mg_epochs_deinit(&epochs);
}

static void an_empty_epoch_leaves_no_entry(void)
{
    mg_epochs epochs;
    CHECK(mg_epochs_init(&epochs, NULL) == MG_OK);
    CHECK(mg_epochs_reserve(&epochs, NULL) == MG_OK);
    mg_epochs_assign(&epochs, 1, 0);
    mg_epochs_assign(&epochs, 2, 0);
    CHECK(epochs.count == 1 && epochs.entries[0].epoch == 2);
    mg_epochs_deinit(&epochs);
}

static void the_file_is_written_when_behind(void)
{
    mg_files *files = NULL;
    bool wrote = false;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    mg_epochs epochs = filled();
    CHECK(mg_epochs_save(&epochs, files, "e", &wrote, NULL) == MG_OK && wrote);
    CHECK(mg_epochs_save(&epochs, files, "e", &wrote, NULL) == MG_OK && !wrote);
    mg_epochs loaded;
    CHECK(mg_epochs_init(&loaded, NULL) == MG_OK);
    CHECK(mg_epochs_load(&loaded, files, "e", NULL) == MG_OK);
    CHECK(loaded.count == 10 && mg_epochs_latest(&loaded) == 18);
    CHECK(mg_epochs_save(&loaded, files, "e", &wrote, NULL) == MG_OK && !wrote);
    CHECK(mg_epochs_load(&loaded, files, "missing", NULL) == MG_OK);
    mg_epochs_deinit(&loaded);
    mg_epochs_deinit(&epochs);
    mg_files_close(files);
}

static void what_is_malformed_is_not_taken_up(void)
{
    const char *const texts[] = {"\n",
                                 "0",
                                 "0\n-1\n",
                                 "0\n1\n5\n",
                                 "0\n1\n5 5 5\n",
                                 "0\n0\n\n",
                                 "0\n1\n-1 5\n",
                                 "0\n2\n1 5\n",
                                 "0\n2\n1 5\n1 6\n",
                                 "0\n2\n1 5\n2 5\n",
                                 "0\n1\n1 99999999999999999999\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mg_files *files = NULL;
        mg_epochs epochs;
        CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
        CHECK(mg_files_replace(files, "e", texts[i], strlen(texts[i]), NULL) == MG_OK);
        CHECK(mg_epochs_init(&epochs, NULL) == MG_OK);
        mg_status status = mg_epochs_load(&epochs, files, "e", NULL);
        CHECK(status == MG_CORRUPT);
        CHECK(epochs.count == 0 && mg_epochs_latest(&epochs) == -1);
        mg_epochs_deinit(&epochs);
        mg_files_close(files);
    }
}

int main(void)
{
    ends_are_found();
    both_ends_are_cut();
    an_empty_epoch_leaves_no_entry();
    the_file_is_written_when_behind();
    what_is_malformed_is_not_taken_up();
    puts("epochs_test: ok");
}
