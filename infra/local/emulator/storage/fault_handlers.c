/* The handlers that set faults, and those that may have one. */
#include "infra/local/emulator/api/google_error.h"
#include "infra/local/emulator/storage/faults.h"
#include "infra/local/emulator/storage/handlers.h"

enum mr_status em_faults_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(mr_request_json(req, EM_FAULTS_BYTES_MAX, &body, err));
    MR_TRY(em_faults_set(emulator->storage->faults, body, err));
    return mr_respond_empty(req, 204, err);
}

enum mr_status em_faults_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    json_t *answer = em_faults_get(emulator->storage->faults);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

static enum mr_status run(void *app, struct mr_request *req, const char *method, mr_handler *handler,
                          struct mr_err *err)
{
    struct em_app *emulator = app;
    int http_status = em_faults_take_status(emulator->storage->faults, method);
    struct mr_err cause;
    if (!http_status)
        return handler(app, req, err);
    mr_fail(&cause, MR_INTERNAL, "This fault was ordered.");
    return em_google_answer_error(req, http_status, &cause, err);
}

enum mr_status em_object_get_or_fault(void *app, struct mr_request *req, struct mr_err *err)
{
    return run(app, req, "storage.objects.get", em_object_get, err);
}

enum mr_status em_object_delete_or_fault(void *app, struct mr_request *req, struct mr_err *err)
{
    return run(app, req, "storage.objects.delete", em_object_delete, err);
}

enum mr_status em_object_compose_or_fault(void *app, struct mr_request *req, struct mr_err *err)
{
    return run(app, req, "storage.objects.compose", em_object_compose, err);
}

enum mr_status em_upload_post_or_fault(void *app, struct mr_request *req, struct mr_err *err)
{
    return run(app, req, "storage.objects.insert", em_upload_post, err);
}

enum mr_status em_upload_put_or_fault(void *app, struct mr_request *req, struct mr_err *err)
{
    return run(app, req, "storage.objects.insert", em_upload_put, err);
}
