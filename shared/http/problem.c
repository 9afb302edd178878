#include "shared/http/problem.h"

static const int http_statuses[MR_STATUS_COUNT] = {
    [MR_OK] = 200,        [MR_INVALID] = 400,  [MR_UNAUTHENTICATED] = 401, [MR_DENIED] = 403,
    [MR_NOT_FOUND] = 404, [MR_CONFLICT] = 409, [MR_TOO_LARGE] = 413,       [MR_UNSUPPORTED] = 415,
    [MR_CANCELED] = 409,  [MR_INTERNAL] = 500, [MR_UNAVAILABLE] = 503,     [MR_TIMEOUT] = 504,
    [MR_EXHAUSTED] = 429,
};

int mr_http_status_of(const struct mr_err *err)
{
    const struct mr_code_row *row = mr_code_row(err->code);
    if (row->http_status && row->status == err->status)
        return row->http_status;
    return (unsigned)err->status < MR_STATUS_COUNT ? http_statuses[err->status] : 500;
}

/* RFC 9110 §15, RFC 6585; 308 as a resumable upload's "Resume Incomplete" keeps its registered name. */
static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *mr_http_reason(int http_status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == http_status)
            return reasons[i].reason;
    return "Unknown";
}

int mr_http_status_at(size_t index)
{
    return index < sizeof reasons / sizeof *reasons ? reasons[index].status : 0;
}

/* What a client learns about a failure of the service. */
static const char *public_detail(int http_status, const struct mr_err *cause)
{
    switch (http_status) {
    case 503:
        return "The service is not available at the moment; try again.";
    case 504:
        return "A part of the service did not answer in time; try again.";
    case 505:
        return cause->message; /* the client's own fault */
    default:
        return http_status >= 500 ? "The server met an unexpected fault; it has been logged."
                                  : cause->message;
    }
}

/* What concerns operators alone is for clients no more than its status. A probe answers for its task. */
static enum mr_code public_code(const struct mr_err *cause)
{
    bool shown = mr_code_row(cause->code)->places & (MR_CODE_IN_ANSWER | MR_CODE_IN_TASK);
    return shown ? cause->code : mr_code_of_status(cause->status);
}

enum mr_status mr_problem_json(int http_status, const struct mr_err *cause, json_t **ret, struct mr_err *err)
{
    const char *detail = public_detail(http_status, cause);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "about:blank", "title",
                                mr_http_reason(http_status), "status", http_status, "detail", detail, "code",
                                mr_code_name(public_code(cause)), "message", detail);
    if (!problem)
        return mr_fail_oom(err);
    *ret = problem;
    return MR_OK;
}
