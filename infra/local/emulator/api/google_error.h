/*
 * Google's JSON form of errors, as the server's answer_error. Sources:
 * https://cloud.google.com/storage/docs/json_api/v1/status-codes, https://cloud.google.com/apis/design/errors
 *
 * A handler fails with an mr_status as everywhere. If Google has several answers for one status, mr_fail_code()
 * selects one: MR_CODE_CONDITION_NOT_MET (412), _NOT_MODIFIED (304), _RANGE_NOT_SATISFIABLE (416),
 * _RECEIVER_GONE (410), _FAILED_PRECONDITION (400, Pub/Sub), _UNIMPLEMENTED (501).
 */
#ifndef EM_API_GOOGLE_ERROR_H
#define EM_API_GOOGLE_ERROR_H

#include "shared/http/server.h"

/* Answers {"error":{code, message, errors[]}}, with `status` (a google.rpc.Code) for paths in /v1/: Pub/Sub,
 * Scheduler and IAM. It is an mr_answer_error. */
enum mr_status em_google_answer_error(struct mr_request *req, int http_status, const struct mr_err *cause,
                                      struct mr_err *err);

#endif
