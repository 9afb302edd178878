#include "infra/local/emulator/api/google_error.h"

/*
 * Selected by code if the handler set one, else by HTTP status. `reason` is the word of the older APIs, `rpc` that
 * of the newer ones (google.rpc.Code).
 */
static const struct answer {
    enum mr_code code;
    int http_status;
    const char *reason;
    const char *rpc;
} answers[] = {
    {MR_CODE_CONDITION_NOT_MET, 412, "conditionNotMet", "FAILED_PRECONDITION"},
    {MR_CODE_NOT_MODIFIED, 304, "notModified", "FAILED_PRECONDITION"},
    {MR_CODE_RANGE_NOT_SATISFIABLE, 416, "requestedRangeNotSatisfiable", "OUT_OF_RANGE"},
    {MR_CODE_RECEIVER_GONE, 410, "gone", "NOT_FOUND"},
    {MR_CODE_FAILED_PRECONDITION, 400, "failedPrecondition", "FAILED_PRECONDITION"},
    {MR_CODE_UNIMPLEMENTED, 501, "notImplemented", "UNIMPLEMENTED"},
    {MR_CODE_NONE, 400, "invalid", "INVALID_ARGUMENT"},
    {MR_CODE_NONE, 401, "authError", "UNAUTHENTICATED"},
    {MR_CODE_NONE, 403, "forbidden", "PERMISSION_DENIED"},
    {MR_CODE_NONE, 404, "notFound", "NOT_FOUND"},
    {MR_CODE_NONE, 405, "methodNotAllowed", "UNIMPLEMENTED"},
    {MR_CODE_NONE, 408, "requestTimeout", "DEADLINE_EXCEEDED"},
    {MR_CODE_NONE, 409, "conflict", "ALREADY_EXISTS"},
    {MR_CODE_NONE, 413, "uploadTooLarge", "INVALID_ARGUMENT"},
    {MR_CODE_NONE, 415, "unsupportedMediaType", "INVALID_ARGUMENT"},
    {MR_CODE_NONE, 429, "rateLimitExceeded", "RESOURCE_EXHAUSTED"},
    {MR_CODE_NONE, 500, "internalError", "INTERNAL"},
    {MR_CODE_NONE, 503, "backendError", "UNAVAILABLE"},
    {MR_CODE_NONE, 504, "backendError", "DEADLINE_EXCEEDED"},
};
enum { ANSWERS = sizeof answers / sizeof *answers };

static struct answer choose(int http_status, enum mr_code code)
{
    for (size_t i = 0; i < ANSWERS; i++)
        if (answers[i].code ? answers[i].code == code : answers[i].http_status == http_status)
            return answers[i];
    return (struct answer){MR_CODE_NONE, http_status, http_status < 500 ? "invalid" : "internalError",
                           "UNKNOWN"};
}

enum mr_status em_google_answer_error(struct mr_request *req, int http_status, const struct mr_err *cause,
                                      struct mr_err *err)
{
    struct answer answer = choose(http_status, cause->code);
    if (answer.http_status == 304)
        return mr_respond_empty(req, 304, err);
    bool newer_api = !strncmp(mr_request_path(req), "/v1/", strlen("/v1/"));
    json_t *body = json_pack("{s:{s:i, s:s, s:[{s:s, s:s, s:s}], s:s*}}", "error", "code", answer.http_status,
                             "message", cause->message, "errors", "domain", "global", "reason", answer.reason,
                             "message", cause->message, "status", newer_api ? answer.rpc : NULL);
    return body ? mr_respond_json(req, answer.http_status, body, err) : mr_fail_oom(err);
}
