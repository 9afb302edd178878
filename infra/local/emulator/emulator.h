/*
 * mediarun-emulator: the embedded cloud. Cloud Storage, Pub/Sub, Cloud Scheduler, the metadata server, token
 * certificates and signBlob in one program on shared/http/server, for development and tests. Never for
 * production: it asks nobody for a credential.
 *
 * struct mr_emulator is the app pointer of every handler. main.c fills it before the server starts and frees
 * the rooms after the server has stopped, so handlers read it without a lock; each room locks its own state.
 *
 * Each room gives its routes by a function; main.c concatenates them into the one table of the server.
 */
#ifndef MR_EMULATOR_EMULATOR_H
#define MR_EMULATOR_EMULATOR_H

#include "shared/base/log.h"
#include "shared/http/server.h"

struct mr_identity;
struct mr_pubsub_emulator;
struct mr_scheduler_emulator;
struct mr_storage_emulator;

struct mr_emulator {
    struct mr_identity *identity;
    struct mr_storage_emulator *storage;
    struct mr_pubsub_emulator *pubsub;
    struct mr_scheduler_emulator *scheduler;
    const struct mr_log *log;
    const char *base_url; /* "http://127.0.0.1:PORT", where this emulator listens */
    const char *project;  /* the one project of the metadata server, from GOOGLE_CLOUD_PROJECT */
};

/* The account that the metadata server speaks for, and that signs when a caller names none. */
#define MR_EMULATOR_ACCOUNT "emulator@mediarun-local.iam.gserviceaccount.com"

#endif
