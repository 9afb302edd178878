/*
 * mediarun-emulator: the embedded cloud. Cloud Storage, Pub/Sub, Cloud Scheduler, the metadata server, token
 * certificates and signBlob in one program on shared/http/server, for development and tests. Never for
 * production: it asks nobody for a credential.
 *
 * struct em_app is the app pointer of every handler. main.c fills it before the server starts and frees
 * the rooms after the server has stopped, so handlers read it without a lock; each room locks its own state.
 *
 * Each room gives its routes by a function; main.c concatenates them into the one table of the server.
 */
#ifndef EM_APP_H
#define EM_APP_H

#include "shared/base/log.h"
#include "shared/http/server.h"

struct em_identity;
struct em_pubsub;
struct em_scheduler;
struct em_storage;

struct em_app {
    struct em_identity *identity;
    struct em_storage *storage;
    struct em_pubsub *pubsub;
    struct em_scheduler *scheduler;
    const struct mr_log *log;
    const char *base_url; /* "http://127.0.0.1:PORT", where this emulator listens */
    const char *project;  /* the one project of the metadata server, from GOOGLE_CLOUD_PROJECT */
};

/* The account that the metadata server speaks for, and that signs when a caller names none. */
#define EM_ACCOUNT "emulator@mediarun-local.iam.gserviceaccount.com"

#endif
