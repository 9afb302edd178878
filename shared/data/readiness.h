/*
 * Checks of the services that a program needs. Those at its start let a wrong setting or a missing grant end the start
 * with one line that names it, instead of failing the first task; the platform keeps the former revision as long as
 * the new one does not start. Those of the health checks run the statements that the program lives by, so that a
 * column or a grant that is missing shows although the database answers. Any thread may call.
 */
#ifndef MR_DATA_READINESS_H
#define MR_DATA_READINESS_H

#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/data/publisher.h"
#include "shared/gcp/storage.h"

/* MR_OK if the database of DATABASE_URL answers. */
MR_MUST_CHECK enum mr_status mr_ready_database(struct mr_db *db, struct mr_err *err);

/* MR_OK if tasks can be claimed, run and ended: runs those statements for a task that cannot exist. Failures as of
 * mr_db_exec. */
MR_MUST_CHECK enum mr_status mr_ready_to_convert(struct mr_db *db, struct mr_err *err);
/* MR_OK if tasks can be created: runs that statement with no task. Failures as of mr_db_exec. */
MR_MUST_CHECK enum mr_status mr_ready_to_create(struct mr_db *db, struct mr_err *err);

/*
 * MR_OK if this account may use the bucket and publish to `lanes` (a bit for each: 1u << MR_LANE_NORMAL, …). A
 * service without a clear answer (it is down, or an emulator without IAM) gets only a warning in the log, because
 * it may recover without another start.
 */
MR_MUST_CHECK enum mr_status mr_ready_cloud(struct mr_storage *storage, const struct mr_publisher *publisher,
                                            unsigned lanes, const struct mr_log *log, struct mr_err *err);

#endif
