/* The progress of an upload, a conversion or a download, on standard error (struct mr_cli_progress in cli.h). */
#ifndef MR_CLIENT_PROGRESS_H
#define MR_CLIENT_PROGRESS_H

#include "client/cli.h"

/* What is worked on next, e.g. "song.wav" and "sends". phase must outlive it. */
void mr_cli_progress_begin(struct mr_cli *cli, const char *label, const char *phase);
/* Shows done of total, both in bytes; at most ten times a second. */
void mr_cli_progress_bytes(struct mr_cli *cli, int64_t done, int64_t total);
/* Shows a task's percentage. */
void mr_cli_progress_percent(struct mr_cli *cli, double percent);
/* Takes the bar away, so that something else can be written. */
void mr_cli_progress_clear(struct mr_cli *cli);

#endif
