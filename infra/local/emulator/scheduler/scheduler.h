/*
 * The emulator's Cloud Scheduler: the v1 REST API for HTTP targets.
 * Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
 *
 * Jobs are in memory only; run.sh creates them at every start. Each job has its own thread, which sleeps until the
 * job is due and then makes the request and its retries. So a job never overlaps itself, and no job delays another.
 * Time zones other than UTC, and targets other than HTTP, are refused.
 *
 *   cron           schedules (pure)
 *   spec           what a job does: immutable, counted, validated
 *   attempt        the HTTP request of one attempt
 *   job            the thread of a job and its state
 *   job_handlers   the handlers
 */
#ifndef EM_SCHEDULER_H
#define EM_SCHEDULER_H

#include "infra/local/emulator/api/router.h"
#include "shared/base/log.h"
#include "shared/http/client.h"
#include "shared/http/server.h"

struct em_identity;
struct em_scheduler;

/* http sends the requests, identity signs their tokens, log gets their failures. All three are borrowed and must
 * outlive *ret. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_scheduler_new(struct mr_http_client *http, struct em_identity *identity,
                                              const struct mr_log *log, struct em_scheduler **ret,
                                              struct mr_err *err);

/* Ends all jobs (a request in progress is aborted within about a second). No handler may still be running. */
void em_scheduler_free(struct em_scheduler *scheduler);
MR_DEFINE_CLEANUP(em_scheduler, em_scheduler_free)

/* What is spoken of it; the app pointer of the handlers is a struct em_app. */
const struct em_spoken *em_scheduler_rows(size_t *ret_count);

#endif
