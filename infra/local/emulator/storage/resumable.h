/*
 * Resumable uploads over HTTP: start, continue, query, cancel.
 * Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#ifndef EM_STORAGE_RESUMABLE_H
#define EM_STORAGE_RESUMABLE_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/storage/upload_plan.h"

/* Start a session (uploadType=resumable), and continue the session in the query (upload_id). */
mr_handler em_resumable_start, em_resumable_continue;
/* Starts a session for plan and answers http_status with its Location. */
MR_MUST_CHECK enum mr_status em_resumable_answer(struct em_app *emulator, struct mr_request *req,
                                                 const struct em_upload_plan *plan, int http_status,
                                                 struct mr_err *err);

#endif
