/*
 * mediarun-emulator: the services of Google Cloud that mediarun uses, on one machine. Cloud Storage, Pub/Sub, Cloud
 * Scheduler, the metadata server, token certificates and signBlob in one program on shared/http/server, for
 * development and tests. Never use it in production: it requires no credentials.
 *
 * struct em_app is the app pointer of every handler. main.c fills it before the server starts and frees its parts
 * after the server has stopped, so handlers read it without a lock; each part has its own lock.
 *
 * Each part says in rows what it speaks (api/router.h); main.c joins them into one table.
 */
#ifndef EM_APP_H
#define EM_APP_H

#include "shared/base/log.h"
#include "shared/http/server.h"

struct em_identity;
struct em_pubsub;
struct em_router;
struct em_scheduler;
struct em_storage;

struct em_app {
    const struct em_router *router;
    struct em_identity *identity;
    struct em_storage *storage;
    struct em_pubsub *pubsub;
    struct em_scheduler *scheduler;
    const struct mr_log *log;
    const char *base_url; /* "http://127.0.0.1:PORT" */
    const char *project;  /* the project that the metadata server returns, from GOOGLE_CLOUD_PROJECT */
};

/* The default service account of the metadata server. */
#define EM_ACCOUNT "emulator@mediarun-local.iam.gserviceaccount.com"

#endif
