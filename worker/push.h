/* POST /: a message pushed by Pub/Sub. App is a struct mr_worker. */
#ifndef MR_WORKER_PUSH_H
#define MR_WORKER_PUSH_H

#include "shared/http/server.h"
#include "worker/job.h"

mr_handler mr_push_handle;

/* The HTTP status that acknowledges (2xx) or refuses a message whose job ended so: DESIGN.md's table. */
int mr_push_answer(enum mr_job_end end);

#endif
