/*
 * Exit statuses: their one table. client/mediarun.1 is printed from it (make tables). Pure functions; any thread.
 */
#ifndef MR_CLIENT_EXITS_H
#define MR_CLIENT_EXITS_H

#include "shared/base/err.h"

enum mr_cli_exit {
    MR_CLI_DONE = 0,
    MR_CLI_FAILED = 1,
    MR_CLI_USAGE = 2,
    MR_CLI_REFUSED = 3,
    MR_CLI_UNREACHABLE = 4,
    MR_CLI_LOCAL = 5,
    MR_CLI_INTERRUPTED = 130,
    MR_CLI_TERMINATED = 143,
};

struct mr_cli_exit_row {
    enum mr_cli_exit number;
    const char *meaning;
};

/* The row of that index, from 0; NULL past the last. */
const struct mr_cli_exit_row *mr_cli_exit_at(size_t index);

/* What a failure means for the exit status. */
enum mr_cli_exit mr_cli_exit_of(const struct mr_err *failure);

/* True if what comes next would fail for the same reason: no key, no server, a signal. */
bool mr_cli_exit_ends_all(enum mr_cli_exit status);

/* The status of several operations, of which some failed: the one that they share, else MR_CLI_FAILED. */
enum mr_cli_exit mr_cli_exit_join(enum mr_cli_exit so_far, enum mr_cli_exit next);

#endif
