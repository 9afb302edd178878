/*
 * What every part of mediarun needs: the connection to the server, the key, the signals, the terminal. One thread.
 */
#ifndef MR_CLIENT_CLI_H
#define MR_CLIENT_CLI_H

#include "client/arguments.h"
#include "client/settings.h"
#include "shared/http/client.h"

#include <signal.h>

enum { MR_CLI_LABEL_MAX = 256 };

/* The progress bar: on standard error, one line that is written again and again. */
struct mr_cli_progress {
    bool is_shown;              /* standard error is a terminal, and the user wants it */
    bool has_lines;             /* --watch without a terminal: a line for each step */
    bool is_drawn;              /* a bar stands on the terminal's last line */
    int64_t drawn_us;           /* CLOCK_MONOTONIC */
    int64_t began_us, began_at; /* of what is shown now: when, and how much was done; -1: not known yet */
    int last_step;              /* of lines, in percent */
    char label[MR_CLI_LABEL_MAX];
    const char *phase;
};

struct mr_cli {
    const struct mr_cli_settings *settings;
    const struct mr_cli_arguments *arguments;
    struct mr_http_client *http;
    const char *key;  /* Bearer; NULL: not signed in */
    sigset_t signals; /* blocked: mr_cli_interrupted looks for them */
    int signal;       /* the one that has arrived; 0: none */
    bool is_answered; /* the server has answered once, so a failure to reach it may pass */
    struct mr_cli_progress progress;
};

/* True once SIGINT or SIGTERM has arrived. */
bool mr_cli_interrupted(struct mr_cli *cli);
/* Waits, at most until a signal arrives. MR_CANCELED if one has. */
MR_MUST_CHECK enum mr_status mr_cli_pause(struct mr_cli *cli, int64_t ms, struct mr_err *err);
/* Waits until there is something to read. MR_CANCELED if a signal arrives. */
MR_MUST_CHECK enum mr_status mr_cli_wait_readable(struct mr_cli *cli, int fd, struct mr_err *err);

#endif
