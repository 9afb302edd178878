#include "infra/local/emulator/google_error.h"

/*
 * By code where a handler chose one, else by HTTP status. `reason` is the older APIs' word for it, `rpc` the
 * newer ones' (google.rpc.Code).
 */
static const struct answer {
    const char *code;
    int http_status;
    const char *reason;
    const char *rpc;
} answers[] = {
    {"condition_not_met", 412, "conditionNotMet", "FAILED_PRECONDITION"},
    {"not_modified", 304, "notModified", "FAILED_PRECONDITION"},
    {"range_not_satisfiable", 416, "requestedRangeNotSatisfiable", "OUT_OF_RANGE"},
    {"gone", 410, "gone", "NOT_FOUND"},
    {"failed_precondition", 400, "failedPrecondition", "FAILED_PRECONDITION"},
    {"unimplemented", 501, "notImplemented", "UNIMPLEMENTED"},
    {NULL, 400, "invalid", "INVALID_ARGUMENT"},
    {NULL, 401, "authError", "UNAUTHENTICATED"},
    {NULL, 403, "forbidden", "PERMISSION_DENIED"},
    {NULL, 404, "notFound", "NOT_FOUND"},
    {NULL, 405, "methodNotAllowed", "UNIMPLEMENTED"},
    {NULL, 408, "requestTimeout", "DEADLINE_EXCEEDED"},
    {NULL, 409, "conflict", "ALREADY_EXISTS"},
    {NULL, 413, "uploadTooLarge", "INVALID_ARGUMENT"},
    {NULL, 415, "unsupportedMediaType", "INVALID_ARGUMENT"},
    {NULL, 429, "rateLimitExceeded", "RESOURCE_EXHAUSTED"},
    {NULL, 500, "internalError", "INTERNAL"},
    {NULL, 503, "backendError", "UNAVAILABLE"},
    {NULL, 504, "backendError", "DEADLINE_EXCEEDED"},
};
enum { ANSWERS = sizeof answers / sizeof *answers };

static struct answer choose(int http_status, const char *code)
{
    for (size_t i = 0; i < ANSWERS; i++)
        if (answers[i].code ? !strcmp(answers[i].code, code) : answers[i].http_status == http_status)
            return answers[i];
    return (struct answer){NULL, http_status, http_status < 500 ? "invalid" : "internalError", "UNKNOWN"};
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
