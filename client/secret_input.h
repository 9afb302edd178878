/* What a person types: a line, or a password without echo. */
#ifndef MR_CLIENT_SECRET_INPUT_H
#define MR_CLIENT_SECRET_INPUT_H

#include "client/cli.h"

enum { MR_CLI_LINE_MAX = 1024 };

/*
 * Reads a line from standard input, without its end, into out. Where that is a terminal, it asks with prompt first;
 * is_secret: without echo. MR_INVALID for an empty or too long line; MR_CANCELED if a signal arrives.
 */
MR_MUST_CHECK enum mr_status mr_cli_ask(struct mr_cli *cli, const char *prompt, bool is_secret,
                                        char out[MR_CLI_LINE_MAX], struct mr_err *err);

#endif
