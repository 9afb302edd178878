/* How the end of a job is reported to Pub/Sub: only what a retry can cure is refused. Source: DESIGN's table of the
 * push handler. */
#include "worker/push_answer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_end_has_its_answer(void **state)
{
    (void)state;
    static const struct {
        enum mr_job_end end;
        int http_status;
    } table[] = {
        {MR_JOB_COMMITTED, 204}, {MR_JOB_FAILED, 204}, {MR_JOB_EXHAUSTED, 204}, {MR_JOB_STALE, 204},
        {MR_JOB_ELSEWHERE, 204}, {MR_JOB_LOST, 204},   {MR_JOB_RELEASED, 503},  {MR_JOB_STOPPED, 429},
        {MR_JOB_DEFERRED, 204},  {MR_JOB_BUSY, 429},   {MR_JOB_YIELDED, 429},   {MR_JOB_CUT, 204},
        {MR_JOB_UNCUT, 204},
    };
    assert_int_equal(sizeof table / sizeof *table, MR_JOB_ENDS);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(mr_push_answer(table[i].end), table[i].http_status);
        assert_true(strlen(mr_job_end_name(table[i].end)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
