/* Cross-origin requests to a resumable session; see storage/cors.h. */
#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/handlers.h"

/* The headers that an uploading script needs to read. */
#define SESSION_EXPOSES "Content-Length, Content-Type, Date, Location, Range, Server, X-GUploader-UploadID"

static const char *session_origin(const struct em_app *emulator, const struct mr_request *req)
{
    const char *id = mr_request_query(req, "upload_id");
    return id ? em_upload_session_origin(emulator->storage->sessions, id) : NULL;
}

enum mr_status em_cors_session_headers(struct mr_request *req, const char *origin, struct mr_err *err)
{
    struct em_cors_permission permission = {.origin = origin, .exposed = SESSION_EXPOSES};
    return origin ? em_cors_add_headers(req, &permission, err) : MR_OK;
}

enum mr_status em_cors_session(struct em_app *emulator, struct mr_request *req, mr_handler *handler,
                               struct mr_err *err)
{
    struct em_cors_permission permission = {.origin = session_origin(emulator, req),
                                            .exposed = SESSION_EXPOSES};
    return permission.origin ? em_cors_answer(&permission, emulator, req, handler, err)
                             : handler(emulator, req, err);
}

enum mr_status em_upload_preflight(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_cors_permission permission = {.exposed = SESSION_EXPOSES,
                                            .methods = "DELETE, GET, POST, PUT",
                                            .headers =
                                                mr_request_header(req, "Access-Control-Request-Headers"),
                                            .max_age_s = 3600};
    /* The JSON API lets any origin start a session. */
    permission.origin =
        mr_request_query(req, "upload_id") ? session_origin(app, req) : mr_request_header(req, "Origin");
    if (permission.origin)
        MR_TRY(em_cors_add_headers(req, &permission, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}
