#include "client/retry.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"

enum { ATTEMPTS = 8, FIRST_MS = 250, LAST_MS = 10000, RETRY_AFTER_MAX_S = 60 };

/* Those who failed together must not come back together: between a half of the bound and the bound. */
static int64_t backoff_ms(int failures)
{
    int64_t bound = FIRST_MS;
    uint32_t random = 0;
    for (int i = 1; i < failures && bound < LAST_MS; i++)
        bound *= 2;
    bound = bound < LAST_MS ? bound : LAST_MS;
    if (mr_random_bytes(&random, sizeof random, NULL) != MR_OK)
        return bound;
    return bound / 2 + random % (bound / 2 + 1);
}

enum mr_status mr_cli_retry_again(struct mr_cli *cli, struct mr_cli_retry *retry,
                                  const struct mr_http_response *res, bool *ret_again, struct mr_err *err)
{
    char header[32];
    int64_t seconds = 0;
    *ret_again = false;
    if (++retry->failures >= ATTEMPTS)
        return MR_OK;
    int64_t ms = backoff_ms(retry->failures);
    if (res && mr_http_response_header(res, "Retry-After", header, sizeof header) &&
        mr_parse_int64(header, 0, INT32_MAX, &seconds)) {
        if (seconds > RETRY_AFTER_MAX_S)
            return MR_OK;
        ms = seconds * 1000 > ms ? seconds * 1000 : ms;
    }
    MR_TRY(mr_cli_pause(cli, ms, err));
    *ret_again = true;
    return MR_OK;
}
