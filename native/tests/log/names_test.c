#include "log/names.h"

#include "check.h"

#include <string.h>

static void a_base_is_twenty_digits(void)
{
    int64_t base = -1;
    const char *rest = NULL;
    CHECK(mg_name_base("00000000000000000042.log", &base, &rest));
    CHECK(base == 42 && strcmp(rest, ".log") == 0);
    CHECK(mg_name_base("09223372036854775807x", &base, &rest) && base == INT64_MAX);
    const char *const bad[] = {"",
                               "42.log",
                               "0000000000000000004x.log",
                               "09223372036854775808.log",
                               "-0000000000000000042.log",
                               "99999999999999999999.log"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!mg_name_base(bad[i], &base, &rest));
    }
}

static void a_path_is_the_directory_the_base_and_the_suffix(void)
{
    static char path[MG_PATH_SIZE];
    static char deep[MG_PATH_SIZE];
    CHECK(mg_log_path(path, "a/b-0", 7, ".index", NULL) == MG_OK);
    CHECK(strcmp(path, "a/b-0/00000000000000000007.index") == 0);
    memset(deep, 'd', sizeof deep - 1);
    CHECK(mg_log_path(path, deep, 7, ".index", NULL) == MG_TOO_LARGE);
}

static void suffixes_are_whole(void)
{
    CHECK(mg_name_ends_with("x.log.swap", ".swap") && mg_name_ends_with(".log", ".log"));
    CHECK(!mg_name_ends_with("log", ".log") && !mg_name_ends_with("x.logs", ".log"));
}

int main(void)
{
    a_base_is_twenty_digits();
    a_path_is_the_directory_the_base_and_the_suffix();
    suffixes_are_whole();
    puts("names_test: ok");
}
