/* What a power cut makes of names that were made, changed and removed. */
#include "file/memory_names.h"

#include "check.h"

#include <string.h>

static mg_memory_entry *make(mg_memory_names *names, const char *path, bool is_directory)
{
    mg_memory_entry *entry = mg_memory_names_add(names, path);
    CHECK(entry != NULL);
    CHECK(mg_memory_names_make(names, entry, is_directory) == 0);
    return entry;
}

static void move(mg_memory_names *names, const char *from, const char *to)
{
    mg_memory_entry *source = mg_memory_names_find(names, from);
    mg_memory_entry *target = mg_memory_names_add(names, to);
    CHECK(source != NULL && target != NULL);
    CHECK(mg_memory_names_add_change(names, source, target, source->now));
    mg_memory_link(&target->now, source->now);
    mg_memory_link(&source->now, NULL);
}

static bool has(mg_memory_names *names, const char *path)
{
    mg_memory_entry *entry = mg_memory_names_find(names, path);
    return entry != NULL && entry->now != NULL;
}

static void begin(mg_memory_names *names)
{
    mg_memory_names_init(names);
    make(names, "d", true); /* nobody could sync what it lies in: it stays */
}

static void a_name_stays_once_its_directory_is_synced(void)
{
    mg_memory_names names;
    begin(&names);
    make(&names, "d/kept", false);
    mg_memory_names_sync(&names, "d");
    make(&names, "d/lost", false);
    CHECK(has(&names, "d/kept") && has(&names, "d/lost"));
    mg_memory_names_crash(&names, NULL);
    CHECK(has(&names, "d/kept") && !has(&names, "d/lost") && has(&names, "d"));
    mg_memory_names_deinit(&names);
}

static void a_file_has_one_name(void)
{
    bool saw_old = false;
    bool saw_new = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        mg_memory_names names;
        begin(&names);
        make(&names, "d/old", false);
        mg_memory_names_sync(&names, "d");
        move(&names, "d/old", "d/middle");
        move(&names, "d/middle", "d/new");
        mg_memory_cut cut = {
            .sector_size = 512, .order_max = UINT64_MAX, .kept_in_16 = 8, .state = seed};
        mg_memory_names_crash(&names, &cut);
        CHECK(has(&names, "d/old") + has(&names, "d/middle") + has(&names, "d/new") == 1);
        saw_old = saw_old || has(&names, "d/old");
        saw_new = saw_new || has(&names, "d/new");
        mg_memory_names_deinit(&names);
    }
    CHECK(saw_old && saw_new);
}

static void what_lies_in_a_lost_directory_is_lost(void)
{
    mg_memory_names names;
    begin(&names);
    make(&names, "d/sub", true);
    make(&names, "d/sub/file", false);
    mg_memory_names_sync(&names, "d/sub"); /* its own name was never synced */
    mg_memory_names_crash(&names, NULL);
    CHECK(!has(&names, "d/sub") && !has(&names, "d/sub/file"));
    mg_memory_names_deinit(&names);
}

static void a_copy_goes_its_own_way(void)
{
    mg_memory_names names;
    begin(&names);
    make(&names, "d/file", false);
    mg_memory_names copy;
    mg_memory_names_init(&copy);
    mg_memory_names_copy(&copy, &names);
    mg_memory_names_crash(&names, NULL);
    CHECK(!has(&names, "d/file") && has(&copy, "d/file"));
    mg_memory_names_sync(&copy, "d");
    mg_memory_names_crash(&copy, NULL);
    CHECK(has(&copy, "d/file"));
    mg_memory_names_deinit(&copy);
    mg_memory_names_deinit(&names);
}

static void only_direct_names_lie_within(void)
{
    CHECK(strcmp(mg_memory_name_within("a/b", "a/b/c"), "c") == 0);
    CHECK(mg_memory_name_within("a/b", "a/b/c/d") == NULL);
    CHECK(mg_memory_name_within("a/b", "a/bc") == NULL);
    CHECK(mg_memory_name_within("a/b", "a/b") == NULL);
}

int main(void)
{
    a_name_stays_once_its_directory_is_synced();
    a_file_has_one_name();
    what_lies_in_a_lost_directory_is_lost();
    a_copy_goes_its_own_way();
    only_direct_names_lie_within();
    puts("memory_names_test: ok");
}
