/* What the worker's threads share. Opened and owned by main. */
#ifndef MR_WORKER_APP_H
#define MR_WORKER_APP_H

#include "shared/base/config.h"
#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/data/publisher.h"
#include "shared/gcp/cloud.h"
#include "shared/http/guard.h"
#include "shared/http/tracer.h"
#include "worker/bulkhead.h"
#include "worker/costs.h"
#include "worker/logo.h"
#include "worker/sandbox.h"
#include "worker/slots.h"

enum { MR_ENGINE_MAX = 128 };

struct mr_worker {
    const struct mr_config *config;
    const struct mr_log *log;
    struct mr_cloud cloud;
    struct mr_db *db;
    struct mr_publisher publisher;
    struct mr_guard *guard;       /* checks the URLs that users give */
    struct mr_bulkhead *bulkhead; /* between the webhooks of different users */
    struct mr_sandbox *sandbox;
    struct mr_logo logo;
    char engine[MR_ENGINE_MAX]; /* what makes the results (reuse.h) */
    struct mr_slots slots;
    struct mr_costs costs;            /* of encoders */
    struct mr_dispatcher *dispatcher; /* of the pushes */
    struct mr_worker_metrics *metrics;
    struct mr_tracer *tracer; /* NULL: no traces */
};

#endif
