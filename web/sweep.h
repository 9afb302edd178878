/*
 * The sweep: what Cloud Scheduler asks for every minute (POST /internal/sweep). Its jobs publish messages
 * that are due and delete what has expired, in bounded batches; what is left waits for the next sweep. A
 * sweep may run at any time, also beside another one.
 */
#ifndef MR_WEB_SWEEP_H
#define MR_WEB_SWEEP_H

#include "web/app.h"

/*
 * Runs all jobs and adds to the JSON object `counts` what each of them did. *ret_idle is true if there was
 * nothing to do. A job that fails is logged and does not stop the others; the first failure is returned. Any
 * thread.
 */
MR_MUST_CHECK enum mr_status mr_sweep_run(struct mr_web *web, const struct mr_log *log, json_t *counts,
                                          bool *ret_idle, struct mr_err *err);

#endif
