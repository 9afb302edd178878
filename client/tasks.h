/* What is done with a task: waiting for its end, and getting its results. */
#ifndef MR_CLIENT_TASKS_H
#define MR_CLIENT_TASKS_H

#include "client/cli.h"

/* *ret is the task; id is its number or file_id, escaped here. */
MR_MUST_CHECK enum mr_status mr_cli_task_get(struct mr_cli *cli, const char *id, json_t **ret,
                                             struct mr_err *err);

/* Waits for the end of a task, showing its progress, by its events or, where they fail, by asking. *ret is the task. */
MR_MUST_CHECK enum mr_status mr_cli_task_wait(struct mr_cli *cli, const char *id, const char *label,
                                              json_t **ret, struct mr_err *err);

/* The failure of a task that has not ended as processed, by its error; MR_OK for one that has. */
MR_MUST_CHECK enum mr_status mr_cli_task_outcome(const json_t *task, struct mr_err *err);

/* Downloads all outputs of a task, to where the arguments say, and prints the paths (not with --json). MR_CONFLICT with code
 * "output_exists" before anything is written. */
MR_MUST_CHECK enum mr_status mr_cli_task_download(struct mr_cli *cli, const json_t *task, const char *label,
                                                  struct mr_err *err);

#endif
