#include "client/cli.h"

#include <errno.h>
#include <poll.h>

enum { LOOK_MS = 200 };

static bool wait_for_signal(struct mr_cli *cli, int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (!cli->signal) {
        int got = sigtimedwait(&cli->signals, NULL, &time);
        cli->signal = got > 0 ? got : 0;
    }
    return cli->signal != 0;
}

bool mr_cli_interrupted(struct mr_cli *cli)
{
    return wait_for_signal(cli, 0);
}

enum mr_status mr_cli_pause(struct mr_cli *cli, int64_t ms, struct mr_err *err)
{
    return wait_for_signal(cli, ms) ? mr_fail(err, MR_CANCELED, "interrupted") : MR_OK;
}

enum mr_status mr_cli_wait_readable(struct mr_cli *cli, int fd, struct mr_err *err)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    while (!mr_cli_interrupted(cli)) {
        int ready = poll(&wanted, 1, LOOK_MS);
        if (ready > 0)
            return MR_OK;
        if (ready < 0 && errno != EINTR)
            return mr_fail_errno(err, MR_INTERNAL, errno, "poll");
    }
    return mr_fail(err, MR_CANCELED, "interrupted");
}
