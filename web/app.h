/* What every handler of web works with. Opened and owned by main, shared by all threads. */
#ifndef MR_WEB_APP_H
#define MR_WEB_APP_H

#include "shared/base/config.h"
#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/data/publisher.h"
#include "shared/gcp/cloud.h"
#include "shared/http/guard.h"
#include "shared/http/http_metrics.h"
#include "shared/http/tracer.h"
#include "web/admission.h"
#include "web/event_hub.h"
#include "web/login_guard.h"
#include "web/login_tokens.h"
#include "web/passwords.h"
#include "web/storage_health.h"
#include "web/task_waits.h"
#include "web/token_versions.h"
#include "web/verified_logins.h"

#include <stdatomic.h>

struct mr_web {
    const struct mr_config *config;
    const struct mr_log *log;
    struct mr_db *db;
    struct mr_cloud cloud;
    struct mr_publisher publisher;
    struct mr_guard *guard; /* checks the URLs that users give */
    struct mr_passwords *passwords;
    struct mr_login_guard *logins;
    struct mr_verified_logins *verified_logins;
    struct mr_token_versions *token_versions;
    struct mr_admission *admission;
    struct mr_event_hub *events;
    struct mr_task_waits *waits;
    struct mr_http_metrics *metrics;
    struct mr_tracer *tracer; /* NULL: no traces */
    struct mr_storage_health storage_health;
    atomic_int ping_waiters;  /* requests waiting for a pong */
    atomic_int probe_waiters; /* requests waiting for a probe */
};

#endif
