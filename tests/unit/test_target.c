/* worker/target: how long a task may take until it counts as late. */
#include "worker/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void grows_with_the_input(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t size; /* bytes */
        const char *url;
        double target; /* seconds */
    } cases[] = {
        {"records, without an input", 0, "", 60},
        {"a song", 5000000, "", 70},
        {"a long video", 2000000000, "", 4060},
        {"a URL that is to be fetched", 0, "https://example.com/a.mp4", 600},
        {"a URL that was fetched by an earlier attempt", 5000000, "https://example.com/a.mp4", 70},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[64];
        snprintf(url, sizeof url, "%s", cases[i].url);
        struct mr_claim claim = {.input_size = cases[i].size, .url = url, .queued_ms = 20000};
        print_message("%s\n", cases[i].what);
        assert_true(mr_target_seconds(&claim) == cases[i].target);
        assert_false(mr_target_is_missed(&claim, cases[i].target - 20));
        assert_true(mr_target_is_missed(&claim, cases[i].target - 19.9));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_with_the_input)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
