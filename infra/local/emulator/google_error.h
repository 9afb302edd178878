/*
 * Google's JSON form of errors, as the server's answer_error. Source:
 * https://cloud.google.com/storage/docs/json_api/v1/status-codes, https://cloud.google.com/apis/design/errors
 *
 * A handler fails with an mr_status as everywhere; where one status stands for several of Google's answers,
 * mr_fail_code() with a word of this list picks one: condition_not_met (412), not_modified (304),
 * range_not_satisfiable (416), gone (410), failed_precondition (400, Pub/Sub), unimplemented (501).
 */
#ifndef EM_GOOGLE_ERROR_H
#define EM_GOOGLE_ERROR_H

#include "shared/http/server.h"

/* Answers {"error":{code, message, errors[]}}; with `status` (a google.rpc.Code) below /v1/, where Pub/Sub,
 * Scheduler and IAM live. Is an mr_answer_error. */
enum mr_status em_google_answer_error(struct mr_request *req, int http_status, const struct mr_err *cause,
                                      struct mr_err *err);

#endif
