#include "client/exits.h"

static const struct mr_cli_exit_row rows[] = {
    {MR_CLI_DONE, "Everything was done."},
    {MR_CLI_FAILED,
     "A file could not be converted, or the server refused a request. The other files are done."},
    {MR_CLI_USAGE, "The arguments or the environment are wrong. Nothing was done."},
    {MR_CLI_REFUSED, "Not signed in, or the key is revoked or may not do this, or a quota refuses it."},
    {MR_CLI_UNREACHABLE, "The server or its storage cannot be reached, or stays busy."},
    {MR_CLI_LOCAL,
     "A file of this machine cannot be read or written, has changed while it was sent, or exists already."},
    {MR_CLI_INTERRUPTED, "Interrupted (SIGINT). What runs on the server goes on."},
    {MR_CLI_TERMINATED, "Terminated (SIGTERM). What runs on the server goes on."},
};

const struct mr_cli_exit_row *mr_cli_exit_at(size_t index)
{
    return index < sizeof rows / sizeof *rows ? &rows[index] : NULL;
}

enum mr_cli_exit mr_cli_exit_of(const struct mr_err *failure)
{
    if (failure->code == MR_CODE_LOCAL_FILE || failure->code == MR_CODE_OUTPUT_EXISTS ||
        failure->code == MR_CODE_FILE_CHANGED)
        return MR_CLI_LOCAL;
    switch (failure->status) {
    case MR_OK:
        return MR_CLI_DONE;
    case MR_UNAUTHENTICATED:
    case MR_DENIED:
        return MR_CLI_REFUSED;
    case MR_UNAVAILABLE:
    case MR_TIMEOUT:
    case MR_EXHAUSTED:
        return MR_CLI_UNREACHABLE;
    case MR_CANCELED:
        return MR_CLI_INTERRUPTED;
    default:
        return MR_CLI_FAILED;
    }
}

bool mr_cli_exit_ends_all(enum mr_cli_exit status)
{
    return status == MR_CLI_REFUSED || status == MR_CLI_UNREACHABLE || status == MR_CLI_INTERRUPTED ||
           status == MR_CLI_TERMINATED;
}

enum mr_cli_exit mr_cli_exit_join(enum mr_cli_exit so_far, enum mr_cli_exit next)
{
    if (so_far == MR_CLI_DONE || mr_cli_exit_ends_all(next))
        return next;
    return next == MR_CLI_DONE || next == so_far || mr_cli_exit_ends_all(so_far) ? so_far : MR_CLI_FAILED;
}
