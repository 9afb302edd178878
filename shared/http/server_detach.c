/* Streams whose socket is handed over: they go on after their handler. */
#include "shared/http/server_connection.h"

static enum mr_status answer_head_request(struct mr_request *req, int http_status, const char *content_type,
                                          int *ret_fd, struct mr_err *err)
{
    MR_TRY(mr_respond_begin(req, http_status, content_type, -1, err));
    *ret_fd = -1;
    return mr_respond_end(req, err);
}

enum mr_status mr_respond_detach(struct mr_request *req, int http_status, const char *content_type,
                                 int *ret_fd, struct mr_err *err)
{
    if (strcmp(mr_request_method(req), "HEAD") == 0)
        return answer_head_request(req, http_status, content_type, ret_fd, err);
    req->out.until_close = true;
    MR_TRY(mr_respond_begin(req, http_status, content_type, -1, err));
    req->out.ended = true;
    *ret_fd = mr_connection_give_away(req->server, req->conn);
    return MR_OK;
}
