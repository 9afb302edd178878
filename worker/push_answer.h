/* How the end of a job is reported to Pub/Sub. */
#ifndef MR_WORKER_PUSH_ANSWER_H
#define MR_WORKER_PUSH_ANSWER_H

#include "worker/job.h"

/* The HTTP status that acknowledges (2xx) or refuses the message of a job that ended this way
 * (docs/architecture.md). */
int mr_push_answer(enum mr_job_end end);

#endif
