/*
 * What every handler of web works with: opened once by main, shared by all threads, owned by main.
 */
#ifndef MR_WEB_APP_H
#define MR_WEB_APP_H

#include "shared/base/config.h"
#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/data/publisher.h"
#include "shared/gcp/cloud.h"
#include "shared/http/guard.h"
#include "web/admission.h"
#include "web/event_hub.h"
#include "web/session.h"

#include <stdatomic.h>

struct mr_web {
    const struct mr_config *config;
    const struct mr_log *log;
    struct mr_db *db;
    struct mr_cloud cloud;
    struct mr_publisher publisher;
    struct mr_guard *guard; /* what strangers' URLs may name */
    struct mr_session *session;
    struct mr_admission *admission;
    struct mr_event_hub *events;
    atomic_int ping_waiters;  /* requests that wait for a pong */
    atomic_int probe_waiters; /* requests that wait for a probe */
};

#endif
