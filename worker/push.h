/* POST /: a message pushed by Pub/Sub. Its app is a struct mr_worker. */
#ifndef MR_WORKER_PUSH_H
#define MR_WORKER_PUSH_H

#include "shared/http/server.h"
#include "worker/job.h"

mr_handler mr_push_handle;

#endif
