#include "worker/push_answer.h"

enum { HTTP_ACK = 204, HTTP_NACK = 503, HTTP_BUSY = 429 };

static const int answers[MR_JOB_ENDS] = {
    [MR_JOB_COMMITTED] = HTTP_ACK,
    [MR_JOB_FAILED] = HTTP_ACK,
    [MR_JOB_EXHAUSTED] = HTTP_ACK,
    [MR_JOB_STALE] = HTTP_ACK,
    [MR_JOB_ELSEWHERE] = HTTP_ACK,
    [MR_JOB_LOST] = HTTP_ACK,
    [MR_JOB_RELEASED] = HTTP_NACK,
    [MR_JOB_STOPPED] = HTTP_BUSY,
    [MR_JOB_BUSY] = HTTP_BUSY,
    [MR_JOB_CUT] = HTTP_ACK,
    [MR_JOB_UNCUT] = HTTP_ACK,
    [MR_JOB_DEFERRED] = HTTP_ACK, /* a refusal would slow down the whole subscription */
    [MR_JOB_YIELDED] = HTTP_BUSY, /* only while stopping; else it waits again */
};

int mr_push_answer(enum mr_job_end end)
{
    return answers[end];
}
