/* The target of a task: how long it should take from its upload, or the request to run it again, to its result. The
 * objective slo-ready of infra/monitoring counts the tasks that took longer. */
#ifndef MR_WORKER_TARGET_H
#define MR_WORKER_TARGET_H

#include "shared/data/leases.h"

/* Seconds: a minute, and two for each megabyte of the input; ten minutes where the worker had to fetch the input from
 * a third-party server, whose size and speed are not known. */
double mr_target_seconds(const struct mr_claim *claim);

/* Whether a run that ended `seconds` after the claim is past the task's target. */
bool mr_target_is_missed(const struct mr_claim *claim, double seconds);

#endif
