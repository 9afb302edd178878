/* Waiting before another attempt: growing with the failures, as the server asks, and never without end. */
#ifndef MR_CLIENT_RETRY_H
#define MR_CLIENT_RETRY_H

#include "client/cli.h"

struct mr_cli_retry {
    int failures; /* since the last success; zero-initialise */
};

/* True in *ret_again if another attempt is due, now that its wait is over: at most 8 in a row, waits of up to 10 s or of
 * Retry-After, up to 60 s. res NULL or without a status: no answer came. MR_CANCELED if a signal arrives. */
MR_MUST_CHECK enum mr_status mr_cli_retry_again(struct mr_cli *cli, struct mr_cli_retry *retry,
                                                const struct mr_http_response *res, bool *ret_again,
                                                struct mr_err *err);

#endif
