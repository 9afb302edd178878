/*
 * Checks of the services that a program needs, made once at its start, so that a wrong setting or a missing grant
 * ends the start with one line that names it, instead of failing the first task. The platform keeps the former
 * revision as long as the new one does not start. Any thread may call.
 */
#ifndef MR_DATA_READINESS_H
#define MR_DATA_READINESS_H

#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/data/publisher.h"
#include "shared/gcp/storage.h"

/* MR_OK if the database of DATABASE_URL answers. */
MR_MUST_CHECK enum mr_status mr_ready_database(struct mr_db *db, struct mr_err *err);

/*
 * MR_OK if this account may use the bucket and publish to `lanes` (a bit for each: 1u << MR_LANE_NORMAL, …). A
 * service without a clear answer (it is down, or an emulator without IAM) gets only a warning in the log, because
 * it may recover without another start.
 */
MR_MUST_CHECK enum mr_status mr_ready_cloud(struct mr_storage *storage, const struct mr_publisher *publisher,
                                            unsigned lanes, const struct mr_log *log, struct mr_err *err);

#endif
