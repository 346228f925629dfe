#include "base/status.h"

#include "check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void every_status_has_its_own_name(void)
{
    for (int i = MG_OK; i <= MG_WOULD_BLOCK; i++) {
        CHECK(strncmp(mg_status_name((mg_status)i), "MG_", 3) == 0);
        for (int j = MG_OK; j < i; j++) {
            CHECK(strcmp(mg_status_name((mg_status)i), mg_status_name((mg_status)j)) != 0);
        }
    }
    CHECK(strcmp(mg_status_name(MG_CORRUPT), "MG_CORRUPT") == 0);
}

static void fail_fills_the_error_and_returns_the_status(void)
{
    mg_error error;
    CHECK(mg_fail(&error, MG_IO, ENOSPC, "%s at %d", "segment", 7) == MG_IO);
    CHECK(error.status == MG_IO);
    CHECK(error.os_error == ENOSPC);
    CHECK(strcmp(error.detail, "segment at 7") == 0);
    CHECK(mg_fail(NULL, MG_BUSY, 0, "nobody listens") == MG_BUSY);
}

static void a_long_detail_is_cut_and_ends(void)
{
    mg_error error;
    char long_name[2 * MG_ERROR_DETAIL_SIZE];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    (void)mg_fail(&error, MG_NOT_FOUND, 0, "%s", long_name);
    CHECK(strlen(error.detail) == MG_ERROR_DETAIL_SIZE - 1);
}

static void a_false_claim_aborts_and_a_true_one_does_not(void)
{
    MG_ASSERT(1 + 1 == 2);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stderr) != NULL);
        MG_ASSERT(1 + 1 == 3);
        _exit(0);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT);
}

int main(void)
{
    every_status_has_its_own_name();
    fail_fills_the_error_and_returns_the_status();
    a_long_detail_is_cut_and_ends();
    a_false_claim_aborts_and_a_true_one_does_not();
    puts("status_test: ok");
    return 0;
}
